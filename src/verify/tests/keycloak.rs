//! A small Keycloak on loopback: a token for our client, and people by address.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    http::{Asked, listen},
    provider::name,
    *,
};
use crate::mailbox::{NamedProvider, Provider, provider::Kind};

/// Answers as Keycloak's Admin REST API does.
pub(super) struct FakeKeycloak {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    people: Mutex<Vec<Value>>,
    /// Requests for people with an address.
    look_ups: AtomicUsize,
    /// Requests for a person by his id.
    by_id: AtomicUsize,
    /// Status of every answer about people in place of the usual one.
    status: Mutex<Option<u16>>,
    /// Whether our client sees nobody.
    blind: Mutex<bool>,
    /// So many look-ups of both kinds are answered; the others wait.
    answered: watch::Sender<usize>,
}

impl FakeKeycloak {
    pub(super) async fn start() -> Self {
        let shared = Arc::new(Shared {
            people: Mutex::default(),
            look_ups: AtomicUsize::new(0),
            by_id: AtomicUsize::new(0),
            status: Mutex::default(),
            blind: Mutex::default(),
            answered: watch::Sender::new(usize::MAX),
        });
        let url = listen(&shared, answer).await;
        Self { url, shared }
    }

    /// As an administrator would describe it.
    pub(super) fn named(&self, provider: &str) -> NamedProvider {
        let mut written = Provider::new(Kind::Keycloak);
        written.server_url = Some(self.url.clone());
        written.realm = Some("mail".to_owned());
        written.client_id = Some("dovegate".to_owned());
        written.client_secret = Some("lookingglass".to_owned().into());
        written.mailpassword_flow = true;
        NamedProvider { name: name(provider), provider: written }
    }

    /// Makes the person with this address, or changes members of what is known.
    pub(super) fn has(&self, email: &str, changes: Value) {
        let mut people = self.shared.people.lock().unwrap();
        let known = people.iter().position(|person| person["email"] == email);
        let mut person = match known {
            Some(known) => people.remove(known),
            None => json!({
                "id": format!("id of {email}"), "email": email,
                "enabled": true, "emailVerified": true, "groups": [], "roles": [],
            }),
        };
        let Value::Object(changes) = changes else { panic!("{changes}") };
        person.as_object_mut().unwrap().extend(changes);
        people.push(person);
    }

    /// One more person.
    pub(super) fn has_also(&self, person: Value) {
        self.shared.people.lock().unwrap().push(person);
    }

    pub(super) fn loses(&self, email: &str) {
        self.shared.people.lock().unwrap().retain(|person| person["email"] != email);
    }

    /// Answers with this status from now on.
    pub(super) fn says(&self, status: Option<u16>) {
        *self.shared.status.lock().unwrap() = status;
    }

    /// Whether our client may see people.
    pub(super) fn shows_nobody(&self, blind: bool) {
        *self.shared.blind.lock().unwrap() = blind;
    }

    /// Keeps the answers to all further look-ups to itself.
    pub(super) fn holds(&self, held: bool) {
        let answered = if held { self.look_ups() + self.by_id() } else { usize::MAX };
        self.shared.answered.send_replace(answered);
    }

    /// Answers so many look-ups since the start, and no more.
    pub(super) fn answers(&self, look_ups: usize) {
        self.shared.answered.send_replace(look_ups);
    }

    /// Look-ups so far.
    pub(super) fn look_ups(&self) -> usize {
        self.shared.look_ups.load(Ordering::SeqCst)
    }

    /// Look-ups of a person by his id so far.
    pub(super) fn by_id(&self) -> usize {
        self.shared.by_id.load(Ordering::SeqCst)
    }

