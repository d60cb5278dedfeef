//! Answers that are kept: how long, for whom, and what ends them.

use futures_util::{FutureExt as _, future::join_all};

use super::*;

/// Seconds after the epoch, `after` seconds from now.
fn end(after: u64) -> serde_json::Value {
    json!(NOW.seconds() + after)
}

#[tokio::test]
async fn a_fresh_answer_is_not_asked_for_again() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    let warm = verified(rig.check(later(53, anns()), "ok").await);
    assert!(warm.cached() && !warm.stale());
    assert_eq!(corp.requests(), 1);
    // Whoever shows it: it goes by the token.
    rig.check(from("198.51.100.1", over("smtp", anns())), "ok").await;
    assert_eq!(corp.requests(), 1);
    let cold = verified(rig.check(later(60, anns()), "ok").await);
    assert!(!cold.cached());
    assert_eq!(corp.requests(), 2);
    let tokens = rig.cache("tokens");
    assert_eq!((tokens.entries, tokens.hits, tokens.misses, tokens.stale), (1, 2, 2, 0));
    let uses = rig.store.uses(&UseFilter::default(), 10).await.unwrap();
    assert_eq!(uses.iter().map(|row| row.count).sum::<u64>(), 4);
    assert!(uses.iter().all(|row| row.outcome == "ok"), "{uses:?}");
}

/// The server writes it without waiting for anything.
#[tokio::test]
async fn a_warm_login_is_answered_at_once() {
    let (rig, _corp) = ann().await;
    rig.check(anns(), "ok").await;
    let decision = rig.pipeline.decide(anns()).now_or_never().expect("ready at once");
    assert_eq!(word(&decision.verdict), "ok");
}

#[tokio::test]
async fn no_answer_is_fresh_past_the_tokens_end() {
    let (rig, corp) = ann().await;
    corp.gives("anns", "ann@example.org", json!({ "exp": end(20) }));
    rig.check(anns(), "ok").await;
    rig.check(later(17, anns()), "ok").await;
    assert_eq!(corp.requests(), 1);
    corp.revokes("anns");
    rig.check(later(20, anns()), "token_inactive").await;
    assert_eq!(corp.requests(), 2);
}

#[tokio::test]
async fn revocation_shows_after_the_cache_time() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    corp.revokes("anns");
    rig.check(later(53, anns()), "ok").await;
    rig.check(later(61, anns()), "token_inactive").await;
    let mut strict = corp.named("corp");
    strict.provider.token_cache = Some(crate::clock::Span::seconds(0));
    rig.connect(strict).await;
    corp.gives("anns", "ann@example.org", json!({}));
    let before = corp.requests();
    rig.check(anns(), "ok").await;
    rig.check(anns(), "ok").await;
    assert_eq!(corp.requests(), before + 2);
}

#[tokio::test]
async fn a_refusal_is_kept_as_long() {
    let (rig, corp) = ann().await;
    let attempt = || bearer("ann@example.org", "later-good");
    rig.check(attempt(), "token_inactive").await;
    corp.gives("later-good", "ann@example.org", json!({}));
    let detail = rig.refuses(later(59, attempt()), "token_inactive").await;
    assert!(detail.len() > "corp: ".len(), "{detail}");
    assert_eq!(corp.requests(), 1);
    rig.check(later(60, attempt()), "ok").await;
    rig.check(later(61, attempt()), "ok").await;
    assert_eq!(corp.requests(), 2);
}

/// A token is kept by what it is, not by who shows it.
#[tokio::test]
async fn a_kept_answer_opens_its_users_mailbox_alone() {
    let (rig, corp) = ann().await;
    rig.add("bob@example.org", None).await;
    rig.belongs("bob@example.org", "corp").await;
    corp.gives("bobs", "bob@example.org", json!({}));
    rig.check(bearer("bob@example.org", "bobs"), "ok").await;
    rig.check(anns(), "ok").await;
    rig.check(bearer("bob@example.org", "anns"), "token_user").await;
    assert_eq!(corp.requests(), 2);
    let state = Some((MailboxState::Disabled, SetBy::Administrator));
    rig.change("ann@example.org", MailboxChange { state, ..MailboxChange::default() }).await;
    rig.check(anns(), "mailbox_disabled").await;
}

