//! What every store does, run for each engine; then what only a store on disk
//! can do: to be there again after a restart and after `kill -9`, and to keep
//! other processes out.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use dovegate::{
    clock::Timestamp,
    mailbox::{
        Address, AppPassword, AppPasswordId, AuthSource, Domain, DomainName, MailboxId,
        MailboxState, Quota, Service, Services, SetBy, Template, TemplateName, domain::LimitError,
    },
    store::{
        DomainChange, DomainUse, Error, MAX_APP_PASSWORDS, MailboxChange, MailboxFilter,
        MemoryStore, NewMailbox, Record, Settings, SledStore, Store, UseKey, UseRow,
    },
};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn open(path: &Path) -> SledStore {
    SledStore::open(path, &Settings::default()).expect("the store opens")
}

macro_rules! contract {
    ($($check:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$check(std::sync::Arc::new(super::MemoryStore::new())).await;
            })*
        }

        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let folder = tempfile::tempdir().unwrap();
                super::$check(std::sync::Arc::new(super::open(folder.path()))).await;
            })*
        }
    };
}

contract! {
    domains_are_made_changed_and_removed
    domains_are_listed_in_pages
    a_domain_with_mailboxes_stays
    switching_a_domain_counts_its_generation_up
    templates_count_their_revisions
    a_mailbox_needs_its_domain
    a_mailbox_takes_named_values_then_the_templates_then_defaults
    a_mailbox_exists_once
    limits_hold_for_new_mailboxes
    limits_hold_for_changed_quotas
    a_raised_default_must_fit_those_who_follow_it
    one_hundred_at_once_make_exactly_ten
    changes_of_state_source_hash_or_services_count_the_generation_up
    an_empty_change_changes_nothing
    a_template_applied_later_leaves_the_state_alone
    mailboxes_are_listed_by_mask_in_pages
    app_passwords_are_kept_listed_and_revoked
    an_app_passwords_id_is_taken_once
    app_passwords_have_a_limit
    a_removed_mailbox_leaves_nothing_behind
    uses_are_seen_at_once_and_counted_together
    uses_are_listed_latest_first
    uses_of_a_removed_mailbox_are_not_written
    history_keeps_what_it_should
    gathered_history_is_bounded
    old_history_of_silent_mailboxes_is_swept
    penalties_are_written_and_removed
    a_secret_is_made_once
    an_export_imports_into_an_empty_store
    an_import_replaces_and_counts_anew
    an_import_is_all_or_nothing
    a_closed_store_refuses
}

type Under = Arc<dyn Store>;

fn domain(name: &str) -> Domain {
    Domain {
        name: DomainName::parse(name).unwrap(),
        active: true,
        generation: 0,
        provider: None,
        max_mailboxes: None,
        default_quota: Quota::UNLIMITED,
        max_quota: Quota::UNLIMITED,
        total_quota: Quota::UNLIMITED,
        created: NOW,
        modified: NOW,
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn named(text: &str) -> TemplateName {
    text.parse().unwrap()
}

fn quota(bytes: u64) -> Quota {
    Quota { bytes }
}

fn new_mailbox(text: &str) -> NewMailbox {
    NewMailbox {
        address: address(text),
        display_name: String::new(),
        template: None,
        state: None,
        set_by: SetBy::Administrator,
        auth_source: AuthSource::Local,
        local_hash: None,
        services: None,
        quota: None,
        tags: Vec::new(),
        home: None,
        uid: None,
        gid: None,
        mail: None,
        extra_fields: [].into(),
    }
}

fn template(name: &str) -> Template {
    Template {
        name: named(name),
        revision: 0,
        quota: Some(quota(50)),
        state: MailboxState::ReceiveOnly,
        services: Services::NONE.with(Service::Imap),
        tags: vec!["staff".into()],
        app_passwords_allowed: true,
        force_password_change: false,
        further: [].into(),
        created: NOW,
        modified: NOW,
    }
}

fn app_password(id: u32, created: u64) -> AppPassword {
    AppPassword {
        id: AppPasswordId::from_bits(id),
        name: "Phone".into(),
        digest: [7; 32],
        services: Services::ALL,
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        expires: None,
        created: Timestamp(created),
    }
}

fn used(mailbox: MailboxId, protocol: &str, last_byte: u8, outcome: &str) -> UseKey {
    UseKey {
        mailbox,
        protocol: protocol.into(),
        rip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last_byte))),
        app_password: None,
        outcome: outcome.into(),
    }
}

async fn with_domain(store: &Under) {
    store.create_domain(domain("example.org")).await.unwrap();
}

async fn with_mailbox(store: &Under, text: &str) -> MailboxId {
    let account = store.create_mailbox_within_limits(new_mailbox(text), NOW).await.unwrap();
    account.mailbox.id
}

async fn with_ann(store: &Under) -> MailboxId {
    with_domain(store).await;
    with_mailbox(store, "ann@example.org").await
}

async fn used_up(store: &Under) -> DomainUse {
    store.domain_use(&DomainName::parse("example.org").unwrap()).await.unwrap()
}

