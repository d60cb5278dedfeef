//! What Keycloak recorded of its people since it was asked last: admin events and
//! user events of the realm.
//!
//! An event makes us forget and ask again; nothing in it is believed. Whatever a
//! lying provider puts there costs requests to itself.

mod read;
mod window;

use std::{
    collections::BTreeSet,
    mem,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

pub(super) use self::read::Recorded;
use self::{
    read::Kind,
    window::{Window, Windowed},
};
use super::{
    Outage, OutageCause, Provider,
    http::{Endpoint, Reply},
};
use crate::clock::Timestamp;

/// Longest poll altogether.
const LIMIT: Duration = Duration::from_secs(30);
/// After more than can be read, so that everything is not forgotten every few
/// seconds while thousands of people are imported.
const PAUSE: Duration = Duration::from_secs(10);
/// After so long without an answer everything may have changed: realms keep their
/// events for a while only.
const GAP: Duration = Duration::from_secs(600);
/// How often it is asked what the realm records, and whether we may read it where
/// we may not.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What happened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Polled {
    /// One entry for each person and kind.
    pub happened: Vec<Happened>,
    /// Anything may have changed besides: the first poll, a gap, or more than
    /// can be read.
    pub missed: bool,
    /// Sessions that ended, by their ids (`sid`), where it is not said whose they
    /// were.
    pub sessions: Vec<String>,
    /// The sessions of everybody ended.
    pub everybody_signed_out: bool,
}

/// What happened to a person.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Happened {
    /// The provider's own id of him.
    pub subject: String,
    /// What.
    pub what: Happening,
}

/// Kinds of what happens to people.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Happening {
    /// He is new: an address that was not known may be his.
    Created,
    /// Anything of his changed: address, password, state, groups, roles.
    Changed,
    /// He is gone.
    Deleted,
    /// His sessions ended. Nothing else of his changed.
    SignedOut,
}

/// Whether it is heard of what happens to people.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EventsState {
    /// Nobody has asked yet, or nobody is to ask.
    #[default]
    NotAsked,
    /// All of it.
    Watching,
    /// The realm does not record these.
    NotRecorded {
        /// Changes that administrators make.
        admin: bool,
        /// What people do themselves.
        user: bool,
    },
    /// Our client may not read it.
    Forbidden,
    /// It could not be read just now.
    Failing,
}

impl EventsState {
    /// Its name in the API and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Watching => "watching",
            Self::NotRecorded { .. } => "not_recorded",
            Self::Forbidden => "forbidden",
            Self::Failing => "failing",
        }
    }
}

/// How far it was read.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Held while somebody polls: one at a time.
    cursor: tokio::sync::Mutex<Cursor>,
    state: Mutex<EventsState>,
    /// When all that is recorded was last read.
    read: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Cursor {
    /// What the realm records, and when it said so.
    recorded: Option<(Recorded, Instant)>,
    /// Nothing is asked before.
    resume: Option<Instant>,
    admin: Window,
    user: Window,
}

/// What was found in one poll.
#[derive(Default)]
struct Found {
    happened: BTreeSet<Happened>,
    sessions: BTreeSet<String>,
    everybody_signed_out: bool,
    missed: bool,
    /// The realm records something else now.
    settings_changed: bool,
    /// There was more than can be read: nothing is asked for so long.
    pause: Option<Duration>,
}

impl Feed {
    /// How it goes.
    pub(super) fn state(&self) -> EventsState {
        *self.lock()
    }

    /// How long ago all that is recorded was last read.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let read = *self.read.lock().expect("no holder panics");
        read.map(|read| now.duration_since(read))
    }

    fn lock(&self) -> MutexGuard<'_, EventsState> {
        self.state.lock().expect("no holder panics")
    }
}

impl Provider {
    /// What happened since the poll before. Asks nothing for a while where our
    /// client may not read events, or after more of them than can be read.
    ///
    /// Dropped before it ends, it has read nothing: the next one finds the same.
    ///
    /// # Errors
    /// Nothing could be read. Where one of the two kinds could, what it says is
    /// the answer, and [`Status::events`](super::Status) that the other fails.
    pub async fn poll_events(&self) -> Result<Polled, Outage> {
        let mut cursor = self.feed.cursor.lock().await;
        let now = Instant::now();
        if cursor.resume.is_some_and(|resume| now < resume) {
            return Ok(Polled::default());
        }
        let deadline = now + LIMIT;
        let recorded = match cursor.recorded.clone() {
            Some((recorded, at)) if now.duration_since(at) < LOOK_AGAIN => recorded,
            _ => match self.recorded(deadline).await {
                Ok(recorded) => {
                    cursor.recorded = Some((recorded.clone(), now));
                    recorded
                }
                Err(outage) => return Err(self.fails(&mut cursor, outage)),
            },
        };
        let admin = recorded.admin.then_some(Kind::Admin);
        let admin = self.read(&cursor.admin, admin, deadline).await;
        let user = (!recorded.types.is_empty()).then(|| Kind::User(&recorded.types));
        let user = self.read(&cursor.user, user, deadline).await;
        // From here on nothing waits, so nothing that was read can get lost.
        let (mut found, mut failed) = (Found::default(), None);
        let Cursor { admin: admin_window, user: user_window, .. } = &mut *cursor;
        for (window, read) in [(admin_window, admin), (user_window, user)] {
            match read {
                Ok((read, new)) => {
                    *window = read;
                    found.join(new);
                }
                Err(outage) => failed = failed.or(Some(outage)),
            }
        }
        if found.settings_changed {
            cursor.recorded = None;
        }
        cursor.resume = found.pause.map(|pause| now + pause);
        let polled = found.polled();
        match failed {
            None => {
                *self.feed.read.lock().expect("no holder panics") = Some(now);
                self.enter(recorded.state(), None);
            }
            Some(outage) => {
                let outage = self.fails(&mut cursor, outage);
                if polled == Polled::default() {
                    return Err(outage);
                }
            }
        }
        Ok(polled)
    }

