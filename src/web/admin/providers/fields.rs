//! Keys of a provider as fields of a form: which there are, in which groups, and from
//! what is typed to a merge patch of the API.

use serde_json::{Map, Value};

use super::super::super::{
    inputs::{Choice, Control, Filled, Input},
    page::Faults,
    texts::Texts,
};
use crate::mailbox::provider::Kind;

/// One key.
pub(super) struct Field {
    pub(super) key: &'static str,
    label: &'static str,
    help: &'static str,
    what: What,
    /// A `keycloak` alone has it.
    keycloak_alone: bool,
}

/// What a key holds.
#[derive(Clone, Copy)]
enum What {
    Text,
    Url,
    Words,
    Number,
    /// On or off; this where nothing is written.
    Switch(bool),
    /// One of these words, the first where nothing is written, with their texts.
    Choice(&'static [(&'static str, &'static str)]),
    Secret,
    /// A file is not named from here.
    File,
}

/// Fields that belong together.
pub(super) struct Group {
    pub(super) title: &'static str,
    fields: &'static [Field],
    /// Few people need it: it is folded.
    folded: bool,
}

/// A group as it is shown.
pub(super) struct Shown {
    pub(super) title: String,
    pub(super) inputs: Vec<Input>,
    pub(super) folded: bool,
}

const fn field(key: &'static str, what: What, label: &'static str, help: &'static str) -> Field {
    Field { key, label, help, what, keycloak_alone: false }
}

impl Field {
    const fn of_keycloak(self) -> Self {
        Self { keycloak_alone: true, ..self }
    }
}

const CLIENT_AUTH: &[(&str, &str)] =
    &[("basic", "provider-client-auth-basic"), ("post", "provider-client-auth-post")];
const UNVERIFIED: &[(&str, &str)] =
    &[("refuse", "provider-unverified-refuse"), ("accept", "provider-unverified-accept")];
const RENAMES: &[(&str, &str)] =
    &[("report", "provider-renames-report"), ("follow", "provider-renames-follow")];

/// All of them but those of the mapping, which has a page of its own.
#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    Group { title: "provider-server", folded: false, fields: &[
        field("server_url", What::Url, "provider-server-url", "provider-server-url-help"),
        field("realm", What::Text, "provider-realm", "provider-realm-help").of_keycloak(),
        field("version", What::Text, "provider-version", "provider-version-help").of_keycloak(),
    ] },
    Group { title: "provider-client", folded: false, fields: &[
        field("client_id", What::Text, "provider-client-id", "provider-client-id-help"),
        field("client_secret", What::Secret, "provider-client-secret", "provider-client-secret-help"),
        field("client_secret_file", What::File, "provider-client-secret-file", "provider-file-help"),
        field("client_auth", What::Choice(CLIENT_AUTH), "provider-client-auth", "provider-client-auth-help"),
    ] },
    Group { title: "provider-people", folded: false, fields: &[
        field("mailpassword_flow", What::Switch(false), "provider-mailpassword-flow", "provider-mailpassword-flow-help").of_keycloak(),
        field("password_attribute", What::Text, "provider-password-attribute", "provider-password-attribute-help").of_keycloak(),
        field("login_provisioning", What::Switch(true), "provider-login-provisioning", "provider-login-provisioning-help"),
        field("import_users", What::Switch(false), "provider-import-users", "provider-import-users-help").of_keycloak(),
        field("periodic_full_sync", What::Switch(false), "provider-periodic-full-sync", "provider-periodic-full-sync-help").of_keycloak(),
        field("sync_interval", What::Number, "provider-sync-interval", "provider-sync-interval-help").of_keycloak(),
        field("withdraw_limit", What::Number, "provider-withdraw-limit", "provider-withdraw-limit-help").of_keycloak(),
        field("renames", What::Choice(RENAMES), "provider-renames", "provider-renames-help"),
        field("unverified_email", What::Choice(UNVERIFIED), "provider-unverified", "provider-unverified-help"),
    ] },
    Group { title: "provider-sign-in", folded: true, fields: &[
        field("redirect_url", What::Url, "provider-redirect-url", "provider-redirect-url-help"),
        field("sign_in_scopes", What::Words, "provider-sign-in-scopes", "provider-sign-in-scopes-help"),
        field("administrator_role", What::Text, "provider-administrator-role", "provider-administrator-role-help"),
        field("administrators", What::Switch(false), "provider-administrators", "provider-administrators-help"),
    ] },
    Group { title: "provider-tokens", folded: true, fields: &[
        field("methods", What::Words, "provider-methods", "provider-methods-help"),
        field("scopes", What::Words, "provider-scopes", "provider-scopes-help"),
        field("audience", What::Words, "provider-audience", "provider-audience-help"),
        field("clients", What::Words, "provider-clients", "provider-clients-help"),
        field("untyped_tokens", What::Switch(false), "provider-untyped-tokens", "provider-untyped-tokens-help"),
        field("user_claim", What::Text, "provider-user-claim", "provider-user-claim-help"),
        field("user_claim_is_trusted", What::Switch(false), "provider-user-claim-is-trusted", "provider-user-claim-is-trusted-help"),
        field("default_domain", What::Text, "provider-default-domain", "provider-default-domain-help"),
        field("tokens_for_local", What::Switch(false), "provider-tokens-for-local", "provider-tokens-for-local-help"),
    ] },
    Group { title: "provider-endpoints", folded: true, fields: &[
        field("issuer", What::Text, "provider-issuer", "provider-issuer-help"),
        field("authorize_url", What::Url, "provider-authorize-url", "provider-endpoint-help"),
        field("token_url", What::Url, "provider-token-url", "provider-endpoint-help"),
        field("userinfo_url", What::Url, "provider-userinfo-url", "provider-endpoint-help"),
        field("introspection_url", What::Url, "provider-introspection-url", "provider-introspection-url-help"),
        field("jwks_url", What::Url, "provider-jwks-url", "provider-endpoint-help"),
        field("ca_file", What::File, "provider-ca-file", "provider-file-help"),
        field("ignore_ssl_errors", What::Switch(false), "provider-ignore-ssl-errors", "provider-ignore-ssl-errors-help"),
    ] },
    Group { title: "provider-times", folded: true, fields: &[
        field("token_cache", What::Text, "provider-token-cache", "provider-token-cache-help"),
        field("mailpassword_cache", What::Text, "provider-mailpassword-cache", "provider-mailpassword-cache-help").of_keycloak(),
        field("unknown_cache", What::Text, "provider-unknown-cache", "provider-unknown-cache-help").of_keycloak(),
        field("recheck_interval", What::Text, "provider-recheck-interval", "provider-recheck-interval-help").of_keycloak(),
        field("stale_limit", What::Text, "provider-stale-limit", "provider-stale-limit-help"),
        field("account_check", What::Text, "provider-account-check", "provider-account-check-help").of_keycloak(),
        field("event_interval", What::Text, "provider-event-interval", "provider-event-interval-help").of_keycloak(),
        field("connect_timeout", What::Text, "provider-connect-timeout", "provider-connect-timeout-help"),
        field("timeout", What::Text, "provider-timeout", "provider-timeout-help"),
    ] },
];

