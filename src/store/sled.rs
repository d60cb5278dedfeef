//! The embedded engine: sled 0.34, one tree, one folder.
//!
//! **Durability.** sled's own flush writes its log with `sync_file_range`,
//! which neither writes the file's length nor empties the disk's cache; so
//! [`Engine::flush`] adds an `fdatasync`. Writers that wait together share one.
//!
//! **One process.** sled locks its file; a second process gets
//! [`Error::Locked`].

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::{
    Error, Records,
    engine::{self, Changes, Engine, Visit},
    keys,
};

/// Version of the key layout and of the stored values.
const SCHEMA: u32 = 1;

/// How the engine is set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Bound of the page cache, in bytes; at least one megabyte is taken.
    pub cache_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20 }
    }
}

/// The store in a folder.
pub type SledStore = Records<Sled>;

impl SledStore {
    /// Opens the store in the folder `path`, or makes it. Blocks for the disk:
    /// what was written since the last opening is read again.
    pub fn open(path: impl AsRef<Path>, settings: &Settings) -> Result<Self, Error> {
        Sled::open(path.as_ref(), settings).map(Self::over)
    }
}

/// Bytes under keys, in a folder.
pub struct Sled {
    /// `None` once closed.
    open: ArcSwapOption<Open>,
}

struct Open {
    tree: ::sled::Db,
    /// sled's log once more: sled lends nobody its own handle.
    log: File,
    commits: AtomicU64,
    /// How many commits are known to be on disk; `None` after a failure. What
    /// the kernel could not write once, it may not try again, so a later
    /// success would prove nothing.
    synced: Mutex<Option<u64>>,
}

impl Sled {
    fn open(path: &Path, settings: &Settings) -> Result<Self, Error> {
        make_private(path).map_err(Error::engine)?;
        let tree = ::sled::Config::new()
            .path(path)
            .cache_capacity(settings.cache_bytes.max(1 << 20))
            .open()
            .map_err(|error| opening_error(path, error))?;
        check_schema(&tree, path)?;
        let log = File::open(path.join("db")).map_err(Error::engine)?;
        let open = Open { tree, log, commits: AtomicU64::new(1), synced: Mutex::new(Some(0)) };
        open.flush()?;
        File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::engine)?;
        Ok(Self { open: ArcSwapOption::from_pointee(open) })
    }

    fn with<T>(&self, work: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        match &*self.open.load() {
            Some(open) => work(open),
            None => Err(Error::engine("the store is closed")),
        }
    }
}

/// Makes the folder unless it is there. Hashes of passwords lie in it, so it is
/// ours alone, whatever the umask is; folders above it are made as usual.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn check_schema(tree: &::sled::Db, path: &Path) -> Result<(), Error> {
    let Some(stored) = tree.get(keys::SCHEMA_KEY).map_err(Error::engine)? else {
        let version = engine::encode(&SCHEMA)?;
        tree.insert(keys::SCHEMA_KEY, version).map_err(Error::engine)?;
        return Ok(());
    };
    let found = engine::decode(&stored)?;
    if found > SCHEMA {
        let path = path.display().to_string();
        return Err(Error::Schema { path, found, known: SCHEMA });
    }
    Ok(())
}

/// sled says only in words that the lock is held.
fn opening_error(path: &Path, error: ::sled::Error) -> Error {
    match &error {
        ::sled::Error::Io(io) if io.to_string().starts_with("could not acquire lock") => {
            Error::Locked { path: path.display().to_string() }
        }
        _ => Error::engine(error),
    }
}

impl Open {
    fn flush(&self) -> Result<(), Error> {
        let target = self.commits.load(Ordering::Acquire);
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let known = synced.ok_or_else(|| Error::engine("the disk failed before"))?;
        if known >= target {
            return Ok(());
        }
        // More may have come while we waited for the lock.
        let target = self.commits.load(Ordering::Acquire);
        *synced = None;
        self.tree.flush().map_err(Error::engine)?;
        self.log.sync_data().map_err(Error::engine)?;
        *synced = Some(target);
        Ok(())
    }
}

impl Engine for Sled {
    type Value = ::sled::IVec;

    fn get(&self, key: &[u8]) -> Result<Option<::sled::IVec>, Error> {
        self.with(|open| open.tree.get(key).map_err(Error::engine))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), Error> {
        if from >= to {
            return Ok(());
        }
        self.with(|open| {
            for pair in open.tree.range(from..to) {
                let (key, value) = pair.map_err(Error::engine)?;
                if visit(&key, &value)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, changes: Changes) -> Result<(), Error> {
        let mut batch = ::sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.with(|open| {
            open.tree.apply_batch(batch).map_err(Error::engine)?;
            open.commits.fetch_add(1, Ordering::Release);
            Ok(())
        })
    }

    fn flush(&self) -> Result<(), Error> {
        self.with(Open::flush)
    }

    fn close(&self) -> Result<(), Error> {
        match self.open.swap(None) {
            Some(open) => open.flush(),
            None => Ok(()),
        }
    }
}
