//! `/api/v1` as programs meet it: the router itself, on a store in memory.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
    response::Response,
};
use dovegate::{
    api::{self, Caller, Links},
    clock::Timestamp,
    idp,
    mailbox::userdb,
    password::Caps,
    sasl::Credentials,
    store::{MemoryStore, Store},
    verify::{self, Attempt, Pipeline, Verdict},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const HASH: &str = "{SHA512-CRYPT}$6$saltsaltsalt$/oBnqFFhJ2Xq6m3H0LxrHCPa9nCvlWQ1FBR4tVZYjcdRkxHtqPq3Cckc7F9YQUdXJ.Ku8xIuMfRj3q1EwK1cB.";

/// A router of its own, and a runtime to ask it.
pub(crate) struct Api {
    router: Router,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) links: Arc<Links>,
    runtime: tokio::runtime::Runtime,
}

#[expect(clippy::needless_pass_by_value, reason = "a request is written where it is sent")]
impl Api {
    pub(crate) fn empty() -> Self {
        Self::declaring(Vec::new())
    }

    /// With these providers in its settings.
    pub(crate) fn declaring(providers: Vec<Arc<idp::Settings>>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let settings = verify::Settings {
            default_scheme: dovegate::password::NewScheme::BlfCrypt { cost: 4 },
            failure_delay: std::time::Duration::from_millis(1),
            providers,
            ..Default::default()
        };
        let pipeline = runtime.block_on(Pipeline::open(settings, store.clone())).unwrap();
        let pipeline = Arc::new(pipeline);
        let settings = api::Settings {
            userdb: userdb::Settings {
                uid: 5000,
                gid: 5000,
                home: "/var/vmail/%d/%n".to_owned(),
                mail: "maildir:~/Maildir".to_owned(),
                fields: [].into(),
            },
            caps: Caps::default(),
            public_url: Some("https://auth.example.org".to_owned()),
            store_dir: None,
        };
        let (kept, links) = (store.clone(), Arc::<Links>::default());
        let router = api::router(api::State {
            store,
            pipeline: pipeline.clone(),
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            syncs: Arc::default(),
            links: Some(links.clone()),
            server: None,
        });
        Self { router, pipeline, store: kept, links, runtime }
    }

    /// With a domain and Ann.
    pub(crate) fn with_ann() -> Self {
        let api = Self::empty();
        api.must(Method::POST, "/domains", json!({"name": "example.org"}));
        let ann = json!({"address": "ann@example.org", "password": "wonderland"});
        api.must(Method::POST, "/mailboxes", ann);
        api
    }

    fn send(&self, request: Request<Body>) -> (StatusCode, String, Vec<u8>) {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let kind = response.headers().get(header::CONTENT_TYPE);
            let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
            let status = response.status();
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, kind, body.to_vec())
        })
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The router's own answer to a request of root's.
    pub(crate) fn exchange(&self, mut request: Request<Body>) -> Response {
        request.extensions_mut().insert(Caller::system(0));
        self.runtime.block_on(async { self.router.clone().oneshot(request).await.unwrap() })
    }

    pub(crate) fn ask_bytes(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, Value) {
        self.ask_as(&Caller::system(0), method, path, body)
    }

    pub(crate) fn ask_as(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .body(body.into())
            .unwrap();
        request.extensions_mut().insert(caller.clone());
        let (status, kind, body) = self.send(request);
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if !status.is_success() {
            assert_eq!(kind, "application/problem+json", "{path}");
            assert_eq!(value["status"], status.as_u16(), "{path}");
            assert!(value["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{path}");
        }
        (status, value)
    }

    pub(crate) fn ask(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask_bytes(method, path, body.to_string())
    }

    pub(crate) fn must(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, value) = self.ask(method.clone(), path, &body);
        assert!(status.is_success(), "{method} {path} {body}: {status} {value}");
        value
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.must(Method::GET, path, Value::Null)
    }

    /// What it is refused with.
    pub(crate) fn refuses(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        let (status, value) = self.ask(method.clone(), path, &body);
        assert!(!status.is_success(), "{method} {path} {body}: {status} {value}");
        (status.as_u16(), value["detail"].as_str().unwrap().to_owned())
    }

    pub(crate) fn check_refused(
        &self,
        method: Method,
        path: &str,
        body: Value,
        status: u16,
        word: &str,
    ) {
        let (got, detail) = self.refuses(method, path, body.clone());
        assert_eq!(got, status, "{path} {body}: {detail}");
        assert!(detail.contains(word), "{path} {body}: {detail}");
    }
}

