//! `ETag`, `If-None-Match` and `If-Match` of `/api/v1`.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use super::api::Api;

struct Things {
    api: Api,
}

impl Things {
    fn new() -> Self {
        let api = Api::with_ann();
        api.must(Method::POST, "/templates", json!({"name": "staff"}));
        let provider = json!({
            "name": "corp", "kind": "keycloak", "realm": "mail", "client_id": "dovegate",
            "server_url": "https://sso.example.org",
        });
        api.must(Method::POST, "/providers", provider);
        Self { api }
    }

    /// Status and tag.
    fn send(
        &self,
        method: &Method,
        path: &str,
        condition: Option<(header::HeaderName, &str)>,
        body: &Value,
    ) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if let Some((name, value)) = condition {
            request = request.header(name, value);
        }
        let response = self.api.exchange(request.body(Body::from(body.to_string())).unwrap());
        let tag = response.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
        (response.status().as_u16(), tag.unwrap_or_default())
    }

    fn tag(&self, path: &str) -> String {
        let (status, tag) = self.send(&Method::GET, path, None, &Value::Null);
        assert_eq!(status, 200, "{path}");
        assert!(tag.starts_with("W/\""), "{path}: {tag:?}");
        tag
    }

    fn change(&self, method: &Method, path: &str, tag: &str, body: &Value) -> u16 {
        self.send(method, path, Some((header::IF_MATCH, tag)), body).0
    }
}

#[test]
fn nobody_undoes_what_he_has_not_seen() {
    let things = Things::new();
    for (path, one, other) in [
        ("/domains/example.org", json!({"max_mailboxes": 7}), json!({"max_mailboxes": 8})),
        ("/templates/staff", json!({"quota_bytes": 7}), json!({"quota_bytes": 8})),
        ("/providers/corp", json!({"realm": "a"}), json!({"realm": "b"})),
        ("/mailboxes/ann@example.org", json!({"quota_bytes": 7}), json!({"quota_bytes": 8})),
    ] {
        let tag = things.tag(path);
        let (patch, delete) = (&Method::PATCH, &Method::DELETE);
        assert_eq!(things.change(patch, path, &tag, &one), 200, "{path}");
        let now = things.tag(path);
        assert_ne!(tag, now, "{path}");
        assert_eq!(things.change(patch, path, &tag, &other), 412, "{path}");
        assert_eq!(things.change(delete, path, &tag, &Value::Null), 412, "{path}");
        assert_eq!(things.tag(path), now, "{path}: nothing was done");
        // One of a list, strong by mistake, any; and without a condition.
        let list = format!("{tag}, {}", now.trim_start_matches("W/"));
        assert_eq!(things.change(patch, path, &list, &other), 200, "{path}");
        assert_eq!(things.change(patch, path, "*", &one), 200, "{path}");
        assert_eq!(things.send(patch, path, None, &other).0, 200, "{path}");
    }
}

#[test]
fn what_is_had_already_is_not_sent_again() {
    let things = Things::new();
    let path = "/mailboxes/ann@example.org";
    let tag = things.tag(path);
    let ask = |tag: &str| {
        things.send(&Method::GET, path, Some((header::IF_NONE_MATCH, tag)), &Value::Null)
    };
    assert_eq!(ask(&tag), (304, tag.clone()));
    assert_eq!(ask("W/\"0\"").0, 200);
    // An app password is no change of the mailbox.
    things.api.must(Method::POST, &format!("{path}/app-passwords"), json!({"name": "Phone"}));
    assert_eq!(things.tag(path), tag);
}

#[test]
fn conditions_that_cannot_be_met() {
    let things = Things::new();
    let gone = "/mailboxes/nobody@example.org";
    assert_eq!(things.change(&Method::PATCH, gone, "W/\"0\"", &json!({})), 404);
    let path = "/mailboxes/ann@example.org/password";
    let body = json!({"password": "wonderland"});
    assert_eq!(things.change(&Method::PUT, path, "W/\"0\"", &body), 412);
    assert_eq!(things.send(&Method::PUT, path, None, &body).0, 204);
    let (status, tag) = things.send(&Method::GET, "/domains", None, &Value::Null);
    assert_eq!((status, tag.as_str()), (200, ""));
}
