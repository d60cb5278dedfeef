//! Pages of people that shift, are too large, or never come.

use super::*;
use crate::support::provider::{Behaviour, people::USERS};

async fn with_crowd(count: usize) -> Realm {
    let realm = Realm::start().await;
    realm.fake.people(|people| people.extend(crowd(count)));
    realm
}

#[tokio::test]
async fn every_page_is_read() {
    for count in [1, 99, 100, 101, 199, 200, 350] {
        let realm = with_crowd(count).await;
        realm.does(&format!("created {count}")).await;
        realm.does(&format!("unchanged {count}")).await;
    }
}

/// Those behind the gap move up into pages that were read already.
#[tokio::test]
async fn who_leaves_meanwhile_hides_nobody() {
    for gone in [1, 50, 100, 180] {
        let realm = with_crowd(500).await;
        realm.fake.people_after(2, move |people| drop(people.drain(..gone)));
        let progress = realm.run().await;
        assert_eq!(progress.run.outcome, SyncOutcome::Complete);
        // All who stayed are there, and those who were read before they left.
        for number in gone..500 {
            assert!(realm.find(&format!("p{number:05}@example.org")).await.is_some(), "{number}");
        }
        // Those were listed, and so are missing only from the next run on.
        let read = realm.all().await.len() - (500 - gone);
        realm.does(&missing_and_unchanged(read, 500 - gone)).await;
    }
}

fn missing_and_unchanged(missing: usize, unchanged: usize) -> String {
    let missing = if missing > 0 { format!("missing {missing}, ") } else { String::new() };
    format!("{missing}unchanged {unchanged}")
}

/// Those behind move down, and are listed twice.
#[tokio::test]
async fn who_comes_meanwhile_doubles_nobody() {
    let realm = with_crowd(300).await;
    realm.fake.people_after(1, |people| {
        let new: Vec<_> = (0..120).map(|number| somebody(&format!("a{number:03}"))).collect();
        people.splice(0..0, new);
    });
    let progress = realm.run().await;
    assert_eq!(progress.run.outcome, SyncOutcome::Complete);
    let made = realm.all().await.len() as u64;
    assert!((300..=420).contains(&made));
    assert_eq!((progress.run.counts.people, progress.run.counts.unchanged), (made, 0));
}

/// Whoever changes his place in the list himself may be on no page.
#[tokio::test]
async fn who_is_on_no_page_is_asked_for_by_his_id() {
    let realm = with_crowd(250).await;
    realm.does("created 250").await;
    realm.fake.people_after(1, |people| {
        // From the end to the beginning, which was read already.
        let last = people.pop().unwrap();
        people.insert(0, last);
    });
    realm.does("unchanged 249").await;
    assert_eq!(realm.fake.count(&format!("{USERS}/id-of-p00249")), 1);
    realm.does("unchanged 250").await;
}

/// Pages are made smaller until they can be read.
#[tokio::test]
async fn large_people_are_read_in_small_pages() {
    let realm = with_crowd(120).await;
    realm.fake.people(|people| {
        for person in people.iter_mut().take(30) {
            person["attributes"] = json!({ "photo": ["x".repeat(200_000)] });
        }
    });
    realm.does("created 120").await;
    // One that is larger than any page stops the run, and hides nobody behind him.
    realm.fake.people(|people| {
        people[3]["attributes"] = json!({ "photo": ["x".repeat(5_000_000)] });
    });
    let before = realm.all().await;
    let outcome = realm.run().await.run.outcome;
    assert!(
        matches!(&outcome, SyncOutcome::Failed(why) if why.contains("too large")),
        "{outcome:?}"
    );
    assert_eq!(realm.all().await, before);
}

#[tokio::test]
async fn what_is_no_list_of_people_stops_the_run() {
    for body in [
        json!({}),
        json!([1]),
        json!([{ "id": 1, "enabled": true }]),
        json!([{ "enabled": true }]),
        json!([{ "id": "", "enabled": true }]),
        json!([{ "id": "1" }]),
        json!([{ "id": "1", "enabled": "yes" }]),
        json!([{ "id": "1", "enabled": true, "email": 1 }]),
        json!([{ "id": "1", "enabled": true, "attributes": { "mailcow_template": "staff" } }]),
    ] {
        let realm = with_crowd(3).await;
        realm.does("created 3").await;
        let before = realm.all().await;
        realm.fake.behave(USERS, Behaviour::json(&body));
        let outcome = realm.run().await.run.outcome;
        assert!(matches!(outcome, SyncOutcome::Failed(_)), "{body}: {outcome:?}");
        assert_eq!(realm.all().await, before, "{body}");
    }
}

#[tokio::test]
async fn a_run_that_is_broken_off_says_so() {
    let realm = with_crowd(300).await;
    realm.fake.people_after(2, |_| std::thread::sleep(Duration::from_millis(300)));
    realm.syncs.start(realm.work(), Order::default()).await.unwrap();
    let name = realm.provider.settings().name.clone();
    while realm.syncs.progress(&name).unwrap().run.counts.people == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let again = realm.syncs.start(realm.work(), Order::default()).await;
    assert!(again.unwrap_err().to_string().contains("under way already"));
    assert!(realm.syncs.stop(&name));
    let run = realm.end().await.run;
    assert!(!realm.syncs.stop(&name));
    assert_eq!(run.outcome, SyncOutcome::Cancelled);
    assert_eq!(realm.store.sync_runs(&name).await.unwrap(), std::slice::from_ref(&run));
    let made = realm.all().await.len();
    assert!((100..300).contains(&made), "{made}");
    assert_eq!((run.lines, run.counts.done.values().sum()), (made as u64, made as u64));
    realm.does(&format!("created {}, unchanged {made}", 300 - made)).await;
    realm.syncs.end().await;
}

/// What is kept of runs is bounded.
#[tokio::test]
async fn old_runs_are_forgotten() {
    let realm = with_crowd(2).await;
    for _ in 0..25 {
        realm.run().await;
    }
    let name = &realm.provider.settings().name;
    let runs = realm.store.sync_runs(name).await.unwrap();
    let numbers: Vec<u64> = runs.iter().map(|run| run.number).collect();
    // The first, which changed something, is worth more than those that did not.
    assert_eq!(numbers, [1].into_iter().chain(6..=25).collect::<Vec<_>>());
    assert_eq!(realm.store.sync_lines(name, 1, 0, 10).await.unwrap().len(), 2);
}
