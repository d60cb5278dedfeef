//! Whose token opens what: provider, domain, mailbox, user of the token.

use super::*;
use crate::mailbox::NameRules;

#[tokio::test]
async fn a_token_opens_the_mailbox_of_its_user() {
    let (rig, _corp) = ann().await;
    let verified = verified(rig.check(bearer("Ann@Example.ORG", "anns"), "ok").await);
    assert_eq!(verified.user().as_str(), "ann@example.org");
    assert_eq!(verified.by(), &VerifiedBy::Token(name("corp")));
    assert!(!verified.cached() && !verified.stale());
    let detail = rig.refuses(bearer("ann@example.org", "others"), "token_inactive").await;
    assert!(detail.starts_with("corp: "), "{detail}");
}

/// Two providers, each with its own domain; a token of one is never shown to the
/// other.
#[tokio::test]
async fn the_provider_is_chosen_by_the_login_names_domain_before_the_token_is_read() {
    let (rig, corp) = ann().await;
    let other = FakeProvider::start().await;
    rig.store.create_domain(Domain::for_test("example.net")).await.unwrap();
    rig.connect(other.named("other")).await;
    rig.speaks("other", "example.net").await;
    rig.add("bob@example.net", None).await;
    rig.belongs("bob@example.net", "other").await;
    other.gives("bobs", "bob@example.net", json!({}));
    // What corp says of bob is nobody's business.
    corp.gives("forged", "bob@example.net", json!({}));
    rig.check(bearer("bob@example.net", "forged"), "token_inactive").await;
    rig.check(bearer("bob@example.net", "anns"), "token_inactive").await;
    rig.check(bearer("bob@example.net", "bobs"), "ok").await;
    assert_eq!((corp.requests(), other.requests()), (0, 3));
    rig.check(anns(), "ok").await;
    rig.check(bearer("ann@example.org", "bobs"), "token_inactive").await;
    assert_eq!((corp.requests(), other.requests()), (2, 3));
    // Equal tokens of two providers share no cache entry.
    other.gives("anns", "bob@example.net", json!({}));
    rig.check(bearer("bob@example.net", "anns"), "token_inactive").await;
    rig.pipeline.flush_cache(&[]);
    rig.check(bearer("bob@example.net", "anns"), "ok").await;
    assert_eq!((corp.requests(), other.requests()), (2, 4));
}

#[tokio::test]
async fn a_hanging_provider_holds_up_no_other() {
    let (rig, corp) = ann().await;
    let other = FakeProvider::start().await;
    rig.store.create_domain(Domain::for_test("example.net")).await.unwrap();
    rig.connect(other.named("other")).await;
    rig.speaks("other", "example.net").await;
    rig.add("bob@example.net", None).await;
    rig.belongs("bob@example.net", "other").await;
    other.gives("bobs", "bob@example.net", json!({}));
    corp.holds(true);
    let hanging = (0..20).map(|number| {
        let attempt = bearer("ann@example.org", &format!("token{number}"));
        let pipeline = Arc::clone(&rig.pipeline);
        tokio::spawn(async move { pipeline.decide(attempt).await })
    });
    let hanging: Vec<_> = hanging.collect();
    corp.asked(8).await;
    let bobs = rig.check(bearer("bob@example.net", "bobs"), "ok");
    tokio::time::timeout(Duration::from_secs(2), bobs).await.unwrap();
    corp.holds(false);
    for one in hanging {
        assert_eq!(word(&one.await.unwrap().verdict), "token_inactive");
    }
}

#[tokio::test]
async fn the_tokens_user_must_be_the_login_name() {
    let (rig, corp) = ann().await;
    rig.add("bob@example.org", None).await;
    rig.belongs("bob@example.org", "corp").await;
    let detail = rig.refuses(bearer("bob@example.org", "anns"), "token_user").await;
    assert_eq!(detail, "corp: the token is of ann@example.org");
    assert_eq!(rig.bound("bob@example.org").await, None);
    for (claim, expected) in [
        (json!("ANN@Example.Org"), "ok"),
        (json!("ann@example.org "), "token_user"),
        (json!(" ann@example.org"), "token_user"),
        // No provider means these.
        (json!("ann@example.org\u{0}"), "provider_malformed"),
        (json!(""), "provider_malformed"),
        (json!("a".repeat(5000)), "provider_malformed"),
        (json!(["ann@example.org"]), "provider_malformed"),
        (json!("\u{e4}nn@example.org"), "token_user"),
        // A full-width letter is another one, and not folded.
        (json!("\u{ff41}nn@example.org"), "token_user"),
        (json!("ann@example.org, bob@example.org"), "token_user"),
        (json!("ann"), "token_user"),
        (json!(null), "provider_settings"),
        (json!("ann@sub.example.org"), "token_user"),
        (json!("a".repeat(500)), "token_user"),
    ] {
        corp.gives("odd", "ann@example.org", json!({ "email": claim }));
        rig.pipeline.flush_cache(&[]);
        let detail = rig.refuses(bearer("ann@example.org", "odd"), expected).await;
        assert!(detail.len() < 300 && !detail.contains(char::is_control), "{detail}");
    }
}

