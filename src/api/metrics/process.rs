//! What the kernel says of this process: `/proc/self`, which the sandbox of the
//! systemd unit leaves in sight. What cannot be read is left out.

use std::fs;

use nix::{
    sys::resource::{Resource, getrlimit},
    unistd::{SysconfVar, sysconf},
};

use crate::telemetry::{exposition::Exposition, metrics as table};

pub(super) fn write(out: &mut Exposition) {
    let stat = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| Stat::read(&stat));
    let unit = |unit| sysconf(unit).ok().flatten().and_then(|size| u32::try_from(size).ok());
    let (ticks, page) = (unit(SysconfVar::CLK_TCK), unit(SysconfVar::PAGE_SIZE));
    let family = out.family(&table::CPU_SECONDS);
    if let (Some(stat), Some(ticks)) = (&stat, ticks) {
        // Seconds to the hundredth: no precision is lost in a lifetime.
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 ticks")]
        family.sample(&[], stat.ticks as f64 / f64::from(ticks));
    }
    let family = out.family(&table::RESIDENT_BYTES);
    if let (Some(stat), Some(page)) = (&stat, page) {
        family.sample(&[], stat.pages * u64::from(page));
    }
    let family = out.family(&table::OPEN_FILES);
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        family.sample(&[], files.count().saturating_sub(1));
    }
    let family = out.family(&table::OPEN_FILES_LIMIT);
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        family.sample(&[], soft);
    }
}

/// Parts of proc(5) `/proc/pid/stat`.
#[derive(Debug, Eq, PartialEq)]
struct Stat {
    /// User and system time.
    ticks: u64,
    /// Pages that are resident.
    pages: u64,
}

impl Stat {
    fn read(stat: &str) -> Option<Self> {
        // The second field is the program's name, in parentheses and as it likes.
        let (_, rest) = stat.rsplit_once(')')?;
        // The first of these is the third of all.
        let mut fields = rest.split_ascii_whitespace().skip(11);
        let mut number = || fields.next()?.parse::<u64>().ok();
        let ticks = number()? + number()?;
        let pages = fields.nth(8)?.parse().ok()?;
        Some(Self { ticks, pages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_be_anything() {
        let stat = "42 (a) S 1) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 5 0 777 1000 321 9";
        assert_eq!(Stat::read(stat), Some(Stat { ticks: 42, pages: 321 }));
        assert_eq!(Stat::read("42 (a) S 1"), None);
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(Stat::read(&own).unwrap().pages > 0);
    }
}
