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

/// The other schemes, made by `doveadm pw` of Dovecot 2.3.19, crypt(3) of libxcrypt
/// 4.4.33 and Python's hashlib of "wonderland", with what of them is replaced.
const OTHERS: [(&str, [&str; 2]); 35] = [
    ("{PLAIN-TRUNC}6-wonder", ["wonder", "wondes"]),
    ("{CRYPT}$2y$05$OfCWxQws3EYOK52xTAW5k.33P3cJ0SOR53OZQxqElcgiXzmp5Q5R.", ["5Q5R.", "5Q5S."]),
    (
        "{SHA256-CRYPT}$5$bPnoxnCEseLhuS9w$MIfVhdYVmn1kNESuQMNH5IY.cwiuJTnCahpL2KLLpr3",
        ["$MI", "$NI"],
    ),
    (
        "{CRYPT}$y$j75$LdJMENpBABJJ3hIHjB1Bi.$ywzvIlKsngom9ifSetC8q68oBEdfFN.ngrWRlmn5yA6",
        ["$yw", "$zw"],
    ),
    ("{CRYPT}$7$8/..../....abcdefgh$A8VZjWxwyQBB2ZR/U7DDgTHB8NKN2EMPt0sHjquVYD1", ["$A8", "$B8"]),
    ("{CRYPT}$sha1$1000$saltsalt$.Sb7E44MgyvLF0KBjQfl5gQpa6YV", ["$.S", "$/S"]),
    ("{CRYPT}$1$saltsalt$rMIqYVCXYNdPxX2s/bKpR0", ["$rM", "$sM"]),
    ("{CRYPT}abbIw0V4oaGvc", ["abb", "abc"]),
    ("{CRYPT}_J9..salty0ScEzE10vs", ["salty", "saltz"]),
    ("{DES-CRYPT.b64}WjRlOUhWMnRMVkJnUQ==", ["OUhW", "OUhX"]),
    ("{MD5-CRYPT}$1$uN8r2XsX$pljfoUee95EVaFzFh2RSV0", ["$pl", "$ql"]),
    ("{MD5}$1$OECRoYoV$MQETqZmHyiu/FTohI0Ojr0", ["$MQ", "$NQ"]),
    ("{MD5}4cecaff2b30bbe75ce7322109164cfb5", ["4c", "4d"]),
    ("{PLAIN-MD5}4cecaff2b30bbe75ce7322109164cfb5", ["4c", "4d"]),
    ("{PLAIN-MD5}TOyv8rMLvnXOcyIQkWTPtQ==", ["TO", "UO"]),
    ("{LDAP-MD5}TOyv8rMLvnXOcyIQkWTPtQ==", ["TO", "UO"]),
    ("{LDAP-MD5.hex}4cecaff2b30bbe75ce7322109164cfb5", ["4c", "4d"]),
    ("{SMD5}Hds375X6Zeulr7zQp1eW0lqCm78=", ["Hd", "Id"]),
    ("{PLAIN-MD4}a0c8ccb420d2cf268e12fe02d4a774d1", ["a0", "a1"]),
    ("{CRAM-MD5}721a2df79bd8bf7cff39c4914f8c49b8979ad5122813c64e75f91b8a6a09b88a", ["72", "73"]),
    ("{HMAC-MD5}chot95vYv3z/OcSRT4xJuJea1RIoE8ZOdfkbimoJuIo=", ["Io=", "Ik="]),
    ("{DIGEST-MD5}5ecbd210bd143b651e8b9de07427b991", ["5e", "5f"]),
    ("{SHA}tiY7sUhYKUwI5L3866kDY+ENcrQ=", ["ti", "ui"]),
    ("{SHA1}b6263bb14858294c08e4bdfceba90363e10d72b4", ["b6", "b7"]),
    ("{SHA256}pxp8cBH1OhurNkLsLOElk/BSMKzo3h4+dkX2nvrBRD0=", ["px", "qx"]),
    ("{SHA256.hex}a71a7c7011f53a1bab3642ec2ce12593f05230ace8de1e3e7645f69efac1443d", ["a7", "a6"]),
    (
        "{SHA512}ku0fDfoQrWtagdEFYHEbjQ9c9VgiIcfBTHy9WUlYxzC0akkZeapved5X1TI3/zY9iEZNFBBxylKvMcYzgvbHpg==",
        ["ku", "lu"],
    ),
    ("{SSHA}uDo42m41+DrkTi8unauFwds2UVkhm4vM", ["uD", "vD"]),
    ("{SSHA256}PNuwzNKtOpr0h9kHbQBiXInHJjcI/tok58vXsDgIQvqzoh9s", ["PN", "QN"]),
    (
        "{SSHA512}dSclSZjZh0tP11nHmbt5AqUvHomFyYE1hnkoNFM6veR5qRG3cynXuWAAIYWM56IL0/EvST06QHgXOnleCYAUOlueqoA=",
        ["dS", "eS"],
    ),
    ("{PBKDF2}$1$V7ZC/2WVvSDoXJ4J$5000$d181d459bfd85007b56b95da90122e66bd792ca1", ["d18", "d19"]),
    ("{PBKDF2-SHA512}5$c2FsdHNhbHQ=$NDtVjkvkANwXuh7fFWBm7DofiXnrIC7/bA6cky2xhXo=", ["$ND", "$OD"]),
    (
        "{SCRAM-SHA-1}4096,EljbKacNjVAOQ2GYUoj/gA==,/FQequNJoHz0WkHINwuAAqiMkj4=,iJRe1WNZzNaV7TEyIJrxEe283+8=",
        [",/F", ",0F"],
    ),
    (
        "{SCRAM-SHA-1}4096,EljbKacNjVAOQ2GYUoj/gA==,/FQequNJoHz0WkHINwuAAqiMkj4=,iJRe1WNZzNaV7TEyIJrxEe283+8=",
        [",iJ", ",jJ"],
    ),
    (
        "{SCRAM-SHA-256}4096,w4Yu6U4kPrGzOVPUEqybtw==,To3Mg+T4FnfiAnaeYYjM/DPk9Wpaq7lQAqtiCKk6ui0=,KAfjoRAPOKLUfk8cp26O2ZsClrtruXyywdwnj6/vDW0=",
        [",To", ",Uo"],
    ),
];

