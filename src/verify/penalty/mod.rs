//! Who guesses, and how he is slowed down.
//!
//! Counted are *distinct* wrong passwords: a phone that repeats an old one is
//! one guess, and a guesser gains nothing by repeating. There is a counter for
//! each network (/32, /64) and one for each account; a full one holds back for
//! a while. The account's counter binds what can be guessed, its main password,
//! so that nobody who knows a name can lock its owner's devices out: they use
//! app passwords. While it is held back, even the right main password is refused
//! unchecked: anything else would tell a guesser when he is right. Faults of
//! ours never count.
//!
//! Names that do not exist are counted like those that do, else the growing
//! delay would tell them apart; they have a table of their own, so that made-up
//! names cannot crowd out real ones.

mod table;

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize, Serializer};

use tokio::sync::Semaphore;

use self::table::{Entry, GuessDigest, Rule, Table};
use super::gate::Gates;
use crate::{clock::Timestamp, mailbox::Address};

/// How guesses are counted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a wrong password counts.
    pub window: Duration,
    /// Distinct wrong passwords that hold an account back; 0 never does.
    pub account_limit: usize,
    /// Distinct wrong names and passwords that hold a network back; 0 never does.
    pub network_limit: usize,
    /// How long.
    pub hold: Duration,
    /// Most counters of each kind that are kept.
    pub max_entries: usize,
    /// Networks without a counter: proxies and webmail, where everybody comes
    /// from one address.
    pub trusted_networks: Vec<IpNet>,
}

impl Default for Settings {
    /// As mailcow's fail2ban has it for an address (10 in 10 minutes) per
    /// account; three times that for a network, which may be an office.
    fn default() -> Self {
        let loopback_v4 = Ipv4Net::new_assert([127, 0, 0, 0].into(), 8);
        let loopback_v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
        Self {
            window: Duration::from_secs(600),
            account_limit: 10,
            network_limit: 30,
            hold: Duration::from_secs(900),
            max_entries: 100_000,
            trusted_networks: vec![loopback_v4.into(), loopback_v6.into()],
        }
    }
}

impl Settings {
    fn account_rule(&self) -> Rule {
        self.rule(self.account_limit)
    }

    fn network_rule(&self) -> Rule {
        self.rule(self.network_limit)
    }

    fn rule(&self, limit: usize) -> Rule {
        Rule { limit, window: self.window, hold: self.hold, max_entries: self.max_entries }
    }

    /// The network that `rip` is counted under; none for a trusted one.
    pub(super) fn network_of(&self, rip: IpAddr) -> Option<IpNet> {
        if self.trusted_networks.iter().any(|trusted| trusted.contains(&rip)) {
            return None;
        }
        let prefix = if rip.is_ipv4() { 32 } else { 64 };
        IpNet::new(rip, prefix).ok().map(|network| network.trunc())
    }
}

/// What can be held back.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Subject {
    /// Everything that comes from a network, by its /32 or /64.
    Network(IpNet),
    /// The main password of an account.
    Account(Address),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Account(address) => address.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    /// An address has an `@`; an IP address alone means its own network.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return match Address::parse(text) {
                Ok(address) => Ok(Self::Account(address)),
                Err(error) => Err(format!("\"{text}\": {error}")),
            };
        }
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::new(address, if address.is_ipv4() { 32 } else { 64 }).ok(),
            Err(_) => text.parse().ok(),
        };
        match network {
            Some(network) => Ok(Self::Network(network.trunc())),
            None => Err(format!("\"{text}\" is neither an address nor a network")),
        }
    }
}

/// How many are held back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeldCounts {
    /// Accounts, also of names that do not exist.
    pub accounts: usize,
    /// Networks.
    pub networks: usize,
}

/// Somebody who is held back.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HeldBack {
    /// Who.
    #[serde(serialize_with = "as_text")]
    pub subject: Subject,
    /// Until when.
    pub until: Timestamp,
}

fn as_text<S: Serializer>(subject: &Subject, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(subject)
}

/// One wrong password under one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess(GuessDigest);

impl Guess {
    /// `secret` outlives a restart with the counters, so that an old password
    /// stays one guess.
    pub(super) fn new(secret: &[u8; 32], name: &[u8], password: &[u8]) -> Self {
        let mut digest = blake3::Hasher::new_keyed(secret);
        digest.update(&(name.len() as u64).to_be_bytes());
        digest.update(name);
        digest.update(password);
        let digest = digest.finalize();
        let (head, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
        Self(GuessDigest::from_be_bytes(*head))
    }
}

/// How network and account stand before a login is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// The network's counter.
    pub(super) network: table::Standing,
    /// The account's.
    pub(super) account: table::Standing,
}

