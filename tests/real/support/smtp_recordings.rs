//! Dialogues of SMTP servers for `proto-fixtures/`, recorded anew when asked:
//!
//! ```sh
//! cargo test --test real record -- --ignored
//! ```

use std::{fs, path::Path};

use super::{
    dovegate::{Dovegate, Socket},
    place::Folder,
    recorder::Recorder,
    smtp::Smtp,
    tokens::{self, BAD, GOOD, oauthbearer, xoauth2},
};

/// Her password has no space, as the head of a fixture wants it.
pub const BEA: &str = "bea@example.org";
const PASSWORD: &str = "looking-glass";

/// One exchange: the file's name, what it is, and how to bring it about.
pub type Exchange = (&'static str, &'static str, fn(&mut Smtp));

/// What Exim passes on; Postfix refuses it by itself.
pub const BROKEN_BASE64: Exchange =
    ("broken-base64", "AUTH PLAIN with an initial response that is no base64", |client| {
        assert_eq!(client.command("AUTH PLAIN !!!!").code, 535);
    });

/// Puts a relay where the SMTP server looks, and records the exchanges. `file` is
/// how the files' names begin, `program` who speaks.
pub fn record(
    file: &str,
    program: &str,
    port: u16,
    socket: &Socket,
    dovegate: &Dovegate,
    folder: &Folder,
    exchanges: &[Exchange],
) {
    let input = format!("{PASSWORD}\n");
    dovegate.must(folder, &["mailbox", "add", BEA, "--password-stdin"], &input);
    let behind = socket.path.with_extension("behind");
    fs::rename(&socket.path, &behind).unwrap();
    let recorder = Recorder::default();
    recorder.relay("auth", socket, behind);
    for (name, what, bring_about) in exchanges {
        recorder.begin();
        bring_about(&mut Smtp::connect(port));
        let mut head = vec![
            format!("{program}, {what}"),
            "captured: by tests/real/support/recorder.rs, a relay between the SMTP server and Dovegate"
                .to_owned(),
            format!("mailbox: {BEA} {PASSWORD}"),
        ];
        if TOKENS.iter().any(|(token_exchange, ..)| token_exchange == name) {
            head.push(tokens::head(BEA));
        }
        let file = format!("proto-fixtures/{file}-{name}.txt");
        recorder.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &head);
    }
}

/// Those that every server can have.
pub const EXCHANGES: &[Exchange] = &[
    ("plain-ok", "AUTH PLAIN with initial response, right password", |client| {
        assert_eq!(client.plain("Bea@Example.org", PASSWORD), 235);
    }),
    ("plain-fail", "AUTH PLAIN with initial response, wrong password", |client| {
        assert_eq!(client.plain(BEA, "wrong"), 535);
    }),
    ("plain-noir-ok", "AUTH PLAIN without initial response, right password", |client| {
        assert_eq!(client.plain_in_two(BEA, PASSWORD), 235);
    }),
    ("login-ok", "AUTH LOGIN, right password", |client| {
        assert_eq!(client.login(BEA, PASSWORD), 235);
    }),
    ("login-name-ok", "AUTH LOGIN with the name as initial response, right password", |client| {
        assert_eq!(client.login_with_name(BEA, PASSWORD), 235);
    }),
    ("login-abort", "AUTH LOGIN given up by the client, then AUTH PLAIN", |client| {
        client.challenged("AUTH LOGIN", "Username:");
        assert_eq!(client.command("*").code, 501);
        assert_eq!(client.plain(BEA, PASSWORD), 235);
    }),
];

/// Those with bearer tokens.
pub const TOKENS: &[Exchange] = &[
    ("xoauth2-ok", "AUTH XOAUTH2 with initial response, good token", |client| {
        let command = format!("AUTH XOAUTH2 {}", xoauth2("Bea@Example.org", GOOD));
        assert_eq!(client.command(&command).code, 235);
    }),
    ("xoauth2-noir-ok", "AUTH XOAUTH2 without initial response, good token", |client| {
        client.challenged("AUTH XOAUTH2", "");
        assert_eq!(client.command(&xoauth2(BEA, GOOD)).code, 235);
    }),
    ("xoauth2-fail", "AUTH XOAUTH2, bad token, challenge answered with an empty line", |client| {
        let told = r#"{"status":"401","schemes":"bearer","scope":"mail"}"#;
        client.challenged(&format!("AUTH XOAUTH2 {}", xoauth2(BEA, BAD)), told);
        assert_eq!(client.command("").code, 535);
    }),
    (
        "xoauth2-abort",
        "AUTH XOAUTH2, bad token, given up by the client, then a good one",
        |client| {
            let told = r#"{"status":"401","schemes":"bearer","scope":"mail"}"#;
            client.challenged(&format!("AUTH XOAUTH2 {}", xoauth2(BEA, BAD)), told);
            assert_eq!(client.command("*").code, 501);
            let command = format!("AUTH XOAUTH2 {}", xoauth2(BEA, GOOD));
            assert_eq!(client.command(&command).code, 235);
        },
    ),
    ("oauthbearer-ok", "AUTH OAUTHBEARER with initial response, good token", |client| {
        let command = format!("AUTH OAUTHBEARER {}", oauthbearer(BEA, GOOD));
        assert_eq!(client.command(&command).code, 235);
    }),
    ("oauthbearer-fail", "AUTH OAUTHBEARER, bad token, challenge answered with 0x01", |client| {
        let told = r#"{"status":"invalid_token","scope":"mail"}"#;
        client.challenged(&format!("AUTH OAUTHBEARER {}", oauthbearer(BEA, BAD)), told);
        assert_eq!(client.command("AQ==").code, 535);
    }),
];
