//! What every answer of this port says to browsers.

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::{State, settings::PublicUrl};

/// Where forms may lead besides; a page that sends people to a provider says it of itself.
#[derive(Clone, Debug)]
pub(super) struct FormsLeadTo(pub(super) String);

/// Nothing here is to be kept, framed, or taken for what it does not say it is; pages load
/// nothing from anywhere else, and run no script that stands in them.
pub(super) async fn add(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let also = response.extensions().get::<FormsLeadTo>().map(|FormsLeadTo(also)| also.clone());
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // "no-referrer" would take the origin out of our own forms, too.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", HeaderValue::from_static(NOTHING));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::try_from(policy(also.as_deref())) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let is_https = state.settings.load().public_url.as_ref().is_some_and(PublicUrl::is_https);
    if is_https {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

const NOTHING: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

fn policy(forms_lead_to: Option<&str>) -> String {
    let also = forms_lead_to.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
         'self'; form-action 'self'{also}; frame-ancestors 'none'; base-uri 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_stands_in_a_page() {
        for policy in [policy(None), policy(Some("https://login.example.org"))] {
            assert!(
                !policy.contains("unsafe") && policy.contains("script-src 'self';"),
                "{policy}"
            );
        }
    }
}
