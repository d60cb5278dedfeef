//! What `dovegate explain` says to somebody who wants to know why a login fails, and
//! what stands in the login's own line: the very check, with its name, number or
//! date.

use std::{thread::sleep, time::Duration};

use serde_json::json;

use crate::support::{
    provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider, people::somebody},
    world::{ANN, ANN_PASSWORD, World},
};

/// A server, and a Keycloak with people for whoever has it as auth source.
struct House {
    world: World,
    corp: FakeProvider,
}

impl House {
    fn new() -> Self {
        let corp = FakeProvider::start();
        corp.people(|people| {
            let mut ann = somebody("ann");
            ann["attributes"] = json!({ "mailcow_password": ["{PLAIN}kept elsewhere"] });
            people.push(ann);
        });
        let mut settings = vec![
            "provider.corp.kind = \"keycloak\"".to_owned(),
            format!("provider.corp.server_url = \"{}\"", corp.url()),
            "provider.corp.realm = \"mail\"".to_owned(),
            format!("provider.corp.client_id = \"{CLIENT_ID}\""),
            format!("provider.corp.client_secret = \"{CLIENT_SECRET}\""),
        ];
        settings.extend(
            ["mailpassword_flow = true", "recheck_interval = \"0s\"", "account_check = \"1s\""]
                .map(|line| format!("provider.corp.{line}")),
        );
        settings.push("abuse.account_limit = 3".to_owned());
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let world = World::with(&settings);
        world.daemon.cli(&["domain", "set", "example.org", "--provider", "corp"], "");
        Self { world, corp }
    }

