//! What a mail process, LMTP or `doveadm` sends on a master or userdb socket.

use super::{
    AuthRequest, Cookie, Error, Version,
    client::{version, whole},
    escape::unescape,
    field::{field, next_field, next_number, next_text, parameters},
};

/// One line from a master client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made, never stored")]
pub enum Line {
    /// `VERSION`.
    Version(Version),
    /// Anything that is answered.
    Command(Command),
}

/// What a master client asks.
#[derive(Debug)]
pub enum Command {
    /// `REQUEST`.
    Request(Request),
    /// `USER`: what the userdb says of this name.
    User(Lookup),
    /// `PASS`: what the passdb says of this name.
    Pass(Lookup),
    /// `LIST`: every user that fits.
    List {
        /// The client's number for it.
        id: u32,
        /// `user=`: a mask with `*` and `?`; none means everybody.
        mask: Option<String>,
    },
    /// `CACHE-FLUSH`: forget what is cached of these users; of all, if none is named.
    CacheFlush {
        /// The client's number for it.
        id: u32,
        /// Names or masks.
        masks: Vec<String>,
    },
    /// `CACHE-STATUS`.
    CacheStatus {
        /// The client's number for it.
        id: u32,
        /// `reset`: begin to count anew.
        reset: bool,
    },
}

impl Command {
    /// The client's number for it.
    pub fn id(&self) -> u32 {
        match self {
            Self::Request(request) => request.id,
            Self::User(lookup) | Self::Pass(lookup) => lookup.id,
            Self::List { id, .. } | Self::CacheFlush { id, .. } | Self::CacheStatus { id, .. } => {
                *id
            }
        }
    }

    /// Whether a userdb socket never takes it.
    pub fn needs_master(&self) -> bool {
        matches!(self, Self::Request(_) | Self::CacheFlush { .. } | Self::CacheStatus { .. })
    }
}

/// `REQUEST`: claims a login that succeeded on a login socket.
#[derive(Debug)]
pub struct Request {
    /// The client's number for it.
    pub id: u32,
    /// CPID of the login process.
    pub cpid: u32,
    /// That process's number for the login.
    pub auth_id: u32,
    /// Cookie of that process's connection.
    pub cookie: Cookie,
    /// `session_pid=`: process that the session will run in.
    pub session_pid: Option<u32>,
    /// `request_auth_token`: the session wants a token.
    pub auth_token: bool,
    /// `session_pid_trusted`: the client vouches for `session_pid`.
    pub session_pid_trusted: bool,
}

/// `USER` and `PASS`.
#[derive(Debug)]
pub struct Lookup {
    /// The client's number for it.
    pub id: u32,
    /// The name asked for.
    pub name: Vec<u8>,
    /// What is known of the connection that it is asked for.
    pub request: AuthRequest,
}

/// Reads one line.
///
/// # Errors
/// [`Error::Line`] or [`Error::Request`].
pub fn parse(line: &[u8]) -> Result<Line, Error> {
    let (rest, name) = field(line).map_err(|_| Error::Line("unreadable line"))?;
    match name {
        b"VERSION" => whole(version(rest), "malformed VERSION").map(Line::Version),
        _ => command(name, rest).map(Line::Command),
    }
}

fn command(name: &[u8], rest: &[u8]) -> Result<Command, Error> {
    match name {
        b"REQUEST" => request(rest).map(Command::Request),
        b"USER" => lookup(rest).map(Command::User),
        b"PASS" => lookup(rest).map(Command::Pass),
        b"LIST" => list(rest),
        b"CACHE-FLUSH" => cache_flush(rest),
        b"CACHE-STATUS" => cache_status(rest),
        b"" => Err(Error::Line("empty line")),
        _ => Err(Error::Line("unknown command")),
    }
}

/// `id = TAB number`
fn id(input: &[u8]) -> Result<(&[u8], u32), Error> {
    next_number(input).map_err(|_| Error::Line("command without an id"))
}

/// `request = "REQUEST" TAB id TAB cpid TAB auth-id TAB cookie parameters`
fn request(input: &[u8]) -> Result<Request, Error> {
    let (rest, id) = id(input)?;
    let (rest, cpid) =
        next_number(rest).map_err(|_| Error::Line("REQUEST without a process id"))?;
    let (rest, auth_id) =
        next_number(rest).map_err(|_| Error::Line("REQUEST without a login id"))?;
    let (rest, cookie) = next_field(rest).map_err(|_| Error::Line("REQUEST without a cookie"))?;
    let cookie = Cookie::parse(cookie).ok_or(Error::Line("REQUEST with a malformed cookie"))?;
    let mut request = Request {
        id,
        cpid,
        auth_id,
        cookie,
        session_pid: None,
        auth_token: false,
        session_pid_trusted: false,
    };
    for parameter in parameters(rest) {
        match parameter.name {
            b"session_pid" => request.session_pid = Some(session_pid(parameter.raw())?),
            b"request_auth_token" => request.auth_token = true,
            b"session_pid_trusted" => request.session_pid_trusted = true,
            _ => {}
        }
    }
    Ok(request)
}

/// `session-pid = number`
fn session_pid(value: &[u8]) -> Result<u32, Error> {
    let number = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.ok_or(Error::Line("REQUEST with a malformed session_pid"))
}

/// `lookup = ("USER" / "PASS") TAB id TAB name parameters`
fn lookup(input: &[u8]) -> Result<Lookup, Error> {
    let (rest, id) = id(input)?;
    let refuse = |why| Error::Request { id, why };
    let (rest, name) = next_text(rest).map_err(|_| refuse("look-up without a name"))?;
    let request =
        AuthRequest::parse(rest).map_err(|_| refuse("look-up with a parameter given twice"))?;
    if request.protocol.is_empty() {
        return Err(refuse("look-up without a protocol"));
    }
    Ok(Lookup { id, name: name.into_owned(), request })
}

