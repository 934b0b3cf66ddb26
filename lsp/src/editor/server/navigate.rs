//! Goes from words to what they mean: definitions in `towline.yaml`, links to the local
//! ends of ports, hosts under the cursor. Converts, looks at this machine's files,
//! asks the target; what leads where is decided elsewhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lsp_types::{DocumentLink, GotoDefinitionResponse, Location, Position, Range, Url};
use protocol::io::framed;
use protocol::wire::port::Resolved;
use tower_lsp::jsonrpc::Result;

use super::Face;
use crate::editor::documents::{Encoding, column, column_offset};
use crate::editor::facts::{Facts, uri_of};
use crate::editor::hosts::{self, Host};
use crate::editor::leads::{self, Lead};
use crate::editor::objects;
use crate::editor::references::{self, Reference};
use crate::editor::session::path_of;
use crate::face::stream;
use crate::hub::api::Request;
use crate::runtime::CONFIG_NAME;

/// How long a hover may wait for the target: who looks at a word does not wait longer.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(2);

/// Entries of folders that are looked at for a manifest.
const ENTRIES_MAX: usize = 20_000;
/// Manifests that are read for it, and how long one may be.
const MANIFESTS_MAX: usize = 2000;
const MANIFEST_LEN_MAX: u64 = 256 * 1024;
/// Folders that hold no manifests of one's own.
const FOREIGN: [&str; 3] = ["node_modules", "target", "vendor"];

impl Face {
    /// Where the word at a position of `towline.yaml` leads.
    pub(super) async fn definition(
        &self,
        uri: Url,
        position: Position,
    ) -> Result<Option<GotoDefinitionResponse>> {
        let editor = self.editor()?;
        let encoding = editor.session.encoding;
        let lead = editor.session.look(move |facts, documents| {
            let text = &documents.get(&uri).filter(|_| is_config(&uri, facts))?.text;
            let line = text.lines().nth(position.line as usize)?;
            let byte = column_offset(line, position.character, encoding);
            let found = references::of_line(text, position.line as usize);
            let found = found.iter().find(|it| (it.start..=it.end).contains(&byte))?;
            Some((leads::of(&found.named, text, facts)?, facts.root.clone()))
        });
        let Some((lead, root)) = lead.await.flatten() else { return Ok(None) };
        let scheme = editor.remote_uri(&root);
        // The file system may be slow, and the message loop must not be.
        let found = tokio::task::spawn_blocking(move || locations(&lead, &root, scheme));
        let found = found.await.unwrap_or_default();
        Ok((!found.is_empty()).then_some(GotoDefinitionResponse::Array(found)))
    }

    /// The links of a text: what `towline.yaml` names, and what open ports lead to.
    pub(super) async fn links(&self, uri: Url) -> Result<Option<Vec<DocumentLink>>> {
        let editor = self.editor()?;
        let encoding = editor.session.encoding;
        let found = editor.session.look(move |facts, documents| {
            let text = &documents.get(&uri)?.text;
            Some(if is_config(&uri, facts) {
                config_links(text, facts, encoding)
            } else {
                let open = hosts::open(text, facts);
                let made = open.iter().filter_map(|(line, host, forward)| {
                    let range = range(text, *line, host.start, host.end, encoding);
                    Some((range, Link::Web(hosts::url(forward)?)))
                });
                (made.collect(), facts.root.clone())
            })
        });
        let Some((links, root)) = found.await.flatten() else { return Ok(None) };
        let scheme = editor.remote_uri(&root);
        let made = tokio::task::spawn_blocking(move || {
            let made = links.into_iter().filter_map(|(range, link)| {
                let (target, tooltip) = match link {
                    Link::Web(url) => (url.parse().ok()?, "the local end of the open port"),
                    Link::Lead(lead) => {
                        let to = locations(&lead, &root, scheme.clone());
                        (to.into_iter().next()?.uri, "what this names")
                    }
                };
                let tooltip = Some(tooltip.to_owned());
                Some(DocumentLink { range, target: Some(target), tooltip, data: None })
            });
            made.collect::<Vec<_>>()
        });
        Ok(Some(made.await.unwrap_or_default()))
    }

    /// What a host is in the target, and whether it is forwarded.
    pub(super) async fn host(&self, host: Host) -> Result<Option<String>> {
        let session = &self.editor()?.session;
        let resolved = self.resolved(&host.name).await?;
        let told = session.look(move |facts, _| hosts::told(facts, &host, &resolved));
        Ok(told.await.flatten())
    }

