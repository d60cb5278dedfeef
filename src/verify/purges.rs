//! What was purged a moment ago, so that no answer that was under way then comes
//! after it.
//!
//! A purge concerns somebody: users by name or mask, people and sessions by the
//! provider's ids, or everything. An answer is outdated only if a purge since its
//! question concerned it: a realm in which something happens all day does not make
//! everybody's logins be asked twice.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::room::Key;
use crate::{mailbox::Address, store::Mask};

/// Most purged users, people and sessions that are remembered: more than happen while one
/// question is under way.
const MAX_MARKS: usize = 16_384;
/// The same of purges by mask.
const MAX_MASKS: usize = 512;
/// A purge with more masks than that counts as one of everything.
const MAX_OF_ONE: usize = 16;

/// What a purge can name, of what an answer says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mark<'a> {
    /// The provider's own id of a person.
    Person(&'a str),
    /// The session that a token belongs to.
    Session(&'a str),
    /// A token that does not say of which session it is, and may be of any.
    NoSession,
    /// Who is asked about.
    User(&'a str),
    /// That an address is no single person's: it may be by now.
    NobodysAddress,
}

impl Mark<'_> {
    /// Its digest: what an index keeps of it.
    pub(super) fn digest(self, secret: &[u8; 32]) -> Key {
        let fields: [&[u8]; 2] = match self {
            Self::Person(id) => [b"person", id.as_bytes()],
            Self::Session(id) => [b"session", id.as_bytes()],
            Self::NoSession => [b"no session", b""],
            Self::User(address) => [b"user", address.as_bytes()],
            Self::NobodysAddress => [b"nobody's address", b""],
        };
        Key::new(secret, &fields)
    }
}

/// Users by mask (`*` and `?`); without any mask, all of them.
#[derive(Clone, Debug)]
pub(super) struct Whose(Arc<[Mask]>);

impl Whose {
    pub(super) fn new(masks: &[String]) -> Self {
        Self(masks.iter().map(|mask| Mask::new(mask)).collect())
    }

    /// The users, if each is named as he is.
    pub(super) fn named(&self) -> Option<Vec<Mark<'_>>> {
        let named: Option<Vec<_>> =
            self.0.iter().map(|mask| mask.exact().map(Mark::User)).collect();
        named.filter(|named| !named.is_empty())
    }

    /// Whether it means this user.
    pub(super) fn means(&self, user: &Address) -> bool {
        self.0.is_empty() || self.0.iter().any(|mask| mask.matches(user.as_str()))
    }

    /// Whether to remember whom it means would be too much, or is no use.
    fn is_wide(&self) -> bool {
        self.0.is_empty() || self.0.len() > MAX_OF_ONE
    }
}

/// The purges of one cache.
#[derive(Debug, Default)]
pub(super) struct Purges {
    count: u64,
    /// Whatever was asked before this one is outdated: it concerned everything, or
    /// whom it concerned is not known any more.
    everything: u64,
    marks: HashMap<Key, u64>,
    masks: VecDeque<(u64, Whose)>,
}