    /// What the realm records.
    pub(super) async fn recorded(&self, deadline: Instant) -> Result<Recorded, Outage> {
        let url = self.admin_api()?.resource(["events", "config"]);
        let (reply, _) = self.admin(Endpoint::Events, &url, deadline).await?;
        Recorded::read(&granted(reply)?)
    }

    /// What is new of one kind, and how far it was read.
    async fn read(
        &self,
        window: &Window,
        kind: Option<Kind<'_>>,
        deadline: Instant,
    ) -> Result<(Window, Found), Outage> {
        let mut found = Found::default();
        // What is recorded later begins anew.
        let Some(kind) = kind else { return Ok((Window::default(), found)) };
        let sent = Instant::now();
        if !window.is_open(sent, GAP) {
            found.missed = true;
            return Ok((self.anchored(kind, deadline).await?, found));
        }
        let mut read = window.reading(sent, Timestamp::now());
        let most = kind.most();
        let reply = self.newest(kind, read.from(), most, deadline).await?;
        let events = if reply.is_cut { None } else { Some(reply.list()?) };
        for event in events.iter().flatten().take(most) {
            if read.is_new(read::key(event), read::time(event)) {
                kind.note(event, &mut found);
            }
        }
        if events.is_some_and(|events| events.len() < most) {
            return Ok((read.whole(), found));
        }
        found.missed = true;
        found.pause = Some(PAUSE);
        Ok((self.anchored(kind, deadline).await?.without_overlap(), found))
    }

    /// A window that begins with the newest event.
    async fn anchored(&self, kind: Kind<'_>, deadline: Instant) -> Result<Window, Outage> {
        let sent = Instant::now();
        let reply = self.newest(kind, None, 1, deadline).await?;
        let newest = reply.list()?;
        let newest = newest.first().map(|event| (read::key(event), read::time(event)));
        Ok(Windowed::anchored(newest, sent, Timestamp::now()))
    }

    async fn newest(
        &self,
        kind: Kind<'_>,
        from: Option<Timestamp>,
        max: usize,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        let mut url = self.admin_api()?.resource([kind.resource()]);
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(kind.filter());
            query.append_pair("max", &max.to_string());
            if let Some(Timestamp(from)) = from {
                query.append_pair("dateFrom", &from.to_string());
            }
        }
        let (reply, _) = self.admin(Endpoint::Events, &url, deadline).await?;
        granted(reply)
    }

    /// Notes that nothing could be read.
    fn fails(&self, cursor: &mut Cursor, outage: Outage) -> Outage {
        let outage = self.clean(outage);
        if outage.cause == OutageCause::Rights {
            cursor.resume = Some(Instant::now() + LOOK_AGAIN);
            self.enter(EventsState::Forbidden, Some(&outage));
        } else {
            self.enter(EventsState::Failing, Some(&outage));
        }
        outage
    }

    /// Says once what is new.
    fn enter(&self, state: EventsState, outage: Option<&Outage>) {
        let before = mem::replace(&mut *self.feed.lock(), state);
        if before == state {
            return;
        }
        let provider = &self.settings().name;
        let detail = outage.map(|outage| outage.detail.as_str()).unwrap_or_default();
        match state {
            EventsState::NotAsked => {}
            EventsState::Watching => tracing::info!(%provider, "changes of people are watched"),
            EventsState::NotRecorded { admin, user } => tracing::warn!(
                %provider, admin_events = !admin, user_events = !user,
                "the realm does not record all events: changes of people are noticed later"
            ),
            EventsState::Forbidden => tracing::error!(
                %provider, detail,
                "events cannot be read, so changes of people are noticed later: the service account of \
                 our client needs the role view-events of realm-management"
            ),
            EventsState::Failing => {
                tracing::warn!(%provider, detail, "events cannot be read just now");
            }
        }
    }
}

impl Found {
    fn polled(self) -> Polled {
        Polled {
            happened: self.happened.into_iter().collect(),
            missed: self.missed,
            sessions: self.sessions.into_iter().collect(),
            everybody_signed_out: self.everybody_signed_out,
        }
    }

    fn join(&mut self, other: Self) {
        self.happened.extend(other.happened);
        self.sessions.extend(other.sessions);
        self.everybody_signed_out |= other.everybody_signed_out;
        self.missed |= other.missed;
        self.settings_changed |= other.settings_changed;
        self.pause = self.pause.or(other.pause);
    }

    fn person(&mut self, subject: &str, what: Happening) {
        let subject = subject.to_owned();
        self.happened.insert(Happened { subject, what });
    }
}

/// The answer, where our client may have it.
fn granted(reply: Reply) -> Result<Reply, Outage> {
    match reply.status {
        200 => Ok(reply),
        401 => {
            let detail = format!("{}: status 401: the token of our client is refused", reply.asked);
            Err(Outage::new(OutageCause::Credentials, detail))
        }
        403 => {
            let detail = format!(
                "{}: status 403: the service account of our client lacks the role view-events",
                reply.asked
            );
            Err(Outage::new(OutageCause::Rights, detail))
        }
        404 | 405 => Err(reply.no_such_endpoint()),
        _ => Err(reply.unusable()),
    }
}
