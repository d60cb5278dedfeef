//! `/export` and `/import`: everything as JSON lines. These alone carry hashes
//! and digests, since a copy without them would be of no use.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State as Shared,
};
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, State,
    answer::JsonLines,
    error::Code,
    extract::{Lines, Params},
};
use crate::store::{self, Record};

/// Largest body of one import request.
pub const MAX_IMPORT_BYTES: usize = 16 * 1024 * 1024;
/// Most records of one import request: they are written in one transaction.
pub const MAX_IMPORT_RECORDS: usize = 1000;

const EXPORT_PAGE: usize = 500;

/// How an import is meant.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOptions {
    /// Check and count only.
    #[serde(default)]
    pub dry_run: bool,
}

/// What an import took over, or would.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ImportCounts")]
pub struct Counts {
    /// Providers.
    #[serde(default)]
    pub providers: u64,
    /// Domains.
    pub domains: u64,
    /// Templates.
    pub templates: u64,
    /// Mailboxes.
    pub mailboxes: u64,
    /// App passwords.
    pub app_passwords: u64,
    /// Rows of the login history.
    pub uses: u64,
}

impl Counts {
    /// Counts one record.
    pub fn count(&mut self, record: &Record) {
        match record {
            Record::Header { .. } => {}
            Record::Provider(_) => self.providers += 1,
            Record::Domain(_) => self.domains += 1,
            Record::Template(_) => self.templates += 1,
            Record::Mailbox(_) => self.mailboxes += 1,
            Record::AppPassword { .. } | Record::ImportedAppPassword { .. } => {
                self.app_passwords += 1;
            }
            Record::Use(_) => self.uses += 1,
        }
    }

    /// Adds what another request took over.
    pub fn add(&mut self, other: Self) {
        self.providers += other.providers;
        self.domains += other.domains;
        self.templates += other.templates;
        self.mailboxes += other.mailboxes;
        self.app_passwords += other.app_passwords;
        self.uses += other.uses;
    }
}

/// Streams all records. A failure in the middle breaks the connection off, so
/// that a half export never looks like a whole one.
pub(super) async fn export(
    Shared(state): Shared<State>,
    caller: Caller,
) -> Result<JsonLines, Error> {
    let first = state.store.export(None, EXPORT_PAGE).await?;
    caller.changed("export", &"everything");
    let pages = stream::try_unfold(Some(Pending::Page(first)), move |pending| {
        let store = state.store.clone();
        async move {
            let page = match pending {
                None => return Ok(None),
                Some(Pending::Page(page)) => page,
                Some(Pending::After(after)) => store.export(Some(after), EXPORT_PAGE).await?,
            };
            let lines = lines(&page.records);
            Ok::<_, store::Error>(Some((lines, page.next.map(Pending::After))))
        }
    });
    Ok(JsonLines(Body::from_stream(pages)))
}

enum Pending {
    Page(store::ExportPage),
    After(Vec<u8>),
}

fn lines(records: &[Record]) -> Bytes {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).expect("a record has no map with odd keys");
        lines.push(b'\n');
    }
    lines.into()
}

/// Takes the records of one body over, all of them or none.
pub(super) async fn import(
    Shared(state): Shared<State>,
    caller: Caller,
    Params(options): Params<ImportOptions>,
    Lines(body): Lines,
) -> Result<Json<Counts>, Error> {
    let records = records(&body)?;
    let mut counts = Counts::default();
    for record in &records {
        names_no_file(&caller, record)?;
        counts.count(record);
    }
    if !options.dry_run {
        let number = records.len() - 1;
        state.store.import(records).await?;
        // A record that was replaced may have kept its generation.
        state.pipeline.flush_cache(&[]);
        state.pipeline.load_providers().await?;
        caller.changed("import", &format_args!("{number} records"));
    }
    Ok(Json(counts))
}

fn names_no_file(caller: &Caller, record: &Record) -> Result<(), Error> {
    match record {
        Record::Provider(named) => {
            named.provider.file_key().map_or(Ok(()), |key| caller.check_file(key))
        }
        _ => Ok(()),
    }
}

/// Reads the lines of a body; the first is the header.
fn records(body: &[u8]) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if records.len() > MAX_IMPORT_RECORDS {
            let most = format!("more than {MAX_IMPORT_RECORDS} records in one request");
            return Err(Error::new(Code::TooLarge, most));
        }
        let record = serde_json::from_slice(line)
            .map_err(|error| Error::bad_request(format!("line {number}: {error}")))?;
        records.push(record);
    }
    check_header(records.first())?;
    Ok(records)
}

fn check_header(first: Option<&Record>) -> Result<(), Error> {
    match first {
        Some(Record::Header { schema }) if *schema <= store::EXPORT_SCHEMA => Ok(()),
        Some(Record::Header { schema }) => Err(Error::new(
            Code::Conflict,
            format!(
                "the export has schema version {schema}; this dovegate reads up to {}",
                store::EXPORT_SCHEMA
            ),
        )),
        _ => Err(Error::bad_request("the first line is not the header of an export")),
    }
}
