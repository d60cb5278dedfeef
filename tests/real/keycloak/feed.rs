//! What a Keycloak says of its people without being asked by whom: the feed of
//! events, people by their id, and logout tokens, as it really makes them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
};

use dovegate::{
    clock::Timestamp,
    idp::{
        EventsState,
        Happening::{self, Changed, Created, Deleted, SignedOut},
        LogoutRefused, OutageCause, Polled, Provider, Settings,
    },
    mailbox::{
        NamedProvider,
        provider::{self, Kind},
    },
    secret::Secret,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::form_urlencoded;

use crate::support::{
    http,
    keycloak::{DESKTOP, Keycloak},
    realm::Realm,
};

const EVERYTHING: [&str; 2] = ["view-users", "view-events"];

/// A realm of its own, and Dovegate's end of the wire to it.
struct Wire<'k> {
    realm: Realm<'k>,
    provider: Provider,
    runtime: Runtime,
}

impl<'k> Wire<'k> {
    /// To a realm that records events as said here, by a client with these roles.
    fn to(keycloak: &'k Keycloak, name: &str, changes: &Value, roles: &[&str]) -> Self {
        let realm = Realm::make(keycloak, name, changes);
        realm.service_account("watcher", roles);
        let mut written = provider::Provider::new(Kind::Keycloak);
        written.server_url = Some(keycloak.url());
        written.realm = Some(name.to_owned());
        written.client_id = Some("watcher".to_owned());
        written.client_secret = Some("secret-of-watcher".to_owned().into());
        written.clients = vec![DESKTOP.to_owned()];
        let named = NamedProvider { name: "corp".parse().unwrap(), provider: written };
        let provider = Provider::new(Settings::mean(&named).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { realm, provider, runtime }
    }

    fn poll(&self) -> Polled {
        let polled = self.runtime.block_on(self.provider.poll_events());
        polled.unwrap_or_else(|outage| panic!("{outage}"))
    }

    /// What happened since the last poll, of whom, and nothing else.
    #[track_caller]
    fn only(&self, subject: &str, expected: &[Happening]) {
        let polled = self.poll();
        let happened: Vec<Happening> = polled
            .happened
            .iter()
            .filter(|happened| happened.subject == subject)
            .map(|happened| happened.what)
            .collect();
        assert_eq!(happened, expected, "{polled:?}");
        assert_eq!(polled.happened.len(), expected.len(), "{polled:?}");
        assert!(!polled.missed && !polled.everybody_signed_out, "{polled:?}");
    }

    fn is_enabled(&self, id: &str) -> Option<bool> {
        let person = self.runtime.block_on(self.provider.look_up_by_id(id));
        person.unwrap_or_else(|outage| panic!("{outage}")).map(|person| person.profile.enabled)
    }

    fn act(&self, method: Method, path: &str, body: &Value) {
        self.realm.admin(method, path, body).good();
    }
}

fn recording() -> Value {
    json!({ "eventsEnabled": true, "adminEventsEnabled": true })
}

#[test]
fn each_change_is_told_once() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let wire = Wire::to(keycloak, "feed", &recording(), &EVERYTHING);
    let realm = &wire.realm;
    assert!(wire.poll().missed, "what was before is not known");
    wire.poll();
    assert_eq!(wire.provider.status().events, EventsState::Watching);

    let ann = realm.add_person("ann", "ann@example.org", true);
    wire.only(&ann, &[Created]);
    wire.only(&ann, &[]);
    realm.set_password(&ann, "tea");
    wire.only(&ann, &[Changed]);
    let group = realm.post("groups", &json!({ "name": "staff" }));
    wire.act(Method::PUT, &format!("users/{ann}/groups/{group}"), &json!({}));
    wire.only(&ann, &[Changed]);
    realm.post("roles", &json!({ "name": "mail" }));
    let role = realm.get("roles/mail");
    wire.act(Method::POST, &format!("users/{ann}/role-mappings/realm"), &json!([role]));
    wire.only(&ann, &[Changed]);
    wire.act(Method::POST, &format!("groups/{group}/role-mappings/realm"), &json!([role]));
    wire.only(&ann, &[]);
    realm.change(&ann, &json!({ "enabled": false }));
    wire.only(&ann, &[Changed]);
    realm.change(&ann, &json!({ "enabled": true }));
    wire.only(&ann, &[Changed]);

    let tokens = realm.sign_in("ann");
    let form = [("client_id", DESKTOP), ("refresh_token", tokens.refresh.as_deref().unwrap())];
    http::post(&keycloak.endpoint("feed", "logout"), &form).good();
    wire.only(&ann, &[SignedOut]);
    realm.sign_in("ann");
    wire.act(Method::POST, &format!("users/{ann}/logout"), &json!({}));
    wire.only(&ann, &[SignedOut]);
    realm.sign_in("ann");
    let session = realm.get(&format!("users/{ann}/sessions"))[0]["id"].as_str().unwrap().to_owned();
    wire.act(Method::DELETE, &format!("sessions/{session}"), &Value::Null);
    assert_eq!(wire.poll().sessions, [session]);

    let import = |how: &str| {
        let people = json!([{ "username": "ben", "email": "ben@example.org", "enabled": true }]);
        let import = json!({ "ifResourceExists": how, "users": people });
        let done = realm.admin(Method::POST, "partialImport", &import).good();
        done["results"][0]["id"].as_str().unwrap().to_owned()
    };
    let ben = import("SKIP");
    wire.only(&ben, &[Created]);
    assert_ne!(import("OVERWRITE"), ben);
    assert!(wire.poll().missed, "he who was ben before is named nowhere");

