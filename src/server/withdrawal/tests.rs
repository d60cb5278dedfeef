use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::{mailbox::Address, verify::WithdrawnFor};

const ANN: &str = "ann@example.org";

/// A shell script with the address as its first argument.
fn script(text: &str, limit: Duration) -> OnWithdrawal {
    let arguments = ["-c", text, "sh", "%u"].map(str::to_owned).to_vec();
    OnWithdrawal { program: "/bin/sh".into(), arguments, limit }
}

fn quick(text: &str) -> OnWithdrawal {
    script(text, Duration::from_millis(300))
}

fn withdrawal(address: &str) -> Withdrawal {
    Withdrawal { address: Address::parse(address).unwrap(), why: WithdrawnFor::OwnerDisabled }
}

async fn ended(command: OnWithdrawal) -> Ended {
    let arguments = arguments(&command.arguments, ANN).unwrap();
    run(&command, arguments).await.unwrap()
}

fn is_alive(pid: i32) -> bool {
    // One that nobody has waited for yet is no more than a number.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn pid_in(file: &Path) -> i32 {
    for _ in 0..1000 {
        if let Ok(pid) = fs::read_to_string(file).unwrap_or_default().trim().parse() {
            return pid;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing in {}", file.display());
}

async fn dies(pid: i32) {
    for _ in 0..1000 {
        if !is_alive(pid) {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("{pid} lives");
}

#[test]
fn the_address_is_never_an_option() {
    let on = |words: &[&str], address: &str| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        arguments(&words, address)
    };
    let dashed = "-f@example.org";
    assert_eq!(on(&["kick", "%u"], ANN).unwrap(), ["kick", ANN]);
    assert_eq!(on(&["kick", "%u"], dashed), None);
    assert_eq!(on(&["%u", "--"], dashed), None);
    assert_eq!(on(&["kick", "%u", "--", "%u"], dashed), None);
    assert_eq!(on(&["kick", "--", "%u"], dashed).unwrap(), ["kick", "--", dashed]);
    let inside = on(&["--data", "user=%u&again=%u"], dashed).unwrap();
    assert_eq!(inside[1], format!("user={dashed}&again={dashed}"));
    // What it says of itself is no place holder.
    assert_eq!(on(&["%n%d%%u"], ANN).unwrap(), ["%n%d%ann@example.org"]);
}

#[tokio::test]
async fn it_gets_its_arguments_and_nothing_else() {
    let script = "echo \"$1|$#|$PWD|$(env | grep -v ^_= | grep -v ^PWD= | grep -v ^SHLVL= | \
                  sed s/=.*//)|$(cat | wc -c)\"; echo more >&2; exit 3";
    let Ended { status, output } = ended(script_in_time(script)).await;
    assert_eq!(status.unwrap().code(), Some(3));
    assert_eq!(output, format!("{ANN}|1|/|PATH|0\nmore"));
}

fn script_in_time(text: &str) -> OnWithdrawal {
    script(text, Duration::from_secs(20))
}

#[tokio::test]
async fn what_is_in_an_address_is_read_by_nobody() {
    let folder = TempDir::new().unwrap();
    let mark = folder.path().join("mark");
    let command = script_in_time("echo \"$1\"; exit 1");
    for address in
        [format!("$(touch {0})@x", mark.display()), format!("a;touch {0}@x", mark.display())]
    {
        let arguments = arguments(&command.arguments, &address).unwrap();
        assert_eq!(run(&command, arguments).await.unwrap().output, address);
    }
    assert!(!mark.exists());
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_all_that_it_started() {
    let folder = TempDir::new().unwrap();
    let (own, child) = (folder.path().join("own"), folder.path().join("child"));
    let text = format!(
        "trap '' TERM INT HUP; sleep 600 & echo $! > {}; echo $$ > {}; while :; do sleep 600; done",
        child.display(),
        own.display()
    );
    let Ended { status, .. } = ended(quick(&text)).await;
    assert!(status.is_none());
    dies(pid_in(&own).await).await;
    dies(pid_in(&child).await).await;
}

#[tokio::test]
async fn what_it_leaves_behind_is_killed() {
    let folder = TempDir::new().unwrap();
    let child = folder.path().join("child");
    // With its output still open, which would keep us listening.
    let text = format!("sleep 600 & echo $! > {}; echo done", child.display());
    let Ended { status, output } = ended(script_in_time(&text)).await;
    assert!(status.unwrap().success());
    assert_eq!(output, "done");
    dies(pid_in(&child).await).await;
}

/// A descendant that has left the group holds the output open.
#[tokio::test]
async fn one_that_escapes_keeps_nobody_waiting() {
    let folder = TempDir::new().unwrap();
    let child = folder.path().join("child");
    let text = format!("setsid sh -c 'echo $$ > {}; exec sleep 600' & sleep 0.3", child.display());
    let Ended { status, .. } = ended(script_in_time(&text)).await;
    assert!(status.unwrap().success());
    let escaped = Pid::from_raw(pid_in(&child).await);
    nix::sys::signal::kill(escaped, Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_flood_is_cut_and_takes_no_time() {
    let Ended { status, output } = ended(quick("while :; do echo flood; done")).await;
    assert!(status.is_none());
    assert!(output.starts_with("flood\nflood"), "{output}");
    assert!(output.len() <= MAX_OUTPUT_BYTES);
    // One that says much and ends is heard out.
    let Ended { status, output } = ended(script_in_time("head -c 300000 /dev/zero; exit 5")).await;
    assert_eq!(status.unwrap().code(), Some(5));
    assert_eq!(output.len(), MAX_OUTPUT_BYTES);
}

#[tokio::test]
async fn failures_are_told_from_success() {
    for (text, well) in
        [("exit 0", true), ("exit 68", false), ("kill -9 $$", false), ("sleep 600", false)]
    {
        assert_eq!(carry_out(quick(text), withdrawal(ANN)).await, well, "{text}");
    }
    let gone = OnWithdrawal { program: "/nowhere/doveadm".into(), ..quick("") };
    assert!(!carry_out(gone, withdrawal(ANN)).await);
    assert!(!carry_out(quick("exit 0"), withdrawal("-f@example.org")).await);
}

#[tokio::test]
async fn it_dies_with_us() {
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("own");
    let text = format!("echo $$ > {}; exec sleep 600", own.display());
    let task = tokio::spawn(carry_out(script_in_time(&text), withdrawal(ANN)));
    let pid = pid_in(&own).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    dies(pid).await;
}
