//! Mailboxes follow a new answer of their provider.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::json;

use super::{
    keycloak::FakeKeycloak,
    newcomers::{mapped, provisioning, template},
    provider::{bearer, later, name},
    *,
};
use crate::{
    idp::{Happened, Happening, Polled},
    mailbox::{
        NamedProvider, Provider, Quota,
        policy::{Withdrawn, WithdrawnWhy},
        provider::{Kind, Method},
    },
    verify::owners::Wanted,
};

const BOB: &str = "bob@example.org";

fn bobs(seconds: u64) -> Attempt {
    later(seconds, password(BOB, "looking glass"))
}

/// bob has logged in once, and got Staff.
async fn at_home() -> (Rig, FakeKeycloak) {
    let (rig, corp) = Rig::with_bob().await;
    rig.check(bobs(0), "ok").await;
    (rig, corp)
}

fn boss(boss: bool) -> serde_json::Value {
    let values = if boss { json!(["boss"]) } else { json!([]) };
    let hash = bcrypt("looking glass");
    json!({ "attributes": { "mailcow_password": [hash], "mailcow_template": values } })
}

impl Rig {
    async fn has_quota(&self, gigabytes: u64) {
        let bob = self.mailbox(BOB).await.unwrap();
        assert_eq!(bob.quota, Some(Quota { bytes: gigabytes << 30 }));
    }

