//! `dovegate export` and `backup`, and the import of what they wrote.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use axum::body::Bytes;
use clap::Args;

use super::{
    Client, Failure, Missing, Output, Result, out_file::OutFile, text::bytes, with_client,
};
use crate::{
    api::transfer::{Counts, MAX_IMPORT_RECORDS},
    clock::Timestamp,
    config::Config,
    store::Record,
};

#[derive(Args, Debug)]
#[command(
    long_about = "Write everything as JSON lines: domains, templates, mailboxes with their hashes, \
        app passwords (of which no secret is kept), login history. The first line names the version \
        of the format.\n\nThe result is as secret as a list of password hashes; a file gets mode \
        0600. Logins and changes go on meanwhile.",
    after_help = "Examples:\n  dovegate export > all.jsonl\n  dovegate export all.jsonl"
)]
pub(super) struct Export {
    /// Where to; standard output if left out or "-"
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(
    long_about = "Write a copy of everything into a file of mode 0600, in the form of \"export\". \
        The file appears when it is complete. It may be run while the server runs.",
    after_help = "Examples:\n  dovegate backup /var/backups\n  dovegate backup /var/backups/dovegate.jsonl"
)]
pub(super) struct Backup {
    /// A file, or a folder in which the file gets the time as its name
    #[arg(value_name = "FOLDER|FILE")]
    to: PathBuf,
}

impl Export {
    pub(super) async fn run(self, config: &Config, output: &Output) -> Result {
        if let Some(file) = self.file.filter(|file| file != Path::new("-")) {
            return to_file(&file, config, output).await.map(|_| ());
        }
        with_client(config, Missing::Refuse, async |client| {
            copy(client, output, |piece| output.raw(piece)).await.map(|_| ())
        })
        .await
    }
}

impl Backup {
    pub(super) async fn run(self, config: &Config, output: &Output) -> Result {
        let file = if self.to.is_dir() { self.to.join(file_name()) } else { self.to };
        let written = to_file(&file, config, output).await?;
        let file = file.display();
        if output.json {
            return output.value(&serde_json::json!({
                "file": file.to_string(), "records": written.records, "bytes": written.bytes,
            }));
        }
        output.done(format!("{file}: {} records, {}.", written.records, bytes(written.bytes)))
    }
}

/// In UTC, so that names stay in order when clocks change.
fn file_name() -> String {
    let time = Timestamp::now().to_string().replace([':', '-'], "");
    format!("dovegate-{time}.jsonl")
}

/// The file is opened before the store and put in its place after it: while
/// the store is open, root acts as its owner, who may not write everywhere.
async fn to_file(path: &Path, config: &Config, output: &Output) -> Result<Written> {
    let mut file = OutFile::create(path)?;
    let written = with_client(config, Missing::Refuse, async |client| {
        copy(client, output, |piece| file.write(piece)).await
    })
    .await?;
    file.finish()?;
    Ok(written)
}

#[derive(Clone, Copy, Debug, Default)]
struct Written {
    records: u64,
    bytes: u64,
}

async fn copy(
    client: &Client,
    output: &Output,
    mut write: impl FnMut(&[u8]) -> Result,
) -> Result<Written> {
    let mut answer = client.stream(&["export"]).await?;
    let mut written = Written::default();
    while let Some(piece) = answer.chunk().await? {
        write(&piece)?;
        written.bytes += piece.len() as u64;
        written.records += piece.split(|byte| *byte == b'\n').skip(1).count() as u64;
        output.progress(&format!("{} records, {}", written.records, bytes(written.bytes)));
    }
    output.progress_done();
    Ok(written)
}

