//! Real Postfix before Dovegate, with the files of `contrib/postfix`.
//!
//! Needs root and Debian's `postfix` (`contrib/test-setup`).

mod mail;

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    dovegate::Socket,
    mailboxes::{self, ANN, ODD, PASSWORD},
    postfix::{Site, Way},
    smtp::{Smtp, send},
    smtp_recordings::{self, Exchange},
    tokens,
};

#[test]
fn logs_people_in_from_a_chroot() {
    everybody_logs_in(Way::Unix { chroot: true });
}

#[test]
fn logs_people_in_without_a_chroot() {
    everybody_logs_in(Way::Unix { chroot: false });
}

#[test]
fn logs_people_in_over_tcp() {
    everybody_logs_in(Way::Inet);
}

fn everybody_logs_in(way: Way) {
    let Some(site) = Site::start(way, &[]) else { return };
    let client = Smtp::connect(site.ports.plain);
    assert!(client.extensions.contains("AUTH PLAIN LOGIN"), "{}", client.extensions);
    drop(client);
    mailboxes::log_in_by_every_way(site.ports.plain, 454, &site.app);
}

#[test]
fn offers_no_password_mechanism_without_tls() {
    let Some(site) = Site::start(Way::Unix { chroot: true }, &[]) else { return };
    let client = Smtp::connect(site.ports.submission);
    assert!(client.extensions.contains("STARTTLS"), "{}", client.extensions);
    assert!(!client.extensions.contains("AUTH"), "{}", client.extensions);
}

/// A real client, TLS, and a message that Postfix takes for the person whom
/// Dovegate named.
#[test]
fn accepts_mail_of_a_logged_in_person_only() {
    let Some(site) = Site::start(Way::Unix { chroot: true }, &[]) else { return };
    let message = site.folder.write("message", "Subject: test\r\n\r\nHello.\r\n");
    let submission = format!("smtp://127.0.0.1:{}", site.ports.submission);
    let submissions = format!("smtps://127.0.0.1:{}", site.ports.submissions);
    for url in [&submission, &submissions] {
        assert!(send(url, &message, &["--user", &format!("Ann@Example.org:{PASSWORD}")]));
        assert!(!send(url, &message, &["--user", "ann@example.org:wrong"]));
        assert!(!send(url, &message, &[]));
    }
    let log = fs::read_to_string(site.folder.outside("mail.log")).unwrap();
    let names = log
        .lines()
        .filter(|line| line.contains("sasl_method=PLAIN, sasl_username=ann@example.org"));
    assert_eq!(names.count(), 2, "{log}");
}

#[test]
fn goes_on_after_an_aborted_dialogue() {
    let Some(site) = Site::start(Way::Unix { chroot: true }, &[]) else { return };
    let mut client = Smtp::connect(site.ports.plain);
    for _ in 0..3 {
        client.challenged("AUTH LOGIN", "Username:");
        assert_eq!(client.command("*").code, 501);
        client.challenged("AUTH PLAIN", "");
        assert_eq!(client.command("*").code, 501);
    }
    assert_eq!(client.command("AUTH PLAIN !!!!").code, 535);
    assert_eq!(client.plain(ANN, "wrong"), 535);
    assert_eq!(client.plain(ANN, PASSWORD), 235);
}

/// "Try again later" as long as Dovegate is away, and a login on the same SMTP
/// connection as soon as it is back; nobody hears "wrong password".
#[test]
fn recovers_by_itself_when_dovegate_restarts() {
    let Some(mut site) = Site::start(Way::Unix { chroot: true }, &[]) else { return };
    let mut waiting = Smtp::connect(site.ports.plain);
    let mut client = Smtp::connect(site.ports.plain);
    assert_eq!(client.plain(ANN, "wrong"), 535);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        site.daemon.end(signal, &site.folder);
        assert_eq!(client.plain(ANN, PASSWORD), 454, "after {signal}");
        site.daemon.run(&site.dovegate, &site.folder);
        assert_eq!(client.plain(ANN, "wrong"), 535, "back after {signal}");
    }
    assert_eq!(client.plain(ANN, PASSWORD), 235);
    assert_eq!(waiting.plain(ANN, &site.app.sending), 235);
}

/// Dovegate says "temporary" by closing; the next login needs no new SMTP
/// connection.
#[test]
fn a_temporary_failure_costs_one_attempt_only() {
    let Some(site) = Site::start(Way::Inet, &[]) else { return };
    let mut client = Smtp::connect(site.ports.plain);
    for _ in 0..2 {
        assert_eq!(client.plain(ODD, PASSWORD), 454);
        assert_eq!(client.login(ANN, "wrong"), 535);
    }
    assert_eq!(client.plain(ANN, PASSWORD), 235);
}

/// Postfix gives up after 10 s, and would say "temporary" to a guesser.
#[test]
fn the_longest_delay_is_shorter_than_postfix_waits() {
    let slowest = ("failure_delay = \"300ms\"", "failure_delay = \"4s\"");
    let Some(site) = Site::start(Way::Unix { chroot: true }, &[slowest]) else { return };
    // More distinct guesses than an account may have, all at the same time.
    let guess = |number: u32| {
        let began = Instant::now();
        let code = Smtp::connect(site.ports.plain).plain(ANN, &format!("guess {number}"));
        (code, began.elapsed())
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let guesses: Vec<_> = (0..16).map(|number| scope.spawn(move || guess(number))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let held_back = site.dovegate.must(&site.folder, &["held-back", "list"], "");
    assert!(held_back.contains(ANN), "{held_back}");
    for (code, elapsed) in answers.into_iter().chain([guess(16), guess(17)]) {
        assert_eq!(code, 535);
        assert!(elapsed < Duration::from_secs(8), "{elapsed:?}");
    }
    // Held back for guesses, but not locked out.
    assert_eq!(Smtp::connect(site.ports.plain).plain(ANN, &site.app.sending), 235);
}

#[test]
#[ignore = "writes proto-fixtures/"]
fn record() {
    let site = Site::start(Way::Unix { chroot: true }, &[]).expect("a recording needs the program");
    write(&site, smtp_recordings::EXCHANGES);
}

/// The provider is there before Postfix asks for the mechanisms.
#[test]
#[ignore = "writes proto-fixtures/"]
fn record_tokens() {
    let corp = tokens::provider_for(smtp_recordings::BEA);
    let settings = tokens::settings(&corp) + "[userdb]";
    let site = Site::start(Way::Unix { chroot: true }, &[("[userdb]", &settings)])
        .expect("a recording needs the program");
    tokens::speaks_for_example_org(&site.dovegate, &site.folder);
    write(&site, smtp_recordings::TOKENS);
}

fn write(site: &Site, exchanges: &[Exchange]) {
    // The smtpd of the first connection talks to Dovegate already, past the relay.
    let config = site.folder.inside("etc");
    let reload = Command::new("postfix").args(["-c", &config, "reload"]).output().unwrap();
    assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
    thread::sleep(Duration::from_secs(1));
    let path = site.folder.outside("queue").join("private/auth");
    let socket = Socket { path, owner: site.folder.system.user("postfix"), mode: 0o660 };
    let program = "Postfix 3.7.11 (Debian 12), smtpd";
    let Site { dovegate, folder, ports, .. } = site;
    smtp_recordings::record(
        "postfix-3.7",
        program,
        ports.plain,
        &socket,
        dovegate,
        folder,
        exchanges,
    );
}
