//! `dovegate import`: of an export, or of what another mail system has.

mod plan;
mod report;
mod source;

use std::path::PathBuf;

use self::{
    plan::{Counts, Plan, Present},
    report::Rows,
    source::Source,
};
use super::{Client, Failure, Missing, Output, Result, client::to_json, transfer, with_client};
use crate::{
    api::arrivals::{AppPasswordBatch, Arrived, Batch, Outcome, Results},
    config::Config,
    mailbox::{DomainName, ProviderName},
    provision::import::{Wanted, WantedAppPassword, mailcow::Item},
};
use axum::http::Method;
use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
#[command(
    long_about = "Take over what \"export\" or \"backup\" wrote. What is there under the same key \
        is replaced, everything else stays. Lines are taken over in batches, each wholly or not at \
        all; an import that broke off can be run again.\n\n\
        With --from, take over the mailboxes of another mail system with the hashes of their \
        passwords. The whole file is read and compared first: if a line cannot be taken over, \
        nothing is, unless --partial says so. Mailboxes that are there already stay as they are; \
        what differs is named, and changed only with --update. So it can be run again and again.",
    after_help = "Examples:\n  dovegate import all.jsonl --dry-run\n  dovegate import < all.jsonl\n  \
        dovegate import --from passwd-file /etc/dovecot/users --create-domains --dry-run\n  \
        dovegate import --from docker-mailserver ./docker-data/dms/config --create-domains\n  \
        dovegate import --from mailcow mailcow.jsonl --create-domains --dry-run"
)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, as written")]
pub(super) struct Import {
    /// What to read, with --from docker-mailserver a folder; standard input if left out or "-"
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    file: PathBuf,

    /// Read, check and count; change nothing
    #[arg(long)]
    dry_run: bool,

    /// Which other mail system wrote it
    #[arg(long, value_name = "ORIGIN")]
    from: Option<Origin>,

    /// Make the domains that are missing: without limits, or with mailcow's
    #[arg(long, requires = "from")]
    create_domains: bool,

    /// Change mailboxes, app passwords and domains that are there already where they differ
    #[arg(long, requires = "from")]
    update: bool,

    /// Take over what can be, and name the rest
    #[arg(long, requires = "from")]
    partial: bool,

    /// Go on without a field that has no counterpart here; may be given several times
    #[arg(long, value_name = "FIELD", value_delimiter = ',', requires = "from")]
    leave_out: Vec<String>,

    /// Domain of the users of a passwd-file that have none
    #[arg(long, value_name = "NAME", requires = "from")]
    domain: Option<DomainName>,

    /// Scheme of the passwords of a passwd-file that name none [default: CRYPT]
    #[arg(long, value_name = "SCHEME", requires = "from")]
    scheme: Option<String>,

    /// Name that mailcow's identity provider gets here [default: mailcow]
    #[arg(long, value_name = "NAME", requires = "from")]
    provider: Option<ProviderName>,
}

/// What another mail system writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Origin {
    /// Dovecot's passwd-file
    PasswdFile,
    /// docker-mailserver's folder with postfix-accounts.cf and dovecot-quotas.cf
    DockerMailserver,
    /// What contrib/mailcow/dump.sql writes of mailcow's database
    Mailcow,
}

/// Mailboxes of one request, and most bytes of them.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

impl Import {
    pub(super) async fn run(self, config: &Config, output: &Output) -> Result {
        let Some(origin) = self.from else {
            return transfer::restore(&self.file, self.dry_run, config, output).await;
        };
        // Before the store: while that is open, root acts as its owner, who may
        // not read everywhere.
        let source = self.source(origin)?;
        let missing = if self.dry_run { Missing::Refuse } else { Missing::Create };
        with_client(config, missing, async |client| self.take_over(&source, client, output).await)
            .await
    }

    fn provider_name(&self) -> Result<ProviderName> {
        match &self.provider {
            Some(name) => Ok(name.clone()),
            None => "mailcow".parse().map_err(Failure::usage),
        }
    }

    async fn take_over(&self, source: &Source, client: &Client, output: &Output) -> Result {
        let mut rows = Rows::new(output, self.dry_run);
        let present = Present::ask(client).await?;
        let mut plan = Plan::new(present, self.create_domains, self.update, &source.name);
        self.check(source, client, output, &mut plan, &mut rows).await?;
        output.progress_done();
        let stop = !plan.problems.is_empty() && !self.partial;
        if stop && !self.dry_run {
            return Err(plan.failure(false));
        }
        if !self.dry_run {
            make_the_rest(client, &plan).await?;
            plan.counts = self.carry_out(source, client, output, &mut plan, &mut rows).await?;
            output.progress_done();
        }
        for note in &plan.notes {
            output.note(note);
        }
        if plan.more_notes > 0 {
            output.note(format!("and {} more", plan.more_notes));
        }
        rows.end(&plan)?;
        if plan.problems.is_empty() { Ok(()) } else { Err(plan.failure(!self.dry_run)) }
    }

