//! The socket by itself: parking, dropping, swapping, bad peers.

use std::task::Wake;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::quic::stream_carrier;
use super::*;
use crate::limits::CARRIER_QUEUE_PARK;

struct Flag(std::sync::atomic::AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn transmit(contents: &[u8]) -> Transmit<'_> {
    Transmit { destination: ADDRESS, ecn: None, contents, segment_size: None, src_ip: None }
}

async fn receive(socket: &CarrierSocket) -> Vec<u8> {
    std::future::poll_fn(|cx| {
        let mut buffer = vec![0; CARRIER_DATAGRAM_MAX];
        let mut meta = [RecvMeta::default()];
        let polled = {
            let mut bufs = [IoSliceMut::new(&mut buffer)];
            socket.poll_recv(cx, &mut bufs, &mut meta)
        };
        polled.map(|count| {
            assert_eq!(count.unwrap(), 1);
            buffer.truncate(meta[0].len);
            buffer
        })
    })
    .await
}

async fn ended(socket: &CarrierSocket) -> String {
    let mut status_rx = socket.status();
    let status = status_rx.wait_for(|status| status.ended.is_some()).await.unwrap();
    status.ended.clone().unwrap()
}

#[tokio::test]
async fn without_a_carrier_senders_are_parked_and_woken_by_the_next() {
    let socket = CarrierSocket::new();
    let error = socket.try_send(&transmit(b"x")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let flag = Arc::new(Flag(false.into()));
    let mut poller = Arc::new(socket.clone()).create_io_poller();
    let waker = Waker::from(flag.clone());
    assert!(poller.as_mut().poll_writable(&mut Context::from_waker(&waker)).is_pending());
    let (ours, mut theirs) = tokio::io::duplex(1024);
    socket.replace(stream_carrier("memory", ours));
    assert!(flag.0.load(Ordering::SeqCst));
    socket.try_send(&transmit(b"hello")).unwrap();
    let mut got = [0; 7];
    theirs.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"\x00\x05hello");
}

#[tokio::test]
async fn a_receiver_that_waits_is_woken_by_the_next_carrier() {
    let socket = CarrierSocket::new();
    let (first, first_end) = tokio::io::duplex(1024);
    socket.replace(stream_carrier("first", first));
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move { receive(&socket).await }
    });
    tokio::task::yield_now().await;
    drop(first_end);
    assert_eq!(ended(&socket).await, "the stream ended");
    let (second, mut second_end) = tokio::io::duplex(1024);
    socket.replace(stream_carrier("second", second));
    second_end.write_all(b"\x00\x02hi").await.unwrap();
    assert_eq!(waiting.await.unwrap(), b"hi");
}

#[tokio::test]
async fn a_full_queue_parks_and_then_drops() {
    let socket = CarrierSocket::new();
    let (ours, _theirs) = tokio::io::duplex(1);
    socket.replace(stream_carrier("stuck", ours));
    let datagram = vec![7; CARRIER_DATAGRAM_MAX];
    let mut poller = Arc::new(socket.clone()).create_io_poller();
    let mut cx = Context::from_waker(Waker::noop());
    let mut parked_at = None;
    for count in 0..2 * CARRIER_QUEUE_MAX / CARRIER_DATAGRAM_MAX {
        if poller.as_mut().poll_writable(&mut cx).is_pending() {
            parked_at.get_or_insert(count);
        }
        socket.try_send(&transmit(&datagram)).unwrap();
    }
    assert!(parked_at.unwrap() * CARRIER_DATAGRAM_MAX <= CARRIER_QUEUE_PARK + 2 * datagram.len());
    assert!(socket.dropped() > 0);
    assert!(socket.0.queues.lock().outbound.len() <= CARRIER_QUEUE_MAX + frame::HEADER);
}

#[tokio::test]
async fn a_peer_that_does_not_speak_ends_its_carrier_only() {
    let socket = CarrierSocket::new();
    for (bytes, words) in [
        (&b"GET / HTTP/1.1\r\n"[..], "over the limit"),
        (&[0, 0, 0][..], "empty datagram"),
        (&[0, 9, 1][..], "inside a datagram"),
    ] {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        socket.replace(stream_carrier("bad", ours));
        theirs.write_all(bytes).await.unwrap();
        drop(theirs);
        let reason = ended(&socket).await;
        assert!(reason.contains(words), "{reason}");
    }
    let (ours, mut theirs) = tokio::io::duplex(1024);
    socket.replace(stream_carrier("good", ours));
    theirs.write_all(b"\x00\x02ok").await.unwrap();
    assert_eq!(receive(&socket).await, b"ok");
}

#[tokio::test]
async fn ten_thousand_malformed_streams_leave_a_bounded_queue() {
    let socket = CarrierSocket::new();
    let mut state = 0x1234_5678_9abc_def1_u64;
    for _ in 0..10_000 {
        let mut bytes = Vec::new();
        for _ in 0..8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes[0] &= 0x7f >> (bytes[1] % 8); // some lengths that could be
        let (ours, mut theirs) = tokio::io::duplex(256);
        socket.replace(stream_carrier("bad", ours));
        theirs.write_all(&bytes).await.unwrap();
        drop(theirs);
        ended(&socket).await;
        assert!(socket.0.queues.lock().inbound.len() <= CARRIER_QUEUE_MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_carrier_that_may_not_be_silent() {
    let socket = CarrierSocket::new();
    let (ours, _theirs) = tokio::io::duplex(1024);
    let mut carrier = stream_carrier("silent", ours);
    carrier.silence_max = Some(Duration::from_secs(60));
    socket.replace(carrier);
    assert_eq!(ended(&socket).await, "nothing arrived for 60 s");
}
