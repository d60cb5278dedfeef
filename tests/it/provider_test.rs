//! `provider test`: each step fails by its own name, and says what to do.

use std::{fs, net::TcpListener};

use axum::http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    api::Api,
    cli::Data,
    support::{
        daemon::Daemon,
        provider::{
            Behaviour, CLIENT_ID, CLIENT_SECRET, DISCOVERY, FakeProvider, INTROSPECTION, JWKS,
            REALM, USERINFO, feed::EVENTS_CONFIG, keys::Certificate,
        },
    },
};

/// Settings that ask `fake` with our client's credentials.
fn settings(fake: &FakeProvider) -> Value {
    json!({
        "name": "corp",
        "kind": "oidc",
        "server_url": fake.url(),
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "clients": ["roundcube"],
        "connect_timeout": "1s",
        "timeout": "1s",
    })
}

/// What a try came to.
struct Tried(Vec<Value>);

impl Tried {
    /// With `settings` changed by the merge patch `change`.
    fn with(settings: &Value, change: Value) -> Self {
        Self::asking(settings, change, json!({}))
    }

    fn asking(settings: &Value, change: Value, question: Value) -> Self {
        let api = Api::empty();
        api.must(Method::POST, "/providers", settings.clone());
        api.must(Method::PATCH, "/providers/corp", change);
        let report = api.must(Method::POST, "/providers/corp/test", question);
        assert!(!report.to_string().contains(CLIENT_SECRET), "the secret shows: {report}");
        // The one that serves logins was not touched.
        let status = &api.get("/providers/corp")["status"];
        let requests = status["requests"].as_object().unwrap().values();
        assert!(requests.into_iter().all(|number| *number == 0), "{status}");
        Self(report["steps"].as_array().unwrap().clone())
    }

    fn find(&self, name: &str) -> &Value {
        let step = self.0.iter().find(|step| step["name"] == name);
        step.unwrap_or_else(|| panic!("no step {name}: {:#?}", self.0))
    }

    fn outcome(&self, name: &str) -> &str {
        self.find(name)["outcome"].as_str().unwrap()
    }

    fn detail(&self, name: &str) -> &str {
        self.find(name)["detail"].as_str().unwrap()
    }

    fn hint(&self, name: &str) -> &str {
        self.find(name)["hint"].as_str().unwrap_or_default()
    }

    /// `name` is the first step that failed, for this reason and with this hint.
    #[track_caller]
    fn failed_at(&self, name: &str, reason: &str, hint: &str) {
        let first = self.0.iter().find(|step| step["outcome"] == "failed");
        let first = first.unwrap_or_else(|| panic!("nothing failed: {:#?}", self.0));
        let text = |member: &str| first[member].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("name"), name, "{:#?}", self.0);
        assert!(text("detail").contains(reason), "{first}");
        assert!(text("hint").contains(hint), "{first}");
    }

    fn names_of(&self, outcome: &str) -> Vec<&str> {
        let steps = self.0.iter().filter(|step| step["outcome"] == outcome);
        steps.map(|step| step["name"].as_str().unwrap()).collect()
    }
}

#[test]
fn all_is_well() {
    let fake = FakeProvider::start();
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!(tried.names_of("failed"), [""; 0]);
    assert_eq!(tried.names_of("warning"), [""; 0]);
    assert_eq!(
        tried.names_of("ok"),
        ["resolve", "tcp", "discovery", "issuer", "JWKS", "client", "introspection", "userinfo"]
    );
    assert_eq!(
        tried.names_of("not_tried"),
        ["TLS", "events", "logout", "app passwords", "sign-in", "token size"]
    );
    assert!(tried.find("resolve")["detail"].as_str().unwrap().starts_with("localhost → "));
    assert_eq!(tried.find("issuer")["detail"], fake.url());
    assert_eq!(tried.find("JWKS")["detail"], "1 key");
}

#[test]
fn endpoints_without_discovery() {
    let fake = FakeProvider::start();
    let settings = json!({
        "name": "corp", "kind": "oidc", "introspection_url": fake.at(USERINFO), "timeout": "1s",
    });
    let tried = Tried::with(&settings, json!({}));
    assert_eq!(tried.names_of("ok"), ["resolve", "tcp", "userinfo"]);
    assert_eq!(tried.names_of("failed"), [""; 0]);
    // Tokens of every client are taken.
    assert_eq!(tried.names_of("warning"), ["warning"]);
}

