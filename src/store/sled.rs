//! The embedded engine: sled 0.34, in a folder of its own.
//!
//! **Two logs.** After a crash sled reads again whatever was written since it
//! was last opened. The history is written all day, and with a million
//! mailboxes that took seconds; so it lies in a log of its own, which is opened
//! beside the start and waited for by nobody who logs in. What else is stored
//! changes seldom and is there at once. Where a change touches both, the
//! history goes first, and to disk: a crash in between leaves a mailbox without
//! history, never a history without a mailbox.
//!
//! **Durability.** sled's own flush writes its log with `sync_file_range`,
//! which neither writes the file's length nor empties the disk's cache; so
//! [`Engine::flush`] adds an `fdatasync`. Writers that wait together share one.
//!
//! **One process.** sled locks its files; a second process gets
//! [`Error::Locked`].

use std::{
    fs::{self, DirBuilder, File},
    io,
    ops::ControlFlow,
    os::unix::fs::DirBuilderExt as _,
    panic,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use arc_swap::ArcSwapOption;

use super::{
    Error, Records,
    engine::{self, Changes, Engine, Visit},
    keys,
};

/// Version of the key layout and of the stored values.
const SCHEMA: u32 = 1;
/// Where keys begin that lie in the history's log.
const HISTORY_FROM: &[u8] = &[keys::DIARY];

/// How the engine is set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Bound of the page caches, in bytes; at least two megabytes are taken.
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
    records: Log,
    history: Later,
}

impl Sled {
    fn open(path: &Path, settings: &Settings) -> Result<Self, Error> {
        let half = settings.cache_bytes / 2;
        let records = Log::open(path, half)?;
        let history = Later::open(path.join("history"), half)?;
        Ok(Self { open: ArcSwapOption::from_pointee(Open { records, history }) })
    }

    fn with<T>(&self, work: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        match &*self.open.load() {
            Some(open) => work(open),
            None => Err(Error::engine("the store is closed")),
        }
    }
}

impl Open {
    fn log_of(&self, key: &[u8]) -> Result<&Log, Error> {
        if key < HISTORY_FROM { Ok(&self.records) } else { self.history.get() }
    }
}

impl Engine for Sled {
    type Value = ::sled::IVec;

    fn get(&self, key: &[u8]) -> Result<Option<::sled::IVec>, Error> {
        self.with(|open| open.log_of(key)?.tree.get(key).map_err(Error::engine))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), Error> {
        self.with(|open| {
            if from < HISTORY_FROM
                && open.records.scan(from, to.min(HISTORY_FROM), visit)?.is_break()
            {
                return Ok(());
            }
            if to > HISTORY_FROM {
                let _ = open.history.get()?.scan(from.max(HISTORY_FROM), to, visit)?;
            }
            Ok(())
        })
    }

    fn commit(&self, mut changes: Changes) -> Result<(), Error> {
        let history = changes.split_off(HISTORY_FROM);
        self.with(|open| {
            if !history.is_empty() {
                let log = open.history.get()?;
                log.commit(history)?;
                if !changes.is_empty() {
                    log.flush()?;
                }
            }
            if changes.is_empty() { Ok(()) } else { open.records.commit(changes) }
        })
    }

    fn flush(&self) -> Result<(), Error> {
        self.with(|open| {
            open.records.flush()?;
            open.history.flush_if_open()
        })
    }

    fn close(&self) -> Result<(), Error> {
        let Some(open) = self.open.swap(None) else { return Ok(()) };
        let flushed = open.records.flush();
        flushed.and(open.history.get().and_then(Log::flush))
    }
}

/// A log that is opened on a thread of its own.
struct Later {
    log: Arc<OnceLock<Result<Log, String>>>,
    opening: Option<JoinHandle<()>>,
}

impl Later {
    fn open(path: PathBuf, cache_bytes: u64) -> Result<Self, Error> {
        let log = Arc::new(OnceLock::new());
        let place = Arc::clone(&log);
        let open = move || {
            let opened = panic::catch_unwind(|| Log::open(&path, cache_bytes))
                .unwrap_or_else(|_| Err(Error::engine("sled panicked")))
                .map_err(|error| error.to_string());
            if let Err(error) = &opened {
                tracing::error!(path = %path.display(), error, "the history cannot be opened");
            }
            let _ = place.set(opened);
        };
        let opening = thread::Builder::new().name("open-history".into()).spawn(open);
        Ok(Self { log, opening: Some(opening.map_err(Error::engine)?) })
    }

    /// The log, as soon as it is open.
    fn get(&self) -> Result<&Log, Error> {
        let opened = self.log.wait().as_ref();
        opened.map_err(|error| Error::engine(format!("the history could not be opened: {error}")))
    }

    /// Nothing can have been written before it was open.
    fn flush_if_open(&self) -> Result<(), Error> {
        match self.log.get() {
            Some(Ok(log)) => log.flush(),
            _ => Ok(()),
        }
    }
}

impl Drop for Later {
    /// So that the folder is free when the store is gone.
    fn drop(&mut self) {
        if let Some(opening) = self.opening.take() {
            opening.join().expect("it catches the panics of sled");
        }
    }
}

/// One sled, with its tree of that name.
struct Log {
    tree: ::sled::Db,
    /// sled's log file once more: sled lends nobody its own handle.
    file: File,
    commits: AtomicU64,
    /// How many commits are known to be on disk; `None` after a failure. What
    /// the kernel could not write once, it may not try again, so a later
    /// success would prove nothing.
    synced: Mutex<Option<u64>>,
}

impl Log {
    fn open(path: &Path, cache_bytes: u64) -> Result<Self, Error> {
        make_private(path).map_err(Error::engine)?;
        let tree = ::sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes.max(1 << 20))
            .open()
            .map_err(|error| opening_error(path, error))?;
        check_schema(&tree, path)?;
        let file = File::open(path.join("db")).map_err(Error::engine)?;
        let log = Self { tree, file, commits: AtomicU64::new(1), synced: Mutex::new(Some(0)) };
        log.flush()?;
        File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::engine)?;
        Ok(log)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<ControlFlow<()>, Error> {
        if from < to {
            for pair in self.tree.range(from..to) {
                let (key, value) = pair.map_err(Error::engine)?;
                if visit(&key, &value)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn commit(&self, changes: Changes) -> Result<(), Error> {
        let mut batch = ::sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.tree.apply_batch(batch).map_err(Error::engine)?;
        self.commits.fetch_add(1, Ordering::Release);
        Ok(())
    }

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
        self.file.sync_data().map_err(Error::engine)?;
        *synced = Some(target);
        Ok(())
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
