//! What a fake Keycloak records of its people, and how it answers who asks for
//! that: newest first, by pages, since a moment, of some types.

use std::{cmp::Reverse, collections::HashMap};

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Behaviour, FakeProvider, Seen};

pub(crate) const EVENTS_CONFIG: &str = "/admin/realms/mail/events/config";
pub(crate) const ADMIN_EVENTS: &str = "/admin/realms/mail/admin-events";
pub(crate) const USER_EVENTS: &str = "/admin/realms/mail/events";

/// What a realm records, and has recorded.
#[derive(Debug, Default)]
pub(super) struct Feed {
    admin: bool,
    user: bool,
    admin_events: Vec<Value>,
    user_events: Vec<Value>,
}

impl FakeProvider {
    /// From now on it records these kinds of events.
    pub(crate) fn records(&self, admin: bool, user: bool) {
        let mut state = self.state();
        (state.feed.admin, state.feed.user) = (admin, user);
    }

    /// An administrator did something, at this moment in milliseconds.
    pub(crate) fn admin_event(&self, time: u64, operation: &str, resource: &str, path: &str) {
        let mut state = self.state();
        let id = format!("a{}", state.feed.admin_events.len());
        state.feed.admin_events.push(json!({
            "id": id, "time": time, "realmId": "bf1a581b", "operationType": operation,
            "resourceType": resource, "resourcePath": path,
            "authDetails": { "realmId": "bf1a581b", "clientId": "c", "userId": "keeper" },
        }));
    }

    /// Somebody did something himself, at this moment in milliseconds.
    pub(crate) fn user_event(&self, time: u64, kind: &str, subject: &str) {
        let mut state = self.state();
        let id = format!("u{}", state.feed.user_events.len());
        state.feed.user_events.push(json!({
            "id": id, "time": time, "realmId": "bf1a581b", "type": kind, "userId": subject,
            "sessionId": "9", "details": { "username": "somebody" },
        }));
    }
}

impl Feed {
    /// As Keycloak answers; none where something else is asked.
    pub(super) fn answer(&self, seen: &Seen) -> Option<Behaviour> {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let query: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let events = match path {
            EVENTS_CONFIG => return Some(Behaviour::json(&self.config())),
            ADMIN_EVENTS => page(&self.admin_events, "resourceType", "resourceTypes", &query),
            USER_EVENTS => page(&self.user_events, "type", "type", &query),
            _ => return None,
        };
        Some(Behaviour::json(&json!(events)))
    }

    fn config(&self) -> Value {
        json!({
            "eventsEnabled": self.user, "adminEventsEnabled": self.admin,
            "adminEventsDetailsEnabled": false, "eventsListeners": ["jboss-logging"],
            "enabledEventTypes": [
                "LOGIN", "LOGIN_ERROR", "LOGOUT", "UPDATE_EMAIL", "UPDATE_PROFILE", "REVOKE_GRANT",
                "VERIFY_EMAIL", "DELETE_ACCOUNT", "USER_DISABLED_BY_PERMANENT_LOCKOUT",
            ],
        })
    }
}

fn page<'e>(
    events: &'e [Value],
    member: &str,
    filter: &str,
    query: &[(String, String)],
) -> Vec<&'e Value> {
    let wanted: Vec<&str> =
        query.iter().filter(|(name, _)| name == filter).map(|(_, value)| value.as_str()).collect();
    let numbers: HashMap<&str, u64> = query
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.parse().ok()?)))
        .collect();
    let number = |name: &str, default: u64| numbers.get(name).copied().unwrap_or(default);
    let time = |event: &Value| event["time"].as_u64().unwrap_or_default();
    let is_wanted = |event: &&Value| {
        wanted.is_empty() || wanted.contains(&event[member].as_str().unwrap_or_default())
    };
    let since = number("dateFrom", 0);
    let mut events: Vec<&Value> =
        events.iter().filter(|event| time(event) >= since).filter(is_wanted).collect();
    // The later one of two of the same moment comes first.
    events.reverse();
    events.sort_by_key(|event| Reverse(time(event)));
    let [first, max] = [number("first", 0), number("max", 100)]
        .map(|number| usize::try_from(number).expect("it is small"));
    events.into_iter().skip(first).take(max).collect()
}
