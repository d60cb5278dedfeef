//! Who is signed in to the pages. Sessions live in memory: there is nothing on disk that
//! could be stolen or restored, and whoever was signed out by a restart signs in again.
//!
//! A browser keeps a random id in a cookie, we keep its digest. Each has the secret of its
//! forms, one for all of them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    api::{Caller, app_passwords},
    clock::Timestamp,
    mailbox::{Address, MailboxId, ProviderName},
    secret::Secret,
    verify::SignedOut,
};

/// Most sessions; beyond, the one goes that was used longest ago.
const MAX_SESSIONS: usize = 10_000;
/// Most sessions of one person.
const MAX_OF_ONE: usize = 20;

/// Who is signed in, and how.
#[derive(Debug)]
pub(super) struct Session {
    /// His mailbox; none of an administrator without one.
    pub(super) mailbox: Option<Own>,
    /// What he is called on the pages.
    pub(super) name: String,
    /// How he signed in.
    pub(super) by: SignedInBy,
    /// With which rights he administers, if he does.
    pub(super) administrator: Option<Caller>,
    /// What each of his forms must have in it.
    pub(super) csrf: Secret,
    /// Said on the next page, once.
    notice: Mutex<Option<String>>,
    /// The app password that he has just made.
    made: Mutex<Option<Made>>,
}

/// An app password that somebody has just made: he sees it until he says that he has it.
#[derive(Clone)]
pub(super) struct Made {
    /// What is kept of it.
    pub(super) view: app_passwords::View,
    /// The text to type into a mail program.
    pub(super) text: Secret,
    /// When it was made.
    pub(super) at: Timestamp,
}

/// Without the text.
impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("id", &self.view.id).finish_non_exhaustive()
    }
}

/// So long somebody sees an app password that he has made.
const MADE_IS_SHOWN: Duration = Duration::from_secs(10 * 60);

/// Somebody's own mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Own {
    /// Its address.
    pub(super) address: Address,
    /// Its identity: another one may get the address.
    pub(super) id: MailboxId,
    /// How it was when he showed its password, if he did: when that is changed, the session
    /// is over.
    pub(super) generation: Option<u64>,
}

/// How somebody signed in.
#[derive(Debug)]
pub(super) enum SignedInBy {
    /// In the browser, at a provider.
    Provider {
        /// The provider.
        provider: ProviderName,
        /// His id there.
        subject: String,
        /// His session there, where it said one.
        session: Option<String>,
        /// For the way out: whom to sign out there.
        id_token: Secret,
    },
    /// With his password.
    Password,
    /// By the one-time address that `dovegate admin link` made.
    Link,
}

/// Somebody who has just signed in.
#[derive(Debug)]
pub(super) struct NewSession {
    pub(super) mailbox: Option<Own>,
    pub(super) name: String,
    pub(super) by: SignedInBy,
    pub(super) administrator: Option<Caller>,
}

impl Session {
    /// Says something on his next page.
    pub(super) fn say(&self, notice: String) {
        *lock(&self.notice) = Some(notice);
    }

    /// What is to be said on this page.
    pub(super) fn take_notice(&self) -> Option<String> {
        lock(&self.notice).take()
    }

    /// Keeps an app password that he has just made, or none any more.
    pub(super) fn keep_made(&self, made: Option<Made>) {
        *lock(&self.made) = made;
    }

    /// The app password that he has just made.
    pub(super) fn made(&self, now: Timestamp) -> Option<Made> {
        let mut made = lock(&self.made);
        *made = made.take().filter(|made| now.since(made.at) < MADE_IS_SHOWN);
        made.clone()
    }

    /// Whether he may see the pages for administrators.
    pub(super) fn is_administrator(&self) -> bool {
        self.administrator.is_some()
    }

