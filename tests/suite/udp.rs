//! The UDP carrier between real processes: who gets in, and how a link moves
//! between it and the stream.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use lsp::carrier::{Otherwise, UdpRoute};
use lsp::link::{Link, LinkState};
use protocol::io::carrier::udp::{UdpDoor, knock};
use protocol::link::knock::{self as word, Kind};
use protocol::wire::hello::UdpWish;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::link::{PATIENCE, Target, state};
use crate::swap::{dial, echo};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn link(target: &Target, host: IpAddr, otherwise: Otherwise) -> Link {
    Link::start(target.bootstrap().udp(Some(UdpRoute { host, otherwise, asked: true }))).unwrap()
}

async fn carried_by(link: &Link, name: &str) {
    state(link, |state| matches!(state, LinkState::Up { carrier, .. } if carrier == name)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_moves_to_udp_under_a_transfer_and_comes_back_when_it_is_cut() {
    const LEN: usize = 16 * 1024 * 1024;
    let target = Target::new();
    let link = link(&target, HERE, Otherwise::Stream);
    let mut channel = dial(&link, echo().await).await;
    let sending = tokio::spawn(async move {
        let piece: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
        for _ in 0..LEN / piece.len() {
            channel.tx.write_all(&piece).await.unwrap();
        }
        channel.tx.shutdown().await.unwrap();
    });
    carried_by(&link, "udp").await;
    let mut got = vec![0; LEN / 2];
    let read = tokio::time::timeout(PATIENCE, channel.rx.read_exact(&mut got));
    read.await.expect("half of it did not come").unwrap();
    link.kill_carrier().await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, channel.rx.read_to_end(&mut rest));
    read.await.expect("the rest did not come").unwrap();
    got.append(&mut rest);
    assert_eq!(got.len(), LEN);
    assert!(got.iter().zip((0..=255).cycle()).all(|(got, sent): (&u8, u8)| *got == sent));
    sending.await.unwrap();
    assert_eq!(link.carrier().borrow().connections, 1);
    link.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_link_that_insists_never_uses_the_stream() {
    let target = Target::new();
    let link = link(&target, HERE, Otherwise::Fail);
    let mut channel = dial(&link, echo().await).await;
    for round in 0..3_u8 {
        carried_by(&link, "udp").await;
        channel.tx.write_all(&[round]).await.unwrap();
        let mut back = [0];
        let read = tokio::time::timeout(PATIENCE, channel.rx.read_exact(&mut back));
        read.await.expect("the echo is lost").unwrap();
        assert_eq!(back, [round]);
        let before = link.carrier().borrow().carriers;
        link.kill_carrier().await;
        let mut carrier_rx = link.carrier();
        let again = carrier_rx.wait_for(|info| info.carriers > before && info.name.is_some());
        tokio::time::timeout(PATIENCE, again).await.unwrap().unwrap();
    }
    link.shutdown(PATIENCE).await;
}

/// 127.0.0.2 is this machine as well, but the agent listens on 127.0.0.1 alone.
#[tokio::test]
async fn without_udp_the_stream_goes_on_and_a_link_that_insists_says_why() {
    let target = Target::new();
    let other: IpAddr = Ipv4Addr::new(127, 0, 0, 2).into();
    let patient = link(&target, other, Otherwise::Stream);
    carried_by(&patient, "child process").await;
    let insisting = link(&target, other, Otherwise::Fail);
    let down = state(&insisting, |state| matches!(state, LinkState::Down { .. })).await;
    let LinkState::Down { reason } = down else { unreachable!() };
    assert!(reason.contains("UDP 127.0.0.2") && reason.contains("TOWLINE_CARRIER"), "{reason}");
    carried_by(&patient, "child process").await;
    patient.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn the_port_is_silent_to_strangers_and_the_hub_still_gets_in() {
    let (door, offer) = UdpDoor::open(UdpWish::Loopback).unwrap().unwrap();
    let entering = tokio::spawn(door.entered());
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = (HERE, offer.port);
    let mut wrong = offer.token;
    wrong[0] ^= 1;
    stranger.send_to(b"hello?", port).unwrap();
    stranger.send_to(&vec![0xc3; 1200], port).unwrap();
    for kind in [Kind::Knock, Kind::Answer, Kind::Come] {
        stranger.send_to(&word::encode(&wrong, kind, 9), port).unwrap();
    }
    stranger.send_to(&word::encode(&offer.token, Kind::Come, 9), port).unwrap();
    // one socket is served in order: when the hub is in, the stranger was judged
    let path = knock(HERE, &offer, PATIENCE).await.unwrap();
    let entered = tokio::time::timeout(PATIENCE, entering).await.unwrap().unwrap().unwrap();
    stranger.set_nonblocking(true).unwrap();
    let heard = stranger.recv_from(&mut [0; 2048]).map_err(|error| error.kind());
    assert_eq!(heard.unwrap_err(), std::io::ErrorKind::WouldBlock);
    drop((path, entered));
}

#[tokio::test]
async fn nothing_wished_nothing_opened() {
    assert!(UdpDoor::open(UdpWish::None).unwrap().is_none());
    let (_door, offer) = UdpDoor::open(UdpWish::Anywhere).unwrap().unwrap();
    assert_ne!(offer.port, 0);
    let mut other = offer.clone();
    other.token = [0; 32];
    let refused = knock(HERE, &other, Duration::from_millis(300)).await;
    assert_eq!(refused.err().unwrap().kind(), std::io::ErrorKind::TimedOut);
}
