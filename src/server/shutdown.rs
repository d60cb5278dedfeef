//! What tells the server to stop or to read its settings again.

use std::os::fd::OwnedFd;

use tokio::{
    io::AsyncReadExt as _,
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
    parent: Option<pipe::Receiver>,
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
            parent: parent.map(pipe::Receiver::from_owned_fd).transpose().map_err(Error::Parent)?,
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

/// Waits for end of file. What is written there means nothing.
async fn end_of(parent: &mut Option<pipe::Receiver>) {
    let Some(pipe) = parent else { return std::future::pending().await };
    let mut byte = [0; 64];
    while matches!(pipe.read(&mut byte).await, Ok(1..)) {}
}
