//! Beside the logins: hears from each provider what happened to its people, asks
//! about those whose app passwords go by it before what is known is old, and
//! withdraws the mailboxes of whoever may not log in any more.
//!
//! **Order.** What was said before is forgotten first, then somebody is looked up:
//! no login in between uses the old answer.
//!
//! One task for all, in which each provider has a future of its own: one that
//! hangs holds up no other.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::{
    task,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Pipeline,
    connected::Connected,
    owners::{Fallen, Looked, Wanted},
};
use crate::{
    clock::Timestamp,
    directory::Changes,
    idp::{Happened, Happening, Polled},
    mailbox::{Binding, Profile},
};

/// People who are asked about at a time, of the questions that a provider is asked.
const AT_A_TIME: usize = 4;
/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// After a provider could not be asked about somebody, nobody is asked about for
/// so long.
const PAUSE: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Watches all providers, those that come later, too, until `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        tokio::select! {
            () = self.watch_all() => {}
            () = self.withdraw_domains() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn watch_all(&self) {
        let mut watched: Vec<(Arc<Connected>, CancellationToken)> = Vec::new();
        let mut running = FuturesUnordered::new();
        loop {
            // Before they are read, so that none who comes meanwhile is overlooked.
            let changed = self.registry.changed.notified();
            let in_force = self.registry.connected();
            let is_in_force =
                |one: &Arc<Connected>| in_force.iter().any(|by_now| Arc::ptr_eq(by_now, one));
            watched.retain(|(one, stop)| {
                is_in_force(one) || {
                    stop.cancel();
                    false
                }
            });
            for one in in_force {
                if !watched.iter().any(|(known, _)| Arc::ptr_eq(known, &one)) {
                    let stop = CancellationToken::new();
                    watched.push((Arc::clone(&one), stop.clone()));
                    running.push(stop.run_until_cancelled_owned(self.watch_one(one)));
                }
            }
            tokio::pin!(changed);
            loop {
                tokio::select! {
                    // One that is not in force any more has ended.
                    Some(_) = running.next(), if !running.is_empty() => {}
                    () = &mut changed => break,
                }
            }
        }
    }

    /// Ends never.
    async fn watch_one(&self, provider: Arc<Connected>) {
        tokio::join!(
            self.hear_events(&provider),
            self.ask_about_owners(&provider),
            self.withdraw_fallen(&provider),
            self.bind_unbound(&provider),
            self.poll_directory(&provider),
        );
    }

    /// Looks now and then whether a directory has changed that does not say so.
    async fn poll_directory(&self, provider: &Arc<Connected>) {
        let Some(directory) = provider.directory().filter(|one| one.is_polled()) else { return };
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let own = Arc::clone(directory);
            // A file may lie on a disk that hangs.
            match task::spawn_blocking(move || own.poll()).await {
                Ok(Some(changes)) => self.follow_changes(provider, changes, Timestamp::now()).await,
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a directory is not looked at"),
            }
        }
    }

    /// Draws the consequences: what was said before is forgotten, whoever may not log
    /// in any more loses his sessions, and a sync is due.
    pub(super) async fn follow_changes(
        &self,
        provider: &Arc<Connected>,
        changes: Changes,
        now: Timestamp,
    ) {
        provider.purge_all();
        provider.changed.store(true, Ordering::Relaxed);
        for subject in changes.lost {
            provider.owners.doubt(&subject, now);
            self.want_if_owner(provider, subject).await;
        }
    }

    async fn hear_events(&self, provider: &Arc<Connected>) {
        let Some(asked) = provider.provider() else { return };
        let Some(every) = asked.settings().event_interval else { return };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // That it cannot be heard is in its status, and said there.
            if let Ok(polled) = asked.poll_events().await {
                self.follow(provider, polled, Timestamp::now()).await;
            }
        }
    }

    /// Draws the consequences.
    pub(super) async fn follow(&self, provider: &Arc<Connected>, polled: Polled, now: Timestamp) {
        let Polled { happened, missed, sessions, everybody_signed_out } = polled;
        if missed {
            provider.purge_all();
            provider.owners.doubt_all();
        }
        let (mut changed, mut concerned) = (BTreeSet::new(), BTreeSet::new());
        let mut created = BTreeSet::new();
        for Happened { subject, what } in happened {
            match what {
                Happening::SignedOut => {
                    provider.purge_tokens(Some(&subject), None);
                }
                Happening::Created => {
                    concerned.insert(subject.clone());
                    created.insert(subject);
                }
                Happening::Changed | Happening::Deleted => {
                    provider.owners.doubt(&subject, now);
                    concerned.insert(subject.clone());
                    changed.insert(subject);
                }
            }
        }
        if !concerned.is_empty() {
            provider.purge_people(&concerned);
        }
        for session in sessions {
            provider.purge_tokens(None, Some(&session));
        }
        if everybody_signed_out {
            provider.tokens.purge_all();
        }
        for subject in changed {
            self.want_if_owner(provider, subject).await;
        }
        // Of a crowd that was imported there, the next sync makes the mailboxes.
        if !missed && provider.source.provisioning.import_users {
            for subject in created {
                provider.owners.want(&subject, Wanted::New);
            }
        }
    }

    /// To whom something happened at a provider that has other settings by now, is
    /// asked about by these.
    pub(super) async fn take_over_doubts(&self, old: &Connected) {
        let Ok(by_now) = self.registry.find(&old.settings.name) else { return };
        while let Some(Fallen { subject, state }) = old.owners.next_fallen() {
            by_now.owners.falls(&subject, state);
        }
        for subject in old.owners.doubted() {
            by_now.owners.doubt(&subject, Timestamp::now());
            self.want_if_owner(&by_now, subject).await;
        }
    }

    /// Whoever has a mailbox here is asked about at once; and who may get one by what
    /// happened, if people are imported.
    async fn want_if_owner(&self, provider: &Arc<Connected>, subject: String) {
        let person = Binding { provider: provider.settings.name.clone(), subject };
        match self.store.mailboxes_of(&person).await {
            Ok(mailboxes) if mailboxes.is_empty() => {
                if provider.source.provisioning.import_users {
                    provider.owners.want(&person.subject, Wanted::New);
                }
            }
            Ok(_) => provider.owners.want(&person.subject, Wanted::Changed),
            Err(error) => {
                tracing::error!(%error, "it is not known whose mailboxes a change concerns");
            }
        }
    }

    async fn ask_about_owners(&self, provider: &Arc<Connected>) {
        let mut running = FuturesUnordered::new();
        let mut resume = Instant::now();
        loop {
            let paused = Instant::now() < resume;
            while !paused
                && running.len() < AT_A_TIME
                && let Some((subject, why)) = provider.owners.next_wanted()
            {
                running.push(self.ask_about(provider, subject, why));
            }
            tokio::select! {
                Some(answered) = running.next(), if !running.is_empty() => {
                    if !answered {
                        resume = Instant::now() + PAUSE;
                    }
                }
                () = provider.owners.anybody_wanted.notified(), if !paused => {}
                () = sleep_until(resume), if paused => {}
            }
        }
    }

    /// Whether the provider could be asked. Who is to be asked about since something
    /// happened to him goes back into the line if not.
    async fn ask_about(&self, provider: &Arc<Connected>, subject: String, why: Wanted) -> bool {
        let asked: Option<Looked> = provider.ask_owner(&subject, Timestamp::now()).await;
        match asked {
            Some(Ok(told)) => {
                if let Some(person) = told.person.filter(|_| why != Wanted::Ages) {
                    self.follow_person(provider, Profile::clone(&person)).await;
                }
                true
            }
            unheard => {
                if why != Wanted::Ages {
                    provider.owners.want(&subject, why);
                }
                !matches!(unheard, Some(Err(_)))
            }
        }
    }

    async fn withdraw_fallen(&self, provider: &Arc<Connected>) {
        loop {
            // A whole staff may be switched off at once: they wait, none is dropped.
            self.withdrawals.room().await;
            let Some(Fallen { subject, state }) = provider.owners.next_fallen() else {
                provider.owners.anybody_fallen.notified().await;
                continue;
            };
            let person = Binding { provider: provider.settings.name.clone(), subject };
            if let Err(error) = self.withdraw_person(&person, state).await {
                tracing::error!(%error, "it is not known whose mailboxes are withdrawn");
            }
        }
    }
}
