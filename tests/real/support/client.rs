//! Mail clients: as little of IMAP, POP3, `ManageSieve`, SMTP and LMTP as a login
//! or a delivery needs. TLS is openssl(1)'s.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

/// Longest silence of a server. Longer than every time limit of Dovegate but
/// that of a request, which no test waits for.
const PATIENCE: Duration = Duration::from_secs(40);

/// What became of a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Logged in.
    In,
    /// The server blamed the password: a mail client will ask its user.
    Wrong,
    /// The server blamed itself, in these words.
    Temporary(String),
    /// The connection ended or fell silent.
    Lost,
}

/// A dialogue of lines with a server.
#[derive(Debug)]
pub struct Dialogue {
    lines: Receiver<String>,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Tcp(TcpStream),
    Tls(ChildStdin, Child),
}

impl Dialogue {
    /// In the clear.
    pub fn tcp(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let lines = read_lines(stream.try_clone().unwrap());
        Self { lines, writer: Writer::Tcp(stream) }
    }

    /// Over TLS from the first byte.
    pub fn tls(port: u16) -> Self {
        Self::openssl(port, &[])
    }

    /// Over TLS after STARTTLS; the greeting has been read.
    pub fn starttls(port: u16, protocol: &str) -> Self {
        Self::openssl(port, &["-starttls", protocol])
    }

    fn openssl(port: u16, options: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let lines = read_lines(child.stdout.take().expect("piped"));
        let stdin = child.stdin.take().expect("piped");
        Self { lines, writer: Writer::Tls(stdin, child) }
    }

    /// The next line without its line end; `None` when there is no more or the
    /// server says nothing.
    pub fn line(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// Reads up to a line that `is_last` accepts.
    pub fn until(&self, is_last: impl Fn(&str) -> bool) -> Option<String> {
        loop {
            let line = self.line()?;
            if is_last(&line) {
                return Some(line);
            }
        }
    }

    /// Sends a line. That the server is gone shows when its answer is read.
    pub fn send(&mut self, line: &str) {
        let bytes = format!("{line}\r\n");
        let _ = match &mut self.writer {
            Writer::Tcp(stream) => stream.write_all(bytes.as_bytes()),
            Writer::Tls(stdin, _) => stdin.write_all(bytes.as_bytes()).and_then(|()| stdin.flush()),
        };
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        match &mut self.writer {
            Writer::Tcp(stream) => drop(stream.shutdown(std::net::Shutdown::Both)),
            Writer::Tls(_, child) => {
                drop(child.kill());
                drop(child.wait());
            }
        }
    }
}

fn read_lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    lines
}

/// The response of SASL PLAIN, in base64.
pub fn plain(user: &str, password: &str) -> String {
    BASE64.encode(format!("\0{user}\0{password}"))
}

/// IMAP: greeting, then `LOGIN`.
pub fn imap_login(dialogue: &mut Dialogue, user: &str, password: &str) -> Outcome {
    imap(dialogue, &format!("LOGIN \"{user}\" \"{password}\""))
}

/// IMAP: greeting, then `AUTHENTICATE PLAIN` with an initial response.
pub fn imap_plain(dialogue: &mut Dialogue, user: &str, password: &str) -> Outcome {
    imap(dialogue, &format!("AUTHENTICATE PLAIN {}", plain(user, password)))
}

/// IMAP: greeting, then `AUTHENTICATE LOGIN`, whose two answers are given to
/// two questions.
pub fn imap_authenticate_login(dialogue: &mut Dialogue, user: &str, password: &str) -> Outcome {
    if dialogue.until(|line| line.starts_with("* OK")).is_none() {
        return Outcome::Lost;
    }
    dialogue.send("a AUTHENTICATE LOGIN");
    for answer in [user, password] {
        if dialogue.until(|line| line.starts_with("+ ")).is_none() {
            return Outcome::Lost;
        }
        dialogue.send(&BASE64.encode(answer));
    }
    imap_outcome(dialogue)
}

fn imap(dialogue: &mut Dialogue, command: &str) -> Outcome {
    if dialogue.until(|line| line.starts_with("* OK")).is_none() {
        return Outcome::Lost;
    }
    imap_again(dialogue, command)
}

/// A further try in the same IMAP connection.
pub fn imap_again(dialogue: &mut Dialogue, command: &str) -> Outcome {
    dialogue.send(&format!("a {command}"));
    imap_outcome(dialogue)
}

