//! An SMTP client, as much of it as a login needs.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Longer than any server here takes over an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
pub struct Smtp {
    stream: BufReader<TcpStream>,
    /// What the server says of itself after EHLO.
    pub extensions: String,
}

/// One reply.
#[derive(Debug)]
pub struct Reply {
    /// `235`, `334` …
    pub code: u16,
    /// The whole of it, lines and codes.
    pub text: String,
}

/// The reply is this one.
#[track_caller]
pub fn expect(reply: &Reply, beginning: &str) {
    assert!(reply.text.starts_with(beginning), "{beginning} expected: {}", reply.text);
}

impl Smtp {
    /// Connects, waits for the greeting, and says EHLO.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { stream: BufReader::new(stream), extensions: String::new() };
        let greeting = client.reply();
        assert_eq!(greeting.code, 220, "{}", greeting.text);
        let hello = client.command("EHLO client.example.org");
        assert_eq!(hello.code, 250, "{}", hello.text);
        client.extensions = hello.text;
        client
    }

    /// Sends a line, reads the reply.
    pub fn command(&mut self, line: &str) -> Reply {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// A message in one piece; the first reply that refuses it, else the last.
    pub fn deliver(&mut self, sender: &str, recipient: &str, subject: &str) -> Reply {
        let message = format!("Subject: {subject}\r\n\r\nHello.\r\n.");
        let (sender, recipient) =
            (format!("MAIL FROM:<{sender}>"), format!("RCPT TO:<{recipient}>"));
        for command in [&*sender, &*recipient, "DATA"] {
            let reply = self.command(command);
            if reply.code >= 400 {
                self.command("RSET");
                return reply;
            }
        }
        self.command(&message)
    }

    /// PLAIN with an initial response; the code of the reply.
    pub fn plain(&mut self, user: &str, password: &str) -> u16 {
        self.command(&format!("AUTH PLAIN {}", plain(user, password))).code
    }

    /// PLAIN without an initial response.
    pub fn plain_in_two(&mut self, user: &str, password: &str) -> u16 {
        self.challenged("AUTH PLAIN", "");
        self.command(&plain(user, password)).code
    }

    /// LOGIN: both challenges are answered.
    pub fn login(&mut self, user: &str, password: &str) -> u16 {
        self.challenged("AUTH LOGIN", "Username:");
        self.challenged(&STANDARD.encode(user), "Password:");
        self.command(&STANDARD.encode(password)).code
    }

    /// LOGIN with the user's name in the first line.
    pub fn login_with_name(&mut self, user: &str, password: &str) -> u16 {
        self.challenged(&format!("AUTH LOGIN {}", STANDARD.encode(user)), "Password:");
        self.command(&STANDARD.encode(password)).code
    }

    /// Sends a line that must be answered with this challenge.
    pub fn challenged(&mut self, line: &str, challenge: &str) {
        let reply = self.command(line);
        let sent = reply.text.trim_end().get(4..).unwrap_or_default();
        let decoded = STANDARD.decode(sent).unwrap_or_else(|_| reply.text.clone().into_bytes());
        assert_eq!((reply.code, String::from_utf8_lossy(&decoded).as_ref()), (334, challenge));
    }

    fn reply(&mut self) -> Reply {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line).expect("a reply within half a minute");
            assert!(read > 0, "the server closed the connection after {text:?}");
            text.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                let code = line.get(..3).and_then(|code| code.parse().ok());
                return Reply { code: code.expect("a reply begins with its code"), text };
            }
        }
    }
}

/// Sends a message over TLS as curl(1) does; whether it was accepted.
pub fn send(url: &str, message: &str, options: &[&str]) -> bool {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--ssl-reqd", "--insecure", "--max-time", "30"])
        .args(["--mail-from", "ann@example.org", "--mail-rcpt", "ben@example.com"])
        .args(["--upload-file", message, url])
        .args(options)
        .output()
        .expect("curl is installed");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

fn plain(user: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{password}"))
}
