//! `contrib/docker-mailserver`: its script in a root folder that has what
//! docker-mailserver's image has at the places that matter, before real Dovecots
//! and a real Postfix. Docker itself is not needed.
//!
//! Needs root, `unshare` and what `contrib/test-setup` installs. The image of
//! release 15 is a Debian 12 (this machine), the next one a Debian 13, in which
//! we have no Postfix: there a stand-in for `postconf` notes what it is told.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    certificate,
    place::{Folder, System, free_ports},
    process::Server,
    skip, smtp, wait_for,
};

/// A start on a busy machine, with the store and a Postfix.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse";
/// Longer than the 2,048 bytes that Postfix takes for a command.
const TOKEN_BYTES: usize = 4000;

/// Which release's image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Image {
    /// Debian 12: Dovecot 2.3.
    V15,
    /// Debian 13: Dovecot 2.4.
    Edge,
}

/// The two volumes of a deployment, and what lies over the image.
struct Volumes {
    folder: Folder,
    image: Image,
    imap: u16,
    submission: u16,
    userinfo: String,
}

/// A container that runs.
struct Container<'a> {
    server: Server,
    volumes: &'a Volumes,
}

#[test]
fn release_15_asks_dovegate() {
    accounts_and_tokens_log_in(Image::V15);
}

#[test]
fn the_next_release_asks_dovegate() {
    accounts_and_tokens_log_in(Image::Edge);
}

fn accounts_and_tokens_log_in(image: Image) {
    let Some(volumes) = Volumes::prepare(image) else { return };
    let container = volumes.start("");
    assert!(volumes.log().contains("took over ann@example.org"), "{}", volumes.log());
    assert!(container.logs_in("ann@example.org", PASSWORD));
    assert!(!container.logs_in("ann@example.org", "wrong"));
    let user = container.run("doveadm user ann@example.org");
    let quota = if image == Image::V15 { "5242880" } else { "5M" };
    for field in ["5000", "/var/mail/example.org/ann/home", quota] {
        assert!(user.contains(field), "{field}: {user}");
    }
    assert!(container.token_opens("ann@example.org"));
    assert!(!container.token_opens("ben@example.org"));

    volumes.add_account("ben@example.org");
    assert!(!container.logs_in("ben@example.org", PASSWORD));
    container.run("/tmp/docker-mailserver/user-patches.sh accounts");
    assert!(container.logs_in("ben@example.org", PASSWORD));
    container.run(&format!(
        "echo '{PASSWORD} 2' | dovegate mailbox password ben@example.org --password-stdin"
    ));
    drop(container);

    // A new container with the old volumes, in which everything is made anew.
    let container = volumes.start("");
    assert!(container.logs_in("ben@example.org", &format!("{PASSWORD} 2")));
    assert!(!container.logs_in("ben@example.org", PASSWORD));
}

#[test]
fn accounts_of_release_15_stay_where_they_are() {
    accounts_are_followed(Image::V15);
}

#[test]
fn accounts_of_the_next_release_stay_where_they_are() {
    accounts_are_followed(Image::Edge);
}

