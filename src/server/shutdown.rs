//! What tells the server to stop or to read its settings again.

use std::os::fd::OwnedFd;

use tokio::{
    io::Interest,
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
};

use super::Error;

/// An order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Finish and exit.
    Stop(&'static str),
    /// Read the settings again.
    Reload,
    /// Exit if there is nothing to do: so does Dovecot's master ask an idle
    /// process.
    StopIfIdle,
}

/// Where orders come from.
pub(super) struct Orders {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Dovecot's master holds the other end while it wants us.
    parent: Option<pipe::Sender>,
    under_dovecot: bool,
}

impl Orders {
    /// Listens for signals from now on, and to the parent's pipe.
    pub(super) fn new(parent: Option<OwnedFd>, under_dovecot: bool) -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(Error::Runtime);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
            parent: parent.map(pipe::Sender::from_owned_fd).transpose().map_err(Error::Parent)?,
            under_dovecot,
        })
    }

    /// The next order.
    pub(super) async fn next(&mut self) -> Order {
        let order = tokio::select! {
            _ = self.terminate.recv() => Order::Stop("SIGTERM"),
            _ = self.interrupt.recv() => {
                if self.under_dovecot { Order::StopIfIdle } else { Order::Stop("SIGINT") }
            }
            _ = self.hang_up.recv() => Order::Reload,
            () = end_of(&mut self.parent) => Order::Stop("Dovecot's master says so"),
        };
        if matches!(order, Order::Stop(_)) {
            // It stays at its end: asking again would answer again.
            self.parent = None;
        }
        order
    }
}

/// Waits until Dovecot's master lets go of its end of the pipe. Ours is the
/// writing end (2.3 and 2.4): it never becomes readable, but an error.
async fn end_of(parent: &mut Option<pipe::Sender>) {
    let Some(pipe) = parent else { return std::future::pending().await };
    let _ = pipe.ready(Interest::ERROR).await;
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_parent_lets_go() {
        let (parents, ours) = io::pipe().unwrap();
        let mut ours = Some(pipe::Sender::from_owned_fd(ours.into()).unwrap());
        assert!(timeout(Duration::from_millis(50), end_of(&mut ours)).await.is_err());
        drop(parents);
        timeout(Duration::from_secs(5), end_of(&mut ours)).await.unwrap();
    }
}