impl Purges {
    /// How many there were: to be read before a question is sent.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn of_everything(&mut self) {
        self.count += 1;
        self.everything = self.count;
        self.marks = HashMap::new();
        self.masks.clear();
    }

    pub(super) fn of_users(&mut self, whose: &Whose) {
        if whose.is_wide() {
            return self.of_everything();
        }
        self.count += 1;
        self.masks.push_back((self.count, whose.clone()));
        if self.masks.len() > MAX_MASKS
            && let Some((oldest, _)) = self.masks.pop_front()
        {
            self.everything = self.everything.max(oldest);
        }
    }

    pub(super) fn of_marks(&mut self, marks: &[Key]) {
        self.count += 1;
        self.marks.extend(marks.iter().map(|mark| (*mark, self.count)));
        if self.marks.len() > MAX_MARKS {
            self.forget_older_marks();
        }
    }

    /// Half of them, or all of a purge that is larger than that.
    fn forget_older_marks(&mut self) {
        let mut purges: Vec<u64> = self.marks.values().copied().collect();
        let (_, middle, _) = purges.select_nth_unstable(MAX_MARKS / 2);
        let middle = *middle;
        self.marks.retain(|_, purge| *purge > middle);
        self.everything = self.everything.max(middle);
    }

    /// Whether a purge since `asked`, which is the count of that time, concerns
    /// what is said `about` this user with these marks.
    pub(super) fn outdate(&self, asked: u64, about: &Address, marks: &[Key]) -> bool {
        self.everything > asked
            || marks.iter().any(|mark| self.marks.get(mark).is_some_and(|purge| *purge > asked))
            || self.masks.iter().any(|(purge, whose)| *purge > asked && whose.means(about))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: usize) -> Key {
        Mark::Person(&number.to_string()).digest(&[1; 32])
    }

    fn ann() -> Address {
        Address::parse("ann@example.org").unwrap()
    }

    #[test]
    fn a_purge_outdates_what_it_concerns() {
        let mut purges = Purges::default();
        let asked = purges.count();
        purges.of_users(&Whose::new(&["ben@*".to_owned()]));
        purges.of_marks(&[mark(1), mark(2)]);
        assert!(!purges.outdate(asked, &ann(), &[mark(3)]));
        assert!(purges.outdate(asked, &ann(), &[mark(3), mark(2)]));
        purges.of_users(&Whose::new(&["ann@*".to_owned()]));
        assert!(purges.outdate(asked, &ann(), &[]));
        let asked = purges.count();
        assert!(!purges.outdate(asked, &ann(), &[mark(1)]), "asked after it");
        purges.of_users(&Whose::new(&[]));
        assert!(purges.outdate(asked, &ann(), &[]));
        assert!(!purges.outdate(purges.count(), &ann(), &[mark(1)]));
    }

    #[test]
    fn many_purges_are_bounded_and_outdate_only_what_is_very_old() {
        let mut purges = Purges::default();
        let first = purges.count();
        for number in 0..MAX_MARKS {
            purges.of_marks(&[mark(number)]);
        }
        assert!(!purges.outdate(first, &ann(), &[mark(MAX_MARKS)]));
        let later = purges.count();
        for number in 0..MAX_MARKS {
            purges.of_marks(&[mark(MAX_MARKS + number)]);
            assert!(purges.marks.len() <= MAX_MARKS);
        }
        assert!(purges.outdate(first, &ann(), &[]), "whom it concerned is not known any more");
        assert!(purges.outdate(later, &ann(), &[mark(MAX_MARKS * 2 - 1)]));
        let asked = purges.count();
        let all: Vec<_> = (0..MAX_MARKS * 2).map(mark).collect();
        purges.of_marks(&all);
        assert!(purges.marks.is_empty() && purges.outdate(asked, &ann(), &[]));
        let asked = purges.count();
        for _ in 0..MAX_MASKS {
            purges.of_users(&Whose::new(&["ben@*".to_owned()]));
        }
        assert!(!purges.outdate(asked, &ann(), &[]));
        purges.of_users(&Whose::new(&["ben@*".to_owned()]));
        assert!(purges.outdate(asked, &ann(), &[]));
        assert_eq!(purges.masks.len(), MAX_MASKS);
    }

    #[test]
    fn marks_differ_by_kind() {
        let secret = [1; 32];
        let marks = [
            Mark::Person("1"),
            Mark::Session("1"),
            Mark::NoSession,
            Mark::NobodysAddress,
            Mark::Person(""),
            Mark::Session(""),
            Mark::User("1"),
        ];
        for (number, one) in marks.iter().enumerate() {
            for other in &marks[..number] {
                assert_ne!(one.digest(&secret), other.digest(&secret));
            }
        }
    }
}
