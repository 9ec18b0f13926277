//! Events on their way from the ring to standard output or a capture.
//!
//! They are taken in batches: while there are some, the reader rests between two looks, so that the
//! programs need not wake it and the output is written in large pieces; when there are none, what is
//! there is written out. Times come from the clock that no one sets: if the wall's is set forward (or the
//! machine slept) events follow it, if it is set back they do not, so that a capture stays in order.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use hardwire::capture::LinkType;
use hardwire::compiler::event::record::Record;
use hardwire::compiler::event::{Counters, EVENTS_MAP};
use hardwire::loader::{Program, Reader, events::REST, host};
use hardwire::netlink::Link;

use crate::failure::{Failure, Problem};
use crate::options::{DeliveryOptions, Named, ShowOptions};
use crate::output::Output;
use crate::show::capture::{Capture, Hook};
use crate::show::time::{Followed, WallClock};
use crate::show::{Event, Printer};

/// Modems (`linux/if_arp.h`; the libc crate does not have it).
const ARPHRD_RAWIP: u16 = 519;

/// Longest time that something printed waits to be written out while events keep coming.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// What the frames of `link` begin with, if that is known here: an Ethernet header, or IP.
pub(crate) fn link_type(link: &Link) -> Option<LinkType> {
    match link.hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LinkType::ETHERNET),
        libc::ARPHRD_NONE
        | ARPHRD_RAWIP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT => Some(LinkType::RAW),
        _ => None,
    }
}

/// How events are delivered.
pub(crate) struct How<'a> {
    /// Where to.
    pub(crate) options: &'a DeliveryOptions,
    /// How they look.
    pub(crate) show: &'a ShowOptions,
    /// What gives the verdicts.
    pub(crate) hook: Hook,
    /// Most bytes of a frame that the program hands over.
    pub(crate) snap: u32,
    /// How many are enough; nothing for no end.
    pub(crate) limit: Option<u64>,
}

/// What was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Events that were delivered.
    pub(crate) events: u64,
    /// As many as were asked for have been.
    pub(crate) enough: bool,
}

/// The way from one program's events to wherever they go.
pub(crate) struct Delivery<'a> {
    reader: Reader,
    to: Destinations<'a>,
    limit: Option<u64>,
    clock: WallClock,
    set_back: bool,
    unflushed: bool,
    flushed: Instant,
}

/// Where events go.
struct Destinations<'a> {
    link: &'a Link,
    link_type: LinkType,
    printer: Printer,
    prints: bool,
    capture: Option<Capture>,
    clock: WallClock,
    delivered: u64,
}

impl<'a> Delivery<'a> {
    /// Deliver what `program` hands over about frames of `link`; the file is created.
    ///
    /// # Errors
    ///
    /// The ring cannot be read, or the file cannot be written; a capture of frames of which it is
    /// not known what they begin with.
    pub(crate) fn open(
        program: &Program,
        named: &[Named],
        link: &'a Link,
        how: &How<'_>,
        output: &Output,
    ) -> Result<Self, Failure> {
        let reader = reader(program)?;
        let clock =
            WallClock::now().map_err(|error| Problem::because("cannot read the clocks", &error))?;
        let known = link_type(link);
        let capture = match (how.options.write(), known) {
            (None, _) => None,
            (Some(path), Some(link_type)) => {
                let started = clock.time(monotonic_ns());
                let mut capture = Capture::create(path, how.hook, how.snap, started)?;
                capture.describe(link.index, &link.name, link_type)?;
                Some(capture)
            }
            (Some(_), None) => {
                let what = format!("frames of {} have hardware type {}", link.name, link.hardware);
                let hint = "captures are written of Ethernet and of IP without a header in front";
                return Err(Problem::new(what).at("-w").hint(hint).into());
            }
        };
        let to = Destinations {
            link,
            // Of frames that nobody knows no addresses are shown.
            link_type: known.unwrap_or(LinkType(u32::MAX)),
            printer: Printer::new(named, how.show, output),
            prints: how.options.prints(),
            capture,
            clock,
            delivered: 0,
        };
        let flushed = Instant::now();
        let (limit, set_back, unflushed) = (how.limit, false, false);
        Ok(Self { reader, to, limit, clock, set_back, unflushed, flushed })
    }

    /// Deliver what is left, and from now on what another program hands over, of whose patterns these
    /// are the names.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take); the ring cannot be read.
    pub(crate) fn go_on(
        &mut self,
        program: &Program,
        named: &[Named],
        show: &ShowOptions,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let reader = reader(program)?;
        while self.take(output)?.events > 0 {}
        self.reader = reader;
        self.to.printer = Printer::new(named, show, output);
        Ok(())
    }