/// Takes over what an export says.
pub(super) async fn restore(
    file: &Path,
    dry_run: bool,
    config: &Config,
    output: &Output,
) -> Result {
    let mut lines = Lines::open(file)?;
    let header = lines.header()?;
    let missing = if dry_run { Missing::Refuse } else { Missing::Create };
    let query = [("dry_run", dry_run.to_string())];
    let counts = with_client(config, missing, async |client| {
        let mut counts = Counts::default();
        while let Some(batch) = lines.batch(&header)? {
            let (first, last) = (batch.first, lines.number);
            let taken = client.upload(&["import"], &query, batch.body).await;
            counts.add(taken.map_err(|failure| lines.refused(&failure, first, last))?);
            output.progress(&format!("{last} lines, {}", bytes(lines.bytes)));
        }
        output.progress_done();
        Ok(counts)
    })
    .await?;
    if output.json { output.value(&counts) } else { output.done(said(counts, dry_run)) }
}

fn said(counts: Counts, dry_run: bool) -> String {
    let verb = if dry_run { "Would take over" } else { "Took over" };
    let Counts { providers, domains, templates, mailboxes, app_passwords, uses } = counts;
    let end = if dry_run { " Nothing was changed." } else { "" };
    format!(
        "{verb} {providers} providers, {domains} domains, {templates} templates, {mailboxes} mailboxes, \
         {app_passwords} app passwords and {uses} rows of login history.{end}"
    )
}

/// Longest line: a mailbox with everything it may have is a tenth of it.
const MAX_LINE_BYTES: u64 = 256 * 1024;
/// A batch is sent when it is this large.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// An export being read.
struct Lines {
    reader: Box<dyn BufRead>,
    name: String,
    /// Lines read so far.
    number: u64,
    bytes: u64,
}

/// Lines for one request, behind the header.
struct Batch {
    body: Bytes,
    first: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self> {
        let (reader, name): (Box<dyn BufRead>, _) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), "standard input".to_owned())
        } else {
            let name = path.display().to_string();
            let file =
                File::open(path).map_err(|error| Failure::refused(format!("{name}: {error}")))?;
            (Box::new(BufReader::new(file)), name)
        };
        Ok(Self { reader, name, number: 0, bytes: 0 })
    }

    /// The first line, which says that it is an export. Whether its version can
    /// be read is known to whoever takes it over.
    fn header(&mut self) -> Result<Vec<u8>> {
        let name = self.name.clone();
        let no_export = || {
            Failure::usage(format!("{name} is not an export of dovegate"))
                .hint("What another mail system wrote is named with --from.")
        };
        let line = self.line();
        let line = line.map_err(|_| no_export())?.ok_or_else(no_export)?;
        match serde_json::from_slice(&line) {
            Ok(Record::Header { .. }) => Ok(line),
            _ => Err(no_export()),
        }
    }

    fn batch(&mut self, header: &[u8]) -> Result<Option<Batch>> {
        let mut body = header.to_vec();
        let first = self.number + 1;
        let mut records = 0;
        while records < MAX_IMPORT_RECORDS - 1 && body.len() < BATCH_BYTES {
            let Some(line) = self.line()? else { break };
            serde_json::from_slice::<Record>(&line).map_err(|error| {
                Failure::usage(format!("{}:{}: {error}", self.name, self.number))
            })?;
            body.extend_from_slice(&line);
            records += 1;
        }
        Ok((records > 0).then(|| Batch { body: body.into(), first }))
    }

    /// The next line that is not empty, with its end; `None` behind the last.
    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let mut line = Vec::new();
            self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            self.bytes += line.len() as u64;
            if line.len() as u64 == MAX_LINE_BYTES {
                let (name, number) = (&self.name, self.number);
                return Err(Failure::usage(format!(
                    "{name}:{number}: a line of no export is so long"
                )));
            }
            if !line.trim_ascii().is_empty() {
                if !line.ends_with(b"\n") {
                    line.push(b'\n');
                }
                return Ok(Some(line));
            }
        }
    }

    fn refused(&self, failure: &Failure, first: u64, last: u64) -> Failure {
        let name = &self.name;
        let message = format!("{name}, lines {first} to {last}: {}", failure.message);
        Failure::new(failure.exit, message).hint(if first > 2 {
            format!("Nothing of these lines was taken over; the {} before them were.", first - 1)
        } else {
            "Nothing was taken over.".to_owned()
        })
    }
}
