//! The socket: opened with clear errors, served until told to stop.

use std::{future::Future, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, middleware::from_fn_with_state};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tracing::warn;

use super::unread::Unread;

/// How long answers that have begun may take after the order to stop: a client that does not read
/// must not keep the daemon alive.
const DRAIN: Duration = Duration::from_secs(2);
/// Pause after the kernel could not give us a connection.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Ready to fail once the server is told to stop.
type Told = watch::Receiver<()>;

/// What clients may take. Every local user can connect, and each connection costs the daemon a file
/// descriptor, of which it has few.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; further ones wait in the kernel's queue until one ends.
    pub connections: usize,
    /// How long a client may take over the head of a request, or be silent between two requests.
    pub header: Duration,
    /// Age at which a connection is closed after the answer that it is at, so that a client that
    /// asks and never reads does not hold one for ever.
    pub connection: Duration,
    /// Bytes of answers that clients have not read yet; what would be more is refused. One larger answer
    /// is given alone.
    pub unread: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            header: Duration::from_secs(5),
            connection: Duration::from_mins(1),
            unread: 64 << 20,
        }
    }
}

/// Why there is no HTTP.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Somebody else has the address.
    #[error(
        "{address} is in use, perhaps by another iotruth daemon; `ss -ltnp 'sport = :{port}'` \
         shows who has it, and --listen (key listen) chooses another address",
        port = address.port()
    )]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The kernel does not let us.
    #[error(
        "no permission to listen on {address}: ports below 1024 need CAP_NET_BIND_SERVICE; \
         --listen (key listen) chooses another address"
    )]
    Permission {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// No interface has the address.
    #[error(
        "{address} is not an address of this machine; `ip address` lists them, and --listen (key \
         listen) chooses another"
    )]
    NotHere {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}; --listen (key listen) chooses another address")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Opens the socket.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address).await.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            HttpError::InUse { address }
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            HttpError::Permission { address }
        } else if source.kind() == io::ErrorKind::AddrNotAvailable {
            HttpError::NotHere { address }
        } else {
            HttpError::Listen { address, source }
        }
    })
}

/// Serves until `shutdown` is ready, then gives answers that have begun two seconds to end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = router.layer(from_fn_with_state(Unread::new(limits.unread), Unread::hold));
    let (tell, told) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(stream, router.clone(), limits, told.clone()));
                    }
                    // A client that left the queue is gone from it; what else can fail (no
                    // descriptors, no memory) stays, and must not be tried in a busy loop.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        warn!("cannot accept an HTTP connection, trying again: {error}");
                        tokio::select! {
                            () = &mut shutdown => break,
                            () = tokio::time::sleep(ACCEPT_AGAIN) => {}
                        }
                    }
                }
            }
        }
    }
    drop(listener);
    drop(tell);
    let all = async { while connections.join_next().await.is_some() {} };
    // Who needs longer is cut off when the set is dropped.
    let _ = timeout(DRAIN, all).await;
}

/// One connection from its first byte to its last.
async fn converse(stream: TcpStream, router: Router, limits: Limits, mut told: Told) {
    let connection = http1::Builder::new()
        // Without a timer, hyper does not know how late it is and waits for ever.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // How a connection ended is the client's affair; what it asked for was answered or refused.
    tokio::select! {
        _ = connection.as_mut() => return,
        // Fails when the sender is gone, which is all that it tells.
        _ = told.changed() => {}
        () = tokio::time::sleep(limits.connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN, connection).await;
}
