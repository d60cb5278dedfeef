//! Introspection (RFC 7662): asked with our own client's credentials, and so a
//! 401 here speaks of these and never of the token.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use url::{Url, form_urlencoded};

use super::{
    Outage, OutageCause, Refused,
    claims::Claims,
    conditions::{Stop, refuse},
    http::{Endpoint, Reply, Request},
    settings::Client,
    words::{printable, without},
};
use crate::mailbox::provider::ClientAuth;

/// The request for `token`.
pub(super) fn request<'a>(url: &'a Url, client: &Client, token: &str) -> Request<'a> {
    let fields = [("token", token), ("token_type_hint", "access_token")];
    by_client(Endpoint::Introspection, url, client, &fields)
}

/// A request with `fields` by which our client shows who it is.
pub(super) fn by_client<'a>(
    endpoint: Endpoint,
    url: &'a Url,
    client: &Client,
    fields: &[(&str, &str)],
) -> Request<'a> {
    let secret = String::from_utf8_lossy(client.secret.expose());
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let authorization = match client.auth {
        ClientAuth::Basic => Some(basic(&client.id, &secret)),
        ClientAuth::Post => {
            form.append_pair("client_id", &client.id).append_pair("client_secret", &secret);
            None
        }
    };
    let mut request = Request::get(endpoint, url);
    request.authorization = authorization;
    request.form = Some(form.finish());
    request
}

/// A request with `fields` that shows nobody.
pub(super) fn by_anybody<'a>(
    endpoint: Endpoint,
    url: &'a Url,
    fields: &[(&str, &str)],
) -> Request<'a> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    Request { form: Some(form.finish()), ..Request::get(endpoint, url) }
}

fn basic(id: &str, secret: &str) -> HeaderValue {
    let pair = format!("Basic {}", pair(id, secret));
    let mut value = HeaderValue::try_from(pair).expect("Base64 is plain ASCII");
    value.set_sensitive(true);
    value
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
fn pair(id: &str, secret: &str) -> String {
    STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// `text` without our client's secret, in any form in which it was sent: some
/// servers repeat in an error what they could not read.
pub(super) fn without_secret(text: &str, client: &Client) -> String {
    let text = without(text, client.secret.expose());
    let secret = String::from_utf8_lossy(client.secret.expose());
    let text = without(&text, encoded(&secret).as_bytes());
    without(&text, pair(&client.id, &secret).as_bytes())
}

/// Claims of the token, if it is active.
pub(super) fn read(reply: &Reply) -> Result<Claims, Stop> {
    match reply.status {
        200 => {}
        404 | 405 => return Err(reply.no_such_endpoint().into()),
        400 | 401 | 403 => return Err(not_our_client(reply).into()),
        _ => return Err(reply.unusable().into()),
    }
    let object = reply.object()?;
    match object.get("active").map(serde_json::Value::as_bool) {
        Some(Some(true)) => Ok(Claims(object)),
        Some(Some(false)) => {
            Err(refuse(Refused::Inactive, "the provider calls the token inactive"))
        }
        Some(None) => Err(reply.malformed("active is neither true nor false").into()),
        None => Err(reply.malformed("it does not say whether the token is active").into()),
    }
}

/// It does not answer our client.
fn not_our_client(reply: &Reply) -> Outage {
    let said = reply.object().ok();
    let word = |name: &str| {
        let text = said.as_ref().and_then(|object| object.get(name)?.as_str());
        text.map(printable).unwrap_or_default()
    };
    let (error, description) = (word("error"), word("error_description"));
    let said = format!("{} (status {}: {error} {description})", reply.asked, reply.status);
    let refused =
        reply.status != 400 || matches!(error.as_str(), "invalid_client" | "unauthorized_client");
    if refused {
        let detail = format!("{said}: our client_id or client_secret is refused, or may not ask");
        Outage::new(OutageCause::Credentials, detail)
    } else {
        let detail =
            format!("{said}: our question is not understood: is it the introspection endpoint?");
        Outage::new(OutageCause::Settings, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn client(auth: ClientAuth) -> Client {
        Client { id: "mail gate".to_owned(), secret: Secret::from("p:ä&ss"), auth }
    }

    #[test]
    fn both_ways_to_show_who_we_are() {
        let url = Url::parse("https://idp.example.org/introspect").unwrap();
        let asked = request(&url, &client(ClientAuth::Basic), "a+b");
        assert_eq!(asked.form.unwrap(), "token=a%2Bb&token_type_hint=access_token");
        let header = asked.authorization.unwrap();
        assert_eq!(
            header,
            format!("Basic {}", STANDARD.encode("mail+gate:p%3A%C3%A4%26ss")).as_str()
        );
        assert!(!format!("{header:?}").contains("Basic"), "redacted");

        let asked = request(&url, &client(ClientAuth::Post), "a");
        assert!(asked.authorization.is_none());
        assert!(
            asked.form.unwrap().ends_with("&client_id=mail+gate&client_secret=p%3A%C3%A4%26ss")
        );
    }

    #[test]
    fn what_was_sent_is_shown_in_no_form() {
        let client = client(ClientAuth::Basic);
        for sent in ["p:ä&ss", "p%3A%C3%A4%26ss", "bWFpbCtnYXRlOnAlM0ElQzMlQTQlMjZzcw=="] {
            let said = without_secret(&format!("cannot read {sent} here"), &client);
            assert_eq!(said, "cannot read … here", "{sent}");
        }
    }
}
