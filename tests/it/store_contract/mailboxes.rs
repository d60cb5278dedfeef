//! Mailboxes, and the limits of their domains.

use dovegate::mailbox::Binding;

use super::*;

async fn change(store: &Under, change: MailboxChange) -> Result<u64, Error> {
    let after = NOW.after(DAY);
    let account = store.update_mailbox(&address("ann@example.org"), change, after).await?;
    Ok(account.mailbox.generation)
}

pub(super) async fn a_mailbox_needs_its_domain(store: Under) {
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

pub(super) async fn a_mailbox_takes_named_values_then_the_templates_then_defaults(store: Under) {
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

pub(super) async fn a_mailbox_exists_once(store: Under) {
    let id = with_ann(&store).await;
    let again = store.create_mailbox_within_limits(new_mailbox("ann@example.org"), NOW).await;
    assert!(matches!(again, Err(Error::Exists { what: "mailbox", .. })));
    assert_eq!(used_up(&store).await.mailboxes, 1);
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    let successor = with_mailbox(&store, "ann@example.org").await;
    assert_ne!(id, successor);
}

pub(super) async fn limits_hold_for_new_mailboxes(store: Under) {
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
    assert!(matches!(no_space, Err(Error::Limit(LimitError::TotalQuota { taken: 70, .. }))));
    make("c", Some(30)).await.unwrap();
    let full = make("d", Some(1)).await;
    assert!(matches!(full, Err(Error::Limit(LimitError::Mailboxes { limit: 3, .. }))));
    store.remove_mailbox(&address("b@example.org")).await.unwrap();
    make("d", Some(1)).await.unwrap();
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 3, quota_bytes: 71 });
}

