//! Bodies, signatures and deltas between two replicas.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_travels_as_a_delta() {
    let mut body: Vec<u8> = Vec::new();
    for number in 0..400_000u32 {
        body.extend_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    }
    let old = body.clone();
    body[700_000..700_010].copy_from_slice(b"0123456789");
    let (new_body, old_body) = (body.clone(), old.clone());
    let from = Bench::new(move |root| std::fs::write(root.join("f"), new_body).unwrap()).await;
    let mut to = Bench::new(move |root| std::fs::write(root.join("f"), old_body).unwrap()).await;
    let base = to.seen[&path("f")].clone();
    let new = from.seen[&path("f")].clone();
    let signature = to.replica.signature(path("f"), base.clone()).await.unwrap().unwrap();
    let delta = from.replica.read_delta(path("f"), new.clone(), signature).await.unwrap().unwrap();
    let op = op("f", Some(&base), Some(&new));
    applied(soon("the delta", to.replica.write_delta(op, delta)).await.unwrap());
    assert!(to.body("f") == body);
    // New, as plain data.
    let delta = from.replica.read_delta(path("f"), new.clone(), Vec::new()).await.unwrap().unwrap();
    let op = super::op("g/h", None, Some(&new));
    applied(soon("the delta", to.replica.write_delta(op, delta)).await.unwrap());
    assert!(to.body("g/h") == body);
    to.flush().await;
    // The base is another one by now.
    assert!(to.replica.signature(path("f"), base.clone()).await.unwrap().is_none());
    let delta = from.replica.read_delta(path("f"), new.clone(), Vec::new()).await.unwrap().unwrap();
    let other = file(b"other", 0o644);
    let op = super::op("f", Some(&base), Some(&other));
    let outcome = soon("the delta", to.replica.write_delta(op, delta)).await.unwrap();
    assert!(matches!(outcome, Outcome::Stale { .. }), "{outcome:?}");
    assert_eq!(to.trash_bodies().len(), 1);
}

#[tokio::test]
async fn cut_and_garbled_deltas_leave_nothing() {
    let bench = Bench::new(|_| {}).await;
    let new = file(b"announced", 0o644);
    for delta in [&b""[..], b"\x02\0\0\0\x05garbl", b"\x09", b"\x00\0\0\0\0\0\0\0\x00"] {
        let reader = Box::new(std::io::Cursor::new(delta.to_vec()));
        let outcome = bench.replica.write_delta(op("f", None, Some(&new)), reader).await.unwrap();
        failed(outcome);
    }
    assert!(!bench.at("f").exists());
    assert!(bench.trash_bodies().is_empty());
}

#[tokio::test]
async fn bodies_are_fetched_as_they_were_or_not_at_all() {
    let bench = Bench::new(|root| std::fs::write(root.join("f"), "body").unwrap()).await;
    let entry = bench.seen[&path("f")].clone();
    let wanted =
        vec![(path("f"), entry.clone()), (path("f"), file(b"else", 0o644)), (path("gone"), entry)];
    let fetched = bench.replica.fetch(wanted, Priority::Bulk).await.unwrap();
    assert!(matches!(&fetched[0], Fetched::Body(body) if body == b"body"));
    assert!(matches!(fetched[1], Fetched::Changed));
    assert!(matches!(fetched[2], Fetched::Changed));
}
