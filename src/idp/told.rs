//! What claims tell of a person beside who he is: what his mailbox follows.
//!
//! None of it decides about the token. What is of another type than it should be
//! was not told: nobody knows what was meant.

use serde_json::Value;

use super::{Settings, claims::Claims};
use crate::mailbox::Profile;

/// Most values of the attribute that names a template: of those that fit nothing,
/// only words are made.
const MAX_VALUES: usize = 20;
/// Longest of these; of the name, too.
const MAX_BYTES: usize = 512;

/// Name, template values, groups and roles, each from the first of both in which it
/// stands.
pub(super) fn of_person(settings: &Settings, claims: &Claims, further: Option<&Claims>) -> Profile {
    let all: Vec<&Claims> = [claims].into_iter().chain(further).collect();
    let listed = |path: &str| all.iter().find_map(|claims| texts(claims, path));
    let provisioning = &settings.provisioning;
    // Of all that somebody is in, only what the mapping names is kept: every answer
    // about a token lies in memory.
    let groups = listed(&settings.groups_claim);
    let groups = groups
        .map(|all| kept(all, |group| provisioning.groups().any(|one| bare(one) == bare(group))));
    let roles = listed(&settings.roles_claim);
    let roles = roles.map(|all| kept(all, |role| provisioning.roles().any(|one| one == role)));
    let template_values = listed(&provisioning.template_attribute).map(|values| {
        let mut values = kept(values, |value| value.len() <= MAX_BYTES);
        values.truncate(MAX_VALUES);
        values
    });
    let name = all.iter().find_map(|claims| name(claims)).unwrap_or_default();
    Profile { name, template_values, groups, roles, ..Profile::default() }
}

/// Whether somebody has this role, by the first of these claims that list any.
pub(super) fn has_role(settings: &Settings, all: [&Claims; 2], role: &str) -> bool {
    let roles = all.into_iter().find_map(|claims| texts(claims, &settings.roles_claim));
    roles.is_some_and(|roles| roles.contains(&role))
}

fn bare(group: &str) -> &str {
    group.strip_prefix('/').unwrap_or(group)
}

fn kept(all: Vec<&str>, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    all.into_iter().filter(|one| wanted(one)).map(str::to_owned).collect()
}

