//! How often a network makes a provider be asked again about people whose last
//! answer, still fresh, did not let somebody in. One who tries a password at each
//! of a thousand mailboxes would otherwise cost a thousand requests that nobody
//! needs.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ipnet::IpNet;

use crate::{clock::Timestamp, mailbox::MailboxId};

/// How many at once: an office whose people have all got new passwords.
const BURST: f64 = 20.0;
/// And then how many in a second.
const PER_SECOND: f64 = 5.0;
/// Most networks and mailboxes that have a bucket of their own.
const MAX_BUCKETS: usize = 10_000;
/// How often full buckets are given up at most.
const PRUNED_EACH: Duration = Duration::from_secs(1);

/// On whose account a question goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Asker {
    /// A network, /32 or /64.
    Network(IpNet),
    /// A mailbox, where the network says nothing: behind a proxy.
    Mailbox(MailboxId),
    /// All for whom there is no room.
    Others,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Bucket {
    fn filled(self, now: Timestamp) -> Self {
        let grown = self.left + now.since(self.at).as_secs_f64() * PER_SECOND;
        Self { left: grown.min(BURST), at: now }
    }
}

/// The buckets of one provider.
#[derive(Default)]
pub(super) struct Rechecks(Mutex<Buckets>);

#[derive(Default)]
struct Buckets {
    of: HashMap<Asker, Bucket>,
    pruned: Timestamp,
}

impl Rechecks {
    /// Takes one question out of the asker's bucket; false if it is empty.
    pub(super) fn take(&self, asker: Asker, now: Timestamp) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asker = if buckets.has_room(asker, now) { asker } else { Asker::Others };
        let bucket = buckets.of.entry(asker).or_insert(Bucket { left: BURST, at: now });
        *bucket = bucket.filled(now);
        let may = bucket.left >= 1.0;
        if may {
            bucket.left -= 1.0;
        }
        may
    }
}

impl Buckets {
    fn has_room(&mut self, asker: Asker, now: Timestamp) -> bool {
        if self.of.len() < MAX_BUCKETS || self.of.contains_key(&asker) {
            return true;
        }
        if now.since(self.pruned) >= PRUNED_EACH || now < self.pruned {
            self.pruned = now;
            self.of.retain(|_, bucket| bucket.filled(now).left < BURST);
        }
        self.of.len() < MAX_BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn taken(rechecks: &Rechecks, asker: Asker, now: Timestamp) -> usize {
        (0..100).filter(|_| rechecks.take(asker, now)).count()
    }

    fn network(number: u32) -> Asker {
        Asker::Network(IpNet::new(std::net::Ipv4Addr::from(number).into(), 32).unwrap())
    }

    #[test]
    fn twenty_at_once_and_then_five_in_a_second() {
        let rechecks = Rechecks::default();
        assert_eq!(taken(&rechecks, network(1), NOW), 20);
        assert_eq!(taken(&rechecks, network(1), NOW.after(Duration::from_secs(1))), 5);
        assert_eq!(taken(&rechecks, network(1), NOW.after(Duration::from_millis(1200))), 1);
        assert_eq!(taken(&rechecks, network(2), NOW), 20, "each has its own");
        assert_eq!(taken(&rechecks, Asker::Mailbox(MailboxId(1)), NOW), 20);
        assert_eq!(taken(&rechecks, network(1), NOW.after(Duration::from_secs(100))), 20);
        // A clock that was set back gives nothing away, and takes nothing for long.
        assert_eq!(taken(&rechecks, network(1), NOW), 0);
        assert_eq!(taken(&rechecks, network(1), NOW.after(Duration::from_secs(1))), 5);
    }

    #[test]
    fn for_whom_there_is_no_room_share_one() {
        let rechecks = Rechecks::default();
        for number in 0..10_000 {
            assert!(rechecks.take(network(number), NOW));
        }
        let strangers = (10_000..20_000).filter(|number| rechecks.take(network(*number), NOW));
        assert_eq!(strangers.count(), 20);
        assert!(rechecks.take(network(5), NOW), "who is there keeps his own");
        assert!(rechecks.0.lock().unwrap().of.len() <= MAX_BUCKETS + 1);
        // Who asked for nothing meanwhile gives his up.
        assert!(rechecks.take(network(30_000), NOW.after(Duration::from_secs(5))));
        assert!(rechecks.0.lock().unwrap().of.len() < 10);
    }
}
