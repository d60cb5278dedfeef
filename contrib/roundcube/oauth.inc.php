<?php

// Roundcube signs people in at the identity provider and logs in to Dovecot, Postfix and
// ManageSieve with the access token. Put this file beside config.inc.php, with mode 0640
// since it holds a secret, and add to config.inc.php:
//
//     require __DIR__ . '/oauth.inc.php';
//
// README.md explains each value. Proved with Roundcube 1.6.5 by tests/real/roundcube.rs.

// Keycloak: realm "example" at keycloak.example.org. Another provider's addresses stand
// in its discovery document, /.well-known/openid-configuration.
$realm = 'https://keycloak.example.org/realms/example/protocol/openid-connect';

$config['oauth_provider'] = 'generic';
// On the button: "Login with …".
$config['oauth_provider_name'] = 'Example SSO';
$config['oauth_client_id'] = 'roundcube';
$config['oauth_client_secret'] = 'the secret of the client roundcube';
$config['oauth_auth_uri'] = "$realm/auth";
$config['oauth_token_uri'] = "$realm/token";
$config['oauth_identity_uri'] = "$realm/userinfo";

// Without "openid" there is no ID token, and Keycloak's userinfo refuses the token.
$config['oauth_scope'] = 'openid email profile';

// The claim that becomes the IMAP user. Dovegate compares it with the token's (user_claim).
$config['oauth_identity_fields'] = ['email'];

// Leave it on: without it whoever stands between can take the tokens. A certificate of
// your own authority: the path of its PEM file.
$config['oauth_verify_peer'] = true;

// true: straight to the provider, without Roundcube's own login page. Leave it off as long
// as anybody logs in with a password or an app password.
$config['oauth_login_redirect'] = false;

// Roundcube 1.7 and later (1.6 always takes XOAUTH2 and does not know this): 'OAUTHBEARER'
// or 'XOAUTH2', Dovegate speaks both. The default 'OAUTH' chooses by itself, and fails at
// sending where the installed Net_SMTP is too old to know OAUTHBEARER.
$config['oauth_auth_type'] = 'OAUTHBEARER';

// Roundcube 1.7 and later: "Logout" signs out at the provider, too. For 1.6 there is the
// plugin below.
$config['oauth_logout_uri'] = "$realm/logout";

// Roundcube 1.6: "Logout" ends the session at the provider as well (plugins/oidc_signout).
//$config['plugins'][] = 'oidc_signout';
//$config['oidc_signout_uri'] = "$realm/logout";

// TLS: a token is as good as a password as long as it lives.
$config['imap_host'] = 'ssl://mail.example.org:993';
$config['smtp_host'] = 'ssl://mail.example.org:465';

// The user and the token of the session. These are the defaults; with anything else
// Roundcube would send as somebody else.
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';

// Minutes without a click until Roundcube forgets the session. Shorter than the refresh
// token lives (Keycloak: SSO Session Idle, 30 minutes): otherwise the next click is an error.
$config['session_lifetime'] = 20;
