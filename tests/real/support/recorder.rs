//! Records what a mail server and Dovegate say to each other: a relay on the
//! paths where the mail server looks, in front of the paths where Dovegate
//! listens. Writes the files of `proto-fixtures/`.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write as _},
    net::Shutdown,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::dovegate::Socket;

/// Collects the lines of all connections.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    connections: Arc<Mutex<Vec<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    kind: &'static str,
    lines: Vec<String>,
    /// How many of them have been written into a fixture.
    told: usize,
}

impl Recorder {
    /// Listens at `front` and connects every client through to `behind`, a
    /// listener of the type `kind`.
    pub fn relay(&self, kind: &'static str, front: &Socket, behind: PathBuf) {
        let listener = UnixListener::bind(&front.path).unwrap();
        chown(&front.path, Some(front.owner.0), Some(front.owner.1)).unwrap();
        fs::set_permissions(&front.path, fs::Permissions::from_mode(front.mode)).unwrap();
        let recorder = self.clone();
        // Ends with the test program, like the listener.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                recorder.connect(kind, client, &behind);
            }
        });
    }

    fn connect(&self, kind: &'static str, client: UnixStream, behind: &Path) {
        let server = UnixStream::connect(behind).expect("Dovegate listens before its clients come");
        let number = {
            let mut connections = self.connections.lock().expect("no relay panics");
            connections.push(Connection { kind, lines: Vec::new(), told: 0 });
            connections.len() - 1
        };
        let (from_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        self.pass_on(number, "C: ", from_client, server);
        self.pass_on(number, "S: ", from_server, client);
    }

    fn pass_on(&self, number: usize, who: &'static str, from: UnixStream, mut to: UnixStream) {
        let recorder = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).replace('\r', "\\r");
                recorder.note(number, format!("{who}{text}"));
                if to.write_all(&[&line[..], b"\n"].concat()).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }

    fn note(&self, number: usize, line: String) {
        self.connections.lock().expect("no relay panics")[number].lines.push(line);
    }

    /// Forgets what was said so far, but for the handshakes of connections that
    /// are still in use.
    pub fn begin(&self) {
        thread::sleep(Duration::from_millis(300));
        for connection in self.connections.lock().expect("no relay panics").iter_mut() {
            connection.told = connection.lines.len();
        }
    }

    /// Writes what was said since [`Recorder::begin`].
    pub fn write(&self, path: &Path, head: &[String]) {
        thread::sleep(Duration::from_millis(300));
        let mut text = String::new();
        for line in head {
            let _ = writeln!(text, "# {line}");
        }
        let connections = self.connections.lock().expect("no relay panics");
        let active =
            connections.iter().filter(|connection| connection.told < connection.lines.len());
        for (number, connection) in (1..).zip(active) {
            let _ = writeln!(text, "\n# connection {number}, {} socket", connection.kind);
            for line in connection.handshake().chain(&connection.lines[connection.told..]) {
                let _ = writeln!(text, "{line}");
            }
        }
        assert!(text.contains("\nC: "), "nothing was said for {}", path.display());
        fs::write(path, text).unwrap();
    }
}

impl Connection {
    /// The lines of an earlier handshake, if its exchange goes on now.
    fn handshake(&self) -> impl Iterator<Item = &String> {
        const COMMANDS: [&str; 8] = [
            "S: VERSION",
            "S: MECH",
            "S: SPID",
            "S: CUID",
            "S: COOKIE",
            "S: DONE",
            "C: VERSION",
            "C: CPID",
        ];
        self.lines[..self.told]
            .iter()
            .filter(|line| COMMANDS.iter().any(|word| line.starts_with(word)))
    }
}
