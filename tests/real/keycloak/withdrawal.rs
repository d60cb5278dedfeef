//! Somebody is disabled at Keycloak while his phone waits for mail: his session
//! ends, by the very files of `contrib/dovecot`.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use super::house::{FLOW, House, corp_at};
use crate::support::{
    client::{Dialogue, Outcome, imap_login},
    dovecot::{
        Extra, Version,
        Way::{self, OwnDaemon, UnderMaster},
    },
    keycloak::Keycloak,
    place::free_ports,
    realm::Realm,
};

/// Events are read every two seconds, and the command takes its time.
const SOON: Duration = Duration::from_secs(8);
/// As `contrib/dovecot/README.md` has it.
const HOW_TO: &str = include_str!("../../../contrib/dovecot/README.md");
const KICK_23: &str = include_str!("../../../contrib/dovecot/2.3/kick.conf");
const CURL_23: &str = include_str!("../../../contrib/dovecot/2.3/kick.curl");
const KICK_24: &str = include_str!("../../../contrib/dovecot/2.4/kick.conf");

/// The setting for this program.
fn on_withdrawal(program: &str) -> &'static str {
    let start = format!("on_withdrawal = [\"{program}\"");
    HOW_TO.lines().find(|line| line.starts_with(&start)).expect("it stands there")
}

/// A house with a realm of its own that records its events.
fn house(realm: &Realm<'_>, version: Version, way: Way) -> Option<House> {
    let keys = realm.service_account("reads", &["view-users", "view-events"]);
    let corp = corp_at(&realm.keycloak.url(), &realm.name, &[&keys, FLOW]);
    let [port] = free_ports();
    let port = port.to_string();
    let (login, dovecot) = match version {
        Version::V23 => (on_withdrawal("/usr/bin/curl"), KICK_23.replace("8085", &port)),
        Version::V24 => {
            (on_withdrawal("/usr/bin/doveadm"), KICK_24.replace("= dovegate", "= dovecot"))
        }
    };
    let extra = Extra { login, tables: &corp, dovecot: &dovecot };
    let house = House::start_as(version, way, extra)?;
    house.rig.folder.write("kick.curl", &CURL_23.replace("8085", &port));
    Some(house.people(&["mara", "nina"]))
}

/// Logs in, opens the mailbox and waits for mail.
fn idle(house: &House, user: &str) -> Dialogue {
    let mut dialogue = Dialogue::tcp(house.rig.ports.imap);
    assert_eq!(imap_login(&mut dialogue, user, "tea"), Outcome::In, "{user}");
    dialogue.send("b SELECT INBOX");
    dialogue.until(|line| line.starts_with("b OK")).expect("an answer to SELECT");
    dialogue.send("c IDLE");
    dialogue.until(|line| line.starts_with('+')).expect("an answer to IDLE");
    dialogue
}

fn disabled_is_out(version: Version, way: Way) {
    let Some(keycloak) = Keycloak::shared() else { return };
    let recorded = json!({ "eventsEnabled": true, "adminEventsEnabled": true });
    let realm = Realm::make(keycloak, &format!("withdrawn-{version:?}-{way:?}"), &recorded);
    let Some(house) = house(&realm, version, way) else { return };
    let id = realm.person("mara", "tea");
    realm.person("nina", "tea");
    let (his, mut hers) = (idle(&house, "mara@example.org"), idle(&house, "nina@example.org"));
    let began = Instant::now();
    realm.change(&id, &json!({ "enabled": false }));
    // The connection ends; 2.3 says "BYE" before.
    while his.line().is_some() {}
    let took = began.elapsed();
    eprintln!("{version:?} {way:?}: after {took:?}");
    assert!(took < SOON, "{took:?}");
    if let Version::V23 = version {
        the_key_opens_nothing_else(&house);
    }
    let again = imap_login(&mut Dialogue::tcp(house.rig.ports.imap), "mara@example.org", "tea");
    assert_eq!(again, Outcome::Wrong);
    hers.send("DONE");
    assert!(hers.until(|line| line.starts_with("c OK")).is_some(), "nina was sent away, too");
    if let OwnDaemon = way {
        let log = fs::read_to_string(house.rig.folder.outside("dovegate.log")).unwrap();
        assert!(log.contains("withdrawn user=mara@example.org"), "{log}");
        assert!(log.contains("on_withdrawal done"), "{log}");
    }
}

fn the_key_opens_nothing_else(house: &House) {
    let ask = |command: &str| {
        let output = Command::new("/usr/bin/curl")
            .arg("--config")
            .arg(house.rig.folder.outside("kick.curl"))
            .args(["--data", command])
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    // He is not there any more.
    let kicked = ask(r#"[["kick",{"mask":["mara@example.org"]},"t"]]"#);
    assert!(kicked.contains("68"), "{kicked}");
    for command in [r#"[["who",{},"t"]]"#, r#"[["mailboxList",{"user":"nina@example.org"},"t"]]"#] {
        let said = ask(command);
        assert!(said.contains("unAuthorized"), "{command}: {said}");
    }
}

#[test]
fn dovecot_2_3_is_asked_over_http() {
    disabled_is_out(Version::V23, OwnDaemon);
}

#[test]
fn dovecot_2_3_over_its_own_child() {
    disabled_is_out(Version::V23, UnderMaster);
}

#[test]
fn dovecot_2_4_lets_its_anvil_be_asked() {
    disabled_is_out(Version::V24, OwnDaemon);
}

#[test]
fn dovecot_2_4_over_its_own_child() {
    disabled_is_out(Version::V24, UnderMaster);
}
