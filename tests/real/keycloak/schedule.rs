//! Syncs that run by themselves, by the clock.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::house::{FLOW, House, corp_at};
use crate::support::{keycloak::Keycloak, realm::Realm, wait_for};

const RULES: &str = "import_users = true\nperiodic_full_sync = true\nsync_interval = 1\n\
    default_template = \"Staff\"\n";
/// An interval, what is left to chance, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Nobody does anything; and a restart in between costs nothing.
#[test]
fn a_new_person_has_a_mailbox_after_the_interval() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "schedule", &json!({}));
    let keys = realm.service_account("sees", &["view-users"]);
    let mara = realm.person("mara", "tea");
    let corp = corp_at(&keycloak.url(), &realm.name, &[&keys, FLOW, RULES]);
    let Some(mut house) = House::start(&corp) else { return };
    house.rig.dovegate(&["template", "add", "Staff", "--quota", "1G"]);
    house.sync();
    house.opens("mara@example.org", "tea");
    realm.person("nina", "tea");
    realm.change(&mara, &json!({ "enabled": false }));
    house.rig.end_dovegate(Signal::SIGTERM);
    house.rig.run_dovegate();
    let run = wait_for("the next sync", PATIENCE, || {
        let last = house.runs().swap_remove(0);
        (last["run"] == 2 && last["outcome"] == "complete").then_some(last)
    });
    assert_eq!(run["done"], json!({ "created": 1, "withdrawn": 1 }), "{run}");
    house.opens("nina@example.org", "tea");
    assert_eq!(house.json(&["mailbox", "show", "mara@example.org"])["state"], "receive_only");
    house.keeps_out("mara@example.org", "tea", "disabled_at_provider");
}
