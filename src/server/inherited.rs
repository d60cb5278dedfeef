//! Sockets that a parent process hands over: Dovecot's master, or systemd.
//!
//! Which descriptors these are is known only by convention, and Rust can take
//! a number for a descriptor only on trust: this is the one place where
//! `unsafe_code` is lifted. Everything runs before the process has opened
//! anything of its own, and takes a descriptor only after the kernel has said
//! that it is a listening socket.
#![expect(unsafe_code, reason = "descriptors that a parent process handed over")]

use std::{
    env,
    net::TcpListener,
    os::{
        fd::{AsFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixListener,
    },
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag},
    sys::socket::{
        AddressFamily, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt, sockopt,
    },
};

use super::{
    Error,
    listener::{Bound, Socket},
    settings::{Endpoint, Kind, ListenerSettings, TemporaryFailure},
};

/// Descriptors agreed upon with Dovecot's master (2.3 and 2.4).
const STATUS_FD: RawFd = 5;
const DEAD_FD: RawFd = 6;
/// Where to look for sockets. The first stands at 7 in 2.3 and at 8 in 2.4.
const FIRST_FD: RawFd = 3;
const LAST_FD: RawFd = 1023;

/// Whether Dovecot's master started this process.
pub(super) fn under_dovecot() -> bool {
    env::var_os("DOVECOT_CHILD_PROCESS").is_some()
}

/// What a parent handed over.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// Sockets, in the order in which they came.
    pub(super) sockets: Vec<HandedOver>,
    /// That its other end is closed is the order to stop.
    pub(super) parent: Option<OwnedFd>,
    /// Connections that the parent reckons with.
    pub(super) client_limit: Option<usize>,
}