/// A world with Ann's hash replaced by this one.
fn keep_hash(world: &World, hash: &str) {
    world.daemon.cli(&["mailbox", "password", ANN, "--hash-stdin"], &format!("{hash}\n"));
}

#[test]
fn c_55_reference_hashes() {
    let world = World::with(&[
        "passwords.allow_weak_schemes = true",
        "abuse.account_limit = 0",
        "login.failure_delay = \"1ms\"",
    ]);
    let reference = REFERENCE.iter().map(|(hash, password, change)| (&**hash, *password, *change));
    let others = OTHERS.iter().map(|(hash, change)| (*hash, "wonderland", *change));
    for (hash, password, [right, wrong]) in reference.chain(others) {
        keep_hash(&world, hash);
        let mut client = world.target.client("auth", 2);
        assert_eq!(client.login(ANN, password).word, "OK", "{hash}");
        assert_eq!(client.login(ANN, "wrong").word, "FAIL", "{hash}");
        // The last place: the first may lie in the scheme's name.
        let at = hash.rfind(right).expect("the table names a part of the hash");
        let changed = format!("{}{wrong}{}", &hash[..at], &hash[at + right.len()..]);
        keep_hash(&world, &changed);
        let reply = client.login(ANN, password).expect("FAIL");
        assert_eq!(reply.get("code"), None, "{changed}: {:?}", reply.raw);
    }
}

#[test]
fn c_56_weak_scheme_is_switched_off() {
    let mut world = World::new();
    let hash = "{MD5-CRYPT}$1$saltsalt$rMIqYVCXYNdPxX2s/bKpR0";
    let refused = world.daemon.try_cli(&["mailbox", "password", ANN, "--hash-stdin"], hash);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(told.contains("MD5-CRYPT") && told.contains("allow_weak_schemes"), "{told}");
    world.daemon.smuggle(ANN, "local_hash", &hash.into());
    for password in ["wonderland", "wrong"] {
        let reply = world.target.client("login", 4).login(ANN, password).expect("FAIL");
        assert_eq!(reply.get("code"), Some("temp_fail"), "{:?}", reply.raw);
    }
    world.daemon.wait_for_log("scheme and setting", |log| {
        log.contains("weak_scheme")
            && log.contains("MD5-CRYPT")
            && log.contains("allow_weak_schemes")
    });
    world.daemon.restart_with(&["passwords.allow_weak_schemes = true"]);
    let mut client = world.target.client("auth", 2);
    assert_eq!(client.login(ANN, "wonderland").word, "OK");
    let reply = client.login(ANN, "wrong").expect("FAIL");
    assert_eq!(reply.get("code"), None, "{:?}", reply.raw);
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
