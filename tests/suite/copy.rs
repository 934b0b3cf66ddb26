//! Suite: `cp` both ways between a local tree and an agent's, over a real
//! connection in memory, and what a hostile end may try.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use agent::context::Context;
use agent::router::Router;
use harness::wait;
use lsp::remote::copy::{download, upload};
use protocol::error::ErrorCode;
use protocol::io::connection::{Channel, Connection, OpenError};
use protocol::io::copy::{CopyError, Destination, Source, Summary};
use protocol::io::framed;
use protocol::io::quic::{self, Pair};
use protocol::path::RelPath;
use protocol::wire::copy::{Attributes, Copy, Piece, Verdict};
use protocol::wire::stream::{Open, Priority};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// Generous: only a hang takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A local directory, and an agent whose root is another.
struct Bench {
    home: tempfile::TempDir,
    root: tempfile::TempDir,
    hub: Connection,
    _pair: Pair,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

impl Bench {
    async fn new() -> Self {
        let (home, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pair = quic::pair().await.unwrap();
        let router = Router::new(Context {
            root: root.path().to_path_buf(),
            state_dir: root.path().join(".state"),
            shutdown: CancellationToken::new(),
            marker: "suite-copy".to_owned(),
        });
        let (hub, agent) = (pair.hub.clone(), pair.agent.clone());
        tokio::spawn(async move { router.serve(agent).await });
        Self { home, root, hub, _pair: pair }
    }

    async fn open(&self, copy: Copy) -> Result<Channel, String> {
        self.hub.open(&Open::Copy(copy), Priority::Bulk).await.map_err(|error| match error {
            OpenError::Refused(error) => error.message,
            other => panic!("{other}"),
        })
    }

    /// `cp from to`, where the paths are below the two roots.
    async fn cp(&self, way: Way, from: &str, to: &str) -> Result<Summary, String> {
        let mut calls = 0;
        let mut progress = |_: &Summary| calls += 1;
        let done = match way {
            Way::In => {
                let path = self.home.path().join(from);
                let source = Source::find(path, from).map_err(|error| error.message)?;
                let Channel { tx, rx } = self.open(Copy::In(to.to_owned())).await?;
                within(upload(rx, tx, source, &mut progress)).await
            }
            Way::Out => {
                let Channel { tx, rx } = self.open(Copy::Out(from.to_owned())).await?;
                let destination = Destination::new(self.home.path().join(to), to);
                within(download(rx, tx, destination, &mut progress)).await
            }
        };
        let summary = done.map_err(|error| error.to_string())?;
        assert!(calls > 0 || summary == Summary::default());
        Ok(summary)
    }

    fn ends(&self, way: Way) -> (&Path, &Path) {
        match way {
            Way::In => (self.home.path(), self.root.path()),
            Way::Out => (self.root.path(), self.home.path()),
        }
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("no hang")
}

/// Every path below `root` with what it is: comparable and printable.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let what = if meta.is_dir() {
                waiting.push(path.clone());
                format!("dir {:o} {}.{:09}", meta.mode() & 0o777, meta.mtime(), meta.mtime_nsec())
            } else if meta.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                let sum = blake3::hash(&fs::read(&path).unwrap()).to_hex();
                let (mode, s, ns) = (meta.mode() & 0o777, meta.mtime(), meta.mtime_nsec());
                format!("{mode:o} {s}.{ns:09} {sum:.16}")
            };
            found.insert(path.strip_prefix(root).unwrap().display().to_string(), what);
        }
    }
    found
}

