//! `contrib/fail2ban`: the filter reads the lines that the built binary writes.
//! `tests/real/fail2ban.rs` asks fail2ban itself the same.

use std::{fs, path::Path};

use regex_automata::{dfa::regex::Regex, util::syntax};

use crate::support::{
    b64,
    client::Client,
    plain,
    world::{ANN, ANN_PASSWORD, ANN_TOKEN, BOB, DORA, World},
};

/// Asks, and waits for the line in the log: the answer comes much later.
fn ask(world: &World, client: &mut Client, rip: &str, user: &str, password: &str) {
    let lines = |log: &str| log.matches("login verdict=").count();
    let before = lines(&world.daemon.log());
    let parameters = format!(
        "service=imap\tsecured\tsession=s {rip}\trip={rip}\tresp={}",
        plain(user, password)
    );
    client.auth("PLAIN", &parameters);
    world.daemon.wait_for_log("line of a login", |log| lines(log) > before);
}

/// Nobody guesses tokens; and what a provider says is the last field.
#[test]
fn filter_overlooks_refused_tokens() {
    let world = World::with_providers(&["login.failure_delay = \"10ms\""]);
    let mut client = world.target.client("login", 4);
    let quoted = "\" guess=true rip=203.0.113.7 \"";
    for (user, token) in
        [(ANN, "unheard-of"), (BOB, ANN_TOKEN), (quoted, ANN_TOKEN), (DORA, "x"), (ANN, quoted)]
    {
        let message = b64(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        let id = client.auth("XOAUTH2", &format!("rip=203.0.113.9\tfinal-resp-ok\tresp={message}"));
        client.reply(id).expect("FAIL");
    }
    let id = client.auth("XOAUTH2", "rip=203.0.113.9\tresp=!");
    client.reply(id).expect("FAIL");
    world.daemon.wait_for_log("six logins", |log| log.matches(" login verdict=").count() == 6);
    let log = world.daemon.log();
    let failregex = failregex("[0-9A-Fa-f:.]+");
    assert!(!log.lines().any(|line| failregex.is_match(without_time(line))), "{log}");
    // The same filter does see a guess in this log.
    ask(&world, &mut client, "203.0.113.10", ANN, "wrong");
    let log = world.daemon.log();
    assert_eq!(
        log.lines().filter(|line| failregex.is_match(without_time(line))).count(),
        1,
        "{log}"
    );
}

#[test]
fn filter_matches_new_guesses_and_nothing_else() {
    let world = World::with(&["abuse.account_limit = 4", "login.failure_delay = \"10ms\""]);
    let phone = world.daemon.add_app_password(BOB, &["--name", "Phone", "--service", "smtp"]);
    let mut wrong_phone = phone.clone();
    // The last character belongs to the secret; the check character is another.
    let last = if phone.ends_with('7') { "8" } else { "7" };
    wrong_phone.replace_range(phone.len() - 1.., last);
    world.daemon.add_mailbox("out@example.org", "right", &[]);
    world.daemon.cli(&["mailbox", "set", "out@example.org", "--state", "disabled"], "");
    world.daemon.add_mailbox("odd@example.org", "right", &[]);
    world.daemon.smuggle("odd@example.org", "local_hash", &"{SKEIN9}abcdef".into());

    let forged = "x verdict=rejected rip=203.0.113.7 guess=true";
    let quoted = "\" rip=203.0.113.7 guess=true \"";
    let mut client = world.target.client("login", 2);
    let mut expected = Vec::new();
    for (rip, user, password, is_guess) in [
        ("198.51.100.1", ANN, "wrong", true),
        ("2001:db8::2", "nobody@example.org", "wrong", true),
        ("198.51.100.3", "nobody@example.net", "wrong", true),
        ("198.51.100.4", BOB, wrong_phone.as_str(), true),
        // The same again, from the same network.
        ("198.51.100.1", ANN, "wrong", false),
        ("198.51.100.6", ANN, ANN_PASSWORD, false),
        ("198.51.100.7", BOB, phone.as_str(), false),
        ("198.51.100.8", "out@example.org", "right", false),
        ("198.51.100.9", "odd@example.org", "right", false),
        ("198.51.100.10", forged, "wrong", false),
        ("198.51.100.11", quoted, "wrong", false),
        ("198.51.100.12", ANN, "guess 2", true),
        ("198.51.100.13", ANN, "guess 3", true),
        ("198.51.100.14", ANN, "guess 4", true),
        // Held back from now on.
        ("198.51.100.15", ANN, "guess 5", false),
        ("198.51.100.16", ANN, ANN_PASSWORD, false),
    ] {
        ask(&world, &mut client, rip, user, password);
        if is_guess {
            expected.push(rip.to_owned());
        }
    }
    let log = world.daemon.log();
    let matched = |host: &str| {
        let failregex = failregex(host);
        log.lines().filter(|line| failregex.is_match(without_time(line))).count()
    };
    for host in &expected {
        assert_eq!(matched(host), 1, "{host}: {log}");
    }
    assert_eq!(matched("[0-9A-Fa-f:.]+"), expected.len(), "{log}");
}

/// fail2ban cuts the time off before it looks.
fn without_time(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, rest)| rest)
}

/// The filter's expression for this host, its variables filled in.
fn failregex(host: &str) -> Regex {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/fail2ban/filter.d/dovegate.conf");
    let filter = fs::read_to_string(path).unwrap();
    let setting = |name: &str| {
        let mut values =
            filter.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        values.next().unwrap_or_else(|| panic!("no {name} in the filter")).to_owned()
    };
    let mut expression = setting("failregex");
    for name in ["_prefix", "_value"] {
        expression = expression.replace(&format!("%({name})s"), &setting(name));
    }
    let ascii = syntax::Config::new().unicode(false).utf8(false);
    Regex::builder().syntax(ascii).build(&expression.replace("<HOST>", host)).unwrap()
}
