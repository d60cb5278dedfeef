//! Dovegate is killed while it syncs: whatever moment it was, no mailbox is half
//! made, the records say what was done, and the next run goes on.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::house::{FLOW, House, OUR_CLIENT, corp_at};
use crate::support::{
    dovecot::{Rig, StandIn},
    keycloak::{CROWD_REALM, Keycloak},
    wait_for,
};

const PEOPLE: usize = 10_000;
/// A run is killed when it has seen so many people at most.
const LATEST: u64 = 2_000;
/// How long that may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const RULES: &str = "import_users = true\ndefault_template = \"T\"\ndefault_template_updates = true\n\
    event_interval = \"0s\"\n";

#[test]
fn a_sync_that_is_killed_is_finished_by_the_next() {
    let Some(keycloak) = Keycloak::crowd() else { return };
    let corp = corp_at(&keycloak.url(), CROWD_REALM, &[OUR_CLIENT, FLOW, RULES]);
    let Some(mut house) = House::start(&corp) else { return };
    house.rig.dovegate(&["template", "add", "T", "--quota", "1G", "--tag", "new"]);

    // While mailboxes are made.
    let mut made = 0;
    for _ in 0..3 {
        killed_in_a_sync(&mut house);
        let addresses = addresses(&house.mailboxes_by_template());
        assert!((made..PEOPLE).contains(&addresses.len()), "{}", addresses.len());
        made = addresses.len();
        assert_eq!(recorded(&house, "created"), addresses);
    }
    house.sync();
    let all = addresses(&house.mailboxes_by_template());
    assert_eq!((all.len(), recorded(&house, "created")), (PEOPLE, all));

    // While they are changed: each is as before or as it shall be.
    house.rig.dovegate(&["template", "set", "T", "--quota", "2G"]);
    for _ in 0..2 {
        killed_in_a_sync(&mut house);
        let mailboxes = house.whole_mailboxes();
        assert_eq!(mailboxes.len(), PEOPLE);
        let changed = mailboxes.iter().filter(|one| one["quota_bytes"] != 1_u64 << 30);
        assert_eq!(recorded(&house, "updated"), addresses(changed));
    }
    house.sync();
    assert_eq!(house.mailboxes_by_template().len(), PEOPLE);
    let finished = house.stored();
    let again = house.sync();
    assert_eq!((&again["done"], &again["unchanged"]), (&json!({}), &json!(PEOPLE)));
    house.stored().nothing_but_a_record_since(&finished);
    house.opens("c00007@example.org", "mail-of-c00007");
}

/// Begins a sync, kills the process at some moment of it, and starts it again.
fn killed_in_a_sync(house: &mut House) {
    let random = RandomState::new().hash_one(());
    let (people, further) = (random % LATEST, Duration::from_millis((random >> 32) % 300));
    let Rig { dovegate, folder, stand_in: StandIn::Daemon(daemon), .. } = &mut house.rig else {
        unreachable!("the test runs it in this way")
    };
    let (dovegate, folder) = (&*dovegate, &*folder);
    thread::scope(|scope| {
        let run = scope.spawn(|| dovegate.run(folder, &["sync", "run", "corp"], ""));
        wait_for("the sync to go on", PATIENCE, || {
            let runs = dovegate.must(folder, &["sync", "log", "corp", "--json"], "");
            let runs: Value = serde_json::from_str(&runs).unwrap();
            let is_under_way = runs[0]["outcome"] == "running";
            (is_under_way && runs[0]["people"].as_u64()? >= people).then_some(())
        });
        thread::sleep(further);
        daemon.end(Signal::SIGKILL, folder);
        assert!(!run.join().unwrap().status.success());
    });
    daemon.run(dovegate, folder);
    let last = &house.runs()[0];
    eprintln!("killed after {people} people and {further:?}: {}", last["done"]);
    assert_eq!(last["outcome"], "interrupted", "{last}");
}

fn addresses<'m>(mailboxes: impl IntoIterator<Item = &'m Value>) -> BTreeSet<String> {
    let address = |mailbox: &Value| mailbox["address"].as_str().expect("a text").to_owned();
    mailboxes.into_iter().map(address).collect()
}

/// Whom the lines of all runs name with this, each once; and the runs' counts say
/// as many.
fn recorded(house: &House, action: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for run in house.runs() {
        let named = house.lines(&run).remove(action).unwrap_or_default();
        let counted = run["done"][action].as_u64().unwrap_or_default();
        assert_eq!(usize::try_from(counted), Ok(named.len()), "{run}");
        for address in named {
            assert!(found.insert(address.clone()), "{address} twice");
        }
    }
    found
}