/// docker-mailserver's own commands go on to count, and tokens come on top.
fn accounts_are_followed(image: Image) {
    let Some(volumes) = Volumes::prepare(image) else { return };
    let container = volumes.start(DIRECTORY);
    assert!(!volumes.log().contains("took over"), "{}", volumes.log());
    let logs_in = |user: &str, password: &str| container.logs_in(user, password).then_some(());
    let refuses = |user: &str, password: &str| (!container.logs_in(user, password)).then_some(());
    let (ann, ben) = ("ann@example.org", "ben@example.org");
    wait_for("Ann's mailbox", PATIENCE, || logs_in(ann, PASSWORD));
    assert!(!container.logs_in(ann, "wrong"));
    assert!(container.token_opens(ann));
    let user = container.run("doveadm user ann@example.org");
    let quota = if image == Image::V15 { "5242880" } else { "5M" };
    for field in ["5000", "/var/mail/example.org/ann/home", quota] {
        assert!(user.contains(field), "{field}: {user}");
    }

    // setup email add, update, del.
    assert!(!container.logs_in(ben, PASSWORD));
    volumes.add_account(ben);
    wait_for("Ben's login", PATIENCE, || logs_in(ben, PASSWORD));
    let accounts = volumes.accounts();
    let (anns, bens) = (accounts.lines().nth(2).unwrap(), accounts.lines().nth(3).unwrap());
    volumes.write("config/postfix-accounts.cf", &format!("{anns}\n{ben}|{{PLAIN}}another\n"));
    wait_for("Ben's new password", PATIENCE, || logs_in(ben, "another"));
    assert!(!container.logs_in(ben, PASSWORD));
    volumes.write("config/dovecot-quotas.cf", "ann@example.org:7M\n");
    let quota = if image == Image::V15 { "7340032" } else { "7M" };
    wait_for("Ann's new quota", PATIENCE, || {
        container.run("doveadm user ann@example.org").contains(quota).then_some(())
    });
    volumes.write("config/postfix-accounts.cf", &format!("{bens}\n"));
    wait_for("Ann's end", PATIENCE, || refuses(ann, PASSWORD));
    assert!(!container.token_opens(ann));
    wait_for("Ben's old password", PATIENCE, || logs_in(ben, PASSWORD));

    // The file is away for a while, and comes back.
    let path = volumes.folder.outside("config/postfix-accounts.cf");
    fs::remove_file(&path).unwrap();
    wait_for("that it is away", PATIENCE, || {
        container.run("dovegate directory list").contains("last good state holds").then_some(())
    });
    assert!(container.logs_in(ben, PASSWORD));
    volumes.write("config/postfix-accounts.cf", &accounts);
    wait_for("Ann's return", PATIENCE, || logs_in(ann, PASSWORD));
    assert!(container.token_opens(ann));
}

/// What stands as a comment in our `dovegate.toml`.
const DIRECTORY: &str = r#"
[directory.accounts]
kind = "passwd-file"
format = "docker-mailserver"
domains = ["example.org"]
path = "/tmp/docker-mailserver/postfix-accounts.cf"
quota_path = "/tmp/docker-mailserver/dovecot-quotas.cf"
"#;

#[test]
fn the_piece_for_accounts_is_the_one_that_is_tried() {
    let piece = fs::read_to_string(contrib("dovegate.toml")).unwrap().replace("#     ", "");
    assert!(piece.contains(DIRECTORY.trim()), "{piece}");
}

#[test]
fn its_postfix_takes_a_long_token_within_the_command() {
    let Some(volumes) = Volumes::prepare(Image::V15) else { return };
    let container = volumes.start("");
    let message = volumes.folder.write("message", "Subject: test\r\n\r\nHello.\r\n");
    let url = format!("smtp://127.0.0.1:{}", volumes.submission);
    let token = long_token();
    let by_token = |user: &str| {
        let options = ["--sasl-ir", "--login-options", "AUTH=OAUTHBEARER", "--user"];
        let options = [&options[..], &[user, "--oauth2-bearer", &token]].concat();
        smtp::send(&url, &message, &options)
    };
    assert!(by_token("ann@example.org:"));
    assert!(!by_token("ben@example.org:"));
    assert!(smtp::send(&url, &message, &["--user", &format!("ann@example.org:{PASSWORD}")]));
    let widened = container.run("postconf -P submission/inet/line_length_limit");
    assert!(widened.contains("12288"), "{widened}");
}

/// Nobody is let in by Dovecot's own passwords behind Dovegate's back.
#[test]
fn a_mistake_opens_no_back_door() {
    let Some(volumes) = Volumes::prepare(Image::V15) else { return };
    let container = volumes.start("colour = \"blue\"\n");
    assert!(volumes.log().contains("dovegate: ERROR: its settings are wrong"), "{}", volumes.log());
    assert!(volumes.log().contains("unknown field `colour`"), "{}", volumes.log());
    assert!(!container.logs_in("ann@example.org", PASSWORD));
}

/// One provider in the file is the administrator's own: the two variables say
/// nothing more.
#[test]
fn a_provider_of_the_file_wins() {
    let Some(volumes) = Volumes::prepare(Image::V15) else { return };
    let corp = "[provider.corp]\nkind = \"oidc\"\nuserinfo_url = \"http://127.0.0.1:1/\"\n";
    let container = volumes.start(corp);
    let settings = container.run("cat /etc/dovegate/dovegate.toml");
    assert!(!settings.contains("\n[provider.oauth2]"), "{settings}");
    assert!(container.logs_in("ann@example.org", PASSWORD));
}

