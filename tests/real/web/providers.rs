//! Templates, a real Keycloak and its people in an administrator's pages: added, tried out,
//! mapped and synced.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    browser::{Browser, Seen},
    site::Site,
};
use crate::support::{keycloak::Keycloak, realm::Realm, wait_for};

/// Values of the attribute that names a template; none for an empty one.
fn person(realm: &Realm<'_>, name: &str, template: &str) {
    let id = realm.person(name, "kept by keycloak");
    if !template.is_empty() {
        let attributes = json!({ "mailcow_template": [template] });
        realm.change(&id, &json!({ "attributes": attributes }));
    }
}

/// The step that failed, by its name.
fn failed(browser: &Browser) -> String {
    browser.value("css=tr:has(.badge.bad) th")
}

fn mailboxes(site: &Site) -> Vec<Value> {
    serde_json::from_str(&site.run(&["mailbox", "list", "--json"])).unwrap()
}

/// What would become of somebody.
fn tried(browser: &Browser, address: &str) -> Seen {
    browser.open("/admin/try/corp");
    browser.fill("Email address", address).click("Ask")
}

fn add_template(browser: &Browser) {
    browser.open("/admin/templates");
    browser.look("templates-none");
    browser.click("Add a template");
    browser.look("template-new");
    browser.fill("Name", "Staff").fill("Storage limit", "lots");
    browser.check("Fetch mail (POP3)", false);
    let seen = browser.click("Add template");
    assert_eq!(seen.status, 422);
    assert_eq!(seen.faults, ["Type a size such as 5G or 500M, or “unlimited”."]);
    assert_eq!(browser.value("Name"), "Staff", "what was typed stays");
    browser.look("template-wrong");
    let seen = browser.fill("Storage limit", "5G").click("Add template");
    assert_eq!(seen.notice, "Template “Staff” was added.");
    browser.look("templates");
}

fn add_provider(browser: &Browser, keycloak: &Keycloak) {
    browser.open("/admin/providers");
    browser.look("providers-none");
    browser.click("Add an identity provider");
    browser.look("provider-kind");
    browser.click("Keycloak");
    browser.look("provider-new");
    browser.fill("Name", "Corp").fill("Server URL", &keycloak.url());
    let seen = browser.click("Add provider");
    assert_eq!((seen.status, seen.faults.len()), (422, 1), "{seen:#?}");
    browser.look("provider-wrong");
    let seen = browser.fill("Name", "corp").click("Add provider");
    assert_eq!(seen.faults, ["kind keycloak needs it"], "the realm: {seen:#?}");
    browser.fill("Realm", "pages").fill("Client ID", "mailgate").fill("Client secret", "wrong");
    browser.check("Mailpassword Flow", true);
    browser.check("Sync makes mailboxes for people who have none", true);
    let seen = browser.click("Add provider");
    assert_eq!(seen.heading, "corp", "{seen:#?}");
    assert!(seen.notice.contains("Run the connection test now"), "{seen:#?}");
    browser.look("provider");
}

/// With a wrong secret a step fails by its name; with the right one none does.
fn test_connection(browser: &Browser) {
    browser.open("/admin/providers/corp");
    let seen = browser.click("Test the connection");
    assert!(seen.text.contains("A step failed"), "{seen:#?}");
    assert_eq!(failed(browser), "client", "{seen:#?}");
    browser.look("trial-failed");
    browser.click("Back");
    browser.click("Settings");
    assert_eq!(browser.value("Client secret"), "", "it never comes out");
    assert_eq!(browser.value("Client ID"), "mailgate");
    browser.look("provider-settings");
    let seen = browser.fill("Client secret", "secret-of-mailgate").click("Save");
    assert_eq!(seen.notice, "Provider “corp” was saved.");
    let seen = browser.click("Test the connection");
    assert!(seen.text.contains("All steps passed."), "{seen:#?}");
    assert!(!browser.has(".badge.bad"), "{seen:#?}");
    browser.look("trial-passed");
    // The secret that is there stays where none is typed.
    browser.open("/admin/providers/corp/settings");
    browser.click("Save");
    let seen = browser.click("Test the connection");
    assert!(seen.text.contains("All steps passed."), "{seen:#?}");
}

fn map(browser: &Browser) {
    browser.open("/admin/providers/corp/mapping");
    browser.fill("#text-1", "staff");
    let seen = browser.click("Save");
    assert_eq!(seen.faults, ["Row 1: choose a template."]);
    browser.look("mapping-wrong");
    browser.choose("#template-1", "Staff");
    let seen = browser.click("Save");
    assert!(seen.notice.contains("The mapping was saved."), "{seen:#?}");
    browser.look("mapping");
    assert_eq!(browser.value("#text-1"), "staff");
}

