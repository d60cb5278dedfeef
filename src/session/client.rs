//! The dialogue with a client: a login process, Postfix, Exim.
//!
//! One connection carries the logins of many users. A line that is broken ends
//! the request it names; the connection ends only where no reply could say so.

use std::{sync::Arc, time::Instant};

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::{
    Action, ClientSettings, CloseReason, Desk, Kept, TemporaryFailure, Ticket, desk::Place,
    requests::Requests,
};
use crate::{
    protocol::{
        AuthRequest, Base64, Cookie, Error, MAJOR, Version,
        client::{self, Auth, Command, Cont},
        reply::{self, Names, Values},
    },
    sasl::{Mechanism, MechanismName, Step, TokenError, TokenRefusal},
    verify::{Reason, Rejected, Verdict},
};

/// What makes a connection this one.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionIds {
    /// Of this server; the same on all sockets, another after a restart.
    pub spid: u32,
    /// Of this connection.
    pub cuid: u32,
    /// Random, of this connection.
    pub cookie: Cookie,
}

/// One connection with a client.
pub struct ClientSession {
    settings: Arc<ClientSettings>,
    ids: ConnectionIds,
    desk: Arc<Desk>,
    phase: Phase,
    requests: Requests<Stage>,
    /// A temporary failure is to be told by closing, as soon as no other reply
    /// is owed.
    closing: bool,
}

enum Phase {
    /// Nothing was said yet.
    Version,
    /// VERSION was said; the lower of both minors.
    Cpid { minor: u32 },
    /// CPID was said, and somebody else has it.
    CpidTaken { minor: u32, cpid: u32 },
    /// Requests may come. Sockets that keep logins have a place for them.
    Open { minor: u32, place: Option<Place> },
}

/// Where a request stands.
enum Stage {
    /// We wait for the client's next message.
    Dialogue(Dialogue),
    /// The client waits for our verdict.
    Verifying {
        /// The name as it came; none if the dialogue broke before.
        original: Option<Vec<u8>>,
        mechanism: MechanismName,
        request: Arc<AuthRequest>,
    },
    /// It is refused, and was told why in a challenge. The client answers that
    /// before it takes this FAIL.
    Refused { fail: BytesMut },
}

struct Dialogue {
    running: Box<dyn Mechanism>,
    mechanism: MechanismName,
    request: Arc<AuthRequest>,
}

#[expect(clippy::unnecessary_wraps, reason = "the form in which every step returns it")]
fn close(why: &'static str) -> Option<Action> {
    Some(Action::Close(CloseReason::Protocol(why)))
}

impl ClientSession {
    /// A connection that was just accepted.
    pub fn new(settings: Arc<ClientSettings>, ids: ConnectionIds, desk: Arc<Desk>) -> Self {
        let requests = Requests::new(settings.request_timeout);
        Self { settings, ids, desk, phase: Phase::Version, requests, closing: false }
    }

    /// The whole handshake in one piece: Exim says nothing before it has read
    /// `DONE`.
    pub fn greeting(&self, out: &mut BytesMut) {
        reply::version(out, self.settings.kind.minor());
        for mechanism in self.settings.offered() {
            reply::mech(out, mechanism.name(), mechanism.flags());
        }
        reply::spid(out, self.ids.spid);
        reply::cuid(out, self.ids.cuid);
        reply::cookie(out, &self.ids.cookie);
        reply::done(out);
    }

    /// One line from the client, without its end.
    pub fn line(&mut self, line: &[u8], now: Instant, out: &mut BytesMut) -> Option<Action> {
        let command = client::parse(line);
        if let Phase::Open { .. } = self.phase {
            return self.open_line(command, now, out);
        }
        match (command, &self.phase) {
            (Ok(Command::Version(version)), Phase::Version) => self.version(version),
            (Ok(Command::Cpid(cpid)), &Phase::Cpid { minor }) => self.cpid(minor, cpid, now),
            (Err(Error::Line(why)), _) => close(why),
            _ => close("unexpected line before the end of the handshake"),
        }
    }