#[test]
fn nobody_in_particular_is_refused() {
    let api = Api::empty();
    for path in ["/api/v1/domains", "/api/v1/status", "/api/v1/export", "/api/v1/nowhere"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let (status, kind, _) = api.send(request);
        assert_eq!((status, kind.as_str()), (StatusCode::FORBIDDEN, "application/problem+json"));
    }
}

#[test]
fn paths_and_methods_that_are_not_there() {
    let api = Api::empty();
    api.check_refused(Method::GET, "/nowhere", Value::Null, 404, "/nowhere");
    api.check_refused(Method::PUT, "/domains", json!({}), 405, "PUT");
    api.check_refused(Method::GET, "/mailboxes/a@example.org/x/y", Value::Null, 404, "");
}

#[test]
fn domain_from_beginning_to_end() {
    let api = Api::empty();
    let new = json!({"name": "Bücher.example", "max_mailboxes": 2, "default_quota_bytes": 10});
    let made = api.must(Method::POST, "/domains", new.clone());
    assert_eq!(made["name"], "xn--bcher-kva.example");
    api.check_refused(Method::POST, "/domains", new, 409, "exists already");
    let path = "/domains/xn--bcher-kva.example";
    // Absent leaves alone, null takes away.
    api.must(Method::PATCH, path, json!({"active": false}));
    assert_eq!(api.get(path)["max_mailboxes"], 2);
    api.must(Method::PATCH, path, json!({"max_mailboxes": null}));
    let shown = api.get(path);
    assert_eq!((&shown["max_mailboxes"], &shown["active"]), (&Value::Null, &json!(false)));
    assert_eq!(shown["default_quota_bytes"], 10);
    // What cannot be taken away is no null.
    api.check_refused(Method::PATCH, path, json!({"active": null}), 400, "null");
    api.check_refused(Method::PATCH, path, json!({"max_quota_bytes": 5}), 400, "default quota");
    api.must(Method::DELETE, path, Value::Null);
    api.check_refused(Method::GET, path, Value::Null, 404, "does not exist");
}

#[test]
fn domain_with_mailboxes_stays() {
    let api = Api::with_ann();
    let (status, _) = api.refuses(Method::DELETE, "/domains/example.org", Value::Null);
    assert_eq!(status, 409);
}

#[test]
fn template_from_beginning_to_end() {
    let api = Api::empty();
    let new = json!({"name": "staff", "quota_bytes": 7, "further": {"sogo_access": "1", "a": "b"}});
    api.must(Method::POST, "/templates", new.clone());
    api.check_refused(Method::POST, "/templates", new, 409, "exists already");
    let change = json!({"quota_bytes": null, "further": {"a": null, "c": "d"}, "tags": ["x"]});
    let changed = api.must(Method::PATCH, "/templates/staff", change);
    assert_eq!(changed["quota_bytes"], Value::Null);
    assert_eq!(changed["further"], json!({"sogo_access": "1", "c": "d"}));
    // Programs read every field, whether it was set or not.
    let handed_out = &changed["handed_out"];
    for (field, value) in
        [("sogo_access", "1"), ("c", "d"), ("quarantine_category", "reject"), ("acl_syncjobs", "0")]
    {
        assert_eq!(handed_out[field], value, "{field}");
    }
    for (field, value) in [("sogo_access", "yes"), ("rl_frame", "w"), ("imap_access", "1")] {
        let wrong = json!({ "further": { field: value } });
        api.check_refused(Method::PATCH, "/templates/staff", wrong, 400, field);
    }
    assert_eq!(changed["revision"], 2);
    api.check_refused(Method::POST, "/templates", json!({"name": "x", "odd": 1}), 400, "odd");
    api.check_refused(Method::POST, "/templates", json!({"name": ""}), 400, "name");
    api.must(Method::POST, "/domains", json!({"name": "example.org"}));
    let bob = json!({"address": "bob@example.org", "template": "staff"});
    api.must(Method::POST, "/mailboxes", bob);
    assert_eq!(api.get("/mailboxes/bob@example.org")["handed_out"]["c"], "d");
    api.must(Method::DELETE, "/templates/staff", Value::Null);
    assert_eq!(api.get("/mailboxes/bob@example.org")["handed_out"], json!({}));
    api.check_refused(Method::DELETE, "/templates/staff", Value::Null, 404, "staff");
}

