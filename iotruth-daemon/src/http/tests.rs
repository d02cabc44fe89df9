#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::{HttpError, Limits, bind, router, serve};
use crate::{export::sample, view::View};

/// A server on a free port of the loopback, in a thread of its own.
struct Server {
    address: SocketAddr,
    views: Option<watch::Sender<Arc<View>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    fn start(view: View) -> Self {
        Self::with(view, Limits::default())
    }

    fn with(view: View, limits: Limits) -> Self {
        let (views, receiver) = watch::channel(Arc::new(view));
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let shutdown = async move {
                    let _ = stopped.await;
                };
                serve(listener, router(receiver), limits, shutdown).await;
            });
        });
        let address = told.recv().unwrap();
        Self { address, views: Some(views), stop: Some(stop), thread: Some(thread) }
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    /// Stops the server and says how long that took.
    fn stop(&mut self) -> Duration {
        let began = Instant::now();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        began.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Answer {
    fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }

    /// Error and remedy of a refusal.
    fn refusal(&self) -> (String, String) {
        assert!(self.has("content-type: application/json"), "{}", self.head);
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let field = |name: &str| body[name].as_str().unwrap().to_owned();
        (field("error"), field("remedy"))
    }
}

#[test]
fn every_endpoint_answers_with_its_content_type() {
    let server = Server::start(sample::fresh());
    let endpoints = [
        ("/", "text/plain; charset=utf-8", "/mismatches"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "iotruth_build_info"),
        ("/mismatches", "application/json", "\"mismatches\": []"),
        ("/inflight", "application/json", "\"requests\": []"),
        ("/mismatches?format=text", "text/plain; charset=utf-8", "Nothing to report."),
        ("/status", "application/json", "\"ledger\""),
        ("/status?format=text", "text/plain; charset=utf-8", "block_rq_issue"),
        ("/healthz", "application/json", "\"alive\": true"),
        ("/readyz", "application/json", "\"ready\": true"),
    ];
    for (path, content_type, part) in endpoints {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.has(&format!("content-type: {content_type}")), "{path}: {}", answer.head);
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
    }
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start(sample::busy());
    for path in ["/", "/metrics", "/mismatches", "/inflight", "/status", "/healthz", "/readyz"] {
        let (head, get) = (server.ask("HEAD", path), server.get(path));
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        let length = format!("content-length: {}", get.body.len());
        assert!(head.has(&length) && get.has(&length), "{path}: {}", head.head);
    }
}

#[test]
fn other_methods_are_refused_with_allow() {
    let server = Server::start(sample::fresh());
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = server.ask(method, "/mismatches");
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.has("allow: get, head"), "{}", answer.head);
        let (error, _) = answer.refusal();
        assert_eq!(error, format!("{method} is not allowed on /mismatches"));
    }
}

#[test]
fn unknown_paths_are_refused_with_the_known_ones() {
    let server = Server::start(sample::fresh());
    let answer = server.get("/mismatch");
    assert_eq!(answer.status, 404);
    let (error, remedy) = answer.refusal();
    assert_eq!(error, "there is no /mismatch here; did you mean \"/mismatches\"?");
    assert_eq!(
        remedy,
        "the paths are /, /metrics, /mismatches, /inflight, /status, /healthz, /readyz"
    );
    assert_eq!(server.ask("POST", "/nowhere").status, 404);
}

#[test]
fn bad_queries_are_refused() {
    let server = Server::start(sample::busy());
    let bad = [
        ("/mismatches?knd=x", "unknown key \"knd\"; did you mean \"kind\"?"),
        ("/mismatches?limit=many", "limit=many is not a number"),
        ("/mismatches?limit=5000", "limit=5000 is out of range"),
        ("/mismatches?severity=fatal", "severity=fatal is unknown"),
        ("/mismatches?kind=io%5Feror", "kind=io_eror is unknown; did you mean \"io_error\"?"),
        ("/mismatches?device=sda", "no request of device=sda was seen"),
        ("/inflight?kind=io_error", "unknown key \"kind\""),
        ("/mismatches?limit=1&limit=2", "the key \"limit\" is given twice"),
        ("/status?format=xml", "format=xml is unknown"),
        ("/metrics?name=x", "unknown key \"name\""),
    ];
    for (path, message) in bad {
        let answer = server.get(path);
        assert_eq!(answer.status, 400, "{path}");
        let (error, remedy) = answer.refusal();
        assert!(error.starts_with(message) && !remedy.is_empty(), "{path}: {error}");
    }
}

#[test]
fn filters_reach_the_list() {
    let server = Server::start(sample::busy());
    let answer = server.get("/mismatches?device=nvme0n1&severity=all&kind=io_error");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((body["shown"].as_u64(), body["mismatches"][0]["id"].as_u64()), (Some(1), Some(7)));
}

