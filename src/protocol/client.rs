//! What a client (login process, SMTP server) sends.
//!
//! Dovecot closes the connection at most mistakes. Here a mistake that belongs
//! to one request is told apart ([`Error::Request`]): a connection is shared by
//! many users, and one of them must not be able to end it (CVE-2025-59028).

use nom::{
    IResult, Parser as _,
    combinator::eof,
    sequence::{pair, terminated},
};

use super::{
    AuthRequest, Base64, Error, Version,
    field::{field, next_field, next_number, parameters},
};

/// One line from a client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made, never stored")]
pub enum Command<'a> {
    /// `VERSION`.
    Version(Version),
    /// `CPID`: the client's process id.
    Cpid(u32),
    /// `AUTH`.
    Auth(Auth<'a>),
    /// `CONT`.
    Cont(Cont<'a>),
    /// `CANCEL`: the request with this id is to be forgotten.
    Cancel(u32),
}

/// `AUTH`: a login begins.
#[derive(Debug)]
pub struct Auth<'a> {
    /// The client's number for it; never 0.
    pub id: u32,
    /// Name of the mechanism, in the user's spelling.
    pub mechanism: &'a [u8],
    /// What is known of the user's connection.
    pub request: AuthRequest,
    /// `resp=`: the initial response. None at all is not the same as an empty one.
    pub initial: Option<Base64<'a>>,
}

/// `CONT`: an answer to a challenge.
#[derive(Debug)]
pub struct Cont<'a> {
    /// Which request.
    pub id: u32,
    /// The answer.
    pub data: Base64<'a>,
    /// Whether anything stands behind the data. Clients before minor 3 have
    /// nothing to say there.
    pub has_parameters: bool,
    /// `channel_binding=`, once.
    pub channel_binding: Option<Base64<'a>>,
}

/// Reads one line.
///
/// # Errors
/// [`Error::Line`] or [`Error::Request`].
pub fn parse(line: &[u8]) -> Result<Command<'_>, Error> {
    let (rest, name) = field(line).map_err(|_| Error::Line("unreadable line"))?;
    match name {
        b"VERSION" => whole(version(rest), "malformed VERSION").map(Command::Version),
        b"CPID" => whole(next_number(rest), "malformed CPID").map(Command::Cpid),
        b"AUTH" => auth(rest).map(Command::Auth),
        b"CONT" => cont(rest).map(Command::Cont),
        b"CANCEL" => whole(next_number(rest), "malformed CANCEL").map(Command::Cancel),
        b"" => Err(Error::Line("empty line")),
        _ => Err(Error::Line("unknown command")),
    }
}

/// The value, where the parser found one; nom's own error says nothing more to
/// anybody.
pub(super) fn whole<T>(result: IResult<&[u8], T>, why: &'static str) -> Result<T, Error> {
    result.map(|(_, value)| value).map_err(|_| Error::Line(why))
}

/// `version = "VERSION" TAB major TAB minor`
pub(super) fn version(input: &[u8]) -> IResult<&[u8], Version> {
    let (rest, (major, minor)) = terminated(pair(next_number, next_number), eof).parse(input)?;
    Ok((rest, Version { major, minor }))
}

/// `auth = "AUTH" TAB id TAB mechanism parameters [TAB "resp=" base64]`
fn auth(input: &[u8]) -> Result<Auth<'_>, Error> {
    let (rest, id) = next_number(input).map_err(|_| Error::Line("AUTH without an id"))?;
    if id == 0 {
        return Err(Error::Line("AUTH with the id 0"));
    }
    let refuse = |why| Error::Request { id, why };
    let (rest, mechanism) = next_field(rest).map_err(|_| refuse("AUTH without a mechanism"))?;
    let (parameters, initial) = split_initial(rest).ok_or(refuse("AUTH with fields after resp"))?;
    let request =
        AuthRequest::parse(parameters).map_err(|_| refuse("AUTH with a parameter given twice"))?;
    if request.protocol.is_empty() {
        return Err(refuse("AUTH without a protocol"));
    }
    Ok(Auth { id, mechanism, request, initial })
}

/// Cuts `TAB "resp=" base64` off the end. `None` if a field follows: the data is
/// the mail user's own text, and nothing behind it may ever count.
fn split_initial(input: &[u8]) -> Option<(&[u8], Option<Base64<'_>>)> {
    const RESP: &[u8] = b"\tresp=";
    let Some(at) = input.windows(RESP.len()).position(|window| window == RESP) else {
        return Some((input, None));
    };
    let data = &input[at + RESP.len()..];
    (!data.contains(&b'\t')).then_some((&input[..at], Some(Base64(data))))
}

