//! Who may do what: every route with every kind of caller, and what an administrator
//! of some domains, a token and the owner of a mailbox see of the rest.

use std::time::Duration;

use axum::http::Method;
use dovegate::{
    api::{
        self, Bearers, Caller, Scope,
        caller::{PersonThere, Reach},
        rights::{Needs, Over},
    },
    clock::Timestamp,
    mailbox::{AdminTokenId, DomainName},
    secret::Secret,
};
use serde_json::{Value, json};

use super::api::Api;

/// Two domains with a provider each: `a.example` with Ann and Amy at `alpha`,
/// `b.example` with Bob at `beta`.
struct World {
    api: Api,
}

impl World {
    fn new() -> Self {
        let api = Api::empty();
        for (provider, domain) in [("alpha", "a.example"), ("beta", "b.example")] {
            let new = json!({
                "name": provider, "kind": "keycloak", "realm": "mail",
                "server_url": format!("https://{provider}.example"),
                "client_id": "dovegate", "client_secret": "hush",
                "administrator_role": "mail-admin", "administrators": provider == "beta",
            });
            api.must(Method::POST, "/providers", new);
            let new = json!({"name": domain, "provider": provider});
            api.must(Method::POST, "/domains", new);
        }
        for address in ["amy@a.example", "ann@a.example", "bob@b.example"] {
            api.must(Method::POST, "/mailboxes", json!({ "address": address }));
        }
        api.must(Method::POST, "/templates", json!({"name": "staff"}));
        Self { api }
    }

    fn person(&self, address: &str) -> Caller {
        let id = self.api.get(&format!("/mailboxes/{address}"))["id"].clone();
        let id = serde_json::from_value(id).unwrap();
        let address = serde_json::from_value(address.into()).unwrap();
        Caller::person(address, id)
    }

    fn callers(&self) -> Vec<Caller> {
        let mut callers = vec![
            Caller::system(0),
            Caller::link(0),
            Caller::global_administrator("Root".to_owned(), "beta".parse().unwrap()),
            of_alpha(),
            self.person("ann@a.example"),
            token(Scope::ALL, None),
            token(Scope::ALL, Some("a.example")),
        ];
        callers.extend(Scope::OF_TOKENS.map(|scope| token([scope], None)));
        callers.extend(Scope::OF_TOKENS.map(|scope| token([scope], Some("a.example"))));
        callers
    }

    /// Status and detail.
    fn ask(&self, caller: &Caller, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        let (status, value) = self.api.ask_as(caller, method.clone(), path, body.to_string());
        (status.as_u16(), value)
    }

    fn get(&self, caller: &Caller, path: &str) -> Value {
        let (status, value) = self.ask(caller, &Method::GET, path, &Value::Null);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    fn names(&self, caller: &Caller, path: &str, name: &str) -> Vec<String> {
        let page = self.get(caller, path);
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "a request is written where it is sent")]
    fn check(&self, caller: &Caller, method: Method, path: &str, body: Value, status: u16) {
        let (got, value) = self.ask(caller, &method, path, &body);
        assert_eq!(got, status, "{} {method} {path} {body}: {value}", caller.who());
    }
}

fn of_alpha() -> Caller {
    Caller::domain_administrator("Alice".to_owned(), "alpha".parse().unwrap())
}

fn token(scopes: impl IntoIterator<Item = Scope>, domain: Option<&str>) -> Caller {
    let domains = domain.map(|name| [serde_json::from_value(name.into()).unwrap()].into());
    Caller::token(AdminTokenId::from_bits(7), "Panel".to_owned(), scopes, domains)
}

fn filled(path: &str, needs: Needs, domain: &str, provider: &str, address: &str) -> String {
    let name = match needs.over {
        Over::Provider => provider,
        _ if path.starts_with("/domains") => domain,
        _ if path.starts_with("/providers") => provider,
        _ => "staff",
    };
    path.replace("{name}", name)
        .replace("{address}", address)
        .replace("{id}", "AAAA")
        .replace("{run}", "1")
}

