//! Export, import and the end.

use super::*;

pub(super) async fn an_export_imports_into_an_empty_store(store: Under) {
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

pub(super) async fn an_import_replaces_and_counts_anew(store: Under) {
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
    assert!(store.uses(&UseFilter::of(ann), 10).await.unwrap().is_empty());
    assert_eq!(store.app_passwords(MailboxId(77)).await.unwrap().len(), 1);
}

pub(super) async fn an_import_is_all_or_nothing(store: Under) {
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

pub(super) async fn a_closed_store_refuses(store: Under) {
    with_ann(&store).await;
    store.close().await.unwrap();
    assert!(store.account(&address("ann@example.org")).await.is_err());
    assert!(store.create_domain(domain("example.com")).await.is_err());
}
