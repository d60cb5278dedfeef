//! What a sync did, by the record that it wrote and by what the store holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::house::House;
use crate::support::stored::Stored;

impl House {
    /// What is stored now.
    pub fn stored(&self) -> Stored {
        Stored::of(&self.rig)
    }

    /// A run that is complete, as it says of itself.
    pub fn sync(&self) -> Value {
        let said = self.json(&["sync", "run", "corp"]);
        assert_eq!(said["outcome"], "complete", "{said}");
        eprintln!("{} to {}: {}", said["started"], said["ended"], said["done"]);
        said
    }

    /// A run that stops, with this exit code and these words.
    pub fn sync_stops(&self, code: i32, words: &str) {
        let output = self.rig.dovegate.run(&self.rig.folder, &["sync", "run", "corp"], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }

    /// All runs, latest first.
    pub fn runs(&self) -> Vec<Value> {
        self.json(&["sync", "log", "corp"]).as_array().expect("a list").clone()
    }

    /// Addresses of a run's lines, by what was done.
    pub fn lines(&self, run: &Value) -> BTreeMap<String, Vec<String>> {
        let number = run["run"].to_string();
        let lines = self.json(&["sync", "log", "corp", "--run", &number]);
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines.as_array().expect("a list") {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            found.entry(text("action")).or_default().push(text("address"));
        }
        for addresses in found.values_mut() {
            addresses.sort();
        }
        found
    }

    /// All mailboxes of example.org, each one whole: it is somebody's, and follows
    /// `corp`; and the domain's account of them is what they come to.
    pub fn whole_mailboxes(&self) -> Vec<Value> {
        let mail = self.rig.folder.inside("mail");
        let mailboxes = self.json(&["mailbox", "list"]).as_array().expect("a list").clone();
        let mut people = BTreeSet::new();
        let mut quotas = 0;
        for mailbox in &mailboxes {
            let address = mailbox["address"].as_str().expect("a text");
            let name = address.strip_suffix("@example.org").expect("the only domain");
            assert_eq!(mailbox["auth_source"], "corp", "{mailbox}");
            assert_eq!(mailbox["bound"]["provider"], "corp", "{mailbox}");
            let person = mailbox["bound"]["subject"].as_str().unwrap_or_default();
            assert!(!person.is_empty() && people.insert(person), "{mailbox}");
            assert_eq!(mailbox["home"], format!("{mail}/example.org/{name}"), "{mailbox}");
            assert!(mailbox["template"].is_string(), "{mailbox}");
            quotas += mailbox["quota_bytes"].as_u64().expect("its template has one");
        }
        let domain = self.json(&["domain", "show", "example.org"]);
        assert_eq!(domain["mailboxes"], mailboxes.len(), "{domain}");
        assert_eq!(domain["used_quota_bytes"], quotas, "{domain}");
        mailboxes
    }

    /// As [`House::whole_mailboxes`], and each has the values of its template.
    pub fn mailboxes_by_template(&self) -> Vec<Value> {
        let templates = self.json(&["template", "list"]);
        let templates = templates.as_array().expect("a list");
        let mailboxes = self.whole_mailboxes();
        for mailbox in &mailboxes {
            let template = templates.iter().find(|one| one["name"] == mailbox["template"]);
            let template = template.unwrap_or_else(|| panic!("no template: {mailbox}"));
            for value in ["quota_bytes", "tags", "services", "state"] {
                assert_eq!(mailbox[value], template[value], "{value} of {mailbox}");
            }
        }
        mailboxes
    }
}
