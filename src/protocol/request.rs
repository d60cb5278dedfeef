//! [`AuthRequest`]: what a mail server says about the connection that a login
//! or a look-up is for. The optional parameters of AUTH, USER and PASS.

use std::{net::IpAddr, str::FromStr};

use super::{
    escape::unescape,
    field::{Parameter, parameters},
};
use crate::secret::Secret;

/// How the user's own connection is protected, by the mail server's word.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Secured {
    /// In no way.
    #[default]
    No,
    /// In some way, or it never leaves the machine.
    Yes,
    /// By TLS.
    Tls,
}

/// The parameters, unescaped. Unknown names, and those that are documented but
/// used by nobody (`nologin`, `transport`, `tls_cipher` …), are left out.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the protocol's flags, independent of each other"
)]
pub struct AuthRequest {
    /// `protocol=`, or `service=` before Dovecot 2.4: `imap`, `smtp` … Never
    /// empty in a request that was parsed.
    pub protocol: String,
    /// `session=`: the mail server's id of the user's connection.
    pub session: Option<String>,
    /// `lip=`: address that the user connected to.
    pub lip: Option<IpAddr>,
    /// `rip=`: address of the user.
    pub rip: Option<IpAddr>,
    /// `lport=`.
    pub lport: Option<u16>,
    /// `rport=`.
    pub rport: Option<u16>,
    /// `real_lip=`: address of the mail server itself, where a proxy gave `lip`.
    pub real_lip: Option<IpAddr>,
    /// `real_rip=`: address of that proxy.
    pub real_rip: Option<IpAddr>,
    /// `real_lport=`.
    pub real_lport: Option<u16>,
    /// `real_rport=`.
    pub real_rport: Option<u16>,
    /// `local_name=`: TLS server name that the user asked for.
    pub local_name: Option<String>,
    /// `secured`, `secured=tls`.
    pub secured: Secured,
    /// `final-resp-ok`: OK and FAIL may carry the mechanism's last message.
    pub final_resp_ok: bool,
    /// `valid-client-cert`: the mail server verified the user's certificate.
    pub valid_client_cert: bool,
    /// `cert_username=`: the name in that certificate.
    pub cert_username: Option<Vec<u8>>,
    /// `ssl_client_cert_fp=`: fingerprint of that certificate.
    pub client_cert_fingerprint: Option<String>,
    /// `ssl_client_cert_pubkey_fp=`: fingerprint of its key.
    pub client_cert_key_fingerprint: Option<String>,
    /// `ssl_ja3_hash=`: fingerprint of the user's TLS greeting.
    pub ja3_hash: Option<String>,
    /// `no-penalty`: do not delay, do not count.
    pub no_penalty: bool,
    /// `debug`.
    pub debug: bool,
    /// `client_id=`: what an IMAP client said in ID.
    pub client_id: Option<String>,
    /// `forward_fields=`: what a proxy before the mail server passes on.
    pub forward_fields: Vec<(String, Secret)>,
}

/// A parameter that may come once came again. Somebody's text has become a
/// parameter, or the sender is broken; either way there is no telling which of
/// the two is meant.
#[derive(Debug)]
pub(super) struct Duplicate;

impl AuthRequest {
    /// Reads `parameters = *(TAB [name ["=" value]])`; `resp` is not among them.
    pub(super) fn parse(input: &[u8]) -> Result<Self, Duplicate> {
        let mut request = Self::default();
        for parameter in parameters(input) {
            request.take(&parameter)?;
        }
        Ok(request)
    }