    /// Reads everything once and changes nothing.
    async fn check(
        &self,
        source: &Source,
        client: &Client,
        output: &Output,
        plan: &mut Plan,
        rows: &mut Rows<'_>,
    ) -> Result {
        let mut reading = source.start()?;
        for (place, why) in &source.problems {
            plan.problems.add_elsewhere(place, why)?;
        }
        while let Some(batch) = reading.batch(BATCH, BATCH_BYTES)? {
            for (line, why) in batch.bad {
                plan.problems.add(line, &why)?;
                rows.add_bad(line, why);
            }
            for (line, item) in batch.others {
                self.check_other(line, item, plan, rows)?;
            }
            for (line, wanted, mut arrived) in self.mailboxes(client, batch.mailboxes, true).await?
            {
                plan.judge(line, &wanted, &mut arrived)?;
                if self.dry_run {
                    rows.add(line, &arrived);
                }
            }
            for (line, name, mut arrived) in
                self.app_passwords(client, batch.app_passwords, true).await?
            {
                plan.judge_app_password(line, &mut arrived)?;
                if self.dry_run {
                    rows.add_app_password(line, &name, &arrived);
                }
            }
            if self.dry_run {
                rows.page()?;
            }
            output.progress(&format!("{} lines checked", reading.lines()));
        }
        for note in reading.unclaimed(20) {
            plan.note(note);
        }
        Ok(())
    }

    fn check_other(&self, line: u64, item: Item, plan: &mut Plan, rows: &mut Rows<'_>) -> Result {
        match item {
            Item::Provider(keys, left) => plan.provider(keys, &left),
            Item::Template(values) => plan.template(values)?,
            Item::Note(note) => plan.note(format!("line {line}: {note}")),
            Item::Domain(wanted) => {
                let name = wanted.name.clone();
                let (outcome, differences) = plan.domain(line, wanted, &self.provider_name()?)?;
                rows.add_domain(line, &name, outcome, &differences);
            }
            Item::Mailbox(_) | Item::AppPassword(_) => {}
        }
        Ok(())
    }

    /// Reads everything again, and takes over what can be.
    async fn carry_out(
        &self,
        source: &Source,
        client: &Client,
        output: &Output,
        plan: &mut Plan,
        rows: &mut Rows<'_>,
    ) -> Result<[Counts; 2]> {
        let mut reading = source.start()?;
        let mut counts = [Counts::default(); 2];
        while let Some(mut batch) = reading.batch(BATCH, BATCH_BYTES)? {
            batch.mailboxes.retain(|(line, _)| !plan.problems.has(*line));
            batch.app_passwords.retain(|(line, _)| !plan.problems.has(*line));
            for (line, _, arrived) in self.mailboxes(client, batch.mailboxes, false).await? {
                counts[0].add(arrived.outcome);
                refused_late(plan, line, &arrived)?;
                rows.add(line, &arrived);
            }
            for (line, name, arrived) in
                self.app_passwords(client, batch.app_passwords, false).await?
            {
                counts[1].add(arrived.outcome);
                refused_late(plan, line, &arrived)?;
                rows.add_app_password(line, &name, &arrived);
            }
            rows.page()?;
            output.progress(&format!("{} lines taken over", reading.lines()));
        }
        Ok(counts)
    }

    /// Hands mailboxes over; each comes back with what became of it.
    async fn mailboxes(
        &self,
        client: &Client,
        mailboxes: Vec<(u64, Wanted)>,
        dry_run: bool,
    ) -> Result<Vec<(u64, Wanted, Arrived)>> {
        if mailboxes.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = mailboxes.iter().map(|(_, wanted)| wanted.clone()).collect();
        let batch = Batch { dry_run, update: self.update, mailboxes: wanted };
        let results: Results =
            client.call(Method::POST, &["import", "mailboxes"], to_json(&batch)?).await?;
        let results = mailboxes.into_iter().zip(results.results);
        Ok(results.map(|((line, wanted), arrived)| (line, wanted, arrived)).collect())
    }

    /// The same with app passwords, by their names.
    async fn app_passwords(
        &self,
        client: &Client,
        app_passwords: Vec<(u64, WantedAppPassword)>,
        dry_run: bool,
    ) -> Result<Vec<(u64, String, Arrived)>> {
        if app_passwords.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> =
            app_passwords.iter().map(|(line, wanted)| (*line, wanted.name.clone())).collect();
        let app_passwords = app_passwords.into_iter().map(|(_, wanted)| wanted).collect();
        let batch = AppPasswordBatch { dry_run, update: self.update, app_passwords };
        let results: Results =
            client.call(Method::POST, &["import", "app-passwords"], to_json(&batch)?).await?;
        let results = asked.into_iter().zip(results.results);
        Ok(results.map(|((line, name), arrived)| (line, name, arrived)).collect())
    }
}

/// Notes what has changed since it was checked.
fn refused_late(plan: &mut Plan, line: u64, arrived: &Arrived) -> Result {
    match &arrived.reason {
        Some(why) => plan.problems.add(line, why),
        None => Ok(()),
    }
}

/// Makes what mailboxes need, in the order in which one needs the other.
async fn make_the_rest(client: &Client, plan: &Plan) -> Result {
    for template in &plan.templates {
        client.order(Method::POST, &["templates"], Some(template.clone().into())).await?;
    }
    for provider in &plan.providers {
        client.order(Method::POST, &["providers"], Some(provider.clone().into())).await?;
    }
    for (name, made, mut body) in plan.domains() {
        if made {
            body["name"] = name.as_str().into();
            client.order(Method::POST, &["domains"], Some(body)).await?;
        } else {
            client.order(Method::PATCH, &["domains", name.as_str()], Some(body)).await?;
        }
    }
    Ok(())
}

impl Outcome {
    /// What a dry run says of it.
    fn planned(self) -> &'static str {
        match self {
            Self::Created => "create",
            Self::Unchanged => "unchanged",
            Self::Different => "different",
            Self::Updated => "update",
            Self::Refused => "refused",
        }
    }
}
