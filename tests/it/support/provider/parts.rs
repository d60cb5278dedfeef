//! Groups and roles of a fake Keycloak, as its Admin REST API lists them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Behaviour, FakeProvider};

/// Below this everything is administered.
const REALM: &str = "/admin/realms/mail/";

/// Groups and roles, each list under its path below the realm.
#[derive(Default)]
pub(super) struct Parts {
    lists: BTreeMap<String, Vec<Value>>,
    groups: BTreeMap<String, Value>,
    forbidden: Vec<String>,
}

impl FakeProvider {
    /// A group with these people in it; one below another has its path.
    pub(crate) fn group(&self, path: &str, people: &[&str]) {
        let id = format!("id-of{}", path.replace('/', "-"));
        let name = path.rsplit('/').next().unwrap_or_default();
        let group = json!({ "id": id, "name": name, "path": path });
        let parts = &mut self.state().people.parts;
        if let Some((above, _)) = path.rsplit_once('/').filter(|(above, _)| !above.is_empty()) {
            let children = format!("groups/id-of{}/children", above.replace('/', "-"));
            parts.lists.entry(children).or_default().push(group.clone());
        }
        parts.groups.insert(format!("group-by-path{path}"), group);
        parts.lists.entry(format!("groups/{id}/children")).or_default();
        parts.lists.insert(format!("groups/{id}/members"), ids(people));
    }

    /// A role of these people, of these groups, and with these roles as its parts.
    pub(crate) fn role(&self, name: &str, people: &[&str], groups: &[&str], roles: &[&str]) {
        let role = |name: &str, composite: bool| json!({ "id": format!("role-{name}"), "name": name, "composite": composite });
        let parts = &mut self.state().people.parts;
        parts.lists.entry("roles".to_owned()).or_default().push(role(name, !roles.is_empty()));
        parts.lists.insert(format!("roles/{name}/users"), ids(people));
        let found =
            groups.iter().filter_map(|path| parts.groups.get(&format!("group-by-path{path}")));
        let found = found.cloned().collect();
        parts.lists.insert(format!("roles/{name}/groups"), found);
        let composites = roles.iter().map(|name| role(name, false)).collect();
        parts.lists.insert(format!("roles-by-id/role-{name}/composites/realm"), composites);
    }

    /// Our client may not see what lies below these paths.
    pub(crate) fn forbid(&self, paths: &[&str]) {
        self.state().people.parts.forbidden = paths.iter().map(|path| (*path).to_owned()).collect();
    }
}

fn ids(people: &[&str]) -> Vec<Value> {
    people.iter().map(|name| json!({ "id": format!("id-of-{name}"), "username": name })).collect()
}

impl Parts {
    pub(super) fn answer(&self, path: &str, query: &str) -> Option<Behaviour> {
        let path = path.strip_prefix(REALM)?;
        let is_ours =
            ["group-by-path/", "groups", "roles"].iter().any(|ours| path.starts_with(ours));
        if !is_ours {
            return None;
        }
        let said = |status, word: &str| {
            Behaviour::text(status, "application/json", json!({ "error": word }).to_string())
        };
        if self.forbidden.iter().any(|forbidden| path.starts_with(forbidden)) {
            return Some(said(403, "HTTP 403 Forbidden"));
        }
        if let Some(group) = self.groups.get(path) {
            return Some(Behaviour::json(group));
        }
        let Some(list) = self.lists.get(path) else { return Some(said(404, "Could not find it")) };
        let asked = |name: &str| {
            let mut query = form_urlencoded::parse(query.as_bytes());
            query.find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<usize>().ok())
        };
        let (first, most) = (asked("first").unwrap_or(0), asked("max").unwrap_or(usize::MAX));
        let page: Vec<&Value> = list.iter().skip(first).take(most).collect();
        Some(Behaviour::json(&json!(page)))
    }
}
