use proptest::prelude::*;

use super::*;

const RULE: Rule = Rule {
    limit: 3,
    window: Duration::from_secs(600),
    hold: Duration::from_secs(900),
    max_entries: 4,
};
const START: Timestamp = Timestamp(1_800_000_000_000);

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

impl<K: Clone + Eq + Hash + Ord> Table<K> {
    fn guesses(&self, key: &K, now: Timestamp) -> usize {
        self.standing(key, now, RULE).guesses
    }

    fn is_held(&self, key: &K, now: Timestamp) -> bool {
        self.standing(key, now, RULE).held_until.is_some()
    }

    fn assert_consistent(&self, max_entries: usize) {
        assert!(self.entries.len() <= max_entries);
        assert_eq!(self.entries.len(), self.order.len());
        for (rank, key) in &self.order {
            assert_eq!(self.entries[key].rank, *rank);
        }
        assert_eq!(self.entries.values().filter(|entry| entry.rank.held).count(), self.held);
        assert!(self.entries.values().all(|entry| entry.guesses.len() < 2 * RULE.limit));
    }
}

#[test]
fn distinct_guesses_lead_to_a_hold_that_ends() {
    let mut table = Table::default();
    assert!(table.count(&"ann", 1, at(0), RULE).1);
    for _ in 0..100 {
        assert!(!table.count(&"ann", 1, at(0), RULE).1);
    }
    assert_eq!(table.guesses(&"ann", at(0)), 1);
    table.count(&"ann", 2, at(1), RULE);
    assert!(!table.is_held(&"ann", at(1)));
    let (standing, _) = table.count(&"ann", 3, at(2), RULE);
    assert_eq!(standing.held_until, Some(at(902)));
    // What comes during a hold neither counts nor makes it longer.
    assert!(!table.count(&"ann", 4, at(900), RULE).1);
    assert!(table.is_held(&"ann", at(901)));
    assert!(!table.is_held(&"ann", at(902)));
    assert_eq!(table.guesses(&"ann", at(902)), 0);
    assert_eq!(table.held(), 1);
    table.prune(at(902));
    assert_eq!(table.held(), 0);
}

#[test]
fn guesses_count_for_the_window() {
    let mut table = Table::default();
    table.count(&"ann", 1, at(0), RULE);
    table.count(&"ann", 2, at(300), RULE);
    assert_eq!(table.guesses(&"ann", at(600)), 2);
    assert_eq!(table.guesses(&"ann", at(601)), 1);
    table.count(&"ann", 3, at(601), RULE);
    assert!(!table.is_held(&"ann", at(601)));
    table.prune(at(1202));
    assert!(table.entries.is_empty());
}

#[test]
fn a_limit_of_zero_counts_nothing() {
    let mut table = Table::default();
    let rule = Rule { limit: 0, ..RULE };
    assert!(table.announce(&"ann", 1, at(0), rule));
    table.withdraw(&"ann", 1, at(0), rule);
    assert_eq!(table.count(&"ann", 1, at(0), rule), (Standing::default(), true));
    assert!(table.entries.is_empty());
}

#[test]
fn no_more_checks_are_under_way_than_lead_to_a_hold() {
    let mut table = Table::default();
    table.count(&"ann", 1, at(0), RULE);
    assert!(table.announce(&"ann", 2, at(0), RULE));
    assert!(table.announce(&"ann", 3, at(0), RULE));
    assert!(!table.announce(&"ann", 4, at(0), RULE));
    // The same password twice is one, and stays announced until both are done.
    assert!(table.announce(&"ann", 3, at(0), RULE));
    table.withdraw(&"ann", 3, at(0), RULE);
    assert!(!table.announce(&"ann", 4, at(0), RULE));
    table.withdraw(&"ann", 3, at(0), RULE);
    assert!(table.announce(&"ann", 4, at(0), RULE));
    // Announcements alone are no guesses.
    assert_eq!(table.guesses(&"ann", at(0)), 1);
    table.count(&"ann", 2, at(0), RULE);
    table.count(&"ann", 4, at(0), RULE);
    assert!(table.is_held(&"ann", at(0)));
    table.withdraw(&"ann", 2, at(0), RULE);
    table.withdraw(&"ann", 4, at(0), RULE);
    assert!(table.is_held(&"ann", at(0)));
    assert!(!table.announce(&"ann", 5, at(1), RULE));
}

