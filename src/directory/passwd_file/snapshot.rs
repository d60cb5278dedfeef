//! One state of a file of people: its lines as they stand there, one after the other,
//! and where each address is. A line is understood anew when somebody asks for it:
//! a hundred thousand of them take hardly more memory than the file.

use std::{
    hash::{BuildHasher, RandomState},
    io::{BufReader, Read as _},
    path::PathBuf,
    sync::Arc,
};

use super::{MAX_BYTES, Problems, opened};
use crate::{
    directory::{
        Entry, Password, Settings,
        lines::{
            LeftOut, Lines,
            docker_mailserver::{self, Claimed, Quotas},
            passwd_file,
        },
        settings,
        written::Format,
    },
    mailbox::{
        Address, MailboxState, NameRules, OwnValues, Profile, Wanted, provisioning::MappedBy,
        userdb,
    },
};

/// Most lines that say something.
const MAX_LINES: usize = 1_000_000;
/// People that are listed at a time.
const PAGE: usize = 100;

/// How the file is read.
pub(super) struct Reading {
    pub(super) path: PathBuf,
    quota_path: Option<PathBuf>,
    format: Format,
    names: NameRules,
    options: passwd_file::Options,
    /// Field that names a person's template, if any template depends on it.
    template_field: Option<String>,
}

/// One state of the file.
#[derive(Debug)]
pub(super) struct Snapshot {
    text: String,
    /// Digest of the address, begin and end of its line; in this order.
    places: Vec<(u64, u32, u32)>,
    quotas: Quotas,
    /// There is nothing in it at all, not even a comment.
    pub(super) says_nothing: bool,
}

/// Where one is in a state.
pub(in crate::directory) struct Place {
    of: Arc<Snapshot>,
    next: usize,
}

/// What a line says of somebody.
struct Line {
    address: Address,
    wanted: Wanted,
    templates: Vec<String>,
}

impl Reading {
    pub(super) fn new(directory: &Settings, settings: &settings::PasswdFile) -> Self {
        let rules = &directory.provisioning;
        let by_value = rules.mapping.iter().any(|one| matches!(one.by, MappedBy::Value(_)));
        let template_field = by_value.then(|| rules.template_attribute.clone());
        let left_out = settings.leave_out.iter().chain(&template_field).cloned().collect();
        // Whether such names can log in is not the file's matter.
        let further_local_bytes =
            (b'!'..=b'~').filter(|byte| !b"@/%*?\":|".contains(byte)).collect();
        let default_domain = directory.default_domain.clone();
        Self {
            path: settings.path.clone(),
            quota_path: settings.quota_path.clone(),
            format: settings.format,
            names: NameRules { default_domain, further_local_bytes, ..NameRules::default() },
            options: passwd_file::Options {
                domain: directory.default_domain.clone(),
                scheme: settings.default_scheme.clone(),
                left_out: LeftOut::by_key(left_out),
            },
            template_field,
        }
    }