#[test]
fn over_long_queries_are_refused() {
    let server = Server::start(sample::fresh());
    let fits = server.get(&format!("/mismatches?device={}", "x".repeat(2_048 - 7)));
    assert_eq!(fits.status, 400, "as long as allowed, and read");
    let answer = server.get(&format!("/mismatches?device={}", "x".repeat(2_048 - 6)));
    assert_eq!(answer.status, 414);
    assert_eq!(answer.refusal().0, "the query has 2049 bytes");
}

#[test]
fn readiness_follows_the_view_and_its_source() {
    let mut server = Server::start(sample::fresh());
    assert_eq!(server.get("/readyz").status, 200);
    server.views.as_ref().unwrap().send(Arc::new(sample::busy())).unwrap();
    let answer = server.get("/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("reader 1 has not moved for 2 s"), "{}", answer.body);
    assert_eq!(server.get("/healthz").status, 200, "alive, though not ready");

    server.views.as_ref().unwrap().send(Arc::new(sample::fresh())).unwrap();
    assert_eq!(server.get("/readyz").status, 200);
    server.views = None;
    let answer = server.get("/readyz");
    assert_eq!(answer.status, 503, "nobody will ever bring a new view");
    assert!(answer.body.contains("no new figures"), "{}", answer.body);
}

#[test]
fn a_client_that_says_nothing_does_not_stop_the_end() {
    let mut server = Server::start(sample::fresh());
    let mut silent = TcpStream::connect(server.address).unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert_eq!(server.get("/healthz").status, 200);
    let took = server.stop();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// So short that a test can wait for it.
const IMPATIENT: Limits = Limits {
    connections: 64,
    header: Duration::from_secs(1),
    connection: Duration::from_mins(1),
    unread: 64 << 20,
};

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Waits until the server ends the connection, whatever it says before.
fn wait_for_end(mut stream: TcpStream) {
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn clients_that_do_not_finish_a_head_are_disconnected() {
    let server = Server::with(sample::fresh(), IMPATIENT);
    wait_for_end(connect(&server));

    let mut half = connect(&server);
    half.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    wait_for_end(half);

    let mut idle = connect(&server);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut text = String::new();
    idle.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("}\n"), "{text}");
}

#[test]
fn silent_clients_at_the_limit_delay_the_next_one_and_no_more() {
    let server = Server::with(sample::fresh(), IMPATIENT);
    let silent: Vec<_> = (0..IMPATIENT.connections).map(|_| connect(&server)).collect();
    assert_eq!(server.get("/healthz").status, 200);
    let ended = silent.iter().filter(|stream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Ok(0))
    });
    assert!(ended.count() > 0, "the last one had to wait until another one was gone");
}

#[test]
fn a_connection_ends_at_its_age_even_if_nobody_reads_the_answers() {
    let limits = Limits { connections: 1, connection: Duration::from_millis(200), ..IMPATIENT };
    let server = Server::with(sample::busy(), limits);
    let mut deaf = connect(&server);
    deaf.set_nonblocking(true).unwrap();
    // Until the answers fill the buffers of both sockets, and then the requests as well.
    let mut asked = 0;
    while asked < 20_000 && deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").is_ok() {
        asked += 1;
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn answers_that_nobody_reads_leave_no_room_and_small_ones_need_none() {
    let server = Server::with(sample::busy(), Limits { unread: 1, ..IMPATIENT });
    assert_eq!(server.get("/metrics").status, 200, "one that is larger has it alone");
    let mut deaf = connect(&server);
    deaf.set_nonblocking(true).unwrap();
    let mut asked = 0;
    while asked < 20_000 && deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").is_ok() {
        asked += 1;
    }
    let begin = Instant::now();
    let becomes = |status| {
        while server.get("/metrics").status != status {
            assert!(begin.elapsed().as_secs() < 20, "it never is {status}");
        }
    };
    becomes(503);
    let (error, remedy) = server.get("/metrics").refusal();
    assert_eq!(error, "answers that nobody reads take all 1 bytes for them");
    assert!(remedy.starts_with("read each answer to its end"), "{remedy}");
    assert_eq!(server.get("/readyz").status, 503, "as the view has it");
    assert_eq!(server.get("/healthz").status, 200);
    drop(deaf);
    becomes(200);
}

#[test]
fn addresses_that_cannot_be_had_are_explained() {
    let server = Server::start(sample::fresh());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(bind(server.address)).unwrap_err();
    assert!(matches!(error, HttpError::InUse { .. }));
    let (address, port) = (server.address, server.address.port());
    assert_eq!(
        error.to_string(),
        format!(
            "{address} is in use, perhaps by another iotruth daemon; `ss -ltnp 'sport = :{port}'` \
             shows who has it, and --listen (key listen) chooses another address"
        )
    );
    // 192.0.2.0/24 is for documentation and on no interface.
    let error = runtime.block_on(bind(([192, 0, 2, 1], 9947).into())).unwrap_err();
    assert!(error.to_string().starts_with("192.0.2.1:9947 is not an address"), "{error}");
}
