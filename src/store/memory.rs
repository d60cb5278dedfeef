//! The engine for tests: everything in memory, nothing on disk.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    Error, Records,
    engine::{Changes, Engine, Visit},
};

/// A store that forgets everything when it is dropped.
pub type MemoryStore = Records<Memory>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::over(Memory::default())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

type Map = BTreeMap<Vec<u8>, Arc<[u8]>>;

/// Bytes under keys, in memory.
pub struct Memory {
    /// `None` once closed.
    map: RwLock<Option<Map>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { map: RwLock::new(Some(BTreeMap::new())) }
    }
}

fn closed() -> Error {
    Error::engine("the store is closed")
}

impl Engine for Memory {
    type Value = Arc<[u8]>;

    fn get(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, Error> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        Ok(map.as_ref().ok_or_else(closed)?.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), Error> {
        if from >= to {
            return Ok(());
        }
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in map.as_ref().ok_or_else(closed)?.range(from.to_vec()..to.to_vec()) {
            if visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, changes: Changes) -> Result<(), Error> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let map = map.as_mut().ok_or_else(closed)?;
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key, value.into()),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn close(&self) -> Result<(), Error> {
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}