/// Those that this kind has.
fn of_kind(kind: Kind) -> impl Iterator<Item = &'static Field> {
    GROUPS.iter().flat_map(move |group| group.of_kind(kind))
}

impl Group {
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(move |field| kind == Kind::Keycloak || !field.keycloak_alone)
    }
}

/// Keys beside which the form can say what is wrong.
pub(super) fn keys() -> Vec<&'static str> {
    let all = GROUPS.iter().flat_map(|group| group.fields).map(|field| field.key);
    all.chain(["name"]).collect()
}

/// The form of this kind, filled so. A group with a fault, or with something in it, is
/// unfolded.
pub(super) fn shown(t: &Texts, kind: Kind, filled: &Filled, faults: &Faults) -> Vec<Shown> {
    let group = |group: &Group| {
        let is_touched = |field: &Field| faults.at(field.key).is_some() || field.is_changed(filled);
        Shown {
            title: t.s(group.title),
            folded: group.folded && !group.of_kind(kind).any(is_touched),
            inputs: group
                .of_kind(kind)
                .filter(|field| field.is_of_use(filled))
                .map(|field| field.input(t, filled))
                .collect(),
        }
    };
    GROUPS.iter().map(group).collect()
}

impl Field {
    fn input(&self, t: &Texts, filled: &Filled) -> Input {
        let value = || filled.text(self.key).to_owned();
        let control = match self.what {
            What::Url => Control::Line { kind: "url", value: value() },
            What::Text | What::Words | What::Number => {
                Control::Line { kind: "text", value: value() }
            }
            What::Switch(_) => Control::Switch(filled.is_on(self.key)),
            What::Secret => Control::Secret { is_set: filled.is_on(SECRET_IS_SET) },
            What::File => Control::Fixed(value()),
            What::Choice(words) => {
                let chosen = filled.text(self.key);
                let choice = |(word, text): &(&str, &str)| Choice::new(word, t.s(text), chosen);
                Control::Choice(words.iter().map(choice).collect())
            }
        };
        let key = self.key.to_owned();
        Input { key, label: t.s(self.label), help: t.s(self.help), code: self.key, control }
    }

