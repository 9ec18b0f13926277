//! While the program is attached: show what it counts, and notice why to stop.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use hardwire::compiler::event::Counter;
use hardwire::loader::Program;
use hardwire::loader::link::tcx_programs;
use hardwire::netlink::{Link, LinkEvent, LinkWatch, NetlinkError, Socket};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use serde::Serialize;

use super::Via;
use super::attachment::Spot;
use crate::cmd::detach::of_netlink;
use crate::delivery::{Delivery, Taken};
use crate::failure::{Failure, Problem};
use crate::output::Output;
use crate::totals::Totals;

/// How often the counts are shown where every showing is a line.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// How often they are shown on a terminal, in place.
const REDRAW_EVERY: Duration = Duration::from_millis(250);
/// How often they are looked at if a count ends the watch.
const COUNT_EVERY: Duration = Duration::from_millis(50);

/// Why to stop.
pub(super) enum Stop {
    /// A signal.
    Asked,
    /// The duration is over.
    Time,
    /// Enough frames matched.
    Count,
    /// There is no interface any more.
    InterfaceGone,
    /// Another program, or none, has taken our place.
    Displaced(String),
}

/// The signals that end the watch, as something to wait for.
pub(in crate::cmd) struct Signals(SignalFd);

impl Signals {
    /// Block what people and systems end programs with for the rest of the process, and read it
    /// instead. SIGQUIT too: a program that netlink has attached would stay.
    pub(in crate::cmd) fn block() -> Result<Self, Failure> {
        let signals =
            SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT]);
        let opened = signals.thread_block().and_then(|()| {
            SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        });
        Ok(opened.map(Self).map_err(|errno| sandboxed("wait for signals", errno))?)
    }

    /// Has one come?
    pub(in crate::cmd) fn came(&self) -> Result<bool, Failure> {
        let signal = self.0.read_signal();
        Ok(signal.map_err(|errno| sandboxed("read a signal", errno))?.is_some())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Wait until one of them is readable, at most so long.
pub(in crate::cmd) fn wait_for(fds: &[BorrowedFd<'_>], limit: Duration) -> Result<(), Failure> {
    let mut fds: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match ppoll(&mut fds, Some(TimeSpec::from(limit)), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(sandboxed("wait", errno).into()),
    }
}

fn sandboxed(what: &str, errno: Errno) -> Problem {
    Problem::because(format!("cannot {what}"), &errno)
        .hint("a sandbox may forbid signalfd and poll; the program was detached")
}

/// What is watched, and until when.
pub(super) struct Watch<'a> {
    pub(super) signals: Signals,
    pub(super) changes: LinkWatch,
    pub(super) socket: Socket,
    pub(super) link: &'a Link,
    pub(super) program: &'a Program,
    pub(super) program_id: u32,
    pub(super) spot: Spot,
    pub(super) via: Via,
    pub(super) patterns: usize,
    pub(super) duration: Option<Duration>,
    pub(super) count: Option<u64>,
    /// Where events go, if there are any.
    pub(super) delivery: Option<Delivery<'a>>,
    /// Are counts shown meanwhile?
    pub(super) shows: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    seconds: f64,
    counters: &'a Totals,
}

impl Watch<'_> {
    /// Show the counts until there is a reason to stop.
    pub(super) fn run(&mut self, output: &mut Output) -> Result<Stop, Failure> {
        let started = Instant::now();
        let in_place = output.is_terminal() && !output.json();
        let show_every = if in_place { REDRAW_EVERY } else { LINE_EVERY };
        let look_every = if self.count.is_some() { COUNT_EVERY } else { show_every };
        let deadline = self.duration.and_then(|duration| started.checked_add(duration));
        let mut show_at = started + show_every;
        let mut look_at = started + look_every;
        let mut up = self.link.is_up();
        loop {
            let taken = match &mut self.delivery {
                Some(delivery) => delivery.take(output)?,
                None => Taken::default(),
            };
            let wake = deadline.map_or(look_at, |deadline| deadline.min(look_at));
            if self.wait(taken, wake.saturating_duration_since(Instant::now()))? {
                return Ok(Stop::Asked);
            }
            if let Some(stop) = self.look_at_interface(&mut up, output)? {
                return Ok(stop);
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(Stop::Time);
            }
            if now >= look_at {
                look_at = now + look_every;
                let totals = Totals::of(self.program, self.patterns)?;
                if now >= show_at && self.shows {
                    show(&totals, now - started, in_place, output)?;
                    show_at = now + show_every;
                }
                let matched = totals.counters.get(Counter::Matched);
                if self.count.is_some_and(|enough| matched >= enough) {
                    return Ok(Stop::Count);
                }
            }
        }
    }

    /// Wait until something happens, at most so long. Was it a signal?
    fn wait(&self, taken: Taken, limit: Duration) -> Result<bool, Failure> {
        let (limit, for_ring) = Delivery::rest(taken, limit);
        let mut fds = vec![self.signals.as_fd(), self.changes.as_fd()];
        fds.extend(self.delivery.as_ref().filter(|_| for_ring).map(AsFd::as_fd));
        wait_for(&fds, limit)?;
        self.signals.came()
    }

    /// Is the interface still there, up, and running our program?
    fn look_at_interface(
        &mut self,
        up: &mut bool,
        output: &mut Output,
    ) -> Result<Option<Stop>, Failure> {
        let mut changed = false;
        while let Some(event) = self.changes.take().map_err(|error| of_netlink(&error))? {
            changed |= match event {
                LinkEvent::Changed(link) => link.index == self.link.index,
                LinkEvent::Gone { index, .. } => index == self.link.index,
                LinkEvent::Lost => true,
            };
        }
        if !changed {
            // Nobody tells when a classifier goes.
            return Ok(match self.spot {
                Spot::Xdp(_) => None,
                Spot::Tc(_) => self.displaced(self.link),
            });
        }
        // An event tells what was; what is decides.
        let link = match self.socket.link_by_index(self.link.index) {
            Ok(link) => link,
            Err(NetlinkError::UnknownIndex { .. } | NetlinkError::UnknownName { .. }) => {
                return Ok(Some(Stop::InterfaceGone));
            }
            Err(error) => return Err(of_netlink(&error).into()),
        };
        if let Some(stop) = self.displaced(&link) {
            return Ok(Some(stop));
        }
        if link.is_up() != *up {
            *up = link.is_up();
            let state = if *up { "up again" } else { "down and receives nothing" };
            output.end_live()?;
            output.note(format!("{} is {state}", link.name));
        }
        Ok(None)
    }
}

