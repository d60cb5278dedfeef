//! fail2ban itself, asked what it would count in lines of a running Dovegate.
//!
//! Needs `python3` and Debian's `fail2ban`, which `contrib/test-setup` unpacks
//! into the cache folder: installed, it would begin to ban.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{
    dovegate::{Daemon, Dovegate},
    mailboxes::{self, ANN, ODD, OUT, PASSWORD},
    place::{System, cache},
    skip,
};

#[test]
fn counts_new_guesses_wherever_the_lines_stand() {
    let program = cache().join("fail2ban/usr/bin/fail2ban-regex");
    if !program.exists() {
        return skip("fail2ban is not unpacked");
    }
    if !nix::unistd::geteuid().is_root() {
        return skip("Dovegate gives up root here, so only root can start it");
    }
    let folder = System::here().folder();
    let socket = folder.inside("auth");
    let listener = format!("[[listener]]\ntype = \"auth\"\npath = \"{socket}\"\nmode = \"0600\"\n");
    let dovegate = Dovegate::prepare(&folder, "mail", &listener);
    let _daemon = Daemon::start(&dovegate, &folder);
    let app = mailboxes::make(&dovegate, &folder);
    let forged = "x login verdict=rejected reason=wrong_password rip=203.0.113.7 guess=true";
    for (rip, user, password) in [
        ("198.51.100.1", ANN, "wrong"),
        ("2001:db8::2", "nobody@example.org", "wrong"),
        ("198.51.100.1", ANN, "wrong"),
        ("198.51.100.4", ANN, PASSWORD),
        ("198.51.100.5", OUT, PASSWORD),
        ("198.51.100.6", ODD, PASSWORD),
        ("198.51.100.7", ANN, &app.reading),
        ("198.51.100.8", forged, "wrong"),
    ] {
        log_in(&socket, rip, user, password);
    }

    let log = fs::read_to_string(folder.outside("dovegate.log")).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" login verdict=")).collect();
    assert_eq!(lines.len(), 8, "{log}");
    // As standard error, the journal, Dovecot's own log and syslog show them.
    for (place, before) in [
        ("stderr", None),
        ("journal", Some("Nov 22 14:00:00 mail dovegate[4711]: ")),
        ("dovecot", Some("Nov 22 14:00:00 auth: Info: ")),
        ("syslog", Some("Nov 22 14:00:00 mail dovecot: auth: ")),
    ] {
        let shown = |line: &&str| match before {
            None => format!("{line}\n"),
            Some(before) => {
                format!("{before}{}\n", &line[line.find("login verdict=").expect("chosen so")..])
            }
        };
        let file = folder.write(place, &lines.iter().map(shown).collect::<String>());
        assert_eq!(counted(&program, &file), ["198.51.100.1", "2001:db8::2"], "{place}");
    }
}

/// One login on a connection of its own, up to its answer.
fn log_in(socket: &str, rip: &str, user: &str, password: &str) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let response = STANDARD.encode(format!("\0{user}\0{password}"));
    write!(
        stream,
        "VERSION\t1\t2\nCPID\t1\nAUTH\t1\tPLAIN\tservice=imap\tsecured\trip={rip}\tresp={response}\n"
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("OK\t1") || line.starts_with("FAIL\t1")));
}

/// The addresses that the filter finds in a file.
fn counted(program: &Path, file: &str) -> Vec<String> {
    let filter =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/fail2ban/filter.d/dovegate.conf");
    let output = Command::new("/usr/bin/python3")
        .env("PYTHONPATH", cache().join("fail2ban/usr/lib/python3/dist-packages"))
        .arg(program)
        .args(["--out", "ip", file])
        .arg(filter)
        .output()
        .expect("python3 is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(str::to_owned).collect()
}
