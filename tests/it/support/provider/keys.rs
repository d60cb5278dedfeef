//! Keys and certificates of a fake provider, made when they are needed.

use std::sync::Arc;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519,
    PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};

use super::merge;

/// A key that signs tokens.
pub(crate) struct SigningKey {
    id: String,
    algorithm: Algorithm,
    name: &'static str,
    private: EncodingKey,
    jwk: Value,
}

impl SigningKey {
    /// ECDSA on P-256; quick to make.
    pub(crate) fn es256(id: &str) -> Self {
        let pair = KeyPair::generate().expect("a key");
        // 0x04, x, y.
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        let private = EncodingKey::from_ec_der(pair.serialized_der());
        Self { id: id.to_owned(), algorithm: Algorithm::ES256, name: "ES256", private, jwk }
    }

    /// Ed25519.
    pub(crate) fn eddsa(id: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let jwk = json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id,
            "x": URL_SAFE_NO_PAD.encode(pair.public_key_raw()),
        });
        let private = EncodingKey::from_ed_der(pair.serialized_der());
        Self { id: id.to_owned(), algorithm: Algorithm::EdDSA, name: "EdDSA", private, jwk }
    }

    /// RSA with 2,048 bits, as Keycloak has.
    pub(crate) fn rs256(id: &str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        // RSAPublicKey: nine bytes of frame, the modulus, two bytes, the exponent.
        let public = pair.public_key_raw();
        let jwk = json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id,
            "n": URL_SAFE_NO_PAD.encode(&public[9..265]), "e": "AQAB",
        });
        // PKCS #8 is 26 bytes around the RSAPrivateKey that is wanted here.
        let private = EncodingKey::from_rsa_der(&pair.serialized_der()[26..]);
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, name: "RS256", private, jwk }
    }

    /// Its public part, as it stands in a key set.
    pub(crate) fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// Signs `claims`; `header` changes the usual one.
    pub(crate) fn sign(&self, header: Value, claims: &Value) -> String {
        self.sign_text(header, &claims.to_string())
    }

    /// As [`Self::sign`], for claims that are no JSON at all.
    pub(crate) fn sign_text(&self, header: Value, claims: &str) -> String {
        let mut all = json!({ "alg": self.name, "typ": "JWT", "kid": self.id });
        merge(&mut all, header);
        let message = message(&all, claims);
        let signature = crypto::sign(message.as_bytes(), &self.private, self.algorithm);
        format!("{message}.{}", signature.expect("the key signs so"))
    }
}

/// A token with no signature: `alg` says `none`, in whichever case.
pub(crate) fn unsigned(none: &str, claims: &Value) -> String {
    message(&json!({ "alg": none, "typ": "JWT" }), &claims.to_string()) + "."
}

/// A token that takes the public key `jwk` for a shared secret.
pub(crate) fn signed_by_public_key(jwk: &Value, claims: &Value) -> String {
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": jwk["kid"] });
    let message = message(&header, &claims.to_string());
    let secret = EncodingKey::from_secret(jwk.to_string().as_bytes());
    let signature = crypto::sign(message.as_bytes(), &secret, Algorithm::HS256);
    format!("{message}.{}", signature.expect("any key will do"))
}

fn message(header: &Value, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", part(&header.to_string()), part(claims))
}

/// A certificate for `localhost`, and whom to trust for it.
pub(crate) struct Certificate {
    own: CertificateDer<'static>,
    key: Vec<u8>,
    /// What a `ca_file` would hold.
    pub(crate) ca_pem: String,
}

impl Certificate {
    /// By an authority of its own.
    pub(crate) fn by_authority() -> Self {
        Self::issued("localhost", |_| {})
    }

    /// By an authority, and over since years.
    pub(crate) fn expired() -> Self {
        Self::issued("localhost", |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// By an authority, for a server of another name.
    pub(crate) fn of_another() -> Self {
        Self::issued("idp.example.org", |_| {})
    }

    /// By itself; it calls itself an authority, as `openssl req -x509` does.
    pub(crate) fn self_signed() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = params("localhost");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).expect("a certificate");
        Self { ca_pem: pem(own.der()), own: own.der().clone(), key: key.serialize_der() }
    }

    fn issued(name: &str, change: impl Fn(&mut CertificateParams)) -> Self {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "An authority of tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().expect("a key");
        let ca = authority.self_signed(&ca_key).expect("a certificate");
        let issuer = Issuer::from_params(&authority, &ca_key);
        let key = KeyPair::generate().expect("a key");
        let mut params = params(name);
        change(&mut params);
        let own = params.signed_by(&key, &issuer).expect("a certificate");
        Self { ca_pem: pem(ca.der()), own: own.der().clone(), key: key.serialize_der() }
    }

    /// What a server needs to show it.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .expect("rustls knows its versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.own.clone()], key);
        Arc::new(config.expect("key and certificate go together"))
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("a host name")
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
