//! All pages that links lead to, each looked at: by axe-core in light and dark, at the
//! width of a phone, and for what the browser complains of.

use std::collections::BTreeSet;

use super::{browser::Browser, site::Site};

/// More than there are with the few things that these tests make.
const MOST_PAGES: usize = 150;

/// Follows all links, beginning with these; returns where it was.
fn walk(browser: &Browser, begin: &[&str]) -> BTreeSet<String> {
    let mut ahead: Vec<String> = begin.iter().rev().map(|path| (*path).to_owned()).collect();
    let (mut been, mut wrong) = (BTreeSet::new(), Vec::new());
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
        wrong
            .extend(browser.wrong(&name_of(&path)).into_iter().map(|one| format!("{path}: {one}")));
        ahead.extend(browser.links().into_iter().rev());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    been
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

#[test]
fn whoever_is_not_signed_in_sees_pages_without_fault() {
    let Some(site) = Site::start("") else { return };
    let browser = site.browser("walk-stranger");
    let been = walk(&browser, &["/sign-in"]);
    assert!(been.contains("/sign-in"), "{been:#?}");
    let seen = browser.open("/no-such-page");
    assert_eq!(seen.status, 404, "{seen:#?}");
    browser.look("not-found");
}