#[test]
fn mailbox_from_beginning_to_end() {
    let api = Api::with_ann();
    let shown = api.get("/mailboxes/Ann@EXAMPLE.org");
    assert_eq!(shown["address"], "ann@example.org");
    assert_eq!(shown["home"], "/var/vmail/example.org/ann");
    assert_eq!(shown["password_scheme"], "BLF-CRYPT");
    let path = "/mailboxes/ann@example.org";
    let change = json!({
        "quota_bytes": 5, "services": ["imap"], "state": "receive_only", "uid": 7,
        "extra_fields": {"a": "1", "b": "2"},
    });
    api.must(Method::PATCH, path, change);
    let change = json!({"quota_bytes": null, "uid": null, "extra_fields": {"a": null}});
    let changed = api.must(Method::PATCH, path, change);
    assert_eq!((&changed["quota_bytes"], &changed["uid"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&changed["services"], &changed["state"]),
        (&json!(["imap"]), &json!("receive_only"))
    );
    assert_eq!(changed["extra_fields"], json!({"b": "2"}));
    // A home that is taken away comes from the pattern again: it is never without.
    api.must(Method::PATCH, path, json!({"home": "/elsewhere"}));
    let changed = api.must(Method::PATCH, path, json!({"home": null}));
    assert_eq!(changed["home"], "/var/vmail/example.org/ann");
    api.must(Method::DELETE, path, Value::Null);
    api.check_refused(Method::GET, path, Value::Null, 404, "ann@example.org");
}

#[test]
fn mailbox_that_cannot_be() {
    let api = Api::with_ann();
    let mailboxes = |body: Value, status, word: &str| {
        api.check_refused(Method::POST, "/mailboxes", body, status, word);
    };
    let bob = |field: &str, value: Value| json!({"address": "bob@example.org", field: value});
    mailboxes(json!({"address": "ann@example.org"}), 409, "exists already");
    mailboxes(json!({"address": "bob@example.com"}), 404, "example.com");
    mailboxes(json!({"address": "bob"}), 400, "no domain");
    mailboxes(json!({"address": "b b@example.org"}), 400, "not allowed");
    mailboxes(json!({"address": "a".repeat(5000)}), 400, "too long");
    mailboxes(bob("template", json!("none")), 404, "none");
    mailboxes(bob("uid", json!(0)), 400, "uid 0");
    mailboxes(bob("home", json!("/var/../etc")), 400, "..");
    mailboxes(bob("display_name", json!("a\u{1b}[2J")), 400, "control");
    mailboxes(bob("extra_fields", json!({"a\tuid": "0"})), 400, "field");
    mailboxes(bob("extra_fields", json!({"a": "b\tuid=0"})), 400, "control");
    mailboxes(bob("services", json!(["gopher"])), 400, "gopher");
    mailboxes(bob("state", json!("asleep")), 400, "asleep");
    mailboxes(bob("password", json!("")), 400, "empty");
    mailboxes(bob("password", json!("a".repeat(2000))), 400, "longer");
    for control in ['\0', '\u{1}', '\t', '\r', '\n'] {
        mailboxes(bob("password", json!(format!("a{control}b"))), 400, "byte");
    }
    mailboxes(bob("hash", json!("secret")), 400, "SCHEME");
    mailboxes(bob("hash", json!("{SKEIN9}abcdef")), 400, "SKEIN9");
    mailboxes(bob("hash", json!("{BLF-CRYPT}$2y$10$short")), 400, "corrupt");
    mailboxes(
        bob("hash", json!(format!("{{BLF-CRYPT}}$2y$31${}", ".".repeat(53)))),
        400,
        "at most",
    );
    mailboxes(
        json!({"address": "bob@example.org", "hash": HASH, "password": "x"}),
        400,
        "not both",
    );
    mailboxes(bob("passwort", json!("x")), 400, "passwort");
    assert_eq!(api.get("/mailboxes")["items"].as_array().unwrap().len(), 1, "nothing was made");
}

#[test]
fn limits_of_the_domain_hold() {
    let api = Api::with_ann();
    api.must(Method::PATCH, "/domains/example.org", json!({"max_mailboxes": 1}));
    let bob = json!({"address": "bob@example.org"});
    api.check_refused(Method::POST, "/mailboxes", bob, 409, "max_mailboxes");
}

#[test]
fn password_is_set_and_taken_away() {
    let api = Api::with_ann();
    let path = "/mailboxes/ann@example.org/password";
    let explain = |password: &str| {
        let question = json!({"address": "ann@example.org", "password": password});
        api.must(Method::POST, "/explain", question)["verdict"].clone()
    };
    assert_eq!(explain("wonderland"), "verified");
    api.must(Method::PUT, path, json!({"password": "looking glass"}));
    assert_eq!(
        (explain("wonderland"), explain("looking glass")),
        (json!("rejected"), json!("verified"))
    );
    api.must(Method::PUT, path, json!({"hash": "{PLAIN}from elsewhere"}));
    assert_eq!(explain("from elsewhere"), "verified");
    api.check_refused(Method::PUT, path, json!({}), 400, "neither");
    api.must(Method::DELETE, path, Value::Null);
    assert_eq!(explain("from elsewhere"), "rejected");
}

#[test]
fn app_password_from_beginning_to_end() {
    let api = Api::with_ann();
    let path = "/mailboxes/ann@example.org/app-passwords";
    let new = json!({
        "name": "Phone", "services": ["imap"], "networks": ["10.0.0.0/8"],
        "expires": "2099-01-01T00:00:00+01:00",
    });
    let made = api.must(Method::POST, path, new);
    let (id, text) = (made["id"].as_str().unwrap(), made["password"].as_str().unwrap());
    assert_eq!((text.len(), &text[..4]), (29, id));
    assert_eq!(made["expires"], "2098-12-31T23:00:00Z");
    let listed = api.get(path);
    assert_eq!(listed["items"][0]["name"], "Phone");
    assert!(!listed.to_string().contains(&text[5..]), "{listed}");
    assert!(!listed.to_string().contains("digest"), "{listed}");
    let question = json!({"address": "ann@example.org", "password": text, "rip": "10.1.2.3"});
    assert_eq!(api.must(Method::POST, "/explain", question)["verdict"], "verified");
    let id = id.to_lowercase();
    api.must(Method::DELETE, &format!("{path}/{id}"), Value::Null);
    api.check_refused(Method::DELETE, &format!("{path}/{id}"), Value::Null, 404, "app password");
    api.check_refused(Method::DELETE, &format!("{path}/nonsense"), Value::Null, 400, "nonsense");
}

#[test]
fn app_password_that_cannot_be() {
    let api = Api::with_ann();
    let path = "/mailboxes/ann@example.org/app-passwords";
    for (body, word) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "a\nb"}), "control"),
        (json!({"name": "x".repeat(500)}), "longer"),
        (json!({"name": "x", "services": []}), "services"),
        (json!({"name": "x", "networks": ["10.0.0.0/99"]}), ""),
        (json!({"name": "x", "expires": "2001-01-01T00:00:00Z"}), "past"),
        (json!({"name": "x", "expires": "tomorrow"}), "RFC 3339"),
        (json!({"name": "x", "secret": "mine"}), "secret"),
        (json!({}), "name"),
    ] {
        api.check_refused(Method::POST, path, body, 400, word);
    }
    let nobody = "/mailboxes/bob@example.org/app-passwords";
    api.check_refused(Method::POST, nobody, json!({"name": "x"}), 404, "bob@example.org");
}

