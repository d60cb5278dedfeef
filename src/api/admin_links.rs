//! `/admin-links`: one-time addresses by which somebody becomes an administrator of the
//! pages.

use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, Moment, State, answer, caller::Who, error::Code, links::LIFETIME,
    rights::unknown,
};
use crate::clock::Timestamp;

/// A one-time address, which nothing shows again.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "AdminLink")]
pub struct Created {
    /// The address to open in a browser.
    pub url: String,
    /// From when on it is refused.
    pub expires: Moment,
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
) -> Result<answer::Created<Created>, Error> {
    let Who::System { uid } = *caller.who() else { return Err(unknown()) };
    let settings = state.settings.load();
    let (Some(links), Some(url)) = (&state.links, &settings.public_url) else {
        let why = "there are no pages: a link needs a running server with [http] public_url";
        return Err(Error::new(Code::Conflict, why));
    };
    let now = Timestamp::now();
    let secret = links.make(uid, now).map_err(|error| {
        Error::new(Code::Unavailable, "the system gives no random bytes").log(error.to_string())
    })?;
    let secret = String::from_utf8_lossy(secret.expose());
    caller.changed("admin link", &"a one-time address");
    let url = format!("{}/admin-link/{secret}", url.trim_end_matches('/'));
    Ok(answer::Created(Created { url, expires: now.after(LIFETIME).into() }))
}
