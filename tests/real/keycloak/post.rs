//! Mail for people whom a Keycloak has: from outside through a real Postfix to
//! mailboxes that nobody made by hand.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use serde_json::json;

use super::house::{FLOW, House, corp_at};
use crate::support::{
    client::{Dialogue, Outcome::In, imap_login, imap_subjects},
    keycloak::Keycloak,
    postfix::Relay,
    realm::Realm,
    smtp::{Smtp, expect},
    wait_for,
};

const STRANGER: &str = "stranger@example.com";
const MARA: &str = "mara@example.org";
const NINA: &str = "nina@example.org";

/// Postfix's sockets lie in the test's folder instead of the queue's.
fn listeners() -> String {
    let contrib = include_str!("../../../contrib/postfix/dovegate.toml");
    contrib.replace("/var/spool/postfix/", "/etc/dovegate/")
}

/// So many messages lie in her mailbox.
fn arrived(house: &House, user: &str) -> usize {
    let folder = house.rig.folder.outside(&format!("mail/example.org/{user}/Maildir/new"));
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn mail_reaches_whom_a_sync_gave_a_mailbox() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "post", &json!({}));
    let keys = realm.service_account("sees", &["view-users"]);
    for name in ["mara", "nina"] {
        realm.person(name, "tea");
    }
    let rules = "import_users = true\ndefault_template = \"Staff\"\n";
    let corp = corp_at(&keycloak.url(), &realm.name, &[&keys, FLOW, rules]);
    let Some(mut house) = House::start(&(corp + &listeners())) else { return };
    house.rig.dovegate(&["template", "add", "Staff", "--quota", "1G"]);
    let Some(relay) = Relay::start(&house.rig) else { return };
    let from_outside =
        |to: &str, subject: &str| Smtp::connect(relay.incoming()).deliver(STRANGER, to, subject);
    expect(&from_outside(MARA, "before the sync"), "550 5.1.1");
    house.sync();
    expect(&from_outside(MARA, "first"), "250 2.0.0");
    expect(&from_outside("nobody@example.org", "second"), "550 5.1.1");

    let mut sender = Smtp::connect(relay.plain());
    assert_eq!(sender.plain(MARA, "tea"), 235);
    expect(&sender.deliver(NINA, STRANGER, "not hers"), "553 5.7.1");
    expect(&sender.deliver("nobody@example.org", STRANGER, "nobody's"), "553 5.7.1");
    expect(&sender.deliver(MARA, NINA, "her own"), "250 2.0.0");

    // Away, and nobody hears that somebody does not exist.
    house.rig.end_dovegate(Signal::SIGTERM);
    for address in [MARA, NINA, "nobody@example.org", "mara@elsewhere.example"] {
        let reply = from_outside(address, "away");
        assert!((400..500).contains(&reply.code), "{address}: {}", reply.text);
        let reply = sender.deliver(address, STRANGER, "away");
        assert!((400..500).contains(&reply.code), "from {address}: {}", reply.text);
    }
    house.rig.run_dovegate();
    // Postfix's own processes may remember for some seconds that they could not ask:
    // a server that brings mail tries again.
    let last = wait_for("an answer that is no longer put off", Duration::from_secs(60), || {
        let reply = from_outside(MARA, "last");
        (reply.code >= 500 || reply.code < 400).then_some(reply)
    });
    expect(&last, "250 2.0.0");

    // Dovecot's lmtp may have found out about the restart by a delivery that it put
    // off.
    wait_for("the mail", Duration::from_secs(60), || {
        relay.flush();
        ((arrived(&house, "mara"), arrived(&house, "nina")) == (2, 1)).then_some(())
    });
    let mut dialogue = Dialogue::tcp(house.rig.ports.imap);
    assert_eq!(imap_login(&mut dialogue, MARA, "tea"), In);
    let mut subjects = imap_subjects(&mut dialogue);
    subjects.sort();
    assert_eq!(subjects, ["first", "last"]);
}
