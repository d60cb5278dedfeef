//! The two kinds of connections as one.

use std::io;

use bytes::BytesMut;
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

use super::listener::Socket;

/// A listening socket in the runtime's hands.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Takes a socket over; it must not block.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Unix(listener) => UnixListener::from_std(listener).map(Self::Unix),
            Socket::Tcp(listener) => TcpListener::from_std(listener).map(Self::Tcp),
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// Who is at the other end, as the kernel says (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// 0 where it lives in another process namespace.
    pub(super) pid: u32,
}

impl Stream {
    /// Who is at the other end; nobody knows that of TCP.
    pub(super) fn peer(&self) -> io::Result<Option<Peer>> {
        let Self::Unix(stream) = self else { return Ok(None) };
        let found = stream.peer_cred()?;
        let pid = found.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        Ok(Some(Peer { uid: found.uid(), gid: found.gid(), pid }))
    }

    /// Lets the end of the connection reach the peer's next write.
    ///
    /// `quirk_postfix_inet` (3.7): smtpd notices a connection that was closed
    /// only when it cannot write to it. A UNIX socket tells it at once; TCP takes
    /// one more request, which is lost: that login hears "temporary failure"
    /// for nothing. A reset tells it at once, too.
    pub(super) fn hang_up_for_good(&self) {
        if let Self::Tcp(stream) = self {
            // The connection ends in any case.
            let _ = stream.set_zero_linger();
        }
    }

    /// Waits until reading or writing, as `interest` says, may succeed.
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<tokio::io::Ready> {
        match self {
            Self::Unix(stream) => stream.ready(interest).await,
            Self::Tcp(stream) => stream.ready(interest).await,
        }
    }

    /// Reads what is there.
    pub(super) fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_read_buf(buffer),
            Self::Tcp(stream) => stream.try_read_buf(buffer),
        }
    }

    /// Writes what fits.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tcp(stream) => stream.try_write(bytes),
        }
    }
}