#[test]
fn resolve_fails() {
    let fake = FakeProvider::start();
    let change = json!({"server_url": "http://nobody.invalid:8080"});
    let tried = Tried::with(&settings(&fake), change);
    tried.failed_at("resolve", "nobody.invalid", "getent hosts");
    for name in ["tcp", "TLS", "discovery", "issuer", "JWKS", "client", "introspection", "userinfo"]
    {
        assert_eq!(tried.outcome(name), "not_tried");
    }
}

#[test]
fn tcp_fails() {
    let fake = FakeProvider::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let change = json!({"server_url": format!("http://127.0.0.1:{port}")});
    let tried = Tried::with(&settings(&fake), change);
    tried.failed_at("tcp", &format!("port {port} of 127.0.0.1"), "Nothing listens there");
    assert_eq!((tried.outcome("resolve"), tried.outcome("discovery")), ("ok", "not_tried"));
}

#[test]
fn tls_fails_for_a_self_signed_certificate() {
    let certificate = Certificate::self_signed();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, &certificate.ca_pem).unwrap();
    let fake = FakeProvider::start_with(certificate);
    let tried = Tried::with(&settings(&fake), json!({}));
    tried.failed_at("TLS", "self-signed certificate of", "dovegate provider set corp --ca-file");
    assert_eq!((tried.outcome("tcp"), tried.outcome("discovery")), ("ok", "not_tried"));
    let tried = Tried::with(&settings(&fake), json!({"ca_file": file}));
    assert_eq!(tried.names_of("failed"), [""; 0]);
    assert!(tried.find("TLS")["detail"].as_str().unwrap().contains("valid for"));
    let tried = Tried::with(&settings(&fake), json!({"ignore_ssl_errors": true}));
    assert_eq!(tried.names_of("failed"), [""; 0]);
    assert_eq!(tried.names_of("warning"), ["TLS", "warning"]);
    assert!(tried.find("TLS")["detail"].as_str().unwrap().contains("not checked"));
}

#[test]
fn tls_fails_for_every_other_certificate() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    for (certificate, trusted, reason, hint) in [
        (Certificate::by_authority(), false, "certificate of \"An authority of tests\"", "ca_file"),
        (Certificate::expired(), true, "over for", "renewed"),
        (
            Certificate::of_another(),
            true,
            "another name",
            "It is for idp.example.org, and localhost",
        ),
    ] {
        fs::write(&file, &certificate.ca_pem).unwrap();
        let fake = FakeProvider::start_with(certificate);
        let change = if trusted { json!({"ca_file": file}) } else { json!({}) };
        Tried::with(&settings(&fake), change).failed_at("TLS", reason, hint);
        assert_eq!(fake.count_all(), 0, "nothing is sent to whom is not believed");
    }
}

#[test]
fn tls_fails_where_there_is_none() {
    let fake = FakeProvider::start();
    let change = json!({"server_url": fake.url().replace("http:", "https:")});
    Tried::with(&settings(&fake), change).failed_at("TLS", "no TLS", "write http://");
}

/// The other way round: a server with TLS is asked in clear.
#[test]
fn discovery_fails_in_clear_where_there_is_tls() {
    let fake = FakeProvider::start_with(Certificate::by_authority());
    let change = json!({"server_url": fake.url().replace("https:", "http:")});
    Tried::with(&settings(&fake), change).failed_at("discovery", "", "write https://");
}

