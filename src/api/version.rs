//! Which state of a thing somebody has read, so that nobody undoes what he has not seen:
//! `ETag`, `If-None-Match` and `If-Match` (RFC 9110 §8.8.3, §13).
//!
//! A tag is a digest of what the API shows, without what changes by itself: figures,
//! times, what other things decide. So tags are weak, and `If-Match` compares them as such:
//! by the letter of §13.1.1 no weak one would ever match.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tower::ServiceExt as _;

use super::{Error, error::Code};

/// Much more than any one thing takes.
const MAX_SHOWN_BYTES: usize = 4 << 20;

/// Keys of what is shown that change by themselves.
pub(super) type Volatile = &'static [&'static str];

/// How a thing that is to be changed is shown.
#[derive(Clone)]
pub(super) struct Shown {
    /// The handler that shows it, whatever the path.
    pub(super) show: Router,
    pub(super) volatile: Volatile,
}

/// Changes of one thing wait for each other, so that none comes between the look at a
/// thing and its change. Things share turns by chance.
static TURNS: [Mutex<()>; 64] = [const { Mutex::const_new(()) }; 64];

fn turn_of(path: &str) -> &'static Mutex<()> {
    let mut hasher = DefaultHasher::new();
    path.to_ascii_lowercase().hash(&mut hasher);
    let place = hasher.finish() % TURNS.len() as u64;
    &TURNS[usize::try_from(place).expect("less than the number of turns")]
}

/// Says which state it is that is shown, and nothing else to who has it already.
pub(super) async fn mark(
    Shared(volatile): Shared<Volatile>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let has = listed(request.headers(), &header::IF_NONE_MATCH);
    let (tag, response) = tagged(next.run(request).await, volatile).await?;
    let Some(tag) = tag else { return Ok(response) };
    let is_known = has.iter().any(|one| names(one, &tag));
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { response };
    let tag = HeaderValue::try_from(tag).expect("a tag is ASCII");
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Lets a change pass if the thing is as who changes it has read it.
pub(super) async fn guard(
    Shared(shown): Shared<Option<Shown>>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let wanted = listed(request.headers(), &header::IF_MATCH);
    let Some(Shown { show, volatile }) = shown else {
        return if wanted.is_empty() {
            Ok(next.run(request).await)
        } else {
            let why = "If-Match: what is changed here has no ETag";
            Err(Error::new(Code::Changed, why))
        };
    };
    let _turn = turn_of(request.uri().path()).lock().await;
    if !wanted.is_empty() {
        let mut look = Request::new(Body::empty());
        look.extensions_mut().clone_from(request.extensions());
        let Ok(response) = show.oneshot(look).await;
        let (tag, response) = tagged(response, volatile).await?;
        let Some(tag) = tag else { return Ok(response) };
        if !wanted.iter().any(|one| one == "*" || names(one, &tag)) {
            let why = "it was changed since you read it: read it again, and see what of your \
                       change is still wanted";
            return Err(Error::new(Code::Changed, why));
        }
    }
    Ok(next.run(request).await)
}

/// The tags of a field; with none of ours is a comma.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let fields = headers.get_all(name).iter().filter_map(|field| field.to_str().ok());
    fields.flat_map(|field| field.split(',')).map(|tag| tag.trim().to_owned()).collect()
}

/// Whether somebody's tag is ours, weak or not.
fn names(one: &str, tag: &str) -> bool {
    one.strip_prefix("W/").unwrap_or(one) == tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tag of what an answer shows; none where it shows nothing.
async fn tagged(
    response: Response,
    volatile: Volatile,
) -> Result<(Option<String>, Response), Error> {
    if response.status() != StatusCode::OK {
        return Ok((None, response));
    }
    let (head, body) = response.into_parts();
    let body = to_bytes(body, MAX_SHOWN_BYTES).await.map_err(|error| {
        Error::new(Code::Internal, "a fault of ours").log(format!("an answer of our own: {error}"))
    })?;
    let tag = tag_of(&body, volatile);
    Ok((tag, Response::from_parts(head, Body::from(body))))
}

fn tag_of(shown: &Bytes, volatile: Volatile) -> Option<String> {
    let mut shown: Map<String, Value> = serde_json::from_slice(shown).ok()?;
    for key in volatile {
        shown.remove(*key);
    }
    let digest = Sha256::digest(Value::Object(shown).to_string());
    let digest = u128::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"));
    Some(format!("W/\"{digest:032x}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_by_itself_does_not_count() {
        let tag = |text: &'static str| tag_of(&Bytes::from_static(text.as_bytes()), &["seen"]);
        let one = tag(r#"{"name": "a", "seen": 1}"#);
        assert!(one.as_ref().is_some_and(|tag| tag.starts_with("W/\"")), "{one:?}");
        assert_eq!(one, tag(r#"{"seen": 2, "name": "a"}"#));
        assert_ne!(one, tag(r#"{"seen": 1, "name": "b"}"#));
        assert_eq!(tag("no object"), None);
    }

    #[test]
    fn tags_in_a_list() {
        let headers = [(header::IF_MATCH, HeaderValue::from_static("\"a\", W/\"b\",*"))];
        let tags = listed(&headers.into_iter().collect(), &header::IF_MATCH);
        assert_eq!(tags, ["\"a\"", "W/\"b\"", "*"]);
        assert!(names("\"a\"", "W/\"a\"") && names("W/\"a\"", "W/\"a\""));
        assert!(!names("\"b\"", "W/\"a\"") && !names("a", "W/\"a\""));
    }
}
