//! What a source's word on somebody would come to, and nothing of it done: for
//! administrators who set a mapping up.

use super::{
    apply::{Finding, Refusal},
    login::Follower,
    mapping,
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, Profile},
    store::{self, Account, MailboxWrite, SyncStep, Written},
};

/// What it would come to.
#[derive(Debug, Default)]
pub struct Preview {
    /// Place in the mapping of the entry that decides; none where the default stands in.
    pub entry: Option<usize>,
    /// The mailbox as it would be; none if there would be none.
    pub account: Option<Account>,
    /// It would be made.
    pub is_new: bool,
    /// What would change, in words; nothing if nothing would.
    pub change: Option<String>,
    /// What would be left out: stable word and words for people.
    pub refused: Vec<(&'static str, String)>,
}

impl Follower {
    /// What the word on `person`, who has `address`, would come to.
    ///
    /// # Errors
    /// The store failed.
    pub async fn preview(
        &self,
        person: &Profile,
        address: &Address,
        now: Timestamp,
    ) -> Result<Preview, store::Error> {
        let entry = mapping::entry(&self.rules.source.provisioning, person);
        let mut preview = Preview { entry, ..Preview::default() };
        for finding in self.rules.person(self.store.as_ref(), person).await? {
            match finding {
                Finding::Step(SyncStep { write: Some(write), line }) => {
                    preview.is_new |= matches!(write, MailboxWrite::Create(_));
                    self.rehearse(&mut preview, write, line.detail, now).await?;
                }
                Finding::Skipped(refusal, _) | Finding::Counted(refusal) => {
                    preview.refused.push((refusal.name(), refusal.detail()));
                }
                Finding::Disabled(_) => {
                    let disabled = Refusal::Disabled;
                    preview.refused.push((disabled.name(), disabled.detail()));
                }
                Finding::Step(_) | Finding::Unchanged => {}
            }
        }
        if preview.account.is_none() && !preview.is_new {
            preview.account = self.present(person, address).await?;
        }
        Ok(preview)
    }

    async fn rehearse(
        &self,
        preview: &mut Preview,
        write: MailboxWrite,
        detail: String,
        now: Timestamp,
    ) -> Result<(), store::Error> {
        match self.store.rehearse(write, now).await {
            Ok(Written { account, changed, refused }) => {
                preview.account = Some(account);
                preview.change = changed.then_some(detail);
                preview.refused.extend(refused.map(|error| ("limit", error.to_string())));
            }
            Err(error) if error.is_refusal() => {
                preview.refused.push(("limit", error.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The mailbox that he has; else the one of this address, which may be another's.
    async fn present(
        &self,
        person: &Profile,
        address: &Address,
    ) -> Result<Option<Account>, store::Error> {
        let his = self.rules.source.binding(&person.subject);
        let address = match self.store.mailboxes_of(&his).await?.into_iter().next() {
            Some(his) => his,
            None => address.clone(),
        };
        self.store.account(&address).await
    }
}
