//! From [`File`] to [`Config`]: what needs two keys, the system's users or
//! another room's rules to judge. Gathers every problem before it gives up.

use std::{
    collections::BTreeMap, net::SocketAddr, ops::RangeInclusive, path::Path, sync::Arc,
    time::Duration,
};

use nix::unistd::{AccessFlags, Group, User, access};

use super::{
    Config, Problem, Problems, Source,
    file::{self, File},
};
use crate::{
    directory::{Problem as DirectoryProblem, Settings as DirectorySettings},
    idp::{Problem as ProviderProblem, Settings as ProviderSettings},
    mailbox::{NameRules, NamedProvider, Provider, ProviderName, userdb},
    password::{Caps, NewScheme},
    server::settings::{
        Endpoint, HttpSettings, Kind, Limits, ListenerSettings, OnWithdrawal, Rights, Settings,
        TlsFiles,
    },
    telemetry,
    verify::{Settings as VerifySettings, penalty},
    web::settings::{Client, MailServer, PublicUrl, Settings as WebSettings},
};

/// Some clients give up after 5 s; work comes on top of the delay.
const LONGEST_FAILURE_DELAY: Duration = Duration::from_secs(4);

/// A session that goes on so long has not been ended.
const LONGEST_WITHDRAWAL: Duration = Duration::from_secs(300);

/// A session of the pages beyond that has not been ended.
const LONGEST_SESSION: Duration = Duration::from_secs(30 * 24 * 3600);

/// More that wait could not be meant, and is more than memory can hold.
const MOST_WAITING: usize = 1_000_000;
/// Each counter keeps its guesses.
const MOST_GUESSES: usize = 10_000;
/// About 20 GB of them.
const MOST_COUNTERS: usize = 100_000_000;

/// Mechanisms that the settings may name.
const MECHANISMS: [&str; 5] = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL"];

/// Applies `--data DIR`: state and sockets in there, and the sockets of a
/// whole server if the file lists none.
pub(super) fn settle_in(written: &mut File, data: &Path) {
    written.state_dir = data.join("state");
    written.run_dir = data.join("run");
    if !written.listener.is_empty() {
        return;
    }
    written.listener = [
        (Kind::Login, "login", 0o666),
        (Kind::Auth, "auth", 0o666),
        (Kind::Userdb, "userdb", 0o666),
        (Kind::TokenLogin, "token-login", 0o666),
        (Kind::Token, "token", 0o666),
        // Strangers need not know who has a mailbox.
        (Kind::Socketmap, "socketmap", 0o660),
        (Kind::Master, "master", 0o600),
    ]
    .into_iter()
    .map(|(kind, name, mode)| file::Listener::unix(kind, written.run_dir.join(name), mode))
    .collect();
}

/// Checks everything and makes each room's settings.
pub(super) fn mean(mut written: File, source: Source, text: &str) -> Result<Config, Problems> {
    add_admin(&mut written);
    let mut check = Check { text, problems: Problems::default() };
    let names = check.names(&written.names);
    let server = check.server(&written, &source);
    let userdb = check.userdb(&written.userdb);
    let web = check.web(&written);
    let verify = check.verify(&written, names, userdb.home.clone());
    let log = telemetry::Settings { target: written.log.target, level: written.log.level };
    if check.problems.0.is_empty() {
        Ok(Config { source, log, server, verify, userdb, web, written })
    } else {
        Err(check.problems)
    }
}

/// The command line needs one place to find the server at.
fn add_admin(written: &mut File) {
    if !written.listener.iter().any(|listener| listener.kind == Kind::Admin) {
        let path = written.run_dir.join("admin");
        written.listener.push(file::Listener::unix(Kind::Admin, path, 0o600));
    }
}

struct Check<'a> {
    text: &'a str,
    problems: Problems,
}

