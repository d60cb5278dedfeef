//! A small identity provider on loopback: introspection (RFC 7662), and nothing
//! else.

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
    *,
};
use crate::{
    mailbox::{Binding, NamedProvider, Provider, ProviderName, provider::Kind},
    verify::connected::Connected,
};

/// Answers by token; whatever it does not know is not active.
pub(super) struct FakeProvider {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    tokens: Mutex<HashMap<String, Value>>,
    requests: AtomicUsize,
    /// Whether it fails.
    down: watch::Sender<bool>,
    /// So many requests are answered; the others wait.
    answered: watch::Sender<usize>,
}

impl FakeProvider {
    pub(super) async fn start() -> Self {
        let shared = Arc::new(Shared {
            tokens: Mutex::default(),
            requests: AtomicUsize::new(0),
            down: watch::Sender::new(false),
            answered: watch::Sender::new(usize::MAX),
        });
        let url = listen(&shared, answer).await + "/introspect";
        Self { url, shared }
    }

    /// As an administrator would describe it.
    pub(super) fn named(&self, provider: &str) -> NamedProvider {
        let mut written = Provider::new(Kind::Oidc);
        written.introspection_url = Some(self.url.clone());
        written.client_id = Some("dovegate".to_owned());
        written.client_secret = Some("lookingglass".to_owned().into());
        NamedProvider { name: name(provider), provider: written }
    }

    /// Gives out a token; `claims` come on top of a verified person's.
    pub(super) fn gives(&self, token: &str, user: &str, claims: Value) {
        let mut answer = json!({
            "active": true,
            "token_type": "Bearer",
            "sub": format!("id of {user}"),
            "email": user,
            "email_verified": true,
        });
        let Value::Object(claims) = claims else { panic!("{claims}") };
        answer.as_object_mut().unwrap().extend(claims);
        self.tokens().insert(token.to_owned(), answer);
    }

    pub(super) fn revokes(&self, token: &str) {
        self.tokens().remove(token);
    }

    pub(super) fn is_down(&self, down: bool) {
        self.shared.down.send_replace(down);
    }

    /// Keeps the answers to all further requests to itself.
    pub(super) fn holds(&self, held: bool) {
        let answered = if held { self.requests() } else { usize::MAX };
        self.shared.answered.send_replace(answered);
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Waits for a request.
    pub(super) async fn asked(&self, times: usize) {
        while self.requests() < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<String, Value>> {
        self.shared.tokens.lock().unwrap()
    }
}

pub(super) fn name(name: &str) -> ProviderName {
    name.parse().unwrap()
}

async fn answer(shared: Arc<Shared>, asked: Asked) -> (u16, Value) {
    let token = asked.body.split('&').find_map(|field| field.strip_prefix("token="));
    // The answer is that of the moment when the question came.
    let answer = token.and_then(|token| shared.tokens.lock().unwrap().get(token).cloned());
    let number = shared.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let _ = shared.answered.subscribe().wait_for(|answered| number <= *answered).await;
    let status = if *shared.down.borrow() { 503 } else { 200 };
    (status, answer.unwrap_or_else(|| json!({ "active": false })))
}

/// A token of `user`.
pub(super) fn bearer(user: &str, token: &str) -> Attempt {
    Attempt {
        credentials: Credentials::Bearer {
            user: user.as_bytes().to_vec(),
            token: Secret::from(token),
        },
        mechanism: "OAUTHBEARER",
        ..password("", "")
    }
}

pub(super) fn later(seconds: u64, attempt: Attempt) -> Attempt {
    Attempt { arrived: NOW.after(Duration::from_secs(seconds)), ..attempt }
}

impl Rig {
    /// ann belongs to corp, which speaks for example.org.
    pub(super) async fn with_provider() -> (Self, FakeProvider) {
        let rig = Self::new().await;
        let corp = FakeProvider::start().await;
        rig.connect(corp.named("corp")).await;
        rig.speaks("corp", "example.org").await;
        rig.belongs("ann@example.org", "corp").await;
        (rig, corp)
    }

    /// Makes or changes a provider, as the API does it.
    pub(super) async fn connect(&self, provider: NamedProvider) {
        if self.store.provider(&provider.name).await.unwrap().is_some() {
            self.store.replace_provider(provider).await.unwrap();
        } else {
            self.store.create_provider(provider).await.unwrap();
        }
        self.pipeline.load_providers().await.unwrap();
    }

    pub(super) async fn speaks(&self, provider: &str, domain: &str) {
        let provider = Some(Some(name(provider)));
        let domain = DomainName::parse(domain).unwrap();
        let change = DomainChange { provider, ..DomainChange::default() };
        self.store.update_domain(&domain, change, NOW).await.unwrap();
    }

    pub(super) async fn belongs(&self, user: &str, provider: &str) {
        let auth_source = Some(AuthSource::Provider(name(provider)));
        self.change(user, MailboxChange { auth_source, ..MailboxChange::default() }).await;
    }

    pub(super) async fn bound(&self, user: &str) -> Option<String> {
        let account = self.store.account(&address(user)).await.unwrap().unwrap();
        let bound = account.mailbox.bound.as_ref();
        bound.map(|bound| format!("{}/{}", bound.provider, bound.subject))
    }

    pub(super) fn connected(&self, provider: &str) -> Arc<Connected> {
        self.pipeline.registry.find(&name(provider)).ok().unwrap()
    }

    pub(super) async fn bind(&self, user: &str, provider: &str, subject: &str) {
        let person = Binding { provider: name(provider), subject: subject.to_owned() };
        self.change(user, MailboxChange { bound: Some(Some(person)), ..MailboxChange::default() })
            .await;
    }

    pub(super) async fn unbind(&self, user: &str) {
        self.change(user, MailboxChange { bound: Some(None), ..MailboxChange::default() }).await;
    }

    /// Checks the verdict, and returns what the log would say of the provider.
    pub(super) async fn refuses(&self, attempt: Attempt, expected: &str) -> String {
        let asked = match self.check(attempt, expected).await {
            Verdict::Verified(_) => None,
            Verdict::Rejected(rejected) => rejected.asked,
            Verdict::Unavailable(unavailable) => unavailable.asked,
        };
        asked.map_or_else(String::new, |asked| format!("{}: {}", asked.provider, asked.detail))
    }
}
