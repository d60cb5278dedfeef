//! What one method of one path takes and answers, read off the type of its
//! handler: nobody writes it down a second time.

use std::collections::BTreeSet;

use axum::{Json, extract::State as Shared, handler::Handler, response::NoContent};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::{
    super::{
        Caller, Error, State,
        answer::{Accepted, Created, JsonLines, Stopping},
        extract::{Body, Lines, Named, Params},
        rights::Territory,
    },
    schemas::Schemas,
};

/// One method of one path, as far as its handler's type tells.
#[derive(Default)]
pub(in crate::api) struct Operation {
    /// In the order of the path, then of the query.
    pub(super) parameters: Vec<Value>,
    /// The media types of the body, each with its schema.
    pub(super) body: Option<Value>,
    pub(super) status: u16,
    /// Whether the answer says which version it is of.
    pub(super) shows_etag: bool,
    /// The same of the answer.
    pub(super) answer: Option<Value>,
    /// Statuses of problems that its parts bring about; there may be others.
    pub(super) problems: BTreeSet<u16>,
}

/// A handler that can be described.
pub(in crate::api) trait Described<A>: Handler<A, State> {
    /// Says what it takes and answers; the names in `path` are its parameters.
    fn describe(path: &str, schemas: &mut Schemas) -> Operation;
}

macro_rules! described {
    ($($taken:ident),*) => {
        impl<F, Fut, A, M, $($taken,)*> Described<(M, $($taken,)*)> for F
        where
            F: FnOnce($($taken,)*) -> Fut + Handler<(M, $($taken,)*), State>,
            Fut: Future<Output = A>,
            A: Answer,
            $($taken: Taken,)*
        {
            fn describe(path: &str, schemas: &mut Schemas) -> Operation {
                let mut operation = Operation {
                    status: A::STATUS,
                    answer: A::content(schemas),
                    ..Operation::default()
                };
                $($taken::add_to(&mut operation, path, schemas);)*
                operation
            }
        }
    };
}

described!(T1);
described!(T1, T2);
described!(T1, T2, T3);
described!(T1, T2, T3, T4);
described!(T1, T2, T3, T4, T5);

/// Something that a handler takes out of a request.
pub(in crate::api) trait Taken {
    /// Says what that is.
    fn add_to(operation: &mut Operation, path: &str, schemas: &mut Schemas);
}

impl Taken for Shared<State> {
    fn add_to(_: &mut Operation, _: &str, _: &mut Schemas) {}
}

impl Taken for Caller {
    fn add_to(_: &mut Operation, _: &str, _: &mut Schemas) {}
}

impl Taken for Territory {
    fn add_to(_: &mut Operation, _: &str, _: &mut Schemas) {}
}

impl<T: JsonSchema> Taken for Body<T> {
    fn add_to(operation: &mut Operation, _: &str, schemas: &mut Schemas) {
        operation.body = Some(json!({ "application/json": { "schema": schemas.taken::<T>() } }));
        operation.problems.extend([400, 413]);
    }
}

impl Taken for Lines {
    fn add_to(operation: &mut Operation, _: &str, _: &mut Schemas) {
        operation.body = Some(json_lines());
        operation.problems.extend([400, 413]);
    }
}

impl<T: JsonSchema> Taken for Params<T> {
    fn add_to(operation: &mut Operation, _: &str, schemas: &mut Schemas) {
        operation.parameters.extend(schemas.query::<T>());
        operation.problems.insert(400);
    }
}

impl<T: JsonSchema> Taken for Named<T> {
    fn add_to(operation: &mut Operation, path: &str, schemas: &mut Schemas) {
        let mut schema = schemas.taken::<T>();
        let all = match schema.get_mut("prefixItems").map(Value::take) {
            Some(Value::Array(all)) => all,
            _ => vec![schema],
        };
        let parameters = names_in(path).zip(all).map(|(name, schema)| {
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        });
        operation.parameters.extend(parameters);
        operation.problems.extend([400, 404]);
    }
}

/// The names between braces.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// What a handler answers where all goes well.
pub(in crate::api) trait Answer {
    /// The status.
    const STATUS: u16;
    /// The media types of the body, each with its schema.
    fn content(schemas: &mut Schemas) -> Option<Value>;
}

impl<A: Answer> Answer for Result<A, Error> {
    const STATUS: u16 = A::STATUS;
    fn content(schemas: &mut Schemas) -> Option<Value> {
        A::content(schemas)
    }
}

impl<T: JsonSchema> Answer for Json<T> {
    const STATUS: u16 = 200;
    fn content(schemas: &mut Schemas) -> Option<Value> {
        Some(json!({ "application/json": { "schema": schemas.given::<T>() } }))
    }
}

impl<T: JsonSchema> Answer for Created<T> {
    const STATUS: u16 = 201;
    fn content(schemas: &mut Schemas) -> Option<Value> {
        Json::<T>::content(schemas)
    }
}

impl<T: JsonSchema> Answer for Accepted<T> {
    const STATUS: u16 = 202;
    fn content(schemas: &mut Schemas) -> Option<Value> {
        Json::<T>::content(schemas)
    }
}

impl Answer for Stopping {
    const STATUS: u16 = 202;
    fn content(_: &mut Schemas) -> Option<Value> {
        None
    }
}

impl Answer for NoContent {
    const STATUS: u16 = 204;
    fn content(_: &mut Schemas) -> Option<Value> {
        None
    }
}

impl Answer for JsonLines {
    const STATUS: u16 = 200;
    fn content(_: &mut Schemas) -> Option<Value> {
        Some(json_lines())
    }
}

fn json_lines() -> Value {
    json!({ "application/jsonl": { "schema": { "type": "string" } } })
}

impl Operation {
    /// What it is about has a version.
    pub(super) fn has_etag(&mut self, is_shown: bool) {
        let tag = json!({ "type": "string" });
        if is_shown {
            self.shows_etag = true;
        } else {
            let parameter = json!({ "name": "If-Match", "in": "header", "schema": tag });
            self.parameters.push(parameter);
            self.problems.insert(412);
        }
    }

    /// The Operation Object, without what its route says of it.
    pub(super) fn written(self) -> Map<String, Value> {
        let mut answer = json!({ "description": words(self.status) });
        if let Some(content) = self.answer {
            answer["content"] = content;
        }
        if self.shows_etag {
            answer["headers"] = json!({ "ETag": { "schema": { "type": "string" } } });
        }
        let mut responses = Map::from_iter([(self.status.to_string(), answer)]);
        let problem = || json!({ "$ref": "#/components/responses/Problem" });
        responses.extend(self.problems.iter().map(|status| (status.to_string(), problem())));
        responses.insert("default".to_owned(), problem());
        let mut written = Map::from_iter([("responses".to_owned(), Value::Object(responses))]);
        if !self.parameters.is_empty() {
            written.insert("parameters".to_owned(), self.parameters.into());
        }
        if let Some(content) = self.body {
            let body = json!({ "required": true, "content": content });
            written.insert("requestBody".to_owned(), body);
        }
        written
    }
}

fn words(status: u16) -> &'static str {
    match status {
        201 => "Made",
        202 => "Begun",
        204 => "Done",
        _ => "Found",
    }
}