async fn change(store: &Under, change: MailboxChange) -> Result<u64, Error> {
    let after = NOW.after(DAY);
    let account = store.update_mailbox(&address("ann@example.org"), change, after).await?;
    Ok(account.mailbox.generation)
}

async fn domains_are_made_changed_and_removed(store: Under) {
    let name = DomainName::parse("example.org").unwrap();
    assert!(store.domain(&name).await.unwrap().is_none());
    let missing = store.remove_domain(&name).await;
    assert!(matches!(missing, Err(Error::NotFound { what: "domain", .. })));
    with_domain(&store).await;
    let again = store.create_domain(domain("example.org")).await;
    assert!(matches!(again, Err(Error::Exists { what: "domain", .. })));

    let changed = store
        .update_domain(
            &name,
            DomainChange {
                provider: Some(Some("corp".into())),
                max_mailboxes: Some(Some(3)),
                ..DomainChange::default()
            },
            Timestamp(9),
        )
        .await
        .unwrap();
    let read = store.domain(&name).await.unwrap().unwrap();
    assert_eq!(read, changed);
    assert_eq!((read.max_mailboxes, read.modified), (Some(3), Timestamp(9)));
    assert_eq!((read.provider.as_deref(), read.generation), (Some("corp"), 0));

    store.remove_domain(&name).await.unwrap();
    assert!(store.domain(&name).await.unwrap().is_none());
    assert!(matches!(store.domain_use(&name).await, Err(Error::NotFound { .. })));
}

async fn domains_are_listed_in_pages(store: Under) {
    for name in ["b.example", "a.example", "c.example", "a.example.org"] {
        store.create_domain(domain(name)).await.unwrap();
    }
    let names = |page: Vec<Arc<Domain>>| {
        page.iter().map(|domain| domain.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    let first = names(store.domains(None, 2).await.unwrap());
    assert_eq!(first, ["a.example", "a.example.org"]);
    let after = DomainName::parse("a.example.org").unwrap();
    let rest = names(store.domains(Some(&after), 10).await.unwrap());
    assert_eq!(rest, ["b.example", "c.example"]);
}

async fn a_domain_with_mailboxes_stays(store: Under) {
    with_ann(&store).await;
    let name = DomainName::parse("example.org").unwrap();
    assert!(matches!(store.remove_domain(&name).await, Err(Error::Conflict(_))));
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    store.remove_domain(&name).await.unwrap();
}

async fn switching_a_domain_counts_its_generation_up(store: Under) {
    with_domain(&store).await;
    let name = DomainName::parse("example.org").unwrap();
    for (active, generation) in [(true, 0), (false, 1), (false, 1), (true, 2)] {
        let change = DomainChange { active: Some(active), ..DomainChange::default() };
        let domain = store.update_domain(&name, change, NOW).await.unwrap();
        assert_eq!((domain.active, domain.generation), (active, generation));
    }
}

async fn templates_count_their_revisions(store: Under) {
    assert_eq!(store.put_template(template("Staff")).await.unwrap().revision, 1);
    let later = Template { created: Timestamp(5), ..template("Staff") };
    let second = store.put_template(later).await.unwrap();
    assert_eq!((second.revision, second.created), (2, NOW));
    store.put_template(template("Guests")).await.unwrap();
    assert_eq!(store.template(&named("Staff")).await.unwrap(), Some(second));
    let names: Vec<_> =
        store.templates().await.unwrap().iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["Guests", "Staff"]);
    store.remove_template(&named("Staff")).await.unwrap();
    let again = store.remove_template(&named("Staff")).await;
    assert!(matches!(again, Err(Error::NotFound { what: "template", .. })));
}

async fn a_mailbox_needs_its_domain(store: Under) {
    let refused = store.create_mailbox_within_limits(new_mailbox("ann@example.org"), NOW).await;
    assert!(matches!(refused, Err(Error::NotFound { what: "domain", .. })));
    with_domain(&store).await;
    let off = DomainChange { active: Some(false), ..DomainChange::default() };
    store.update_domain(&DomainName::parse("example.org").unwrap(), off, NOW).await.unwrap();
    let id = with_mailbox(&store, "ann@example.org").await;
    let account = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    assert_eq!((account.mailbox.id, account.domain.active), (id, false));
    assert_eq!(store.address_of(id).await.unwrap(), Some(address("ann@example.org")));
    let unknown = NewMailbox { template: Some(named("None")), ..new_mailbox("bob@example.org") };
    let refused = store.create_mailbox_within_limits(unknown, NOW).await;
    assert!(matches!(refused, Err(Error::NotFound { what: "template", .. })));
}

async fn a_mailbox_takes_named_values_then_the_templates_then_defaults(store: Under) {
    with_domain(&store).await;
    store.put_template(template("Staff")).await.unwrap();
    let plain =
        store.create_mailbox_within_limits(new_mailbox("a@example.org"), NOW).await.unwrap();
    assert_eq!(plain.mailbox.state, MailboxState::Active);
    assert_eq!((plain.mailbox.services, plain.mailbox.quota), (Services::ALL, None));

    let from_template =
        NewMailbox { template: Some(named("Staff")), ..new_mailbox("b@example.org") };
    let made = store.create_mailbox_within_limits(from_template.clone(), NOW).await.unwrap();
    assert_eq!(made.mailbox.state, MailboxState::ReceiveOnly);
    assert_eq!(made.mailbox.services, Services::NONE.with(Service::Imap));
    assert_eq!(
        (made.mailbox.quota, &made.mailbox.tags[..]),
        (Some(quota(50)), &["staff".into()][..])
    );
    assert_eq!(made.mailbox.template.as_ref().unwrap().revision, 1);

    let named = NewMailbox {
        address: address("c@example.org"),
        state: Some(MailboxState::Disabled),
        services: Some(Services::NONE),
        quota: Some(quota(9)),
        tags: vec!["own".into(), "staff".into()],
        ..from_template
    };
    let made = store.create_mailbox_within_limits(named, NOW).await.unwrap();
    assert_eq!(
        (made.mailbox.state, made.mailbox.services),
        (MailboxState::Disabled, Services::NONE)
    );
    assert_eq!((made.mailbox.quota, made.mailbox.tags.len()), (Some(quota(9)), 2));
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 3, quota_bytes: 59 });
}

