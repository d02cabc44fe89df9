//! The socket: opened with clear errors, served until told to stop.

use std::{
    future::{Future, IntoFuture},
    io,
    net::SocketAddr,
    time::Duration,
};

use axum::Router;
use thiserror::Error;
use tokio::{net::TcpListener, sync::oneshot};

/// How long answers that have begun may take after the order to stop: a client that does not read
/// must not keep the daemon alive.
const DRAIN: Duration = Duration::from_secs(2);

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
    /// The server stopped by itself.
    #[error("the HTTP server stopped")]
    Serve(#[source] io::Error),
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
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), HttpError> {
    let (told, stopping) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        drop(told);
    });
    let too_long = async {
        // Ready when the sender is gone, which is all that it tells.
        let _ = stopping.await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = server.into_future() => result.map_err(HttpError::Serve),
        () = too_long => Ok(()),
    }
}
