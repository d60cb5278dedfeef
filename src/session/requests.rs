//! The open requests of one connection, each with its time limit.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Names one request of one connection. The client may use an id again once it
/// is free; a ticket is never used again, so that a late verdict meets nobody.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ticket {
    id: u32,
    serial: u64,
}

impl Ticket {
    /// The client's own number for the request, for logs.
    pub fn id(self) -> u32 {
        self.id
    }
}

/// The open requests of one connection, each with its time limit.
#[derive(Debug)]
pub(super) struct Requests<T> {
    open: HashMap<u32, Request<T>>,
    timeout: Duration,
    last_serial: u64,
    /// When to look for requests that are over time. Never later than the
    /// earliest limit; may be earlier, which costs one needless look.
    sweep_at: Option<Instant>,
}

#[derive(Debug)]
struct Request<T> {
    serial: u64,
    /// None where the client takes its time.
    deadline: Option<Instant>,
    stage: T,
}

impl<T> Requests<T> {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { open: HashMap::new(), timeout, last_serial: 0, sweep_at: None }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn stages(&self) -> impl Iterator<Item = &T> {
        self.open.values().map(|request| &request.stage)
    }

    pub(super) fn insert(&mut self, id: u32, stage: T, now: Instant) -> Ticket {
        let deadline = now + self.timeout;
        self.sweep_at.get_or_insert(deadline);
        self.put(id, stage, Some(deadline))
    }

    /// A request that may last as long as its client likes.
    pub(super) fn insert_without_limit(&mut self, id: u32, stage: T) -> Ticket {
        self.put(id, stage, None)
    }

    fn put(&mut self, id: u32, stage: T, deadline: Option<Instant>) -> Ticket {
        self.last_serial += 1;
        let serial = self.last_serial;
        self.open.insert(id, Request { serial, deadline, stage });
        Ticket { id, serial }
    }

    /// When to call [`Requests::expire`].
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.sweep_at
    }

    pub(super) fn get(&self, ticket: Ticket) -> Option<&T> {
        let request = self.open.get(&ticket.id)?;
        (request.serial == ticket.serial).then_some(&request.stage)
    }

    /// Takes out the very request that the ticket was given for.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<T> {
        self.get(ticket)?;
        self.remove(ticket.id)
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        self.open.remove(&id).map(|request| request.stage)
    }

    /// Takes out what is over time, each with its id.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(u32, T)> {
        if self.sweep_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let over = self.open.extract_if(|_, request| is_over(request.deadline));
        let over = over.map(|(id, request)| (id, request.stage)).collect();
        self.sweep_at = self.open.values().filter_map(|request| request.deadline).min();
        over
    }
}