fn imap_outcome(dialogue: &Dialogue) -> Outcome {
    match dialogue.until(|line| line.starts_with("a ")) {
        None => Outcome::Lost,
        Some(line) if line.starts_with("a OK") => Outcome::In,
        Some(line) if line.contains("[AUTHENTICATIONFAILED]") => Outcome::Wrong,
        Some(line) => Outcome::Temporary(line),
    }
}

/// IMAP after a login: the subjects of all messages in INBOX.
pub fn imap_subjects(dialogue: &mut Dialogue) -> Vec<String> {
    dialogue.send("b SELECT INBOX");
    let selected = dialogue.until(|line| line.starts_with("b ")).expect("an answer to SELECT");
    assert!(selected.starts_with("b OK"), "{selected}");
    dialogue.send("c FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
    let mut subjects = Vec::new();
    loop {
        let line = dialogue.line().expect("an answer to FETCH");
        if line.starts_with("c ") {
            return subjects;
        }
        subjects.extend(line.strip_prefix("Subject: ").map(str::to_owned));
    }
}

/// POP3: `USER` and `PASS`.
pub fn pop3_user_pass(dialogue: &mut Dialogue, user: &str, password: &str) -> Outcome {
    let Some(_greeting) = dialogue.line() else { return Outcome::Lost };
    dialogue.send(&format!("USER {user}"));
    let Some(_ok) = dialogue.line() else { return Outcome::Lost };
    dialogue.send(&format!("PASS {password}"));
    pop3_outcome(dialogue)
}

/// POP3: `AUTH PLAIN`.
pub fn pop3_plain(dialogue: &mut Dialogue, user: &str, password: &str) -> Outcome {
    let Some(_greeting) = dialogue.line() else { return Outcome::Lost };
    dialogue.send(&format!("AUTH PLAIN {}", plain(user, password)));
    pop3_outcome(dialogue)
}

fn pop3_outcome(dialogue: &Dialogue) -> Outcome {
    match dialogue.line() {
        None => Outcome::Lost,
        Some(line) if line.starts_with("+OK") => Outcome::In,
        Some(line) if line.starts_with("-ERR [AUTH]") => Outcome::Wrong,
        Some(line) => Outcome::Temporary(line),
    }
}

/// `ManageSieve` after STARTTLS.
pub fn sieve_plain(dialogue: &mut Dialogue, user: &str, password: &str) -> Outcome {
    dialogue.send(&format!("AUTHENTICATE \"PLAIN\" \"{}\"", plain(user, password)));
    // Capabilities end with an OK, too: after STARTTLS the server sends them by
    // itself, before the answer.
    let ends = |line: &str| {
        (line.starts_with("OK") && !line.contains("TLS"))
            || line.starts_with("NO")
            || line.starts_with("BYE")
    };
    match dialogue.until(ends) {
        None => Outcome::Lost,
        Some(line) if line.starts_with("OK") => Outcome::In,
        Some(line) if line.starts_with("NO (TRYLATER)") => Outcome::Temporary(line),
        Some(line) if line.starts_with("NO") => Outcome::Wrong,
        Some(line) => Outcome::Temporary(line),
    }
}

/// Submission after STARTTLS.
pub fn submission_plain(dialogue: &mut Dialogue, user: &str, password: &str) -> Outcome {
    dialogue.send("EHLO client.example.org");
    dialogue.send(&format!("AUTH PLAIN {}", plain(user, password)));
    match dialogue.until(|line| !line.starts_with("250") && !line.starts_with("220")) {
        None => Outcome::Lost,
        Some(line) if line.starts_with("235") => Outcome::In,
        Some(line) if line.starts_with("535") => Outcome::Wrong,
        Some(line) => Outcome::Temporary(line),
    }
}

/// LMTP: delivers one message; the server's last reply (to RCPT when it refuses
/// the recipient, else to the message).
pub fn lmtp(port: u16, recipient: &str, subject: &str) -> String {
    let mut dialogue = Dialogue::tcp(port);
    let reply = |dialogue: &Dialogue| {
        dialogue.until(|line| line.as_bytes().get(3) == Some(&b' ')).expect("LMTP answers")
    };
    reply(&dialogue);
    for command in ["LHLO client.example.org", "MAIL FROM:<sender@example.org>"] {
        dialogue.send(command);
        let answer = reply(&dialogue);
        assert!(answer.starts_with("250"), "{command}: {answer}");
    }
    dialogue.send(&format!("RCPT TO:<{recipient}>"));
    let answer = reply(&dialogue);
    if !answer.starts_with("250") {
        return answer;
    }
    dialogue.send("DATA");
    reply(&dialogue);
    dialogue.send(&format!("From: <sender@example.org>\r\nSubject: {subject}\r\n\r\nA line.\r\n."));
    reply(&dialogue)
}