    /// The last lines of what is said of a login with `password`, as one text, and
    /// all of it. The exit code is that of a refusal.
    fn explain(&self, arguments: &[&str], password: &str) -> String {
        let mut all = [&["explain"], arguments].concat();
        if !password.is_empty() {
            all.push("--password-stdin");
        }
        let output = self.world.daemon.try_cli(&all, &format!("{password}\n"));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn says(&self, arguments: &[&str], password: &str, words: &[&str]) {
        let said = self.explain(arguments, password);
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    /// What the log says of a login with `password`.
    fn logged(&self, password: &str) -> String {
        let logins = |log: &str| log.matches(" login verdict=").count();
        let before = logins(&self.world.daemon.log());
        let mut client = self.world.target.client("login", 2);
        assert_eq!(client.login(ANN, password).word, "FAIL");
        self.world.daemon.wait_for_log("the line of a login", |log| logins(log) > before);
        let log = self.world.daemon.log();
        log.lines().rfind(|line| line.contains(" login verdict=")).unwrap().to_owned()
    }

    fn cli(&self, arguments: &[&str]) -> String {
        self.world.daemon.cli(arguments, "")
    }
}

#[test]
fn what_is_missing_or_off_is_named() {
    let house = House::new();
    house.says(
        &["zoe@nowhere.example"],
        "",
        &["domain nowhere.example does not exist here.", "dovegate domain add nowhere.example."],
    );
    house.says(
        &["zoe@example.org"],
        "",
        &["there is no such mailbox.", "dovegate mailbox add zoe@example.org."],
    );
    house.cli(&["mailbox", "set", ANN, "--service", "smtp,sieve"]);
    let off = "imap is off; without an app password the mailbox opens smtp, sieve";
    house.says(&[ANN, "--service", "imap"], ANN_PASSWORD, &[off]);
    let line = house.logged(ANN_PASSWORD);
    assert!(line.contains("reason=service_not_allowed ") && line.contains(off), "{line}");
    house.cli(&["domain", "set", "example.org", "--active", "false"]);
    house.says(&[ANN], ANN_PASSWORD, &["domain example.org is switched off.", "--active true."]);
}

#[test]
fn app_passwords_say_what_they_are_not_for() {
    let house = House::new();
    let create = |options: &[&str]| {
        house.world.daemon.add_app_password(ANN, &[&["--name", "Phone"], options].concat())
    };
    let (short, near) = (create(&["--expires", "1s"]), create(&["--network", "198.51.100.0/24"]));
    let (smtp, revoked) = (create(&["--service", "smtp"]), create(&[]));
    house.cli(&["app-password", "revoke", ANN, &revoked[..4]]);
    let from = [ANN, "--rip", "192.0.2.7"];
    let alone = "\"Phone\" is for 198.51.100.0/24 alone, and not for 192.0.2.7.";
    house.says(&from, &near, &[&format!("app password {} {alone}", &near[..4])]);
    let opens = format!("app password {} \"Phone\" opens only smtp.", &smtp[..4]);
    house.says(&from, &smtp, &[&opens]);
    let line = house.logged(&smtp);
    assert!(line.contains("reason=app_password_service "), "{line}");
    assert!(line.contains("\\\"Phone\\\" opens only smtp"), "{line}");
    let none = format!("the mailbox has none with the id {}: revoked", &revoked[..4]);
    house.says(&from, &revoked, &["the password is wrong", &none]);
    let line = house.logged(&revoked);
    assert!(line.contains("reason=wrong_password ") && line.contains(&none), "{line}");
    sleep(Duration::from_millis(1_100));
    let expired = format!("app password {} \"Phone\" expired on 20", &short[..4]);
    house.says(&from, &short, &[&expired, "dovegate app-password create ann@example.org."]);
}

#[test]
fn who_is_held_back_hears_after_how_many_guesses_and_until_when() {
    let house = House::new();
    for guess in ["one", "two", "three"] {
        house.logged(guess);
    }
    let held = "its main password is held back after 3 guesses, until 20";
    house.says(&[ANN], ANN_PASSWORD, &[held, "dovegate held-back lift"]);
    let line = house.logged(ANN_PASSWORD);
    assert!(line.contains("reason=held_back ") && line.contains(held), "{line}");
}

#[test]
fn a_provider_s_word_is_told_with_its_date() {
    let house = House::new();
    house.cli(&["mailbox", "set", ANN, "--auth-source", "corp"]);
    let phone = house.world.daemon.add_app_password(ANN, &["--name", "Phone"]);
    let mut client = house.world.target.client("login", 2);
    assert_eq!(client.login(ANN, "kept elsewhere").word, "OK");
    house.corp.person("ann", json!({ "enabled": false }));
    house.world.daemon.cli(&["cache", "flush"], "");

    let line = house.logged("kept elsewhere");
    let since = "disabled at corp, known since 20";
    assert!(line.contains("reason=disabled_at_provider ") && line.contains(since), "{line}");
    // It is the first time that counts, also after a restart.
    let told = |said: &str| said.split("known since ").nth(1).unwrap()[..20].to_owned();
    let first = told(&line);
    sleep(Duration::from_millis(1_100));
    let said = house.explain(&[ANN], "kept elsewhere");
    assert!(said.contains("the account is disabled at corp, known since"), "{said}");
    assert_eq!(told(&said), first);
    let said = house.explain(&[ANN], &phone);
    assert!(
        said.contains("the app password is right, and the owner is disabled at corp"),
        "{said}"
    );
    assert!(said.contains(&format!("known since {first}")), "{said}");
    let line = house.logged(&phone);
    assert!(line.contains("reason=owner_disabled ") && line.contains(&first), "{line}");

    // A sync switches the mailbox off by the same word.
    house.cli(&["sync", "run", "corp", "--withdraw-limit", "100"]);
    let said = house.explain(&[ANN], &phone);
    let off = "the mailbox only receives: it was switched off on 20";
    assert!(said.contains(off), "{said}");
    assert!(said.contains("since the person is disabled at corp"), "{said}");

    // A successor gets the mailbox when it is given to him, and not before.
    house.corp.person("ann", json!({ "enabled": true, "id": "id-of-successor" }));
    let shown = |key: &str| {
        house.cli(&["sync", "run", "corp", "--withdraw-limit", "100"]);
        crate::cli::json(&house.cli(&["mailbox", "show", ANN, "--json"]))[key].clone()
    };
    assert_eq!(shown("state"), "receive_only");
    house.cli(&["mailbox", "set", ANN, "--unbind"]);
    assert_eq!(
        (shown("state"), &shown("bound")["subject"]),
        ("active".into(), &"id-of-successor".into())
    );
    assert_eq!(shown("overrides"), json!([]));
}
