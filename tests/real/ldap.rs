//! A directory at a real LDAP server: Debian's slapd. Needs what `contrib/test-setup`
//! installs.

mod asked;
mod logins;
mod outages;

use crate::support::{
    bearer::LogLine,
    client::{Dialogue, Outcome, imap_login},
    dovecot::{Extra, Rig, Version::V23, Way::OwnDaemon},
    slapd::{PEOPLE, Person, READER, READER_PASSWORD, Slapd},
};

const OLGA: &str = "olga@example.net";
const OLGAS: &str = "looking-glass";
const NILS: &str = "nils@example.net";
const NILSS: &str = "über-geheim";

const PERSONS: &[Person<'static>] = &[
    Person { uid: "olga", password: OLGAS, more: "displayName: Olga Ö.\nemployeeType: staff\n" },
    Person { uid: "nils", password: NILSS, more: "mail: n.second@example.net\n" },
];

/// What stands below `[directory.NAME]`. Further keys replace those of the same name.
fn table(url: &str, keys: &str) -> String {
    let kept = [
        format!("urls = [\"{url}\"]"),
        format!("bind_dn = \"{READER}\""),
        format!("bind_password = \"{READER_PASSWORD}\""),
        format!("base_dn = \"{PEOPLE}\""),
    ];
    let is_kept = |line: &&String| {
        let key = line.split(" =").next().expect("there is a first");
        !keys.lines().any(|line| line.starts_with(key))
    };
    let kept: Vec<&str> = kept.iter().filter(is_kept).map(String::as_str).collect();
    format!("kind = \"ldap\"\ndomains = [\"example.net\"]\n{}\n{keys}\n", kept.join("\n"))
}

/// Dovecot, and a Dovegate that asks this server under the name "staff". Its people
/// have mailboxes.
fn rig(slapd: &Slapd, keys: &str, more: &str) -> Option<Rig> {
    let tables = format!("\n[directory.staff]\n{}\n{more}", table(&slapd.url(), keys));
    let rig = Rig::start_with(V23, OwnDaemon, Extra { tables: &tables, ..Extra::default() })?;
    let provider: &[&str] =
        if more.contains("[provider.club]") { &["--provider", "club"] } else { &[] };
    rig.dovegate(&[&["domain", "add", "example.net"], provider].concat());
    for address in [OLGA, NILS] {
        rig.dovegate(&["mailbox", "add", address, "--auth-source", "staff"]);
    }
    Some(rig)
}

/// What a login comes to: verdict and reason or cause, which the log has, and which
/// fit what the mail program hears.
fn logs_in(rig: &Rig, user: &str, password: &str) -> String {
    let outcome = imap_login(&mut Dialogue::tcp(rig.ports.imap), user, password);
    let line = LogLine::last(&rig.folder);
    match (outcome, line.field("verdict")) {
        (Outcome::In, "verified") if line.field("stale") == "true" => "verified, stale".to_owned(),
        (Outcome::In, "verified") => "verified".to_owned(),
        (Outcome::Wrong, "rejected") | (Outcome::Temporary(_), "unavailable") => {
            line.field("reason").to_owned()
        }
        (outcome, _) => panic!("{outcome:?}: {line}"),
    }
}
