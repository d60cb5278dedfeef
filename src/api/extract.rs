//! Axum's extractors with our errors, and what "absent" means in a change.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::{Error, State, error::Code};
use crate::mailbox::{Address, DomainName};

/// A body in JSON. Unlike axum's own it does not ask for a content type: there
/// is only one, and `curl -d` sends another.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<State> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &State) -> Result<Self, Error> {
        let bytes = bytes(request, state).await?;
        // serde would take the values of any object in their order, too, and every
        // body whose fields have defaults as an empty list.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Error::bad_request("the body is a list, and an object is expected"));
        }
        match Json::from_bytes(&bytes) {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => Err(Error::bad_request(error.body_text())),
            Err(error) => Err(Error::bad_request(error.body_text())),
        }
    }
}

async fn bytes(request: Request, state: &State) -> Result<Bytes, Error> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let code = if too_large { Code::TooLarge } else { Code::BadRequest };
        Error::new(code, rejection.body_text())
    })
}

/// A body of JSON lines, as it came.
pub(super) struct Lines(pub(super) Bytes);

impl FromRequest<State> for Lines {
    type Rejection = Error;

    async fn from_request(request: Request, state: &State) -> Result<Self, Error> {
        bytes(request, state).await.map(Self)
    }
}

/// The query string.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<State> for Params<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Error> {
        let Query(params) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Error::bad_request(rejection.body_text()))?;
        Ok(Self(params))
    }
}

/// Names in the path.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<State> for Named<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Error> {
        let Path(names) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Error::bad_request(rejection.body_text()))?;
        Ok(Self(names))
    }
}

impl State {
    /// The canonical address for what an administrator wrote.
    pub(super) fn address(&self, text: &str) -> Result<Address, Error> {
        self.pipeline
            .names()
            .canonical(text.as_bytes())
            .map_err(|error| Error::bad_request(format!("{}: {error}", shown(text))))
    }
}

/// The canonical domain for what an administrator wrote.
pub(super) fn domain(text: &str) -> Result<DomainName, Error> {
    DomainName::parse(text)
        .map_err(|_| Error::bad_request(format!("{}: not a valid domain name", shown(text))))
}

/// What somebody wrote, short and harmless enough for a message.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

/// Reads a field that is there, so that a `null` is told from an absent field:
/// with `Option<Option<T>>`, null takes a value away and absent leaves it
/// alone; with `Option<T>`, null is refused.
pub(super) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