#[test]
fn discovery_fails() {
    let fake = FakeProvider::start();
    for (behaviour, reason, hint) in [
        (Behaviour::status(404), "status 404", "server_url is the issuer with its whole path"),
        (Behaviour::status(302), "status 302", "write https://"),
        (Behaviour::status(503), "status 503", ""),
        (Behaviour::text(200, "text/html", "<html>"), "text/html", ""),
        (Behaviour::text(200, "application/json", "{"), "JSON", ""),
        (Behaviour::Hang, "no answer within 1s", "overloaded"),
        (Behaviour::Huge, "too large", ""),
        (Behaviour::Reset, "", ""),
    ] {
        fake.behave(DISCOVERY, behaviour);
        let tried = Tried::with(&settings(&fake), json!({}));
        tried.failed_at("discovery", reason, hint);
        assert_eq!(tried.outcome("issuer"), "not_tried");
        // Without it nobody knows where to ask.
        assert_eq!(tried.names_of("failed"), ["discovery"]);
    }
}

fn keycloak(fake: &FakeProvider, root: &str, realm: &str) -> Tried {
    let change = json!({"kind": "keycloak", "server_url": fake.at(root), "realm": realm});
    Tried::with(&settings(fake), change)
}

/// The right to see people counts where hashes of their passwords are asked for.
#[test]
fn users_fails_where_people_cannot_be_seen() {
    let fake = FakeProvider::start();
    fake.call_itself(&fake.at(REALM));
    let (token, users) = ("/protocol/openid-connect/token", "/admin/realms/mail/users");
    fake.behave(token, Behaviour::json(&json!({"access_token": "ours", "expires_in": 300})));
    let try_with = |answer: Behaviour| {
        fake.behave(users, answer);
        let change = json!({
            "kind": "keycloak", "server_url": fake.url(), "realm": "mail", "mailpassword_flow": true,
        });
        Tried::with(&settings(&fake), change)
    };
    let tried = try_with(Behaviour::json(&json!([{"id": "1"}])));
    assert_eq!(tried.names_of("failed"), [""; 0]);
    let expected = format!("\"{CLIENT_ID}\" may see them and their mailcow_password");
    assert_eq!(tried.find("users")["detail"], expected);
    let way = format!("Clients → {CLIENT_ID} → Service accounts roles → Assign role");
    try_with(Behaviour::status(403)).failed_at("users", "status 403", &way);
    try_with(Behaviour::json(&json!([]))).failed_at("users", "sees nobody at all", &way);
    try_with(Behaviour::status(503)).failed_at("users", "status 503", "");
    fake.behave(token, Behaviour::status(401));
    let tried = try_with(Behaviour::json(&json!([])));
    tried.failed_at("users", "our client gets no token", "\"Service accounts roles\" ticked");
    // App passwords are enough of a reason; without either nobody looks.
    fake.behave(token, Behaviour::json(&json!({"access_token": "ours", "expires_in": 300})));
    fake.behave(users, Behaviour::json(&json!([{"id": "1"}])));
    let change = json!({
        "kind": "keycloak", "server_url": fake.url(), "realm": "mail", "account_check": "10m",
    });
    let tried = Tried::with(&settings(&fake), change);
    assert_eq!(tried.find("users")["detail"], format!("\"{CLIENT_ID}\" may see them"));
    assert!(tried.detail("app passwords").contains("10m later at the latest"));
    assert!(!keycloak(&fake, "", "mail").0.iter().any(|step| step["name"] == "users"));
}

/// A sync ends where the mapping names what is not there or cannot be seen; logins
/// go on without.
#[test]
fn the_mapping_is_warned_of_where_a_sync_would_end() {
    let fake = FakeProvider::start();
    fake.call_itself(&fake.at(REALM));
    fake.behave("/protocol/openid-connect/token", {
        Behaviour::json(&json!({"access_token": "ours", "expires_in": 300}))
    });
    fake.group("/board", &["ann"]);
    fake.role("mail", &["ann"], &[], &[]);
    let try_with = |mapping: Value| {
        let change = json!({
            "kind": "keycloak", "server_url": fake.url(), "realm": "mail", "attribute_mapping": mapping,
        });
        Tried::with(&settings(&fake), change)
    };
    let both = json!([
        {"group": "/board", "template": "Gold"}, {"role": "mail", "template": "Mail"},
        {"value": "staff", "template": "Staff"},
    ]);
    let tried = try_with(both.clone());
    assert_eq!(tried.outcome("mapping"), "ok");
    assert!(tried.detail("mapping").contains("all 2 groups and roles"));
    for (mapping, words) in [
        (json!([{"group": "/none", "template": "Gold"}]), "no group /none"),
        (json!([{"role": "none", "template": "Gold"}]), "no role none"),
    ] {
        let tried = try_with(mapping);
        assert_eq!(tried.outcome("mapping"), "warning");
        assert!(tried.detail("mapping").contains(words), "{}", tried.detail("mapping"));
    }
    fake.forbid(&["roles/mail/users"]);
    assert!(try_with(both).detail("mapping").contains("roles take view-realm"));
    let by_values = try_with(json!([{"value": "staff", "template": "Staff"}]));
    assert!(!by_values.0.iter().any(|step| step["name"] == "mapping"));
}

