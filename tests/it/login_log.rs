//! `dovegate login-log`: logins are found by what they were.

use crate::{
    cli::json,
    support::world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

#[test]
fn logins_are_found_by_what_they_were() {
    let world = World::new();
    let phone = world.daemon.add_app_password(ANN, &["--name", "Phone"]);
    let mut client = world.target.client("login", 2);
    for (user, password, word) in [
        (ANN, ANN_PASSWORD, "OK"),
        (ANN, phone.as_str(), "OK"),
        (ANN, "a guess", "FAIL"),
        (BOB, BOB_PASSWORD, "OK"),
    ] {
        assert_eq!(client.login(user, password).word, word);
    }
    let found = |arguments: &[&str]| -> Vec<String> {
        let all = [&["login-log", "--json"], arguments].concat();
        let rows = json(&world.daemon.cli(&all, ""));
        let mut rows: Vec<String> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let [user, outcome] = ["address", "outcome"].map(|key| row[key].as_str().unwrap());
                let device = if row["app_password"].is_null() { "" } else { " by phone" };
                format!("{} {outcome}{device}", user.split('@').next().unwrap())
            })
            .collect();
        rows.sort();
        rows
    };
    let all = ["ann ok", "ann ok by phone", "ann wrong_password", "bob ok"];
    assert_eq!(found(&[]), all);
    assert_eq!(found(&["--since", "1h", "--service", "imap", "--until", "2999-01-01"]), all);
    assert_eq!(found(&["--failed"]), ["ann wrong_password"]);
    assert_eq!(found(&["--outcome", "wrong_password", ANN]), ["ann wrong_password"]);
    assert_eq!(found(&["--outcome", "ok", ANN]), ["ann ok", "ann ok by phone"]);
    assert_eq!(found(&["--app-password", &phone[..4]]), ["ann ok by phone"]);
    assert_eq!(found(&["--until", "1h"]), [""; 0]);
    assert_eq!(found(&["--service", "smtp"]), [""; 0]);
    assert_eq!(found(&["--rip", "2001:db8::/32"]), [""; 0]);
    assert_eq!(found(&["--limit", "1"]).len(), 1);
    for (wrong, word) in [
        (["--outcome", "wrong"], "outcome: \"wrong\" is none"),
        (["--rip", "here"], "rip: \"here\" is neither an address nor a network"),
        (["--app-password", "?"], "app_password: \"?\" is no id"),
        (["--since", "yesterday"], "expected a time such as 2h"),
    ] {
        let output = world.daemon.try_cli(&[&["login-log"], &wrong[..]].concat(), "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "{said}");
    }
}
