//! The embedded engine: sled 0.34, in a folder of its own.
//!
//! **Three logs.** After a crash sled reads again whatever was written since it
//! was last opened: seconds, with a million mailboxes and a day's logins. So
//! what is written all day lies in logs of its own. The history is opened beside
//! the start and waited for by nobody who logs in; the abuse counters are few.
//! What else is stored changes seldom and is there at once; only a bulk of
//! changes is read again, at [`Engine::close`]. Where a change touches records
//! and history, the history goes first, and to disk: a crash in between leaves a
//! mailbox without history, never a history without a mailbox.
//!
//! **Memory.** sled bounds the bytes that cached pages have on disk; in memory
//! they take about four times as many, and some hundred megabytes of pages that
//! were just read escape its count. So it gets a sixteenth of the bound that is
//! set, which was measured to hold (`benches/store_scale.rs`). A further 36
//! bytes are in memory for each entry there is.
//!
//! **Durability.** sled's own flush writes its log with `sync_file_range`,
//! which neither writes the file's length nor empties the disk's cache; so
//! [`Engine::flush`] adds an `fdatasync`. Writers that wait together share one.
//!
//! **Damage.** Commits to the records are numbered, and the number is also said
//! beside the log ([`super::witness`]): a log that lost its end is not opened.
//!
//! **One process.** sled locks its files; a second process gets
//! [`Error::Locked`].

use std::{
    fmt,
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
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;

use super::{
    Error, Records,
    engine::{self, Changes, Engine, Visit},
    keys, upgrade,
    witness::{self, Witness},
};

/// Version of the key layout and of the stored values.
const SCHEMA: u32 = 4;
/// Where the keys of the history's log begin.
const HISTORY: &[u8] = &[keys::OWNER];
/// Where the keys of the counters' log begin.
const COUNTERS: &[u8] = &[keys::PENALTY];
/// How often a folder that is held is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// How often it is tried again to read a bulk at the end.
const LAST_READERS: usize = 25;
/// So many bytes of changes make a bulk that is read again at the end.
const BULK_BYTES: u64 = 32 << 20;

/// How the engine is set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Bound of the cached pages in memory, in bytes.
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
        let path = path.as_ref();
        // sled reads some damaged logs with a panic.
        let opened = panic::catch_unwind(|| Sled::open(path, settings));
        opened.unwrap_or_else(|_| Err(damaged(path, "it cannot be read"))).map(Self::over)
    }

    /// [`SledStore::open`] that waits up to `patience` for another process to
    /// let go of the folder.
    pub fn open_within(
        path: impl AsRef<Path>,
        settings: &Settings,
        patience: Duration,
    ) -> Result<Self, Error> {
        let give_up = Instant::now() + patience;
        loop {
            match Self::open(&path, settings) {
                Err(Error::Locked { .. }) if Instant::now() < give_up => thread::sleep(RETRY),
                result => return result,
            }
        }
    }
}

/// Bytes under keys, in a folder.
pub struct Sled {
    /// `None` once closed.
    open: ArcSwapOption<Open>,
}

struct Open {
    records: Log,
    counters: Log,
    history: Later,
}

impl Sled {
    fn open(path: &Path, settings: &Settings) -> Result<Self, Error> {
        let sixteenth = settings.cache_bytes / 16;
        // The lock of the records stands for all three.
        let records = Log::open(path, sixteenth / 2)?.witnessed()?;
        let history = Later::open(path.join("history"), sixteenth * 3 / 8)?;
        let counters = open_counters(&path.join("counters"), sixteenth / 8)?;
        let found = records.schema;
        let sled = Self { open: ArcSwapOption::from_pointee(Open { records, counters, history }) };
        upgrade::from(found, SCHEMA, &sled)?;
        Ok(sled)
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
        match key {
            key if key < HISTORY => Ok(&self.records),
            key if key < COUNTERS => self.history.get(),
            _ => Ok(&self.counters),
        }
    }

    fn commit(&self, mut changes: Changes) -> Result<(), Error> {
        let mut history = changes.split_off(HISTORY);
        self.counters.commit(history.split_off(COUNTERS))?;
        if !history.is_empty() {
            let log = self.history.get()?;
            log.commit(history)?;
            if !changes.is_empty() {
                log.flush()?;
            }
        }
        self.records.commit(changes)
    }

    fn flush(&self) -> Result<(), Error> {
        self.records.flush()?;
        self.counters.flush()?;
        self.history.flush_if_open()
    }
}

impl Engine for Sled {
    type Value = ::sled::IVec;