#[tokio::test]
async fn a_claim_without_a_domain_belongs_into_the_providers_default_domain() {
    let names = NameRules {
        default_domain: Some(DomainName::parse("example.org").unwrap()),
        ..NameRules::default()
    };
    let rig = Rig::with(Settings { names, ..settings() }).await;
    let corp = FakeProvider::start().await;
    rig.connect(corp.named("corp")).await;
    rig.speaks("corp", "example.org").await;
    rig.belongs("ann@example.org", "corp").await;
    corp.gives("short", "ann@example.org", json!({ "email": "Ann" }));
    // Ours is for what clients leave out.
    rig.check(bearer("ann", "short"), "token_user").await;
    for (default, expected) in [("example.net", "token_user"), ("example.org", "ok")] {
        let mut with_default = corp.named("corp");
        with_default.provider.default_domain = Some(DomainName::parse(default).unwrap());
        rig.connect(with_default).await;
        rig.check(bearer("ann", "short"), expected).await;
    }
}

#[tokio::test]
async fn what_a_provider_says_of_addresses_outside_its_domains_is_refused() {
    let (rig, corp) = ann().await;
    rig.store.create_domain(Domain::for_test("example.net")).await.unwrap();
    rig.add("ann@example.net", None).await;
    corp.gives("afar", "ann@example.net", json!({}));
    let detail = rig.refuses(bearer("ann@example.org", "afar"), "token_user").await;
    assert_eq!(
        detail,
        "corp: the token is of ann@example.net, which is outside the domains of corp"
    );
    assert_eq!(rig.refuses(bearer("ann@example.net", "afar"), "no_provider").await, "");
    rig.speaks("corp", "example.net").await;
    let detail = rig.refuses(bearer("ann@example.org", "afar"), "token_user").await;
    assert_eq!(detail, "corp: the token is of ann@example.net");
    rig.belongs("ann@example.net", "corp").await;
    rig.check(bearer("ann@example.net", "afar"), "ok").await;
}

#[tokio::test]
async fn a_token_opens_mailboxes_of_its_source_and_local_ones_if_so_set() {
    let (rig, corp) = ann().await;
    rig.add("loc@example.org", Some(bcrypt("wonderland"))).await;
    corp.gives("locs", "loc@example.org", json!({}));
    rig.add("eve@example.org", None).await;
    rig.belongs("eve@example.org", "other").await;
    corp.gives("eves", "eve@example.org", json!({}));
    let detail = rig.refuses(bearer("loc@example.org", "locs"), "token_source").await;
    assert_eq!(detail, "corp: the auth source of the mailbox is local");
    let mut generous = corp.named("corp");
    generous.provider.tokens_for_local = true;
    rig.connect(generous).await;
    rig.check(bearer("loc@example.org", "locs"), "ok").await;
    // Both ways in, each by itself.
    rig.check(password("loc@example.org", "wonderland"), "ok").await;
    rig.check(password("loc@example.org", "locs"), "wrong_password").await;
    let detail = rig.refuses(bearer("eve@example.org", "eves"), "token_source").await;
    assert_eq!(detail, "corp: the auth source of the mailbox is provider other");
    assert_eq!(corp.requests(), 1);
}

/// Nothing that can be refused without the provider is asked of it.
#[tokio::test]
async fn the_provider_hears_of_nobody_who_may_not_log_in() {
    let (rig, corp) = ann().await;
    let detail = rig.refuses(bearer("nobody@example.org", "anns"), "unknown_user").await;
    assert_eq!(detail, "corp: not asked");
    rig.check(bearer("ann@example.net", "anns"), "unknown_domain").await;
    rig.check(bearer("ann", "anns"), "bad_name").await;
    let each =
        [(MailboxState::ReceiveOnly, "receive_only"), (MailboxState::Disabled, "mailbox_disabled")];
    for (state, expected) in each {
        let state = Some((state, SetBy::Administrator));
        rig.change("ann@example.org", MailboxChange { state, ..MailboxChange::default() }).await;
        rig.check(anns(), expected).await;
    }
    let state = Some((MailboxState::Active, SetBy::Administrator));
    rig.change("ann@example.org", MailboxChange { state, ..MailboxChange::default() }).await;
    let services = Some([Service::Smtp].into_iter().collect());
    rig.change("ann@example.org", MailboxChange { services, ..MailboxChange::default() }).await;
    rig.check(anns(), "service_not_allowed").await;
    rig.check(over("pop3", anns()), "service_not_allowed").await;
    let off = |active| DomainChange { active: Some(active), ..DomainChange::default() };
    let org = DomainName::parse("example.org").unwrap();
    rig.store.update_domain(&org, off(false), NOW).await.unwrap();
    rig.check(over("smtp", anns()), "domain_disabled").await;
    rig.store.update_domain(&org, off(true), NOW).await.unwrap();
    assert_eq!(corp.requests(), 0);
    rig.check(over("smtp", anns()), "ok").await;
}

