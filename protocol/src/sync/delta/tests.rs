//! Round trips, economy, and garbage.

use super::*;
use proptest::prelude::*;

fn signature(old: &[u8], piece: usize) -> Vec<u8> {
    let mut builder = SignatureBuilder::new(old.len() as u64);
    old.chunks(piece).for_each(|bytes| builder.push(bytes));
    builder.finish()
}

fn delta(signature: &[u8], new: &[u8], piece: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(signature).unwrap();
    let mut out = Vec::new();
    new.chunks(piece).for_each(|bytes| encoder.push(bytes, &mut out));
    encoder.finish(&mut out);
    out
}

fn apply(old: &[u8], new_len: u64, delta: &[u8], piece: usize) -> Result<Vec<u8>, DeltaError> {
    let mut decoder = Decoder::new(old.len() as u64, new_len);
    let mut made = Vec::new();
    for bytes in delta.chunks(piece) {
        decoder.push(bytes);
        while let Some(op) = decoder.next_op()? {
            match op {
                DeltaOp::Copy { offset, len } => {
                    let (from, len) =
                        (usize::try_from(offset).unwrap(), usize::try_from(len).unwrap());
                    made.extend_from_slice(&old[from..from + len]);
                }
                DeltaOp::Literal(bytes) => made.extend_from_slice(&bytes),
                DeltaOp::End => {}
            }
        }
    }
    decoder.finish()?;
    Ok(made)
}

fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    (0..len)
        .map(|_| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            seed.to_be_bytes()[0]
        })
        .collect()
}

#[test]
fn rolling_equals_summing_anew() {
    let content = noise(5000, 7);
    let mut rolling = Rolling::new(&content[..1024]);
    for start in 1..content.len() - 1024 {
        rolling.roll(content[start - 1], content[start + 1023]);
        assert_eq!(rolling.sum(), Rolling::new(&content[start..start + 1024]).sum());
    }
}

#[test]
fn a_small_insertion_costs_about_a_block() {
    let old = noise(300_000, 1);
    let mut new = old.clone();
    new.splice(150_001..150_001, *b"eleven byte");
    let delta = delta(&signature(&old, 4096), &new, 10_000);
    assert_eq!(apply(&old, new.len() as u64, &delta, 777).unwrap(), new);
    let block = block_len(old.len() as u64) as usize;
    assert!(delta.len() < 2 * block + 200, "{} bytes", delta.len());
}

#[test]
fn unchanged_content_is_one_copy() {
    for content in [noise(1_000_003, 3), alloc::vec![0; 200_000]] {
        let delta = delta(&signature(&content, 9999), &content, 9999);
        assert_eq!(delta.len(), 17 + 9, "content of {} bytes", content.len());
    }
}

#[test]
fn plain_data_needs_no_old_content() {
    let new = noise(200_000, 5);
    let delta = delta(&[], &new, 100_000);
    assert_eq!(apply(&[], new.len() as u64, &delta, 4096).unwrap(), new);
    assert!(delta.len() < new.len() + 100);
}

#[test]
fn a_signature_always_fits_into_a_frame() {
    for len in [0, 1, 1 << 20, 1 << 30, 1 << 40, 1 << 44] {
        assert!(len / u64::from(block_len(len)) <= BLOCKS_MAX as u64, "{len}");
    }
}

#[test]
fn lies_are_refused() {
    let copy = |offset: u64, len: u64| {
        let mut op = alloc::vec![1u8];
        op.extend_from_slice(&offset.to_be_bytes());
        op.extend_from_slice(&len.to_be_bytes());
        op
    };
    let old = noise(100, 9);
    assert_eq!(apply(&old, 100, &copy(50, 51), 64), Err(DeltaError::Range));
    assert_eq!(apply(&old, 100, &copy(u64::MAX, 2), 64), Err(DeltaError::Range));
    assert_eq!(apply(&old, 10, &copy(0, 11), 64), Err(DeltaError::Length));
    assert_eq!(apply(&old, 10, &copy(0, 10), 64), Err(DeltaError::Ended));
    assert_eq!(apply(&old, 10, &[2, 0xff, 0xff, 0xff, 0xff], 64), Err(DeltaError::Op));
    assert_eq!(apply(&old, 10, &[9], 64), Err(DeltaError::Op));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_edit_round_trips(
        len in 0usize..20_000,
        seed in any::<u64>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3000, 0usize..3000), 0..6),
        piece in 1usize..5000,
    ) {
        let old = noise(len, seed);
        let mut new = old.clone();
        for (at, remove, insert) in edits {
            let at = at.index(new.len() + 1);
            let end = (at + remove).min(new.len());
            new.splice(at..end, noise(insert, seed ^ at as u64));
        }
        let delta = delta(&signature(&old, piece), &new, piece);
        prop_assert_eq!(apply(&old, new.len() as u64, &delta, piece).unwrap(), new);
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), tag in 0u8..4) {
        let _ = Signature::parse(&bytes);
        let mut tagged = bytes.clone();
        tagged.insert(0, 1);
        let _ = Signature::parse(&tagged);
        tagged[0] = tag;
        let old = noise(64, 1);
        let _ = apply(&old, 1000, &tagged, 7);
    }
}
