//! Local ports: the same number on 127.0.0.1 and ::1, or the next free one.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use super::{ForwardError, ForwardSpec};

/// Ports tried after a taken one before any free one will do.
const NEXT_PORTS: u16 = 100;

/// Tries for a port that is free for both families.
const ANY_PORT_TRIES: u32 = 16;

/// Connections the kernel holds while the accept loop is busy.
const BACKLOG: i32 = 1024;

/// Where an unprivileged user gets a privileged port instead: 80 becomes 8080.
const UNPRIVILEGED_OFFSET: u16 = 8000;

/// Bound sockets of one forward, IPv4 first.
pub(super) enum Bound {
    Tcp(Vec<TcpListener>),
    Udp(Vec<UdpSocket>),
}

/// What [`bind`] got.
pub(super) struct Listening {
    pub(super) bound: Bound,
    pub(super) local: Vec<SocketAddr>,
    pub(super) instead_of: Option<u16>,
}

/// Binds `spec`'s local port; when it is taken the next free one, unless
/// `strict`.
pub(super) fn bind(spec: &ForwardSpec, strict: bool) -> Result<Listening, ForwardError> {
    let wanted = spec.local;
    let failed = |source| ForwardError::Listen { port: wanted, source };
    let listening = |sockets: Vec<Socket>, instead_of| {
        Ok(Listening {
            local: sockets.iter().filter_map(|s| s.local_addr().ok()?.as_socket()).collect(),
            bound: adopt(sockets, spec.udp).map_err(failed)?,
            instead_of,
        })
    };
    if wanted == 0 {
        return listening(any(spec.udp).map_err(failed)?, None);
    }
    let start = match both(wanted, spec.udp) {
        Ok(sockets) => return listening(sockets, None),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => wanted.saturating_add(1),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !strict => {
            wanted.saturating_add(UNPRIVILEGED_OFFSET)
        }
        Err(error) => return Err(failed(error)),
    };
    if strict {
        return Err(ForwardError::PortTaken { port: wanted });
    }
    for port in start..=start.saturating_add(NEXT_PORTS) {
        match both(port, spec.udp) {
            Ok(sockets) => return listening(sockets, Some(wanted)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(failed(error)),
        }
    }
    listening(any(spec.udp).map_err(failed)?, Some(wanted))
}

/// A free port chosen by the kernel for one family may be taken in the other.
fn any(udp: bool) -> io::Result<Vec<Socket>> {
    let mut tries = ANY_PORT_TRIES;
    loop {
        tries -= 1;
        match both(0, udp) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            done => return done,
        }
    }
}

/// A port counts as taken when either family's is: a client that tries ::1
/// first must never reach somebody else. A family that the machine does not
/// have is left out.
fn both(port: u16, udp: bool) -> io::Result<Vec<Socket>> {
    let v4 = one(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), udp);
    let port = match &v4 {
        Ok(socket) => socket.local_addr()?.as_socket().map_or(port, |address| address.port()),
        Err(error) if is_absent(error) => port,
        Err(_) => return v4.map(|socket| vec![socket]),
    };
    match (v4, one(SocketAddr::from((Ipv6Addr::LOCALHOST, port)), udp)) {
        (Ok(v4), Ok(v6)) => Ok(vec![v4, v6]),
        (Ok(v4), Err(error)) if is_absent(&error) => Ok(vec![v4]),
        (Err(_), Ok(v6)) => Ok(vec![v6]),
        (_, Err(error)) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let absent = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT];
    error.raw_os_error().is_some_and(|code| absent.iter().any(|errno| errno.raw_os_error() == code))
}

fn one(address: SocketAddr, udp: bool) -> io::Result<Socket> {
    let (kind, protocol) =
        if udp { (Type::DGRAM, Protocol::UDP) } else { (Type::STREAM, Protocol::TCP) };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if !udp {
        socket.set_reuse_address(true)?; // over connections of an earlier forward in TIME_WAIT
    }
    socket.bind(&SockAddr::from(address))?;
    if !udp {
        socket.listen(BACKLOG)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn adopt(sockets: Vec<Socket>, udp: bool) -> io::Result<Bound> {
    if udp {
        let sockets = sockets.into_iter().map(|socket| UdpSocket::from_std(socket.into()));
        sockets.collect::<io::Result<_>>().map(Bound::Udp)
    } else {
        let sockets = sockets.into_iter().map(|socket| TcpListener::from_std(socket.into()));
        sockets.collect::<io::Result<_>>().map(Bound::Tcp)
    }
}
