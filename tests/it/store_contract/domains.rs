//! Domains and templates.

use super::*;

pub(super) async fn domains_are_made_changed_and_removed(store: Under) {
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
                provider: Some(Some("corp".parse().unwrap())),
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
    assert_eq!(
        (read.provider.as_ref().map(ProviderName::as_str), read.generation),
        (Some("corp"), 0)
    );

    store.remove_domain(&name).await.unwrap();
    assert!(store.domain(&name).await.unwrap().is_none());
    assert!(matches!(store.domain_use(&name).await, Err(Error::NotFound { .. })));
}

pub(super) async fn domains_are_listed_in_pages(store: Under) {
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

pub(super) async fn a_domain_with_mailboxes_stays(store: Under) {
    with_ann(&store).await;
    let name = DomainName::parse("example.org").unwrap();
    assert!(matches!(store.remove_domain(&name).await, Err(Error::Conflict(_))));
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    store.remove_domain(&name).await.unwrap();
}

pub(super) async fn switching_a_domain_counts_its_generation_up(store: Under) {
    with_domain(&store).await;
    let name = DomainName::parse("example.org").unwrap();
    for (active, generation) in [(true, 0), (false, 1), (false, 1), (true, 2)] {
        let change = DomainChange { active: Some(active), ..DomainChange::default() };
        let domain = store.update_domain(&name, change, NOW).await.unwrap();
        assert_eq!((domain.active, domain.generation), (active, generation));
    }
}

pub(super) async fn templates_count_their_revisions(store: Under) {
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

pub(super) async fn a_raised_default_must_fit_those_who_follow_it(store: Under) {
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
