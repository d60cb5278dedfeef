//! Keycloak tells Dovegate itself who signed out (OpenID Connect Back-Channel
//! Logout), so that nobody has to wait for the end of a cache.

use reqwest::Method;
use serde_json::json;

use super::house::{FLOW, House, corp_at};
use crate::support::{
    client::{Dialogue, Outcome, imap_login},
    keycloak::{DESKTOP, Keycloak},
    place::free_ports,
    realm::Realm,
};

/// Nobody reads events here, and every answer is kept for minutes.
const KEPT: &str = "event_interval = \"0s\"\ntoken_cache = \"10m\"\nmailpassword_cache = \"10m\"\n\
                    clients = [\"desktop\"]\n";

/// As `contrib/keycloak/README.md` says, field by field.
fn tells(realm: &Realm<'_>, port: u16) {
    let client = format!("clients/{}", realm.client(DESKTOP));
    let mut attributes = realm.get(&client)["attributes"].clone();
    attributes["backchannel.logout.url"] =
        json!(format!("http://127.0.0.1:{port}/backchannel-logout/corp"));
    attributes["backchannel.logout.session.required"] = json!("true");
    realm.put(&client, &json!({ "frontchannelLogout": false, "attributes": attributes }));
}

#[test]
fn who_signs_out_at_keycloak_needs_a_new_token_at_once() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let realm = Realm::make(keycloak, "back-channel", &json!({}));
    let [port] = free_ports();
    tells(&realm, port);
    let keys = realm.service_account("reads", &["view-users"]);
    let corp = corp_at(&keycloak.url(), &realm.name, &[&keys, FLOW, KEPT]);
    let http = format!("[http]\naddress = \"127.0.0.1:{port}\"\n");
    let Some(house) = House::start(&(corp + &http)) else { return };
    let house = house.people(&["mara", "nina"]);
    let (mara, nina) = ("mara@example.org", "nina@example.org");
    let id = realm.person("mara", "tea");
    realm.person("nina", "tea");
    let phone = house.rig.dovegate.app_password(&house.rig.folder, mara, &[]).text;
    let others = realm.sign_in("nina").access;
    house.admits(nina, &others);
    house.opens(mara, "tea");

    let administrator = || {
        realm.admin(Method::POST, &format!("users/{id}/logout"), &json!({})).good();
    };
    for by_herself in [true, false] {
        let tokens = realm.sign_in("mara");
        house.admits(mara, &tokens.access);
        assert_eq!(house.admits(mara, &tokens.access).field("cached"), "true");
        if by_herself {
            realm.sign_out(&tokens);
        } else {
            administrator();
        }
        // Keycloak's answer to either comes after it has told us.
        house.refuses(mara, &tokens.access, "token_inactive");
        // Nothing else of hers ends, and nothing of anybody else's.
        assert_eq!(house.opens(mara, "tea").field("cached"), "true");
        let outcome = imap_login(&mut Dialogue::tcp(house.rig.ports.imap), mara, &phone);
        assert_eq!(outcome, Outcome::In, "{}", house.logged());
        assert_eq!(house.admits(nina, &others).field("cached"), "true");
    }
    house.admits(mara, &realm.sign_in("mara").access);
}
