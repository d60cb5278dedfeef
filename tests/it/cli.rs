//! The command line as people and scripts meet it: the built binary, on a
//! folder without a server.

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        net::UnixListener,
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder for `--data`, without a server.
pub(crate) struct Data {
    folder: TempDir,
}

impl Data {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::with_prefix("dovegate-cli-").unwrap() }
    }

    /// With a domain and Ann, whose password is `wonderland`. The cheapest
    /// hash: how dear they are is not the subject.
    pub(crate) fn with_ann() -> Self {
        let data = Self::new();
        data.ok(&["domain", "add", "example.org"], "");
        data.ok(&["mailbox", "add", "ann@example.org", "--hash-stdin"], "{PLAIN}wonderland\n");
        data
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = dovegate(arguments);
        command.env("DOVEGATE_DATA", self.path("data"));
        fed(command, input)
    }

    pub(crate) fn ok(&self, arguments: &[&str], input: &str) -> String {
        succeeded(arguments, self.run(arguments, input))
    }

    /// What a failed command said on stderr; it must have said something, and
    /// nothing on stdout.
    pub(crate) fn fails(&self, arguments: &[&str], input: &str, code: i32) -> String {
        let output = self.run(arguments, input);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        stderr
    }
}

pub(crate) fn dovegate(arguments: &[&str]) -> Command {
    command(Path::new(env!("CARGO_BIN_EXE_dovegate")), arguments)
}

