//! Requests that make no sense get an answer that says so.

use std::io::{Read, Write};

use crate::harness::{daemon::Daemon, http, turn::turn};

#[test]
fn bad_requests_are_refused_with_their_reason() {
    let _turn = turn();
    let mut daemon = Daemon::start(&[]);
    let ask = |method: &str, target: &str| {
        let answer = http::request(daemon.address(), method, target).unwrap();
        (answer.status, answer.head, answer.body)
    };

    let (status, _, body) = ask("GET", "/nowhere");
    assert_eq!(status, 404);
    assert!(body.contains("/metrics"), "what there is instead is not told: {body}");

    for target in ["/metrics", "/mismatches", "/status", "/healthz", "/readyz"] {
        for method in ["POST", "PUT", "DELETE"] {
            let (status, head, _) = ask(method, target);
            assert_eq!(status, 405, "{method} {target}");
            assert!(head.contains("allow: get"), "{method} {target}: {head}");
        }
        let (status, _, body) = ask("HEAD", target);
        assert_eq!((status, body.as_str()), (200, ""), "HEAD {target}");
    }

    let (status, _, body) = ask("GET", "/mismatches?severity=loud");
    assert_eq!(status, 400);
    assert!(body.contains("loud") && body.contains("critical"), "{body}");
    let (status, _, body) = ask("GET", "/mismatches?limit=many");
    assert_eq!(status, 400);
    assert!(body.contains("many"), "{body}");
    let (status, _, body) = ask("GET", "/mismatches?sevrity=info");
    assert_eq!(status, 400);
    assert!(body.contains("sevrity") && body.contains("severity"), "{body}");

    let (status, _, _) = ask("GET", &format!("/mismatches?device={}", "x".repeat(16_000)));
    assert_eq!(status, 414);

    // And after all that, it still serves.
    assert_eq!(ask("GET", "/healthz").0, 200);
    let mut stream = std::net::TcpStream::connect(daemon.address()).unwrap();
    stream.write_all(b"\0\0\0nonsense\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    assert_eq!(ask("GET", "/readyz").0, 200);
    assert_eq!(daemon.signal("TERM").code(), Some(0));
    assert!(!daemon.messages().contains("panicked"), "{}", daemon.messages());
}