    /// Dropped when the editor cancels, which ends it at the agent, too.
    async fn resolved(&self, name: &str) -> Result<std::result::Result<Vec<String>, String>> {
        let workspace = &self.editor()?.session.workspace;
        let asked = async {
            let request = Request::Resolve { host: name.to_owned() };
            let (mut rx, _tx) =
                stream::open(workspace, request).await.map_err(|error| error.to_string())?;
            let answer = framed::read::<Resolved>(&mut rx).await;
            answer.map(|answer| answer.addresses).map_err(|error| crate::chain(&error))
        };
        let answer = tokio::time::timeout(RESOLVE_PATIENCE, asked).await;
        Ok(answer.unwrap_or_else(|_| Err(format!("nothing answers for `{name}` now"))))
    }
}

/// A link before it is looked up.
enum Link {
    Web(String),
    Lead(Lead),
}

fn config_links(text: &str, facts: &Facts, encoding: Encoding) -> (Vec<(Range, Link)>, PathBuf) {
    let place = |it: &Reference| range(text, it.line, it.start, it.end, encoding);
    let ports = hosts::of_config(text, facts);
    let ports = ports.into_iter().map(|(it, url)| (place(&it), Link::Web(url)));
    let named = references::all(text);
    let leads = named.iter().filter_map(|it| {
        // Objects are looked for when one asks: it takes reading many files.
        let lead = leads::of(&it.named, text, facts);
        let lead = lead.filter(|lead| !matches!(lead, Lead::Object(..)))?;
        Some((place(it), Link::Lead(lead)))
    });
    (ports.chain(leads).collect(), facts.root.clone())
}

fn is_config(uri: &Url, facts: &Facts) -> bool {
    path_of(uri).is_some_and(|path| path == facts.root.join(CONFIG_NAME))
}

fn range(text: &str, line: usize, start: usize, end: usize, encoding: Encoding) -> Range {
    let own = text.lines().nth(line).unwrap_or_default();
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    let at = |byte| Position { line, character: column(own, byte, encoding) };
    Range { start: at(start), end: at(end) }
}

/// The places that are there.
fn locations(lead: &Lead, root: &Path, remote: Option<Remote>) -> Vec<Location> {
    let top = |uri| Location { uri, range: Range::default() };
    match lead {
        Lead::Files(files) => {
            let found = files.iter().find(|file| file.exists());
            found.and_then(|file| uri_of(file)).map(top).into_iter().collect()
        }
        Lead::Remote(path, local) => {
            let local = local.as_ref().filter(|local| local.exists()).and_then(|it| uri_of(it));
            let there = || remote.and_then(|remote| remote(path));
            local.or_else(there).map(top).into_iter().collect()
        }
        Lead::Object(kind, name) => declared(root, kind, name),
    }
}

/// How an editor names a path of the target.
pub(super) type Remote = std::sync::Arc<dyn Fn(&str) -> Option<Url> + Send + Sync>;

/// The manifests of a workspace that declare an object, as far as they are looked at.
fn declared(root: &Path, kind: &str, name: &str) -> Vec<Location> {
    let mut found = Vec::new();
    let mut folders = std::collections::VecDeque::from([root.to_owned()]);
    let (mut entries, mut manifests) = (0, 0);
    while let Some(folder) = folders.pop_front() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > ENTRIES_MAX || manifests > MANIFESTS_MAX {
                return found;
            }
            let path = entry.path();
            let file_name = entry.file_name();
            let file_name = file_name.to_string_lossy();
            // A link's own kind: links are not followed, so there is no end to find.
            let Ok(kind_of_entry) = entry.file_type() else { continue };
            if kind_of_entry.is_dir() {
                if !file_name.starts_with('.') && !FOREIGN.contains(&&*file_name) {
                    folders.push_back(path);
                }
            } else if kind_of_entry.is_file()
                && (file_name.ends_with(".yaml") || file_name.ends_with(".yml"))
                && entry.metadata().is_ok_and(|meta| meta.len() <= MANIFEST_LEN_MAX)
            {
                manifests += 1;
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let objects = objects::of(&text).into_iter();
                let objects = objects.filter(|it| it.kind == kind && it.name == name);
                found.extend(objects.filter_map(|object| {
                    let line = u32::try_from(object.name_line).ok()?;
                    let start = Position { line, character: 0 };
                    Some(Location { uri: uri_of(&path)?, range: Range { start, end: start } })
                }));
            }
        }
    }
    found
}
