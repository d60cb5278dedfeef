//! The files of another mail system, read from their beginning as often as need
//! be.

use std::{
    fs::File,
    io::{BufReader, Seek as _},
    path::Path,
};

use super::{Import, Origin};
use crate::{
    cli::{Failure, Result},
    directory::lines::{
        LeftOut, Lines,
        docker_mailserver::{self, Claimed, Quotas},
        passwd_file,
    },
    provision::import::{
        Wanted, WantedAppPassword,
        mailcow::{self, Item},
    },
};

/// An opened file.
pub(super) struct Source {
    /// As people know it.
    pub(super) name: String,
    /// Lines of further files that say nothing of use: where, and why.
    pub(super) problems: Vec<(String, String)>,
    file: File,
    form: Form,
}

enum Form {
    PasswdFile(passwd_file::Options),
    DockerMailserver { quotas: Quotas, left_out: LeftOut },
    Mailcow(mailcow::Options),
}

/// A file being read.
pub(super) struct Reading<'s> {
    lines: Lines<BufReader<&'s File>>,
    source: &'s Source,
    claimed: Claimed,
}

/// Lines of a file that say something, with their numbers.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) mailboxes: Vec<(u64, Wanted)>,
    pub(super) app_passwords: Vec<(u64, WantedAppPassword)>,
    pub(super) others: Vec<(u64, Item)>,
    pub(super) bad: Vec<(u64, String)>,
}

impl Batch {
    fn len(&self) -> usize {
        self.mailboxes.len() + self.app_passwords.len() + self.others.len() + self.bad.len()
    }

    fn add(&mut self, line: u64, item: Item) {
        match item {
            Item::Mailbox(wanted) => self.mailboxes.push((line, *wanted)),
            Item::AppPassword(wanted) => self.app_passwords.push((line, wanted)),
            other => self.others.push((line, other)),
        }
    }
}

impl Import {
    pub(super) fn source(&self, origin: Origin) -> Result<Source> {
        if self.file == Path::new("-") {
            return Err(Failure::usage("with --from name a file: it is read twice"));
        }
        let left_out = LeftOut::by_option(self.leave_out.clone());
        self.check_options(origin)?;
        match origin {
            Origin::PasswdFile => {
                let scheme = self.scheme.clone().unwrap_or_else(|| "CRYPT".to_owned());
                let options =
                    passwd_file::Options { domain: self.domain.clone(), scheme, left_out };
                Source::open(&self.file, Form::PasswdFile(options))
            }
            Origin::DockerMailserver => self.docker_mailserver(left_out),
            Origin::Mailcow => {
                let options = mailcow::Options { provider: self.provider_name()?, left_out };
                Source::open(&self.file, Form::Mailcow(options))
            }
        }
    }

    fn check_options(&self, origin: Origin) -> Result {
        let options = [
            (self.domain.is_some(), "--domain", Origin::PasswdFile),
            (self.scheme.is_some(), "--scheme", Origin::PasswdFile),
            (self.provider.is_some(), "--provider", Origin::Mailcow),
        ];
        match options.into_iter().find(|(given, _, of)| *given && *of != origin) {
            Some((_, option, _)) => Err(Failure::usage(format!("{option} is for another origin"))),
            None => Ok(()),
        }
    }

    fn docker_mailserver(&self, left_out: LeftOut) -> Result<Source> {
        let path = self.file.join(docker_mailserver::QUOTAS);
        let mut quotas = Quotas::default();
        let mut problems = Vec::new();
        if path.exists() {
            let file = opened(&path)?;
            let mut lines = Lines::new(BufReader::new(&file));
            while let Some(line) = lines.next_line()? {
                let line = line.map_err(str::to_owned);
                let number = lines.number;
                if let Err(why) = line.and_then(|line| quotas.add(number, &line)) {
                    problems.push((format!("{}:{number}", docker_mailserver::QUOTAS), why));
                }
                if quotas.len() + problems.len() > MAX_QUOTAS {
                    let shown = path.display();
                    return Err(Failure::usage(format!(
                        "{shown} has more than {MAX_QUOTAS} lines"
                    )));
                }
            }
        }
        let form = Form::DockerMailserver { quotas, left_out };
        let mut source = Source::open(&self.file.join(docker_mailserver::ACCOUNTS), form)?;
        docker_mailserver::ACCOUNTS.clone_into(&mut source.name);
        source.problems = problems;
        Ok(source)
    }
}

/// Limits that are kept in memory.
const MAX_QUOTAS: usize = 1_000_000;

fn opened(path: &Path) -> Result<File> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| Failure::refused(format!("{shown}: {error}")))?;
    if !file.metadata()?.is_file() {
        return Err(Failure::usage(format!("{shown} is no regular file, and it is read twice")));
    }
    Ok(file)
}

impl Source {
    fn open(path: &Path, form: Form) -> Result<Self> {
        let name = path.display().to_string();
        Ok(Self { name, problems: Vec::new(), file: opened(path)?, form })
    }

    /// From the beginning.
    pub(super) fn start(&self) -> Result<Reading<'_>> {
        let mut file = &self.file;
        file.rewind()?;
        let lines = Lines::new(BufReader::new(file));
        Ok(Reading { lines, source: self, claimed: Claimed::default() })
    }
}

impl Reading<'_> {
    /// Lines read so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines.number
    }

    /// The next of them, `most` and as many bytes of them as `bytes` at most;
    /// `None` behind the last line.
    pub(super) fn batch(&mut self, most: usize, bytes: u64) -> Result<Option<Batch>> {
        let mut batch = Batch::default();
        let start = self.lines.bytes;
        while batch.len() < most && self.lines.bytes - start < bytes {
            let Some(line) = self.lines.next_line()? else {
                return Ok((batch.len() > 0).then_some(batch));
            };
            let number = self.lines.number;
            match line.map_err(str::to_owned).and_then(|line| self.parse(&line)) {
                Ok(None) => {}
                Ok(Some(item)) => batch.add(number, item),
                Err(why) => batch.bad.push((number, why)),
            }
        }
        Ok(Some(batch))
    }

    fn parse(&mut self, line: &str) -> std::result::Result<Option<Item>, String> {
        if line.contains('\0') {
            return Err("has a NUL byte".to_owned());
        }
        let wanted = match &self.source.form {
            Form::PasswdFile(options) => passwd_file::parse(line, options),
            Form::DockerMailserver { quotas, left_out } => {
                docker_mailserver::parse(line, quotas, &mut self.claimed, left_out)
            }
            Form::Mailcow(options) => return mailcow::parse(line, options),
        };
        Ok(wanted?.map(|wanted| Item::Mailbox(Box::new(wanted))))
    }

    /// What was said of nobody, at the end: `most` lines of it.
    pub(super) fn unclaimed(&self, most: usize) -> Vec<String> {
        let Form::DockerMailserver { quotas, .. } = &self.source.form else { return Vec::new() };
        let file = docker_mailserver::QUOTAS;
        let left = quotas.unclaimed(&self.claimed).take(most);
        left.map(|(line, address)| format!("{file}:{line}: there is no account {address:?}"))
            .collect()
    }
}