/// A command of somebody without rights, which only root can start. The binary
/// is copied into `folder`: where it was built he may not look.
pub(crate) fn by_nobody(folder: &Path, data: &Path, arguments: &[&str]) -> Command {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("dovegate");
    // Not by ourselves: a test that forks meanwhile would hold the copy open for
    // writing, and nobody could start it.
    let source = env!("CARGO_BIN_EXE_dovegate");
    assert!(Command::new("cp").arg(source).arg(&copy).status().unwrap().success());
    let mut command = command(&copy, arguments);
    command.env("DOVEGATE_DATA", data).current_dir("/").uid(65_534).gid(65_534);
    command
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("TZ", "UTC")
        .env("COLUMNS", "80")
        .env_remove("DOVEGATE_CONFIG")
        .env_remove("DOVEGATE_DATA")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn fed(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may be gone before this arrives.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn succeeded(arguments: &[&str], output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Every command, as the help of its parent lists it.
fn every_command() -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = succeeded(&arguments, fed(dovegate(&arguments), ""));
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in listed.take_while(|line| !line.is_empty()) {
            let name = line.split_whitespace().next().unwrap();
            if line.starts_with("  ") && !line.starts_with("   ") && name != "help" {
                found.push(path.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
    }
    found
}

#[test]
fn every_command_has_help() {
    let commands = every_command();
    for expected in ["serve", "mailbox add", "app-password create", "held-back lift", "import"] {
        assert!(commands.iter().any(|path| path.join(" ") == expected), "{expected}");
    }
    for path in commands {
        for flag in ["--help", "-h"] {
            let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
            arguments.push(flag);
            let help = succeeded(&arguments, fed(dovegate(&arguments), ""));
            assert!(help.contains("Usage: dovegate"), "{path:?}");
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{path:?}: {help}");
        }
    }
}

#[test]
fn no_command_takes_a_password_as_an_argument() {
    for path in every_command() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = succeeded(&arguments, fed(dovegate(&arguments), ""));
        for word in
            help.split(|character: char| character.is_whitespace() || "[]()".contains(character))
        {
            let takes_a_value = word.starts_with('<') && word.ends_with('>');
            let secret = ["PASSWORD", "SECRET", "HASH"].iter().any(|part| word.contains(part));
            assert!(!(takes_a_value && secret), "{path:?} takes {word}");
        }
        arguments.pop();
        arguments.extend(["--password", "x"]);
        let output = fed(dovegate(&arguments), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn exit_codes() {
    let data = Data::with_ann();
    assert!(data.fails(&["mailbox", "show", "bob@example.org"], "", 1).contains("bob@example.org"));
    assert!(data.fails(&["domain", "add", "example.org"], "", 1).contains("domain set"));
    assert!(data.fails(&["domain", "add", "exa mple"], "", 2).contains("exa mple"));
    assert!(data.fails(&["domain", "add", "x.example", "--max-quota", "5X"], "", 2).contains("5X"));
    assert!(
        data.fails(&["mailbox", "set", "ann@example.org", "--uid", "0"], "", 2).contains("uid")
    );
    assert!(data.fails(&["frobnicate"], "", 2).contains("frobnicate"));
    assert!(data.fails(&["status"], "", 1).contains("not running"));
    assert!(data.fails(&["cache", "status"], "", 1).contains("no server"));
    assert!(
        data.fails(&["app-password", "revoke", "ann@example.org", "0000"], "", 1).contains("0000")
    );
    let output = fed(dovegate(&["--config", "/nowhere/dovegate.toml", "domain", "list"]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("/nowhere/dovegate.toml"), "{stderr}");
}

#[test]
fn nothing_was_ever_stored() {
    let data = Data::new();
    for arguments in [&["domain", "list"][..], &["export"], &["mailbox", "show", "a@example.org"]] {
        let stderr = data.fails(arguments, "", 1);
        assert!(stderr.contains("does not exist") && stderr.contains("--data"), "{stderr}");
    }
    assert!(!data.path("data").exists(), "looking makes nothing");
}

#[test]
fn domain_is_listed_and_shown() {
    let data = Data::with_ann();
    data.ok(&["domain", "set", "example.org", "--max-mailboxes", "3", "--default-quota", "5G"], "");
    let listed = data.ok(&["domain", "list"], "");
    assert_eq!(
        listed,
        "DOMAIN       STATE   PROVIDER  MAILBOXES  QUOTA USED  DEFAULT QUOTA\n\
         example.org  active  none      1 of 3     5.0 GiB     5G\n"
    );
    data.ok(&["domain", "set", "example.org", "--max-mailboxes", "unlimited"], "");
    let shown = json(&data.ok(&["domain", "show", "example.org", "--json"], ""));
    assert_eq!(shown["max_mailboxes"], Value::Null);
    assert!(data.ok(&["domain", "show", "EXAMPLE.org"], "").contains("default quota  5G"));
    assert_eq!(data.ok(&["domain", "add", "example.net", "--quiet"], ""), "");
    let listed = json(&data.ok(&["domain", "list", "--json"], ""));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    data.ok(&["domain", "remove", "example.net"], "");
    assert!(data.fails(&["domain", "remove", "example.org"], "", 1).contains("mailbox"));
}

#[test]
fn template_is_applied() {
    let data = Data::with_ann();
    assert_eq!(data.ok(&["template", "list", "--json"], ""), "[]\n");
    let values = ["--quota", "1G", "--service", "imap,smtp", "--field", "sogo_access=1"];
    data.ok(&[&["template", "add", "staff"][..], &values].concat(), "");
    data.ok(&["mailbox", "add", "bob@example.org", "--template", "staff"], "");
    let bob = json(&data.ok(&["mailbox", "show", "bob@example.org", "--json"], ""));
    assert_eq!(bob["services"], serde_json::json!(["imap", "smtp"]));
    assert_eq!((&bob["template"], &bob["template_revision"]), (&"staff".into(), &1.into()));
    data.ok(
        &["template", "set", "staff", "--remove-field", "sogo_access", "--quota", "default"],
        "",
    );
    let staff = json(&data.ok(&["template", "show", "staff", "--json"], ""));
    assert_eq!((&staff["quota_bytes"], &staff["further"]), (&Value::Null, &serde_json::json!({})));
    data.ok(&["template", "remove", "staff"], "");
}

#[test]
fn mailbox_is_changed() {
    let data = Data::with_ann();
    let ann = |arguments: &[&str]| {
        data.ok(&[&["mailbox", "set", "ann@example.org"], arguments].concat(), "");
        json(&data.ok(&["mailbox", "show", "ann@example.org", "--json"], ""))
    };
    assert_eq!(ann(&["--state", "receive_only"])["state"], "receive_only");
    assert_eq!(ann(&["--no-services"])["services"], serde_json::json!([]));
    assert_eq!(
        ann(&["--service", "imap", "--service", "sieve"])["services"].as_array().unwrap().len(),
        2
    );
    assert_eq!(ann(&["--all-services"])["services"].as_array().unwrap().len(), 7);
    assert_eq!(ann(&["--quota", "5G"])["quota_bytes"], 5_u64 << 30);
    assert_eq!(ann(&["--quota", "unlimited"])["quota_bytes"], 0);
    assert_eq!(ann(&["--quota", "default"])["quota_bytes"], Value::Null);
    assert_eq!(ann(&["--uid", "7"])["uid"], 7);
    assert_eq!(ann(&["--home", "/srv/ann"])["home"], "/srv/ann");
    assert_eq!(ann(&["--home", "default"])["home"], "/var/vmail/example.org/ann");
    assert_eq!(ann(&["--tag", "a", "--tag", "b"])["tags"], serde_json::json!(["a", "b"]));
    let last = ann(&["--no-tags", "--field", "a=b=c"]);
    assert_eq!(
        (&last["tags"], &last["extra_fields"]["a"]),
        (&serde_json::json!([]), &"b=c".into())
    );
    assert_eq!(last["quota_bytes"], Value::Null, "what is not named stays");
    data.ok(&["mailbox", "remove", "ann@example.org"], "");
    assert_eq!(data.ok(&["mailbox", "list"], ""), "");
}

#[test]
fn passwords_come_from_stdin_and_files() {
    let data = Data::with_ann();
    let password = ["mailbox", "password", "ann@example.org"];
    let explained = |password: &str| {
        let arguments = ["explain", "ann@example.org", "--password-stdin"];
        data.run(&arguments, password).status.code()
    };
    data.ok(&[&password[..], &["--password-stdin"]].concat(), "looking glass\n");
    assert_eq!((explained("looking glass\n"), explained("wonderland\n")), (Some(0), Some(1)));
    fs::write(data.path("secret"), "from a file").unwrap();
    let file = data.path("secret");
    data.ok(&[&password[..], &["--password-file", file.to_str().unwrap()]].concat(), "");
    assert_eq!(explained("from a file"), Some(0));
    for (input, word) in [("", "no password"), ("a\nb\n", "one line"), ("a\tb\n", "byte")] {
        let stderr = data.fails(&[&password[..], &["--password-stdin"]].concat(), input, 2);
        assert!(stderr.contains(word), "{stderr}");
    }
    let long = "x".repeat(600);
    assert!(
        data.fails(&[&password[..], &["--password-stdin"]].concat(), &long, 2).contains("long")
    );
    let endless = "x".repeat(1 << 20);
    data.fails(&[&password[..], &["--password-stdin"]].concat(), &endless, 2);
    // No terminal to ask at.
    assert!(data.fails(&password, "", 2).contains("--password-stdin"));
    assert_eq!(explained("from a file"), Some(0), "what failed changed nothing");
    data.ok(&[&password[..], &["--remove"]].concat(), "");
    assert_eq!(explained("from a file"), Some(1));
}

#[test]
fn app_password_is_shown_once() {
    let data = Data::with_ann();
    let create = ["app-password", "create", "ann@example.org", "--name", "Phone"];
    let options = ["--service", "imap", "--service", "smtp", "--expires", "2099-11-22"];
    let shown = data.ok(&[&create[..], &options].concat(), "");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[0],
        "App password \"Phone\" for ann@example.org: imap, smtp; until 2099-11-22"
    );
    assert_eq!((lines[1], lines[3]), ("", ""));
    assert_eq!(lines[4], "It is shown only now. Dashes and case don't matter.");
    let text = lines[2].strip_prefix("    ").unwrap();
    assert_eq!((text.len(), text.split('-').count()), (29, 6), "{text}");
    let typed = text.to_lowercase().replace('-', " ");
    let explain = ["explain", "ann@example.org", "--service", "smtp", "--password-stdin"];
    assert!(data.ok(&explain, &typed).contains("ACCEPTED"));
    let listed = data.ok(&["app-password", "list", "ann@example.org"], "");
    assert!(listed.contains(&text[..4]) && !listed.contains(&text[5..9]), "{listed}");
    let quiet = data.ok(&[&create[..], &["--quiet"]].concat(), "");
    assert_eq!(quiet.trim_end().len(), 29, "{quiet}");
    data.ok(&["app-password", "revoke", "ann@example.org", &text[..4].to_lowercase()], "");
    assert_eq!(data.run(&explain, &typed).status.code(), Some(1));
    for bad in [["--expires", "yesterday"], ["--network", "10.0.0.0/40"], ["--service", "gopher"]] {
        data.fails(&[&create[..], &bad].concat(), "", 2);
    }
}

#[test]
fn explain_shows_every_step() {
    let data = Data::with_ann();
    let explain = |arguments: &[&str], input: &str, code: i32| {
        let arguments = [&["explain"], arguments].concat();
        let output = data.run(&arguments, input);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    };
    let ann = ["ann@example.org", "--service", "imap", "--rip", "192.0.2.1", "--password-stdin"];
    let accepted = explain(&ann, "wonderland", 0);
    check_form(&accepted, "ann@example.org · imap", "ACCEPTED");
    for step in ["name", "held back", "mailbox", "services"] {
        assert!(accepted.contains(&format!("  {step}")), "{step}: {accepted}");
    }
    let refused = explain(&ann, "guess", 1);
    check_form(&refused, "ann@example.org · imap", "REFUSED");
    assert!(refused.contains('✗'), "{refused}");
    check_form(&explain(&["ann@example.org"], "", 0), "ann@example.org · imap", "OPEN");
    let nobody = explain(&["nobody@example.org", "--password-stdin"], "x", 1);
    check_form(&nobody, "nobody@example.org · imap", "REFUSED");
    data.ok(&["mailbox", "set", "ann@example.org", "--no-services"], "");
    assert!(explain(&["ann@example.org"], "", 1).contains("app password"));
    let reason = json(&explain(&["ann@example.org", "--json"], "", 1));
    assert_eq!(reason["reason"], "service_not_allowed");
}

/// Name and protocol at the left end of the head, the verdict at its right end;
/// numbered steps whose outcomes stand below each other; then the sentence.
fn check_form(text: &str, head: &str, verdict: &str) {
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(head) && lines[0].ends_with(verdict), "{text}");
    assert_eq!(lines[0].chars().count(), 80, "{text}");
    let steps: Vec<&&str> = lines
        .iter()
        .filter(|line| {
            line.get(2..5).is_some_and(|start| {
                start.trim().len() == 1 && start.starts_with(|c: char| c.is_ascii_digit())
            })
        })
        .collect();
    assert!(!steps.is_empty(), "{text}");
    let outcome_at = |line: &str| {
        let characters: Vec<char> = line.trim_end().chars().collect();
        characters.len() - characters.iter().rev().take_while(|one| **one != ' ').count()
    };
    let first = outcome_at(steps[0]);
    assert!(steps.iter().all(|line| outcome_at(line) == first), "{text}");
    assert!(
        lines.last().unwrap().starts_with("  ") && lines.last().unwrap().ends_with('.'),
        "{text}"
    );
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn hashes_without_a_mailbox() {
    let data = Data::new();
    for scheme in
        ["BLF-CRYPT", "SHA512-CRYPT", "ARGON2ID", "sha256-crypt", "CRYPT", "SCRAM-SHA-256"]
    {
        let mut arguments = vec!["password", "hash", "--password-stdin", "--scheme", scheme];
        if scheme == "BLF-CRYPT" {
            arguments.extend(["--cost", "4"]);
        }
        let hash = data.ok(&arguments, "wonderland\n");
        assert!(hash.starts_with(&format!("{{{}}}", scheme.to_uppercase())), "{hash}");
        fs::write(data.path("hash"), &hash).unwrap();
        let file = data.path("hash");
        let verify =
            ["password", "verify", "--hash-file", file.to_str().unwrap(), "--password-stdin"];
        data.ok(&verify, "wonderland\n");
        assert!(data.fails(&verify, "wonderlanD\n", 1).contains("does not fit"));
    }
    data.fails(&["password", "hash", "--password-stdin", "--scheme", "ROT13"], "x", 2);
    data.fails(&["password", "hash", "--password-stdin", "--cost", "31"], "x", 2);
    data.fails(&["password", "verify", "--password-stdin"], "x", 2);
    fs::write(data.path("hash"), "{DIGEST-MD5}5ecbd210bd143b651e8b9de07427b991\n").unwrap();
    let file = data.path("hash");
    let verify = ["password", "verify", "--hash-file", file.to_str().unwrap(), "--password-stdin"];
    assert!(data.fails(&verify, "wonderland", 2).contains("allow_weak_schemes = true"));
}

#[test]
fn weak_hashes_where_they_are_allowed() {
    let data = Data::new();
    let config = data.path("weak.toml");
    fs::write(&config, "[passwords]\nallow_weak_schemes = true\n").unwrap();
    fs::write(data.path("hash"), "{DIGEST-MD5}5ecbd210bd143b651e8b9de07427b991\n").unwrap();
    let file = data.path("hash");
    let verify = [
        "--config",
        config.to_str().unwrap(),
        "password",
        "verify",
        "--hash-file",
        file.to_str().unwrap(),
        "--password-stdin",
    ];
    assert!(data.fails(&verify, "wonderland", 2).contains("--user"));
    let ann = [&verify[..], &["--user", "ann@example.org"]].concat();
    data.ok(&ann, "wonderland");
    data.fails(&ann, "wonderlanD", 1);
    let bob = [&verify[..], &["--user", "bob@example.org"]].concat();
    data.fails(&bob, "wonderland", 1);
}

#[test]
fn backup_and_import() {
    let data = Data::with_ann();
    fs::create_dir(data.path("backups")).unwrap();
    let folder = data.path("backups");
    data.ok(&["backup", folder.to_str().unwrap()], "");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let file = file.to_str().unwrap();
    let export = data.ok(&["export"], "");
    assert_eq!(fs::read_to_string(file).unwrap(), export);
    let other = Data::new();
    let counted = json(&data.ok(&["import", file, "--dry-run", "--json"], ""));
    assert_eq!((&counted["mailboxes"], &counted["domains"]), (&1.into(), &1.into()));
    other.ok(&["import"], &export);
    assert_eq!(other.ok(&["export"], ""), export);
    let newer = export.replacen("\"schema\":1", "\"schema\":99", 1);
    assert!(other.fails(&["import"], &newer, 1).contains("99"));
    assert!(other.fails(&["import"], "nonsense\n", 2).contains("not an export"));
    assert!(other.fails(&["import"], &format!("{export}nonsense\n"), 2).contains(":4: "));
    assert!(other.fails(&["import", "/nowhere"], "", 1).contains("/nowhere"));
    assert!(data.fails(&["backup", "/nowhere/x"], "", 1).contains("/nowhere/x"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside the backup");
}

#[test]
fn settings_are_checked_and_shown() {
    let folder = TempDir::with_prefix("dovegate-cli-").unwrap();
    let file = folder.path().join("dovegate.toml");
    let config =
        |command: &str| fed(dovegate(&["--config", file.to_str().unwrap(), "config", command]), "");
    let data = folder.path().join("data");
    fs::write(&file, "state_dir = \"/srv\"\n[abuse]\nacount_limit = 3\n").unwrap();
    let output = config("check");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("dovegate.toml:3") && stderr.contains("acount_limit"), "{stderr}");
    let arguments = ["--data", data.to_str().unwrap(), "config", "show"];
    let shown = succeeded(&arguments, fed(dovegate(&arguments), ""));
    assert!(shown.contains("account_limit = 10"), "{shown}");
    let example = succeeded(&["config", "example"], fed(dovegate(&["config", "example"]), ""));
    assert_eq!(example, dovegate::config::EXAMPLE);
}

#[test]
fn output_into_a_pipe_that_closes() {
    let data = Data::with_ann();
    let mut child = {
        let mut command = dovegate(&["mailbox", "list"]);
        command.env("DOVEGATE_DATA", data.path("data"));
        command.spawn().unwrap()
    };
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn socket_that_nobody_listens_on_is_passed_over() {
    let data = Data::with_ann();
    fs::create_dir_all(data.path("data/run")).unwrap();
    drop(UnixListener::bind(data.path("data/run/admin")).unwrap());
    assert!(data.ok(&["domain", "list"], "").contains("example.org"));
}

#[test]
fn server_that_says_nothing_is_temporary() {
    let data = Data::with_ann();
    fs::create_dir_all(data.path("data/run")).unwrap();
    let listener = UnixListener::bind(data.path("data/run/admin")).unwrap();
    // The first connection asks whether anybody is there, the second one asks
    // for something.
    let server = std::thread::spawn(move || {
        drop(listener.accept());
        drop(listener.accept());
    });
    assert!(data.fails(&["domain", "list"], "", 75).contains("broke off"));
    server.join().unwrap();
}

#[test]
fn nobody_else_reads_the_state() {
    let data = Data::with_ann();
    let mode = |name: &str| fs::metadata(data.path(name)).unwrap().permissions().mode() & 0o077;
    assert_eq!((mode("data/state"), mode("data/state/store")), (0, 0));
}

/// DIR/run lies beside the state, and mail servers of other users look there.
#[test]
fn mail_servers_may_pass_the_folder_that_a_command_made() {
    let data = Data::with_ann();
    let mode = |name: &str| fs::metadata(data.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/state")), (0o755, 0o700));
}

#[test]
fn root_leaves_no_files_of_his_own_to_the_server() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let data = Data::new();
    fs::set_permissions(data.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(data.path("data/state")).unwrap();
    chown(data.path("data/state"), Some(65_534), Some(65_534)).unwrap();
    data.ok(&["domain", "add", "example.org"], "");
    for name in ["data/state/store", "data/state/store/db"] {
        let metadata = fs::metadata(data.path(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (65_534, 65_534), "{name}");
    }
    // Root's own files are still root's.
    data.ok(&["backup", data.path("backup").to_str().unwrap()], "");
    assert_eq!(fs::metadata(data.path("backup")).unwrap().uid(), 0);
}

#[test]
fn state_of_somebody_else_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let data = Data::with_ann();
    let output = fed(by_nobody(data.folder.path(), &data.path("data"), &["domain", "list"]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("you may not use") && stderr.contains("as root"), "{stderr}");
}
