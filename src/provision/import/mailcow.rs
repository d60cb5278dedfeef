//! mailcow's database, as `contrib/mailcow/dump.sql` writes it: one JSON object a
//! line, with the name of its table in `table` and that table's columns.
//!
//! mailcow writes numbers as text in one place and as numbers in another, and
//! JSON columns as text or as JSON with the release of the database.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{LeftOut, Wanted, WantedAppPassword};
use crate::mailbox::{DomainName, MailboxState, ProviderName, Quota, Service, Services};

/// How the dump is meant.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the identity provider here.
    pub provider: ProviderName,
    /// Columns and settings that may be left out.
    pub left_out: LeftOut,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// The identity provider: its keys as the API takes them, and settings that
    /// have no counterpart here.
    Provider(Map<String, Value>, Vec<String>),
    /// A template of mailboxes: its values as the API takes them.
    Template(Map<String, Value>),
    /// A domain.
    Domain(WantedDomain),
    /// A mailbox.
    Mailbox(Box<Wanted>),
    /// An app password.
    AppPassword(WantedAppPassword),
    /// Something that does not come along, and why.
    Note(String),
}

/// A domain as mailcow has it.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedDomain {
    /// Its name.
    pub name: DomainName,
    /// Whether its mailboxes log in.
    pub active: bool,
    /// Most mailboxes.
    pub max_mailboxes: Option<u64>,
    /// Quota of a mailbox that names none.
    pub default_quota: Quota,
    /// Largest quota of one mailbox.
    pub max_quota: Quota,
    /// Sum of all quotas.
    pub total_quota: Quota,
}

/// What a line says; `None` for one that says nothing.
///
/// # Errors
/// Why it cannot be taken over.
pub fn parse(line: &str, options: &Options) -> Result<Option<Item>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let row = serde_json::from_str(line).map_err(|error| format!("is no JSON: {error}"))?;
    let Value::Object(row) = row else { return Err("is no JSON object".to_owned()) };
    let row = Row { row, left_out: &options.left_out };
    match row.text("table")?.as_str() {
        "domain" => domain(&row).map(Item::Domain),
        "mailbox" => mailbox(&row, options),
        "templates" => template(&row),
        "app_passwd" => app_password(&row),
        "identity_provider" => provider(&row, options),
        other => Err(format!("there is no table {:?}", other.chars().take(40).collect::<String>())),
    }
    .map(Some)
}

/// A row of a table.
struct Row<'l> {
    row: Map<String, Value>,
    left_out: &'l LeftOut,
}

impl Row<'_> {
    fn get(&self, name: &str) -> Result<&Value, String> {
        self.row.get(name).ok_or_else(|| format!("has no {name}"))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        match self.get(name)? {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(format!("{name} is no text")),
        }
    }

    fn number(&self, name: &str) -> Result<i64, String> {
        number_of(self.get(name)?).ok_or_else(|| format!("{name} is no number"))
    }

    fn size(&self, name: &str, unit: u64) -> Result<Quota, String> {
        let number = u64::try_from(self.number(name)?).ok();
        let bytes = number.and_then(|number| number.checked_mul(unit));
        bytes.map(|bytes| Quota { bytes }).ok_or_else(|| format!("{name} is no size"))
    }

    fn on(&self, name: &str) -> Result<bool, String> {
        self.number(name).map(|number| number == 1)
    }

    /// A column that holds JSON, as such or as text.
    fn object(&self, name: &str) -> Result<Map<String, Value>, String> {
        match unpacked(self.get(name)?.clone()) {
            Value::Object(object) => Ok(object),
            Value::Null => Ok(Map::new()),
            _ => Err(format!("{name} is no JSON object")),
        }
    }
}

fn unpacked(value: Value) -> Value {
    match &value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}

fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(on) => Some(i64::from(*on)),
        _ => None,
    }
}

