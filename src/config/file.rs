//! `dovegate.toml` as written: the keys, their types and their defaults, and
//! nothing that needs two keys to judge (that is [`super::Config`]).
//!
//! `contrib/dovegate.toml` lists every key of this file; a test holds the two
//! together.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    clock::Span,
    directory::Written,
    mailbox::{DomainName, Provider, ProviderName, Quota, provider::ClientSecret},
    server::settings::{Kind, TemporaryFailure},
    telemetry::{Level, Target},
    web::settings::Security,
};

/// The whole file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) state_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) log: Log,
    pub(crate) names: Names,
    pub(crate) login: Login,
    pub(crate) passwords: Passwords,
    pub(crate) abuse: Abuse,
    pub(crate) userdb: Userdb,
    pub(crate) limits: Limits,
    pub(crate) admin: Admin,
    pub(crate) http: Http,
    pub(crate) web: Web,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(serialize_with = "without_secrets")]
    pub(crate) provider: BTreeMap<ProviderName, Provider>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(serialize_with = "without_passwords")]
    pub(crate) directory: BTreeMap<ProviderName, Written>,
    pub(crate) listener: Vec<Listener>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/dovegate".into(),
            run_dir: "/run/dovegate".into(),
            user: None,
            group: None,
            log: Log::default(),
            names: Names::default(),
            login: Login::default(),
            passwords: Passwords::default(),
            abuse: Abuse::default(),
            userdb: Userdb::default(),
            limits: Limits::default(),
            admin: Admin::default(),
            http: Http::default(),
            web: Web::default(),
            provider: BTreeMap::new(),
            directory: BTreeMap::new(),
            listener: Vec::new(),
        }
    }
}

/// `[log]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) target: Target,
    pub(crate) level: Level,
}

impl Default for Log {
    fn default() -> Self {
        Self { target: Target::Auto, level: Level::Info }
    }
}

/// `[names]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Names {
    pub(crate) default_domain: Option<DomainName>,
    pub(crate) further_local_characters: String,
    pub(crate) recipient_delimiter: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            default_domain: None,
            further_local_characters: String::new(),
            recipient_delimiter: "+".to_owned(),
        }
    }
}

/// `[login]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) mechanisms: Vec<String>,
    pub(crate) failure_delay: Span,
    pub(crate) request_timeout: Span,
    pub(crate) max_requests: usize,
    pub(crate) drain_limit: Span,
    pub(crate) check_session_pid: bool,
    pub(crate) on_withdrawal: Vec<String>,
    pub(crate) on_withdrawal_limit: Span,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            mechanisms: ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"].map(str::to_owned).to_vec(),
            failure_delay: Span::seconds(2),
            request_timeout: Span::seconds(150),
            max_requests: 4096,
            drain_limit: Span::seconds(5),
            check_session_pid: true,
            on_withdrawal: Vec::new(),
            on_withdrawal_limit: Span::seconds(10),
        }
    }
}

/// `[passwords]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Passwords {
    pub(crate) default_scheme: String,
    pub(crate) bcrypt_cost: u32,
    pub(crate) hash_threads: usize,
    pub(crate) hash_queue: usize,
    pub(crate) max_bcrypt_cost: u32,
    pub(crate) max_sha_crypt_rounds: u32,
    pub(crate) max_argon2_memory: Size,
    pub(crate) max_argon2_passes: u32,
    pub(crate) max_argon2_lanes: u32,
    pub(crate) max_pbkdf2_rounds: u32,
    pub(crate) max_yescrypt_memory: Size,
    pub(crate) allow_weak_schemes: bool,
    pub(crate) upgrade_hashes: bool,
    pub(crate) verified_cache_entries: u64,
    pub(crate) verified_cache_time: Span,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            default_scheme: "BLF-CRYPT".to_owned(),
            bcrypt_cost: 10,
            hash_threads: 0,
            hash_queue: 1024,
            max_bcrypt_cost: 14,
            max_sha_crypt_rounds: 1_000_000,
            max_argon2_memory: Size(128 << 20),
            max_argon2_passes: 10,
            max_argon2_lanes: 8,
            max_pbkdf2_rounds: 1_000_000,
            max_yescrypt_memory: Size(128 << 20),
            allow_weak_schemes: false,
            upgrade_hashes: false,
            verified_cache_entries: 100_000,
            verified_cache_time: Span::seconds(3600),
        }
    }
}

/// `[abuse]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Abuse {
    pub(crate) window: Span,
    pub(crate) account_limit: usize,
    pub(crate) network_limit: usize,
    pub(crate) hold: Span,
    pub(crate) max_entries: usize,
    pub(crate) trusted_networks: Vec<Network>,
}

impl Default for Abuse {
    fn default() -> Self {
        Self {
            window: Span::seconds(600),
            account_limit: 10,
            network_limit: 30,
            hold: Span::seconds(900),
            max_entries: 100_000,
            trusted_networks: ["127.0.0.0/8", "::1/128"]
                .into_iter()
                .map(|network| Network(network.parse().expect("a constant network")))
                .collect(),
        }
    }
}

/// `[userdb]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Userdb {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
    pub(crate) mail: String,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Default for Userdb {
    fn default() -> Self {
        Self {
            uid: 5000,
            gid: 5000,
            home: "/var/vmail/%d/%n".to_owned(),
            mail: "maildir:~/Maildir".to_owned(),
            fields: BTreeMap::new(),
        }
    }
}

