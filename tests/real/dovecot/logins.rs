//! Logins by real mail clients over TLS.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::support::{
    client::{
        Dialogue,
        Outcome::{self, In, Wrong},
        imap_again, imap_authenticate_login, imap_login, imap_plain, plain, pop3_plain,
        pop3_user_pass, sieve_plain, submission_plain,
    },
    dovecot::{Rig, Version, Way},
};

type Login = fn(&Rig, &str, &str) -> Outcome;

const IMAP_LOGIN: Login =
    |rig, user, password| imap_login(&mut Dialogue::tls(rig.ports.imaps), user, password);
const IMAP_PLAIN: Login =
    |rig, user, password| imap_plain(&mut Dialogue::tls(rig.ports.imaps), user, password);
const IMAP_SASL_LOGIN: Login = |rig, user, password| {
    imap_authenticate_login(&mut Dialogue::tls(rig.ports.imaps), user, password)
};
const POP3: Login =
    |rig, user, password| pop3_user_pass(&mut Dialogue::tls(rig.ports.pop3s), user, password);
const POP3_PLAIN: Login =
    |rig, user, password| pop3_plain(&mut Dialogue::tls(rig.ports.pop3s), user, password);
const SIEVE: Login = |rig, user, password| {
    sieve_plain(&mut Dialogue::starttls(rig.ports.sieve, "sieve"), user, password)
};
const SUBMISSION: Login = |rig, user, password| {
    submission_plain(&mut Dialogue::starttls(rig.ports.submission, "smtp"), user, password)
};

fn check(rig: &Rig, what: &str, login: Login, user: &str, password: &str, expected: &Outcome) {
    let outcome = login(rig, user, password);
    assert_eq!(&outcome, expected, "{:?}: {what}: {user}", rig.version);
}

/// Right, wrong and unknown, by every protocol.
pub fn every_protocol(version: Version, way: Way) {
    let Some(rig) = Rig::start(version, way) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);
    for (what, login) in [
        ("IMAP LOGIN", IMAP_LOGIN),
        ("IMAP AUTHENTICATE PLAIN", IMAP_PLAIN),
        ("IMAP AUTHENTICATE LOGIN", IMAP_SASL_LOGIN),
        ("POP3 USER and PASS", POP3),
        ("POP3 AUTH PLAIN", POP3_PLAIN),
        ("ManageSieve", SIEVE),
        ("submission", SUBMISSION),
    ] {
        check(&rig, what, login, "ann@example.org", "wonderland", &In);
        check(&rig, what, login, "Ann@Example.ORG", "wonderland", &In);
        check(&rig, what, login, "ann@example.org", "Wonderland", &Wrong);
        check(&rig, what, login, "nobody@example.org", "wonderland", &Wrong);
        check(&rig, what, login, "ann@elsewhere.example", "wonderland", &Wrong);
    }
    second_try_in_one_connection(&rig);
}

fn second_try_in_one_connection(rig: &Rig) {
    let mut dialogue = Dialogue::tls(rig.ports.imaps);
    assert_eq!(imap_login(&mut dialogue, "ann@example.org", "Wonderland"), Wrong);
    assert_eq!(imap_again(&mut dialogue, "LOGIN \"ann@example.org\" \"wonderland\""), In);
}

