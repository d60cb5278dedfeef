//! Making and changing mailboxes.

use dovegate::mailbox::policy::Field;

use super::*;

#[tokio::test]
async fn people_become_mailboxes_by_template() {
    let realm = Realm::start().await;
    realm.fake.people(|people| {
        people.extend([
            with_template("ann", &["boss"]),
            with_template("bob", &["other", "staff"]),
            somebody("cleo"),
        ]);
    });
    realm.plans_and_does("created 3").await;
    let ann = realm.get("ann@example.org").await;
    assert_eq!(ann.display_name, "ann Example");
    assert_eq!(ann.quota, Some(Quota { bytes: 9 }));
    assert_eq!(ann.tags, ["gold", "paid"]);
    assert_eq!((ann.auth_source.clone(), ann.bound.clone()), (corp(), Some(person("ann"))));
    assert_eq!(ann.home.as_deref(), Some("/var/vmail/example.org/ann"));
    assert_eq!((ann.state, ann.state_set_by), (MailboxState::Active, SetBy::Provider));
    let template = |mailbox: Arc<Mailbox>| mailbox.template.clone().unwrap().name.to_string();
    assert_eq!(template(realm.get("bob@example.org").await), "Silver");
    assert_eq!(template(realm.get("cleo@example.org").await), "Plain");

    let before = realm.all().await;
    realm.does("unchanged 3").await;
    assert_eq!(realm.all().await, before, "nothing was written");
    assert!(realm.lines().await.is_empty());
}

#[tokio::test]
async fn who_changes_is_changed_and_nobody_else() {
    let realm = Realm::start().await;
    realm.fake.people(|people| {
        people.extend([with_template("ann", &["boss"]), with_template("bob", &["staff"])]);
    });
    realm.does("created 2").await;
    realm.fake.person("ann", json!({ "attributes": { "mailcow_template": ["staff"] } }));
    realm.fake.person("bob", json!({ "lastName": "Builder\u{7}" }));
    realm.plans_and_does("updated 2").await;
    let ann = realm.get("ann@example.org").await;
    // Tags are taken away, too.
    assert_eq!((ann.quota, &ann.tags[..]), (Some(Quota { bytes: 5 }), &["paid".to_owned()][..]));
    assert_eq!(realm.get("bob@example.org").await.display_name, "bob Builder");
    let line = realm.line_of("ann@example.org").await;
    assert_eq!(
        line.detail,
        "template Gold (1) → Silver (1); quota 9B → 5B; tags [gold, paid] → [paid]"
    );

    // A template that changes takes everybody along who has it.
    let silver = Template { services: Services::NONE, ..template("Silver", 6, &["paid", "new"]) };
    realm.store.put_template(silver).await.unwrap();
    realm.plans_and_does("updated 2").await;
    let bob = realm.get("bob@example.org").await;
    assert_eq!((bob.quota, bob.services), (Some(Quota { bytes: 6 }), Services::NONE));
    assert_eq!(bob.tags, ["paid", "new"]);
    realm.does("unchanged 2").await;
}

/// mailcow puts the template's values back, and switches on whom an administrator
/// has switched off.
#[tokio::test]
async fn what_an_administrator_sets_stays() {
    let realm = Realm::start().await;
    realm.fake.people(|people| people.push(with_template("ann", &["boss"])));
    realm.does("created 1").await;
    let own = MailboxChange {
        quota: Some(Some(Quota { bytes: 77 })),
        display_name: Some("Ann the Great".to_owned()),
        state: Some((MailboxState::Disabled, SetBy::Administrator)),
        tags: Some(vec!["vip".to_owned()]),
        ..MailboxChange::default()
    };
    realm.change("ann@example.org", own).await;
    realm.does("unchanged 1").await;
    realm.fake.person("ann", json!({ "firstName": "Anna" }));
    realm.store.put_template(template("Gold", 10, &["x"])).await.unwrap();
    realm.does("updated 1").await;
    let ann = realm.get("ann@example.org").await;
    assert_eq!(ann.quota, Some(Quota { bytes: 77 }));
    assert_eq!((&ann.display_name[..], ann.state), ("Ann the Great", MailboxState::Disabled));
    assert_eq!(ann.tags, ["vip"]);
    assert_eq!(ann.template.as_ref().unwrap().revision, 2);

    let release = [Field::Quota, Field::State, Field::Tags].into();
    realm.change("ann@example.org", MailboxChange { release, ..MailboxChange::default() }).await;
    realm.does("updated 1").await;
    let ann = realm.get("ann@example.org").await;
    assert_eq!((ann.quota, ann.state), (Some(Quota { bytes: 10 }), MailboxState::Active));
    assert_eq!(ann.display_name, "Ann the Great");
    assert_eq!(ann.tags, ["vip", "x"]);
}

