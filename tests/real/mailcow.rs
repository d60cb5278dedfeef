//! From mailcow's database to logins through Dovecot: a dump of a real `MariaDB`,
//! hashes by `doveadm pw`.
//!
//! Needs root, Debian's mariadb-server, and Dovecot 2.3 or 2.4;
//! `contrib/test-setup` installs them.

use std::{fmt::Write as _, fs, path::Path, process::Command, sync::LazyLock, thread};

use serde_json::Value;

use crate::support::{
    client::{
        Dialogue,
        Outcome::{self, In, Wrong},
        imap_plain, pop3_plain, submission_plain,
    },
    dovecot::{Rig, Version, Way},
    mariadb::MariaDb,
    skip,
    stored::Stored,
};

const MAILBOXES: usize = 50;
/// The schemes that mailcow can be set to, and others that it reads.
const SCHEMES: [&str; 11] = [
    "BLF-CRYPT",
    "SSHA512",
    "SSHA256",
    "SSHA",
    "SHA512-CRYPT",
    "SHA256-CRYPT",
    "ARGON2ID",
    "PBKDF2",
    "SHA512",
    "CRYPT",
    "PLAIN",
];
/// Mailboxes that are worked on at the same time.
const AT_ONCE: usize = 4;
const TABLES: &str = include_str!("mailcow/tables.sql");
const DUMP: &str = include_str!("../../contrib/mailcow/dump.sql");

#[test]
fn fifty_mailboxes_move_in_and_log_in_on_2_3() {
    fifty_mailboxes_move_in_and_log_in(Version::V23);
}

#[test]
fn fifty_mailboxes_move_in_and_log_in_on_2_4() {
    fifty_mailboxes_move_in_and_log_in(Version::V24);
}

fn user(number: usize) -> String {
    format!("user{number}@example.org")
}

fn main_password(number: usize) -> String {
    format!("main-{number}-wonderland")
}

/// Of every mailbox: one for reading, one for sending.
fn app_password(number: usize, what: &str) -> String {
    format!("{what}-{number}-looking-glass")
}

/// A hash of the password, by the scheme of this number.
fn hash(number: usize, password: &str) -> String {
    let scheme = SCHEMES[number % SCHEMES.len()];
    let rounds: &[&str] = match scheme {
        "BLF-CRYPT" => &["-r", "5"],
        "SHA512-CRYPT" | "SHA256-CRYPT" => &["-r", "1000"],
        _ => &[],
    };
    let made = Command::new("/usr/bin/doveadm")
        .args(["-O", "pw", "-s", scheme, "-p", password])
        .args(rounds)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Does something for each mailbox, a few at a time; what came of it, in no order.
fn for_each<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let start = |first| {
            let work = &work;
            scope.spawn(move || (first..MAILBOXES).step_by(AT_ONCE).map(work).collect::<Vec<_>>())
        };
        let all: Vec<_> = (0..AT_ONCE).map(start).collect();
        all.into_iter().flat_map(|some| some.join().unwrap()).collect()
    })
}

/// A mailcow with fifty people; every fifth may not use IMAP with the main
/// password, and every tenth has a name that JSON and SQL write otherwise.
static STATEMENTS: LazyLock<String> = LazyLock::new(|| {
    let mut statements = String::from(TABLES);
    statements.push_str(
        "INSERT INTO domain (domain, mailboxes, defquota, maxquota, quota)
             VALUES ('example.org', 60, 1024, 10240, 102400), ('empty.example', 5, 1, 1, 1);
         INSERT INTO templates (template, type, attributes) VALUES
             ('Default', 'domain', '{}'), ('Staff', 'mailbox', '{\"quota\":0,\"imap_access\":\"1\"}');
         INSERT INTO mailbox (username, password, name, quota, domain, attributes, kind)
             VALUES ('room@example.org', '', 'Room', 0, 'example.org', '{}', 'location');
         INSERT INTO tags_mailbox VALUES ('staff', 'user1@example.org');
",
    );
    statements + &for_each(rows).concat()
});

