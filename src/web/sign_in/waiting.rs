//! How many refusals are held back at a time. Each takes its delay, and its connection
//! for as long; without a bound a stranger would hold all of them by wrong passwords.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;

/// Most of all visitors: a quarter of the connections that there are.
const MAX: usize = 64;
/// Most of one network.
const MAX_OF_NETWORK: usize = 8;

/// Passwords that are being checked, by network.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Waiting(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place among them.
#[derive(Debug)]
pub(super) struct Place {
    waiting: Waiting,
    network: IpAddr,
}

impl Waiting {
    /// A place, if there is one; behind a proxy that does not say for whom it asks, all are
    /// of one network, which then has no bound of its own.
    pub(super) fn enter(&self, rip: IpAddr, trusted: &[IpNet]) -> Option<Place> {
        let network = network(rip);
        let mut all = self.lock();
        let of_network = all.get(&network).copied().unwrap_or(0);
        let is_trusted = trusted.iter().any(|trusted| trusted.contains(&rip));
        if all.values().sum::<usize>() >= MAX || !is_trusted && of_network >= MAX_OF_NETWORK {
            return None;
        }
        all.insert(network, of_network + 1);
        Some(Place { waiting: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.waiting.lock();
        let left = all.remove(&self.network).unwrap_or(1) - 1;
        if left > 0 {
            all.insert(self.network, left);
        }
    }
}

/// Of IPv6 addresses, somebody has at least 2^64.
pub(super) fn network(rip: IpAddr) -> IpAddr {
    match rip {
        IpAddr::V4(_) => rip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places() {
        let waiting = Waiting::default();
        let enter = |text: &str| waiting.enter(text.parse().unwrap(), &[]);
        let held: Vec<_> = (0..20).filter_map(|_| enter("2001:db8::1")).collect();
        assert_eq!(held.len(), MAX_OF_NETWORK);
        assert!(enter("2001:db8::2").is_none(), "the same network");
        let other = enter("192.0.2.1").unwrap();
        drop(held);
        assert!(enter("2001:db8::2").is_some());
        drop(other);
        assert!(waiting.lock().is_empty());
    }

    #[test]
    fn a_silent_proxy_has_all_but_the_last() {
        let waiting = Waiting::default();
        let trusted = ["127.0.0.0/8".parse().unwrap()];
        let enter = || waiting.enter("127.0.0.1".parse().unwrap(), &trusted);
        let held: Vec<_> = (0..100).filter_map(|_| enter()).collect();
        assert_eq!(held.len(), MAX);
    }
}
