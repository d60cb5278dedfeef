//! A real Keycloak: one for all tests of a run, one with a crowd, or one for a
//! test that stops it. `tests/real/keycloak` has its start script and its realms.
//!
//! Everybody's password is `password-of-NAME`, every client's secret
//! `secret-of-NAME`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use super::{
    certificate, http,
    place::{System, cache, free_ports},
    process::show,
    skip, wait_for,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The realm whose people are at example.org.
pub const REALM: &str = "example";
/// A realm of somebody else, who says of one of his people that she is
/// ann@example.org, too.
pub const ELSEWHERE: &str = "elsewhere";

/// The realm of 10,000 people: c00000 to c09999, each at example.org with the
/// password `mail-of-NAME` for mail and one of the templates t0 to t4, and a client
/// [`DOVEGATE`] that may see them.
pub const CROWD_REALM: &str = "crowd";

/// The client that asks about tokens.
pub const DOVEGATE: &str = "dovegate";
/// A public client, as mail programs are.
pub const DESKTOP: &str = "desktop";
/// A client whose tokens live three seconds.
pub const BRIEF: &str = "brief";
/// A client whose tokens have no `sub`, `email` and `aud`.
pub const LIGHTWEIGHT: &str = "lightweight";
/// A client that has nothing to do with mail.
pub const WIKI: &str = "wiki";
/// A client whose tokens have no scope at all.
pub const BARE: &str = "bare";

/// Its first start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
const START: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/keycloak/start");
/// The version stands in the start script.
const BUILT: &str = "keycloak-26.2.5";

/// One instance.
#[derive(Debug)]
pub struct Keycloak {
    folder: PathBuf,
    port: u16,
    tls_port: u16,
    /// Further realms than the usual ones.
    seed: &'static str,
    running: Mutex<Option<Running>>,
    /// The token of who administrates all realms.
    keeper: Mutex<Option<String>>,
}

/// The script that runs it. It stops Keycloak when its stdin ends, so also when
/// this process does.
#[derive(Debug)]
struct Running {
    script: Child,
    lifeline: ChildStdin,
}

/// What a sign-in gives.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: Option<String>,
    /// The ID token.
    pub id: Option<String>,
}

