//! Limits of domains.

use super::*;

#[tokio::test]
async fn a_full_domain_takes_nobody_more() {
    let realm = Realm::start().await;
    realm.domain("small.example", Some("corp"), |domain| domain.max_mailboxes = Some(3)).await;
    realm.fake.people(|people| {
        people.extend(crowd(150));
        for person in people.iter_mut().step_by(15) {
            let email = person["email"].as_str().unwrap().replace("example.org", "small.example");
            person["email"] = json!(email);
        }
    });
    realm.plans_and_does("created 143, limit 7").await;
    let line = realm.lines().await.into_iter().find(|line| line.cause.is_some()).unwrap();
    assert!(line.detail.contains("max_mailboxes"), "{line:?}");
    realm.plans_and_does("limit 7, unchanged 143").await;
}

/// What fits is done, and what does not is said: each time, and written once.
#[tokio::test]
async fn a_quota_that_does_not_fit_stays_as_it_was() {
    let realm = Realm::start().await;
    realm
        .domain("small.example", Some("corp"), |domain| domain.total_quota = Quota { bytes: 12 })
        .await;
    realm.fake.people(|people| {
        people.extend([with_template("ann", &["staff"]), with_template("bob", &["staff"])]);
        for person in people {
            let email = person["email"].as_str().unwrap().replace("example.org", "small.example");
            person["email"] = json!(email);
        }
    });
    realm.plans_and_does("created 2").await;
    realm.fake.person("ann", json!({ "attributes": { "mailcow_template": ["boss"] } }));
    realm.plans_and_does("updated 1, limit 1, unchanged 1").await;
    let ann = realm.get("ann@small.example").await;
    assert_eq!(ann.quota, Some(Quota { bytes: 5 }));
    assert_eq!(ann.tags, ["paid", "gold"]);
    let line = realm.lines().await.pop().unwrap();
    assert!(line.detail.contains("total_quota"), "{line:?}");
    let before = realm.all().await;
    realm.plans_and_does("limit 1, unchanged 1").await;
    assert_eq!(realm.all().await, before, "nothing was written");
}