/// One socket.
#[derive(Debug)]
pub(super) struct HandedOver {
    socket: Socket,
    endpoint: Endpoint,
    /// What the parent says it is for.
    said: String,
    by: Parent,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Parent {
    Dovecot,
    Systemd,
}

/// Takes what a parent handed over, and tells Dovecot's master that we are
/// there: after 30 s without that it kills us, and until then it cannot tell us
/// to stop.
pub(super) fn take() -> Result<Inherited, Error> {
    keep_to_ourselves();
    if under_dovecot() { from_dovecot() } else { from_systemd() }
}

/// No program that we start gets what was handed over to us: it would hold the
/// sockets, and Dovecot's master would take it for us.
fn keep_to_ourselves() {
    for fd in FIRST_FD..=LAST_FD {
        // SAFETY: borrowed for this one call; a closed number makes it fail.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let _ = nix::fcntl::fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}

fn from_dovecot() -> Result<Inherited, Error> {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<i32>().ok());
    let client_limit = number("CLIENT_LIMIT").filter(|limit| *limit > 0);
    report(number("GENERATION").unwrap_or(0), client_limit.unwrap_or(1))?;
    let count = usize::try_from(number("SOCKET_COUNT").unwrap_or(0)).unwrap_or(0);
    let mut sockets = Vec::with_capacity(count);
    for fd in FIRST_FD..=LAST_FD {
        if sockets.len() == count {
            break;
        }
        if is_listening(fd) {
            let said = env::var(format!("SOCKET{}_SETTINGS", sockets.len())).unwrap_or_default();
            // SAFETY: the kernel just said that `fd` is an open listening
            // socket; nothing in this process has opened one yet, so it came
            // from the parent and nobody else owns it.
            let owned = unsafe { OwnedFd::from_raw_fd(fd) };
            sockets.push(HandedOver::new(owned, said, Parent::Dovecot)?);
        }
    }
    // SAFETY: Dovecot's master gives every child the writing end of a pipe as
    // this number (checked to be open), for the child alone to own.
    let parent = is_open(DEAD_FD).then(|| unsafe { OwnedFd::from_raw_fd(DEAD_FD) });
    let client_limit = client_limit.and_then(|limit| usize::try_from(limit).ok());
    Ok(Inherited { sockets, parent, client_limit })
}

/// The status message: process id, generation, connections we can take.
fn report(generation: i32, available: i32) -> Result<(), Error> {
    let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
    let mut message = [0; 12];
    for (place, value) in [pid, generation, available].into_iter().enumerate() {
        message[4 * place..][..4].copy_from_slice(&value.to_ne_bytes());
    }
    // SAFETY: borrowed for this one call; a number that is not open makes the
    // call fail with EBADF.
    let status = unsafe { BorrowedFd::borrow_raw(STATUS_FD) };
    match nix::unistd::write(status, &message) {
        Ok(12) => Ok(()),
        Ok(_) => Err(Error::Parent(Errno::EIO.into())),
        Err(error) => Err(Error::Parent(error.into())),
    }
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: borrowed for this one call; a closed number makes it fail.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    nix::fcntl::fcntl(fd, FcntlArg::F_GETFD).is_ok()
}

fn is_listening(fd: RawFd) -> bool {
    // SAFETY: borrowed for this one call; whatever is no listening socket makes
    // it fail or say no.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    matches!(getsockopt(&fd, sockopt::AcceptConn), Ok(true))
}

/// systemd's protocol (`sd_listen_fds(3)`), through `listenfd`, which checks
/// that it is meant for this process.
fn from_systemd() -> Result<Inherited, Error> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut fds = listenfd::ListenFd::from_env();
    let mut sockets = Vec::with_capacity(fds.len());
    for place in 0..fds.len() {
        let said = names.next().unwrap_or_default().to_owned();
        let fd = match fds.take_unix_listener(place) {
            Ok(Some(listener)) => OwnedFd::from(listener),
            _ => match fds.take_tcp_listener(place) {
                Ok(Some(listener)) => OwnedFd::from(listener),
                Ok(None) => continue,
                Err(error) => return Err(Error::Parent(error)),
            },
        };
        sockets.push(HandedOver::new(fd, said, Parent::Systemd)?);
    }
    Ok(Inherited { sockets, parent: None, client_limit: None })
}

impl HandedOver {
    fn new(fd: OwnedFd, said: String, by: Parent) -> Result<Self, Error> {
        let address: SockaddrStorage = {
            use std::os::fd::AsRawFd as _;
            getsockname(fd.as_fd().as_raw_fd()).map_err(|error| Error::Parent(error.into()))?
        };
        let (socket, endpoint) = if address.family() == Some(AddressFamily::Unix) {
            let listener = UnixListener::from(fd);
            let address = listener.local_addr().map_err(Error::Parent)?;
            let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
            let endpoint = Endpoint::Unix { path, owner: None, group: None, mode: 0 };
            (Socket::Unix(listener), endpoint)
        } else {
            let listener = TcpListener::from(fd);
            let endpoint = Endpoint::Tcp(listener.local_addr().map_err(Error::Parent)?);
            (Socket::Tcp(listener), endpoint)
        };
        match &socket {
            Socket::Unix(listener) => listener.set_nonblocking(true),
            Socket::Tcp(listener) => listener.set_nonblocking(true),
        }
        .map_err(Error::Parent)?;
        Ok(Self { socket, endpoint, said, by })
    }

    /// Finds out what the socket is for: a listener of the settings at the same
    /// place lends it everything; else the parent's word for it counts.
    pub(super) fn settle(self, configured: &[ListenerSettings]) -> Result<Bound, Error> {
        let same = configured.iter().find(|other| other.endpoint.same_place(&self.endpoint));
        let settings = match same {
            Some(settings) => settings.clone(),
            None => self.settings_by_name()?,
        };
        if let Endpoint::Tcp(address) = self.endpoint {
            let Some(danger) = settings.kind.over_the_network() else {
                let reason = "only types auth and socketmap may have one".to_owned();
                return Err(Error::InheritedTcp { address, reason });
            };
            if same.is_none() && !address.ip().is_loopback() {
                let reason = format!(
                    "{danger}; let it listen on loopback, or list it as a [[listener]] with \
                     allow_remote_cleartext = true"
                );
                return Err(Error::InheritedTcp { address, reason });
            }
        }
        // A unit of systemd has its rights beside those of our settings, which
        // are taken for the same; Dovecot's master says nothing of them.
        let has_known_rights = same.is_some();
        Ok(Bound { settings, socket: self.socket, has_known_rights, is_ours: false, file: None })
    }

