//! The thread that takes events from the rings of all attachments to the outputs.
//!
//! An output that blocks holds up this thread and nothing else: the rings fill, what finds no room is
//! lost and counted in the kernel, and the service still hears signals. An output that fails is told
//! once; events that it did not take are counted.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hardwire::attachment::{Hook, Listening, Root};
use hardwire::capture::LinkType;
use hardwire::compiler::event::Counters;
use hardwire::compiler::event::record::Record;
use hardwire::loader::events::REST;
use hardwire::loader::{Program, Reader};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::config;
use super::wanted::Wanted;
use crate::delivery::link_type;
use crate::failure::{Failure, Problem};
use crate::options::ShowOptions;
use crate::options::lifecycle::of_attachment;
use crate::output::Output;
use crate::show::capture::{self, Capture};
use crate::show::time::WallClock;
use crate::show::{Event, Printer};

/// Name of the map that events come through.
const EVENTS_MAP: &str = "events";

/// Longest time that something written waits to be seen while events keep coming.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How often the clocks are looked at where nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an end is waited for before the outputs are given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where events come from.
pub(super) struct Source {
    name: String,
    interface: String,
    ifindex: u32,
    link_type: LinkType,
    hook: capture::Hook,
    reader: Reader,
    printer: Printer,
    #[expect(dead_code, reason = "held: nobody else reads these events")]
    listening: Listening,
}

impl Source {
    /// The events of an attachment; nothing if it makes none.
    ///
    /// # Errors
    ///
    /// The ring cannot be read, or somebody else reads it.
    pub(super) fn of(
        wanted: &Wanted,
        link: &hardwire::netlink::Link,
        program: &Program,
        root: &Root,
    ) -> Result<Option<Self>, Problem> {
        if wanted.snap().is_none() {
            return Ok(None);
        }
        let listening = root
            .open_attachment(&wanted.name)
            .and_then(|attachment| attachment.listen())
            .map_err(|error| of_attachment(&error))?;
        let map = program.map_named(EVENTS_MAP).ok_or_else(|| {
            Problem::new(format!("the program of {} has no map {EVENTS_MAP}", wanted.name))
                .hint("this is a bug in Hardwire; please report it")
        })?;
        let reader =
            Reader::open(map).map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
        let show = ShowOptions { hexdump: false, snippet: 0, nanoseconds: true };
        Ok(Some(Self {
            name: wanted.name.clone(),
            interface: link.name.clone(),
            ifindex: link.index,
            // Of frames that nobody knows no addresses are shown.
            link_type: link_type(link).unwrap_or(LinkType(u32::MAX)),
            hook: match wanted.hook {
                Hook::Xdp => capture::Hook::Xdp,
                Hook::Ingress | Hook::Egress => capture::Hook::Tc,
            },
            reader,
            printer: Printer::with(&wanted.named, &show, true, false),
            listening,
        }))
    }
}

/// Where events go.
pub(super) struct Outputs {
    lines: Option<Lines>,
    capture: Option<Capture>,
    /// The file of the capture.
    live: Option<Live>,
    /// Is the capture to be that of the outputs before?
    keeps: bool,
    /// The file of the lines, which may end within one.
    mend: Option<File>,
    /// Events since everything was last written out.
    pending: u64,
    /// Has an output failed?
    failed: bool,
}

/// The file of a capture. Opened a second time while it is written to, it would be written at two places.
#[derive(Clone, Debug)]
pub(super) struct Live {
    file: (u64, u64),
    writes: Arc<AtomicBool>,
}

