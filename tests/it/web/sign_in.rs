//! Signing in at a provider, and who must not come in by it.

use std::collections::HashMap;

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::visitor;
use crate::support::{
    daemon::Daemon,
    http::Answer,
    provider::{
        Behaviour, DISCOVERY, FakeProvider,
        browsers::{CODE, END_SESSION},
    },
    visitor::{PAGES, Visitor, csrf},
};

const ANN: &str = "ann@example.org";
const SESSION: &str = "__Host-dovegate";
const ON_THE_WAY: &str = "__Host-dovegate-sign-in";

/// A daemon with a provider for `example.org` and another one for `example.net`.
struct House {
    daemon: Daemon,
    corp: FakeProvider,
    other: FakeProvider,
}

impl House {
    fn new(settings: &[&str]) -> Self {
        let (corp, other) = (FakeProvider::start(), FakeProvider::start());
        let mut lines = [corp.config("corp"), other.config("other")].concat();
        lines.push("provider.corp.default_template = \"Plain\"".to_owned());
        lines.push("provider.corp.administrator_role = \"chief\"".to_owned());
        let lines: Vec<&str> =
            lines.iter().map(String::as_str).chain(PAGES).chain(settings.to_vec()).collect();
        let daemon = Daemon::start(&lines);
        daemon.cli(&["template", "add", "Plain", "--quota", "1G"], "");
        for (domain, provider) in [("example.org", "corp"), ("example.net", "other")] {
            daemon.cli(&["domain", "add", domain, "--provider", provider], "");
        }
        daemon.add_mailbox(ANN, "any", &["--auth-source", "corp"]);
        corp.signs_in(json!({}));
        other.signs_in(json!({ "sub": "bo", "email": "bo@example.net" }));
        Self { daemon, corp, other }
    }

    fn visitor(&self) -> Visitor {
        visitor(&self.daemon)
    }

    /// The browser goes to corp and signs in there: the way back.
    fn way_back(&self, visitor: &mut Visitor, begin: &str) -> String {
        let sent = visitor.get(begin);
        assert_eq!(sent.status, 303, "{}", sent.body);
        let (redirect, back) = self.corp.visited(&Url::parse(sent.header("location")).unwrap());
        assert_eq!(redirect, "https://auth.example.org/sign-in/corp/callback");
        path("corp", &back)
    }

    fn sign_in(&self, visitor: &mut Visitor) -> Answer {
        let back = self.way_back(visitor, "/sign-in/corp");
        visitor.get(&back)
    }

    /// What the login log says of a mailbox, latest first.
    fn outcomes(&self, address: &str) -> Vec<String> {
        let text = self.daemon.cli(&["login-log", address, "--json"], "");
        let rows: Vec<Value> = serde_json::from_str(&text).expect("a list");
        let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        rows.iter()
            .map(|row| format!("{} {}", word(row, "protocol"), word(row, "outcome")))
            .collect()
    }

    fn wait_for_line(&self, parts: &[&str]) {
        self.daemon.wait_for_log("a login's line", |log| {
            // Only what has spaces in it stands in quotes.
            let is_it = |line: String| parts.iter().all(|part| line.contains(part));
            log.lines().map(|line| line.replace('"', "")).any(is_it)
        });
    }
}

fn path(provider: &str, back: &HashMap<String, String>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(back).finish();
    format!("/sign-in/{provider}/callback?{query}")
}

/// The same way back with one thing changed.
fn with(way_back: &str, name: &str, value: Option<&str>) -> String {
    let (path, query) = way_back.split_once('?').unwrap();
    let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
    let kept = pairs.filter(|(known, _)| known != name);
    let further = value.map(|value| (name.to_owned(), value.to_owned()));
    let query =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain(further)).finish();
    format!("{path}?{query}")
}

#[track_caller]
fn not_signed_in(visitor: &mut Visitor, answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body.contains(text), "{}", answer.body);
    assert!(!visitor.cookies.contains_key(SESSION));
    assert_eq!(visitor.get("/").status, 303, "nobody is signed in");
}

