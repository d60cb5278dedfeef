//! `/api/v1/providers`, and what names a provider elsewhere.

use std::sync::Arc;

use axum::http::Method;
use dovegate::{
    idp,
    mailbox::{NamedProvider, Provider},
};
use serde_json::{Value, json};

use crate::api::Api;

fn keycloak(name: &str) -> Value {
    json!({
        "name": name,
        "kind": "keycloak",
        "server_url": "https://keycloak.example.org",
        "realm": "mail",
        "client_id": "mailgate",
        "client_secret": "wonderland",
        "clients": ["roundcube"],
    })
}

/// One whose provider `corp` stands in the file.
fn declaring_corp() -> Api {
    let mut keys = keycloak("corp");
    keys.as_object_mut().unwrap().remove("name");
    let provider: Provider = serde_json::from_value(keys).unwrap();
    let named = NamedProvider { name: "corp".parse().unwrap(), provider };
    Api::declaring(vec![Arc::new(idp::Settings::mean(&named).unwrap())])
}

#[test]
fn provider_from_beginning_to_end() {
    let api = Api::empty();
    let made = api.must(Method::POST, "/providers", keycloak("corp"));
    assert_eq!((&made["name"], &made["origin"]), (&json!("corp"), &json!("store")));
    assert_eq!((&made["has_client_secret"], &made["realm"]), (&json!(true), &json!("mail")));
    api.check_refused(Method::POST, "/providers", keycloak("corp"), 409, "exists already");
    // Absent leaves alone, null takes away.
    let change = json!({"scopes": ["openid"], "clients": null, "token_cache": "10s"});
    let changed = api.must(Method::PATCH, "/providers/corp", change);
    assert_eq!((&changed["scopes"], &changed["clients"]), (&json!(["openid"]), &json!([])));
    assert_eq!((&changed["token_cache"], &changed["realm"]), (&json!("10s"), &json!("mail")));
    assert_eq!(changed["has_client_secret"], true);
    assert_eq!(api.get("/providers")["items"], json!([changed]));
    assert_eq!(changed, api.get("/providers/corp"));
    let open =
        api.must(Method::PATCH, "/providers/corp", json!({"client_secret": null, "scopes": null}));
    assert_eq!(open["has_client_secret"], false);
    api.must(Method::DELETE, "/providers/corp", Value::Null);
    api.check_refused(Method::GET, "/providers/corp", Value::Null, 404, "provider corp");
    api.check_refused(Method::DELETE, "/providers/corp", Value::Null, 404, "provider corp");
    api.check_refused(Method::PATCH, "/providers/corp", json!({}), 404, "provider corp");
    assert_eq!(api.get("/providers")["items"], json!([]));
}

#[test]
fn changes_are_in_force_at_once() {
    let api = Api::empty();
    let name = "corp".parse().unwrap();
    assert!(!api.pipeline.has_providers());
    api.must(Method::POST, "/providers", keycloak("corp"));
    assert_eq!(api.pipeline.provider(&name).unwrap().settings().conditions.clients, ["roundcube"]);
    api.must(Method::PATCH, "/providers/corp", json!({"clients": ["thunderbird"]}));
    assert_eq!(
        api.pipeline.provider(&name).unwrap().settings().conditions.clients,
        ["thunderbird"]
    );
    api.must(Method::DELETE, "/providers/corp", Value::Null);
    assert!(api.pipeline.provider(&name).is_none());
}

/// What is refused leaves everything as it was.
#[test]
fn wrong_values_are_named_by_their_keys() {
    let api = Api::empty();
    api.must(Method::POST, "/providers", keycloak("corp"));
    let before = api.get("/providers/corp");
    let long = "x".repeat(3000);
    for (change, word) in [
        (json!({"audience": ["mail"], "methods": ["userinfo"]}), "audience: is required, but"),
        (json!({"odd": 1}), "unknown field `odd`"),
        (json!({"realm": 1}), "realm: invalid type"),
        (json!({"realm": {"deep": 1}}), "realm: invalid type"),
        (json!({"kind": "ldap"}), "kind: unknown variant `ldap`"),
        (json!({"kind": null}), "kind: expected"),
        (json!({"methods": ["magic"]}), "methods: unknown variant"),
        (json!({"token_cache": "1d"}), "token_cache: at most 1h"),
        (json!({"timeout": "soon"}), "timeout: \"soon\" is not a duration"),
        (json!({"server_url": "keycloak"}), "server_url: "),
        (
            json!({"client_secret": null, "client_id": null, "methods": ["introspection"]}),
            "methods: ",
        ),
        (json!({"ca_file": "/nowhere/ca.pem"}), "ca_file: /nowhere/ca.pem"),
        (json!({"ca_file": "/dev/zero"}), "ca_file: /dev/zero is not a file"),
        (json!({"scopes": vec!["a"; 200]}), "scopes: more than"),
        (json!({"realm": long}), "realm: longer than"),
        (json!({"realm": "a\nb"}), "realm: has a control character"),
        (json!({"name": "other"}), "unknown field `name`"),
    ] {
        api.check_refused(Method::PATCH, "/providers/corp", change, 400, word);
    }
    assert_eq!(api.get("/providers/corp"), before);
    for (name, word) in [("Corp", "a provider's name has"), ("local", "the store itself")] {
        api.check_refused(Method::POST, "/providers", keycloak(name), 400, word);
    }
    api.check_refused(Method::POST, "/providers", json!({"kind": "oidc"}), 400, "`name`");
    api.check_refused(Method::POST, "/providers", json!({"name": "x"}), 400, "kind: expected");
    api.check_refused(Method::POST, "/providers", json!([]), 400, "");
    assert_eq!(api.get("/providers")["items"].as_array().unwrap().len(), 1);
}

