//! What the server is told: sockets, limits, rights.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use super::tls::TlsFiles;
pub use crate::session::TemporaryFailure;
use crate::{mailbox::userdb, telemetry, verify, web};

/// What every room that a server runs is told. A reload brings a new one.
#[derive(Debug)]
pub struct Rooms {
    /// Sockets, limits, rights.
    pub server: Settings,
    /// What decides about logins.
    pub verify: verify::Settings,
    /// What is handed out about users.
    pub userdb: userdb::Settings,
    /// The pages.
    pub web: web::Settings,
}

/// Where settings come from, now and at every reload.
pub trait Origin {
    /// Log set-up.
    fn log(&self) -> telemetry::Settings;
    /// The settings.
    fn rooms(&self) -> Rooms;
    /// The settings as they are now, or everything that is wrong with them.
    fn read_again(&self) -> Result<Rooms, String>;
}

/// Sockets, limits, rights.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of everything that is kept.
    pub state_dir: PathBuf,
    /// Folder of our own sockets.
    pub run_dir: PathBuf,
    /// Whom to become once the sockets are bound; `None` stays as it is.
    pub rights: Option<Rights>,
    /// Mechanisms to offer, upper case.
    pub mechanisms: Vec<String>,
    /// How long a dialogue may take, and a finished login waits for REQUEST.
    pub request_timeout: Duration,
    /// Most requests of one connection at a time.
    pub max_requests: usize,
    /// How long a stopping server finishes what is pending.
    pub drain_limit: Duration,
    /// Whether `session_pid` of a REQUEST must be its sender's process id.
    pub check_session_pid: bool,
    /// What ends the open sessions of a mailbox that nobody may use any more.
    pub on_withdrawal: Option<OnWithdrawal>,
    /// How many connections.
    pub limits: Limits,
    /// Threads that serve connections; one is enough for most.
    pub worker_threads: usize,
    /// System users who may administrate, besides root and our own.
    pub admin_uids: Vec<u32>,
    /// Where to listen.
    pub listeners: Vec<ListenerSettings>,
    /// Where to listen for HTTP.
    pub http: HttpSettings,
}

impl Settings {
    /// Folder of the store.
    pub fn store_dir(&self) -> PathBuf {
        self.state_dir.join("store")
    }

    /// Names of the settings in which `new` differs and that take effect at the
    /// next start only.
    pub fn differing_until_start(&self, new: &Self) -> Vec<&'static str> {
        let admin = |settings: &Self| {
            let mut listeners = settings.listeners.iter();
            listeners.find(|listener| listener.kind == Kind::Admin).cloned()
        };
        let differing = [
            (self.state_dir != new.state_dir, "state_dir"),
            (self.run_dir != new.run_dir, "run_dir"),
            (self.rights != new.rights, "user or group"),
            (self.limits != new.limits, "limits.connections or limits.reserve"),
            (self.worker_threads != new.worker_threads, "limits.worker_threads"),
            (admin(self) != admin(new), "the listener of type admin"),
        ];
        differing.into_iter().filter(|(differs, _)| *differs).map(|(_, name)| name).collect()
    }

    /// Where administrators are answered.
    pub fn admin_socket(&self) -> &Path {
        let admin = self.listeners.iter().find(|listener| listener.kind == Kind::Admin);
        match admin.map(|listener| &listener.endpoint) {
            Some(Endpoint::Unix { path, .. }) => path,
            _ => &self.run_dir,
        }
    }
}

/// A command that is run for each mailbox that nobody may use any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OnWithdrawal {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; `%u` stands for the address.
    pub arguments: Vec<String>,
    /// How long it may take.
    pub limit: Duration,
}

/// An account without rights.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rights {
    /// Its name, for its further groups.
    pub user: String,
    /// Its number.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// How many connections at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections that are served in full; `None` takes what the limit of
    /// open files allows.
    pub connections: Option<usize>,
    /// Connections above that: they get the handshake, and temporary failures.
    pub reserve: usize,
}

