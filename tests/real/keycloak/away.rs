//! Keycloak dies or stands still while people log in with passwords of which it
//! keeps the hashes. Who has logged in before goes on; who has not hears that it
//! is not her fault; people whom it does not concern notice nothing; and nothing
//! has to be restarted when it is back.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;

use super::{
    house::{FLOW, House, corp},
    sending,
};
use crate::support::{
    bearer::LogLine,
    client::{Dialogue, Outcome, imap_login},
    keycloak::Keycloak,
    postfix::Site,
    realm::Realm,
    smtp::Smtp,
    wait_for,
};

/// Answers are soon not fresh any more, and waits for a Keycloak that stands still
/// are long enough to see who waits.
const KEYS: &str = "timeout = \"8s\"\nmailpassword_cache = \"1s\"\n";
/// More than the requests at a time that a provider gets.
const CROWD: usize = 40;
const MARA: &str = "mara@example.org";
const NINA: &str = "nina@example.org";
const HUGO: &str = "hugo@example.org";

/// Dovecot and Postfix, each with a Dovegate to which mara has come before. Nina
/// comes for the first time, and hugo's password is a local one.
struct Town {
    house: House,
    site: Site,
}

impl Town {
    fn start(keycloak: &Keycloak) -> Option<Self> {
        let realm = Realm::example(keycloak);
        realm.attributes_are_administrators();
        let keys = realm.service_account("away", &["view-users"]);
        let corp = corp(keycloak, &[FLOW, &keys, KEYS]);
        let house = House::start(&corp)?.people(&["mara", "nina"]);
        for number in 0..CROWD {
            house.mailbox(&format!("w{number}@example.org"), "corp");
        }
        house.rig.mailbox(HUGO, "local", &[]);
        let site = sending::site(&corp)?;
        for name in [MARA, NINA] {
            let add = ["mailbox", "add", name, "--auth-source", "corp"];
            site.dovegate.must(&site.folder, &add, "");
        }
        realm.person("mara", "wonderland");
        realm.person("nina", "tea");
        let town = Self { house, site };
        town.house.opens(MARA, "wonderland");
        assert_eq!(town.sends(MARA, "wonderland"), 235);
        thread::sleep(Duration::from_secs(2));
        Some(town)
    }

    fn sends(&self, user: &str, password: &str) -> u16 {
        Smtp::connect(self.site.ports.plain).plain(user, password)
    }

    /// While Keycloak is away.
    fn outage(&self) {
        self.unknown_is_put_off();
        for _ in 0..3 {
            let line = self.house.opens(MARA, "wonderland");
            assert_eq!((line.field("stale"), line.field("provider")), ("true", "corp"), "{line}");
            assert_eq!(self.sends(MARA, "wonderland"), 235);
        }
        // It could be right by now.
        let (outcome, line) = self.house.password(MARA, "Wonderland");
        assert!(matches!(outcome, Outcome::Temporary(_)), "{outcome:?}: {line}");
        assert_eq!(self.sends(MARA, "Wonderland"), 454);
        // Nor does anybody wait for a provider that has failed again and again.
        wait_for("the breaker", Duration::from_secs(60), || {
            let (outcome, line) = self.house.password(NINA, "tea");
            assert!(matches!(outcome, Outcome::Temporary(_)), "{outcome:?}: {line}");
            (line.field("reason") == "provider_down").then_some(())
        });
        self.unknown_is_put_off();
        let line = self.house.opens(MARA, "wonderland");
        assert_eq!(line.field("stale"), "true", "{line}");
    }

    fn unknown_is_put_off(&self) {
        let (outcome, line) = self.house.password(NINA, "tea");
        let Outcome::Temporary(said) = &outcome else { panic!("{outcome:?}: {line}") };
        assert!(said.contains("[UNAVAILABLE]"), "{said}: {line}");
        assert_eq!(self.sends(NINA, "tea"), 454);
    }

    /// All questions that Keycloak may be asked at a time wait for it, and more
    /// wait for these. Local people come meanwhile, and Dovegate decides about each
    /// in a small part of the time that the others wait.
    fn local_people_wait_for_nobody(&self) {
        let port = self.house.rig.ports.imap;
        let before = LogLine::all(&self.house.rig.folder).len();
        thread::scope(|scope| {
            for number in 0..CROWD {
                scope.spawn(move || {
                    let user = format!("w{number}@example.org");
                    let outcome = imap_login(&mut Dialogue::tcp(port), &user, "tea");
                    assert!(matches!(outcome, Outcome::Temporary(_)), "{user}: {outcome:?}");
                });
            }
            for _ in 0..10 {
                let outcome = imap_login(&mut Dialogue::tcp(port), HUGO, "local");
                assert_eq!(outcome, Outcome::In);
            }
        });
        let lines = LogLine::all(&self.house.rig.folder).split_off(before);
        let elapsed = |line: &LogLine| line.field("elapsed_ms").parse::<u64>().unwrap();
        let (local, others): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.field("user") == HUGO);
        let slow = others.iter().filter(|line| line.field("reason") == "provider_slow");
        let waited = slow.map(|line| elapsed(line)).min().expect("the first ones wait");
        let longest = local.iter().map(|line| elapsed(line)).max().expect("hugo was there");
        eprintln!("hugo {longest} ms at most, the others {waited} ms at least");
        assert!(longest < waited / 8, "hugo {longest} ms, the others {waited} ms");
        assert_eq!(lines[0].field("user"), HUGO, "he came while they waited");
    }

    fn is_back(&self) {
        wait_for("logins", Duration::from_secs(60), || {
            (self.house.password(NINA, "tea").0 == Outcome::In).then_some(())
        });
        wait_for("mail", Duration::from_secs(60), || {
            (self.sends(NINA, "tea") == 235).then_some(())
        });
        let line = self.house.opens(MARA, "wonderland");
        assert_eq!(line.field("stale"), "false", "{line}");
        self.house.keeps_out(NINA, "Tea", "wrong_password");
    }
}

#[test]
fn killed() {
    let Some(keycloak) = Keycloak::own() else { return };
    let Some(town) = Town::start(&keycloak) else { return };
    keycloak.kill();
    town.outage();
    keycloak.run();
    town.is_back();
}

#[test]
fn stands_still_and_goes_on() {
    let Some(keycloak) = Keycloak::own() else { return };
    let Some(town) = Town::start(&keycloak) else { return };
    keycloak.signal(Signal::SIGSTOP);
    town.local_people_wait_for_nobody();
    town.outage();
    keycloak.signal(Signal::SIGCONT);
    town.is_back();
}
