//! Deliveries, and what `doveadm` asks.

use crate::support::{
    client::{Dialogue, Outcome::In, imap_login, imap_subjects, lmtp},
    dovecot::{Reply, Rig, Version, Way},
};

/// LMTP: to the mailbox that Dovegate's userdb describes, and to nobody else.
pub fn delivery(version: Version, way: Way) {
    let Some(rig) = Rig::start(version, way) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);
    rig.mailbox("ben@example.org", "looking-glass", &["--state", "receive_only"]);
    rig.mailbox("cleo@example.org", "rabbit-hole", &["--state", "disabled"]);
    let deliver = |recipient: &str, subject: &str, expected: &str| {
        let answer = lmtp(rig.ports.lmtp, recipient, subject);
        assert!(answer.starts_with(expected), "to {recipient}: {answer}");
    };
    deliver("ann@example.org", "first", "250");
    deliver("Ann@Example.ORG", "second", "250");
    deliver("ben@example.org", "third", "250");
    deliver("cleo@example.org", "fourth", "550 5.1.1");
    deliver("nobody@example.org", "fifth", "550 5.1.1");
    deliver("ann@elsewhere.example", "sixth", "550 5.1.1");

    let mut dialogue = Dialogue::tls(rig.ports.imaps);
    assert_eq!(imap_login(&mut dialogue, "ann@example.org", "wonderland"), In);
    assert_eq!(imap_subjects(&mut dialogue), ["first", "second"]);
    let maildir = rig.folder.outside("mail/example.org/ben/Maildir/new");
    assert_eq!(std::fs::read_dir(&maildir).expect("made by the delivery").count(), 1);
    // Backups go on: doveadm finds a disabled mailbox.
    found(&rig, &["user", "cleo@example.org"], "cleo");
}

fn found(rig: &Rig, arguments: &[&str], expected: &str) -> Reply {
    answered(rig, arguments, 0, expected)
}

fn answered(rig: &Rig, arguments: &[&str], code: i32, expected: &str) -> Reply {
    let reply = rig.doveadm(arguments);
    assert_eq!(reply.code, code, "doveadm {arguments:?}: {}", reply.text);
    assert!(reply.text.contains(expected), "doveadm {arguments:?}: {}", reply.text);
    reply
}

/// `doveadm user`, `auth test`, `auth login`, `auth lookup`, `auth cache flush`.
pub fn doveadm(version: Version, way: Way) {
    let Some(rig) = Rig::start(version, way) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &["--quota", "5G"]);
    rig.mailbox("ben@example.org", "looking-glass", &[]);

    let ann = found(&rig, &["user", "ann@example.org"], "example.org/ann").text;
    let fields: Vec<Vec<&str>> =
        ann.lines().map(|line| line.split_whitespace().collect()).collect();
    let value = |key: &str| fields.iter().find(|field| field[0] == key).map(|field| field[1]);
    assert_eq!(value("uid"), Some("5000"), "{ann}");
    assert_eq!(value("gid"), Some("5000"), "{ann}");
    // Each Dovecot in its own words; the other's it would not understand.
    match version {
        Version::V23 => {
            assert_eq!(value("quota_rule"), Some("*:bytes=5368709120"), "{ann}");
            assert_eq!(value("mail"), Some("maildir:~/Maildir"), "{ann}");
        }
        Version::V24 => {
            assert_eq!(value("quota_storage_size"), Some("5G"), "{ann}");
            assert_eq!(value("mail_driver"), Some("maildir"), "{ann}");
            // doveadm shows it with the home filled in.
            assert!(value("mail_path").is_some_and(|path| path.ends_with("ann/Maildir")), "{ann}");
        }
    }
    // And it holds: Dovecot shows the limit in KiB, for ben there is none.
    found(&rig, &["quota", "get", "-u", "ann@example.org"], "5242880");
    found(&rig, &["quota", "get", "-u", "ben@example.org"], " - ");
    answered(&rig, &["user", "nobody@example.org"], 67, "doesn't exist");
    let everybody = found(&rig, &["user", "*"], "ann@example.org");
    assert_eq!(everybody.text, "ann@example.org\nben@example.org\n");
    let some = found(&rig, &["user", "b*@example.org"], "ben@example.org");
    assert_eq!(some.text, "ben@example.org\n");
    // One connection lists, another one looks each of them up meanwhile.
    found(&rig, &["mailbox", "list", "-A"], "INBOX");

    found(&rig, &["auth", "test", "ann@example.org", "wonderland"], "auth succeeded");
    answered(&rig, &["auth", "test", "ann@example.org", "Wonderland"], 77, "auth failed");
    found(&rig, &["auth", "login", "ann@example.org", "wonderland"], "auth succeeded");
    answered(&rig, &["auth", "login", "ann@example.org", "Wonderland"], 77, "auth failed");
    found(&rig, &["auth", "lookup", "ann@example.org"], "ann@example.org");
    answered(&rig, &["auth", "lookup", "nobody@example.org"], 67, "doesn't exist");
    found(&rig, &["auth", "cache", "flush"], "cache entries flushed");
    found(&rig, &["auth", "cache", "flush", "ann@example.org"], "cache entries flushed");
}