    fn take(&mut self, parameter: &Parameter<'_>) -> Result<(), Duplicate> {
        let value = || parameter.value();
        match parameter.name {
            b"protocol" | b"service" => self.take_protocol(text(&value())),
            b"session" => once(&mut self.session, Some(text(&value()))),
            b"lip" => once(&mut self.lip, parsed(&value())),
            b"rip" => once(&mut self.rip, parsed(&value())),
            b"lport" => once(&mut self.lport, parsed(&value())),
            b"rport" => once(&mut self.rport, parsed(&value())),
            b"real_lip" => once(&mut self.real_lip, parsed(&value())),
            b"real_rip" => once(&mut self.real_rip, parsed(&value())),
            b"real_lport" => once(&mut self.real_lport, parsed(&value())),
            b"real_rport" => once(&mut self.real_rport, parsed(&value())),
            b"local_name" => once(&mut self.local_name, Some(text(&value()))),
            b"cert_username" => once(&mut self.cert_username, Some(value().into_owned())),
            b"ssl_client_cert_fp" => once(&mut self.client_cert_fingerprint, Some(text(&value()))),
            b"ssl_client_cert_pubkey_fp" => {
                once(&mut self.client_cert_key_fingerprint, Some(text(&value())))
            }
            b"ssl_ja3_hash" => once(&mut self.ja3_hash, Some(text(&value()))),
            b"client_id" => once(&mut self.client_id, Some(text(&value()))),
            b"forward_fields" => self.take_forward_fields(&value()),
            flag => {
                self.take_flag(flag, parameter.raw());
                Ok(())
            }
        }
    }

    /// Saying a flag twice changes nothing, so it is no mistake.
    fn take_flag(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"secured" if value == b"tls" => self.secured = Secured::Tls,
            b"secured" => self.secured = self.secured.max(Secured::Yes),
            b"final-resp-ok" => self.final_resp_ok = true,
            b"valid-client-cert" => self.valid_client_cert = true,
            b"no-penalty" => self.no_penalty = true,
            b"debug" => self.debug = true,
            _ => {}
        }
    }

    /// Both spellings in one line, for servers of either version, must agree.
    fn take_protocol(&mut self, protocol: String) -> Result<(), Duplicate> {
        if !self.protocol.is_empty() && self.protocol != protocol {
            return Err(Duplicate);
        }
        self.protocol = protocol;
        Ok(())
    }

    /// `forward-fields = key ["=" value] *(TAB key ["=" value])`, each escaped
    /// once more
    fn take_forward_fields(&mut self, list: &[u8]) -> Result<(), Duplicate> {
        if !self.forward_fields.is_empty() {
            return Err(Duplicate);
        }
        self.forward_fields = parameters(list)
            .map(|field| (text(&unescape(field.name)), Secret::new(field.value())))
            .collect();
        Ok(())
    }

    /// The request without what only a trusted mail server may say: who the
    /// certificate is, that nothing is to be counted, what a proxy passes on.
    #[must_use]
    pub fn distrusted(self) -> Self {
        Self {
            valid_client_cert: false,
            cert_username: None,
            client_cert_fingerprint: None,
            client_cert_key_fingerprint: None,
            no_penalty: false,
            forward_fields: Vec::new(),
            ..self
        }
    }
}

/// Fills an empty slot; a second filling is an error. `None` is a value that
/// cannot be read: it is ignored.
fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), Duplicate> {
    if slot.is_some() {
        return Err(Duplicate);
    }
    *slot = value;
    Ok(())
}

/// Longest text that is kept of a parameter, in bytes: a TLS server name has
/// 255, everything else less. Thousands of requests may wait at a time.
const MAX_TEXT_BYTES: usize = 255;

/// Text for logs and comparisons; what is not UTF-8 becomes U+FFFD.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(&value[..value.len().min(MAX_TEXT_BYTES)]).into_owned()
}