/// What is noticed of people without being asked, and when the rest is: nothing of
/// it is needed for a login, so nothing of it fails.
#[test]
fn how_soon_changes_are_noticed() {
    let fake = FakeProvider::start();
    fake.call_itself(&fake.at(REALM));
    let token = "/protocol/openid-connect/token";
    fake.behave(token, Behaviour::json(&json!({"access_token": "ours", "expires_in": 300})));
    fake.behave("/admin/realms/mail/users", Behaviour::json(&json!([{"id": "1"}])));
    let try_with = |change: Value| {
        let mut settings = settings(&fake);
        let keycloak = json!({
            "kind": "keycloak", "server_url": fake.url(), "realm": "mail", "mailpassword_flow": true,
        });
        for (name, value) in keycloak.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let tried = Tried::with(&settings, change);
        assert_eq!(tried.names_of("failed"), [""; 0]);
        tried
    };
    let times = "a revoked token is noticed after 1m at the latest, a new password and a disabled user \
                 after 1m, the disabled owner of an app password after 15m";
    fake.records(true, true);
    let tried = try_with(json!({}));
    assert_eq!(tried.outcome("events"), "ok");
    let detail = tried.detail("events");
    assert!(detail.contains("within some 2s") && detail.contains("LDAP"), "{detail}");
    assert!(detail.ends_with(times), "{detail}");
    for (admin, user, lacking) in [
        (false, false, "does not record events"),
        (true, false, "user events"),
        (false, true, "admin events"),
    ] {
        fake.records(admin, user);
        let tried = try_with(json!({}));
        assert_eq!(tried.outcome("events"), "warning");
        let detail = tried.detail("events");
        assert!(detail.contains(lacking) && detail.ends_with(times), "{detail}");
        assert!(tried.hint("events").contains("Realm settings → Events"));
    }
    fake.behave(EVENTS_CONFIG, Behaviour::status(403));
    let tried = try_with(json!({}));
    assert_eq!(tried.outcome("events"), "warning");
    assert!(tried.detail("events").ends_with(times), "{}", tried.detail("events"));
    assert!(tried.hint("events").contains("realm-management: view-events"));
    let other = json!({ "token_cache": "2m", "mailpassword_cache": "90s", "account_check": "0s", "event_interval": "0s" });
    let tried = try_with(other);
    assert_eq!(tried.outcome("events"), "not_tried");
    let detail = tried.detail("events");
    assert!(detail.contains("event_interval is 0s") && detail.contains("after 2m"), "{detail}");
    assert!(detail.ends_with("after 90s"), "{detail}");
    assert_eq!(tried.outcome("app passwords"), "not_tried");
    assert!(tried.hint("app passwords").contains("--account-check 15m"));
}

#[test]
fn who_is_told_of_sign_outs() {
    let fake = FakeProvider::start();
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!(tried.outcome("logout"), "not_tried");
    assert!(tried.detail("app passwords").contains("kind oidc cannot say"));
    let document = json!({
        "issuer": fake.url(), "jwks_uri": fake.at(JWKS), "backchannel_logout_supported": true,
        "introspection_endpoint": fake.at(INTROSPECTION), "userinfo_endpoint": fake.at(USERINFO),
    });
    fake.behave(DISCOVERY, Behaviour::json(&document));
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!(tried.outcome("logout"), "ok");
    let hint = tried.hint("logout");
    assert!(hint.contains("for roundcube") && hint.contains("/backchannel-logout/corp"), "{hint}");
    let tried = Tried::with(&settings(&fake), json!({ "methods": ["jwt"] }));
    assert!(tried.detail("logout").contains("until it is over"), "{}", tried.detail("logout"));
    let nameless = json!({ "client_id": null, "client_secret": null, "clients": null });
    let tried = Tried::with(&settings(&fake), nameless);
    assert_eq!(tried.outcome("logout"), "not_tried");
    assert!(tried.detail("logout").contains("client_id"), "{}", tried.detail("logout"));
}

