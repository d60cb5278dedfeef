//! The store at scale: how long it takes to open, also after `kill -9`, how much
//! memory and disk it takes, and how fast it answers.
//!
//! ```text
//! STORE_SCALE_MAILBOXES=1000000 STORE_SCALE_OVERWRITES=10000000 cargo bench --bench store_scale
//! ```
//!
//! Further settings: `STORE_SCALE_CACHE_MB` (64), `STORE_SCALE_FOLDER` (where the
//! store's folder is made; else the system's temporary folder). Each step is a
//! process of its own, so that memory is that of the step alone.
//!
//! Overwrites come as a busy server makes them: of a hundred, one is a mailbox,
//! written by [`Store::import`] a hundred at a time; the others are rows of the
//! history, written as [`Store::flush_uses`] does once a second, ten thousand at
//! a time.
//! Ten million writes with a flush for each would measure the disk for hours;
//! the rate of such single writes is measured apart.

use std::{
    collections::HashMap,
    env, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use dovegate::{
    clock::Timestamp,
    mailbox::{
        Address, AuthSource, Domain, DomainName, Mailbox, MailboxId, MailboxState, Policy, Quota,
        Services, SetBy,
    },
    store::{MailboxChange, MailboxFilter, Record, Settings, SledStore, Store, UseFilter, UseKey},
};

const DOMAINS: u64 = 1_000;
const STEP: &str = "STORE_SCALE_STEP";
const FOLDER: &str = "STORE_SCALE_FOLDER";

fn main() -> Result<()> {
    let plan = Plan::from_env()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    match env::var(STEP).ok().as_deref() {
        None => run(&plan),
        Some("fill") => runtime.block_on(fill(&plan)),
        Some("open") => runtime.block_on(open_all(&plan)),
        Some("look up") => runtime.block_on(look_up(&plan)),
        Some("list") => runtime.block_on(list(&plan)),
        Some("write singly") => runtime.block_on(write_singly(&plan)),
        Some("overwrite") => runtime.block_on(overwrite(&plan)),
        Some(other) => bail!("unknown step {other}"),
    }
}

struct Plan {
    mailboxes: u64,
    overwrites: u64,
    cache_bytes: u64,
    folder: PathBuf,
}

impl Plan {
    fn from_env() -> Result<Self> {
        let number = |name: &str, default: u64| match env::var(name) {
            Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
            Err(_) => Ok(default),
        };
        Ok(Self {
            mailboxes: number("STORE_SCALE_MAILBOXES", 10_000)?,
            overwrites: number("STORE_SCALE_OVERWRITES", 100_000)?,
            cache_bytes: number("STORE_SCALE_CACHE_MB", 64)? << 20,
            folder: env::var_os(FOLDER).map_or_else(env::temp_dir, PathBuf::from),
        })
    }
}

fn run(plan: &Plan) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("store_scale").tempdir_in(&plan.folder)?;
    say(format_args!(
        "{} mailboxes, {} overwrites, {} MiB cache",
        plan.mailboxes,
        plan.overwrites,
        plan.cache_bytes >> 20
    ));
    for step in ["fill", "open", "open", "look up", "list", "write singly"] {
        say(format_args!("# {step}"));
        ensure!(command(step, folder.path())?.status()?.success(), "step {step} failed");
    }
    say(format_args!("# overwrite, kill -9 in the middle of writing"));
    overwrite_and_kill(plan, folder.path())?;
    for step in ["open", "open", "look up", "list"] {
        say(format_args!("# {step}, after kill -9"));
        ensure!(command(step, folder.path())?.status()?.success(), "step {step} failed");
    }
    say(format_args!("folder_mib {}", mib(folder_bytes(folder.path())?)));
    Ok(())
}

fn command(step: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.env(STEP, step).env(FOLDER, folder);
    Ok(command)
}

