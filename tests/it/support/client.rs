//! [`Client`] and [`Master`]: the two halves of the protocol as a mail server
//! speaks them.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{plain, wire::Wire};

/// Where the sockets under test are, and how long to wait for them.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Folder with `login`, `auth`, `master`, `userdb`, `token-login`, `token`.
    pub(crate) sockets: PathBuf,
    /// How long to wait for what must come.
    pub(crate) patience: Duration,
}

impl Target {
    /// A connection with nothing said yet.
    pub(crate) fn wire(&self, socket: &str) -> Wire {
        Wire::connect(&self.sockets.join(socket), self.patience)
    }

    /// A client connection after its handshake.
    pub(crate) fn client(&self, socket: &str, minor: u32) -> Client {
        Client::new(self.wire(socket), minor, new_cpid())
    }

    /// A master connection after its handshake.
    pub(crate) fn master(&self, socket: &str, minor: u32) -> Master {
        Master::new(self.wire(socket), minor)
    }
}

/// A CPID that no other connection of this run has.
pub(crate) fn new_cpid() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(10_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What the server said before `DONE`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Greeting {
    /// All lines in order.
    pub(crate) lines: Vec<String>,
    pub(crate) minor: u32,
    pub(crate) spid: String,
    pub(crate) cuid: String,
    pub(crate) cookie: String,
}

impl Greeting {
    /// Reads up to `DONE`.
    pub(crate) fn read(wire: &mut Wire) -> Self {
        let mut greeting = Self::default();
        loop {
            let line = wire.line();
            let (word, rest) = line.split_once('\t').unwrap_or((&line, ""));
            match word {
                "VERSION" => {
                    greeting.minor =
                        rest.split('\t').nth(1).and_then(|n| n.parse().ok()).expect("a minor");
                }
                "SPID" => rest.clone_into(&mut greeting.spid),
                "CUID" => rest.clone_into(&mut greeting.cuid),
                "COOKIE" => rest.clone_into(&mut greeting.cookie),
                _ => {}
            }
            let done = word == "DONE";
            greeting.lines.push(line);
            if done {
                return greeting;
            }
        }
    }

    /// Names of the mechanisms offered.
    pub(crate) fn mechanisms(&self) -> Vec<&str> {
        let names = self.lines.iter().filter_map(|line| line.strip_prefix("MECH\t"));
        names.map(|rest| rest.split('\t').next().unwrap_or_default()).collect()
    }
}

/// One reply line, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    /// As it came.
    pub(crate) raw: String,
    pub(crate) word: String,
    pub(crate) id: u32,
    /// Everything behind the id, still escaped.
    pub(crate) fields: Vec<String>,
}

impl Reply {
    pub(crate) fn parse(raw: String) -> Self {
        let mut parts = raw.split('\t').map(str::to_owned);
        let word = parts.next().unwrap_or_default();
        let id = parts.next().and_then(|id| id.parse().ok());
        let id = id.unwrap_or_else(|| panic!("a reply without id: {raw:?}"));
        let fields = parts.collect();
        Self { raw, word, id, fields }
    }

    /// Value of `name=value`, or the empty string of a bare `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|field| {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            (key == name).then_some(value)
        })
    }

    /// Asserts the command word and gives itself back.
    #[track_caller]
    pub(crate) fn expect(self, word: &str) -> Self {
        assert_eq!(self.word, word, "{:?}", self.raw);
        self
    }
}

/// A client of the auth-client protocol.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) greeting: Greeting,
    pub(crate) cpid: u32,
    /// Replies that came while another id was waited for.
    early: Vec<Reply>,
    next_id: u32,
}

impl Client {
    pub(crate) fn new(mut wire: Wire, minor: u32, cpid: u32) -> Self {
        wire.send(&format!("VERSION\t1\t{minor}\nCPID\t{cpid}"));
        let greeting = Greeting::read(&mut wire);
        Self { wire, greeting, cpid, early: Vec::new(), next_id: 1 }
    }

    /// An id not used on this connection before.
    pub(crate) fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Sends `AUTH` for IMAP with these parameters and gives its id.
    pub(crate) fn auth(&mut self, mechanism: &str, parameters: &str) -> u32 {
        self.auth_for("imap", mechanism, parameters)
    }

    /// The same for another service.
    pub(crate) fn auth_for(&mut self, service: &str, mechanism: &str, parameters: &str) -> u32 {
        let id = self.new_id();
        self.wire.send(&format!("AUTH\t{id}\t{mechanism}\tservice={service}\t{parameters}"));
        id
    }

    /// Sends a PLAIN request and gives its id.
    pub(crate) fn ask(&mut self, user: &str, password: &str) -> u32 {
        self.auth("PLAIN", &format!("secured\tresp={}", plain(user, password)))
    }

    /// Logs in by PLAIN and gives the answer.
    pub(crate) fn login(&mut self, user: &str, password: &str) -> Reply {
        let id = self.ask(user, password);
        self.reply(id)
    }

    /// The next reply to `id`; those to others are kept.
    pub(crate) fn reply(&mut self, id: u32) -> Reply {
        if let Some(at) = self.early.iter().position(|reply| reply.id == id) {
            return self.early.remove(at);
        }
        loop {
            let reply = Reply::parse(self.wire.line());
            if reply.id == id {
                return reply;
            }
            self.early.push(reply);
        }
    }

    /// The next reply to anything.
    pub(crate) fn any_reply(&mut self) -> Reply {
        if self.early.is_empty() { Reply::parse(self.wire.line()) } else { self.early.remove(0) }
    }

    /// Nothing may come for `time`, and nothing may have come unasked.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        assert!(self.early.is_empty(), "replies nobody asked for: {:?}", self.early);
        self.wire.expect_silence(time);
    }
}

/// A client of the auth-master protocol.
pub(crate) struct Master {
    pub(crate) wire: Wire,
    /// `VERSION` and `SPID`.
    pub(crate) greeting: [String; 2],
    next_id: u32,
}

impl Master {
    pub(crate) fn new(mut wire: Wire, minor: u32) -> Self {
        wire.send(&format!("VERSION\t1\t{minor}"));
        let greeting = [wire.line(), wire.line()];
        // Real clients begin at a random multiple of 131072.
        Self { wire, greeting, next_id: 4_294_836_224 }
    }

    /// Sends `WORD id rest` and gives the id.
    pub(crate) fn send(&mut self, word: &str, rest: &str) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.wire.send(&format!("{word}\t{id}\t{rest}"));
        id
    }

    /// Sends `WORD id rest` and gives the reply to it.
    pub(crate) fn ask(&mut self, word: &str, rest: &str) -> Reply {
        let id = self.send(word, rest);
        let reply = Reply::parse(self.wire.line());
        assert_eq!(reply.id, id, "{:?}", reply.raw);
        reply
    }

    /// Sends `REQUEST` for what `id` on `client` has logged in.
    pub(crate) fn request(&mut self, client: &Client, id: u32, rest: &str) -> Reply {
        let cookie = &client.greeting.cookie;
        self.ask("REQUEST", &format!("{}\t{id}\t{cookie}{rest}", client.cpid))
    }
}