async fn a_mailbox_exists_once(store: Under) {
    let id = with_ann(&store).await;
    let again = store.create_mailbox_within_limits(new_mailbox("ann@example.org"), NOW).await;
    assert!(matches!(again, Err(Error::Exists { what: "mailbox", .. })));
    assert_eq!(used_up(&store).await.mailboxes, 1);
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    let successor = with_mailbox(&store, "ann@example.org").await;
    assert_ne!(id, successor);
}

async fn limits_hold_for_new_mailboxes(store: Under) {
    let limited = Domain {
        max_mailboxes: Some(3),
        default_quota: quota(40),
        max_quota: quota(60),
        total_quota: quota(100),
        ..domain("example.org")
    };
    store.create_domain(limited).await.unwrap();
    let make = async |local: &str, bytes: Option<u64>| {
        let new =
            NewMailbox { quota: bytes.map(quota), ..new_mailbox(&format!("{local}@example.org")) };
        store.create_mailbox_within_limits(new, NOW).await.map(|_| ())
    };
    let too_large = make("a", Some(61)).await;
    assert!(matches!(too_large, Err(Error::Limit(LimitError::MailboxQuota { .. }))));
    make("a", None).await.unwrap();
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 1, quota_bytes: 40 });
    make("b", Some(30)).await.unwrap();
    let no_space = make("c", None).await;
    assert!(matches!(no_space, Err(Error::Limit(LimitError::TotalQuota { free: 30, .. }))));
    make("c", Some(30)).await.unwrap();
    let full = make("d", Some(1)).await;
    assert!(matches!(full, Err(Error::Limit(LimitError::Mailboxes { limit: 3, .. }))));
    store.remove_mailbox(&address("b@example.org")).await.unwrap();
    make("d", Some(1)).await.unwrap();
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 3, quota_bytes: 71 });
}

async fn limits_hold_for_changed_quotas(store: Under) {
    with_ann(&store).await;
    let name = DomainName::parse("example.org").unwrap();
    let limits = DomainChange {
        max_mailboxes: Some(Some(0)),
        max_quota: Some(quota(80)),
        total_quota: Some(quota(100)),
        ..DomainChange::default()
    };
    store.update_domain(&name, limits, NOW).await.unwrap();
    let set = |bytes: Option<u64>| MailboxChange {
        quota: Some(bytes.map(quota)),
        ..MailboxChange::default()
    };
    change(&store, set(Some(70))).await.unwrap();
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 1, quota_bytes: 70 });
    let refused = change(&store, set(Some(81))).await;
    assert!(matches!(refused, Err(Error::Limit(LimitError::MailboxQuota { .. }))));
    let refused = change(&store, set(None)).await;
    assert!(matches!(refused, Err(Error::Limit(LimitError::MailboxQuota { .. }))));
    let lower = DomainChange { max_quota: Some(quota(50)), ..DomainChange::default() };
    store.update_domain(&name, lower, NOW).await.unwrap();
    change(&store, set(Some(60))).await.unwrap();
    let renamed = MailboxChange { display_name: Some("Ann".into()), ..MailboxChange::default() };
    change(&store, renamed).await.unwrap();
    assert_eq!(used_up(&store).await.quota_bytes, 60);
}

async fn a_raised_default_must_fit_those_who_follow_it(store: Under) {
    let limited = Domain {
        default_quota: quota(10),
        max_quota: quota(40),
        total_quota: quota(100),
        ..domain("example.org")
    };
    store.create_domain(limited).await.unwrap();
    for local in ["a", "b", "c"] {
        with_mailbox(&store, &format!("{local}@example.org")).await;
    }
    let name = DomainName::parse("example.org").unwrap();
    let raise = async |bytes| {
        let change = DomainChange { default_quota: Some(quota(bytes)), ..DomainChange::default() };
        store.update_domain(&name, change, NOW).await.map(|_| ())
    };
    raise(33).await.unwrap();
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 3, quota_bytes: 99 });
    assert!(matches!(raise(34).await, Err(Error::Limit(LimitError::TotalQuota { .. }))));
    assert!(matches!(raise(0).await, Err(Error::Limit(LimitError::MailboxQuota { .. }))));
    assert_eq!(used_up(&store).await.quota_bytes, 99);
}