/// What counting a wrong password came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// How much of the longest delay it has earned, from 0 to 1.
    pub(super) share: f64,
    /// Whether a counter had not seen it within its window.
    pub(super) is_new: bool,
}

impl Counted {
    fn new((standing, is_new): (table::Standing, bool), rule: Rule) -> Self {
        Self { share: share(standing, rule), is_new }
    }
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Penalty {
    tables: Mutex<Tables>,
    /// How many are held back: while nobody is, a login asks no further.
    held: AtomicUsize,
    gates: Gates<IpNet>,
}

#[derive(Debug, Default)]
struct Tables {
    networks: Table<IpNet>,
    accounts: Table<Address>,
    /// Names of domains that we have, but no mailbox.
    strangers: Table<Address>,
}

impl Tables {
    /// The table of a name, and how it counts: made-up names get a quarter of the
    /// places.
    fn names(&mut self, known: bool, settings: &Settings) -> (&mut Table<Address>, Rule) {
        let rule = settings.account_rule();
        if known {
            (&mut self.accounts, rule)
        } else {
            (&mut self.strangers, Rule { max_entries: rule.max_entries / 4, ..rule })
        }
    }
}

impl Penalty {
    /// Whether anybody at all is held back.
    pub(super) fn holds_anybody(&self) -> bool {
        self.held.load(Ordering::Relaxed) > 0
    }

    /// How the network of `rip` stands.
    pub(super) fn network_standing(
        &self,
        rip: Option<IpAddr>,
        now: Timestamp,
        settings: &Settings,
    ) -> table::Standing {
        let network = rip.and_then(|rip| settings.network_of(rip));
        let standing = |network| {
            self.with(|tables| tables.networks.standing(&network, now, settings.network_rule()))
        };
        network.map(standing).unwrap_or_default()
    }

    pub(super) fn standing(
        &self,
        rip: Option<IpAddr>,
        user: &Address,
        now: Timestamp,
        settings: &Settings,
    ) -> Standing {
        let network = self.network_standing(rip, now, settings);
        let by_account = settings.account_rule();
        self.with(|tables| {
            let known = tables.accounts.standing(user, now, by_account);
            let stranger = tables.strangers.standing(user, now, by_account);
            Standing {
                network,
                account: table::Standing {
                    guesses: known.guesses.max(stranger.guesses),
                    held_until: known.held_until.max(stranger.held_until),
                },
            }
        })
    }

    /// The gate that slow hashes for `rip` go through, as wide as leads to a hold:
    /// whoever sends a thousand guesses at once is held back before the second
    /// lot is over. None where its network has no counter.
    pub(super) fn gate(&self, rip: IpAddr, settings: &Settings) -> Option<Arc<Semaphore>> {
        let network = settings.network_of(rip).filter(|_| settings.network_limit > 0)?;
        Some(self.gates.of(network, settings.network_limit))
    }

    /// Announces that a password of `user` is about to be checked; `None` if as
    /// many others are wrong or under way as hold the account back. `known` if there
    /// is such a mailbox.
    pub(super) fn announce(
        &self,
        user: &Address,
        known: bool,
        guess: Guess,
        now: Timestamp,
        settings: &Settings,
    ) -> Option<Announced<'_>> {
        let rule = self.with(|tables| {
            let (names, rule) = tables.names(known, settings);
            names.announce(user, guess.0, now, rule).then_some(rule)
        })?;
        Some(Announced { penalty: self, user: user.clone(), known, guess, now, rule })
    }

    /// Counts a wrong password: against the network, and against the name if
    /// that is one of our domains; `known` if there is such a mailbox.
    pub(super) fn count(
        &self,
        rip: Option<IpAddr>,
        name: Option<(&Address, bool)>,
        guess: Guess,
        now: Timestamp,
        settings: &Settings,
    ) -> Counted {
        let network = rip.and_then(|rip| settings.network_of(rip));
        self.with(|tables| {
            let network = network.map_or_else(Counted::default, |network| {
                let rule = settings.network_rule();
                Counted::new(tables.networks.count(&network, guess.0, now, rule), rule)
            });
            let account = name.map_or_else(Counted::default, |(user, known)| {
                let (names, rule) = tables.names(known, settings);
                Counted::new(names.count(user, guess.0, now, rule), rule)
            });
            Counted {
                share: network.share.max(account.share),
                is_new: network.is_new || account.is_new,
            }
        })
    }

