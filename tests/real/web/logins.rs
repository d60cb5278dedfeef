//! The login log, explanations, who is held back, and tokens of programs, in an
//! administrator's pages.

use serde_json::json;

use super::{browser::Browser, site::Site};

/// Three wrong passwords hold an account back, four a network.
const STRICT: &str = "[abuse]\naccount_limit = 3\nnetwork_limit = 4\ntrusted_networks = []\n";

fn sign_in(browser: &Browser, address: &str, password: &str) {
    browser.open("/sign-in");
    browser.fill("#address", address).fill("#password", password).click("Sign in");
}

fn site() -> Option<Site> {
    let site = Site::start(STRICT)?;
    site.run(&["domain", "add", "example.org"]);
    for address in ["ann@example.org", "ben@example.org"] {
        site.add_mailbox(address, "correct horse");
    }
    Some(site)
}

#[test]
fn who_was_refused_is_found_explained_and_let_in() {
    let Some(site) = site() else { return };
    let guest = site.browser("logins-guest");
    sign_in(&guest, "ann@example.org", "correct horse");
    guest.forget();
    for wrong in ["one", "two", "three"] {
        sign_in(&guest, "ben@example.org", wrong);
    }
    // By now the right one does not help.
    sign_in(&guest, "ben@example.org", "correct horse");

    let browser = site.administrator("logins");
    let seen = browser.open("/admin/logins");
    for part in ["ann@example.org", "ben@example.org", "let in", "wrong password", "held back"] {
        assert!(seen.text.contains(part), "{part}: {seen:#?}");
    }
    assert!(seen.text.contains("web from 127.0.0.1"), "{seen:#?}");
    browser.look("logins");
    let seen = browser.choose("Outcome", "wrong_password").click("Search");
    let table = seen.text.split("Times").nth(1).unwrap_or_default().to_owned();
    assert!(table.contains("ben@example.org") && !table.contains("ann@"), "{seen:#?}");
    let seen = browser.open("/admin/logins?address=nobody@example.org");
    assert_eq!(seen.faults, ["There is no such mailbox here."]);
    browser.look("logins-wrong");
    let seen = browser.open("/admin/logins?rip=192.0.2.0/24");
    assert!(seen.text.contains("No login is like that"), "{seen:#?}");

    // From the refused row to the reason.
    browser.open("/admin/logins?outcome=held_back");
    let way = browser.links().into_iter().find(|path| path.starts_with("/admin/explain?"));
    browser.open(&way.expect("a refused login can be explained"));
    assert_eq!(browser.value("Login name"), "ben@example.org");
    let seen = browser.fill("Password", "correct horse").click_within("main", "Explain");
    assert!(seen.text.contains("refused") && seen.text.contains("held back"), "{seen:#?}");
    assert_eq!(browser.value("Password"), "", "it does not come back");
    browser.look("explain-refused");

    let seen = browser.open("/admin/held-back");
    assert!(seen.text.contains("ben@example.org"), "{seen:#?}");
    browser.look("held-back");
    let seen = browser.click("Let in now ben@example.org");
    assert_eq!(seen.notice, "ben@example.org is not held back any more.");
    // He went on while he was held back, so his network is, too.
    let seen = browser.click("Let in now 127.0.0.1/32");
    assert!(seen.text.contains("Nobody is held back"), "{seen:#?}");
    sign_in(&guest, "ben@example.org", "correct horse");
    assert!(guest.cookie("__Host-dovegate").is_some());

    browser.open("/admin/explain");
    browser.look("explain");
    let seen = browser.fill("Login name", "ben@example.org").click_within("main", "Explain");
    assert!(seen.text.contains("depends on the password"), "{seen:#?}");
    browser.fill("Password", "correct horse");
    let seen = browser.click_within("main", "Explain");
    assert!(seen.text.contains("accepted"), "{seen:#?}");
    browser.look("explain-accepted");
    let seen = browser.fill("Login name", "").click_within("main", "Explain");
    assert_eq!(seen.faults, ["Type a login name."]);
}

#[test]
fn what_is_remembered_is_forgotten() {
    let Some(site) = site() else { return };
    let browser = site.administrator("caches");
    sign_in(&site.browser("caches-guest"), "ann@example.org", "correct horse");
    let seen = browser.open("/admin/caches");
    assert!(seen.text.contains("right passwords"), "{seen:#?}");
    browser.look("caches");
    let seen = browser.fill("Addresses", "ben@example.org").click("Forget now");
    assert_eq!(seen.notice, "0 entries were forgotten.");
    let seen = browser.fill("Addresses", "").click("Forget now");
    assert_eq!(seen.notice, "One entry was forgotten.");
}

#[test]
fn a_program_gets_a_token_and_loses_it() {
    let Some(site) = site() else { return };
    let browser = site.administrator("tokens");
    browser.open("/admin/tokens");
    browser.look("tokens-none");
    browser.click("Make a token");
    browser.look("token-new");
    let seen = browser.click("Make it");
    assert_eq!(seen.faults, ["Type a name for it."]);
    browser.fill("Name", "Panel").fill("Only in these domains", "example.net");
    let seen = browser.click("Make it");
    assert_eq!(seen.faults, ["One of these domains is not here."]);
    browser.fill("Only in these domains", "example.org");
    browser.click("Make it");
    browser.look("token-made");
    let token = browser.value("#secret");
    let bearer = json!({ "authorization": format!("Bearer {token}") });
    let ask = |path| browser.ask("GET", path, &bearer, &json!(null)).status;
    assert_eq!(ask("/api/v1/mailboxes/ann@example.org"), 200);
    let change = browser.ask("DELETE", "/api/v1/mailboxes/ann@example.org", &bearer, &json!(null));
    assert_eq!(change.status, 403, "{change:?}");
    let seen = browser.click("I have saved it");
    assert!(seen.text.contains("Panel") && seen.text.contains("example.org"), "{seen:#?}");
    assert!(!seen.text.contains(&token), "{seen:#?}");
    browser.look("tokens");
    browser.click("Revoke Panel");
    assert_eq!(ask("/api/v1/mailboxes/ann@example.org"), 401);
}