/// What stands beside the routes, as it is to be read by whoever changes it: what an
/// administrator of some domains and the owner of a mailbox may do is all that
/// is not the whole server's.
#[test]
fn routes_for_less_than_everything() {
    let declared: Vec<String> = api::needs()
        .filter(|(_, _, needs)| needs.over != Over::Everything)
        .map(|(method, path, needs)| {
            let owner = if needs.owner_may { " owner" } else { "" };
            format!("{method} {path} {}{owner}", needs.scope)
        })
        .collect();
    let expected = [
        "GET /domains read",
        "GET /domains/{name} read",
        "POST /domains/{name}/auth-source mailboxes",
        "GET /providers read",
        "GET /providers/{name} read",
        "POST /providers/{name}/test operate",
        "POST /providers/{name}/preview operate",
        "GET /providers/{name}/sync read",
        "POST /providers/{name}/sync sync",
        "DELETE /providers/{name}/sync sync",
        "GET /providers/{name}/sync/runs read",
        "GET /providers/{name}/sync/runs/{run} read",
        "GET /providers/{name}/sync/logins read",
        "GET /providers/{name}/sync/next read",
        "GET /providers/{name}/sync/plan read",
        "GET /templates read",
        "GET /templates/{name} read",
        "GET /mailboxes read",
        "POST /mailboxes mailboxes",
        "GET /mailboxes/{address} read owner",
        "PATCH /mailboxes/{address} mailboxes",
        "DELETE /mailboxes/{address} mailboxes",
        "PUT /mailboxes/{address}/password mailboxes owner",
        "DELETE /mailboxes/{address}/password mailboxes",
        "GET /mailboxes/{address}/app-passwords read owner",
        "POST /mailboxes/{address}/app-passwords mailboxes owner",
        "DELETE /mailboxes/{address}/app-passwords mailboxes owner",
        "DELETE /mailboxes/{address}/app-passwords/{id} mailboxes owner",
        "GET /login-log read owner",
        "GET /held-back read",
        "POST /held-back/lift operate",
        "POST /cache/flush operate",
        "POST /explain operate",
    ];
    assert_eq!(declared, expected);
}

/// A body that no route takes: it says whether the request came that far.
const NO_BODY: Value = Value::Bool(false);

#[test]
fn every_route_with_every_caller() {
    for (place, (method, path, needs)) in api::needs().enumerate() {
        // Deleting is done, so each has a world of its own.
        let world = World::new();
        for caller in world.callers() {
            let rights = caller.rights();
            let whole = rights.reach == Reach::Everything;
            let is_owner = matches!(rights.reach, Reach::Own { .. });
            let may = rights.scopes.contains(&needs.scope)
                && (whole || needs.over != Over::Everything)
                && (!is_owner || needs.owner_may);
            let what = format!("{place}. {} {method} {path}", caller.who());
            let foreign = filled(path, needs, "b.example", "beta", "bob@b.example");
            let (status, value) = world.ask(&caller, &method, &foreign, &NO_BODY);
            let is_named = matches!(needs.over, Over::Domain | Over::Mailbox | Over::Provider);
            if !may {
                assert_eq!((status, &value["code"]), (403, &json!("forbidden")), "{what}");
            } else if !whole && is_named {
                // As if it were not there.
                let nowhere = filled(path, needs, "c.example", "gamma", "bob@c.example");
                let (missing, text) = world.ask(&caller, &method, &nowhere, &NO_BODY);
                assert_eq!((status, missing), (404, 404), "{what}");
                let text = text.to_string().replace("c.example", "b.example");
                assert_eq!(value.to_string(), text.replace("gamma", "beta"), "{what}");
            } else {
                assert!(![401, 403].contains(&status), "{what}: {status} {value}");
            }
            if may && method != Method::DELETE {
                let own = filled(path, needs, "a.example", "alpha", "ann@a.example");
                let (status, value) = world.ask(&caller, &method, &own, &NO_BODY);
                assert!(![401, 403].contains(&status), "{what} {own}: {status} {value}");
                let is_there = !is_named || value["what"] == Value::Null;
                assert!(is_there, "{what} {own}: {value}");
            }
        }
    }
}

