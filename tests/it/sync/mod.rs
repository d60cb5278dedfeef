//! Syncs against a provider whose people come, go and change.

mod changes;
mod command;
mod leaving;
mod limits;
mod listing;
mod memberships;
mod owners;
mod renames;
mod scheduled;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use dovegate::{
    clock::Timestamp,
    idp,
    mailbox::{
        Address, AuthSource, Binding, Domain, DomainName, Mailbox, MailboxState, NameRules,
        NamedProvider, Provider, Quota, Services, SetBy, Template,
        provider::{Kind, MappedTemplate},
    },
    provision::{Order, Phase, Progress, ProvidersPeople, Source, Sync, Syncs},
    store::{
        MailboxChange, MailboxFilter, MemoryStore, NewMailbox, Store, SyncLine, SyncOutcome,
        SyncScope,
    },
};
use serde_json::{Value, json};

use crate::support::provider::{
    CLIENT_ID, CLIENT_SECRET, FakeProvider,
    people::{somebody, with_template},
};

/// A provider, and a store that follows it.
struct Realm {
    fake: FakeProvider,
    store: Arc<dyn Store>,
    provider: Arc<idp::Provider>,
    syncs: Syncs,
    /// Whoever lost his sessions, and why.
    withdrawn: Arc<Mutex<Vec<String>>>,
    /// How owners stand, as it was heard.
    owners: Arc<Mutex<Vec<String>>>,
}

/// The provider of example.org, as written.
fn written(fake: &FakeProvider) -> Provider {
    let template = |name: &str| name.parse().unwrap();
    let entry = |value: &str, name: &str| MappedTemplate {
        value: Some(value.to_owned()),
        group: None,
        role: None,
        template: template(name),
    };
    Provider {
        server_url: Some(fake.url()),
        realm: Some("mail".to_owned()),
        client_id: Some(CLIENT_ID.to_owned()),
        client_secret: Some(CLIENT_SECRET.to_owned().into()),
        import_users: true,
        attribute_mapping: vec![entry("boss", "Gold"), entry("staff", "Silver")],
        default_template: Some(template("Plain")),
        // A run over a handful of people is no measure.
        withdraw_limit: Some(100),
        ..Provider::new(Kind::Keycloak)
    }
}

fn template(name: &str, quota: u64, tags: &[&str]) -> Template {
    Template {
        name: name.parse().unwrap(),
        revision: 0,
        quota: Some(Quota { bytes: quota }),
        state: MailboxState::Active,
        services: Services::ALL,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        app_passwords_allowed: true,
        force_password_change: false,
        further: BTreeMap::new(),
        created: Timestamp(0),
        modified: Timestamp(0),
    }
}