#[test]
fn no_answer_has_the_secret() {
    let api = Api::empty();
    let mut answers = vec![api.must(Method::POST, "/providers", keycloak("corp"))];
    answers.push(api.must(Method::PATCH, "/providers/corp", json!({"version": "26"})));
    answers.push(api.get("/providers"));
    answers.push(api.get("/providers/corp"));
    answers.push(api.get("/status"));
    let wrong = json!({"client_secret": "wonderland", "client_secret_file": "/nowhere", "odd": 1});
    answers.push(api.ask(Method::PATCH, "/providers/corp", &wrong).1);
    answers.push(
        api.ask(Method::PATCH, "/providers/corp", &json!({"client_secret": ["wonderland"]})).1,
    );
    for answer in answers {
        assert!(!answer.to_string().contains("wonderland"), "{answer}");
    }
}

#[test]
fn declared_ones_are_changed_in_the_file_alone() {
    let api = declaring_corp();
    let shown = api.get("/providers/corp");
    assert_eq!((&shown["origin"], &shown["realm"]), (&json!("file"), &json!("mail")));
    assert_eq!(shown["has_client_secret"], true);
    assert!(!shown.to_string().contains("wonderland"), "{shown}");
    let word = "is declared in dovegate.toml, and is changed only there";
    api.check_refused(Method::POST, "/providers", keycloak("corp"), 409, word);
    api.check_refused(Method::PATCH, "/providers/corp", json!({"version": "26"}), 409, word);
    api.check_refused(Method::DELETE, "/providers/corp", Value::Null, 409, word);
    // It speaks for domains like any other.
    let domain = json!({"name": "example.org", "provider": "corp"});
    api.must(Method::POST, "/domains", domain);
    assert_eq!(api.get("/providers/corp")["domains"], json!(["example.org"]));
}

#[test]
fn a_domain_names_a_provider_that_exists() {
    let api = Api::with_ann();
    let path = "/domains/example.org";
    assert_eq!(api.get(path)["provider"], Value::Null);
    api.check_refused(Method::PATCH, path, json!({"provider": "corp"}), 404, "provider corp");
    let new = json!({"name": "example.net", "provider": "corp"});
    api.check_refused(Method::POST, "/domains", new.clone(), 404, "provider corp");
    api.must(Method::POST, "/providers", keycloak("corp"));
    api.must(Method::POST, "/domains", new);
    let changed = api.must(Method::PATCH, path, json!({"provider": "corp"}));
    assert_eq!(changed["provider"], "corp");
    api.must(Method::PATCH, path, json!({"active": true}));
    assert_eq!(api.get(path)["provider"], "corp");
    let shown = api.get("/providers/corp");
    assert_eq!(shown["domains"], json!(["example.net", "example.org"]));
    assert_eq!(shown["domain_count"], 2);
    api.check_refused(Method::DELETE, "/providers/corp", Value::Null, 409, "still speaks for");
    api.must(Method::PATCH, path, json!({"provider": null}));
    api.must(Method::DELETE, "/domains/example.net", Value::Null);
    api.must(Method::DELETE, "/providers/corp", Value::Null);
}

#[test]
fn a_mailbox_has_its_domains_provider_as_auth_source() {
    let api = Api::with_ann();
    let ann = "/mailboxes/ann@example.org";
    let corp = json!({"auth_source": "corp"});
    api.check_refused(Method::PATCH, ann, corp.clone(), 404, "provider corp");
    api.check_refused(Method::PATCH, ann, json!({"auth_source": "Corp"}), 400, "auth_source");
    api.must(Method::POST, "/providers", keycloak("corp"));
    api.must(Method::POST, "/providers", keycloak("other"));
    api.check_refused(Method::PATCH, ann, corp.clone(), 409, "no provider speaks for");
    api.must(Method::PATCH, "/domains/example.org", json!({"provider": "other"}));
    api.check_refused(Method::PATCH, ann, corp.clone(), 409, "provider other speaks for");
    let bob = json!({"address": "bob@example.org", "auth_source": "corp"});
    api.check_refused(Method::POST, "/mailboxes", bob, 409, "provider other speaks for");
    api.must(Method::PATCH, "/domains/example.org", json!({"provider": "corp"}));
    assert_eq!(api.must(Method::PATCH, ann, corp)["auth_source"], "corp");
    let bob = json!({"address": "bob@example.org", "auth_source": "corp"});
    assert_eq!(api.must(Method::POST, "/mailboxes", bob)["auth_source"], "corp");
    let local = api.must(Method::PATCH, ann, json!({"auth_source": "local"}));
    assert_eq!(
        (&local["auth_source"], &local["password_scheme"]),
        (&json!("local"), &json!("BLF-CRYPT"))
    );
}