impl Keycloak {
    /// The one of this run of the tests; `None`, with a line that says so, where
    /// it cannot run.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Keycloak> = OnceLock::new();
        if let Some(why) = missing() {
            skip(&why);
            return None;
        }
        Some(SHARED.get_or_init(|| Self::start("")))
    }

    /// One with the realm of 10,000 people, for this run of the tests.
    pub fn crowd() -> Option<&'static Self> {
        static CROWD: OnceLock<Keycloak> = OnceLock::new();
        if let Some(why) = missing() {
            skip(&why);
            return None;
        }
        Some(CROWD.get_or_init(|| Self::start(CROWD_REALM)))
    }

    /// One for a test that stops it.
    pub fn own() -> Option<Self> {
        if let Some(why) = missing() {
            skip(&why);
            return None;
        }
        Some(Self::start(""))
    }

    /// As [`Keycloak::crowd`], for a test that changes its people.
    pub fn own_crowd() -> Option<Self> {
        if let Some(why) = missing() {
            skip(&why);
            return None;
        }
        Some(Self::start(CROWD_REALM))
    }

    fn start(seed: &'static str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("dg-keycloak-")
            // Dovegate reads the certificate as a user without rights.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap()
            .keep();
        certificate::make_in(&folder);
        let [port, tls_port] = free_ports();
        let (running, keeper) = (Mutex::default(), Mutex::default());
        let keycloak = Self { folder, port, tls_port, seed, running, keeper };
        keycloak.run();
        keycloak
    }

    /// Starts it, again after [`Keycloak::stop`].
    pub fn run(&self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut script = Command::new(START)
            .arg("run")
            .arg(&self.folder)
            .args([self.port, self.tls_port].map(|port| port.to_string()))
            .arg(self.seed)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let lifeline = script.stdin.take().expect("piped");
        let mut running = Running { script, lifeline };
        wait_for("Keycloak", PATIENCE, || {
            if running.script.try_wait().unwrap().is_some() {
                show("keycloak", &self.log());
                panic!("Keycloak ended");
            }
            let port = std::net::TcpStream::connect(("127.0.0.1", self.port));
            let ready = port.is_ok() && http::get(&self.issuer(ELSEWHERE), "").status == 200;
            // Its start takes the machine; asking all the time would delay it.
            thread::sleep(Duration::from_millis(if ready { 0 } else { 200 }));
            ready.then_some(())
        });
        *self.running.lock().unwrap() = Some(running);
    }

    /// Stops it; its database stays for the next [`Keycloak::run`].
    pub fn stop(&self) {
        let mut running = self.running.lock().unwrap().take().expect("it runs");
        let pid = Pid::from_raw(running.script.id().try_into().expect("process ids are small"));
        kill(pid, Signal::SIGTERM).unwrap();
        running.script.wait().unwrap();
    }

    /// `kill -9`; what its database has on disk is there at the next
    /// [`Keycloak::run`].
    pub fn kill(&self) {
        let mut running = self.running.lock().unwrap().take().expect("it runs");
        self.signal(Signal::SIGKILL);
        running.script.wait().unwrap();
    }

    /// Changes the database of one that is stopped; what the database says.
    pub fn sql(&self, statements: &str) -> String {
        let output =
            Command::new(START).arg("sql").arg(&self.folder).arg(statements).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends a signal to Keycloak itself.
    pub fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), signal).unwrap();
    }

    fn log(&self) -> PathBuf {
        self.folder.join("keycloak.log")
    }

    /// Its root, in the clear.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its root, behind a certificate that it signed itself.
    pub fn secure_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.tls_port)
    }

    /// The port of [`Keycloak::url`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// That certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// Issuer of a realm, as long as it is asked at [`Keycloak::url`].
    pub fn issuer(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.url())
    }

    /// An endpoint of a realm.
    pub fn endpoint(&self, realm: &str, name: &str) -> String {
        format!("{}/protocol/openid-connect/{name}", self.issuer(realm))
    }

    /// A token of who administrates all realms: the last one, or a new one.
    pub fn keeper(&self, renew: bool) -> String {
        let mut kept = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if renew {
            *kept = None;
        }
        let ask = || {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", "keeper"),
                ("client_secret", "secret-of-keeper"),
            ];
            let answer = http::post(&self.endpoint("master", "token"), &form);
            answer.text("access_token").unwrap_or_else(|| panic!("{answer:?}"))
        };
        kept.get_or_insert_with(ask).clone()
    }

    /// A person of [`REALM`] signs in at a client: an access token with these
    /// scopes.
    pub fn token(&self, person: &str, client: &str, scope: &str) -> String {
        self.tokens(REALM, person, client, scope).access
    }

    /// A person of a realm signs in at a client.
    pub fn tokens(&self, realm: &str, person: &str, client: &str, scope: &str) -> Tokens {
        sign_in(&self.issuer(realm), person, client, scope)
    }

    /// Ends the session of tokens that [`DESKTOP`] got, as signing out does.
    pub fn sign_out(&self, tokens: &Tokens) {
        let refresh = tokens.refresh.as_deref().expect("people get one");
        let form = [("client_id", DESKTOP), ("refresh_token", refresh)];
        http::post(&self.endpoint(REALM, "logout"), &form).good();
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        if thread::panicking() {
            show("keycloak", &self.log());
        }
        if let Some(Running { mut script, lifeline }) = self.running.lock().unwrap().take() {
            drop(lifeline);
            drop(script.wait());
        }
        // A stopped one has left it.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A person signs in at a client of the realm at `issuer`.
pub fn sign_in(issuer: &str, person: &str, client: &str, scope: &str) -> Tokens {
    let (secret, password) = (format!("secret-of-{client}"), format!("password-of-{person}"));
    let mut form = vec![
        ("grant_type", "password"),
        ("client_id", client),
        ("username", person),
        ("password", &password),
        ("scope", scope),
    ];
    if client != DESKTOP {
        form.push(("client_secret", &secret));
    }
    let answer = http::post(&format!("{issuer}/protocol/openid-connect/token"), &form);
    let text = |key| answer.text(key);
    let access = text("access_token");
    Tokens {
        access: access.unwrap_or_else(|| panic!("{person} at {client}: {answer:?}")),
        refresh: text("refresh_token"),
        id: text("id_token"),
    }
}

fn missing() -> Option<String> {
    if !cache().join(BUILT).join("bin/kc.sh").exists() {
        return Some("Keycloak is not built".to_owned());
    }
    let system = System::here();
    let java = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let has_java = java.is_some_and(|java| java.exists()) || system.has("/usr/bin/java");
    (!has_java).then(|| "Java is not installed".to_owned())
}
