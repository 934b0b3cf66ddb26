//! One UDP socket that sends and receives many datagrams at once. Knows nothing
//! of knocks and of what a datagram holds.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::limits::UDP_DATAGRAM_MAX;

/// Receives per call; more would hold memory that an idle agent does not need.
pub(super) const RECEIVES: usize = if BATCH_SIZE < 4 { BATCH_SIZE } else { 4 };
/// What the kernel is asked to hold while this process is not scheduled; it may
/// give less.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// A socket with the kernel's help in sending and receiving many at once.
pub(super) struct Wire {
    pub(super) socket: UdpSocket,
    pub(super) state: UdpSocketState,
}

impl Wire {
    pub(super) fn bind(address: IpAddr) -> io::Result<Self> {
        let address = SocketAddr::new(address, 0);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER); // less is slower, not wrong
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.bind(&address.into())?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, state })
    }

    /// Sends one datagram; what does not go is lost, as it may be on the way.
    pub(super) async fn tell(&self, datagram: &[u8], to: SocketAddr) {
        if let Err(error) = self.send(datagram, UDP_DATAGRAM_MAX, to).await {
            tracing::debug!(%error, %to, "a knock was not sent");
        }
    }

    pub(super) async fn send(
        &self,
        contents: &[u8],
        step: usize,
        to: SocketAddr,
    ) -> io::Result<()> {
        let segment_size = (contents.len() > step).then_some(step);
        let transmit =
            Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
        let sending = || self.state.try_send((&self.socket).into(), &transmit);
        self.socket.async_io(Interest::WRITABLE, sending).await
    }

    pub(super) async fn receive(
        &self,
        buffers: &mut [Vec<u8>],
        meta: &mut [RecvMeta; RECEIVES],
    ) -> io::Result<usize> {
        let receiving = || {
            let mut slices: Vec<_> =
                buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
            self.state.recv((&self.socket).into(), &mut slices, meta)
        };
        self.socket.async_io(Interest::READABLE, receiving).await
    }
}

/// Errors that tell of the network's state now and not of the socket: what was
/// sent is lost, and whether the path is gone is judged by silence.
pub(super) fn passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        InvalidInput, NetworkDown, NetworkUnreachable, PermissionDenied,
    };
    let kinds = [
        AddrNotAvailable,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        Interrupted,
        InvalidInput, // the kernel's word when it cannot cut a batch: the next is sent singly
        NetworkDown,
        NetworkUnreachable,
        PermissionDenied, // a firewall's word
    ];
    let numbers = [
        rustix::io::Errno::MSGSIZE,
        rustix::io::Errno::NOBUFS,
        rustix::io::Errno::IO, // a network card without checksums: as above
    ];
    kinds.contains(&error.kind())
        || numbers.iter().any(|number| error.raw_os_error() == Some(number.raw_os_error()))
}
