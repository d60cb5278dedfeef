//! Writes the dialogues of `proto-fixtures/` anew, from the real programs. Runs
//! only when asked:
//!
//! ```sh
//! cargo test --test real record -- --ignored
//! ```

use std::{fs, path::Path};

use crate::support::{
    bearer::{
        Mechanism::{Oauthbearer, Xoauth2},
        python,
    },
    client::{
        Dialogue, Outcome, imap_again, imap_authenticate_login, imap_login, imap_plain, lmtp,
        pop3_plain, sieve_plain, submission_plain,
    },
    dovecot::{RECORDED_MAIL, Rig, StandIn, Version, Way},
    recorder::Recorder,
    tokens::{self, BAD, GOOD, oauthbearer, xoauth2},
};

const ANN: &str = "ann@example.org";

/// One exchange: the file's name, what it is, and how to bring it about.
type Exchange<'a> = (&'a str, &'a str, &'a dyn Fn(&Rig));

/// Records every exchange with this Dovecot.
pub fn record(version: Version) {
    record_all(version, EXCHANGES, |_| ());
}

/// Records the exchanges with bearer tokens.
pub fn record_tokens(version: Version) {
    let corp = tokens::provider_for(ANN);
    record_all(version, TOKENS, |rig| tokens::add(&corp, &rig.dovegate, &rig.folder));
}

fn record_all(version: Version, exchanges: &[Exchange<'_>], prepare: impl FnOnce(&Rig)) {
    let rig = Rig::start(version, Way::Recorded).expect("a recording needs the program");
    let StandIn::Recorded(_, recorder) = &rig.stand_in else { unreachable!("asked for") };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox(ANN, "wonderland", &["--quota", "5G"]);
    rig.mailbox("ben@example.org", "looking-glass", &["--state", "disabled"]);
    rig.mailbox("cleo@example.org", "rabbit-hole", &["--no-services"]);
    prepare(&rig);
    for (name, what, bring_about) in exchanges {
        recorder.begin();
        bring_about(&rig);
        write(recorder, version, name, what);
    }
    fs::remove_dir_all(rig.folder.system.outside(RECORDED_MAIL)).unwrap();
}

fn write(recorder: &Recorder, version: Version, name: &str, what: &str) {
    let (short, program) = match version {
        Version::V23 => ("dovecot-2.3", "Dovecot 2.3.19.1 (Debian 12)"),
        Version::V24 => ("dovecot-2.4", "Dovecot 2.4.1 (Debian 13)"),
    };
    let mut head = vec![
        format!("{program}, {what}"),
        "captured: by tests/real/support/recorder.rs, a relay between Dovecot and Dovegate as a daemon of its own"
            .to_owned(),
        "mailbox: ann@example.org wonderland --quota 5G".to_owned(),
        "mailbox: ben@example.org looking-glass --state disabled".to_owned(),
        "mailbox: cleo@example.org rabbit-hole --no-services".to_owned(),
        "setting: userdb.uid = 5000".to_owned(),
        "setting: userdb.gid = 5000".to_owned(),
        "setting: userdb.home = \"/tmp/dovegate-recorded/%d/%n\"".to_owned(),
        "setting: userdb.mail = \"maildir:~/Maildir\"".to_owned(),
    ];
    if TOKENS.iter().any(|(token_exchange, ..)| *token_exchange == name) {
        head.push(tokens::head(ANN));
    }
    let file = format!("proto-fixtures/{short}-{name}.txt");
    recorder.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &head);
}

