//! `/openapi.json`: the description of the API (`OpenAPI` 3.1), made from the routes
//! and the types of their handlers.

mod operation;
mod schemas;

use std::{collections::BTreeSet, sync::LazyLock};

use axum::{Json, extract::State as Shared, http::Method};
use serde_json::{Map, Value, json};

pub(super) use self::{
    operation::{Described, Operation},
    schemas::Schemas,
};
use super::{Problem, State, route::Route, router::routes};

/// What holds for all of it.
const ABOUT: &str = "\
What administrators and programs do with a running Dovegate. The command line uses it over the \
admin socket, whose peer is known by its user id; over `[http]` an admin token is sent as a bearer.

Listings come in pages: `limit` is the most items of one (100 if absent, at most 1000), and `next` \
of an answer is `after` of the next request; without `next` it was the last page.

Errors are `application/problem+json` (RFC 9457); programs tell them apart by `code`.

What has an `ETag` is changed with `If-Match`, so that nobody undoes what he has not seen: 412 says \
that it was changed meanwhile. Tags are weak, since figures do not count, and compared as such.

In a change an absent field leaves alone and null takes a value away.";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&routes()));

pub(super) async fn show(_: Shared<State>) -> Json<&'static Value> {
    Json(&DOCUMENT)
}

fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    let mut tags: Vec<&str> = Vec::new();
    let versioned: BTreeSet<&str> =
        routes.iter().filter(|route| route.has_etag()).map(|route| route.declared().1).collect();
    for route in routes {
        let (method, path, needs) = route.declared();
        let tag = path.split('/').nth(1).unwrap_or_default();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let mut operation = route.describe(&mut schemas);
        if versioned.contains(path) {
            operation.has_etag(method == Method::GET);
        }
        let mut operation = operation.written();
        operation.insert("operationId".to_owned(), operation_id(&method, path).into());
        operation.insert("summary".to_owned(), route.summary().into());
        operation.insert("tags".to_owned(), json!([tag]));
        // The scope that a token needs; at the admin socket there are none.
        let security = json!([{ "token": [needs.scope.to_string()] }, {}]);
        operation.insert("security".to_owned(), security);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method.as_str().to_ascii_lowercase()] = operation.into();
    }
    let problem = schemas.given::<Problem>();
    let names = tags.into_iter().map(|tag| json!({ "name": tag }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Dovegate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/api/v1" }],
        "tags": names.collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas.by_name(),
            "responses": {
                "Problem": {
                    "description": "Refused, or failed",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An admin token" },
            },
        },
    })
}

/// Stable as long as the path is: `get_mailboxes_address_app_passwords`.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let method = method.as_str().to_ascii_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn visit(value: &Value, see: &mut impl FnMut(&str, &Value)) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, member)| {
                see(name, member);
                visit(member, see);
            }),
            Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let mut number = 0;
        visit(&DOCUMENT, &mut |name, value| {
            if name == "$ref" {
                let place = value.as_str().unwrap().strip_prefix('#').unwrap();
                assert!(DOCUMENT.pointer(place).is_some(), "{place}");
                number += 1;
            }
        });
        assert!(number > 100, "{number}");
    }

    #[test]
    fn each_type_has_a_name_of_its_own() {
        let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap();
        assert!(schemas.len() > 50);
        for name in schemas.keys() {
            let said_twice = name.ends_with(|last: char| last.is_ascii_digit());
            assert!(!said_twice && name != "View", "{name} is the name of another type, too");
        }
    }

    #[test]
    fn each_operation_is_described() {
        let (mut ids, mut operations) = (BTreeSet::new(), 0);
        for methods in DOCUMENT["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                ids.insert(operation["operationId"].as_str().unwrap());
                assert!(operation["summary"].as_str().is_some_and(|line| !line.is_empty()));
                operations += 1;
            }
        }
        assert_eq!((ids.len(), operations), (routes().len(), routes().len()));
    }

    #[test]
    fn names_in_the_path_are_parameters() {
        let of_run = &DOCUMENT["paths"]["/providers/{name}/sync/runs/{run}"]["get"]["parameters"];
        let found = of_run.as_array().unwrap().iter();
        let found = found.map(|one| (one["name"].as_str().unwrap(), one["in"].as_str().unwrap()));
        assert_eq!(found.clone().take(2).collect::<Vec<_>>(), [("name", "path"), ("run", "path")]);
        assert!(found.clone().any(|one| one == ("limit", "query")));
        assert_eq!(of_run[1]["schema"]["type"], "integer");
    }

    #[test]
    fn secrets_come_in_and_do_not_go_out() {
        let schemas = &DOCUMENT["components"]["schemas"];
        let secret = &schemas["NewProvider"]["properties"]["client_secret"];
        assert!(secret.is_object());
        assert!(schemas["Provider"]["properties"]["server_url"].is_object());
        assert!(schemas["Provider"]["properties"]["client_secret"].is_null());
    }
}
