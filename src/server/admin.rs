//! The socket for administrators: HTTP for those whom the kernel names.

use std::sync::Arc;

use axum::{
    Router,
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    serve::IncomingStream,
};
use nix::unistd::Uid;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    hub::Hub,
    listener::{Bound, Socket},
};
use crate::api::{self, Caller};

/// The uid at the other end; `None` where the kernel would not say.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// Serves administrators until `stop`, then finishes what is under way.
pub(super) async fn serve(
    hub: Arc<Hub>,
    bound: Bound,
    router: Router,
    stop: CancellationToken,
) -> Result<(), Error> {
    let Bound { socket: Socket::Unix(socket), file, .. } = bound else {
        return Err(Error::NoListener);
    };
    let listener = UnixListener::from_std(socket).map_err(Error::Runtime)?;
    let service = router
        .layer(middleware::from_fn_with_state(hub, admit))
        .into_make_service_with_connect_info::<Peer>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
    let ended = served.await.map_err(Error::Runtime);
    drop(file);
    ended
}

/// Lets root, our own user and those of the settings pass, and says who it is.
async fn admit(
    State(hub): State<Arc<Hub>>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = uid.filter(|uid| may_administrate(*uid, &hub.settings.load().admin_uids));
    let Some(uid) = admitted else {
        tracing::warn!(uid = uid.map_or(-1, i64::from), "administration refused");
        let detail = "only root, the server's own user and [admin] users may use this socket";
        return api::Error::new(api::Code::Forbidden, detail).into_response();
    };
    request.extensions_mut().insert(Caller::system(uid));
    next.run(request).await
}

fn may_administrate(uid: u32, admins: &[u32]) -> bool {
    uid == 0 || uid == Uid::effective().as_raw() || admins.contains(&uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_few() {
        let ours = Uid::effective().as_raw();
        assert!(may_administrate(0, &[]));
        assert!(may_administrate(ours, &[]));
        assert!(!may_administrate(ours + 1, &[]));
        assert!(may_administrate(ours + 1, &[ours + 1]));
    }
}
