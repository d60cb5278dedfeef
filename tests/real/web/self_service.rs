//! One's own mailbox in the browser, and what is made there in front of a real Dovecot.

use std::{net::TcpStream, time::Duration};

use serde_json::Value;

use super::{
    browser::{Browser, missing},
    site::{Site, base, http},
};
use crate::support::{
    client::{Dialogue, Outcome, imap_login},
    dovecot::{Extra, Rig, Version, Way},
    place::free_ports,
    skip, wait_for,
};

const ANN: &str = "ann@example.org";
const PASSWORD: &str = "password-of-ann";

const CLIENT: &str = "[web]\ntitle = \"Example Mail\"\n[web.client]\n\
    imap = { host = \"imap.example.org\", port = 993, security = \"tls\" }\n\
    smtp = { host = \"smtp.example.org\", port = 587, security = \"starttls\" }\n";

fn sign_in(browser: &Browser, password: &str) {
    browser.open("/");
    let seen = browser.fill("Email address", ANN).fill("Password", password).click("Sign in");
    assert_eq!(seen.path, "/", "{seen:#?}");
}

#[test]
fn an_app_password_is_made_used_seen_and_revoked() {
    if let Some(why) = missing() {
        return skip(&why);
    }
    let [port] = free_ports();
    let tables = format!("{}{CLIENT}", http(port));
    let extra = Extra { tables: &tables, ..Extra::default() };
    let Some(rig) = Rig::start_with(Version::V23, Way::UnderMaster, extra) else { return };
    wait_for("the pages", Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", port)).ok());
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox(ANN, PASSWORD, &["--service", "web"]);
    let log_in = |password: &str| imap_login(&mut Dialogue::tls(rig.ports.imaps), ANN, password);
    assert_eq!(log_in(PASSWORD), Outcome::Wrong, "her main password opens the pages alone");

    let browser = Browser::start(&base(port), "self-service");
    assert_eq!(browser.open("/").path, "/sign-in?next=%2F");
    browser.look("sign-in");
    browser.fill("Email address", ANN).fill("Password", "wrong").click("Sign in");
    assert_eq!(browser.see().faults.len(), 1);
    browser.look("sign-in-wrong");
    sign_in(&browser, PASSWORD);
    browser.look("home-empty");

    browser.click("New app password");
    browser.look("new");
    assert!(browser.loosen().click("Make app password").faults[0].contains("name"));
    browser.look("new-wrong");
    browser.fill("Name", "Phone <b>").click("Make app password");
    browser.look("made");
    let text = browser.value("#secret");
    let profile =
        browser.ask("GET", "/app-passwords/made/dovegate.mobileconfig", &Value::Null, &Value::Null);
    assert!(profile.text.contains(&format!("<string>{text}</string>")), "{}", profile.text);
    assert_eq!(log_in(&text), Outcome::In);
    assert_eq!(log_in(&text.to_lowercase().replace('-', " ")), Outcome::In);

    let home = browser.click("I have saved it");
    assert_eq!(home.path, "/");
    assert!(!home.text.contains(&text), "{}", home.text);
    let used = wait_for("the last use", Duration::from_secs(20), || {
        let seen = browser.open("/");
        (!seen.text.contains("Never used")).then_some(seen)
    });
    assert!(used.text.contains("Phone <b>"), "{}", used.text);
    browser.look("home");
    assert!(browser.open("/logins").text.contains("IMAP"));
    browser.look("logins");

    browser.open("/");
    let one = browser.click("Show or revoke Phone <b>");
    assert!(one.text.contains("Read mail (IMAP), 127.0.0.1"), "{}", one.text);
    browser.look("one");
    let revoked = browser.click("Revoke “Phone <b>”");
    assert_eq!(revoked.notice, "“Phone <b>” is revoked.");
    browser.look("revoked");
    assert_eq!(log_in(&text), Outcome::Wrong);
    assert_eq!(browser.click("Sign out").path, "/sign-in");
    assert_eq!(browser.open("/").path, "/sign-in?next=%2F");
}

#[test]
fn all_of_it_works_without_script() {
    let Some(site) = Site::start(CLIENT) else { return };
    site.run(&["domain", "add", "example.org"]);
    site.add_mailbox(ANN, PASSWORD);
    let browser = Browser::without_script(&site.base, "self-service-without-script");
    sign_in(&browser, PASSWORD);
    browser.click("New app password");
    browser
        .fill("Name", "Laptop")
        .check("Filter rules (ManageSieve)", true)
        .click("Make app password");
    assert_eq!(browser.value("#secret").len(), 29);
    assert!(!browser.see().text.contains("Copy\n"), "a button that does nothing is not there");
    browser.click("I have saved it");
    browser.click("Revoke all app passwords");
    let done = browser.click("Revoke this app password");
    assert_eq!(done.notice, "One app password is revoked.");
}
