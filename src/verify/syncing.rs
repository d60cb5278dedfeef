//! Syncs of a source's people: what a run needs of this room.

use std::sync::Arc;

use super::{Pipeline, WithdrawnFor};
use crate::{
    mailbox::{ProviderName, policy::WithdrawnWhy},
    provision::{OnWithdrawn, ProvidersPeople, Source, Sync},
};

impl Pipeline {
    /// A sync of the people of this provider; none if it is not configured, or
    /// cannot be asked who they are.
    pub fn sync(self: &Arc<Self>, name: &ProviderName) -> Option<Sync> {
        let provider = self.provider(name)?;
        provider.settings().admin.as_ref()?;
        Some(Sync {
            store: Arc::clone(&self.store),
            source: Source::of_provider(provider.settings()).into(),
            people: Box::new(ProvidersPeople::of(provider)),
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
