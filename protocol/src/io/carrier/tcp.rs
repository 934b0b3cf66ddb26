//! A TCP port of the agent that tunnels of a platform lead to, such as
//! `kubectl port-forward`: whoever connects is met with silence until the three words
//! of a [`knock`]. What follows them is a stream of datagrams like any other. Knows
//! nothing of what leads here, or of how the offer came to the hub.
//!
//! [`knock`]: crate::link::knock

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::lock;
use crate::limits::UDP_DATAGRAM_MAX;
use crate::link::knock::{self, Door, Kind, Token, Verdict};
use crate::wire::hello::Offer;

/// How long either end waits for the other's next word.
const WORD_PATIENCE: Duration = Duration::from_secs(5);
/// Strangers that are listened to at the same time.
const GUESTS_MAX: usize = 8;
/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An agent's port that waits for its hub.
pub struct TcpDoor {
    listener: TcpListener,
    token: Token,
}

impl TcpDoor {
    /// Opens a port on this machine's loopback address, and what to tell the hub.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no socket or no randomness.
    pub fn open() -> io::Result<(Self, Offer)> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let mut token = Token::default();
        crate::io::random(&mut token)?;
        Ok((Self { listener: TcpListener::from_std(listener)?, token }, Offer { port, token }))
    }

    /// The hub's connection, once it came through.
    pub async fn entered(self) -> TcpStream {
        let door = Arc::new(Mutex::new(Door::new(self.token)));
        let mut guests = JoinSet::new();
        let mut number = 0;
        loop {
            tokio::select! {
                Some(judged) = guests.join_next() => {
                    if let Ok(Some(peer)) = judged {
                        return peer;
                    }
                }
                guest = self.listener.accept(), if guests.len() < GUESTS_MAX => match guest {
                    Ok((guest, _)) => {
                        number += 1;
                        guests.spawn(judge(guest, door.clone(), number));
                    }
                    // out of descriptors, mostly
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    }
}

/// Hears a guest out; none when it is not the hub.
async fn judge(
    mut guest: TcpStream,
    door: Arc<Mutex<Door<u64>>>,
    number: u64,
) -> Option<TcpStream> {
    let mut word = vec![0; UDP_DATAGRAM_MAX];
    loop {
        tokio::time::timeout(WORD_PATIENCE, guest.read_exact(&mut word)).await.ok()?.ok()?;
        let verdict = lock(&door).handle(number, &word);
        match verdict {
            Verdict::Answer(answer) => guest.write_all(&answer).await.ok()?,
            Verdict::Proven => {
                guest.set_nodelay(true).ok()?;
                return Some(guest);
            }
            Verdict::Silence | Verdict::Data => return None,
        }
    }
}

/// The hub's way in through a tunnel. Reads not a byte more than the answer.
///
/// # Errors
/// When what answers is not the agent, or nothing does.
pub async fn knock(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
    tx: &mut (impl AsyncWrite + Unpin + ?Sized),
    token: &Token,
) -> io::Result<()> {
    const NUMBER: u64 = 1;
    tx.write_all(&knock::encode(token, Kind::Knock, NUMBER)).await?;
    tx.flush().await?;
    let mut word = vec![0; UDP_DATAGRAM_MAX];
    let read = tokio::time::timeout(WORD_PATIENCE, rx.read_exact(&mut word));
    read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if knock::decode(token, &word) != Some((Kind::Answer, NUMBER)) {
        return Err(io::Error::other("what answered is not this agent"));
    }
    tx.write_all(&knock::encode(token, Kind::Come, NUMBER)).await?;
    tx.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_who_has_the_token_comes_in() {
        let (door, offer) = TcpDoor::open().unwrap();
        let entering = tokio::spawn(door.entered());
        let connect = async || TcpStream::connect((Ipv4Addr::LOCALHOST, offer.port)).await.unwrap();
        let mut silent = connect().await;
        for _ in 0..3 * GUESTS_MAX {
            // One word too short, and gone.
            connect().await.write_all(&[7; 100]).await.unwrap();
        }
        let mut wrong = connect().await;
        let knocked = tokio::io::split(&mut wrong);
        let error = knock(&mut { knocked.0 }, &mut { knocked.1 }, &[1; 32]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "it hears nothing at all");
        let mut hub = connect().await;
        let (mut rx, mut tx) = hub.split();
        knock(&mut rx, &mut tx, &offer.token).await.unwrap();
        hub.write_all(b"data").await.unwrap();
        let mut entered = entering.await.unwrap();
        let mut got = [0; 4];
        entered.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"data");
        assert_eq!(silent.read(&mut got).await.unwrap_or(0), 0, "the door is shut");
    }
}
