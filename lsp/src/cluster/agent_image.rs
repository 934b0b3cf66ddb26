//! The agent's own image for ephemeral containers: an OCI image layout in one
//! archive, made without an engine and always of the same bytes. It holds the agent
//! and nothing else; how it is told from images with a shell is written here, too.
//!
//! ```text
//! index.json ─▶ index ─┬▶ manifest amd64 ─▶ config, layer
//!                      └▶ manifest arm64 ─▶ config, layer: /towline-agent, /tmp
//! ```

use std::io::{self, Write};

use protocol::version::VERSION;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::agent_file::AgentFile;

/// The last part of such an image's repository.
pub const NAME: &str = "towline-agent";

/// Where the agent is in it.
pub const PROGRAM: &str = "/towline-agent";

/// Architectures as OCI and as `uname -m` name them.
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// When everything was made: a clock would make each image another one.
const MADE: &str = "1970-01-01T00:00:00Z";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Whether an image is one of these, by its name alone.
pub fn is_agent_image(image: &str) -> bool {
    let repository = image.split_once('@').map_or(image, |(repository, _)| repository);
    let last = repository.rsplit('/').next().unwrap_or_default();
    last.split(':').next() == Some(NAME)
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// An agent for a machine that has no name here.
    #[error("the agent is for an unknown kind of machine; known: {}", known())]
    UnknownMachine,
    /// A name that means no architecture.
    #[error("there is no architecture `{named}`; known: {}", known())]
    UnknownArchitecture {
        /// As it was said.
        named: String,
    },
    /// The file is for another one.
    #[error("the agent given for {named} is for {is}")]
    OtherArchitecture {
        /// As it was said.
        named: String,
        /// As its ELF header says.
        is: &'static str,
    },
    /// Two agents for one.
    #[error("two agents are given for {0}")]
    Twice(&'static str),
    /// It could not be packed.
    #[error("unable to pack the image")]
    Pack(#[source] io::Error),
}

/// The architecture an agent is for, which has to be the one it was given for.
///
/// # Errors
/// See [`ImageError`].
pub fn architecture(agent: &AgentFile, named: Option<&str>) -> Result<&'static str, ImageError> {
    let is_known = |named: &str| ARCHITECTURES.iter().any(|(oci, _)| *oci == named);
    if let Some(named) = named.filter(|named| !is_known(named)) {
        return Err(ImageError::UnknownArchitecture { named: named.to_owned() });
    }
    let of_file = ARCHITECTURES.iter().find(|(_, machine)| agent.machine == Some(machine));
    let (is, _) = of_file.ok_or(ImageError::UnknownMachine)?;
    match named.filter(|named| named != is) {
        Some(named) => Err(ImageError::OtherArchitecture { named: named.to_owned(), is }),
        None => Ok(is),
    }
}

fn known() -> String {
    ARCHITECTURES.map(|(oci, _)| oci).join(", ")
}

/// An image that is ready to be written.
#[derive(Debug)]
pub struct Archive {
    /// The whole archive.
    pub bytes: Vec<u8>,
    /// The digest of the image, as registries name it.
    pub digest: String,
}

/// Packs agents, each with its architecture.
///
/// # Errors
/// See [`ImageError`].
pub fn pack(agents: &[(&'static str, &AgentFile)]) -> Result<Archive, ImageError> {
    let mut agents = agents.to_vec();
    agents.sort_by_key(|(architecture, _)| *architecture);
    if let Some(twice) = agents.windows(2).find(|two| two[0].0 == two[1].0) {
        return Err(ImageError::Twice(twice[0].0));
    }
    let mut blobs = Blobs::default();
    let mut manifests = Vec::new();
    for (architecture, agent) in agents {
        let mut manifest = image(&mut blobs, architecture, agent).map_err(ImageError::Pack)?;
        manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
        manifests.push(manifest);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let mut index = blobs.add(INDEX, index.to_string().into_bytes());
    let digest = index["digest"].as_str().unwrap_or_default().to_owned();
    // The tag, for tools that take none.
    index["annotations"] = json!({ "org.opencontainers.image.ref.name": VERSION });
    let top = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [index] });
    let bytes = blobs.archive(&top).map_err(ImageError::Pack)?;
    Ok(Archive { bytes, digest })
}

/// The image of one architecture; what names its manifest.
fn image(blobs: &mut Blobs, architecture: &str, agent: &AgentFile) -> io::Result<Value> {
    let layer = layer(&agent.bytes)?;
    let config = json!({
        "created": MADE,
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": [PROGRAM],
            "Labels": {
                "org.opencontainers.image.title": NAME,
                "org.opencontainers.image.version": VERSION,
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [sha256(&layer)] },
        "history": [{ "created": MADE, "created_by": "towline agent-image" }],
    });
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&layer)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.add(CONFIG, config.to_string().into_bytes()),
        "layers": [blobs.add(LAYER, gzip.finish()?)],
    });
    Ok(blobs.add(MANIFEST, manifest.to_string().into_bytes()))
}