#[test]
fn somebody_signs_in_and_out() {
    let house = House::new(&[]);
    let mut ann = house.visitor();
    let chosen = ann.post("/sign-in", &[("address", "Ann@example.org"), ("next", "/?x=y")]);
    let link = "href=\"/sign-in/corp?address=ann%40example.org&#38;next=%2F%3Fx%3Dy\"";
    assert!(
        chosen.body.contains("Continue with corp") && chosen.body.contains(link),
        "{}",
        chosen.body
    );

    let begin = "/sign-in/corp?address=ann%40example.org&next=%2F%3Fx%3Dy";
    let back = house.way_back(&mut ann, begin);
    let signed = ann.get(&back);
    assert_eq!((signed.status, signed.header("location")), (303, "/?x=y"), "{}", signed.body);
    let home = ann.get("/");
    assert!(home.status == 200 && home.body.contains(ANN), "{}", home.body);
    assert_eq!(house.outcomes(ANN), ["web ok"]);
    house.wait_for_line(&[
        "login verdict=verified",
        "user=ann@example.org service=web mechanism=OIDC rip=127.0.0.1",
        "verifier=sign_in",
        "provider=corp",
    ]);

    // The way out leads to the provider, too, by a form of that one page.
    let out = ann.post("/sign-out", &[("csrf", &csrf(&home.body))]);
    assert_eq!(out.status, 200);
    let action = format!("action=\"{}\"", house.corp.at(END_SESSION));
    assert!(out.body.contains(&action) && out.body.contains("name=\"id_token_hint\" value=\"ey"));
    let callback = "value=\"https://auth.example.org/sign-in/corp/callback\"";
    assert!(out.body.contains(callback), "{}", out.body);
    let policy = out.header("content-security-policy");
    assert!(policy.contains(&format!("form-action 'self' {};", house.corp.url())), "{policy}");
    assert_eq!(ann.get("/").status, 303);
    let returned = ann.get("/sign-in/corp/callback");
    assert_eq!((returned.status, returned.header("location")), (303, "/sign-in"));
    let log = house.daemon.log();
    let secrets = ["code-1-of-a-sign-in", "eyJ", &back[back.find("state=").unwrap()..][..20]];
    assert!(secrets.iter().all(|secret| !log.contains(secret)), "{log}");
}

#[test]
fn whoever_has_no_mailbox_gets_one_whatever_his_name() {
    let house = House::new(&[]);
    let name = "<script>alert(1)</script>\"><img src=x>";
    house.corp.signs_in(json!({ "sub": "new", "email": "New@example.org", "name": name }));
    let mut newcomer = house.visitor();
    assert_eq!(house.sign_in(&mut newcomer).header("location"), "/");
    let home = newcomer.get("/");
    assert_eq!(home.status, 200);
    assert!(!home.body.contains("<script>alert") && !home.body.contains("<img"), "{}", home.body);
    assert!(home.body.contains("alert(1)"), "it is shown as the text that it is: {}", home.body);
    let shown = house.daemon.cli(&["mailbox", "show", "new@example.org", "--json"], "");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["auth_source"], &shown["display_name"]), (&json!("corp"), &json!(name)));
    assert_eq!(house.outcomes("new@example.org"), ["web ok"]);
}

/// Login CSRF: a link with the attacker's own code signs nobody in as the attacker.
#[test]
fn what_another_browser_began_is_nobody_elses() {
    let house = House::new(&[]);
    let mut attacker = house.visitor();
    let back = house.way_back(&mut attacker, "/sign-in/corp");
    let mut victim = house.visitor();
    let lured = victim.get(&back);
    not_signed_in(&mut victim, &lured, 400, "was not begun in this browser");
    house.way_back(&mut victim, "/sign-in/corp");
    let lured = victim.get(&back);
    not_signed_in(&mut victim, &lured, 400, "was not begun in this browser");
    assert_eq!(house.corp.count(CODE), 0, "no code is turned in for him");
    assert_eq!(attacker.get(&back).status, 303, "his own is as good as before");
}

