//! The listener: a thread that answers scrapers.
//!
//! No client blocks another or the program: sockets never block, each client has a deadline, there is
//! a limit of clients, and the one who has been there longest goes when it is reached. What is served
//! is made anew for each request, by the thread of the listener.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::http::{self, REQUEST_BYTES_MAX, Request, Status};
use crate::failure::{Failure, Problem};

/// How long a client may take, from its connection to the last byte of the answer.
const CLIENT_TIME_MAX: Duration = Duration::from_secs(5);
/// Most clients at a time.
const CLIENTS_MAX: usize = 32;
/// How long not to accept after an error of accepting: the process may be out of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// `--listen`: `9464` and `:9464` are on loopback, `192.0.2.1:9464` and `[::]:9464` where they say.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        "write a port of this machine's loopback (9464) or an address and a port (192.0.2.1:9464, \
         [::1]:9464)"
            .to_owned()
    })
}

/// Serves counters until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listen at `address` and answer with what `metrics` gives; an error of it is told as text with
    /// status 500.
    ///
    /// # Errors
    ///
    /// The address is taken or not of this machine, or there is no thread.
    pub(crate) fn start(
        address: SocketAddr,
        metrics: impl Fn() -> Result<String, String> + Send + 'static,
    ) -> Result<Self, Failure> {
        let because = |error: io::Error| {
            let hint = if error.kind() == io::ErrorKind::AddrInUse {
                "something listens there: choose another port"
            } else if error.kind() == io::ErrorKind::PermissionDenied {
                "choose a port from 1024 on"
            } else {
                "choose an address of this machine"
            };
            Problem::because(format!("cannot listen at {address}"), &error).hint(hint)
        };
        let socket = TcpListener::bind(address).map_err(because)?;
        socket.set_nonblocking(true).map_err(because)?;
        let address = socket.local_addr().map_err(because)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let stop = EventFd::from_flags(flags).map_err(|errno| because(errno.into()))?;
        let stop = Arc::new(stop);
        let server = Server { socket, stop: Arc::clone(&stop), metrics, clients: Vec::new() };
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || server.run())
            .map_err(because)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens; of port 0 the one that was free.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Only a counter near 2^64 would refuse it.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            // A panic of it was told on standard error.
            let _ = thread.join();
        }
    }
}

struct Server<M> {
    socket: TcpListener,
    stop: Arc<EventFd>,
    metrics: M,
    clients: Vec<Client>,
}

struct Client {
    stream: TcpStream,
    deadline: Instant,
    request: Vec<u8>,
    /// What is left of the answer; `None` while the request is read.
    answer: Option<Vec<u8>>,
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    Done,
}

impl<M: Fn() -> Result<String, String>> Server<M> {
    fn run(mut self) {
        let mut accept_at = Instant::now();
        loop {
            let now = Instant::now();
            self.clients.retain(|client| client.deadline > now);
            let accepting = now >= accept_at;
            let Ok(stopped) = self.wait(accepting, accept_at.saturating_duration_since(now)) else {
                // Nothing but a sandbox forbids to wait; then nobody can be served.
                return;
            };
            if stopped {
                return;
            }
            if accepting && self.accept().is_err() {
                accept_at = Instant::now() + PAUSE;
            }
            let metrics = &self.metrics;
            self.clients.retain_mut(|client| client.go_on(metrics) == Next::Wait);
        }
    }

    /// Wait until there is something to do. Is it to stop?
    fn wait(&self, accepting: bool, pause: Duration) -> nix::Result<bool> {
        let mut timeout = (!accepting).then_some(pause);
        let mut fds = vec![PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        let now = Instant::now();
        for client in &self.clients {
            let flags = if client.unsent() { PollFlags::POLLOUT } else { PollFlags::POLLIN };
            fds.push(PollFd::new(client.stream.as_fd(), flags));
            let left = client.deadline.saturating_duration_since(now);
            timeout = Some(timeout.map_or(left, |timeout| timeout.min(left)));
        }
        if accepting {
            fds.push(PollFd::new(self.socket.as_fd(), PollFlags::POLLIN));
        }
        let limit = match timeout {
            // Rounded up, so that the last millisecond is not spent in a busy loop.
            Some(left) => PollTimeout::try_from(left + Duration::from_micros(999)),
            None => Ok(PollTimeout::NONE),
        };
        match poll(&mut fds, limit.unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok(fds[0].any().unwrap_or(true))
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let (stream, _) = match self.socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It has gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            if self.clients.len() == CLIENTS_MAX {
                self.clients.remove(0);
            }
            let deadline = Instant::now() + CLIENT_TIME_MAX;
            self.clients.push(Client { stream, deadline, request: Vec::new(), answer: None });
        }
    }
}

impl Client {
    fn unsent(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| !answer.is_empty())
    }