    /// Whether something can be done with it: where no file is named, none can be here.
    fn is_of_use(&self, filled: &Filled) -> bool {
        !matches!(self.what, What::File) || !filled.text(self.key).is_empty()
    }

    /// Whether it has another value than where nothing is written.
    fn is_changed(&self, filled: &Filled) -> bool {
        match self.what {
            What::Switch(default) => filled.is_on(self.key) != default,
            What::Choice(words) => {
                let word = filled.text(self.key);
                !word.is_empty() && word != words[0].0
            }
            What::Secret => false,
            What::Text | What::Url | What::Words | What::Number | What::File => {
                !filled.text(self.key).is_empty()
            }
        }
    }

    /// What the form says of it; nothing where it leaves it alone.
    fn written(&self, t: &Texts, filled: &Filled) -> Result<Option<Value>, String> {
        let text = filled.text(self.key);
        let is_to_go = || filled.is_on(&format!("{}-remove", self.key));
        Ok(match self.what {
            What::Text | What::Url | What::Number if text.is_empty() => Some(Value::Null),
            What::Text | What::Url | What::Choice(_) => Some(text.into()),
            What::Number => {
                let number = text.parse::<u32>().map_err(|_| t.s("number-wrong"))?;
                Some(number.into())
            }
            What::Words => Some(filled.words(self.key).into()),
            What::Switch(_) => Some(filled.is_on(self.key).into()),
            What::Secret | What::File if is_to_go() => Some(Value::Null),
            // An empty one leaves the secret as it is.
            What::Secret if text.is_empty() => None,
            // Spaces around it may belong to it.
            What::Secret => filled.all(self.key).next().map(Value::from),
            What::File => None,
        })
    }
}

/// A mark, and no field: there is a secret.
const SECRET_IS_SET: &str = "client_secret_is_set";

/// A provider as its form has it.
pub(super) fn filled_with(keys: &Map<String, Value>, has_secret: bool) -> Filled {
    let mut filled = Filled::default();
    for field in GROUPS.iter().flat_map(|group| group.fields) {
        match (keys.get(field.key), field.what) {
            (None | Some(Value::Null), What::Switch(default)) => filled.mark(field.key, default),
            (Some(Value::Bool(is_on)), _) => filled.mark(field.key, *is_on),
            (Some(Value::String(text)), _) => filled.set(field.key, text.as_str()),
            (Some(Value::Number(number)), _) => filled.set(field.key, number.to_string()),
            (Some(Value::Array(words)), _) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                filled.set(field.key, words.join(" "));
            }
            _ => {}
        }
    }
    filled.mark(SECRET_IS_SET, has_secret);
    filled
}

/// The form of a new one before anything is filled in.
pub(super) fn untouched() -> Filled {
    filled_with(&Map::new(), false)
}

