//! The identity providers that are configured: those of the file, and those of
//! the store that the file does not declare. And the directories, which are all the
//! file's, and share their names with the providers.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Mutex, Notify},
    task,
};

use super::{
    CacheStatus, Cause, Error, Pipeline,
    answers::{Fills, Tallies},
    connected::{Connected, Counted, Whom},
    owners::Readers,
    purges::Whose,
};
use crate::{
    directory::{self, Directory},
    idp::{self, Problem},
    mailbox::{Domain, NamedProvider, ProviderName},
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

/// A configured directory, for listings.
#[derive(Clone, Debug)]
pub struct DirectoryReport {
    /// Its name.
    pub name: ProviderName,
    /// The directory, or what is wrong with its settings: then nobody's password can
    /// be checked.
    pub directory: Result<Arc<Directory>, Vec<Problem>>,
}

/// The providers and directories in force.
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
    is_directory: bool,
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

    /// The directory that speaks for the domain, if one does.
    pub(super) fn directory_of(&self, domain: &Domain) -> Option<Arc<Connected>> {
        let known = self.known.load();
        let mut directories = connected(&known).filter(|one| one.directory().is_some());
        directories.find(|one| one.speaks_for(domain)).cloned()
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
            one.binds.tidy();
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
    /// the settings in force, with the directories. Those whose settings did not change keep their
    /// connections and what is known of their tokens; what the others said
    /// before counts no more when this returns. One whose settings are wrong is
    /// logged, and can be asked nothing.
    ///
    /// # Errors
    /// The store failed; the providers are as they were.
    pub async fn load_providers(&self) -> Result<(), Error> {
        let _loading = self.registry.loading.lock().await;
        let stored = self.store.providers().await?;
        let settings = self.current();
        let declared = settings.settings.providers.clone();
        let directories = settings.settings.directories.clone();
        let before = self.registry.known.load_full();
        let work = {
            let (before, counted) = (Arc::clone(&before), Arc::clone(&self.registry.counted));
            move || {
                let mut known = read(&before, stored, declared, &counted);
                known.extend(read_directories(&before, &known, directories, &counted));
                known
            }
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
        let report = |(name, entry): (&ProviderName, &Entry)| {
            let provider = match &entry.provider {
                Ok(connected) => Ok(connected.provider()?),
                Err(_) if entry.is_directory => return None,
                Err(problems) => Err(problems.to_vec()),
            };
            Some(ProviderReport {
                name: name.clone(),
                origin: entry.origin,
                status: provider.as_ref().map(|one| one.status()).unwrap_or_default(),
                settings: provider.map(|provider| Arc::new(provider.settings().clone())),
            })
        };
        known.iter().filter_map(report).collect()
    }

    /// The directories, by name.
    pub fn directories(&self) -> Vec<DirectoryReport> {
        let known = self.registry.known.load();
        let report = |(name, entry): (&ProviderName, &Entry)| {
            let directory = match &entry.provider {
                Ok(connected) => Ok(Arc::clone(connected.directory()?)),
                Err(problems) if entry.is_directory => Err(problems.to_vec()),
                Err(_) => return None,
            };
            Some(DirectoryReport { name: name.clone(), directory })
        };
        known.iter().filter_map(report).collect()
    }

    /// One provider, if it is configured and its settings are right.
    pub fn provider(&self, name: &ProviderName) -> Option<Arc<idp::Provider>> {
        let known = self.registry.known.load();
        let connected = known.get(name)?.provider.as_ref().ok()?;
        connected.provider().map(Arc::clone)
    }

    /// Whether any provider is configured, be its settings right or wrong.
    pub fn has_providers(&self) -> bool {
        self.registry.known.load().values().any(|entry| !entry.is_directory)
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
            settings.and_then(|settings| connect(before, &settings, counted)).map_err(Into::into);
        (name, Entry { origin, is_directory: false, provider })
    });
    all.collect()
}

/// The same of the directories. One takes the place of a provider in the store that
/// has its name: mailboxes name both alike. Blocks: files are read.
fn read_directories(
    before: &Known,
    providers: &Known,
    directories: Vec<Arc<directory::Settings>>,
    counted: &Counted,
) -> Known {
    let entry = |settings: Arc<directory::Settings>| {
        let name = settings.name.clone();
        if providers.contains_key(&name) {
            tracing::error!(
                %name,
                "a directory and a provider in the store have the same name: the provider is not \
                 asked until one of them has another"
            );
        }
        let same = before.get(&name).and_then(|entry| entry.provider.as_ref().ok());
        let same = same.filter(|same| {
            matches!(&same.asked, Whom::Directory(directory) if *directory.settings() == *settings)
        });
        let provider = match same {
            Some(same) => Ok(Arc::clone(same)),
            None => Directory::open((*settings).clone())
                .map(|directory| Connected::to_directory(directory, counted).into())
                .map_err(|problem| [problem].into()),
        };
        (name, Entry { origin: Origin::File, is_directory: true, provider })
    };
    directories.into_iter().map(entry).collect()
}

fn connect(
    before: &Known,
    settings: &idp::Settings,
    counted: &Counted,
) -> Result<Arc<Connected>, Vec<Problem>> {
    let same = before.get(&settings.name).and_then(|entry| entry.provider.as_ref().ok());
    let is_same = |same: &&Arc<Connected>| {
        same.provider().is_some_and(|provider| *provider.settings() == *settings)
    };
    if let Some(same) = same.filter(is_same) {
        return Ok(Arc::clone(same));
    }
    let figures = counted.requests(&settings.name);
    let provider = idp::Provider::counting_in(settings.clone(), figures);
    let provider =
        provider.map_err(|outage| vec![Problem { key: "ca_file", reason: outage.to_string() }])?;
    Ok(Arc::new(Connected::to_provider(provider, counted)))
}

fn report_problems(known: &Known) {
    for (provider, entry) in known {
        match &entry.provider {
            Ok(connected) => {
                let settings = connected.provider().map(|provider| provider.settings());
                for warning in settings.map(idp::Settings::warnings).unwrap_or_default() {
                    tracing::warn!(%provider, warning, "identity provider");
                }
            }
            Err(problems) if entry.is_directory => {
                for Problem { key, reason } in problems.iter() {
                    tracing::error!(directory = %provider, key, reason, "directory cannot be asked");
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
