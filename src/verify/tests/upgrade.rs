//! Hashes that are made anew after a login.

use super::*;

const ANN: &str = "ann@example.org";
/// "wonderland".
const SHA: &str = "{SHA}tiY7sUhYKUwI5L3866kDY+ENcrQ=";

fn upgrading() -> Settings {
    let mut settings = Settings { upgrade_hashes: true, ..settings() };
    settings.caps.weak_schemes = true;
    settings
}

async fn set(rig: &Rig, hash: &str) {
    let local_hash = Some(Some(hash.to_owned().into()));
    rig.change(ANN, MailboxChange { local_hash, ..MailboxChange::default() }).await;
}

async fn hash(rig: &Rig) -> String {
    let account = rig.store.account(&address(ANN)).await.unwrap().unwrap();
    account.mailbox.local_hash.as_ref().unwrap().as_str().to_owned()
}

async fn maintain(rig: &Rig) {
    rig.pipeline.maintain(NOW).await.unwrap();
}

#[tokio::test]
async fn a_quick_hash_is_made_anew_after_the_answer() {
    let rig = Rig::with(upgrading()).await;
    for quick in [
        SHA,
        "{PLAIN}wonderland",
        "{SSHA}uDo42m41+DrkTi8unauFwds2UVkhm4vM",
        "{MD5-CRYPT}$1$uN8r2XsX$pljfoUee95EVaFzFh2RSV0",
        "{DIGEST-MD5}5ecbd210bd143b651e8b9de07427b991",
    ] {
        set(&rig, quick).await;
        rig.check(password(ANN, "wonderlanD"), "wrong_password").await;
        maintain(&rig).await;
        assert_eq!(hash(&rig).await, quick);
        rig.check(password(ANN, "wonderland"), "ok").await;
        assert_eq!(hash(&rig).await, quick);
        maintain(&rig).await;
        let made = hash(&rig).await;
        assert!(made.starts_with("{BLF-CRYPT}$2y$04$"), "{made}");
        rig.check(password(ANN, "wonderlanD"), "wrong_password").await;
        rig.check(password(ANN, "wonderland"), "ok").await;
        maintain(&rig).await;
        assert_eq!(hash(&rig).await, made);
    }
}

#[tokio::test]
async fn nothing_is_made_anew_without_the_setting() {
    let mut rig = Rig::new().await;
    set(&rig, SHA).await;
    rig.check(password(ANN, "wonderland"), "ok").await;
    maintain(&rig).await;
    assert_eq!(hash(&rig).await, SHA);
    // Nor by somebody who only asks what would be.
    rig = Rig::with(upgrading()).await;
    set(&rig, SHA).await;
    rig.pipeline.explain(password(ANN, "wonderland")).await;
    maintain(&rig).await;
    assert_eq!(hash(&rig).await, SHA);
    // Nor for an app password, which says nothing about the main one.
    let app = rig.app_password(ANN, 1, |_| ()).await;
    rig.check(password(ANN, &app), "ok").await;
    maintain(&rig).await;
    assert_eq!(hash(&rig).await, SHA);
}

/// What was typed may be longer than the password that the user knows.
#[tokio::test]
async fn a_hash_of_a_part_of_the_password_stays() {
    let rig = Rig::with(upgrading()).await;
    for (stays, typed) in [
        ("{DES-CRYPT}d2RdjmlSpIRqM", "wonderland"),
        ("{PLAIN-TRUNC}6-wonder", "wonderland"),
        ("{PLAIN-TRUNC}9-wonder", "wonder"),
    ] {
        set(&rig, stays).await;
        rig.check(password(ANN, typed), "ok").await;
        maintain(&rig).await;
        assert_eq!(hash(&rig).await, stays);
    }
    set(&rig, "{CRYPT}abiQ6Ep3EYTHc").await;
    rig.check(password(ANN, "x"), "ok").await;
    maintain(&rig).await;
    assert!(hash(&rig).await.starts_with("{BLF-CRYPT}"));
}

#[tokio::test]
async fn a_password_set_meanwhile_stays() {
    let rig = Rig::with(upgrading()).await;
    set(&rig, SHA).await;
    rig.check(password(ANN, "wonderland"), "ok").await;
    set(&rig, "{PLAIN}looking glass").await;
    maintain(&rig).await;
    assert_eq!(hash(&rig).await, "{PLAIN}looking glass");
    rig.check(password(ANN, "wonderland"), "wrong_password").await;
    rig.check(password(ANN, "looking glass"), "ok").await;
    // Nor is it another's who got the address, even with the same hash.
    rig.store.remove_mailbox(&address(ANN)).await.unwrap();
    maintain(&rig).await;
    rig.add(ANN, Some(SHA.to_owned())).await;
    rig.check(password(ANN, "wonderland"), "ok").await;
    rig.store.remove_mailbox(&address(ANN)).await.unwrap();
    rig.add(ANN, Some(SHA.to_owned())).await;
    maintain(&rig).await;
    assert_eq!(hash(&rig).await, SHA);
}

/// bcrypt would read only a part of it.
#[tokio::test]
async fn a_password_too_long_for_the_scheme_keeps_its_hash() {
    let rig = Rig::with(upgrading()).await;
    let long = "wonderland".repeat(8);
    let stored = format!("{{PLAIN}}{long}");
    set(&rig, &stored).await;
    rig.check(password(ANN, &long), "ok").await;
    maintain(&rig).await;
    assert_eq!(hash(&rig).await, stored);
}
