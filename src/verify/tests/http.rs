//! The wire of the small providers of these tests: HTTP/1.1 on loopback, one
//! request for each connection, JSON for an answer.

use std::sync::Arc;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What is asked.
pub(super) struct Asked {
    /// With its query.
    pub(super) path: String,
    pub(super) body: String,
    pub(super) host: String,
}

/// Answers with the status and the JSON that `answer` makes of what is asked; gives
/// the root of the URLs.
pub(super) async fn listen<S, A>(
    shared: &Arc<S>,
    answer: impl Fn(Arc<S>, Asked) -> A + Copy + Send + 'static,
) -> String
where
    S: Send + Sync + 'static,
    A: Future<Output = (u16, Value)> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let Some(asked) = read(&mut stream).await else { return };
                let (status, body) = answer(shared, asked).await;
                let _ = stream.write_all(written(status, &body.to_string()).as_bytes()).await;
            });
        }
    });
    url
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        request.extend(&part[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let host = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
        });
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?.to_owned();
            return Some(Asked { path, body: body.to_owned(), host: host.unwrap_or_default() });
        }
    }
}

fn written(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}
