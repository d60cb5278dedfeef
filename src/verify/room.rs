//! A room for what is remembered: so many entries and so many bytes at most, each
//! for its own time. What every cache here is made of.
//!
//! moka knows one bound, by weight. An entry weighs its bytes, but never less than
//! the share of one entry in the bytes that the room has; so the count is bounded
//! as well. When a room is full, what is seldom asked for gives way.
//!
//! Entries can be found by the marks that they bear: an index, which an entry
//! enters before the room and leaves with it, by whatever way.

use std::{
    collections::BTreeSet,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{Expiry, sync::Cache};

/// What an entry takes besides its own bytes: moka's lists and tables.
const OVERHEAD_BYTES: usize = 400;
/// What a mark takes: in the index, half of whose places are empty, and in the entry.
const MARK_BYTES: usize = 2 * size_of::<Marked>() + size_of::<Key>();

/// A keyed digest over everything that an entry depends on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) const FIRST: Self = Self([0; 32]);
    pub(super) const LAST: Self = Self([u8::MAX; 32]);

    /// The one function that makes a key. Every field carries its length, so that
    /// no two lists of fields read the same, whatever bytes they have. `secret` is
    /// made at the start and never stored: nobody can aim at another's entry, and
    /// what a memory dump shows is of no use without it.
    pub(super) fn new(secret: &[u8; 32], fields: &[&[u8]]) -> Self {
        let mut digest = blake3::Hasher::new_keyed(secret);
        for field in fields {
            digest.update(&(field.len() as u64).to_be_bytes());
            digest.update(field);
        }
        Self(*digest.finalize().as_bytes())
    }

    /// A share that is left to chance, from 0 to 1, and stays the entry's own.
    fn chance(&self) -> f64 {
        f64::from(self.0[31]) / 255.0
    }

    /// `time` less up to a tenth: what came together is not over together.
    pub(super) fn jittered(&self, time: Duration) -> Duration {
        time.mul_f64(1.0 - self.chance() / 10.0)
    }
}

/// A keyed digest needs no second one.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (head, _) = self.0.split_first_chunk().expect("a digest has 32 bytes");
        state.write_u64(u64::from_ne_bytes(*head));
    }
}

/// Takes the number that it is given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// How much a room holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Limits {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Limits {
    /// Another room's part of it.
    pub(super) fn quarter(self) -> Self {
        Self { entries: self.entries / 4, bytes: self.bytes / 4 }
    }
}

/// How full a room is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fill {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) limits: Limits,
}

/// An entry.
pub(super) struct Held<T> {
    pub(super) value: T,
    /// Apart from all others, also under the same key.
    number: u64,
    marks: Box<[Key]>,
    bytes: u32,
    time: Duration,
}

/// A mark, the key of an entry that bears it, and the entry's number.
type Marked = (Key, Key, u64);

/// What is found here may have left the room just now, but nothing is missing.
#[derive(Default)]
struct Index(Mutex<BTreeSet<Marked>>);

impl Index {
    fn add(&self, marks: &[Key], key: Key, number: u64) {
        self.lock().extend(marks.iter().map(|mark| (*mark, key, number)));
    }

    fn remove(&self, marks: &[Key], key: Key, number: u64) {
        let mut entries = self.lock();
        for mark in marks {
            entries.remove(&(*mark, key, number));
        }
    }

    fn of(&self, mark: Key) -> Vec<Key> {
        let range = (mark, Key::FIRST, 0)..=(mark, Key::LAST, u64::MAX);
        self.lock().range(range).map(|(_, key, _)| *key).collect()
    }

    /// Whoever holds it takes no other lock and asks no room: it is taken where
    /// moka tells what left.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<Marked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room.
pub(super) struct Room<T> {
    held: Cache<Key, Arc<Held<T>>, BuildHasherDefault<Taken>>,
    index: Arc<Index>,
    numbers: AtomicU64,
    bytes: Arc<AtomicU64>,
    limits: Limits,
}

impl<T: Send + Sync + 'static> Room<T> {
    pub(super) fn new(limits: Limits) -> Self {
        let (index, bytes) = (Arc::new(Index::default()), Arc::new(AtomicU64::new(0)));
        let (marked, taken) = (Arc::clone(&index), Arc::clone(&bytes));
        let share = limits.bytes.checked_div(limits.entries).unwrap_or(0);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let capacity = if limits.entries == 0 { 0 } else { limits.bytes };
        let held = Cache::builder()
            .max_capacity(capacity)
            .weigher(move |_, held: &Arc<Held<T>>| held.bytes.max(share))
            .expire_after(ItsOwnTime)
            .eviction_listener(move |key: Arc<Key>, held: Arc<Held<T>>, _cause| {
                taken.fetch_sub(u64::from(held.bytes), Ordering::Relaxed);
                marked.remove(&held.marks, *key, held.number);
            })
            .build_with_hasher(BuildHasherDefault::default());
        Self { held, index, numbers: AtomicU64::new(0), bytes, limits }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Held<T>>> {
        self.held.get(key)
    }

    /// Keeps `value`, which has so many bytes, for `time`; in the place of what was
    /// there.
    pub(super) fn put(&self, key: Key, value: T, marks: &[Key], bytes: usize, time: Duration) {
        if time.is_zero() || self.limits.entries == 0 {
            self.forget(&key);
            return;
        }
        let bytes = bytes.saturating_add(OVERHEAD_BYTES + marks.len() * MARK_BYTES);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::from(bytes), Ordering::Relaxed);
        self.index.add(marks, key, number);
        let marks = marks.into();
        self.held.insert(key, Arc::new(Held { value, number, marks, bytes, time }));
    }

