//! Dovecot's extra fields (`name=value` with spaces between them), as they stand
//! at the end of a line of a passwd-file and in docker-mailserver's accounts.
//!
//! `userdb_…` fields become what a mailbox has, or its further userdb fields. Of
//! the others `nologin` alone has a counterpart here. The rest would change who
//! may log in and how, so a line with one is refused unless somebody said that
//! it may be left out.

use std::collections::BTreeMap;

use crate::mailbox::{MailboxState, Quota, Wanted};

/// Names of fields that may be left out, and where that is said.
#[derive(Clone, Debug, Default)]
pub struct LeftOut {
    names: Vec<String>,
    by_key: bool,
}

impl LeftOut {
    /// By `--leave-out`.
    pub fn by_option(names: Vec<String>) -> Self {
        Self { names, by_key: false }
    }

    /// By `leave_out` in the settings.
    pub fn by_key(names: Vec<String>) -> Self {
        Self { names, by_key: true }
    }

    /// Whether this field may be left out.
    pub fn has(&self, field: &str) -> bool {
        self.names.iter().any(|name| name == field)
    }

    /// How to go on without it.
    pub(super) fn way_out(&self, field: &str) -> String {
        if self.by_key {
            format!("leave_out = [\"{field}\"] goes on without it")
        } else {
            format!("--leave-out {field} goes on without it")
        }
    }
}

/// Takes over the fields of `text`.
///
/// # Errors
/// Which field cannot be taken over, and why.
pub(super) fn take_over(wanted: &mut Wanted, text: &str, left_out: &LeftOut) -> Result<(), String> {
    let mut location = BTreeMap::new();
    for field in text.split([' ', '\t']).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        if left_out.has(name) {
            continue;
        }
        take_one(wanted, &mut location, name, value)
            .map_err(|why| format!("{name} {why}; {}", left_out.way_out(name)))?;
    }
    if !location.is_empty() {
        wanted.mail = Some(joined(&location)?);
    }
    Ok(())
}