/// App passwords: for their own services, until they expire or are revoked.
pub fn app_passwords(version: Version, way: Way) {
    let Some(rig) = Rig::start(version, way) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);
    rig.mailbox("ben@example.org", "looking-glass", &["--no-services"]);
    let app = |user: &str, options: &[&str]| rig.dovegate.app_password(&rig.folder, user, options);

    let brief = app("ann@example.org", &["--expires", "1s"]);
    let phone = app("ann@example.org", &["--service", "imap"]);
    let lost = app("ann@example.org", &["--service", "imap"]);
    let office = app("ann@example.org", &["--service", "imap", "--network", "192.0.2.0/24"]);
    for login in [IMAP_LOGIN, IMAP_PLAIN] {
        check(&rig, "app password", login, "ann@example.org", &phone.text, &In);
        check(&rig, "app password", login, "ann@example.org", &phone.text.to_lowercase(), &In);
        check(&rig, "not yet revoked", login, "ann@example.org", &lost.text, &In);
        check(&rig, "from another network", login, "ann@example.org", &office.text, &Wrong);
    }
    check(
        &rig,
        "app password of another mailbox",
        IMAP_LOGIN,
        "ben@example.org",
        &phone.text,
        &Wrong,
    );
    check(&rig, "app password for another service", POP3, "ann@example.org", &phone.text, &Wrong);
    check(
        &rig,
        "app password for another service",
        SUBMISSION,
        "ann@example.org",
        &phone.text,
        &Wrong,
    );
    check(&rig, "app password for another service", SIEVE, "ann@example.org", &phone.text, &Wrong);

    rig.dovegate(&["app-password", "revoke", "ann@example.org", &lost.id]);
    check(&rig, "revoked", IMAP_LOGIN, "ann@example.org", &lost.text, &Wrong);
    std::thread::sleep(Duration::from_secs(1));
    check(&rig, "expired", IMAP_LOGIN, "ann@example.org", &brief.text, &Wrong);
    check(&rig, "the others go on", IMAP_LOGIN, "ann@example.org", &phone.text, &In);

    // "IMAP off" means "app passwords only".
    let phone = app("ben@example.org", &["--service", "imap"]);
    check(
        &rig,
        "main password, no services",
        IMAP_LOGIN,
        "ben@example.org",
        "looking-glass",
        &Wrong,
    );
    check(&rig, "app password, no services", IMAP_LOGIN, "ben@example.org", &phone.text, &In);
}

/// Services and states of a mailbox, changed while all runs.
pub fn services_and_states(version: Version, way: Way) {
    let Some(rig) = Rig::start(version, way) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &["--service", "pop3", "--service", "smtp"]);
    let app = rig.dovegate.app_password(&rig.folder, "ann@example.org", &[]);
    check(&rig, "IMAP is off", IMAP_LOGIN, "ann@example.org", "wonderland", &Wrong);
    check(&rig, "sieve is off", SIEVE, "ann@example.org", "wonderland", &Wrong);
    check(&rig, "POP3 is on", POP3, "ann@example.org", "wonderland", &In);
    check(&rig, "SMTP is on", SUBMISSION, "ann@example.org", "wonderland", &In);
    check(&rig, "an app password has its own", IMAP_LOGIN, "ann@example.org", &app.text, &In);

    for (state, expected) in
        [("disabled", Wrong), ("active", In), ("receive_only", Wrong), ("active", In)]
    {
        rig.dovegate(&["mailbox", "set", "ann@example.org", "--state", state]);
        check(&rig, state, POP3, "ann@example.org", "wonderland", &expected);
        check(&rig, state, IMAP_LOGIN, "ann@example.org", &app.text, &expected);
    }
    rig.dovegate.must(
        &rig.folder,
        &["mailbox", "password", "ann@example.org", "--password-stdin"],
        "new\n",
    );
    check(&rig, "password of yesterday", POP3, "ann@example.org", "wonderland", &Wrong);
    check(&rig, "password of today", POP3, "ann@example.org", "new", &In);
}

/// Right and wrong, once for each: for a further way of running the same code.
pub fn right_and_wrong(version: Version, way: Way) {
    let Some(rig) = Rig::start(version, way) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);
    for login in [IMAP_LOGIN, IMAP_PLAIN, POP3, SIEVE, SUBMISSION] {
        check(&rig, "right", login, "ann@example.org", "wonderland", &In);
    }
    check(&rig, "wrong", IMAP_PLAIN, "ann@example.org", "Wonderland", &Wrong);
}

/// The further sockets of under-master.conf: what Postfix and Exim find there.
pub fn sockets_for_postfix(version: Version) {
    let Some(rig) = Rig::start(version, Way::UnderMaster) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);
    let mut stream = UnixStream::connect(rig.folder.outside("private/auth")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    // Minor 2 and the whole handshake at once mean type "auth".
    assert_eq!(lines.next().as_deref(), Some("VERSION\t1\t2"));
    assert!(lines.any(|line| line == "DONE"));
    let request = "VERSION\t1\t0\nCPID\t7\nAUTH\t1\tPLAIN\tservice=smtp\tnologin\tresp=";
    let response = plain("ann@example.org", "wonderland");
    stream.write_all(format!("{request}{response}\n").as_bytes()).unwrap();
    assert_eq!(lines.next().as_deref(), Some("OK\t1\tuser=ann@example.org"));

    let mut stream = UnixStream::connect(rig.folder.outside("private/socketmap")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"36:virtual_mailbox_maps ann@example.org,").unwrap();
    let mut reply = [0; 22];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"18:OK ann@example.org,");
}