    /// The files that say something.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.path].into_iter().chain(&self.quota_path)
    }

    /// What stands in the files: all good lines; none where they cannot be read.
    pub(super) fn read(&self, digests: &RandomState, problems: &mut Problems) -> Option<Snapshot> {
        let quotas = self.read_quotas(problems);
        let file = opened(&self.path).map_err(|why| problems.add(why)).ok()?;
        let mut lines = Lines::new(BufReader::new(file.take(MAX_BYTES)));
        let mut snapshot =
            Snapshot { text: String::new(), places: Vec::new(), quotas, says_nothing: true };
        loop {
            let line = match lines.next_line() {
                Ok(Some(line)) => line.map_err(str::to_owned),
                Ok(None) => break,
                Err(error) => {
                    problems.add(format!("{}: {error}", self.path.display()));
                    return None;
                }
            };
            snapshot.says_nothing &= line.as_ref().is_ok_and(|line| line.trim().is_empty());
            let taken = line.and_then(|line| self.take(&mut snapshot, digests, &line));
            if let Err(why) = taken {
                problems.add(format!("{}:{}: {why}", self.path.display(), lines.number));
            }
            if snapshot.places.len() > MAX_LINES {
                problems.add(format!("{}: more than {MAX_LINES} people", self.path.display()));
                return None;
            }
        }
        snapshot.text.shrink_to_fit();
        snapshot.places.shrink_to_fit();
        snapshot.places.sort_unstable();
        self.find_doubles(&snapshot, problems);
        Some(snapshot)
    }

    fn take(
        &self,
        snapshot: &mut Snapshot,
        digests: &RandomState,
        line: &str,
    ) -> Result<(), String> {
        if line.contains('\0') {
            return Err("has a NUL byte".to_owned());
        }
        let Some(Line { address, .. }) = self.understood(line, &snapshot.quotas)? else {
            return Ok(());
        };
        let too_large = || "the file is too large".to_owned();
        let begin = u32::try_from(snapshot.text.len()).map_err(|_| too_large())?;
        snapshot.text.push_str(line);
        let end = u32::try_from(snapshot.text.len()).map_err(|_| too_large())?;
        snapshot.places.push((digests.hash_one(address.as_str()), begin, end));
        Ok(())
    }

    /// Nobody could say which of two lines is meant.
    fn find_doubles(&self, snapshot: &Snapshot, problems: &mut Problems) {
        for two in snapshot.places.windows(2).filter(|two| two[0].0 == two[1].0) {
            let [one, other] = [two[0], two[1]].map(|place| self.line(snapshot, place));
            if let (Some(one), Some(other)) = (one, other)
                && one.address == other.address
            {
                let (path, address) = (self.path.display(), one.address);
                problems.add(format!("{path}: {address} stands there more than once"));
            }
        }
    }

    fn read_quotas(&self, problems: &mut Problems) -> Quotas {
        let mut quotas = Quotas::default();
        let Some(path) = &self.quota_path else { return quotas };
        // docker-mailserver makes the file with the first limit.
        if !path.try_exists().unwrap_or(true) {
            return quotas;
        }
        let shown = path.display();
        let Ok(file) = opened(path).map_err(|why| problems.add(why)) else { return quotas };
        let mut lines = Lines::new(BufReader::new(file.take(MAX_BYTES)));
        while quotas.len() <= MAX_LINES {
            match lines.next_line() {
                Ok(None) => return quotas,
                Ok(Some(line)) => {
                    let number = lines.number;
                    let added = line.map_err(str::to_owned);
                    if let Err(why) = added.and_then(|line| quotas.add(number, &line)) {
                        problems.add(format!("{shown}:{number}: {why}"));
                    }
                }
                Err(error) => {
                    problems.add(format!("{shown}: {error}"));
                    return quotas;
                }
            }
        }
        problems.add(format!("{shown}: more than {MAX_LINES} limits"));
        quotas
    }

    /// What a line says, if anything.
    fn understood(&self, line: &str, quotas: &Quotas) -> Result<Option<Line>, String> {
        let left_out = &self.options.left_out;
        let (wanted, fields) = match self.format {
            Format::PasswdFile => {
                (passwd_file::parse(line, &self.options)?, passwd_file::extra_fields(line))
            }
            Format::DockerMailserver => {
                let wanted =
                    docker_mailserver::parse(line, quotas, &mut Claimed::default(), left_out)?;
                (wanted, docker_mailserver::attributes(line))
            }
        };
        let Some(wanted) = wanted else { return Ok(None) };
        let name = &wanted.address;
        let address = self.names.canonical(name.as_bytes());
        let address = address.map_err(|why| format!("{name:?} is no address: {why}"))?;
        if wanted.uid == Some(0) {
            return Err("uid 0: mail processes refuse root".to_owned());
        }
        if let Some(field) = wanted.extra_fields.keys().find(|name| !userdb::is_field_name(name)) {
            return Err(format!("userdb_{field} is no name of a field"));
        }
        let templates = self.template_field.as_deref();
        let templates = templates.map(|name| values(fields, name)).unwrap_or_default();
        Ok(Some(Line { address, wanted, templates }))
    }

    /// A line that was understood before.
    fn line(&self, snapshot: &Snapshot, place: (u64, u32, u32)) -> Option<Line> {
        self.understood(snapshot.text_of(place), &snapshot.quotas).ok().flatten()
    }
}

