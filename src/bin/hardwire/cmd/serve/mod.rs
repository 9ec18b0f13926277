//! `hardwire serve`: the service form. What a configuration wants is attached, pinned like any other
//! attachment; SIGHUP reads the configuration again, SIGTERM detaches.
//!
//! A configuration counts only when all of it has been read, compiled and loaded: one that is wrong
//! anywhere changes nothing. Then each attachment is exchanged by one step of the kernel, and one that
//! fails keeps the program it had. A service that was killed leaves its programs at work; the next one
//! takes them over, with their counts.

mod config;
mod notify;
mod pump;
mod running;
mod wanted;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use hardwire::assembler::Target;
use hardwire::attachment::{Hook, Root};
use hardwire::compiler::event::Counters;
use hardwire::loader::features;
use hardwire::netlink::{LinkEvent, LinkWatch, Socket};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde_json::json;

use crate::Ending;
use crate::cmd::detach::of_netlink;
use crate::failure::{Failure, Problem};
use crate::metrics;
use crate::metrics::listener::Listener;
use crate::options::TargetOption;
use crate::options::lifecycle::of_attachment;
use crate::output::Output;
use config::{Config, Text};
use notify::Notify;
use pump::{Outputs, Pump, Source};
use running::{How, Loaded, Running};
use wanted::{Prepared, Wanted};

const EXAMPLES: &str = "\
Examples:
  hardwire serve --check /etc/hardwire/hardwire.toml
  hardwire serve /etc/hardwire/hardwire.toml
  systemctl reload hardwire                  reads the configuration again

SIGHUP reads the configuration again and keeps what runs if anything is wrong with it; SIGTERM and Ctrl-C
detach. It takes CAP_BPF, CAP_NET_ADMIN and, for the fast form, CAP_PERFMON; dist/hardwire.toml explains the
configuration.";

/// Options of `serve`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The configuration, in TOML
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Only say whether the configuration is right and its patterns compile
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    target: TargetOption,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    if options.check {
        return check(options, output);
    }
    // Blocked before anything is attached and before there are threads: from here on a signal is read.
    let signals = Signals::block()?;
    let notify = Notify::from_environment().map_err(|error| {
        Problem::because("cannot tell systemd how the service does", &error)
            .hint("unset NOTIFY_SOCKET if it is not systemd that started this")
    })?;
    let mut service = Service::start(options, notify, output)?;
    let ended = service.watch(&signals, output);
    let stopped = service.stop(output);
    ended.and(stopped).map(|()| Ending::Done)
}

