//! The people of a fake Keycloak, as its Admin REST API shows them.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Behaviour, FakeProvider, Seen, parts::Parts};

/// Where the token to ask with comes from.
pub(crate) const TOKEN: &str = "/protocol/openid-connect/token";
/// Everybody.
pub(crate) const USERS: &str = "/admin/realms/mail/users";

/// What the service account of our client may see.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Sees {
    /// Everybody.
    #[default]
    Everybody,
    /// Nobody, and an empty list says so (`query-users` alone).
    Nobody,
    /// Nothing: 403.
    Nothing,
}

type Change = Box<dyn FnOnce(&mut Vec<Value>) + Send>;

/// A realm's people, in the order in which they are listed.
#[derive(Default)]
pub(super) struct People {
    pub(super) parts: Parts,
    list: Vec<Value>,
    sees: Sees,
    pages: usize,
    /// What happens behind the reader's back, after so many pages.
    later: Vec<(usize, Change)>,
}

/// Somebody with a verified address at example.org.
pub(crate) fn somebody(name: &str) -> Value {
    json!({
        "id": format!("id-of-{name}"), "username": name, "enabled": true,
        "email": format!("{name}@example.org"), "emailVerified": true,
        "firstName": name, "lastName": "Example",
    })
}

/// Somebody with these values of `mailcow_template`.
pub(crate) fn with_template(name: &str, values: &[&str]) -> Value {
    let mut person = somebody(name);
    person["attributes"] = json!({ "mailcow_template": values });
    person
}

impl FakeProvider {
    /// Lines of `dovegate.toml` that name it as a keycloak.
    pub(crate) fn as_keycloak(&self, name: &str) -> Vec<String> {
        let mut lines = self.config(name);
        lines[0] = format!("provider.{name}.kind = \"keycloak\"");
        lines.push(format!("provider.{name}.realm = \"mail\""));
        lines
    }

    /// Changes who is there.
    pub(crate) fn people(&self, change: impl FnOnce(&mut Vec<Value>)) {
        change(&mut self.state().people.list);
    }

    /// Changes who is there after so many pages from now on.
    pub(crate) fn people_after(
        &self,
        pages: usize,
        change: impl FnOnce(&mut Vec<Value>) + Send + 'static,
    ) {
        let people = &mut self.state().people;
        let at = people.pages + pages;
        people.later.push((at, Box::new(change)));
    }

    /// Changes one person.
    pub(crate) fn person(&self, name: &str, changes: Value) {
        self.people(|people| {
            let person = people.iter_mut().find(|person| person["username"] == name);
            super::merge(person.expect("somebody of this name"), changes);
        });
    }

    /// Changes what our client may see.
    pub(crate) fn let_see(&self, sees: Sees) {
        self.state().people.sees = sees;
    }
}

impl People {
    /// The answer to a request below the realm's administration; none if it is
    /// none.
    pub(super) fn answer(&mut self, seen: &Seen) -> Option<Behaviour> {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        if path == TOKEN && seen.method == "POST" {
            return Some(Behaviour::json(&json!({ "access_token": "ours", "expires_in": 300 })));
        }
        if let Some(answer) = self.parts.answer(path, query) {
            return Some(answer);
        }
        let rest = path.strip_prefix(USERS)?;
        if self.sees == Sees::Nothing || (self.sees == Sees::Nobody && rest.len() > 1) {
            return Some(Behaviour::text(
                403,
                "application/json",
                r#"{"error":"HTTP 403 Forbidden"}"#,
            ));
        }
        Some(match rest.strip_prefix('/') {
            None if rest.is_empty() => self.page(query),
            Some("count") => Behaviour::json(&json!(self.list.len())),
            Some(id) => self.by_id(id),
            None => return None,
        })
    }

    fn page(&mut self, query: &str) -> Behaviour {
        if self.sees == Sees::Nobody {
            return Behaviour::json(&json!([]));
        }
        let query: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let asked = |name: &str| {
            let value = query.iter().find(|(key, _)| key == name);
            value.map(|(_, value)| value.as_str())
        };
        let number = |name: &str| asked(name).and_then(|text| text.parse::<usize>().ok());
        let wanted = |person: &&Value| {
            let is = |name: &str, text: &str| person[name].as_str() == Some(text);
            let by_id = asked("search").and_then(|search| search.strip_prefix("id:"));
            by_id.is_none_or(|id| is("id", id)) && asked("email").is_none_or(|at| is("email", at))
        };
        let found: Vec<Value> = self
            .list
            .iter()
            .filter(wanted)
            .skip(number("first").unwrap_or(0))
            .take(number("max").unwrap_or(100))
            .cloned()
            .collect();
        self.pages += 1;
        for (at, change) in std::mem::take(&mut self.later) {
            if at <= self.pages {
                change(&mut self.list);
            } else {
                self.later.push((at, change));
            }
        }
        Behaviour::json(&json!(found))
    }

    fn by_id(&self, id: &str) -> Behaviour {
        match self.list.iter().find(|person| person["id"] == id) {
            Some(person) => Behaviour::json(person),
            None => Behaviour::text(404, "application/json", r#"{"error":"User not found"}"#),
        }
    }
}
