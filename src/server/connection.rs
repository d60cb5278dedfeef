//! One connection: bytes in, bytes out, and the work in between, in one task.
//!
//! What the lines mean is the matter of a [`Dialogue`]. Its work (verifying,
//! looking up) runs as futures of this very task, so that a peer that goes away
//! takes its work with it, and nothing outlives its connection.

use std::{io, ops::ControlFlow, pin::Pin, time::Duration};

use bytes::BytesMut;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::{
    io::Interest,
    time::{Instant, sleep_until},
};
use tokio_util::{codec::Decoder, sync::CancellationToken};
use zeroize::Zeroize as _;

use super::stream::Stream;
use crate::protocol::codec::CodecError;

/// With so much unread by the peer, we read no more of it …
const HIGH_WATER_BYTES: usize = 50 << 10;
/// … until it has read this far (Dovecot's figures).
const LOW_WATER_BYTES: usize = HIGH_WATER_BYTES / 3;
/// How long a peer may leave replies unread before it counts as gone.
pub(super) const WRITE_STALL: Duration = Duration::from_secs(60);
/// How long the last replies may take after we have decided to close.
const LAST_WRITE: Duration = Duration::from_secs(2);
/// How long an idle connection is looked at once more before we stop.
const LAST_LOOK: Duration = Duration::from_millis(20);
/// What is read at once: a batch of a busy login process.
const READ_BYTES: usize = 8 << 10;

/// Work of a connection.
pub(super) type Work<E> = FuturesUnordered<Pin<Box<dyn Future<Output = E> + Send>>>;

/// Whether to go on, or why not.
pub(super) type Flow = ControlFlow<Closed>;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error("the peer closed it")]
    ByPeer,
    #[error("we are stopping")]
    Stopping,
    #[error("the peer does not read our replies")]
    Stalled,
    #[error("the peer asks nothing")]
    Idle,
    #[error("it came above the limit of connections")]
    AboveLimit,
    #[error("{0}")]
    Dialogue(String),
    #[error("{0}")]
    Broken(#[from] io::Error),
}

/// What is said on a connection.
pub(super) trait Dialogue: Send {
    /// What its work ends with.
    type Event: Send;
    /// Cuts what arrives into lines, or what takes their place.
    type Framing: Decoder<Error = CodecError> + Send;

    /// The framing at the beginning.
    fn framing() -> Self::Framing;
    /// Says the first word.
    fn greeting(&mut self, out: &mut BytesMut);
    /// Takes a line; what cannot be answered at once becomes work.
    fn line(
        &mut self,
        line: &Frame<Self>,
        work: &mut Work<Self::Event>,
        out: &mut BytesMut,
    ) -> Flow;
    /// Takes the end of a piece of work.
    fn event(
        &mut self,
        event: Self::Event,
        work: &mut Work<Self::Event>,
        out: &mut BytesMut,
    ) -> Flow;
    /// When [`Dialogue::expire`] is due.
    fn next_deadline(&self) -> Option<Instant>;
    /// Lets go of what took too long.
    fn expire(&mut self, work: &mut Work<Self::Event>, out: &mut BytesMut) -> Flow;
    /// Whether a line may come in now; if not, it waits in the socket.
    fn takes_lines(&self, work: &Work<Self::Event>) -> bool;
    /// How long the peer may leave replies unread; `None` as long as it likes.
    fn read_patience(&self) -> Option<Duration> {
        Some(WRITE_STALL)
    }
    /// Whether nothing is under way that a stop would break.
    fn is_idle(&self) -> bool;
}

/// One line of a dialogue, or what takes its place.
pub(super) type Frame<D> = <<D as Dialogue>::Framing as Decoder>::Item;

/// Runs a connection to its end, which is an error always: it says why.
pub(super) async fn run<D: Dialogue>(
    stream: Stream,
    dialogue: D,
    drain: &CancellationToken,
) -> Closed {
    let mut connection = Connection {
        stream,
        dialogue,
        framing: D::framing(),
        input: BytesMut::new(),
        wants_bytes: false,
        out: BytesMut::new(),
        work: Work::new(),
        is_choked: false,
        unread_since: None,
    };
    let closed = connection.converse(drain).await;
    let is_ours = matches!(closed, Closed::Dialogue(_) | Closed::Stopping | Closed::Idle);
    if is_ours && connection.out.is_empty() {
        connection.stream.hang_up_for_good();
    }
    connection.farewell().await;
    closed
}

struct Connection<D: Dialogue> {
    stream: Stream,
    dialogue: D,
    framing: D::Framing,
    /// An incomplete line, or lines that wait for replies to be read.
    input: BytesMut,
    /// What is in there is no whole line.
    wants_bytes: bool,
    /// Replies not yet written.
    out: BytesMut,
    work: Work<D::Event>,
    /// Between high and low water.
    is_choked: bool,
    /// Since when replies wait for the peer.
    unread_since: Option<Instant>,
}

impl<D: Dialogue> Connection<D> {
    async fn converse(&mut self, drain: &CancellationToken) -> Closed {
        self.dialogue.greeting(&mut self.out);
        loop {
            let flow = match self.step() {
                ControlFlow::Continue(()) => self.wait(drain).await,
                closed @ ControlFlow::Break(_) => closed,
            };
            if let ControlFlow::Break(closed) = flow {
                return closed;
            }
        }
    }

    /// Does everything that can be done without waiting, then writes once.
    fn step(&mut self) -> Flow {
        self.take_lines()?;
        self.write()
    }