/// What the form says, as a merge patch on the keys of a provider of this kind.
///
/// # Errors
/// What cannot be said at all.
pub(super) fn patch(t: &Texts, kind: Kind, filled: &Filled) -> Result<Map<String, Value>, Faults> {
    let mut faults = Faults::default();
    let mut patch = Map::new();
    for field in of_kind(kind) {
        match field.written(t, filled) {
            Ok(Some(value)) => drop(patch.insert(field.key.to_owned(), value)),
            Ok(None) => {}
            Err(why) => faults.add(field.key, why),
        }
    }
    if faults.is_empty() { Ok(patch) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::mailbox::{NamedProvider, Provider};

    fn form(text: &str) -> Filled {
        serde_html_form::from_str(text).unwrap()
    }

    #[test]
    fn every_key_of_a_provider_has_its_field() {
        let every = |kind| {
            let schema = schemars::schema_for!(Provider);
            let keys = schema.get("properties").and_then(Value::as_object).unwrap().keys();
            let fields = of_kind(kind).map(|field| field.key.to_owned());
            let fields: BTreeSet<String> =
                fields.chain(super::super::mapping::KEYS.map(str::to_owned)).collect();
            keys.filter(|key| !fields.contains(*key)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(every(Kind::Keycloak), ["kind"]);
    }

    #[test]
    fn every_field_has_its_texts() {
        let t = Texts::english();
        for group in GROUPS {
            assert_ne!(t.s(group.title), group.title);
            for field in group.fields {
                for key in [field.label, field.help] {
                    assert_ne!(t.s(key), key, "{}", field.key);
                }
            }
        }
    }

    #[test]
    fn a_form_that_is_sent_back_changes_nothing() {
        let written = serde_json::json!({
            "kind": "keycloak", "server_url": "https://login.example.org", "realm": "mail",
            "client_id": "mailgate", "client_secret": "wonderland", "sync_interval": 30,
            "methods": ["introspection", "jwt"], "login_provisioning": false,
            "unverified_email": "accept", "token_cache": "30s",
        });
        let before: Provider = serde_json::from_value(written).unwrap();
        let Value::Object(mut keys) = serde_json::to_value(&before).unwrap() else { panic!() };
        // The API shows none.
        let secret = keys.remove("client_secret").unwrap();
        let filled = filled_with(&keys, true);
        let patch = patch(Texts::english(), Kind::Keycloak, &filled).unwrap();
        assert!(!patch.contains_key("client_secret"));
        for (key, value) in patch {
            if value.is_null() {
                keys.remove(&key)
            } else {
                keys.insert(key, value)
            };
        }
        keys.insert("client_secret".to_owned(), secret);
        let after: Provider = serde_json::from_value(Value::Object(keys)).unwrap();
        assert_eq!(after, before);
        let named = NamedProvider { name: "corp".parse().unwrap(), provider: after };
        assert!(crate::idp::Settings::mean(&named).is_ok());
    }

    #[test]
    fn what_is_typed() {
        let t = Texts::english();
        let patch = |text: &str| patch(t, Kind::Keycloak, &form(text));
        let typed =
            patch("realm=+mail+&client_secret=+s+&clients=a%2C+b&sync_interval=5&import_users=on")
                .unwrap();
        assert_eq!(typed["realm"], "mail");
        assert_eq!(typed["client_secret"], " s ");
        assert_eq!(typed["clients"], serde_json::json!(["a", "b"]));
        assert_eq!(typed["sync_interval"], 5);
        assert_eq!(
            (&typed["import_users"], &typed["login_provisioning"]),
            (&true.into(), &false.into())
        );
        assert_eq!(typed["issuer"], Value::Null);
        assert_eq!(patch("client_secret-remove=on").unwrap()["client_secret"], Value::Null);
        assert!(patch("sync_interval=often").unwrap_err().at("sync_interval").is_some());
        // Nobody names a file from here.
        assert!(!patch("ca_file=%2Fetc%2Fshadow").unwrap().contains_key("ca_file"));
    }
}
