//! C-55, C-57 to C-60, C-62: stored hashes, the cache, the log.

use std::sync::LazyLock;

use crate::support::{
    b64, plain,
    provider::CLIENT_SECRET,
    world::{ANN, ANN_PASSWORD, ANN_TOKEN, BOB, DORA, World},
};

/// Hashes of other origin (the reference vectors of `crypt_blowfish`, of the
/// SHA-crypt specification and of the Argon2 reference program), with the
/// password, and a character of the digest with what replaces it.
static REFERENCE: LazyLock<Vec<(String, &str, [&str; 2])>> = LazyLock::new(|| {
    let sha512 = "{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    let argon2 = "{ARGON2ID}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let bcrypt = "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    vec![
        (bcrypt.to_owned(), "U*U", ["E5YPO9", "E5YPO8"]),
        (bcrypt.replace("$2a$", "$2y$").replace("{BLF", "{blf"), "U*U", ["E5YPO9", "E5YPO8"]),
        (sha512.to_owned(), "Hello world!", ["svn8Uo", "svn9Uo"]),
        (argon2.to_owned(), "password", ["nf65EO", "nf64EO"]),
        ("{PLAIN}wonderland".to_owned(), "wonderland", ["wonder", "wondes"]),
        ("{PLAIN.b64}d29uZGVybGFuZA==".to_owned(), "wonderland", ["d29u", "d29v"]),
        ("{PLAIN.hex}776f6e6465726c616e64".to_owned(), "wonderland", ["776f", "776e"]),
        (
            format!("{{SHA512-CRYPT.b64}}{}", b64(&sha512["{SHA512-CRYPT}".len()..])),
            "Hello world!",
            ["JDYkc2F", "JDYkc2E"],
        ),
    ]
});

/// A world with Ann's hash replaced by this one.
fn keep_hash(world: &World, hash: &str) {
    world.daemon.cli(&["mailbox", "password", ANN, "--hash-stdin"], &format!("{hash}\n"));
}

#[test]
fn c_55_reference_hashes() {
    let world = World::new();
    for (hash, password, [right, wrong]) in REFERENCE.iter() {
        keep_hash(&world, hash);
        let mut client = world.target.client("auth", 2);
        assert_eq!(client.login(ANN, password).word, "OK", "{hash}");
        assert_eq!(client.login(ANN, "wrong").word, "FAIL", "{hash}");
        let changed = hash.replacen(right, wrong, 1);
        assert_ne!(changed, *hash);
        keep_hash(&world, &changed);
        let reply = client.login(ANN, password).expect("FAIL");
        assert_eq!(reply.get("code"), None, "{changed}: {:?}", reply.raw);
    }
}

#[test]
fn c_57_unreadable_hash_is_temp_fail() {
    let world = World::new();
    let hashes = [
        "{NO-SUCH-SCHEME}x",
        "{BLF-CRYPT}$2y$05$short",
        "{SHA512-CRYPT}",
        "{ARGON2ID}$argon2id$v=19$m=1",
        "no scheme",
    ];
    for hash in hashes {
        world.daemon.smuggle(ANN, "local_hash", &hash.into());
        let mut client = world.target.client("login", 4);
        let reply = client.login(ANN, ANN_PASSWORD).expect("FAIL");
        assert_eq!(reply.get("code"), Some("temp_fail"), "{hash}: {:?}", reply.raw);
        // To minor 0 every FAIL would mean "wrong password".
        let mut postfix = world.target.client("auth", 0);
        postfix.ask(ANN, ANN_PASSWORD);
        assert_eq!(postfix.wire.expect_close(), [""; 0], "{hash}");
    }
    let log = world.daemon.log();
    assert!(log.contains("unknown_scheme") && log.contains("corrupt_hash"), "{log}");
    assert_eq!(world.target.client("auth", 2).login(BOB, "looking glass").word, "OK");
}

#[test]
fn c_58_hash_above_the_cap_is_not_run() {
    let mut world = World::new();
    let (bcrypt, password, _) = &REFERENCE[0];
    keep_hash(&world, bcrypt);
    assert_eq!(world.target.client("auth", 2).login(ANN, password).word, "OK");
    world.daemon.restart_with(&["passwords.max_bcrypt_cost = 4"]);
    let reply = world.target.client("login", 4).login(ANN, password).expect("FAIL");
    assert_eq!(reply.get("code"), Some("temp_fail"), "{:?}", reply.raw);
    world.daemon.wait_for_log("cost_above_cap", |log| log.contains("cost_above_cap"));
}