    /// Everybody who is held back at `now`.
    pub(super) fn held_back(&self, now: Timestamp) -> Vec<HeldBack> {
        self.with(|tables| {
            let networks = tables.networks.held_back(now);
            let networks = networks.map(|(network, until)| (Subject::Network(*network), until));
            let names = tables.accounts.held_back(now).chain(tables.strangers.held_back(now));
            let names = names.map(|(user, until)| (Subject::Account(user.clone()), until));
            networks.chain(names).map(|(subject, until)| HeldBack { subject, until }).collect()
        })
    }

    /// How many accounts and networks are held back; some may be over by now.
    pub(super) fn held(&self) -> HeldCounts {
        self.with(|tables| HeldCounts {
            accounts: tables.accounts.held() + tables.strangers.held(),
            networks: tables.networks.held(),
        })
    }

    /// Ends a hold and forgets the guesses; false if there were none.
    pub(super) fn lift(&self, subject: &Subject) -> bool {
        self.with(|tables| match subject {
            Subject::Network(network) => tables.networks.lift(network),
            Subject::Account(user) => tables.accounts.lift(user) | tables.strangers.lift(user),
        })
    }

    /// Gives up what means nothing any more.
    pub(super) fn prune(&self, now: Timestamp) {
        self.gates.prune();
        self.with(|tables| {
            tables.networks.prune(now);
            tables.accounts.prune(now);
            tables.strangers.prune(now);
        });
    }

    /// What the store has to learn since the last call.
    pub(super) fn take_dirty(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let changed: Vec<(Subject, Option<Entry>)> = self.with(|tables| {
            // Made-up names are not worth the disk.
            tables.strangers.take_dirty();
            let networks = tables.networks.take_dirty().into_iter();
            let networks = networks.map(|(key, entry)| (Subject::Network(key), entry));
            let accounts = tables.accounts.take_dirty().into_iter();
            networks.chain(accounts.map(|(key, entry)| (Subject::Account(key), entry))).collect()
        });
        let bytes = |entry| postcard::to_allocvec(&entry).expect("a counter can be written");
        changed
            .into_iter()
            .map(|(subject, entry)| {
                let key = postcard::to_allocvec(&subject).expect("a subject can be written");
                (key, entry.map(bytes))
            })
            .collect()
    }

    /// The store did not learn these.
    pub(super) fn still_dirty(&self, keys: impl Iterator<Item = Vec<u8>>) {
        self.with(|tables| {
            for key in keys {
                match postcard::from_bytes(&key) {
                    Ok(Subject::Network(network)) => tables.networks.still_dirty(network),
                    Ok(Subject::Account(user)) => tables.accounts.still_dirty(user),
                    Err(_) => {}
                }
            }
        });
    }

    /// Takes over what the store kept. An entry that cannot be read is dropped:
    /// a counter is not worth refusing to start.
    pub(super) fn restore(
        &self,
        kept: Vec<(Vec<u8>, Vec<u8>)>,
        now: Timestamp,
        settings: &Settings,
    ) {
        self.with(|tables| {
            for (key, value) in kept {
                let Ok(entry) = postcard::from_bytes::<Entry>(&value) else { continue };
                match postcard::from_bytes(&key) {
                    Ok(Subject::Network(network)) => {
                        tables.networks.restore(&network, entry, now, settings.network_rule());
                    }
                    Ok(Subject::Account(user)) => {
                        tables.accounts.restore(&user, entry, now, settings.account_rule());
                    }
                    Err(_) => {}
                }
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Tables) -> T) -> T {
        let mut tables: MutexGuard<'_, Tables> =
            self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut tables);
        let held = tables.networks.held() + tables.accounts.held() + tables.strangers.held();
        self.held.store(held, Ordering::Relaxed);
        result
    }
}

/// A check under way. Withdrawn when dropped: a guess that was found wrong has
/// to be counted before.
pub(super) struct Announced<'a> {
    penalty: &'a Penalty,
    user: Address,
    known: bool,
    guess: Guess,
    now: Timestamp,
    rule: Rule,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.penalty.with(|tables| {
            let names = if self.known { &mut tables.accounts } else { &mut tables.strangers };
            names.withdraw(&self.user, self.guess.0, self.now, self.rule);
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of guesses are small")]
fn share(standing: table::Standing, rule: Rule) -> f64 {
    if standing.held_until.is_some() {
        return 1.0;
    }
    (standing.guesses as f64 / rule.limit.max(1) as f64).min(1.0)
}
