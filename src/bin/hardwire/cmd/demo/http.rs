//! The smallest web server that is one, and its clients: real requests over real TCP, each small
//! enough for one segment, so that a program that sees packets sees the whole request.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hardwire::netlink::lab::Host;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use super::problem;
use crate::failure::Problem;

/// Longest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 4096;

/// How long a server or a client waits for a peer that should be heard of.
const PEER_WAIT: Duration = Duration::from_secs(2);

/// How long a client waits for the answer to a request that should be dropped. The kernel sends
/// such a request again after 200 ms at the earliest, so that there is usually one frame of it.
const SILENCE_WAIT: Duration = Duration::from_millis(150);

/// How often the server looks whether it should stop, in milliseconds.
const STOP_POLL_MS: u16 = 10;

/// What a client of a server gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The first line of the answer, without the protocol: `200 OK`.
    Status(String),
    /// No answer within the time.
    Silence,
}

/// A web server on a thread of its own. Dropping it stops it.
pub(super) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Start a server on `host`.
    ///
    /// # Errors
    ///
    /// No socket, no thread.
    pub(super) fn start(host: &Host) -> Result<Self, Problem> {
        let listener = host
            .enter(|| TcpListener::bind((host.ipv4, 80)))
            .map_err(|error| problem(&error, error.hint()))?;
        let failed = |error: io::Error| Problem::because("cannot start the web server", &error);
        let listener = listener.map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let thread = {
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            let run = move || accept(&listener, &stop, &seen);
            thread::Builder::new().name("web server".to_owned()).spawn(run).map_err(failed)?
        };
        Ok(Self { address, stop, seen, thread: Some(thread) })
    }

    /// How many requests have reached it.
    pub(super) fn requests(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Has a request with this text reached it?
    pub(super) fn saw(&self, text: &str) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().any(|request| request.contains(text))
    }

    /// Send `request` from `client`, and wait for the answer: long if one is expected.
    ///
    /// # Errors
    ///
    /// The connection cannot be made, or breaks.
    pub(super) fn ask(
        &self,
        client: &Host,
        request: &str,
        answer_expected: bool,
    ) -> Result<Reply, Problem> {
        let wait = if answer_expected { PEER_WAIT } else { SILENCE_WAIT };
        let stream = client
            .enter(|| TcpStream::connect_timeout(&self.address, PEER_WAIT))
            .map_err(|error| problem(&error, error.hint()))?;
        let first_line = request.lines().next().unwrap_or_default();
        stream
            .and_then(|stream| exchange(stream, request, wait))
            .map_err(|error| Problem::because(format!("the request {first_line} failed"), &error))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the server has shown itself in the answers that are missing.
            let _ = thread.join();
        }
    }
}

/// Answer until told to stop.
fn accept(listener: &TcpListener, stop: &AtomicBool, seen: &Mutex<Vec<String>>) {
    thread::scope(|scope| {
        while !stop.load(Ordering::Relaxed) {
            let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            // Whatever ended the wait: accept says whether somebody is there.
            let _ = poll(&mut ready, PollTimeout::from(STOP_POLL_MS));
            if let Ok((stream, _)) = listener.accept() {
                // A connection that breaks off is what this demo is about.
                scope.spawn(move || drop(serve(stream, seen)));
            }
        }
    });
}

/// Read one request and answer it.
fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PEER_WAIT))?;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !is_whole(&request) && request.len() < REQUEST_BYTES_MAX {
        let bytes = stream.read(&mut piece)?;
        if bytes == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..bytes]);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
}

/// Are the header and as many bytes of body as it announces there?
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((header, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = header.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.and_then(|length| length.parse().ok()).is_none_or(|length: usize| body.len() >= length)
}

fn exchange(mut stream: TcpStream, request: &str, wait: Duration) -> io::Result<Reply> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(wait))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {
            let text = String::from_utf8_lossy(&answer);
            let line = text.lines().next().unwrap_or_default();
            Ok(Reply::Status(line.strip_prefix("HTTP/1.1 ").unwrap_or(line).to_owned()))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => {
            // Reset the connection, or the kernel would go on sending the request.
            let reset = libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&stream, sockopt::Linger, &reset)?;
            Ok(Reply::Silence)
        }
        Err(error) => Err(error),
    }
}

/// How many TCP segments `host` has sent again.
///
/// # Errors
///
/// The kernel does not tell.
pub(super) fn retransmissions(host: &Host) -> Result<u64, Problem> {
    const PATH: &str = "/proc/thread-self/net/snmp";
    let text = host
        .enter(|| fs::read_to_string(PATH))
        .map_err(|error| problem(&error, error.hint()))?
        .map_err(|error| Problem::because(format!("cannot read {PATH}"), &error))?;
    tcp_counter(&text, "RetransSegs")
        .ok_or_else(|| Problem::new(format!("{PATH} has no counter RetransSegs")))
}

/// A counter of the two lines `Tcp: names` and `Tcp: values`.
fn tcp_counter(snmp: &str, name: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let found = names.split(' ').zip(values.split(' ')).find(|(n, _)| *n == name);
    found.and_then(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_name() {
        let snmp = "Ip: Forwarding\nIp: 1\nTcp: ActiveOpens RetransSegs\nTcp: 4 7\n";
        assert_eq!(tcp_counter(snmp, "RetransSegs"), Some(7));
        for hostile in ["", "Tcp: RetransSegs", "Tcp: RetransSegs\nTcp: x", "Tcp: A\nTcp: 1"] {
            assert_eq!(tcp_counter(hostile, "RetransSegs"), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_request_is_whole_with_its_body() {
        for (request, whole) in [
            ("GET / HTTP/1.1\r\n", false),
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n1", false),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n12", true),
        ] {
            assert_eq!(is_whole(request.as_bytes()), whole, "{request:?}");
        }
    }
}
