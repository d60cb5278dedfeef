use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn mean(provider: Provider) -> Result<Settings, Vec<Problem>> {
    Settings::mean(&NamedProvider { name: "corp".parse().unwrap(), provider })
}

/// A good one of each kind, which a test then changes.
fn keycloak() -> Provider {
    let mut provider = Provider::new(Kind::Keycloak);
    provider.server_url = Some("https://login.example.org".to_owned());
    provider.realm = Some("mail".to_owned());
    provider.client_id = Some("mailgate".to_owned());
    provider.client_secret = Some("wonderland".to_owned().into());
    provider
}

fn oidc() -> Provider {
    let mut provider = Provider::new(Kind::Oidc);
    provider.server_url = Some("https://login.example.org/application/o/mail/".to_owned());
    provider
}

#[expect(clippy::unnecessary_wraps, reason = "most keys are optional")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Changed so, the problems are these: key, and part of the reason.
#[track_caller]
fn problems(mut provider: Provider, change: impl FnOnce(&mut Provider), expected: &[(&str, &str)]) {
    change(&mut provider);
    let found = mean(provider).map(drop).unwrap_err();
    let keys: Vec<_> = found.iter().map(|problem| problem.key).collect();
    let expected_keys: Vec<_> = expected.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, expected_keys, "{found:?}");
    for (problem, (_, reason)) in found.iter().zip(expected) {
        assert!(problem.reason.contains(reason), "{problem:?} should say {reason}");
    }
}

