//! App passwords follow their owner, and who is withdrawn loses his sessions: the
//! built server, a provider that is told what to say, and a command that writes
//! down for whom it was run.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use dovegate::clock::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{
    client::Client,
    provider::{Behaviour, CLIENT_ID, CLIENT_SECRET, FakeProvider, merge},
    world::{ANN, BOB, World},
};

const TOKEN: &str = "/protocol/openid-connect/token";
const USERS: &str = "/admin/realms/mail/users";
const BY_ID: &str = "/admin/realms/mail/users/a7feeb0e";
/// What is to count at once counts within so long.
const AT_ONCE: Duration = Duration::from_secs(5);
/// And what takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn person(changes: Value) -> Value {
    let mut person = json!({
        "id": "a7feeb0e", "email": ANN, "emailVerified": true, "enabled": true,
        "attributes": { "mailcow_password": ["{PLAIN}kept elsewhere"] },
    });
    merge(&mut person, changes);
    person
}

/// Ann's mailbox is bound to her at a Keycloak; she has a phone.
struct House {
    world: World,
    corp: FakeProvider,
    phone: String,
    /// Where the command writes addresses.
    kicked: PathBuf,
}

impl House {
    /// With further keys of the provider, and a script in the place of the command.
    fn new(keys: &[&str], script: Option<&str>) -> Self {
        let corp = FakeProvider::start();
        corp.records(true, true);
        corp.behave(TOKEN, Behaviour::json(&json!({ "access_token": "ours", "expires_in": 300 })));
        let folder = std::env::temp_dir();
        let kicked = folder.join(format!("dovegate-kicked-{}", uid(&corp)));
        let script =
            script.unwrap_or("echo \"$1\" >> FILE").replace("FILE", &kicked.to_string_lossy());
        let command = json!(["/bin/sh", "-c", script, "sh", "%u"]);
        let mut settings = vec![
            format!("login.on_withdrawal = {command}"),
            "login.on_withdrawal_limit = \"2s\"".to_owned(),
            "provider.corp.kind = \"keycloak\"".to_owned(),
            format!("provider.corp.server_url = \"{}\"", corp.url()),
            "provider.corp.realm = \"mail\"".to_owned(),
            format!("provider.corp.client_id = \"{CLIENT_ID}\""),
            format!("provider.corp.client_secret = \"{CLIENT_SECRET}\""),
            "provider.corp.mailpassword_flow = true".to_owned(),
            "provider.corp.timeout = \"1s\"".to_owned(),
        ];
        settings.extend(keys.iter().map(|key| format!("provider.corp.{key}")));
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let world = World::with(&settings);
        world.daemon.cli(&["domain", "set", "example.org", "--provider", "corp"], "");
        for user in [ANN, BOB] {
            world.daemon.cli(&["mailbox", "set", user, "--auth-source", "corp"], "");
        }
        let phone = world.daemon.add_app_password(ANN, &["--name", "Phone"]);
        let house = Self { world, corp, phone, kicked };
        house.stands(json!({}));
        let mut client = house.client();
        client.login(ANN, "kept elsewhere").expect("OK");
        house
    }

    /// Ann at the provider, changed so.
    fn stands(&self, changes: Value) {
        let person = person(changes);
        self.corp.behave(BY_ID, Behaviour::json(&person));
        self.corp.behave(USERS, Behaviour::json(&json!([person])));
    }

    /// An administrator there did something to her.
    fn happens(&self, operation: &str) {
        self.corp.admin_event(Timestamp::now().0, operation, "USER", "users/a7feeb0e");
    }

    fn client(&self) -> Client {
        self.world.target.client("login", 2)
    }

    /// What a login by the phone comes to: `OK`, or the word of its line.
    fn phone(&self) -> String {
        let before = logins(&self.world.daemon.log()).len();
        let reply = self.client().login(ANN, &self.phone).word;
        self.world.daemon.wait_for_log("the line of a login", |log| logins(log).len() > before);
        let line = logins(&self.world.daemon.log())[before].clone();
        let reason = line.split(" reason=").nth(1).unwrap_or_default();
        let reason = reason.split(' ').next().unwrap_or_default().to_owned();
        if reply == "OK" { reply } else { reason }
    }

