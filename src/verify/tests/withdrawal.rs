//! Who may not go on any more, and who hears of it.

use std::pin::Pin;

use futures_util::{FutureExt as _, future::join};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{keycloak::FakeKeycloak, provider::later, *};
use crate::{
    idp::{Happened, Happening, Polled},
    mailbox::{Binding, OwnerState},
    verify::owners::Wanted,
};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const ID: &str = "id of ann@example.org";

/// Ann has two mailboxes, both bound, and a phone; withdrawals are followed up.
async fn with_two() -> (Rig, FakeKeycloak, String) {
    let (rig, corp) = Rig::with_keycloak().await;
    rig.add(BOB, None).await;
    for user in [ANN, BOB] {
        rig.belongs(user, "corp").await;
        let bound = Binding { provider: "corp".parse().unwrap(), subject: ID.to_owned() };
        let bound = Some(Some(bound));
        rig.change(user, MailboxChange { bound, ..MailboxChange::default() }).await;
    }
    let phone = rig.app_password(ANN, 1, |_| ()).await;
    rig.pipeline.withdrawals().follow(true);
    (rig, corp, phone)
}

fn said(what: Happening) -> Polled {
    let happened = vec![Happened { subject: ID.to_owned(), what }];
    Polled { happened, ..Polled::default() }
}

impl Rig {
    async fn hears(&self, polled: Polled) {
        self.pipeline.follow(&self.connected("corp"), polled, NOW).await;
    }

    /// Everybody who waits, with why.
    fn withdrawn(&self) -> Vec<(String, &'static str)> {
        let withdrawals = self.pipeline.withdrawals();
        let next = || withdrawals.next().now_or_never();
        let mut all: Vec<_> =
            std::iter::from_fn(next).map(|one| (one.address.to_string(), one.why.name())).collect();
        all.sort();
        all
    }

    /// Watches as the server does, while `work` goes on.
    async fn watching(&self, work: Pin<Box<dyn Future<Output = ()> + '_>>) {
        let stop = CancellationToken::new();
        let work = async {
            work.await;
            stop.cancel();
        };
        join(self.pipeline.watch(stop.clone()), work).await;
    }

    async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..2000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {what}");
    }
}

#[tokio::test]
async fn what_happened_counts_before_anybody_looks() {
    let (rig, corp, phone) = with_two().await;
    rig.check(password(ANN, "wonderland"), "ok").await;
    rig.check(password(ANN, &phone), "ok").await;
    corp.has(ANN, json!({ "enabled": false }));
    rig.hears(said(Happening::Changed)).await;
    assert_eq!(rig.connected("corp").owners.next_wanted(), Some((ID.to_owned(), Wanted::Changed)));
    rig.check(later(1, password(ANN, "wonderland")), "disabled_at_provider").await;
    rig.check(later(1, password(ANN, &phone)), "owner_disabled").await;
}

#[tokio::test]
async fn each_kind_of_event_has_its_own_consequences() {
    let (rig, corp, phone) = with_two().await;
    let ask = async || {
        rig.check(password(ANN, "wonderland"), "ok").await;
        rig.check(password(ANN, &phone), "ok").await;
        let asked = (corp.look_ups(), corp.by_id());
        (asked, rig.connected("corp").owners.next_wanted().is_some())
    };
    assert_eq!(ask().await, ((1, 0), false));
    // A sign-out is about tokens and nothing else.
    rig.hears(said(Happening::SignedOut)).await;
    rig.hears(Polled { everybody_signed_out: true, ..Polled::default() }).await;
    rig.hears(Polled { sessions: vec!["s".to_owned()], ..Polled::default() }).await;
    rig.hears(Polled::default()).await;
    assert_eq!(ask().await, ((1, 0), false));
    rig.hears(said(Happening::Created)).await;
    assert_eq!(ask().await, ((2, 0), false));
    rig.hears(said(Happening::Changed)).await;
    assert_eq!(ask().await, ((3, 0), true));
    rig.hears(said(Happening::Deleted)).await;
    assert_eq!(ask().await, ((4, 0), true));
    rig.hears(Polled { missed: true, ..Polled::default() }).await;
    assert_eq!(ask().await, ((5, 0), false));
    // Whoever has no mailbox here is not asked about.
    let other = Happened { subject: "other".to_owned(), what: Happening::Changed };
    rig.hears(Polled { happened: vec![other], ..Polled::default() }).await;
    assert_eq!(ask().await, ((5, 0), false));
}

