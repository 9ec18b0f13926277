//! `hardwire events`: what an attachment that stays tells of matching frames, through whichever programs
//! it goes while somebody listens.
//!
//! Each program has a ring of its own, so that every event names a pattern of the program that made it.
//! When one has taken the place of another, the ring before is emptied first. Nobody need listen: what
//! finds no room is counted. Two cannot listen to one attachment: they would take events from each other.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use clap::Args;
use hardwire::attachment::{Attachment, Error, Hook, Incarnation, Listening, Root};
use hardwire::compiler::event::{Counter, Counters};
use hardwire::loader::{Map, host};
use hardwire::netlink::{Link, NetlinkError, Socket};

use super::attach::seconds;
use super::attach::watch::{Signals, wait_for};
use super::detach::of_netlink;
use crate::Ending;
use crate::delivery::{Delivery, How};
use crate::failure::{Failure, Problem};
use crate::options::lifecycle::of_attachment;
use crate::options::{DeliveryOptions, Named, RootOption, ShowOptions};
use crate::output::{Output, grouped};
use crate::show::capture;

const EXAMPLES: &str = "\
Examples:
  hardwire attach eth0 --pin -e 'GET /admin' --events
  hardwire events eth0                          until Ctrl-C
  hardwire events eth0-xdp -c 100 -w hits.pcapng
  hardwire events eth0 --json | jq -c '{src, dst, matches}'";

/// How often it is looked whether another program has taken the place of the one that is heard. Less than
/// an exchange takes, so that none is skipped: the events of a program between two looks would be gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Options of `events`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The attachment, or the interface it is on
    #[arg(value_name = "NAME|IFACE")]
    name: String,
    #[command(flatten)]
    show: ShowOptions,
    #[command(flatten)]
    delivery: DeliveryOptions,
    /// End after so many events
    #[arg(short = 'c', long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    #[command(flatten)]
    root: RootOption,
}

/// The attachment that is listened to.
struct Heard {
    root: Root,
    name: String,
    /// The program whose events are read.
    generation: u32,
    incarnation: Option<Incarnation>,
    /// Nobody else reads them.
    listening: Listening,
    /// What it counts.
    counters: Map,
    /// Events that found no room until it was looked at last, and those since the beginning.
    lost_before: u64,
    lost: u64,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let root = options.root.open()?;
    let attachment = root.find(&options.name).map_err(|error| of_attachment(&error))?;
    attachment.attached().map_err(|error| of_attachment(&error))?;
    let link = interface(&attachment)?;
    let how = How {
        options: &options.delivery,
        show: &options.show,
        hook: match attachment.description().hook {
            Hook::Xdp => capture::Hook::Xdp,
            Hook::Ingress | Hook::Egress => capture::Hook::Tc,
        },
        snap: snap(&attachment)?,
        limit: options.count,
    };
    let signals = Signals::block()?;
    let named = named(&attachment)?;
    let listening = attachment.listen().map_err(|error| of_attachment(&error))?;
    let mut delivery = Delivery::open(attachment.program(), &named, &link, &how, output)?;
    let mut heard = Heard::new(root, &attachment, listening)?;
    // Nobody else could change it while this is held.
    drop(attachment);
    let ended = heard.listen(options, &signals, &mut delivery, output);
    let finished = delivery.finish(|| heard.counted(), output);
    heard.count_lost()?;
    output.end_live()?;
    output.diagnostic(format!(
        "{} events {}, {} lost meanwhile",
        grouped(delivery.delivered()),
        if options.delivery.given() { "written" } else { "shown" },
        grouped(heard.lost),
    ));
    ended.and(finished)?;
    Ok(Ending::Done)
}

/// The interface, which must be in this network namespace to be known.
fn interface(attachment: &Attachment) -> Result<Link, Failure> {
    let description = attachment.description();
    let here = host::network_namespace()
        .map_err(|error| Problem::because("cannot ask for the network namespace", &error))?;
    if !description.is_in(&here) {
        let what = format!("{} is attached in another network namespace", attachment.name());
        let hint = "run this there, as with `ip netns exec NAME hardwire events …`";
        return Err(Problem::new(what).hint(hint).into());
    }
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    socket.link_by_index(description.ifindex).map_err(|error: NetlinkError| {
        Problem::of(&error).at(description.interface.clone()).hint_if(error.hint()).into()
    })
}

/// The bytes of a frame that its events have at most.
fn snap(attachment: &Attachment) -> Result<u32, Problem> {
    attachment.description().events.map(|events| events.snap).ok_or_else(|| {
        Problem::new(format!("{} makes no events", attachment.name()))
            .hint("attach it with --events, or `hardwire attach IFACE --pin --replace --events`")
    })
}