/// Whatever was set before a provider had a say is an administrator's.
#[tokio::test]
async fn a_mailbox_made_by_hand_is_taken_over_with_what_is_its_own() {
    let realm = Realm::start().await;
    realm.mailbox("ann@example.org", corp()).await;
    realm.mailbox("bob@example.org", corp()).await;
    let services = Some(Services::NONE);
    realm.change("ann@example.org", MailboxChange { services, ..MailboxChange::default() }).await;
    realm.fake.people(|people| {
        people.extend([with_template("ann", &["boss"]), with_template("bob", &["boss"])]);
    });
    realm.does("updated 2").await;
    let (ann, bob) = (realm.get("ann@example.org").await, realm.get("bob@example.org").await);
    assert_eq!((ann.services, ann.quota), (Services::NONE, Some(Quota { bytes: 9 })));
    assert_eq!((ann.bound.clone(), bob.bound.clone()), (Some(person("ann")), Some(person("bob"))));
    assert_eq!(bob.services, Services::ALL);
    realm.does("unchanged 2").await;
}

#[tokio::test]
async fn a_default_template_for_mailboxes_that_exist_is_a_choice() {
    let mut realm = Realm::start().await;
    realm.fake.people(|people| people.push(with_template("ann", &["boss"])));
    realm.does("created 1").await;
    realm.fake.person("ann", json!({ "attributes": null }));
    realm.does("unchanged 1").await;
    realm.set(|provider| provider.default_template_updates = true);
    realm.does("updated 1").await;
    assert_eq!(realm.get("ann@example.org").await.quota, Some(Quota { bytes: 1 }));
}

type Change = fn(&mut Provider);

/// Each cause by its name; and none of them makes or changes anything.
#[tokio::test]
async fn who_gets_no_mailbox_is_told_why() {
    let cases: &[(&str, Value, &str)] = &[
        ("no address", json!({ "email": null }), "no_address"),
        ("no address at all", json!({ "email": "ann @example.org" }), "bad_address"),
        (
            "a domain that is not here",
            json!({ "email": "ann@elsewhere.example" }),
            "domain_unknown",
        ),
        ("a domain of another provider", json!({ "email": "ann@example.com" }), "domain_elsewhere"),
        ("a domain that is off", json!({ "email": "ann@off.example" }), "domain_inactive"),
        ("an unverified address", json!({ "emailVerified": false }), "unverified_email"),
        ("nothing said of it", json!({ "emailVerified": null }), "unverified_email"),
        ("a disabled person", json!({ "enabled": false }), "disabled"),
    ];
    for (what, change, cause) in cases {
        let realm = Realm::start().await;
        realm.domain("off.example", Some("corp"), |domain| domain.active = false).await;
        realm.fake.people(|people| people.push(somebody("ann")));
        realm.fake.person("ann", change.clone());
        realm.plans_and_does(&format!("{cause} 1")).await;
        assert!(realm.all().await.is_empty(), "{what}");
    }
    let cases: &[(Change, &str)] = &[
        (|provider| provider.import_users = false, "not_imported"),
        (|provider| provider.default_template = None, "no_template"),
        (|provider| provider.default_template = Some("Gone".parse().unwrap()), "template_missing"),
    ];
    for (change, cause) in cases {
        let realm = Realm::with(change).await;
        realm.fake.people(|people| people.push(somebody("ann")));
        realm.plans_and_does(&format!("{cause} 1")).await;
        assert!(realm.all().await.is_empty(), "{cause}");
    }
}

/// A successor with the same address inherits nothing.
#[tokio::test]
async fn a_mailbox_of_somebody_else_is_left_alone() {
    let realm = Realm::start().await;
    realm.fake.people(|people| people.push(somebody("ann")));
    realm.does("created 1").await;
    realm.fake.people(|people| {
        people[0]["id"] = json!("another");
        people[0]["firstName"] = json!("Other");
    });
    let before = realm.get("ann@example.org").await;
    realm.plans_and_does("missing 1, address_reassigned 1").await;
    assert_eq!(realm.get("ann@example.org").await.bound, before.bound);

    // Nor does a provider reach mailboxes that do not follow it.
    let realm = Realm::start().await;
    realm.mailbox("ann@example.org", AuthSource::Local).await;
    realm.fake.people(|people| people.push(somebody("ann")));
    realm.plans_and_does("auth_source 1").await;
    assert_eq!(realm.get("ann@example.org").await.bound, None);
    let bound = Some(Some(person("ann")));
    realm.change("ann@example.org", MailboxChange { bound, ..MailboxChange::default() }).await;
    realm.fake.person("ann", json!({ "enabled": false }));
    realm.plans_and_does("auth_source 1").await;
    assert_eq!(realm.state("ann@example.org").await, MailboxState::Active);
}

/// An address that somebody gives himself takes over no mailbox.
#[tokio::test]
async fn an_unbound_mailbox_goes_to_a_verified_address_alone() {
    let mut realm = Realm::start().await;
    realm.mailbox("ann@example.org", corp()).await;
    realm.fake.people(|people| people.push(somebody("ann")));
    realm.fake.person("ann", json!({ "emailVerified": false }));
    realm.plans_and_does("unverified_email 1").await;
    assert_eq!(realm.get("ann@example.org").await.bound, None);
    realm.set(|provider| {
        provider.unverified_email = dovegate::mailbox::provider::UnverifiedEmail::Accept;
    });
    realm.does("updated 1").await;
    assert_eq!(realm.get("ann@example.org").await.bound, Some(person("ann")));
}