    /// Waits for a look-up by id.
    pub(super) async fn asked_by_id(&self, times: usize) {
        while self.by_id() < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits for a look-up.
    pub(super) async fn asked(&self, times: usize) {
        while self.look_ups() < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A person whose hash is that of `password`.
pub(super) fn hash_of(password: &str) -> Value {
    json!({ "attributes": { "mailcow_password": [bcrypt(password)] } })
}

async fn answer(shared: Arc<Shared>, asked: Asked) -> (u16, Value) {
    let path = asked.path;
    let said = said(&path, &shared);
    let count = if path.contains("email=") { Some(&shared.look_ups) } else { None };
    let count = count.or_else(|| path.contains("/users/").then_some(&shared.by_id));
    if let Some(count) = count {
        count.fetch_add(1, Ordering::SeqCst);
        let all = [&shared.look_ups, &shared.by_id];
        let number: usize = all.iter().map(|count| count.load(Ordering::SeqCst)).sum();
        let _ = shared.answered.subscribe().wait_for(|answered| number <= *answered).await;
    }
    said
}

/// The answer is that of the moment when the question came.
fn said(path: &str, shared: &Shared) -> (u16, Value) {
    if path == "/realms/mail/protocol/openid-connect/token" {
        return (200, json!({ "access_token": "ours", "expires_in": 300 }));
    }
    if let Some(id) = path.strip_prefix("/admin/realms/mail/users/") {
        let id = id.replace("%20", " ");
        let path = id.split('?').next().unwrap_or_default();
        for (end, member) in [("/groups", "groups"), ("/role-mappings/realm/composite", "roles")] {
            if let Some(id) = path.strip_suffix(end) {
                let (status, person) = by_id(id, shared);
                return (status, if status == 200 { person[member].clone() } else { person });
            }
        }
        return by_id(&id, shared);
    }
    let Some(query) = path.strip_prefix("/admin/realms/mail/users?") else {
        return (404, json!({}));
    };
    if let Some(status) = *shared.status.lock().unwrap() {
        return (status, json!({}));
    }
    if *shared.blind.lock().unwrap() {
        return (200, json!([]));
    }
    let asked = url::form_urlencoded::parse(query.as_bytes());
    let asked: HashMap<String, String> = asked.into_owned().collect();
    let people = shared.people.lock().unwrap();
    if let Some(id) = asked.get("search").and_then(|search| search.strip_prefix("id:")) {
        let found: Vec<_> = people.iter().filter(|person| person["id"] == id).collect();
        return (200, json!(found));
    }
    let Some(asked) = asked.get("email") else {
        return (200, json!(people[..people.len().min(1)]));
    };
    // Loosely, so that who believes whatever comes would be found out.
    let found: Vec<_> = people
        .iter()
        .filter(|person| person["email"].as_str().unwrap().to_lowercase().contains(asked))
        .collect();
    (200, json!(found))
}

fn by_id(id: &str, shared: &Shared) -> (u16, Value) {
    if let Some(status) = *shared.status.lock().unwrap() {
        return (status, json!({}));
    }
    if *shared.blind.lock().unwrap() {
        return (403, json!({ "error": "HTTP 403 Forbidden" }));
    }
    let people = shared.people.lock().unwrap();
    match people.iter().find(|person| person["id"] == id) {
        Some(person) => (200, person.clone()),
        None => (404, json!({ "error": "User not found" })),
    }
}

impl Rig {
    /// ann belongs to corp, whose Mailpassword Flow knows "wonderland" for her.
    /// Locally she has another password, which counts for nothing meanwhile.
    pub(super) async fn with_keycloak() -> (Self, FakeKeycloak) {
        let rig = Self::new().await;
        let corp = FakeKeycloak::start().await;
        rig.connect(corp.named("corp")).await;
        rig.speaks("corp", "example.org").await;
        rig.belongs("ann@example.org", "corp").await;
        let local_hash = Some(Some(bcrypt("local").into()));
        rig.change("ann@example.org", MailboxChange { local_hash, ..MailboxChange::default() })
            .await;
        corp.has("ann@example.org", hash_of("wonderland"));
        (rig, corp)
    }
}
