//! [`FakeProvider`]: an identity provider on a port of its own, which answers as
//! Keycloak does until it is told to misbehave.
//!
//! ```ignore
//! let corp = FakeProvider::start();
//! let token = corp.token(json!({ "sub": "7", "email": "ann@example.org" }));
//! corp.behave(USERINFO, Behaviour::Hang);
//! assert_eq!(corp.count(USERINFO), 1);
//! ```

pub(crate) mod browsers;
pub(crate) mod feed;
pub(crate) mod keys;
mod parts;
pub(crate) mod people;
mod serve;

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use self::{
    browsers::Browsers,
    feed::Feed,
    keys::{Certificate, SigningKey},
    people::People,
};

pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(crate) const JWKS: &str = "/certs";
pub(crate) const INTROSPECTION: &str = "/introspect";
pub(crate) const USERINFO: &str = "/userinfo";
/// Everything is there below this path as well, as a Keycloak has it.
pub(crate) const REALM: &str = "/realms/mail";

/// The client that may introspect.
pub(crate) const CLIENT_ID: &str = "mailgate";
pub(crate) const CLIENT_SECRET: &str = "wonder:land/under the sea";

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// This answer.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// No answer at all, on an open connection.
    Hang,
    /// The connection is reset before an answer.
    Reset,
    /// The connection is reset in the middle of an answer.
    ResetInTheMiddle,
    /// A byte now and then, without end.
    Drip,
    /// Megabytes.
    Huge,
    /// The usual answer, after so long.
    Late(Duration),
}

impl Behaviour {
    /// An empty answer of this status.
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Status 200 with this JSON.
    pub(crate) fn json(body: &Value) -> Self {
        Self::text(200, "application/json", body.to_string())
    }

    /// Any text.
    pub(crate) fn text(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::status(status).with("Content-Type", media_type).with_body(body)
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    fn with_body(mut self, text: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }
}

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query, without [`REALM`].
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

struct State {
    /// What its documents call it; its own address where nothing else is said.
    issuer: String,
    /// The last one signs.
    keys: Vec<SigningKey>,
    tokens: HashMap<String, Value>,
    behaviours: HashMap<String, Behaviour>,
    feed: Feed,
    seen: Vec<Seen>,
    people: People,
    browsers: Browsers,
}

impl State {
    fn claims(&self, claims: Value) -> Value {
        let now = seconds();
        let mut all = json!({
            "iss": self.issuer, "sub": "a7feeb0e", "typ": "Bearer", "azp": "roundcube",
            "aud": "account", "iat": now, "exp": now + 300, "jti": format!("{now}"),
            "scope": "openid profile email", "email": "ann@example.org", "email_verified": true,
        });
        merge(&mut all, claims);
        all
    }

    fn keep_signed(&mut self, header: Value, claims: Value) -> String {
        let token = self.keys.last().expect("it has a key").sign(header, &claims);
        self.tokens.insert(token.clone(), claims);
        token
    }

    /// The usual claims with these and then these changes, signed.
    fn signed(&mut self, first: &Value, then: &Value) -> String {
        let mut changes = then.clone();
        for (name, value) in first.as_object().into_iter().flatten() {
            changes[name] = value.clone();
        }
        if changes["sub"].is_null() {
            changes["sub"] = json!("a7feeb0e");
        }
        let claims = self.claims(changes);
        self.keep_signed(json!({}), claims)
    }
}

/// A running provider; ends when dropped.
pub(crate) struct FakeProvider {
    address: SocketAddr,
    certificate: Option<Certificate>,
    state: Arc<Mutex<State>>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl FakeProvider {
    /// One that speaks HTTP.
    pub(crate) fn start() -> Self {
        Self::listen(None)
    }

    /// One that speaks HTTPS and shows this certificate.
    pub(crate) fn start_with(certificate: Certificate) -> Self {
        Self::listen(Some(certificate))
    }

    fn listen(certificate: Option<Certificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            issuer: String::new(),
            keys: vec![SigningKey::es256("first")],
            tokens: HashMap::new(),
            behaviours: HashMap::new(),
            feed: Feed::default(),
            seen: Vec::new(),
            people: People::default(),
            browsers: Browsers::default(),
        };
        let mut fake =
            Self { address, certificate, state: Arc::new(Mutex::new(state)), running: None };
        fake.state().issuer = fake.url();
        fake.serve(listener);
        fake
    }