async fn one_hundred_at_once_make_exactly_ten(store: Under) {
    let limited = Domain { max_mailboxes: Some(10), ..domain("example.org") };
    store.create_domain(limited).await.unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let new = new_mailbox(&format!("user{number}@example.org"));
                store.create_mailbox_within_limits(new, NOW).await
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(Error::Limit(LimitError::Mailboxes { limit: 10, .. })) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let listed = store.mailboxes(&MailboxFilter::default(), None, 1000).await.unwrap();
    assert_eq!((made, listed.len()), (10, 10));
    assert_eq!(used_up(&store).await.mailboxes, 10);
}

async fn changes_of_state_source_hash_or_services_count_the_generation_up(store: Under) {
    with_ann(&store).await;
    let none = MailboxChange::default;
    let state = |state| MailboxChange { state: Some((state, SetBy::Administrator)), ..none() };
    let hash =
        |hash: Option<&str>| MailboxChange { local_hash: Some(hash.map(str::to_owned)), ..none() };
    let source = MailboxChange { auth_source: Some(AuthSource::Provider("corp".into())), ..none() };
    let services = MailboxChange { services: Some(Services::NONE), ..none() };
    let name = MailboxChange { display_name: Some("Ann".into()), ..none() };
    for (step, generation) in [
        (state(MailboxState::Active), 0),
        (state(MailboxState::Disabled), 1),
        (state(MailboxState::Active), 2),
        (hash(Some("{PLAIN}a")), 3),
        (hash(Some("{PLAIN}a")), 3),
        (hash(None), 4),
        (source.clone(), 5),
        (source, 5),
        (services, 6),
        (name, 6),
    ] {
        assert_eq!(change(&store, step.clone()).await.unwrap(), generation, "{step:?}");
    }
    let read = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    assert_eq!((read.mailbox.generation, read.mailbox.display_name.as_str()), (6, "Ann"));
    let missing =
        store.update_mailbox(&address("bob@example.org"), MailboxChange::default(), NOW).await;
    assert!(matches!(missing, Err(Error::NotFound { what: "mailbox", .. })));
}

async fn an_empty_change_changes_nothing(store: Under) {
    with_ann(&store).await;
    let before = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    change(&store, MailboxChange::default()).await.unwrap();
    let after = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    assert_eq!(before.mailbox, after.mailbox);
}

async fn a_template_applied_later_leaves_the_state_alone(store: Under) {
    with_ann(&store).await;
    store.put_template(template("Staff")).await.unwrap();
    let apply = MailboxChange {
        template: Some(named("Staff")),
        quota: Some(Some(quota(7))),
        ..MailboxChange::default()
    };
    assert_eq!(change(&store, apply).await.unwrap(), 1);
    let ann = store.account(&address("ann@example.org")).await.unwrap().unwrap().mailbox;
    assert_eq!((ann.state, ann.quota), (MailboxState::Active, Some(quota(7))));
    assert_eq!(ann.services, Services::NONE.with(Service::Imap));
    assert_eq!(ann.tags, ["staff"]);
    assert_eq!(used_up(&store).await.quota_bytes, 7);
}

async fn mailboxes_are_listed_by_mask_in_pages(store: Under) {
    for name in ["example.org", "example.com", "sub.example.org"] {
        store.create_domain(domain(name)).await.unwrap();
    }
    for text in [
        "bob@example.org",
        "ann@example.org",
        "ann@example.com",
        "ann@sub.example.org",
        "b@example.org",
    ] {
        with_mailbox(&store, text).await;
    }
    let list = async |domain: Option<&str>, mask: Option<&str>, page: usize| {
        let filter = MailboxFilter {
            domain: domain.map(|name| DomainName::parse(name).unwrap()),
            mask: mask.map(str::to_owned),
        };
        let mut found: Vec<String> = Vec::new();
        let mut after = None;
        loop {
            let part = store.mailboxes(&filter, after.as_ref(), page).await.unwrap();
            assert!(part.len() <= page);
            let Some(last) = part.last() else { return found };
            after = Some(last.address.clone());
            found.extend(part.iter().map(|mailbox| mailbox.address.to_string()));
        }
    };
    let all = [
        "ann@example.com",
        "ann@example.org",
        "b@example.org",
        "bob@example.org",
        "ann@sub.example.org",
    ];
    for page in [1, 2, 100] {
        assert_eq!(list(None, None, page).await, all);
        assert_eq!(list(None, Some("*"), page).await, all);
        assert_eq!(list(None, Some("*@Example.ORG"), page).await, &all[1..4]);
        assert_eq!(list(Some("example.org"), None, page).await, &all[1..4]);
        assert_eq!(list(Some("example.org"), Some("b*"), page).await, &all[2..4]);
        assert_eq!(list(None, Some("ann@*"), page).await, [all[0], all[1], all[4]]);
        assert_eq!(list(None, Some("b?b@example.org"), page).await, [all[3]]);
        assert_eq!(list(None, Some("ann@example.org"), page).await, [all[1]]);
        assert!(list(Some("example.com"), Some("*@example.org"), page).await.is_empty());
        assert!(list(None, Some("ann"), page).await.is_empty());
    }
}

