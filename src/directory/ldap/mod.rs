//! People at an LDAP server (RFC 4511): found by a search of our own account, their
//! passwords checked by a bind as their entry. Referrals are not followed, and what is
//! only a part of an answer is none.

mod connection;
mod filter;
mod guard;
mod health;
mod person;
mod pool;
mod said;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use self::{
    connection::{Extent, Place as ServerPlace, Reply, Request, Search},
    health::Health,
    person::Reading,
    pool::{Own, Pool, Server},
};
use super::{Dn, Entry, Found, Outage, OutageCause, Password, Problem, Settings, Status, settings};
use crate::{
    mailbox::{Address, Profile},
    remote::{Tls, tls},
    secret::Secret,
};

/// Entries of a page: what Active Directory gives out at once, halved.
const PAGE: i32 = 500;
/// Entries that may fit an address or an id. One is wanted.
const FEW: u8 = 10;
/// Longest wait for a page: nobody waits for it who logs in.
const LISTING: Duration = Duration::from_secs(30);
/// How long it is believed that our account sees people, after it saw one. Whoever it
/// cannot see any more would be refused for so long, and signed out.
const SEES: Duration = Duration::from_secs(1);

/// An LDAP server, or several of the same people.
pub(super) struct Ldap {
    settings: settings::Ldap,
    reading: Reading,
    searches: Pool,
    binds: Pool,
    health: Health,
    /// When our account last saw somebody.
    seen: Mutex<Option<Instant>>,
}

/// Where one is in the list of everybody. Servers keep it with the connection.
pub(super) struct Place {
    own: Own,
    cookie: Vec<u8>,
    is_over: bool,
}

impl Ldap {
    pub(super) fn open(directory: &Settings, ldap: &settings::Ldap) -> Result<Self, Problem> {
        let problem = |key, reason: String| Problem { key, reason };
        for (key, filter) in [("filter", &ldap.filter), ("list_filter", &ldap.list_filter)] {
            let example = Address::parse("someone@example.org").expect("it is one");
            if ldap3::parse_filter(filter::for_address(filter, &example)).is_err() {
                let reason = "is no filter in the form of RFC 4515, such as (mail=%u)";
                return Err(problem(key, reason.to_owned()));
            }
        }
        if let Some(settings::Account { dn, password }) = &ldap.account {
            if dn.is_empty() {
                return Err(problem(
                    "bind_dn",
                    "is empty: leave it out to ask as nobody".to_owned(),
                ));
            }
            if std::str::from_utf8(password.expose()).is_err() {
                return Err(problem("bind_password", "is not UTF-8".to_owned()));
            }
        }
        let trusted = Tls { ca_pem: ldap.ca_pem.clone(), ignore_errors: ldap.ignore_ssl_errors };
        let config = tls::client_config(&trusted, &[]);
        let config = Arc::new(config.map_err(|error| problem("ca_file", error))?);
        let mut servers = Vec::with_capacity(ldap.urls.len());
        for url in &ldap.urls {
            let place = ServerPlace::of(url, ldap.starttls, &config);
            let place = place.ok_or_else(|| problem("urls", format!("{url} names no host")))?;
            if place.is_clear() {
                let (directory, server) = (directory.name.as_str(), place.name());
                tracing::warn!(directory, server, "passwords go there in clear text: use TLS");
            }
            servers.push(Server::new(place, ldap.timeout));
        }
        let servers: Arc<[Server]> = servers.into();
        let account = ldap.account.clone();
        Ok(Self {
            settings: ldap.clone(),
            reading: Reading::by(directory, ldap),
            searches: Pool::new(Arc::clone(&servers), account, ldap.connect_timeout),
            binds: Pool::new(servers, None, ldap.connect_timeout),
            health: Health::of(&directory.name),
            seen: Mutex::default(),
        })
    }

    /// How it does.
    pub(super) fn status(&self) -> Status {
        self.health.status()
    }

    /// Whose the address is.
    pub(super) async fn find(&self, address: &Address) -> Result<Found, Outage> {
        let deadline = self.deadline();
        let filter = filter::for_address(&self.settings.filter, address);
        let reply = self.search(filter, deadline).await?;
        let his = reply.entries.iter().filter(|entry| self.reading.has(entry, address));
        match his.collect::<Vec<_>>()[..] {
            [] => self.nobody(&reply, deadline).await.map(|()| Found::Nobody),
            [entry] if !said::is_cut_off(&reply) => {
                let profile = self.reading.person(entry, Some(address)).map_err(malformed)?;
                let password = Password::Bind(person::dn(entry).map_err(malformed)?);
                Ok(Found::Entry(Entry { profile, password }.into()))
            }
            // There may be more.
            _ => Ok(Found::Several),
        }
    }

