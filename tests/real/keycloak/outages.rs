//! Keycloak goes away and comes back. Who has shown a token keeps working with
//! it, everybody else hears that he should try again, and nothing is restarted.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;

use super::{
    house::{House, OUR_CLIENT, corp},
    sending,
};
use crate::support::{
    bearer::{Mechanism, python},
    client::Outcome,
    keycloak::{DESKTOP, Keycloak, REALM},
    postfix::Site,
    wait_for,
};

const SCOPE: &str = "openid mail";
const ANN: &str = "ann@example.org";
const BEN: &str = "ben@example.org";

/// A short cache, so that a known token has to be asked about again, and short
/// waits.
const SHORT: &str = "token_cache = \"1s\"\nconnect_timeout = \"1s\"\ntimeout = \"1s\"\n";

/// Dovecot and Postfix, each with a Dovegate that knows ben's token.
struct Town {
    house: House,
    site: Site,
    known: String,
    /// Was good, and was refused after its person had signed out.
    refused: String,
}

impl Town {
    fn start(keycloak: &Keycloak) -> Option<Self> {
        let corp = corp(keycloak, &[OUR_CLIENT, SHORT]);
        let house = House::start(&corp)?.people(&["ann", "ben"]);
        let site = sending::site(&corp)?;
        let known = keycloak.token("ben", DESKTOP, SCOPE);
        house.admits(BEN, &known);
        let session = keycloak.tokens(REALM, "ben", DESKTOP, SCOPE);
        house.admits(BEN, &session.access);
        keycloak.sign_out(&session);
        thread::sleep(Duration::from_secs(1));
        house.refuses(BEN, &session.access, "token_inactive");
        let town = Self { house, site, known, refused: session.access };
        assert_eq!(town.sends(&town.known), "in");
        thread::sleep(Duration::from_secs(1));
        Some(town)
    }

    fn sends(&self, token: &str) -> String {
        python("smtp", self.site.ports.plain, Mechanism::Xoauth2, BEN, token)
    }

    /// While Keycloak is away, at first for `cause`.
    fn outage(&self, unknown: &str, cause: &str) {
        self.house.cannot_tell(ANN, unknown, cause);
        let line = self.house.admits(BEN, &self.known);
        assert_eq!((line.field("stale"), line.field("provider")), ("true", "corp"), "{line}");
        assert_eq!(self.sends(&self.known), "in");
        let unsaid = self.sends(unknown);
        assert!(unsaid.starts_with("454"), "{unsaid}");
        // No outage makes it good again.
        let login = self.house.log_in(Mechanism::Xoauth2, BEN, &self.refused);
        assert!(matches!(login.outcome, Outcome::Temporary(_)), "{}", self.house.logged());
        // And nobody waits for a provider that has failed again and again.
        wait_for("the breaker", Duration::from_secs(30), || {
            self.house.log_in(Mechanism::Xoauth2, ANN, unknown);
            (self.house.logged().field("reason") == "provider_down").then_some(())
        });
        assert_eq!(self.sends(&self.known), "in");
    }

    fn is_back(&self, unknown: &str) {
        wait_for("logins", Duration::from_secs(30), || {
            let login = self.house.log_in(Mechanism::Xoauth2, ANN, unknown);
            (login.outcome == Outcome::In).then_some(())
        });
        let line = self.house.admits(BEN, &self.known);
        assert_eq!(line.field("stale"), "false", "{line}");
        wait_for("mail", Duration::from_secs(30), || {
            (self.sends(&self.known) == "in").then_some(())
        });
    }
}

#[test]
fn keycloak_hangs_and_goes_on() {
    let Some(keycloak) = Keycloak::own() else { return };
    let Some(town) = Town::start(&keycloak) else { return };
    let unknown = keycloak.token("ann", DESKTOP, SCOPE);
    keycloak.signal(Signal::SIGSTOP);
    town.outage(&unknown, "provider_slow");
    keycloak.signal(Signal::SIGCONT);
    town.is_back(&unknown);
}

#[test]
fn keycloak_stops_and_starts_again() {
    let Some(keycloak) = Keycloak::own() else { return };
    let Some(town) = Town::start(&keycloak) else { return };
    let unknown = keycloak.token("ann", DESKTOP, SCOPE);
    keycloak.stop();
    town.outage(&unknown, "provider_unreachable");
    keycloak.run();
    // Sessions live in its database.
    town.is_back(&unknown);
    // And a token that it signed after its return.
    let fresh = keycloak.token("ann", DESKTOP, SCOPE);
    town.house.admits(ANN, &fresh);
}