impl Check<'_> {
    /// Notes a problem with `key` in the `place`th `[section]` (`""`: before
    /// the first section).
    fn problem(&mut self, section: &str, place: usize, key: &str, reason: impl Into<String>) {
        let line = line_of(self.text, section, place, key);
        let key = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        self.problems.0.push(Problem { line, key, reason: reason.into() });
    }

    fn must(&mut self, holds: bool, section: &str, key: &str, reason: &str) {
        if !holds {
            self.problem(section, 0, key, reason);
        }
    }

    fn within(&mut self, value: usize, range: RangeInclusive<usize>, section: &str, key: &str) {
        let reason = format!("from {} to {}", range.start(), range.end());
        self.must(range.contains(&value), section, key, &reason);
    }

    fn names(&mut self, written: &file::Names) -> NameRules {
        let delimiters = written.recipient_delimiter.as_bytes();
        self.must(
            delimiters.iter().all(|byte| byte.is_ascii_punctuation() && *byte != b'@'),
            "names",
            "recipient_delimiter",
            "characters that are neither letters nor digits nor @, such as \"+\"; empty for none",
        );
        let further = written.further_local_characters.as_bytes();
        let allowed = |byte: &u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'@' | b'/' | b'%' | b'*' | b'?')
        };
        self.must(
            further.iter().all(allowed),
            "names",
            "further_local_characters",
            "only printable ASCII without @ / % * ? can be allowed: those have a meaning in paths, \
             patterns and masks",
        );
        NameRules {
            default_domain: written.default_domain.clone(),
            further_local_bytes: further.to_vec(),
            recipient_delimiter: written.recipient_delimiter.clone(),
        }
    }

    fn server(&mut self, written: &File, source: &Source) -> Settings {
        let login = &written.login;
        let limits = &written.limits;
        let delay = login.failure_delay.0;
        self.must(
            delay <= LONGEST_FAILURE_DELAY,
            "login",
            "failure_delay",
            "at most 4s: some clients give up after 5 seconds",
        );
        self.must(!login.request_timeout.0.is_zero(), "login", "request_timeout", "more than 0s");
        self.within(login.max_requests, 1..=MOST_WAITING, "login", "max_requests");
        self.must(limits.reserve > 0, "limits", "reserve", "at least 1");
        self.must(
            (1..=64).contains(&limits.worker_threads),
            "limits",
            "worker_threads",
            "from 1 to 64",
        );
        Settings {
            state_dir: self.absolute("state_dir", &written.state_dir, source),
            run_dir: self.absolute("run_dir", &written.run_dir, source),
            rights: self.rights(written, source),
            mechanisms: self.mechanisms(&login.mechanisms),
            request_timeout: login.request_timeout.0,
            max_requests: login.max_requests,
            drain_limit: login.drain_limit.0,
            check_session_pid: login.check_session_pid,
            on_withdrawal: self.on_withdrawal(login),
            limits: Limits {
                connections: (limits.connections > 0).then_some(limits.connections),
                reserve: limits.reserve,
            },
            worker_threads: limits.worker_threads,
            admin_uids: self.admin_uids(&written.admin.users),
            listeners: self.listeners(&written.listener),
            http: self.http(written),
        }
    }

    /// The command is run for addresses that others choose, so nothing may read them
    /// as more than an address.
    fn on_withdrawal(&mut self, login: &file::Login) -> Option<OnWithdrawal> {
        const KEY: &str = "on_withdrawal";
        let limit = login.on_withdrawal_limit.0;
        self.must(
            !limit.is_zero() && limit <= LONGEST_WITHDRAWAL,
            "login",
            "on_withdrawal_limit",
            "more than 0s, and at most 5m",
        );
        let (program, arguments) = login.on_withdrawal.split_first()?;
        let program = Path::new(program);
        let what_is_wrong = if !program.is_absolute() {
            Some("the program needs an absolute path: none is searched for".to_owned())
        } else if !std::fs::metadata(program).is_ok_and(|about| about.is_file()) {
            Some(format!("there is no program {}", program.display()))
        } else if let Err(error) = access(program, AccessFlags::X_OK) {
            Some(format!("{} cannot be executed: {error}", program.display()))
        } else if !arguments.iter().any(|argument| argument.contains("%u")) {
            Some("no argument has %u: the program would not know whose sessions to end".to_owned())
        } else if has_address_in_script(&login.on_withdrawal) {
            Some(
                "a shell would read the address as part of its script: write \"$1\" in there, and \
                 add \"sh\" and \"%u\" as arguments of their own"
                    .to_owned(),
            )
        } else {
            None
        };
        if let Some(reason) = what_is_wrong {
            self.problem("login", 0, KEY, reason);
            return None;
        }
        Some(OnWithdrawal { program: program.to_owned(), arguments: arguments.to_vec(), limit })
    }

    /// A relative folder in the file would depend on where somebody stands;
    /// after `--data` on the command line it may.
    fn absolute(&mut self, key: &str, path: &Path, source: &Source) -> std::path::PathBuf {
        let holds = path.is_absolute() || source.data.is_some();
        self.must(holds, "", key, "an absolute path");
        path.to_owned()
    }

    /// Whom to become when started as root. A folder named by `--data` belongs
    /// to whoever started us, unless the file says otherwise.
    fn rights(&mut self, written: &File, source: &Source) -> Option<Rights> {
        let named = written.user.as_deref().or_else(|| source.data.is_none().then_some("dovegate"));
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let user = self.user("", 0, "user", named?)?;
        let gid = match &written.group {
            None => user.gid.as_raw(),
            Some(group) => self.group("", 0, "group", group)?,
        };
        Some(Rights { user: user.name, uid: user.uid.as_raw(), gid })
    }

    fn user(&mut self, section: &str, place: usize, key: &str, name: &str) -> Option<User> {
        match User::from_name(name) {
            Ok(Some(user)) => Some(user),
            Ok(None) => {
                let reason =
                    format!("there is no system user \"{name}\": create it or name another");
                self.problem(section, place, key, reason);
                None
            }
            Err(error) => {
                self.problem(section, place, key, format!("user \"{name}\": {error}"));
                None
            }
        }
    }

    fn group(&mut self, section: &str, place: usize, key: &str, name: &str) -> Option<u32> {
        match Group::from_name(name) {
            Ok(Some(group)) => Some(group.gid.as_raw()),
            Ok(None) => {
                let reason =
                    format!("there is no system group \"{name}\": create it or name another");
                self.problem(section, place, key, reason);
                None
            }
            Err(error) => {
                self.problem(section, place, key, format!("group \"{name}\": {error}"));
                None
            }
        }
    }

    fn admin_uids(&mut self, users: &[String]) -> Vec<u32> {
        users
            .iter()
            .filter_map(|name| self.user("admin", 0, "users", name))
            .map(|user| user.uid.as_raw())
            .collect()
    }

    fn listeners(&mut self, written: &[file::Listener]) -> Vec<ListenerSettings> {
        let mut listeners: Vec<ListenerSettings> = Vec::new();
        for (place, listener) in written.iter().enumerate() {
            let Some(endpoint) = self.endpoint(place, listener) else { continue };
            if listeners.iter().any(|other| other.endpoint.same_place(&endpoint)) {
                let key = if listener.path.is_some() { "path" } else { "address" };
                self.problem("listener", place, key, "another listener has it already");
            }
            let trusted = listener.trusted_parameters.unwrap_or(listener.kind == Kind::Login);
            listeners.push(ListenerSettings {
                kind: listener.kind,
                endpoint,
                instance: listener.instance.clone(),
                temporary_failure: listener.temporary_failure,
                trusted_parameters: trusted,
            });
        }
        listeners
    }

    /// Ports for HTTP, beside those of the listeners.
    fn http(&mut self, written: &File) -> HttpSettings {
        let (public, internal) = (&written.http, &written.http.internal);
        let tls = match (&public.certificate_file, &public.key_file) {
            (Some(certificate), Some(key)) => {
                Some(TlsFiles { certificate: certificate.clone(), key: key.clone() })
            }
            (None, None) => None,
            (certificate, _) => {
                let missing = if certificate.is_some() { "key_file" } else { "certificate_file" };
                self.problem("http", 0, missing, "certificate_file and key_file go together");
                None
            }
        };
        let may = public.allow_remote_cleartext || tls.is_some();
        let may_internal = internal.allow_remote_cleartext;
        let public = self.http_port(written, "http", public.address, may);
        let internal = self.http_port(written, "http.internal", internal.address, may_internal);
        if public == internal && public.is_some_and(|address| address.port() != 0) {
            self.problem("http.internal", 0, "address", "[http] has it already");
        }
        HttpSettings { public, tls, internal }
    }

    /// The pages.
    fn web(&mut self, written: &File) -> WebSettings {
        let public_url = written.http.public_url.as_deref().and_then(|text| {
            let parsed = PublicUrl::parse(text);
            parsed.map_err(|reason| self.problem("http", 0, "public_url", reason)).ok()
        });
        let web = &written.web;
        self.must(!web.title.trim().is_empty(), "web", "title", "expected a name");
        let (idle, lifetime) = (web.session_idle.0, web.session_lifetime.0);
        let is_in_order = Duration::from_secs(60) <= idle && idle <= lifetime;
        self.must(is_in_order, "web", "session_idle", "from 1m to session_lifetime");
        self.must(lifetime <= LONGEST_SESSION, "web", "session_lifetime", "at most 30d");
        let client = self.client(&web.client);
        WebSettings {
            public_url,
            title: web.title.clone(),
            provider_passwords: web.provider_passwords,
            session_idle: idle,
            session_lifetime: lifetime,
            trusted_networks: trusted_networks(&written.abuse),
            client,
        }
    }

    /// What mail programs are told.
    fn client(&mut self, written: &file::WebClient) -> Client {
        let mut server = |key: &str, server: &Option<file::MailServer>| {
            let file::MailServer { host, port, security } = server.clone()?;
            let is_host = url::Host::parse(&host).is_ok();
            self.must(is_host, "web.client", key, "host: expected a host name");
            self.must(port > 0, "web.client", key, "port: expected 1 to 65535");
            Some(MailServer { host, port, security })
        };
        Client {
            imap: server("imap", &written.imap),
            pop3: server("pop3", &written.pop3),
            smtp: server("smtp", &written.smtp),
            sieve: server("sieve", &written.sieve),
        }
    }

    fn http_port(
        &mut self,
        written: &File,
        section: &str,
        address: Option<SocketAddr>,
        allow_remote_cleartext: bool,
    ) -> Option<SocketAddr> {
        let address = address?;
        if !address.ip().is_loopback() && !allow_remote_cleartext {
            let reason = "it would cross the network in clear: use a loopback address and a proxy \
                          that does TLS, or set allow_remote_cleartext = true in this section";
            self.problem(section, 0, "address", reason);
        }
        let is_taken = |listener: &file::Listener| listener.address == Some(address);
        if address.port() != 0 && written.listener.iter().any(is_taken) {
            self.problem(section, 0, "address", "a [[listener]] has it already");
        }
        Some(address)
    }

    fn endpoint(&mut self, place: usize, listener: &file::Listener) -> Option<Endpoint> {
        match (&listener.path, listener.address) {
            (Some(path), None) => self.unix_endpoint(place, listener, path),
            (None, Some(address)) => self.tcp_endpoint(place, listener, address),
            _ => {
                self.problem("listener", place, "path", "exactly one of path and address");
                None
            }
        }
    }

    fn unix_endpoint(
        &mut self,
        place: usize,
        listener: &file::Listener,
        path: &Path,
    ) -> Option<Endpoint> {
        // `sun_path` of Linux has 108 bytes with its NUL.
        if path.as_os_str().len() > 107 {
            self.problem("listener", place, "path", "at most 107 bytes: a socket's path is short");
            return None;
        }
        let owner = listener.owner.as_ref().map(|name| self.user("listener", place, "owner", name));
        let group =
            listener.group.as_ref().map(|name| self.group("listener", place, "group", name));
        if owner.as_ref().is_some_and(Option::is_none) || group == Some(None) {
            return None;
        }
        Some(Endpoint::Unix {
            path: path.to_owned(),
            owner: owner.flatten().map(|user| user.uid.as_raw()),
            group: group.flatten(),
            mode: listener.mode.map_or_else(|| listener.kind.default_mode(), |mode| mode.0),
        })
    }

    fn tcp_endpoint(
        &mut self,
        place: usize,
        listener: &file::Listener,
        address: SocketAddr,
    ) -> Option<Endpoint> {
        let mut holds = true;
        let danger = listener.kind.over_the_network();
        if danger.is_none() {
            let reason = "only listeners of type \"auth\" and \"socketmap\" have one: the others \
                          know their peers by the rights of a socket file, so give them a path";
            self.problem("listener", place, "address", reason);
            holds = false;
        }
        if let Some(danger) = danger
            && !address.ip().is_loopback()
            && !listener.allow_remote_cleartext
        {
            let reason = format!(
                "{danger}: use a loopback address, or set allow_remote_cleartext = true in this \
                 listener"
            );
            self.problem("listener", place, "address", reason);
            holds = false;
        }
        if listener.owner.is_some() || listener.group.is_some() || listener.mode.is_some() {
            self.problem("listener", place, "address", "owner, group and mode go with a path");
            holds = false;
        }
        holds.then_some(Endpoint::Tcp(address))
    }

    fn verify(&mut self, written: &File, names: NameRules, home: String) -> VerifySettings {
        let passwords = &written.passwords;
        let abuse = &written.abuse;
        let caps = Caps {
            bcrypt_cost: passwords.max_bcrypt_cost,
            sha_crypt_rounds: passwords.max_sha_crypt_rounds,
            argon2_memory_bytes: passwords.max_argon2_memory.0,
            argon2_passes: passwords.max_argon2_passes,
            argon2_lanes: passwords.max_argon2_lanes,
            pbkdf2_rounds: passwords.max_pbkdf2_rounds,
            yescrypt_memory_bytes: passwords.max_yescrypt_memory.0,
            weak_schemes: passwords.allow_weak_schemes,
        };
        let scheme = NewScheme::named(&passwords.default_scheme, passwords.bcrypt_cost, &caps);
        let default_scheme = scheme.unwrap_or_else(|error| {
            self.problem("passwords", 0, "default_scheme", error.to_string());
            NewScheme::default()
        });
        self.within(passwords.hash_threads, 0..=1024, "passwords", "hash_threads");
        self.within(passwords.hash_queue, 1..=MOST_WAITING, "passwords", "hash_queue");
        self.within(abuse.account_limit, 0..=MOST_GUESSES, "abuse", "account_limit");
        self.within(abuse.network_limit, 0..=MOST_GUESSES, "abuse", "network_limit");
        self.within(abuse.max_entries, 1..=MOST_COUNTERS, "abuse", "max_entries");
        let lasts = "more than 0s: to count nothing, set account_limit and network_limit to 0";
        self.must(!abuse.window.0.is_zero(), "abuse", "window", lasts);
        self.must(!abuse.hold.0.is_zero(), "abuse", "hold", lasts);
        VerifySettings {
            names,
            home,
            failure_delay: written.login.failure_delay.0,
            default_scheme,
            caps,
            upgrade_hashes: passwords.upgrade_hashes,
            hash_threads: passwords.hash_threads,
            hash_queue: passwords.hash_queue,
            hash_wait: VerifySettings::default().hash_wait,
            verified_cache_entries: passwords.verified_cache_entries,
            verified_cache_time: passwords.verified_cache_time.0,
            abuse: penalty::Settings {
                window: abuse.window.0,
                account_limit: abuse.account_limit,
                network_limit: abuse.network_limit,
                hold: abuse.hold.0,
                max_entries: abuse.max_entries,
                trusted_networks: trusted_networks(abuse),
            },
            providers: self.providers(&written.provider),
            directories: self.directories(written),
        }
    }

    fn providers(
        &mut self,
        written: &BTreeMap<ProviderName, Provider>,
    ) -> Vec<Arc<ProviderSettings>> {
        let mut providers = Vec::new();
        for (name, provider) in written {
            let named = NamedProvider { name: name.clone(), provider: provider.clone() };
            match ProviderSettings::mean(&named) {
                Ok(settings) => providers.push(Arc::new(settings)),
                Err(problems) => {
                    let section = format!("provider.{name}");
                    for ProviderProblem { key, reason } in problems {
                        self.problem(&section, 0, key, reason);
                    }
                }
            }
        }
        providers
    }

    /// Directories, which share their names with the providers: a mailbox names its
    /// auth source by that alone.
    fn directories(&mut self, written: &File) -> Vec<Arc<DirectorySettings>> {
        let mut directories = Vec::new();
        for (name, directory) in &written.directory {
            let section = format!("directory.{name}");
            if written.provider.contains_key(name) {
                let reason = "a provider has this name: mailboxes name both alike";
                self.problem(&section, 0, "kind", reason);
            }
            match DirectorySettings::mean(name, directory) {
                Ok(settings) => directories.push(Arc::new(settings)),
                Err(problems) => {
                    for DirectoryProblem { key, reason } in problems {
                        self.problem(&section, 0, key, reason);
                    }
                }
            }
        }
        directories
    }

    fn mechanisms(&mut self, written: &[String]) -> Vec<String> {
        let mechanisms: Vec<String> =
            written.iter().map(|mechanism| mechanism.to_ascii_uppercase()).collect();
        for unknown in mechanisms.iter().filter(|name| !MECHANISMS.contains(&name.as_str())) {
            let known = MECHANISMS.join(", ");
            let reason = format!("unknown mechanism \"{unknown}\": expected {known}");
            self.problem("login", 0, "mechanisms", reason);
        }
        // Login processes turn IMAP's LOGIN and POP3's USER into PLAIN.
        let plain = mechanisms.iter().any(|mechanism| mechanism == "PLAIN");
        self.must(plain, "login", "mechanisms", "PLAIN must be among them: Dovecot needs it");
        mechanisms
    }

    fn userdb(&mut self, written: &file::Userdb) -> userdb::Settings {
        self.must(written.uid != 0, "userdb", "uid", "never 0: mail processes refuse root");
        let settings = userdb::Settings {
            uid: written.uid,
            gid: written.gid,
            home: written.home.clone(),
            mail: written.mail.clone(),
            fields: written.fields.clone(),
        };
        for (key, reason) in settings.problems() {
            self.problem("userdb", 0, key, reason);
        }
        settings
    }
}

