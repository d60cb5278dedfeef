//! One connection to an LDAP server, with one question at a time. The way there and
//! its TLS are ours; `ldap3` speaks into a pair of sockets, and hears what [`guard`]
//! lets through.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchOptions, StdStream,
    asn1::{PL, StructureTag},
    controls::{MakeCritical as _, PagedResults, RawControl},
};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy, split},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::timeout_at,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{
    super::{Outage, OutageCause},
    guard::{self, Awaited},
};
use crate::remote::{connect, tls};

/// Most that a page may have, in entries, and any answer, in bytes: not every server
/// keeps to what was asked for.
const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// RFC 2696.
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// `ExtendedRequest` number 1 for `1.3.6.1.4.1.1466.20037` (RFC 4511 §4.14.1).
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Where an LDAP server is.
#[derive(Debug)]
pub(super) struct Place {
    host: Host<String>,
    port: u16,
    tls: Option<(Arc<ClientConfig>, Begins)>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Begins {
    AtOnce,
    WhenAsked,
}

/// A question.
pub(super) enum Request<'r> {
    /// Whether the password is the entry's. Neither is ever empty.
    Bind { dn: &'r str, password: &'r str },
    /// Who there is.
    Search(Search<'r>),
}

/// A search below an entry.
pub(super) struct Search<'r> {
    pub(super) base: &'r str,
    pub(super) filter: String,
    pub(super) attributes: &'r [String],
    pub(super) extent: Extent,
}

/// How much of what is found.
pub(super) enum Extent {
    /// That many at most.
    UpTo(u8),
    /// A page of that many, from where the one before ended.
    Page(i32, Vec<u8>),
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// Its code (RFC 4511 §4.1.9).
    pub(super) code: u32,
    /// What the server says besides, as it came.
    pub(super) text: String,
    pub(super) entries: Vec<Entry>,
    /// There is more on other servers.
    pub(super) refers: bool,
    /// Where the next page begins; nothing at the end.
    pub(super) cookie: Vec<u8>,
}

/// An entry as it came.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) dn: String,
    pub(super) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// A connection.
pub(super) struct Connection {
    ldap: Ldap,
    shared: Arc<Shared>,
    /// Between the server and us, and `ldap3`'s own.
    tasks: [JoinHandle<()>; 2],
    pub(super) opened: Instant,
    pub(super) used: Instant,
}

/// What the task between the server and `ldap3` shares with us.
struct Shared {
    awaited: Mutex<Awaited>,
    /// Why it is over.
    end: OnceLock<Outage>,
}

impl Place {
    /// Where `url` leads.
    pub(super) fn of(url: &Url, starttls: bool, config: &Arc<ClientConfig>) -> Option<Self> {
        let begins = match (url.scheme(), starttls) {
            ("ldaps", _) => Some(Begins::AtOnce),
            (_, true) => Some(Begins::WhenAsked),
            _ => None,
        };
        let port = if url.scheme() == "ldaps" { 636 } else { 389 };
        // Of other schemes than the web's the parser takes no notice of numbers.
        let host = Host::parse(url.host_str()?).ok()?;
        Some(Self {
            host,
            port: url.port().unwrap_or(port),
            tls: begins.map(|begins| (Arc::clone(config), begins)),
        })
    }

    /// For logs.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether a password would go there in clear text.
    pub(super) fn is_clear(&self) -> bool {
        let is_near = match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        self.tls.is_none() && !is_near
    }

    async fn reach(&self, deadline: Instant) -> Result<TcpStream, Outage> {
        let failed = |error: io::Error| {
            let cause = match error.kind() {
                io::ErrorKind::TimedOut => OutageCause::Slow,
                _ => OutageCause::Unreachable,
            };
            self.fault(cause, format!("no connection: {error}"))
        };
        let addresses = connect::addresses(&self.host, self.port, deadline).await;
        let addresses = addresses.map_err(failed)?;
        let (stream, _) =
            connect::connect(&addresses, deadline).await.map_err(|(error, _)| failed(error))?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }

    async fn start_tls(&self, stream: &mut TcpStream) -> Result<(), Outage> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => {
                self.fault(OutageCause::Malformed, format!("StartTLS: {error}"))
            }
            _ => self.fault(OutageCause::Unreachable, format!("StartTLS: {error}")),
        };
        stream.write_all(START_TLS).await.map_err(failed)?;
        let answer = guard::read(stream).await.map_err(failed)?;
        let code = guard::check(&answer, Awaited::Extended).and_then(|()| guard::code(&answer));
        match code {
            Ok(0) => Ok(()),
            Ok(code) => {
                let detail =
                    format!("it begins no TLS (code {code}): use ldaps, or set it up there");
                Err(self.fault(OutageCause::Tls, detail))
            }
            Err(bad) => Err(self.fault(OutageCause::Malformed, format!("StartTLS: {bad}"))),
        }
    }

    async fn secured(
        &self,
        stream: TcpStream,
        config: &Arc<ClientConfig>,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Outage> {
        let name = connect::server_name(&self.host);
        let name =
            name.map_err(|error| self.fault(OutageCause::Tls, format!("no TLS: {error}")))?;
        let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        secured.map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let words = inner.map_or_else(|| format!("no TLS: {error}"), tls::words);
            self.fault(OutageCause::Tls, words)
        })
    }

    /// What happened at it.
    pub(super) fn fault_of(&self, what: Outage) -> Outage {
        self.fault(what.cause, what.detail)
    }

    fn fault(&self, cause: OutageCause, detail: impl AsRef<str>) -> Outage {
        Outage::new(cause, format!("{}: {}", self.name(), detail.as_ref()))
    }
}

impl Connection {
    /// A new one, by which nobody is known yet.
    ///
    /// # Errors
    /// There is none to be had in time.
    pub(super) async fn open(place: &Arc<Place>, deadline: Instant) -> Result<Self, Outage> {
        let opened = async {
            let mut stream = place.reach(deadline).await?;
            let Some((config, begins)) = &place.tls else {
                return Self::over(stream, place).await;
            };
            if *begins == Begins::WhenAsked {
                place.start_tls(&mut stream).await?;
            }
            Self::over(place.secured(stream, config).await?, place).await
        };
        let late = |_| Err(place.fault(OutageCause::Slow, "no connection in time"));
        timeout_at(deadline.into(), opened).await.unwrap_or_else(late)
    }