    /// Tries again to take the process id after [`Action::AwaitCpid`].
    pub fn retry_cpid(&mut self, now: Instant) -> Option<Action> {
        match self.phase {
            Phase::CpidTaken { minor, cpid } => self.cpid(minor, cpid, now),
            _ => None,
        }
    }

    /// The verdict that [`Action::Verify`] or [`Action::Malformed`] asked for. A
    /// ticket that is not waited for (cancelled, over time) is ignored.
    pub fn verdict(
        &mut self,
        ticket: Ticket,
        verdict: &Verdict,
        now: Instant,
        out: &mut BytesMut,
    ) -> Option<Action> {
        let stage = self.requests.take(ticket);
        let Some(Stage::Verifying { original, mechanism, request }) = stage else { return None };
        let id = ticket.id();
        match verdict {
            Verdict::Verified(verified) => {
                let original = original.unwrap_or_default();
                let mechanism = mechanism.name();
                let kept = Kept { verified: verified.clone(), original, mechanism, request };
                self.succeed(id, kept, now, out);
            }
            Verdict::Rejected(rejected) => {
                let original = original.as_deref();
                let user = rejected.user.as_ref();
                let names = user.map(|user| Names { user: user.as_str(), original });
                let message = last_message(mechanism, rejected);
                match message {
                    Some(message) => self.refuse_with(&message, id, names, &request, now, out),
                    None => reply::fail(out, id, names, self.values()),
                }
            }
            Verdict::Unavailable(_) => self.fail_temporarily(id, out),
        }
        self.close_when_due()
    }

    /// When to call [`ClientSession::expire`].
    pub fn next_deadline(&self) -> Option<Instant> {
        self.requests.next_deadline()
    }

    /// Forgets the requests that are over time. The client keeps time as well,
    /// so it is told nothing.
    pub fn expire(&mut self, now: Instant) -> Option<Action> {
        drop(self.requests.expire(now));
        self.close_when_due()
    }

    /// Number of verdicts that are waited for.
    pub fn pending(&self) -> usize {
        self.requests.stages().filter(|stage| matches!(stage, Stage::Verifying { .. })).count()
    }

    /// Number of requests under way: dialogues, and verdicts that are waited for.
    pub fn open_requests(&self) -> usize {
        self.requests.len()
    }

    fn version(&mut self, version: Version) -> Option<Action> {
        if version.major != MAJOR {
            return close("unknown major version");
        }
        self.phase = Phase::Cpid { minor: version.minor.min(self.settings.kind.minor()) };
        None
    }

    fn cpid(&mut self, minor: u32, cpid: u32, now: Instant) -> Option<Action> {
        if cpid == 0 {
            return close("CPID 0");
        }
        if !self.settings.kind.keeps() {
            self.phase = Phase::Open { minor, place: None };
            return None;
        }
        if let Ok(place) = self.desk.register(cpid, self.ids.cookie, now) {
            self.phase = Phase::Open { minor, place: Some(place) };
            None
        } else {
            self.phase = Phase::CpidTaken { minor, cpid };
            Some(Action::AwaitCpid)
        }
    }

    fn open_line(
        &mut self,
        command: Result<Command<'_>, Error>,
        now: Instant,
        out: &mut BytesMut,
    ) -> Option<Action> {
        match command {
            Ok(Command::Cancel(id)) => self.cancel(id, out),
            // The client will do it all again on its next connection.
            _ if self.closing => None,
            Ok(Command::Auth(auth)) => self.auth(auth, now, out),
            Ok(Command::Cont(cont)) => self.cont(&cont, now, out),
            Ok(Command::Version(_) | Command::Cpid(_)) => close("handshake line after its end"),
            Err(Error::Request { id, why }) => {
                self.forget(id);
                reply::fail_with_reason(out, id, why);
                None
            }
            Err(Error::Line(why)) => close(why),
            Err(Error::TooLong { .. }) => close("overlong line"),
        }
    }

