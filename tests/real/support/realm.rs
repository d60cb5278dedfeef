//! A realm of a real Keycloak as its administrator sees it.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    http::{self, Answer},
    keycloak::{CROWD_REALM, DESKTOP, Keycloak, REALM, Tokens, sign_in},
};

/// What every realm of a test is made from.
const EXAMPLE: &str = include_str!("../keycloak/example-realm.json");

/// A realm, administrated by who administrates all of them.
#[derive(Clone, Debug)]
pub struct Realm<'k> {
    /// Where it is.
    pub keycloak: &'k Keycloak,
    /// Its name.
    pub name: String,
}

impl<'k> Realm<'k> {
    /// The one that most tests share.
    pub fn example(keycloak: &'k Keycloak) -> Self {
        Self { keycloak, name: REALM.to_owned() }
    }

    /// The one of 10,000 people.
    pub fn crowd(keycloak: &'k Keycloak) -> Self {
        Self { keycloak, name: CROWD_REALM.to_owned() }
    }

    /// Makes one for a test: as the example, with nobody in it and these members
    /// changed.
    pub fn make(keycloak: &'k Keycloak, name: &str, changes: &Value) -> Self {
        let text = EXAMPLE.replace("default-roles-example", &format!("default-roles-{name}"));
        let mut realm: Value = serde_json::from_str(&text).unwrap();
        realm["realm"] = json!(name);
        realm["users"] = json!([]);
        for (member, value) in changes.as_object().expect("an object") {
            realm[member] = value.clone();
        }
        {
            // Keycloak writes each new realm into the rights of who administrates all.
            static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
            let _only_us = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
            keycloak.administrate(Method::POST, "", &realm).good();
        }
        let realm = Self { keycloak, name: name.to_owned() };
        realm.attributes_are_administrators();
        realm
    }

    /// A request to its Admin REST API.
    pub fn admin(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.keycloak.administrate(method, &format!("/{}/{path}", self.name), body)
    }

    /// What stands there.
    pub fn get(&self, path: &str) -> Value {
        self.admin(Method::GET, path, &Value::Null).good()
    }

    /// Changes members of what stands there.
    pub fn put(&self, path: &str, changes: &Value) {
        let mut whole = self.get(path);
        for (member, value) in changes.as_object().expect("an object") {
            whole[member] = value.clone();
        }
        self.admin(Method::PUT, path, &whole).good();
    }

    /// Makes something; gives its id.
    pub fn post(&self, path: &str, body: &Value) -> String {
        let made = self.admin(Method::POST, path, body);
        let id = made.location.as_deref().and_then(|path| path.rsplit('/').next());
        id.unwrap_or_else(|| panic!("{made:?}")).to_owned()
    }

    /// Administrators alone write what its profile does not name.
    pub fn attributes_are_administrators(&self) {
        self.put("users/profile", &json!({ "unmanagedAttributePolicy": "ADMIN_EDIT" }));
    }

    /// Makes a person with this address; gives her id.
    pub fn add_person(&self, name: &str, address: &str, is_verified: bool) -> String {
        let password = format!("password-of-{name}");
        let person = json!({
            "username": name, "email": address, "emailVerified": is_verified, "enabled": true,
            "firstName": name, "lastName": "Somebody",
            "credentials": [{ "type": "password", "value": password, "temporary": false }],
        });
        self.post("users", &person)
    }

    /// Makes a person at example.org with this password for mail; gives her id.
    pub fn person(&self, name: &str, password: &str) -> String {
        let id = self.add_person(name, &format!("{name}@example.org"), true);
        self.set_password(&id, password);
        id
    }

    /// Sets her password for mail.
    pub fn set_password(&self, id: &str, password: &str) {
        self.set_hashes(id, &[format!("{{PLAIN}}{password}")]);
    }

    /// Sets the attribute with the hash, as the console does: with all else she
    /// has.
    pub fn set_hashes(&self, id: &str, values: &[impl Display]) {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        self.change(id, &json!({ "attributes": { "mailcow_password": values } }));
    }

    /// Changes members of a person, as the console does.
    pub fn change(&self, id: &str, changes: &Value) {
        self.put(&format!("users/{id}"), changes);
    }

    /// Makes a client with a service account that has these roles of
    /// `realm-management`; gives the keys of a provider that name it.
    pub fn service_account(&self, id: &str, roles: &[&str]) -> String {
        let secret = format!("secret-of-{id}");
        let client = json!({
            "clientId": id, "secret": secret, "publicClient": false,
            "serviceAccountsEnabled": true, "standardFlowEnabled": false,
            "defaultClientScopes": ["basic", "roles"],
        });
        self.post("clients", &client);
        self.grant(id, roles);
        format!("client_id = \"{id}\"\nclient_secret = \"{secret}\"\n")
    }

    /// Gives roles of `realm-management` to a client's service account.
    pub fn grant(&self, client: &str, roles: &[&str]) {
        let (own, management) = (self.client(client), self.client("realm-management"));
        let account = self.get(&format!("clients/{own}/service-account-user"));
        let role = |role: &&str| self.get(&format!("clients/{management}/roles/{role}"));
        let roles: Vec<Value> = roles.iter().map(role).collect();
        let account = account["id"].as_str().expect("ids are text");
        let path = format!("users/{account}/role-mappings/clients/{management}");
        self.admin(Method::POST, &path, &json!(roles)).good();
    }

    /// Keycloak's own id of a client.
    pub fn client(&self, client: &str) -> String {
        let found = self.get(&format!("clients?clientId={client}"));
        found[0]["id"].as_str().expect("it is there").to_owned()
    }

    /// Ends the session of tokens of the mail program, as signing out does.
    pub fn sign_out(&self, tokens: &Tokens) {
        let refresh = tokens.refresh.as_deref().expect("people get one");
        let form = [("client_id", DESKTOP), ("refresh_token", refresh)];
        http::post(&self.keycloak.endpoint(&self.name, "logout"), &form).good();
    }

    /// A person signs in at the mail program: what she gets.
    pub fn sign_in(&self, person: &str) -> Tokens {
        sign_in(&self.keycloak.issuer(&self.name), person, DESKTOP, "openid mail")
    }
}

impl Keycloak {
    /// A request to the Admin REST API; `path` is what follows `realms`.
    fn administrate(&self, method: Method, path: &str, body: &Value) -> Answer {
        let url = format!("{}/admin/realms{path}", self.url());
        let send = |method: Method, token: &str| http::send_json(method, &url, token, body);
        let answer = send(method.clone(), &self.keeper(false));
        // Its token is over, or was made before the realm was.
        match answer.status {
            401 | 403 => send(method, &self.keeper(true)),
            _ => answer,
        }
    }
}
