//! Golden bytes, round trips, torn tails, garbage.

use alloc::vec;

use super::*;
use crate::sync::entry::Side;
use proptest::prelude::*;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn agreed(at: &str, entry: Entry) -> Record {
    Record::Agreed { path: path(at), ancestor: Ancestor::same(entry) }
}

fn records() -> Vec<Record> {
    let file = Entry::File { digest: [7; 32], size: 5, mode: 0o644, mtime_ns: -1 };
    let other = crate::sync::ancestor::with_mode(&file, 0o600);
    vec![
        Record::Bound { alpha: Some([1; 16]), beta: None, joined: true },
        agreed("dir", Entry::Directory { mode: 0o755 }),
        agreed("dir/file", file.clone()),
        Record::Agreed { path: path("quirk"), ancestor: Ancestor::pair(file, &other).unwrap() },
        agreed("link", Entry::Symlink { target: b"../x".to_vec() }),
        Record::Gone { path: path("dir/file") },
    ]
}

fn archive(records: Vec<Record>) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    encode(records, &mut bytes);
    bytes
}

fn read(bytes: &[u8], piece: usize) -> (Vec<Record>, u64, bool) {
    let (mut reader, mut records, mut whole) = (Reader::new(), Vec::new(), true);
    for bytes in bytes.chunks(piece) {
        whole &= reader.push(bytes, |record| records.push(record));
    }
    (records, reader.whole_len(), whole)
}

#[test]
fn the_format_is_what_it_was() {
    let bytes = archive(vec![
        Record::Bound { alpha: Some([0x11; 16]), beta: None, joined: true },
        agreed("a", Entry::Directory { mode: 0o755 }),
        Record::Gone { path: path("b") },
    ]);
    let hex: alloc::string::String =
        bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
    let records = "0101111111111111111111111111111111110000000000000000000000000000000000010300016101ed01ed02000162";
    assert_eq!(&hex[..20], "54574c41000100000030");
    assert_eq!(&hex[36..], records);
}

#[test]
fn every_record_round_trips_in_pieces_of_any_length() {
    let bytes = archive(records());
    for piece in [1, 2, 7, 64, 4096] {
        assert_eq!(read(&bytes, piece), (records(), bytes.len() as u64, true));
    }
}

#[test]
fn a_mode_that_beta_could_not_keep_is_remembered() {
    let (records, ..) = read(&archive(records()), 100);
    let Record::Agreed { ancestor, .. } = &records[3] else { panic!("no ancestor") };
    let modes = [Side::Alpha, Side::Beta].map(|side| match ancestor.on(side).as_ref() {
        Entry::File { mode, .. } => *mode,
        _ => 0,
    });
    assert_eq!(modes, [0o644, 0o600]);
}

#[test]
fn a_torn_tail_ends_the_reading_before_it() {
    let first = archive(records());
    let mut bytes = first.clone();
    encode([Record::Gone { path: path("later") }], &mut bytes);
    for cut in first.len()..bytes.len() {
        let (read, whole_len, _) = read(&bytes[..cut], 50);
        assert_eq!((read, whole_len), (records(), first.len() as u64), "cut at {cut}");
    }
}

#[test]
fn a_damaged_frame_ends_the_reading_before_it() {
    let first = archive(records());
    let mut bytes = first.clone();
    encode([Record::Gone { path: path("later") }], &mut bytes);
    for at in first.len()..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        let (read, whole_len, _) = read(&bytes, 50);
        assert_eq!((read, whole_len), (records(), first.len() as u64), "damaged at {at}");
    }
    let mut bytes = first;
    bytes[4] = 9; // another version
    assert_eq!(read(&bytes, 50), (vec![], 0, false));
}

#[test]
fn many_records_are_split_into_frames_that_a_reader_can_hold() {
    let many: Vec<_> = (0..5000)
        .map(|n| agreed(&alloc::format!("some/directory/file-{n}"), Entry::Directory { mode: n }))
        .collect();
    let bytes = archive(many.clone());
    assert_eq!(read(&bytes, 4096), (many, bytes.len() as u64, true));
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..64) {
        let _ = read(&bytes, piece);
        let mut framed = HEADER.to_vec();
        encode_frame(&bytes, &mut framed);
        let _ = read(&framed, piece);
    }
}