/// Which file is at `path`.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Outputs {
    /// Open what `wanted` names, paths beside the configuration; files are appended to. A capture that is
    /// written to the same file, `before`, goes on.
    ///
    /// # Errors
    ///
    /// A file cannot be opened, or is no capture.
    pub(super) fn open(
        wanted: &config::Output,
        folder: &Path,
        before: Option<&Live>,
    ) -> Result<Self, Failure> {
        let (lines, mend) = match &wanted.events {
            Some(path) => lines(path.get_ref(), folder).map(|(lines, mend)| (Some(lines), mend))?,
            None => (None, None),
        };
        let (mut capture, mut live, mut keeps) = (None, None, false);
        if let Some(path) = &wanted.capture {
            let path = beside(path.get_ref(), folder);
            let same = |live: &&Live| {
                live.writes.load(Ordering::Acquire) && identity(&path) == Some(live.file)
            };
            if let Some(same) = before.filter(same) {
                (live, keeps) = (Some(same.clone()), true);
            } else {
                capture = Some(Capture::append(&path)?);
                let writes = Arc::new(AtomicBool::new(true));
                live = identity(&path).map(|file| Live { file, writes });
            }
        }
        Ok(Self { lines, capture, live, keeps, mend, pending: 0, failed: false })
    }

    /// Cut off a line that was not written whole: nothing is to be glued to it.
    fn mend(&mut self) -> io::Result<()> {
        let Some(file) = self.mend.take() else { return Ok(()) };
        let end = file.metadata()?.len();
        let mut chunk = [0; 4096];
        let mut at = end;
        while at > 0 {
            let from = at.saturating_sub(4096);
            let part = &mut chunk[..usize::try_from(at - from).expect("a chunk")];
            file.read_exact_at(part, from)?;
            if let Some(last) = part.iter().rposition(|byte| *byte == b'\n') {
                at = from + u64::try_from(last).expect("a chunk") + 1;
                break;
            }
            at = from;
        }
        if at == end {
            return Ok(());
        }
        let mut first = [0];
        file.read_exact_at(&mut first, at)?;
        // Only what may be a line of ours.
        if first == *b"{" { file.set_len(at) } else { (&file).write_all(b"\n") }
    }
}

fn beside(path: &Path, folder: &Path) -> PathBuf {
    if path.as_os_str() == "-" { path.to_owned() } else { folder.join(path) }
}

type Lines = (String, BufWriter<Box<dyn Write + Send>>);

fn lines(path: &Path, folder: &Path) -> Result<(Lines, Option<File>), Problem> {
    let path = beside(path, folder);
    if path.as_os_str() == "-" {
        // A descriptor of its own: the lock of the library's would be held while a write blocks.
        let own = io::stdout().as_fd().try_clone_to_owned().map_err(|error| {
            Problem::because("cannot write to standard output", &error).hint("is it closed?")
        })?;
        let lines = BufWriter::new(Box::new(File::from(own)) as Box<dyn Write + Send>);
        return Ok((("standard output".to_owned(), lines), None));
    }
    let because = |error: io::Error| {
        Problem::because(format!("cannot write {}", path.display()), &error)
            .hint("name a file in a folder that can be written to")
    };
    let file = OpenOptions::new().append(true).create(true).open(&path).map_err(because)?;
    let regular = file.metadata().map_err(because)?.is_file();
    let again = || OpenOptions::new().read(true).append(true).open(&path);
    // One that cannot be read is appended to as it is.
    let mend = if regular { again().ok() } else { None };
    let lines = BufWriter::new(Box::new(file) as Box<dyn Write + Send>);
    Ok(((path.display().to_string(), lines), mend))
}

/// What the thread is told.
enum Order {
    /// The events of the attachment of this name come from here now, or not any more.
    Set(String, Option<Box<Source>>),
    /// They go there now.
    Outputs(Box<Outputs>),
    /// Take what is left, write what was counted, and end.
    End(Vec<(String, Counters)>),
}

/// The thread, and how it is spoken to.
pub(super) struct Pump {
    orders: Sender<Order>,
    wake: Arc<EventFd>,
    thread: JoinHandle<()>,
    unwritten: Arc<AtomicU64>,
    live: Option<Live>,
}