#[test]
fn c_59_cache_keeps_users_apart() {
    let world = World::with(&["names.further_local_characters = \"&='\""]);
    let names = [
        "ann=@example.org",
        "ann&u@example.org",
        "ann=x@example.org",
        "a@example.org",
        "an@example.org",
    ];
    for (n, name) in names.iter().enumerate() {
        world.daemon.add_mailbox(name, &format!("password {n}"), &[]);
    }
    let mut client = world.target.client("auth", 2);
    for _ in 0..2 {
        for (n, name) in names.iter().enumerate() {
            assert_eq!(client.login(name, &format!("password {n}")).word, "OK", "{name}");
        }
    }
    for (n, name) in names.iter().enumerate() {
        let other = format!("password {}", (n + 1) % names.len());
        assert_eq!(client.login(name, &other).word, "FAIL", "{name} with another's password");
    }
    // Name and password meet in one key: moving the border must not fit.
    assert_eq!(client.login("an@example.org", "npassword 3").word, "FAIL");
}

#[test]
fn c_60_new_password_works_at_once() {
    let world = World::new();
    let mut client = world.target.client("auth", 2);
    for password in [ANN_PASSWORD, "second", "third"] {
        world
            .daemon
            .cli(&["mailbox", "password", ANN, "--password-stdin"], &format!("{password}\n"));
        assert_eq!(client.login(ANN, password).word, "OK", "{password}");
        assert_eq!(client.login(ANN, password).word, "OK", "{password}, from the cache");
    }
    for old in [ANN_PASSWORD, "second"] {
        assert_eq!(client.login(ANN, old).word, "FAIL", "{old}");
    }
    // A password refused once is right after it became the password.
    world.daemon.cli(&["mailbox", "password", ANN, "--password-stdin"], "second\n");
    assert_eq!(client.login(ANN, "second").word, "OK");
    assert_eq!(client.login(ANN, "third").word, "FAIL");
}

#[test]
fn c_62_log_shows_no_secret() {
    let world = World::with_providers(&["log.level = \"trace\""]);
    let app_password = world.daemon.add_app_password(ANN, &["--name", "Phone"]);
    let mut client = world.target.client("login", 4);
    let secrets = [ANN_PASSWORD, "not the password", &app_password];
    for password in secrets {
        client.login(ANN, password);
        let id = client.auth("LOGIN", "secured");
        client.reply(id).expect("CONT");
        client.wire.send(&format!("CONT\t{id}\t{}", b64(ANN)));
        client.reply(id).expect("CONT");
        client.wire.send(&format!("CONT\t{id}\t{}", b64(password)));
        client.reply(id);
    }
    let tokens = [ANN_TOKEN, "no such token", "not-a-token-of-anybody"];
    for (token, user) in tokens.into_iter().flat_map(|token| [(token, ANN), (token, DORA)]) {
        let message = b64(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        let id = client.auth("XOAUTH2", &format!("final-resp-ok\tresp={message}"));
        client.reply(id);
        let id = client.auth("OAUTHBEARER", &format!("final-resp-ok\tresp={message}"));
        client.reply(id).expect("FAIL");
    }
    // Broken ones are not logged for being broken.
    let id = client.auth("PLAIN", &format!("resp={}!", plain(ANN, ANN_PASSWORD)));
    client.reply(id).expect("FAIL");
    client.wire.send(&format!("AUTH\t99\tPLAIN\tresp={}\tx", plain(ANN, ANN_PASSWORD)));
    client.wire.read(world.target.patience);
    let log = world.daemon.log();
    assert!(log.contains(ANN), "nothing was logged at all:\n{log}");
    let compact = app_password.replace('-', "");
    for secret in secrets.into_iter().chain(tokens).chain([&*compact, CLIENT_SECRET]) {
        for form in
            [secret.to_owned(), b64(secret), plain(ANN, secret), format!("{:?}", secret.as_bytes())]
        {
            assert!(!log.contains(&form), "{form:?} is in the log:\n{log}");
        }
    }
}