#[test]
fn listings_name_what_is_reached() {
    let world = World::new();
    let whole = [Caller::system(0), Caller::link(0), token([Scope::Read], None)];
    let some = [of_alpha(), token([Scope::Read], Some("a.example"))];
    let all_mailboxes = ["amy@a.example", "ann@a.example", "bob@b.example"];
    for (callers, domains, providers, mailboxes) in [
        (&whole[..], &["a.example", "b.example"][..], &["alpha", "beta"][..], &all_mailboxes[..]),
        (&some[..], &["a.example"], &["alpha"], &["amy@a.example", "ann@a.example"]),
    ] {
        for caller in callers {
            assert_eq!(world.names(caller, "/domains", "name"), domains);
            assert_eq!(world.names(caller, "/providers", "name"), providers);
            assert_eq!(world.names(caller, "/mailboxes", "address"), mailboxes);
            assert_eq!(world.names(caller, "/mailboxes?mask=a*", "address"), mailboxes[..2]);
            assert_eq!(world.names(caller, "/templates", "name"), ["staff"]);
            let foreign = world.names(caller, "/mailboxes?domain=b.example", "address");
            assert_eq!(foreign, mailboxes[2..]);
        }
    }
}

#[test]
fn pages_go_from_domain_to_domain() {
    let world = World::new();
    for name in ["c.example", "d.example"] {
        let new = json!({"name": name, "provider": "alpha"});
        world.api.must(Method::POST, "/domains", new);
        for local in ["x", "y"] {
            let new = json!({"address": format!("{local}@{name}")});
            world.api.must(Method::POST, "/mailboxes", new);
        }
    }
    let pages = |path: &str, name: &str| {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = world.get(&of_alpha(), &format!("{path}?limit=1{after}"));
            let items = page["items"].as_array().unwrap();
            found.extend(items.iter().map(|item| item[name].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return found,
            }
        }
    };
    assert_eq!(pages("/domains", "name"), ["a.example", "c.example", "d.example"]);
    let expected = [
        "amy@a.example",
        "ann@a.example",
        "x@c.example",
        "y@c.example",
        "x@d.example",
        "y@d.example",
    ];
    assert_eq!(pages("/mailboxes", "address"), expected);
}

/// What a provider's administrator reaches is looked up when he asks.
#[test]
fn domain_that_changes_its_provider_changes_hands() {
    let world = World::new();
    world.check(&of_alpha(), Method::GET, "/mailboxes/ann@a.example", Value::Null, 200);
    world.api.must(Method::PATCH, "/domains/a.example", json!({"provider": "beta"}));
    world.check(&of_alpha(), Method::GET, "/mailboxes/ann@a.example", Value::Null, 404);
    // His provider speaks for nobody now, and is still his.
    assert_eq!(world.names(&of_alpha(), "/providers", "name"), ["alpha"]);
    // A token for one of two domains of a provider does not reach the provider.
    let token = token(Scope::OF_TOKENS, Some("a.example"));
    world.check(&token, Method::GET, "/providers/beta", Value::Null, 404);
    world.check(&token, Method::POST, "/providers/beta/sync", json!({}), 404);
}

#[test]
fn requests_that_name_somebody_in_the_body() {
    let world = World::new();
    for caller in [of_alpha(), token(Scope::OF_DOMAINS, Some("a.example"))] {
        let post = |path, body, status| world.check(&caller, Method::POST, path, body, status);
        post("/mailboxes", json!({"address": "new@b.example"}), 404);
        post("/explain", json!({"address": "bob@b.example"}), 404);
        post("/explain", json!({"address": "nobody@nowhere.example"}), 404);
        post("/explain", json!({"address": "ann@a.example"}), 200);
        post("/held-back/lift", json!({"subject": "bob@b.example"}), 404);
        post("/held-back/lift", json!({"subject": "192.0.2.0/24"}), 404);
        for masks in [
            json!([]),
            json!(["*"]),
            json!(["*@*"]),
            json!(["*@?.example"]),
            json!(["*@a.example", "bob@b.example"]),
        ] {
            post("/cache/flush", json!({ "masks": masks }), 403);
        }
        post("/cache/flush", json!({"masks": ["*@a.example", "ann@A.example"]}), 200);
    }
}