/// A Keycloak at the root, and one below `/auth`: each asked as if it were the
/// other, and for a realm that it has not.
#[test]
fn discovery_fails_for_a_wrong_prefix_or_realm() {
    let fake = FakeProvider::start();
    fake.call_itself(&fake.at(REALM));
    assert_eq!(keycloak(&fake, "", "mail").names_of("failed"), [""; 0]);
    let hint = format!("set server_url to {}", fake.url());
    let tried = keycloak(&fake, "/auth", "mail");
    tried.failed_at("discovery", "status 404", &hint);
    assert!(tried.find("discovery")["hint"].as_str().unwrap().ends_with(&fake.url()));
    keycloak(&fake, "", "post").failed_at(
        "discovery",
        "status 404",
        "a realm \"post\"? Case counts",
    );

    let old = format!("/auth{REALM}");
    let document = json!({"issuer": fake.at(&old)});
    fake.behave(DISCOVERY, Behaviour::status(404));
    fake.behave(&format!("{old}{DISCOVERY}"), Behaviour::json(&document));
    let hint = format!("set server_url to {}/auth", fake.url());
    keycloak(&fake, "", "mail").failed_at("discovery", "status 404", &hint);
}

#[test]
fn issuer_fails() {
    let fake = FakeProvider::start();
    fake.call_itself("https://login.example.org");
    let tried = Tried::with(&settings(&fake), json!({}));
    let reason = format!("calls itself https://login.example.org, and {} is expected", fake.url());
    tried.failed_at("issuer", &reason, "--issuer https://login.example.org (issuer)");
    assert_eq!(tried.outcome("discovery"), "ok");
    // Keycloak: the option that fixes it there.
    fake.call_itself("https://login.example.org/realms/mail");
    keycloak(&fake, "", "mail").failed_at("issuer", "login.example.org", "hostname=https://HOST");
    fake.behave(DISCOVERY, Behaviour::json(&json!({"hello": "world"})));
    Tried::with(&settings(&fake), json!({})).failed_at("issuer", "names none", "mend server_url");
    fake.heal();
    // Said apart from the address at which it is asked.
    fake.call_itself("https://login.example.org");
    let tried = Tried::with(&settings(&fake), json!({"issuer": "https://login.example.org"}));
    assert_eq!(tried.names_of("failed"), [""; 0]);
}

#[test]
fn jwks_fails_where_keys_are_needed() {
    let fake = FakeProvider::start();
    fake.behave(JWKS, Behaviour::status(500));
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!(tried.names_of("failed"), [""; 0]);
    assert_eq!(tried.outcome("JWKS"), "warning");
    let by_signature = json!({"methods": ["jwt"]});
    Tried::with(&settings(&fake), by_signature.clone()).failed_at("JWKS", "status 500", "");
    fake.behave(JWKS, Behaviour::json(&json!({"keys": []})));
    Tried::with(&settings(&fake), by_signature).failed_at("JWKS", "no key", "");
}

#[test]
fn client_fails() {
    let fake = FakeProvider::start();
    let wrong = json!({"client_secret": "looking-glass"});
    let tried = Tried::with(&settings(&fake), wrong.clone());
    tried.failed_at("client", "status 401", "--client-secret-stdin");
    assert_eq!(tried.outcome("introspection"), "not_tried");
    fake.call_itself(&fake.at(REALM));
    let mut change = json!({"kind": "keycloak", "realm": "mail"});
    change.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
    Tried::with(&settings(&fake), change).failed_at(
        "client",
        "",
        "Clients → mailgate → Credentials",
    );
}

