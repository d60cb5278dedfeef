//! Domains and mailboxes in an administrator's pages: one among ten thousand, and whose
//! word counts for a main password.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    browser::{Browser, Seen, missing},
    site::{Site, base, http, sign_in_by_link},
};
use crate::{
    keycloak::house::{FLOW, House, corp},
    support::{client::Outcome, keycloak::Keycloak, place::free_ports, realm::Realm, skip},
};

const MANY: usize = 10_000;

/// Ten thousand mailboxes: every fiftieth is a Smith, every hundredth is disabled.
fn fill(site: &Site) {
    site.run(&["domain", "add", "example.org", "--max-mailboxes", "12000"]);
    site.run(&["mailbox", "add", "first@example.org", "--quota", "1G"]);
    let export = site.run(&["export"]);
    let line = export.lines().find(|line| line.contains("first@example.org")).unwrap();
    let model: Value = serde_json::from_str(line).unwrap();
    // The first line says that it is an export.
    let mut lines = format!("{}\n", export.lines().next().unwrap());
    for number in 0..MANY {
        let mut one = model.clone();
        one["id"] = json!(format!("{number:032x}"));
        one["address"] = json!(format!("person{number:05}@example.org"));
        one["home"] = json!(format!("/var/vmail/example.org/person{number:05}"));
        let name = if number % 50 == 0 { "Agatha Smith" } else { "Somebody Else" };
        one["display_name"] = json!(name);
        one["state"] = json!(if number % 100 == 0 { "disabled" } else { "active" });
        writeln!(lines, "{one}").unwrap();
    }
    site.dovegate.must(&site.folder, &["import"], &lines);
}

fn rows(browser: &Browser) -> Vec<String> {
    let is_mailbox = |path: &String| path.starts_with("/admin/mailboxes/");
    browser.links().into_iter().filter(is_mailbox).collect()
}

fn search(browser: &Browser, text: &str) -> Seen {
    browser.open("/admin/mailboxes");
    browser.fill("Address or name", text).click("Search")
}

#[test]
fn one_mailbox_is_found_among_ten_thousand() {
    let Some(site) = Site::start("") else { return };
    fill(&site);
    let browser = site.administrator("mailboxes");
    let seen = browser.open("/admin/domains");
    assert!(seen.text.contains("10001 of 12000"), "{seen:#?}");
    browser.look("domains");
    browser.click("example.org");
    browser.look("domain");
    let seen = browser.click("Show its mailboxes");
    assert_eq!(seen.heading, "Mailboxes");
    assert_eq!(rows(&browser).len(), 50);
    browser.look("mailboxes");

    // Page by page, none twice.
    let mut found = rows(&browser);
    for _ in 0..3 {
        browser.click("Next page");
        found.extend(rows(&browser));
    }
    found.dedup();
    assert_eq!(found.len(), 200);
    browser.click("First page");
    assert_eq!(rows(&browser)[..], found[..50]);

    search(&browser, "person0473");
    assert_eq!(rows(&browser).len(), 10);
    search(&browser, "person04731@");
    assert_eq!(rows(&browser), ["/admin/mailboxes/person04731@example.org"]);
    search(&browser, "*99?9@example.org");
    assert_eq!(rows(&browser).len(), 10);
    let seen = search(&browser, "nobody at all");
    assert!(seen.text.contains("No mailbox is like that"), "{seen:#?}");
    browser.look("mailboxes-none");

    // By name, and of these those that are disabled.
    search(&browser, "agatha SMITH");
    assert_eq!(rows(&browser)[1], "/admin/mailboxes/person00050@example.org");
    let mut number = rows(&browser).len();
    while browser.see().text.contains("Next page") {
        browser.click("Next page");
        number += rows(&browser).len();
    }
    assert_eq!(number, 200);
    search(&browser, "smith");
    browser.choose("State", "disabled").click("Search");
    assert_eq!(rows(&browser).len(), 50);
    assert_eq!(rows(&browser)[1], "/admin/mailboxes/person00100@example.org");
    assert_eq!(browser.value("Address or name"), "smith", "what was looked for stays");
    browser.look("mailboxes-found");
}

