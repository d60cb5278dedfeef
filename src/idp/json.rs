//! JSON objects (RFC 8259) as they come from outside: a member that stands there
//! twice makes the whole unreadable, since two readers could each believe
//! another one. Depth is bounded by `serde_json` (128), length by whoever read,
//! and the number of values here: `{"a":0}` takes a hundred times its length in
//! memory.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Members of an object.
pub(super) type Object = Map<String, Value>;

/// Most values in one text. A set of a thousand keys has some ten thousand.
const MAX_VALUES: usize = 16 * 1024;

/// Reads one object.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn object(bytes: &[u8]) -> Result<Object, String> {
    match value(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err("no JSON object".to_owned()),
    }
}

/// Reads one list.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn list(bytes: &[u8]) -> Result<Vec<Value>, String> {
    match value(bytes)? {
        Value::Array(list) => Ok(list),
        _ => Err("no JSON list".to_owned()),
    }
}

fn value(bytes: &[u8]) -> Result<Value, String> {
    let left = Cell::new(MAX_VALUES);
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let value = Once { left: &left }.deserialize(&mut text);
    let value = value.and_then(|value| text.end().map(|()| value));
    value.map_err(|error| format!("unreadable JSON: {error}"))
}

/// A value in which no member stands twice.
#[derive(Clone, Copy)]
struct Once<'a> {
    /// How many more values may come.
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands there twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_objects_alone() {
        let read = object(br#"{"a":[1,-2,1.5,null,true,"x"],"b":{"c":{}}}"#).unwrap();
        assert_eq!(
            Value::Object(read).to_string(),
            r#"{"a":[1,-2,1.5,null,true,"x"],"b":{"c":{}}}"#
        );
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for text in ["", "[]", "\"a\"", "null", "{", "{}{}", "{\"a\":1e999}", "\u{feff}{}", &deep] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn reads_lists_alone() {
        assert_eq!(list(br#"[{"a":1},2]"#).unwrap().len(), 2);
        for text in ["", "{}", "1", "[", "[][]", r#"[{"a":1,"a":1}]"#] {
            assert!(list(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn no_more_values_than_anybody_needs() {
        let list = |number: usize| format!("{{\"a\":[{}0]}}", "{\"b\":0},".repeat(number));
        assert!(object(list(MAX_VALUES / 2 - 2).as_bytes()).is_ok());
        let error = object(list(MAX_VALUES / 2).as_bytes()).unwrap_err();
        assert!(error.contains("too many values"), "{error}");
    }

    #[test]
    fn no_member_twice_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"\u0061":2}]}"#] {
            assert!(object(text.as_bytes()).unwrap_err().contains("twice"), "{text}");
        }
    }
}
