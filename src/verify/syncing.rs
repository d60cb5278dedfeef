//! Syncs of a source's people: what a run needs of this room.

use std::sync::{Arc, atomic::Ordering};

use super::{Pipeline, WithdrawnFor, connected::Whom};
use crate::{
    mailbox::{ProviderName, policy::WithdrawnWhy},
    provision::{DirectorysPeople, OnWithdrawn, People, ProvidersPeople, Source, Sync},
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
            on_withdrawn: self.on_withdrawn(),
        })
    }

    /// Whoever is switched off by a sync loses his sessions like anybody else.
    fn on_withdrawn(self: &Arc<Self>) -> OnWithdrawn {
        let pipeline = Arc::clone(self);
        Arc::new(move |address, why| {
            let why = match why {
                WithdrawnWhy::Missing => WithdrawnFor::OwnerGone,
                WithdrawnWhy::Disabled => WithdrawnFor::OwnerDisabled,
            };
            pipeline.withdraw(address, why);
        })
    }
}
