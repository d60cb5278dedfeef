//! Events as Keycloak writes them: whom they are about, and what happened.
//!
//! What cannot be read may be anything, so it counts as something that was
//! missed.

use serde_json::Value;

use super::{EventsState, Found, Happening, window::Key};
use crate::{
    clock::Timestamp,
    idp::{Outage, http::Reply},
};

/// Longest id of a person or session.
const MAX_ID_BYTES: usize = 512;

/// Resource types of admin events that say something of people. Keycloak fails
/// over one that it does not know, and has known all of these since its first
/// releases. `REALM` has what a partial import and a sign-out of everybody leave.
const RESOURCES: [&str; 6] = [
    "USER",
    "GROUP_MEMBERSHIP",
    "REALM_ROLE_MAPPING",
    "CLIENT_ROLE_MAPPING",
    "USER_SESSION",
    "REALM",
];

/// Types of user events that are asked for where the realm records them. A newer
/// release knows types that an older one fails over, so its own list of types
/// decides.
const TYPES: [(&str, Happening); 7] = [
    ("LOGOUT", Happening::SignedOut),
    ("UPDATE_EMAIL", Happening::Changed),
    ("UPDATE_PROFILE", Happening::Changed),
    ("DELETE_ACCOUNT", Happening::Deleted),
    ("REVOKE_GRANT", Happening::SignedOut),
    ("VERIFY_EMAIL", Happening::Changed),
    ("USER_DISABLED_BY_PERMANENT_LOCKOUT", Happening::Changed),
];
/// How many of these a realm has to record for all that matters to be heard of.
const NEEDED: usize = 4;

/// What a realm records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::idp) struct Recorded {
    /// Admin events.
    pub(in crate::idp) admin: bool,
    /// Types of user events that are of use.
    pub(in crate::idp) types: Vec<&'static str>,
}

impl Recorded {
    /// `events/config` of a realm.
    pub(super) fn read(reply: &Reply) -> Result<Self, Outage> {
        let config = reply.object()?;
        let flag = |name: &str| match config.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(reply.malformed(format!("{name} is neither true nor false"))),
        };
        let listed = match config.get("enabledEventTypes") {
            None | Some(Value::Null) => &[][..],
            Some(list) => {
                list.as_array().ok_or_else(|| reply.malformed("enabledEventTypes is no list"))?
            }
        };
        let types = TYPES.iter().map(|(name, _)| *name).enumerate();
        let is_recorded = |(place, name): &(usize, &str)| match listed {
            // None chosen means all.
            [] => *place < NEEDED,
            listed => listed.iter().any(|listed| listed == name),
        };
        let types = if flag("eventsEnabled")? {
            types.filter(is_recorded).map(|(_, name)| name).collect()
        } else {
            Vec::new()
        };
        Ok(Self { admin: flag("adminEventsEnabled")?, types })
    }

    /// Whether all user events that matter are among them.
    pub(in crate::idp) fn user(&self) -> bool {
        TYPES[..NEEDED].iter().all(|(name, _)| self.types.contains(name))
    }

    pub(super) fn state(&self) -> EventsState {
        match (self.admin, self.user()) {
            (true, true) => EventsState::Watching,
            (admin, user) => EventsState::NotRecorded { admin: !admin, user: !user },
        }
    }
}

/// Kinds of events.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    /// What administrators do.
    Admin,
    /// What people do themselves, of these types.
    User(&'a [&'static str]),
}

