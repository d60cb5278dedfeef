//! The keys of a provider as they come in: read by hand, so that a merge patch
//! (RFC 7396) can take a key away, and described by the type that they become.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::mailbox::{Provider, ProviderName};

/// A provider to be made: its name among its keys.
#[derive(Deserialize)]
pub(super) struct NewProvider(pub(super) Map<String, Value>);

impl JsonSchema for NewProvider {
    fn schema_name() -> Cow<'static, str> {
        "NewProvider".into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = Provider::json_schema(schemas);
        schema.insert("description".to_owned(), "A provider to be made.".into());
        if let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            keys.insert("name".to_owned(), schemas.subschema_for::<ProviderName>().to_value());
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.push("name".into());
        }
        schema
    }
}

/// Keys to be changed; one with null has its default again.
#[derive(Deserialize)]
pub(super) struct ProviderPatch(pub(super) Map<String, Value>);

impl JsonSchema for ProviderPatch {
    fn schema_name() -> Cow<'static, str> {
        "ProviderPatch".into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = Provider::json_schema(schemas);
        let what = "Keys to be changed; one with null has its default again.";
        schema.insert("description".to_owned(), what.into());
        schema.remove("required");
        if let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            keys.values_mut().for_each(or_null);
        }
        schema
    }
}

fn or_null(key: &mut Value) {
    let description = key["description"].take();
    *key = json!({ "anyOf": [key.take(), { "type": "null" }], "description": description });
}

/// An answer never has the secret.
pub(super) fn without_secret(schema: &mut Schema) {
    if let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        keys.remove("client_secret");
    }
}