#[test]
fn app_passwords_are_bounded() {
    let api = Api::with_ann();
    let path = "/mailboxes/ann@example.org/app-passwords";
    for number in 0..100 {
        api.must(Method::POST, path, json!({"name": number.to_string()}));
    }
    let (status, _) = api.refuses(Method::POST, path, json!({"name": "one more"}));
    assert_eq!(status, 409);
}

#[test]
fn nothing_but_an_export_shows_hashes() {
    let api = Api::with_ann();
    api.must(
        Method::PUT,
        "/mailboxes/ann@example.org/password",
        json!({"hash": "{PLAIN}wonderland"}),
    );
    api.must(Method::POST, "/mailboxes/ann@example.org/app-passwords", json!({"name": "x"}));
    for path in [
        "/domains",
        "/domains/example.org",
        "/mailboxes",
        "/mailboxes/ann@example.org",
        "/mailboxes/ann@example.org/app-passwords",
        "/login-log",
        "/held-back",
        "/cache",
        "/status",
    ] {
        let text = api.get(path).to_string();
        for secret in ["wonderland", "$2y$", "digest", "local_hash"] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
    let question = json!({"address": "ann@example.org", "password": "wonderland"});
    let explained = api.must(Method::POST, "/explain", question).to_string();
    assert!(!explained.contains("wonderland"), "{explained}");
}

#[test]
fn listings_come_in_pages() {
    let api = Api::empty();
    api.must(Method::POST, "/domains", json!({"name": "example.org"}));
    for number in 0..7 {
        api.must(Method::POST, "/mailboxes", json!({"address": format!("u{number}@example.org")}));
    }
    let mut seen = Vec::new();
    let mut query = "limit=3".to_owned();
    loop {
        let page = api.get(&format!("/mailboxes?{query}"));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|item| item["address"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=3&after={next}");
    }
    assert_eq!(seen, (0..7).map(|n| format!("u{n}@example.org")).collect::<Vec<_>>());
    let masked = api.get("/mailboxes?mask=U3@*");
    assert_eq!(masked["items"].as_array().unwrap().len(), 1);
    api.check_refused(Method::GET, "/mailboxes?limit=x", Value::Null, 400, "limit");
    api.check_refused(Method::GET, "/mailboxes?colour=red", Value::Null, 400, "colour");
    let long = format!("/mailboxes?mask={}", "*a".repeat(400));
    api.check_refused(Method::GET, &long, Value::Null, 400, "mask");
}

#[test]
fn bodies_that_are_none() {
    let api = Api::empty();
    for (body, status) in [
        (Vec::new(), 400),
        (b"{".to_vec(), 400),
        (b"[]".to_vec(), 400),
        (b"null".to_vec(), 400),
        (b"\xff\xfe".to_vec(), 400),
        (format!("{{\"name\":\"{}\"}}", "\u{0}").into_bytes(), 400),
        ("[".repeat(100_000).into_bytes(), 400),
        (vec![b' '; 300 * 1024], 413),
        (vec![b'a'; 20 * 1024 * 1024], 413),
    ] {
        let (got, value) = api.ask_bytes(Method::POST, "/domains", body);
        assert_eq!(got.as_u16(), status, "{value}");
    }
}

#[test]
fn explain_without_a_password_says_what_it_can() {
    let api = Api::with_ann();
    let ask = |body: Value| api.must(Method::POST, "/explain", body);
    let open = ask(json!({"address": "ann@example.org", "protocol": "imap", "rip": "192.0.2.1"}));
    assert_eq!((&open["verdict"], &open["reason"]), (&json!("undecided"), &Value::Null));
    api.must(Method::PATCH, "/mailboxes/ann@example.org", json!({"state": "disabled"}));
    let disabled = ask(json!({"address": "ann@example.org"}));
    assert_eq!(
        (&disabled["verdict"], &disabled["reason"]),
        (&json!("rejected"), &json!("mailbox_disabled"))
    );
    let nobody = ask(json!({"address": "nobody\u{7}", "protocol": "imap"}));
    assert_eq!(nobody["verdict"], "rejected");
    let long = json!({"address": "a".repeat(5000)});
    api.check_refused(Method::POST, "/explain", long, 400, "longer");
}

#[test]
fn who_is_held_back_is_explained_listed_and_lifted() {
    let api = Api::with_ann();
    for number in 0..10 {
        api.guess(&format!("guess {number}"));
    }
    let explain = |password: Option<&str>| {
        let question = json!({"address": "ann@example.org", "password": password});
        api.must(Method::POST, "/explain", question)["reason"].clone()
    };
    assert_eq!(
        (explain(None), explain(Some("wonderland"))),
        (json!("held_back"), json!("held_back"))
    );
    let held = api.get("/held-back");
    assert_eq!(held["items"][0]["subject"], "ann@example.org");
    assert_eq!(api.get("/held-back?after=ann@example.org")["items"], json!([]));
    api.must(Method::POST, "/held-back/lift", json!({"subject": "Ann@example.org"}));
    assert_eq!((explain(None), explain(Some("wonderland"))), (Value::Null, Value::Null));
}

#[test]
fn explain_has_no_effect() {
    let api = Api::with_ann();
    for number in 0..50 {
        let guess = json!({
            "address": "ann@example.org", "password": format!("guess {number}"), "rip": "192.0.2.1",
        });
        api.must(Method::POST, "/explain", guess);
    }
    assert_eq!(api.get("/held-back")["items"], json!([]));
    assert_eq!(api.get("/login-log")["items"], json!([]));
    api.check_refused(
        Method::POST,
        "/held-back/lift",
        json!({"subject": "ann@example.org"}),
        404,
        "ann@example.org",
    );
    api.check_refused(Method::POST, "/held-back/lift", json!({"subject": "x"}), 400, "neither");
}

#[test]
fn export_goes_into_another_store() {
    let api = Api::with_ann();
    let path = "/mailboxes/ann@example.org/app-passwords";
    let made = api.must(Method::POST, path, json!({"name": "Phone"}));
    let export = api.export();
    let other = Api::empty();
    let (status, counts) = other.ask_bytes(Method::POST, "/import?dry_run=true", export.clone());
    assert_eq!((status.as_u16(), &counts["mailboxes"]), (200, &json!(1)), "{counts}");
    assert_eq!(other.get("/domains")["items"], json!([]), "a dry run changes nothing");
    let (_, counts) = other.ask_bytes(Method::POST, "/import", export.clone());
    assert_eq!((&counts["domains"], &counts["app_passwords"]), (&json!(1), &json!(1)));
    assert_eq!(other.export(), export);
    for password in [json!("wonderland"), made["password"].clone()] {
        let question = json!({"address": "ann@example.org", "password": password});
        assert_eq!(other.must(Method::POST, "/explain", question)["verdict"], "verified");
    }
}

#[test]
fn import_takes_all_or_nothing() {
    let api = Api::with_ann();
    let export = String::from_utf8(api.export()).unwrap();
    let lines: Vec<&str> = export.lines().collect();
    let other = Api::empty();
    let check = |text: String, status: u16, word: &str| {
        for path in ["/import", "/import?dry_run=true"] {
            let (got, value) = other.ask_bytes(Method::POST, path, text.clone());
            assert_eq!(got.as_u16(), status, "{path}: {value}");
            assert!(value["detail"].as_str().unwrap().contains(word), "{value}");
        }
    };
    check(String::new(), 400, "header");
    check(lines[1..].join("\n"), 400, "header");
    check(format!("{}\n{}\nnonsense", lines[0], lines[1]), 400, "line 3");
    check("{\"kind\":\"header\",\"schema\":999}".to_owned(), 409, "999");
    check(format!("{}\n{{\"kind\":\"unheard of\"}}", lines[0]), 400, "line 2");
    let many = vec![lines[1]; 1001].join("\n");
    check(format!("{}\n{many}", lines[0]), 413, "1000");
    // A mailbox without its domain: the domain before it must not stay either.
    let elsewhere = lines[1].replace("example.org", "example.net");
    let orphan = format!("{}\n{elsewhere}\n{}", lines[0], lines[2]);
    let (status, _) = other.ask_bytes(Method::POST, "/import", orphan);
    assert!(status.is_client_error());
    assert_eq!(other.get("/domains")["items"], json!([]));
}

impl Api {
    /// A login that is no question.
    fn guess(&self, password: &str) {
        let decision = self.runtime.block_on(self.pipeline.decide(Attempt {
            credentials: Credentials::Password {
                authcid: b"ann@example.org".to_vec(),
                authzid: None,
                password: password.into(),
            },
            mechanism: "PLAIN",
            protocol: "imap".to_owned(),
            rip: None,
            session: None,
            no_penalty: false,
            arrived: Timestamp::now(),
        }));
        assert!(matches!(decision.verdict, Verdict::Rejected(_)), "{decision:?}");
    }

    fn export(&self) -> Vec<u8> {
        let mut request = Request::builder().uri("/api/v1/export").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Caller::system(0));
        let (status, kind, body) = self.send(request);
        assert_eq!((status.as_u16(), kind.as_str()), (200, "application/jsonl"));
        body
    }
}
