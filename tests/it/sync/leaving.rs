//! People who leave, are disabled, and come back.

use super::*;
use crate::support::provider::{
    Behaviour,
    people::{Sees, USERS},
};

const ANN: &str = "ann@example.org";

async fn with_people(names: &[&str]) -> Realm {
    let realm = Realm::start().await;
    realm.fake.people(|people| people.extend(names.iter().map(|name| somebody(name))));
    realm.does(&format!("created {}", names.len())).await;
    realm
}

fn leave(realm: &Realm, name: &str) {
    realm.fake.people(|people| people.retain(|person| person["username"] != name));
}

#[tokio::test]
async fn who_is_disabled_is_switched_off_until_enabled() {
    let realm = with_people(&["ann", "bob"]).await;
    realm.fake.person("ann", json!({ "enabled": false }));
    realm.plans_and_does("withdrawn 1, unchanged 1").await;
    let ann = realm.get(ANN).await;
    assert_eq!((ann.state, ann.state_set_by), (MailboxState::ReceiveOnly, SetBy::Provider));
    assert_eq!(ann.generation, 1, "what was verified before counts no more");
    // A plan ends nobody's sessions.
    assert_eq!(*realm.withdrawn.lock().unwrap(), ["ann@example.org disabled"]);
    realm.does("unchanged 2").await;
    realm.fake.person("ann", json!({ "enabled": true }));
    realm.plans_and_does("restored 1, unchanged 1").await;
    assert_eq!(realm.state(ANN).await, MailboxState::Active);
    realm.does("unchanged 2").await;
}

#[tokio::test]
async fn who_is_missing_twice_is_switched_off_and_never_deleted() {
    let realm = with_people(&["ann", "bob"]).await;
    leave(&realm, "ann");
    realm.plans_and_does("missing 1, unchanged 1").await;
    assert_eq!(realm.state(ANN).await, MailboxState::Active);
    realm.plans_and_does("withdrawn 1, unchanged 1").await;
    assert_eq!(realm.state(ANN).await, MailboxState::ReceiveOnly);
    assert_eq!(*realm.withdrawn.lock().unwrap(), ["ann@example.org missing"]);
    let before = realm.get(ANN).await;
    realm.does("unchanged 1").await;
    assert_eq!(realm.get(ANN).await, before);
    realm.fake.people(|people| people.push(somebody("ann")));
    realm.does("restored 1, unchanged 1").await;
    assert_eq!(realm.state(ANN).await, MailboxState::Active);
}

#[tokio::test]
async fn who_is_back_in_time_begins_anew() {
    let realm = with_people(&["ann", "bob"]).await;
    for _ in 0..3 {
        leave(&realm, "ann");
        realm.does("missing 1, unchanged 1").await;
        realm.fake.people(|people| people.push(somebody("ann")));
        realm.does("updated 1, unchanged 1").await;
    }
}

#[tokio::test]
async fn who_comes_back_disabled_stays_off_until_enabled() {
    let realm = with_people(&["ann", "bob"]).await;
    leave(&realm, "ann");
    realm.run().await;
    realm.does("withdrawn 1, unchanged 1").await;
    realm.fake.people(|people| people.push(somebody("ann")));
    realm.fake.person("ann", json!({ "enabled": false }));
    realm.run().await;
    assert_eq!(realm.state(ANN).await, MailboxState::ReceiveOnly);
    realm.fake.person("ann", json!({ "enabled": true }));
    realm.does("restored 1, unchanged 1").await;
}

/// Nobody but he himself takes back what an administrator decided.
#[tokio::test]
async fn an_administrators_state_stays() {
    let realm = with_people(&["ann", "bob"]).await;
    realm.set_state(ANN, MailboxState::Disabled).await;
    realm.does("unchanged 2").await;
    realm.fake.person("ann", json!({ "enabled": false }));
    realm.does("unchanged 2").await;
    realm.fake.person("ann", json!({ "enabled": true }));
    realm.does("unchanged 2").await;
    leave(&realm, "ann");
    realm.does("unchanged 1").await;
    realm.does("unchanged 1").await;
    realm.fake.people(|people| people.push(somebody("ann")));
    realm.does("unchanged 2").await;
    assert_eq!(realm.state(ANN).await, MailboxState::Disabled);

    // Switched on by hand against the provider's word, it stays on.
    realm.fake.person("bob", json!({ "enabled": false }));
    realm.does("withdrawn 1, unchanged 1").await;
    realm.set_state("bob@example.org", MailboxState::Active).await;
    realm.does("unchanged 2").await;
    assert_eq!(realm.state("bob@example.org").await, MailboxState::Active);
    // Switched on where nothing was against it, it follows on.
    realm.set_state(ANN, MailboxState::Active).await;
    realm.fake.person("ann", json!({ "enabled": false }));
    realm.does("withdrawn 1, unchanged 1").await;
}

