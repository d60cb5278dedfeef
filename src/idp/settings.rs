//! From a provider as written to one as meant: URLs, methods and conditions
//! checked once. What cannot work together is named by key, reason and way out.

use std::{path::Path, time::Duration};

use url::Url;

pub use crate::remote::settings::Problem;
use crate::{
    clock::Span,
    mailbox::{
        DomainName, NamedProvider, Provider, ProviderName, Provisioning,
        provider::{ClientAuth, Kind, Method, UnverifiedEmail},
        provisioning,
    },
    remote::{Tls, settings, tls::certificates},
    secret::Secret,
};

/// A provider as meant. Equal ones would do the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Its name.
    pub name: ProviderName,
    /// As written: for administrators, who change it so.
    pub written: Provider,
    /// Kind of server.
    pub kind: Kind,
    /// Under which `/.well-known/openid-configuration` is asked; none where the
    /// endpoints alone are configured.
    pub base: Option<Url>,
    /// What tokens must name as their issuer. `base` where nothing else is said.
    pub issuer: Option<String>,
    /// Endpoints that win over discovery's.
    pub endpoints: Endpoints,
    /// Our client.
    pub client: Option<Client>,
    /// How tokens are checked, in this order; never empty.
    pub methods: Vec<Method>,
    /// What a token must show.
    pub conditions: Conditions,
    /// Claim that names the mailbox.
    pub user_claim: String,
    /// People cannot write that claim themselves.
    pub user_claim_is_trusted: bool,
    /// What an unverified address counts.
    pub unverified_email: UnverifiedEmail,
    /// Completes a user claim without a domain.
    pub default_domain: Option<DomainName>,
    /// Tokens open local mailboxes, too.
    pub tokens_for_local: bool,
    /// How people sign in with a browser; none where they cannot.
    pub sign_in: Option<SignIn>,
    /// Role whose holders administer; nobody where there is none.
    pub administrator_role: Option<String>,
    /// They administer everything, and not the provider's domains alone.
    pub administrators: bool,
    /// Where its people and what happened to them can be asked for: a `keycloak`
    /// at which our client can get a token of its own.
    pub admin: Option<AdminApi>,
    /// Attribute with the hashes of main passwords; none where it checks none.
    pub password_attribute: Option<String>,
    /// How its people become mailboxes.
    pub provisioning: Provisioning,
    /// Claim of a token that lists the person's groups.
    pub groups_claim: String,
    /// The same of his roles.
    pub roles_claim: String,
    /// How long a checked token is not asked about again.
    pub token_cache: Duration,
    /// How long what it says of a person is not asked for again.
    pub mailpassword_cache: Duration,
    /// The same of an address that it does not know.
    pub unknown_cache: Duration,
    /// After which time an answer that does not let in is asked for again.
    pub recheck_interval: Duration,
    /// How long an answer counts while it cannot be asked.
    pub stale_limit: Duration,
    /// How old what is known of the owner of an app password may be; none where
    /// it is not asked. Only with `admin`.
    pub account_check: Option<Duration>,
    /// How often it is asked what has changed; none where it is not. Only with
    /// `admin`.
    pub event_interval: Option<Duration>,
    /// TLS.
    pub tls: Tls,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
}

/// Endpoints as configured.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Endpoints {
    /// RFC 7662.
    pub introspection: Option<Url>,
    /// OpenID Connect Core §5.3.
    pub userinfo: Option<Url>,
    /// Key set.
    pub jwks: Option<Url>,
    /// Where browsers are sent to sign in (RFC 6749 §3.1).
    pub authorization: Option<Url>,
    /// Where our client gets tokens (RFC 6749 §3.2).
    pub token: Option<Url>,
    /// Where browsers are sent to sign out (OpenID Connect RP-Initiated Logout 1.0
    /// §2). By discovery alone.
    pub end_session: Option<Url>,
    /// It names itself where it sends browsers back (RFC 9207). By discovery alone.
    pub names_itself: bool,
}

impl Endpoints {
    /// These, and where there is none that of `others`.
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            introspection: self.introspection.or(others.introspection),
            userinfo: self.userinfo.or(others.userinfo),
            jwks: self.jwks.or(others.jwks),
            authorization: self.authorization.or(others.authorization),
            token: self.token.or(others.token),
            end_session: self.end_session.or(others.end_session),
            names_itself: self.names_itself || others.names_itself,
        }
    }
}