#[test]
fn a_mailbox_is_made_changed_and_removed() {
    let Some(site) = Site::start("") else { return };
    let browser = site.administrator("mailbox");
    browser.open("/admin/mailboxes");
    let seen = browser.click("Add a mailbox");
    assert_eq!(seen.heading, "Add a mailbox");
    browser.fill("Address", "ann@example.org").fill("Name", "<b>Ann</b>").fill("Quota", "lots");
    let seen = browser.click("Add the mailbox");
    assert_eq!(seen.status, 422);
    assert_eq!(seen.faults, ["Type a size such as 5G or 500M, or “unlimited”."]);
    assert_eq!(browser.value("Name"), "<b>Ann</b>");
    browser.look("mailbox-add-wrong");
    browser.fill("Quota", "5G").fill("Password", " horse with spaces ");
    let seen = browser.click("Add the mailbox");
    assert_eq!(seen.faults, ["There is no domain example.org here. Add it first."]);

    browser.open("/admin/domains");
    browser.look("domains-none");
    browser.click("Add a domain");
    browser.look("domain-add");
    browser.fill("Domain", "Example.ORG").fill("Largest quota of one mailbox", "10G");
    let seen = browser.click("Add the domain");
    assert_eq!(seen.heading, "example.org");
    browser.open("/admin/add-mailbox");
    browser.fill("Address", "Ann@example.org").fill("Name", "<b>Ann</b>").fill("Quota", "50G");
    browser.fill("Password", " horse with spaces ");
    let seen = browser.click("Add the mailbox");
    assert!(seen.faults[0].contains("10G"), "the limit is named: {seen:#?}");
    browser.fill("Quota", "5G").fill("Password", " horse with spaces ");
    let seen = browser.click("Add the mailbox");
    assert_eq!(seen.heading, "ann@example.org", "{seen:#?}");
    assert!(seen.text.contains("<b>Ann</b>") && seen.text.contains("5.0 GiB"), "{seen:#?}");
    browser.look("mailbox");
    let explained = ["explain", "ann@example.org", "--password-stdin"];
    site.dovegate.must(&site.folder, &explained, " horse with spaces ");

    let seen = browser.click("Disable: end its sessions, take no mail");
    assert!(seen.text.contains("neither logs in nor receives"), "{seen:#?}");
    assert!(seen.text.contains("An administrator has set this"), "{seen:#?}");
    browser.look("mailbox-disabled");
    browser.click("Make it active");
    browser.click("Change");
    browser.look("mailbox-edit");
    browser.check("Fetch mail (POP3)", false).fill("Tags", "staff, staff, board");
    browser.press("css=details summary");
    browser.fill("Further userdb fields", "note=a b=c");
    let seen = browser.click("Save");
    assert_eq!(seen.notice, "The mailbox was changed.");
    let shown = site.run(&["mailbox", "show", "ann@example.org", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["services"].as_array().unwrap().len(), 6);
    assert_eq!(shown["tags"], json!(["board", "staff"]));
    assert_eq!(shown["extra_fields"], json!({ "note": "a b=c" }));

    // What somebody else has changed meanwhile is not undone.
    browser.click("Change");
    site.run(&["mailbox", "set", "ann@example.org", "--display-name", "Ann B"]);
    let seen = browser.fill("Tags", "").click("Save");
    assert!(seen.faults[0].contains("changed it meanwhile"), "{seen:#?}");
    assert!(site.run(&["mailbox", "show", "ann@example.org", "--json"]).contains("Ann B"));
    browser.open("/admin/mailboxes/ann@example.org");

    // An app password is shown once; its device is refused when it is gone.
    browser.click("Make an app password");
    browser.look("app-password-new");
    let seen = browser.fill("Name", "Phone").click("Make it");
    browser.look("app-password-made");
    let text = browser.value("#secret");
    assert!(seen.text.contains(&text) && text.len() > 24, "{seen:#?}");
    let seen = browser.click("I have saved it");
    assert!(seen.text.contains("Phone") && !seen.text.contains(&text), "{seen:#?}");
    site.dovegate.must(&site.folder, &explained, &text);
    browser.look("mailbox-app-password");
    let seen = browser.click("Revoke Phone");
    assert!(seen.notice.contains("revoked"), "{seen:#?}");
    let refused = site.dovegate.run(&site.folder, &explained, &text);
    assert_eq!(refused.status.code(), Some(1));

    browser.click("Change the local password");
    browser.look("mailbox-password");
    let seen = browser.fill("Password", "").click("Set the password");
    assert_eq!((seen.status, seen.faults.len()), (422, 1), "{seen:#?}");
    browser.fill("Password", "another one").click("Set the password");
    site.dovegate.must(&site.folder, &explained, "another one");

    browser.click("Remove …");
    browser.look("mailbox-remove");
    let seen = browser.click("Remove the mailbox");
    assert_eq!(seen.notice, "The mailbox ann@example.org was removed.");
    browser.open("/admin/domains/example.org");
    let seen = browser.click("Remove the domain");
    assert_eq!(seen.notice, "The domain example.org was removed.");
}

/// Rights of a mailbox's page are those of the API: nothing happens by a request that no page
/// of ours has made.
#[test]
fn nothing_is_done_without_the_secret_of_the_form() {
    let Some(site) = Site::start("") else { return };
    site.run(&["domain", "add", "example.org"]);
    site.run(&["mailbox", "add", "ann@example.org"]);
    let browser = site.administrator("mailbox-csrf");
    let remove = "/admin/mailboxes/ann@example.org/remove";
    let ours = json!({ "origin": site.base });
    for (headers, form) in [
        (&ours, json!({})),
        (&ours, json!({ "csrf": "made up" })),
        (&json!({ "origin": "https://example.com" }), json!({})),
    ] {
        let answer = browser.ask("POST", remove, headers, &form);
        assert_eq!(answer.status, 403, "{headers} {form}: {answer:?}");
    }
    site.run(&["mailbox", "show", "ann@example.org"]);
}

/// Keycloak checks the password, then we do again: the old one was kept.
#[test]
fn an_auth_source_goes_to_keycloak_and_back() {
    let Some(keycloak) = Keycloak::shared() else { return };
    if let Some(why) = missing() {
        return skip(&why);
    }
    let realm = Realm::example(keycloak);
    realm.attributes_are_administrators();
    let keys = realm.service_account("web-switch", &["view-users"]);
    for name in ["sibyl", "simon"] {
        realm.person(name, "kept by keycloak");
    }
    let [port] = free_ports();
    let Some(house) = House::start(&(corp(keycloak, &[FLOW, &keys]) + &http(port))) else { return };
    for address in ["sibyl@example.org", "simon@example.org"] {
        house.rig.mailbox(address, "the local one", &[]);
    }
    let opens_here = |user| {
        let (outcome, line) = house.password(user, "the local one");
        assert_eq!((outcome, line.field("verifier")), (Outcome::In, "local_password"), "{line}");
    };
    opens_here("sibyl@example.org");

    let browser = Browser::start(&base(port), "auth-source");
    sign_in_by_link(&browser, &house.rig.dovegate(&["admin", "link"]));
    browser.open("/admin/mailboxes/sibyl@example.org");
    let seen = browser.choose("Auth source", "corp").click("Switch the auth source");
    assert!(seen.text.contains("The local one is kept"), "{seen:#?}");
    browser.look("at-keycloak");
    house.opens("sibyl@example.org", "kept by keycloak");
    house.keeps_out("sibyl@example.org", "the local one", "wrong_password");
    let seen = browser.open("/admin/mailboxes/sibyl@example.org");
    assert!(seen.text.contains("wrong password"), "her last logins: {seen:#?}");
    assert!(seen.text.contains("at corp"), "whose it is: {seen:#?}");
    browser.choose("Auth source", "local").click("Switch the auth source");
    opens_here("sibyl@example.org");
    let (outcome, line) = house.password("sibyl@example.org", "kept by keycloak");
    assert_eq!(outcome, Outcome::Wrong, "{line}");
    browser.open("/admin/mailboxes/sibyl@example.org");
    browser.look("and-back");

    // All of the domain at once, after a look at what it would come to.
    browser.open("/admin/domains/example.org");
    browser.click("Switch the auth source of many");
    let seen = browser.choose("New auth source", "corp").click("Show the plan");
    assert!(seen.text.contains("2 mailboxes would get it"), "{seen:#?}");
    browser.look("switch-plan");
    opens_here("simon@example.org");
    let seen = browser.click("Switch them now");
    assert!(seen.text.contains("2 mailboxes have got it"), "{seen:#?}");
    house.opens("simon@example.org", "kept by keycloak");
    browser.choose("New auth source", "local").click("Switch them now");
    opens_here("simon@example.org");
}