impl Volumes {
    fn prepare(image: Image) -> Option<Self> {
        let system = match image {
            Image::V15 => System::here(),
            Image::Edge => System::trixie(),
        };
        let missing = [
            (!nix::unistd::geteuid().is_root(), "only root can mount a root folder"),
            (!system.has("/usr/sbin/dovecot"), "Dovecot is not installed"),
            (image == Image::V15 && !system.has("/usr/sbin/postfix"), "Postfix is not installed"),
        ];
        if let Some((_, why)) = missing.into_iter().find(|(missing, _)| *missing) {
            skip(why);
            return None;
        }
        let folder = System::here().folder();
        for name in ["config", "state", "cache", "image"] {
            folder.make(name, 0o755, (0, 0));
        }
        let [imap, submission] = free_ports();
        let volumes = Self { folder, image, imap, submission, userinfo: userinfo() };
        volumes.fill_image();
        for name in ["user-patches.sh", "dovegate.toml"] {
            fs::copy(contrib(name), volumes.folder.outside("config").join(name)).unwrap();
        }
        volumes.add_account("ann@example.org");
        volumes.write("config/dovecot-quotas.cf", "ann@example.org:5M\n");
        Some(volumes)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.outside(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).unwrap();
        fs::write(path, text).unwrap();
    }

    /// As `setup email add` does it.
    fn add_account(&self, address: &str) {
        let hash = Command::new("openssl").args(["passwd", "-6", PASSWORD]).output().unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        let path = self.folder.outside("config/postfix-accounts.cf");
        let accounts = fs::read_to_string(&path).unwrap_or_else(|_| "# Accounts\n\n".to_owned());
        fs::write(path, format!("{accounts}{address}|{{SHA512-CRYPT}}{}\n", hash.trim())).unwrap();
    }

    fn accounts(&self) -> String {
        fs::read_to_string(self.folder.outside("config/postfix-accounts.cf")).unwrap()
    }

    /// What the image has at the places that the script and Dovegate meet.
    fn fill_image(&self) {
        let (head, mail) = match self.image {
            Image::V15 => ("", "mail_location = maildir:/var/mail/%d/%n\n"),
            Image::Edge => (
                "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n",
                "mail_driver = maildir\nmail_path = /var/mail/%{user|domain}/%{user|username}\n",
            ),
        };
        let common =
            "protocols = imap\nlisten = 127.0.0.1\nssl = no\nlog_path = /var/log/dovecot.log\n";
        let dovecot = format!("{head}{common}{mail}!include conf.d/*.conf\n");
        self.write("image/etc/dovecot/dovecot.conf", &dovecot);
        self.write("image/etc/dovecot/conf.d/10-master.conf", &master_of_dovecot(self.imap));
        self.write("image/usr/local/sbin/dovegate", "");
        let program = self.folder.outside("image/usr/local/sbin/dovegate");
        fs::copy(env!("CARGO_BIN_EXE_dovegate"), program).unwrap();
        match self.image {
            Image::V15 => self.fill_postfix(),
            Image::Edge => {
                self.write("image/usr/sbin/postconf", "#!/bin/sh\necho \"$@\"\n");
                let stand_in = self.folder.outside("image/usr/sbin/postconf");
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(stand_in, mode).unwrap();
            }
        }
    }

