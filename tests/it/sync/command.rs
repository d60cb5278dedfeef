//! `dovegate sync` and `/providers/{name}/sync`, with a server and without.

use std::{fs, process::Stdio};

use nix::sys::signal::Signal;

use super::*;
use crate::{
    cli::{dovegate, json},
    support::daemon::Daemon,
};

/// A server whose example.org follows a provider of people.
pub(super) fn served(fake: &FakeProvider, more: &[&str]) -> Daemon {
    let mut lines = fake.as_keycloak("corp");
    lines.push("provider.corp.import_users = true".to_owned());
    lines.push("provider.corp.default_template = \"Plain\"".to_owned());
    lines.push("provider.corp.default_template_updates = true".to_owned());
    lines.extend(more.iter().map(|line| (*line).to_owned()));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let daemon = Daemon::start(&lines);
    daemon.cli(&["domain", "add", "example.org", "--provider", "corp"], "");
    daemon.cli(&["template", "add", "Plain", "--quota", "1G"], "");
    daemon
}

#[test]
fn from_a_plan_to_mailboxes_and_their_record() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(3)));
    fake.person("p00002", json!({ "email": "p@elsewhere.example" }));
    let daemon = served(&fake, &[]);
    assert!(daemon.try_cli(&["sync", "log", "corp", "--run", "1"], "").status.code() == Some(1));
    let plan = daemon.cli(&["sync", "run", "corp", "--dry-run"], "");
    for words in [
        "corp: 3 people, 0 s",
        "would be created             2",
        "skipped                      1  1 domain unknown",
        "Nothing was changed.",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    assert!(!daemon.cli(&["mailbox", "list"], "").contains("p00000"));
    let plan = json(&daemon.cli(&["sync", "run", "corp", "--dry-run", "--json"], ""));
    assert_eq!((&plan["outcome"], &plan["run"]), (&json!("complete"), &Value::Null));
    assert_eq!(plan["plan"][1]["address"], "p00001@example.org");
    assert!(json(&daemon.cli(&["sync", "log", "--json"], "")).as_array().unwrap().is_empty());

    let done = daemon.cli(&["sync", "run", "corp"], "");
    assert!(done.contains("created                      2"), "{done}");
    assert!(done.contains("Details: dovegate sync log corp --run 1"), "{done}");
    let shown = daemon.cli(&["mailbox", "show", "p00000@example.org"], "");
    for words in ["auth source", "bound to       id-of-p00000 at corp", "template       Plain"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let log = daemon.cli(&["sync", "log"], "");
    assert!(log.lines().nth(1).unwrap().starts_with("corp      1    "), "{log}");
    let lines = json(&daemon.cli(&["sync", "log", "corp", "--run", "1", "--json"], ""));
    assert_eq!(lines.as_array().unwrap().len(), 2);
    assert_eq!(lines[0]["action"], "created");
    daemon.wait_for_log("a line for each change, and one for all", |log| {
        let lines = log.lines().filter(|line| line.contains(" sync provider=corp run=1 "));
        lines.count() == 2 && log.contains("skipped=\"domain_unknown 1\"")
    });

    // What an administrator sets is listed, and can be given back.
    let ann = ["mailbox", "set", "p00000@example.org", "--quota", "7G"];
    daemon.cli(&ann, "");
    assert!(daemon.cli(&["mailbox", "show", ann[2]], "").contains("set by hand    quota"));
    assert!(daemon.cli(&["sync", "run", "corp"], "").contains("unchanged                    2"));
    daemon.cli(&["mailbox", "set", ann[2], "--release", "quota"], "");
    assert!(daemon.cli(&["sync", "run", "corp"], "").contains("updated                      1"));
    let lines = daemon.cli(&["sync", "log", "corp", "--run", "3"], "");
    assert!(lines.contains("quota 7G → 1G"), "{lines}");

    // Over all runs, the latest first.
    let found = |filter: &[&str]| -> Vec<String> {
        let all = json(&daemon.cli(&[&["sync", "log", "--json"], filter].concat(), ""));
        let said = |line: &Value| {
            let (run, action) = (&line["run"], line["action"].as_str().unwrap());
            format!("{run} {action} {}", line["address"].as_str().unwrap_or("-"))
        };
        all.as_array().unwrap().iter().map(said).collect()
    };
    let ann = ["3 updated p00000@example.org", "1 created p00000@example.org"];
    assert_eq!(found(&["--mask", "P00000@*"]), ann);
    assert_eq!(found(&["corp", "--action", "updated"]), ann[..1]);
    assert_eq!(found(&["corp", "--run", "1", "--mask", "p00000@*"]), ann[1..]);
    assert!(found(&["--cause", "limit"]).is_empty());
    assert!(found(&["--logins"]).is_empty());
    let wrong = daemon.try_cli(&["sync", "log", "corp", "--action", "eaten"], "");
    assert!(!wrong.status.success());
    let log = daemon.cli(&["sync", "log", "corp", "--mask", "p00001@*"], "");
    assert!(log.contains("created") && log.lines().count() == 2, "{log}");
}

#[test]
fn what_cannot_run_says_why() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(20)));
    let daemon = served(
        &fake,
        &[
            "provider.plain.kind = \"oidc\"",
            "provider.plain.userinfo_url = \"http://127.0.0.1:1/\"",
        ],
    );
    let fails = |arguments: &[&str], code: i32, words: &str| {
        let output = daemon.try_cli(arguments, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    fails(&["sync", "run", "nobody"], 1, "provider nobody does not exist");
    fails(&["sync", "run", "plain"], 1, "that needs kind keycloak");
    fails(&["sync", "run", "corp", "--withdraw-limit", "101"], 2, "101");
    fails(&["sync", "stop", "corp"], 1, "no sync of provider corp is under way");
    daemon.cli(&["sync", "run", "corp"], "");
    fake.people(|people| people.truncate(10));
    fails(&["sync", "run", "corp"], 1, "withdraw_limit is 10 %");
    fails(&["sync", "run", "corp"], 1, "--withdraw-limit PERCENT");
    daemon.cli(&["sync", "run", "corp", "--withdraw-limit", "50"], "");
    fake.let_see(crate::support::provider::people::Sees::Nothing);
    fails(&["sync", "run", "corp"], 75, "view-users");
    let log = daemon.cli(&["sync", "log", "corp"], "");
    for words in ["failed", "braked", "complete"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

/// Commands of their own work on the state where no server runs.
#[test]
fn without_a_server() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(120)));
    let daemon = served(&fake, &[]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("dovegate.toml");
    let written = fs::read_to_string(daemon.folder().join("dovegate.toml")).unwrap();
    fs::write(&config, written).unwrap();
    let at = |arguments: &[&str]| {
        let data = folder.path().join("data");
        let [config, data] = [&config, &data].map(|path| path.to_str().unwrap());
        let all = [&["--config", config, "--data", data], arguments].concat();
        let output = dovegate(&all).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    at(&["domain", "add", "example.org", "--provider", "corp"]);
    at(&["template", "add", "Plain"]);
    assert!(at(&["sync", "run", "corp"]).contains("created                    120"));
    assert!(at(&["sync", "log", "corp"]).contains("complete"));
    assert!(at(&["mailbox", "list"]).contains("p00119@example.org"));
}

/// A process that is killed in the middle leaves whole mailboxes and a record that
/// says as much as was done; the next run does the rest.
#[test]
fn a_killed_run_is_finished_by_the_next() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(600)));
    fake.people_after(4, |_| std::thread::sleep(Duration::from_secs(2)));
    let mut daemon = served(&fake, &[]);
    let mut command = daemon.command(&["sync", "run", "corp"]);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    daemon.wait_for_log("a good part of the run", |log| {
        log.matches(" sync provider=corp run=1 ").count() >= 250
    });
    daemon.kill_and_restart();
    assert!(!running.wait().unwrap().success());

    let shown = json(&daemon.cli(&["sync", "log", "corp", "--json"], ""));
    assert_eq!(shown[0]["outcome"], "interrupted");
    let made = json(&daemon.cli(&["mailbox", "list", "--json"], "")).as_array().unwrap().len();
    assert_eq!(shown[0]["done"]["created"], made);
    assert!((250..600).contains(&made), "{made}");
    let domain = json(&daemon.cli(&["domain", "show", "example.org", "--json"], ""));
    assert_eq!(domain["mailboxes"], made);
    let done = json(&daemon.cli(&["sync", "run", "corp", "--json"], ""));
    assert_eq!((&done["done"]["created"], &done["unchanged"]), (&json!(600 - made), &json!(made)));
    let shown = json(&daemon.cli(&["sync", "log", "corp", "--json"], ""));
    assert_eq!(shown[1]["outcome"], "interrupted");
}

/// Ctrl-C ends the run and leaves a record that says so.
#[test]
fn ctrl_c_breaks_a_run_off() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(crowd(600)));
    fake.people_after(4, |_| std::thread::sleep(Duration::from_secs(2)));
    let daemon = served(&fake, &[]);
    let mut command = daemon.command(&["sync", "run", "corp"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    daemon.wait_for_log("a good part of the run", |log| {
        log.matches(" sync provider=corp run=1 ").count() >= 100
    });
    let pid = nix::unistd::Pid::from_raw(i32::try_from(running.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGINT).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("broken off"), "{said}");
    let shown = json(&daemon.cli(&["sync", "log", "corp", "--json"], ""));
    assert_eq!(shown[0]["outcome"], "cancelled");
    let made = json(&daemon.cli(&["mailbox", "list", "--json"], "")).as_array().unwrap().len();
    assert_eq!(shown[0]["done"]["created"], made);
    assert!(made < 600);
}