const EXCHANGES: &[Exchange<'_>] = &[
    ("imap-plain-ok", "IMAP over TLS, AUTHENTICATE PLAIN, right password", &|rig| {
        imap_plain(&mut Dialogue::tls(rig.ports.imaps), "ann@example.org", "wonderland");
    }),
    ("imap-login-ok", "IMAP over TLS, LOGIN, right password", &|rig| {
        imap_login(&mut Dialogue::tls(rig.ports.imaps), "Ann@Example.ORG", "wonderland");
    }),
    ("imap-sasl-login-ok", "IMAP over TLS, AUTHENTICATE LOGIN, right password", &|rig| {
        imap_authenticate_login(
            &mut Dialogue::tls(rig.ports.imaps),
            "ann@example.org",
            "wonderland",
        );
    }),
    (
        "imap-cleartext-ok",
        "IMAP without TLS from the same machine, LOGIN, right password",
        &|rig| {
            imap_login(&mut Dialogue::tcp(rig.ports.imap), "ann@example.org", "wonderland");
        },
    ),
    ("imap-plain-fail", "IMAP over TLS, AUTHENTICATE PLAIN, wrong password", &|rig| {
        imap_plain(&mut Dialogue::tls(rig.ports.imaps), "ann@example.org", "Wonderland");
    }),
    ("imap-second-try", "IMAP over TLS, wrong, then right in the same connection", &|rig| {
        let mut dialogue = Dialogue::tls(rig.ports.imaps);
        imap_login(&mut dialogue, "ann@example.org", "Wonderland");
        imap_again(&mut dialogue, "LOGIN \"ann@example.org\" \"wonderland\"");
    }),
    ("imap-unknown", "IMAP over TLS, a name that is nobody's", &|rig| {
        imap_login(&mut Dialogue::tls(rig.ports.imaps), "nobody@example.org", "wonderland");
    }),
    ("imap-disabled", "IMAP over TLS, right password of a disabled mailbox", &|rig| {
        imap_login(&mut Dialogue::tls(rig.ports.imaps), "ben@example.org", "looking-glass");
    }),
    (
        "imap-no-services",
        "IMAP over TLS, main password of a mailbox for app passwords only",
        &|rig| {
            imap_login(&mut Dialogue::tls(rig.ports.imaps), "cleo@example.org", "rabbit-hole");
        },
    ),
    (
        "imap-broken-base64",
        "IMAP over TLS, AUTHENTICATE PLAIN with a response that is no base64",
        &|rig| {
            imap_raw(rig, "AUTHENTICATE PLAIN !!!!");
        },
    ),
    ("imap-abort", "IMAP over TLS, AUTHENTICATE PLAIN given up by the client", &|rig| {
        let mut dialogue = Dialogue::tls(rig.ports.imaps);
        dialogue.until(|line| line.starts_with("* OK"));
        dialogue.send("a AUTHENTICATE PLAIN");
        dialogue.until(|line| line.starts_with('+'));
        dialogue.send("*");
        dialogue.until(|line| line.starts_with("a "));
    }),
    ("pop3-plain-ok", "POP3 over TLS, AUTH PLAIN, right password", &|rig| {
        pop3_plain(&mut Dialogue::tls(rig.ports.pop3s), "ann@example.org", "wonderland");
    }),
    ("sieve-plain-ok", "ManageSieve after STARTTLS, right password", &|rig| {
        sieve_plain(
            &mut Dialogue::starttls(rig.ports.sieve, "sieve"),
            "ann@example.org",
            "wonderland",
        );
    }),
    ("submission-plain-ok", "submission after STARTTLS, right password", &|rig| {
        submission_plain(
            &mut Dialogue::starttls(rig.ports.submission, "smtp"),
            "ann@example.org",
            "wonderland",
        );
    }),
    ("submission-plain-fail", "submission after STARTTLS, wrong password", &|rig| {
        submission_plain(
            &mut Dialogue::starttls(rig.ports.submission, "smtp"),
            "ann@example.org",
            "wonderlanD",
        );
    }),
    ("lmtp-ok", "LMTP, a delivery", &|rig| {
        lmtp(rig.ports.lmtp, "ann@example.org", "recorded");
    }),
    ("lmtp-unknown", "LMTP, a recipient who is nobody", &|rig| {
        lmtp(rig.ports.lmtp, "nobody@example.org", "recorded");
    }),
    ("lmtp-disabled", "LMTP, a disabled recipient", &|rig| {
        lmtp(rig.ports.lmtp, "ben@example.org", "recorded");
    }),
    ("doveadm-user", "doveadm user", &|rig| drop(rig.doveadm(&["user", "ann@example.org"]))),
    ("doveadm-user-disabled", "doveadm user, a disabled mailbox", &|rig| {
        rig.doveadm(&["user", "ben@example.org"]);
    }),
    ("doveadm-user-unknown", "doveadm user, nobody's name", &|rig| {
        rig.doveadm(&["user", "nobody@example.org"]);
    }),
    ("doveadm-user-list", "doveadm user '*'", &|rig| drop(rig.doveadm(&["user", "*"]))),
    ("doveadm-user-mask", "doveadm user with a mask", &|rig| {
        rig.doveadm(&["user", "a*@example.org"]);
    }),
    ("doveadm-all", "doveadm mailbox list -A", &|rig| {
        drop(rig.doveadm(&["mailbox", "list", "-A"]));
    }),
    ("doveadm-auth-test-ok", "doveadm auth test, right password", &|rig| {
        rig.doveadm(&["auth", "test", "ann@example.org", "wonderland"]);
    }),
    ("doveadm-auth-test-fail", "doveadm auth test, wrong password", &|rig| {
        rig.doveadm(&["auth", "test", "ann@example.org", "wonderLand"]);
    }),
    ("doveadm-auth-login-ok", "doveadm auth login", &|rig| {
        rig.doveadm(&["auth", "login", "ann@example.org", "wonderland"]);
    }),
    ("doveadm-auth-lookup", "doveadm auth lookup", &|rig| {
        rig.doveadm(&["auth", "lookup", "ann@example.org"]);
    }),
    ("doveadm-auth-lookup-unknown", "doveadm auth lookup, nobody's name", &|rig| {
        rig.doveadm(&["auth", "lookup", "nobody@example.org"]);
    }),
    ("doveadm-cache-flush-user", "doveadm auth cache flush for one user", &|rig| {
        rig.doveadm(&["auth", "cache", "flush", "ann@example.org"]);
    }),
];

fn imap_raw(rig: &Rig, command: &str) -> Outcome {
    let mut dialogue = Dialogue::tls(rig.ports.imaps);
    dialogue.until(|line| line.starts_with("* OK"));
    imap_again(&mut dialogue, command)
}

