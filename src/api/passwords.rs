//! Passwords and hashes as they come in, and what they must be.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::{Error, State};
use crate::{
    mailbox::PasswordHash,
    password::{self, Caps, Stored},
    secret::Secret,
};

/// Far more than any hash has.
const MAX_HASH_BYTES: usize = 1024;

/// A secret in a body. It can come in, and nothing makes it go out.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "Secret")]
pub(super) struct Received(
    #[schemars(with = "String", extend("format" = "password", "writeOnly" = true))]
    pub(super)  Secret,
);

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// A password for a mailbox: in clear, or hashed elsewhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    #[serde(default)]
    pub(super) password: Option<Received>,
    #[serde(default)]
    pub(super) hash: Option<Received>,
    /// The present one, which the owner of the mailbox has to know.
    #[serde(default)]
    pub(super) current: Option<Received>,
}

impl State {
    /// What to store for a password in clear or a hash; `None` for neither.
    pub(super) async fn local_hash(
        &self,
        password: Option<Received>,
        hash: Option<Received>,
    ) -> Result<Option<PasswordHash>, Error> {
        match (password, hash) {
            (Some(_), Some(_)) => {
                Err(Error::bad_request("either a password or a hash, not both of them"))
            }
            (Some(Received(password)), None) => {
                check_password(&password)?;
                Ok(Some(self.pipeline.hash_password(&password).await?.into()))
            }
            (None, Some(Received(hash))) => {
                let hash = check_hash(&hash, self.settings.load().caps).await?;
                Ok(Some(hash.into()))
            }
            (None, None) => Ok(None),
        }
    }
}

/// What any password must be so that every SASL mechanism can carry it.
fn check_password(password: &Secret) -> Result<(), Error> {
    match password::unfit(password.expose()) {
        Some(why) => Err(Error::bad_request(format!("the password {why}"))),
        None => Ok(()),
    }
}

/// Takes a hash only if logins will be able to use it: scheme, form and cost
/// are found out by checking some password of some user against it, once.
async fn check_hash(hash: &Secret, caps: Caps) -> Result<String, Error> {
    let text = String::from_utf8(hash.expose().to_vec())
        .map_err(|_| Error::bad_request("the hash is not text"))?;
    if text.len() > MAX_HASH_BYTES || text.chars().any(char::is_control) {
        return Err(Error::bad_request(format!(
            "a hash has at most {MAX_HASH_BYTES} bytes and no control characters"
        )));
    }
    let checked = tokio::task::spawn_blocking(move || {
        Stored::parse(&text)?.of("x@example.org").matches(b"x", &caps)?;
        Ok(text)
    });
    match checked.await {
        Ok(checked) => {
            checked.map_err(|error: password::Error| Error::bad_request(error.to_string()))
        }
        Err(panic) => Err(Error::bad_request("corrupt password hash").log(panic.to_string())),
    }
}
