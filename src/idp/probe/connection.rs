//! The way to a provider, layer by layer, so that the one that fails has a
//! name: resolution, TCP, TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use rustls::CertificateError;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate, x509::X509Name,
};

use super::super::{http::HTTP, words::printable};
use crate::{
    clock::Timestamp,
    remote::{Tls, connect, tls},
};

/// Names of a certificate that are shown.
const MAX_NAMES: usize = 5;
const SECONDS_A_DAY: i64 = 86_400;

/// Where the provider is asked.
#[derive(Clone, Debug)]
pub(super) struct Place {
    host: Host<String>,
    pub(super) port: u16,
    pub(super) is_tls: bool,
}

impl Place {
    pub(super) fn of(url: &Url) -> Option<Self> {
        let host = url.host()?.to_owned();
        Some(Self { host, port: url.port_or_known_default()?, is_tls: url.scheme() == "https" })
    }

    pub(super) fn host(&self) -> String {
        self.host.to_string()
    }

    /// All addresses of its name.
    pub(super) async fn addresses(&self, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        connect::addresses(&self.host, self.port, deadline).await
    }

    /// A handshake by `settings`, and the certificate that the server showed.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        settings: &Tls,
        deadline: Instant,
    ) -> io::Result<Option<Certificate>> {
        let config = tls::client_config(settings, HTTP).map_err(io::Error::other)?;
        let name = connect::server_name(&self.host)?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connect::in_time(deadline, connector.connect(name, stream)).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        Ok(shown.and_then(|shown| Certificate::read(shown)))
    }
}

/// What TLS failed of.
pub(super) fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with the certificate, if it is that.
pub(super) fn certificate_error(error: &io::Error) -> Option<&CertificateError> {
    match rustls_error(error)? {
        rustls::Error::InvalidCertificate(bad) => Some(bad),
        _ => None,
    }
}

/// What a server's certificate says of itself; nothing of it is believed.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) issuer: String,
    pub(super) names: Vec<String>,
    pub(super) is_self_signed: bool,
    ends_seconds: i64,
}

impl Certificate {
    fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        Some(Self {
            issuer: name_of(certificate.issuer()),
            names: names_of(&certificate),
            is_self_signed: certificate.issuer() == certificate.subject(),
            ends_seconds: certificate.validity().not_after.timestamp(),
        })
    }

    /// Whole days until its end; negative once it is over.
    pub(super) fn days_left(&self, now: Timestamp) -> i64 {
        let now = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        self.ends_seconds.saturating_sub(now).div_euclid(SECONDS_A_DAY)
    }

    /// "certificate of "Example CA", valid for 61 days".
    pub(super) fn words(&self, now: Timestamp) -> String {
        let of = if self.is_self_signed { "self-signed certificate of" } else { "certificate of" };
        let validity = match self.days_left(now) {
            days @ ..0 => format!("over for {} days", -days),
            0 => "valid for less than a day".to_owned(),
            1 => "valid for 1 day".to_owned(),
            days => format!("valid for {days} days"),
        };
        format!("{of} \"{}\", {validity}", self.issuer)
    }
}

/// The part of a name that people would call it by.
fn name_of(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next();
    let part = common.or_else(|| name.iter_organization().next());
    let text = part.and_then(|part| part.as_str().ok()).map(str::to_owned);
    printable(&text.unwrap_or_else(|| name.to_string()))
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice());
    let names = names.unwrap_or_default().iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress(bytes) => address_of(bytes),
        _ => None,
    });
    names.take(MAX_NAMES).collect()
}

fn address_of(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    let v6 = <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string());
    v4.or(v6).ok()
}