#[test]
fn nothing_is_good_twice() {
    let house = House::new(&[]);
    let mut ann = house.visitor();
    let back = house.way_back(&mut ann, "/sign-in/corp");
    assert_eq!(ann.get(&back).status, 303);
    ann.cookies.remove(SESSION);
    let again = ann.get(&back);
    not_signed_in(&mut ann, &again, 400, "was used before");
    // A code of before under a state of now: the provider knows that it was used.
    let code = |way: &str| {
        let (_, query) = way.split_once('?').unwrap();
        let mut pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        pairs.find(|(name, _)| name == "code").unwrap().1
    };
    let now = house.way_back(&mut ann, "/sign-in/corp");
    let replayed = ann.get(&with(&now, "code", Some(&code(&back))));
    not_signed_in(&mut ann, &replayed, 403, "was used before");
    house.wait_for_line(&["verdict=rejected reason=sign_in_code", "mechanism=OIDC"]);
    for (name, value) in [("state", Some("made-up")), ("code", None), ("iss", None)] {
        let now = house.way_back(&mut ann, "/sign-in/corp");
        let answer = ann.get(&with(&now, name, value));
        assert!(matches!(answer.status, 400 | 403), "{name}: {}", answer.status);
        assert!(!ann.cookies.contains_key(SESSION), "{name}");
    }
    let now = house.way_back(&mut ann, "/sign-in/corp");
    let twice = ann.get(&format!("{now}&code=another"));
    not_signed_in(&mut ann, &twice, 400, "is over");
}

#[test]
fn two_providers_are_not_mixed_up() {
    let house = House::new(&[]);
    let mut ann = house.visitor();
    let back = house.way_back(&mut ann, "/sign-in/corp");
    // What corp answered, brought to where the other one's answers come.
    let crossed = ann.get(&back.replace("/sign-in/corp/", "/sign-in/other/"));
    not_signed_in(&mut ann, &crossed, 400, "is over");
    assert_eq!((house.corp.count(CODE), house.other.count(CODE)), (0, 0));
    // The other one's answer, at corp's address.
    let back = house.way_back(&mut ann, "/sign-in/corp");
    let foreign = ann.get(&with(&back, "iss", Some(&house.other.url())));
    not_signed_in(&mut ann, &foreign, 403, "is not good");
    assert_eq!((house.corp.count(CODE), house.other.count(CODE)), (0, 0));
    house.wait_for_line(&["reason=token_issuer", "provider=corp"]);
}

#[test]
fn nobody_is_sent_elsewhere_afterwards() {
    let house = House::new(&[]);
    for next in ["https%3A%2F%2Fexample.com%2F", "%2F%2Fexample.com", "%2F%5Cexample.com"] {
        let mut ann = house.visitor();
        let back = house.way_back(&mut ann, &format!("/sign-in/corp?next={next}"));
        assert_eq!(ann.get(&back).header("location"), "/", "{next}");
    }
}