    fn fill_postfix(&self) {
        certificate::make(&self.folder);
        for name in ["cert.pem", "key.pem"] {
            let text = fs::read_to_string(self.folder.outside(name)).unwrap();
            self.write(&format!("image/etc/postfix/{name}"), &text);
        }
        // Its services are called by names of this file.
        let services = format!("submission {}/tcp\nsubmissions 1/tcp\n", self.submission);
        self.write("image/etc/services", &services);
        self.write(
            "image/etc/postfix/main.cf",
            "compatibility_level = 3.6
myhostname = mail.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
known_tcp_ports =
maillog_file = /var/log/mail.log
default_transport = discard
smtpd_tls_cert_file = /etc/postfix/cert.pem
smtpd_tls_key_file = /etc/postfix/key.pem
smtpd_sasl_auth_enable = no
smtpd_sasl_path = /dev/shm/sasl-auth.sock
smtpd_sasl_type = dovecot
smtpd_sasl_local_domain = $mydomain
",
        );
        self.write(
            "image/etc/postfix/master.cf",
            "submission inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
",
        );
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.outside("log")).unwrap_or_default()
    }

    /// Starts a container; `more` is added to the settings, at the end of
    /// `[userdb]`.
    fn start(&self, more: &str) -> Container<'_> {
        let settings = fs::read_to_string(contrib("dovegate.toml")).unwrap();
        self.write("config/dovegate.toml", &format!("{settings}\n{more}"));
        let lower = match self.image {
            Image::V15 => PathBuf::from("/"),
            Image::Edge => System::trixie().outside("/"),
        };
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", START])
            .arg(lower)
            .arg(self.folder.outside(""))
            .env("ENABLE_OAUTH2", "1")
            .env("OAUTH2_INTROSPECTION_URL", &self.userinfo);
        let server = Server::start("docker-mailserver", command, &self.folder.outside("log"));
        let mut container = Container { server, volumes: self };
        wait_for("Dovecot", PATIENCE, || {
            assert!(container.server.runs(), "{}", self.log());
            TcpStream::connect(("127.0.0.1", self.imap)).ok()
        });
        if self.image == Image::V15 {
            wait_for("Postfix", PATIENCE, || {
                TcpStream::connect(("127.0.0.1", self.submission)).ok()
            });
        }
        container
    }
}

impl Container<'_> {
    /// `docker exec`; its output.
    fn run(&self, line: &str) -> String {
        let output = Command::new("nsenter")
            .args([&format!("--target={}", self.server.id()), "--mount", "--root", "--wd=/"])
            .args(["/bin/bash", "-c", &format!("PATH=/usr/local/sbin:$PATH; {line}")])
            .env("ENABLE_OAUTH2", "1")
            .env("OAUTH2_INTROSPECTION_URL", &self.volumes.userinfo)
            .output()
            .expect("nsenter is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn logs_in(&self, user: &str, password: &str) -> bool {
        self.curl(&["--user", &format!("{user}:{password}")]).status.success()
    }

    fn token_opens(&self, user: &str) -> bool {
        let token = long_token();
        let options = ["--login-options", "AUTH=OAUTHBEARER", "--user", user, "--oauth2-bearer"];
        self.curl(&[&options[..], &[&token]].concat()).status.success()
    }

    fn curl(&self, options: &[&str]) -> Output {
        Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "30", "--request", "NOOP"])
            .args(options)
            .arg(format!("imap://127.0.0.1:{}", self.volumes.imap))
            .output()
            .expect("curl is installed")
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if self.server.runs() {
            self.server.signal(Signal::SIGTERM);
            self.server.ends_within(PATIENCE);
        }
        if thread::panicking() {
            eprintln!("{}", self.volumes.log());
        }
    }
}

const START: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/docker_mailserver/start");

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/docker-mailserver").join(name)
}

/// The listeners that docker-mailserver gives to Dovecot's auth service, and the
/// login processes without a root folder of their own.
fn master_of_dovecot(imap: u16) -> String {
    format!(
        "service auth {{
  unix_listener auth-userdb {{
    mode = 0666
    user = docker
    group = docker
  }}
  unix_listener auth-master {{
    mode = 0600
    user = docker
    group = docker
  }}
  unix_listener /dev/shm/sasl-auth.sock {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"
    )
}

fn long_token() -> String {
    "t".repeat(TOKEN_BYTES)
}

/// A provider's userinfo endpoint that knows one token, Ann's. Its address.
fn userinfo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || answer(stream));
        }
    });
    format!("http://{address}/userinfo")
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let expected = format!("authorization: bearer {}", long_token());
    let mut is_anns = false;
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            is_anns |= line.to_lowercase() == expected;
            continue;
        }
        let (status, body) = if is_anns {
            ("200 OK", r#"{"sub":"1","email":"ann@example.org","email_verified":true}"#)
        } else {
            ("401 Unauthorized", "{}")
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        is_anns = false;
    }
    Some(())
}
