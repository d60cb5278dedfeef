//! `explain`: the same way, told and without effects.

use std::fmt::Write as _;

use super::*;
use crate::verify::trace::Outcome;

fn told(trace: &Trace) -> Vec<(&str, Outcome)> {
    trace.steps.iter().map(|step| (step.name, step.outcome)).collect()
}

#[tokio::test]
async fn tells_each_check_in_order() {
    let rig = Rig::new().await;
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    let (decision, trace) = rig.pipeline.explain(password("Ann@example.org", "wonderland")).await;
    assert_eq!(word(&decision.verdict), "ok");
    assert_eq!(
        told(&trace),
        [
            ("name", Outcome::Ok),
            ("held back", Outcome::Ok),
            ("mailbox", Outcome::Ok),
            ("app password", Outcome::NotApplicable),
            ("services", Outcome::Ok),
            ("auth source", Outcome::Ok),
            ("password", Outcome::Ok),
        ]
    );
    assert_eq!(trace.sentence, "ann@example.org logs in with the main password.");
    let json = serde_json::to_value(&trace).unwrap();
    assert_eq!(json["steps"][0]["detail"], "ann@example.org");
    assert_eq!(json["steps"][3]["outcome"], "not_applicable");
    let (_, trace) = rig.pipeline.explain(password("ann@example.org", &phone)).await;
    assert_eq!(told(&trace).last(), Some(&("app password", Outcome::Ok)));
    let (_, trace) = rig.pipeline.explain(password("bob@example.org", "x")).await;
    assert_eq!(told(&trace).last(), Some(&("mailbox", Outcome::Refused)));
    assert!(trace.sentence.contains("dovegate mailbox add bob@example.org"), "{}", trace.sentence);
}

#[tokio::test]
async fn has_no_effect() {
    let rig = Rig::new().await;
    for number in 0..50 {
        let (decision, _) =
            rig.pipeline.explain(password("ann@example.org", &format!("guess {number}"))).await;
        assert_eq!(word(&decision.verdict), "wrong_password");
    }
    rig.pipeline.explain(password("ann@example.org", "wonderland")).await;
    rig.pipeline.maintain(NOW).await.unwrap();
    assert!(rig.store.uses(&UseFilter::default(), 10).await.unwrap().is_empty());
    assert!(rig.store.penalties().await.unwrap().is_empty());
    for cache in rig.pipeline.cache_status() {
        let counted = cache.entries + cache.bytes + cache.hits + cache.misses + cache.stale;
        assert_eq!(counted, 0, "{cache:?}");
    }
}

#[tokio::test]
async fn goes_as_far_as_it_can_without_a_password() {
    let rig = Rig::new().await;
    let explain = |protocol: &'static str| {
        rig.pipeline.explain_without_password(b"ann@example.org", protocol, None, NOW)
    };
    let (verdict, trace) = explain("imap").await;
    assert!(verdict.is_none());
    assert!(trace.sentence.starts_with("Nothing is in the way"), "{}", trace.sentence);
    let services = Some([Service::Smtp].into_iter().collect());
    rig.change("ann@example.org", MailboxChange { services, ..MailboxChange::default() }).await;
    let (verdict, trace) = explain("imap").await;
    assert_eq!(word(&verdict.unwrap()), "service_not_allowed");
    assert_eq!(told(&trace).last(), Some(&("services", Outcome::Refused)));
    assert!(explain("smtp").await.1.sentence.starts_with("Nothing is in the way"));
}

#[tokio::test]
async fn tells_who_is_held_back() {
    let rig = Rig::new().await;
    for number in 0..10 {
        rig.decide(password("ann@example.org", &format!("guess {number}"))).await;
    }
    let (decision, trace) = rig.pipeline.explain(password("ann@example.org", "wonderland")).await;
    assert_eq!(word(&decision.verdict), "held_back");
    let step = trace.steps.last().unwrap();
    assert_eq!((step.name, step.outcome), ("held back", Outcome::Refused));
    assert!(
        step.detail.starts_with("the main password, after 10 guesses, until 2027-"),
        "{}",
        step.detail
    );
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    let (decision, trace) = rig.pipeline.explain(password("ann@example.org", &phone)).await;
    assert_eq!(word(&decision.verdict), "ok");
    assert!(trace.steps.iter().all(|step| step.outcome != Outcome::Refused));
    let (_, trace) =
        rig.pipeline.explain_without_password(b"ann@example.org", "imap", None, NOW).await;
    assert!(trace.sentence.contains("dovegate held-back lift"), "{}", trace.sentence);
}

/// Nothing that can be logged or shown has the password in it.
#[tokio::test]
async fn shows_no_password() {
    let rig = Rig::new().await;
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    let secrets = ["wonderland", "looking glass", &phone[5..], "sesame"];
    rig.add("plain@example.org", Some("{PLAIN}sesame".to_owned())).await;
    for (user, word) in [
        ("ann@example.org", "wonderland"),
        ("ann@example.org", "looking glass"),
        ("ann@example.org", phone.as_str()),
        ("plain@example.org", "sesame"),
        ("nobody@example.org", "wonderland"),
        ("", "wonderland"),
    ] {
        let attempt = password(user, word);
        let mut shown = format!("{attempt:?}");
        let (decision, trace) = rig.pipeline.explain(attempt).await;
        shown += &serde_json::to_string(&trace).unwrap();
        write!(shown, "{decision:?}").unwrap();
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }
}