/// `[limits]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) reserve: usize,
    pub(crate) worker_threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 0, reserve: 64, worker_threads: 1 }
    }
}

/// `[admin]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) users: Vec<String>,
}

/// `[http]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) public_url: Option<String>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) allow_remote_cleartext: bool,
    pub(crate) internal: HttpInternal,
}

/// `[http.internal]`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpInternal {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) allow_remote_cleartext: bool,
}

/// `[web]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    pub(crate) title: String,
    pub(crate) provider_passwords: bool,
    pub(crate) session_idle: Span,
    pub(crate) session_lifetime: Span,
    pub(crate) client: WebClient,
}

/// `[web.client]`: the servers that mail programs are told.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebClient {
    pub(crate) imap: Option<MailServer>,
    pub(crate) pop3: Option<MailServer>,
    pub(crate) smtp: Option<MailServer>,
    pub(crate) sieve: Option<MailServer>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            title: "Dovegate".to_owned(),
            provider_passwords: false,
            session_idle: Span::seconds(3600),
            session_lifetime: Span::seconds(12 * 3600),
            client: WebClient::default(),
        }
    }
}

/// Stands where a secret would, in what is shown.
const NOT_SHOWN: &str = "(not shown)";

/// `[provider.NAME]` for people to see. A secret leaves its place marked: what
/// is shown says that there is one, and can be read back.
fn without_secrets<S: Serializer>(
    providers: &BTreeMap<ProviderName, Provider>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(providers.iter().map(|(name, provider)| {
        let mut provider = provider.clone();
        let hidden = || ClientSecret::from(NOT_SHOWN.to_owned());
        provider.client_secret = provider.client_secret.map(|_| hidden());
        (name, provider)
    }))
}

/// The same of `[directory.NAME]`.
fn without_passwords<S: Serializer>(
    directories: &BTreeMap<ProviderName, Written>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(directories.iter().map(|(name, directory)| {
        let mut directory = directory.clone();
        let hidden = || ClientSecret::from(NOT_SHOWN.to_owned());
        directory.bind_password = directory.bind_password.map(|_| hidden());
        (name, directory)
    }))
}

/// `[[listener]]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) path: Option<PathBuf>,
    #[serde(default)]
    pub(crate) address: Option<SocketAddr>,
    #[serde(default)]
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) group: Option<String>,
    #[serde(default)]
    pub(crate) mode: Option<Mode>,
    #[serde(default = "default_instance")]
    pub(crate) instance: String,
    #[serde(default)]
    pub(crate) temporary_failure: TemporaryFailure,
    #[serde(default)]
    pub(crate) trusted_parameters: Option<bool>,
    #[serde(default)]
    pub(crate) allow_remote_cleartext: bool,
}

impl Listener {
    /// A socket file with everything else at its default.
    pub(super) fn unix(kind: Kind, path: PathBuf, mode: u32) -> Self {
        Self {
            kind,
            path: Some(path),
            address: None,
            owner: None,
            group: None,
            mode: Some(Mode(mode)),
            instance: default_instance(),
            temporary_failure: TemporaryFailure::Auto,
            trusted_parameters: None,
            allow_remote_cleartext: false,
        }
    }
}

fn default_instance() -> String {
    "default".to_owned()
}

/// A size as written: `64M`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Size(pub(crate) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse::<Quota>() {
            Ok(size) if !size.is_unlimited() => Ok(Self(size.bytes)),
            _ => Err(D::Error::custom(format!("\"{text}\" is not a size such as \"64M\""))),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Quota { bytes: self.0 })
    }
}

/// A network as written: `192.0.2.0/24`, or a single address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Network(pub(crate) IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let single = |_| text.parse::<std::net::IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(single).map(|network| Self(network.trunc())).map_err(|_| {
            D::Error::custom(format!(
                "\"{text}\" is not a network: expected an address, or one with a prefix length \
                 such as 192.0.2.0/24"
            ))
        })
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Permission bits as written: `"0660"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mode(pub(crate) u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u32::from_str_radix(&text, 8)
            .ok()
            .filter(|mode| *mode <= 0o777 && !text.starts_with('+'))
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("\"{text}\" is not a mode such as \"0660\"")))
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    fn check<T: serde::de::DeserializeOwned + fmt::Debug>(
        value: &str,
        expected: Result<&str, &str>,
    ) {
        #[derive(Debug, Deserialize)]
        struct Key<T> {
            key: T,
        }
        match (toml::from_str::<Key<T>>(&format!("key = {value}")), expected) {
            (Ok(got), Ok(expected)) => assert_eq!(format!("{:?}", got.key), expected),
            (Err(error), Err(reason)) => assert!(error.message().contains(reason), "{error}"),
            (got, expected) => panic!("{value}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn networks_and_modes() {
        check::<Network>("\"192.0.2.7\"", Ok("Network(192.0.2.7/32)"));
        check::<Network>("\"192.0.2.7/24\"", Ok("Network(192.0.2.0/24)"));
        check::<Network>("\"2001:db8::/32\"", Ok("Network(2001:db8::/32)"));
        check::<Network>("\"localhost\"", Err("is not a network"));
        check::<Mode>("\"0660\"", Ok("Mode(432)"));
        check::<Mode>("\"+660\"", Err("is not a mode"));
        check::<Mode>("\"1777\"", Err("is not a mode"));
        check::<Mode>("\"rw\"", Err("is not a mode"));
    }
}