/// Values of one of several `name=value`.
fn values(fields: &str, name: &str) -> Vec<String> {
    let pairs = fields.split([' ', '\t']).filter_map(|field| field.split_once('='));
    pairs.filter(|(of, _)| *of == name).map(|(_, value)| value.to_owned()).collect()
}

impl Snapshot {
    fn text_of(&self, (_, begin, end): (u64, u32, u32)) -> &str {
        self.text.get(begin as usize..end as usize).unwrap_or_default()
    }

    /// How many people there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// What it takes in memory, but for the limits.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.places.capacity() * size_of::<(u64, u32, u32)>()
    }

    pub(super) fn find(
        &self,
        address: &Address,
        reading: &Reading,
        digests: &RandomState,
    ) -> Option<Entry> {
        let digest = digests.hash_one(address.as_str());
        let from = self.places.partition_point(|place| place.0 < digest);
        let same = self.places[from..].iter().take_while(|place| place.0 == digest);
        let lines = same.filter_map(|place| reading.line(self, *place));
        let mut lines = lines.filter(|line| line.address == *address);
        let line = lines.next()?;
        // Of two of them, which no good state has, neither counts.
        lines.next().is_none().then(|| line.into())
    }

    /// Who could log in by `before`, and cannot any more.
    pub(super) fn lost_since(&self, before: &Self, reading: &Reading) -> Vec<String> {
        let mut lost = Vec::new();
        for place in &before.places {
            let from = self.places.partition_point(|now| now.0 < place.0);
            let same = || self.places[from..].iter().take_while(|now| now.0 == place.0);
            if same().any(|now| self.text_of(*now) == before.text_of(*place)) {
                continue;
            }
            let Some(line) = reading.line(before, *place) else { continue };
            let by_now = same().filter_map(|now| reading.line(self, *now));
            let mut by_now = by_now.filter(|now| now.address == line.address);
            if !by_now.next().is_some_and(|now| now.is_enabled()) && line.is_enabled() {
                lost.push(line.address.to_string());
            }
        }
        lost
    }
}

impl Place {
    /// Before the first of them.
    pub(super) fn before(of: Arc<Snapshot>) -> Self {
        Self { of, next: 0 }
    }

    /// The next page; `None` at the end.
    pub(super) fn next(&mut self, reading: &Reading) -> Option<Vec<Profile>> {
        let places = self.of.places.get(self.next..).filter(|rest| !rest.is_empty())?;
        let page = &places[..places.len().min(PAGE)];
        self.next += page.len();
        let lines = page.iter().filter_map(|place| reading.line(&self.of, *place));
        Some(lines.map(Line::into_profile).collect())
    }
}

impl Line {
    /// `nologin` switches somebody off.
    fn is_enabled(&self) -> bool {
        self.wanted.state.is_none_or(|state| state == MailboxState::Active)
    }

    fn into_profile(self) -> Profile {
        let enabled = self.is_enabled();
        let Wanted { display_name, quota_bytes, uid, gid, home, mail, extra_fields, .. } =
            self.wanted;
        let own = OwnValues { quota: quota_bytes, uid, gid, home, mail, extra_fields };
        Profile {
            // There is no other id; so an address stays one person's.
            subject: self.address.to_string(),
            enabled,
            email: Some(self.address.to_string()),
            email_is_verified: true,
            name: display_name.unwrap_or_default(),
            template_values: Some(self.templates),
            own: Some(own.into()),
            ..Profile::default()
        }
    }
}

impl From<Line> for Entry {
    fn from(mut line: Line) -> Self {
        let password = line.wanted.hash.take().map_or(Password::Missing, Password::Hash);
        Self { profile: line.into_profile(), password }
    }
}