#[test]
fn a_right_password_leaves_nothing_behind() {
    let mut table = Table::default();
    assert!(table.announce(&"ann", 1, at(0), RULE));
    table.withdraw(&"ann", 1, at(0), RULE);
    assert!(table.entries.is_empty() && table.take_dirty().is_empty());
}

#[test]
fn a_full_table_gives_up_what_is_not_held_first() {
    let mut table = Table::default();
    for digest in 1..=3 {
        table.count(&"held", digest, at(0), RULE);
    }
    for (second, name) in [(1, "a"), (2, "b"), (3, "c")] {
        table.count(&name, 1, at(second), RULE);
    }
    table.count(&"a", 2, at(4), RULE);
    for (second, name) in [(5, "d"), (6, "e"), (7, "f"), (8, "g"), (9, "h")] {
        table.count(&name, 1, at(second), RULE);
        table.assert_consistent(RULE.max_entries);
    }
    assert!(table.is_held(&"held", at(9)));
    assert_eq!(table.guesses(&"a", at(9)), 0);
    assert_eq!(table.guesses(&"h", at(9)), 1);
    let gone: Vec<_> =
        table.take_dirty().into_iter().filter(|(_, entry)| entry.is_none()).collect();
    assert_eq!(gone.len(), 5);
}

#[test]
fn a_table_full_of_holds_gives_up_the_oldest() {
    let mut table = Table::default();
    for (second, name) in [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")] {
        for digest in 1..=3 {
            table.count(&name, digest, at(second), RULE);
        }
        table.assert_consistent(RULE.max_entries);
    }
    assert!(!table.is_held(&"a", at(5)) && table.is_held(&"b", at(5)));
    assert_eq!(table.held_back(at(5)).count(), 4);
}

#[test]
fn what_the_store_keeps_comes_back() {
    let mut table = Table::default();
    table.count(&"ann", 1, at(0), RULE);
    for digest in 1..=3 {
        table.count(&"bob", digest, at(0), RULE);
    }
    let mut restored = Table::default();
    for (key, entry) in table.take_dirty() {
        let bytes = postcard::to_allocvec(&entry.unwrap()).unwrap();
        restored.restore(&key, postcard::from_bytes(&bytes).unwrap(), at(10), RULE);
    }
    assert!(table.take_dirty().is_empty());
    assert_eq!(restored.guesses(&"ann", at(10)), 1);
    assert_eq!(restored.standing(&"bob", at(10), RULE).held_until, Some(at(900)));
    restored.assert_consistent(RULE.max_entries);
    // The same password is still the same guess.
    restored.count(&"ann", 1, at(10), RULE);
    assert_eq!(restored.guesses(&"ann", at(10)), 1);
}

#[test]
fn a_clock_that_was_ahead_holds_nobody_for_ever() {
    let mut table = Table::default();
    let far = at(10_000_000);
    for digest in 1..=3 {
        table.count(&"ann", digest, far, RULE);
    }
    table.count(&"bob", 1, far, RULE);
    let mut restored = Table::default();
    for (key, entry) in table.take_dirty() {
        restored.restore(&key, entry.unwrap(), at(0), RULE);
    }
    assert!(restored.is_held(&"ann", at(899)) && !restored.is_held(&"ann", at(900)));
    assert_eq!(restored.guesses(&"bob", at(601)), 0);
    // The same without a restart.
    table.count(&"ann", 1, far, RULE);
    assert!(!table.is_held(&"ann", at(0)));
    assert_eq!(table.guesses(&"bob", at(0)), 0);
    assert!(table.announce(&"ann", 1, at(0), RULE));
}

proptest! {
    #[test]
    fn stays_consistent_and_bounded(steps in prop::collection::vec((0_u8..5, 0_u8..8, 0_u32..6, 0_u64..400), 0..200)) {
        let mut table = Table::default();
        let mut now = START;
        for (what, key, digest, seconds) in steps {
            match what {
                0 => { table.announce(&key, digest, now, RULE); }
                1 => table.withdraw(&key, digest, now, RULE),
                2 => { table.count(&key, digest, now, RULE); }
                3 => { table.lift(&key); }
                _ => { now = now.after(Duration::from_secs(seconds)); table.prune(now); }
            }
            table.assert_consistent(RULE.max_entries);
        }
    }
}