/// What a sign-in with a browser goes by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignIn {
    /// Our client's id.
    pub client_id: String,
    /// Where browsers come back to, if that is another address than ours.
    pub redirect: Option<Url>,
    /// Scopes that are asked for; `openid` is one of them.
    pub scopes: Vec<String>,
}

/// Keycloak's Admin REST API, as far as a realm goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminApi {
    /// `…/admin/realms/REALM`.
    pub realm: Url,
    /// Where our client gets the token to ask with.
    pub token: Url,
}

impl AdminApi {
    /// What lies below the realm, such as `users`. Each segment is escaped.
    pub fn resource<'s>(&self, segments: impl IntoIterator<Item = &'s str>) -> Url {
        let mut url = self.realm.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(segments);
        }
        url
    }
}

/// Our client at the provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
    /// How it proves itself.
    pub auth: ClientAuth,
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        let Self { id, secret, auth } = self;
        *id == other.id && secret.ct_eq(other.secret.expose()) && *auth == other.auth
    }
}

/// What a token must show, beside being good.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conditions {
    /// All of these scopes.
    pub scopes: Vec<String>,
    /// One of these audiences.
    pub audience: Vec<String>,
    /// One of these clients.
    pub clients: Vec<String>,
    /// A signed token need not say what it is.
    pub untyped_tokens: bool,
}

