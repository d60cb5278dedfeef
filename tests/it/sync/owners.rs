//! How the owners of mailboxes stand is learnt from whatever a sync asks.

use super::*;

#[tokio::test]
async fn only_owners_are_heard_of() {
    let realm = Realm::start().await;
    realm.fake.people(|people| people.extend(["ann", "bob"].map(somebody)));
    realm.fake.person("bob", json!({ "email": "bob@elsewhere.example" }));
    realm.mailbox("dora@example.org", corp()).await;
    realm.fake.people(|people| people.push(somebody("dora")));
    realm.fake.person("dora", json!({ "enabled": false }));
    let order = Order { dry_run: true, ..Order::default() };
    realm.run_by(order).await;
    assert_eq!(realm.heard(), "", "nothing by a plan");
    realm.run().await;
    // Ann is new; dora was nobody's before.
    assert_eq!(realm.heard(), "id-of-dora Disabled open");
    realm.run().await;
    assert_eq!(realm.heard(), "id-of-ann Enabled, id-of-dora Disabled");
    realm.fake.person("ann", json!({ "enabled": false }));
    realm.run_by(Order { scope: SyncScope::OnlyNew, ..Order::default() }).await;
    assert_eq!(realm.heard(), "id-of-ann Disabled open, id-of-dora Disabled open");
    realm.fake.people(|people| people.retain(|person| person["id"] == "id-of-bob"));
    realm.run().await;
    assert_eq!(realm.heard(), "id-of-ann Gone open");
}

/// The brake holds mailboxes, and no word on a person.
#[tokio::test]
async fn what_is_braked_was_heard_all_the_same() {
    let mut realm = Realm::start().await;
    realm.fake.people(|people| people.extend(["ann", "bob"].map(somebody)));
    realm.does("created 2").await;
    realm.set(|corp| corp.withdraw_limit = Some(0));
    realm.fake.person("ann", json!({ "enabled": false }));
    let progress = realm.run().await;
    assert!(matches!(progress.run.outcome, SyncOutcome::Braked(_)));
    assert_eq!(realm.heard(), "id-of-ann Disabled open, id-of-bob Enabled");
    assert!(realm.withdrawn.lock().unwrap().is_empty());
}