/// `cont = "CONT" TAB id TAB base64 *(TAB parameter)`
fn cont(input: &[u8]) -> Result<Cont<'_>, Error> {
    let (rest, id) = next_number(input).map_err(|_| Error::Line("CONT without an id"))?;
    let refuse = |why| Error::Request { id, why };
    let (rest, data) = next_field(rest).map_err(|_| refuse("CONT without data"))?;
    let mut bindings = parameters(rest).filter(|field| field.name == b"channel_binding");
    let channel_binding = bindings.next().map(|field| Base64(field.raw()));
    if bindings.next().is_some() {
        return Err(refuse("CONT with two channel bindings"));
    }
    Ok(Cont { id, data: Base64(data), has_parameters: !rest.is_empty(), channel_binding })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, expected: &str) {
        let found = match parse(line.as_bytes()) {
            Ok(Command::Version(Version { major, minor })) => format!("version {major}.{minor}"),
            Ok(Command::Cpid(pid)) => format!("cpid {pid}"),
            Ok(Command::Cancel(id)) => format!("cancel {id}"),
            Ok(Command::Auth(auth)) => format!(
                "auth {} {} for {}, {}",
                auth.id,
                str::from_utf8(auth.mechanism).unwrap(),
                auth.request.protocol,
                auth.initial.map_or("none".to_owned(), shown)
            ),
            Ok(Command::Cont(cont)) => format!(
                "cont {} {} {} {}",
                cont.id,
                shown(cont.data),
                cont.has_parameters,
                cont.channel_binding.map_or("none".to_owned(), shown)
            ),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{line:?}");
    }

    fn shown(data: Base64<'_>) -> String {
        format!("\"{}\"", str::from_utf8(data.0).unwrap())
    }

    #[test]
    fn handshake() {
        check("VERSION\t1\t2", "version 1.2");
        check("VERSION\t2\t0", "version 2.0");
        for bad in ["VERSION", "VERSION\t1", "VERSION\t1\t", "VERSION\t1\tx", "VERSION\t1\t2\t3"] {
            check(bad, "malformed VERSION");
        }
        check("CPID\t22534", "cpid 22534");
        check("CPID\t0", "cpid 0");
        check("CPID", "malformed CPID");
        check("CPID\t4294967296", "malformed CPID");
    }

    #[test]
    fn auth() {
        check("AUTH\t1\tPLAIN\tservice=imap\tresp=AA==", "auth 1 PLAIN for imap, \"AA==\"");
        check("AUTH\t1\tplain\t\tprotocol=imap\t\tsecured", "auth 1 plain for imap, none");
        check("AUTH\t7\tLOGIN\tservice=smtp\tnologin\tresp=", "auth 7 LOGIN for smtp, \"\"");
        check("AUTH\t7\tLOGIN\tservice=smtp\tresp==", "auth 7 LOGIN for smtp, \"=\"");
        check("AUTH\t7\t\tservice=smtp", "auth 7  for smtp, none");
    }

    #[test]
    fn auth_that_belongs_to_a_request_fails_that_request() {
        check("AUTH\t3", "request 3: AUTH without a mechanism");
        check("AUTH\t3\tPLAIN", "request 3: AUTH without a protocol");
        check("AUTH\t3\tPLAIN\tservice=\tresp=AA==", "request 3: AUTH without a protocol");
        check("AUTH\t3\tPLAIN\tresp=AA==\tservice=imap", "request 3: AUTH with fields after resp");
        check("AUTH\t3\tPLAIN\tservice=imap\tresp=\t", "request 3: AUTH with fields after resp");
        check(
            "AUTH\t3\tPLAIN\tservice=imap\tresp=AA==\tresp=AA==",
            "request 3: AUTH with fields after resp",
        );
        check(
            "AUTH\t3\tPLAIN\tservice=imap\trip=::1\trip=::2",
            "request 3: AUTH with a parameter given twice",
        );
    }

    #[test]
    fn auth_without_a_usable_id_belongs_to_nothing() {
        for bad in ["AUTH", "AUTH\t", "AUTH\tx\tPLAIN", "AUTH\t\t1\tPLAIN", "AUTH\t1x\tPLAIN"] {
            check(bad, "AUTH without an id");
        }
        check("AUTH\t0\tPLAIN\tservice=imap", "AUTH with the id 0");
    }

    #[test]
    fn cont_and_cancel() {
        check("CONT\t1\t", "cont 1 \"\" false none");
        check("CONT\t1\tAA==", "cont 1 \"AA==\" false none");
        check("CONT\t1\t#\tchannel_binding=AAAA", "cont 1 \"#\" true \"AAAA\"");
        check("CONT\t1\tAA==\tx", "cont 1 \"AA==\" true none");
        check("CONT\t1", "request 1: CONT without data");
        check("CONT", "CONT without an id");
        check(
            "CONT\t1\tAA==\tchannel_binding=a\tchannel_binding=a",
            "request 1: CONT with two channel bindings",
        );
        check("CANCEL\t4294967295", "cancel 4294967295");
        check("CANCEL\tx", "malformed CANCEL");
    }

    #[test]
    fn anything_else() {
        check("", "empty line");
        check("\tAUTH", "empty line");
        check("auth\t1\tPLAIN\tservice=imap", "unknown command");
        check("USER\t1\tann@example.org\tservice=lmtp", "unknown command");
    }

    proptest! {
        #[test]
        fn anything_can_be_read(line: Vec<u8>, tabs in "(AUTH|CONT|CANCEL|VERSION)[\t=0-9a-z\x01]{0,40}") {
            let _ = parse(&line);
            let _ = parse(tabs.as_bytes());
        }

        /// Whatever a mail user gets into `resp`, it sets no parameter.
        #[test]
        fn the_initial_response_is_no_parameter(data in "[^\n]{0,60}") {
            let line = format!("AUTH\t1\tPLAIN\tservice=imap\tresp={data}");
            match parse(line.as_bytes()) {
                Ok(Command::Auth(auth)) => {
                    prop_assert_eq!(auth.initial, Some(Base64(data.as_bytes())));
                    prop_assert!(!auth.request.no_penalty && auth.request.cert_username.is_none());
                }
                other => prop_assert!(data.contains('\t'), "{other:?}"),
            }
        }
    }
}