fn parsed<T: FromStr>(value: &[u8]) -> Option<T> {
    str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_read() {
        let line =
            b"\tprotocol=imap\tsession=s1\tlip=192.0.2.1\trip=2001:db8::1\tlport=993\trport=4096\
            \treal_lip=192.0.2.2\treal_rip=192.0.2.3\treal_lport=1\treal_rport=65535\
            \tlocal_name=mail.example.org\tsecured=tls\tfinal-resp-ok\tvalid-client-cert\
            \tcert_username=ann\x01t\tssl_client_cert_fp=aa\tssl_client_cert_pubkey_fp=bb\
            \tssl_ja3_hash=cc\tno-penalty\tdebug\tclient_id=\"name\" \"x=y\"\
            \tforward_fields=a=1\x01tb=x\x011ty";
        let request = AuthRequest::parse(line).unwrap();
        assert_eq!(request.protocol, "imap");
        assert_eq!(request.session.as_deref(), Some("s1"));
        assert_eq!(request.lip, "192.0.2.1".parse().ok());
        assert_eq!(request.rip, "2001:db8::1".parse().ok());
        assert_eq!((request.lport, request.rport), (Some(993), Some(4096)));
        assert_eq!(request.real_lip, "192.0.2.2".parse().ok());
        assert_eq!(request.real_rip, "192.0.2.3".parse().ok());
        assert_eq!((request.real_lport, request.real_rport), (Some(1), Some(65535)));
        assert_eq!(request.local_name.as_deref(), Some("mail.example.org"));
        assert_eq!(request.secured, Secured::Tls);
        assert!(request.final_resp_ok && request.valid_client_cert);
        assert!(request.no_penalty && request.debug);
        assert_eq!(request.cert_username.as_deref(), Some(&b"ann\t"[..]));
        assert_eq!(request.client_cert_fingerprint.as_deref(), Some("aa"));
        assert_eq!(request.client_cert_key_fingerprint.as_deref(), Some("bb"));
        assert_eq!(request.ja3_hash.as_deref(), Some("cc"));
        assert_eq!(request.client_id.as_deref(), Some("\"name\" \"x=y\""));
        let forwarded: Vec<_> = request
            .forward_fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        assert_eq!(forwarded, [("a", &b"1"[..]), ("b", b"x\ty")]);
    }

    #[test]
    fn no_text_takes_more_room_than_it_needs() {
        for name in ["protocol", "session", "local_name", "client_id", "ssl_ja3_hash"] {
            let line = format!("\tprotocol=imap\t{name}={}", "x".repeat(8000));
            let line = if name == "protocol" { &line[14..] } else { &line };
            let request = AuthRequest::parse(line.as_bytes()).unwrap();
            let texts = [request.session, request.local_name, request.client_id, request.ja3_hash];
            let longest = texts.iter().flatten().map(String::len).max().unwrap_or(0);
            assert_eq!(longest.max(request.protocol.len()), 255, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        let line = b"\tservice=smtp\trip=localhost\trport=70000\tsecured=maybe\tnologin\ttransport=TLS\ttls_cipher=x\t=\t";
        let request = AuthRequest::parse(line).unwrap();
        assert_eq!((request.rip, request.rport), (None, None));
        assert_eq!(request.secured, Secured::Yes);
        assert_eq!(request.protocol, "smtp");
    }

    #[test]
    fn what_comes_once_may_not_come_twice() {
        for twice in [
            "protocol=imap\tservice=smtp",
            "rip=192.0.2.1\trip=192.0.2.1",
            "session=a\tsession=b",
            "cert_username=a\tcert_username=b",
            "forward_fields=a=1\tforward_fields=b=2",
        ] {
            assert!(AuthRequest::parse(format!("\t{twice}").as_bytes()).is_err(), "{twice}");
        }
        for same in ["protocol=imap\tservice=imap", "secured\tsecured=tls", "debug\tdebug"] {
            assert!(AuthRequest::parse(format!("\t{same}").as_bytes()).is_ok(), "{same}");
        }
    }

    #[test]
    fn distrust_takes_away_what_only_the_trusted_may_say() {
        let line = b"\tservice=imap\trip=192.0.2.1\tno-penalty\tcert_username=ann\tvalid-client-cert\tforward_fields=a=1\tssl_client_cert_fp=f";
        let request = AuthRequest::parse(line).unwrap().distrusted();
        assert!(!request.no_penalty && !request.valid_client_cert);
        assert!(request.cert_username.is_none() && request.client_cert_fingerprint.is_none());
        assert!(request.forward_fields.is_empty());
        assert_eq!(request.rip, "192.0.2.1".parse().ok());
    }
}
