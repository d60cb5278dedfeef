//! Requests that a test itself sends to an identity provider, over loopback.

use std::{sync::LazyLock, time::Duration};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::{self, Runtime};

/// Longest wait for an answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// One client for all tests: its connections are used again, and making one takes
/// longer than most requests do.
static WIRE: LazyLock<(Runtime, Client)> = LazyLock::new(|| {
    // reqwest wants one, also where no TLS is spoken.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    // A thread of its own hears at once that a server has closed a connection.
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = Client::builder().timeout(PATIENCE).no_proxy();
    // A certificate of the test's own making.
    let client = client.danger_accept_invalid_certs(true).build();
    (runtime, client.unwrap())
});

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// `200` …
    pub status: u16,
    /// Its `Location`, if it has one.
    pub location: Option<String>,
    /// Its `WWW-Authenticate`, if it has one.
    pub challenge: Option<String>,
    /// The body; null where it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// When it is none.
    pub fn good(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }

    /// A text of the body.
    pub fn text(&self, key: &str) -> Option<String> {
        self.body[key].as_str().map(str::to_owned)
    }
}

/// Posts a form.
pub fn post(url: &str, form: &[(&str, &str)]) -> Answer {
    send(Method::POST, url, |request| request.form(form))
}

/// Gets with a bearer token.
pub fn get(url: &str, token: &str) -> Answer {
    send(Method::GET, url, |request| request.bearer_auth(token))
}

/// Sends JSON with a bearer token.
pub fn send_json(method: Method, url: &str, token: &str, body: &Value) -> Answer {
    send(method, url, |request| request.bearer_auth(token).json(body))
}

/// Sends a request that `finish` completes.
pub fn send(
    method: Method,
    url: &str,
    finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
) -> Answer {
    let (runtime, client) = &*WIRE;
    runtime.block_on(async {
        let request = client.request(method, url).header("accept", "application/json");
        let answer = finish(request).send().await.unwrap_or_else(|error| panic!("{error:?}"));
        let header = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        Answer {
            status: answer.status().as_u16(),
            location: header("location"),
            challenge: header("www-authenticate"),
            body: answer.json().await.unwrap_or_default(),
        }
    })
}
