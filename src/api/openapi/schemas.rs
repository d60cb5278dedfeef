//! Schemas of what comes in and of what goes out: a field with a default may be
//! left out of a request and stands in every answer.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// All schemas of the description.
pub(in crate::api) struct Schemas {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12()
            .with(|settings| settings.definitions_path = "/components/schemas".into());
        Self {
            taken: settings.clone().for_deserialize().into_generator(),
            given: settings.for_serialize().into_generator(),
        }
    }

    /// The schema of what comes in.
    pub(super) fn taken<T: JsonSchema>(&mut self) -> Value {
        self.taken.subschema_for::<T>().to_value()
    }

    /// The schema of what goes out.
    pub(super) fn given<T: JsonSchema>(&mut self) -> Value {
        self.given.subschema_for::<T>().to_value()
    }

    /// Each field of `T` as a parameter of the query.
    pub(super) fn query<T: JsonSchema>(&mut self) -> Vec<Value> {
        let mut schema = T::json_schema(&mut self.taken).to_value();
        let required = schema["required"].take();
        let Value::Object(fields) = schema["properties"].take() else { return Vec::new() };
        let parameters = fields.into_iter().map(|(name, mut schema)| {
            let described = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let is_required = required.as_array().is_some_and(|all| all.contains(&json!(name)));
            json!({
                "name": name,
                "in": "query",
                "required": is_required,
                "description": described,
                "schema": without_null(schema),
            })
        });
        parameters.collect()
    }

    /// The schemas by name. A type that looks different from both sides must be
    /// inline, or both of them would have one name.
    pub(super) fn by_name(mut self) -> Map<String, Value> {
        let mut all = self.given.take_definitions(true);
        for (name, schema) in self.taken.take_definitions(true) {
            let other = all.insert(name.clone(), schema.clone());
            debug_assert!(other.is_none_or(|other| other == schema), "two schemas called {name}");
        }
        all
    }
}

/// Nobody can write a null in a query: who means none leaves the parameter out.
fn without_null(mut schema: Value) -> Value {
    if schema["default"].is_null()
        && let Some(schema) = schema.as_object_mut()
    {
        schema.remove("default");
    }
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|one| one != "null");
        if let [only] = types.as_mut_slice() {
            schema["type"] = only.take();
        }
    }
    let choice = schema.get_mut("anyOf").and_then(Value::as_array_mut);
    let choice = choice.and_then(|all| all.iter_mut().find(|one| one["type"] != "null"));
    choice.map(Value::take).unwrap_or(schema)
}