impl Pump {
    /// Start it.
    ///
    /// # Errors
    ///
    /// There is no thread, or the clocks cannot be read.
    pub(super) fn start(outputs: Outputs, messages: Output) -> Result<Self, Problem> {
        let because = |error: &io::Error| Problem::because("cannot deliver events", error);
        let clock = WallClock::now().map_err(|error| because(&error))?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_flags(flags).map_err(|errno| because(&errno.into()))?;
        let wake = Arc::new(wake);
        let (orders, received) = mpsc::channel();
        let unwritten = Arc::new(AtomicU64::new(0));
        let live = outputs.live.clone();
        let work = Work {
            orders: received,
            wake: Arc::clone(&wake),
            unwritten: Arc::clone(&unwritten),
            outputs,
            sources: Vec::new(),
            clock,
            messages,
            flushed: Instant::now(),
            dirty: false,
        };
        let thread = thread::Builder::new().name("events".to_owned()).spawn(move || work.run());
        let thread = thread.map_err(|error| because(&error))?;
        Ok(Self { orders, wake, thread, unwritten, live })
    }

    /// The events of the attachment called `name` come from `source` now. What is left in the ring
    /// before is taken first.
    pub(super) fn set(&self, name: &str, source: Option<Source>) {
        self.order(Order::Set(name.to_owned(), source.map(Box::new)));
    }

    /// They go to `outputs` now.
    pub(super) fn redirect(&mut self, outputs: Outputs) {
        self.live.clone_from(&outputs.live);
        self.order(Order::Outputs(Box::new(outputs)));
    }

    /// The file that packets are captured to.
    pub(super) fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// How many events an output did not take.
    pub(super) fn unwritten(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.unwritten)
    }

    /// Take what is left and end; says whether that was done in time.
    pub(super) fn end(self, counted: Vec<(String, Counters)>) -> bool {
        self.order(Order::End(counted));
        let deadline = Instant::now() + PATIENCE;
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        // A panic of it was told on standard error.
        self.thread.is_finished() && self.thread.join().is_ok()
    }

    fn order(&self, order: Order) {
        // If the thread is gone it was told why.
        let _ = self.orders.send(order);
        let _ = self.wake.write(1);
    }
}

/// What the thread has.
struct Work {
    orders: Receiver<Order>,
    wake: Arc<EventFd>,
    unwritten: Arc<AtomicU64>,
    outputs: Outputs,
    sources: Vec<Source>,
    clock: WallClock,
    messages: Output,
    flushed: Instant,
    dirty: bool,
}

impl Work {
    fn run(mut self) {
        self.mend();
        loop {
            loop {
                match self.orders.try_recv() {
                    Ok(Order::Set(name, source)) => self.set(&name, source),
                    Ok(Order::Outputs(outputs)) => {
                        self.flush();
                        let kept = self.outputs.capture.take();
                        self.outputs = *outputs;
                        if self.outputs.keeps {
                            self.outputs.capture = kept;
                            // It may have failed since.
                            self.outputs.failed |= self.outputs.capture.is_none();
                        }
                        self.mend();
                    }
                    Ok(Order::End(counted)) => return self.end(&counted),
                    Err(TryRecvError::Disconnected) => return,
                    Err(TryRecvError::Empty) => break,
                }
            }
            self.look_at_the_clock();
            let taken = self.take();
            if self.dirty && (taken == 0 || self.flushed.elapsed() >= FLUSH_EVERY) {
                self.flush();
            }
            if taken > 0 {
                thread::sleep(REST);
            } else {
                self.wait();
            }
        }
    }

    fn set(&mut self, name: &str, source: Option<Box<Source>>) {
        while self.take() > 0 {}
        self.sources.retain(|source| source.name != name);
        self.sources.extend(source.map(|source| *source));
    }

    fn end(&mut self, counted: &[(String, Counters)]) {
        while self.take() > 0 {}
        if let Some(capture) = &mut self.outputs.capture {
            let time = crate::delivery::monotonic_ns();
            for source in &self.sources {
                let place = (source.ifindex, source.interface.as_str(), source.link_type);
                let counters = counted.iter().find(|(name, _)| *name == source.name);
                let Some((_, counters)) = counters else { continue };
                // The flush that follows tells of a failure.
                let _ = capture.statistics(place, self.clock.time(time), counters);
            }
        }
        self.flush();
    }

    fn look_at_the_clock(&mut self) {
        match self.clock.refresh() {
            Ok(None) => {}
            Ok(Some(jump)) => {
                self.messages.note(format!("the clock was set by {jump} s: times follow it"));
            }
            Err(error) => self.messages.warn(format!("cannot read the clocks: {error}")),
        }
    }

