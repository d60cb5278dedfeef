//! Stands between Dovegate and a provider and counts what passes: what the
//! provider was really asked, whatever Dovegate's own figures say. HTTP/1.1 in
//! the clear, as far as both speak it.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

/// It serves until the tests end.
#[derive(Clone, Debug)]
pub struct Between {
    port: u16,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// First lines of the requests.
    requests: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Between {
    /// Before the provider at this port.
    pub fn before(provider: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let between =
            Self { port: listener.local_addr().unwrap().port(), seen: Arc::new(Seen::default()) };
        let seen = Arc::clone(&between.seen);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, seen) = (client.unwrap(), Arc::clone(&seen));
                // An error is the end of a connection, which both sides see.
                thread::spawn(move || drop(pass_on(&client, provider, &seen)));
            }
        });
        between
    }

    /// The provider's root, by this way.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many requests so far had a path that begins so.
    pub fn count(&self, path: &str) -> usize {
        let requests = self.seen.requests.lock().unwrap();
        let path_of = |line: &str| line.split(' ').nth(1).unwrap_or_default().to_owned();
        requests.iter().filter(|line| path_of(line).starts_with(path)).count()
    }

    /// The most requests that the provider had at a time: sent, and not yet
    /// answered.
    pub fn most_at_once(&self) -> usize {
        self.seen.most.load(SeqCst)
    }
}

fn pass_on(client: &TcpStream, provider: u16, seen: &Seen) -> io::Result<()> {
    let provider = TcpStream::connect(("127.0.0.1", provider))?;
    for stream in [client, &provider] {
        stream.set_nodelay(true)?;
    }
    let (mut from_client, mut from_provider) =
        (BufReader::new(client.try_clone()?), BufReader::new(provider.try_clone()?));
    loop {
        let request = message(&mut from_client)?;
        let under_way = seen.begin(&request);
        (&provider).write_all(&request)?;
        let answer = message(&mut from_provider)?;
        drop(under_way);
        (&*client).write_all(&answer)?;
    }
}

impl Seen {
    fn begin(&self, request: &[u8]) -> UnderWay<'_> {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        self.requests.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        let now = self.under_way.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        UnderWay(self)
    }
}

struct UnderWay<'a>(&'a Seen);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
    }
}

/// A whole message, head and body.
fn message(from: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let (mut length, mut is_chunked, mut is_bodiless) = (0, false, false);
    loop {
        let line = line(from, &mut all)?.to_ascii_lowercase();
        is_bodiless |= line.starts_with("http/1.1 204") || line.starts_with("http/1.1 304");
        match line.split_once(':') {
            Some(("content-length", value)) => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(("transfer-encoding", value)) => is_chunked = value.trim() == "chunked",
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    if is_bodiless {
        return Ok(all);
    }
    if !is_chunked {
        bytes(from, &mut all, length)?;
        return Ok(all);
    }
    loop {
        let size = line(from, &mut all)?;
        let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        // The chunk and its line end.
        bytes(from, &mut all, size)?;
        line(from, &mut all)?;
        if size == 0 {
            return Ok(all);
        }
    }
}

fn line(from: &mut BufReader<TcpStream>, all: &mut Vec<u8>) -> io::Result<String> {
    let start = all.len();
    if from.read_until(b'\n', all)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&all[start..]).trim_end().to_owned())
}

fn bytes(from: &mut BufReader<TcpStream>, all: &mut Vec<u8>, number: u64) -> io::Result<()> {
    if from.take(number).read_to_end(all)? as u64 == number {
        return Ok(());
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