    /// Events that are where they should be: printed, or whole in the capture.
    pub(crate) fn delivered(&self) -> u64 {
        match &self.to.capture {
            Some(capture) => capture.written().whole_packets,
            None => self.to.delivered,
        }
    }

    /// Deliver what is there now.
    ///
    /// # Errors
    ///
    /// Those of the outputs, and of the ring. A closed pipe is [`Failure::ClosedPipe`].
    pub(crate) fn take(&mut self, output: &mut Output) -> Result<Taken, Failure> {
        self.follow_the_clock(output)?;
        let left = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.to.delivered));
        let mut taken = Taken { events: 0, enough: left == 0 };
        if taken.enough {
            return Ok(taken);
        }
        let to = &mut self.to;
        let drained = self.reader.drain(|bytes| {
            if let Err(failure) = to.deliver(bytes, output) {
                return ControlFlow::Break(Some(failure));
            }
            taken.events += 1;
            if taken.events == left { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
        });
        let (_, flow) = drained.map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
        match flow {
            ControlFlow::Break(Some(failure)) => return Err(failure),
            ControlFlow::Break(None) => taken.enough = true,
            ControlFlow::Continue(()) => {}
        }
        self.unflushed |= taken.events > 0;
        if self.unflushed && (taken.events == 0 || self.flushed.elapsed() >= FLUSH_EVERY) {
            self.flush(output)?;
        }
        Ok(taken)
    }

    /// Write out what was delivered.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(crate) fn flush(&mut self, output: &mut Output) -> Result<(), Failure> {
        self.unflushed = false;
        self.flushed = Instant::now();
        if self.to.prints {
            output.flush_all()?;
        }
        self.to.capture.as_mut().map_or(Ok(()), Capture::flush)
    }

    /// Deliver what is left once the program sees no more frames; then end the capture with what
    /// was counted, which `counters` says.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(crate) fn finish(
        &mut self,
        counters: impl FnOnce() -> Result<Counters, Failure>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        loop {
            let taken = self.take(output)?;
            if taken.enough || taken.events == 0 {
                break;
            }
        }
        let to = &mut self.to;
        if let Some(capture) = &mut to.capture {
            let place = (to.link.index, to.link.name.as_str(), to.link_type);
            capture.statistics(place, self.clock.time(monotonic_ns()), &counters()?)?;
        }
        self.flush(output)
    }

    /// How long to wait for a descriptor before the next [`take`](Self::take), and whether for the
    /// ring as well: while events come it is left alone for a moment.
    pub(crate) fn rest(taken: Taken, limit: Duration) -> (Duration, bool) {
        if taken.events > 0 { (REST.min(limit), false) } else { (limit, true) }
    }

    fn follow_the_clock(&mut self, output: &Output) -> Result<(), Failure> {
        let followed =
            self.clock.follow().map_err(|e| Problem::because("cannot read the clocks", &e))?;
        match followed {
            Some(Followed::Forward(jump)) => {
                output.note(format!("the clock was set by {jump} s: times follow it"));
            }
            Some(Followed::Ignored(jump)) if !self.set_back => {
                self.set_back = true;
                output.note(format!(
                    "the clock was set by {jump} s: times go on as before, so that they stay in \
                     order"
                ));
            }
            Some(Followed::Ignored(_)) | None => {}
        }
        self.to.clock = self.clock;
        Ok(())
    }
}

fn reader(program: &Program) -> Result<Reader, Problem> {
    let map = program.map_named(EVENTS_MAP).ok_or_else(|| {
        Problem::new(format!("program {} has no map {EVENTS_MAP}", program.name()))
            .hint("this is a bug in Hardwire; please report it")
    })?;
    Reader::open(map).map_err(|error| Problem::of(&error).hint_if(error.hint()))
}

impl AsFd for Delivery<'_> {
    /// Readable when there is an event.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Destinations<'_> {
    fn deliver(&mut self, bytes: &[u8], output: &mut Output) -> Result<(), Failure> {
        let record = Record::from_bytes(bytes)
            .map_err(|error| Problem::of(&error).hint("does another program write to this map?"))?;
        let event = Event {
            record: &record,
            interface: &self.link.name,
            link_type: self.link_type,
            time: self.clock.time(record.time_ns),
        };
        if let Some(capture) = &mut self.capture {
            capture.add(&event, self.printer.comment(&event))?;
        }
        if self.prints {
            output.end_live_line()?;
            self.printer.print(&event, output)?;
        }
        self.delivered += 1;
        Ok(())
    }
}

/// The clock that programs read, in nanoseconds; 0 if a sandbox forbids it.
pub(crate) fn monotonic_ns() -> u64 {
    let nanos = host::ktime().map(|time| time.as_nanos()).unwrap_or_default();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}