    fn settings_by_name(&self) -> Result<ListenerSettings, Error> {
        let (kind, instance) = match self.by {
            Parent::Dovecot => (kind_in_dovecot(&self.said), "default"),
            Parent::Systemd => {
                let (name, instance) = self.said.split_once('/').unwrap_or((&self.said, "default"));
                let kind = Kind::from_name(name).ok_or_else(|| Error::InheritedName {
                    endpoint: self.endpoint.to_string(),
                    name: self.said.clone(),
                })?;
                (kind, instance)
            }
        };
        Ok(ListenerSettings {
            kind,
            endpoint: self.endpoint.clone(),
            instance: instance.to_owned(),
            temporary_failure: TemporaryFailure::Auto,
            trusted_parameters: kind == Kind::Login,
        })
    }
}

/// What `SOCKETn_SETTINGS` means. Dovecot 2.4 says `type=`; 2.3 goes by the
/// file's name behind its last `-`, and takes everything else for a plain
/// client's socket.
fn kind_in_dovecot(said: &str) -> Kind {
    let mut fields = said.split('\t');
    let name = fields.next().unwrap_or_default();
    let file = name.rsplit('/').next().unwrap_or_default();
    let by_name = file.rsplit('-').next().unwrap_or_default();
    match fields.find_map(|field| field.strip_prefix("type=")).unwrap_or(by_name) {
        "login" => Kind::Login,
        "master" => Kind::Master,
        "userdb" => Kind::Userdb,
        "socketmap" => Kind::Socketmap,
        "token" => Kind::Token,
        "tokenlogin" | "token-login" => Kind::TokenLogin,
        _ => Kind::Auth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dovecots_names_have_kinds() {
        for (said, kind) in [
            ("login", Kind::Login),
            ("login/login", Kind::Login),
            ("auth-login", Kind::Login),
            ("auth-client", Kind::Auth),
            ("auth", Kind::Auth),
            ("auth-master", Kind::Master),
            ("auth-userdb", Kind::Userdb),
            ("socketmap", Kind::Socketmap),
            ("tokenlogin", Kind::TokenLogin),
            ("auth-token", Kind::Token),
            ("auth-master\ttype=master", Kind::Master),
            ("auth-x\ttype=userdb", Kind::Userdb),
            ("maps\ttype=socketmap", Kind::Socketmap),
            ("auth-login\ttype=auth", Kind::Auth),
            ("x\ttype=auth-legacy", Kind::Auth),
            ("tokenlogin\ttype=token-login", Kind::TokenLogin),
            ("", Kind::Auth),
        ] {
            assert_eq!(kind_in_dovecot(said), kind, "{said}");
        }
    }

    fn handed_over(said: &str, by: Parent) -> (tempfile::TempDir, HandedOver) {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let handed = HandedOver::new(listener.into(), said.to_owned(), by).unwrap();
        (folder, handed)
    }

    #[test]
    fn a_name_says_kind_and_instance() {
        let (_folder, handed) = handed_over("login/second", Parent::Systemd);
        let bound = handed.settle(&[]).unwrap();
        assert_eq!((bound.settings.kind, &*bound.settings.instance), (Kind::Login, "second"));
        assert!(bound.file.is_none() && bound.settings.trusted_parameters);
        assert!(!bound.has_known_rights);

        let (_folder, handed) = handed_over("dovegate.socket", Parent::Systemd);
        let error = handed.settle(&[]).unwrap_err().to_string();
        assert!(
            error.contains("dovegate.socket") && error.contains("FileDescriptorName"),
            "{error}"
        );
    }

    #[test]
    fn a_listener_at_the_same_place_lends_its_settings() {
        let (folder, handed) = handed_over("dovegate.socket", Parent::Systemd);
        let path = folder.path().join("socket");
        let configured = ListenerSettings {
            kind: Kind::Userdb,
            endpoint: Endpoint::Unix { path, owner: Some(7), group: Some(8), mode: 0o666 },
            instance: "second".to_owned(),
            temporary_failure: TemporaryFailure::Close,
            trusted_parameters: true,
        };
        let bound = handed.settle(std::slice::from_ref(&configured)).unwrap();
        assert_eq!(bound.settings, configured);
        assert!(bound.has_known_rights);
    }

    #[test]
    fn a_port_carries_no_passwords_abroad() {
        let listen = |address: &str| {
            let listener = TcpListener::bind(address).unwrap();
            HandedOver::new(listener.into(), "auth".to_owned(), Parent::Dovecot).unwrap()
        };
        assert!(listen("127.0.0.1:0").settle(&[]).is_ok());
        let error = listen("0.0.0.0:0").settle(&[]).unwrap_err().to_string();
        assert!(error.contains("in clear"), "{error}");
    }
}