impl Realm {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl Fn(&mut Provider)) -> Self {
        let fake = FakeProvider::start();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let provider = provider(&fake, change);
        let realm = Self {
            fake,
            store,
            provider,
            syncs: Syncs::default(),
            withdrawn: Arc::default(),
            owners: Arc::default(),
        };
        realm.domain("example.org", Some("corp"), |_| {}).await;
        realm.domain("example.com", Some("other"), |_| {}).await;
        for template in [
            template("Gold", 9, &["gold", "paid"]),
            template("Silver", 5, &["paid"]),
            template("Plain", 1, &[]),
        ] {
            realm.store.put_template(template).await.unwrap();
        }
        realm
    }

    /// From now on by these settings.
    fn set(&mut self, change: impl Fn(&mut Provider)) {
        self.provider = provider(&self.fake, change);
    }

    async fn domain(&self, name: &str, provider: Option<&str>, change: impl Fn(&mut Domain)) {
        let mut domain = Domain::new(DomainName::parse(name).unwrap(), Timestamp(0));
        domain.provider = provider.map(|name| name.parse().unwrap());
        change(&mut domain);
        self.store.create_domain(domain).await.unwrap();
    }

    /// A mailbox by an administrator's hand.
    async fn mailbox(&self, text: &str, source: AuthSource) {
        let new = NewMailbox { auth_source: source, ..NewMailbox::at(address(text)) };
        self.store.create_mailbox_within_limits(new, Timestamp(1)).await.unwrap();
    }

    async fn change(&self, text: &str, change: MailboxChange) {
        self.store.update_mailbox(&address(text), change, Timestamp(2)).await.unwrap();
    }

    async fn set_state(&self, text: &str, state: MailboxState) {
        let state = Some((state, SetBy::Administrator));
        self.change(text, MailboxChange { state, ..MailboxChange::default() }).await;
    }

    fn work(&self) -> Sync {
        Sync {
            store: Arc::clone(&self.store),
            source: Source::of_provider(self.provider.settings()).into(),
            people: Box::new(ProvidersPeople::of(Arc::clone(&self.provider))),
            names: Arc::new(NameRules::default()),
            home: "/var/vmail/%d/%n".to_owned(),
            on_withdrawn: {
                let withdrawn = Arc::clone(&self.withdrawn);
                Arc::new(move |address, _, why| {
                    withdrawn.lock().unwrap().push(format!("{address} {}", why.name()));
                })
            },
            on_question: {
                let owners = Arc::clone(&self.owners);
                Arc::new(move || {
                    let owners = Arc::clone(&owners);
                    Box::new(move |subject, state, may_be_open| {
                        let open = if may_be_open { " open" } else { "" };
                        owners.lock().unwrap().push(format!("{subject} {state:?}{open}"));
                    })
                })
            },
        }
    }

    /// What was heard of owners since this was asked last.
    fn heard(&self) -> String {
        let mut heard = std::mem::take(&mut *self.owners.lock().unwrap());
        heard.sort();
        heard.join(", ")
    }

    async fn run_by(&self, order: Order) -> Progress {
        self.syncs.start(self.work(), order).await.unwrap();
        self.end().await
    }

    /// Waits for the end.
    async fn end(&self) -> Progress {
        loop {
            let progress = self.syncs.progress(&self.provider.settings().name).unwrap();
            if progress.phase == Phase::Ended {
                return progress;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn run(&self) -> Progress {
        self.run_by(Order::default()).await
    }

    /// A complete run that does this much, in words.
    async fn does(&self, expected: &str) {
        let progress = self.run().await;
        assert_eq!(progress.run.outcome, SyncOutcome::Complete, "{:?}", self.lines().await);
        assert_eq!(done(&progress), expected, "{:?}", self.lines().await);
    }

    /// A plan says the same as the run after it, and changes nothing.
    async fn plans_and_does(&self, expected: &str) {
        let before = self.all().await;
        let plan = self.run_by(Order { dry_run: true, ..Order::default() }).await;
        assert_eq!(plan.run.outcome, SyncOutcome::Complete);
        assert_eq!(done(&plan), expected, "planned: {:?}", plan.plan);
        assert_eq!(self.all().await, before);
        self.does(expected).await;
        let said = |line: &SyncLine| format!("{line:?}");
        let (planned, wrote) = (plan.plan.iter().map(said), self.lines().await);
        let (mut planned, mut wrote): (Vec<_>, Vec<_>) =
            (planned.collect(), wrote.iter().map(said).collect());
        planned.sort();
        wrote.sort();
        assert_eq!(planned, wrote);
    }

    /// Lines of the last run.
    async fn lines(&self) -> Vec<SyncLine> {
        let name = &self.provider.settings().name;
        let Some(run) = self.store.sync_runs(name).await.unwrap().pop() else { return Vec::new() };
        self.store.sync_lines(name, run.number, 0, 100_000).await.unwrap()
    }

    /// What the last run says of this address.
    async fn line_of(&self, text: &str) -> SyncLine {
        let lines = self.lines().await;
        let line = lines.iter().find(|line| line.address == Some(address(text)));
        line.unwrap_or_else(|| panic!("no line of {text}: {lines:?}")).clone()
    }

    async fn find(&self, text: &str) -> Option<Arc<Mailbox>> {
        self.store.account(&address(text)).await.unwrap().map(|account| account.mailbox)
    }

    async fn get(&self, text: &str) -> Arc<Mailbox> {
        self.find(text).await.unwrap_or_else(|| panic!("no mailbox {text}"))
    }

    async fn state(&self, text: &str) -> MailboxState {
        self.get(text).await.state
    }

    async fn all(&self) -> Vec<Arc<Mailbox>> {
        self.store.mailboxes(&MailboxFilter::default(), None, usize::MAX).await.unwrap()
    }
}

fn provider(fake: &FakeProvider, change: impl Fn(&mut Provider)) -> Arc<idp::Provider> {
    let mut provider = written(fake);
    change(&mut provider);
    let named = NamedProvider { name: "corp".parse().unwrap(), provider };
    Arc::new(idp::Provider::new(idp::Settings::mean(&named).unwrap()).unwrap())
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn corp() -> AuthSource {
    AuthSource::Provider("corp".parse().unwrap())
}

fn person(name: &str) -> Binding {
    Binding { provider: "corp".parse().unwrap(), subject: format!("id-of-{name}") }
}

/// What a run did: "created 2, skipped 1 disabled, unchanged 3".
fn done(progress: &Progress) -> String {
    let counts = &progress.run.counts;
    let done = counts.done.iter().map(|(action, number)| format!("{} {number}", action.name()));
    let skipped = counts.skipped.iter().map(|(cause, number)| format!("{cause} {number}"));
    let unchanged = (counts.unchanged > 0).then(|| format!("unchanged {}", counts.unchanged));
    done.chain(skipped).chain(unchanged).collect::<Vec<_>>().join(", ")
}

/// People with these names.
fn crowd(count: usize) -> Vec<Value> {
    (0..count).map(|number| somebody(&format!("p{number:05}"))).collect()
}