/// "What would this person get?", and nothing is done by asking.
fn preview(browser: &Browser, site: &Site) {
    let seen = tried(browser, "sibyl@example.org");
    let made = "A mailbox would be made by template Staff, at the first login or the next sync.";
    assert!(seen.text.contains(made), "{seen:#?}");
    assert!(seen.text.contains("5.0 GiB") && seen.text.contains("row 1"), "{seen:#?}");
    browser.look("preview");
    let seen = tried(browser, "simon@example.org");
    assert!(seen.text.contains("Nothing would be done for this person."), "{seen:#?}");
    assert!(seen.text.contains("no template for \"board\""), "{seen:#?}");
    browser.look("preview-refused");
    let seen = tried(browser, "nobody@example.org");
    assert!(seen.text.contains("Nobody there has this address."), "{seen:#?}");
    let seen = tried(browser, "not an address");
    assert_eq!((seen.status, seen.faults.len()), (422, 1), "{seen:#?}");
    assert!(mailboxes(site).is_empty());
}

fn sync(browser: &Browser, site: &Site) {
    browser.open("/admin/providers/corp");
    let seen = browser.click("Sync");
    assert!(seen.text.contains("There was no sync yet."), "{seen:#?}");
    browser.look("sync-none");
    browser.click("Dry run");
    // The page looks again by itself.
    browser.await_text("Nothing was changed. A sync would do this:");
    browser.look("sync-plan");
    assert!(mailboxes(site).is_empty(), "it was a dry run");
    let seen = browser.click("See it line by line");
    assert!(seen.text.contains("sibyl@example.org"), "{seen:#?}");
    browser.look("sync-plan-lines");
    let seen = browser.choose("What was done", "skipped").click("Show");
    assert!(seen.text.contains("simon@example.org"), "{seen:#?}");
    assert!(!seen.text.contains("sibyl@example.org"), "{seen:#?}");
    browser.click("Back");
    browser.click("Sync now");
    browser.await_text("Last sync: complete");
    let made = mailboxes(site);
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(
        (&made[0]["address"], &made[0]["template"]),
        (&json!("sibyl@example.org"), &json!("Staff")),
        "{made:?}"
    );
    browser.look("sync");
    browser.open("/admin/sync/corp/runs/1");
    browser.look("sync-run");
    let seen = tried(browser, "sibyl@example.org");
    assert!(seen.text.contains("The mailbox is as it should be."), "{seen:#?}");
}

#[test]
fn a_keycloak_is_added_tried_out_mapped_and_synced() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(site) = Site::start("") else { return };
    let realm = Realm::make(keycloak, "pages", &json!({}));
    realm.service_account("mailgate", &["view-users", "view-events"]);
    person(&realm, "sibyl", "staff");
    person(&realm, "simon", "board");
    let browser = site.administrator("providers");
    browser.open("/admin");
    browser.look("overview-empty");
    add_template(&browser);
    add_provider(&browser, keycloak);
    test_connection(&browser);
    site.run(&["domain", "add", "example.org", "--provider", "corp", "--max-mailboxes", "1"]);
    map(&browser);
    preview(&browser, &site);
    sync(&browser, &site);
    let seen = browser.open("/admin");
    assert!(seen.text.contains("Domain example.org has 1 of 1 mailboxes."), "{seen:#?}");
    browser.look("overview");
    // Whoever is followed is not taken away.
    browser.open("/admin/providers/corp");
    browser.click("Remove this provider");
    browser.look("provider-remove");
    let seen = browser.click("Remove the provider");
    assert!(seen.text.contains("is the auth source of 1 mailboxes"), "{seen:#?}");
    browser.look("provider-not-removed");
}

/// All of it works where no script runs: then one looks again by hand.
#[test]
fn a_sync_is_watched_without_script() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let Some(site) = Site::start("") else { return };
    let realm = Realm::make(keycloak, "scriptless", &json!({}));
    let keys = realm.service_account("mailgate", &["view-users"]);
    assert!(keys.contains("secret-of-mailgate"));
    person(&realm, "sibyl", "staff");
    site.run(&["template", "add", "Staff"]);
    let url = keycloak.url();
    let command = ["provider", "add", "corp", "--kind", "keycloak", "--server-url", &url];
    let client = ["--realm", "scriptless", "--client-id", "mailgate", "--client-secret-stdin"];
    let rules = ["--default-template", "Staff", "--import-users", "true"];
    let command = [&command[..], &client, &rules].concat();
    site.dovegate.must(&site.folder, &command, "secret-of-mailgate\n");
    site.run(&["domain", "add", "example.org", "--provider", "corp"]);
    let browser = Browser::without_script(&site.base, "sync-without-script");
    super::site::sign_in_by_link(&browser, &site.run(&["admin", "link"]));
    browser.open("/admin/sync/corp");
    browser.click("Sync now");
    wait_for("the sync", Duration::from_secs(60), || {
        let seen = browser.open("/admin/sync/corp");
        seen.text.contains("Last sync: complete").then_some(())
    });
    assert_eq!(mailboxes(&site).len(), 1);
}