#[tokio::test]
async fn who_is_disabled_or_deleted_is_withdrawn_from_all_his_mailboxes() {
    let (rig, corp, _) = with_two().await;
    let both = |why| vec![(ANN.to_owned(), why), (BOB.to_owned(), why)];
    rig.watching(Box::pin(async {
        corp.has(ANN, json!({ "enabled": false }));
        rig.hears(said(Happening::Changed)).await;
        let withdrawals = rig.pipeline.withdrawals();
        rig.until("both wait", || withdrawals.figures().waiting == 2).await;
        assert_eq!(rig.withdrawn(), both("owner_disabled"));
        // Disabled once more, gone, back, gone: the last is news.
        corp.has(ANN, json!({ "display": "x" }));
        rig.hears(said(Happening::Changed)).await;
        rig.until("asked", || corp.by_id() == 2).await;
        corp.has(ANN, json!({ "enabled": true }));
        rig.hears(said(Happening::Changed)).await;
        let owners = &rig.connected("corp").owners;
        let state = || owners.known(ID).map(|known| known.state);
        rig.until("enabled", || state() == Some(OwnerState::Enabled)).await;
        assert_eq!(rig.withdrawn(), []);
        corp.loses(ANN);
        corp.has("joann@example.org", json!({}));
        rig.hears(said(Happening::Deleted)).await;
        rig.until("both wait", || withdrawals.figures().waiting == 2).await;
        assert_eq!(rig.withdrawn(), both("owner_gone"));
        assert_eq!(withdrawals.figures().withdrawn, 4);
    }))
    .await;
}

/// Also by what a login finds out.
#[tokio::test]
async fn a_login_that_finds_out_withdraws() {
    let (rig, corp, _) = with_two().await;
    rig.watching(Box::pin(async {
        rig.check(password(ANN, "wonderland"), "ok").await;
        corp.has(ANN, json!({ "enabled": false }));
        rig.check(later(60, password(ANN, "wonderland")), "disabled_at_provider").await;
        let withdrawals = rig.pipeline.withdrawals();
        rig.until("both wait", || withdrawals.figures().waiting == 2).await;
    }))
    .await;
}