/// `list = "LIST" TAB id parameters`
fn list(input: &[u8]) -> Result<Command, Error> {
    let (rest, id) = id(input)?;
    let mask = parameters(rest)
        .find(|parameter| parameter.name == b"user")
        .map(|parameter| String::from_utf8_lossy(&parameter.value()).into_owned());
    Ok(Command::List { id, mask })
}

/// `cache-flush = "CACHE-FLUSH" TAB id *(TAB mask)`
fn cache_flush(input: &[u8]) -> Result<Command, Error> {
    let (rest, id) = id(input)?;
    let masks = rest
        .split(|&byte| byte == b'\t')
        .filter(|mask| !mask.is_empty())
        .map(|mask| String::from_utf8_lossy(&unescape(mask)).into_owned())
        .collect();
    Ok(Command::CacheFlush { id, masks })
}

/// `cache-status = "CACHE-STATUS" TAB id [TAB "reset"]`
fn cache_status(input: &[u8]) -> Result<Command, Error> {
    let (flags, id) = id(input)?;
    let reset = parameters(flags).any(|flag| flag.name == b"reset");
    Ok(Command::CacheStatus { id, reset })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COOKIE: &str = "574ccbe727673390248b2cf9dc2602e7";

    fn check(line: &str, expected: &str) {
        let found = match parse(line.as_bytes()) {
            Ok(Line::Command(Command::Request(found))) => format!(
                "request {} {} {} {:?} {} {}",
                found.id,
                found.cpid,
                found.auth_id,
                found.session_pid,
                found.auth_token,
                found.session_pid_trusted
            ),
            Ok(Line::Command(Command::User(found))) => shown("user", &found),
            Ok(Line::Command(Command::Pass(found))) => shown("pass", &found),
            Ok(Line::Command(other)) => format!("{other:?}"),
            Ok(Line::Version(version)) => format!("{version:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{line:?}");
    }

    fn shown(kind: &str, found: &Lookup) -> String {
        format!(
            "{kind} {} {:?} for {}",
            found.id,
            found.name.as_slice().escape_ascii().to_string(),
            found.request.protocol
        )
    }

    #[test]
    fn request() {
        check(
            &format!(
                "REQUEST\t1489633281\t22534\t17\t{COOKIE}\tsession_pid=23233\trequest_auth_token"
            ),
            "request 1489633281 22534 17 Some(23233) true false",
        );
        check(
            &format!("REQUEST\t4294967295\t1\t2\t{COOKIE}\t\tsession_pid_trusted\tx"),
            "request 4294967295 1 2 None false true",
        );
        check("REQUEST\t1\t2\t3\t574ccb", "REQUEST with a malformed cookie");
        check("REQUEST\t1\t2\t3", "REQUEST without a cookie");
        check("REQUEST\t1\t2", "REQUEST without a login id");
        check("REQUEST\t1", "REQUEST without a process id");
        check("REQUEST\tx", "command without an id");
        check(
            &format!("REQUEST\t1\t2\t3\t{COOKIE}\tsession_pid=-1"),
            "REQUEST with a malformed session_pid",
        );
    }

    #[test]
    fn lookups() {
        check(
            "USER\t3\tann@example.org\tservice=lmtp\trip=::1",
            "user 3 \"ann@example.org\" for lmtp",
        );
        check("PASS\t3\tann\t\tprotocol=doveadm\tdebug", "pass 3 \"ann\" for doveadm");
        check("USER\t3\t\tprotocol=lmtp", "user 3 \"\" for lmtp");
        check("USER\t3\tann", "request 3: look-up without a protocol");
        check("USER\t3", "request 3: look-up without a name");
        check("PASS\t3\tann\tlip=::1\tlip=::1", "request 3: look-up with a parameter given twice");
        check("USER", "command without an id");
    }

    #[test]
    fn list_and_cache() {
        check("LIST\t1", "List { id: 1, mask: None }");
        check(
            "LIST\t1\t\tuser=*@example.org\tservice=doveadm",
            "List { id: 1, mask: Some(\"*@example.org\") }",
        );
        check("CACHE-FLUSH\t1", "CacheFlush { id: 1, masks: [] }");
        check("CACHE-FLUSH\t1\tann\t\tbob", "CacheFlush { id: 1, masks: [\"ann\", \"bob\"] }");
        check("CACHE-STATUS\t1\treset", "CacheStatus { id: 1, reset: true }");
        check("CACHE-STATUS\t1", "CacheStatus { id: 1, reset: false }");
        check("LIST\tx", "command without an id");
    }

    #[test]
    fn anything_else() {
        check("VERSION\t1\t3", "Version { major: 1, minor: 3 }");
        check("VERSION\t1", "malformed VERSION");
        check("", "empty line");
        check("CPID\t1", "unknown command");
        check("CANCEL\t1", "unknown command");
    }

    #[test]
    fn a_cookie_is_not_shown() {
        let line = format!("REQUEST\t1\t2\t3\t{COOKIE}");
        assert!(!format!("{:?}", parse(line.as_bytes())).contains(&COOKIE[..8]));
    }

    proptest! {
        #[test]
        fn anything_can_be_read(line: Vec<u8>, tabs in "(REQUEST|USER|LIST|CACHE-FLUSH)[\t=0-9a-f\x01]{0,60}") {
            let _ = parse(&line);
            let _ = parse(tabs.as_bytes());
        }
    }
}