/// Another domain's folder would open its mail.
#[test]
fn where_mail_lies_is_no_domain_administrators() {
    let world = World::new();
    for caller in [of_alpha(), token(Scope::OF_DOMAINS, Some("a.example"))] {
        for place in [
            json!({"home": "/var/vmail/b.example/bob"}),
            json!({"home": null}),
            json!({"mail": "maildir:/var/vmail/b.example/bob"}),
            json!({"uid": 1}),
            json!({"gid": 1}),
            json!({"extra_fields": {"namespace/inbox/location": "maildir:/var/vmail"}}),
        ] {
            let path = "/mailboxes/ann@a.example";
            world.check(&caller, Method::PATCH, path, place.clone(), 403);
            let mut new = place;
            if new["home"] == Value::Null && new.get("home").is_some() {
                continue;
            }
            new["address"] = json!("new@a.example");
            world.check(&caller, Method::POST, "/mailboxes", new, 403);
        }
        let foreign = json!({"bound": {"provider": "beta", "subject": "x"}});
        world.check(&caller, Method::PATCH, "/mailboxes/ann@a.example", foreign, 404);
        let own = json!({"bound": {"provider": "alpha", "subject": "x"}, "display_name": "Ann"});
        world.check(&caller, Method::PATCH, "/mailboxes/ann@a.example", own, 200);
        let foreign = json!({"auth_source": "beta"});
        world.check(&caller, Method::PATCH, "/mailboxes/ann@a.example", foreign, 404);
    }
}

#[test]
fn owner_of_a_mailbox() {
    let world = World::new();
    let ann = world.person("ann@a.example");
    assert_eq!(world.get(&ann, "/mailboxes/ann@a.example")["address"], "ann@a.example");
    let path = "/mailboxes/ann@a.example/app-passwords";
    let new = json!({"name": "Phone"});
    world.check(&ann, Method::POST, path, new.clone(), 201);
    let id = world.get(&ann, path)["items"][0]["id"].as_str().unwrap().to_owned();
    // Amy knows the id, and finds nothing under it.
    let amy = world.person("amy@a.example");
    world.check(&amy, Method::DELETE, &format!("{path}/{id}"), Value::Null, 404);
    let hers = format!("/mailboxes/amy@a.example/app-passwords/{id}");
    world.check(&amy, Method::DELETE, &hers, Value::Null, 404);
    assert_eq!(world.names(&ann, path, "id"), [id.as_str()]);
    world.check(&ann, Method::DELETE, &format!("{path}/{id}"), Value::Null, 204);
    for (method, path, body) in [
        (Method::PATCH, "/mailboxes/ann@a.example", json!({"quota_bytes": 0})),
        (Method::PUT, "/mailboxes/ann@a.example/password", json!({"hash": "{PLAIN}x"})),
        (Method::DELETE, "/mailboxes/ann@a.example/password", Value::Null),
        (Method::DELETE, "/mailboxes/ann@a.example", Value::Null),
        (Method::GET, "/mailboxes", Value::Null),
        (Method::GET, "/domains/a.example", Value::Null),
    ] {
        world.check(&ann, method, path, body, 403);
    }
    world.check(&ann, Method::GET, "/login-log", Value::Null, 200);
    world.check(&ann, Method::GET, "/login-log?address=ann@a.example", Value::Null, 200);
    world.check(&ann, Method::GET, "/login-log?address=amy@a.example", Value::Null, 404);
    // Her template leaves app passwords to administrators.
    world.api.must(Method::PATCH, "/templates/staff", json!({"app_passwords_allowed": false}));
    world.api.must(Method::PATCH, "/mailboxes/ann@a.example", json!({"template": "staff"}));
    world.check(&ann, Method::POST, path, new.clone(), 403);
    world.check(&of_alpha(), Method::POST, path, new, 201);
}