/// Its patterns, as people know them.
fn named(attachment: &Attachment) -> Result<Vec<Named>, Failure> {
    let description = attachment.description();
    let written: Option<Vec<_>> = description.patterns.iter().map(|text| text.written()).collect();
    let written = written.ok_or_else(|| {
        Problem::new("a pattern is of a kind that this version does not know")
            .at(format!("attached by Hardwire {}", description.version))
            .hint("use that version")
    })?;
    Ok(Named::again(&written)?)
}

impl Heard {
    fn new(root: Root, attachment: &Attachment, listening: Listening) -> Result<Self, Failure> {
        let (name, generation) = (attachment.name().to_owned(), attachment.generation());
        let counters = counters(attachment)?;
        let (incarnation, lost_before, lost) = (attachment.incarnation(), 0, 0);
        let mut heard =
            Self { root, name, generation, incarnation, listening, counters, lost_before, lost };
        heard.lost_before = heard.counted()?.get(Counter::EventsLost);
        Ok(heard)
    }

    /// Add what was lost since this was called last.
    fn count_lost(&mut self) -> Result<(), Failure> {
        let lost = self.counted()?.get(Counter::EventsLost);
        self.lost += lost.saturating_sub(self.lost_before);
        self.lost_before = lost;
        Ok(())
    }

    fn counted(&self) -> Result<Counters, Failure> {
        let values = self
            .counters
            .read_array()
            .map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
        let mut sum = Counters::default();
        for one in values.entry(0).filter_map(Counters::from_bytes) {
            sum.merge(&one);
        }
        Ok(sum)
    }

    /// Deliver until there is a reason to stop.
    fn listen(
        &mut self,
        options: &Options,
        signals: &Signals,
        delivery: &mut Delivery<'_>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let deadline = options.duration.and_then(|duration| Instant::now().checked_add(duration));
        let mut looked = Instant::now();
        loop {
            let taken = delivery.take(output)?;
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if taken.enough || left == Some(Duration::ZERO) {
                return Ok(());
            }
            let (rest, for_ring) =
                Delivery::rest(taken, left.unwrap_or(LOOK_EVERY).min(LOOK_EVERY));
            let fds = [signals.as_fd(), delivery.as_fd()];
            wait_for(if for_ring { &fds } else { &fds[..1] }, rest)?;
            if signals.came()? {
                return Ok(());
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                if !self.follow(&options.show, delivery, output)? {
                    return Ok(());
                }
            }
        }
    }

    /// Go on with the program that has taken the place of the one whose events are read; says whether
    /// there is one to go on with.
    fn follow(
        &mut self,
        show: &ShowOptions,
        delivery: &mut Delivery<'_>,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        let of = |error: Error| of_attachment(&error);
        if self.root.newest(&self.name).map_err(of)? == self.incarnation {
            return Ok(true);
        }
        // This waits until the exchange is over, and with it the last run of the program before.
        let attachment = match self.root.open_attachment(&self.name) {
            Ok(attachment) => attachment,
            Err(Error::Unknown { .. } | Error::State { .. }) => {
                output.note(format!("{} was detached", self.name));
                return Ok(false);
            }
            Err(error) => return Err(of(error).into()),
        };
        let incarnation = attachment.incarnation();
        if incarnation == self.incarnation {
            return Ok(true);
        }
        snap(&attachment)?;
        let between = attachment.generation().saturating_sub(self.generation).saturating_sub(1);
        if between > 0 {
            output.warn(format!(
                "{between} programs of {} came and went unheard: `hardwire stats` has what they \
                 counted, but what they told is gone",
                self.name
            ));
        }
        let listening = attachment.listen().map_err(of)?;
        delivery.go_on(attachment.program(), &named(&attachment)?, show, output)?;
        self.listening = listening;
        self.count_lost()?;
        let before = self.counters.id().ok();
        (self.generation, self.incarnation) = (attachment.generation(), incarnation);
        self.counters = counters(&attachment)?;
        if self.counters.id().ok() != before {
            self.lost_before = 0; // it counts anew
        }
        Ok(true)
    }
}

/// The map in which its programs count.
fn counters(attachment: &Attachment) -> Result<Map, Failure> {
    let map = attachment.map("counters").ok_or_else(|| {
        Problem::new(format!("{} has no map counters", attachment.name()))
            .hint("`hardwire show` tells what there is of it")
    })?;
    Ok(map.try_clone().map_err(|error| Problem::of(&error).hint_if(error.hint()))?)
}
