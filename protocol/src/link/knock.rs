//! How two ends prove a UDP path to each other before anything else is said on
//! it. Pure; knows nothing of sockets, and of an address only whether it is the
//! same.
//!
//! ```text
//! hub ──Knock n──▶ agent    n is newer than any before; strangers cannot make it
//! hub ◀─Answer n── agent    the hub knows that both directions carry
//! hub ──Come n───▶ agent    the agent knows it too: this address is the peer
//! ```
//!
//! Each is authenticated by BLAKE3 under the token that the agent gave over the
//! bootstrap channel. All are padded to the largest datagram that the path will
//! have to carry, so a path that only lets small ones through is never taken,
//! and an answer is never larger than what asked for it. A knock that is not
//! newer is not answered: what was seen on the wire cannot be used again. A newer
//! one from elsewhere moves the peer: that is how a hub changes networks.

use alloc::vec;
use alloc::vec::Vec;

use crate::limits::UDP_DATAGRAM_MAX;

/// Tells knocks from what else arrives; a datagram of QUIC's that begins like
/// this by chance has no valid MAC and is taken as QUIC's.
const MAGIC: [u8; 8] = *b"TL-KNOCK";
/// Where the MAC is: behind magic, kind and number.
const MAC_AT: usize = MAGIC.len() + 1 + 8;
const MAC_END: usize = MAC_AT + blake3::OUT_LEN;
const _: () = assert!(MAC_END <= UDP_DATAGRAM_MAX);

/// Key of the MACs.
pub type Token = [u8; 32];

/// What a knock means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The hub asks whether anyone is there.
    Knock,
    /// The agent is.
    Answer,
    /// The hub heard it and is here from now on.
    Come,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Knock => 1,
            Self::Answer => 2,
            Self::Come => 3,
        }
    }
}

/// The datagram of `kind` and `number`.
pub fn encode(token: &Token, kind: Kind, number: u64) -> Vec<u8> {
    let mut datagram = vec![0; UDP_DATAGRAM_MAX];
    datagram[..MAGIC.len()].copy_from_slice(&MAGIC);
    datagram[MAGIC.len()] = kind.byte();
    datagram[MAGIC.len() + 1..MAC_AT].copy_from_slice(&number.to_be_bytes());
    let mac = blake3::keyed_hash(token, &datagram[..MAC_AT]);
    datagram[MAC_AT..MAC_END].copy_from_slice(mac.as_bytes());
    datagram
}

/// Kind and number of a datagram that was made with `token`; nothing else is a
/// knock.
pub fn decode(token: &Token, datagram: &[u8]) -> Option<(Kind, u64)> {
    if datagram.len() != UDP_DATAGRAM_MAX || !datagram.starts_with(&MAGIC) {
        return None;
    }
    let theirs: [u8; blake3::OUT_LEN] = datagram[MAC_AT..MAC_END].try_into().ok()?;
    if blake3::keyed_hash(token, &datagram[..MAC_AT]) != theirs {
        return None; // compared in constant time
    }
    let kind = [Kind::Knock, Kind::Answer, Kind::Come]
        .into_iter()
        .find(|kind| kind.byte() == datagram[MAGIC.len()])?;
    let number = datagram[MAGIC.len() + 1..MAC_AT].try_into().ok()?;
    Some((kind, u64::from_be_bytes(number)))
}

/// What the agent's end does about a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is a stranger's, or it is old.
    Silence,
    /// Send this back to where it came from.
    Answer(Vec<u8>),
    /// The sender is the peer from now on.
    Proven,
    /// It is the peer's and no knock.
    Data,
}

/// The agent's end of one path; `A` is an address.
#[derive(Debug)]
pub struct Door<A> {
    token: Token,
    /// The newest knock, which was answered.
    newest: Option<(u64, A)>,
    peer: Option<A>,
}

impl<A: Copy + PartialEq> Door<A> {
    /// A door that only knocks made with `token` open.
    pub fn new(token: Token) -> Self {
        Self { token, newest: None, peer: None }
    }

    /// Who came through last.
    pub fn peer(&self) -> Option<A> {
        self.peer
    }

    /// Judges a datagram that arrived from `from`.
    pub fn handle(&mut self, from: A, datagram: &[u8]) -> Verdict {
        match (decode(&self.token, datagram), self.newest) {
            (Some((Kind::Knock, number)), newest)
                if newest.is_none_or(|(seen, _)| number > seen) =>
            {
                self.newest = Some((number, from));
                Verdict::Answer(encode(&self.token, Kind::Answer, number))
            }
            (Some((Kind::Come, number)), Some(newest)) if newest == (number, from) => {
                self.peer = Some(from);
                Verdict::Proven
            }
            (Some(_), _) => Verdict::Silence,
            (None, _) if self.peer == Some(from) => Verdict::Data,
            (None, _) => Verdict::Silence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = [7; 32];

    fn open(door: &mut Door<u8>, from: u8, number: u64) {
        let answer = Verdict::Answer(encode(&TOKEN, Kind::Answer, number));
        assert_eq!(door.handle(from, &encode(&TOKEN, Kind::Knock, number)), answer);
        assert_eq!(door.handle(from, &encode(&TOKEN, Kind::Come, number)), Verdict::Proven);
    }

    #[test]
    fn strangers_are_met_with_silence() {
        let mut door = Door::new(TOKEN);
        let mut forged = encode(&[8; 32], Kind::Knock, 1);
        assert_eq!(door.handle(1, &forged), Verdict::Silence);
        forged = encode(&TOKEN, Kind::Knock, 1);
        forged[MAGIC.len() + 8] ^= 2; // another number under the old MAC
        assert_eq!(door.handle(1, &forged), Verdict::Silence);
        for len in [0, 1, MAC_AT, MAC_END, UDP_DATAGRAM_MAX - 1] {
            let cut = &encode(&TOKEN, Kind::Knock, 1)[..len];
            assert_eq!(door.handle(1, cut), Verdict::Silence);
        }
        assert_eq!(door.handle(1, &encode(&TOKEN, Kind::Come, 1)), Verdict::Silence);
        assert_eq!(door.handle(1, &encode(&TOKEN, Kind::Answer, 1)), Verdict::Silence);
        assert_eq!(door.peer(), None);
    }

    #[test]
    fn only_the_proven_peer_speaks() {
        let mut door = Door::new(TOKEN);
        open(&mut door, 1, 1);
        assert_eq!(door.handle(1, b"data"), Verdict::Data);
        assert_eq!(door.handle(2, b"data"), Verdict::Silence);
    }

    #[test]
    fn a_newer_knock_moves_the_peer_and_a_replay_does_not() {
        let mut door = Door::new(TOKEN);
        open(&mut door, 1, 1);
        let (knock, come) = (encode(&TOKEN, Kind::Knock, 2), encode(&TOKEN, Kind::Come, 2));
        assert!(matches!(door.handle(2, &knock), Verdict::Answer(_)));
        assert_eq!(door.peer(), Some(1), "until the new address heard the answer");
        assert_eq!(door.handle(2, &come), Verdict::Proven);
        assert_eq!(door.peer(), Some(2));
        for replay in [knock, come, encode(&TOKEN, Kind::Knock, 1)] {
            assert_eq!(door.handle(9, &replay), Verdict::Silence);
        }
        assert_eq!(door.peer(), Some(2));
    }
}