async fn app_passwords_are_kept_listed_and_revoked(store: Under) {
    let ann = with_ann(&store).await;
    let owner = address("ann@example.org");
    let (new, old) = (app_password(3, 20), app_password(5, 10));
    store.add_app_password(&owner, new.clone()).await.unwrap();
    store.add_app_password(&owner, old.clone()).await.unwrap();
    let read = store.app_password(ann, new.id).await.unwrap().unwrap();
    assert_eq!(*read, new);
    let listed = store.app_passwords(ann).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [old.id, new.id]);
    store.remove_app_password(&owner, new.id).await.unwrap();
    assert!(store.app_password(ann, new.id).await.unwrap().is_none());
    let again = store.remove_app_password(&owner, new.id).await;
    assert!(matches!(again, Err(Error::NotFound { what: "app password", .. })));
    let nobody = store.add_app_password(&address("bob@example.org"), new).await;
    assert!(matches!(nobody, Err(Error::NotFound { what: "mailbox", .. })));
}

async fn an_app_passwords_id_is_taken_once(store: Under) {
    with_ann(&store).await;
    with_mailbox(&store, "bob@example.org").await;
    let tasks: Vec<_> = (0..10)
        .map(|created| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.add_app_password(&address("ann@example.org"), app_password(1, created)).await
            })
        })
        .collect();
    let mut kept = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => kept += 1,
            Err(error) => assert!(matches!(error, Error::Exists { what: "app password", .. })),
        }
    }
    assert_eq!(kept, 1);
    store.add_app_password(&address("bob@example.org"), app_password(1, 0)).await.unwrap();
}

async fn app_passwords_have_a_limit(store: Under) {
    let ann = with_ann(&store).await;
    let owner = address("ann@example.org");
    for id in 0..u32::try_from(MAX_APP_PASSWORDS).unwrap() {
        store.add_app_password(&owner, app_password(id, 0)).await.unwrap();
    }
    let one_more = store.add_app_password(&owner, app_password(0xf_ffff, 0)).await;
    assert!(matches!(one_more, Err(Error::Conflict(_))));
    assert_eq!(store.app_passwords(ann).await.unwrap().len(), MAX_APP_PASSWORDS);
}

async fn a_removed_mailbox_leaves_nothing_behind(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, "bob@example.org").await;
    for owner in ["ann@example.org", "bob@example.org"] {
        store.add_app_password(&address(owner), app_password(1, 0)).await.unwrap();
    }
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.record_use(used(bob, "imap", 1, "ok"), NOW);
    store.flush_uses().await.unwrap();
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    let again = store.remove_mailbox(&address("ann@example.org")).await;
    assert!(matches!(again, Err(Error::NotFound { what: "mailbox", .. })));
    assert!(store.account(&address("ann@example.org")).await.unwrap().is_none());
    assert!(store.app_passwords(ann).await.unwrap().is_empty());
    assert!(store.uses(Some(ann), 10).await.unwrap().is_empty());
    assert!(store.address_of(ann).await.unwrap().is_none());
    assert_eq!(store.app_passwords(bob).await.unwrap().len(), 1);
    assert_eq!(store.uses(Some(bob), 10).await.unwrap().len(), 1);
    assert_eq!(store.uses(None, 10).await.unwrap().len(), 1);
}

async fn uses_are_seen_at_once_and_counted_together(store: Under) {
    let ann = with_ann(&store).await;
    for second in 0..3 {
        store.record_use(used(ann, "imap", 1, "ok"), NOW.after(Duration::from_secs(second)));
    }
    store.record_use(used(ann, "imap", 2, "ok"), NOW);
    for _ in 0..2 {
        let rows = store.uses(Some(ann), 10).await.unwrap();
        assert_eq!(rows.len(), 2);
        let expected = UseRow {
            mailbox: ann,
            protocol: "imap".into(),
            rip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            app_password: None,
            outcome: "ok".into(),
            count: 3,
            first: NOW,
            last: NOW.after(Duration::from_secs(2)),
        };
        assert_eq!(rows[0], expected);
        store.flush_uses().await.unwrap();
    }
    store.record_use(used(ann, "imap", 1, "ok"), NOW.after(DAY));
    for _ in 0..2 {
        let rows = store.uses(Some(ann), 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].count), (2, 4));
        assert_eq!((rows[0].first, rows[0].last), (NOW, NOW.after(DAY)));
        store.flush_uses().await.unwrap();
    }
}

