//! Dovecot 2.3 with a Dovegate that asks a Keycloak about the tokens of
//! example.org.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::support::{
    bearer::{BOTH, LogLine, Login, Mechanism, imap_bearer},
    client::{Dialogue, Outcome, imap_login},
    dovecot::{Extra, Rig, Version, Way},
    keycloak::{Keycloak, REALM},
    wait_for,
};

/// Our client at the provider.
pub const OUR_CLIENT: &str = "client_id = \"dovegate\"\nclient_secret = \"secret-of-dovegate\"\n";
/// Its people's main passwords are for it to know.
pub const FLOW: &str = "mailpassword_flow = true\n";
/// Every answer is asked for, so that what the provider says now counts.
pub const NO_CACHE: &str = "token_cache = \"0s\"\n";

/// The provider `corp`, with further keys.
pub fn corp(keycloak: &Keycloak, keys: &[&str]) -> String {
    corp_at(&keycloak.url(), REALM, keys)
}

/// As [`corp`], with another way to it or another realm.
pub fn corp_at(url: &str, realm: &str, keys: &[&str]) -> String {
    let keys = keys.concat();
    format!(
        "\n[provider.corp]\nkind = \"keycloak\"\nserver_url = \"{url}\"\nrealm = \"{realm}\"\n{keys}\n"
    )
}

/// The house.
#[derive(Debug)]
pub struct House {
    /// Dovecot and Dovegate.
    pub rig: Rig,
}

impl House {
    /// Starts it with these tables at the end of `dovegate.toml`. The domain
    /// example.org is `corp`'s.
    pub fn start(providers: &str) -> Option<Self> {
        let extra = Extra { tables: providers, ..Extra::default() };
        Self::start_as(Version::V23, Way::OwnDaemon, extra)
    }

    /// As [`House::start`], with another Dovecot or way, and further settings.
    pub fn start_as(version: Version, way: Way, extra: Extra<'_>) -> Option<Self> {
        let rig = Rig::start_with(version, way, extra)?;
        rig.dovegate(&["domain", "add", "example.org", "--provider", "corp"]);
        Some(Self { rig })
    }

    /// Makes mailboxes at example.org whose auth source is `corp`.
    pub fn people(self, names: &[&str]) -> Self {
        for name in names {
            self.mailbox(&format!("{name}@example.org"), "corp");
        }
        self
    }

    /// Makes a mailbox.
    pub fn mailbox(&self, address: &str, source: &str) {
        self.rig.dovegate(&["mailbox", "add", address, "--auth-source", source]);
    }

    /// Waits until the first look at the events is over.
    pub fn is_watching(&self) {
        wait_for("the first look at the events", Duration::from_secs(20), || {
            let shown = self.json(&["provider", "show", "corp"]);
            (shown["status"]["events"] == "watching").then_some(())
        });
    }

    /// What a command prints, read as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.rig.dovegate(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap()
    }

    /// A login over IMAP. Whatever becomes of it, the log has no part of the
    /// token.
    pub fn log_in(&self, mechanism: Mechanism, user: &str, token: &str) -> Login {
        let mut dialogue = Dialogue::tcp(self.rig.ports.imap);
        let login = imap_bearer(&mut dialogue, mechanism, user, token);
        let log = fs::read_to_string(self.rig.folder.outside("dovegate.log")).unwrap();
        for part in token.split('.').filter(|part| part.len() > 16) {
            assert!(!log.contains(part), "{}", self.logged());
        }
        login
    }

    /// The last line of a login in the log.
    pub fn logged(&self) -> LogLine {
        LogLine::last(&self.rig.folder)
    }

    /// The token opens the mailbox.
    pub fn admits(&self, user: &str, token: &str) -> LogLine {
        let login = self.log_in(Mechanism::Xoauth2, user, token);
        let line = self.logged();
        assert_eq!(login.outcome, Outcome::In, "{line}");
        assert_eq!((line.field("verdict"), line.field("user")), ("verified", user), "{line}");
        line
    }

    /// The token opens nothing, for this reason, by either mechanism.
    pub fn refuses(&self, user: &str, token: &str, reason: &str) {
        for mechanism in BOTH {
            let login = self.log_in(mechanism, user, token);
            let line = self.logged();
            let name = mechanism.name();
            assert_eq!(login.outcome, Outcome::Wrong, "{reason} by {name}: {line}");
            assert_eq!(line.field("verdict"), "rejected", "{line}");
            assert_eq!(line.field("reason"), reason, "{line}");
            assert_eq!(line.field("mechanism"), name, "{line}");
            assert_eq!(line.field("guess"), "false", "{line}");
            assert_eq!(login.challenge["status"], status(mechanism, reason), "{line}");
        }
    }

    /// Nobody can tell now, for this cause, and the client keeps its token: no
    /// error challenge.
    pub fn cannot_tell(&self, user: &str, token: &str, cause: &str) {
        let login = self.log_in(Mechanism::Oauthbearer, user, token);
        let line = self.logged();
        let Outcome::Temporary(said) = &login.outcome else { panic!("{login:?}: {line}") };
        assert!(said.contains("[UNAVAILABLE]"), "{said}: {line}");
        assert_eq!(login.challenge, Value::Null, "{line}");
        assert_eq!((line.field("verdict"), line.field("reason")), ("unavailable", cause), "{line}");
    }

    /// A login over IMAP with a password, and its line in the log.
    pub fn password(&self, user: &str, password: &str) -> (Outcome, LogLine) {
        let outcome = imap_login(&mut Dialogue::tcp(self.rig.ports.imap), user, password);
        (outcome, self.logged())
    }

    /// The password, of which Keycloak keeps a hash, opens the mailbox.
    pub fn opens(&self, user: &str, password: &str) -> LogLine {
        let (outcome, line) = self.password(user, password);
        assert_eq!(outcome, Outcome::In, "{line}");
        let said = [line.field("verifier"), line.field("provider"), line.field("user")];
        assert_eq!(said, ["mailpassword", "corp", user], "{line}");
        line
    }

    /// The password opens nothing, for this reason.
    pub fn keeps_out(&self, user: &str, password: &str, reason: &str) {
        let (outcome, line) = self.password(user, password);
        assert_eq!((&outcome, line.field("reason")), (&Outcome::Wrong, reason), "{line}");
    }

    /// Nobody can tell now whether the password is right, for this cause.
    pub fn puts_off(&self, user: &str, password: &str, cause: &str) {
        let (outcome, line) = self.password(user, password);
        assert!(matches!(outcome, Outcome::Temporary(_)), "{outcome:?}: {line}");
        assert_eq!(line.field("reason"), cause, "{line}");
    }
}

/// What a client is told of a refusal: that its token is not good, and nothing
/// of the mailbox.
fn status(mechanism: Mechanism, reason: &str) -> &'static str {
    let is_scope = reason == "token_scope";
    match mechanism {
        Mechanism::Xoauth2 if is_scope => "403",
        Mechanism::Xoauth2 => "401",
        Mechanism::Oauthbearer if is_scope => "insufficient_scope",
        Mechanism::Oauthbearer => "invalid_token",
    }
}
