//! C-34, C-35, C-41 and C-61: bearer tokens.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    b64,
    client::{Client, Reply, Target},
    from_b64,
    provider::{FakeProvider, INTROSPECTION, seconds},
    world::{ANN, ANN_TOKEN, BOB, BOB_TOKEN, DORA, World},
};

/// The mechanisms, and what each calls a bad token.
const MECHANISMS: [(&str, &str); 2] = [("XOAUTH2", "401"), ("OAUTHBEARER", "invalid_token")];

/// The message that brings `token` for `user`, in base64.
fn message(mechanism: &str, user: &str, token: &str) -> String {
    b64(match mechanism {
        "XOAUTH2" => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
        _ => format!("n,a={user},\x01auth=Bearer {token}\x01\x01"),
    })
}

/// The answer to a client that takes the last message with it.
fn login(client: &mut Client, mechanism: &str, user: &str, token: &str) -> Reply {
    let resp = message(mechanism, user, token);
    let id = client.auth(mechanism, &format!("final-resp-ok\tsecured=tls\tresp={resp}"));
    client.reply(id)
}

fn told(encoded: &str) -> Value {
    serde_json::from_slice(&from_b64(encoded)).expect("the last message is JSON")
}

#[test]
fn c_34_bad_token_is_told_as_json() {
    bad_token_is_told_as_json(&World::with_providers(&[]).target);
}

pub(super) fn bad_token_is_told_as_json(target: &Target) {
    for (mechanism, status) in MECHANISMS {
        for (socket, minor) in [("login", 4), ("login", 2), ("auth", 0)] {
            let mut client = target.client(socket, minor);
            let reply = login(&mut client, mechanism, ANN, "no-such-token").expect("FAIL");
            assert_eq!(reply.get("user"), Some(ANN), "{:?}", reply.raw);
            assert_eq!(reply.get("code"), None, "{:?}", reply.raw);
            let resp = reply.get("resp").unwrap_or_else(|| panic!("no resp in {:?}", reply.raw));
            assert_eq!(told(resp)["status"], status, "{:?}", reply.raw);
            for answer in ["", "AQ==", "!!!!"] {
                let resp = message(mechanism, ANN, "no-such-token");
                let id = client.auth(mechanism, &format!("secured=tls\tresp={resp}"));
                let challenge = client.reply(id).expect("CONT");
                assert_eq!(told(&challenge.fields[0])["status"], status, "{:?}", challenge.raw);
                client.wire.send(&format!("CONT\t{id}\t{answer}"));
                let reply = client.reply(id).expect("FAIL");
                assert_eq!(reply.fields, [format!("user={ANN}")], "{:?}", reply.raw);
            }
            client.expect_silence(Duration::from_millis(100));
        }
    }
}

#[test]
fn c_35_outage_of_the_provider_is_temporary() {
    outage_of_the_provider_is_temporary(&World::with_providers(&[]).target);
}

pub(super) fn outage_of_the_provider_is_temporary(target: &Target) {
    for (mechanism, _) in MECHANISMS {
        let mut client = target.client("login", 3);
        let reply = login(&mut client, mechanism, DORA, "any-token").expect("FAIL");
        assert_eq!(reply.get("code"), Some("temp_fail"), "{:?}", reply.raw);
        assert_eq!(reply.get("resp"), None, "{:?}", reply.raw);
        let resp = message(mechanism, DORA, "any-token");
        let id = client.auth(mechanism, &format!("secured=tls\tresp={resp}"));
        let reply = client.reply(id).expect("FAIL");
        assert_eq!(reply.get("code"), Some("temp_fail"), "{:?}", reply.raw);
    }
    // Postfix and Exim take every FAIL for a wrong password.
    let mut client = target.client("auth", 0);
    client.auth("XOAUTH2", &format!("resp={}", message("XOAUTH2", DORA, "any-token")));
    assert_eq!(client.wire.expect_close(), [""; 0]);
}

#[test]
fn c_41_token_and_name_are_one_persons() {
    token_and_name_are_one_persons(&World::with_providers(&[]).target);
}

pub(super) fn token_and_name_are_one_persons(target: &Target) {
    let mut client = target.client("auth", 2);
    for (mechanism, status) in MECHANISMS {
        for (user, token) in [(BOB, ANN_TOKEN), (ANN, BOB_TOKEN), ("BOB@example.org", ANN_TOKEN)] {
            let reply = login(&mut client, mechanism, user, token).expect("FAIL");
            let resp = reply.get("resp").unwrap_or_else(|| panic!("no resp in {:?}", reply.raw));
            assert_eq!(told(resp)["status"], status, "{:?}", reply.raw);
        }
        // The provider's spelling of Bob is another than ours.
        for (user, token, name) in [
            (ANN, ANN_TOKEN, ANN),
            ("Ann@EXAMPLE.org", ANN_TOKEN, ANN),
            (BOB, BOB_TOKEN, BOB),
            ("bOB@example.ORG", BOB_TOKEN, BOB),
        ] {
            let reply = login(&mut client, mechanism, user, token).expect("OK");
            assert_eq!(reply.get("user"), Some(name), "{:?}", reply.raw);
        }
    }
}

#[test]
fn c_61_tokens_are_not_believed_past_their_time() {
    let mut world = World::with_providers(&["provider.corp.token_cache = \"2s\""]);
    let corp = world.corp.take().expect("it was asked for");
    let mut client = world.target.client("auth", 2);
    for (mechanism, _) in MECHANISMS {
        let token = format!("for-{mechanism}");
        corp.know(&token, json!({}));
        login(&mut client, mechanism, ANN, &token).expect("OK");
        let asked = corp.count(INTROSPECTION);
        login(&mut client, mechanism, ANN, &token).expect("OK");
        assert_eq!(corp.count(INTROSPECTION), asked, "the answer is kept");
        corp.revoke(&token);
        thread::sleep(Duration::from_millis(2100));
        let reply = login(&mut client, mechanism, ANN, &token).expect("FAIL");
        assert!(reply.get("resp").is_some() && corp.count(INTROSPECTION) > asked);
    }
    // Nor while the provider cannot be asked, once the token itself is over.
    past_expiry_nothing_is_believed(&mut client, corp);
}

fn past_expiry_nothing_is_believed(client: &mut Client, mut corp: FakeProvider) {
    let expires = seconds() + 4;
    for (token, claims) in [("brief", json!({ "exp": expires })), ("long", json!({}))] {
        corp.know(token, claims);
        login(client, "XOAUTH2", ANN, token).expect("OK");
    }
    corp.stop();
    while seconds() <= expires {
        thread::sleep(Duration::from_millis(100));
    }
    let reply = login(client, "XOAUTH2", ANN, "brief").expect("FAIL");
    assert_eq!(reply.get("code"), Some("temp_fail"), "{:?}", reply.raw);
    login(client, "XOAUTH2", ANN, "long").expect("OK");
}
