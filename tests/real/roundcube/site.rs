//! Everything behind the browser, for one test.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    client::lmtp,
    dovecot::{Rig, Version, Way},
    keycloak::{Keycloak, REALM},
    place::{Folder, System, cache, free_ports},
    postfix::Relay,
    process::Server,
    realm::Realm,
    skip, wait_for,
};

/// A page on a busy machine, sign-in included.
const PATIENCE: Duration = Duration::from_secs(180);
const ROUNDCUBE: &str = "/usr/share/roundcube";
/// The version stands in `contrib/test-setup`.
const PLAYWRIGHT: &str = "playwright-core@1.65.1/node_modules/playwright-core";
/// How long things last at a site.
pub struct Times {
    /// How long Dovegate does not ask about a token again.
    pub token_cache: Duration,
    /// How long Keycloak's access tokens live.
    pub access_token: Duration,
}

/// Longer than a test takes.
pub const LONG: Times =
    Times { token_cache: Duration::from_secs(600), access_token: Duration::from_secs(600) };

/// Browser, Roundcube, Dovecot, Postfix and Dovegate; Keycloak is the test's.
/// Fields are dropped in this order.
pub struct Site {
    browser: Mutex<Browser>,
    _php: Server,
    postfix: Relay,
    rig: Rig,
    _web: Folder,
}

struct Browser {
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Site {
    /// Starts it all; `None`, with a line that says so, where it cannot run.
    /// Screenshots go into a folder of this name.
    pub fn start(keycloak: &Keycloak, name: &str, times: &Times) -> Option<Self> {
        if let Some(why) = missing() {
            skip(&why);
            return None;
        }
        let rig = Rig::start(Version::V23, Way::UnderMaster)?;
        let postfix = Relay::start(&rig)?;
        prepare_dovegate(&rig, keycloak, times.token_cache);
        let web = System::here().folder();
        let [port] = free_ports();
        let redirect = format!("http://127.0.0.1:{port}/index.php/login/oauth");
        make_client(keycloak, &client_id(port), &redirect, times.access_token);
        rig.dovegate(&["provider", "set", "corp", "--clients", &client_id(port)]);
        write_roundcube(&web, &rig, &postfix, keycloak, port);
        let php = start_php(&web, port);
        let browser = Mutex::new(Browser::start(port, name));
        Some(Self { browser, _php: php, postfix, rig, _web: web })
    }

    /// What a person does, and what she sees then.
    pub fn person(&self, request: &Value) -> Value {
        let mut browser = self.browser.lock().unwrap();
        let requests = browser.requests.as_mut().expect("it is open until the end");
        writeln!(requests, "{request}").unwrap();
        let answer = browser.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|_| panic!("the browser gave no answer to {request}"));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{answer:#}");
        answer
    }

    /// A message comes in.
    pub fn deliver(&self, recipient: &str, subject: &str) {
        let answer = lmtp(self.rig.ports.lmtp, recipient, subject);
        assert!(answer.starts_with("250"), "{answer}");
    }

    /// A mailbox of the provider's.
    pub fn add_mailbox(&self, address: &str) {
        add_mailbox(&self.rig, address);
    }

    /// The last login of Dovegate's log that has both.
    pub fn login(&self, one: &str, other: &str) -> String {
        wait_for(&format!("a login with {one} and {other}"), Duration::from_secs(10), || {
            let log = self.log();
            let mut lines = log.lines().filter(|line| line.contains(" login verdict="));
            lines.rfind(|line| line.contains(one) && line.contains(other)).map(str::to_owned)
        })
    }

    /// Logins so far.
    pub fn logins(&self) -> usize {
        self.log().matches(" login verdict=").count()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.rig.folder.outside("dovecot.log")).unwrap()
    }

    /// Postfix's log.
    pub fn mail_log(&self) -> String {
        self.postfix.log()
    }

    /// Dovegate's command line.
    pub fn dovegate(&self, arguments: &[&str]) -> String {
        self.rig.dovegate(arguments)
    }

