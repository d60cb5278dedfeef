//! A mailbox follows its person within seconds, where the realm records what
//! happens.

use std::time::{Duration, Instant};

use serde_json::json;

use super::house::{FLOW, House, corp_at};
use crate::support::{
    client::{Dialogue, Outcome, imap_login},
    keycloak::Keycloak,
    realm::Realm,
    wait_for,
};

/// What an administrator is promised is half of it.
const SOON: Duration = Duration::from_secs(10);
/// Without events all of it would be known so long.
const RULES: &str = "mailpassword_cache = \"10m\"\naccount_check = \"1h\"\nimport_users = true\n\
    attribute_mapping = [{ value = \"gold\", template = \"Gold\" }]\n\
    default_template = \"Staff\"\ndefault_template_updates = true\n";
const MARA: &str = "mara@example.org";

#[test]
fn who_is_enabled_again_or_changed_is_followed_within_seconds() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let recorded = json!({ "eventsEnabled": true, "adminEventsEnabled": true });
    let realm = Realm::make(keycloak, "followed", &recorded);
    let keys = realm.service_account("reads", &["view-users", "view-events"]);
    let id = realm.person("mara", "tea");
    let corp = corp_at(&keycloak.url(), &realm.name, &[&keys, FLOW, RULES]);
    let Some(house) = House::start(&corp) else { return };
    for (name, quota) in [("Staff", "1G"), ("Gold", "2G")] {
        house.rig.dovegate(&["template", "add", name, "--quota", quota]);
    }
    house.is_watching();
    house.sync();
    house.opens(MARA, "tea");
    let phone = house.rig.dovegate.app_password(&house.rig.folder, MARA, &["--service", "imap"]);

    for _ in 0..2 {
        realm.change(&id, &json!({ "enabled": false }));
        assert_eq!(house.sync()["done"], json!({ "withdrawn": 1 }));
        house.keeps_out(MARA, "tea", "disabled_at_provider");
        realm.change(&id, &json!({ "enabled": true }));
        soon(&house, "her phone", &phone.text);
        soon(&house, "her password", "tea");
        assert_eq!(house.json(&["mailbox", "show", MARA])["state"], "active");
    }
    // Nobody logs in meanwhile.
    for (value, template) in [("gold", "Gold"), ("lead", "Staff")] {
        let attributes = json!({ "mailcow_password": ["{PLAIN}tea"], "mailcow_template": [value] });
        realm.change(&id, &json!({ "attributes": attributes }));
        wait_for("the other template", SOON, || {
            (house.json(&["mailbox", "show", MARA])["template"] == template).then_some(())
        });
    }
    assert_eq!(house.sync()["done"], json!({}), "nothing is left to be done");
}

/// She is let in, soon.
fn soon(house: &House, what: &str, password: &str) {
    let began = Instant::now();
    while imap_login(&mut Dialogue::tcp(house.rig.ports.imap), MARA, password) != Outcome::In {
        let took = began.elapsed();
        assert!(took < SOON, "{what}: not after {took:?}: {}", house.logged());
    }
    eprintln!("{what}: after {:?}", began.elapsed());
}
