//! In whose turn a provider is asked.

use super::*;

fn start(rig: &Rig, attempt: Attempt) -> tokio::task::JoinHandle<Decision> {
    let pipeline = Arc::clone(&rig.pipeline);
    tokio::spawn(async move { pipeline.decide(attempt).await })
}

/// A network asks no more at a time than it may guess.
#[tokio::test]
async fn a_networks_requests_pass_its_gate() {
    let tight = Settings {
        abuse: penalty::Settings { network_limit: 2, ..penalty::Settings::default() },
        ..settings()
    };
    let rig = Rig::with(tight).await;
    let corp = FakeProvider::start().await;
    rig.connect(corp.named("corp")).await;
    rig.speaks("corp", "example.org").await;
    rig.belongs("ann@example.org", "corp").await;
    corp.gives("anns", "ann@example.org", json!({}));
    corp.holds(true);
    let flood = (0..6).map(|number| {
        let attempt = bearer("ann@example.org", &format!("token{number}"));
        let pipeline = Arc::clone(&rig.pipeline);
        tokio::spawn(async move { pipeline.decide(attempt).await })
    });
    let flood: Vec<_> = flood.collect();
    corp.asked(2).await;
    let elsewhere = {
        let (pipeline, attempt) = (Arc::clone(&rig.pipeline), from("198.51.100.1", anns()));
        tokio::spawn(async move { pipeline.decide(attempt).await })
    };
    corp.asked(3).await;
    assert_eq!(corp.requests(), 3);
    corp.holds(false);
    assert_eq!(word(&elsewhere.await.unwrap().verdict), "ok");
    for one in flood {
        assert_eq!(word(&one.await.unwrap().verdict), "token_inactive");
    }
}

/// Whoever knows the name of a mailbox, and has a thousand networks to come
/// from, does not take the provider from others.
#[tokio::test]
async fn one_mailbox_takes_a_part_of_the_places() {
    let (rig, corp) = ann().await;
    rig.add("bob@example.org", None).await;
    rig.belongs("bob@example.org", "corp").await;
    corp.gives("bobs", "bob@example.org", json!({}));
    corp.holds(true);
    let flood: Vec<_> = (0..40)
        .map(|number| {
            let attempt = bearer("ann@example.org", &format!("token{number}"));
            start(&rig, from(&format!("198.51.100.{number}"), attempt))
        })
        .collect();
    corp.asked(8).await;
    let bob = start(&rig, from("203.0.113.1", bearer("bob@example.org", "bobs")));
    corp.asked(9).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(corp.requests(), 9);
    corp.holds(false);
    assert_eq!(word(&bob.await.unwrap().verdict), "ok");
    for one in flood {
        assert_eq!(word(&one.await.unwrap().verdict), "token_inactive");
    }
}

/// The turns at a provider are its own.
#[tokio::test]
async fn a_hanging_provider_holds_up_no_password_from_the_same_network() {
    let tight = Settings {
        abuse: penalty::Settings { network_limit: 1, ..penalty::Settings::default() },
        ..settings()
    };
    let rig = Rig::with(tight).await;
    rig.add("bob@example.org", Some(bcrypt("looking glass"))).await;
    let corp = FakeProvider::start().await;
    rig.connect(corp.named("corp")).await;
    rig.speaks("corp", "example.org").await;
    rig.belongs("ann@example.org", "corp").await;
    corp.gives("anns", "ann@example.org", json!({}));
    corp.holds(true);
    let hanging = start(&rig, anns());
    corp.asked(1).await;
    rig.check(password("bob@example.org", "looking glass"), "ok").await;
    corp.holds(false);
    assert_eq!(word(&hanging.await.unwrap().verdict), "ok");
}

/// A flood of one's own does not keep a token good that may be revoked by now.
#[tokio::test]
async fn without_a_turn_no_old_answer_counts() {
    let impatient = Settings { hash_wait: Duration::from_millis(50), ..settings() };
    let rig = Rig::with(impatient).await;
    let corp = FakeProvider::start().await;
    rig.connect(corp.named("corp")).await;
    rig.speaks("corp", "example.org").await;
    rig.belongs("ann@example.org", "corp").await;
    corp.gives("anns", "ann@example.org", json!({}));
    rig.check(anns(), "ok").await;
    corp.holds(true);
    let flood: Vec<_> = (0..8)
        .map(|number| start(&rig, bearer("ann@example.org", &format!("token{number}"))))
        .collect();
    corp.asked(9).await;
    let detail = rig.refuses(later(60, anns()), "provider_busy").await;
    assert!(detail.contains("too many tokens"), "{detail}");
    corp.holds(false);
    for one in flood {
        one.await.unwrap();
    }
}

/// Who waited for the turn while the provider's settings changed is let in by
/// the new ones alone.
#[tokio::test]
async fn settings_that_change_while_somebody_waits_for_the_turn() {
    let tight = Settings {
        abuse: penalty::Settings { network_limit: 1, ..penalty::Settings::default() },
        ..settings()
    };
    let rig = Rig::with(tight).await;
    let corp = FakeProvider::start().await;
    rig.connect(corp.named("corp")).await;
    rig.speaks("corp", "example.org").await;
    rig.belongs("ann@example.org", "corp").await;
    corp.gives("anns", "ann@example.org", json!({}));
    corp.holds(true);
    let first = start(&rig, bearer("ann@example.org", "another"));
    corp.asked(1).await;
    let second = start(&rig, anns());
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut stricter = corp.named("corp");
    stricter.provider.clients = vec!["roundcube".to_owned()];
    rig.connect(stricter).await;
    corp.holds(false);
    assert_eq!(word(&first.await.unwrap().verdict), "token_inactive");
    assert_eq!(word(&second.await.unwrap().verdict), "purged");
    rig.check(anns(), "token_client").await;
}
