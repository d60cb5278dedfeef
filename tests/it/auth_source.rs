//! Who checks the main passwords of a domain, switched there and back: the built
//! server, two providers that keep other passwords than the store, and logins in
//! between.

use std::{fs, process::Stdio, thread::sleep, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{
    cli::json,
    support::{
        provider::{Behaviour, CLIENT_ID, CLIENT_SECRET, FakeProvider},
        world::{ANN, ANN_PASSWORD, BOB, World},
    },
};

const TOKEN: &str = "/protocol/openid-connect/token";
const USERS: &str = "/admin/realms/mail/users";

/// A Keycloak that keeps Ann's password.
struct Keeper(FakeProvider);

impl Keeper {
    fn start(id: &str, password: &str) -> Self {
        let fake = FakeProvider::start();
        fake.behave(TOKEN, Behaviour::json(&json!({ "access_token": "ours", "expires_in": 300 })));
        let keeper = Self(fake);
        keeper.keeps(id, password);
        keeper
    }

    /// Whose address Ann's is there.
    fn keeps(&self, id: &str, password: &str) {
        let person = json!({
            "id": id, "email": ANN, "emailVerified": true, "enabled": true,
            "attributes": { "mailcow_password": [format!("{{PLAIN}}{password}")] },
        });
        self.0.behave(USERS, Behaviour::json(&json!([person])));
        self.0.behave(&format!("{USERS}/{id}"), Behaviour::json(&person));
    }

    fn settings(&self, name: &str) -> Vec<String> {
        let line = |rest: String| format!("provider.{name}.{rest}");
        vec![
            line("kind = \"keycloak\"".to_owned()),
            line(format!("server_url = \"{}\"", self.0.url())),
            line("realm = \"mail\"".to_owned()),
            line(format!("client_id = \"{CLIENT_ID}\"")),
            line(format!("client_secret = \"{CLIENT_SECRET}\"")),
            line("mailpassword_flow = true".to_owned()),
            line("recheck_interval = \"0s\"".to_owned()),
        ]
    }
}

struct House {
    world: World,
    corp: Keeper,
    phone: String,
    _other: Keeper,
}

impl House {
    fn new() -> Self {
        let corp = Keeper::start("ann-at-corp", "kept at corp");
        let other = Keeper::start("ann-at-other", "kept at other");
        let mut settings = corp.settings("corp");
        settings.extend(other.settings("other"));
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let world = World::with(&settings);
        world.daemon.cli(&["mailbox", "add", "cleo@example.org", "--no-password"], "");
        let phone = world.daemon.add_app_password(ANN, &["--name", "Phone"]);
        Self { world, corp, phone, _other: other }
    }

    fn switch(&self, arguments: &[&str]) -> Value {
        let all = [&["domain", "auth-source", "example.org"], arguments, &["--json"]].concat();
        json(&self.world.daemon.cli(&all, ""))
    }

    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let all = [&["domain", "auth-source", "example.org"], arguments].concat();
        let output = self.world.daemon.try_cli(&all, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn speaks(&self, provider: &str) {
        self.world.daemon.cli(&["domain", "set", "example.org", "--provider", provider], "");
    }

    /// Which of her passwords let Ann in. The phone's does by whatever source.
    fn lets_in(&self) -> Vec<&'static str> {
        let mut client = self.world.target.client("login", 2);
        assert_eq!(client.login(ANN, &self.phone).word, "OK");
        let all = [ANN_PASSWORD, "kept at corp", "kept at other"];
        all.into_iter().filter(|password| client.login(ANN, password).word == "OK").collect()
    }

    fn bound(&self) -> Value {
        let shown = self.world.daemon.cli(&["mailbox", "show", ANN, "--json"], "");
        json(&shown)["bound"]["subject"].take()
    }
}

#[test]
fn a_domain_is_switched_there_and_back() {
    let house = House::new();
    let refused = house.fails(&["corp"], 1);
    assert!(refused.contains("dovegate domain set example.org --provider corp"), "{refused}");
    assert!(house.fails(&["nobody"], 1).contains("provider nobody does not exist"));
    assert!(house.fails(&["No Body"], 2).contains("a provider's name has"));
    house.speaks("corp");

    let planned = house.switch(&["corp", "--dry-run"]);
    assert_eq!((&planned["changed"], &planned["dry_run"]), (&3.into(), &true.into()));
    assert_eq!(house.lets_in(), [ANN_PASSWORD]);

    let part = house.switch(&["corp", "--mask", "a*"]);
    assert_eq!((&part["changed"], &part["unchanged"]), (&1.into(), &0.into()));
    assert_eq!(house.lets_in(), ["kept at corp"]);
    assert_eq!(house.bound(), "ann-at-corp");
    let rest = house.switch(&["corp", "--from", "local"]);
    assert_eq!((&rest["changed"], &rest["left_out"]), (&2.into(), &1.into()));
    let again = house.switch(&["corp"]);
    assert_eq!((&again["changed"], &again["unchanged"]), (&0.into(), &3.into()));

    // What the provider said is of no use any more, nor what was verified by it.
    let back = house.switch(&["local"]);
    assert_eq!((&back["changed"], &back["notes"]), (&3.into(), &json!({ "no_password": 1 })));
    assert_eq!(back["noted"][0]["address"], "cleo@example.org");
    assert_eq!(house.lets_in(), [ANN_PASSWORD]);
    assert_eq!(house.bound(), "ann-at-corp");

    // Who has her address there by now is not her.
    house.switch(&["corp"]);
    house.corp.keeps("successor", "kept at corp");
    house.world.daemon.cli(&["cache", "flush"], "");
    let mut client = house.world.target.client("login", 2);
    assert_eq!(client.login(ANN, "kept at corp").word, "FAIL");
    house.corp.keeps("ann-at-corp", "kept at corp");
    house.world.daemon.cli(&["cache", "flush"], "");
    assert_eq!(house.lets_in(), ["kept at corp"]);
}

#[test]
fn another_provider_says_anew_whose_a_mailbox_is() {
    let house = House::new();
    house.speaks("corp");
    house.switch(&["corp", "--mask", ANN]);
    assert_eq!(house.lets_in(), ["kept at corp"]);
    house.speaks("other");
    let refused = house.fails(&["corp"], 1);
    assert!(refused.contains("provider other speaks for domain example.org"), "{refused}");
    let moved = ["domain", "auth-source", "example.org", "other", "--from", "corp"];
    let said = house.world.daemon.cli(&moved, "");
    let expected = "  example.org: 3 mailboxes, to other
  changed                    1
  left out                   2
  nobody's                   1  ann@example.org
                                the next login at other says whose it is
";
    assert_eq!(said, expected);
    assert_eq!(house.bound(), Value::Null);
    assert_eq!(house.lets_in(), ["kept at other"]);
    assert_eq!(house.bound(), "ann-at-other");

    // One mailbox goes by the same rule.
    house.speaks("corp");
    house.world.daemon.cli(&["mailbox", "set", ANN, "--auth-source", "corp"], "");
    assert_eq!(house.bound(), Value::Null);
    assert_eq!(house.lets_in(), ["kept at corp"]);
    house.switch(&["corp", "--unbind", "--mask", "a*"]);
    assert_eq!(house.bound(), Value::Null);
    let shown = house.world.daemon.cli(&["mailbox", "show", BOB, "--json"], "");
    assert_eq!(json(&shown)["auth_source"], "local");
}

/// Pages are written or not; what is not is done by the same command.
#[test]
fn ctrl_c_leaves_whole_pages() {
    let house = House::new();
    house.speaks("corp");
    let users: Vec<_> = (0..1_100).map(|n| format!("u{n}@example.org:{{PLAIN}}x")).collect();
    let file = house.world.daemon.folder().join("users");
    fs::write(&file, users.join("\n") + "\n").unwrap();
    house.world.daemon.cli(&["import", "--from", "passwd-file", file.to_str().unwrap()], "");

    house.world.daemon.signal(Signal::SIGSTOP);
    let arguments = ["domain", "auth-source", "example.org", "corp", "--json"];
    let mut command = house.world.daemon.command(&arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !catches_interrupts(child.id()) {
        sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    house.world.daemon.signal(Signal::SIGCONT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("broken off; what was changed stands"), "{stderr}");
    let said = json(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!((&said["changed"], &said["complete"]), (&500.into(), &false.into()));

    let rest = house.switch(&["corp"]);
    assert_eq!((&rest["changed"], &rest["unchanged"]), (&603.into(), &500.into()));
    assert_eq!(rest["complete"], true);
}

/// Whether the process has said what it does at Ctrl-C.
fn catches_interrupts(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() & (1 << (Signal::SIGINT as u64 - 1)) != 0
}
