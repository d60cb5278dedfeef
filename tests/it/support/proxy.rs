//! [`Proxy`]: stands before a daemon's sockets and spoils what passes, so that
//! the suite is seen to notice.
//!
//! A [`Fault`] is a function of one line on its way; what it gives back goes on
//! instead of the line. It keeps its memory in [`Passage`], one for each
//! connection.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

pub(crate) use super::spoil::{FAULTS, Fault};

/// Sockets that it stands before.
const SOCKETS: [&str; 6] = ["login", "auth", "master", "userdb", "token-login", "token"];

/// How long to wait for the rest of a line.
const A_MOMENT: Duration = Duration::from_millis(200);

/// Which way a line goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// What becomes of a line.
pub(crate) enum Act {
    /// This goes on, the same way.
    Pass(Vec<u8>),
    /// This goes to the client, whichever way the line went.
    Tell(String),
    /// Both connections end.
    Close,
    /// Nothing for this long.
    Wait(Duration),
}

/// What a fault may know about the connection it spoils.
pub(crate) struct Passage {
    /// Name of the socket.
    pub(crate) socket: &'static str,
    /// Minor that the client announced; 0 before it did.
    pub(crate) minor: u32,
    /// Lines to the client so far, this one not counted.
    pub(crate) told: usize,
    /// A line that a fault keeps back.
    pub(crate) kept: Option<Vec<u8>>,
}

/// A running proxy; stops accepting when dropped.
pub(crate) struct Proxy {
    folder: std::path::PathBuf,
    stop: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens in `folder` under the names of the sockets in `sockets`.
    pub(crate) fn start(sockets: &Path, folder: &Path, fault: &str) -> Self {
        let fault = FAULTS.iter().find(|known| known.name == fault);
        let fault = fault.unwrap_or_else(|| panic!("no such fault; known: {:?}", names()));
        fs::create_dir(folder).expect("a folder of its own");
        let stop = Arc::new(AtomicBool::new(false));
        for socket in SOCKETS {
            let listener = UnixListener::bind(folder.join(socket)).expect("a new socket");
            let (target, stop) = (sockets.join(socket), Arc::clone(&stop));
            thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Without a server the client sees a close at once.
                    if let Ok(server) = UnixStream::connect(&target) {
                        carry(fault, socket, client, server);
                    }
                }
            });
        }
        Self { folder: folder.to_owned(), stop }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for socket in SOCKETS {
            // Wakes the thread that accepts, so that it sees the flag.
            let _ = UnixStream::connect(self.folder.join(socket));
        }
    }
}

fn names() -> Vec<&'static str> {
    FAULTS.iter().map(|fault| fault.name).collect()
}

/// Carries lines both ways on threads of their own.
fn carry(fault: &'static Fault, socket: &'static str, client: UnixStream, server: UnixStream) {
    let passage = Passage { socket, minor: 0, told: 0, kept: None };
    let passage = Arc::new(Mutex::new(passage));
    let clone = |stream: &UnixStream| stream.try_clone().expect("a descriptor is free");
    let (from_client, to_server, tell) = (clone(&client), clone(&server), clone(&client));
    let both = Arc::clone(&passage);
    thread::spawn(move || pump(fault, Way::ToServer, from_client, to_server, tell, &both));
    thread::spawn(move || {
        let tell = clone(&client);
        pump(fault, Way::ToClient, server, client, tell, &passage);
    });
}

/// Carries lines one way until the end or until a fault closes.
fn pump(
    fault: &Fault,
    way: Way,
    from: UnixStream,
    mut to: UnixStream,
    mut tell: UnixStream,
    passage: &Mutex<Passage>,
) {
    let end = from.try_clone().expect("a descriptor is free");
    from.set_read_timeout(Some(A_MOMENT)).expect("above zero");
    let mut from = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        match from.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            // What has no end goes on as it is, since the server must see it.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if to.write_all(&line).is_err() {
                    return;
                }
                continue;
            }
            Err(_) => break,
        }
        for act in spoil(fault, way, &line, passage) {
            let written = match act {
                Act::Pass(bytes) => to.write_all(&bytes),
                Act::Tell(line) => tell.write_all(format!("{line}\n").as_bytes()),
                Act::Wait(time) => {
                    thread::sleep(time);
                    Ok(())
                }
                Act::Close => {
                    let _ = (end.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    return;
                }
            };
            if written.is_err() {
                let _ = end.shutdown(Shutdown::Both);
                return;
            }
        }
    }
    match way {
        Way::ToClient if fault.holds_open => {}
        Way::ToClient => {
            let _ = to.shutdown(Shutdown::Both);
        }
        Way::ToServer => {
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}

/// Asks the fault what becomes of `line`.
fn spoil(fault: &Fault, way: Way, line: &[u8], passage: &Mutex<Passage>) -> Vec<Act> {
    let mut passage = passage.lock().expect("no holder panics");
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    if way == Way::ToServer
        && let Some(minor) = text.strip_prefix("VERSION\t1\t")
    {
        passage.minor = minor.parse().unwrap_or(0);
    }
    let acts = (fault.spoil)(&mut passage, way, text, line);
    if way == Way::ToClient {
        passage.told += 1;
    }
    acts.unwrap_or_else(|| vec![Act::Pass(line.to_owned())])
}