    /// Whether it came from what a provider has ended.
    pub(super) fn is_of_signed_out(&self, by: &ProviderName, signed_out: &SignedOut) -> bool {
        let SignedInBy::Provider { provider, subject, session, .. } = &self.by else {
            return false;
        };
        let is_his = || signed_out.subject.as_ref().is_none_or(|other| other == subject);
        let is_that_one = match (session, &signed_out.session) {
            (Some(session), Some(ended)) => session == ended,
            _ => signed_out.subject.is_some(),
        };
        provider == by && is_his() && is_that_one
    }

    fn is_of(&self, other: &NewSession) -> bool {
        match (&self.by, &other.by) {
            (
                SignedInBy::Provider { provider, subject, .. },
                SignedInBy::Provider { provider: other, subject: same, .. },
            ) => (provider, subject) == (other, same),
            _ => match (&self.mailbox, &other.mailbox) {
                (Some(own), Some(other)) => own.id == other.id,
                _ => false,
            },
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Kept>>);

#[derive(Debug)]
struct Kept {
    session: Arc<Session>,
    began: Timestamp,
    used: Timestamp,
}

/// How long sessions go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) lifetime: Duration,
}

impl Kept {
    fn is_over(&self, limits: Limits, now: Timestamp) -> bool {
        now.since(self.used) >= limits.idle || now.since(self.began) >= limits.lifetime
    }
}

impl Sessions {
    /// Begins one, and returns the id for the cookie.
    pub(super) fn begin(&self, new: NewSession, limits: Limits, now: Timestamp) -> Secret {
        let id = random_text();
        let mut all = lock(&self.0);
        all.retain(|_, kept| !kept.is_over(limits, now));
        let of_him = all.values().filter(|kept| kept.session.is_of(&new)).count();
        if of_him >= MAX_OF_ONE {
            remove_oldest(&mut all, |session| session.is_of(&new));
        }
        if all.len() >= MAX_SESSIONS {
            remove_oldest(&mut all, |_| true);
        }
        let NewSession { mailbox, name, by, administrator } = new;
        let (csrf, notice) = (random_text(), Mutex::default());
        let made = Mutex::default();
        let session = Arc::new(Session { mailbox, name, by, administrator, csrf, notice, made });
        all.insert(digest(id.expose()), Kept { session, began: now, used: now });
        id
    }

    /// The session of a cookie, which goes on by being asked for.
    pub(super) fn find(&self, id: &[u8], limits: Limits, now: Timestamp) -> Option<Arc<Session>> {
        let mut all = lock(&self.0);
        let digest = digest(id);
        let kept = all.get_mut(&digest)?;
        if kept.is_over(limits, now) {
            all.remove(&digest);
            return None;
        }
        kept.used = now;
        Some(Arc::clone(&kept.session))
    }

    /// Ends the session of a cookie.
    pub(super) fn end(&self, id: &[u8]) -> Option<Arc<Session>> {
        lock(&self.0).remove(&digest(id)).map(|kept| kept.session)
    }