    fn take_lines(&mut self) -> Flow {
        while !self.is_choked && self.dialogue.takes_lines(&self.work) {
            match self.framing.decode(&mut self.input) {
                Ok(None) => {
                    self.wants_bytes = true;
                    break;
                }
                Ok(Some(line)) => self.dialogue.line(&line, &mut self.work, &mut self.out)?,
                Err(error) => return ControlFlow::Break(Closed::Dialogue(error.to_string())),
            }
            self.is_choked = self.out.len() >= HIGH_WATER_BYTES;
        }
        if self.input.is_empty() {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
        }
        ControlFlow::Continue(())
    }

    fn write(&mut self) -> Flow {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(written) => {
                    let _ = self.out.split_to(written);
                    self.unread_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unread_since.get_or_insert_with(Instant::now);
                    break;
                }
                Err(error) => return ControlFlow::Break(error.into()),
            }
        }
        if self.out.is_empty() {
            self.out = BytesMut::new();
        }
        self.is_choked = self.out.len() >= HIGH_WATER_BYTES
            || (self.is_choked && self.out.len() > LOW_WATER_BYTES);
        ControlFlow::Continue(())
    }

    /// Waits for the next thing to happen, and takes it in.
    async fn wait(&mut self, drain: &CancellationToken) -> Flow {
        let may_read = !self.is_choked && self.dialogue.takes_lines(&self.work);
        if may_read && !self.input.is_empty() && !self.wants_bytes {
            return ControlFlow::Continue(());
        }
        let interest = match (may_read, self.out.is_empty()) {
            (true, true) => Some(Interest::READABLE),
            (true, false) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, false) => Some(Interest::WRITABLE),
            // Nothing to read or write: only the end of the peer.
            (false, true) => None,
        };
        let stall = self.stalls_at();
        let deadline = [stall, self.dialogue.next_deadline()].into_iter().flatten().min();
        let stopping = drain.is_cancelled();
        if stopping && self.dialogue.is_idle() && self.out.is_empty() {
            return self.last_look().await;
        }
        tokio::select! {
            ready = readiness(&self.stream, interest) => match ready {
                Ok(ready) if ready.is_readable() && may_read => self.read(),
                Ok(_) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error.into()),
            },
            Some(event) = self.work.next(), if !self.is_choked => self.take_events(event),
            () = until(deadline) => self.expire(),
            () = drain.cancelled(), if !stopping => ControlFlow::Continue(()),
        }
    }

    fn read(&mut self) -> Flow {
        self.make_room();
        match self.stream.try_read(&mut self.input) {
            Ok(0) => ControlFlow::Break(Closed::ByPeer),
            Ok(_) => {
                self.wants_bytes = false;
                ControlFlow::Continue(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error.into()),
        }
    }

    /// Makes room for a read. A buffer that grows by itself leaves a copy of its
    /// bytes behind, and half a line may hold a password or a token.
    fn make_room(&mut self) {
        if self.input.capacity() - self.input.len() >= READ_BYTES {
            return;
        }
        let mut roomier = BytesMut::with_capacity(self.input.len() + READ_BYTES);
        roomier.extend_from_slice(&self.input);
        self.input.as_mut().zeroize();
        self.input = roomier;
    }

    /// Takes an event and all others that are ready, so that their replies go
    /// out in one write.
    fn take_events(&mut self, first: D::Event) -> Flow {
        let mut next = Some(first);
        while let Some(event) = next {
            self.dialogue.event(event, &mut self.work, &mut self.out)?;
            if self.out.len() >= HIGH_WATER_BYTES {
                self.is_choked = true;
                break;
            }
            next = self.work.next().now_or_never().flatten();
        }
        ControlFlow::Continue(())
    }

    /// When the peer counts as gone, if it goes on reading nothing.
    fn stalls_at(&self) -> Option<Instant> {
        Some(self.unread_since? + self.dialogue.read_patience()?)
    }

    fn expire(&mut self) -> Flow {
        let now = Instant::now();
        if self.stalls_at().is_some_and(|at| at <= now) {
            return ControlFlow::Break(Closed::Stalled);
        }
        self.dialogue.expire(&mut self.work, &mut self.out)
    }

    /// We are stopping and nothing is under way. A line that came meanwhile is
    /// still answered: its sender would hear of a failed login otherwise.
    async fn last_look(&mut self) -> Flow {
        let readable = self.stream.ready(Interest::READABLE);
        match tokio::time::timeout(LAST_LOOK, readable).await {
            Err(_) => ControlFlow::Break(Closed::Stopping),
            Ok(Err(error)) => ControlFlow::Break(error.into()),
            Ok(Ok(_)) => self.read(),
        }
    }

    /// Writes the last replies. A peer that does not take them in time goes
    /// without.
    async fn farewell(&mut self) {
        let deadline = Instant::now() + LAST_WRITE;
        while !self.out.is_empty() && self.write().is_continue() && !self.out.is_empty() {
            let writable = self.stream.ready(Interest::WRITABLE);
            if !matches!(tokio::time::timeout_at(deadline, writable).await, Ok(Ok(_))) {
                break;
            }
        }
    }
}

impl<D: Dialogue> Drop for Connection<D> {
    fn drop(&mut self) {
        self.input.as_mut().zeroize();
    }
}

async fn readiness(stream: &Stream, interest: Option<Interest>) -> io::Result<tokio::io::Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