#[test]
fn web_session_ends_with_its_mailbox() {
    let path = "/mailboxes/ann@a.example";
    let changes: [(Method, &str, Value); 3] = [
        (Method::PATCH, path, json!({"state": "receive_only"})),
        (Method::PATCH, "/domains/a.example", json!({"active": false})),
        (Method::DELETE, path, Value::Null),
    ];
    for (method, changed, body) in changes {
        let world = World::new();
        let ann = world.person("ann@a.example");
        world.check(&ann, Method::GET, path, Value::Null, 200);
        world.api.must(method.clone(), changed, body);
        world.check(&ann, Method::GET, path, Value::Null, 401);
        if method == Method::DELETE {
            // The next one of the address is somebody else.
            world.api.must(Method::POST, "/mailboxes", json!({"address": "ann@a.example"}));
            world.check(&ann, Method::GET, path, Value::Null, 401);
            let successor = world.person("ann@a.example");
            world.check(&successor, Method::GET, path, Value::Null, 200);
        }
    }
}

#[test]
fn files_are_named_at_the_socket_by_who_could_read_them() {
    let world = World::new();
    let others = [Caller::link(0), token(Scope::ALL, None), Caller::system(u32::MAX - 1)];
    for caller in others {
        for key in ["client_secret_file", "ca_file"] {
            let patch = json!({ key: "/etc/shadow" });
            world.check(&caller, Method::PATCH, "/providers/alpha", patch, 403);
            let new = json!({
                "name": "gamma", "kind": "keycloak", "realm": "mail", "client_id": "dovegate",
                "server_url": "https://gamma.example", key: "/etc/shadow",
            });
            world.check(&caller, Method::POST, "/providers", new.clone(), 403);
            let mut keys = new;
            keys.as_object_mut().unwrap().remove("name");
            let record = json!({"kind": "provider", "name": "gamma", "provider": keys});
            let header = json!({"kind": "header", "schema": 1});
            let body = format!("{header}\n{record}\n");
            let (status, value) = world.api.ask_as(&caller, Method::POST, "/import", body);
            assert_eq!(status.as_u16(), 403, "{value}");
        }
        let harmless = json!({"ca_file": null, "mailpassword_flow": true});
        world.check(&caller, Method::PATCH, "/providers/alpha", harmless, 200);
    }
}

#[test]
fn a_secret_is_sent_nowhere_else_by_who_could_not_read_it() {
    let world = World::new();
    let new = json!({
        "name": "gamma", "kind": "keycloak", "realm": "mail", "client_id": "dovegate",
        "server_url": "https://gamma.example", "client_secret": "one of ours",
    });
    world.check(&Caller::system(0), Method::POST, "/providers", new, 201);
    for caller in [Caller::link(0), token(Scope::ALL, None)] {
        for elsewhere in [
            json!({"server_url": "https://other.example"}),
            json!({"realm": "other"}),
            json!({"token_url": "https://other.example/token"}),
            json!({"introspection_url": "https://other.example/introspect"}),
            json!({"ignore_ssl_errors": true}),
        ] {
            world.check(&caller, Method::PATCH, "/providers/gamma", elsewhere, 400);
        }
        let anew = json!({"server_url": "https://other.example", "client_secret": "another"});
        world.check(&caller, Method::PATCH, "/providers/gamma", anew, 200);
        let back = json!({"server_url": "https://gamma.example"});
        world.check(&Caller::system(0), Method::PATCH, "/providers/gamma", back, 200);
        let harmless = json!({"mailpassword_flow": true});
        world.check(&caller, Method::PATCH, "/providers/gamma", harmless, 200);
    }
}