    fn auth(&mut self, auth: Auth<'_>, now: Instant, out: &mut BytesMut) -> Option<Action> {
        let id = auth.id;
        if self.requests.contains(id) || self.place().is_some_and(|place| place.holds(id, now)) {
            return close("AUTH with an id that is in use");
        }
        if !self.has_room(now) {
            self.fail_temporarily(id, out);
            return self.close_when_due();
        }
        let name = MechanismName::find(auth.mechanism).filter(|name| self.settings.offers(*name));
        let Some(name) = name else {
            reply::fail_with_reason(out, id, "authentication mechanism not supported");
            return None;
        };
        let request =
            if self.settings.trusted_parameters { auth.request } else { auth.request.distrusted() };
        let Ok(initial) = self.initial(auth.initial) else {
            let characters = auth.initial.map_or(0, |data| data.0.len());
            return Some(not_base64(id, Arc::new(request), name, characters, out));
        };
        let certificate = request.cert_username.as_deref().filter(|_| request.valid_client_cert);
        let mut running = name.begin(certificate);
        let step = running.start(initial.as_ref().map(|data| data.as_slice()));
        let request = Arc::new(request);
        self.advance(id, Dialogue { running, mechanism: name, request }, step, now, out)
    }

    /// The initial response, decoded. An empty one is none at all before minor 2
    /// (Exim always sends the field); a lone `=` is an empty one.
    fn initial(&self, data: Option<Base64<'_>>) -> Result<Option<Zeroizing<Vec<u8>>>, ()> {
        match data {
            None => Ok(None),
            Some(Base64(b"")) if self.minor() < 2 => Ok(None),
            Some(Base64(b"=")) => Ok(Some(Zeroizing::default())),
            Some(data) => data.decode().map(Some).ok_or(()),
        }
    }

    fn cont(&mut self, cont: &Cont<'_>, now: Instant, out: &mut BytesMut) -> Option<Action> {
        let id = cont.id;
        let mut dialogue = match self.requests.remove(id) {
            Some(Stage::Dialogue(dialogue)) => dialogue,
            Some(Stage::Verifying { .. }) => {
                reply::fail_with_reason(out, id, "unexpected continuation");
                return self.close_when_due();
            }
            // The answer to a refusal says nothing, whatever it is.
            Some(Stage::Refused { fail }) => {
                out.extend_from_slice(&fail);
                return None;
            }
            None => {
                let reason =
                    if self.forget(id) { "unexpected continuation" } else { "login timed out" };
                reply::fail_with_reason(out, id, reason);
                return None;
            }
        };
        let data = cont.data.decode().filter(|_| self.minor() >= 3 || !cont.has_parameters);
        let Some(data) = data else {
            let Dialogue { mechanism, request, .. } = dialogue;
            return Some(not_base64(id, request, mechanism, cont.data.0.len(), out));
        };
        let step = dialogue.running.answer(&data);
        self.advance(id, dialogue, step, now, out)
    }

    fn advance(
        &mut self,
        id: u32,
        dialogue: Dialogue,
        step: Step,
        now: Instant,
        out: &mut BytesMut,
    ) -> Option<Action> {
        let credentials = match step {
            Step::Challenge(challenge) => {
                reply::cont(out, id, &challenge);
                self.requests.insert(id, Stage::Dialogue(dialogue), now);
                return None;
            }
            Step::Done(credentials) => Ok(credentials),
            Step::Malformed(why) => Err(why),
        };
        let Dialogue { mechanism, request, .. } = dialogue;
        let original = credentials.as_ref().ok().map(|credentials| credentials.name().to_vec());
        let stage = Stage::Verifying { original, mechanism, request: Arc::clone(&request) };
        let ticket = self.requests.insert(id, stage, now);
        let mechanism = mechanism.name();
        Some(match credentials {
            Ok(credentials) => Action::Verify { ticket, request, credentials, mechanism },
            Err(why) => Action::Malformed { ticket, request, mechanism, why },
        })
    }

    /// Forgets a request. Clients of minor 4 wait for our word that it is gone,
    /// even where we know nothing of it; older ones would not understand.
    fn cancel(&mut self, id: u32, out: &mut BytesMut) -> Option<Action> {
        self.forget(id);
        if self.minor() >= 4 {
            reply::cancelled(out, id);
        }
        self.close_when_due()
    }

