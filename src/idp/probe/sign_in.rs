//! Whether people can sign in with a browser: no login of a mail program needs it.

use super::{Endpoints, Probe, Tried, TriedOutcome};

impl Probe<'_> {
    /// Where browsers are sent, and where they come back to.
    pub(super) fn sign_in(&mut self, endpoints: &Endpoints) {
        let settings = self.settings();
        let Some(sign_in) = &settings.sign_in else {
            self.skip("sign-in", "nobody signs in with a browser without client_id");
            return;
        };
        let needed = [
            (endpoints.authorization.is_some(), "authorize_url"),
            (endpoints.token.is_some(), "token_url"),
            (endpoints.userinfo.is_some(), "userinfo_url"),
            (endpoints.jwks.is_some(), "jwks_url"),
            (settings.issuer.is_some(), "issuer"),
        ];
        let missing: Vec<_> =
            needed.iter().filter(|(there, _)| !there).map(|(_, key)| *key).collect();
        let (Some(page), []) = (&endpoints.authorization, missing.as_slice()) else {
            let missing = missing.join(", ");
            let why =
                format!("nobody signs in with a browser: the provider does not name {missing}");
            self.skip("sign-in", &why);
            return;
        };
        let mut detail = format!("browsers go to {page}");
        if endpoints.end_session.is_none() {
            detail.push_str(", and no way out of the provider is named");
        }
        let redirect = sign_in.redirect.as_ref().map_or_else(
            || format!("public_url of [http], and /sign-in/{}/callback behind it", settings.name),
            ToString::to_string,
        );
        let hint = format!("the client has to allow its redirect URI there: {redirect}");
        self.tried.push(Tried::new("sign-in", TriedOutcome::Ok, detail).hint(hint));
    }
}