async fn uses_are_listed_latest_first(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, "bob@example.org").await;
    for minute in 0..10_u8 {
        let whose = if minute % 2 == 0 { ann } else { bob };
        let now = NOW.after(Duration::from_secs(60 * u64::from(minute)));
        store.record_use(used(whose, "imap", minute, "ok"), now);
        if minute < 7 {
            store.flush_uses().await.unwrap();
        }
    }
    let minutes = async |whose, limit| {
        let rows = store.uses(whose, limit).await.unwrap();
        rows.iter().map(|row| row.last.since(NOW).as_secs() / 60).collect::<Vec<_>>()
    };
    assert_eq!(minutes(None, 100).await, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(minutes(None, 4).await, [9, 8, 7, 6]);
    assert_eq!(minutes(Some(ann), 3).await, [8, 6, 4]);
    assert_eq!(minutes(Some(ann), 0).await, [0; 0]);
}

async fn uses_of_a_removed_mailbox_are_not_written(store: Under) {
    let ann = with_ann(&store).await;
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.flush_uses().await.unwrap();
    assert!(store.uses(None, 10).await.unwrap().is_empty());
}

async fn history_keeps_what_it_should(store: Under) {
    let ann = with_ann(&store).await;
    store.record_use(used(ann, "pop3", 1, "ok"), NOW);
    store.record_use(used(ann, "pop3", 2, "ok"), NOW.after(DAY));
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.record_use(used(ann, "imap", 1, "wrong_password"), NOW);
    let later = NOW.after(40 * DAY);
    for network in 0..=250 {
        store.record_use(used(ann, "imap", network, "wrong_password"), later);
    }
    store.flush_uses().await.unwrap();
    let rows = store.uses(Some(ann), 1000).await.unwrap();
    let of = |protocol: &str, outcome: &str| {
        rows.iter().filter(|row| row.protocol == protocol && row.outcome == outcome).count()
    };
    assert_eq!(of("imap", "wrong_password"), 100);
    assert_eq!((of("imap", "ok"), of("pop3", "ok")), (1, 1));
    assert!(rows.iter().any(|row| row.protocol == "pop3" && row.last == NOW.after(DAY)));

    for network in 0..=250 {
        store.record_use(used(ann, "imap", network, "ok"), later.after(DAY));
    }
    store.flush_uses().await.unwrap();
    let rows = store.uses(Some(ann), 1000).await.unwrap();
    assert!(rows.iter().filter(|row| row.outcome == "ok").count() >= 200);
    assert!(rows.len() <= 202, "{}", rows.len());
    assert!(rows.iter().any(|row| row.protocol == "pop3"));
}

async fn gathered_history_is_bounded(store: Under) {
    let ann = with_ann(&store).await;
    for number in 0..60_000_u32 {
        let rip = Some(IpAddr::V4(Ipv4Addr::from_bits(number)));
        store.record_use(UseKey { rip, ..used(ann, "imap", 0, "ok") }, NOW);
    }
    let rows = store.uses(Some(ann), usize::MAX).await.unwrap();
    assert_eq!(rows.len(), 50_000);
    let first = IpAddr::V4(Ipv4Addr::from_bits(0));
    assert!(rows.iter().any(|row| row.rip == Some(first)));
}

async fn old_history_of_silent_mailboxes_is_swept(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, "bob@example.org").await;
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.record_use(used(ann, "imap", 2, "wrong_password"), NOW);
    store.flush_uses().await.unwrap();
    store.record_use(used(bob, "imap", 1, "ok"), NOW.after(32 * DAY));
    store.flush_uses().await.unwrap();
    let rows = store.uses(Some(ann), 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>(), ["ok"]);
}

async fn penalties_are_written_and_removed(store: Under) {
    let pair = |key: &str, value: Option<&str>| {
        (key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec()))
    };
    let written = vec![pair("a", Some("1")), pair("", Some("2")), pair("c", Some("3"))];
    store.save_penalties(written).await.unwrap();
    store.save_penalties(vec![pair("a", None), pair("c", Some("4"))]).await.unwrap();
    let left = store.penalties().await.unwrap();
    assert_eq!(left, [(vec![], b"2".to_vec()), (b"c".to_vec(), b"4".to_vec())]);
}

