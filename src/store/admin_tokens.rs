//! Admin tokens, as JSON under their ids: what stands in one may grow without a new
//! layout. An export has none of them: what was revoked must not come back by it.

use super::{
    Error, MAX_ADMIN_TOKENS,
    engine::{self, Draft, Engine},
    keys, list,
};
use crate::mailbox::{AdminToken, AdminTokenId, AdminTokenUse};

/// One token.
pub(super) fn get(engine: &impl Engine, id: &AdminTokenId) -> Result<Option<AdminToken>, Error> {
    let value = engine::get::<String>(engine, &keys::admin_token(id))?;
    value.map(|value| read(&value)).transpose()
}

/// All of them, by id.
pub(super) fn all(engine: &impl Engine) -> Result<Vec<AdminToken>, Error> {
    let values = list::values::<String>(engine, keys::ADMIN_TOKEN, None, usize::MAX)?;
    values.iter().map(|value| read(value)).collect()
}

/// Keeps a new one.
pub(super) fn create(draft: &mut Draft<impl Engine>, new: &AdminToken) -> Result<(), Error> {
    if draft.get::<String>(&keys::admin_token(&new.id))?.is_some() {
        return Err(Error::taken("admin token", &new.id));
    }
    if all(draft.engine())?.len() >= MAX_ADMIN_TOKENS {
        let most = format!("there are {MAX_ADMIN_TOKENS} admin tokens, and may be no more");
        return Err(Error::Conflict(most));
    }
    put(draft, new)
}

/// Writes down that one was used, if it is there.
pub(super) fn used(
    draft: &mut Draft<impl Engine>,
    id: &AdminTokenId,
    last_used: AdminTokenUse,
) -> Result<(), Error> {
    match draft.get::<String>(&keys::admin_token(id))? {
        None => Ok(()),
        Some(value) => put(draft, &AdminToken { last_used: Some(last_used), ..read(&value)? }),
    }
}

/// Takes one away.
pub(super) fn remove(draft: &mut Draft<impl Engine>, id: &AdminTokenId) -> Result<(), Error> {
    let key = keys::admin_token(id);
    if draft.get::<String>(&key)?.is_none() {
        return Err(Error::missing("admin token", id));
    }
    draft.remove(key);
    Ok(())
}

fn read(value: &str) -> Result<AdminToken, Error> {
    serde_json::from_str(value).map_err(Error::engine)
}

fn put(draft: &mut Draft<impl Engine>, token: &AdminToken) -> Result<(), Error> {
    let value = serde_json::to_string(token).map_err(Error::engine)?;
    draft.put(keys::admin_token(&token.id), &value)
}
