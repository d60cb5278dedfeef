//! `dovegate import`: of an export, or of what another mail system has.

mod plan;
mod report;
mod source;

use std::path::PathBuf;

use axum::http::Method;
use clap::{Args, ValueEnum};
use serde_json::json;

use self::{plan::Plan, report::Rows, source::Source};
use super::{Client, Failure, Missing, Output, Result, transfer, with_client};
use crate::{
    api::arrivals::{Arrived, Batch, Outcome, Results},
    config::Config,
    mailbox::DomainName,
    provision::import::Wanted,
};

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
        dovegate import --from docker-mailserver ./docker-data/dms/config --create-domains"
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

    /// Make the domains that are missing, without limits
    #[arg(long, requires = "from")]
    create_domains: bool,

    /// Change mailboxes that are there already where they differ
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
}

/// What another mail system writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Origin {
    /// Dovecot's passwd-file
    PasswdFile,
    /// docker-mailserver's folder with postfix-accounts.cf and dovecot-quotas.cf
    DockerMailserver,
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

    async fn take_over(&self, source: &Source, client: &Client, output: &Output) -> Result {
        let mut rows = Rows::new(output, self.dry_run);
        let domains = plan::domains(client).await?;
        let mut plan = Plan::new(domains, self.create_domains, &source.name);
        self.check(source, client, output, &mut plan, &mut rows).await?;
        output.progress_done();
        let stop = !plan.problems.is_empty() && !self.partial;
        if stop && !self.dry_run {
            return Err(plan.failure(false));
        }
        let mut made = plan.expected();
        if !self.dry_run {
            self.make_domains(client, &plan).await?;
            made = self.carry_out(source, client, output, &mut plan, &mut rows).await?;
            output.progress_done();
        }
        for note in &plan.notes {
            output.note(note);
        }
        rows.end(&plan, &made)?;
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
                if self.dry_run {
                    rows.bad(line, &why);
                }
            }
            let results = self.send(client, batch.mailboxes, true).await?;
            for (line, quota, mut arrived) in results {
                plan.judge(line, quota, &mut arrived)?;
                if self.dry_run {
                    rows.add(line, &arrived);
                }
            }
            rows.page()?;
            output.progress(&format!("{} lines checked", reading.lines()));
        }
        plan.notes.extend(reading.unclaimed(20));
        Ok(())
    }

    async fn make_domains(&self, client: &Client, plan: &Plan) -> Result {
        for domain in plan.missing_domains() {
            client.order(Method::POST, &["domains"], Some(json!({ "name": domain }))).await?;
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
    ) -> Result<plan::Counts> {
        let mut reading = source.start()?;
        let mut counts = plan::Counts::default();
        while let Some(batch) = reading.batch(BATCH, BATCH_BYTES)? {
            let good = |line: &u64| !plan.problems.has(*line);
            let mailboxes = batch.mailboxes.into_iter().filter(|(line, _)| good(line)).collect();
            for (line, _, arrived) in self.send(client, mailboxes, false).await? {
                counts.add(arrived.outcome);
                // Something changed since it was checked.
                if let Some(why) = &arrived.reason {
                    plan.problems.add(line, why)?;
                }
                rows.add(line, &arrived);
            }
            rows.page()?;
            output.progress(&format!("{} lines taken over", reading.lines()));
        }
        Ok(counts)
    }

    /// Hands mailboxes over; each comes back with its line, its quota and what
    /// became of it.
    async fn send(
        &self,
        client: &Client,
        mailboxes: Vec<(u64, Wanted)>,
        dry_run: bool,
    ) -> Result<Vec<(u64, Option<crate::mailbox::Quota>, Arrived)>> {
        if mailboxes.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<_> =
            mailboxes.iter().map(|(line, wanted)| (*line, wanted.quota_bytes)).collect();
        let mailboxes = mailboxes.into_iter().map(|(_, wanted)| wanted).collect();
        let batch = Batch { dry_run, update: self.update, mailboxes };
        let body = serde_json::to_value(&batch)
            .map_err(|error| Failure::refused(format!("cannot write JSON: {error}")))?;
        let results: Results = client.call(Method::POST, &["import", "mailboxes"], body).await?;
        let results = asked.into_iter().zip(results.results);
        Ok(results.map(|((line, quota), arrived)| (line, quota, arrived)).collect())
    }
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