/// An unbound mailbox whose person is disabled must not live on by its app
/// passwords.
#[tokio::test]
async fn a_mailbox_of_somebody_disabled_is_bound_and_switched_off() {
    let realm = Realm::start().await;
    realm.mailbox(ANN, corp()).await;
    realm.mailbox("bob@example.org", corp()).await;
    realm.fake.people(|people| people.extend([somebody("ann"), somebody("bob")]));
    realm.fake.person("ann", json!({ "enabled": false }));
    realm.does("updated 2, withdrawn 1").await;
    let ann = realm.get(ANN).await;
    assert_eq!((ann.state, ann.bound.clone()), (MailboxState::ReceiveOnly, Some(person("ann"))));
}

/// An account of ours that may not see people any more is no empty realm.
#[tokio::test]
async fn lost_rights_change_nothing() {
    for sees in [Sees::Nobody, Sees::Nothing] {
        let realm = with_people(&["ann", "bob"]).await;
        let before = realm.all().await;
        // Roles are in the token; a new provider has none yet.
        let realm = Realm { provider: provider(&realm.fake, |_| {}), ..realm };
        realm.fake.let_see(sees);
        for _ in 0..3 {
            let outcome = realm.run().await.run.outcome;
            assert!(
                matches!(&outcome, SyncOutcome::Failed(why) if why.contains("view-users")),
                "{outcome:?}"
            );
        }
        assert_eq!(realm.all().await, before);
    }
}

/// An id that cannot be asked for is nobody's absence.
#[tokio::test]
async fn only_a_clear_word_makes_somebody_missing() {
    for status in [403, 401, 500, 404, 302] {
        let realm = with_people(&["ann", "bob"]).await;
        leave(&realm, "ann");
        let path = format!("{USERS}/id-of-ann");
        realm.fake.behave(&path, Behaviour::status(status));
        let before = realm.all().await;
        let outcome = realm.run().await.run.outcome;
        assert!(matches!(outcome, SyncOutcome::Failed(_)), "{status}: {outcome:?}");
        assert_eq!(realm.all().await, before);
        realm.fake.heal();
        realm.does("missing 1, unchanged 1").await;
    }
}

#[tokio::test]
async fn too_many_leavers_at_once_are_none() {
    let mut realm = Realm::start().await;
    realm.fake.people(|people| people.extend(crowd(40)));
    realm.does("created 40").await;
    realm.set(|provider| provider.withdraw_limit = None);
    realm.fake.people(|people| {
        people.truncate(37);
        people[0]["enabled"] = json!(false);
        people[1]["enabled"] = json!(false);
    });
    let before = realm.all().await;
    for dry_run in [true, false] {
        let outcome = realm.run_by(Order { dry_run, ..Order::default() }).await.run.outcome;
        let SyncOutcome::Braked(why) = outcome else { panic!("{outcome:?}") };
        assert!(why.starts_with("5 of 40 mailboxes would be switched off (3 of"), "{why}");
    }
    assert_eq!(realm.all().await, before);
    // One less is 10 %.
    realm.fake.people(|people| people[1]["enabled"] = json!(true));
    realm.does("withdrawn 1, missing 3, unchanged 36").await;
    // And by word it is more.
    realm.fake.people(|people| people.truncate(10));
    assert!(matches!(realm.run().await.run.outcome, SyncOutcome::Braked(_)));
    let order = Order { withdraw_limit: Some(100), ..Order::default() };
    let progress = realm.run_by(order).await;
    assert_eq!(progress.run.outcome, SyncOutcome::Complete);
    assert_eq!(done(&progress), "withdrawn 3, missing 27, unchanged 10");
}