    /// Whether the password is that of the entry.
    pub(super) async fn bind(&self, dn: &Dn, password: &Secret) -> Result<bool, Outage> {
        let Ok(password) = std::str::from_utf8(password.expose()) else { return Ok(false) };
        // RFC 4513 §5.1.2: a bind without a password succeeds, and proves nothing; and
        // there are servers for which the password ends at a zero byte.
        if password.is_empty() || password.contains('\0') || dn.as_str().is_empty() {
            return Ok(false);
        }
        let request = Request::Bind { dn: dn.as_str(), password };
        let asked = self.binds.ask(&request, self.deadline()).await;
        said::of_bind(&self.health.noted(asked)?)
    }

    pub(super) async fn begin(&self) -> Result<Place, Outage> {
        let own = self.health.noted(self.searches.own(self.deadline()).await)?;
        Ok(Place { own, cookie: Vec::new(), is_over: false })
    }

    /// The next page of everybody.
    pub(super) async fn next(&self, place: &mut Place) -> Result<Option<Vec<Profile>>, Outage> {
        if place.is_over {
            return Ok(None);
        }
        let cookie = std::mem::take(&mut place.cookie);
        let is_first = cookie.is_empty();
        let filter = self.settings.list_filter.clone();
        let request = Request::Search(self.below_base(filter, Extent::Page(PAGE, cookie)));
        let asked = place.own.ask(&request, Instant::now() + LISTING).await;
        let reply = self.health.noted(asked.and_then(said::whole))?;
        if reply.refers {
            let why = "some of the people are on other servers, which are not asked: set base_dn \
                       to where all are on this one";
            return Err(Outage::new(OutageCause::Status, why));
        }
        if is_first && reply.entries.is_empty() && reply.cookie.is_empty() {
            return self.health.noted(Err(sees_nobody()));
        }
        let people = reply.entries.iter().map(|entry| self.reading.person(entry, None));
        let people = people.collect::<Result<Vec<_>, _>>().map_err(malformed)?;
        place.is_over = reply.cookie.is_empty();
        place.cookie = reply.cookie;
        Ok(Some(people))
    }

    /// The person of this id.
    pub(super) async fn look_up(&self, subject: &str) -> Result<Option<Profile>, Outage> {
        let deadline = self.deadline();
        let filter = self.reading.filter_for(&self.settings.list_filter, subject);
        // By another attribute than now he was somebody's id once.
        let Some(filter) = filter else { return Ok(None) };
        let reply = self.search(filter, deadline).await?;
        match &reply.entries[..] {
            [] => self.nobody(&reply, deadline).await.map(|()| None),
            [entry] if !said::is_cut_off(&reply) => {
                self.reading.person(entry, None).map(Some).map_err(malformed)
            }
            _ => Err(malformed("more than one entry has this id: id_attribute is none")),
        }
    }

    async fn search(&self, filter: String, deadline: Instant) -> Result<Reply, Outage> {
        let request = Request::Search(self.below_base(filter, Extent::UpTo(FEW)));
        let asked = self.searches.ask(&request, deadline).await;
        let reply = self.health.noted(asked.and_then(said::first_few))?;
        if !reply.entries.is_empty() {
            *self.seen() = Some(Instant::now());
        }
        Ok(reply)
    }

    /// Believes that nobody was found, if that can be: a server that does not let our
    /// account see people finds nobody, whoever is asked for.
    async fn nobody(&self, reply: &Reply, deadline: Instant) -> Result<(), Outage> {
        if said::is_cut_off(reply) {
            let why = "the filter finds too many entries that do not have the address";
            return Err(Outage::new(OutageCause::Status, why));
        }
        if reply.refers {
            let why = "nobody here, but it refers to other servers, which are not asked";
            return Err(Outage::new(OutageCause::Status, why));
        }
        if self.seen().is_some_and(|at| at.elapsed() < SEES) {
            return Ok(());
        }
        let anybody = self.search(self.settings.list_filter.clone(), deadline).await?;
        if anybody.entries.is_empty() { self.health.noted(Err(sees_nobody())) } else { Ok(()) }
    }

    fn below_base(&self, filter: String, extent: Extent) -> Search<'_> {
        Search {
            base: &self.settings.base_dn,
            filter,
            attributes: self.reading.attributes(),
            extent,
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }

    fn seen(&self) -> MutexGuard<'_, Option<Instant>> {
        self.seen.lock().expect("no holder panics")
    }
}

fn malformed(why: impl AsRef<str>) -> Outage {
    Outage::new(OutageCause::Malformed, why)
}

fn sees_nobody() -> Outage {
    let why = "our account sees no people at all: give it the right to read and search them, or \
               set base_dn and the filters";
    Outage::new(OutageCause::Credentials, why)
}