#[test]
fn the_id_of_before_is_never_the_id_of_after() {
    let house = House::new(&[]);
    let mut ann = house.visitor();
    ann.cookies.insert(SESSION.to_owned(), "planted".to_owned());
    house.sign_in(&mut ann);
    let first = ann.cookies[SESSION].clone();
    assert_ne!(first, "planted");
    house.sign_in(&mut ann);
    assert_ne!(ann.cookies[SESSION], first);
    ann.cookies.insert(SESSION.to_owned(), first);
    assert_eq!(ann.get("/").status, 303, "the one of before is over");
    let sent = house.visitor().get("/sign-in/corp");
    let cookie = sent.header("set-cookie");
    for part in [ON_THE_WAY, "Max-Age=600", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

/// A provider speaks for its own domains alone, also of people whom it calls chiefs.
#[test]
fn a_provider_opens_no_mailbox_of_another_ones() {
    let house = House::new(&[]);
    house.daemon.add_mailbox("bo@example.net", "any", &["--auth-source", "other"]);
    house.corp.signs_in(json!({ "sub": "bo", "email": "bo@example.net" }));
    let mut bo = house.visitor();
    let refused = house.sign_in(&mut bo);
    not_signed_in(&mut bo, &refused, 403, "opens no mailbox for you here");
    assert!(refused.body.contains("id_token_hint"), "he may sign out there: {}", refused.body);
    house.wait_for_line(&["reason=provider_domain", "user=bo@example.net"]);
    house.wait_for_line(&["outside the domains of its provider"]);
    assert_eq!(house.outcomes("bo@example.net"), [] as [&str; 0]);
    // A local mailbox of the right domain follows another source.
    house.daemon.add_mailbox("loc@example.org", "any", &[]);
    house.corp.signs_in(json!({ "sub": "loc", "email": "loc@example.org" }));
    let refused = house.sign_in(&mut bo);
    not_signed_in(&mut bo, &refused, 403, "opens no mailbox for you here");
    assert_eq!(house.outcomes("loc@example.org"), ["web token_source"]);
}

#[test]
fn who_is_refused_is_told_why_and_the_log_has_it() {
    let house = House::new(&[]);
    let mut ann = house.visitor();
    let cases: [(Value, &[&str], &str, &str); 4] = [
        (json!({ "email_verified": false }), &[], "has not verified", "unverified_email"),
        (json!({}), &["--state", "disabled"], "is switched off", "mailbox_disabled"),
        (
            json!({}),
            &["--state", "active", "--service", "imap"],
            "does not open these pages",
            "service_not_allowed",
        ),
        (json!({ "email": "no address" }), &[], "opens no mailbox for you", "token_user"),
    ];
    for (who, change, text, reason) in cases {
        if !change.is_empty() {
            house.daemon.cli(&[&["mailbox", "set", ANN], change].concat(), "");
        }
        house.corp.signs_in(who);
        let refused = house.sign_in(&mut ann);
        not_signed_in(&mut ann, &refused, 403, text);
        house.wait_for_line(&["verdict=rejected", &format!("reason={reason}"), "guess=false"]);
    }
    let seen = ["web service_not_allowed", "web mailbox_disabled", "web unverified_email"];
    let mut outcomes = house.outcomes(ANN);
    outcomes.sort_unstable();
    let mut seen = seen.map(str::to_owned).to_vec();
    seen.sort_unstable();
    assert_eq!(outcomes, seen);
    // The address of somebody is another person's by now.
    house.daemon.cli(&["mailbox", "set", ANN, "--service", "web"], "");
    house.corp.signs_in(json!({}));
    assert_eq!(house.sign_in(&mut ann).status, 303);
    house.corp.signs_in(json!({ "sub": "successor" }));
    let mut successor = house.visitor();
    let refused = house.sign_in(&mut successor);
    not_signed_in(&mut successor, &refused, 403, "belongs to another account");
}

#[test]
fn who_declines_there_comes_back_to_a_page_that_says_so() {
    let house = House::new(&[]);
    let mut ann = house.visitor();
    let back = house.way_back(&mut ann, "/sign-in/corp");
    let back = with(&with(&back, "code", None), "error", Some("access_denied"));
    let back = format!("{back}&error_description=%3Cb%3Eno%3C%2Fb%3E");
    let declined = ann.get(&back);
    not_signed_in(&mut ann, &declined, 403, "corp has not signed you in");
    assert!(!declined.body.contains("<b>"), "{}", declined.body);
    house.wait_for_line(&["reason=sign_in_declined", "access_denied"]);
}

#[test]
fn a_chief_administers_also_without_a_mailbox() {
    let house = House::new(&[]);
    let chief = json!({
        "sub": "boss", "email": "boss@elsewhere.example", "realm_access": { "roles": ["chief"] },
    });
    house.corp.signs_in(chief);
    let mut boss = house.visitor();
    let signed = house.sign_in(&mut boss);
    assert_eq!((signed.status, signed.header("location")), (303, "/admin"), "{}", signed.body);
    assert_eq!(boss.get("/admin").status, 200);
    assert_eq!(boss.get("/").status, 403, "there is no mailbox of his");
    house.wait_for_line(&[
        "login verdict=verified reason=- user=boss@elsewhere.example",
        "verifier=sign_in",
        "provider=corp detail=to administer, without a mailbox (provider_domain)",
    ]);
    // The same role at a provider that gives it no meaning.
    house.other.signs_in(
        json!({ "sub": "x", "email": "x@example.net", "realm_access": { "roles": ["chief"] } }),
    );
    let mut other = house.visitor();
    let sent = other.get("/sign-in/other");
    let (_, back) = house.other.visited(&Url::parse(sent.header("location")).unwrap());
    let refused = other.get(&path("other", &back));
    not_signed_in(&mut other, &refused, 403, "no mailbox for you here");
    // Ann is no chief.
    house.corp.signs_in(json!({}));
    let mut ann = house.visitor();
    assert_eq!(house.sign_in(&mut ann).status, 303);
    assert_eq!(ann.get("/admin").status, 403);
}

/// Each part that he is shown a way to has a page for him, and nothing of others is there.
#[test]
fn a_chief_of_some_domains_comes_to_no_others() {
    let house = House::new(&[]);
    house.daemon.add_mailbox("bo@example.net", "any", &["--auth-source", "other"]);
    house.corp.signs_in(json!({ "sub": "boss", "realm_access": { "roles": ["chief"] } }));
    let mut boss = house.visitor();
    house.sign_in(&mut boss);
    let overview = boss.get("/admin").body;
    let ways = overview.split("href=\"/admin").skip(1).filter_map(|rest| rest.split('"').next());
    let ways: Vec<_> = ways.map(|rest| format!("/admin{rest}")).collect();
    assert!(ways.len() > 6 && !ways.contains(&"/admin/tokens".to_owned()), "{ways:?}");
    for own in ways.iter().map(String::as_str).chain([
        "/admin/domains/example.org",
        "/admin/mailboxes/ann@example.org",
        "/admin/providers/corp",
        "/admin/templates/Plain",
    ]) {
        let page = boss.get(own);
        assert_eq!(page.status, 200, "{own}: {}", page.body);
        assert!(!page.body.contains("example.net"), "{own}: {}", page.body);
    }
    for not_his in [
        "/admin/domains/example.net",
        "/admin/mailboxes/bo@example.net",
        "/admin/providers/other",
        "/admin/sync/other",
    ] {
        assert_eq!(boss.get(not_his).status, 404, "{not_his}");
    }
    assert_eq!(boss.get("/admin/tokens").status, 403);
    let found = boss.get("/admin/mailboxes?text=bo").body;
    assert!(!found.contains("bo@example.net"), "{found}");
}

#[test]
fn who_signs_out_at_the_provider_is_signed_out_here() {
    let house = House::new(&[]);
    let (mut ann, mut boss) = (house.visitor(), house.visitor());
    house.sign_in(&mut ann);
    house.corp.signs_in(json!({ "sub": "boss", "realm_access": { "roles": ["chief"] } }));
    house.sign_in(&mut boss);
    assert_eq!((ann.get("/").status, boss.get("/admin").status), (200, 200));
    let token = house.corp.token_with(
        json!({ "typ": "logout+jwt" }),
        json!({
            "aud": "mailgate", "jti": "1", "sid": "9", "typ": null, "azp": null, "scope": null,
            "email": null, "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        }),
    );
    let told = ann.post_from(None, "/backchannel-logout/corp", &[("logout_token", &token)]);
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(ann.get("/").status, 303, "her session there is over");
    assert_eq!(boss.get("/admin").status, 200, "another person's is not");
}

#[test]
fn a_provider_that_is_down_is_nobodys_fault() {
    let house = House::new(&["provider.corp.timeout = \"1s\""]);
    let mut ann = house.visitor();
    let back = house.way_back(&mut ann, "/sign-in/corp");
    house.corp.behave(CODE, Behaviour::status(503));
    let down = ann.get(&back);
    not_signed_in(&mut ann, &down, 503, "cannot be asked at the moment");
    house.wait_for_line(&["verdict=unavailable reason=provider_status", "mechanism=OIDC"]);

    house.other.behave(DISCOVERY, Behaviour::status(500));
    let begun = ann.get("/sign-in/other");
    not_signed_in(&mut ann, &begun, 503, "other cannot be asked at the moment");
    for unknown in ["/sign-in/nobody", "/sign-in/Corp", "/sign-in/..%2Fcorp"] {
        assert_eq!(ann.get(unknown).status, 404, "{unknown}");
    }
}

#[test]
fn a_network_that_is_held_back_signs_in_by_no_way() {
    let settings =
        ["abuse.network_limit = 3", "abuse.trusted_networks = []", "login.failure_delay = \"0s\""];
    let house = House::new(&settings);
    for number in 0..3 {
        house.visitor().sign_in(ANN, &format!("guess {number}"));
    }
    let mut ann = house.visitor();
    let refused = house.sign_in(&mut ann);
    not_signed_in(&mut ann, &refused, 403, "Too many wrong passwords");
    house.wait_for_line(&["reason=held_back", "mechanism=OIDC"]);
    assert_eq!(house.corp.count(CODE), 0);
}
