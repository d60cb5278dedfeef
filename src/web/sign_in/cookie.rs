//! Cookies as browsers are sent them (RFC 6265bis).

use axum::http::{HeaderName, HeaderValue, header};

use crate::secret::Secret;

/// Sets a cookie for as long as the browser is open, or so many seconds. Its name begins
/// with `__Host-`, which asks for `Secure`, `Path=/` and no domain.
pub(in crate::web) fn set(
    name: &str,
    value: &Secret,
    seconds: Option<u64>,
) -> (HeaderName, HeaderValue) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let value = std::str::from_utf8(value.expose()).expect("made by us, of ASCII");
    line(format!("{name}={value}{age}; Path=/; Secure; HttpOnly; SameSite=Lax"))
}

/// Takes a cookie away.
pub(in crate::web) fn removed(name: &str) -> (HeaderName, HeaderValue) {
    line(format!("{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"))
}

fn line(text: String) -> (HeaderName, HeaderValue) {
    (header::SET_COOKIE, HeaderValue::try_from(text).expect("made by us, of ASCII"))
}
