//! The identity providers that are configured: those of the file, and those of
//! the store that the file does not declare.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Mutex, Notify},
    task,
};

use super::{
    CacheStatus, Cause, Error, Pipeline,
    answers::{Fills, Tallies},
    connected::{Connected, Counted},
    owners::Readers,
    purges::Whose,
};
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
    /// They were read anew.
    pub(super) changed: Notify,
    /// Who reads what was said of owners before the start.
    pub(super) readers: Readers,
    /// Held while they are read anew, so that an older reading cannot come to
    /// lie over a newer one.
    loading: Mutex<()>,
    counted: Arc<Counted>,
}

type Known = BTreeMap<ProviderName, Entry>;

#[derive(Clone)]
struct Entry {
    origin: Origin,
    provider: Result<Arc<Connected>, Arc<[Problem]>>,
}

/// Why a provider cannot be asked anything.
pub(super) enum Obstacle {
    /// There is none of this name.
    NotConfigured,
    /// Its settings are wrong.
    Settings(Arc<[Problem]>),
}

impl Obstacle {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::NotConfigured => Cause::NoSuchProvider,
            Self::Settings(_) => Cause::ProviderSettings,
        }
    }

    pub(super) fn detail(&self) -> String {
        match self {
            Self::NotConfigured => "not configured".to_owned(),
            Self::Settings(problems) => {
                let keys: Vec<_> = problems.iter().map(|problem| problem.key).collect();
                format!("wrong settings ({})", keys.join(", "))
            }
        }
    }
}

impl Registry {
    /// The provider of this name, if it can be asked.
    pub(super) fn find(&self, name: &ProviderName) -> Result<Arc<Connected>, Obstacle> {
        match self.known.load().get(name).map(|entry| &entry.provider) {
            Some(Ok(connected)) => Ok(Arc::clone(connected)),
            Some(Err(problems)) => Err(Obstacle::Settings(Arc::clone(problems))),
            None => Err(Obstacle::NotConfigured),
        }
    }

    /// Forgets what was said of these users and their tokens; returns how many good
    /// answers that were.
    pub(super) fn purge(&self, whose: &Whose) -> u64 {
        connected(&self.known.load()).map(|one| one.purge(whose)).sum()
    }

    /// Those that can be asked.
    pub(super) fn connected(&self) -> Vec<Arc<Connected>> {
        connected(&self.known.load()).cloned().collect()
    }

    pub(super) fn tidy(&self) {
        for one in connected(&self.known.load()) {
            one.tokens.tidy();
            one.people.tidy();
            one.owners.tidy();
            one.turns.prune();
        }
    }

    /// How the caches of people and tokens do, of all providers together.
    pub(super) fn cache_status(&self) -> [CacheStatus; 4] {
        let known = self.known.load();
        let people: Vec<Fills> = connected(&known).map(|one| one.people.fills()).collect();
        let tokens: Vec<Fills> = connected(&known).map(|one| one.tokens.fills()).collect();
        let pair = |[good, refused]: [&'static str; 2], fills: &[Fills], tallies: &Tallies| {
            let goods = fills.iter().map(|fills| fills.good);
            let refuseds = fills.iter().map(|fills| fills.refused);
            [
                CacheStatus::new(good, goods, tallies.good.counts()),
                CacheStatus::new(refused, refuseds, tallies.refused.counts()),
            ]
        };
        let [people, unknown] = pair(["people", "unknown"], &people, &self.counted.people);
        let [tokens, refused] = pair(["tokens", "refused_tokens"], &tokens, &self.counted.tokens);
        [people, unknown, tokens, refused]
    }
}

fn connected(known: &Known) -> impl Iterator<Item = &Arc<Connected>> {
    known.values().filter_map(|entry| entry.provider.as_ref().ok())
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
        let work = {
            let (before, counted) = (Arc::clone(&before), Arc::clone(&self.registry.counted));
            move || read(&before, stored, declared, &counted)
        };
        let known = task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)?;
        report_problems(&known);
        let known = Arc::new(known);
        self.registry.known.store(Arc::clone(&known));
        self.registry.changed.notify_one();
        // Logins that wait for an answer of theirs find the new ones then.
        for old in connected(&before) {
            if !connected(&known).any(|one| Arc::ptr_eq(one, old)) {
                old.purge_all();
                self.take_over_doubts(old).await;
            }
        }
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
fn read(
    before: &Known,
    stored: Vec<NamedProvider>,
    declared: Vec<Arc<idp::Settings>>,
    counted: &Counted,
) -> Known {
    let stored = stored.into_iter().map(|named| {
        let settings = idp::Settings::mean(&named).map(Arc::new);
        (named.name, Origin::Store, settings)
    });
    let declared =
        declared.into_iter().map(|settings| (settings.name.clone(), Origin::File, Ok(settings)));
    // A later one of the same name takes the place of the earlier one.
    let all = stored.chain(declared).map(|(name, origin, settings)| {
        let provider =
            settings.and_then(|settings| connect(before, settings, counted)).map_err(Into::into);
        (name, Entry { origin, provider })
    });
    all.collect()
}

fn connect(
    before: &Known,
    settings: Arc<idp::Settings>,
    counted: &Counted,
) -> Result<Arc<Connected>, Vec<Problem>> {
    let same = before.get(&settings.name).and_then(|entry| entry.provider.as_ref().ok());
    if let Some(same) = same.filter(|same| same.settings == settings) {
        return Ok(Arc::clone(same));
    }
    let figures = counted.requests(&settings.name);
    let provider = idp::Provider::counting_in((*settings).clone(), figures);
    let provider =
        provider.map_err(|outage| vec![Problem { key: "ca_file", reason: outage.to_string() }])?;
    Ok(Arc::new(Connected::new(settings, provider, counted)))
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
