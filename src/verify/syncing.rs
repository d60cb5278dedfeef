//! Syncs of a source's people: what a run needs of this room.

use std::sync::{Arc, atomic::Ordering};

use super::{Pipeline, WithdrawnFor, connected::Whom};
use crate::{
    clock::Timestamp,
    mailbox::{ProviderName, policy::WithdrawnWhy},
    provision::{
        DirectorysPeople, OnAnswer, OnQuestion, OnWithdrawn, People, ProvidersPeople, Source, Sync,
    },
};

impl Pipeline {
    /// Everybody whose people can be asked for, in no order.
    pub fn sources(&self) -> Vec<Arc<Source>> {
        let connected = self.registry.connected().into_iter();
        let asked = connected.filter(|one| match &one.asked {
            Whom::Provider(provider) => provider.settings().admin.is_some(),
            Whom::Directory(_) => true,
        });
        asked.map(|one| Arc::clone(&one.source)).collect()
    }

    /// Whether this directory has changed since this was asked last: then a sync of it
    /// is due.
    pub fn take_changed(&self, name: &ProviderName) -> bool {
        let connected = self.registry.find(name).ok();
        connected.is_some_and(|connected| connected.changed.swap(false, Ordering::Relaxed))
    }

    /// That sync could not begin.
    pub fn still_changed(&self, name: &ProviderName) {
        if let Ok(connected) = self.registry.find(name) {
            connected.changed.store(true, Ordering::Relaxed);
        }
    }

    /// A sync of the people of this provider or directory; none if it is not
    /// configured, or cannot be asked who they are.
    pub fn sync(self: &Arc<Self>, name: &ProviderName) -> Option<Sync> {
        let connected = self.registry.find(name).ok()?;
        let people: Box<dyn People> = match &connected.asked {
            Whom::Provider(provider) => {
                provider.settings().admin.as_ref()?;
                Box::new(ProvidersPeople::of(Arc::clone(provider)))
            }
            Whom::Directory(directory) => Box::new(DirectorysPeople::of(Arc::clone(directory))),
        };
        Some(Sync {
            store: Arc::clone(&self.store),
            source: Arc::clone(&connected.source),
            people,
            names: self.names(),
            home: self.current().settings.home.clone(),
            on_withdrawn: self.on_withdrawn(name),
            on_question: self.on_question(name),
        })
    }

    /// What a sync hears of owners counts for their app passwords, too, and causes
    /// no question.
    fn on_question(self: &Arc<Self>, name: &ProviderName) -> OnQuestion {
        let (pipeline, name) = (Arc::clone(self), name.clone());
        Arc::new(move || -> OnAnswer {
            let asked = Timestamp::now();
            let connected = pipeline.registry.find(&name).ok();
            let question = connected.as_ref().map(|one| one.owners.question());
            let pipeline = Arc::clone(&pipeline);
            Box::new(move |subject, state, may_be_open| {
                let (Some(one), Some(question)) = (&connected, question) else { return };
                // By other settings it is another's people by now.
                let by_now = pipeline.registry.find(&one.source.name).ok();
                if by_now.is_some_and(|by_now| Arc::ptr_eq(&by_now, one)) {
                    one.owners.learn_listed(subject, state, asked, question, may_be_open);
                }
            })
        })
    }

    /// Whoever is switched off by a sync loses his sessions like anybody else; who
    /// was heard of as disabled or gone has lost them by that.
    fn on_withdrawn(self: &Arc<Self>, name: &ProviderName) -> OnWithdrawn {
        let (pipeline, name) = (Arc::clone(self), name.clone());
        Arc::new(move |address, subject, why| {
            let connected = pipeline.registry.find(&name).ok();
            let known = connected.and_then(|one| one.owners.known(subject));
            if known.is_some_and(|known| known.is_off()) {
                return;
            }
            let why = match why {
                WithdrawnWhy::Missing => WithdrawnFor::OwnerGone,
                WithdrawnWhy::Disabled => WithdrawnFor::OwnerDisabled,
            };
            pipeline.withdraw(address, why);
        })
    }
}