#[test]
fn tokens_are_made_shown_once_and_revoked() {
    let world = World::new();
    let api = &world.api;
    let new = json!({
        "name": "Panel", "scopes": ["read", "mailboxes"], "domains": ["A.example"],
    });
    let created = api.must(Method::POST, "/admin-tokens", new);
    let token = created["token"].as_str().unwrap().to_owned();
    let id = created["id"].as_str().unwrap().to_owned();
    let listed = api.get("/admin-tokens")["items"][0].clone();
    assert_eq!(listed["created_by"], "user 0 of this machine");
    assert_eq!((&listed["expired"], &listed["last_used"]), (&json!(false), &Value::Null));
    assert!(listed["expires"].is_string(), "90 days: {listed}");
    let secret = token.rsplit('_').next().unwrap();
    assert!(token.contains(&id) && !listed.to_string().contains(secret), "{listed}");

    let now = Timestamp::now();
    let bearers = Bearers::new(api.store.clone());
    let caller = |token: &str, now| {
        api.block_on(bearers.caller(&Secret::from(token), [127, 0, 0, 1].into(), now))
    };
    let found = caller(&token, now).unwrap();
    let domains = ["a.example"].map(|name| DomainName::parse(name).unwrap());
    assert_eq!(found.rights().reach, Reach::Domains(domains.into()));
    assert_eq!(found.rights().scopes, [Scope::Read, Scope::Mailboxes].into());
    let listed = api.get("/admin-tokens")["items"][0].clone();
    assert_eq!(listed["last_used"]["rip"], "127.0.0.1");

    // A letter of its secret, and the secret under another id.
    let other = api.must(Method::POST, "/admin-tokens", json!({"name": "x", "scopes": ["read"]}));
    let other = other["id"].as_str().unwrap();
    let end = if token.ends_with('A') { "B" } else { "A" };
    for wrong in [format!("{}{end}", &token[..token.len() - 1]), token.replace(&id, other)] {
        assert!(caller(&wrong, now).is_err(), "{wrong}");
    }
    let later = now.after(Duration::from_secs(91 * 24 * 60 * 60));
    let refusal = caller(&token, later).unwrap_err().to_string();
    assert!(refusal.contains("expired"), "{refusal}");
    api.must(Method::DELETE, &format!("/admin-tokens/{id}"), Value::Null);
    assert!(caller(&token, now).is_err(), "revoked");
}

#[test]
fn tokens_that_cannot_be() {
    let world = World::new();
    for (change, word) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "a\u{7}"}), "name"),
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["tokens"]}), "scopes"),
        (json!({"scopes": ["links"]}), "scopes"),
        (json!({"scopes": ["all"]}), "all"),
        (json!({"domains": []}), "domains"),
        (json!({"domains": ["a.example"], "scopes": ["read", "settings"]}), "settings"),
        (json!({"domains": ["a.example"], "scopes": ["transfer"]}), "transfer"),
        (json!({"expires": "2020-01-01T00:00:00Z"}), "expires"),
    ] {
        let mut new = json!({"name": "Panel", "scopes": ["read"]});
        let object = new.as_object_mut().unwrap();
        object.extend(change.as_object().unwrap().clone());
        world.api.check_refused(Method::POST, "/admin-tokens", new, 400, word);
    }
    let nowhere = json!({"name": "Panel", "scopes": ["read"], "domains": ["c.example"]});
    world.api.check_refused(Method::POST, "/admin-tokens", nowhere, 404, "c.example");
    let forever = json!({"name": "Panel", "scopes": ["read"], "expires": null});
    assert_eq!(world.api.must(Method::POST, "/admin-tokens", forever)["expires"], Value::Null);
}

#[test]
fn links_are_made_by_the_machines_users_and_used_once() {
    let world = World::new();
    let url = world.api.must(Method::POST, "/admin-links", json!({}))["url"].clone();
    let secret = url.as_str().unwrap().strip_prefix("https://auth.example.org/admin-link/");
    let secret = secret.unwrap().as_bytes();
    let now = Timestamp::now();
    assert_eq!(world.api.links.redeem(secret, now), Some(0));
    assert_eq!(world.api.links.redeem(secret, now), None);
    for caller in [Caller::link(0), token(Scope::ALL, None), of_alpha()] {
        world.check(&caller, Method::POST, "/admin-links", json!({}), 403);
    }
}