    fn forget(&mut self, id: u32) -> bool {
        let open = self.requests.remove(id).is_some();
        let kept = self.place().is_some_and(|place| place.release(id));
        open || kept
    }

    /// It is at the desk before the client hears of it: the REQUEST may be faster
    /// than our next step.
    fn succeed(&self, id: u32, kept: Kept, now: Instant, out: &mut BytesMut) {
        let user = kept.verified.user().as_str();
        let names = Names { user, original: Some(&kept.original) };
        reply::ok(out, id, names, self.values());
        if let Some(place) = self.place() {
            place.keep(id, kept, self.settings.request_timeout, now);
        }
    }

    /// FAIL with the mechanism's last message: in the line itself for clients that
    /// take it there, else as a challenge before it.
    fn refuse_with(
        &mut self,
        message: &[u8],
        id: u32,
        names: Option<Names<'_>>,
        request: &AuthRequest,
        now: Instant,
        out: &mut BytesMut,
    ) {
        if request.final_resp_ok {
            reply::fail_with_message(out, id, names, message, self.values());
        } else if self.closing {
            // No answer would be taken any more.
            reply::fail(out, id, names, self.values());
        } else {
            let mut fail = BytesMut::new();
            reply::fail(&mut fail, id, names, self.values());
            reply::cont(out, id, message);
            self.requests.insert(id, Stage::Refused { fail }, now);
        }
    }

    fn fail_temporarily(&mut self, id: u32, out: &mut BytesMut) {
        let by_closing = match self.settings.temporary_failure {
            TemporaryFailure::Auto => self.minor() == 0,
            TemporaryFailure::Close => true,
            TemporaryFailure::Fail => false,
        };
        if by_closing {
            self.closing = true;
        } else {
            reply::fail_with_code(out, id, "temp_fail", None);
        }
    }

    fn close_when_due(&self) -> Option<Action> {
        let due = self.closing && self.pending() == 0;
        due.then_some(Action::Close(CloseReason::TemporaryFailure))
    }

    fn has_room(&self, now: Instant) -> bool {
        let Some(left) = self.settings.max_requests.checked_sub(self.requests.len()) else {
            return false;
        };
        left > 0 && self.place().is_none_or(|place| place.has_room(left, now))
    }

    fn place(&self) -> Option<&Place> {
        match &self.phase {
            Phase::Open { place, .. } => place.as_ref(),
            _ => None,
        }
    }

    fn minor(&self) -> u32 {
        match self.phase {
            Phase::Version => 0,
            Phase::Cpid { minor } | Phase::CpidTaken { minor, .. } | Phase::Open { minor, .. } => {
                minor
            }
        }
    }

    fn values(&self) -> Values {
        if self.minor() == 0 { Values::Plain } else { Values::Escaped }
    }
}

/// What a refused client is told in its mechanism's own words. A mailbox's state
/// is not its business: whatever is wrong besides grammar and scope is the token.
fn last_message(mechanism: MechanismName, rejected: &Rejected) -> Option<Vec<u8>> {
    let error = match rejected.reason {
        Reason::BadResponse => TokenError::InvalidRequest,
        Reason::TokenScope => TokenError::InsufficientScope,
        _ => TokenError::InvalidToken,
    };
    let asked = rejected.asked.as_deref();
    let refusal = TokenRefusal {
        error,
        scope: asked.and_then(|asked| asked.scope.as_deref()),
        openid_configuration: asked.and_then(|asked| asked.openid_configuration.as_deref()),
    };
    refusal.message(mechanism)
}

/// That request fails, and the connection lives: it is shared by many users.
fn not_base64(
    id: u32,
    request: Arc<AuthRequest>,
    mechanism: MechanismName,
    characters: usize,
    out: &mut BytesMut,
) -> Action {
    reply::fail_with_code(out, id, "invalid_base64", Some("invalid base64 in SASL response"));
    Action::NotBase64 { request, mechanism: mechanism.name(), characters }
}

#[cfg(test)]
mod tests;