/// The configuration as it is now, and everything it wants.
fn read(options: &Options, output: &Output) -> Result<(Config, Vec<Wanted>), Failure> {
    let name = options.config.display().to_string();
    let because = |error: &std::io::Error| {
        Problem::because(format!("cannot read {name}"), error).hint("name a file that can be read")
    };
    // A pipe or a device may never end, or never begin.
    let mut open = fs::OpenOptions::new();
    let file = open.read(true).custom_flags(libc::O_NONBLOCK).open(&options.config);
    let file = file.map_err(|error| because(&error))?;
    if !file.metadata().map_err(|error| because(&error))?.is_file() {
        let problem = Problem::new(format!("{name} is not a regular file"));
        return Err(problem.hint("name a file that can be read again at a reload").into());
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(config::BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(|error| because(&error))?;
    if bytes.len() > config::BYTES_MAX {
        let limit = config::BYTES_MAX;
        let what = format!("{name} has more than {limit} bytes, the limit of a configuration");
        return Err(Problem::new(what).hint("put patterns into pattern-files").into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(format!("{name} is not UTF-8 at byte {at}"))
            .hint("write other bytes of a pattern as \\\\xNN")
    })?;
    let text = Text::new(name, text);
    let config = text.parse()?;
    let wanted = wanted::all(&config, &text, folder(options), output)?;
    let problems = wanted::without_folder(&config, &text, folder(options));
    // What is checked may run later, when its folder is there.
    if options.check {
        problems.iter().for_each(|problem| output.warn(problem.headline()));
    } else if !problems.is_empty() {
        return Err(Failure::Problems(problems));
    }
    Ok((config, wanted))
}

fn folder(options: &Options) -> &Path {
    options.config.parent().unwrap_or(Path::new("."))
}

fn prepare(
    wanted: Vec<Wanted>,
    target: &Target,
    output: &Output,
) -> Result<Vec<Prepared>, Failure> {
    let mut problems = Vec::new();
    let mut prepared = Vec::new();
    for wanted in wanted {
        match wanted.prepare(target, output) {
            Ok(one) => prepared.push(one),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(prepared) } else { Err(Failure::Problems(problems)) }
}

fn check(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let (_, wanted) = read(options, output)?;
    let target = options.target.or_probed(output);
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    for Prepared { wanted, compiled } in prepare(wanted, &target, output)? {
        if let Err(error) = socket.link_by_name(&wanted.interface) {
            output.warn(format!("{error}: {}", wanted.place));
        }
        let (slots, patterns) = (compiled.slot_count(), wanted.named.len());
        let (name, hook, interface) = (&wanted.name, wanted.hook.name(), &wanted.interface);
        if output.json() {
            output.json_line(&json!({
                "name": name,
                "interface": interface,
                "hook": hook,
                "patterns": patterns,
                "slots": slots,
            }))?;
        } else {
            writeln!(
                output,
                "{name}: {patterns} patterns at {hook} of {interface}, {slots} slots"
            )?;
        }
    }
    Ok(Ending::Done)
}

/// What the listener serves: the names of the attachments now.
type Names = Arc<Mutex<Vec<String>>>;

/// What becomes of something at a reload.
enum Change<T> {
    /// It stays.
    Keep,
    /// This takes its place.
    To(Option<T>),
}

/// What a configuration takes, ready to be put in place.
struct Plan {
    /// The names of all attachments.
    names: Vec<String>,
    /// Those that are new, or change.
    loaded: Vec<Loaded>,
    listener: Change<(SocketAddr, Listener)>,
    outputs: Outputs,
}

/// What went wrong so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn note<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(Failure::Problems(more)) => self.0.extend(more),
            Err(other) => self.0.push(Problem::new(other.headline())),
        }
        None
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value`, if nothing went wrong.
    fn or<T>(self, value: T) -> Result<T, Failure> {
        if self.0.is_empty() { Ok(value) } else { Err(Failure::Problems(self.0)) }
    }
}

struct Service<'a> {
    options: &'a Options,
    notify: Notify,
    target: Target,
    root: Root,
    /// Paths in it are fixed for the life of the service.
    bpffs: PathBuf,
    running: Vec<Running>,
    pump: Pump,
    names: Names,
    listener: Option<(SocketAddr, Listener)>,
    links: LinkWatch,
}

impl<'a> Service<'a> {
    fn start(options: &'a Options, notify: Notify, output: &Output) -> Result<Self, Failure> {
        let (config, wanted) = read(options, output)?;
        let target = features::target().map_err(|error| Problem::of_probe(&error))?;
        let prepared = prepare(wanted, &target, output)?;
        let opened = if config.mount_bpffs {
            Root::open_or_mount(&config.bpffs)
        } else {
            Root::open(&config.bpffs)
        };
        let root = opened.map_err(|error| of_attachment(&error))?;
        let links = LinkWatch::open().map_err(|error| of_netlink(&error))?;
        let outputs = Outputs::open(&config.output, folder(options), None)?;
        let pump = Pump::start(outputs, output.for_messages())?;
        let mut service = Self {
            options,
            notify,
            target,
            root,
            bpffs: config.bpffs,
            running: Vec::new(),
            pump,
            names: Names::default(),
            listener: None,
            links,
        };
        let started = service.listen(config.output.prometheus, output).and_then(|listener| {
            if let Change::To(listener) = listener {
                service.listener = listener;
            }
            service.start_all(prepared, output)
        });
        if let Err(failure) = started {
            // The first failure is the one to know.
            let _ = service.stop(output);
            return Err(failure);
        }
        service.notify.ready(&service.status());
        Ok(service)
    }

    fn start_all(&mut self, prepared: Vec<Prepared>, output: &Output) -> Result<(), Failure> {
        for loaded in self.load(prepared)? {
            self.start_one(loaded, output)?;
        }
        self.tell_names();
        Ok(())
    }

    /// Load all of them, with everything they need looked up: nothing that runs changes.
    fn load(&self, prepared: Vec<Prepared>) -> Result<Vec<Loaded>, Failure> {
        let mut problems = Problems::default();
        let mut all = Vec::new();
        for prepared in prepared {
            all.extend(problems.note(Loaded::load(&self.root, prepared)));
        }
        problems.or(all)
    }

    fn start_one(&mut self, loaded: Loaded, output: &Output) -> Result<(), Failure> {
        let slots = loaded.slots();
        let (running, how) = Running::start(&self.root, loaded, output)?;
        let wanted = &running.wanted;
        let (name, hook, interface) = (&wanted.name, wanted.hook.name(), &wanted.interface);
        let id = running::id(&running.program)?;
        let how = match how {
            How::New => "is attached",
            How::TakenOver => "took the place of what was left by a service before",
        };
        output.note(format!("{name}: program {id} ({slots} slots) {how}, {hook} of {interface}"));
        let source = Source::of(wanted, &running.link, &running.program, &self.root);
        let name = name.clone();
        self.running.push(running);
        self.pump.set(&name, heard(source, output));
        Ok(())
    }

    fn status(&self) -> String {
        let dry = self.running.iter().filter(|running| running.wanted.control.dry_run).count();
        let lost = self.running.iter().filter(|running| running.lost).count();
        let mut status = format!("{} attached", self.running.len() - lost);
        for (count, what) in [(dry, "in dry run"), (lost, "waiting for their interface")] {
            if count > 0 {
                status += &format!(", {count} {what}");
            }
        }
        status
    }

    fn tell_names(&self) {
        let names = self.running.iter().map(|running| running.wanted.name.clone()).collect();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Serve metrics there, and nowhere else. What served them before goes on until this is put in its
    /// place.
    fn listen(
        &self,
        address: Option<SocketAddr>,
        output: &Output,
    ) -> Result<Change<(SocketAddr, Listener)>, Failure> {
        if self.listener.as_ref().map(|(address, _)| *address) == address {
            return Ok(Change::Keep);
        }
        let Some(asked) = address else { return Ok(Change::To(None)) };
        let (root, names) = (self.root.clone(), Arc::clone(&self.names));
        let unwritten = self.pump.unwritten();
        let listener = Listener::start(asked, move || {
            let names = names.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // One that somebody has removed has no counts, and the others have.
            let samples: Vec<_> =
                names.iter().filter_map(|name| super::stats::sample(&root, name).ok()).collect();
            let unwritten = unwritten.load(std::sync::atomic::Ordering::Relaxed);
            Ok(metrics::exposition(&samples) + &metrics::unwritten(unwritten))
        })?;
        output.note(format!("serving http://{}/metrics", listener.address()));
        Ok(Change::To(Some((asked, listener))))
    }

    /// Go on until a signal says otherwise.
    fn watch(&mut self, signals: &Signals, output: &Output) -> Result<(), Failure> {
        let mut alive_at = Instant::now();
        loop {
            if Instant::now() >= alive_at {
                self.notify.alive();
                alive_at = Instant::now() + self.notify.every();
            }
            signals.wait_for(&self.links, alive_at.saturating_duration_since(Instant::now()))?;
            match signals.next()? {
                Some(Signal::SIGHUP) => self.reload(output),
                Some(_) => return Ok(()),
                None => {}
            }
            self.look_at_links(output)?;
        }
    }

    /// Read the configuration again. What is wrong with it is told, and what runs goes on.
    fn reload(&mut self, output: &Output) {
        self.notify.reloading();
        let (result, otherwise) = match self.plan(output) {
            Ok(plan) => (
                self.exchange(plan, output),
                "the configuration was taken in part: what failed keeps what it had, and what is not \
                 wanted any more stays attached",
            ),
            Err(failure) => {
                (Err(failure), "the configuration was not taken: what ran before goes on")
            }
        };
        let mut status = self.status();
        match result {
            Ok(()) => output.note("the configuration was read again"),
            Err(failure) => {
                let headline = failure.headline();
                if let Failure::Problems(problems) = failure {
                    output.report(&problems);
                }
                output.warn(otherwise);
                status = format!("{status}; the last reload failed: {headline}");
            }
        }
        self.notify.ready(&status);
    }

    /// Everything that a new configuration takes, ready to be put in place. Nothing changes.
    fn plan(&self, output: &Output) -> Result<Plan, Failure> {
        let (config, wanted) = read(self.options, output)?;
        if config.bpffs != self.bpffs {
            let (old, new) = (self.bpffs.display(), config.bpffs.display());
            let what = format!("bpffs was {old} and is {new} now: it cannot move");
            return Err(Problem::new(what).hint("restart the service").into());
        }
        for wanted in &wanted {
            let moved = |running: &&Running| {
                running.wanted.name == wanted.name && !running.wanted.is_at_the_place_of(wanted)
            };
            if let Some(running) = self.running.iter().find(moved) {
                let (hook, interface) = (running.wanted.hook.name(), &running.wanted.interface);
                let what = format!("{} is at {hook} of {interface} and cannot move", wanted.name);
                let problem = Problem::new(what).at(wanted.place.clone());
                return Err(problem.hint("give it another name, or restart the service").into());
            }
        }
        let names = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        let mut prepared = prepare(wanted, &self.target, output)?;
        prepared.retain(|new| !self.running.iter().any(|it| self.is_as(it, &new.wanted)));
        let loaded = self.load(prepared)?;
        let listener = self.listen(config.output.prometheus, output)?;
        let outputs = Outputs::open(&config.output, folder(self.options), self.pump.live())?;
        Ok(Plan { names, loaded, listener, outputs })
    }

    /// Does it run as it is wanted? One that waits for its interface is left to wait.
    fn is_as(&self, running: &Running, wanted: &Wanted) -> bool {
        running.wanted.same(wanted) && (running.lost || running.is_attached(&self.root))
    }

    /// Make what runs what is wanted. What fails keeps what it had; the others go on. What is to go goes
    /// last, and only if nothing failed.
    fn exchange(&mut self, plan: Plan, output: &Output) -> Result<(), Failure> {
        let Plan { names, loaded, listener, outputs } = plan;
        let mut problems = Problems::default();
        // First, so that nobody's first events go nowhere.
        self.pump.redirect(outputs);
        for new in loaded {
            let at = self.running.iter().position(|r| r.wanted.is_at_the_place_of(&new.wanted));
            let result = match at {
                Some(at) => self.replace(at, new, output),
                None => self
                    .make_room(&new.wanted, &names, output)
                    .and_then(|()| self.start_one(new, output)),
            };
            problems.note(result);
        }
        if problems.is_empty() {
            let stays = |running: &Running| names.contains(&running.wanted.name);
            let (stay, go): (Vec<_>, Vec<_>) = self.running.drain(..).partition(stays);
            self.running = stay;
            for running in go {
                problems.note(self.stop_one(running, output));
            }
        }
        if let Change::To(listener) = listener {
            self.listener = listener;
        }
        self.tell_names();
        problems.or(())
    }

    /// An interface has one XDP program: one that is called otherwise now goes before the next one
    /// comes.
    fn make_room(
        &mut self,
        new: &Wanted,
        names: &[String],
        output: &Output,
    ) -> Result<(), Failure> {
        let occupies = |running: &Running| {
            let place = (running.wanted.hook, &running.wanted.interface);
            place == (Hook::Xdp, &new.interface)
                && new.hook == Hook::Xdp
                && !names.contains(&running.wanted.name)
        };
        let Some(at) = self.running.iter().position(occupies) else { return Ok(()) };
        let running = self.running.remove(at);
        self.stop_one(running, output)
    }

    fn stop_one(&self, running: Running, output: &Output) -> Result<(), Failure> {
        let name = running.wanted.name.clone();
        let stopped = running.stop(&self.root);
        self.pump.set(&name, None);
        if stopped.is_ok() {
            output.note(format!("{name}: detached"));
        }
        stopped
    }

    fn replace(&mut self, at: usize, new: Loaded, output: &Output) -> Result<(), Failure> {
        let running = &mut self.running[at];
        running.replace(&self.root, new, output)?;
        let (name, id) = (running.wanted.name.clone(), running::id(&running.program)?);
        output.note(format!("{name}: program {id} took the place of the one before"));
        let source = Source::of(&running.wanted, &running.link, &running.program, &self.root);
        self.pump.set(&name, heard(source, output));
        Ok(())
    }

    /// Did an interface go, or come back?
    fn look_at_links(&mut self, output: &Output) -> Result<(), Failure> {
        let mut appeared = Vec::new();
        while let Some(event) = self.links.take().map_err(|error| of_netlink(&error))? {
            match event {
                LinkEvent::Changed(link) => appeared.push(link.name),
                LinkEvent::Gone { index, .. } => {
                    for running in self.running.iter_mut().filter(|r| r.link.index == index) {
                        running.lost = true;
                        let (name, interface) = (&running.wanted.name, &running.wanted.interface);
                        output.warn(format!(
                            "{name}: interface {interface} is gone; it is waited for"
                        ));
                        self.notify.status(&format!("{name} waits for interface {interface}"));
                    }
                }
                LinkEvent::Lost => {
                    appeared.extend(self.running.iter().map(|r| r.wanted.interface.clone()));
                }
            }
        }
        for at in 0..self.running.len() {
            let running = &self.running[at];
            if !running.lost || !appeared.contains(&running.wanted.interface) {
                continue;
            }
            let new = running.wanted.clone().prepare(&self.target, output);
            let again = new
                .map_err(Failure::from)
                .and_then(|new| Loaded::load(&self.root, new))
                .and_then(|new| self.replace(at, new, output));
            match again {
                Ok(()) => self.notify.status(&self.status()),
                Err(failure) => output.warn(format!("not attached again: {}", failure.headline())),
            }
        }
        Ok(())
    }

    /// Detach everything, write what is left, and say what was counted.
    fn stop(mut self, output: &Output) -> Result<(), Failure> {
        self.notify.stopping();
        self.listener = None;
        let mut problems = Problems::default();
        let mut counted: Vec<(String, Counters)> = Vec::new();
        for running in self.running.drain(..) {
            let name = running.wanted.name.clone();
            if let Ok(sample) = super::stats::sample(&self.root, &name) {
                counted.push((name.clone(), sample.counters));
            }
            if problems.note(running.stop(&self.root)).is_some() {
                output.note(format!("{name}: detached"));
            }
        }
        if !self.pump.end(counted) {
            output.warn("an output did not take its last events in time");
        }
        problems.or(())
    }
}

/// The signals that the service hears.
struct Signals(SignalFd);

impl Signals {
    fn block() -> Result<Self, Failure> {
        let signals =
            SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT]);
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let opened = signals.thread_block().and_then(|()| SignalFd::with_flags(&signals, flags));
        Ok(opened.map(Self).map_err(|errno| forbidden(&errno))?)
    }

    fn next(&self) -> Result<Option<Signal>, Failure> {
        let signal = self.0.read_signal().map_err(|errno| forbidden(&errno))?;
        let number = signal.and_then(|signal| i32::try_from(signal.ssi_signo).ok());
        Ok(number.and_then(|number| Signal::try_from(number).ok()))
    }

    /// Wait for a signal or a change of an interface, at most so long.
    fn wait_for(&self, links: &LinkWatch, limit: Duration) -> Result<(), Failure> {
        let readable = PollFlags::POLLIN;
        let mut fds = [PollFd::new(self.0.as_fd(), readable), PollFd::new(links.as_fd(), readable)];
        // Rounded up, so that the last millisecond is not spent in a busy loop.
        let limit = limit.saturating_add(Duration::from_micros(999));
        match poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(errno) => Err(forbidden(&errno).into()),
        }
    }
}

/// The events of an attachment. If they cannot be had, the frames are decided about all the same, and
/// it is told.
fn heard(source: Result<Option<Source>, Problem>, output: &Output) -> Option<Source> {
    source.unwrap_or_else(|problem| {
        output.warn(format!("no events are delivered: {}", problem.headline()));
        None
    })
}

fn forbidden(errno: &nix::Error) -> Problem {
    Problem::because("cannot wait for signals", errno)
        .hint("a sandbox may forbid signalfd and poll")
}

#[cfg(test)]
mod tests;
