//! What of a mailbox that is there is not as another system has it.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Wanted, WantedAppPassword};
use crate::{
    mailbox::{ImportedAppPassword, Mailbox, PasswordHash, SetBy},
    store::MailboxChange,
};

/// A value that is not the same here and there.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Difference {
    /// Which.
    pub field: String,
    /// Here; of a password nothing.
    pub here: String,
    /// As the other system has it; of a password nothing.
    pub there: String,
}

/// What differs, and the change that would end it. What `wanted` does not say
/// differs in nothing.
pub fn compare(wanted: &Wanted, mailbox: &Mailbox) -> (Vec<Difference>, MailboxChange) {
    let mut found = Found::default();
    let mut change = MailboxChange::default();
    let named = |name: &str| if name.is_empty() { None } else { Some(name.to_owned()) };
    if let Some(name) = &wanted.display_name
        && found.differ("display name", named(&mailbox.display_name).as_ref(), name)
    {
        change.display_name = Some(name.clone());
    }
    if let Some(state) = wanted.state
        && found.differ("state", Some(&mailbox.state), &state)
    {
        change.state = Some((state, SetBy::Administrator));
    }
    if let Some(services) = wanted.services
        && found.differ("services", Some(&mailbox.services), &services)
    {
        change.services = Some(services);
    }
    let missing = |tag: &&String| !mailbox.tags.contains(tag);
    let missing: Vec<_> = wanted.tags.iter().filter(missing).cloned().collect();
    if !missing.is_empty() {
        found.differ("tags", Some(&mailbox.tags.join(" ")), &missing.join(" "));
        change.tags = Some(mailbox.tags.iter().cloned().chain(missing).collect());
    }
    if let Some(hash) = &wanted.hash
        && mailbox.local_hash.as_ref() != Some(hash)
    {
        found.password(mailbox.local_hash.as_ref());
        change.local_hash = Some(Some(hash.clone()));
    }
    change.quota = found.option("quota", mailbox.quota.as_ref(), wanted.quota_bytes.as_ref());
    change.uid = found.option("uid", mailbox.uid.as_ref(), wanted.uid.as_ref());
    change.gid = found.option("gid", mailbox.gid.as_ref(), wanted.gid.as_ref());
    change.home = found.option("home", mailbox.home.as_ref(), wanted.home.as_ref());
    change.mail = found.option("mail", mailbox.mail.as_ref(), wanted.mail.as_ref());
    let mut fields = mailbox.extra_fields.clone();
    for (name, value) in &wanted.extra_fields {
        if found.differ(name, fields.get(name), value) {
            fields.insert(name.clone(), value.clone());
            change.extra_fields = Some(fields.clone());
        }
    }
    (found.0, change)
}

/// The same of an app password that came along before.
pub fn compare_app_password(
    wanted: &WantedAppPassword,
    here: &ImportedAppPassword,
) -> Vec<Difference> {
    let mut found = Found::default();
    found.differ("name", Some(&here.name), &wanted.name);
    found.differ("services", Some(&here.services), &wanted.services);
    found.0
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    /// Whether they differ; if so it is noted.
    fn differ<T: Display + PartialEq>(&mut self, field: &str, here: Option<&T>, there: &T) -> bool {
        if here == Some(there) {
            return false;
        }
        let here = here.map_or_else(|| "none".to_owned(), ToString::to_string);
        self.0.push(Difference { field: field.to_owned(), here, there: there.to_string() });
        true
    }

    /// What to set, in the form of a change, if something is wanted and differs.
    #[expect(clippy::option_option, reason = "a change says it so: set, take away, leave alone")]
    fn option<T: Clone + Display + PartialEq>(
        &mut self,
        field: &str,
        here: Option<&T>,
        there: Option<&T>,
    ) -> Option<Option<T>> {
        let there = there?;
        self.differ(field, here, there).then(|| Some(there.clone()))
    }

    fn password(&mut self, here: Option<&PasswordHash>) {
        let here = if here.is_some() { "another" } else { "none" }.to_owned();
        self.0.push(Difference { field: "password".to_owned(), here, there: "set".to_owned() });
    }
}