impl Settings {
    /// Checks `named` and reads the files that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn mean(named: &NamedProvider) -> Result<Self, Vec<Problem>> {
        let NamedProvider { name, provider } = named;
        let mut check = Check { problems: Vec::new() };
        let base = check.base(provider);
        let client = check.client(provider);
        let password_attribute = check.password_attribute(provider);
        let admin = base.as_ref().filter(|_| client.is_some() && provider.kind == Kind::Keycloak);
        let admin = admin.and_then(admin_api);
        let endpoints = check.endpoints(provider, client.is_some());
        let methods = check.methods(provider, client.is_some());
        let conditions = check.conditions(provider, &methods);
        check.reachable(&methods, base.as_ref(), &endpoints, provider);
        let issuer = provider.issuer.clone().or_else(|| base.as_ref().map(issuer_of));
        if let Some(issuer) = &provider.issuer {
            check.url("issuer", Some(issuer));
        }
        let settings = Self {
            name: name.clone(),
            written: provider.clone(),
            kind: provider.kind,
            issuer,
            base,
            endpoints,
            client,
            methods,
            conditions,
            user_claim: check.user_claim(provider),
            user_claim_is_trusted: provider.user_claim_is_trusted,
            unverified_email: provider.unverified_email,
            default_domain: provider.default_domain.clone(),
            tokens_for_local: provider.tokens_for_local,
            sign_in: check.sign_in(name, provider),
            administrator_role: provider.administrator_role.clone(),
            administrators: provider.administrators,
            account_check: check.account_check(provider),
            event_interval: check.event_interval(provider),
            admin,
            password_attribute,
            provisioning: check.provisioning(provider),
            groups_claim: check.claim("groups_claim", provider.groups_claim.as_ref(), "groups"),
            roles_claim: check.claim(
                "roles_claim",
                provider.roles_claim.as_ref(),
                "realm_access.roles",
            ),
            token_cache: check.time("token_cache", provider.token_cache, 60, "1h"),
            mailpassword_cache: check.time(
                "mailpassword_cache",
                provider.mailpassword_cache,
                60,
                "1h",
            ),
            unknown_cache: check.time("unknown_cache", provider.unknown_cache, 10, "5m"),
            recheck_interval: check.time("recheck_interval", provider.recheck_interval, 5, "5m"),
            stale_limit: check.time("stale_limit", provider.stale_limit, 12 * 3600, "7d"),
            tls: check.tls(provider),
            connect_timeout: check.timeout("connect_timeout", provider.connect_timeout, 3),
            timeout: check.timeout("timeout", provider.timeout, 5),
        };
        if check.problems.is_empty() { Ok(settings) } else { Err(check.problems) }
    }

    /// Clients for which a logout token may be: ours, and those whose tokens count.
    pub(super) fn logout_audience(&self) -> Vec<&str> {
        let own = self.written.client_id.as_ref().filter(|id| !id.is_empty());
        own.into_iter().chain(&self.conditions.clients).map(String::as_str).collect()
    }

    /// Whether these settings have our client ask about people, and not about tokens
    /// alone: then it was given the right to.
    pub fn asks_about_people(&self) -> bool {
        let rules = &self.provisioning;
        let asks = self.password_attribute.is_some() || rules.is_scheduled();
        self.admin.is_some() && asks
    }

    /// What an administrator should hear at each start, and in `provider test`:
    /// settings that work and are not safe.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.tls.ignore_errors {
            warnings.push(
                "ignore_ssl_errors believes any certificate: whoever stands between can read \
                 tokens and say who may log in; set ca_file instead"
                    .to_owned(),
            );
        }
        let shows_clients = self.methods.iter().any(|method| *method != Method::Userinfo);
        if self.conditions.clients.is_empty() && self.conditions.audience.is_empty() {
            let way_out = if shows_clients {
                "list those of your mail programs in clients"
            } else {
                "userinfo cannot show whose it is; use introspection and list your mail programs \
                 in clients"
            };
            warnings.push(format!("tokens of every client of the provider are taken: {way_out}"));
        }
        if self.unverified_email == UnverifiedEmail::Accept && !self.user_claim_is_trusted {
            warnings.push(
                "unverified_email = \"accept\" lets whoever can write an address at the provider \
                 take a mailbox that nobody has used yet"
                    .to_owned(),
            );
        }
        if self.user_claim_is_trusted && self.user_claim == "email" {
            warnings.push(
                "user_claim_is_trusted takes every email for verified: whoever can write an \
                 address at the provider can take a mailbox that nobody has used yet"
                    .to_owned(),
            );
        }
        if self.client.is_none() && self.written.client_id.is_some() {
            warnings.push(
                "client_id without client_secret (or client_secret_file) serves browsers that sign in \
                 by a public client alone, and there is no introspection"
                    .to_owned(),
            );
        }
        if self.conditions.untyped_tokens {
            warnings.push(
                "untyped_tokens takes tokens that may be no access tokens, such as an ID token \
                 that another application got"
                    .to_owned(),
            );
        }
        // Who writes 0s has decided it.
        let undecided = self.account_check.is_none() && self.written.account_check.is_none();
        if self.kind == Kind::Keycloak && undecided {
            warnings.push(
                "app passwords go on when their owner is disabled at the provider: set account_check = \
                 \"15m\" (it needs client_id, client_secret and the role view-users), or \"0s\" where that \
                 is meant"
                    .to_owned(),
            );
        }
        let urls = [&self.base, &self.endpoints.introspection, &self.endpoints.userinfo];
        let further = [&self.endpoints.jwks, &self.endpoints.authorization, &self.endpoints.token];
        let urls = urls.into_iter().chain(further).flatten();
        for url in urls.filter(|url| url.scheme() == "http" && !is_loopback(url)) {
            warnings.push(format!("tokens and secrets cross the network in clear to {url}"));
        }
        warnings
    }
}

