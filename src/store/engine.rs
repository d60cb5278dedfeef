//! What an embedded engine does: keep bytes under keys, in the order of the
//! keys. It knows no domain, no mailbox and no rule.

use std::{collections::BTreeMap, ops::ControlFlow};

use serde::{Serialize, de::DeserializeOwned};

use super::Error;

/// What a write changes: the new value of each key, `None` takes it away.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Called with each pair of a [`Engine::scan`].
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error> + 'a;

/// An ordered map of bytes. All calls may block for the disk.
pub trait Engine: Send + Sync + 'static {
    /// A value as the engine hands it out.
    type Value: AsRef<[u8]>;

    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Self::Value>, Error>;

    /// Shows `visit` the pairs from `from` up to but without `to`, in order,
    /// until it breaks off. Writes may happen in between.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), Error>;

    /// Makes all of `changes` visible, together. Callers hold a lock, so that
    /// there is one at a time.
    fn commit(&self, changes: Changes) -> Result<(), Error>;

    /// Returns when all that was committed before is on disk.
    fn flush(&self) -> Result<(), Error>;

    /// Flushes and lets go of the folder; every later call fails.
    fn close(&self) -> Result<(), Error>;
}

/// A write in the making: reads see what it has changed so far.
pub(super) struct Draft<'a, E> {
    engine: &'a E,
    changes: Changes,
}

impl<'a, E: Engine> Draft<'a, E> {
    /// Nothing changed yet.
    pub(super) fn new(engine: &'a E) -> Self {
        Self { engine, changes: Changes::new() }
    }

    /// What was there before.
    pub(super) fn engine(&self) -> &'a E {
        self.engine
    }

    /// Removes all that was there before under keys that begin so.
    pub(super) fn remove_all(&mut self, prefix: &[u8]) -> Result<(), Error> {
        let mut found = Vec::new();
        self.engine.scan(prefix, &end_of(prefix), &mut |key, _| {
            found.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        for key in found {
            self.remove(key);
        }
        Ok(())
    }

    /// The value under `key`.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        match self.changes.get(key) {
            Some(changed) => changed.as_deref().map(decode).transpose(),
            None => get(self.engine, key),
        }
    }

    /// Sets the value under `key`.
    pub(super) fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), Error> {
        self.put_bytes(key, encode(value)?);
        Ok(())
    }

    /// Sets bytes that are no value of ours.
    pub(super) fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    /// Takes `key` away, if it is there.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// What is to be committed.
    pub(super) fn into_changes(self) -> Changes {
        self.changes
    }
}

/// The decoded value under `key`.
pub(super) fn get<T: DeserializeOwned>(
    engine: &impl Engine,
    key: &[u8],
) -> Result<Option<T>, Error> {
    engine.get(key)?.map(|bytes| decode(bytes.as_ref())).transpose()
}

/// Reads a stored value. Postcard says nothing of the fields it holds; the
/// schema version does.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(Error::engine)
}

/// Writes a value for storing.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(Error::engine)
}

/// The first key behind all that begin with `prefix`, which holds at least a
/// tag, and no tag is 255.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