#[test]
fn a_mailbox_is_bound_and_unbound() {
    let api = Api::with_ann();
    let ann = "/mailboxes/ann@example.org";
    assert_eq!(api.get(ann)["bound"], Value::Null);
    let person = json!({"provider": "corp", "subject": "a7feeb0e"});
    api.check_refused(Method::PATCH, ann, json!({"bound": person}), 404, "provider corp");
    api.must(Method::POST, "/providers", keycloak("corp"));
    for subject in [String::new(), "a\nb".to_owned(), "x".repeat(2000)] {
        let person = json!({"provider": "corp", "subject": subject});
        api.check_refused(Method::PATCH, ann, json!({"bound": person}), 400, "bound: ");
    }
    assert_eq!(api.must(Method::PATCH, ann, json!({"bound": person}))["bound"], person);
    api.must(Method::PATCH, ann, json!({"display_name": "Ann"}));
    assert_eq!(api.get(ann)["bound"], person);
    assert_eq!(api.must(Method::PATCH, ann, json!({"bound": null}))["bound"], Value::Null);
}

#[test]
fn imported_providers_are_in_force_at_once() {
    let api = Api::empty();
    let provider = json!({
        "kind": "provider", "name": "corp",
        "provider": {"kind": "oidc", "server_url": "https://login.example.org"},
    });
    let lines = format!("{}\n{provider}\n", json!({"kind": "header", "schema": 1}));
    let (status, counts) = api.ask_bytes(Method::POST, "/import", lines);
    assert!(status.is_success(), "{counts}");
    assert_eq!(counts["providers"], 1);
    assert!(api.pipeline.provider(&"corp".parse().unwrap()).is_some());
}

#[test]
fn explaining_takes_a_password_or_a_token() {
    let api = Api::with_ann();
    let ask = |more: Value| {
        let mut body = json!({"address": "ann@example.org"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let both = ask(json!({"password": "a", "token": "b"}));
    api.check_refused(Method::POST, "/explain", both, 400, "not both");
    let long = ask(json!({"token": "x".repeat(70_000)}));
    api.check_refused(Method::POST, "/explain", long, 400, "token: longer");
    let explained = api.must(Method::POST, "/explain", ask(json!({"token": "wonderland"})));
    assert_eq!(
        (&explained["verdict"], &explained["reason"]),
        (&json!("rejected"), &json!("no_provider"))
    );
    assert!(!explained.to_string().contains("wonderland"));
}

/// Another provider of the same name would be taken for it.
#[test]
fn a_provider_stays_while_mailboxes_follow_it() {
    let api = Api::with_ann();
    api.must(Method::POST, "/providers", keycloak("corp"));
    let (domain, mailbox) = ("/domains/example.org", "/mailboxes/ann@example.org");
    api.must(Method::PATCH, domain, json!({ "provider": "corp" }));
    let her = json!({ "provider": "corp", "subject": "her id" });
    api.must(Method::PATCH, mailbox, json!({ "auth_source": "corp", "bound": her }));
    api.must(Method::PATCH, domain, json!({ "provider": null }));
    let refused = |words: &str| {
        api.check_refused(Method::DELETE, "/providers/corp", Value::Null, 409, words);
    };
    refused("the auth source of 1 mailboxes, and 1 belong to people there (ann@example.org is");
    let order = |unbind: bool| json!({ "source": "local", "unbind": unbind });
    let path = "/domains/example.org/auth-source";
    api.must(Method::POST, path, order(false));
    refused("domain auth-source example.org local --unbind");

    // As if the settings had named it, and do so no more: whose ids are these?
    let warned = |view: &Value| {
        let warnings = view["warnings"].as_array().unwrap();
        warnings.iter().any(|text| text.as_str().unwrap().starts_with("1 mailboxes belong to"))
    };
    assert!(!warned(&api.must(Method::PATCH, "/providers/corp", json!({ "version": "26" }))));
    let moved = json!({ "server_url": "https://other.example.org" });
    assert!(warned(&api.must(Method::PATCH, "/providers/corp", moved)));
    let switched = api.must(Method::POST, path, order(true));
    assert_eq!(switched["items"][0]["notes"], json!(["unbound"]));
    api.must(Method::DELETE, "/providers/corp", Value::Null);
    assert!(!warned(&api.must(Method::POST, "/providers", keycloak("corp"))));
}
