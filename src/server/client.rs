//! A connection of the client protocol: login processes, Postfix, Exim.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::time::Instant;

use super::{
    connection::{Closed, Dialogue, Flow, Work},
    hub::Hub,
    limits::Seat,
    login::{Question, log_not_base64, login},
    settings::{Kind, ListenerSettings, Settings},
};
use crate::{
    protocol::{
        codec::LineDecoder,
        line::{Line, MAX_CLIENT_BYTES},
    },
    sasl::MechanismName,
    session::{Action, ClientSession, ClientSettings, ListenerKind, Ticket},
    verify::Verdict,
};

/// How often and how long a login process may wait for its process id: the
/// connection that has it may be gone without our knowing yet.
const CPID_RETRY: Duration = Duration::from_millis(50);
const CPID_PATIENCE: Duration = Duration::from_secs(1);

/// How long a connection above the limit may keep its place without need: the
/// reserve is there to greet many, one after the other.
const RESERVE_TIME: Duration = Duration::from_secs(10);

/// The settings of a client session on such a listener. Mechanisms for bearer
/// tokens are left out where none can be checked: mail programs choose them first.
pub(super) fn client_settings(
    kind: ListenerKind,
    listener: &ListenerSettings,
    settings: &Settings,
    takes_tokens: bool,
) -> ClientSettings {
    let names = settings.mechanisms.iter();
    let known = names.filter_map(|name| MechanismName::find(name.as_bytes()));
    ClientSettings {
        kind,
        mechanisms: known.filter(|name| takes_tokens || !name.is_bearer()).collect(),
        trusted_parameters: listener.trusted_parameters,
        temporary_failure: listener.temporary_failure,
        request_timeout: settings.request_timeout,
        max_requests: settings.max_requests,
    }
}

/// The kind of client listener, if it is one.
pub(super) fn client_kind(kind: Kind) -> Option<ListenerKind> {
    match kind {
        Kind::Login => Some(ListenerKind::Login),
        Kind::Auth => Some(ListenerKind::Auth),
        Kind::TokenLogin => Some(ListenerKind::TokenLogin),
        Kind::Token => Some(ListenerKind::Token),
        Kind::Master | Kind::Userdb | Kind::Socketmap | Kind::Admin => None,
    }
}

/// A client connection's dialogue.
pub(super) struct Client {
    hub: Arc<Hub>,
    session: ClientSession,
    seat: Seat,
    /// When a connection from the reserve has to go.
    leaves_at: Option<Instant>,
    /// More than this are never under way: requests that were cancelled are
    /// still being decided.
    most_work: usize,
    cpid: CpidWait,
}

/// Whether the client waits for its process id.
enum CpidWait {
    No,
    Until { next_try: Instant, give_up: Instant },
}

impl Client {
    pub(super) fn new(
        hub: Arc<Hub>,
        session: ClientSession,
        seat: Seat,
        max_requests: usize,
    ) -> Self {
        let mut client = Self {
            hub,
            session,
            seat,
            leaves_at: None,
            most_work: max_requests.saturating_mul(2),
            cpid: CpidWait::No,
        };
        if !client.seat.is_full() {
            client.leaves_at = Some(Instant::now() + RESERVE_TIME);
        }
        client
    }

    fn act(&mut self, action: Option<Action>, work: &mut Work<(Ticket, Verdict)>) -> Flow {
        let (ticket, request, credentials, mechanism) = match action {
            None => return ControlFlow::Continue(()),
            Some(Action::Verify { ticket, request, credentials, mechanism }) => {
                (ticket, request, Ok(credentials), mechanism)
            }
            Some(Action::Malformed { ticket, request, mechanism, why }) => {
                (ticket, request, Err(why), mechanism)
            }
            Some(Action::NotBase64 { request, mechanism, characters }) => {
                log_not_base64(&self.hub, &request, mechanism, characters);
                return ControlFlow::Continue(());
            }
            Some(Action::AwaitCpid) => {
                let now = Instant::now();
                let give_up = match self.cpid {
                    CpidWait::No => now + CPID_PATIENCE,
                    CpidWait::Until { give_up, .. } => give_up,
                };
                if now >= give_up {
                    let why = "another connection has its process id".to_owned();
                    return ControlFlow::Break(Closed::Dialogue(why));
                }
                self.cpid = CpidWait::Until { next_try: now + CPID_RETRY, give_up };
                return ControlFlow::Continue(());
            }
            Some(Action::Close(reason)) => {
                return ControlFlow::Break(Closed::Dialogue(reason.to_string()));
            }
        };
        let is_above_limit = !self.seat.is_full();
        if !is_above_limit {
            self.leaves_at = None;
        }
        let arrived = Instant::now();
        let question = Question { request, credentials, mechanism, arrived, is_above_limit };
        let hub = Arc::clone(&self.hub);
        work.push(Box::pin(async move { (ticket, login(hub, question).await) }));
        ControlFlow::Continue(())
    }
}

impl Dialogue for Client {
    type Event = (Ticket, Verdict);
    type Framing = LineDecoder;

    fn framing() -> LineDecoder {
        LineDecoder::new(MAX_CLIENT_BYTES)
    }

    fn greeting(&mut self, out: &mut BytesMut) {
        self.session.greeting(out);
    }

    fn line(&mut self, line: &Line, work: &mut Work<Self::Event>, out: &mut BytesMut) -> Flow {
        let action = self.session.line(line, Instant::now().into_std(), out);
        self.act(action, work)
    }

    fn event(
        &mut self,
        (ticket, verdict): Self::Event,
        work: &mut Work<Self::Event>,
        out: &mut BytesMut,
    ) -> Flow {
        let action = self.session.verdict(ticket, &verdict, Instant::now().into_std(), out);
        self.act(action, work)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let cpid = match self.cpid {
            CpidWait::No => None,
            CpidWait::Until { next_try, .. } => Some(next_try),
        };
        let session = self.session.next_deadline().map(Instant::from_std);
        [cpid, session, self.leaves_at].into_iter().flatten().min()
    }

    fn expire(&mut self, work: &mut Work<Self::Event>, _: &mut BytesMut) -> Flow {
        let now = Instant::now();
        if let CpidWait::Until { next_try, .. } = self.cpid
            && next_try <= now
        {
            let action = self.session.retry_cpid(now.into_std());
            if !matches!(action, Some(Action::AwaitCpid)) {
                self.cpid = CpidWait::No;
            }
            self.act(action, work)?;
        }
        if self.leaves_at.is_some_and(|at| at <= now) {
            self.leaves_at = None;
            if !self.seat.is_full() {
                return ControlFlow::Break(Closed::AboveLimit);
            }
        }
        let action = self.session.expire(now.into_std());
        self.act(action, work)
    }

    fn takes_lines(&self, work: &Work<Self::Event>) -> bool {
        matches!(self.cpid, CpidWait::No) && work.len() < self.most_work
    }

    fn is_idle(&self) -> bool {
        self.session.open_requests() == 0
    }
}