#[tokio::test]
async fn while_the_provider_is_down_a_good_token_counts_until_its_end() {
    let (rig, corp) = ann().await;
    corp.gives("anns", "ann@example.org", json!({ "exp": end(3600) }));
    rig.check(anns(), "ok").await;
    corp.is_down(true);
    let stale = verified(rig.check(later(3599, anns()), "ok").await);
    assert!(stale.stale() && !stale.cached());
    rig.check(later(3600, anns()), "provider_status").await;
    // Others hear that it is our fault.
    let detail = rig.refuses(bearer("ann@example.org", "unseen"), "provider_status").await;
    assert!(detail.starts_with("corp: ") && detail.len() > 6, "{detail}");
    let (decision, trace) = rig.pipeline.explain(later(61, anns())).await;
    assert_eq!(word(&decision.verdict), "ok");
    assert!(trace.steps.iter().any(|step| step.detail.contains("still counts")), "{trace:?}");
}

#[tokio::test]
async fn without_a_known_end_it_counts_for_ten_minutes() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    corp.is_down(true);
    rig.check(later(599, anns()), "ok").await;
    rig.check(later(600, anns()), "provider_status").await;
}

#[tokio::test]
async fn no_end_is_far_enough_for_more_than_twelve_hours() {
    let (rig, corp) = ann().await;
    corp.gives("anns", "ann@example.org", json!({ "exp": end(30 * 86_400) }));
    rig.check(anns(), "ok").await;
    corp.is_down(true);
    rig.check(later(12 * 3600 - 1, anns()), "ok").await;
    rig.check(later(12 * 3600, anns()), "provider_status").await;
}

#[tokio::test]
async fn a_token_that_was_refused_never_counts_again() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    corp.revokes("anns");
    rig.check(later(60, anns()), "token_inactive").await;
    corp.is_down(true);
    rig.check(later(119, anns()), "token_inactive").await;
    rig.check(later(120, anns()), "provider_status").await;
}

/// The provider comes back, and nothing has to be restarted.
#[tokio::test]
async fn a_provider_that_comes_back_is_asked_again() {
    let (rig, corp) = ann().await;
    corp.is_down(true);
    rig.check(anns(), "provider_status").await;
    corp.is_down(false);
    rig.check(anns(), "ok").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_logins_at_once_ask_once() {
    let (rig, corp) = ann().await;
    corp.holds(true);
    let logins = (0..20).map(|_| {
        let pipeline = Arc::clone(&rig.pipeline);
        tokio::spawn(async move { pipeline.decide(anns()).await })
    });
    let logins: Vec<_> = logins.collect();
    corp.asked(1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    corp.holds(false);
    for login in join_all(logins).await {
        assert_eq!(word(&login.unwrap().verdict), "ok");
    }
    assert_eq!(corp.requests(), 1);
}

/// Decides, and does `during` each time when the provider is being asked.
async fn while_asked(
    rig: &Rig,
    corp: &FakeProvider,
    attempt: Attempt,
    during: impl IntoIterator<Item = impl Future<Output = ()>>,
) -> &'static str {
    let begun = corp.requests();
    let meddle = async {
        for (number, one) in during.into_iter().enumerate() {
            corp.asked(begun + number + 1).await;
            one.await;
            // Lets what is there go out, and holds what is asked next.
            corp.holds(true);
        }
        corp.holds(false);
    };
    corp.holds(true);
    let (decision, ()) = tokio::join!(Box::pin(rig.decide(attempt)), meddle);
    word(&decision.verdict)
}

#[tokio::test]
async fn an_answer_from_before_a_purge_is_asked_for_again_once() {
    let (rig, corp) = ann().await;
    let purge = async || {
        rig.pipeline.flush_cache(&["ann@*".to_owned()]);
        corp.revokes("anns");
    };
    assert_eq!(while_asked(&rig, &corp, anns(), [purge()]).await, "token_inactive");
    assert_eq!(corp.requests(), 2);
    // Neither was the outdated answer kept.
    rig.check(anns(), "token_inactive").await;
    assert_eq!(rig.cache("tokens").entries, 0);
}

#[tokio::test]
async fn who_comes_after_a_purge_joins_no_request_from_before_it() {
    let (rig, corp) = ann().await;
    let login = || {
        let pipeline = Arc::clone(&rig.pipeline);
        tokio::spawn(async move { pipeline.decide(anns()).await })
    };
    corp.holds(true);
    let before = login();
    corp.asked(1).await;
    rig.pipeline.flush_cache(&[]);
    corp.revokes("anns");
    let after = login();
    tokio::time::timeout(Duration::from_secs(5), corp.asked(2))
        .await
        .expect("a request of its own");
    corp.holds(false);
    for one in [before, after] {
        assert_eq!(word(&one.await.unwrap().verdict), "token_inactive");
    }
}

#[tokio::test]
async fn purged_twice_it_is_a_temporary_failure() {
    let (rig, corp) = ann().await;
    let purge = async || {
        rig.pipeline.flush_cache(&[]);
    };
    assert_eq!(while_asked(&rig, &corp, anns(), [purge(), purge()]).await, "purged");
    assert_eq!(corp.requests(), 2);
    rig.check(anns(), "ok").await;
}

#[tokio::test]
async fn a_flush_forgets_by_mask() {
    let (rig, corp) = ann().await;
    rig.add("bob@example.org", None).await;
    rig.belongs("bob@example.org", "corp").await;
    corp.gives("bobs", "bob@example.org", json!({}));
    let both = [anns, || bearer("bob@example.org", "bobs")];
    for attempt in both {
        rig.check(attempt(), "ok").await;
    }
    assert_eq!(rig.pipeline.flush_cache(&["*@example.net".to_owned()]), 0);
    assert_eq!(rig.pipeline.flush_cache(&["a*@example.org".to_owned()]), 1);
    assert_eq!(corp.requests(), 2);
    for attempt in both {
        rig.check(attempt(), "ok").await;
    }
    assert_eq!(corp.requests(), 3);
    // Not even while the provider is down.
    corp.is_down(true);
    assert_eq!(rig.pipeline.flush_cache(&[]), 2);
    rig.check(anns(), "provider_status").await;
}

#[tokio::test]
async fn other_settings_end_every_answer() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    rig.connect(corp.named("corp")).await;
    rig.check(anns(), "ok").await;
    assert_eq!(corp.requests(), 1);
    let mut changed = corp.named("corp");
    changed.provider.clients = vec!["webmail".to_owned()];
    rig.connect(changed).await;
    rig.check(anns(), "token_client").await;
    assert_eq!(corp.requests(), 2);
}