    wire.act(Method::DELETE, &format!("users/{ann}"), &Value::Null);
    wire.only(&ann, &[Deleted]);
    // This ends our own session as well.
    wire.act(Method::POST, "logout-all", &json!({}));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(wire.poll().everybody_signed_out);
    assert_eq!(wire.poll(), Polled::default());
}

#[test]
fn an_import_of_hundreds() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let changes = json!({ "eventsEnabled": true, "adminEventsEnabled": true, "adminEventsDetailsEnabled": true });
    let wire = Wire::to(keycloak, "feed-crowd", &changes, &EVERYTHING);
    wire.poll();
    wire.poll();
    let people: Vec<Value> = (0..250).map(|number| json!({
        "username": format!("p{number}"), "email": format!("p{number}@example.org"), "enabled": true,
    })).collect();
    wire.act(
        Method::POST,
        "partialImport",
        &json!({ "ifResourceExists": "SKIP", "users": people }),
    );
    let polled = wire.poll();
    assert_eq!((polled.happened.len(), polled.missed), (250, false));
    assert_eq!(wire.poll(), Polled::default());
}

#[test]
fn realms_that_tell_less() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let wire = Wire::to(keycloak, "feed-silent", &json!({}), &EVERYTHING);
    assert_eq!(wire.poll(), Polled::default());
    let expected = EventsState::NotRecorded { admin: true, user: true };
    assert_eq!(wire.provider.status().events, expected);

    let wire = Wire::to(keycloak, "feed-closed", &recording(), &["view-users"]);
    let outage = wire.runtime.block_on(wire.provider.poll_events()).unwrap_err();
    assert_eq!(outage.cause, OutageCause::Rights, "{outage}");
    assert_eq!(wire.provider.status().events, EventsState::Forbidden);

    let wire = Wire::to(
        keycloak,
        "feed-half",
        &json!({
            "eventsEnabled": true, "enabledEventTypes": ["LOGIN", "LOGOUT"], "adminEventsEnabled": true,
        }),
        &EVERYTHING,
    );
    wire.poll();
    let expected = EventsState::NotRecorded { admin: false, user: true };
    assert_eq!(wire.provider.status().events, expected);
}

/// Keycloak, asked by id, calls somebody disabled who is only locked out.
#[test]
fn people_by_their_id() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let guarded = json!({
        "bruteForceProtected": true, "failureFactor": 2, "waitIncrementSeconds": 600,
        "maxFailureWaitSeconds": 600, "minimumQuickLoginWaitSeconds": 600,
    });
    let wire = Wire::to(keycloak, "by-id", &guarded, &["view-users"]);
    let realm = &wire.realm;
    let ann = realm.add_person("ann", "ann@example.org", true);
    assert_eq!(wire.is_enabled(&ann), Some(true));
    let form = [
        ("grant_type", "password"),
        ("client_id", DESKTOP),
        ("username", "ann"),
        ("password", "a guess"),
    ];
    crate::support::wait_for("the lock-out", std::time::Duration::from_secs(20), || {
        http::post(&keycloak.endpoint("by-id", "token"), &form);
        (realm.get(&format!("users/{ann}"))["enabled"] == false).then_some(())
    });
    assert_eq!(wire.is_enabled(&ann), Some(true), "a guesser stops no devices");
    realm.admin(Method::DELETE, "attack-detection/brute-force/users", &Value::Null).good();
    realm.change(&ann, &json!({ "enabled": false }));
    assert_eq!(wire.is_enabled(&ann), Some(false));
    wire.act(Method::DELETE, &format!("users/{ann}"), &Value::Null);
    assert_eq!(wire.is_enabled(&ann), None);
    assert_eq!(wire.is_enabled("../../master/users/1"), None);

    let blind = Wire::to(keycloak, "by-id-blind", &json!({}), &["query-users"]);
    let outage = blind.runtime.block_on(blind.provider.look_up_by_id(&ann)).unwrap_err();
    assert_eq!(outage.cause, OutageCause::Rights, "{outage}");
}

/// One for each client of the session that has an URL for it, made out to that
/// client.
#[test]
fn logout_tokens() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let wire = Wire::to(keycloak, "logouts", &json!({}), &[]);
    let realm = &wire.realm;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/backchannel-logout/corp", listener.local_addr().unwrap());
    let desktop = format!("clients/{}", realm.client(DESKTOP));
    let mut attributes = realm.get(&desktop)["attributes"].clone();
    attributes["backchannel.logout.url"] = json!(url);
    attributes["backchannel.logout.session.required"] = json!("true");
    realm.put(&desktop, &json!({ "attributes": attributes }));
    let ann = realm.add_person("ann", "ann@example.org", true);
    realm.sign_in("ann");
    let heard = std::thread::spawn(move || hear(&listener));
    wire.act(Method::POST, &format!("users/{ann}/logout"), &json!({}));
    let token = Secret::from(heard.join().unwrap().as_str());
    let check = |now| wire.runtime.block_on(wire.provider.check_logout_token(&token, now));
    let logout = check(Timestamp::now()).unwrap();
    assert_eq!(logout.subject.as_deref(), Some(ann.as_str()));
    assert!(logout.session.is_some() && !logout.id.is_empty(), "{logout:?}");
    let later = Timestamp::now().after(std::time::Duration::from_secs(400));
    assert!(matches!(check(later), Err(LogoutRefused::Bad(_))));
}

/// The logout token of one request.
fn hear(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut len = 0;
    for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut form = form_urlencoded::parse(&body);
    form.find(|(name, _)| name == "logout_token").expect("a logout token").1.into_owned()
}
