//! A connection of Postfix's look-ups: who is here, and who may send as whom.
//!
//! `NotFound` refuses mail for good, so it is said only of what is not in the
//! store for certain. All else is temporary.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::time::Instant;

use super::{
    connection::{Closed, Dialogue, Flow, Work},
    hub::{Core, Hub},
    limits::Seat,
    lookup,
};
use crate::{
    mailbox::DomainName,
    protocol::{
        codec::NetstringDecoder,
        socketmap::{self, Map, Reply, Request},
    },
    store::{self, Account},
};

/// How long a whole request may take to come. Postfix connects anew when it finds
/// its connection closed, and nobody notices (3.7, over UNIX sockets and TCP);
/// nobody else shall sit here for nothing.
const IDLE: Duration = Duration::from_secs(60);
/// The same above the limit of connections: the reserve is there for many, one
/// after the other.
const IDLE_IN_RESERVE: Duration = Duration::from_secs(1);

const NO_REQUEST: &str = "expected the name of a map, a space and a key";
const UNKNOWN_MAP: &str = "there are virtual_mailbox_domains, virtual_mailbox_maps and \
                           smtpd_sender_login_maps";

/// The dialogue: one request after the other.
pub(super) struct Socketmap {
    hub: Arc<Hub>,
    seat: Seat,
    /// When it has waited long enough for a request; `None` while it answers one.
    leaves_at: Option<Instant>,
    /// A request that will never have an answer is logged once, not for every
    /// mail.
    has_complained: bool,
}

impl Socketmap {
    pub(super) fn new(hub: Arc<Hub>, seat: Seat) -> Self {
        let mut socketmap = Self { hub, seat, leaves_at: None, has_complained: false };
        socketmap.await_request();
        socketmap
    }

    fn await_request(&mut self) {
        let patience = if self.seat.is_full() { IDLE } else { IDLE_IN_RESERVE };
        self.leaves_at = Some(Instant::now() + patience);
    }

    fn reply(&mut self, reply: &Reply, out: &mut BytesMut) {
        reply.write(out);
        self.await_request();
    }

    fn complain(&mut self, map: &[u8], reason: &'static str, out: &mut BytesMut) {
        if !self.has_complained {
            self.has_complained = true;
            let map = map[..map.len().min(64)].escape_ascii();
            tracing::error!(%map, reason, "Postfix asked what nobody can answer");
        }
        self.reply(&Reply::Permanent(reason), out);
    }
}

impl Dialogue for Socketmap {
    type Event = Reply;
    type Framing = NetstringDecoder;

    fn framing() -> NetstringDecoder {
        NetstringDecoder
    }

    fn greeting(&mut self, _: &mut BytesMut) {}

    fn line(&mut self, content: &BytesMut, work: &mut Work<Reply>, out: &mut BytesMut) -> Flow {
        match socketmap::parse(content) {
            Some(Request { map, key }) => match Map::find(map) {
                Some(map) => {
                    self.leaves_at = None;
                    let (hub, key) = (Arc::clone(&self.hub), key.to_vec());
                    work.push(Box::pin(async move { answer(&hub, map, &key).await }));
                }
                None => self.complain(map, UNKNOWN_MAP, out),
            },
            None => self.complain(b"", NO_REQUEST, out),
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, reply: Reply, _: &mut Work<Reply>, out: &mut BytesMut) -> Flow {
        self.reply(&reply, out);
        ControlFlow::Continue(())
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.leaves_at
    }

    fn expire(&mut self, _: &mut Work<Reply>, _: &mut BytesMut) -> Flow {
        match self.leaves_at {
            Some(at) if at <= Instant::now() => ControlFlow::Break(Closed::Idle),
            _ => ControlFlow::Continue(()),
        }
    }

    /// One at a time: replies have no number.
    fn takes_lines(&self, _: &Work<Reply>) -> bool {
        self.leaves_at.is_some()
    }

    fn is_idle(&self) -> bool {
        self.leaves_at.is_some()
    }
}

/// What a map says of a key.
async fn answer(hub: &Hub, map: Map, key: &[u8]) -> Reply {
    let Some(core) = hub.core().await else { return Reply::Temporary("the store is not open") };
    let found = match map {
        Map::Domains => domain(&core, key).await,
        Map::Mailboxes => account(&core, key).await.map(|found| {
            let account = found.filter(lookup::receives);
            account.map(|account| account.mailbox.address.to_string())
        }),
        // Whatever its state: an address that is switched off is still nobody else's.
        Map::Senders => account(&core, key)
            .await
            .map(|found| found.map(|account| account.mailbox.address.to_string())),
    };
    match found {
        Ok(Some(text)) => Reply::Found(text),
        Ok(None) => Reply::NotFound,
        Err(error) => {
            tracing::error!(%error, map = map.name(), "look-up");
            Reply::Temporary("the store failed")
        }
    }
}

/// A domain that mail is taken for.
async fn domain(core: &Core, key: &[u8]) -> Result<Option<String>, store::Error> {
    let name = str::from_utf8(key).ok().and_then(|key| DomainName::parse(key).ok());
    let Some(name) = name else { return Ok(None) };
    let found = core.store.domain(&name).await?;
    Ok(found.filter(|domain| domain.active).map(|domain| domain.name.to_string()))
}

/// The mailbox of that very address, else of the address without its extension:
/// Postfix never asks these tables for it (`socketmap_table(5)`), and Dovecot
/// delivers there.
async fn account(core: &Core, key: &[u8]) -> Result<Option<Account>, store::Error> {
    // A login name may go without its domain; no address of a mail does.
    if !key.contains(&b'@') {
        return Ok(None);
    }
    let names = core.pipeline.names();
    let Ok(address) = names.canonical(key) else { return Ok(None) };
    if let Some(account) = core.store.account(&address).await? {
        return Ok(Some(account));
    }
    match address.without_extension(&names.recipient_delimiter) {
        Some(address) => core.store.account(&address).await,
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