    /// Ends those that `is_over` picks, and says how many these were.
    pub(super) fn end_all(&self, is_over: impl Fn(&Session) -> bool) -> usize {
        let mut all = lock(&self.0);
        let before = all.len();
        all.retain(|_, kept| !is_over(&kept.session));
        before - all.len()
    }
}

fn remove_oldest(all: &mut HashMap<[u8; 32], Kept>, is_meant: impl Fn(&Session) -> bool) {
    let meant = all.iter().filter(|(_, kept)| is_meant(&kept.session));
    if let Some(oldest) = meant.min_by_key(|(_, kept)| kept.used).map(|(digest, _)| *digest) {
        all.remove(&oldest);
    }
}

/// 256 random bits, fit for cookies, forms and addresses.
pub(super) fn random_text() -> Secret {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    Secret::from(BASE64_URL_SAFE_NO_PAD.encode(bytes).as_str())
}

fn digest(id: &[u8]) -> [u8; 32] {
    *blake3::hash(id).as_bytes()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step: a panic elsewhere left nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { idle: Duration::from_secs(10), lifetime: Duration::from_secs(30) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn new(address: &str) -> NewSession {
        NewSession {
            mailbox: Some(Own {
                address: Address::parse(address).unwrap(),
                id: MailboxId(address.as_bytes()[0].into()),
                generation: None,
            }),
            name: address.to_owned(),
            by: SignedInBy::Password,
            administrator: None,
        }
    }

    #[test]
    fn a_session_goes_on_by_being_used_and_not_for_ever() {
        let sessions = Sessions::default();
        let id = sessions.begin(new("mara@example.org"), LIMITS, at(100));
        let finds = |now| sessions.find(id.expose(), LIMITS, at(now)).is_some();
        assert!(finds(109) && finds(118) && finds(127));
        assert!(!finds(130), "its lifetime is over");
        let id = sessions.begin(new("mara@example.org"), LIMITS, at(200));
        assert!(sessions.find(id.expose(), LIMITS, at(210)).is_none(), "not used");
        assert!(sessions.find(b"made up", LIMITS, at(210)).is_none());
    }

    #[test]
    fn the_oldest_of_a_person_makes_room() {
        let sessions = Sessions::default();
        let first = sessions.begin(new("mara@example.org"), LIMITS, at(0));
        let other = sessions.begin(new("nina@example.org"), LIMITS, at(0));
        for _ in 0..MAX_OF_ONE {
            sessions.begin(new("mara@example.org"), LIMITS, at(1));
        }
        assert!(sessions.find(first.expose(), LIMITS, at(1)).is_none());
        assert!(sessions.find(other.expose(), LIMITS, at(1)).is_some());
        let hers = |session: &Session| session.name == "mara@example.org";
        assert_eq!(sessions.end_all(hers), MAX_OF_ONE);
    }

    #[test]
    fn whose_session_ended_at_the_provider() {
        let sessions = Sessions::default();
        let begin = |subject: &str, session: Option<&str>| {
            let by = SignedInBy::Provider {
                provider: "corp".parse().unwrap(),
                subject: subject.to_owned(),
                session: session.map(str::to_owned),
                id_token: Secret::default(),
            };
            let new = NewSession { by, ..new("mara@example.org") };
            sessions.begin(new, LIMITS, Timestamp(0));
        };
        let ends = |provider: &str, subject: Option<&str>, session: Option<&str>| {
            let [subject, session] = [subject, session].map(|text| text.map(str::to_owned));
            let (provider, out) = (provider.parse().unwrap(), SignedOut { subject, session });
            sessions.end_all(|session| session.is_of_signed_out(&provider, &out))
        };
        sessions.begin(new("mara@example.org"), LIMITS, Timestamp(0));
        for (subject, session) in
            [("7", Some("a")), ("7", Some("b")), ("7", None), ("8", Some("c")), ("8", None)]
        {
            begin(subject, session);
        }
        assert_eq!(ends("other", Some("7"), None), 0, "another provider's word");
        assert_eq!(ends("corp", None, Some("d")), 0, "nobody's session");
        assert_eq!(ends("corp", Some("7"), Some("a")), 2, "that one, and the one unsaid");
        assert_eq!(ends("corp", None, Some("c")), 1);
        assert_eq!(ends("corp", Some("7"), None), 1, "all that are left of him");
        assert_eq!(ends("corp", Some("8"), None), 1);
    }

    #[test]
    fn a_notice_is_said_once() {
        let sessions = Sessions::default();
        let id = sessions.begin(new("mara@example.org"), LIMITS, at(0));
        let session = sessions.find(id.expose(), LIMITS, at(0)).unwrap();
        session.say("done".to_owned());
        assert_eq!(session.take_notice().as_deref(), Some("done"));
        assert_eq!(session.take_notice(), None);
        assert!(!format!("{sessions:?}").contains(std::str::from_utf8(id.expose()).unwrap()));
    }
}
