//! Which providers are in force.

use super::provider::name;
use super::*;
use crate::mailbox::{NamedProvider, Provider, provider::Kind};

/// One that is asked for userinfo at `userinfo_url`.
fn named(provider: &str, userinfo_url: &str) -> NamedProvider {
    let mut written = Provider::new(Kind::Oidc);
    written.userinfo_url = Some(userinfo_url.to_owned());
    NamedProvider { name: name(provider), provider: written }
}

fn meant(provider: &str, url: &str) -> Arc<crate::idp::Settings> {
    Arc::new(crate::idp::Settings::mean(&named(provider, url)).unwrap())
}

fn listed(rig: &Rig) -> Vec<(String, Origin, bool)> {
    let reports = rig.pipeline.providers().into_iter();
    reports.map(|one| (one.name.to_string(), one.origin, one.settings.is_ok())).collect()
}

#[tokio::test]
async fn the_files_win_over_the_stores() {
    let declared = vec![meant("corp", "http://127.0.0.1:1/file")];
    let rig = Rig::with(Settings { providers: declared, ..settings() }).await;
    assert!(rig.pipeline.has_providers());
    for provider in ["corp", "other"] {
        let stored = named(provider, "http://127.0.0.1:1/store");
        rig.store.create_provider(stored).await.unwrap();
    }
    rig.pipeline.load_providers().await.unwrap();
    let both = [("corp".to_owned(), Origin::File, true), ("other".to_owned(), Origin::Store, true)];
    assert_eq!(listed(&rig), both);
    let corp = rig.pipeline.provider(&name("corp")).unwrap();
    let url = corp.settings().endpoints.userinfo.clone().unwrap();
    assert_eq!(url.path(), "/file");
    rig.pipeline.reload(settings());
    rig.pipeline.load_providers().await.unwrap();
    let corp = rig.pipeline.provider(&name("corp")).unwrap();
    assert_eq!(corp.settings().endpoints.userinfo.as_ref().unwrap().path(), "/store");
}

#[tokio::test]
async fn what_did_not_change_stays() {
    let rig = Rig::new().await;
    assert!(!rig.pipeline.has_providers());
    for provider in ["corp", "other"] {
        rig.store.create_provider(named(provider, "http://127.0.0.1:1/")).await.unwrap();
    }
    rig.pipeline.load_providers().await.unwrap();
    let both = || ["corp", "other"].map(|one| rig.pipeline.provider(&name(one)).unwrap());
    let [corp, other] = both();
    rig.store.replace_provider(named("other", "http://127.0.0.1:1/new")).await.unwrap();
    rig.pipeline.load_providers().await.unwrap();
    let [corp_now, other_now] = both();
    assert!(Arc::ptr_eq(&corp, &corp_now));
    assert!(!Arc::ptr_eq(&other, &other_now));
    rig.store.remove_provider(&name("other")).await.unwrap();
    rig.pipeline.load_providers().await.unwrap();
    assert!(rig.pipeline.provider(&name("other")).is_none());
    assert_eq!(listed(&rig).len(), 1);
}

#[tokio::test]
async fn one_whose_settings_are_wrong_stops_nobody() {
    let rig = Rig::new().await;
    let mut gone = named("corp", "http://127.0.0.1:1/");
    gone.provider.ca_file = Some("/nonexistent/ca.pem".into());
    rig.store.create_provider(gone).await.unwrap();
    rig.store.create_provider(named("other", "http://127.0.0.1:1/")).await.unwrap();
    let rig = Rig::over(rig.store).await;
    assert!(rig.pipeline.has_providers());
    assert!(rig.pipeline.provider(&name("corp")).is_none());
    assert!(rig.pipeline.provider(&name("other")).is_some());
    let reports = rig.pipeline.providers();
    let problems = reports[0].settings.as_ref().unwrap_err();
    assert_eq!(problems[0].key, "ca_file");
    rig.check(password("ann@example.org", "wonderland"), "ok").await;
}
