//! TLS of `[http]`: the certificate and its key as they stand in two files, read anew at
//! each reload, since whatever renews a certificate can send a signal.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Where certificate and key are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The chain (PEM), our own certificate first.
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read by the user that Dovegate runs as: {source}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file has not what it should have.
    #[error("{path} holds no {what} in PEM")]
    Nothing {
        /// Which.
        path: String,
        /// What is not in it.
        what: &'static str,
    },
    /// They are not made for each other, or of no use.
    #[error("{certificate} and its key are of no use: {source}")]
    Unfit {
        /// The certificate's file.
        certificate: String,
        /// Why not.
        source: rustls::Error,
    },
}

impl TlsFiles {
    /// What connections begin with.
    pub(super) fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let nothing = |path: &Path, what| {
            let path = path.display().to_string();
            move |_| TlsError::Nothing { path, what }
        };
        let chain = read(&self.certificate)?;
        let missing = nothing(&self.certificate, "certificate");
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(missing)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(nothing(&self.key, "private key"))?;
        let unfit = |source| TlsError::Unfit {
            certificate: self.certificate.display().to_string(),
            source,
        };
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).map_err(unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let of_file = |source| TlsError::File { path: path.display().to_string(), source };
    fs::read(path).map_err(of_file)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    /// What is said of files with this in them.
    fn said(certificate: Option<&str>, key: Option<&str>) -> String {
        let folder = TempDir::new().unwrap();
        let files =
            TlsFiles { certificate: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
        for (path, text) in [(&files.certificate, certificate), (&files.key, key)] {
            if let Some(text) = text {
                fs::write(path, text).unwrap();
            }
        }
        files.load().map_or_else(|error| error.to_string(), |_| "fine".to_owned())
    }

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (pem("CERTIFICATE", cert.der()), pem("PRIVATE KEY", &signing_key.serialize_der()))
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let text = BASE64_STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[test]
    fn what_is_wrong_is_named() {
        let ((certificate, key), (_, other)) = (pair(), pair());
        assert_eq!(said(Some(&certificate), Some(&key)), "fine");
        let check = |certificate: Option<&str>, key: Option<&str>, expected: &str| {
            let said = said(certificate, key);
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("PRIVATE KEY"), "{said}");
        };
        check(None, Some(&key), "c.pem cannot be read");
        check(Some(&certificate), None, "k.pem cannot be read");
        check(Some(&certificate), Some("x"), "k.pem holds no private key");
        check(Some(""), Some(&key), "of no use");
        check(Some(&certificate), Some(&other), "of no use");
    }
}
