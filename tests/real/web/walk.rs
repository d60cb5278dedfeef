//! All pages that links lead to, each looked at: by axe-core in light and dark, at the
//! width of a phone, and for what the browser complains of.

use std::collections::{BTreeMap, BTreeSet};

use super::{browser::Browser, site::Site};

/// More than there are with the few things that these tests make.
const MOST_PAGES: usize = 150;
/// Pages of one shape that are looked at; the others are opened.
const MOST_ALIKE: usize = 2;

/// Follows all links, beginning with these; returns where it was.
fn walk(browser: &Browser, begin: &[&str]) -> BTreeSet<String> {
    let mut ahead: Vec<String> = begin.iter().rev().map(|path| (*path).to_owned()).collect();
    let (mut been, mut wrong) = (BTreeSet::new(), Vec::new());
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(path) = ahead.pop() {
        let path = path.split('#').next().unwrap_or_default().to_owned();
        if path.starts_with("/assets/")
            || path.ends_with(".mobileconfig")
            || !been.insert(path.clone())
        {
            continue;
        }
        assert!(been.len() <= MOST_PAGES, "the links have no end: {been:#?}");
        let seen = browser.open(&path);
        assert_eq!(seen.status, 200, "{path}: {seen:#?}");
        assert!(!seen.heading.is_empty(), "{path}: a page without a heading");
        let looked_at = alike.entry(shape(&path)).or_default();
        *looked_at += 1;
        if *looked_at <= MOST_ALIKE {
            let found = browser.wrong(&name_of(&path)).into_iter();
            wrong.extend(found.map(|one| format!("{path}: {one}")));
        }
        ahead.extend(browser.links().into_iter().rev());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    been
}

/// What pages about several things of one kind have in common.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let parts = path.split('/').enumerate();
    let parts = parts.map(|(place, part)| if place == 3 { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// A file's name.
fn name_of(path: &str) -> String {
    let name: String = path
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .take(80)
        .collect();
    format!("page{name}")
}

/// A little of everything, and something wrong with most of it.
fn fill(site: &Site) {
    for command in [
        "domain add example.org --max-mailboxes 5 --total-quota 10G --default-quota 2G",
        "domain add example.net",
        "domain set example.net --active false",
        "template add Staff",
        "template add Guests",
        "provider add corp --kind oidc --server-url http://127.0.0.1:1",
        "provider add people --kind keycloak --server-url http://127.0.0.1:1 --realm people \
         --client-id dovegate",
        "domain add corp.example.org --provider people",
        "mailbox add eve@corp.example.org --auth-source people --no-password",
        "mailbox add ben@example.org --no-password --template Staff",
        "mailbox add una@example.org --no-password --state receive_only",
        "mailbox add tess@example.org --no-password --state disabled",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        site.run(&arguments);
    }
    site.add_mailbox("ann@example.org", "password-of-ann");
    for name in ["Phone", "A laptop with a name that is as long as names of laptops are"] {
        site.run(&["app-password", "create", "ann@example.org", "--name", name]);
    }
    site.run(&["admin", "token", "create", "--name", "Backup", "--scope", "read"]);
}

#[test]
fn whoever_is_not_signed_in_sees_pages_without_fault() {
    let Some(site) = Site::start("") else { return };
    fill(&site);
    let browser = site.browser("walk-stranger");
    let been = walk(&browser, &["/sign-in"]);
    assert!(been.contains("/sign-in"), "{been:#?}");
    browser.open("/sign-in");
    browser.loosen().fill("#address", "nobody").click("css=main button");
    assert!(!browser.see().faults.is_empty());
    browser.look("sign-in-refused");
    assert_eq!(browser.open("/no-such-page").status, 404);
    browser.look("not-found");
    assert_eq!(browser.open("/admin").path, "/sign-in?next=%2Fadmin");
}

#[test]
fn a_person_sees_pages_without_fault() {
    let Some(site) = Site::start("") else { return };
    fill(&site);
    let browser = site.person("walk-person", "ann@example.org", "password-of-ann");
    let been = walk(&browser, &["/"]);
    assert!(been.len() > 2, "{been:#?}");
    assert_eq!(browser.open("/admin").status, 403);
    browser.look("forbidden");
}

#[test]
fn an_administrator_sees_pages_without_fault() {
    let Some(site) = Site::start("") else { return };
    fill(&site);
    drop(site.person("walk-before", "ann@example.org", "password-of-ann"));
    let been = walk(&site.administrator("walk-administrator"), &["/admin"]);
    for path in ["/admin/domains", "/admin/mailboxes", "/admin/providers", "/admin/templates"] {
        assert!(been.contains(path), "{path}: {been:#?}");
    }
}
