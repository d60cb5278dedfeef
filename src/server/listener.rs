//! Binds listeners, and gives each connection's peer its due.
//!
//! A socket file that is in the way is taken over only if it is a socket and
//! nobody listens on it; anything else is an error that names it.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::AT_FDCWD,
    sys::{
        socket::Backlog,
        stat::{FchmodatFlags, Mode, fchmodat},
    },
    unistd::{Gid, Uid},
};

use super::{
    Error,
    settings::{Endpoint, Kind, ListenerSettings},
    stream::Peer,
};

/// Connections that may wait to be accepted; the kernel caps it
/// (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A listener that can be served.
#[derive(Debug)]
pub(super) struct Bound {
    /// What it speaks, where.
    pub(super) settings: ListenerSettings,
    /// The socket itself.
    pub(super) socket: Socket,
    /// Whether the rights of its file are those of the settings. A parent's
    /// socket may have any.
    pub(super) has_known_rights: bool,
    /// Whether we bound it; one of a parent's outlives us.
    pub(super) is_ours: bool,
    /// The file to remove at the end.
    pub(super) file: Option<SocketFile>,
}

/// A listening socket, not blocking.
#[derive(Debug)]
pub(super) enum Socket {
    /// Behind a socket file.
    Unix(UnixListener),
    /// Behind a TCP port.
    Tcp(TcpListener),
}

/// Peers of a `userdb` socket that are told only about themselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Strangers {
    /// Nobody: the rights of the file say who may ask.
    Nobody,
    /// Everybody can connect, so whoever has neither of these.
    AllBut {
        /// The socket's owner.
        uid: u32,
        /// The socket's group, where it is known.
        gid: Option<u32>,
    },
}

impl Strangers {
    /// Dovecot's rule for type `userdb`: at mode 0666 exactly the rights of the
    /// file say nothing. Root could be anybody and is no stranger. Where the mode
    /// is not known, everybody but root and our own user is one.
    pub(super) fn of(settings: &ListenerSettings, has_known_rights: bool) -> Self {
        let ours = Uid::effective().as_raw();
        match settings.endpoint {
            _ if settings.kind != Kind::Userdb => Self::Nobody,
            Endpoint::Unix { owner, group, mode: 0o666, .. } if has_known_rights => Self::AllBut {
                uid: owner.unwrap_or(ours),
                gid: Some(group.unwrap_or_else(|| Gid::effective().as_raw())),
            },
            _ if has_known_rights => Self::Nobody,
            _ => Self::AllBut { uid: ours, gid: None },
        }
    }

    /// Whether a peer is one.
    pub(super) fn include(self, peer: Peer) -> bool {
        match self {
            Self::Nobody => false,
            Self::AllBut { uid, gid } => {
                peer.uid != 0 && peer.uid != uid && gid.is_none_or(|gid| peer.gid != gid)
            }
        }
    }
}

/// A socket file that we made. Removed when dropped, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (self.device, self.inode));
        if ours {
            // After root was dropped it may not be ours to remove; the next
            // start finds that nobody listens and takes it over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds a listener. The process' umask must keep others out until the rights
/// are set.
pub(super) fn bind(settings: ListenerSettings) -> Result<Bound, Error> {
    match settings.endpoint.clone() {
        Endpoint::Unix { path, owner, group, mode } => bind_unix(&path, owner, group, mode)
            .map(|(listener, file)| {
                let socket = Socket::Unix(listener);
                Bound { settings, socket, has_known_rights: true, is_ours: true, file: Some(file) }
            })
            .map_err(|reason| Error::Bind { endpoint: path.display().to_string(), reason }),
        Endpoint::Tcp(address) => {
            let socket = Socket::Tcp(bind_tcp(address)?);
            Ok(Bound { settings, socket, has_known_rights: true, is_ours: true, file: None })
        }
    }
}

/// Binds a port; it does not block.
pub(super) fn bind_tcp(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        nix::sys::socket::listen(&listener, Backlog::new(BACKLOG)?)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| Error::Bind {
        endpoint: address.to_string(),
        reason: BindError::System("bind", error),
    })
}

/// Why a socket file cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A server is there already.
    #[error("another process answers there; is dovegate, or Dovecot's own auth, running already?")]
    InUse,
    /// Something else is there.
    #[error("there is a file that is not a socket, and it is not ours to remove")]
    NotASocket,
    /// The system refused.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
}

fn bind_unix(
    path: &Path,
    owner: Option<u32>,
    group: Option<u32>,
    mode: u32,
) -> Result<(UnixListener, SocketFile), BindError> {
    if let Some(folder) = path.parent() {
        make_folder(folder, group)?;
    }
    clear_the_way(path)?;
    let system = |what| move |error: io::Error| BindError::System(what, error);
    let listener = UnixListener::bind(path).map_err(system("bind"))?;
    let bound = fs::symlink_metadata(path).map_err(system("stat"))?;
    let file = SocketFile { path: path.to_owned(), device: bound.dev(), inode: bound.ino() };
    set_rights(path, owner, group, mode)?;
    listener.set_nonblocking(true).map_err(system("set non-blocking"))?;
    Ok((listener, file))
}

