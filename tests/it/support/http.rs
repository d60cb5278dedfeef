//! HTTP as bytes: what is sent is what the test wrote.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long an answer may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Reads one that ends the connection, or with its length.
    pub(crate) fn parse(text: &str) -> Self {
        let parts = text.split_once("\r\n\r\n");
        let (head, body) = parts.unwrap_or_else(|| panic!("no whole answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self {
            status: status.and_then(|status| status.parse().ok()).expect("a status"),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }

    /// The value of a header, "" without one.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// A connection with nothing said yet.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit of time");
    stream.set_write_timeout(Some(PATIENCE)).expect("a limit of time");
    stream
}

/// Everything that comes until the other side closes.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset comes where what was sent was not read to its end.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).expect("the answer is text")
}

/// What is answered to these bytes on a connection of their own.
pub(crate) fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    let mut stream = connect(address);
    // Who refuses a request need not read it.
    let _ = stream.write_all(bytes.as_ref());
    let answer = rest(&mut stream);
    assert!(
        !answer.is_empty(),
        "no answer to {}",
        bytes.as_ref()[..60.min(bytes.as_ref().len())].escape_ascii()
    );
    Answer::parse(&answer)
}

/// A GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}