const TOKENS: &[Exchange<'_>] = &[
    ("imap-xoauth2-ok", "IMAP over TLS, AUTHENTICATE XOAUTH2, good token", &|rig| {
        let outcome = imap_raw(rig, &format!("AUTHENTICATE XOAUTH2 {}", xoauth2(ANN, GOOD)));
        assert_eq!(outcome, Outcome::In);
    }),
    (
        "imap-xoauth2-noir-ok",
        "IMAP over TLS, AUTHENTICATE XOAUTH2 without initial response, good token",
        &|rig| {
            let mut dialogue = challenged(rig, "AUTHENTICATE XOAUTH2");
            dialogue.send(&xoauth2("Ann@Example.ORG", GOOD));
            assert!(ended(&dialogue).starts_with("a OK"));
        },
    ),
    (
        "imap-xoauth2-fail",
        "IMAP over TLS, AUTHENTICATE XOAUTH2, bad token, challenge answered with an empty line",
        &|rig| {
            let mut dialogue =
                challenged(rig, &format!("AUTHENTICATE XOAUTH2 {}", xoauth2(ANN, BAD)));
            dialogue.send("");
            assert!(ended(&dialogue).contains("[AUTHENTICATIONFAILED]"));
        },
    ),
    (
        "imap-xoauth2-abort",
        "IMAP over TLS, AUTHENTICATE XOAUTH2, bad token, then given up by the client",
        &|rig| {
            let mut dialogue =
                challenged(rig, &format!("AUTHENTICATE XOAUTH2 {}", xoauth2(ANN, BAD)));
            dialogue.send("*");
            ended(&dialogue);
        },
    ),
    ("imap-oauthbearer-ok", "IMAP over TLS, AUTHENTICATE OAUTHBEARER, good token", &|rig| {
        let command = format!("AUTHENTICATE OAUTHBEARER {}", oauthbearer(ANN, GOOD));
        assert_eq!(imap_raw(rig, &command), Outcome::In);
    }),
    (
        "imap-oauthbearer-fail",
        "IMAP over TLS, AUTHENTICATE OAUTHBEARER, bad token, challenge answered with 0x01",
        &|rig| {
            let mut dialogue =
                challenged(rig, &format!("AUTHENTICATE OAUTHBEARER {}", oauthbearer(ANN, BAD)));
            dialogue.send("AQ==");
            assert!(ended(&dialogue).contains("[AUTHENTICATIONFAILED]"));
        },
    ),
    (
        "imap-oauthbearer-malformed",
        "IMAP over TLS, AUTHENTICATE OAUTHBEARER with XOAUTH2's message",
        &|rig| {
            let mut dialogue =
                challenged(rig, &format!("AUTHENTICATE OAUTHBEARER {}", xoauth2(ANN, GOOD)));
            dialogue.send("AQ==");
            assert!(ended(&dialogue).contains("[AUTHENTICATIONFAILED]"));
        },
    ),
    ("pop3-xoauth2-ok", "POP3 over TLS, AUTH XOAUTH2, good token", &|rig| {
        assert_eq!(python("pop3", rig.ports.pop3s, Xoauth2, ANN, GOOD), "in");
    }),
    ("pop3-oauthbearer-fail", "POP3 over TLS, AUTH OAUTHBEARER, bad token", &|rig| {
        python("pop3", rig.ports.pop3s, Oauthbearer, ANN, BAD);
    }),
    ("sieve-oauthbearer-ok", "ManageSieve after STARTTLS, OAUTHBEARER, good token", &|rig| {
        assert_eq!(python("sieve", rig.ports.sieve, Oauthbearer, ANN, GOOD), "in");
    }),
    ("sieve-xoauth2-fail", "ManageSieve after STARTTLS, XOAUTH2, bad token", &|rig| {
        python("sieve", rig.ports.sieve, Xoauth2, ANN, BAD);
    }),
    ("submission-xoauth2-ok", "submission after STARTTLS, AUTH XOAUTH2, good token", &|rig| {
        assert_eq!(python("submission", rig.ports.submission, Xoauth2, ANN, GOOD), "in");
    }),
    (
        "submission-oauthbearer-fail",
        "submission after STARTTLS, AUTH OAUTHBEARER in two steps, bad token",
        &|rig| {
            python("submission in two", rig.ports.submission, Oauthbearer, ANN, BAD);
        },
    ),
];

/// Sends an IMAP command that must be answered with a challenge.
fn challenged(rig: &Rig, command: &str) -> Dialogue {
    let mut dialogue = Dialogue::tls(rig.ports.imaps);
    dialogue.until(|line| line.starts_with("* OK"));
    dialogue.send(&format!("a {command}"));
    let ends = |line: &str| line.starts_with('+') || line.starts_with("a ");
    let answer = dialogue.until(ends).expect("an answer");
    assert!(answer.starts_with('+'), "{answer}");
    dialogue
}

fn ended(dialogue: &Dialogue) -> String {
    dialogue.until(|line| line.starts_with("a ")).expect("an answer")
}
