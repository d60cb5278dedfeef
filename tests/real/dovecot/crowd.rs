//! Many connections at once.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::Barrier,
    time::{sleep, timeout},
};

use crate::support::{
    client::plain,
    dovecot::{Rig, Version, Way},
    skip,
};

const CONNECTIONS: usize = 5_000;

/// How long a busy machine may take over all of them.
const PATIENCE: Duration = Duration::from_secs(120);

/// 5,000 clients on a socket that Dovecot's master made, all connected before
/// the first one asks; each is answered exactly once.
pub fn five_thousand(version: Version) {
    // Dovecot inherits the limit.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < 12_000 {
        return skip("12,000 open files are needed (ulimit -n)");
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(12_000), hard).unwrap();
    let Some(rig) = Rig::start(version, Way::UnderMaster) else { return };
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let socket = rig.socket("auth-client");
    let answers = runtime.block_on(async {
        let together = Arc::new(Barrier::new(CONNECTIONS));
        let clients: Vec<_> = (1..=CONNECTIONS)
            .map(|number| tokio::spawn(client(socket.clone(), number, together.clone())))
            .collect();
        let mut answers = Vec::new();
        for client in clients {
            answers.push(client.await.unwrap());
        }
        answers
    });
    for (number, lines) in (1..).zip(answers) {
        assert_eq!(lines, [format!("OK\t{number}\tuser=ann@example.org")], "connection {number}");
    }
}

/// One client: all lines that came after the handshake, until a silence.
async fn client(socket: PathBuf, number: usize, together: Arc<Barrier>) -> Vec<String> {
    let mut stream = connect(&socket).await;
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    let hello = format!("VERSION\t1\t2\nCPID\t{number}\n");
    writer.write_all(hello.as_bytes()).await.unwrap();
    while lines.next_line().await.unwrap().expect("the handshake ends with DONE") != "DONE" {}
    // One that fails must not leave the others waiting for it.
    timeout(PATIENCE, together.wait()).await.expect("all are connected in time");
    let request = format!(
        "AUTH\t{number}\tPLAIN\tservice=imap\tsecured=tls\tresp={}\n",
        plain("ann@example.org", "wonderland")
    );
    writer.write_all(request.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    let mut patience = PATIENCE;
    while let Ok(line) = timeout(patience, lines.next_line()).await {
        answers.push(line.unwrap().unwrap_or_else(|| "<closed>".to_owned()));
        if answers.last().is_some_and(|line| line == "<closed>") {
            break;
        }
        patience = Duration::from_secs(2);
    }
    answers
}

/// A full backlog refuses whom it cannot make wait.
async fn connect(socket: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(socket).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                sleep(Duration::from_millis(20)).await;
            }
            connected => return connected.unwrap(),
        }
    }
}