    /// Tries the phone until it comes to this, in time.
    fn comes_to(&self, expected: &str, within: Duration) {
        let give_up = Instant::now() + within;
        loop {
            let came = self.phone();
            if came == expected {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "{came}, not {expected}\n{}",
                self.world.daemon.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn waits_for_log(&self, words: &str) {
        self.world.daemon.wait_for_log(words, |log| log.contains(words));
    }

    /// For whom the command was run.
    fn kicked(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.kicked).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn shown(&self, address: &str) -> Value {
        let shown = self.world.daemon.cli(&["mailbox", "show", address, "--json"], "");
        serde_json::from_str(&shown).expect("JSON")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.kicked);
    }
}

/// The line of each login so far.
fn logins(log: &str) -> Vec<String> {
    log.lines().filter(|line| line.contains(" login verdict=")).map(str::to_owned).collect()
}

/// No two providers that run have the same port.
fn uid(corp: &FakeProvider) -> String {
    let port = corp.url().rsplit(':').next().unwrap_or_default().to_owned();
    format!("{}-{port}", std::process::id())
}

#[test]
fn who_is_disabled_is_out_at_once() {
    let house = House::new(&["event_interval = \"1s\""], None);
    assert_eq!(house.phone(), "OK");
    assert_eq!(house.shown(ANN)["owner"]["state"], "enabled");
    // Its first poll comes before what is recorded now.
    let polled = || house.corp.count("/admin/realms/mail/admin-events") > 1;
    let give_up = Instant::now() + PATIENCE;
    while !polled() && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(20));
    }
    house.stands(json!({ "enabled": false }));
    assert_eq!(house.phone(), "OK", "nobody has said anything yet");
    house.happens("UPDATE");
    house.comes_to("owner_disabled", AT_ONCE);
    house.waits_for_log("withdrawn user=ann@example.org provider=corp why=owner_disabled");
    house.waits_for_log("on_withdrawal done user=ann@example.org why=owner_disabled");
    assert_eq!(house.kicked(), [ANN]);
    assert_eq!(house.shown(ANN)["owner"]["state"], "disabled");
    let shown = house.world.daemon.cli(&["mailbox", "show", ANN], "");
    assert!(shown.contains("owner") && shown.contains("disabled ("), "{shown}");
    let status = house.world.daemon.cli(&["status"], "");
    assert!(status.contains("1 (1 followed up)"), "{status}");
    let explained = house.world.daemon.try_cli(
        &["explain", ANN, "--service", "imap", "--password-stdin"],
        &format!("{}\n", house.phone),
    );
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.contains("disabled at corp, asked "), "{explained}");

    house.stands(json!({}));
    house.happens("UPDATE");
    house.comes_to("OK", AT_ONCE);
    house
        .corp
        .behave(BY_ID, Behaviour::text(404, "application/json", r#"{"error":"User not found"}"#));
    house.corp.behave(USERS, Behaviour::json(&json!([person(json!({ "id": "another" }))])));
    house.happens("DELETE");
    house.comes_to("owner_gone", AT_ONCE);
    house.waits_for_log("on_withdrawal done user=ann@example.org why=owner_gone");
    // Once for each withdrawal, however many logins found it out.
    assert_eq!(house.kicked(), [ANN, ANN]);
    let log = house.world.daemon.log();
    assert_eq!(log.matches(" withdrawn user=").count(), 2, "{log}");
}

#[test]
fn without_events_account_check_is_the_bound() {
    let keys = ["event_interval = \"0s\"", "account_check = \"2s\"", "recheck_interval = \"1s\""];
    let house = House::new(&keys, None);
    assert_eq!(house.phone(), "OK");
    house.stands(json!({ "enabled": false }));
    house.comes_to("owner_disabled", AT_ONCE);
    house.waits_for_log("on_withdrawal done user=ann@example.org why=owner_disabled");
    house.stands(json!({}));
    house.comes_to("OK", AT_ONCE);
    assert_eq!(house.corp.count("/admin/realms/mail/admin-events"), 0);
    assert_eq!(house.kicked(), [ANN]);
}

#[test]
fn while_the_provider_is_down_the_last_word_counts_also_after_a_restart() {
    let mut house = House::new(&["account_check = \"1s\""], None);
    assert_eq!(house.phone(), "OK");
    // Bob has a phone, too, and nobody has ever asked about him.
    let bound = json!({ "provider": "corp", "subject": "b0b" });
    let bobs = house.world.daemon.add_app_password(BOB, &["--name", "Phone"]);
    house.world.daemon.smuggle(BOB, "bound", &bound);
    house.corp.stop();
    let mut client = house.client();
    assert_eq!(client.login(BOB, &bobs).expect("FAIL").get("code"), Some("temp_fail"));
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..2 {
        assert_eq!(house.phone(), "OK");
        let line = logins(&house.world.daemon.log()).pop().unwrap();
        assert!(line.contains(" stale=true "), "{line}");
        house.world.daemon.restart();
    }
    let reply = house.client().login(BOB, &bobs).expect("FAIL");
    assert_eq!(reply.get("code"), Some("temp_fail"));
    house.stands(json!({ "enabled": false }));
    house.corp.restart();
    house.comes_to("owner_disabled", PATIENCE);
    house.waits_for_log("on_withdrawal done user=ann@example.org why=owner_disabled");
    house.corp.stop();
    house.world.daemon.restart();
    assert_eq!(house.phone(), "owner_disabled");
    // Nobody falls twice, whoever was started anew meanwhile.
    assert_eq!(house.kicked().iter().filter(|user| *user == ANN).count(), 1);
}

#[test]
fn what_an_administrator_switches_off_is_withdrawn() {
    let house = House::new(&[], None);
    let daemon = &house.world.daemon;
    daemon.cli(&["mailbox", "set", ANN, "--display-name", "Ann"], "");
    daemon.cli(&["mailbox", "set", BOB, "--state", "receive_only"], "");
    house.waits_for_log("on_withdrawal done user=bob@example.org why=receive_only");
    // He could not log in before.
    daemon.cli(&["mailbox", "set", BOB, "--state", "disabled"], "");
    daemon.cli(&["domain", "set", "example.org", "--active", "false"], "");
    house.waits_for_log("withdrawn domain=example.org why=domain_disabled");
    house.waits_for_log("on_withdrawal done user=ann@example.org why=domain_disabled");
    assert_eq!(house.kicked(), [BOB, ANN]);
    daemon.cli(&["domain", "set", "example.org", "--active", "true"], "");
    daemon.cli(&["mailbox", "remove", ANN], "");
    house.waits_for_log("on_withdrawal done user=ann@example.org why=mailbox_removed");
    // Nobody's address becomes an option of the command.
    daemon.cli(&["mailbox", "add", "--no-password", "--", "-f@example.org"], "");
    daemon.configure(&["login.on_withdrawal = [\"/bin/echo\", \"%u\"]"]);
    daemon.signal(Signal::SIGHUP);
    house.waits_for_log("reloaded");
    daemon.cli(&["mailbox", "remove", "--", "-f@example.org"], "");
    house.waits_for_log("the address begins with a dash");
    // Where nothing is to be run, nothing waits.
    daemon.configure(&[]);
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_log("another reload", |log| log.matches(" reloaded").count() == 2);
    daemon.cli(&["mailbox", "remove", BOB], "");
    house.waits_for_log("withdrawn user=bob@example.org provider=- why=mailbox_removed");
    let status: Value = serde_json::from_str(&daemon.cli(&["status", "--json"], "")).unwrap();
    let expected = json!({ "withdrawn": 5, "waiting": 0, "done": 3, "failed": 1, "dropped": 0 });
    assert_eq!(status["withdrawals"], expected);
}

#[test]
fn a_command_that_fails_or_hangs_is_in_the_log() {
    let script = "echo \"$1\" >> FILE; case $1 in bob*) echo no such \"user\"; exit 68;; esac; \
                  trap '' TERM; while :; do sleep 600; done";
    let house = House::new(&[], Some(script));
    let daemon = &house.world.daemon;
    daemon.cli(&["mailbox", "remove", BOB], "");
    house.waits_for_log("on_withdrawal failed user=bob@example.org why=mailbox_removed");
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("on_withdrawal failed")).unwrap();
    assert!(line.contains("68") && line.contains("no such user"), "{line}");
    daemon.cli(&["mailbox", "remove", ANN], "");
    house.waits_for_log("on_withdrawal failed user=ann@example.org");
    let log = daemon.log();
    let line = log.lines().rfind(|line| line.contains("on_withdrawal failed")).unwrap();
    assert!(line.contains("killed after 2 s"), "{line}");
}

/// Two run at a time, and neither they nor those who wait hold up the end.
#[test]
fn a_stop_waits_for_no_command() {
    let mut house = House::new(&[], Some("echo \"$1 $$\" >> FILE; exec sleep 600"));
    let third = "cleo@example.org";
    house.world.daemon.add_mailbox(third, "any", &[]);
    house.world.daemon.configure(&[]);
    for user in [ANN, BOB, third] {
        house.world.daemon.cli(&["mailbox", "remove", user], "");
    }
    let give_up = Instant::now() + PATIENCE;
    while house.kicked().len() < 2 && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(10));
    }
    let kicked = house.kicked();
    assert_eq!(kicked.len(), 2, "{kicked:?}");
    house.world.daemon.restart();
    house.waits_for_log("withdrawals are not followed up");
    for line in kicked {
        let pid = line.rsplit(' ').next().unwrap();
        let cmdline = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!cmdline.contains("sleep"), "{line} is still there");
    }
}