/// Whether a mailbox exists is no business of whoever hears the challenge.
#[tokio::test]
async fn the_challenge_says_the_same_for_mailboxes_that_do_not_exist() {
    let (rig, corp) = ann().await;
    let mut strict = corp.named("corp");
    strict.provider.scopes = vec!["mail".to_owned(), "imap".to_owned()];
    strict.provider.server_url = Some("https://sso.example.org".to_owned());
    rig.connect(strict).await;
    for user in ["ann@example.org", "nobody@example.org"] {
        let Verdict::Rejected(rejected) = rig.decide(bearer(user, "wrong")).await.verdict else {
            panic!("{user}")
        };
        let asked = rejected.asked.expect("the provider of the domain");
        assert_eq!((asked.provider, asked.scope.as_deref()), (name("corp"), Some("mail imap")));
        let document = "https://sso.example.org/.well-known/openid-configuration";
        assert_eq!(asked.openid_configuration.as_deref(), Some(document));
    }
}

#[tokio::test]
async fn a_held_back_network_holds_tokens_back_and_an_account_does_not() {
    let (rig, corp) = ann().await;
    rig.add("loc@example.org", Some(bcrypt("wonderland"))).await;
    let mut generous = corp.named("corp");
    generous.provider.tokens_for_local = true;
    rig.connect(generous).await;
    corp.gives("locs", "loc@example.org", json!({}));
    for number in 0..10 {
        let guess = password("loc@example.org", &format!("guess {number}"));
        rig.decide(from(&format!("198.51.100.{number}"), guess)).await;
    }
    rig.check(password("loc@example.org", "wonderland"), "held_back").await;
    rig.check(bearer("loc@example.org", "locs"), "ok").await;
    for number in 0..30 {
        let guess = password(&format!("user{number}@example.org"), "guess");
        rig.decide(from("203.0.113.7", guess)).await;
    }
    let before = corp.requests();
    rig.check(from("203.0.113.7", anns()), "held_back").await;
    assert_eq!(corp.requests(), before);
    let trusted = Attempt { no_penalty: true, ..from("203.0.113.7", anns()) };
    rig.check(trusted, "ok").await;
}

#[tokio::test]
async fn refused_tokens_are_no_guesses() {
    let (rig, _corp) = ann().await;
    for number in 0..40 {
        let decision = rig.decide(bearer("ann@example.org", &format!("old{number}"))).await;
        assert_eq!((word(&decision.verdict), decision.guess), ("token_inactive", false));
        assert!(decision.answer_after < WAIT + Duration::from_millis(300));
    }
    assert!(rig.pipeline.held_back(NOW).is_empty());
    rig.check(anns(), "ok").await;
}

#[tokio::test]
async fn app_passwords_and_tokens_know_nothing_of_each_other() {
    let (rig, corp) = ann().await;
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    corp.is_down(true);
    rig.check(password("ann@example.org", &phone), "ok").await;
    corp.is_down(false);
    corp.gives(&phone.replace('-', ""), "ann@example.org", json!({}));
    rig.check(bearer("ann@example.org", &phone), "token_inactive").await;
    let services = Some(Services::NONE);
    rig.change("ann@example.org", MailboxChange { services, ..MailboxChange::default() }).await;
    rig.check(anns(), "service_not_allowed").await;
    rig.check(password("ann@example.org", &phone), "ok").await;
}

/// The main password of a mailbox that belongs to a provider.
#[tokio::test]
async fn a_providers_mailbox_has_no_password_of_its_own() {
    let (rig, corp) = ann().await;
    let detail = rig.refuses(password("ann@example.org", "wonderland"), "provider_password").await;
    assert_eq!(detail, "corp: it checks no passwords here");
    rig.belongs("ann@example.org", "gone").await;
    let detail = rig.refuses(password("ann@example.org", "wonderland"), "no_such_provider").await;
    assert_eq!(detail, "gone: not configured");
    let mut wrong = corp.named("corp");
    wrong.provider.ca_file = Some("/nonexistent/ca.pem".into());
    rig.connect(wrong).await;
    rig.belongs("ann@example.org", "corp").await;
    let detail = rig.refuses(password("ann@example.org", "wonderland"), "provider_settings").await;
    assert_eq!(detail, "corp: wrong settings (ca_file)");
    assert_eq!(corp.requests(), 0);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_no_refusal() {
    let (rig, corp) = ann().await;
    rig.speaks("gone", "example.org").await;
    let detail = rig.refuses(anns(), "no_such_provider").await;
    assert_eq!(detail, "gone: not configured");
    rig.speaks("corp", "example.org").await;
    let mut wrong = corp.named("corp");
    wrong.provider.ca_file = Some("/nonexistent/ca.pem".into());
    rig.connect(wrong).await;
    assert_eq!(rig.refuses(anns(), "provider_settings").await, "corp: wrong settings (ca_file)");
    corp.is_down(true);
    rig.connect(corp.named("corp")).await;
    rig.check(anns(), "provider_status").await;
    let none = DomainChange { provider: Some(None), ..DomainChange::default() };
    let org = DomainName::parse("example.org").unwrap();
    rig.store.update_domain(&org, none, NOW).await.unwrap();
    rig.check(anns(), "no_provider").await;
}