    /// Whether there was one.
    pub(super) fn forget(&self, key: &Key) -> bool {
        self.held.remove(key).is_some()
    }

    /// Forgets what bears one of these marks; returns how much that was.
    pub(super) fn forget_marked(&self, marks: &[Key]) -> u64 {
        let keys: BTreeSet<Key> = marks.iter().flat_map(|mark| self.index.of(*mark)).collect();
        keys.iter().filter(|key| self.forget(key)).count() as u64
    }

    /// Forgets what `whose` holds for; returns how much that was.
    pub(super) fn forget_where(&self, whose: impl Fn(&T) -> bool) -> u64 {
        let keys = self.held.iter().filter(|(_, held)| whose(&held.value)).map(|(key, _)| *key);
        keys.filter(|key| self.forget(key)).count() as u64
    }

    /// Checks that the index names what is there, and nothing else.
    #[cfg(test)]
    pub(super) fn check_index(&self) {
        self.tidy();
        let there = self.held.iter().flat_map(|(key, held)| {
            let marked: Vec<_> = held.marks.iter().map(|mark| (*mark, *key, held.number)).collect();
            marked
        });
        assert_eq!(*self.index.lock(), there.collect::<BTreeSet<_>>());
    }

    /// Forgets everything, and does not look how much that was.
    pub(super) fn clear(&self) {
        self.held.invalidate_all();
    }

    /// moka does its housekeeping when it is used; a quiet server has to ask.
    pub(super) fn tidy(&self) {
        self.held.run_pending_tasks();
    }

    pub(super) fn fill(&self) -> Fill {
        self.tidy();
        Fill {
            entries: self.held.entry_count(),
            bytes: self.bytes.load(Ordering::Relaxed),
            limits: self.limits,
        }
    }
}

/// Keeps an entry no longer than it can be of use.
struct ItsOwnTime;

impl<T> Expiry<Key, Arc<Held<T>>> for ItsOwnTime {
    fn expire_after_create(
        &self,
        _key: &Key,
        held: &Arc<Held<T>>,
        _created: Instant,
    ) -> Option<Duration> {
        Some(held.time)
    }

    fn expire_after_update(
        &self,
        _key: &Key,
        held: &Arc<Held<T>>,
        _updated: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(held.time)
    }
}

/// How a cache does. Outlives the caches that count in it: other settings make
/// other caches, and what was counted stays.
#[derive(Debug, Default)]
pub(super) struct Tally {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) stale: u64,
}

impl Tally {
    /// It answered.
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// What it might have answered had to be had elsewhere.
    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// It answered with what is not fresh any more.
    pub(super) fn stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { hits: read(&self.hits), misses: read(&self.misses), stale: read(&self.stale) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key(number: u64) -> Key {
        Key::new(&[7; 32], &[&number.to_be_bytes()])
    }

    /// Entries and bytes that stay of `number` entries with so many bytes.
    fn check(limits: Limits, number: u64, bytes: usize, expected: impl Fn(Fill) -> bool) {
        let room = Room::new(limits);
        for number in 0..number {
            room.put(key(number), (), &[], bytes, HOUR);
        }
        let fill = room.fill();
        assert!(fill.entries <= limits.entries && fill.bytes <= limits.bytes, "{fill:?}");
        assert!(expected(fill), "{fill:?}");
    }

    #[test]
    fn bounded_by_count_and_by_bytes() {
        let limits = Limits { entries: 100, bytes: 100_000 };
        check(limits, 50, 10, |fill| fill.entries == 50 && fill.bytes == 50 * 410);
        check(limits, 5000, 10, |fill| fill.entries == 100 && fill.bytes == 100 * 410);
        check(limits, 5000, 9600, |fill| fill.entries == 10 && fill.bytes == 100_000);
        check(limits, 50, 200_000, |fill| fill.entries == 0 && fill.bytes == 0);
        check(Limits { entries: 0, bytes: 1000 }, 5, 1, |fill| fill.entries + fill.bytes == 0);
    }

    #[test]
    fn bytes_are_those_of_what_is_there() {
        let room = Room::new(Limits { entries: 10, bytes: 10_000 });
        for bytes in [10, 500, 20] {
            room.put(key(1), (), &[], bytes, HOUR);
            assert_eq!(room.fill().bytes, bytes as u64 + 400);
        }
        room.put(key(2), (), &[], 0, HOUR);
        room.forget(&key(1));
        assert_eq!((room.fill().entries, room.fill().bytes), (1, 400));
        // What is to be kept for no time takes the place of what was there.
        room.put(key(2), (), &[key(9)], 0, Duration::ZERO);
        assert!(room.get(&key(2)).is_none());
        room.put(key(3), (), &[], 0, Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(20));
        assert!(room.get(&key(3)).is_none());
        room.put(key(4), (), &[], 0, HOUR);
        room.clear();
        assert_eq!((room.fill().entries, room.fill().bytes), (0, 0));
    }

    #[test]
    fn what_came_together_is_not_over_together() {
        let times: Vec<_> = (0..1000).map(|number| key(number).jittered(HOUR)).collect();
        assert!(times.iter().all(|time| (HOUR.mul_f64(0.9)..=HOUR).contains(time)));
        let early = times.iter().filter(|time| **time < HOUR.mul_f64(0.95)).count();
        assert!((300..700).contains(&early), "{early}");
    }
}