#[test]
fn introspection_fails() {
    let fake = FakeProvider::start();
    for (behaviour, reason, hint) in [
        (Behaviour::status(404), "no such endpoint", "leads nowhere"),
        (Behaviour::status(500), "status 500", ""),
        (Behaviour::json(&json!({"hello": 1})), "does not say whether", ""),
        (Behaviour::json(&json!({"active": true})), "called active", "takes any token"),
    ] {
        fake.behave(INTROSPECTION, behaviour);
        let tried = Tried::with(&settings(&fake), json!({}));
        tried.failed_at("introspection", reason, hint);
        assert_eq!(tried.outcome("userinfo"), "ok");
    }
}

#[test]
fn userinfo_fails_where_it_is_a_method() {
    let fake = FakeProvider::start();
    let by_userinfo = json!({"clients": null, "methods": ["userinfo"]});
    for (behaviour, reason, hint) in [
        (Behaviour::status(404), "no such endpoint", "leads nowhere"),
        (Behaviour::status(500), "status 500", ""),
        (Behaviour::json(&json!({"sub": "7"})), "answered with a person", "takes any token"),
    ] {
        fake.behave(USERINFO, behaviour);
        Tried::with(&settings(&fake), by_userinfo.clone()).failed_at("userinfo", reason, hint);
    }
    fake.behave(USERINFO, Behaviour::status(500));
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!((tried.outcome("userinfo"), tried.names_of("failed")), ("warning", vec![]));
}

#[test]
fn a_token_is_measured_and_checked() {
    let fake = FakeProvider::start();
    let try_with = |token: &str| {
        let tried =
            Tried::asking(&settings(&fake), json!({"clients": null}), json!({"token": token}));
        assert!(!tried.0.iter().any(|step| step.to_string().contains(token)), "{:?}", tried.0);
        tried
    };
    let tried = try_with(&fake.token(json!({})));
    assert_eq!((tried.outcome("token size"), tried.outcome("token")), ("ok", "ok"));
    assert_eq!(tried.outcome("token introspection"), "ok");
    let tried = try_with(&fake.token(json!({"padding": "x".repeat(2000)})));
    assert_eq!((tried.outcome("token size"), tried.outcome("token")), ("warning", "ok"));
    let hint = tried.find("token size")["hint"].as_str().unwrap();
    assert!(hint.contains("line_length_limit=12288") && !hint.contains("Dovecot"), "{hint}");
    assert_eq!(tried.names_of("failed"), [""; 0]);
    let tried = try_with(&fake.token(json!({"padding": "x".repeat(5000)})));
    let hint = tried.find("token size")["hint"].as_str().unwrap();
    assert!(hint.contains("Dovecot ends a connection"), "{hint}");
    let tried = try_with(&fake.token(json!({"email_verified": false})));
    assert_eq!((tried.outcome("token"), tried.names_of("failed")), ("warning", vec![]));
    assert!(tried.find("token")["hint"].as_str().unwrap().contains("email_verified"));
    try_with("a-token-that-nobody-gave-out").failed_at("token introspection", "inactive", "");
    try_with("no token at all").failed_at("token", "by its form", "access_token");
}

/// Where our client may get a token for itself, that one is measured.
#[test]
fn our_own_token_is_measured() {
    let fake = FakeProvider::start();
    let mut document: Value = json!({"issuer": fake.url(), "token_endpoint": fake.at("/token")});
    for (member, path) in [
        ("jwks_uri", JWKS),
        ("introspection_endpoint", INTROSPECTION),
        ("userinfo_endpoint", USERINFO),
    ] {
        document[member] = json!(fake.at(path));
    }
    fake.behave(DISCOVERY, Behaviour::json(&document));
    fake.behave("/token", Behaviour::json(&json!({"access_token": "wonderland".repeat(300)})));
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!((tried.outcome("token size"), tried.names_of("failed")), ("warning", vec![]));
    assert!(tried.find("token size")["detail"].as_str().unwrap().contains("3000 bytes"));
    assert!(!tried.0.iter().any(|step| step.to_string().contains("wonderland")));
    assert_eq!(fake.seen("/token")[0].body, "grant_type=client_credentials");
    fake.behave("/token", Behaviour::status(401));
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!((tried.outcome("token size"), tried.names_of("failed")), ("not_tried", vec![]));
}