async fn a_secret_is_made_once(store: Under) {
    assert_eq!(store.secret("one", || [1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.secret("one", || [2; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.secret("two", || [2; 32]).await.unwrap(), [2; 32]);
}

async fn exported(store: &Under, page: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let part = store.export(after, page).await.unwrap();
        assert!(part.records.len() <= page);
        records.extend(part.records);
        after = part.next;
        if after.is_none() {
            return records;
        }
    }
}

async fn fill(store: &Under) -> MailboxId {
    let ann = with_ann(store).await;
    store.create_domain(domain("example.com")).await.unwrap();
    store.put_template(template("Staff")).await.unwrap();
    with_mailbox(store, "bob@example.com").await;
    let sized = NewMailbox { quota: Some(quota(5)), ..new_mailbox("carl@example.org") };
    store.create_mailbox_within_limits(sized, NOW).await.unwrap();
    store.add_app_password(&address("ann@example.org"), app_password(1, 0)).await.unwrap();
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.flush_uses().await.unwrap();
    ann
}

async fn an_export_imports_into_an_empty_store(store: Under) {
    let source: Under = Arc::new(MemoryStore::new());
    let ann = fill(&source).await;
    let records = exported(&source, 3).await;
    let kinds: Vec<_> = records
        .iter()
        .map(|record| serde_json::to_value(record).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "header",
        "domain",
        "domain",
        "template",
        "mailbox",
        "mailbox",
        "mailbox",
        "app_password",
        "use",
    ];
    assert_eq!(kinds, expected);
    for page in [1, 2, 100] {
        assert_eq!(exported(&source, page).await, records);
    }
    // By way of JSON, as the command line does it.
    let lines: Vec<Record> = records
        .iter()
        .map(|record| serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap())
        .collect();
    for line in lines {
        store.import(vec![line]).await.unwrap();
    }
    assert_eq!(exported(&store, 4).await, records);
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 2, quota_bytes: 5 });
    assert_eq!(store.address_of(ann).await.unwrap(), Some(address("ann@example.org")));
    assert!(store.app_password(ann, AppPasswordId::from_bits(1)).await.unwrap().is_some());
}

async fn an_import_replaces_and_counts_anew(store: Under) {
    let ann = fill(&store).await;
    let records = exported(&store, 100).await;
    store.import(records.clone()).await.unwrap();
    assert_eq!(exported(&store, 100).await, records);
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 2, quota_bytes: 5 });

    let mut mailbox = store.account(&address("ann@example.org")).await.unwrap().unwrap().mailbox;
    Arc::make_mut(&mut mailbox).quota = Some(quota(20));
    store.import(vec![Record::Mailbox(Box::new((*mailbox).clone()))]).await.unwrap();
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 2, quota_bytes: 25 });

    let successor = dovegate::mailbox::Mailbox { id: MailboxId(77), ..(*mailbox).clone() };
    let own = Record::AppPassword { mailbox: MailboxId(77), app_password: app_password(2, 0) };
    let lost = Record::AppPassword { mailbox: ann, app_password: app_password(2, 0) };
    store.import(vec![Record::Mailbox(Box::new(successor)), own, lost]).await.unwrap();
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 2, quota_bytes: 25 });
    assert!(store.app_passwords(ann).await.unwrap().is_empty());
    assert!(store.uses(Some(ann), 10).await.unwrap().is_empty());
    assert_eq!(store.app_passwords(MailboxId(77)).await.unwrap().len(), 1);
}

async fn an_import_is_all_or_nothing(store: Under) {
    fill(&store).await;
    let before = exported(&store, 100).await;
    let mailbox = store.account(&address("ann@example.org")).await.unwrap().unwrap().mailbox;
    let elsewhere = dovegate::mailbox::Mailbox {
        id: MailboxId(77),
        address: address("ann@example.net"),
        ..(*mailbox).clone()
    };
    let moved =
        dovegate::mailbox::Mailbox { address: address("ann@example.com"), ..(*mailbox).clone() };
    let refused = [
        Record::Header { schema: 2 },
        Record::Mailbox(Box::new(elsewhere)),
        Record::Mailbox(Box::new(moved)),
    ];
    for last in refused {
        let error = store.import(vec![Record::Domain(domain("new.example")), last]).await;
        assert!(matches!(error, Err(Error::Conflict(_) | Error::NotFound { .. })), "{error:?}");
        assert_eq!(exported(&store, 100).await, before);
    }
}

async fn a_closed_store_refuses(store: Under) {
    with_ann(&store).await;
    store.close().await.unwrap();
    assert!(store.account(&address("ann@example.org")).await.is_err());
    assert!(store.create_domain(domain("example.com")).await.is_err());
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store: Under = Arc::new(open(folder.path()));
    let ann = fill(&store).await;
    store.record_use(used(ann, "imap", 9, "ok"), NOW);
    store.save_penalties(vec![(b"a".to_vec(), Some(b"1".to_vec()))]).await.unwrap();
    store.secret("one", || [1; 32]).await.unwrap();
    let still_held = SledStore::open(folder.path(), &Settings::default());
    assert!(matches!(still_held, Err(Error::Locked { .. })));
    // While somebody else still holds on to the store.
    store.close().await.unwrap();

    let again: Under = Arc::new(open(folder.path()));
    assert_eq!(again.uses(Some(ann), 10).await.unwrap().len(), 2);
    assert_eq!(used_up(&again).await, DomainUse { mailboxes: 2, quota_bytes: 5 });
    assert_eq!(again.penalties().await.unwrap().len(), 1);
    assert_eq!(again.secret("one", || [2; 32]).await.unwrap(), [1; 32]);
    assert!(again.account(&address("ann@example.org")).await.unwrap().is_some());
    drop(store);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).close().await.unwrap();
    let raw = ::sled::open(folder.path()).unwrap();
    raw.insert([0], &[2]).unwrap();
    drop(raw);
    let refused = SledStore::open(folder.path(), &Settings::default()).err().unwrap();
    assert!(matches!(refused, Error::Schema { found: 2, known: 1, .. }), "{refused}");
}