    fn serve(&mut self, listener: TcpListener) {
        let stop = Arc::new(AtomicBool::new(false));
        let tls = self.certificate.as_ref().map(Certificate::server_config);
        let (state, stopped) = (Arc::clone(&self.state), Arc::clone(&stop));
        let accepting = thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (state, stopped) = (Arc::clone(&state), Arc::clone(&stopped));
                let tls = tls.clone();
                let serve = move || serve::connection(stream, tls, &state, &stopped);
                connections.push(thread::spawn(serve));
            }
            for connection in connections {
                let _ = connection.join();
            }
        });
        self.running = Some((stop, accepting));
    }

    /// Nobody listens any more, and open connections have ended.
    pub(crate) fn stop(&mut self) {
        if let Some(accepting) = self.end() {
            accepting.join().expect("it does not panic");
        }
    }

    /// Begins to stop.
    fn end(&mut self) -> Option<JoinHandle<()>> {
        let (stop, accepting) = self.running.take()?;
        stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
        Some(accepting)
    }

    /// Listens again, at the same address.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.serve(TcpListener::bind(self.address).expect("the port is still ours"));
    }

    /// Its address and, unless told otherwise, its issuer.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Address of one path.
    pub(crate) fn at(&self, path: &str) -> String {
        self.url() + path
    }

    /// Lines of `dovegate.toml` that name it: by introspection, for all clients.
    pub(crate) fn config(&self, name: &str) -> Vec<String> {
        vec![
            format!("provider.{name}.kind = \"oidc\""),
            format!("provider.{name}.server_url = \"{}\"", self.url()),
            format!("provider.{name}.client_id = \"{CLIENT_ID}\""),
            format!("provider.{name}.client_secret = \"{CLIENT_SECRET}\""),
        ]
    }

    /// From now on its documents and tokens name this issuer.
    pub(crate) fn call_itself(&self, issuer: &str) {
        issuer.clone_into(&mut self.state().issuer);
    }

    /// What happens to requests for `path` from now on.
    pub(crate) fn behave(&self, path: &str, behaviour: Behaviour) {
        self.state().behaviours.insert(path.to_owned(), behaviour);
    }

    /// Answers as usual again.
    pub(crate) fn heal(&self) {
        self.state().behaviours.clear();
    }

    /// A signed access token with these claims beside the usual ones (`null`
    /// takes one away); known and active.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.token_with(json!({}), claims)
    }

    /// As [`Self::token`], with these members of the header beside the usual ones.
    pub(crate) fn token_with(&self, header: Value, claims: Value) -> String {
        let claims = self.claims(claims);
        self.state().keep_signed(header, claims)
    }

    /// The token `text` is active from now on, and these changes of the usual
    /// claims are what the provider knows of it: also of one that shows less, or
    /// nothing, itself.
    pub(crate) fn know(&self, text: &str, claims: Value) {
        let claims = self.claims(claims);
        self.state().tokens.insert(text.to_owned(), claims);
    }

    /// The usual claims of Ann's token, changed by `claims`.
    pub(crate) fn claims(&self, claims: Value) -> Value {
        self.state().claims(claims)
    }

    /// The token is over: revoked, signed out.
    pub(crate) fn revoke(&self, token: &str) {
        self.state().tokens.remove(token);
    }

    /// A new key signs; those before are kept or forgotten.
    pub(crate) fn rotate_to(&self, key: SigningKey, keeps_old: bool) {
        let mut state = self.state();
        if !keeps_old {
            state.keys.clear();
        }
        state.keys.push(key);
    }

    /// Requests for `path` so far.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }

    /// What came for `path` so far.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let is_for = |seen: &&Seen| seen.path.split('?').next() == Some(path);
        self.state().seen.iter().filter(is_for).cloned().collect()
    }

    /// All requests so far.
    pub(crate) fn count_all(&self) -> usize {
        self.state().seen.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        // Its threads end by themselves, and nobody needs to wait for them.
        drop(self.end());
    }
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is after 1970").as_secs()
}

/// Members of `changes` replace those of `object`; null takes one away.
pub(crate) fn merge(object: &mut Value, changes: Value) {
    let (Value::Object(object), Value::Object(changes)) = (object, changes) else {
        panic!("only objects are merged");
    };
    for (name, value) in changes {
        if value.is_null() {
            object.remove(&name);
        } else {
            object.insert(name, value);
        }
    }
}
