//! What the store holds, seen from outside.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use super::dovecot::Rig;

/// Everything that is stored, and how many transactions made it so.
#[derive(Debug, Eq, PartialEq)]
pub struct Stored {
    records: Vec<String>,
    transactions: u64,
}

impl Stored {
    /// What is stored now.
    pub fn of(rig: &Rig) -> Self {
        let export = rig.dovegate(&["export"]);
        // The store counts its transactions beside its log.
        let count = rig.folder.outside("state/store/acknowledged");
        let count = fs::read(count).unwrap().try_into().expect("eight bytes");
        let transactions = u64::from_be_bytes(count);
        Self { records: export.lines().map(str::to_owned).collect(), transactions }
    }

    /// Addresses of mailboxes that are not as they were, in their order.
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        let old = before.mailboxes();
        let changed =
            self.mailboxes().into_iter().filter(|(name, text)| old.get(name) != Some(text));
        changed.map(|(address, _)| address).collect()
    }

    /// A run that found nothing to do: its record was begun and ended, and nothing
    /// else was written.
    pub fn nothing_but_a_record_since(&self, before: &Self) {
        assert_eq!(self.records, before.records);
        assert_eq!(self.transactions, before.transactions + 2);
    }

    fn mailboxes(&self) -> BTreeMap<String, &str> {
        let of = |line: &str| -> Option<String> {
            let record: Value = serde_json::from_str(line).unwrap();
            let is_mailbox = record["kind"] == "mailbox";
            is_mailbox.then(|| record["address"].as_str().expect("a text").to_owned())
        };
        self.records.iter().filter_map(|line| Some((of(line)?, line.as_str()))).collect()
    }
}
