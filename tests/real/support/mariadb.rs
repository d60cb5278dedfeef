//! A `MariaDB` of one test: its data and its socket in a temporary folder, no port.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{process::Server, wait_for};

const PROGRAMS: [&str; 3] =
    ["/usr/sbin/mariadbd", "/usr/bin/mariadb", "/usr/bin/mariadb-install-db"];

/// A running server with one empty database, `mailcow`.
#[derive(Debug)]
pub struct MariaDb {
    // Ends before its folder goes.
    _server: Server,
    folder: TempDir,
}

impl MariaDb {
    /// What is missing for one, if anything is.
    pub fn missing() -> Option<String> {
        let missing = PROGRAMS.iter().find(|program| !Path::new(program).exists())?;
        Some(format!("there is no {missing}"))
    }

    /// Starts it.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("dg-mariadb-").unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
        let made = Command::new(PROGRAMS[2])
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .arg("--skip-test-db")
            .arg(format!("--user={user}"))
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut command = Command::new(PROGRAMS[0]);
        command
            .args(["--no-defaults", "--skip-networking", "--innodb-buffer-pool-size=8M"])
            .arg(format!("--user={user}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .arg(format!("--socket={}", folder.path().join("socket").display()));
        let server = Server::start("mariadbd", command, &folder.path().join("log"));
        let database = Self { _server: server, folder };
        wait_for("MariaDB to answer", Duration::from_secs(60), || {
            database.client("mysql", "SELECT 1").ok()
        });
        database.must("mysql", "CREATE DATABASE mailcow CHARACTER SET utf8mb4");
        database
    }

    /// Runs statements, which must succeed; what they print, as `dump.sql` is run.
    pub fn must(&self, name: &str, statements: &str) -> String {
        self.client(name, statements).unwrap_or_else(|error| panic!("{error}"))
    }

    fn client(&self, name: &str, statements: &str) -> Result<String, String> {
        let mut child = Command::new(PROGRAMS[1])
            .args(["--no-defaults", "--batch", "--raw", "--skip-column-names", "--user=root"])
            .arg(format!("--socket={}", self.folder.path().join("socket").display()))
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that finds no server may be gone already.
        let _ = child.stdin.take().expect("piped").write_all(statements.as_bytes());
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}
