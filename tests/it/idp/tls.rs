//! TLS to a provider: whose certificates are believed, for every kind of call.

use std::fs;

use dovegate::{
    idp::OutageCause,
    mailbox::{Provider, provider::Method},
};
use serde_json::json;
use tempfile::TempDir;

use super::{METHODS, active, check, outage, provider};
use crate::support::provider::{Behaviour, DISCOVERY, FakeProvider, keys::Certificate};

/// `ca_file` of `fake`'s certificate.
struct CaFile(TempDir);

impl CaFile {
    fn with(pem: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), pem).unwrap();
        Self(folder)
    }

    fn trust(&self, provider: &mut Provider) {
        provider.ca_file = Some(self.0.path().join("ca.pem"));
    }
}

async fn works(fake: &FakeProvider, method: Method, change: impl Fn(&mut Provider)) {
    let provider = provider(fake, |provider| {
        provider.methods = vec![method];
        change(provider);
    });
    active(&check(&provider, &fake.token(json!({}))).await);
}

async fn fails(fake: &FakeProvider, change: impl Fn(&mut Provider)) -> String {
    let token = fake.token(json!({}));
    let mut words = String::new();
    for method in METHODS {
        let provider = provider(fake, |provider| {
            provider.methods = vec![method];
            change(provider);
        });
        let checked = check(&provider, &token).await;
        outage(&checked, OutageCause::Tls).clone_into(&mut words);
    }
    assert_eq!(fake.count_all(), 0, "nothing is sent to whom is not believed");
    words
}

#[tokio::test]
async fn authority_of_ca_file() {
    let certificate = Certificate::by_authority();
    let file = CaFile::with(&certificate.ca_pem);
    let fake = FakeProvider::start_with(certificate);
    assert!(fails(&fake, |_| {}).await.contains("ca_file"));
    for method in METHODS {
        works(&fake, method, |provider| file.trust(provider)).await;
    }
}

#[tokio::test]
async fn self_signed_certificate() {
    let certificate = Certificate::self_signed();
    let file = CaFile::with(&certificate.ca_pem);
    let fake = FakeProvider::start_with(certificate);
    assert!(fails(&fake, |_| {}).await.contains("self-signed"));
    for method in METHODS {
        works(&fake, method, |provider| file.trust(provider)).await;
        works(&fake, method, |provider| provider.ignore_ssl_errors = true).await;
    }
}

#[tokio::test]
async fn expired_certificate() {
    let certificate = Certificate::expired();
    let file = CaFile::with(&certificate.ca_pem);
    let fake = FakeProvider::start_with(certificate);
    let words = fails(&fake, |provider| file.trust(provider)).await;
    assert!(words.contains("certificate is over"), "{words}");
    works(&fake, Method::Userinfo, |provider| provider.ignore_ssl_errors = true).await;
}

#[tokio::test]
async fn certificate_of_another_name() {
    let certificate = Certificate::of_another();
    let file = CaFile::with(&certificate.ca_pem);
    let fake = FakeProvider::start_with(certificate);
    let words = fails(&fake, |provider| file.trust(provider)).await;
    assert!(words.contains("another name"), "{words}");
}

/// A certificate that is trusted by itself is checked for its name and its time
/// all the same.
#[tokio::test]
async fn certificate_of_another_in_ca_file() {
    let (theirs, other) = (Certificate::self_signed(), Certificate::self_signed());
    let file = CaFile::with(&other.ca_pem);
    let fake = FakeProvider::start_with(theirs);
    fails(&fake, |provider| file.trust(provider)).await;
}

#[tokio::test]
async fn no_tls_at_the_port() {
    let fake = FakeProvider::start();
    let plain = fake.url().replace("http:", "https:");
    fails(&fake, |provider| provider.server_url = Some(plain.clone())).await;
}

/// Discovery under TLS cannot send tokens away in clear.
#[tokio::test]
async fn endpoints_never_lose_their_tls() {
    let certificate = Certificate::self_signed();
    let file = CaFile::with(&certificate.ca_pem);
    let fake = FakeProvider::start_with(certificate);
    let clear = FakeProvider::start();
    fake.behave(
        DISCOVERY,
        Behaviour::json(&json!({
            "issuer": fake.url(),
            "jwks_uri": clear.at("/certs"),
            "introspection_endpoint": clear.at("/introspect"),
            "userinfo_endpoint": clear.at("/userinfo"),
        })),
    );
    for method in METHODS {
        let provider = provider(&fake, |provider| {
            provider.methods = vec![method];
            file.trust(provider);
        });
        let checked = check(&provider, &fake.token(json!({}))).await;
        assert!(outage(&checked, OutageCause::Settings).contains("clear"));
    }
    assert_eq!(clear.count_all(), 0);
}
