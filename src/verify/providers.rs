//! The identity providers that are configured: those of the file, and those of
//! the store that the file does not declare.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{sync::Mutex, task};

use super::{Error, Pipeline};
use crate::{
    idp::{self, Problem},
    mailbox::{NamedProvider, ProviderName},
};

/// Where a provider is configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// In `dovegate.toml`; shown, and changed there alone.
    File,
    /// In the store.
    Store,
}

/// A configured provider, for listings.
#[derive(Clone, Debug)]
pub struct ProviderReport {
    /// Its name.
    pub name: ProviderName,
    /// Where it is configured.
    pub origin: Origin,
    /// As meant, or what is wrong with it: then nobody's token can be checked.
    pub settings: Result<Arc<idp::Settings>, Vec<Problem>>,
    /// How it goes.
    pub status: idp::Status,
}

/// The providers in force.
#[derive(Default)]
pub(super) struct Registry {
    known: ArcSwap<Known>,
    /// Held while they are read anew, so that an older reading cannot come to
    /// lie over a newer one.
    loading: Mutex<()>,
}

type Known = BTreeMap<ProviderName, Entry>;

#[derive(Clone)]
struct Entry {
    origin: Origin,
    provider: Result<Arc<Connected>, Arc<[Problem]>>,
}

/// A provider that can be asked.
pub(super) struct Connected {
    settings: Arc<idp::Settings>,
    provider: Arc<idp::Provider>,
}

impl Pipeline {
    /// Reads the providers anew: those of the store, and the declared ones of
    /// the settings in force. Those whose settings did not change keep their
    /// connections and what is known of their tokens; what the others said
    /// before counts no more when this returns. One whose settings are wrong is
    /// logged, and can be asked nothing.
    ///
    /// # Errors
    /// The store failed; the providers are as they were.
    pub async fn load_providers(&self) -> Result<(), Error> {
        let _loading = self.registry.loading.lock().await;
        let stored = self.store.providers().await?;
        let declared = self.current().settings.providers.clone();
        let before = self.registry.known.load_full();
        let known = task::spawn_blocking(move || read(&before, stored, declared)).await;
        let known = known.map_err(|_| Error::Interrupted)?;
        report_problems(&known);
        self.registry.known.store(Arc::new(known));
        Ok(())
    }

    /// The configured providers, by name.
    pub fn providers(&self) -> Vec<ProviderReport> {
        let known = self.registry.known.load();
        let report = |(name, entry): (&ProviderName, &Entry)| ProviderReport {
            name: name.clone(),
            origin: entry.origin,
            settings: match &entry.provider {
                Ok(connected) => Ok(Arc::clone(&connected.settings)),
                Err(problems) => Err(problems.to_vec()),
            },
            status: entry
                .provider
                .as_ref()
                .map_or_else(|_| idp::Status::default(), |connected| connected.provider.status()),
        };
        known.iter().map(report).collect()
    }

    /// One provider, if it is configured and its settings are right.
    pub fn provider(&self, name: &ProviderName) -> Option<Arc<idp::Provider>> {
        let known = self.registry.known.load();
        let connected = known.get(name)?.provider.as_ref().ok()?;
        Some(Arc::clone(&connected.provider))
    }

    /// Whether any provider is configured, be its settings right or wrong.
    pub fn has_providers(&self) -> bool {
        !self.registry.known.load().is_empty()
    }
}

/// Makes all providers, or takes them over from `before`. Blocks: certificates
/// and secrets are read from files.
fn read(before: &Known, stored: Vec<NamedProvider>, declared: Vec<Arc<idp::Settings>>) -> Known {
    let stored = stored.into_iter().map(|named| {
        let settings = idp::Settings::mean(&named).map(Arc::new);
        (named.name, Origin::Store, settings)
    });
    let declared =
        declared.into_iter().map(|settings| (settings.name.clone(), Origin::File, Ok(settings)));
    // A later one of the same name takes the place of the earlier one.
    let all = stored.chain(declared).map(|(name, origin, settings)| {
        let provider = settings.and_then(|settings| connect(before, settings)).map_err(Into::into);
        (name, Entry { origin, provider })
    });
    all.collect()
}

fn connect(before: &Known, settings: Arc<idp::Settings>) -> Result<Arc<Connected>, Vec<Problem>> {
    let same = before.get(&settings.name).and_then(|entry| entry.provider.as_ref().ok());
    if let Some(same) = same.filter(|same| same.settings == settings) {
        return Ok(Arc::clone(same));
    }
    let provider = idp::Provider::new((*settings).clone());
    let provider =
        provider.map_err(|outage| vec![Problem { key: "ca_file", reason: outage.to_string() }])?;
    Ok(Arc::new(Connected { settings, provider: Arc::new(provider) }))
}

fn report_problems(known: &Known) {
    for (provider, entry) in known {
        match &entry.provider {
            Ok(connected) => {
                for warning in connected.settings.warnings() {
                    tracing::warn!(%provider, warning, "identity provider");
                }
            }
            Err(problems) => {
                for Problem { key, reason } in problems.iter() {
                    tracing::error!(%provider, key, reason, "identity provider cannot be asked");
                }
            }
        }
    }
}
