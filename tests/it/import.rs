//! Mailboxes of other mail systems, from their files to a login.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    cli::{Data, json},
    support::{client::Target, daemon::Daemon, plain},
};

/// A password that needs no work.
const PLAIN: &str = "{PLAIN}wonderland";

struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::with_prefix("dovegate-import-").unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

fn import<'a>(origin: &'a str, path: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    [&["import", "--from", origin, path], further].concat()
}

fn mailbox(data: &Data, address: &str) -> Value {
    json(&data.ok(&["mailbox", "show", address, "--json"], ""))
}

const USERS: &str = "\
# people
ann@example.org:{PLAIN}wonderland:5001:5001:Ann Example:/srv/mail/ann::userdb_quota_rule=*:storage=2G
Bob@Example.org:{PLAIN-MD5}4cecaff2b30bbe75ce7322109164cfb5::::::nologin
cleo@example.com:{BLF-CRYPT}$2y$16$abcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz01232:::

dan@example.com:!
";

#[test]
fn a_passwd_file_is_planned_taken_over_and_found_unchanged() {
    let files = Files::new(&[("users", USERS)]);
    let path = files.path("users");
    let data = Data::new();
    data.ok(&["domain", "add", "example.org"], "");

    let refused = data.fails(&import("passwd-file", &path, &[]), "", 1);
    assert!(refused.contains("users:4: domain example.com does not exist"), "{refused}");
    assert!(refused.contains("--create-domains"), "{refused}");
    assert_eq!(data.ok(&["mailbox", "list", "--json"], ""), "[]\n");

    let planned = data.ok(&import("passwd-file", &path, &["--create-domains", "--dry-run"]), "");
    for text in [
        "ann@example.org",
        "create",
        "Would make 4 mailboxes and domain example.com. Nothing was changed.",
        "allow_weak_schemes = true",
        "max_bcrypt_cost = 16",
    ] {
        assert!(planned.contains(text), "{text}: {planned}");
    }
    assert_eq!(data.ok(&["mailbox", "list", "--json"], ""), "[]\n");

    let made = data.ok(&import("passwd-file", &path, &["--create-domains"]), "");
    assert!(made.starts_with("Made 4 mailboxes and domain example.com."), "{made}");
    let ann = mailbox(&data, "ann@example.org");
    assert_eq!((&ann["uid"], &ann["home"]), (&5001.into(), &"/srv/mail/ann".into()));
    assert_eq!(ann["display_name"], "Ann Example");
    assert_eq!(ann["quota_bytes"], 2_u64 << 30);
    assert_eq!(mailbox(&data, "bob@example.org")["state"], "receive_only");
    assert_eq!(mailbox(&data, "dan@example.com")["password_scheme"], Value::Null);

    let again = json(&data.ok(&import("passwd-file", &path, &["--json"]), ""));
    assert_eq!(again["mailboxes"]["unchanged"], 4, "{again}");
    assert_eq!(again["mailboxes"]["created"], 0);
    let explained = data.ok(&["explain", "ann@example.org", "--password-stdin"], "wonderland");
    assert!(explained.contains("ACCEPTED"), "{explained}");
}

