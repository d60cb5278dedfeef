//! A person is the provider's id, not the address.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn the_first_login_binds_the_mailbox() {
    let (rig, _corp) = ann().await;
    assert_eq!(rig.bound("ann@example.org").await, None);
    rig.pipeline.explain(anns()).await;
    assert_eq!(rig.bound("ann@example.org").await, None);
    let verified = verified(rig.check(anns(), "ok").await);
    let bound = Some("corp/id of ann@example.org".to_owned());
    assert_eq!(rig.bound("ann@example.org").await, bound);
    assert!(verified.account().mailbox.bound.is_some());
    rig.check(anns(), "ok").await;
    assert_eq!(rig.bound("ann@example.org").await, bound);
}

/// Nobody inherits mail with an address.
#[tokio::test]
async fn a_successor_gets_in_when_an_administrator_says_so() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    corp.gives("successors", "ann@example.org", json!({ "sub": "2" }));
    let successor = || bearer("ann@example.org", "successors");
    let detail = rig.refuses(successor(), "address_reassigned").await;
    assert_eq!(detail, "corp: bound to corp/id of ann@example.org, the token is of corp/2");
    rig.check(successor(), "address_reassigned").await;
    rig.unbind("ann@example.org").await;
    rig.check(successor(), "ok").await;
    assert_eq!(rig.bound("ann@example.org").await.as_deref(), Some("corp/2"));
    rig.check(anns(), "address_reassigned").await;
}

/// The same id at another provider is another person.
#[tokio::test]
async fn a_domains_new_provider_takes_no_mailbox_over() {
    let (rig, _corp) = ann().await;
    rig.check(anns(), "ok").await;
    let other = FakeProvider::start().await;
    other.gives("anns", "ann@example.org", json!({}));
    rig.connect(other.named("other")).await;
    rig.speaks("other", "example.org").await;
    rig.check(anns(), "token_source").await;
    rig.belongs("ann@example.org", "other").await;
    rig.bind("ann@example.org", "corp", "id of ann@example.org").await;
    let detail = rig.refuses(anns(), "address_reassigned").await;
    let expected = "other: bound to corp/id of ann@example.org, the token is of \
                    other/id of ann@example.org";
    assert_eq!(detail, expected);
    rig.unbind("ann@example.org").await;
    rig.check(anns(), "ok").await;
}

#[tokio::test]
async fn an_unverified_address_binds_nothing_and_recognises_a_bound_person() {
    let (rig, corp) = ann().await;
    for verified in [json!(false), json!(null)] {
        corp.gives("anns", "ann@example.org", json!({ "email_verified": verified }));
        rig.pipeline.flush_cache(&[]);
        let detail = rig.refuses(anns(), "unverified_email").await;
        assert_eq!(detail, "corp: corp has not verified the address");
        assert_eq!(rig.bound("ann@example.org").await, None);
    }
    let mut lenient = corp.named("corp");
    lenient.provider.unverified_email = crate::mailbox::provider::UnverifiedEmail::Accept;
    rig.connect(lenient).await;
    rig.check(anns(), "ok").await;
    rig.connect(corp.named("corp")).await;
    rig.check(anns(), "ok").await;
}

#[tokio::test]
async fn an_id_that_is_none_is_the_providers_fault() {
    let (rig, corp) = ann().await;
    for subject in [json!(""), json!("a".repeat(256)), json!("1\n2"), json!("1\u{0}"), json!(7)] {
        corp.gives("anns", "ann@example.org", json!({ "sub": subject }));
        rig.check(anns(), "provider_malformed").await;
        assert_eq!(rig.bound("ann@example.org").await, None);
    }
    corp.gives("anns", "ann@example.org", json!({ "sub": "a".repeat(255) }));
    rig.check(anns(), "ok").await;
}

