//! TLS of `[http]`, with certificates that change.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::sys::signal::Signal;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs::default_provider, pki_types::CertificateDer,
};
use tempfile::TempDir;

use super::{PUBLIC, public};
use crate::support::{
    b64,
    http::{Answer, connect},
    visitor::PAGES,
    world::World,
};

struct Files {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::with_prefix("dovegate-it-tls-").unwrap();
        let at = |name: &str| folder.path().join(name);
        Self { certificate: at("certificate.pem"), key: at("key.pem"), _folder: folder }
    }

    /// Writes a new pair, and returns its certificate.
    fn renew(&self) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&self.certificate, pem("CERTIFICATE", cert.der())).unwrap();
        fs::write(&self.key, pem("PRIVATE KEY", &signing_key.serialize_der())).unwrap();
        cert.der().clone()
    }

    fn settings(&self) -> [String; 2] {
        let line = |key: &str, path: &Path| format!("http.{key} = \"{}\"", path.display());
        [line("certificate_file", &self.certificate), line("key_file", &self.key)]
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", b64(der))
}

/// What is answered by a server that shows this certificate.
fn get(address: SocketAddr, trusted: &CertificateDer<'static>) -> Result<Answer, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, connect(address));
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut text = String::new();
    // A server that closes without saying so has said all the same.
    let _ = stream.read_to_string(&mut text);
    Ok(Answer::parse(&text))
}

#[test]
fn a_certificate_is_renewed_by_a_reload_and_never_taken_away_by_one() {
    let files = Files::new();
    let first = files.renew();
    let [certificate, key] = files.settings();
    let world = World::with(&[PUBLIC, PAGES[1], &certificate, &key]);
    let address = public(&world.daemon);
    let answer = get(address, &first).unwrap();
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in?next=%2F"));
    assert!(answer.header("strict-transport-security").contains("max-age="), "{answer:?}");

    let mut plain: TcpStream = connect(address);
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(!rest_of_bytes(&mut plain).starts_with(b"HTTP"), "in clear there is nothing");

    let reload = |times: usize| {
        world.daemon.signal(Signal::SIGHUP);
        world.daemon.wait_for_log("the reload", |log| log.matches("reloaded").count() == times);
    };
    let second = files.renew();
    assert_eq!(get(address, &first).unwrap().status, 303, "until the reload");
    reload(1);
    assert_eq!(get(address, &second).unwrap().status, 303);
    assert!(get(address, &first).is_err());

    fs::write(&files.key, "nothing").unwrap();
    reload(2);
    assert_eq!(get(address, &second).unwrap().status, 303);
    let log = world.daemon.log();
    assert!(log.contains("HTTP goes on with the certificate of before"), "{log}");
    assert!(log.contains("key.pem holds no private key"), "{log}");
}

#[test]
fn without_its_certificate_a_port_stays_closed() {
    let files = Files::new();
    let [certificate, key] = files.settings();
    let world = World::with(&[PUBLIC, PAGES[1], &certificate, &key]);
    assert_eq!(super::port(&world.daemon, "http"), None);
    assert!(world.daemon.log().contains("certificate.pem cannot be read"));
}

fn rest_of_bytes(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
