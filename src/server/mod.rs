//! tokio's room: sockets, connections, signals, limits, rights.
//!
//! ```text
//! mod.rs         run: from settings to a server, and to its end
//! inherited.rs   sockets from Dovecot's master or systemd
//! listener.rs    sockets of our own           doors.rs   accepts on all of them
//! connection.rs  one connection, whatever is said on it
//! client.rs      logins                       login.rs   one of them
//! master.rs      REQUEST, USER, LIST …        lookup.rs  their answers
//! socketmap.rs   what Postfix looks up, with its answers
//! admin.rs       HTTP for administrators      http.rs    HTTP over TCP
//! withdrawal.rs  ends open sessions           hub.rs     what all share
//! lasting.rs     what no fault of ours ends   tally.rs   counts of logins
//! ```

mod admin;
mod client;
mod connection;
mod doors;
mod http;
mod hub;
mod inherited;
mod lasting;
mod limits;
mod listener;
mod login;
mod lookup;
mod master;
mod rights;
mod schedule;
pub mod settings;
mod shutdown;
mod socketmap;
mod stream;
mod supervisor;
mod tally;
mod tls;
mod turn;
mod withdrawal;

use self::{
    hub::Hub,
    listener::bind,
    settings::{Origin, Rooms},
};
pub use self::{
    listener::BindError,
    rights::prepare_state_dir,
    settings::{Kind, Rights, Settings},
};
use crate::{store, telemetry, verify};

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no log.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// A listener cannot be opened.
    #[error("cannot listen on {endpoint}: {reason}")]
    Bind {
        /// Path or address.
        endpoint: String,
        /// Why.
        #[source]
        reason: BindError,
    },
    /// Nobody would be served.
    #[error(
        "there is nothing to listen on: list a [[listener]] in the settings, or use --data DIR, \
         which needs none"
    )]
    NoListener,
    /// A folder of ours cannot be made.
    #[error("{path} cannot be made: {error}")]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Root's rights cannot be given up.
    #[error("cannot become user {user}: {error}")]
    Rights {
        /// The user.
        user: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// What the parent process handed over cannot be used.
    #[error("what the parent process handed over cannot be used: {0}")]
    Parent(#[source] std::io::Error),
    /// A socket from systemd that we know nothing of.
    #[error(
        "the socket {endpoint} from systemd is named \"{name}\": list it as a [[listener]] with \
         that path, or name its type in the socket unit, such as FileDescriptorName=login"
    )]
    InheritedName {
        /// Path or address.
        endpoint: String,
        /// What systemd calls it.
        name: String,
    },
    /// A port that says too much to too many.
    #[error("the parent process handed over the port {address}: {reason}")]
    InheritedTcp {
        /// The port.
        address: std::net::SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// The system allows too few open files.
    #[error(
        "{needed} open files are needed, and the system allows {files}: raise it (systemd: \
         LimitNOFILE={needed}; shell: ulimit -Hn {needed}), or lower limits.connections"
    )]
    OpenFiles {
        /// What is needed.
        needed: usize,
        /// What there is.
        files: usize,
    },
    /// Dovecot's master reckons with fewer connections.
    #[error(
        "limits.connections is {wanted}, and Dovecot's master allows {limit}: write \
         `service auth {{ client_limit = {wanted} }}` into Dovecot's configuration"
    )]
    ClientLimit {
        /// What our settings say.
        wanted: usize,
        /// What Dovecot's say.
        limit: usize,
    },
    /// Dovecot's master leaves too little memory.
    #[error(
        "the address space is limited to {mebibytes} MiB: write `service auth {{ vsz_limit = 0 }}` \
         (Dovecot 2.4: `vsz_limit = unlimited`) into Dovecot's configuration"
    )]
    AddressSpace {
        /// What there is.
        mebibytes: u64,
    },
    /// A limit of the system cannot be read or raised.
    #[error("a limit of the system: {0}")]
    Limit(#[source] std::io::Error),
    /// No randomness.
    #[error("the system gives no random bytes")]
    Random,
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The pipeline cannot start.
    #[error(transparent)]
    Verify(#[from] verify::Error),
    /// The runtime failed.
    #[error("the runtime failed: {0}")]
    Runtime(#[source] std::io::Error),
}

/// Runs the server until it is told to stop.
pub fn run(origin: impl Origin) -> Result<(), Error> {
    // Before anything slow: Dovecot's master waits for a sign of life.
    let inherited = inherited::take()?;
    let under_dovecot = inherited::under_dovecot();
    telemetry::init(origin.log(), under_dovecot)?;
    if under_dovecot {
        limits::check_address_space()?;
    }
    let Rooms { server: settings, verify, userdb, web } = origin.rooms();
    rights::prepare_folders(&settings)?;
    let handed_over = !inherited.sockets.is_empty();
    let mut bound = Vec::new();
    for socket in inherited.sockets {
        bound.push(socket.settle(&settings.listeners)?);
    }
    // Where a parent hands sockets over, a process before us may still have ours:
    // they come after the store.
    if !handed_over {
        for listener in &settings.listeners {
            bound.push(bind(listener.clone())?);
        }
    }
    if !bound.iter().any(|bound| bound.settings.kind != Kind::Admin) {
        return Err(Error::NoListener);
    }
    let listeners = bound.len() + settings.listeners.len();
    let seats = limits::seats(settings.limits, listeners, inherited.client_limit)?;
    if let Some(rights) = &settings.rights {
        rights::drop_root(rights)?;
    }
    let runtime = runtime(settings.worker_threads)?;
    let hub = Hub::new(settings, userdb, seats)?;
    let supervisor = supervisor::Supervisor {
        hub: hub.into(),
        origin,
        verify,
        web,
        bound,
        parent: inherited.parent,
        under_dovecot,
        handed_over,
    };
    let ended = runtime.block_on(supervisor.run());
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ended
}

fn runtime(worker_threads: usize) -> Result<tokio::runtime::Runtime, Error> {
    let mut builder = match worker_threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        more => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(more);
            builder
        }
    };
    builder.enable_all().build().map_err(Error::Runtime)
}
