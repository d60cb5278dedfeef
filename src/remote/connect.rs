//! The way to a server: its addresses, and a connection to one of them.

use std::{io, net::SocketAddr, time::Instant};

use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout_at,
};
use url::Host;

/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// All addresses of a host.
///
/// # Errors
/// It has none, or they cannot be learnt in time.
pub async fn addresses(
    host: &Host<String>,
    port: u16,
    deadline: Instant,
) -> io::Result<Vec<SocketAddr>> {
    let name = match host {
        Host::Domain(name) => name,
        Host::Ipv4(address) => return Ok(vec![(*address, port).into()]),
        Host::Ipv6(address) => return Ok(vec![(*address, port).into()]),
    };
    let found = in_time(deadline, lookup_host((name.as_str(), port))).await?;
    let found: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

/// The name that a host's certificate has to have.
///
/// # Errors
/// No certificate can have such a name.
pub fn server_name(host: &Host<String>) -> io::Result<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(io::Error::other),
        Host::Ipv4(address) => Ok(ServerName::from(std::net::IpAddr::from(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(std::net::IpAddr::from(*address))),
    }
}

/// The first of `addresses` that takes a connection, else the last refusal. Each
/// has its share of the time: where one family of addresses leads nowhere, a
/// login takes the other.
///
/// # Errors
/// The last refusal, and whose it was.
pub async fn connect(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), (io::Error, Option<SocketAddr>)> {
    let mut last = (io::Error::from(io::ErrorKind::NotFound), None);
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let now = Instant::now();
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let share = now + deadline.saturating_duration_since(now) / left;
        match in_time(share, TcpStream::connect(address)).await {
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => last = (error, Some(*address)),
        }
    }
    Err(last)
}

/// What `work` comes to, if it does in time.
///
/// # Errors
/// Its own, and that the time is over.
pub async fn in_time<T>(
    deadline: Instant,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout_at(deadline.into(), work)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_leads_nowhere_leaves_time_for_the_next() {
        let nowhere = TcpSocket::new_v4().unwrap();
        nowhere.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let nowhere = nowhere.listen(0).unwrap();
        let full = nowhere.local_addr().unwrap();
        let mut waiting = Vec::new();
        let soon = || Instant::now() + Duration::from_millis(200);
        // Until the queue is full, and the kernel answers no more.
        while let Ok((stream, _)) = connect(&[full], soon()).await {
            waiting.push(stream);
        }
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = good.local_addr().unwrap();
        let (_stream, address) = connect(&[full, good], soon()).await.unwrap();
        assert_eq!(address, good);
    }
}