/// Issuers are compared as text. A slash at the end makes no other one:
/// Authentik's have one, Keycloak's have none, and few people type it right.
pub(super) fn same_issuer(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn issuer_of(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}

/// `/admin` stands before the realm, and not below it.
fn admin_api(base: &Url) -> Option<AdminApi> {
    let (root, name) = base.path().rsplit_once("/realms/")?;
    let mut realm = base.clone();
    realm.set_path(&format!("{root}/admin/realms/{name}"));
    Some(AdminApi { realm, token: below(base, "protocol/openid-connect/token") })
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path()));
    url
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn problem(&mut self, key: &'static str, reason: impl Into<String>) {
        self.problems.push(Problem { key, reason: reason.into() });
    }

    fn url(&mut self, key: &'static str, text: Option<&String>) -> Option<Url> {
        let text = text?;
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                self.problem(key, format!("\"{text}\" is not a URL: {error}"));
                return None;
            }
        };
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.fragment().is_some() {
            self.problem(key, "a URL here has no user, password or fragment");
        } else if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            self.problem(key, format!("\"{text}\" is not an http or https URL"));
        } else {
            return Some(url);
        }
        None
    }

    fn base(&mut self, provider: &Provider) -> Option<Url> {
        let mut url = self.url("server_url", provider.server_url.as_ref());
        if url.as_ref().is_some_and(|url| url.query().is_some()) {
            self.problem("server_url", "the address of a server has no query");
        }
        if url.as_ref().is_some_and(|url| url.path().contains("/.well-known/")) {
            self.problem("server_url", "is what stands before /.well-known/openid-configuration");
        }
        match (provider.kind, &provider.realm) {
            (Kind::Keycloak, realm) => {
                if provider.server_url.is_none() {
                    self.problem("server_url", "kind keycloak needs it: the root of the server");
                }
                match realm.as_deref().filter(|realm| !realm.is_empty()) {
                    None => self.problem("realm", "kind keycloak needs it"),
                    // They would vanish from the path.
                    Some("." | "..") => self.problem("realm", "is not the name of a realm"),
                    Some(realm) => {
                        if let Some(url) = &mut url
                            && let Ok(mut path) = url.path_segments_mut()
                        {
                            path.pop_if_empty().extend(["realms", realm]);
                        }
                    }
                }
            }
            (Kind::Oidc, Some(_)) => {
                self.problem("realm", "kind oidc has none: server_url is the issuer");
            }
            (Kind::Oidc, None) => {}
        }
        url
    }

    fn client(&mut self, provider: &Provider) -> Option<Client> {
        let secret = match (&provider.client_secret, &provider.client_secret_file) {
            (Some(_), Some(_)) => {
                self.problem("client_secret_file", "client_secret is set, too: one of both");
                return None;
            }
            (Some(secret), None) => Secret::from(secret.expose()),
            (None, Some(path)) => {
                let bytes = self.file("client_secret_file", path)?;
                Secret::new(bytes.trim_ascii())
            }
            (None, None) => return None,
        };
        if secret.is_empty() {
            self.problem("client_secret", "the secret is empty");
            return None;
        }
        let id = provider.client_id.clone().filter(|id| !id.is_empty());
        if id.is_none() {
            self.problem("client_id", "there is a client_secret, and no client_id");
        }
        Some(Client { id: id?, secret, auth: provider.client_auth })
    }

    fn endpoints(&mut self, provider: &Provider, has_client: bool) -> Endpoints {
        let introspection = self.url("introspection_url", provider.introspection_url.as_ref());
        let userinfo = self.url("userinfo_url", provider.userinfo_url.as_ref());
        let endpoints = Endpoints {
            introspection,
            userinfo,
            jwks: self.url("jwks_url", provider.jwks_url.as_ref()),
            authorization: self.url("authorize_url", provider.authorize_url.as_ref()),
            token: self.url("token_url", provider.token_url.as_ref()),
            ..Endpoints::default()
        };
        // docker-mailserver calls the userinfo endpoint so.
        let is_userinfo = !has_client && !provider.methods.contains(&Method::Introspection);
        if is_userinfo && endpoints.introspection.is_some() {
            if endpoints.userinfo.is_some() {
                let reason = "without client_id and client_secret it is a userinfo URL, and \
                              userinfo_url is set, too";
                self.problem("introspection_url", reason);
            }
            let userinfo = endpoints.introspection;
            return Endpoints { introspection: None, userinfo, ..endpoints };
        }
        endpoints
    }

    fn sign_in(&mut self, name: &ProviderName, provider: &Provider) -> Option<SignIn> {
        let redirect = self.redirect(name, provider);
        let written = provider.sign_in_scopes.as_slice();
        let fit = |scope: &String| {
            let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            !scope.is_empty() && scope.bytes().all(allowed)
        };
        if !written.iter().all(fit) {
            self.problem("sign_in_scopes", "a scope is a word of printable ASCII");
        }
        match provider.administrator_role.as_deref() {
            Some("") => self.problem("administrator_role", "is empty"),
            None if provider.administrators => {
                let reason = "says what holders of administrator_role may do, and that is not set";
                self.problem("administrators", reason);
            }
            _ => {}
        }
        let base: &[&str] =
            if written.is_empty() { &["openid", "profile", "email"] } else { &["openid"] };
        let mut scopes: Vec<String> = base.iter().map(|scope| (*scope).to_owned()).collect();
        scopes.extend(written.iter().filter(|scope| *scope != "openid").cloned());
        let client_id = provider.client_id.clone().filter(|id| !id.is_empty())?;
        Some(SignIn { client_id, redirect, scopes })
    }

    /// An authorization code comes there in a browser's address.
    fn redirect(&mut self, name: &ProviderName, provider: &Provider) -> Option<Url> {
        let url = self.url("redirect_url", provider.redirect_url.as_ref())?;
        let end = format!("/sign-in/{name}/callback");
        if url.query().is_some() || !url.path().ends_with(&end) {
            let reason = format!("browsers come back to us there: its path ends with {end}");
            self.problem("redirect_url", reason);
        } else if url.scheme() == "http" && !is_loopback(&url) {
            self.problem("redirect_url", "browsers come back with a secret: https");
        } else {
            return Some(url);
        }
        None
    }

    fn methods(&mut self, provider: &Provider, has_client: bool) -> Vec<Method> {
        let methods = match provider.methods.as_slice() {
            [] if has_client => vec![Method::Introspection],
            [] => vec![Method::Userinfo],
            methods => methods.to_vec(),
        };
        let twice = |method| methods.iter().filter(|other| **other == method).count() > 1;
        if methods.iter().any(|method| twice(*method)) {
            self.problem("methods", "names a method twice");
        }
        if methods.contains(&Method::Introspection) && !has_client {
            let reason = "introspection needs client_id and client_secret (or client_secret_file)";
            self.problem("methods", reason);
        }
        methods
    }

    /// What userinfo cannot show must not be required where userinfo may answer.
    fn conditions(&mut self, provider: &Provider, methods: &[Method]) -> Conditions {
        let required = [
            ("scopes", &provider.scopes, "a scope"),
            ("audience", &provider.audience, "an audience"),
            ("clients", &provider.clients, "a client"),
        ];
        for (key, values, what) in required {
            if values.iter().any(String::is_empty) {
                self.problem(key, "has an empty entry");
            }
            if values.is_empty() || !methods.contains(&Method::Userinfo) {
                continue;
            }
            let (its, way_out) = if methods.len() == 1 {
                ("its only method", "Add introspection or jwt to methods in its place")
            } else {
                ("one of its methods", "Take userinfo out of methods")
            };
            self.problem(
                key,
                format!("is required, but {its}, userinfo, cannot show {what}. {way_out}, or remove {key}."),
            );
        }
        Conditions {
            scopes: provider.scopes.clone(),
            audience: provider.audience.clone(),
            clients: provider.clients.clone(),
            untyped_tokens: provider.untyped_tokens,
        }
    }

    fn reachable(
        &mut self,
        methods: &[Method],
        base: Option<&Url>,
        endpoints: &Endpoints,
        provider: &Provider,
    ) {
        if base.is_some() || provider.server_url.is_some() || provider.kind == Kind::Keycloak {
            return;
        }
        for method in methods {
            let (endpoint, key) = match method {
                Method::Introspection => (&endpoints.introspection, "introspection_url"),
                Method::Userinfo => (&endpoints.userinfo, "userinfo_url"),
                Method::Jwt => (&endpoints.jwks, "jwks_url"),
            };
            if endpoint.is_none() {
                self.problem("server_url", format!("needed, unless {key} is set"));
            }
        }
        if methods.contains(&Method::Jwt) && provider.issuer.is_none() {
            self.problem("issuer", "method jwt needs it where there is no server_url");
        }
    }

    fn user_claim(&mut self, provider: &Provider) -> String {
        let claim = provider.user_claim.clone().unwrap_or_else(|| "email".to_owned());
        if claim.is_empty() {
            self.problem("user_claim", "is empty");
        }
        if claim != "email" && !provider.user_claim_is_trusted {
            let reason = format!(
                "people can often write \"{claim}\" themselves, and so name any mailbox: if they \
                 cannot, set user_claim_is_trusted = true"
            );
            self.problem("user_claim", reason);
        }
        claim
    }

    fn password_attribute(&mut self, provider: &Provider) -> Option<String> {
        let attribute = provider.password_attribute.as_deref().unwrap_or("mailcow_password");
        if attribute.is_empty() {
            self.problem("password_attribute", "is empty");
        }
        if !provider.mailpassword_flow {
            return None;
        }
        if provider.kind != Kind::Keycloak {
            self.problem("mailpassword_flow", "kind keycloak alone can show a person's hash");
            return None;
        }
        self.needs_admin("mailpassword_flow", provider);
        Some(attribute.to_owned())
    }

    fn provisioning(&mut self, provider: &Provider) -> Provisioning {
        if provider.import_users {
            self.needs_admin("import_users", provider);
        }
        if provider.periodic_full_sync {
            self.needs_admin("periodic_full_sync", provider);
        }
        let written = provisioning::AsWritten {
            import_users: provider.import_users,
            login_provisioning: provider.login_provisioning.unwrap_or(true),
            periodic_full_sync: provider.periodic_full_sync,
            sync_interval: provider.sync_interval,
            template_attribute: provider.template_attribute.as_deref(),
            attribute_mapping: &provider.attribute_mapping,
            default_template: provider.default_template.as_ref(),
            default_template_updates: provider.default_template_updates,
            renames: provider.renames,
            withdraw_limit: provider.withdraw_limit,
            template_needed: true,
        };
        written.mean(&mut |key, reason| self.problem(key, reason))
    }

    /// The name of a claim, or the path to it.
    fn claim(&mut self, key: &'static str, written: Option<&String>, default: &str) -> String {
        let claim = written.map_or(default, String::as_str);
        if claim.split('.').any(str::is_empty) {
            self.problem(key, "is the name of a claim, or names with dots between them");
        }
        claim.to_owned()
    }

    fn needs_admin(&mut self, key: &'static str, provider: &Provider) {
        if provider.kind != Kind::Keycloak {
            self.problem(key, "kind keycloak alone can be asked about people");
        } else if provider.client_secret.is_none() && provider.client_secret_file.is_none() {
            let reason = "needs client_id and client_secret: people are asked about with a token \
                          of our own client";
            self.problem(key, reason);
        }
    }

    fn account_check(&mut self, provider: &Provider) -> Option<Duration> {
        let default = if provider.mailpassword_flow { 15 * 60 } else { 0 };
        let time = self.time("account_check", provider.account_check, default, "1d");
        let asked = Some(time).filter(|time| !time.is_zero());
        if asked.is_some() && provider.account_check.is_some() {
            self.needs_admin("account_check", provider);
        }
        asked
    }

    fn event_interval(&mut self, provider: &Provider) -> Option<Duration> {
        let time = self.time("event_interval", provider.event_interval, 2, "5m");
        if !time.is_zero() && time < Duration::from_secs(1) {
            self.problem("event_interval", "at least 1s, or 0s for never");
        }
        if !time.is_zero() && provider.event_interval.is_some() {
            self.needs_admin("event_interval", provider);
        }
        let can_ask = provider.kind == Kind::Keycloak
            && (provider.client_secret.is_some() || provider.client_secret_file.is_some());
        Some(time).filter(|time| can_ask && !time.is_zero())
    }

    /// A time of `default` seconds, where none is written, and at most `longest`.
    fn time(
        &mut self,
        key: &'static str,
        written: Option<Span>,
        default: u64,
        longest: &'static str,
    ) -> Duration {
        settings::time(written, default, longest).unwrap_or_else(|reason| {
            self.problem(key, reason);
            Duration::ZERO
        })
    }

    fn timeout(&mut self, key: &'static str, written: Option<Span>, default: u64) -> Duration {
        settings::timeout(written, default).unwrap_or_else(|reason| {
            self.problem(key, reason);
            Duration::ZERO
        })
    }

    fn tls(&mut self, provider: &Provider) -> Tls {
        let ca_pem = provider.ca_file.as_ref().and_then(|path| self.file("ca_file", path));
        if let (Some(path), Some(pem)) = (&provider.ca_file, &ca_pem)
            && let Err(error) = certificates(pem)
        {
            self.problem("ca_file", format!("{}: {error}", path.display()));
        }
        Tls { ca_pem, ignore_errors: provider.ignore_ssl_errors }
    }

    fn file(&mut self, key: &'static str, path: &Path) -> Option<Vec<u8>> {
        settings::file(path).map_err(|reason| self.problem(key, reason)).ok()
    }
}

#[cfg(test)]
mod tests;
