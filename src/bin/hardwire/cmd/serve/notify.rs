//! What systemd is told, over the socket of `$NOTIFY_SOCKET`: that the service is ready, reloads, stops,
//! is alive, and what it does. Without that variable nothing is said.
//!
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Longest time that the watchdog is not fed if nobody asks for it.
const NEVER: Duration = Duration::from_secs(3600);

/// The way to whoever started the service.
#[derive(Debug)]
pub(super) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says.
    ///
    /// # Errors
    ///
    /// `$NOTIFY_SOCKET` is no address of a socket, or there is no socket.
    pub(super) fn from_environment() -> io::Result<Self> {
        let socket = match std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) {
            Some(name) => Some((UnixDatagram::unbound()?, address(&name)?)),
            None => None,
        };
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| for_us && *micros > 0);
        Ok(Self { socket, watchdog: watchdog.map(Duration::from_micros) })
    }

    /// How often [`alive`](Self::alive) is to be called: twice in the time that systemd waits.
    pub(super) fn every(&self) -> Duration {
        self.watchdog.map_or(NEVER, |watchdog| watchdog / 2)
    }

    /// The service does what it is for.
    pub(super) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// It is about to read its configuration again; [`ready`](Self::ready) ends that.
    pub(super) fn reloading(&self) {
        // Time since the boot; a sandbox may forbid it, and then 0 is what is known.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let micros = now.unwrap_or_default().as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    /// It is about to end.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=detaching\n");
    }

    /// What it does now, for `systemctl status`.
    pub(super) fn status(&self, status: &str) {
        self.send(&status_line(status));
    }

    /// It is alive, if somebody asked for that.
    pub(super) fn alive(&self) {
        if self.watchdog.is_some() {
            self.send("WATCHDOG=1\n");
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // Whoever started us may be gone; the service goes on.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

fn status_line(status: &str) -> String {
    // One assignment a line.
    format!("STATUS={}\n", status.replace(['\n', '\r'], " "))
}

/// A path, or `@` and a name in the abstract name space.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => {
            let what = format!("{} begins neither with / nor with @", name.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(socket: &UnixDatagram, name: &OsStr) -> Vec<String> {
        let way = (UnixDatagram::unbound().expect("a socket"), address(name).expect("legal"));
        let notify = Notify { socket: Some(way), watchdog: Some(Duration::from_secs(4)) };
        notify.ready("2 programs\nare attached");
        notify.reloading();
        notify.alive();
        notify.stopping();
        assert_eq!(notify.every(), Duration::from_secs(2));
        let mut bytes = [0; 200];
        let mut next = || {
            let length = socket.recv(&mut bytes).expect("a message");
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        (0..4).map(|_| next()).collect()
    }

    #[test]
    fn messages_arrive_at_sockets_with_paths_and_with_abstract_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let name = format!("hardwire-notify-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&name).expect("short");
        for (socket, name) in [
            (UnixDatagram::bind(&path).expect("free"), path.as_os_str().to_owned()),
            (UnixDatagram::bind_addr(&by_name).expect("free"), format!("@{name}").into()),
        ] {
            let said = between(&socket, &name);
            assert_eq!(said[0], "READY=1\nSTATUS=2 programs are attached\n");
            let micros = said[1].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a time");
            assert!(micros.trim_end().parse::<u64>().expect("a number") > 0);
            assert_eq!(&said[2..], ["WATCHDOG=1\n", "STOPPING=1\nSTATUS=detaching\n"]);
        }
        assert!(address(OsStr::new("run/notify")).is_err());
    }

    #[test]
    fn nobody_is_told_where_nobody_asks() {
        let notify = Notify { socket: None, watchdog: None };
        notify.ready("x");
        notify.alive();
        assert_eq!(notify.every(), NEVER);
    }
}