/// A provider that is down when something happens is asked until it answers, and
/// not without a pause.
#[tokio::test]
async fn what_happened_is_found_out_however_long_it_takes() {
    let (rig, corp, _) = with_two().await;
    rig.watching(Box::pin(async {
        corp.says(Some(503));
        corp.has(ANN, json!({ "enabled": false }));
        rig.hears(said(Happening::Changed)).await;
        rig.until("asked", || corp.by_id() > 0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(corp.by_id(), 1);
        corp.says(None);
        let withdrawals = rig.pipeline.withdrawals();
        rig.until("both wait", || withdrawals.figures().waiting == 2).await;
        assert_eq!(corp.by_id(), 2);
    }))
    .await;
}

/// Nor does it get lost by other settings.
#[tokio::test]
async fn what_happened_is_found_out_over_a_reload() {
    let (rig, corp, phone) = with_two().await;
    rig.check(password(ANN, &phone), "ok").await;
    corp.says(Some(503));
    corp.has(ANN, json!({ "enabled": false }));
    rig.hears(said(Happening::Changed)).await;
    let mut other = corp.named("corp");
    other.provider.recheck_interval = Some("1s".parse().unwrap());
    rig.connect(other).await;
    let answer = rig.decide(password(ANN, &phone)).await.verdict;
    assert!(matches!(answer, Verdict::Unavailable(_)), "an old word counts: {answer:?}");
    corp.says(None);
    rig.watching(Box::pin(async {
        let withdrawals = rig.pipeline.withdrawals();
        rig.until("both wait", || withdrawals.figures().waiting == 2).await;
    }))
    .await;
}

#[tokio::test]
async fn what_ages_is_asked_about_beside_the_logins() {
    let (rig, corp, phone) = with_two().await;
    rig.check(password(ANN, &phone), "ok").await;
    let asked = corp.by_id();
    rig.watching(Box::pin(async {
        rig.check(later(700, password(ANN, &phone)), "ok").await;
        rig.until("asked", || corp.by_id() == asked + 1).await;
    }))
    .await;
}

#[tokio::test]
async fn providers_that_come_and_go_are_watched() {
    let (rig, corp, _) = with_two().await;
    rig.watching(Box::pin(async {
        for _ in 0..2 {
            let asked = corp.by_id();
            rig.connected("corp").owners.want(ID, Wanted::Ages);
            rig.until("asked", || corp.by_id() > asked).await;
            // Other settings make another one.
            let mut other = corp.named("corp");
            other.provider.recheck_interval = Some("1s".parse().unwrap());
            let old = rig.connected("corp");
            rig.connect(other).await;
            let asked = corp.by_id();
            rig.connected("corp").owners.want(ID, Wanted::Ages);
            rig.until("asked", || corp.by_id() > asked).await;
            old.owners.want(ID, Wanted::Ages);
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(old.owners.next_wanted().is_some(), "nobody watches it any more");
            rig.connect(corp.named("corp")).await;
        }
    }))
    .await;
}

#[tokio::test]
async fn an_address_waits_once_and_a_thousand_at_most() {
    let (rig, _corp, _) = with_two().await;
    let withdrawals = rig.pipeline.withdrawals();
    for _ in 0..3 {
        rig.pipeline.withdraw(&address(ANN), WithdrawnFor::MailboxDisabled);
    }
    assert_eq!(withdrawals.figures().waiting, 1);
    assert_eq!(rig.withdrawn(), [(ANN.to_owned(), "mailbox_disabled")]);
    for number in 0..10_000 {
        let address = address(&format!("u{number}@example.org"));
        rig.pipeline.withdraw(&address, WithdrawnFor::MailboxRemoved);
    }
    let figures = withdrawals.figures();
    assert_eq!((figures.waiting, figures.dropped, figures.withdrawn), (1_000, 9_000, 10_003));
    assert_eq!(rig.withdrawn().len(), 1_000);
    // Nobody follows up: nobody waits.
    withdrawals.follow(false);
    rig.pipeline.withdraw(&address(ANN), WithdrawnFor::MailboxDisabled);
    assert_eq!(withdrawals.figures().waiting, 0);
}

/// A domain larger than the line, of which nothing is dropped.
#[tokio::test]
async fn a_domain_is_withdrawn_as_there_is_room() {
    let (rig, _corp, _) = with_two().await;
    for number in 0..1_500 {
        rig.add(&format!("u{number:04}@example.org"), None).await;
    }
    let state = Some((MailboxState::ReceiveOnly, SetBy::Administrator));
    rig.change(BOB, MailboxChange { state, ..MailboxChange::default() }).await;
    let domain = DomainName::parse("example.org").unwrap();
    let switch = async |active| {
        let change = DomainChange { active: Some(active), ..DomainChange::default() };
        rig.store.update_domain(&domain, change, NOW).await.unwrap();
    };
    let withdrawals = rig.pipeline.withdrawals();
    rig.watching(Box::pin(async {
        switch(false).await;
        rig.pipeline.withdraw_domain(&domain);
        let mut all = std::collections::BTreeSet::new();
        while all.len() < 1_501 {
            let next = withdrawals.next().await;
            assert_eq!(next.why, WithdrawnFor::DomainDisabled);
            assert!(all.insert(next.address.to_string()), "twice: {}", next.address);
        }
        assert!(!all.contains(BOB), "he could not log in before");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let figures = withdrawals.figures();
        assert_eq!((figures.waiting, figures.dropped), (0, 0));
        // Switched on again while the line is full.
        rig.pipeline.withdraw_domain(&domain);
        rig.until("the line is full", || withdrawals.figures().waiting > 900).await;
        switch(true).await;
        let rest = rig.withdrawn().len();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(rest + rig.withdrawn().len() < 1_300);
    }))
    .await;
}

/// More people than may wait, switched off at one stroke: all are followed up.
#[tokio::test]
async fn a_whole_staff_is_withdrawn_as_there_is_room() {
    const STAFF: usize = 1_300;
    let (rig, _corp, _) = with_two().await;
    let owners = &rig.connected("corp").owners;
    for number in 0..STAFF {
        let user = format!("u{number:04}@example.org");
        rig.add(&user, None).await;
        let bound = Binding { provider: "corp".parse().unwrap(), subject: user.clone() };
        let bound = Some(Some(bound));
        rig.change(&user, MailboxChange { bound, ..MailboxChange::default() }).await;
        owners.learn(&user, OwnerState::Disabled, NOW, owners.question());
    }
    let withdrawals = rig.pipeline.withdrawals();
    rig.watching(Box::pin(async {
        for _ in 0..STAFF {
            withdrawals.next().await;
        }
        let figures = withdrawals.figures();
        assert_eq!((figures.withdrawn, figures.dropped), (STAFF as u64, 0));
    }))
    .await;
}