/// Files, modes, times, links, a deep path, odd names.
fn plant(root: &Path) {
    fs::create_dir_all(root.join("src/deep/er")).unwrap();
    fs::create_dir(root.join("src/empty")).unwrap();
    fs::write(root.join("src/main.rs"), "fn main() {}").unwrap();
    fs::write(root.join("src/deep/er/big"), vec![7; 3 * 256 * 1024 + 5]).unwrap();
    fs::write(root.join("src/deep/none"), "").unwrap();
    fs::write(root.join("src/a b\n\u{e9}"), "odd").unwrap();
    symlink("../../nowhere", root.join("src/deep/dangling")).unwrap();
    symlink("/etc", root.join("src/out")).unwrap();
    fs::set_permissions(root.join("src/main.rs"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(root.join("src/empty"), fs::Permissions::from_mode(0o500)).unwrap();
    let past = std::time::SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    for path in ["src/main.rs", "src/deep/none", "src/empty", "src/deep"] {
        fs::File::open(root.join(path)).unwrap().set_modified(past).unwrap();
    }
}

#[tokio::test]
async fn a_tree_arrives_with_modes_times_and_links_both_ways() {
    for way in [Way::In, Way::Out] {
        let bench = Bench::new().await;
        let (from, to) = bench.ends(way);
        plant(from);
        let summary = bench.cp(way, "src", "copy").await.unwrap();
        let (expected, got) = (tree(&from.join("src")), tree(&to.join("copy")));
        assert_eq!(got, expected, "{way:?}");
        let bytes = 3 * 256 * 1024 + 5 + 12 + 3;
        assert_eq!((summary.files, summary.bytes, summary.skipped_count), (6, bytes, 0));
    }
}

#[tokio::test]
async fn where_things_land_is_what_cp_does() {
    let check = async |from: &str, to: &str, expected: &[&str]| {
        for way in [Way::In, Way::Out] {
            let bench = Bench::new().await;
            let (source, target) = bench.ends(way);
            fs::create_dir_all(source.join("d/e")).unwrap();
            fs::write(source.join("d/f"), "f").unwrap();
            symlink("d", source.join("link")).unwrap();
            fs::create_dir_all(target.join("here/d")).unwrap();
            fs::write(target.join("old"), "old").unwrap();
            symlink("here", target.join("to-here")).unwrap();
            let before = tree(target);
            bench.cp(way, from, to).await.unwrap();
            let new =
                tree(target).into_iter().filter(|(path, what)| before.get(path) != Some(what));
            let files: Vec<_> =
                new.into_iter().filter(|(_, w)| !w.starts_with("dir")).map(|(p, _)| p).collect();
            assert_eq!(files, expected, "{way:?} {from} {to}");
        }
    };
    check("d/f", "new", &["new"]).await;
    check("d/f", "old", &["old"]).await;
    check("d/f", "here", &["here/f"]).await;
    check("d/f", "here/", &["here/f"]).await;
    check("d/f", "to-here", &["here/f"]).await;
    check("d/f", ".", &["f"]).await;
    check("d", "new", &["new/f"]).await;
    check("d/", "new/", &["new/f"]).await;
    check("d", "here", &["here/d/f"]).await;
    check("d/.", "here", &["here/f"]).await;
    check("d/.", "new", &["new/f"]).await;
    check("link", "new", &["new/f"]).await;
    check(".", "here", &["here/d/f", "here/link"]).await;
}

#[tokio::test]
async fn absolute_paths_of_the_target_are_below_its_root() {
    let bench = Bench::new().await;
    fs::write(bench.home.path().join("f"), "f").unwrap();
    fs::create_dir(bench.root.path().join("app")).unwrap();
    bench.cp(Way::In, "f", "/app").await.unwrap();
    bench.cp(Way::In, "f", "/../../g").await.unwrap();
    assert!(bench.root.path().join("app/f").exists() && bench.root.path().join("g").exists());
    bench.cp(Way::Out, "/app/f", "back").await.unwrap();
    assert_eq!(fs::read(bench.home.path().join("back")).unwrap(), b"f");
}

#[tokio::test]
async fn what_cannot_be_copied_is_told() {
    let check = async |from: &str, to: &str, words: &[&str]| {
        for way in [Way::In, Way::Out] {
            let bench = Bench::new().await;
            let (source, target) = bench.ends(way);
            fs::create_dir_all(source.join("d/x")).unwrap();
            fs::write(source.join("f"), "f").unwrap();
            fs::write(target.join("file"), "old").unwrap();
            fs::create_dir_all(target.join("t/f/full")).unwrap();
            fs::create_dir(target.join("t/d")).unwrap();
            symlink("/tmp", target.join("t/d/x")).unwrap();
            let before = tree(target);
            let error = bench.cp(way, from, to).await.unwrap_err();
            for word in words {
                assert!(error.contains(word), "{way:?} {from} {to}: {error}");
            }
            let left: Vec<_> =
                tree(target).into_keys().filter(|path| !before.contains_key(path)).collect();
            assert!(left.is_empty(), "{way:?} {from} {to}: {left:?}");
        }
    };
    check("missing", "x", &["unable to copy `missing`", "no such file or directory"]).await;
    check("f", "new/", &["unable to copy to `new/`", "no such file or directory"]).await;
    check("f", "no/where", &["unable to copy to `no/where`", "no such file"]).await;
    check("d", "file", &["unable to copy to `file`", "not a directory"]).await;
    check("f", "file/", &["not a directory"]).await;
    check("f", "t", &["unable to write"]).await; // a directory is in the way
    check("d", "t", &["`x`", "something else is in its place"]).await; // a link is
}

#[tokio::test]
async fn what_is_no_file_is_skipped_and_named() {
    for way in [Way::In, Way::Out] {
        let bench = Bench::new().await;
        let (from, to) = bench.ends(way);
        fs::create_dir(from.join("d")).unwrap();
        fs::write(from.join("d/f"), "f").unwrap();
        let fifo = from.join("d/pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.join("d/sock")).unwrap();
        let summary = bench.cp(way, "d", "new").await.unwrap();
        let skipped = [("pipe", "it is a FIFO"), ("sock", "it is a socket")];
        let skipped = skipped.map(|(path, why)| (path.to_owned(), why.to_owned()));
        assert_eq!(summary.skipped, skipped, "{way:?}");
        assert_eq!(tree(&to.join("new")).into_keys().collect::<Vec<_>>(), ["f"]);
    }
}

const PLAIN: Attributes = Attributes { mode: 0o7777, mtime_s: 0, mtime_ns: 0 };

fn rel(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

/// A path that no honest end can make.
fn forged(path: &str) -> Vec<u8> {
    let mut piece = framed::encode(&Piece::File(rel(&"x".repeat(path.len())), PLAIN)).unwrap();
    let at = piece.windows(path.len()).position(|w| w == "x".repeat(path.len()).as_bytes());
    piece[at.unwrap()..][..path.len()].copy_from_slice(path.as_bytes());
    piece
}

#[tokio::test]
async fn a_hostile_end_cannot_leave_the_destination() {
    let frame = |piece: &Piece| framed::encode(piece).unwrap();
    let begin = |name: &str| frame(&Piece::Begin(name.as_bytes().to_vec()));
    let root = || frame(&Piece::Directory(RelPath::root(), PLAIN));
    let file = |path: &str| {
        let pieces = [Piece::File(rel(path), PLAIN), Piece::Data(b"owned".to_vec())];
        [frame(&pieces[0]), frame(&pieces[1]), frame(&Piece::EndOfFile)].concat()
    };
    let link = |path: &str| frame(&Piece::Symlink(rel(path), b"/tmp".to_vec()));
    let directory = |path: &str| frame(&Piece::Directory(rel(path), PLAIN));
    let attempts: Vec<(&str, Vec<u8>)> = vec![
        ("dotdot name", [begin(".."), root()].concat()),
        ("path as name", [begin("../x"), root()].concat()),
        ("absolute name", [begin("/tmp/x"), root()].concat()),
        ("dotdot path", [begin("n"), root(), forged("../../owned")].concat()),
        ("absolute path", [begin("n"), root(), forged("/tmp/owned")].concat()),
        ("nul", [begin("n"), root(), forged("a\0b")].concat()),
        ("through own link", [begin("n"), root(), link("l"), file("l/owned")].concat()),
        ("dir over own link", [begin("n"), root(), link("l"), directory("l")].concat()),
        ("through old link", [begin("n"), root(), directory("old"), file("old/owned")].concat()),
        ("parent not sent", [begin("n"), root(), file("a/b/owned")].concat()),
        ("no begin", root()),
        ("two begins", [begin("n"), begin("n")].concat()),
        ("two roots", [begin("n"), root(), root()].concat()),
        ("data of nothing", [begin("n"), root(), frame(&Piece::Data(vec![1]))].concat()),
        (
            "file in file",
            [begin("n"), root(), frame(&Piece::File(rel("f"), PLAIN)), root()].concat(),
        ),
        ("done in file", {
            let file = frame(&Piece::File(rel("f"), PLAIN));
            [begin("n"), root(), file, frame(&Piece::Done)].concat()
        }),
        ("done at once", frame(&Piece::Done)),
        ("garbage", vec![0, 0, 0, 3, 0xff, 0xff, 0xff]),
        ("too long", vec![0xff; 8]),
    ];
    for (name, bytes) in attempts {
        let bench = Bench::new().await;
        let aside = tempfile::tempdir().unwrap();
        let target = bench.root.path().join("in");
        fs::create_dir_all(target.join("n")).unwrap();
        symlink(aside.path(), target.join("n/old")).unwrap();
        let Channel { mut tx, mut rx } = bench.open(Copy::In("in".to_owned())).await.unwrap();
        tx.write_all(&bytes).await.unwrap();
        let verdict: Verdict = within(framed::read(&mut rx)).await.unwrap();
        let Verdict::Failed(error) = verdict else { panic!("{name} was done") };
        assert_eq!(error.code, ErrorCode::BadRequest, "{name}: {error}");
        assert!(tree(aside.path()).is_empty(), "{name}");
        let odd = |path: &String| !path.starts_with("in/n") && path != "in";
        assert!(!tree(bench.root.path()).keys().any(odd), "{name}");
        let temporary = |path: &String| path.contains(".towline-cp");
        assert!(!tree(bench.root.path()).keys().any(temporary), "{name}");
        assert!(!Path::new("/tmp/owned").exists(), "{name}");
    }
}

#[tokio::test]
async fn a_copy_that_is_cut_leaves_no_half_file() {
    let bench = Bench::new().await;
    let Channel { mut tx, rx } = bench.open(Copy::In("new".to_owned())).await.unwrap();
    for piece in [
        Piece::Begin(b"f".to_vec()),
        Piece::File(RelPath::root(), PLAIN),
        Piece::Data(vec![1; 1000]),
    ] {
        framed::write(&mut tx, &piece).await.unwrap();
    }
    wait::until_async("begun", async || (!tree(bench.root.path()).is_empty()).then_some(())).await;
    tx.reset();
    drop((tx, rx));
    wait::until_async("removed", async || tree(bench.root.path()).is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_lost_link_is_told() {
    let bench = Bench::new().await;
    let Channel { tx, rx } = bench.open(Copy::In("new".to_owned())).await.unwrap();
    bench.hub.close("gone");
    fs::write(bench.home.path().join("f"), "f").unwrap();
    let source = Source::find(bench.home.path().join("f"), "f").unwrap();
    let error = within(upload(rx, tx, source, &mut |_| {})).await.unwrap_err();
    assert!(matches!(error, CopyError::Stream(_)), "{error}");
}
