//! What Postfix looks up at Dovegate: whom mail is for, and who may send as whom.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    client::{Dialogue, Outcome::In, imap_login, imap_subjects},
    dovecot::{Rig, Version, Way as DovecotWay},
    mailboxes::{ANN, ODD, OUT, PASSWORD},
    postfix::{Relay, Site, Way},
    smtp::{Reply, Smtp, expect},
    wait_for,
};

/// Somebody elsewhere.
const STRANGER: &str = "stranger@example.com";

/// What Postfix says of a recipient: the reply, without "end of data".
fn recipient(client: &mut Smtp, address: &str) -> Reply {
    assert_eq!(client.command(&format!("MAIL FROM:<{STRANGER}>")).code, 250);
    let reply = client.command(&format!("RCPT TO:<{address}>"));
    client.command("RSET");
    reply
}

#[test]
fn knows_whom_mail_is_for_in_a_chroot() {
    knows_whom_mail_is_for(Way::Unix { chroot: true });
}

#[test]
fn knows_whom_mail_is_for_without_a_chroot() {
    knows_whom_mail_is_for(Way::Unix { chroot: false });
}

#[test]
fn knows_whom_mail_is_for_over_tcp() {
    knows_whom_mail_is_for(Way::Inet);
}

fn knows_whom_mail_is_for(way: Way) {
    let Some(site) = Site::start(way, &[]) else { return };
    let dovegate = |arguments: &[&str]| site.dovegate.must(&site.folder, arguments, "");
    dovegate(&["mailbox", "add", "post@example.org", "--state", "receive_only"]);
    let mut client = Smtp::connect(site.ports.incoming);
    for (address, beginning) in [
        (ANN, "250 2.1.5"),
        ("Ann@Example.ORG", "250 2.1.5"),
        ("\"ann\"@example.org", "250 2.1.5"),
        ("ann+shop@example.org", "250 2.1.5"),
        ("post@example.org", "250 2.1.5"),
        (OUT, "550 5.1.1"),
        ("out+x@example.org", "550 5.1.1"),
        ("nobody@example.org", "550 5.1.1"),
        ("\"ann smith\"@example.org", "550 5.1.1"),
        ("*@example.org", "550 5.1.1"),
        ("ann@sub.example.org", "454 4.7.1"),
        ("ann@elsewhere.example", "454 4.7.1"),
    ] {
        expect(&recipient(&mut client, address), beginning);
    }
    // Postfix's own way of asking by hand.
    let postmap = |key: &str, map: &str| {
        let config = site.folder.inside("etc");
        let value = Command::new("postconf").args(["-c", &config, "-h", map]).output().unwrap();
        let table = String::from_utf8(value.stdout).unwrap();
        let output = Command::new("postmap")
            .args(["-c", &config, "-q", key, table.trim()])
            .current_dir(site.folder.outside("queue"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(postmap("example.org", "virtual_mailbox_domains"), "example.org\n");
    assert_eq!(postmap(OUT, "virtual_mailbox_maps"), "");
    assert_eq!(postmap(OUT, "smtpd_sender_login_maps"), format!("{OUT}\n"));

    dovegate(&["mailbox", "set", OUT, "--state", "active"]);
    expect(&recipient(&mut client, OUT), "250 2.1.5");
    dovegate(&["domain", "set", "example.org", "--active", "false"]);
    let mut client = Smtp::connect(site.ports.incoming);
    expect(&recipient(&mut client, "ann+new@example.org"), "454 4.7.1");
}

/// From the world's SMTP through LMTP into the maildir, and read over IMAP.
#[test]
fn mail_from_outside_arrives() {
    let Some(rig) = Rig::start(Version::V23, DovecotWay::UnderMaster) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox(ANN, "wonderland", &[]);
    rig.mailbox("post@example.org", "wonderland", &["--state", "receive_only"]);
    rig.mailbox(OUT, "wonderland", &["--state", "disabled"]);
    let Some(relay) = Relay::start(&rig) else { return };
    let mut client = Smtp::connect(relay.incoming());
    for (address, subject, beginning) in [
        ("Ann@Example.org", "first", "250 2.0.0"),
        ("ann+shop@example.org", "second", "250 2.0.0"),
        ("post@example.org", "third", "250 2.0.0"),
        (OUT, "fourth", "550 5.1.1"),
        ("nobody@example.org", "fifth", "550 5.1.1"),
    ] {
        expect(&client.deliver(STRANGER, address, subject), beginning);
    }
    let arrived = |user: &str| {
        let folder = rig.folder.outside(&format!("mail/example.org/{user}/Maildir/new"));
        fs::read_dir(folder).map_or(0, Iterator::count)
    };
    wait_for("the mail", Duration::from_secs(30), || {
        ((arrived("ann"), arrived("post"), arrived("out")) == (2, 1, 0)).then_some(())
    });
    let mut dialogue = Dialogue::tls(rig.ports.imaps);
    assert_eq!(imap_login(&mut dialogue, ANN, "wonderland"), In);
    let mut subjects = imap_subjects(&mut dialogue);
    subjects.sort();
    assert_eq!(subjects, ["first", "second"]);
}

#[test]
fn nobody_sends_as_somebody_else() {
    let Some(site) = Site::start(Way::Unix { chroot: true }, &[]) else { return };
    let mut client = Smtp::connect(site.ports.plain);
    assert_eq!(client.plain("Ann@Example.org", PASSWORD), 235);
    for (sender, beginning) in [
        (ANN, "250 2.1.5"),
        ("ANN@EXAMPLE.ORG", "250 2.1.5"),
        ("ann+shop@example.org", "250 2.1.5"),
        // Of bounces and receipts.
        ("", "250 2.1.5"),
        (ODD, "553 5.7.1"),
        (OUT, "553 5.7.1"),
        ("nobody@example.org", "553 5.7.1"),
        ("odd+ann@example.org", "553 5.7.1"),
        (STRANGER, "553 5.7.1"),
        ("@example.org", "553 5.7.1"),
    ] {
        let reply = client.command(&format!("MAIL FROM:<{sender}>"));
        let reply = match reply.code {
            250 => client.command(&format!("RCPT TO:<{STRANGER}>")),
            _ => reply,
        };
        expect(&reply, beginning);
        client.command("RSET");
    }
    // Who sends from outside needs nobody's leave.
    let mut outside = Smtp::connect(site.ports.incoming);
    expect(&outside.deliver(STRANGER, ANN, "from outside"), "250 2.0.0");
    expect(&outside.deliver(ANN, ANN, "from a forwarder"), "250 2.0.0");
}

/// Nobody hears "unknown" or "not yours" because Dovegate is not there, and no
/// connection is lost by it.
#[test]
fn all_is_deferred_while_dovegate_is_away() {
    let Some(mut site) = Site::start(Way::Unix { chroot: true }, &[]) else { return };
    let mut client = Smtp::connect(site.ports.incoming);
    let mut sender = Smtp::connect(site.ports.plain);
    assert_eq!(sender.plain(ANN, PASSWORD), 235);
    expect(&recipient(&mut client, ANN), "250 2.1.5");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        site.daemon.end(signal, &site.folder);
        let mut newcomer = Smtp::connect(site.ports.incoming);
        for address in [ANN, "nobody@example.org", OUT, "ann@elsewhere.example"] {
            for client in [&mut client, &mut newcomer] {
                let reply = recipient(client, address);
                assert!((400..500).contains(&reply.code), "{address} by {signal}: {}", reply.text);
            }
        }
        for address in [ANN, ODD] {
            let reply = sender.deliver(address, STRANGER, "away");
            assert!((400..500).contains(&reply.code), "from {address}: {}", reply.text);
        }
        site.daemon.run(&site.dovegate, &site.folder);
        expect(&recipient(&mut client, ANN), "250 2.1.5");
        // smtpd (3.7) itself remembers as long as it lives that an address could not
        // be resolved, so this is one that it has not heard of.
        expect(&recipient(&mut client, &format!("after-{signal}@example.org")), "550 5.1.1");
        let after = format!("{STRANGER}.example.com");
        expect(&sender.deliver("ann+back@example.org", &after, "back"), "250 2.0.0");
        expect(&sender.deliver("odd+back@example.org", &after, "back"), "553 5.7.1");
    }
}

/// Dovegate closes connections when it ends, and when they were idle for long.
/// Postfix asks the same once more, and nobody notices.
#[test]
fn a_closed_connection_costs_nothing() {
    for way in [Way::Unix { chroot: true }, Way::Inet] {
        let Some(mut site) = Site::start(way, &[]) else { return };
        let mut client = Smtp::connect(site.ports.incoming);
        for number in 0..3 {
            // Not those that smtpd remembers.
            expect(&recipient(&mut client, &format!("ann+{number}@example.org")), "250 2.1.5");
            expect(&recipient(&mut client, &format!("x{number}@example.org")), "550 5.1.1");
            site.daemon.end(Signal::SIGTERM, &site.folder);
            site.daemon.run(&site.dovegate, &site.folder);
        }
    }
}

/// While new connections and old ones ask, the settings are read again, and
/// Dovecot's master replaces the process. On a busy machine its socket files are
/// seen to be away for a moment then: that is a temporary failure, and no refusal.
#[test]
fn reloads_are_not_noticed() {
    let Some(site) = Site::start(Way::Unix { chroot: true }, &[]) else { return };
    under_questions(site.ports.incoming, false, || {
        for _ in 0..5 {
            site.daemon.reload();
            thread::sleep(Duration::from_millis(300));
        }
    });
    let Some(rig) = Rig::start(Version::V23, DovecotWay::UnderMaster) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox(ANN, "wonderland", &[]);
    let Some(relay) = Relay::start(&rig) else { return };
    under_questions(relay.incoming(), true, || {
        for _ in 0..3 {
            assert_eq!(rig.doveadm(&["reload"]).code, 0);
            thread::sleep(Duration::from_secs(2));
        }
    });
    wait_for("a known recipient after the reloads", Duration::from_secs(30), || {
        let reply = recipient(&mut Smtp::connect(relay.incoming()), ANN);
        reply.text.starts_with("250 2.1.5").then_some(())
    });
}

/// Asks for somebody and for nobody, on one connection all the time and on new
/// ones, while `change` goes on; every answer must be right.
///
/// Where `may_fail`, an answer may be a temporary failure, too.
fn under_questions(port: u16, may_fail: bool, change: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let expect_of = |reply: &Reply, beginning: &str| {
        if !may_fail || reply.code != 451 {
            expect(reply, beginning);
        }
    };
    let ask = |renew: bool| {
        let mut client = Smtp::connect(port);
        let mut count = 0;
        // Were something wrong with the change, nobody would say that it is over.
        let limit = Instant::now() + Duration::from_secs(60);
        while !is_over.load(Ordering::Relaxed) && Instant::now() < limit {
            // Postfix ends a connection after a hundred RSETs (smtpd_junk_command_limit), and
            // there are two in each round.
            if renew || count % 40 == 39 {
                client = Smtp::connect(port);
            }
            expect_of(&recipient(&mut client, ANN), "250 2.1.5");
            expect_of(&recipient(&mut client, "nobody@example.org"), "550 5.1.1");
            count += 1;
        }
        count
    };
    thread::scope(|scope| {
        let asking = [false, true].map(|renew| scope.spawn(move || ask(renew)));
        change();
        is_over.store(true, Ordering::Relaxed);
        for asked in asking {
            assert!(asked.join().unwrap() > 5);
        }
    });
}
