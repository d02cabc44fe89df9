//! HTTP by hand, so that malformed requests can be sent too.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::patience::PATIENCE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Such as 200.
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    /// All after the empty line.
    pub(crate) body: String,
}

/// Sends one request and reads the answer to its end.
pub(crate) fn request(address: SocketAddr, method: &str, target: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let text =
        format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other(format!("no whole head: {text:?}")))?;
    let head = head.to_lowercase();
    if head.contains("transfer-encoding") {
        return Err(io::Error::other("the body has no stated length"));
    }
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no status: {head:?}")))?;
    Ok(Answer { status, head, body: body.to_owned() })
}