    fn get(&self, key: &[u8]) -> Result<Option<::sled::IVec>, Error> {
        self.with(|open| open.log_of(key)?.tree.get(key).map_err(Error::engine))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), Error> {
        self.with(|open| {
            let mut from = from;
            // From one log to the next, as far as the range goes.
            for end in [HISTORY, COUNTERS, to] {
                if from < end.min(to) {
                    if open.log_of(from)?.scan(from, end.min(to), visit)?.is_break() {
                        break;
                    }
                    from = end;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, changes: Changes) -> Result<(), Error> {
        self.with(|open| open.commit(changes))
    }

    fn flush(&self) -> Result<(), Error> {
        self.with(Open::flush)
    }

    fn close(&self) -> Result<(), Error> {
        let Some(open) = self.open.swap(None) else { return Ok(()) };
        open.history.get()?;
        open.flush()?;
        let bulk = open.records.bulk();
        drop(open);
        let Some((path, cache_bytes)) = bulk else { return Ok(()) };
        for _ in 0..LAST_READERS {
            match Log::open(&path, cache_bytes) {
                // A reader, or sled's own thread, is not through yet.
                Err(Error::Locked { .. }) => thread::sleep(RETRY),
                read => return read.map(drop),
            }
        }
        // Then the next start reads it again.
        Ok(())
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
    path: PathBuf,
    cache_bytes: u64,
    /// Version of the layout in which it was found.
    schema: u32,
    tree: ::sled::Db,
    /// sled's log file once more: sled lends nobody its own handle.
    file: File,
    /// Number of the last commit, the ones of earlier processes included.
    commits: AtomicU64,
    witness: Option<Witness>,
    committed_bytes: AtomicU64,
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
        let schema = check_schema(&tree, path)?;
        let commits = match tree.get(keys::COMMITS_KEY).map_err(Error::engine)? {
            Some(stored) => engine::decode(&stored)?,
            None => 0,
        };
        let file = File::open(path.join("db")).map_err(Error::engine)?;
        let log = Self {
            path: path.to_owned(),
            cache_bytes,
            schema,
            tree,
            file,
            commits: AtomicU64::new(commits),
            witness: None,
            committed_bytes: AtomicU64::new(0),
            synced: Mutex::new(Some(commits)),
        };
        log.sync()?;
        File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::engine)?;
        Ok(log)
    }

    /// Refuses a log that had more commits than it has, and keeps count from now
    /// on.
    fn witnessed(mut self) -> Result<Self, Error> {
        let witness = Witness::open(&self.path).map_err(Error::engine)?;
        let (acknowledged, found) = (witness.acknowledged(), *self.commits.get_mut());
        if found < acknowledged {
            let lost = acknowledged - found;
            let file = self.path.join(witness::FILE);
            let damage = format!(
                "its last {lost} changes are lost (to go on with what is left, remove {})",
                file.display()
            );
            return Err(damaged(&self.path, &damage));
        }
        self.witness = Some(witness);
        Ok(self)
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
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = ::sled::Batch::default();
        let mut bytes = 0;
        for (key, value) in changes {
            bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        // Callers come one at a time.
        let number = self.commits.load(Ordering::Relaxed) + 1;
        batch.insert(keys::COMMITS_KEY, engine::encode(&number)?);
        self.tree.apply_batch(batch).map_err(failed_for_good)?;
        self.commits.store(number, Ordering::Release);
        self.committed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(())
    }

    /// What it takes to open this log again, if so much was written that it is
    /// better read now than at the next start.
    fn bulk(&self) -> Option<(PathBuf, u64)> {
        let bulk = self.committed_bytes.load(Ordering::Relaxed) > BULK_BYTES;
        bulk.then(|| (self.path.clone(), self.cache_bytes))
    }

    fn flush(&self) -> Result<(), Error> {
        let target = self.commits.load(Ordering::Acquire);
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let known = synced.ok_or_else(|| failed_for_good("the disk failed before"))?;
        if known >= target {
            return Ok(());
        }
        // More may have come while we waited for the lock.
        let target = self.commits.load(Ordering::Acquire);
        *synced = None;
        self.sync()?;
        *synced = Some(target);
        if let Some(witness) = &self.witness {
            witness.acknowledge(target);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        self.tree.flush().map_err(failed_for_good)?;
        self.file.sync_data().map_err(failed_for_good)
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

fn check_schema(tree: &::sled::Db, path: &Path) -> Result<u32, Error> {
    let Some(stored) = tree.get(keys::SCHEMA_KEY).map_err(Error::engine)? else {
        let version = engine::encode(&SCHEMA)?;
        tree.insert(keys::SCHEMA_KEY, version).map_err(Error::engine)?;
        return Ok(SCHEMA);
    };
    let found = engine::decode(&stored)?;
    if found > SCHEMA {
        let path = path.display().to_string();
        return Err(Error::Schema { path, found, known: SCHEMA });
    }
    Ok(found)
}

/// After a write that failed, sled takes no more of them.
fn failed_for_good(error: impl fmt::Display) -> Error {
    let advice = "logins go on, and nothing is written until dovegate is started again";
    Error::engine(format!("{error}; {advice}"))
}

/// Counters are worth less than a start: a log of them that cannot be read is
/// set aside, and counting begins anew.
fn open_counters(path: &Path, cache_bytes: u64) -> Result<Log, Error> {
    let opened = panic::catch_unwind(|| Log::open(path, cache_bytes));
    match opened.unwrap_or_else(|_| Err(damaged(path, "it cannot be read"))) {
        Err(error @ (Error::Damaged { .. } | Error::Engine(_))) => {
            let aside = path.with_extension("damaged");
            tracing::error!(%error, aside = %aside.display(), "the abuse counters begin anew");
            let _before = fs::remove_dir_all(&aside);
            fs::rename(path, &aside).map_err(Error::engine)?;
            Log::open(path, cache_bytes)
        }
        opened => opened,
    }
}

fn damaged(path: &Path, damage: &str) -> Error {
    Error::Damaged { path: path.display().to_string(), damage: damage.to_owned() }
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