/// A mailbox with its app passwords, each hash of another scheme.
fn rows(number: usize) -> String {
    let user = user(number);
    let name = if number.is_multiple_of(10) { "O\\'Hara \\\\ \"Ann\" ü" } else { "Ann" };
    let imap = u8::from(!number.is_multiple_of(5));
    let mut rows = String::new();
    let _ = write!(
        rows,
        "INSERT INTO mailbox (username, password, name, quota, domain, attributes) VALUES
             ('{user}', '{}', '{name}', 1073741824, 'example.org',
              '{{\"imap_access\":\"{imap}\",\"mailbox_format\":\"maildir:\"}}');
         INSERT INTO app_passwd (mailbox, domain, name, password, smtp_access) VALUES
             ('{user}', 'example.org', 'Reader', '{}', 0);
         INSERT INTO app_passwd (mailbox, domain, name, password, imap_access, active) VALUES
             ('{user}', 'example.org', 'Sender', '{}', 0, 1), ('{user}', 'example.org', 'Off', 'x', 1, 0);
",
        hash(number, &main_password(number)),
        hash(number + 1, &app_password(number, "read")),
        hash(number + 2, &app_password(number, "send")),
    );
    rows
}

fn fifty_mailboxes_move_in_and_log_in(version: Version) {
    let needs_doveadm =
        || (!Path::new("/usr/bin/doveadm").exists()).then(|| "no doveadm".to_owned());
    if let Some(why) = MariaDb::missing().or_else(needs_doveadm) {
        skip(&why);
        return;
    }
    let Some(rig) = Rig::start(version, Way::UnderMaster) else { return };
    let database = MariaDb::start();
    database.must("mailcow", &STATEMENTS);
    let dump = database.must("mailcow", DUMP);
    let path = rig.folder.outside("mailcow.jsonl");
    fs::write(&path, dump).unwrap();
    let inside = rig.folder.inside("mailcow.jsonl");
    let import = |further: &[&str]| -> Value {
        let mut arguments = vec!["import", "--from", "mailcow", &inside, "--json"];
        arguments.extend(further);
        serde_json::from_str(&rig.dovegate(&arguments)).unwrap()
    };
    let planned = import(&["--create-domains", "--dry-run"]);
    let made = import(&["--create-domains"]);
    for found in [planned, made] {
        assert_eq!(found["mailboxes"]["created"], MAILBOXES, "{found}");
        assert_eq!(found["app_passwords"]["created"], 2 * MAILBOXES);
        assert_eq!(found["domains_created"].as_array().unwrap().len(), 2);
        assert_eq!(found["templates_created"], serde_json::json!(["Staff"]));
    }
    let before = Stored::of(&rig);
    let again = import(&[]);
    assert_eq!(again["mailboxes"]["unchanged"], MAILBOXES, "{again}");
    assert_eq!(again["app_passwords"]["unchanged"], 2 * MAILBOXES);
    assert_eq!(Stored::of(&rig), before, "not even what was there was written");
    let shown: Value =
        serde_json::from_str(&rig.dovegate(&["mailbox", "show", &user(10), "--json"])).unwrap();
    assert_eq!(shown["display_name"], "O'Hara \\ \"Ann\" ü");
    everybody_logs_in(&rig);
}

fn everybody_logs_in(rig: &Rig) {
    let imap =
        |user: &str, password: &str| imap_plain(&mut Dialogue::tcp(rig.ports.imap), user, password);
    let pop3 = |user: &str, password: &str| {
        pop3_plain(&mut Dialogue::tls(rig.ports.pop3s), user, password)
    };
    let smtp = |user: &str, password: &str| {
        let mut dialogue = Dialogue::starttls(rig.ports.submission, "smtp");
        submission_plain(&mut dialogue, user, password)
    };
    let check = |what: &str, number: usize, found: &Outcome, expected: &Outcome| {
        assert_eq!(found, expected, "{what} of {}", user(number));
    };
    for_each(|number| {
        let (user, main) = (user(number), main_password(number));
        let (read, send) = (app_password(number, "read"), app_password(number, "send"));
        let by_main = if number % 5 == 0 { Wrong } else { In };
        check("main password by IMAP", number, &imap(&user, &main), &by_main);
        check("main password by POP3", number, &pop3(&user, &main), &In);
        check("reader by IMAP", number, &imap(&user, &read), &In);
        check("sender by submission", number, &smtp(&user, &send), &In);
        if number % 10 == 3 {
            check("reader by submission", number, &smtp(&user, &read), &Wrong);
            check("sender by IMAP", number, &imap(&user, &send), &Wrong);
            check("switched off", number, &imap(&user, "x"), &Wrong);
        }
    });
    let listed = rig.dovegate(&["app-password", "list", &user(0), "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let reader = listed.as_array().unwrap().iter().find(|one| one["name"] == "Reader").unwrap();
    assert_eq!(reader["imported"], SCHEMES[1]);
    let id = reader["id"].as_str().unwrap();
    rig.dovegate(&["app-password", "revoke", &user(0), id]);
    check("revoked", 0, &imap(&user(0), &app_password(0, "read")), &Wrong);
}