/// Gives a socket file its rights; `None` leaves owner or group as they are.
pub(super) fn set_rights(
    path: &Path,
    owner: Option<u32>,
    group: Option<u32>,
    mode: u32,
) -> Result<(), BindError> {
    if owner.is_some() || group.is_some() {
        std::os::unix::fs::lchown(path, owner, group)
            .map_err(|error| BindError::System("chown", error))?;
    }
    let bits = Mode::from_bits_truncate(mode);
    fchmodat(AT_FDCWD, path, bits, FchmodatFlags::FollowSymlink)
        .map_err(|error| BindError::System("chmod", error.into()))
}

/// Makes the folder of a socket if the one above is there: a run folder is
/// empty after every boot. With a group, for that group alone.
fn make_folder(folder: &Path, group: Option<u32>) -> Result<(), BindError> {
    let mode = if group.is_some() { 0o750 } else { 0o755 };
    let outcome = match fs::DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => {
            use std::os::unix::fs::PermissionsExt as _;
            std::os::unix::fs::lchown(folder, None, group)
                .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(mode)))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    outcome.map_err(|error| BindError::System("make its folder", error))
}

/// Removes a socket on which nobody listens. Looks at the name itself, never
/// at what a symbolic link points to.
fn clear_the_way(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BindError::System("stat", error)),
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NotASocket),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|error| BindError::System("remove", error))
            }
            _ => Err(BindError::InUse),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn settings(path: &Path, mode: u32) -> ListenerSettings {
        ListenerSettings {
            kind: Kind::Userdb,
            endpoint: Endpoint::Unix { path: path.to_owned(), owner: None, group: None, mode },
            instance: "default".to_owned(),
            temporary_failure: super::super::settings::TemporaryFailure::Auto,
            trusted_parameters: false,
        }
    }

    fn reason(bound: Result<Bound, Error>) -> BindError {
        match bound {
            Err(Error::Bind { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stale_socket_is_taken_over_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/socket");
        let bound = bind(settings(&path, 0o640)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(matches!(reason(bind(settings(&path, 0o640))), BindError::InUse));

        // A killed process leaves its file behind.
        let Bound { socket, file, .. } = bound;
        std::mem::forget(file);
        drop(socket);
        assert!(path.exists());
        let again = bind(settings(&path, 0o600)).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(again);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(reason(bind(settings(&file, 0o600))), BindError::NotASocket));

        let stale = folder.path().join("stale");
        drop(UnixListener::bind(&stale).unwrap());
        let link = folder.path().join("link");
        symlink(&stale, &link).unwrap();
        assert!(matches!(reason(bind(settings(&link, 0o600))), BindError::NotASocket));
        assert!(stale.exists() && fs::read(&file).unwrap() == b"precious");

        let deep = folder.path().join("no/such/socket");
        assert!(matches!(reason(bind(settings(&deep, 0o600))), BindError::System(..)));
    }

    #[test]
    fn a_file_that_is_no_longer_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let bound = bind(settings(&path, 0o600)).unwrap();
        fs::remove_file(&path).unwrap();
        let successor = UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
        drop(successor);
    }

    #[test]
    fn strangers_are_those_whom_the_file_does_not_know() {
        let peer = |(uid, gid)| Peer { uid, gid, pid: 1 };
        let of = |kind, mode, has_known_rights| {
            let mut settings = settings(Path::new("/x"), mode);
            settings.kind = kind;
            if let Endpoint::Unix { owner, group, .. } = &mut settings.endpoint {
                (*owner, *group) = (Some(5), Some(6));
            }
            Strangers::of(&settings, has_known_rights)
        };
        for (mode, found, stranger) in [
            (0o666, (1, 1), true),
            (0o666, (5, 1), false),
            (0o666, (1, 6), false),
            (0o666, (0, 1), false),
            (0o600, (1, 1), false),
            (0o660, (1, 1), false),
            (0o777, (1, 1), false),
        ] {
            let strangers = of(Kind::Userdb, mode, true);
            assert_eq!(strangers.include(peer(found)), stranger, "{mode:o} {found:?}");
        }
        assert_eq!(of(Kind::Master, 0o666, true), Strangers::Nobody);
        assert_eq!(of(Kind::Master, 0o666, false), Strangers::Nobody);
        let ours = Uid::effective().as_raw();
        let unknown = of(Kind::Userdb, 0o600, false);
        assert!(
            unknown.include(peer((ours + 1, 0)))
                && !unknown.include(peer((ours, 9)))
                && !unknown.include(peer((0, 0)))
        );
    }
}