    /// As a sync leaves the mailbox of somebody who was missing or disabled.
    async fn withdraw(&self, user: &str) {
        let old = self.mailbox(user).await.unwrap();
        let mut new = crate::mailbox::Mailbox::clone(&old);
        let why = WithdrawnWhy::Disabled;
        new.policy.withdrawn = Some(Withdrawn { why, was: old.state, since: NOW });
        new.state = MailboxState::ReceiveOnly;
        new.state_set_by = SetBy::Provider;
        let write = crate::store::MailboxWrite::Replace { old, new: Box::new(new) };
        self.store.carry_out(write, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_answer_changes_the_mailbox_and_the_same_one_nothing() {
    let (rig, corp) = at_home().await;
    let before = rig.mailbox(BOB).await.unwrap();
    rig.check(bobs(100), "ok").await;
    assert_eq!(rig.mailbox(BOB).await.unwrap(), before, "nothing is written");
    corp.has(BOB, boss(true));
    // What is known from before changes nothing.
    rig.check(bobs(101), "ok").await;
    rig.has_quota(5).await;
    rig.check(bobs(200), "ok").await;
    rig.has_quota(50).await;
    corp.has(BOB, json!({ "firstName": "Robert" }));
    rig.check(bobs(300), "ok").await;
    assert_eq!(rig.mailbox(BOB).await.unwrap().display_name, "Robert Builder");
    let notes = rig.store.sync_notes(&name("corp")).await.unwrap();
    let actions: Vec<_> = notes.iter().map(|note| note.line.action.name()).collect();
    assert_eq!(actions, ["updated", "updated", "created"]);
    assert_eq!(corp.by_id(), 0, "one request for a cold login");
}

#[tokio::test]
async fn an_administrators_values_survive_logins() {
    let (rig, corp) = at_home().await;
    let quota = Some(Some(Quota { bytes: 7 << 30 }));
    rig.change(BOB, MailboxChange { quota, ..MailboxChange::default() }).await;
    corp.has(BOB, boss(true));
    rig.check(bobs(100), "ok").await;
    rig.has_quota(7).await;
    let off = Some((MailboxState::ReceiveOnly, SetBy::Administrator));
    rig.change(BOB, MailboxChange { state: off, ..MailboxChange::default() }).await;
    let asked = corp.look_ups();
    rig.check(bobs(200), "receive_only").await;
    assert_eq!(corp.look_ups(), asked);
}

/// What changes may be this login's own right; `explain` knows before.
#[tokio::test]
async fn a_change_that_takes_the_logins_right_refuses_it() {
    for (gold, expected) in [
        (template("Gold", |gold| gold.services = Services::NONE), "service_not_allowed"),
        (template("Gold", |gold| gold.state = MailboxState::Disabled), "mailbox_disabled"),
        (template("Gold", |gold| gold.services = [Service::Imap].into_iter().collect()), "ok"),
    ] {
        let (rig, corp) = at_home().await;
        rig.put(gold).await;
        corp.has(BOB, boss(true));
        let before = rig.mailbox(BOB).await.unwrap();
        let (decision, _) = rig.pipeline.explain(bobs(100)).await;
        assert_eq!(word(&decision.verdict), expected);
        assert_eq!(rig.mailbox(BOB).await.unwrap(), before);
        rig.check(bobs(100), expected).await;
        assert_ne!(rig.mailbox(BOB).await.unwrap(), before);
    }
}

/// A change that cannot be is no reason to refuse a right login.
#[tokio::test]
async fn a_change_that_is_refused_lets_in_all_the_same() {
    let (rig, corp) = at_home().await;
    let small =
        DomainChange { max_quota: Some(Quota { bytes: 9 << 30 }), ..DomainChange::default() };
    rig.store.update_domain(&DomainName::parse("example.org").unwrap(), small, NOW).await.unwrap();
    corp.has(BOB, boss(true));
    rig.check(bobs(100), "ok").await;
    rig.has_quota(5).await;
    let notes = rig.store.sync_notes(&name("corp")).await.unwrap();
    assert!(notes.iter().any(|note| note.line.cause.as_deref() == Some("limit")), "{notes:?}");
    let mut named = provisioning(corp.named("corp"));
    named.provider.attribute_mapping = vec![mapped("value", "boss", "Missing")];
    rig.connect(named).await;
    rig.check(bobs(200), "ok").await;
}

#[tokio::test]
async fn whoever_is_back_logs_in_at_once() {
    let (rig, corp) = at_home().await;
    let phone = rig.app_password(BOB, 1, |_| ()).await;
    rig.withdraw(BOB).await;
    corp.has(BOB, json!({ "enabled": false }));
    rig.check(bobs(100), "disabled_at_provider").await;
    corp.has(BOB, json!({ "enabled": true }));
    // An app password opens nothing that is switched off, and restores nothing.
    rig.check(later(200, password(BOB, &phone)), "receive_only").await;
    rig.check(later(200, password(BOB, "wrong")), "wrong_password").await;
    let (decision, _) = rig.pipeline.explain(bobs(200)).await;
    assert_eq!(word(&decision.verdict), "ok");
    assert_eq!(rig.mailbox(BOB).await.unwrap().state, MailboxState::ReceiveOnly);
    rig.check(bobs(200), "ok").await;
    let bob = rig.mailbox(BOB).await.unwrap();
    assert!(bob.state == MailboxState::Active && bob.policy.withdrawn.is_none());
    rig.check(later(200, password(BOB, &phone)), "ok").await;
    // While the provider is down nobody comes back.
    rig.withdraw(BOB).await;
    corp.says(Some(503));
    rig.check(bobs(300), "receive_only").await;
    corp.says(None);
    rig.check(bobs(400), "ok").await;
}

/// A provider of which only the keys are asked for.
async fn signs(
    shared: Arc<serde_json::Value>,
    asked: super::http::Asked,
) -> (u16, serde_json::Value) {
    let base = format!("http://{}", asked.host);
    let configuration = json!({ "issuer": base, "jwks_uri": format!("{base}/keys") });
    let is_keys = asked.path == "/keys";
    (200, if is_keys { json!({ "keys": [*shared] }) } else { configuration })
}

/// What is signed once says nothing of what became of somebody since.
#[tokio::test]
async fn a_signature_brings_nobody_back() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "1",
        "x": URL_SAFE_NO_PAD.encode(pair.public_key_raw()),
    });
    let url = super::http::listen(&Arc::new(jwk), signs).await;
    let rig = Rig::new().await;
    let mut written = Provider::new(Kind::Oidc);
    written.server_url = Some(url.clone());
    written.methods = vec![Method::Jwt];
    written.client_id = Some("dovegate".to_owned());
    rig.connect(NamedProvider { name: name("corp"), provider: written }).await;
    rig.speaks("corp", "example.org").await;
    rig.belongs("ann@example.org", "corp").await;
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = |id: &str| {
        let claims = json!({
            "iss": url, "sub": "1", "email": "ann@example.org", "email_verified": true,
            "azp": "dovegate", "aud": "dovegate", "exp": NOW.0 / 1000 + 3600, "jti": id,
            "scope": "openid email", "typ": "Bearer",
        });
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "1" });
        let message = format!("{}.{}", part(header), part(claims));
        let private = EncodingKey::from_ed_der(pair.serialized_der());
        let signature = crypto::sign(message.as_bytes(), &private, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    };
    rig.check(bearer("ann@example.org", &signed("1")), "ok").await;
    rig.withdraw("ann@example.org").await;
    rig.check(later(100, bearer("ann@example.org", &signed("1"))), "receive_only").await;
    rig.check(later(200, bearer("ann@example.org", &signed("2"))), "receive_only").await;
    let ann = rig.mailbox("ann@example.org").await.unwrap();
    assert!(ann.state == MailboxState::ReceiveOnly && ann.policy.withdrawn.is_some());
}

#[tokio::test]
async fn a_token_that_does_not_show_groups_takes_nothing_away() {
    let (rig, corp) = Rig::with_provider().await;
    let mut named = provisioning(corp.named("corp"));
    named.provider.default_template_updates = true;
    named.provider.attribute_mapping = vec![mapped("group", "board", "Gold")];
    rig.connect(named).await;
    rig.put(template("Staff", |_| ())).await;
    rig.put(template("Gold", |gold| gold.quota = Some(Quota { bytes: 50 << 30 }))).await;
    corp.gives("one", BOB, json!({ "groups": ["board"] }));
    rig.check(bearer(BOB, "one"), "ok").await;
    rig.has_quota(50).await;
    corp.gives("two", BOB, json!({}));
    rig.check(bearer(BOB, "two"), "ok").await;
    rig.has_quota(50).await;
    corp.gives("three", BOB, json!({ "groups": [], "name": "Bob" }));
    rig.check(bearer(BOB, "three"), "ok").await;
    rig.has_quota(5).await;
    assert_eq!(rig.mailbox(BOB).await.unwrap().display_name, "Bob");
    // A token for a local mailbox is no word on it.
    let mut lax = provisioning(corp.named("corp"));
    lax.provider.tokens_for_local = true;
    rig.connect(lax).await;
    rig.add("cleo@example.org", None).await;
    corp.gives("cleos", "cleo@example.org", json!({ "name": "Cleo" }));
    rig.check(bearer("cleo@example.org", "cleos"), "ok").await;
    let cleo = rig.mailbox("cleo@example.org").await.unwrap();
    assert!(cleo.display_name.is_empty() && cleo.template.is_none());
}