/// What a child of these tests does, and on which folder.
const ROLE: &str = "DOVEGATE_TEST_STORE_ROLE";
const FOLDER: &str = "DOVEGATE_TEST_STORE_FOLDER";

/// The entry of a child process; without a role it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    let (Ok(role), Some(folder)) = (std::env::var(ROLE), std::env::var_os(FOLDER)) else { return };
    let store: Under = Arc::new(open(Path::new(&folder)));
    acknowledge("open");
    if role == "hold" {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    let from: u32 = role.parse().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|lane| tokio::spawn(write_for_ever(Arc::clone(&store), from + lane * 1_000_000)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\ndone {what}").unwrap();
    out.flush().unwrap();
}

/// Makes mailboxes, gives each an app password, sets a hash, and takes every
/// third away again.
async fn write_for_ever(store: Under, from: u32) {
    for number in from.. {
        let text = format!("u{number}@example.org");
        let id = with_mailbox(&store, &text).await;
        acknowledge(&format!("made {text}"));
        store.add_app_password(&address(&text), app_password(number, 0)).await.unwrap();
        acknowledge(&format!("app-password {text} {}", id.0));
        let hash = MailboxChange {
            local_hash: Some(Some(format!("{{PLAIN}}{number}"))),
            quota: Some(Some(quota(1))),
            ..MailboxChange::default()
        };
        store.update_mailbox(&address(&text), hash, NOW).await.unwrap();
        acknowledge(&format!("hash {text} {{PLAIN}}{number}"));
        if number % 3 == 0 {
            acknowledge(&format!("removing {text}"));
            store.remove_mailbox(&address(&text)).await.unwrap();
            acknowledge(&format!("removed {text}"));
        }
    }
}

struct Killed {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Killed {
    fn start(folder: &Path, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["store_contract::child_process", "--exact", "--nocapture"])
            .env(ROLE, role)
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Option<String> {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix("done ").map(str::to_owned))
    }

    /// `kill -9`; then what it had still said.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }
}

#[tokio::test]
async fn another_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Killed::start(folder.path(), "hold");
    assert_eq!(other.next().as_deref(), Some("open"));
    let refused = SledStore::open(folder.path(), &Settings::default()).err().unwrap();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    other.kill();
    open(folder.path());
}

#[tokio::test]
async fn kill_9_loses_nothing_acknowledged() {
    let folder = TempDir::new().unwrap();
    let first: Under = Arc::new(open(folder.path()));
    with_domain(&first).await;
    first.close().await.unwrap();
    drop(first);
    for round in 0..4_u32 {
        let mut writer = Killed::start(folder.path(), &(round * 10_000).to_string());
        let mut said: Vec<String> =
            std::iter::from_fn(|| writer.next()).take(200 + 37 * round as usize).collect();
        assert!(said.len() >= 200, "the writer stopped by itself: {said:?}");
        said.extend(writer.kill());
        let store: Under = Arc::new(open(folder.path()));
        for line in &said {
            check_acknowledged(&store, line, &said).await;
        }
        check_whole(&store).await;
        store.close().await.unwrap();
    }
}

async fn check_acknowledged(store: &Under, line: &str, said: &[String]) {
    let words: Vec<_> = line.split(' ').collect();
    let Some(text) = words.get(1) else { return };
    let account = store.account(&address(text)).await.unwrap();
    let gone = said.iter().any(|line| *line == format!("removed {text}"));
    let going = said.iter().any(|line| *line == format!("removing {text}"));
    match (account, words[0]) {
        (found, _) if gone => assert!(found.is_none(), "{line}"),
        (None, _) => assert!(going, "{line}"),
        (Some(found), "hash") => {
            assert_eq!(found.mailbox.local_hash.as_deref(), Some(words[2]), "{line}");
        }
        (Some(found), "app-password") => {
            assert_eq!(found.mailbox.id.0.to_string(), words[2]);
            assert_eq!(store.app_passwords(found.mailbox.id).await.unwrap().len(), 1, "{line}");
        }
        (Some(_), _) => {}
    }
}

/// Whether the parts that one write makes together are there together.
async fn check_whole(store: &Under) {
    let mailboxes = store.mailboxes(&MailboxFilter::default(), None, usize::MAX).await.unwrap();
    let mut bytes = 0;
    for mailbox in &mailboxes {
        let owner = store.address_of(mailbox.id).await.unwrap();
        assert_eq!(owner.as_ref(), Some(&mailbox.address));
        bytes += mailbox.quota.map_or(0, |quota| quota.bytes);
    }
    let expected = DomainUse { mailboxes: mailboxes.len() as u64, quota_bytes: bytes };
    assert_eq!(used_up(store).await, expected);
    let owned = exported(store, 1000).await.iter().all(|record| match record {
        Record::AppPassword { mailbox, .. } => mailboxes.iter().any(|one| one.id == *mailbox),
        _ => true,
    });
    assert!(owned, "an app password is left over from a removed mailbox");
}
