//! Tokens that Keycloak never gave: copies of good ones, signed by somebody
//! else or by nobody.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// Claims of a token, unchecked.
pub fn claims(token: &str) -> Value {
    decoded(token.split('.').nth(1).expect("a JWT has three parts"))
}

/// The same claims and key id, signed by another key.
pub fn by_another_key(token: &str) -> String {
    let key = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], b"");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key).unwrap();
    let path = path.to_str().expect("our own names");
    let (signed, _) = token.rsplit_once('.').expect("a JWT has three parts");
    let signature = openssl(&["dgst", "-sha256", "-sign", path], signed.as_bytes());
    format!("{signed}.{}", BASE64URL.encode(signature))
}

/// The same claims under `alg: none`.
pub fn by_nobody(token: &str) -> String {
    format!("{}.", with_algorithm(token, "none"))
}

/// The same claims under HS256, whose key is the realm's public one.
/// `public_key` is as Keycloak shows it: base64 of its DER form.
pub fn by_the_public_key(token: &str, public_key: &str) -> String {
    let der = STANDARD.decode(public_key).expect("Keycloak shows it in base64");
    let pem = openssl(&["pkey", "-pubin", "-inform", "DER"], &der);
    let signed = with_algorithm(token, "HS256");
    let mut mac = Hmac::<Sha256>::new_from_slice(&pem).expect("takes a key of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64URL.encode(mac.finalize().into_bytes()))
}

fn with_algorithm(token: &str, algorithm: &str) -> String {
    let mut parts = token.split('.');
    let mut header = decoded(parts.next().expect("a JWT has three parts"));
    header["alg"] = json!(algorithm);
    let claims = parts.next().expect("a JWT has three parts");
    format!("{}.{claims}", BASE64URL.encode(header.to_string()))
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap()
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    child.stdin.take().expect("piped").write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}
