//! The daemon's own HTTP side, on a free port, and somebody who asks it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
};

use anyhow::{Context, ensure};
use iotruth::{http, view::View};
use tokio::sync::watch;

/// What is between the head of an answer and its body.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Serves one view until the program ends.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    // While it lives there is a view to be shown.
    _view: watch::Sender<Arc<View>>,
}

impl Server {
    pub(crate) fn start(view: &Arc<View>) -> anyhow::Result<Self> {
        let (sender, views) = watch::channel(Arc::clone(view));
        // One thread, as in the daemon.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(http::bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            let never = std::future::pending::<()>();
            runtime.block_on(http::serve(
                listener,
                http::router(views),
                http::Limits::default(),
                never,
            ));
        });
        Ok(Self { address, _view: sender })
    }

    /// Asks, on a connection of its own, and fails unless as many bytes come as there should be.
    ///
    /// They are read into the same `room` each time and not looked at: what whoever asks makes of them
    /// is not the daemon's time.
    pub(crate) fn get(&self, path: &str, bytes: usize, room: &mut [u8]) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(self.address).context("the server is not there")?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let (mut all, mut head) = (0, None);
        loop {
            let read = stream.read(room)?;
            if read == 0 {
                break;
            }
            let come = room.get(..read).unwrap_or_default();
            if head.is_none() {
                let end = come.windows(HEAD_END.len()).position(|four| four == HEAD_END);
                head = end.map(|end| all + end + HEAD_END.len());
            }
            all += read;
        }
        let body = all - head.context("the head of the answer does not end in one read")?;
        ensure!(body == bytes, "{path} has {body} bytes and should have {bytes}");
        Ok(())
    }
}
