//! The form by which people sign in to the pages: what opens them, and what does not.

use super::{mailpassword::anns, *};

#[tokio::test]
async fn a_providers_password_counts_only_where_the_pages_take_it() {
    let (rig, corp) = Rig::with_keycloak().await;
    let form = |takes| rig.pipeline.decide_form(over("web", anns()), takes);
    assert_eq!(word(&form(false).await.verdict), "provider_password");
    assert_eq!(corp.look_ups(), 0, "nobody is asked for nothing");
    assert_eq!(word(&form(true).await.verdict), "ok");
}

#[tokio::test]
async fn a_right_app_password_opens_mail_and_no_pages() {
    let rig = Rig::new().await;
    let text = rig.app_password("ann@example.org", 7, |_| {}).await;
    let attempt = || over("web", password("ann@example.org", &text));
    rig.check(attempt(), "ok").await;
    let decision = rig.pipeline.decide_form(attempt(), true).await;
    assert_eq!(word(&decision.verdict), "app_password_service");
    assert!(!decision.guess, "it is no guess");
    let local = over("web", password("ann@example.org", "wonderland"));
    assert_eq!(word(&rig.pipeline.decide_form(local, false).await.verdict), "ok");
}