fn said(subject: &str, what: Happening) -> Polled {
    let happened = vec![Happened { subject: subject.to_owned(), what }];
    Polled { happened, ..Polled::default() }
}

const ID: &str = "id of bob@example.org";

/// Watches as the server does, until `done` says so.
async fn watched(rig: &Rig, done: impl AsyncFn() -> bool) {
    let stop = tokio_util::sync::CancellationToken::new();
    let until = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(rig.pipeline.watch(stop.clone()), until) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("in time");
}

#[tokio::test]
async fn what_happens_to_people_changes_their_mailboxes() {
    let (rig, corp) = at_home().await;
    let provider = rig.connected("corp");
    corp.has(BOB, boss(true));
    rig.pipeline.follow(&provider, said(ID, Happening::Changed), NOW).await;
    watched(&rig, async || {
        rig.mailbox(BOB).await.unwrap().quota == Some(Quota { bytes: 50 << 30 })
    })
    .await;
    // Who was switched off by a sync is back.
    rig.withdraw(BOB).await;
    rig.pipeline.follow(&provider, said(ID, Happening::Changed), NOW).await;
    watched(&rig, async || rig.mailbox(BOB).await.unwrap().state == MailboxState::Active).await;
    // That he is disabled there switches nothing off here.
    corp.has(BOB, json!({ "enabled": false }));
    let asked = corp.by_id();
    rig.pipeline.follow(&provider, said(ID, Happening::Changed), NOW).await;
    watched(&rig, async || corp.by_id() > asked).await;
    assert_eq!(rig.mailbox(BOB).await.unwrap().state, MailboxState::Active);
}

/// Where the mapping goes by groups, an event has them asked for.
#[tokio::test]
async fn a_new_group_counts_by_its_event() {
    let (rig, corp) = at_home().await;
    let mut named = provisioning(corp.named("corp"));
    named.provider.attribute_mapping = vec![mapped("group", "board", "Gold")];
    rig.connect(named).await;
    corp.has(BOB, json!({ "groups": [{ "path": "/board" }] }));
    rig.pipeline.follow(&rig.connected("corp"), said(ID, Happening::Changed), NOW).await;
    watched(&rig, async || {
        rig.mailbox(BOB).await.unwrap().quota == Some(Quota { bytes: 50 << 30 })
    })
    .await;
}

#[tokio::test]
async fn who_is_created_gets_a_mailbox_where_people_are_imported() {
    let (rig, corp) = Rig::with_bob().await;
    let next = || rig.connected("corp").owners.next_wanted();
    let created = || said(ID, Happening::Created);
    rig.pipeline.follow(&rig.connected("corp"), created(), NOW).await;
    rig.pipeline.follow(&rig.connected("corp"), said(ID, Happening::Changed), NOW).await;
    assert_eq!(next(), None, "nobody imports them");
    let mut named = provisioning(corp.named("corp"));
    named.provider.import_users = true;
    rig.connect(named).await;
    // What happened to him before is taken over with the new settings.
    assert_eq!(next(), Some((ID.to_owned(), Wanted::New)));
    let missed = Polled { missed: true, ..created() };
    rig.pipeline.follow(&rig.connected("corp"), missed, NOW).await;
    assert_eq!(next(), None, "of a crowd the next sync makes them");
    rig.pipeline.follow(&rig.connected("corp"), created(), NOW).await;
    assert_eq!(next(), Some((ID.to_owned(), Wanted::New)));
    rig.pipeline.follow(&rig.connected("corp"), created(), NOW).await;
    watched(&rig, async || rig.mailbox(BOB).await.is_some()).await;
    assert_eq!(rig.bound(BOB).await.as_deref(), Some("corp/id of bob@example.org"));
    // Somebody without a verified address gets none, until he has one.
    corp.has("cleo@example.org", json!({ "emailVerified": false }));
    let cleo = "id of cleo@example.org";
    let asked = corp.by_id();
    rig.pipeline.follow(&rig.connected("corp"), said(cleo, Happening::Created), NOW).await;
    watched(&rig, async || corp.by_id() > asked).await;
    assert!(rig.mailbox("cleo@example.org").await.is_none());
    corp.has("cleo@example.org", json!({ "emailVerified": true }));
    rig.pipeline.follow(&rig.connected("corp"), said(cleo, Happening::Changed), NOW).await;
    watched(&rig, async || rig.mailbox("cleo@example.org").await.is_some()).await;
}