/// The name that people see.
fn name(claims: &Claims) -> Option<String> {
    let text = |name| {
        let text = claims.text(name).ok().flatten().map(str::trim);
        text.filter(|text| !text.is_empty() && text.len() <= MAX_BYTES)
    };
    if let Some(name) = text("name") {
        return Some(name.to_owned());
    }
    let parts: Vec<&str> = ["given_name", "family_name"].into_iter().filter_map(text).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A list of texts, or a single one. Some claims have dots in their names, so the
/// whole path is tried as a name first.
fn texts<'a>(claims: &'a Claims, path: &str) -> Option<Vec<&'a str>> {
    let nested = || {
        let (first, rest) = path.split_once('.')?;
        rest.split('.').try_fold(claims.0.get(first)?, |value, name| value.get(name))
    };
    match claims.0.get(path).or_else(nested)? {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mailbox::{
        NamedProvider, Provider,
        provider::{Kind, MappedTemplate},
    };

    fn settings(change: impl FnOnce(&mut Provider)) -> Settings {
        let mut provider = Provider::new(Kind::Oidc);
        provider.server_url = Some("https://idp.example.org".to_owned());
        let entry = |group: Option<&str>, role: Option<&str>| MappedTemplate {
            value: None,
            group: group.map(str::to_owned),
            role: role.map(str::to_owned),
            template: "Gold".parse().unwrap(),
        };
        provider.attribute_mapping = vec![entry(Some("board"), None), entry(None, Some("chief"))];
        change(&mut provider);
        Settings::mean(&NamedProvider { name: "corp".parse().unwrap(), provider }).unwrap()
    }

    fn told(claims: Value) -> Profile {
        of(&settings(|_| ()), claims, None)
    }

    fn of(settings: &Settings, claims: Value, further: Option<Value>) -> Profile {
        let read = |value| {
            let Value::Object(object) = value else { panic!("{value}") };
            Claims(object)
        };
        of_person(settings, &read(claims), further.map(read).as_ref())
    }

    fn words(all: Option<Vec<String>>) -> Option<String> {
        all.map(|all| all.join(" "))
    }

    fn check_groups(claims: Value, expected: Option<&str>) {
        let about = claims.to_string();
        assert_eq!(words(told(claims).groups).as_deref(), expected, "{about}");
    }

    #[test]
    fn groups_with_and_without_their_slash() {
        check_groups(json!({}), None);
        check_groups(json!({ "groups": [] }), Some(""));
        check_groups(json!({ "groups": ["/board", "/other"] }), Some("/board"));
        check_groups(json!({ "groups": ["board", "other"] }), Some("board"));
        check_groups(json!({ "groups": "board" }), Some("board"));
        check_groups(json!({ "groups": ["/a/board"] }), Some(""));
        for other in [json!(null), json!(7), json!({ "board": true }), json!(["board", 7])] {
            check_groups(json!({ "groups": other }), None);
        }
    }

    #[test]
    fn dots_lead_into_a_claim_or_are_in_its_name() {
        let roles = |claim: &str, claims: &Value| {
            let settings = settings(|provider| provider.roles_claim = Some(claim.to_owned()));
            words(of(&settings, claims.clone(), None).roles)
        };
        let some = Some("chief".to_owned());
        let keycloaks = json!({ "realm_access": { "roles": ["chief", "offline_access"] } });
        assert_eq!(words(told(keycloaks.clone()).roles), some);
        assert_eq!(roles("realm_access.roles.more", &keycloaks), None);
        assert_eq!(roles("realm_access.other", &keycloaks), None);
        let named = json!({ "https://example.org/roles": ["chief"] });
        assert_eq!(roles("https://example.org/roles", &named), some);
        let deep = json!({ "resource_access": { "mail": { "roles": "chief" } } });
        assert_eq!(roles("resource_access.mail.roles", &deep), some);
    }

    #[test]
    fn names_and_values() {
        for (claims, expected) in [
            (json!({ "name": " Ann Archer " }), "Ann Archer"),
            (json!({ "given_name": "Ann", "family_name": "Archer" }), "Ann Archer"),
            (json!({ "name": "", "family_name": "Archer" }), "Archer"),
            (json!({ "name": 7 }), ""),
            (json!({ "name": "a".repeat(513) }), ""),
            (json!({}), ""),
        ] {
            assert_eq!(told(claims.clone()).name, expected, "{claims}");
        }
        for (claims, expected) in [
            (json!({ "mailcow_template": "staff" }), Some("staff")),
            (json!({ "mailcow_template": ["staff", "boss"] }), Some("staff boss")),
            (json!({ "mailcow_template": "a".repeat(513) }), Some("")),
            (json!({ "mailcow_template": { "staff": 1 } }), None),
            (json!({}), None),
        ] {
            let values = words(told(claims.clone()).template_values);
            assert_eq!(values.as_deref(), expected, "{claims}");
        }
        let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let values = told(json!({ "mailcow_template": many })).template_values.unwrap();
        assert_eq!(values.len(), MAX_VALUES);
    }

    /// Userinfo names the person, and introspection his roles.
    #[test]
    fn each_from_where_it_stands() {
        let first = json!({ "name": "Ann", "groups": 7 });
        let further = json!({ "name": "Other", "groups": ["board"], "mailcow_template": "staff" });
        let told = of(&settings(|_| ()), first, Some(further));
        assert_eq!(told.name, "Ann");
        assert_eq!((words(told.groups), told.roles), (Some("board".to_owned()), None));
        assert_eq!(words(told.template_values).as_deref(), Some("staff"));
    }
}
