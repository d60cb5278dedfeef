//! [`Wire`]: one connection, line by line, with a deadline on every read.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

/// What reading brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Read {
    /// A line without its LF.
    Line(Vec<u8>),
    /// The other side closed.
    Closed,
    /// Neither within the time.
    Silence,
}

/// A blocking connection to a UNIX socket.
pub(crate) struct Wire {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// How long to wait for what must come.
    patience: Duration,
}

impl Wire {
    pub(crate) fn connect(path: &Path, patience: Duration) -> Self {
        let stream = UnixStream::connect(path)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", path.display()));
        stream.set_write_timeout(Some(patience)).expect("a timeout above zero");
        Self { stream, buffer: Vec::new(), patience }
    }

    /// Sends `line` with LF. The other side may have closed; reading shows it.
    pub(crate) fn send(&mut self, line: &str) {
        self.send_raw(format!("{line}\n").as_bytes());
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// A second handle that may write while this one reads.
    pub(crate) fn second_writer(&self) -> Self {
        let stream = self.stream.try_clone().expect("a descriptor is free");
        Self { stream, buffer: Vec::new(), patience: self.patience }
    }

    /// Ends our half.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits at most `limit` for a line or the end.
    pub(crate) fn read(&mut self, limit: Duration) -> Read {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return Read::Line(line);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Read::Silence;
            }
            self.stream.set_read_timeout(Some(left)).expect("a timeout above zero");
            let mut chunk = [0; 8192];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Read::Closed,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Read::Closed,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Read::Silence;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("reading failed: {error}"),
            }
        }
    }

    /// What comes next, and something must.
    pub(crate) fn must_read(&mut self) -> Read {
        self.read(self.patience)
    }

    /// The next line, which must come.
    pub(crate) fn line(&mut self) -> String {
        match self.must_read() {
            Read::Line(line) => String::from_utf8(line).expect("replies to UTF-8 are UTF-8"),
            other => panic!("no line but {other:?}"),
        }
    }

    /// The other side must close; lines before that are let through.
    pub(crate) fn expect_close(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.must_read() {
                Read::Line(line) => lines.push(String::from_utf8_lossy(&line).into_owned()),
                Read::Closed => return lines,
                Read::Silence => panic!("not closed after {:?}; came: {lines:?}", self.patience),
            }
        }
    }

    /// Nothing may come for `time`.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        let read = self.read(time);
        assert_eq!(read, Read::Silence, "something came where nothing may");
    }
}