fn take_one<'t>(
    wanted: &mut Wanted,
    location: &mut BTreeMap<&'t str, String>,
    name: &'t str,
    value: &str,
) -> Result<(), String> {
    let value = expanded(value)?;
    let Some(name) = name.strip_prefix("userdb_") else {
        // Dovecot refuses everybody who has it, whatever its value.
        if name == "nologin" {
            wanted.state = Some(MailboxState::ReceiveOnly);
            return Ok(());
        }
        return Err("has no counterpart here".to_owned());
    };
    match name {
        "uid" => wanted.uid = Some(number(&value)?),
        "gid" => wanted.gid = Some(number(&value)?),
        "home" => wanted.home = Some(value),
        "mail" => wanted.mail = Some(value),
        "quota_rule" => wanted.quota_bytes = Some(quota_rule(&value)?),
        "quota_storage_size" => {
            wanted.quota_bytes = Some(value.parse().map_err(|_| "is not a size".to_owned())?);
        }
        "user" => return Err("would make it another user".to_owned()),
        _ if PARTS.iter().any(|(part, _)| *part == name) => {
            location.insert(name, value);
        }
        _ => {
            wanted.extra_fields.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// A percent sign is written twice; a variable is not replaced here.
fn expanded(value: &str) -> Result<String, String> {
    let plain = value.replace("%%", "");
    if plain.contains('%') {
        return Err("has a variable (%…), which has to be written out".to_owned());
    }
    Ok(value.replace("%%", "%"))
}

/// A numeric id.
pub(super) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "is not a number".to_owned())
}

/// `*:storage=5G` (in KiB without a unit) or `*:bytes=5G`: the limit of the whole
/// mailbox and nothing else. Zero is no limit.
fn quota_rule(rule: &str) -> Result<Quota, String> {
    let other = || "has more than the limit of the whole mailbox (*:storage=… or *:bytes=…)";
    let limit = rule.strip_prefix("*:").ok_or_else(other)?;
    let (text, unit) = match limit.split_once('=').ok_or_else(other)? {
        ("storage", size) => (size, "K"),
        ("bytes", size) => (size, ""),
        _ => return Err(other().to_owned()),
    };
    let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let sized = if bare && text != "0" { format!("{text}{unit}") } else { text.to_owned() };
    sized.parse().map_err(|_| other().to_owned())
}

/// Settings of Dovecot 2.4, and what they are called in a mail location of 2.3.
const PARTS: [(&str, &str); 9] = [
    ("mail_driver", ""),
    ("mail_path", ""),
    ("mail_index_path", ":INDEX="),
    ("mail_index_private_path", ":INDEXPVT="),
    ("mail_control_path", ":CONTROL="),
    ("mail_inbox_path", ":INBOX="),
    ("mail_alt_path", ":ALT="),
    ("mail_volatile_path", ":VOLATILEDIR="),
    ("mailbox_list_layout", ":LAYOUT="),
];

fn joined(location: &BTreeMap<&str, String>) -> Result<String, String> {
    let of = |name| location.get(name).filter(|value| !value.is_empty());
    let (Some(driver), Some(path)) = (of("mail_driver"), of("mail_path")) else {
        return Err("of userdb_mail_driver and userdb_mail_path there must be both".to_owned());
    };
    let mut text = format!("{driver}:{path}");
    for (name, key) in &PARTS[2..] {
        if let Some(value) = of(name) {
            text.push_str(key);
            text.push_str(value);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str, left_out: &[&str]) -> Result<Wanted, String> {
        let mut wanted = Wanted::default();
        let left_out = LeftOut::by_option(left_out.iter().map(|name| (*name).to_owned()).collect());
        take_over(&mut wanted, text, &left_out).map(|()| wanted)
    }

    #[test]
    fn fields_of_a_mailbox() {
        let wanted = taken(
            "userdb_uid=5000 userdb_gid=5001  userdb_home=/srv/ann userdb_mail=maildir:~/m \
             userdb_quota_rule=*:storage=5G userdb_quota_rule2=Trash:storage=+10%% nologin",
            &[],
        )
        .unwrap();
        assert_eq!((wanted.uid, wanted.gid), (Some(5000), Some(5001)));
        assert_eq!(wanted.home.as_deref(), Some("/srv/ann"));
        assert_eq!(wanted.mail.as_deref(), Some("maildir:~/m"));
        assert_eq!(wanted.quota_bytes, Some(Quota { bytes: 5 << 30 }));
        assert_eq!(wanted.state, Some(MailboxState::ReceiveOnly));
        let further = ("quota_rule2".to_owned(), "Trash:storage=+10%".to_owned());
        assert_eq!(wanted.extra_fields.into_iter().collect::<Vec<_>>(), [further]);
    }

    #[test]
    fn quotas() {
        for (field, bytes) in [
            ("quota_rule=*:storage=1024", Some(1 << 20)),
            ("quota_rule=*:bytes=1024", Some(1024)),
            ("quota_rule=*:bytes=1G", Some(1 << 30)),
            ("quota_rule=*:storage=0", Some(0)),
            ("quota_storage_size=5G", Some(5 << 30)),
            ("quota_storage_size=unlimited", Some(0)),
            ("quota_rule=*:storage=5G:messages=10", None),
            ("quota_rule=*:messages=10", None),
            ("quota_rule=Trash:storage=1G", None),
            ("quota_rule=*:storage=", None),
            ("quota_rule=*:storage=-1", None),
            ("quota_rule=*:storage=50%%", None),
            ("quota_rule=", None),
            ("quota_storage_size=much", None),
        ] {
            let found = taken(&format!("userdb_{field}"), &[]).map(|wanted| wanted.quota_bytes);
            let expected = bytes.map(|bytes| Some(Quota { bytes }));
            assert_eq!(found.clone().ok(), expected, "{field}: {found:?}");
        }
    }

    #[test]
    fn mail_locations_of_2_4() {
        let fields = "userdb_mail_inbox_path=/i userdb_mail_path=~/m userdb_mail_driver=mdbox";
        assert_eq!(taken(fields, &[]).unwrap().mail.as_deref(), Some("mdbox:~/m:INBOX=/i"));
        assert!(taken("userdb_mail_path=~/m", &[]).is_err());
    }

    #[test]
    fn what_has_no_counterpart_is_said_or_left_out_by_name() {
        for field in ["allow_nets=10.0.0.0/8", "proxy", "nopassword=y", "userdb_user=root"] {
            let name = field.split('=').next().unwrap();
            let why = taken(field, &[]).unwrap_err();
            assert!(why.starts_with(name) && why.contains("--leave-out"), "{why}");
            assert_eq!(taken(field, &[name]).unwrap(), Wanted::default());
        }
        assert!(taken("userdb_home=/srv/%d/%n", &[]).unwrap_err().contains('%'));
        assert!(taken("userdb_uid=vmail", &[]).is_err());
        assert!(taken("userdb_uid=-1", &[]).is_err());
    }
}