    /// Deliver what is there now; how many events were there?
    fn take(&mut self) -> u64 {
        let mut taken = 0;
        let Self { sources, outputs, clock, unwritten, messages, .. } = self;
        sources.retain_mut(|source| {
            let Source { reader, printer, interface, link_type, name, hook, .. } = source;
            let drained = reader.drain::<()>(|bytes| {
                match Record::from_bytes(bytes) {
                    Ok(record) => {
                        let time = clock.time(record.time_ns);
                        let (interface, link_type) = (interface.as_str(), *link_type);
                        let event = Event { record: &record, interface, link_type, time };
                        let lost = outputs.deliver(&event, *hook, printer, messages);
                        unwritten.fetch_add(lost, Ordering::Relaxed);
                    }
                    Err(error) => {
                        unwritten.fetch_add(1, Ordering::Relaxed);
                        messages.warn(format!("{name}: {error}"));
                    }
                }
                ControlFlow::Continue(())
            });
            match drained {
                Ok((found, _)) => {
                    taken += found;
                    true
                }
                Err(error) => {
                    messages.warn(format!("{name}: no more events are read: {error}"));
                    false
                }
            }
        });
        self.dirty |= taken > 0;
        taken
    }

    fn flush(&mut self) {
        (self.dirty, self.flushed) = (false, Instant::now());
        let lost = self.outputs.flush(&self.messages);
        self.unwritten.fetch_add(lost, Ordering::Relaxed);
    }

    fn mend(&mut self) {
        if let Err(error) = self.outputs.mend() {
            self.messages.warn(format!("cannot cut the events behind their last line: {error}"));
        }
    }

    fn wait(&self) {
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            self.sources.iter().map(|source| PollFd::new(source.reader.as_fd(), PollFlags::POLLIN)),
        );
        let limit = PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::MAX);
        if poll(&mut fds, limit).is_err() {
            // A signal, or a sandbox that forbids to wait.
            thread::sleep(REST);
        }
        // Empty, or it counts how often we were woken; either is all right.
        let _ = self.wake.read();
    }
}

impl Outputs {
    /// Write one event; gives how many are known now not to have been taken by every output.
    fn deliver(
        &mut self,
        event: &Event<'_>,
        hook: capture::Hook,
        printer: &mut Printer,
        messages: &Output,
    ) -> u64 {
        self.pending += 1;
        if let Some((_, lines)) = &mut self.lines
            && let Err(error) = printer.print(event, lines)
        {
            self.lines_failed(&error, messages);
        }
        if let Some(capture) = &mut self.capture
            && let Err(failure) = capture.add_of(event, hook, printer.comment(event))
        {
            self.capture_failed(&failure, messages);
        }
        let taken = !self.failed && (self.lines.is_some() || self.capture.is_some());
        if taken { 0 } else { std::mem::take(&mut self.pending) }
    }

    /// Write everything out; gives the same.
    fn flush(&mut self, messages: &Output) -> u64 {
        if let Some((_, lines)) = &mut self.lines
            && let Err(error) = lines.flush()
        {
            self.lines_failed(&error, messages);
        }
        if let Some(capture) = &mut self.capture
            && let Err(failure) = capture.flush()
        {
            self.capture_failed(&failure, messages);
        }
        let pending = std::mem::take(&mut self.pending);
        if self.failed { pending } else { 0 }
    }

    fn lines_failed(&mut self, error: &io::Error, messages: &Output) {
        self.failed = true;
        if let Some((name, lines)) = self.lines.take() {
            messages.warn(format!("no more events are written to {name}: {error}"));
            // Dropped whole, it would try again to write.
            drop(lines.into_parts());
        }
    }

    fn capture_failed(&mut self, failure: &Failure, messages: &Output) {
        self.failed = true;
        messages.warn(format!("no more packets are captured: {}", failure.headline()));
        self.capture = None;
        if let Some(live) = &self.live {
            live.writes.store(false, Ordering::Release);
        }
    }
}
