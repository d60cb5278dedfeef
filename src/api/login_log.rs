//! `/login-log`: the history of logins, equal ones in one row.

use std::net::IpAddr;

use axum::{Json, extract::State as Shared};
use serde::{Deserialize, Serialize};

use super::{Error, Moment, Page, State, extract::Params, page::bounded};
use crate::{mailbox::Address, store::UseRow};

/// Equal uses of one mailbox.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct View {
    /// Whose; null if the mailbox is gone.
    pub address: Option<Address>,
    /// Protocol as the mail server names it.
    pub protocol: String,
    /// The user's address.
    pub rip: Option<IpAddr>,
    /// The app password that was used or tried.
    pub app_password: Option<String>,
    /// `ok`, or why it was refused.
    pub outcome: String,
    /// How many.
    pub count: u64,
    /// The first one.
    pub first: Moment,
    /// The last one.
    pub last: Moment,
}

impl View {
    fn new(row: UseRow, address: Option<Address>) -> Self {
        Self {
            address,
            protocol: row.protocol,
            rip: row.rip,
            app_password: row.app_password.map(|id| id.to_string()),
            outcome: row.outcome,
            count: row.count,
            first: row.first.into(),
            last: row.last.into(),
        }
    }
}

/// Which rows.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only of this mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Most rows, the latest ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

pub(super) async fn list(
    Shared(state): Shared<State>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<View>>, Error> {
    let limit = bounded(filter.limit);
    let mailbox = match &filter.address {
        Some(address) => Some(state.account(address).await?.mailbox),
        None => None,
    };
    let rows = state.store.uses(mailbox.as_ref().map(|mailbox| mailbox.id), limit).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let address = match &mailbox {
            Some(mailbox) => Some(mailbox.address.clone()),
            None => state.store.address_of(row.mailbox).await?,
        };
        views.push(View::new(row, address));
    }
    Ok(Json(Page::whole(views)))
}