/// Twenty seconds are the most that a try takes, whatever is in its way.
#[test]
fn a_provider_that_hangs_does_not_hold_up_the_rest() {
    let fake = FakeProvider::start();
    for path in [JWKS, INTROSPECTION, USERINFO] {
        fake.behave(path, Behaviour::Hang);
    }
    let began = std::time::Instant::now();
    let tried = Tried::with(&settings(&fake), json!({}));
    tried.failed_at("introspection", "no answer within 1s", "overloaded");
    assert_eq!((tried.outcome("JWKS"), tried.outcome("userinfo")), ("warning", "warning"));
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn settings_that_went_bad_are_named() {
    let fake = FakeProvider::start();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, CLIENT_SECRET).unwrap();
    let api = Api::empty();
    let mut settings = settings(&fake);
    settings["client_secret"] = Value::Null;
    settings["client_secret_file"] = json!(file);
    api.must(Method::POST, "/providers", settings);
    fs::remove_file(&file).unwrap();
    // Any change makes the server read all of them again.
    let other = json!({"name": "other", "kind": "oidc", "server_url": "https://a.example.org"});
    api.must(Method::POST, "/providers", other);
    let shown = api.get("/providers/corp");
    assert_eq!(shown["problems"][0]["key"], "client_secret_file", "{shown}");
    assert_eq!(shown["realm"], Value::Null);
    let tried = Tried(
        api.must(Method::POST, "/providers/corp/test", json!({}))["steps"]
            .as_array()
            .unwrap()
            .clone(),
    );
    tried.failed_at("settings", "client_secret_file: ", "");
}

#[test]
fn as_a_command() {
    let fake = FakeProvider::start();
    let data = Data::new();
    let url = fake.url();
    let add = [
        "provider",
        "add",
        "corp",
        "--kind",
        "oidc",
        "--server-url",
        &url,
        "--client-id",
        CLIENT_ID,
        "--client-secret-stdin",
    ];
    data.ok(&add, CLIENT_SECRET);
    let said = data.ok(&["provider", "test", "corp"], "");
    assert!(
        said.lines().any(|line| line.starts_with("  discovery") && line.contains(" ok ")),
        "{said}"
    );
    // Without a list of clients there is a warning, which is no failure.
    assert!(said.contains("  warning"), "{said}");
    let token = fake.token(json!({}));
    let said = data.ok(&["provider", "test", "corp", "--token-stdin"], &token);
    assert!(said.contains("good, for ann@example.org") && !said.contains(&token), "{said}");
    data.ok(&["provider", "set", "corp", "--client-secret-stdin"], "looking-glass");
    let output = data.run(&["provider", "test", "corp", "--json"], "");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let client = report["steps"].as_array().unwrap().iter().find(|step| step["name"] == "client");
    assert_eq!(client.unwrap()["outcome"], "failed");
    assert!(data.fails(&["provider", "test", "other"], "", 1).contains("provider list"));
}

#[test]
fn as_a_command_beside_a_server() {
    let fake = FakeProvider::start();
    let lines = fake.config("corp");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let daemon = Daemon::start(&lines);
    let said = daemon.cli(&["provider", "test", "corp"], "");
    assert!(said.contains("a made-up token is called inactive"), "{said}");
    fake.behave(INTROSPECTION, Behaviour::status(503));
    let output = daemon.try_cli(&["provider", "test", "corp"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("status 503"));
}

#[test]
fn whether_browsers_can_sign_in() {
    let fake = FakeProvider::start();
    let tried = Tried::with(&settings(&fake), json!({}));
    let missing = "does not name authorize_url, token_url";
    assert!(tried.detail("sign-in").ends_with(missing), "{}", tried.detail("sign-in"));
    fake.signs_in(json!({}));
    let tried = Tried::with(&settings(&fake), json!({}));
    assert_eq!(tried.outcome("sign-in"), "ok");
    assert_eq!(tried.detail("sign-in"), format!("browsers go to {}/authorize", fake.url()));
    assert!(tried.hint("sign-in").ends_with("/sign-in/corp/callback behind it"));
}