/// Ports for HTTP; none unless they are set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HttpSettings {
    /// `[http]`: for people, programs and identity providers.
    pub public: Option<SocketAddr>,
    /// Certificate and key of `[http]`; without, it is behind a proxy that does TLS.
    pub tls: Option<TlsFiles>,
    /// `[http.internal]`: for programs that watch this one.
    pub internal: Option<SocketAddr>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpKind {
    /// `[http]`.
    Public,
    /// `[http.internal]`.
    Internal,
}

impl HttpKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Public, Self::Internal];

    /// Its section in the settings, and its name in status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "http",
            Self::Internal => "http.internal",
        }
    }
}

impl HttpSettings {
    /// What shall be open, and where.
    pub fn wanted(&self) -> impl Iterator<Item = (HttpKind, SocketAddr)> {
        [(HttpKind::Public, self.public), (HttpKind::Internal, self.internal)]
            .into_iter()
            .filter_map(|(kind, address)| Some((kind, address?)))
    }
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Dovecot's login processes: a success is kept for REQUEST.
    Login,
    /// Everybody else who logs people in: Postfix, Exim, `doveadm auth test`.
    Auth,
    /// Dovecot's mail processes: REQUEST, and everything of `userdb`.
    Master,
    /// User look-ups: LMTP, `doveadm`.
    Userdb,
    /// As `login`, for tokens of earlier logins alone.
    TokenLogin,
    /// As `auth`, for tokens of earlier logins alone.
    Token,
    /// Postfix's look-ups: domains, mailboxes, senders.
    Socketmap,
    /// HTTP for administrators.
    Admin,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Login,
        Self::Auth,
        Self::Master,
        Self::Userdb,
        Self::TokenLogin,
        Self::Token,
        Self::Socketmap,
        Self::Admin,
    ];

    /// The name in the settings and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Auth => "auth",
            Self::Master => "master",
            Self::Userdb => "userdb",
            Self::TokenLogin => "token-login",
            Self::Token => "token",
            Self::Socketmap => "socketmap",
            Self::Admin => "admin",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What would come of a TCP port that others can reach; `None` for the kinds
    /// that know their peers by the rights of a socket file, and have no port.
    pub fn over_the_network(self) -> Option<&'static str> {
        match self {
            Self::Auth => Some("passwords would cross the network in clear"),
            Self::Socketmap => Some("whoever reaches it could ask who has a mailbox"),
            _ => None,
        }
    }

    /// Rights of its socket file where none are set.
    pub fn default_mode(self) -> u32 {
        match self {
            Self::Login | Self::Auth | Self::TokenLogin | Self::Token | Self::Socketmap => 0o660,
            Self::Userdb => 0o666,
            Self::Master | Self::Admin => 0o600,
        }
    }
}

/// One listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenerSettings {
    /// What it speaks.
    pub kind: Kind,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The mail system it belongs to: process ids and REQUESTs of one Dovecot
    /// mean nothing to another.
    pub instance: String,
    /// How outages are said.
    pub temporary_failure: TemporaryFailure,
    /// Whether parameters that lift checks count (`no-penalty`,
    /// `cert_username` …), and EXTERNAL may be offered.
    pub trusted_parameters: bool,
}

/// Where a listener is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A socket file.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Its owner; `None` leaves it ours.
        owner: Option<u32>,
        /// Its group; `None` leaves it ours.
        group: Option<u32>,
        /// Its permission bits.
        mode: u32,
    },
    /// A TCP port.
    Tcp(SocketAddr),
}

impl Endpoint {
    /// Whether both are the same path or port, whatever their rights.
    pub fn same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix { path, .. }, Self::Unix { path: other, .. }) => path == other,
            (Self::Tcp(address), Self::Tcp(other)) => address == other,
            _ => false,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix { path, .. } => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}