impl<'a> Kind<'a> {
    /// Where they are, below the realm.
    pub(super) fn resource(self) -> &'static str {
        match self {
            Self::Admin => "admin-events",
            Self::User(_) => "events",
        }
    }

    /// Most entries in one poll. Who changes more people than that in half a minute
    /// changes them all, as far as we go; but anybody can sign in and out all day,
    /// and must not make us forget all others. All are asked for at once: Keycloak
    /// orders by time alone, and between two pages events of one moment get lost.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Admin => 500,
            Self::User(_) => 2500,
        }
    }

    /// Query that leaves out what is of no use.
    pub(super) fn filter(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let (name, values): (_, &[&'static str]) = match self {
            Self::Admin => ("resourceTypes", &RESOURCES),
            Self::User(types) => ("type", types),
        };
        values.iter().map(move |value| (name, *value))
    }

    /// Notes what `event` says.
    pub(super) fn note(self, event: &Value, found: &mut Found) {
        let noted = match self {
            Self::Admin => admin(event, found),
            Self::User(_) => user(event, found),
        };
        if noted.is_none() {
            found.missed = true;
        }
    }
}

/// When it happened, by the provider's clock; at the beginning of time where it
/// does not say.
pub(super) fn time(event: &Value) -> Timestamp {
    Timestamp(event.get("time").and_then(Value::as_u64).unwrap_or_default())
}

/// What it is known by again: its id, and all of it where it has none.
pub(super) fn key(event: &Value) -> Key {
    let id = event.get("id").and_then(Value::as_str);
    let digest = match id {
        Some(id) => blake3::hash(id.as_bytes()),
        None => blake3::hash(event.to_string().as_bytes()),
    };
    *digest.as_bytes().first_chunk().expect("a digest is longer")
}

/// `None` where it cannot be read.
fn user(event: &Value, found: &mut Found) -> Option<()> {
    let name = event.get("type")?.as_str()?;
    let known = TYPES.iter().find(|(known, _)| *known == name);
    // Another one was not asked for, and says at least that something happened.
    let what = known.map_or(Happening::Changed, |(_, what)| *what);
    let text = |name: &str| event.get(name).and_then(Value::as_str).and_then(id);
    match (text("userId"), text("sessionId")) {
        (Some(subject), _) => found.person(subject, what),
        // Whoever signs somebody out makes us forget tokens, and nothing besides.
        (None, Some(session)) if what == Happening::SignedOut => {
            found.sessions.insert(session.to_owned());
        }
        (None, None) if what == Happening::SignedOut => found.everybody_signed_out = true,
        (None, _) => return None,
    }
    Some(())
}

/// `None` where it cannot be read, or says that anybody may have changed.
fn admin(event: &Value, found: &mut Found) -> Option<()> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let operation = text("operationType")?;
    let is_of_realm = text("resourceType") == Some("REALM");
    let Some(path) = text("resourcePath") else {
        // The realm itself: whoever changes it may end all sessions by that.
        found.everybody_signed_out |= is_of_realm;
        return is_of_realm.then_some(());
    };
    let mut segments = path.split('/');
    match (segments.next().unwrap_or_default(), segments.next()) {
        ("users", Some(subject)) => {
            let rest = segments.next();
            // A partial import puts another person, with another id, in the place
            // of one whom it does not name.
            if is_of_realm && operation == "UPDATE" {
                return None;
            }
            found.person(id(subject)?, happening(operation, rest));
        }
        ("sessions", Some(session)) => {
            found.sessions.insert(id(session)?.to_owned());
        }
        ("events", Some("config")) => found.settings_changed = true,
        ("logout-all" | "push-revocation", None) => found.everybody_signed_out = true,
        // Of a group or the realm: nothing that is known here of a person depends
        // on these.
        _ => {}
    }
    Some(())
}

fn happening(operation: &str, below: Option<&str>) -> Happening {
    match (operation, below) {
        ("CREATE", None) => Happening::Created,
        ("DELETE", None) => Happening::Deleted,
        ("ACTION", Some("logout")) => Happening::SignedOut,
        _ => Happening::Changed,
    }
}

/// What may be an id.
fn id(text: &str) -> Option<&str> {
    let is_fit =
        !text.is_empty() && text.len() <= MAX_ID_BYTES && !text.chars().any(char::is_control);
    is_fit.then_some(text)
}

#[cfg(test)]
mod tests;
