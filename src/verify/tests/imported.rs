//! App passwords that came along: tried in turn, counted once, bounded.

use super::*;
use crate::{
    mailbox::ImportedAppPassword,
    store::{Arrival, MAX_IMPORTED_APP_PASSWORDS},
};

const ANN: &str = "ann@example.org";

async fn bring(rig: &Rig, name: &str, hash: String, services: Services) -> AppPasswordId {
    let one = ImportedAppPassword {
        id: AppPasswordId::from_bits(0),
        name: name.to_owned(),
        hash: hash.into(),
        services,
        created: NOW,
    };
    let arrival = Arrival::AppPassword(address(ANN), Box::new(one));
    let taken = rig.store.take_in(vec![arrival], NOW).await.unwrap();
    let mailbox = taken[0].as_ref().unwrap().mailbox.id;
    let all = rig.store.imported_app_passwords(mailbox).await.unwrap();
    all.iter().find(|one| one.name == name).unwrap().id
}

fn bcrypt_with(password: &str, salt: u8) -> String {
    NewScheme::BlfCrypt { cost: 4 }.hash(password.as_bytes(), [salt; 16]).unwrap()
}

fn imap() -> Services {
    Services::NONE.with(Service::Imap)
}

#[tokio::test]
async fn each_opens_its_own_services_until_it_is_revoked() {
    let rig = Rig::new().await;
    bring(&rig, "Phone", bcrypt_with("looking-glass", 1), imap()).await;
    let id = bring(&rig, "Printer", bcrypt_with("rabbit-hole", 2), Services::ALL).await;
    rig.check(password(ANN, "wonderland"), "ok").await;
    rig.check(password(ANN, "looking-glass"), "ok").await;
    let Verdict::Verified(verified) = rig.check(password(ANN, "rabbit-hole"), "ok").await else {
        panic!()
    };
    assert_eq!(verified.by(), &VerifiedBy::AppPassword(id));
    let smtp = |text| Attempt { protocol: "smtp".to_owned(), ..password(ANN, text) };
    rig.check(smtp("looking-glass"), "wrong_password").await;
    rig.check(smtp("rabbit-hole"), "ok").await;
    rig.store.remove_app_password(&address(ANN), id).await.unwrap();
    rig.check(password(ANN, "rabbit-hole"), "wrong_password").await;
    rig.check(password(ANN, "looking-glass"), "ok").await;
}

#[tokio::test]
async fn without_services_of_its_own_the_mailbox_has_app_passwords_only() {
    let rig = Rig::new().await;
    bring(&rig, "Phone", bcrypt_with("looking-glass", 1), Services::ALL).await;
    let services = Some(Services::NONE);
    rig.change(ANN, MailboxChange { services, ..MailboxChange::default() }).await;
    rig.check(password(ANN, "looking-glass"), "ok").await;
    rig.check(password(ANN, "wonderland"), "service_not_allowed").await;
    let state = Some((MailboxState::Disabled, SetBy::Administrator));
    rig.change(ANN, MailboxChange { state, ..MailboxChange::default() }).await;
    rig.check(password(ANN, "looking-glass"), "mailbox_disabled").await;
}

/// However many there are, a wrong password is one guess, and runs each hash once.
#[tokio::test]
async fn a_wrong_password_is_one_guess_and_runs_each_hash_once() {
    let rig = Rig::new().await;
    for number in 0..5 {
        let hash = bcrypt_with("looking-glass", number);
        bring(&rig, &format!("Phone {number}"), hash, Services::ALL).await;
    }
    for _ in 0..3 {
        rig.check(password(ANN, "wrong"), "wrong_password").await;
    }
    let cache = rig.cache("wrong");
    assert_eq!((cache.entries, cache.misses), (6, 6), "{cache:?}");
    let limit = settings().abuse.account_limit;
    for number in 1..limit {
        rig.check(password(ANN, &format!("wrong {number}")), "wrong_password").await;
    }
    rig.check(password(ANN, "one more"), "held_back").await;
    // They can be guessed, so they wait with the main password; ours does not.
    rig.check(password(ANN, "looking-glass"), "held_back").await;
    let ours = rig.app_password(ANN, 7, |_| {}).await;
    rig.check(password(ANN, &ours), "ok").await;
}

/// Guesses at a mailbox whose main password opens nothing count all the same.
#[tokio::test]
async fn guesses_count_where_only_app_passwords_log_in() {
    let rig = Rig::new().await;
    bring(&rig, "Phone", bcrypt_with("looking-glass", 1), Services::ALL).await;
    let services = Some(Services::NONE);
    rig.change(ANN, MailboxChange { services, ..MailboxChange::default() }).await;
    for number in 0..settings().abuse.account_limit {
        rig.check(password(ANN, &format!("wrong {number}")), "service_not_allowed").await;
    }
    rig.check(password(ANN, "looking-glass"), "held_back").await;
}

/// One that cannot be checked may be the right one: no refusal, but a guess.
#[tokio::test]
async fn one_that_cannot_be_checked_hides_no_other() {
    let rig = Rig::new().await;
    bring(&rig, "Old", "{PLAIN-MD5}4cecaff2b30bbe75ce7322109164cfb5".into(), Services::ALL).await;
    bring(&rig, "Phone", bcrypt_with("looking-glass", 1), Services::ALL).await;
    rig.check(password(ANN, "looking-glass"), "ok").await;
    rig.check(password(ANN, "wonderland"), "ok").await;
    for number in 0..settings().abuse.account_limit {
        rig.check(password(ANN, &format!("wrong {number}")), "weak_scheme").await;
    }
    rig.check(password(ANN, "wonderland"), "held_back").await;
}

#[tokio::test]
async fn a_mailbox_brings_a_bounded_number_and_the_same_one_once() {
    let rig = Rig::new().await;
    for number in 0..MAX_IMPORTED_APP_PASSWORDS {
        let hash = bcrypt_with("x", u8::try_from(number).unwrap());
        bring(&rig, &format!("Phone {number}"), hash, imap()).await;
    }
    let again = bring(&rig, "Telephone", bcrypt_with("x", 0), Services::ALL).await;
    let account = rig.store.account(&address(ANN)).await.unwrap().unwrap();
    let all = rig.store.imported_app_passwords(account.mailbox.id).await.unwrap();
    assert_eq!(all.len(), MAX_IMPORTED_APP_PASSWORDS);
    let changed = all.iter().find(|one| one.id == again).unwrap();
    assert_eq!((changed.name.as_str(), changed.services), ("Telephone", Services::ALL));
    let one = ImportedAppPassword { hash: "{PLAIN}x".to_owned().into(), ..all[0].clone() };
    let arrival = Arrival::AppPassword(address(ANN), Box::new(one));
    let taken = rig.store.take_in(vec![arrival], NOW).await.unwrap();
    assert!(matches!(taken[0], Err(crate::store::Error::Conflict(_))));
}

#[tokio::test]
async fn explain_says_which_one_it_was() {
    let rig = Rig::new().await;
    let id = bring(&rig, "Phone", bcrypt_with("looking-glass", 1), imap()).await;
    let (_, trace) = rig.pipeline.explain(password(ANN, "looking-glass")).await;
    let found = trace.steps.iter().find(|step| step.name == "imported app password").unwrap();
    assert!(found.detail.contains(&id.to_string()) && found.detail.contains("BLF-CRYPT"));
    let (_, trace) = rig.pipeline.explain(password(ANN, "wrong")).await;
    let found = trace.steps.iter().find(|step| step.name == "imported app password").unwrap();
    assert!(found.detail.contains("none of the 1"), "{}", found.detail);
}