/// Names in a JSON array; where none was selected, the database says null.
fn names(value: Option<&Value>) -> Vec<String> {
    match value.cloned().map(unpacked) {
        Some(Value::Array(values)) => {
            values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// Sizes of domains are in MiB.
fn domain(row: &Row<'_>) -> Result<WantedDomain, String> {
    let name = row.text("domain")?;
    let limit = |column: &str| {
        if row.left_out.has(&format!("domain.{column}")) {
            return Ok(Quota::UNLIMITED);
        }
        row.size(column, 1 << 20)
    };
    let mailboxes = u64::try_from(row.number("mailboxes")?);
    let mailboxes = mailboxes.map_err(|_| "mailboxes is no number")?;
    let max_quota = limit("maxquota")?;
    // A default that no mailbox could take is none.
    let default = limit("defquota")?;
    let fits = max_quota.is_unlimited() || (!default.is_unlimited() && default <= max_quota);
    Ok(WantedDomain {
        name: DomainName::parse(&name).map_err(|error| error.to_string())?,
        active: row.on("active")?,
        max_mailboxes: (!row.left_out.has("domain.mailboxes")).then_some(mailboxes),
        default_quota: if fits { default } else { max_quota },
        max_quota,
        total_quota: limit("quota")?,
    })
}

fn mailbox(row: &Row<'_>, options: &Options) -> Result<Item, String> {
    let attributes = row.object("attributes")?;
    let hash = row.text("password")?;
    let format = attributes.get("mailbox_format").and_then(Value::as_str).unwrap_or_default();
    let prefix = row.text("mailbox_path_prefix")?;
    for (column, value, usual) in [
        ("mailbox_path_prefix", prefix.as_str(), "/var/vmail/"),
        ("mailbox_format", format, "maildir:"),
    ] {
        if !value.is_empty() && value != usual && !row.left_out.has(column) {
            return Err(format!(
                "{column} is {value:?}: its mail lies otherwise; --leave-out {column} goes on \
                 without it"
            ));
        }
    }
    let name = row.text("name")?;
    Ok(Item::Mailbox(Box::new(Wanted {
        address: row.text("username")?,
        display_name: (!name.is_empty()).then_some(name),
        hash: (!hash.is_empty()).then(|| hash.into()),
        state: Some(state(row.number("active")?)?),
        auth_source: Some(auth_source(row, options)?),
        services: Some(services(|flag| attributes.get(flag).cloned())),
        tags: names(row.row.get("tags")),
        quota_bytes: Some(row.size("quota", 1)?),
        ..Wanted::default()
    })))
}

fn state(active: i64) -> Result<MailboxState, String> {
    match active {
        0 => Ok(MailboxState::Disabled),
        1 => Ok(MailboxState::Active),
        2 => Ok(MailboxState::ReceiveOnly),
        other => Err(format!("active is {other}")),
    }
}

fn auth_source(row: &Row<'_>, options: &Options) -> Result<String, String> {
    match row.text("authsource")?.as_str() {
        "" | "mailcow" => Ok("local".to_owned()),
        "keycloak" | "generic-oidc" => Ok(options.provider.to_string()),
        _ if row.left_out.has("authsource") => Ok("local".to_owned()),
        other => Err(format!(
            "authsource {other:?} has no counterpart here; --leave-out authsource makes it a \
             mailbox with its local password"
        )),
    }
}

/// A flag that is missing is on; one that is there is on if it is 1. Our own
/// pages have none.
fn services(flag: impl Fn(&str) -> Option<Value>) -> Services {
    let on = |service: &Service| {
        let value = flag(&format!("{}_access", service.name()));
        value.is_none_or(|value| number_of(&value) == Some(1))
    };
    Service::ALL.into_iter().filter(on).collect()
}

fn template(row: &Row<'_>) -> Result<Item, String> {
    let name = row.text("template")?;
    if row.text("type")? != "mailbox" {
        return Ok(Item::Note(format!("template {name:?} is none of mailboxes")));
    }
    let attributes = row.object("attributes")?;
    let number = |key: &str| attributes.get(key).and_then(number_of);
    let taken = ["quota", "active", "tags", "force_pw_update", "acl_app_passwds"];
    let service = |key: &str| {
        let service = key.strip_suffix("_access");
        service.is_some_and(|name| name.parse::<Service>().is_ok())
    };
    let further: BTreeMap<_, _> = attributes
        .iter()
        .filter(|(key, _)| !taken.contains(&key.as_str()) && !service(key))
        .map(|(key, value)| {
            (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    let quota = u64::try_from(number("quota").unwrap_or_default());
    let values = json!({
        "name": name,
        "quota_bytes": quota.map_err(|_| "quota is no size")?,
        "state": state(number("active").unwrap_or(1))?,
        "services": services(|flag| attributes.get(flag).cloned()),
        "tags": names(attributes.get("tags")),
        "app_passwords_allowed": number("acl_app_passwds") != Some(0),
        "force_password_change": number("force_pw_update") == Some(1),
        "further": further,
    });
    match values {
        Value::Object(values) => Ok(Item::Template(values)),
        _ => Err("is no template".to_owned()),
    }
}

fn app_password(row: &Row<'_>) -> Result<Item, String> {
    let (address, name) = (row.text("mailbox")?, row.text("name")?);
    if !row.on("active")? {
        return Ok(Item::Note(format!("app password {name:?} of {address} is switched off")));
    }
    // Of the flags, a missing one is off here: the columns are all there.
    let services = services(|flag| match flag {
        "web_access" => Some(Value::from(0)),
        _ => Some(row.row.get(flag).cloned().unwrap_or(Value::from(0))),
    });
    if services == Services::NONE {
        return Ok(Item::Note(format!("app password {name:?} of {address} opens nothing")));
    }
    let seconds = u64::try_from(row.number("created")?).map_err(|_| "created is no time")?;
    Ok(Item::AppPassword(WantedAppPassword {
        address,
        name,
        hash: row.text("password")?.into(),
        services,
        created: seconds.saturating_mul(1000),
    }))
}

/// Settings of the identity provider that have the same meaning here.
fn provider(row: &Row<'_>, options: &Options) -> Result<Item, String> {
    if row.left_out.has("identity_provider") {
        return Ok(Item::Note("the identity provider does not come along".to_owned()));
    }
    let settings = row.object("settings")?;
    let text =
        |key: &str| settings.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let on = |key: &str| settings.get(key).and_then(number_of) == Some(1);
    let mut keys = Map::new();
    let mut copy = |names: &[&str]| {
        for name in names {
            if let Some(value) = text(name) {
                keys.insert((*name).to_owned(), value.into());
            }
        }
    };
    copy(&["client_id", "client_secret"]);
    match text("authsource") {
        Some("keycloak") => {
            copy(&["server_url", "realm", "version", "default_template"]);
            keys.insert("kind".to_owned(), "keycloak".into());
            for switch in ["mailpassword_flow", "import_users"] {
                keys.insert(switch.to_owned(), on(switch).into());
            }
            keys.insert("attribute_mapping".to_owned(), mapping(&settings)?);
        }
        Some("generic-oidc") => {
            copy(&["authorize_url", "token_url", "userinfo_url"]);
            keys.insert("kind".to_owned(), "oidc".into());
            keys.insert("methods".to_owned(), json!(["userinfo"]));
        }
        other => {
            return Err(format!(
                "identity provider {:?} has no counterpart here; --leave-out identity_provider goes \
                 on without it",
                other.unwrap_or_default()
            ));
        }
    }
    keys.insert("ignore_ssl_errors".to_owned(), on("ignore_ssl_error").into());
    let left = settings.iter().filter(|(key, value)| {
        let taken = keys.contains_key(*key) || SAID_OTHERWISE.contains(&key.as_str());
        let says = !matches!(value.as_str(), Some("" | "0" | "[]")) && number_of(value) != Some(0);
        !taken && says
    });
    let left = left.map(|(key, _)| key.clone()).collect();
    keys.insert("name".to_owned(), options.provider.to_string().into());
    Ok(Item::Provider(keys, left))
}

/// Settings that become others, or belong to a running mailcow.
const SAID_OTHERWISE: [&str; 6] =
    ["authsource", "ignore_ssl_error", "access_token", "client_scopes", "mappers", "templates"];

/// Which template each value of the attribute stands for: two lists, side by side.
fn mapping(settings: &Map<String, Value>) -> Result<Value, String> {
    let (values, templates) = (names(settings.get("mappers")), names(settings.get("templates")));
    if values.len() != templates.len() {
        return Err("mappers and templates of the identity provider differ in length".to_owned());
    }
    let pairs = values.into_iter().zip(templates);
    Ok(pairs.map(|(value, template)| json!({ "value": value, "template": template })).collect())
}

#[cfg(test)]
mod tests;