    /// Requests about tokens that Keycloak got from Dovegate.
    pub fn asked_about_tokens(&self) -> u64 {
        let shown = self.dovegate(&["provider", "show", "corp", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let requests =
            shown["status"]["requests"].as_object().unwrap_or_else(|| panic!("{shown:#}"));
        let about_tokens = requests.iter().filter(|(what, _)| *what != "discovery");
        about_tokens.map(|(_, number)| number.as_u64().unwrap()).sum()
    }
}

fn missing() -> Option<String> {
    let system = System::here();
    let programs = [
        ("/usr/share/roundcube/index.php", "Roundcube"),
        ("/usr/bin/php", "PHP"),
        ("/usr/bin/chromium", "Chromium"),
    ];
    for (program, name) in programs {
        if !system.has(program) {
            return Some(format!("{name} is not installed"));
        }
    }
    (!cache().join(PLAYWRIGHT).exists()).then(|| "playwright-core is not there".to_owned())
}

/// Mailboxes and provider, as `contrib/keycloak` says. Ben is no one here, and
/// nobody vouches for Una's address.
fn prepare_dovegate(rig: &Rig, keycloak: &Keycloak, token_cache: Duration) {
    let cache = format!("{}s", token_cache.as_secs());
    rig.dovegate.must(
        &rig.folder,
        &[
            "provider",
            "add",
            "corp",
            "--kind",
            "keycloak",
            "--server-url",
            &keycloak.url(),
            "--realm",
            REALM,
            "--client-id",
            "dovegate",
            "--client-secret-stdin",
            "--audience",
            "dovegate",
            "--token-cache",
            &cache,
        ],
        "secret-of-dovegate\n",
    );
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.dovegate(&["domain", "set", "example.org", "--provider", "corp"]);
    for person in ["ann", "una"] {
        add_mailbox(rig, &format!("{person}@example.org"));
    }
}

fn add_mailbox(rig: &Rig, address: &str) {
    rig.dovegate(&["mailbox", "add", address, "--auth-source", "corp", "--no-password"]);
}

/// Each test has its own, since each has a Roundcube at a port of its own.
fn client_id(port: u16) -> String {
    format!("webmail-{port}")
}

/// As `contrib/keycloak/README.md` says, field by field.
fn make_client(keycloak: &Keycloak, id: &str, redirect: &str, access_token: Duration) {
    let audience = json!({
        "name": "mail", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
        "config": {
            "included.client.audience": "dovegate", "id.token.claim": "false",
            "access.token.claim": "true", "introspection.token.claim": "true",
        },
    });
    let client = json!({
        "clientId": id, "secret": format!("secret-of-{id}"), "publicClient": false,
        "standardFlowEnabled": true, "directAccessGrantsEnabled": false,
        "serviceAccountsEnabled": false, "fullScopeAllowed": false,
        "redirectUris": [redirect], "webOrigins": [], "protocolMappers": [audience],
        "attributes": { "access.token.lifespan": access_token.as_secs().to_string() },
    });
    Realm::example(keycloak).post("clients", &client);
}

/// A Roundcube of our own: its program is the installed one's, its settings are
/// those of `contrib/roundcube`.
fn write_roundcube(web: &Folder, rig: &Rig, postfix: &Relay, keycloak: &Keycloak, port: u16) {
    for name in ["public_html", "plugins", "config", "logs", "temp"] {
        web.make(name, 0o755, (0, 0));
    }
    let link = |target: &Path, name: &str| symlink(target, web.outside(name)).unwrap();
    for name in ["program", "skins", "SQL", "index.php"] {
        link(&Path::new(ROUNDCUBE).join(name), name);
    }
    for name in ["program", "skins", "plugins"] {
        link(&Path::new("..").join(name), &format!("public_html/{name}"));
    }
    for name in ["jqueryui", "filesystem_attachments"] {
        link(&Path::new(ROUNDCUBE).join("plugins").join(name), &format!("plugins/{name}"));
    }
    link(&contrib("plugins/oidc_signout"), "plugins/oidc_signout");
    for name in ["defaults.inc.php", "mimetypes.php"] {
        fs::copy(Path::new("/etc/roundcube").join(name), web.outside("config").join(name)).unwrap();
    }
    let here = web.inside("");
    let install = format!("define('INSTALL_PATH', '{here}/'); include INSTALL_PATH . 'index.php';");
    web.write("public_html/index.php", &format!("<?php {install}\n"));
    web.write("config/oauth.inc.php", &oauth_settings(rig, postfix, keycloak, port));
    let certificates = format!("{}/config/ca.pem", here.trim_end_matches('/'));
    let read = |folder: &Folder| fs::read_to_string(folder.outside("cert.pem")).unwrap();
    fs::write(&certificates, read(&rig.folder) + &read(&postfix.folder)).unwrap();
    web.write(
        "config/config.inc.php",
        &format!(
            "<?php
$config['db_dsnw'] = 'sqlite:///{here}/roundcube.sqlite?mode=0640';
$config['log_dir'] = '{here}/logs/';
$config['temp_dir'] = '{here}/temp/';
$config['log_driver'] = 'file';
$config['des_key'] = 'of-24-letters-for-a-test';
$config['plugins'] = [];
$config['language'] = 'en_US';
$tls = ['ssl' => ['cafile' => '{certificates}', 'peer_name' => 'localhost']];
$config['imap_conn_options'] = $tls;
$config['smtp_conn_options'] = $tls;
require __DIR__ . '/oauth.inc.php';
"
        ),
    );
    let schema = "$db = new PDO('sqlite:' . $argv[1]); $db->exec(file_get_contents($argv[2]));";
    let made = Command::new("php")
        .args(["-r", schema, &format!("{here}/roundcube.sqlite")])
        .arg(Path::new(ROUNDCUBE).join("SQL/sqlite.initial.sql"))
        .status()
        .unwrap();
    assert!(made.success());
}

/// `contrib/roundcube/oauth.inc.php` with the addresses and the secret of this
/// test, and its plugin switched on.
fn oauth_settings(rig: &Rig, postfix: &Relay, keycloak: &Keycloak, port: u16) -> String {
    let id = client_id(port);
    let ours = [
        ("https://keycloak.example.org/realms/example", keycloak.issuer(REALM)),
        ("= 'roundcube'", format!("= '{id}'")),
        ("the secret of the client roundcube", format!("secret-of-{id}")),
        ("ssl://mail.example.org:993", format!("ssl://127.0.0.1:{}", rig.ports.imaps)),
        ("ssl://mail.example.org:465", format!("ssl://127.0.0.1:{}", postfix.submissions())),
        ("//$config['plugins']", "$config['plugins']".to_owned()),
        ("//$config['oidc_signout_uri']", "$config['oidc_signout_uri']".to_owned()),
    ];
    let mut text = fs::read_to_string(contrib("oauth.inc.php")).unwrap();
    for (theirs, ours) in ours {
        assert!(text.contains(theirs), "{theirs}");
        text = text.replace(theirs, &ours);
    }
    text
}

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/roundcube").join(name)
}

fn start_php(web: &Folder, port: u16) -> Server {
    let mut command = Command::new("php");
    command
        .args(["-d", &format!("session.save_path={}", web.inside("temp"))])
        .args(["-S", &format!("127.0.0.1:{port}"), "-t", &web.inside("public_html")])
        // A page that asks the same server for another one would wait for itself.
        .env("PHP_CLI_SERVER_WORKERS", "4")
        .env("ROUNDCUBE_CONFIG_DIR", web.inside("config"));
    let server = Server::start_with_workers("php", command, &web.outside("logs/php.log"));
    wait_for("PHP", Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", port)).ok());
    server
}

impl Browser {
    fn start(port: u16, name: &str) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let artefacts = here.join("target/artefacts/roundcube").join(name);
        // Those of an earlier run would mislead.
        drop(fs::remove_dir_all(&artefacts));
        let mut child = Command::new("node")
            .arg(here.join("tests/real/roundcube/browser.mjs"))
            .arg(format!("http://127.0.0.1:{port}/"))
            .arg(artefacts)
            .env("PLAYWRIGHT", cache().join(PLAYWRIGHT))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node is installed");
        let (lines, answers) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let requests = child.stdin.take();
        Self { child, requests, answers }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.requests.take());
        drop(self.child.wait());
    }
}
