//! Services: what a password may be used for, and the one table that maps the
//! protocol names of mail servers to them.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A service that can be allowed or refused.
#[derive(Clone, Copy, Debug, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
#[schemars(rename_all = "lowercase")]
pub enum Service {
    /// Reading mail by IMAP.
    Imap = 1 << 0,
    /// Reading mail by POP3.
    Pop3 = 1 << 1,
    /// Sending mail: SMTP and submission.
    Smtp = 1 << 2,
    /// Filter scripts: `ManageSieve`.
    Sieve = 1 << 3,
    /// Calendars and address books.
    Dav = 1 << 4,
    /// `ActiveSync`.
    Eas = 1 << 5,
    /// Dovegate's own pages and webmail.
    Web = 1 << 6,
}

impl Service {
    /// Every service, in the order in which they are listed.
    pub const ALL: [Self; 7] =
        [Self::Imap, Self::Pop3, Self::Smtp, Self::Sieve, Self::Dav, Self::Eas, Self::Web];

    /// The service's own name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
            Self::Sieve => "sieve",
            Self::Dav => "dav",
            Self::Eas => "eas",
            Self::Web => "web",
        }
    }

    /// The service that a mail server means by `protocol=` or `service=`;
    /// `None` for a protocol that we know nothing of.
    pub fn from_protocol(protocol: &str) -> Option<Self> {
        match protocol {
            "imap" => Some(Self::Imap),
            "pop3" => Some(Self::Pop3),
            "smtp" | "submission" => Some(Self::Smtp),
            "sieve" | "managesieve" => Some(Self::Sieve),
            "dav" => Some(Self::Dav),
            "eas" => Some(Self::Eas),
            "web" => Some(Self::Web),
            _ => None,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no service.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown service \"{0}\": expected imap, pop3, smtp, sieve, dav, eas or web")]
pub struct UnknownService(String);

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_protocol(name).ok_or_else(|| UnknownService(name.to_owned()))
    }
}

/// A set of services.
#[derive(Clone, Copy, Eq, Hash, JsonSchema, PartialEq)]
pub struct Services(#[schemars(with = "Vec<Service>")] u8);

impl Services {
    /// No service at all: for a mailbox, "app passwords only".
    pub const NONE: Self = Self(0);
    /// Every service.
    pub const ALL: Self = Self(0x7f);

    /// Whether `service` is in the set.
    pub fn contains(self, service: Service) -> bool {
        self.0 & service as u8 != 0
    }

    /// Whether the set opens `protocol` as a mail server names it. A protocol
    /// that no service stands for opens only with the full set: a restriction
    /// must not be escaped by a name that we don't know.
    pub fn allows_protocol(self, protocol: &str) -> bool {
        match Service::from_protocol(protocol) {
            Some(service) => self.contains(service),
            None => self == Self::ALL,
        }
    }

    /// The set with `service` added.
    #[must_use]
    pub fn with(self, service: Service) -> Self {
        Self(self.0 | service as u8)
    }

    /// The services in the set, in the order of [`Service::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Service> {
        Service::ALL.into_iter().filter(move |service| self.contains(*service))
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        services.into_iter().fold(Self::NONE, Self::with)
    }
}

impl Default for Services {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Services {
    /// `imap, smtp`; `all`; `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        if *self == Self::NONE {
            return f.write_str("none");
        }
        for (place, service) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(", ")?;
            }
            f.write_str(service.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Services({self})")
    }
}

/// A list of names where people read it (JSON, TOML), one byte in the store.
impl Serialize for Services {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(self.iter().map(Service::name))
        } else {
            serializer.serialize_u8(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Services {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let names = Vec::<String>::deserialize(deserializer)?;
            names.iter().map(|name| name.parse::<Service>().map_err(D::Error::custom)).collect()
        } else {
            Ok(Self(u8::deserialize(deserializer)? & Self::ALL.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_map_to_services() {
        for (protocol, service) in [
            ("imap", Some(Service::Imap)),
            ("pop3", Some(Service::Pop3)),
            ("smtp", Some(Service::Smtp)),
            ("submission", Some(Service::Smtp)),
            ("sieve", Some(Service::Sieve)),
            ("managesieve", Some(Service::Sieve)),
            ("IMAP", None),
            ("xmpp", None),
            ("", None),
        ] {
            assert_eq!(Service::from_protocol(protocol), service, "{protocol}");
        }
    }

    #[test]
    fn unknown_protocol_needs_the_full_set() {
        assert!(Services::ALL.allows_protocol("xmpp"));
        let most: Services = Service::ALL.into_iter().skip(1).collect();
        assert!(!most.allows_protocol("xmpp"));
        assert!(!most.allows_protocol("imap"));
        assert!(most.allows_protocol("submission"));
    }

    #[test]
    fn survives_json_and_postcard() {
        let set: Services = [Service::Smtp, Service::Imap].into_iter().collect();
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["imap","smtp"]"#);
        assert_eq!(serde_json::from_str::<Services>(&json).unwrap(), set);
        let bytes = postcard::to_allocvec(&set).unwrap();
        assert_eq!(bytes.len(), 1);
        assert_eq!(postcard::from_bytes::<Services>(&bytes).unwrap(), set);
        assert!(serde_json::from_str::<Services>(r#"["imap","gopher"]"#).is_err());
    }
}