impl Watch<'_> {
    /// Has somebody else replaced or detached our program? `link` is how the interface was last seen.
    fn displaced(&mut self, link: &Link) -> Option<Stop> {
        let direction = match self.spot {
            Spot::Xdp(_) => {
                let ours = link.xdp.modes().any(|(_, id)| id == self.program_id);
                return (!ours).then(|| Stop::Displaced(link.xdp.to_string()));
            }
            Spot::Tc(direction) => direction,
        };
        // What cannot be asked is no reason to stop: the detaching will tell.
        let found: Vec<u32> = match self.via {
            Via::Link => {
                let found = tcx_programs(link, direction).ok()?;
                found.into_iter().map(|it| it.program_id).collect()
            }
            Via::Netlink => {
                let found = self.socket.tc_filters(link, direction).ok()?;
                found.into_iter().filter_map(|it| it.program_id).collect()
            }
        };
        if found.contains(&self.program_id) {
            return None;
        }
        if self.socket.link_by_index(link.index).is_err() {
            return Some(Stop::InterfaceGone);
        }
        Some(Stop::Displaced(format!("programs {found:?} on {direction}")))
    }
}

fn show(
    totals: &Totals,
    elapsed: Duration,
    in_place: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let seconds = elapsed.as_secs_f64();
    if output.json() {
        // Tenths are what a reader of one line a second needs.
        let seconds = (seconds * 10.0).round() / 10.0;
        output.json_line(&Line { seconds, counters: totals })?;
    } else if in_place {
        output.live(&totals.headline())?;
    } else {
        writeln!(output, "{seconds:.0} s: {}", totals.headline())?;
    }
    Ok(output.flush()?)
}
