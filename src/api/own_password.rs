//! What the owner of a mailbox shows to change its password: the present one. It is judged
//! like a login to the pages, so guesses are counted, and whoever has stolen a session
//! does not get a second way in.

use tokio::time::sleep;

use super::{Error, State, error::Code, passwords::Received};
use crate::{
    clock::Timestamp,
    mailbox::AuthSource,
    sasl::Credentials,
    store::Account,
    verify::{Attempt, Decision, Verdict},
};

/// Name of the mechanism, for the history.
const MECHANISM: &str = "FORM";

impl State {
    /// Refuses whoever does not know the password of this mailbox, or whose password is
    /// not kept here.
    pub(super) async fn knows_password(
        &self,
        account: &Account,
        current: Option<Received>,
    ) -> Result<(), Error> {
        if let AuthSource::Provider(provider) = &account.mailbox.auth_source {
            let why = format!("the password of this mailbox is kept by {provider}, not here");
            return Err(Error::new(Code::Conflict, why));
        }
        let Some(Received(password)) = current else {
            return Err(Error::bad_request("current: the present password is needed"));
        };
        let attempt = Attempt {
            credentials: Credentials::Password {
                authcid: account.mailbox.address.as_str().as_bytes().to_vec(),
                authzid: None,
                password,
            },
            mechanism: MECHANISM,
            protocol: "web".to_owned(),
            rip: None,
            session: None,
            no_penalty: false,
            arrived: Timestamp::now(),
        };
        let Decision { verdict, answer_after, .. } =
            self.pipeline.decide_form(attempt, false).await;
        match verdict {
            Verdict::Verified(_) => Ok(()),
            Verdict::Rejected(_) => {
                sleep(answer_after).await;
                let why = "current: that is not the present password; after several wrong ones \
                           the right one is refused for a while, too";
                Err(Error::bad_request(why))
            }
            Verdict::Unavailable(_) => {
                let why = "the present password cannot be checked at the moment";
                Err(Error::new(Code::Unavailable, why))
            }
        }
    }
}