    async fn over<S>(stream: S, place: &Arc<Place>) -> Result<Self, Outage>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let failed = |what: String| place.fault(OutageCause::Unreachable, what);
        let (ours, theirs) = UnixStream::pair().map_err(|error| failed(error.to_string()))?;
        let theirs = theirs.into_std().map_err(|error| failed(error.to_string()))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
        let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///")
            .await
            .map_err(|error| failed(error.to_string()))?;
        let shared =
            Arc::new(Shared { awaited: Mutex::new(Awaited::Nothing), end: OnceLock::new() });
        let between = between(stream, ours, Arc::clone(&shared));
        let speaks = async move {
            // Why it ended stands in `shared`.
            let _ = driver.drive().await;
        };
        let tasks = [tokio::spawn(between), tokio::spawn(speaks)];
        let now = Instant::now();
        Ok(Self { ldap, shared, tasks, opened: now, used: now })
    }

    /// Whether it can still be used.
    pub(super) fn is_open(&mut self) -> bool {
        self.shared.end.get().is_none() && !self.ldap.is_closed()
    }

    /// Asks. After an error the connection is of no more use: an answer may come
    /// late.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) async fn ask(
        &mut self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Reply, Outage> {
        let began = Instant::now();
        let asked = match request {
            Request::Bind { dn, password } => {
                self.awaits(Awaited::Bind);
                timeout_at(deadline.into(), self.bind(dn, password)).await
            }
            Request::Search(search) => {
                self.awaits(Awaited::Search);
                timeout_at(deadline.into(), self.search(search)).await
            }
        };
        self.awaits(Awaited::Nothing);
        self.used = Instant::now();
        asked.unwrap_or_else(|_| {
            let waited = self.used.saturating_duration_since(began);
            Err(Outage::new(OutageCause::Slow, no_answer(waited)))
        })
    }

    async fn bind(&mut self, dn: &str, password: &str) -> Result<Reply, Outage> {
        debug_assert!(!password.is_empty(), "RFC 4513 §5.1.2: that would be nobody's");
        let result = self.ldap.simple_bind(dn, password).await;
        let result = result.map_err(|_| self.ended())?;
        Ok(Reply { code: result.rc, text: result.text, ..Reply::default() })
    }

    async fn search(&mut self, search: &Search<'_>) -> Result<Reply, Outage> {
        let mut options = SearchOptions::new();
        let mut most = MAX_ENTRIES;
        match &search.extent {
            Extent::UpTo(few) => {
                most = usize::from(*few);
                options = options.sizelimit(i32::from(*few));
            }
            Extent::Page(size, cookie) => {
                let page = PagedResults { size: *size, cookie: cookie.clone() };
                self.ldap.with_controls(RawControl::from(page.critical()));
            }
        }
        let attributes = search.attributes;
        let found = self.ldap.with_search_options(options);
        let found =
            found.streaming_search(search.base, Scope::Subtree, &search.filter, attributes).await;
        let mut found = found.map_err(|_| self.ended())?;
        let (mut reply, mut bytes) = (Reply::default(), 0);
        while let Some(one) = found.next().await.map_err(|_| self.ended())? {
            if one.is_ref() {
                reply.refers = true;
                continue;
            }
            let entry = Entry::read(one.0).ok_or_else(|| malformed("an entry that is none"))?;
            bytes += entry.bytes();
            reply.entries.push(entry);
            if reply.entries.len() > most || bytes > MAX_BYTES {
                return Err(malformed("more in one answer than it was asked for"));
            }
        }
        let result = found.finish().await;
        (reply.code, reply.text) = (result.rc, result.text);
        let page = result.ctrls.into_iter().find(|control| control.1.ctype == PAGED_RESULTS);
        if let Some(value) = page.and_then(|control| control.1.val) {
            reply.cookie = guard::page_cookie(&value).map_err(malformed)?;
        }
        Ok(reply)
    }

    fn awaits(&self, awaited: Awaited) {
        *self.shared.awaited.lock().expect("no holder panics") = awaited;
    }

    fn ended(&self) -> Outage {
        self.shared
            .end
            .get()
            .cloned()
            .unwrap_or_else(|| Outage::new(OutageCause::Unreachable, "the connection was closed"))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Entry {
    /// One that the guard has let pass.
    fn read(tag: StructureTag) -> Option<Self> {
        let mut members = tag.expect_constructed()?.into_iter();
        let dn = String::from_utf8(members.next()?.expect_primitive()?).ok()?;
        let attributes = members.next()?.expect_constructed()?.into_iter();
        let attributes = attributes.map(|attribute| {
            let mut members = attribute.expect_constructed()?.into_iter();
            let name = String::from_utf8(members.next()?.expect_primitive()?).ok()?;
            let values = members.next()?.expect_constructed()?.into_iter();
            let values = values.map(|value| match value.payload {
                PL::P(bytes) => Some(bytes),
                PL::C(_) => None,
            });
            Some((name, values.collect::<Option<Vec<_>>>()?))
        });
        Some(Self { dn, attributes: attributes.collect::<Option<Vec<_>>>()? })
    }

    fn bytes(&self) -> usize {
        let values = self.attributes.iter().map(|(name, values)| {
            let values = values.iter().map(|value| size_of::<Vec<u8>>() + value.len());
            size_of::<(String, Vec<Vec<u8>>)>() + name.len() + values.sum::<usize>()
        });
        size_of::<Self>() + self.dn.len() + values.sum::<usize>()
    }
}

/// Carries what is asked to the server, and what it answers to `ldap3`.
async fn between<S>(stream: S, ours: UnixStream, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (answers, mut questions) = split(stream);
    let (mut asked, mut answered) = ours.into_split();
    let end = tokio::select! {
        end = pass_on(BufReader::new(answers), &mut answered, &shared) => end,
        _ = copy(&mut asked, &mut questions) => (OutageCause::Unreachable, "the connection was closed".to_owned()),
    };
    // Said before `ldap3` hears of it.
    let _ = shared.end.set(Outage::new(end.0, end.1));
}

async fn pass_on(
    mut answers: impl AsyncRead + Unpin,
    answered: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
) -> (OutageCause, String) {
    loop {
        let message = match guard::read(&mut answers).await {
            Ok(message) => message,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return (OutageCause::Malformed, error.to_string());
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return (OutageCause::Unreachable, "it closed the connection".to_owned());
            }
            Err(error) => return (OutageCause::Unreachable, error.to_string()),
        };
        let awaited = *shared.awaited.lock().expect("no holder panics");
        if let Err(bad) = guard::check(&message, awaited) {
            let left = bad == guard::GOODBYE;
            let cause = if left { OutageCause::Unreachable } else { OutageCause::Malformed };
            return (cause, bad.to_owned());
        }
        if let Err(error) = answered.write_all(&message).await {
            return (OutageCause::Unreachable, error.to_string());
        }
    }
}

fn malformed(bad: &str) -> Outage {
    Outage::new(OutageCause::Malformed, bad)
}

fn no_answer(waited: Duration) -> String {
    format!("no answer within {} ms", waited.as_millis())
}