#[test]
fn owner_shows_the_present_password_to_change_it() {
    let world = World::new();
    let path = "/mailboxes/ann@a.example/password";
    let ann = world.person("ann@a.example");
    world.api.must(Method::PUT, path, json!({"password": "wonderland"}));
    let change = |current: Value, status| {
        let new = json!({"current": current, "password": "looking-glass"});
        let (got, value) = world.ask(&ann, &Method::PUT, path, &new);
        assert_eq!(got, status, "{value}");
        value["detail"].as_str().unwrap_or_default().to_owned()
    };
    assert!(change(Value::Null, 400).starts_with("current: "));
    assert!(change(json!("wonderlant"), 400).starts_with("current: "));
    change(json!("wonderland"), 204);
    assert!(change(json!("wonderland"), 400).starts_with("current: "), "it was changed");
    // An administrator does not know it.
    world.check(&of_alpha(), Method::PUT, path, json!({"password": "wonderland"}), 204);
    // An app password is none.
    let app = world.api.must(
        Method::POST,
        "/mailboxes/ann@a.example/app-passwords",
        json!({"name": "Phone"}),
    );
    change(app["password"].clone(), 400);
    let at_alpha = json!({"auth_source": "alpha"});
    world.api.must(Method::PATCH, "/mailboxes/ann@a.example", at_alpha);
    assert!(change(json!("wonderland"), 409).contains("alpha"));
}

#[test]
fn guesses_at_the_present_password_are_counted() {
    let world = World::new();
    let path = "/mailboxes/ann@a.example/password";
    let ann = world.person("ann@a.example");
    world.api.must(Method::PUT, path, json!({"password": "wonderland"}));
    for number in 0..200 {
        let guess = json!({"current": format!("guess {number}"), "password": "looking-glass"});
        world.check(&ann, Method::PUT, path, guess, 400);
        let held = world.names(&Caller::system(0), "/held-back", "subject");
        if held == ["ann@a.example"] {
            let right = json!({"current": "wonderland", "password": "looking-glass"});
            return world.check(&ann, Method::PUT, path, right, 400);
        }
    }
    panic!("200 guesses, and nobody is held back");
}

#[test]
fn all_app_passwords_go_at_once() {
    let world = World::new();
    let path = "/mailboxes/ann@a.example/app-passwords";
    for name in ["Phone", "Tablet"] {
        world.api.must(Method::POST, path, json!({ "name": name }));
    }
    let amy = world.person("amy@a.example");
    world.check(&amy, Method::DELETE, path, Value::Null, 404);
    let ann = world.person("ann@a.example");
    let (_, gone) = world.ask(&ann, &Method::DELETE, path, &Value::Null);
    assert_eq!(gone["revoked"], 2);
    assert_eq!(world.names(&ann, path, "id"), [""; 0]);
}

/// What a provider's word of its administrators counts is looked up when they ask.
#[test]
fn administrators_are_what_the_settings_make_of_them() {
    let world = World::new();
    let root = Caller::global_administrator("Root".to_owned(), "beta".parse().unwrap());
    world.check(&root, Method::GET, "/status", Value::Null, 200);
    world.check(&of_alpha(), Method::GET, "/domains", Value::Null, 200);
    world.api.must(Method::PATCH, "/providers/beta", json!({"administrators": false}));
    world.check(&root, Method::GET, "/status", Value::Null, 401);
    world.api.must(Method::PATCH, "/providers/alpha", json!({"administrator_role": null}));
    world.check(&of_alpha(), Method::GET, "/domains", Value::Null, 401);
    world.api.must(Method::PATCH, "/providers/alpha", json!({"administrator_role": "chief"}));
    let known = |issuer: &str| {
        let (issuer, subject) = (issuer.to_owned(), "1".to_owned());
        of_alpha().known_there_as(PersonThere { issuer, subject })
    };
    let alice = known("https://alpha.example/realms/mail");
    world.check(&alice, Method::GET, "/domains", Value::Null, 200);
    // Another server behind the same name has said nothing of her.
    let moved = json!({"server_url": "https://gamma.example"});
    world.api.must(Method::PATCH, "/providers/alpha", moved);
    world.check(&alice, Method::GET, "/domains", Value::Null, 401);
    let of_nobody = Caller::domain_administrator("Eve".to_owned(), "gamma".parse().unwrap());
    world.check(&of_nobody, Method::GET, "/domains", Value::Null, 401);
}
