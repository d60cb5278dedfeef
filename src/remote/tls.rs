//! Whose certificates are believed: the system's authorities, those of `ca_file`
//! and a server whose own certificate stands in `ca_file`; or anybody's.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// Certificates (PEM) to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Believe any certificate.
    pub ignore_errors: bool,
}

/// Everything that is needed for TLS to a server which speaks one of `protocols`
/// (ALPN).
///
/// # Errors
/// What is wrong with the certificates of `ca_file`, in words.
pub fn client_config(tls: &Tls, protocols: &[&str]) -> Result<ClientConfig, String> {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier::new(tls, &crypto)?;
    let mut config = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The certificates of a `ca_file`.
///
/// # Errors
/// It holds none, or one that is none.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| format!("no certificates in PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| format!("a certificate is broken: {error}"))?;
    }
    Ok(certificates)
}

/// Decides whether a server is who it should be.
#[derive(Debug)]
struct Verifier {
    /// None where there is no authority at all.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are believed as they are.
    pinned: Vec<CertificateDer<'static>>,
    crypto: Arc<CryptoProvider>,
    believes_anybody: bool,
}

impl Verifier {
    fn new(tls: &Tls, crypto: &Arc<CryptoProvider>) -> Result<Self, String> {
        let pinned = tls.ca_pem.as_deref().map_or_else(|| Ok(Vec::new()), certificates)?;
        let mut roots = RootCertStore::empty();
        // What cannot be read is missed when a certificate of it comes along.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(pinned.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(crypto));
        Ok(Self {
            chains: chains.build().ok(),
            pinned,
            crypto: Arc::clone(crypto),
            believes_anybody: tls.ignore_errors,
        })
    }

    /// A self-signed certificate says mostly that it is an authority's, which no
    /// chain may end with. Where it stands in `ca_file` itself, there is no chain
    /// to check: only time and name are.
    fn check_pinned(
        end_entity: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let bad = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, parsed) = x509_parser::parse_x509_certificate(end_entity).map_err(bad)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if parsed.validity().not_after.timestamp() < now {
            return Err(CertificateError::Expired.into());
        }
        if parsed.validity().not_before.timestamp() > now {
            return Err(CertificateError::NotValidYet.into());
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.believes_anybody {
            return Ok(ServerCertVerified::assertion());
        }
        if self.pinned.contains(end_entity) {
            return Self::check_pinned(end_entity, server_name, now);
        }
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        self.chains.as_ref().ok_or_else(unknown)?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.believes_anybody {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.believes_anybody {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with TLS, and the way out where there is one.
pub fn words(error: &Error) -> String {
    use CertificateError as Bad;
    let Error::InvalidCertificate(bad) = error else {
        return format!("no TLS: {error}");
    };
    let what = match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => "its certificate is over",
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or our clock is wrong"
        }
        Bad::UnknownIssuer => {
            "its certificate is from an unknown authority, or self-signed: set ca_file"
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "its certificate is for another name (subjectAltName counts, the common name does not)"
        }
        // An authority's own certificate, shown as a server's.
        Bad::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is self-signed: set ca_file"
        }
        _ => return format!("its certificate is not good: {error}"),
    };
    what.to_owned()
}
