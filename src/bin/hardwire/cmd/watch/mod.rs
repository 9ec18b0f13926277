//! `hardwire watch`: a packet socket whose filter is the matcher. It keeps no packet: those in which a
//! pattern occurs come through a ring, with the pattern and the place, and the others never leave the
//! kernel.
//!
//! Nothing about the interface is changed, but for promiscuous mode if it is asked for, and that goes
//! with the socket. A reader that is too slow loses packets, which are counted; it never holds up any.

mod until;

use std::time::Duration;

use clap::Args;
use hardwire::capture::LinkType;
use hardwire::compiler::event::control::{CONTROL_MAP, Control};
use hardwire::compiler::event::record::CAPTURED_MAX;
use hardwire::compiler::event::{Counter, Counters};
use hardwire::compiler::ir::{Matcher, Scope, Verdicts};
use hardwire::compiler::{self, Entry, Events};
use hardwire::loader::link::{PacketOptions, PacketSocket};
use hardwire::loader::{Capability, LoadOptions, Program, Update, capability};
use hardwire::netlink::{Link, LinkWatch, Socket};

use super::attach::{interface, seconds, watch::Signals};
use super::detach::of_netlink;
use super::verify;
use crate::Ending;
use crate::delivery::{Delivery, How, link_type};
use crate::failure::{Failure, Problem};
use crate::options::controls::one_in;
use crate::options::{
    DeliveryOptions, NO_PATTERNS, Named, PatternOptions, ReportWord, ScopeWord, ShowOptions,
    TargetOption,
};
use crate::output::{Output, grouped};
use crate::show::capture::Hook;
use crate::totals::{Summary, Totals, Undecided};
use until::{Stop, Until};

const EXAMPLES: &str = "\
Examples:
  hardwire watch eth0 -e 'GET /admin'
  hardwire watch eth0 -E '(?i)authorization: basic [a-z0-9+/=]+' -X
  hardwire watch lo -f patterns.txt --report all --json -c 10
  hardwire watch eth0 -x '16 03 01 ?? ?? 01' -w hello.pcapng
  hardwire watch eth0 -e password -w - | wireshark -k -i -

Ctrl-C ends it and tells what was seen. It takes CAP_BPF, CAP_NET_RAW and, for the fast form, CAP_PERFMON.";

/// Rights without which nothing can be watched.
const NEEDED: [Capability; 2] = [Capability::Bpf, Capability::NetRaw];

/// Options of `watch`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The interface
    #[arg(value_name = "IFACE")]
    interface: String,
    #[command(flatten)]
    patterns: PatternOptions,
    /// Which bytes of a frame are searched
    #[arg(long = "in", value_enum, default_value = "payload", value_name = "SCOPE")]
    scope: ScopeWord,
    /// How much is told of a packet
    #[arg(long, value_enum, default_value = "first", value_name = "HOW MUCH")]
    report: ReportWord,
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    show: ShowOptions,
    #[command(flatten)]
    delivery: DeliveryOptions,
    /// How many bytes of a packet are captured
    #[arg(long, value_name = "BYTES", default_value_t = CAPTURED_MAX,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(CAPTURED_MAX)))]
    snap: u32,
    /// Size of the ring between kernel and command, in KiB; a power of two
    #[arg(long, value_name = "KIB", default_value = "16384", value_parser = ring_bytes)]
    ring: u32,
    /// Tell of one in N matching packets of each CPU only
    #[arg(long, value_name = "1/N", value_parser = one_in)]
    sample: Option<u32>,
    /// Tell of at most N matching packets a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// End after so many packets
    #[arg(short = 'c', long, value_name = "PACKETS",
          value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Also see frames that are for others
    #[arg(short = 'p', long)]
    promiscuous: bool,
}

fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes = text.parse::<u32>().ok().and_then(|kib| kib.checked_mul(1024));
    let legal = |bytes: &u32| bytes.is_power_of_two() && *bytes >= compiler::RING_BYTES_MIN;
    bytes.filter(legal).ok_or_else(|| "a power of two from 4 to 2097152".to_owned())
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let (matcher, named) = options.matcher(output)?;
    may_watch()?;
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    // Opened before the interface is looked up, so that no change in between is missed.
    let changes = LinkWatch::open().map_err(|error| of_netlink(&error))?;
    let link = interface(&mut socket, &options.interface)?;
    check_scope(&link, matcher.scope)?;
    let program = options.load(&matcher, output)?;

    let signals = Signals::block()?;
    let how = How {
        options: &options.delivery,
        show: &options.show,
        hook: Hook::Socket,
        snap: options.snap,
        limit: options.count,
    };
    let mut delivery = Delivery::open(&program, &named, &link, &how, output)?;
    // Loopback sends every frame and receives it: once is enough, as for other tools.
    let shown =
        PacketOptions { promiscuous: options.promiscuous, received_only: link.is_loopback() };
    let packets = PacketSocket::open(&link, &program, shown)
        .map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
    if !link.is_up() {
        output.warn(format!("{} is down: `ip link set {} up`", link.name, link.name));
    }
    let mut until = Until { signals, changes, socket, link: &link, duration: options.duration };
    let stopped = until.watch(&mut delivery, output);
    // No frame is being looked at when this has returned: what follows is final.
    drop(packets);
    let ended = stopped.and_then(|stop| {
        let counters = || Ok(Totals::of(&program, named.len())?.counters);
        delivery.finish(counters, output).map(|()| stop)
    });
    output.end_live()?;
    let totals = Totals::of(&program, named.len())?;
    tell(&totals, delivery.delivered(), &options.delivery, output)?;
    match ended? {
        Stop::Asked | Stop::Time | Stop::Count => Ok(Ending::Done),
        Stop::InterfaceGone => {
            let problem = Problem::new(format!("interface {} disappeared", link.name));
            Err(problem.hint("what was seen before is told").into())
        }
    }
}

/// Are the rights there that nothing replaces?
fn may_watch() -> Result<(), Problem> {
    let missing = capability::missing(&NEEDED);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|capability| capability.name()).collect();
    let hint = format!("run as root, or `{}`", capability::setcap(&NEEDED));
    Err(Problem::new(format!("watching takes {}", names.join(" and "))).hint(hint))
}

/// Is there anything on this interface that could be in scope?
pub(super) fn check_scope(link: &Link, scope: Scope) -> Result<(), Problem> {
    match scope {
        Scope::Payload if link_type(link) != Some(LinkType::ETHERNET) => {
            let what = format!(
                "frames of {} have no Ethernet header (hardware type {})",
                link.name, link.hardware
            );
            Err(Problem::new(what).at("--in payload").hint("--in packet searches all their bytes"))
        }
        Scope::Payload | Scope::Packet | Scope::Raw => Ok(()),
    }
}

impl Options {
    fn matcher(&self, output: &Output) -> Result<(Matcher, Vec<Named>), Failure> {
        let named = self.patterns.read(output)?;
        if named.is_empty() {
            return Err(Failure::Usage(Problem::new(NO_PATTERNS)));
        }
        let matcher = Matcher {
            patterns: Named::patterns(&named),
            scope: self.scope.into(),
            report: self.report.into(),
            verdicts: Verdicts::default(),
        };
        Ok((matcher, named))
    }

    /// Compile and load, and switch on what limits events.
    fn load(&self, matcher: &Matcher, output: &Output) -> Result<Program, Failure> {
        let control = Control {
            sample: self.sample.unwrap_or(0),
            rate: self.rate.unwrap_or(0),
            ..Control::default()
        };
        let compiler = compiler::Options {
            events: Some(Events { snap: self.snap, ring_bytes: self.ring }),
            controls: control != Control::default(),
            ..self.target.compiler()
        };
        let target = self.target.or_this_kernel(output)?;
        let entry = Entry::SocketFilter;
        let compiled = self.target.compile_with(&compiler, matcher, entry, &target, output)?;
        verify::foresee(&compiled, output);
        let program = output
            .busy("the verifier is at work", || {
                Program::load(&compiled.image, &LoadOptions::default())
            })
            .map_err(|error| Problem::of_load(&error))?;
        verify::without_types(&program, output);
        if let Some(map) = program.map_named(CONTROL_MAP) {
            map.update(&0_u32.to_ne_bytes(), &control.to_bytes(), Update::Any)
                .map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
        }
        Ok(program)
    }
}

/// The totals: with `--json` where the packets are, else on standard error.
fn tell(
    totals: &Totals,
    delivered: u64,
    delivery: &DeliveryOptions,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.json() && !delivery.capture_on_stdout() {
        output.json_line(&Summary { summary: Undecided(totals) })?;
        return output.flush_all();
    }
    output.diagnostic(headline(&totals.counters, delivered, delivery.write().is_some()));
    Ok(())
}

/// `24,310 frames seen, 12 matched: 12 shown, 0 lost, 0 unsearched`
fn headline(counters: &Counters, delivered: u64, written: bool) -> String {
    let of = |counter| grouped(counters.get(counter));
    let skipped = match counters.get(Counter::EventsSkipped) {
        0 => String::new(),
        skipped => format!(", {} skipped", grouped(skipped)),
    };
    format!(
        "{} frames seen, {} matched: {} {}, {} lost{skipped}; {} unsearched, {} out of scope",
        of(Counter::Frames),
        of(Counter::Matched),
        grouped(delivered),
        if written { "written" } else { "shown" },
        of(Counter::EventsLost),
        of(Counter::Unsearched),
        of(Counter::OutOfScope),
    )
}