#[test]
fn what_differs_is_named_and_changed_when_asked_for() {
    let data = Data::with_ann();
    data.ok(&["mailbox", "set", "ann@example.org", "--quota", "1G", "--field", "note=old"], "");
    let line =
        "ann@example.org:{PLAIN}looking-glass::::::userdb_quota_rule=*:storage=2G userdb_note=new";
    let files = Files::new(&[("users", line)]);
    let path = files.path("users");
    let said = data.ok(&import("passwd-file", &path, &[]), "");
    for text in ["different", "password", "quota: 1G, there 2G", "note: old, there new", "--update"]
    {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(!said.contains("looking-glass") && !said.contains("wonderland"), "{said}");
    assert_eq!(mailbox(&data, "ann@example.org")["quota_bytes"], 1_u64 << 30);
    let said = data.ok(&import("passwd-file", &path, &["--update"]), "");
    assert!(said.contains("Made 0 mailboxes, changed 1."), "{said}");
    let ann = mailbox(&data, "ann@example.org");
    assert_eq!(ann["quota_bytes"], 2_u64 << 30);
    assert_eq!(ann["extra_fields"]["note"], "new");
    let explained = data.ok(&["explain", "ann@example.org", "--password-stdin"], "looking-glass");
    assert!(explained.contains("ACCEPTED"), "{explained}");
}

#[test]
fn docker_mailservers_accounts_come_with_their_limits() {
    let accounts =
        format!("ann@example.org|{PLAIN}\nbob@example.org|{PLAIN}|userdb_mail=mdbox:~/m\n");
    let files = Files::new(&[
        ("postfix-accounts.cf", &accounts),
        ("dovecot-quotas.cf", "ann@example.org:5G\ngone@example.org:1G\n"),
    ]);
    let folder = files.path("");
    let data = Data::new();
    let output = data.run(&import("docker-mailserver", &folder, &["--create-domains"]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("dovecot-quotas.cf:2") && stderr.contains("gone@example.org"));
    assert_eq!(mailbox(&data, "ann@example.org")["quota_bytes"], 5_u64 << 30);
    let bob = mailbox(&data, "bob@example.org");
    assert_eq!((&bob["quota_bytes"], &bob["mail"]), (&Value::Null, &"mdbox:~/m".into()));

    fs::write(Path::new(&folder).join("dovecot-quotas.cf"), "ann@example.org:much\n").unwrap();
    let refused = data.fails(&import("docker-mailserver", &folder, &[]), "", 1);
    assert!(refused.contains("dovecot-quotas.cf:1:"), "{refused}");
}

/// Each line, and what is said of it.
const BAD: &[(&str, &str)] = &[
    (":x", "no user"),
    ("ann:{PLAIN}x", "no domain"),
    ("an n@example.org:{PLAIN}x", "not allowed in names"),
    ("ann@example.org:{NOSUCH}x", "unknown password scheme \"NOSUCH\""),
    ("ann@example.org:{SHA512-CRYPT}$6$short", "corrupt password hash"),
    ("ann@example.org:{PLAIN}x:0", "uid 0 cannot own mail"),
    ("ann@example.org:{PLAIN}x:vmail", "uid is not a number"),
    ("ann@example.org:{PLAIN}x::::/srv/../etc", "absolute path without \"..\""),
    ("ann@example.org:{PLAIN}x::::mail", "absolute path"),
    ("ann@example.org:{PLAIN}x::::::allow_nets=192.0.2.0/24", "allow_nets has no counterpart"),
    ("ann@example.org:{PLAIN}x::::::userdb_home=/srv/%u", "has a variable"),
    ("ann@example.org:{PLAIN}x:::A\u{1b}[2Jnn:", "control character"),
    ("ann@example.org:{PLAIN}x\0", "NUL"),
    ("ann@example.org:{PLAIN}x::::::userdb_uid=1 userdb_a=\u{1}", "control character"),
];

#[test]
fn bad_lines_are_named_and_stop_everything_else() {
    let mut text = String::from("eve@example.org:{PLAIN}x\n");
    for (line, _) in BAD {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("eve@example.org:{PLAIN}y\n");
    let files = Files::new(&[("users", &text)]);
    let path = files.path("users");
    let data = Data::new();
    data.ok(&["domain", "add", "example.org", "--max-mailboxes", "1"], "");
    let refused = data.fails(&import("passwd-file", &path, &[]), "", 1);
    for (number, (_, why)) in (2..).zip(BAD) {
        let place = format!("users:{number}: ");
        let line = refused.lines().find(|line| line.contains(&place));
        assert!(line.is_some_and(|line| line.contains(why)), "{number} {why}: {refused}");
    }
    assert!(refused.contains("stands in line 1 already"), "{refused}");
    assert!(!refused.contains('\u{1b}') && !refused.contains('\0'), "{refused:?}");
    assert_eq!(data.ok(&["mailbox", "list", "--json"], ""), "[]\n");

    let output = data.run(&import("passwd-file", &path, &["--partial"]), "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&data.ok(&["mailbox", "list", "--json"], "")).as_array().unwrap().len(), 1);
}

#[test]
fn limits_of_a_domain_hold_before_anything_is_made() {
    let data = Data::new();
    data.ok(&["domain", "add", "example.org", "--max-mailboxes", "600", "--max-quota", "1G"], "");
    let line = |number: u32| {
        format!("u{number}@example.org:{PLAIN}::::::userdb_quota_rule=*:storage=1G\n")
    };
    let files = Files::new(&[
        ("many", &(0..601).map(line).collect::<String>()),
        ("large", "ann@example.org:{PLAIN}x::::::userdb_quota_rule=*:storage=2G\n"),
    ]);
    for (name, why) in [
        ("many", "many:601: domain example.org has 600 of at most 600 mailboxes"),
        ("large", "max_quota"),
    ] {
        let refused = data.fails(&import("passwd-file", &files.path(name), &[]), "", 1);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(data.ok(&["mailbox", "list", "--json"], ""), "[]\n");
}

/// Dovecot's LMTP would deliver to the mailbox without it.
#[test]
fn no_mailbox_is_made_with_the_recipient_delimiter() {
    let data = Data::with_ann();
    let refused = data.fails(&["mailbox", "add", "ann+own@example.org", "--no-password"], "", 1);
    let words = "has the recipient delimiter '+' (names.recipient_delimiter)";
    assert!(refused.contains(words), "{refused}");
    let files = Files::new(&[("users", "ann+own@example.org:{PLAIN}x\n")]);
    let refused = data.fails(&import("passwd-file", &files.path("users"), &[]), "", 1);
    assert!(refused.contains(&format!("users:1: ann+own@example.org {words}")), "{refused}");
}

#[test]
fn files_that_are_something_else_are_given_up_early() {
    let long = "x".repeat(200_000);
    let garbage = "no such thing: at all\n".repeat(20_000);
    let files = Files::new(&[
        ("long", &format!("{long}\nann@example.org:{PLAIN}\n")),
        ("garbage", &garbage),
        ("comments", &"# nobody\n".repeat(300_000)),
    ]);
    let data = Data::new();
    data.ok(&["domain", "add", "example.org"], "");
    let said = |name: &str| data.fails(&import("passwd-file", &files.path(name), &[]), "", 1);
    assert!(said("long").contains("long:1: is longer than 64 KiB"));
    let garbage = said("garbage");
    assert!(garbage.contains("garbage:20:") && !garbage.contains("garbage:21:"), "{garbage}");
    assert!(garbage.contains("It was read no further"), "{garbage}");
    let comments = data.ok(&import("passwd-file", &files.path("comments"), &[]), "");
    assert!(comments.contains("Made 0 mailboxes"), "{comments}");
    assert!(data.fails(&import("passwd-file", "-", &[]), "", 2).contains("read twice"));
    assert!(data.fails(&import("passwd-file", &files.path(""), &[]), "", 2).contains("no regular"));
    assert!(data.fails(&import("passwd-file", &files.path("none"), &[]), "", 1).contains("none"));
    assert!(data.fails(&["import", "--create-domains", "x"], "", 2).contains("--from"));
}

#[test]
fn beside_a_running_server_people_log_in_at_once() {
    let people = 1200;
    let line = |number: u32| format!("u{number}:{PLAIN}:5000:5000::\n");
    let files = Files::new(&[("users", &(0..people).map(line).collect::<String>())]);
    let daemon = Daemon::start(&[]);
    let path = files.path("users");
    let further = ["--create-domains", "--domain", "example.org"];
    let said = daemon.cli(&import("passwd-file", &path, &further), "");
    assert!(said.contains("Made 1200 mailboxes and domain example.org."), "{said}");
    let target = Target { sockets: daemon.sockets(), patience: Duration::from_secs(60) };
    let mut client = target.client("auth", 2);
    for (number, password, word) in
        [(0, "wonderland", "OK"), (1199, "wonderland", "OK"), (7, "x", "FAIL")]
    {
        let response = plain(&format!("u{number}@example.org"), password);
        let id = client.auth("PLAIN", &format!("secured\tresp={response}"));
        assert_eq!(client.reply(id).word, word);
    }
    let again = daemon.cli(&import("passwd-file", &path, &["--domain", "example.org"]), "");
    assert!(again.contains("1200 are there already, and the same."), "{again}");
    fs::write(&path, format!("u0:{PLAIN}::::::nologin\n")).unwrap();
    daemon.cli(&import("passwd-file", &path, &["--domain", "example.org", "--update"]), "");
    daemon.wait_for_log("who was switched off", |log| {
        log.lines().any(|line| line.contains("withdrawn") && line.contains("u0@example.org"))
    });
    daemon.wait_for_log("who imported", |log| log.contains("action=import"));
    assert!(!daemon.log().contains("wonderland"));
}

/// What `contrib/mailcow/dump.sql` writes, in small. The app password is
/// `looking-glass`.
const DUMP: &str = r#"{"table":"identity_provider","settings":{"authsource":"keycloak","server_url":"https://keycloak.example.org","realm":"mail","client_id":"mailcow","client_secret":"s3cret","mailpassword_flow":"1","ignore_ssl_error":"0","import_users":"1","default_template":"Staff","mappers":"[\"it\"]","templates":"[\"Staff\"]","redirect_url":"https://mail.example.org"}}
{"table":"templates","type":"domain","template":"Default","attributes":"{}"}
{"table":"templates","type":"mailbox","template":"Staff","attributes":"{\"quota\":\"1073741824\",\"active\":\"1\",\"tags\":[],\"sogo_access\":\"1\"}"}
{"table":"domain","domain":"example.org","active":1,"mailboxes":10,"defquota":1024,"maxquota":2048,"quota":10240}
{"table":"mailbox","username":"ann@example.org","password":"{PLAIN}wonderland","name":"Ann","quota":1073741824,"active":1,"authsource":"mailcow","mailbox_path_prefix":"/var/vmail/","attributes":{"imap_access":"0","pop3_access":"1"},"tags":["staff"]}
{"table":"mailbox","username":"bob@example.org","password":"","name":"","quota":1073741824,"active":2,"authsource":"keycloak","mailbox_path_prefix":"/var/vmail/","attributes":"{}","tags":null}
{"table":"app_passwd","id":1,"name":"Phone","mailbox":"ann@example.org","password":"{SHA256}AW3dpktpY3c2aUsMuVDcmACiyyx7x4QIIAMhcVo6r/c=","created":1700000000,"active":1,"imap_access":1,"pop3_access":0,"smtp_access":0,"sieve_access":0,"dav_access":0,"eas_access":0}
{"table":"app_passwd","id":2,"name":"Old","mailbox":"ann@example.org","password":"{PLAIN}x","created":1700000000,"active":0,"imap_access":1,"pop3_access":0,"smtp_access":0,"sieve_access":0,"dav_access":0,"eas_access":0}
"#;

#[test]
fn a_mailcow_comes_with_everything_that_logs_in() {
    let files = Files::new(&[("mailcow.jsonl", DUMP)]);
    let path = files.path("mailcow.jsonl");
    let data = Data::new();
    data.ok(&["domain", "add", "example.net"], "");
    let refused = data.fails(&import("mailcow", &path, &[]), "", 1);
    assert!(refused.contains("domain example.org does not exist"), "{refused}");

    let planned = data.ok(&import("mailcow", &path, &["--create-domains", "--dry-run"]), "");
    let expected = "Would make 2 mailboxes, 1 app passwords, domain example.org, template Staff and \
                    provider mailcow.";
    assert!(planned.contains(expected), "{planned}");
    assert_eq!(data.ok(&["mailbox", "list", "--json"], ""), "[]\n");

    let output = data.run(&import("mailcow", &path, &["--create-domains"]), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for text in ["\"Old\"", "comes without redirect_url", "none of mailboxes"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(!said.contains("s3cret") && !said.contains("wonderland"), "{said}");

    let domain = json(&data.ok(&["domain", "show", "example.org", "--json"], ""));
    assert_eq!((&domain["max_mailboxes"], &domain["provider"]), (&10.into(), &"mailcow".into()));
    assert_eq!(domain["max_quota_bytes"], 2_u64 << 30);
    let ann = mailbox(&data, "ann@example.org");
    assert_eq!(ann["tags"], serde_json::json!(["staff"]));
    assert_eq!(ann["services"], serde_json::json!(["pop3", "smtp", "sieve", "dav", "eas", "web"]));
    assert_eq!(ann["app_passwords"], 1);
    let bob = mailbox(&data, "bob@example.org");
    assert_eq!((&bob["auth_source"], &bob["state"]), (&"mailcow".into(), &"receive_only".into()));
    let provider = json(&data.ok(&["provider", "show", "mailcow", "--json"], ""));
    assert_eq!(provider["attribute_mapping"][0]["template"], "Staff", "{provider}");
    assert_eq!(provider["import_users"], true);
    let staff = json(&data.ok(&["template", "show", "Staff", "--json"], ""));
    assert_eq!(staff["further"]["sogo_access"], "1");
    let explained = |service: &str, password: &str| {
        let command = ["explain", "ann@example.org", "--service", service, "--password-stdin"];
        String::from_utf8(data.run(&command, password).stdout).unwrap()
    };
    assert!(explained("imap", "looking-glass").contains("ACCEPTED"));
    assert!(!explained("pop3", "looking-glass").contains("ACCEPTED"));
    assert!(explained("pop3", "wonderland").contains("ACCEPTED"));
    assert!(!explained("imap", "wonderland").contains("ACCEPTED"));

    let again = json(&data.ok(&import("mailcow", &path, &["--json"]), ""));
    assert_eq!(again["mailboxes"]["unchanged"], 2, "{again}");
    assert_eq!(again["app_passwords"]["unchanged"], 1, "{again}");
    for key in ["domains_created", "templates_created", "providers_created"] {
        assert_eq!(again[key], serde_json::json!([]), "{again}");
    }
    data.ok(&["domain", "set", "example.org", "--max-mailboxes", "7"], "");
    let different = data.ok(&import("mailcow", &path, &[]), "");
    assert!(different.contains("mailboxes: 7, there 10"), "{different}");
    data.ok(&import("mailcow", &path, &["--update"]), "");
    let domain = json(&data.ok(&["domain", "show", "example.org", "--json"], ""));
    assert_eq!(domain["max_mailboxes"], 10);

    let listed = json(&data.ok(&["app-password", "list", "ann@example.org", "--json"], ""));
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["imported"], "SHA256");
    data.ok(&["app-password", "revoke", "ann@example.org", &id], "");
    assert!(!explained("imap", "looking-glass").contains("ACCEPTED"));
}

#[test]
fn app_passwords_need_their_mailbox_and_are_bounded() {
    let data = Data::with_ann();
    let row = |number: u32, mailbox: &str| {
        format!(
            r#"{{"table":"app_passwd","id":{number},"name":"P{number}","mailbox":"{mailbox}","password":"{{PLAIN}}p{number}","created":1,"active":1,"imap_access":1}}"#
        )
    };
    let mut lines: Vec<_> = (0..21).map(|number| row(number, "ann@example.org")).collect();
    lines.push(row(99, "nobody@example.org"));
    let files = Files::new(&[("dump", &lines.join("\n"))]);
    let refused = data.fails(&import("mailcow", &files.path("dump"), &[]), "", 1);
    assert!(refused.contains("dump:21: ann@example.org has more than 20"), "{refused}");
    assert!(refused.contains("dump:22: there is no mailbox nobody@example.org"), "{refused}");
    assert_eq!(data.ok(&["app-password", "list", "ann@example.org", "--json"], ""), "[]\n");
}