#[tokio::test]
async fn other_settings_win_over_an_answer_under_way() {
    let (rig, corp) = ann().await;
    let change = async || {
        let mut changed = corp.named("corp");
        changed.provider.clients = vec!["webmail".to_owned()];
        rig.connect(changed).await;
    };
    assert_eq!(while_asked(&rig, &corp, anns(), [change()]).await, "token_client");
    let remove = async || {
        let none = DomainChange { provider: Some(None), ..DomainChange::default() };
        let org = DomainName::parse("example.org").unwrap();
        rig.store.update_domain(&org, none, NOW).await.unwrap();
        rig.store.remove_provider(&name("corp")).await.unwrap();
        rig.pipeline.load_providers().await.unwrap();
    };
    rig.connect(corp.named("corp")).await;
    assert_eq!(while_asked(&rig, &corp, anns(), [remove()]).await, "no_such_provider");
    rig.check(anns(), "no_provider").await;
}

/// The domain gets another provider while its old one is being asked.
#[tokio::test]
async fn a_domains_new_provider_wins_over_an_answer_under_way() {
    let (rig, corp) = ann().await;
    let other = FakeProvider::start().await;
    rig.connect(other.named("other")).await;
    let switch = async || {
        rig.speaks("other", "example.org").await;
        rig.belongs("ann@example.org", "other").await;
    };
    assert_eq!(while_asked(&rig, &corp, anns(), [switch()]).await, "purged");
    assert_eq!(rig.bound("ann@example.org").await, None);
    rig.check(anns(), "token_inactive").await;
}

#[tokio::test]
async fn a_removed_provider_opens_nothing_any_more() {
    let (rig, _corp) = ann().await;
    rig.check(anns(), "ok").await;
    let none = DomainChange { provider: Some(None), ..DomainChange::default() };
    let org = DomainName::parse("example.org").unwrap();
    rig.store.update_domain(&org, none, NOW).await.unwrap();
    rig.check(anns(), "no_provider").await;
    rig.store.remove_provider(&name("corp")).await.unwrap();
    rig.pipeline.load_providers().await.unwrap();
    rig.speaks("corp", "example.org").await;
    rig.check(anns(), "no_such_provider").await;
}