#[track_caller]
fn good(mut provider: Provider, change: impl FnOnce(&mut Provider)) -> Settings {
    change(&mut provider);
    mean(provider).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn addresses() {
    let settings = good(keycloak(), |_| {});
    assert_eq!(settings.base.unwrap().as_str(), "https://login.example.org/realms/mail");
    assert_eq!(settings.issuer.as_deref(), Some("https://login.example.org/realms/mail"));
    let old = good(keycloak(), |provider| {
        provider.server_url = some("https://login.example.org/auth/");
        provider.realm = some("a/b c");
    });
    assert_eq!(old.base.unwrap().as_str(), "https://login.example.org/auth/realms/a%2Fb%20c");
    let settings = good(oidc(), |_| {});
    assert!(same_issuer(
        &settings.issuer.unwrap(),
        "https://login.example.org/application/o/mail/"
    ));
    let apart = good(keycloak(), |provider| provider.issuer = some("https://people.example.org/x"));
    assert_eq!(apart.issuer.as_deref(), Some("https://people.example.org/x"));
}

#[test]
fn issuers_differ_by_more_than_a_slash() {
    assert!(same_issuer("https://a.example.org", "https://a.example.org/"));
    for other in ["https://a.example.org/x", "http://a.example.org", "https://A.example.org", ""] {
        assert!(!same_issuer("https://a.example.org", other), "{other}");
    }
}

#[test]
fn bad_addresses() {
    for (url, reason) in [
        ("", "not a URL"),
        ("login.example.org", "not a URL"),
        ("ftp://login.example.org", "not an http or https URL"),
        ("file:///etc/passwd", "not an http or https URL"),
        ("https://ann:secret@login.example.org", "no user"),
        ("ftp://ann:secret@login.example.org", "no user"),
        ("https://login.example.org/#x", "fragment"),
        ("https://login.example.org/?a=b", "no query"),
        ("https://login.example.org/.well-known/openid-configuration", "stands before"),
    ] {
        problems(oidc(), |provider| provider.server_url = some(url), &[("server_url", reason)]);
    }
    for key in ["issuer", "introspection_url", "userinfo_url", "jwks_url"] {
        let set = |provider: &mut Provider| {
            let place = match key {
                "issuer" => &mut provider.issuer,
                "introspection_url" => &mut provider.introspection_url,
                "userinfo_url" => &mut provider.userinfo_url,
                _ => &mut provider.jwks_url,
            };
            *place = some("nowhere");
        };
        problems(oidc(), set, &[(key, "not a URL")]);
    }
}

#[test]
fn kinds_need_their_own() {
    problems(keycloak(), |p| p.server_url = None, &[("server_url", "kind keycloak needs it")]);
    problems(keycloak(), |p| p.realm = None, &[("realm", "kind keycloak needs it")]);
    problems(keycloak(), |p| p.realm = some(""), &[("realm", "kind keycloak needs it")]);
    problems(keycloak(), |p| p.realm = some(".."), &[("realm", "not the name of a realm")]);
    problems(oidc(), |p| p.realm = some("mail"), &[("realm", "kind oidc has none")]);
    problems(oidc(), |p| p.server_url = None, &[("server_url", "unless userinfo_url is set")]);
}

#[test]
fn methods_and_their_defaults() {
    assert_eq!(good(keycloak(), |_| {}).methods, [Method::Introspection]);
    assert_eq!(good(oidc(), |_| {}).methods, [Method::Userinfo]);
    let order = [Method::Jwt, Method::Introspection];
    let chosen = good(keycloak(), |provider| provider.methods = order.to_vec());
    assert_eq!(chosen.methods, order);
    let twice = vec![Method::Userinfo, Method::Userinfo];
    problems(oidc(), |p| p.methods = twice, &[("methods", "twice")]);
    let introspection = vec![Method::Introspection];
    problems(oidc(), |p| p.methods = introspection, &[("methods", "client_id and client_secret")]);
}

#[test]
fn clients() {
    problems(keycloak(), |p| p.client_id = None, &[("client_id", "no client_id")]);
    problems(keycloak(), |p| p.client_id = some(""), &[("client_id", "no client_id")]);
    let empty = |provider: &mut Provider| provider.client_secret = Some(String::new().into());
    problems(keycloak(), empty, &[("client_secret", "empty")]);
    let both = |provider: &mut Provider| provider.client_secret_file = Some("/x".into());
    problems(keycloak(), both, &[("client_secret_file", "one of both")]);
}

#[test]
fn files() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, bytes: &[u8]| -> Option<PathBuf> {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Some(path)
    };
    let from_file = |path: Option<PathBuf>| {
        move |provider: &mut Provider| {
            provider.client_secret = None;
            provider.client_secret_file = path;
        }
    };
    let settings = good(keycloak(), from_file(file("secret", b"wonderland\n")));
    assert!(settings.client.unwrap().secret.ct_eq(b"wonderland"));
    problems(keycloak(), from_file(file("empty", b"\n")), &[("client_secret", "empty")]);
    let large = file("large", &vec![b'x'; 1024 * 1024 + 1]);
    for (path, reason) in [
        (large, "too large"),
        (Some("secret".into()), "absolute"),
        (Some("/nowhere/secret".into()), "No such file"),
        (Some("/dev/zero".into()), "not a file"),
        (Some(folder.path().into()), "not a file"),
    ] {
        problems(keycloak(), from_file(path), &[("client_secret_file", reason)]);
    }
    for (bytes, reason) in [
        (&b""[..], "holds no certificate"),
        (b"garbage", "holds no certificate"),
        (CERTIFICATE.as_bytes(), "broken"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA", "no certificates in PEM"),
    ] {
        let path = file("ca.pem", bytes);
        problems(keycloak(), |provider| provider.ca_file = path, &[("ca_file", reason)]);
    }
}

/// What the answering method cannot show must not be required.
#[test]
fn conditions_that_cannot_be_shown() {
    let both = [Method::Introspection, Method::Userinfo];
    for key in ["scopes", "audience", "clients"] {
        let require = |methods: &[Method], value: &str| {
            let (methods, value) = (methods.to_vec(), vec![value.to_owned()]);
            move |provider: &mut Provider| {
                provider.methods = methods;
                match key {
                    "scopes" => provider.scopes = value,
                    "audience" => provider.audience = value,
                    _ => provider.clients = value,
                }
            }
        };
        problems(keycloak(), require(&both[1..], "x"), &[(key, "its only method, userinfo")]);
        problems(keycloak(), require(&both, "x"), &[(key, "Take userinfo out of methods")]);
        problems(keycloak(), require(&both[..1], ""), &[(key, "empty entry")]);
        good(keycloak(), require(&[Method::Jwt, Method::Introspection], "x"));
    }
}

/// Endpoints alone, without discovery.
#[test]
fn without_a_server_url() {
    let url = || some("https://login.example.org/x");
    let alone = good(oidc(), |provider| {
        provider.server_url = None;
        provider.introspection_url = url();
    });
    assert_eq!(alone.endpoints.userinfo.unwrap().as_str(), "https://login.example.org/x");
    assert_eq!((alone.base, alone.issuer, alone.endpoints.introspection), (None, None, None));
    let two = |provider: &mut Provider| {
        provider.introspection_url = url();
        provider.userinfo_url = url();
    };
    problems(oidc(), two, &[("introspection_url", "userinfo_url is set, too")]);
    good(keycloak(), two);

    let jwt = |provider: &mut Provider| {
        provider.server_url = None;
        provider.methods = vec![Method::Jwt];
    };
    let expected = [("server_url", "jwks_url"), ("issuer", "method jwt needs it")];
    problems(oidc(), jwt, &expected);
    good(oidc(), |provider| {
        jwt(provider);
        provider.jwks_url = url();
        provider.issuer = url();
    });
}

#[test]
fn user_claims() {
    assert_eq!(good(oidc(), |_| {}).user_claim, "email");
    problems(oidc(), |p| p.user_claim = some("upn"), &[("user_claim", "user_claim_is_trusted")]);
    problems(
        oidc(),
        |provider| {
            provider.user_claim = some("");
            provider.user_claim_is_trusted = true;
        },
        &[("user_claim", "empty")],
    );
    good(oidc(), |provider| {
        provider.user_claim = some("upn");
        provider.user_claim_is_trusted = true;
    });
}

#[test]
fn times() {
    let settings = good(oidc(), |_| {});
    assert_eq!(settings.connect_timeout, Duration::from_secs(3));
    assert_eq!(settings.timeout, Duration::from_secs(5));
    assert_eq!(settings.token_cache, Duration::from_secs(60));
    for time in [Span::seconds(0), Span::seconds(9)] {
        problems(oidc(), |p| p.timeout = Some(time), &[("timeout", "at most 8s")]);
        problems(oidc(), |p| p.connect_timeout = Some(time), &[("connect_timeout", "at most 8s")]);
    }
    let long = Some(Span::seconds(3601));
    problems(oidc(), |p| p.token_cache = long, &[("token_cache", "at most 1h")]);
    good(oidc(), |provider| provider.token_cache = Some(Span::seconds(0)));
}

#[test]
fn what_is_asked_about_people() {
    let plain = good(keycloak(), |_| {});
    assert_eq!((plain.account_check, plain.event_interval), (None, Some(Duration::from_secs(2))));
    let flow = good(keycloak(), |p| p.mailpassword_flow = true);
    assert_eq!(flow.account_check, Some(Duration::from_secs(15 * 60)));
    let never = good(keycloak(), |p| {
        p.mailpassword_flow = true;
        p.account_check = Some(Span::seconds(0));
        p.event_interval = Some(Span::seconds(0));
    });
    assert_eq!((never.account_check, never.event_interval), (None, None));
    assert_eq!(good(oidc(), |_| {}).event_interval, None);
    let some = Some(Span::seconds(60));
    problems(oidc(), |p| p.account_check = some, &[("account_check", "keycloak alone")]);
    problems(oidc(), |p| p.event_interval = some, &[("event_interval", "keycloak alone")]);
    let nobody = |p: &mut Provider| {
        (p.client_id, p.client_secret, p.account_check) = (None, None, some);
    };
    problems(keycloak(), nobody, &[("account_check", "needs client_id and client_secret")]);
    let often = Some(Span(Duration::from_millis(500)));
    problems(keycloak(), |p| p.event_interval = often, &[("event_interval", "at least 1s")]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    problems(
        oidc(),
        |provider| {
            provider.realm = some("mail");
            provider.client_secret = Some("wonderland".to_owned().into());
            provider.scopes = vec!["mail".to_owned()];
            provider.timeout = Some(Span::seconds(60));
        },
        &[("realm", ""), ("client_id", ""), ("scopes", ""), ("timeout", "")],
    );
}

#[test]
fn warnings() {
    let clients = |provider: &mut Provider| provider.clients = vec!["roundcube".to_owned()];
    let warned = |provider: Provider, change: &dyn Fn(&mut Provider)| {
        good(provider, |provider| {
            provider.account_check = Some(Span::seconds(0));
            change(provider);
        })
        .warnings()
    };
    assert_eq!(warned(keycloak(), &clients), [""; 0]);
    let audience = |provider: &mut Provider| provider.audience = vec!["mail".to_owned()];
    assert_eq!(warned(keycloak(), &audience), [""; 0]);
    for (provider, change, expected) in [
        (
            keycloak(),
            &(|_: &mut Provider| {}) as &dyn Fn(&mut Provider),
            "list those of your mail programs",
        ),
        (oidc(), &|_| {}, "userinfo cannot show whose it is"),
        (
            keycloak(),
            &|provider| {
                clients(provider);
                provider.ignore_ssl_errors = true;
            },
            "believes any certificate",
        ),
        (
            keycloak(),
            &|provider| {
                clients(provider);
                provider.user_claim_is_trusted = true;
            },
            "takes every email for verified",
        ),
        (
            keycloak(),
            &|provider| {
                clients(provider);
                provider.unverified_email = UnverifiedEmail::Accept;
            },
            "that nobody has used yet",
        ),
        (
            keycloak(),
            &|provider| {
                clients(provider);
                provider.untyped_tokens = true;
            },
            "may be no access tokens",
        ),
        (
            keycloak(),
            &|provider| {
                clients(provider);
                provider.server_url = some("http://keycloak.example.org:8080");
            },
            "in clear to http://keycloak.example.org:8080",
        ),
        (
            keycloak(),
            &|provider| {
                clients(provider);
                provider.jwks_url = some("http://10.0.0.1/certs");
            },
            "in clear to http://10.0.0.1/certs",
        ),
    ] {
        let warnings = warned(provider, change);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(expected), "{warnings:?}");
    }
    let undecided = warned(keycloak(), &|provider| {
        clients(provider);
        provider.account_check = None;
    });
    assert!(undecided[0].contains("set account_check"), "{undecided:?}");
    let half = warned(oidc(), &|provider| provider.client_id = some("mailgate"));
    assert!(half[1].contains("without client_secret"), "{half:?}");
    for host in ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]"] {
        let near = |provider: &mut Provider| {
            clients(provider);
            provider.server_url = some(host);
        };
        assert_eq!(warned(keycloak(), &near), [""; 0], "{host}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let settings = good(keycloak(), |_| {});
    assert!(!format!("{settings:?}").contains("wonderland"));
}

#[test]
fn where_hashes_of_passwords_are() {
    assert!(good(keycloak(), |_| {}).password_attribute.is_none());
    let settings = good(keycloak(), |p| p.mailpassword_flow = true);
    let admin = settings.admin.unwrap();
    let users = admin.resource(["users"]);
    assert_eq!(users.as_str(), "https://login.example.org/admin/realms/mail/users");
    let token = "https://login.example.org/realms/mail/protocol/openid-connect/token";
    assert_eq!(admin.token.as_str(), token);
    assert_eq!(settings.password_attribute.as_deref(), Some("mailcow_password"));
    let old = good(keycloak(), |p| {
        p.server_url = some("https://login.example.org/auth/");
        p.realm = some("a/realms/b c%");
        p.mailpassword_flow = true;
        p.password_attribute = some("imap");
    });
    let root = "https://login.example.org/auth";
    let one = old.admin.unwrap().resource(["users", "1/2"]);
    assert_eq!(one.as_str(), format!("{root}/admin/realms/a%2Frealms%2Fb%20c%25/users/1%2F2"));
    assert_eq!(old.password_attribute.as_deref(), Some("imap"));
}

#[test]
fn hashes_of_passwords_need_a_keycloak_and_a_client() {
    let on = |p: &mut Provider| p.mailpassword_flow = true;
    problems(oidc(), on, &[("mailpassword_flow", "kind keycloak alone")]);
    let without = |p: &mut Provider| {
        (p.client_id, p.client_secret, p.mailpassword_flow) = (None, None, true);
    };
    problems(keycloak(), without, &[("mailpassword_flow", "needs client_id and client_secret")]);
    let nameless = |p: &mut Provider| p.password_attribute = some("");
    problems(keycloak(), nameless, &[("password_attribute", "is empty")]);
}

#[test]
fn signing_in_with_a_browser() {
    let plain = good(keycloak(), |_| {}).sign_in.expect("there is a client");
    assert_eq!(plain.client_id, "mailgate");
    assert_eq!(plain.scopes, ["openid", "profile", "email"]);
    assert_eq!(plain.redirect, None);
    assert_eq!(good(oidc(), |_| {}).sign_in, None, "without a client");
    let public = good(oidc(), |provider| provider.client_id = some("pages"));
    assert_eq!(public.sign_in.map(|sign_in| sign_in.client_id).as_deref(), Some("pages"));

    let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let own = good(keycloak(), |provider| provider.sign_in_scopes = scopes(&["mail", "openid"]));
    assert_eq!(own.sign_in.unwrap().scopes, ["openid", "mail"]);
    for bad in ["", "a b", "ä", "a\"", "a\\"] {
        let change = |provider: &mut Provider| provider.sign_in_scopes = scopes(&[bad]);
        problems(keycloak(), change, &[("sign_in_scopes", "a word")]);
    }
}

#[test]
fn where_browsers_come_back_to() {
    let redirect =
        |url: &'static str| move |provider: &mut Provider| provider.redirect_url = some(url);
    for url in [
        "https://mail.example.org/sign-in/corp/callback",
        "https://mail.example.org/auth/sign-in/corp/callback",
        "http://127.0.0.1:8080/sign-in/corp/callback",
    ] {
        let sign_in = good(keycloak(), redirect(url)).sign_in.unwrap();
        assert_eq!(sign_in.redirect.unwrap().as_str(), url);
    }
    for (url, reason) in [
        ("https://mail.example.org", "its path ends with /sign-in/corp/callback"),
        ("https://mail.example.org/sign-in/other/callback", "its path ends with"),
        ("https://mail.example.org/sign-in/corp/callback?x", "its path ends with"),
        ("https://mail.example.org/sign-in/corp/callback#x", "fragment"),
        ("http://mail.example.org/sign-in/corp/callback", "https"),
        ("javascript:alert(1)", "not an http or https URL"),
    ] {
        problems(keycloak(), redirect(url), &[("redirect_url", reason)]);
    }
}

#[test]
fn who_administers() {
    let change = |provider: &mut Provider| provider.administrators = true;
    problems(keycloak(), change, &[("administrators", "administrator_role")]);
    let change = |provider: &mut Provider| provider.administrator_role = some("");
    problems(keycloak(), change, &[("administrator_role", "is empty")]);
    let settings = good(keycloak(), |provider| {
        provider.administrator_role = some("chief");
        provider.administrators = true;
    });
    assert!(settings.administrators && settings.administrator_role.as_deref() == Some("chief"));
}