/// Whether a shell is started, by itself or by another program, with the address in
/// its script: the argument behind `-c` (`-ec` …).
fn has_address_in_script(words: &[String]) -> bool {
    const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish"];
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let is_option =
        |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    let mut behind_shell = words.iter().skip_while(|word| !SHELLS.contains(&name(word).as_str()));
    behind_shell.next();
    let arguments: Vec<&String> = behind_shell.collect();
    arguments.windows(2).any(|two| is_option(two[0]) && two[1].contains("%u"))
}

/// Line of `key` in the `place`th section of that name, or of the section's
/// head if the key is not written.
fn line_of(text: &str, section: &str, place: usize, key: &str) -> Option<usize> {
    let mut inside = section.is_empty();
    let mut seen = 0;
    let mut head = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('[') {
            let name = line.split(']').next().unwrap_or_default().trim_matches(['[', ' ']);
            let name = name.replace(['"', '\''], "");
            inside = name == section && seen == place;
            seen += usize::from(name == section);
            head = if inside { Some(number) } else { head };
        } else if inside && line.split('=').next().is_some_and(|name| name.trim() == key) {
            return Some(number);
        }
    }
    head
}

fn trusted_networks(abuse: &file::Abuse) -> Vec<ipnet::IpNet> {
    abuse.trusted_networks.iter().map(|network| network.0).collect()
}
