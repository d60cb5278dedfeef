use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::protocol::{codec::LineDecoder, line::Line};

const A_WHILE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers `N` with N bytes, `wait` when it is let, `bye` by closing.
struct Parrot {
    taken: Arc<AtomicUsize>,
    gate: Arc<Notify>,
    waiting: usize,
    read_patience: Option<Duration>,
}

impl Dialogue for Parrot {
    type Event = ();
    type Framing = LineDecoder;

    fn framing() -> LineDecoder {
        LineDecoder::new(64)
    }

    fn greeting(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(b"hello\n");
    }

    fn line(&mut self, line: &Line, work: &mut Work<()>, out: &mut BytesMut) -> Flow {
        self.taken.fetch_add(1, Ordering::Relaxed);
        match &line[..] {
            b"bye" => {
                out.extend_from_slice(b"bye\n");
                return ControlFlow::Break(Closed::Dialogue("bye".to_owned()));
            }
            b"wait" => {
                self.waiting += 1;
                let gate = Arc::clone(&self.gate);
                work.push(Box::pin(async move { gate.notified().await }));
            }
            number => {
                let bytes = str::from_utf8(number).unwrap().parse().unwrap();
                out.extend(std::iter::repeat_n(b'x', bytes));
            }
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, (): (), _: &mut Work<()>, out: &mut BytesMut) -> Flow {
        self.waiting -= 1;
        out.extend_from_slice(b"done\n");
        ControlFlow::Continue(())
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn expire(&mut self, _: &mut Work<()>, _: &mut BytesMut) -> Flow {
        ControlFlow::Continue(())
    }

    fn takes_lines(&self, work: &Work<()>) -> bool {
        work.len() < 3
    }

    fn read_patience(&self) -> Option<Duration> {
        self.read_patience
    }

    fn is_idle(&self) -> bool {
        self.waiting == 0
    }
}

struct Talk {
    peer: UnixStream,
    taken: Arc<AtomicUsize>,
    gate: Arc<Notify>,
    drain: CancellationToken,
    task: JoinHandle<Closed>,
}

async fn talk() -> Talk {
    talk_with(Some(PATIENCE)).await
}

async fn talk_with(read_patience: Option<Duration>) -> Talk {
    let (peer, stream) = UnixStream::pair().unwrap();
    let (taken, gate, drain) = <(Arc<AtomicUsize>, Arc<Notify>, CancellationToken)>::default();
    let parrot =
        Parrot { taken: Arc::clone(&taken), gate: Arc::clone(&gate), waiting: 0, read_patience };
    let stop = drain.clone();
    let running = tokio::spawn(async move { run(Stream::Unix(stream), parrot, &stop).await });
    let mut talk = Talk { peer, taken, gate, drain, task: running };
    assert_eq!(talk.read().await, "hello\n");
    talk
}

impl Talk {
    async fn read(&mut self) -> String {
        let mut bytes = [0; 256];
        let read = timeout(PATIENCE, self.peer.read(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    }

    async fn say(&mut self, lines: &str) {
        self.peer.write_all(lines.as_bytes()).await.unwrap();
    }

    async fn closed(self) -> String {
        timeout(PATIENCE, self.task).await.unwrap().unwrap().to_string()
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_one_piece() {
    let mut talk = talk().await;
    talk.say("1\n2\n3\n").await;
    assert_eq!(talk.read().await, "xxxxxx");
}

#[tokio::test]
async fn the_last_replies_go_out_before_the_end() {
    let mut talk = talk().await;
    talk.say("5\nbye\n5\n").await;
    assert_eq!(talk.read().await, "xxxxxbye\n");
    assert_eq!(talk.closed().await, "bye");
}

#[tokio::test]
async fn who_does_not_read_is_not_read() {
    let mut talk = talk().await;
    let lines = 2000;
    talk.say(&"10000\n".repeat(lines)).await;
    tokio::time::sleep(A_WHILE).await;
    let taken = talk.taken.load(Ordering::Relaxed);
    assert!(taken < lines / 2, "{taken} lines were taken");

    let mut left = lines * 10_000;
    let mut bytes = vec![0; 1 << 16];
    while left > 0 {
        left -= timeout(PATIENCE, talk.peer.read(&mut bytes)).await.unwrap().unwrap();
    }
    assert_eq!(talk.taken.load(Ordering::Relaxed), lines);
}

#[tokio::test]
async fn work_under_way_has_a_bound() {
    let mut talk = talk().await;
    talk.say(&"wait\n".repeat(5)).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(talk.taken.load(Ordering::Relaxed), 3);
    for _ in 0..5 {
        talk.gate.notify_one();
        assert_eq!(talk.read().await, "done\n");
    }
    assert_eq!(talk.taken.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn who_leaves_takes_the_work_along() {
    let mut talk = talk().await;
    talk.say("wait\n").await;
    tokio::time::sleep(A_WHILE).await;
    let Talk { peer, task, gate, .. } = talk;
    drop(peer);
    assert_eq!(timeout(PATIENCE, task).await.unwrap().unwrap().to_string(), "the peer closed it");
    assert_eq!(Arc::strong_count(&gate), 1);
}

#[tokio::test]
async fn stopping_closes_the_idle_and_lets_the_busy_finish() {
    let idle = talk().await;
    idle.drain.cancel();
    assert_eq!(idle.closed().await, "we are stopping");

    let mut busy = talk().await;
    busy.say("wait\n").await;
    tokio::time::sleep(A_WHILE).await;
    busy.drain.cancel();
    busy.say("1\n").await;
    assert_eq!(busy.read().await, "x");
    busy.gate.notify_one();
    assert_eq!(busy.read().await, "done\n");
    assert_eq!(busy.closed().await, "we are stopping");
}

#[tokio::test]
async fn a_line_that_came_before_the_stop_was_seen_is_answered() {
    let mut talk = talk().await;
    talk.say("7\n").await;
    talk.drain.cancel();
    assert_eq!(talk.read().await, "xxxxxxx");
    assert_eq!(talk.closed().await, "we are stopping");
}

#[tokio::test]
async fn an_overlong_line_ends_the_connection() {
    let mut talk = talk().await;
    talk.say(&"x".repeat(64)).await;
    assert!(talk.closed().await.contains("64"));
}

#[tokio::test]
async fn a_peer_that_reads_nothing_counts_as_gone_unless_it_may_pause() {
    const MORE_THAN_A_SOCKET_HOLDS: usize = 4 << 20;
    let impatient = talk_with(Some(A_WHILE)).await;
    let patient = talk_with(None).await;
    let mut both = [impatient, patient];
    for talk in &mut both {
        talk.say(&format!("{MORE_THAN_A_SOCKET_HOLDS}\n")).await;
    }
    let [impatient, mut patient] = both;
    let Talk { peer: deaf, task, .. } = impatient;
    let closed = timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(closed.to_string(), "the peer does not read our replies");
    drop(deaf);

    let mut all = vec![0; MORE_THAN_A_SOCKET_HOLDS];
    timeout(PATIENCE, patient.peer.read_exact(&mut all)).await.unwrap().unwrap();
    patient.say("bye\n").await;
    assert_eq!(patient.closed().await, "bye");
}
