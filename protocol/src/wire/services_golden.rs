//! Golden bytes of the messages for ports, commands, the app and copies. A
//! change here changes what two ends say to each other: add numbers, never
//! reuse them.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{Debug, Write};

use minicbor::{Decode, Encode};
use proptest::prelude::*;

use super::app::{AppCommand, AppReply, AppRequest, LogLine, LogSource, Logs};
use super::copy::{Attributes, Copy, Piece, Verdict};
use super::exec::{Exec, Exit, Input, Output, WindowSize};
use super::files::{Facts, FileKind, Files, FilesReply, Match, Named, Search};
use super::port::{Datagram, Dial, Protocol, Resolve, Resolved};
use super::stream::{Open, Opened};
use crate::error::{ErrorCode, WireError};
use crate::path::RelPath;

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn check<T>(value: &T, expected: &str)
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let bytes = minicbor::to_vec(value).unwrap();
    assert_eq!(hex(&bytes), expected, "{value:?}");
    assert_eq!(&minicbor::decode::<T>(&bytes).unwrap(), value);
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn ports() {
    let dial =
        |host: &str, protocol| Dial { host: host.to_string(), port: 5432, protocol, name: None };
    check(&Open::Dial(dial("db", Protocol::Tcp)), "8201818362646219153800");
    check(&Open::Dial(dial("::1", Protocol::Udp)), "82018183633a3a3119153801");
    let name = Some("pg".to_string());
    let named = Dial { host: "db".to_string(), port: 0, protocol: Protocol::Tcp, name };
    check(&Open::Dial(named), "820181846264620000627067");
    check(&Datagram(vec![0, 255]), "4200ff");
    check(&Open::Resolve(Resolve { host: "db".to_string() }), "82108181626462");
    check(&Resolved { addresses: words(&["::1"]) }, "8181633a3a31");
    check(&Opened::Ok, "820080");
    let refused = WireError::new(ErrorCode::ConnectionRefused, "no");
    check(&Opened::Refused(refused), "8201818204626e6f");
}

#[test]
fn commands() {
    let size = WindowSize { rows: 24, cols: 300 };
    let exec = Exec {
        argv: words(&["ls", "-l"]),
        cwd: Some("/app".to_string()),
        env: vec![("A".to_string(), "b".to_string())],
        tty: Some(size),
    };
    check(&Open::Exec(exec), "8202818482626c73622d6c642f61707081826141616282181819012c");
    let plain = Exec { argv: vec![], cwd: None, env: vec![], tty: None };
    check(&Open::Exec(plain), "8202818380f680");
    check(&Input::Stdin(vec![0, 255]), "8200814200ff");
    check(&Input::StdinEof, "820180");
    check(&Input::Resize(size), "82028182181819012c");
    check(&Input::Signal(15), "8203810f");
    check(&Output::Started(7), "82008107");
    check(&Output::Stdout(vec![1]), "8201814101");
    check(&Output::Stderr(vec![2]), "8202814102");
    check(&Output::Exited(Exit::Code(-1)), "82038182008120");
    check(&Output::Exited(Exit::Signal(9)), "82038182018109");
}

#[test]
fn the_app() {
    let command = || AppCommand { argv: words(&["serve"]), cwd: None, env: vec![] };
    check(&Open::App(AppRequest::Launch(command())), "8203818200818381657365727665f680");
    check(&AppRequest::Restart, "820180");
    check(&AppRequest::Stop, "820280");
    check(&AppRequest::Status, "820380");
    check(&AppRequest::Watch, "820480");
    check(&AppRequest::Hook(command()), "8205818381657365727665f680");
    check(&AppReply::None, "820080");
    check(&AppReply::Running { pid: 7, starts: 2 }, "8201820702");
    check(&AppReply::Exited { exit: Exit::Code(0), starts: 2 }, "8202828200810002");
    check(&AppReply::Ran(Exit::Signal(2)), "82038182018102");
    check(&Open::Logs(Logs { tail: Some(5), follow: true }), "8204818205f5");
    check(&Logs { tail: None, follow: false }, "82f6f4");
    for (source, expected) in [
        (LogSource::Stdout, "8301004178"),
        (LogSource::Stderr, "8301014178"),
        (LogSource::Hook, "8301024178"),
        (LogSource::Agent, "8301034178"),
    ] {
        check(&LogLine { at_us: 1, source, text: b"x".to_vec() }, expected);
    }
}

#[test]
fn copies() {
    let path = RelPath::parse(b"a/b").unwrap();
    let attributes = Attributes { mode: 0o644, mtime_s: -1, mtime_ns: 5 };
    check(&Open::Copy(Copy::In("/x".to_string())), "820581820081622f78");
    check(&Open::Copy(Copy::Out("y".to_string())), "8205818201816179");
    check(&Piece::Begin(b"n".to_vec()), "820081416e");
    check(&Piece::Directory(RelPath::root(), attributes), "82018240831901a42005");
    check(&Piece::File(path.clone(), attributes), "82028243612f62831901a42005");
    check(&Piece::Data(vec![9]), "8203814109");
    check(&Piece::EndOfFile, "820480");
    check(&Piece::Symlink(path.clone(), b"t".to_vec()), "82058243612f624174");
    check(&Piece::Skipped(path, "s".to_string()), "82068243612f626173");
    check(&Piece::Done, "820780");
    check(&Piece::Failed(WireError::new(ErrorCode::NoSpace, "f")), "82088182076166");
    check(&Verdict::Done, "820080");
    check(&Verdict::Failed(WireError::new(ErrorCode::Other, "f")), "82018182006166");
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = minicbor::decode::<Open>(&bytes);
        let _ = minicbor::decode::<Opened>(&bytes);
        let _ = minicbor::decode::<Input>(&bytes);
        let _ = minicbor::decode::<Output>(&bytes);
        let _ = minicbor::decode::<AppReply>(&bytes);
        let _ = minicbor::decode::<LogLine>(&bytes);
        let _ = minicbor::decode::<Datagram>(&bytes);
        let _ = minicbor::decode::<Resolved>(&bytes);
        let _ = minicbor::decode::<Piece>(&bytes);
        let _ = minicbor::decode::<Verdict>(&bytes);
    }
}

#[test]
fn files() {
    let path = || "a".to_string();
    check(&Open::Files(Files::Stat(path())), "8209818201816161");
    check(&Files::List { path: path(), after: Some(vec![255]) }, "820082616141ff");
    check(&Files::Remove { path: path(), recursive: true }, "8202826161f5");
    check(
        &Files::Rename { from: path(), to: "b".to_string(), overwrite: false },
        "82038361616162f4",
    );
    check(&Files::MakeDirectory(path()), "8204816161");
    let search =
        Search { path: path(), text: "x".to_string(), match_case: true, after: Some(vec![255]) };
    check(&Files::Search(search), "8205818461616178f541ff");
    let facts = Facts { kind: FileKind::Directory, size: 1, mtime_us: 2, mode: 0o755 };
    check(&FilesReply::Facts(facts), "820181840101021901ed");
    let entries = vec![Named { name: vec![255], facts }];
    check(&FilesReply::Entries { entries, more: false }, "820082818241ff840101021901edf4");
    check(&FilesReply::Done, "820280");
    let matches = vec![Match { path: vec![255], line: 1, column: 2, text: vec![3] }];
    check(&FilesReply::Found { matches, files: 4, next: None }, "820382818441ff0102410304");
}
