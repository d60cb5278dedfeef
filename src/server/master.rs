//! A connection of the master protocol: mail processes, LMTP, `doveadm`.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::time::Instant;

use super::{
    connection::{Closed, Dialogue, Flow, WRITE_STALL, Work},
    hub::Hub,
    lookup,
    settings::{Kind, Settings},
};
use crate::{
    mailbox::Address,
    protocol::{
        codec::LineDecoder,
        line::{Line, MAX_MASTER_BYTES},
    },
    session::{Answer, MasterAction, MasterKind, MasterSession, MasterSettings, Ticket},
};

/// How often a stopping server looks whether all logins were claimed.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// The settings of a master session.
pub(super) fn master_settings(kind: MasterKind, settings: &Settings) -> MasterSettings {
    MasterSettings {
        kind,
        request_timeout: settings.request_timeout,
        max_requests: settings.max_requests,
        check_session_pid: settings.check_session_pid,
    }
}

/// The kind of master listener, if it is one.
pub(super) fn master_kind(kind: Kind) -> Option<MasterKind> {
    match kind {
        Kind::Master => Some(MasterKind::Master),
        Kind::Userdb => Some(MasterKind::Userdb),
        Kind::Login
        | Kind::Auth
        | Kind::TokenLogin
        | Kind::Token
        | Kind::Socketmap
        | Kind::Admin => None,
    }
}

/// What a look-up ends with.
pub(super) enum Event {
    /// The answer.
    Answer(Ticket, Answer),
    /// Some of the users that a LIST asks for.
    Page(Ticket, Option<String>, lookup::Page),
}

/// A master connection's dialogue.
pub(super) struct Master {
    hub: Arc<Hub>,
    session: MasterSession,
    most_work: usize,
    /// A LIST was answered here, or is.
    has_listed: bool,
}

impl Master {
    pub(super) fn new(hub: Arc<Hub>, session: MasterSession, max_requests: usize) -> Self {
        Self { hub, session, most_work: max_requests.saturating_mul(2), has_listed: false }
    }

    fn list(
        &self,
        ticket: Ticket,
        mask: Option<String>,
        after: Option<Address>,
        work: &mut Work<Event>,
    ) {
        let hub = Arc::clone(&self.hub);
        work.push(Box::pin(async move {
            let page = lookup::page(&hub, mask.as_deref(), after.as_ref()).await;
            Event::Page(ticket, mask, page)
        }));
    }

    fn push(
        ticket: Ticket,
        answer: impl Future<Output = Answer> + Send + 'static,
        work: &mut Work<Event>,
    ) {
        work.push(Box::pin(async move { Event::Answer(ticket, answer.await) }));
    }

    fn act(&mut self, action: MasterAction, work: &mut Work<Event>) -> Flow {
        let hub = Arc::clone(&self.hub);
        let minor = self.session.minor();
        match action {
            MasterAction::Login { ticket, kept, token } => {
                let answer = async move { lookup::login(&hub, &kept, token, minor).await };
                Self::push(ticket, answer, work);
            }
            MasterAction::User { ticket, name, request } => {
                let answer = async move { lookup::user(&hub, &name, &request, minor).await };
                Self::push(ticket, answer, work);
            }
            MasterAction::Pass { ticket, name, .. } => {
                Self::push(ticket, async move { lookup::pass(&hub, &name).await }, work);
            }
            MasterAction::List { ticket, mask } => {
                self.has_listed = true;
                self.list(ticket, mask, None, work);
            }
            MasterAction::CacheFlush { ticket, masks } => {
                let answer = async move { lookup::flush_cache(&hub, &masks).await };
                Self::push(ticket, answer, work);
            }
            MasterAction::CacheStatus { ticket, reset } => {
                Self::push(ticket, async move { lookup::cache_status(&hub, reset).await }, work);
            }
            MasterAction::Refused(refused) => tracing::warn!(%refused, "REQUEST refused"),
            MasterAction::Close(reason) => {
                return ControlFlow::Break(Closed::Dialogue(reason.to_string()));
            }
        }
        ControlFlow::Continue(())
    }
}

impl Dialogue for Master {
    type Event = Event;
    type Framing = LineDecoder;

    fn framing() -> LineDecoder {
        LineDecoder::new(MAX_MASTER_BYTES)
    }

    fn greeting(&mut self, out: &mut BytesMut) {
        self.session.greeting(out);
    }

    fn line(&mut self, line: &Line, work: &mut Work<Event>, out: &mut BytesMut) -> Flow {
        match self.session.line(line, Instant::now().into_std(), out) {
            Some(action) => self.act(action, work),
            None => ControlFlow::Continue(()),
        }
    }

    fn event(&mut self, event: Event, work: &mut Work<Event>, out: &mut BytesMut) -> Flow {
        match event {
            Event::Answer(ticket, answer) => self.session.answer(ticket, answer, out),
            Event::Page(ticket, mask, page) => {
                for user in page.users {
                    self.session.answer(ticket, Answer::ListUser(user), out);
                }
                match page.rest {
                    lookup::Rest::After(last) => self.list(ticket, mask, Some(last), work),
                    lookup::Rest::Nothing => {
                        self.session.answer(ticket, Answer::ListDone { complete: true }, out);
                    }
                    lookup::Rest::Unknown => {
                        self.session.answer(ticket, Answer::ListDone { complete: false }, out);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn next_deadline(&self) -> Option<Instant> {
        let session = self.session.next_deadline().map(Instant::from_std);
        let look_again = self.hub.drain.is_cancelled().then(|| Instant::now() + DRAIN_LOOK);
        [session, look_again].into_iter().flatten().min()
    }

    fn expire(&mut self, _: &mut Work<Event>, out: &mut BytesMut) -> Flow {
        self.session.expire(Instant::now().into_std(), out);
        ControlFlow::Continue(())
    }

    fn takes_lines(&self, work: &Work<Event>) -> bool {
        work.len() < self.most_work
    }

    /// `doveadm -A` has work to do on each user before it reads of the next.
    fn read_patience(&self) -> Option<Duration> {
        if self.has_listed { None } else { Some(WRITE_STALL) }
    }

    /// A mail process whose login still waits at the desk is about to claim it.
    fn is_idle(&self) -> bool {
        self.session.pending() == 0 && !self.hub.keeps_logins()
    }
}