pub(super) async fn limits_hold_for_changed_quotas(store: Under) {
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

pub(super) async fn arrivals_are_judged_one_by_one_and_written_together(store: Under) {
    with_ann(&store).await;
    let name = DomainName::parse("example.org").unwrap();
    let limits = DomainChange { max_mailboxes: Some(Some(2)), ..DomainChange::default() };
    store.update_domain(&name, limits, NOW).await.unwrap();
    let new = |text: &str| Arrival::New(Box::new(new_mailbox(text)));
    let ann = MailboxChange { display_name: Some("Ann".into()), ..MailboxChange::default() };
    let nobody = MailboxChange { display_name: Some("X".into()), ..MailboxChange::default() };
    let arrivals = vec![
        new("ann@example.org"),
        new("bob@example.org"),
        Arrival::Change(address("ann@example.org"), Box::new(ann)),
        new("cleo@example.org"),
        new("dan@example.com"),
        Arrival::Change(address("nobody@example.org"), Box::new(nobody)),
    ];
    let results = store.take_in(arrivals, NOW).await.unwrap();
    assert!(matches!(results[0], Err(Error::Exists { what: "mailbox", .. })));
    assert_eq!(results[1].as_ref().unwrap().mailbox.address, address("bob@example.org"));
    assert_eq!(results[2].as_ref().unwrap().mailbox.display_name, "Ann");
    assert!(matches!(results[3], Err(Error::Limit(LimitError::Mailboxes { .. }))));
    assert!(matches!(results[4], Err(Error::NotFound { what: "domain", .. })));
    assert!(matches!(results[5], Err(Error::NotFound { what: "mailbox", .. })));
    assert_eq!(used_up(&store).await.mailboxes, 2);
    let ann = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    assert_eq!(ann.mailbox.display_name, "Ann");
    assert!(store.account(&address("cleo@example.org")).await.unwrap().is_none());
    assert_eq!(exported(&store, 100).await.len(), 4);
}

pub(super) async fn one_hundred_at_once_make_exactly_ten(store: Under) {
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

pub(super) async fn changes_of_state_source_hash_or_services_count_the_generation_up(store: Under) {
    with_ann(&store).await;
    let none = MailboxChange::default;
    let state = |state| MailboxChange { state: Some((state, SetBy::Administrator)), ..none() };
    let hash = |hash: Option<&str>| MailboxChange {
        local_hash: Some(hash.map(|hash| hash.to_owned().into())),
        ..none()
    };
    let source = MailboxChange {
        auth_source: Some(AuthSource::Provider("corp".parse().unwrap())),
        ..none()
    };
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

pub(super) async fn an_empty_change_changes_nothing(store: Under) {
    with_ann(&store).await;
    let before = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    change(&store, MailboxChange::default()).await.unwrap();
    let after = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    assert_eq!(before.mailbox, after.mailbox);
}

pub(super) async fn another_source_keeps_the_hash_and_who_comes_back_the_person(store: Under) {
    with_domain(&store).await;
    let local_hash = Some("{PLAIN}wonderland".to_owned().into());
    let new = NewMailbox { local_hash, ..new_mailbox("ann@example.org") };
    let ann = store.create_mailbox_within_limits(new, NOW).await.unwrap().mailbox;
    let at = |name: &str| AuthSource::Provider(name.parse().unwrap());
    let person =
        |name: &str| Binding { provider: name.parse().unwrap(), subject: "her id".to_owned() };
    let switch = async |source: AuthSource, bound: Option<Option<Binding>>| {
        let change = MailboxChange { auth_source: Some(source), bound, ..MailboxChange::default() };
        let after = store.update_mailbox(&ann.address, change, NOW).await.unwrap().mailbox;
        assert_eq!(after.local_hash, ann.local_hash);
        (after.bound.clone(), after.generation)
    };
    let corp = Some(person("corp"));
    assert_eq!(switch(at("corp"), Some(corp.clone())).await, (corp.clone(), 1));
    // There and back it is the same person's.
    assert_eq!(switch(AuthSource::Local, None).await, (corp.clone(), 2));
    assert_eq!(switch(at("corp"), None).await, (corp.clone(), 3));
    assert_eq!(switch(at("corp"), None).await, (corp.clone(), 3));
    // Elsewhere nobody has that id, also by way of the store.
    assert_eq!(switch(at("other"), None).await, (None, 4));
    assert_eq!(switch(at("corp"), Some(corp.clone())).await, (corp.clone(), 5));
    assert_eq!(switch(AuthSource::Local, None).await, (corp, 6));
    assert_eq!(switch(at("other"), None).await, (None, 7));
    // Who says whose it is means it.
    let there = Some(person("other"));
    assert_eq!(switch(at("corp"), Some(there.clone())).await, (there, 8));
}

pub(super) async fn a_template_applied_later_leaves_the_state_alone(store: Under) {
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

pub(super) async fn mailboxes_are_listed_by_mask_in_pages(store: Under) {
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
            ..Default::default()
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

pub(super) async fn mailboxes_are_searched_by_text_state_and_source(store: Under) {
    with_domain(&store).await;
    let corp = AuthSource::Provider("corp".parse().unwrap());
    for (text, name, state, source) in [
        ("ann@example.org", "Änne Smith", MailboxState::Active, AuthSource::Local),
        ("bob@example.org", "", MailboxState::Disabled, corp.clone()),
        ("smithers@example.org", "", MailboxState::Active, corp.clone()),
    ] {
        let new = NewMailbox {
            display_name: name.to_owned(),
            state: Some(state),
            auth_source: source,
            ..new_mailbox(text)
        };
        store.create_mailbox_within_limits(new, NOW).await.unwrap();
    }
    let check = async |filter: MailboxFilter, limit: usize, expected: &[&str]| {
        let found = store.mailboxes(&filter, None, limit).await.unwrap();
        let found: Vec<_> = found.iter().map(|mailbox| mailbox.address.local_part()).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let text = |text: &str| MailboxFilter { text: Some(text.to_owned()), ..Default::default() };
    check(text("SMITH"), 9, &["ann", "smithers"]).await;
    check(text("SMITH"), 1, &["ann"]).await;
    check(text("äNNE"), 9, &["ann"]).await;
    check(text("b@example"), 9, &["bob"]).await;
    check(text("*"), 9, &[]).await;
    let from_corp = MailboxFilter { auth_source: Some(corp), ..Default::default() };
    check(from_corp.clone(), 9, &["bob", "smithers"]).await;
    let active = MailboxFilter { state: Some(MailboxState::Active), ..from_corp };
    check(active.clone(), 9, &["smithers"]).await;
    check(MailboxFilter { mask: Some("b*".to_owned()), ..active }, 9, &[]).await;
}

pub(super) async fn a_removed_mailbox_leaves_nothing_behind(store: Under) {
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
    assert!(store.uses(&UseFilter::of(ann), 10).await.unwrap().is_empty());
    assert!(store.address_of(ann).await.unwrap().is_none());
    assert_eq!(store.app_passwords(bob).await.unwrap().len(), 1);
    assert_eq!(store.uses(&UseFilter::of(bob), 10).await.unwrap().len(), 1);
    assert_eq!(store.uses(&UseFilter::default(), 10).await.unwrap().len(), 1);
}

pub(super) async fn a_hash_is_replaced_only_while_it_is_the_one_meant(store: Under) {
    with_domain(&store).await;
    let ann = address("ann@example.org");
    let with = |hash: &str| NewMailbox {
        local_hash: Some(hash.to_owned().into()),
        ..new_mailbox("ann@example.org")
    };
    let made = store.create_mailbox_within_limits(with("{PLAIN}a"), NOW).await.unwrap();
    let id = made.mailbox.id;
    let replace = |id, old: &str, new: &str| {
        let (old, new) = (old.to_owned().into(), new.to_owned().into());
        store.replace_hash(&ann, id, old, new, NOW.after(DAY))
    };
    let changed = replace(id, "{PLAIN}a", "{PLAIN}b").await.unwrap();
    assert_eq!(changed.mailbox.local_hash, Some("{PLAIN}b".to_owned().into()));
    assert_eq!((changed.mailbox.generation, changed.mailbox.modified), (1, NOW.after(DAY)));
    assert!(matches!(replace(id, "{PLAIN}a", "{PLAIN}c").await, Err(Error::Conflict(_))));
    store.remove_mailbox(&ann).await.unwrap();
    let gone = replace(id, "{PLAIN}b", "{PLAIN}c").await;
    assert!(matches!(gone, Err(Error::NotFound { what: "mailbox", .. })));
    store.create_mailbox_within_limits(with("{PLAIN}b"), NOW).await.unwrap();
    assert!(matches!(replace(id, "{PLAIN}b", "{PLAIN}c").await, Err(Error::Conflict(_))));
    let found = store.account(&ann).await.unwrap().unwrap();
    assert_eq!(found.mailbox.local_hash, Some("{PLAIN}b".to_owned().into()));
}
