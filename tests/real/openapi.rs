//! Schemathesis against the API: requests that its description allows, and such that it
//! does not, from the description alone. No request brings about a fault of ours, every
//! answer is one that is described, and what is not allowed is refused.
//!
//! Needs root and Schemathesis in an environment of its own, which `contrib/test-setup`
//! makes in the cache folder.

use std::{
    fs, io,
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde_json::Value;

use crate::support::{
    dovegate::{Daemon, Dovegate},
    http,
    place::{Folder, System, cache},
    skip,
};

/// The version stands in `contrib/test-setup`.
const SCHEMATHESIS: &str = "schemathesis@4.32.5/bin/schemathesis";

/// Statuses by which a wrong request may be refused. 412 comes before the body is read
/// (RFC 9110 §13.2.1).
const REFUSED: &str = "\
[checks.negative_data_rejection]
expected-statuses = [\"400\", \"403\", \"404\", \"405\", \"409\", \"412\", \"413\"]
";

/// A Dovegate whose admin socket is reached at a port.
struct Site {
    _daemon: Daemon,
    folder: Folder,
    base: String,
}

impl Site {
    fn start() -> Option<Self> {
        if !cache().join(SCHEMATHESIS).exists() {
            skip("Schemathesis is not there");
            return None;
        }
        if !nix::unistd::geteuid().is_root() {
            skip("Dovegate gives up root here, so only root can start it");
            return None;
        }
        let folder = System::here().folder();
        let listener =
            format!("[[listener]]\ntype = \"auth\"\npath = \"{}\"\n", folder.inside("auth"));
        let dovegate = Dovegate::prepare(&folder, "mail", &listener);
        let daemon = Daemon::start(&dovegate, &folder);
        for command in [
            "domain add corp.example.org --max-mailboxes 100",
            "template add corp.example.org",
            "provider add corp --kind oidc --server-url http://127.0.0.1:1",
            "mailbox add ann@corp.example.org --no-password",
            "app-password create ann@corp.example.org --name Phone",
        ] {
            let arguments: Vec<&str> = command.split(' ').collect();
            dovegate.must(&folder, &arguments, "");
        }
        let base = relay(folder.outside("run/admin"));
        Some(Self { _daemon: daemon, folder, base })
    }

    /// Runs it with these settings and options; what it reports.
    fn schemathesis(&self, settings: &str, options: &[&str]) -> Value {
        let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/openapi");
        let report = self.folder.outside("report.json");
        self.folder.write("schemathesis.toml", &format!("{settings}{REFUSED}"));
        let output = Command::new(cache().join(SCHEMATHESIS))
            .current_dir(self.folder.outside(""))
            .args(["run", &format!("{}/openapi.json", self.base), "--continue-on-failure"])
            .args(["--checks", "all", "--request-timeout", "60", "--no-color"])
            // A schema cannot say all that a name or a password must be, so it allows more.
            .args(["--exclude-checks", "positive_data_acceptance", "--warnings", "off"])
            .args(["--report", "json", "--report-json-path"])
            .arg(&report)
            .args(options)
            .env("SCHEMATHESIS_HOOKS", "json_lines")
            .env("PYTHONPATH", hooks)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let warned = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{warned}");
        serde_json::from_slice(&fs::read(report).unwrap()).unwrap()
    }

    /// Nothing that is our fault stands in the log.
    fn has_no_fault(&self) {
        let log = fs::read_to_string(self.folder.outside("dovegate.log")).unwrap();
        let faults: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("request failed") || line.contains("panicked"))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// A port of the loopback interface at which a socket answers: Schemathesis knows no sockets
/// with a path. Ends with the tests.
fn relay(socket: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let Ok(to) = UnixStream::connect(&socket) else { return };
            pump(from, to);
        }
    });
    format!("http://127.0.0.1:{port}/api/v1")
}

fn pump(outer: TcpStream, inner: UnixStream) {
    let (mut from, mut to) = (outer.try_clone().unwrap(), inner.try_clone().unwrap());
    thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    thread::spawn(move || {
        let (mut from, mut to) = (inner, outer);
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
}

#[test]
fn no_request_brings_about_a_fault_and_every_answer_is_described() {
    let Some(site) = Site::start() else { return };
    let document = http::get(&format!("{}/openapi.json", site.base), "").good();
    let paths = document["paths"].as_object().unwrap().values();
    let operations: usize = paths.map(|methods| methods.as_object().unwrap().len()).sum();

    // About what is there, and stays; then with made-up names.
    let there = "[parameters]\naddress = \"ann@corp.example.org\"\nname = \"corp.example.org\"\n";
    let phases = ["--phases", "coverage,fuzzing", "--exclude-method", "DELETE"];
    let about_ours = site.schemathesis(there, &[&phases[..], &["--max-examples", "15"]].concat());
    let made_up = site.schemathesis("", &["--max-examples", "15"]);
    assert_eq!(made_up["operations"]["tested"], operations, "{made_up:#}");
    for report in [&made_up, &about_ours] {
        let generated = report["test_cases"]["generated"].as_u64().unwrap();
        assert!(generated > 1000 && accepted(report) > 100, "{report:#}");
    }
    let shown = &about_ours["valid_rates"]["GET /mailboxes/{address}"]["fuzzing"];
    assert!(shown["accepted"].as_u64().unwrap() > 0, "{shown:#}");
    site.has_no_fault();
}

/// Requests that were to be accepted, and were.
fn accepted(report: &Value) -> u64 {
    let operations = report["valid_rates"].as_object().unwrap().values();
    let phases = operations.flat_map(|phases| phases.as_object().unwrap().values());
    phases.map(|phase| phase["accepted"].as_u64().unwrap()).sum()
}