    fn go_on(&mut self, metrics: &impl Fn() -> Result<String, String>) -> Next {
        if self.answer.is_none() {
            match self.read() {
                Ok(true) => {}
                Ok(false) => return Next::Wait,
                Err(_) => return Next::Done,
            }
            let answer = match http::read(&self.request) {
                Request::Unfinished => return Next::Wait,
                Request::Metrics => match metrics() {
                    Ok(text) => http::metrics(&text),
                    Err(_) => http::refusal(Status::Failed),
                },
                Request::Index => http::index(),
                Request::Refused(status) => http::refusal(status),
            };
            self.answer = Some(answer);
        }
        if self.unsent() {
            return self.write();
        }
        self.drain()
    }

    /// Read what has come. Was it anything? An error is an end in the middle, too.
    fn read(&mut self) -> io::Result<bool> {
        let before = self.request.len();
        let mut piece = [0; 1024];
        while self.request.len() < REQUEST_BYTES_MAX {
            match self.stream.read(&mut piece) {
                Ok(0) if self.request.len() == before => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(0) => break,
                Ok(bytes) => self.request.extend(&piece[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.request.len() > before)
    }

    fn write(&mut self) -> Next {
        let Some(answer) = &mut self.answer else { return Next::Wait };
        while !answer.is_empty() {
            match self.stream.write(answer) {
                Ok(0) => return Next::Done,
                Ok(bytes) => drop(answer.drain(..bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::Done,
            }
        }
        // Closing now, with bytes of the client unread, would reset the connection under the answer.
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return Next::Done;
        }
        self.drain()
    }

    /// Read what the client still says, until it ends or its time does.
    fn drain(&mut self) -> Next {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(bytes) if bytes > 0 => Next::Wait,
            Err(error)
                if [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted]
                    .contains(&error.kind()) =>
            {
                Next::Wait
            }
            Ok(_) | Err(_) => Next::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    #[test]
    fn addresses_are_on_loopback_unless_they_say_otherwise() {
        for (text, expected) in [
            ("9464", Some("127.0.0.1:9464")),
            (":9464", Some("127.0.0.1:9464")),
            ("0.0.0.0:80", Some("0.0.0.0:80")),
            ("[::1]:80", Some("[::1]:80")),
            ("localhost:80", None),
            ("70000", None),
            ("", None),
            ("::1:80", None),
        ] {
            let expected: Option<SocketAddr> = expected.map(|text| text.parse().expect("one"));
            assert_eq!(address(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_scraper_gets_the_counters_of_now_and_others_get_told() {
        let asked = std::sync::atomic::AtomicU64::new(0);
        let metrics = move || {
            let count = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if count == 2 { Err("gone".to_owned()) } else { Ok(format!("x_total{{}} {count}\n")) }
        };
        let listener = Listener::start(loopback(), metrics).expect("a free port");
        let get = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        for (request, status, end) in [
            (get, "200 OK", "\r\n\r\nx_total{} 0\n"),
            (get, "200 OK", "\r\n\r\nx_total{} 1\n"),
            (get, "500 Internal", "Error\n"),
            ("GET / HTTP/1.1\r\n\r\n", "200 OK", "/metrics\n"),
            ("GET /admin HTTP/1.1\r\n\r\n", "404 Not Found", "\n"),
            ("PUT / HTTP/1.1\r\n\r\nwith a body", "405 Method Not Allowed", "\n"),
        ] {
            let answer = ask(listener.address(), request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
            assert!(answer.ends_with(end), "{request}: {answer}");
        }
    }

    /// Goal: who connects and says nothing, reads nothing or says too much keeps nobody waiting.
    #[test]
    fn slow_and_hostile_clients_keep_nobody_waiting() {
        let large = "x".repeat(8 << 20);
        let listener = Listener::start(loopback(), move || Ok(large.clone())).expect("a port");
        let address = listener.address();
        let mut kept = Vec::new();
        for number in 0..3 * CLIENTS_MAX {
            let mut stream = TcpStream::connect(address).expect("it listens");
            match number % 3 {
                0 => {}
                1 => stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("room"),
                // It may be closed on us in the middle.
                _ => drop(stream.write_all(&[b'x'; 3 * REQUEST_BYTES_MAX])),
            }
            kept.push(stream);
        }
        let started = Instant::now();
        assert!(ask(address, "GET / HTTP/1.1\r\n\r\n").ends_with("/metrics\n"));
        assert!(started.elapsed() < CLIENT_TIME_MAX / 2, "{:?}", started.elapsed());
        drop(listener);
        assert!(started.elapsed() < CLIENT_TIME_MAX, "it stops at once");
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn a_taken_address_is_an_error_that_says_so() {
        let first = Listener::start(loopback(), || Ok(String::new())).expect("a free port");
        let error = Listener::start(first.address(), || Ok(String::new())).expect_err("taken");
        let Failure::Problems(problems) = error else { panic!("{error:?}") };
        assert!(problems[0].headline().contains("choose another port"));
    }
}
