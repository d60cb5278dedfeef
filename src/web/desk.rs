//! Where pages ask for everything: the router of `api`, in this process, with the rights
//! of whoever is signed in. What a page may not, no other program of his may, and the
//! other way round.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, header},
    response::{IntoResponse as _, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use super::trouble::Trouble;
use crate::api::{self, Caller, Code, Problem};

/// All but what is the same in a path with and without (RFC 3986 §2.3).
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Most bytes of an answer that a page shows.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The way to `/api/v1`.
#[derive(Clone)]
pub(super) struct Desk {
    router: Router,
    /// Where logins are served: connections to providers live there.
    logins: Handle,
}

/// What the API answers.
struct Answer {
    body: Vec<u8>,
    /// Its `ETag`; empty where there is none.
    version: String,
}

/// One request, to be sent by one of its methods.
pub(super) struct Asked<'a> {
    desk: &'a Desk,
    caller: Caller,
    method: Method,
    path: String,
    if_match: Option<String>,
}

impl Desk {
    pub(super) fn new(router: Router, logins: Handle) -> Self {
        Self { router, logins }
    }

    /// Reads what is at `path`, a list of segments.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &[&str],
    ) -> Result<T, Trouble> {
        self.ask(caller, Method::GET, path).fetch().await
    }

    /// Reads what is at `path`, with its version, for [`Asked::if_match`].
    pub(super) async fn get_with_version<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &[&str],
    ) -> Result<(T, String), Trouble> {
        let answer = self.ask(caller, Method::GET, path).send(Vec::new()).await?;
        Ok((read(&answer.body)?, answer.version))
    }

    /// Reads it with a query.
    pub(super) async fn look_up<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, Trouble> {
        self.ask(caller, Method::GET, path).with_query(query)?.fetch().await
    }

    /// Hands on what a program asks, whose caller is known.
    pub(super) async fn pass(&self, request: Request) -> Response {
        let router = self.router.clone();
        match self.logins.spawn(async move { router.oneshot(request).await }).await {
            Ok(Ok(answer)) => answer,
            Err(_) => api::Error::new(Code::Internal, "a fault of ours").into_response(),
        }
    }

    /// A request, to be sent.
    pub(super) fn ask(&self, caller: &Caller, method: Method, path: &[&str]) -> Asked<'_> {
        let path = path.iter().fold("/api/v1".to_owned(), |path, segment| {
            format!("{path}/{}", utf8_percent_encode(segment, IN_A_PATH))
        });
        Asked { desk: self, caller: caller.clone(), method, path, if_match: None }
    }
}

impl Asked<'_> {
    /// With a query behind the path.
    pub(super) fn with_query(mut self, query: &impl Serialize) -> Result<Self, Trouble> {
        let query = serde_html_form::to_string(query).map_err(|_| Trouble::BadForm)?;
        if !query.is_empty() {
            self.path = format!("{}?{query}", self.path);
        }
        Ok(self)
    }

    /// Only if it is still what the page showed.
    pub(super) fn if_match(mut self, etag: Option<String>) -> Self {
        self.if_match = etag.filter(|etag| !etag.is_empty());
        self
    }

    /// Sends it, and reads the answer.
    pub(super) async fn fetch<T: DeserializeOwned>(self) -> Result<T, Trouble> {
        read(&self.send(Vec::new()).await?.body)
    }

    /// Sends it with a body, and reads the answer.
    pub(super) async fn call<T: DeserializeOwned>(
        self,
        body: &impl Serialize,
    ) -> Result<T, Trouble> {
        read(&self.send(written(body)?).await?.body)
    }

    /// Sends it with a body; nothing is to be read from the answer.
    pub(super) async fn order(self, body: &impl Serialize) -> Result<(), Trouble> {
        self.send(written(body)?).await.map(|_| ())
    }

    /// Sends it without a body; nothing is to be read from the answer.
    pub(super) async fn done(self) -> Result<(), Trouble> {
        self.send(Vec::new()).await.map(|_| ())
    }

    async fn send(self, body: Vec<u8>) -> Result<Answer, Trouble> {
        let Self { desk, caller, method, path, if_match } = self;
        let mut request = Request::builder().method(method).uri(path);
        if let Some(etag) = if_match {
            request = request.header(header::IF_MATCH, etag);
        }
        let mut request = request.body(Body::from(body)).map_err(|_| Trouble::BadForm)?;
        request.extensions_mut().insert(caller);
        let router = desk.router.clone();
        let answered = desk.logins.spawn(async move {
            let Ok(answer) = router.oneshot(request).await;
            let status = answer.status();
            let version = answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
            let version = version.unwrap_or_default().to_owned();
            (status, version, to_bytes(answer.into_body(), MAX_ANSWER_BYTES).await)
        });
        let Ok((status, version, Ok(bytes))) = answered.await else {
            return Err(Trouble::Internal);
        };
        if status.is_success() {
            return Ok(Answer { body: bytes.into(), version });
        }
        Err(trouble(&read::<Problem>(&bytes)?))
    }
}

fn trouble(problem: &Problem) -> Trouble {
    match problem.code {
        Code::NotFound => Trouble::NotFound,
        Code::Forbidden => Trouble::Forbidden,
        Code::Unauthorized => Trouble::SignedOut,
        Code::Internal => Trouble::Internal,
        _ => Trouble::Api(problem.clone().into()),
    }
}

fn written(body: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(body).map_err(|_| Trouble::Internal)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| {
        tracing::error!(%error, "an answer of our own cannot be read");
        Trouble::Internal
    })
}