/// Runs the overwrites and kills them when they have said that they are through
/// but go on writing.
fn overwrite_and_kill(plan: &Plan, folder: &Path) -> Result<()> {
    let mut child = command("overwrite", folder)?.stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    for line in lines {
        let line = line?;
        say(format_args!("{line}"));
        if line.starts_with(&format!("overwrites {} ", plan.overwrites)) {
            std::thread::sleep(Duration::from_millis(700));
            break;
        }
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn open(plan: &Plan) -> Result<SledStore> {
    let start = Instant::now();
    let store = SledStore::open(&plan.folder, &Settings { cache_bytes: plan.cache_bytes })?;
    say(format_args!("open_ms {}", start.elapsed().as_millis()));
    say_memory("opened")?;
    Ok(store)
}

/// Opens, and waits for the history, which is opened beside.
async fn open_all(plan: &Plan) -> Result<()> {
    let start = Instant::now();
    let store = open(plan)?;
    store.uses(&UseFilter::of(mailbox_id(0)), 1).await?;
    say(format_args!("history_open_ms {}", start.elapsed().as_millis()));
    say_memory("history opened")
}

async fn fill(plan: &Plan) -> Result<()> {
    let store = open(plan)?;
    let start = Instant::now();
    let domains = (0..DOMAINS).map(|number| Record::Domain(domain(number))).collect();
    store.import(domains).await?;
    for first in (0..plan.mailboxes).step_by(1_000) {
        let numbers = first..plan.mailboxes.min(first + 1_000);
        store.import(numbers.map(|number| record(number, 0)).collect()).await?;
    }
    say(format_args!("fill_s {:.1}", start.elapsed().as_secs_f64()));
    history(&store, plan, 0, plan.mailboxes).await?;
    say(format_args!("fill_with_history_s {:.1}", start.elapsed().as_secs_f64()));
    store.close().await?;
    drop(store);
    say(format_args!("folder_mib {}", mib(folder_bytes(&plan.folder)?)));
    say_memory("filled")
}

async fn look_up(plan: &Plan) -> Result<()> {
    let store = open(plan)?;
    for name in ["account_cold", "account_warm"] {
        let mut taken = Vec::new();
        for number in spread(plan.mailboxes, 0, 100_000) {
            let address = address(number);
            let start = Instant::now();
            let found = store.account(&address).await?;
            taken.push(start.elapsed());
            ensure!(found.is_some(), "{address} is lost");
        }
        say_times(name, taken);
    }
    say_memory("looked up")
}

async fn list(plan: &Plan) -> Result<()> {
    let store = open(plan)?;
    for mask in ["*", "*@d7.example.org", "u5*"] {
        let filter = MailboxFilter { mask: Some(mask.to_owned()), ..Default::default() };
        let (start, mut after, mut count) = (Instant::now(), None, 0_u64);
        loop {
            let page = store.mailboxes(&filter, after.as_ref(), 1_000).await?;
            let Some(last) = page.last() else { break };
            count += page.len() as u64;
            after = Some(last.address.clone());
        }
        let elapsed = start.elapsed().as_millis();
        say(format_args!("list_ms {elapsed} mask {mask} found {count}"));
        ensure!(mask != "*" || count == plan.mailboxes, "mailboxes are lost");
    }
    say_memory("listed")?;
    let start = Instant::now();
    let latest = store.uses(&UseFilter::default(), 100).await?;
    ensure!(!latest.is_empty(), "the history is lost");
    say(format_args!("latest_uses_of_all_ms {}", start.elapsed().as_millis()));
    let (start, mut after, mut count) = (Instant::now(), None, 0);
    loop {
        let page = store.export(after, 1_000).await?;
        count += page.records.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    say(format_args!("export_ms {} records {count}", start.elapsed().as_millis()));
    say_memory("exported")
}

async fn write_singly(plan: &Plan) -> Result<()> {
    let store = open(plan)?;
    let mut taken = Vec::new();
    for (turn, number) in spread(plan.mailboxes, 0, 1_000).enumerate() {
        let change = MailboxChange {
            display_name: Some(format!("Written {turn}")),
            ..MailboxChange::default()
        };
        let start = Instant::now();
        store.update_mailbox(&address(number), change, Timestamp(1)).await?;
        taken.push(start.elapsed());
    }
    say_times("write_and_flush", taken);
    store.close().await?;
    Ok(())
}

async fn overwrite(plan: &Plan) -> Result<()> {
    let store = open(plan)?;
    let start = Instant::now();
    let tenth = plan.overwrites.div_ceil(10);
    let (mut done, mut next_word) = (0, tenth);
    for turn in 1.. {
        let mailboxes = spread(plan.mailboxes, turn * 100, 100);
        store.import(mailboxes.map(|number| record(number, turn)).collect()).await?;
        history(&store, plan, turn, 9_900).await?;
        done += 10_000;
        if done >= next_word {
            let seconds = start.elapsed().as_secs_f64();
            let folder = mib(folder_bytes(&plan.folder)?);
            let word = next_word.min(plan.overwrites);
            say(format_args!("overwrites {word} after_s {seconds:.1} folder_mib {folder}"));
            say_memory("overwriting")?;
            next_word += tenth;
        }
    }
    Ok(())
}

/// Counts `count` uses, each of another mailbox, as logins would.
async fn history(store: &SledStore, plan: &Plan, turn: u64, count: u64) -> Result<()> {
    for (place, number) in spread(plan.mailboxes, turn * count, count).enumerate() {
        let key = UseKey {
            mailbox: mailbox_id(number),
            protocol: "imap".to_owned(),
            rip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
            app_password: None,
            outcome: "ok".to_owned(),
        };
        store.record_use(key, Timestamp(1_700_000_000_000 + turn * 1_000));
        if place % 10_000 == 9_999 {
            store.flush_uses().await?;
        }
    }
    store.flush_uses().await?;
    Ok(())
}

/// From all numbers below `below`, over and over and each far from the one
/// before, those at `from` and on.
fn spread(below: u64, from: u64, count: u64) -> impl Iterator<Item = u64> {
    (from..from + count).map(move |place| place.wrapping_mul(15_485_863) % below)
}

fn mailbox_id(number: u64) -> MailboxId {
    let mixed = |seed: u64| {
        let mut mixed = (number + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 31)
    };
    MailboxId(u128::from(mixed(1)) << 64 | u128::from(mixed(2)))
}

fn address(number: u64) -> Address {
    let text = format!("u{number}@d{}.example.org", number % DOMAINS);
    Address::parse(&text).expect("letters and digits")
}

fn domain(number: u64) -> Domain {
    Domain {
        name: DomainName::parse(&format!("d{number}.example.org")).expect("letters and digits"),
        active: true,
        generation: 0,
        provider: None,
        max_mailboxes: None,
        default_quota: Quota { bytes: 5 << 30 },
        max_quota: Quota::UNLIMITED,
        total_quota: Quota::UNLIMITED,
        created: Timestamp(0),
        modified: Timestamp(0),
    }
}

/// A mailbox of ordinary size, about 200 bytes.
fn record(number: u64, turn: u64) -> Record {
    Record::Mailbox(Box::new(Mailbox {
        id: mailbox_id(number),
        address: address(number),
        display_name: format!("User Number {number}"),
        state: MailboxState::Active,
        state_set_by: SetBy::Administrator,
        auth_source: AuthSource::Local,
        local_hash: Some(format!("{{BLF-CRYPT}}$2y$10${:053}", mailbox_id(number).0).into()),
        generation: turn,
        bound: None,
        services: Services::ALL,
        quota: None,
        tags: vec!["staff".to_owned()],
        template: None,
        uid: None,
        gid: None,
        home: Some(format!("/var/vmail/d{}.example.org/u{number}", number % DOMAINS)),
        mail: None,
        extra_fields: [].into(),
        created: Timestamp(1_700_000_000_000),
        modified: Timestamp(1_700_000_000_000 + turn),
        policy: Policy::default(),
        has_imported_app_passwords: false,
    }))
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            // Files come and go while the store is open.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        sum += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn say_memory(when: &str) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let fields: HashMap<_, _> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let mib = |name: &str| {
        let text = fields.get(name).copied().unwrap_or_default().trim();
        text.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() >> 10
    };
    let (resident, peak, address) = (mib("VmRSS"), mib("VmHWM"), mib("VmPeak"));
    say(format_args!(
        "memory {when}: resident_mib {resident} resident_peak_mib {peak} address_space_peak_mib {address}"
    ));
    Ok(())
}

fn say_times(name: &str, mut taken: Vec<Duration>) {
    taken.sort_unstable();
    let at = |percent: usize| taken[(taken.len() - 1) * percent / 100];
    say(format_args!("{name} median {:.1?} p90 {:.1?} p99 {:.1?}", at(50), at(90), at(99)));
}

fn say(line: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    // A reader that has gone away stops nothing.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