/// Two people race for one address; one of them gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_people_binds() {
    let (rig, corp) = ann().await;
    corp.gives("seconds", "ann@example.org", json!({ "sub": "2" }));
    corp.holds(true);
    let logins = (0..20).map(|number| {
        let token = if number % 2 == 0 { "anns" } else { "seconds" };
        let (pipeline, attempt) = (Arc::clone(&rig.pipeline), bearer("ann@example.org", token));
        tokio::spawn(async move { pipeline.decide(attempt).await })
    });
    let logins: Vec<_> = logins.collect();
    corp.asked(2).await;
    corp.holds(false);
    let verdicts = join_all(logins).await;
    let words: Vec<_> = verdicts.iter().map(|one| word(&one.as_ref().unwrap().verdict)).collect();
    let let_in = words.iter().filter(|word| **word == "ok").count();
    let refused = words.iter().filter(|word| **word == "address_reassigned").count();
    assert_eq!((let_in, refused), (10, 10), "{words:?}");
    let winner = words[0] == "ok";
    assert!(words.iter().step_by(2).all(|word| (*word == "ok") == winner));
}

/// An answer from before an unbinding does not bind again.
#[tokio::test]
async fn a_mailbox_taken_from_somebody_does_not_go_back_by_an_old_answer() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    rig.unbind("ann@example.org").await;
    corp.revokes("anns");
    rig.check(anns(), "token_inactive").await;
    corp.gives("anns", "ann@example.org", json!({}));
    rig.pipeline.flush_cache(&[]);
    rig.check(anns(), "ok").await;
    rig.unbind("ann@example.org").await;
    corp.is_down(true);
    rig.check(anns(), "provider_status").await;
    assert_eq!(rig.bound("ann@example.org").await, None);
}

/// What an administrator does while the provider is being asked counts.
#[tokio::test]
async fn a_mailbox_that_changes_under_way_is_looked_at_again() {
    let (rig, corp) = ann().await;
    let none = MailboxChange::default;
    let state = |state| MailboxChange { state: Some((state, SetBy::Administrator)), ..none() };
    let bound = |subject: &str| {
        let person = crate::mailbox::Binding { provider: name("corp"), subject: subject.into() };
        MailboxChange { bound: Some(Some(person)), ..none() }
    };
    for (change, expected) in [
        (state(MailboxState::Disabled), "mailbox_disabled"),
        (state(MailboxState::Active), "ok"),
        (MailboxChange { services: Some(Services::NONE), ..none() }, "service_not_allowed"),
        (MailboxChange { services: Some(Services::ALL), ..none() }, "ok"),
        (MailboxChange { auth_source: Some(AuthSource::Local), ..none() }, "token_source"),
        (MailboxChange { auth_source: Some(AuthSource::Provider(name("corp"))), ..none() }, "ok"),
        (bound("2"), "address_reassigned"),
        (bound("id of ann@example.org"), "ok"),
    ] {
        // So that the check begins.
        let undo = MailboxChange {
            state: Some((MailboxState::Active, SetBy::Administrator)),
            services: Some(Services::ALL),
            auth_source: Some(AuthSource::Provider(name("corp"))),
            ..none()
        };
        rig.change("ann@example.org", undo).await;
        rig.pipeline.flush_cache(&[]);
        let begun = corp.requests();
        corp.holds(true);
        let during = async {
            corp.asked(begun + 1).await;
            rig.change("ann@example.org", change.clone()).await;
            corp.holds(false);
        };
        let (decision, ()) = tokio::join!(rig.decide(anns()), during);
        assert_eq!(word(&decision.verdict), expected, "{change:?}");
    }
}

#[tokio::test]
async fn a_mailbox_made_anew_under_way_is_another() {
    let (rig, corp) = ann().await;
    rig.check(anns(), "ok").await;
    rig.pipeline.flush_cache(&[]);
    corp.holds(true);
    let during = async {
        corp.asked(2).await;
        rig.store.remove_mailbox(&address("ann@example.org")).await.unwrap();
        rig.add("ann@example.org", None).await;
        corp.holds(false);
    };
    let (decision, ()) = tokio::join!(rig.decide(anns()), during);
    assert_eq!(word(&decision.verdict), "token_source");
    rig.store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    rig.check(anns(), "unknown_user").await;
}
