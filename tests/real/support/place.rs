//! Where a mail server runs: this machine, or a folder with another Debian.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

/// Ports on 127.0.0.1 that a server can be told to listen on. They lie below
/// those that the kernel gives to connections, which could otherwise take one
/// before the server does, and none is given out twice.
pub fn free_ports<const N: usize>() -> [u16; N] {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Another run of these tests begins elsewhere.
    let offset = std::process::id().wrapping_mul(97);
    [(); N].map(|()| {
        loop {
            let number = offset.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
            let port = u16::try_from(FIRST + number).expect("the range ends at 32,000");
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    })
}

/// A root folder with programs in it.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
}

impl System {
    /// This machine.
    pub fn here() -> Self {
        Self { root: "/".into() }
    }

    /// The Debian 13 folder that `contrib/test-setup` builds.
    pub fn trixie() -> Self {
        Self { root: cache().join("debian-trixie-dovecot") }
    }

    /// Whether paths in there are paths here.
    pub fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Whether a program is installed there.
    pub fn has(&self, program: &str) -> bool {
        self.outside(program).exists()
    }

    /// A command to be run in there.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        if self.is_this_machine() {
            return Command::new(program.as_ref());
        }
        // One process, not a parent with a child: chroot(8) execs.
        let mut command = Command::new("/usr/sbin/chroot");
        command.arg(&self.root).arg(program.as_ref());
        command
    }

    /// A folder for one test, open to the servers' unprivileged users.
    pub fn folder(&self) -> Folder {
        let parent = self.outside("/tmp");
        let dir = tempfile::Builder::new()
            .prefix("dg-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(&parent)
            .unwrap_or_else(|error| panic!("no folder in {}: {error}", parent.display()));
        Folder { dir, system: self.clone() }
    }

    /// User and group id of a name in that system.
    pub fn user(&self, name: &str) -> (u32, u32) {
        let passwd = fs::read_to_string(self.outside("/etc/passwd")).expect("every system has one");
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))
            .unwrap_or_else(|| panic!("no user {name} in {}", self.root.display()));
        let ids: Vec<u32> = line.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
        (ids[0], ids[1])
    }

    /// Makes a folder at a path of that system; the path again.
    pub fn make(&self, inside: &str, (uid, gid): (u32, u32)) -> String {
        let path = self.outside(inside);
        fs::create_dir_all(&path).unwrap();
        chown(&path, Some(uid), Some(gid)).unwrap();
        inside.to_owned()
    }

    /// The path as the test sees it.
    pub fn outside(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }
}

/// The folder in which `contrib/test-setup` keeps what it does not install.
pub fn cache() -> PathBuf {
    let set = |name| env::var_os(name).map(PathBuf::from);
    set("DOVEGATE_TEST_CACHE").unwrap_or_else(|| {
        let home = || set("HOME").unwrap_or_else(|| "/root".into()).join(".cache");
        set("XDG_CACHE_HOME").unwrap_or_else(home).join("dovegate")
    })
}

/// A folder of one test, with its path as the test and as the servers see it.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
    /// Where it lies.
    pub system: System,
}

impl Folder {
    /// Path for the test.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Path for what runs in the system.
    pub fn inside(&self, name: &str) -> String {
        let path = Path::new("/").join(
            self.outside(name)
                .strip_prefix(&self.system.root)
                .expect("the folder lies in its system"),
        );
        path.to_str().expect("our own names").to_owned()
    }

    /// Writes a file everybody may read.
    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.outside(name), text).unwrap();
        self.inside(name)
    }

    /// Makes a folder in it.
    pub fn make(&self, name: &str, mode: u32, (uid, gid): (u32, u32)) -> String {
        let path = self.outside(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(uid), Some(gid)).unwrap();
        self.inside(name)
    }

    /// Brings a program in, so that it can be run from there by any user.
    pub fn install(&self, program: &Path) -> String {
        let name = program.file_name().and_then(|name| name.to_str()).expect("a program's name");
        let target = self.outside(name);
        if fs::hard_link(program, &target).is_err() {
            fs::copy(program, &target).unwrap();
        }
        self.inside(name)
    }
}