/// The agent, and one directory that it may write to whoever it runs as.
fn layer(agent: &[u8]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut tmp = header(0, 0o1777);
    tmp.set_entry_type(tar::EntryType::Directory);
    tar.append_data(&mut tmp, "tmp/", io::empty())?;
    let path = PROGRAM.trim_start_matches('/');
    tar.append_data(&mut header(agent.len() as u64, 0o755), path, agent)?;
    tar.into_inner()
}

/// Of the superuser's, from no time.
fn header(len: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(len);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// What an image is made of, by digest, in the order in which it was made.
#[derive(Default)]
struct Blobs(Vec<(String, Vec<u8>)>);

impl Blobs {
    /// Keeps a blob; what names it.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = sha256(&bytes);
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() });
        self.0.push((digest, bytes));
        descriptor
    }

    fn archive(&self, index: &Value) -> io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |path: &str, bytes: &[u8]| {
            tar.append_data(&mut header(bytes.len() as u64, 0o644), path, bytes)
        };
        add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        add("index.json", index.to_string().as_bytes())?;
        for (digest, bytes) in &self.0 {
            add(&format!("blobs/{}", digest.replace(':', "/")), bytes)?;
        }
        tar.into_inner()
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::from("sha256:"), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    fn agent(machine: &'static str, bytes: &[u8]) -> AgentFile {
        AgentFile { bytes: bytes.to_vec(), digest: String::new(), machine: Some(machine) }
    }

    /// The files of an archive.
    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect()
    }

    /// What a descriptor names, which has to be as it says.
    fn named(files: &BTreeMap<String, Vec<u8>>, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let blob = &files[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(sha256(blob), digest);
        assert_eq!(descriptor["size"], blob.len());
        blob.clone()
    }

    fn parsed(files: &BTreeMap<String, Vec<u8>>, descriptor: &Value) -> Value {
        serde_json::from_slice(&named(files, descriptor)).unwrap()
    }

    #[test]
    fn an_image_holds_each_agent_under_its_architecture_and_is_always_the_same() {
        let (intel, arm) = (agent("x86_64", b"intel"), agent("aarch64", b"arm"));
        let archive = pack(&[("arm64", &arm), ("amd64", &intel)]).unwrap();
        let again = pack(&[("amd64", &intel), ("arm64", &arm)]).unwrap();
        assert_eq!(archive.bytes, again.bytes);
        let all = files(&archive.bytes);
        let top: Value = serde_json::from_slice(&all["index.json"]).unwrap();
        assert_eq!(top["manifests"][0]["digest"], archive.digest);
        let index = parsed(&all, &top["manifests"][0]);
        for (at, (architecture, content)) in
            [("amd64", "intel"), ("arm64", "arm")].iter().enumerate()
        {
            let entry = &index["manifests"][at];
            assert_eq!(entry["platform"]["architecture"], *architecture);
            let manifest = parsed(&all, entry);
            let config = parsed(&all, &manifest["config"]);
            assert_eq!(config["architecture"], *architecture);
            let packed = named(&all, &manifest["layers"][0]);
            let mut layer = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut layer).unwrap();
            assert_eq!(config["rootfs"]["diff_ids"][0], sha256(&layer));
            let inside = files(&layer);
            assert_eq!(inside.keys().collect::<Vec<_>>(), ["tmp/", "towline-agent"]);
            assert_eq!(inside["towline-agent"], content.as_bytes());
        }
    }

    #[test]
    fn an_agent_is_given_once_and_for_the_architecture_it_is_for() {
        let intel = agent("x86_64", b"");
        assert_eq!(architecture(&intel, None).unwrap(), "amd64");
        assert_eq!(architecture(&intel, Some("amd64")).unwrap(), "amd64");
        let says = |error: ImageError, words: &str| {
            let text = error.to_string();
            assert!(text.contains(words), "{text}");
        };
        says(architecture(&intel, Some("arm64")).unwrap_err(), "given for arm64 is for amd64");
        says(architecture(&intel, Some("mips")).unwrap_err(), "known: amd64, arm64");
        let odd = AgentFile { machine: None, ..agent("", b"") };
        says(architecture(&odd, None).unwrap_err(), "unknown kind of machine");
        says(pack(&[("amd64", &intel), ("amd64", &intel)]).unwrap_err(), "two agents");
    }

    #[test]
    fn an_agents_image_is_known_by_the_last_part_of_its_repository() {
        let check = |image: &str, is: bool| assert_eq!(is_agent_image(image), is, "{image}");
        check("towline-agent", true);
        check("towline-agent:1", true);
        check("registry.example:5000/team/towline-agent:0.1.0", true);
        check("registry.example/towline-agent@sha256:00ff", true);
        check("registry.example/towline-agent:1@sha256:00ff", true);
        check("towline-agent/busybox:1", false);
        check("registry.example/my-towline-agent", false);
        check("busybox:towline-agent", false);
        check("", false);
    }
}
