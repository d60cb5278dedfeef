//! `/domains/{name}/auth-source`: who checks the main passwords, changed for many
//! mailboxes of a domain, a page of them in one transaction. What a change does is
//! that of a single mailbox (`store::apply`).

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Page, State,
    extract::{Body, Named, domain},
    mailboxes::{self, MAX_MASK_BYTES, source_name},
    providers,
    rights::Territory,
};
use crate::{
    clock::Timestamp,
    mailbox::{Address, AuthSource, Mailbox},
    store::{Arrival, MailboxChange, MailboxFilter},
};

/// Mailboxes of one request: they are written in one transaction.
pub const AT_A_TIME: usize = 500;

/// What to change, and of which mailboxes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuthSourceOrder")]
pub struct Order {
    /// The new auth source: `local`, or who speaks for the domain.
    pub source: String,
    /// Only addresses that match this mask (`*` and `?`).
    #[serde(default)]
    pub mask: Option<String>,
    /// Only mailboxes that have this auth source now.
    #[serde(default)]
    pub from: Option<String>,
    /// Forget whose they are at a provider.
    #[serde(default)]
    pub unbind: bool,
    /// Say what would be done, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// `next` of the page before.
    #[serde(default)]
    pub after: Option<String>,
}

/// What became of one mailbox, or would.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Switched {
    /// Its address.
    pub address: Address,
    /// What was done.
    pub outcome: Outcome,
    /// Its auth source before.
    pub was: String,
    /// What an administrator should know of it.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// Why it was refused.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What was done, or would be.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SwitchOutcome")]
pub enum Outcome {
    /// It has the new auth source.
    Changed,
    /// It had it before.
    Unchanged,
    /// It has another auth source than was asked for.
    LeftOut,
    /// Nothing, for the reason that is given.
    Refused,
}

/// What an administrator should know of a mailbox that was changed.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SwitchNote")]
pub enum Note {
    /// It is local now and has no password.
    NoPassword,
    /// It belonged to a person, and is nobody's now.
    Unbound,
    /// The source before has switched it off, and it stays so.
    SwitchedOff,
}

pub(super) async fn switch(
    Shared(state): Shared<State>,
    caller: Caller,
    territory: Territory,
    Named(name): Named<String>,
    Body(order): Body<Order>,
) -> Result<Json<Page<Switched>>, Error> {
    let name = domain(&name)?;
    if order.mask.as_ref().is_some_and(|mask| mask.len() > MAX_MASK_BYTES) {
        return Err(mailboxes::mask_too_long());
    }
    // Who speaks for the domain stays the same until it is written.
    let _providers = providers::unchanged().await;
    let found = state.store.domain(&name).await?;
    let found = found.ok_or_else(|| Error::not_found("domain", name.as_str()))?;
    let source = state.auth_source(&order.source, &found, &territory)?;
    let after = order.after.as_deref().map(|text| state.address(text)).transpose()?;
    let filter = MailboxFilter {
        domain: Some(name.clone()),
        mask: order.mask.clone(),
        ..Default::default()
    };
    let mailboxes = state.store.mailboxes(&filter, after.as_ref(), AT_A_TIME).await?;
    let mut all: Vec<_> =
        mailboxes.iter().map(|mailbox| judged(mailbox, &source, &order)).collect();
    if !order.dry_run {
        let number = state.carry_out_switch(&mut all, &source, order.unbind).await?;
        if number > 0 {
            let subject = format!("{number} mailboxes of {name}, to {}", order.source);
            caller.changed("domain auth-source", &subject);
        }
    }
    Ok(Json(Page::of(all, AT_A_TIME, |one: &Switched| one.address.to_string())))
}

impl State {
    /// Writes what is to be changed; returns how many were.
    async fn carry_out_switch(
        &self,
        all: &mut [Switched],
        source: &AuthSource,
        unbind: bool,
    ) -> Result<u64, Error> {
        let mut wanted: Vec<&mut Switched> =
            all.iter_mut().filter(|one| one.outcome == Outcome::Changed).collect();
        if wanted.is_empty() {
            return Ok(0);
        }
        let change = MailboxChange {
            auth_source: Some(source.clone()),
            bound: unbind.then_some(None),
            ..MailboxChange::default()
        };
        let arrivals = wanted
            .iter()
            .map(|one| Arrival::Change(one.address.clone(), Box::new(change.clone())))
            .collect();
        let taken = self.store.take_in(arrivals, Timestamp::now()).await?;
        let mut number = 0;
        for (one, taken) in wanted.iter_mut().zip(taken) {
            match taken {
                Ok(_) => number += 1,
                Err(refusal) => {
                    one.outcome = Outcome::Refused;
                    one.notes.clear();
                    one.reason = Some(refusal.to_string());
                }
            }
        }
        Ok(number)
    }
}

/// What is to be done with a mailbox, and what to say of it.
fn judged(mailbox: &Mailbox, source: &AuthSource, order: &Order) -> Switched {
    let was = source_name(&mailbox.auth_source);
    let unbind = order.unbind && mailbox.bound.is_some();
    let outcome = if order.from.as_deref().is_some_and(|from| from != was) {
        Outcome::LeftOut
    } else if mailbox.auth_source == *source && !unbind {
        Outcome::Unchanged
    } else {
        Outcome::Changed
    };
    let notes = if outcome == Outcome::Changed { notes(mailbox, source, unbind) } else { vec![] };
    let (address, was) = (mailbox.address.clone(), was.to_owned());
    Switched { address, outcome, was, notes, reason: None }
}

fn notes(mailbox: &Mailbox, source: &AuthSource, unbind: bool) -> Vec<Note> {
    let (is_local, elsewhere) = match source {
        AuthSource::Local => (true, false),
        AuthSource::Provider(name) => {
            (false, mailbox.bound.as_ref().is_some_and(|bound| bound.provider != *name))
        }
    };
    let known = [
        (Note::NoPassword, is_local && mailbox.local_hash.is_none()),
        (Note::Unbound, unbind || elsewhere),
        (Note::SwitchedOff, mailbox.policy.withdrawn.is_some()),
    ];
    known.into_iter().filter(|(_, holds)| *holds).map(|(note, _)| note).collect()
}
