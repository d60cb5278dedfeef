//! People whose address changes.

use dovegate::mailbox::provider::Renames;

use super::*;

const ANN: &str = "ann@example.org";
const ANNA: &str = "anna@example.org";

async fn with_ann(renames: Renames) -> Realm {
    let realm = Realm::with(|provider| provider.renames = renames).await;
    realm.fake.people(|people| people.push(somebody("ann")));
    realm.does("created 1").await;
    realm
}

fn call(realm: &Realm, email: &str) {
    realm.fake.person("ann", json!({ "email": email }));
}

/// mailcow makes a second mailbox.
#[tokio::test]
async fn a_rename_makes_no_second_mailbox() {
    let realm = with_ann(Renames::Report).await;
    call(&realm, ANNA);
    realm.plans_and_does("renamed 1, unchanged 1").await;
    let line = realm.line_of(ANN).await;
    assert!(line.detail.contains(ANNA), "{line:?}");
    assert_eq!(realm.all().await.len(), 1);
}

#[tokio::test]
async fn a_mailbox_follows_its_person() {
    let realm = with_ann(Renames::Follow).await;
    let before = realm.get(ANN).await;
    call(&realm, "Anna@Example.ORG");
    realm.plans_and_does("renamed 1").await;
    assert!(realm.find(ANN).await.is_none());
    let after = realm.get(ANNA).await;
    assert_eq!((after.id, &after.home, &after.bound), (before.id, &before.home, &before.bound));
    assert_eq!(realm.store.address_of(after.id).await.unwrap(), Some(address(ANNA)));
    assert_eq!(realm.store.mailboxes_of(&person("ann")).await.unwrap(), [address(ANNA)]);
    let used = realm.store.domain_use(&address(ANN).domain()).await.unwrap();
    assert_eq!((used.mailboxes, used.quota_bytes), (1, 1));
    realm.does("unchanged 1").await;
}

#[tokio::test]
async fn a_rename_needs_a_verified_free_address_of_the_domain() {
    let realm = with_ann(Renames::Follow).await;
    realm.mailbox("taken@example.org", AuthSource::Local).await;
    for (email, verified, cause) in [
        (ANNA, false, "rename_unverified"),
        ("taken@example.org", true, "rename_taken"),
        ("ann@example.com", true, "rename_domain"),
        ("ann@elsewhere.example", true, "rename_domain"),
    ] {
        realm.fake.person("ann", json!({ "email": email, "emailVerified": verified }));
        realm.plans_and_does(&format!("{cause} 1, unchanged 1")).await;
        assert_eq!(realm.get(ANN).await.bound, Some(person("ann")));
    }
    // Without any address she stays who she is.
    realm.fake.person("ann", json!({ "email": null }));
    realm.plans_and_does("unchanged 1").await;
}