#[tokio::test]
async fn explaining_keeps_and_counts_nothing() {
    let (rig, corp) = ann().await;
    for _ in 0..3 {
        let (decision, trace) = rig.pipeline.explain(anns()).await;
        assert_eq!(word(&decision.verdict), "ok");
        assert_eq!(trace.sentence, "ann@example.org logs in with a token of corp.");
        assert!(!format!("{trace:?}").contains("anns"));
    }
    assert_eq!(corp.requests(), 3);
    let tokens = rig.cache("tokens");
    assert_eq!((tokens.entries, tokens.hits, tokens.misses), (0, 0, 0));
    rig.pipeline.maintain(NOW).await.unwrap();
    assert!(rig.store.uses(&UseFilter::default(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn explain_tells_each_check_in_order() {
    let (rig, _corp) = ann().await;
    let (_, trace) = rig.pipeline.explain(anns()).await;
    let names: Vec<_> = trace.steps.iter().map(|step| step.name).collect();
    let first = ["name", "held back", "mailbox", "services", "provider", "auth source"];
    assert_eq!(names[..6], first);
    assert!(names[6..].contains(&"introspection"), "{names:?}");
    assert!(names.ends_with(&["token", "user", "person", "provisioning"]), "{names:?}");
    let (_, trace) = rig.pipeline.explain(bearer("ann@example.org", "wrong")).await;
    let last = trace.steps.last().unwrap();
    assert_eq!((last.name, last.outcome), ("introspection", trace::Outcome::Refused));
    assert!(trace.sentence.contains("does not know the token"), "{}", trace.sentence);
}

/// A gate that is full holds up nobody whose answer is there, and whoever waited
/// at it does not ask what was asked meanwhile.
#[tokio::test]
async fn a_full_gate_is_passed_by_what_is_known() {
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
    corp.gives("second", "ann@example.org", json!({}));
    rig.check(anns(), "ok").await;
    corp.holds(true);
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (pipeline, attempt) =
                (Arc::clone(&rig.pipeline), bearer("ann@example.org", "second"));
            tokio::spawn(async move { pipeline.decide(attempt).await })
        })
        .collect();
    corp.asked(2).await;
    rig.check(anns(), "ok").await;
    corp.holds(false);
    for one in join_all(waiting).await {
        assert_eq!(word(&one.unwrap().verdict), "ok");
    }
    assert_eq!(corp.requests(), 2);
}

/// What lets nobody in is no reason to refuse while the provider is down.
#[tokio::test]
async fn an_old_answer_lets_in_and_does_not_refuse() {
    let (rig, corp) = ann().await;
    rig.add("bob@example.org", None).await;
    rig.belongs("bob@example.org", "corp").await;
    corp.gives("bobs", "bob@example.org", json!({}));
    rig.check(bearer("bob@example.org", "bobs"), "ok").await;
    rig.check(anns(), "ok").await;
    corp.is_down(true);
    rig.check(bearer("bob@example.org", "anns"), "token_user").await;
    rig.check(later(60, bearer("bob@example.org", "anns")), "provider_status").await;
    rig.check(later(60, anns()), "ok").await;
    let other = crate::mailbox::Binding { provider: name("corp"), subject: "2".to_owned() };
    let bound = Some(Some(other));
    rig.change("ann@example.org", MailboxChange { bound, ..MailboxChange::default() }).await;
    rig.check(later(60, anns()), "provider_status").await;
}

/// Whose token can bind nothing causes no request at every login.
#[tokio::test]
async fn what_binds_nothing_is_answered_from_the_cache() {
    let (rig, corp) = ann().await;
    rig.add("bob@example.org", None).await;
    rig.belongs("bob@example.org", "corp").await;
    corp.gives("unverified", "ann@example.org", json!({ "email_verified": false }));
    for _ in 0..3 {
        rig.check(bearer("bob@example.org", "anns"), "token_user").await;
        rig.check(bearer("ann@example.org", "unverified"), "unverified_email").await;
    }
    assert_eq!(corp.requests(), 2);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_answer_last() {
    let (rig, corp) = ann().await;
    rig.check(later(3600, anns()), "ok").await;
    rig.check(anns(), "ok").await;
    assert_eq!(corp.requests(), 2);
}
