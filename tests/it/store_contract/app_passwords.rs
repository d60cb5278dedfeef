//! App passwords, and the secrets and counters that the store keeps for others.

use super::*;

pub(super) async fn app_passwords_are_kept_listed_and_revoked(store: Under) {
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

pub(super) async fn what_a_mailbox_brought_along_is_kept_revoked_and_exported(store: Under) {
    let ann = with_ann(&store).await;
    let owner = address("ann@example.org");
    let brought = |name: &str, hash: &str, created: u64| ImportedAppPassword {
        id: AppPasswordId::from_bits(0),
        name: name.to_owned(),
        hash: hash.to_owned().into(),
        services: Services::ALL,
        created: Timestamp(created),
    };
    let new = |one: ImportedAppPassword| Arrival::AppPassword(owner.clone(), Box::new(one));
    let flag = async |store: &dyn Store| {
        let account = store.account(&owner).await.unwrap().unwrap();
        account.mailbox.has_imported_app_passwords
    };
    assert!(!flag(&*store).await);
    let nobody = Arrival::AppPassword(address("bob@example.org"), Box::new(brought("X", "x", 0)));
    let arrivals =
        vec![new(brought("Phone", "{PLAIN}a", 20)), new(brought("Tablet", "{PLAIN}b", 10)), nobody];
    let taken = store.take_in(arrivals, NOW).await.unwrap();
    assert!(taken[0].is_ok() && taken[1].is_ok());
    assert!(matches!(taken[2], Err(Error::NotFound { what: "mailbox", .. })));
    assert!(flag(&*store).await);
    let listed = store.imported_app_passwords(ann).await.unwrap();
    let names: Vec<_> = listed.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Tablet", "Phone"]);
    assert_ne!(listed[0].id, listed[1].id);
    let same_id = AppPassword { id: listed[0].id, ..app_password(1, 0) };
    let taken = store.add_app_password(&owner, same_id).await;
    assert!(matches!(taken, Err(Error::Exists { what: "app password", .. })));

    let records = exported(&store, 2).await;
    let copy = MemoryStore::new();
    copy.import(records.clone()).await.unwrap();
    copy.import(records).await.unwrap();
    assert_eq!(copy.imported_app_passwords(ann).await.unwrap(), listed);
    assert!(flag(&copy).await);
    // A file says of a mailbox what it likes.
    let only_her = exported(&store, 2).await.into_iter().filter_map(|record| match record {
        Record::Mailbox(mut mailbox) => {
            mailbox.has_imported_app_passwords ^= true;
            Some(Record::Mailbox(mailbox))
        }
        _ => None,
    });
    copy.import(only_her.collect()).await.unwrap();
    assert!(flag(&copy).await);

    store.remove_app_password(&owner, listed[0].id).await.unwrap();
    let again = store.remove_app_password(&owner, listed[0].id).await;
    assert!(matches!(again, Err(Error::NotFound { what: "app password", .. })));
    assert_eq!(store.imported_app_passwords(ann).await.unwrap(), listed[1..]);
    assert!(flag(&*store).await);
    store.remove_app_password(&owner, listed[1].id).await.unwrap();
    assert!(!flag(&*store).await);
    store.remove_mailbox(&owner).await.unwrap();
    assert_eq!(store.imported_app_passwords(ann).await.unwrap(), []);
}

pub(super) async fn an_app_passwords_id_is_taken_once(store: Under) {
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

pub(super) async fn app_passwords_have_a_limit(store: Under) {
    let ann = with_ann(&store).await;
    let owner = address("ann@example.org");
    for id in 0..u32::try_from(MAX_APP_PASSWORDS).unwrap() {
        store.add_app_password(&owner, app_password(id, 0)).await.unwrap();
    }
    let one_more = store.add_app_password(&owner, app_password(0xf_ffff, 0)).await;
    assert!(matches!(one_more, Err(Error::Conflict(_))));
    assert_eq!(store.app_passwords(ann).await.unwrap().len(), MAX_APP_PASSWORDS);
}

pub(super) async fn penalties_are_written_and_removed(store: Under) {
    let pair = |key: &str, value: Option<&str>| {
        (key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec()))
    };
    let written = vec![pair("a", Some("1")), pair("", Some("2")), pair("c", Some("3"))];
    store.save_penalties(written).await.unwrap();
    store.save_penalties(vec![pair("a", None), pair("c", Some("4"))]).await.unwrap();
    let left = store.penalties().await.unwrap();
    assert_eq!(left, [(vec![], b"2".to_vec()), (b"c".to_vec(), b"4".to_vec())]);
}

pub(super) async fn a_secret_is_made_once(store: Under) {
    assert_eq!(store.secret("one", || [1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.secret("one", || [2; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.secret("two", || [2; 32]).await.unwrap(), [2; 32]);
}
