//! Syncs that run by themselves.

use std::path::Path;

use dovegate::store::{Settings, SledStore, SyncBy, SyncRun};

use super::{command::served, *};
use crate::{cli::json, support::daemon::Daemon};

/// The interval is a minute: what was missed is caught up with in six seconds.
const EVERY_MINUTE: &str = "provider.corp.sync_interval = 1";
const ENDS: &str = " sync done provider=corp run=";

/// Writes down a sync that ended so long ago.
fn ran(folder: &Path, outcome: SyncOutcome, ago: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SledStore::open(folder.join("state/store"), &Settings::default()).unwrap();
        let then = Timestamp(Timestamp::now().0 - u64::try_from(ago.as_millis()).unwrap());
        let corp = "corp".parse().unwrap();
        let run = store.begin_sync(corp, SyncBy::Hand, SyncScope::All, then).await.unwrap();
        store.sync_page(SyncRun { outcome, ..run }, Vec::new(), then).await.unwrap();
        store.close().await.unwrap();
    });
}

fn last_run(daemon: &Daemon) -> Value {
    json(&daemon.cli(&["sync", "log", "corp", "--json"], ""))[0].clone()
}

/// Whether a sync begins by itself within some seconds.
fn begins(daemon: &Daemon, number: u64) -> bool {
    let give_up = std::time::Instant::now() + Duration::from_secs(9);
    while std::time::Instant::now() < give_up {
        if last_run(daemon)["run"] == number {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

const HOUR: Duration = Duration::from_secs(3600);

/// A restart forgets nothing: what was missed is caught up with, what is not due is
/// not begun.
#[test]
fn what_was_missed_is_caught_up_with_after_a_start() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(3)));
    let mut daemon = served(&fake, &[EVERY_MINUTE]);
    daemon.restart_after(|folder| ran(folder, SyncOutcome::Complete, Duration::ZERO));
    assert!(!begins(&daemon, 2), "{}", daemon.log());
    let shown = daemon.cli(&["provider", "show", "corp"], "");
    assert!(shown.contains("last sync") && shown.contains("next sync"), "{shown}");
    daemon.restart_after(|folder| ran(folder, SyncOutcome::Complete, HOUR));
    daemon.wait_for_log("a sync by itself", |log| log.contains(&format!("{ENDS}3 by=schedule")));
    let last = last_run(&daemon);
    assert_eq!((&last["by"], &last["scope"]), (&json!("schedule"), &json!("only_new")));
    assert_eq!(last["done"]["created"], 3);
    let status = daemon.cli(&["status"], "");
    assert!(status.contains("complete, by itself"), "{status}");
    // By hand in between, and told apart.
    daemon.cli(&["sync", "run", "corp"], "");
    assert_eq!(
        (&last_run(&daemon)["by"], &last_run(&daemon)["scope"]),
        (&json!("hand"), &json!("all"))
    );
}

/// What the command line changes counts at once.
#[test]
fn settings_count_as_soon_as_they_are_changed() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(3)));
    let mut daemon = Daemon::start(&[]);
    let (url, key) = (fake.url(), "--client-secret-stdin");
    let corp = ["provider", "add", "corp", "--kind", "keycloak", "--realm", "mail", key];
    let further = ["--server-url", &url, "--client-id", CLIENT_ID, "--sync-interval", "1"];
    let template = ["--import-users", "false", "--default-template", "Plain"];
    daemon.cli(&[&corp[..], &further, &template].concat(), CLIENT_SECRET);
    daemon.cli(&["domain", "add", "example.org", "--provider", "corp"], "");
    daemon.cli(&["template", "add", "Plain"], "");
    daemon.restart_after(|folder| ran(folder, SyncOutcome::Complete, HOUR));
    assert!(!begins(&daemon, 2), "it is not to run by itself");
    daemon.cli(&["provider", "set", "corp", "--import-users", "true"], "");
    assert!(begins(&daemon, 2), "{}", daemon.log());
}

/// A provider that is declared no more ends the run over its people.
#[test]
fn a_provider_that_is_gone_ends_its_run() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(600)));
    let mut daemon = served(&fake, &[EVERY_MINUTE]);
    fake.people_after(2, |_| std::thread::sleep(Duration::from_secs(4)));
    daemon.restart_after(|folder| ran(folder, SyncOutcome::Complete, HOUR));
    daemon.wait_for_log("a part of the run", |log| log.contains(" sync provider=corp run=2 "));
    daemon.configure(&[]);
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_for_log("the end of it", |log| {
        log.contains("a sync is broken off: its provider is gone")
            && log.contains("sync broken off")
    });
}

/// A stop breaks it off at once, and the record says so.
#[test]
fn a_stop_of_the_server_breaks_it_off() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(600)));
    let mut daemon = served(&fake, &[EVERY_MINUTE, "provider.corp.periodic_full_sync = true"]);
    // Longer than the server waits for anything of its own.
    fake.people_after(4, |_| std::thread::sleep(Duration::from_secs(8)));
    daemon.restart_after(|folder| ran(folder, SyncOutcome::Complete, HOUR));
    daemon.wait_for_log("a part of the run", |log| {
        log.matches(" sync provider=corp run=2 ").count() >= 200
    });
    let asked = std::time::Instant::now();
    daemon.restart();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let last = last_run(&daemon);
    assert_eq!((&last["outcome"], &last["by"]), (&json!("interrupted"), &json!("schedule")));
    let made = json(&daemon.cli(&["mailbox", "list", "--json"], "")).as_array().unwrap().len();
    assert_eq!(last["done"]["created"], made);
    assert!((200..600).contains(&made), "{made}");
    daemon.wait_for_log("its end", |log| log.contains("sync broken off"));
}

/// A run that only makes new mailboxes changes, renames and withdraws none.
#[tokio::test]
async fn a_run_for_new_ones_leaves_the_others() {
    let mut realm = Realm::start().await;
    let names = ["ann", "bob", "cleo", "dora"];
    realm.fake.people(|people| people.extend(names.map(somebody)));
    realm.does("created 4").await;
    realm.set(|corp| {
        corp.default_template_updates = true;
        corp.renames = dovegate::mailbox::provider::Renames::Follow;
    });
    realm.fake.person("ann", json!({ "email": "anna@example.org" }));
    realm.fake.person("bob", json!({ "enabled": false }));
    realm.fake.people(|people| people.retain(|person| person["id"] != "id-of-cleo"));
    realm.fake.people(|people| people.push(somebody("emil")));
    let template = template("Plain", 7, &["new"]);
    realm.store.put_template(template).await.unwrap();
    let order = Order { scope: SyncScope::OnlyNew, by: SyncBy::Schedule, ..Order::default() };
    let progress = realm.run_by(order).await;
    assert_eq!(progress.run.outcome, SyncOutcome::Complete);
    assert_eq!(done(&progress), "created 1, unchanged 3");
    for name in names {
        let mailbox = realm.get(&format!("{name}@example.org")).await;
        assert_eq!(
            (mailbox.state, mailbox.quota),
            (MailboxState::Active, Some(Quota { bytes: 1 }))
        );
        assert_eq!(mailbox.policy.missing, None);
    }
    assert!(realm.withdrawn.lock().unwrap().is_empty());
}
