//! Golden bytes of the messages for processes and debuggers. A change here changes what two
//! ends say to each other: add numbers, never reuse them.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{Debug, Write};

use minicbor::{Decode, Encode};
use proptest::prelude::*;

use super::debug::{
    AdapterReady, Attach, FromDebugger, OpenDebug, OpenProcesses, OpenSource, OpenUpload,
    ProcessEntry, ProcessList, Quirk, SourceChunk, ToDebugger, UploadPiece, Uploaded,
};
use super::stream::Open;
use crate::error::{ErrorCode, WireError};

fn check<T>(value: &T, expected: &str)
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let bytes = minicbor::to_vec(value).unwrap();
    let mut hex = String::new();
    for byte in &bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    assert_eq!(hex, expected, "{value:?}");
    assert_eq!(&minicbor::decode::<T>(&bytes).unwrap(), value);
}

fn text(text: &str) -> String {
    text.to_string()
}

#[test]
fn processes() {
    check(&Open::Processes(OpenProcesses { all: true }), "820d8181f5");
    let entry = ProcessEntry {
        pid: 7,
        parent: 1,
        argv: vec![text("a")],
        user: text("u"),
        language: text("l"),
        runtime: text("r"),
        ports: vec![80],
        attach: Attach::Yes,
        name: text("n"),
        supervised: false,
        adapters: vec![],
    };
    let list = ProcessList { processes: vec![entry], more: false };
    check(&list, "82818b07018161616175616c61728118508200806 16ef480f4".replace(' ', "").as_str());
    check(&Attach::Needs(text("x")), "8201816178");
    check(&Attach::NeedsRestart(text("x")), "8202816178");
}

#[test]
fn sessions() {
    let open = OpenDebug { pid: 7, lease_ms: 30_000, adapter: None, uploaded: Some(text("/a")) };
    check(&Open::Debug(open), "820e818407197530f6622f61");
    check(&ToDebugger::Bytes(vec![1]), "8200814101");
    check(&ToDebugger::Alive, "820180");
    check(&ToDebugger::Release, "820280");
    let ready = AdapterReady {
        language: text("l"),
        adapter: text("a"),
        arguments: text("{}"),
        root: text("/"),
        cwd: text("/"),
        sources: vec![],
        module: None,
        quirks: vec![
            Quirk::StopsAtAttach,
            Quirk::PauseBeforeDisconnect,
            Quirk::ChildSession,
            Quirk::Inspector,
        ],
    };
    check(&FromDebugger::Ready(ready), "82008188616c6161627b7d612f612f80f68400010203");
    check(&FromDebugger::Bytes(vec![2]), "8201814102");
    check(&FromDebugger::Note(text("n")), "820281616e");
    check(&FromDebugger::Ended(text("e")), "8203816165");
    check(&Open::Source(OpenSource { pid: 7, path: text("/a") }), "820f818207622f61");
    check(&SourceChunk { bytes: vec![3], more: true }, "824103f5");
}

#[test]
fn uploads() {
    let open = OpenUpload { name: text("d"), digest: text("0") };
    check(&Open::Upload(open), "8211818261646130");
    check(&UploadPiece::File { path: text("p"), bytes: vec![4] }, "82008261704104");
    check(&UploadPiece::End, "820180");
    check(&Uploaded::There(text("/a")), "820081622f61");
    check(&Uploaded::Wanted, "820180");
    check(&Uploaded::Failed(WireError::new(ErrorCode::Other, "f")), "82028182006166");
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = minicbor::decode::<ProcessList>(&bytes);
        let _ = minicbor::decode::<ToDebugger>(&bytes);
        let _ = minicbor::decode::<FromDebugger>(&bytes);
        let _ = minicbor::decode::<SourceChunk>(&bytes);
        let _ = minicbor::decode::<UploadPiece>(&bytes);
        let _: Result<Vec<Uploaded>, _> = minicbor::decode(&bytes);
    }
}
