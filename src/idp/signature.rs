//! Whether a JWT is signed by the provider: one way for access tokens, for signed
//! userinfo and for logout tokens.

use std::time::Instant;

use jsonwebtoken::Algorithm;

use super::{
    Outage, OutageCause, Provider, Refused,
    claims::Claims,
    conditions::{self, Stop, refuse},
    jwks::{Found, KeySet},
    token::{Jwt, Signed},
    words::printable,
};
use crate::mailbox::provider::Method;

impl Provider {
    /// Claims of a JWT whose signature is the provider's.
    pub(super) async fn signed(
        &self,
        jwt: &Jwt<'_>,
        began: Instant,
        deadline: Instant,
    ) -> Result<Claims, Stop> {
        let named = || printable(jwt.header_text("alg").unwrap_or_default());
        let algorithm = match jwt.signed() {
            Signed::By(algorithm) => algorithm,
            Signed::ProvesNothing => {
                let detail = format!("signed by algorithm \"{}\", which proves nothing", named());
                return Err(refuse(Refused::Algorithm, detail));
            }
            Signed::Unsupported => {
                let detail = format!("algorithm {} is not known here: use introspection", named());
                return Err(Outage::new(OutageCause::Settings, detail).into());
            }
        };
        if jwt.header.contains_key("crit") {
            // RFC 7515 §4.1.11: who does not know these members must refuse.
            return Err(refuse(Refused::Signature, "its header has critical members"));
        }
        let id = jwt.key_id().map_err(|what| refuse(Refused::Signature, what))?;
        let wanted = || format!("key {}", id.map_or("without a name".to_owned(), printable));
        let keys = self.keys(deadline).await?;
        let mut found = keys.value.check(jwt, id, algorithm);
        if found == Found::NoSuchKey {
            self.names_no_other_issuer(jwt)?;
        }
        // What came during this very check is as new as can be.
        if found == Found::NoSuchKey && keys.at < began {
            found = self.in_newer_keys(keys.at, jwt, id, algorithm, deadline).await?;
        }
        match found {
            Found::Good => Ok(()),
            Found::Bad => Err(refuse(Refused::Signature, format!("{} did not sign it", wanted()))),
            Found::NoSuchKey => {
                let detail = format!("{} is none of the provider's {}", wanted(), keys.value.len());
                Err(refuse(Refused::Signature, detail))
            }
        }?;
        let claims = jwt.claims().map_err(|error| {
            Outage::new(OutageCause::Malformed, format!("claims of a signed token: {error}"))
        })?;
        Ok(Claims(claims))
    }

    /// The key of a token that names another issuer itself would be looked for in
    /// vain.
    fn names_no_other_issuer(&self, jwt: &Jwt<'_>) -> Result<(), Stop> {
        let Ok(claims) = jwt.claims() else { return Ok(()) };
        match conditions::issuer(&Claims(claims), self.settings(), Method::Userinfo) {
            Err(Stop::Refused(refusal)) => Err(Stop::Refused(refusal)),
            _ => Ok(()),
        }
    }

    /// Looks once more, since keys are exchanged; at a bounded rate, since anybody
    /// can make up names of keys.
    async fn in_newer_keys(
        &self,
        seen: Instant,
        jwt: &Jwt<'_>,
        id: Option<&str>,
        algorithm: Algorithm,
        deadline: Instant,
    ) -> Result<Found, Outage> {
        let newer = self.newer_keys(seen, deadline).await?;
        let check = |keys: &KeySet| keys.check(jwt, id, algorithm);
        newer.map(|newer| check(&newer.value)).ok_or_else(|| {
            let detail = "the token's key is not known, and the key set was read again just now";
            Outage::new(OutageCause::Busy, detail)
        })
    }
}
