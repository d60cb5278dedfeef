//! Settings of the pages.

use std::{fmt, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// What `[http]`, `[web]` and `[abuse]` say of the pages.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where people reach them; there are no pages without.
    pub public_url: Option<PublicUrl>,
    /// What the pages are called.
    pub title: String,
    /// Mailboxes whose password a provider keeps sign in with it, too.
    pub provider_passwords: bool,
    /// So long without a request ends a session.
    pub session_idle: Duration,
    /// So long after the sign-in it ends in any case.
    pub session_lifetime: Duration,
    /// Proxies from there say for whom they ask.
    pub trusted_networks: Vec<IpNet>,
    /// The servers that mail programs are told.
    pub client: Client,
}

/// The servers that mail programs are told, as far as there are any.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// For reading mail.
    pub imap: Option<MailServer>,
    /// For fetching mail.
    pub pop3: Option<MailServer>,
    /// For sending mail.
    pub smtp: Option<MailServer>,
    /// For filter scripts.
    pub sieve: Option<MailServer>,
}

/// A server as a mail program is told it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailServer {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How TLS begins.
    pub security: Security,
}

/// How TLS with a mail server begins.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// With the connection.
    Tls,
    /// After a word in clear.
    Starttls,
}

/// The address at which people reach the pages: an origin (RFC 6454), without a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and the way out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err("expected https://NAME".to_owned());
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("without a path: the pages are at the root of a name of their own".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("without a user".to_owned());
        }
        if url.scheme() == "http" && !is_near(&url) {
            return Err("https: over http passwords would cross the network in clear".to_owned());
        }
        Ok(Self(url))
    }

    /// As browsers say it in `Origin`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether it is reached by TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of a page; `path` begins with a slash.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_and_nothing_more() {
        let origin = |text| PublicUrl::parse(text).map(|url| url.origin());
        assert_eq!(origin("https://auth.example.org/"), Ok("https://auth.example.org".into()));
        assert_eq!(
            origin("https://auth.example.org:444"),
            Ok("https://auth.example.org:444".into())
        );
        assert_eq!(origin("http://127.0.0.1:9418"), Ok("http://127.0.0.1:9418".into()));
        for bad in [
            "auth.example.org",
            "ftp://auth.example.org",
            "http://auth.example.org",
            "https://auth.example.org/dovegate",
            "https://auth.example.org/?a",
            "https://a:b@auth.example.org/",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
