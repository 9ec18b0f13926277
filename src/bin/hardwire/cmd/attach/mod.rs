//! `hardwire attach`: the program on an interface, in the foreground, until somebody ends it.
//!
//! Nothing stays behind: an ending, a failure and a signal all detach first and speak then. A
//! bpf_link, the default, goes even if the process is killed. With `--pin` it is the other way round:
//! the program stays when the command ends ([`pinned`]).

mod attachment;
mod guard;
pub(crate) mod pinned;
pub(super) mod refused;
pub(super) mod watch;

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use hardwire::attachment::{self as kept, Error, Place, Seen, State};
use hardwire::compiler::event::control::{CONTROL_MAP, Control};
use hardwire::compiler::event::record::CAPTURED_MAX;
use hardwire::compiler::ir::{Verdict, Verdicts};
use hardwire::compiler::{self, Events};
use hardwire::loader::features::{self, Support};
use hardwire::loader::link::LinkError;
use hardwire::loader::{LoadOptions, Program, Update, host, wait_for_programs};
use hardwire::netlink::{Link, LinkWatch, NetlinkError, Socket, TcDirection, XdpMode};
use serde_json::json;

use super::detach::of_netlink;
use super::replace::Exchange;
use super::verify;
use crate::Ending;
use crate::delivery::{Delivery, How};
use crate::failure::{Failure, Problem};
use crate::options::lifecycle::of_attachment;
use crate::options::{
    AtOption, ControlOptions, DeliveryOptions, MatcherOptions, Named, PinOptions, ShowOptions,
    TargetOption,
};
use crate::output::Output;
use crate::totals::{Summary, Totals};
use attachment::{Attachment, Occupied, Spot};
use refused::of_attach;
use watch::{Signals, Stop, Watch};

const EXAMPLES: &str = "\
Examples:
  hardwire attach eth0 -e 'GET /admin'                     count, change nothing
  hardwire attach eth0 -e 'GET /admin' --on-match drop
  hardwire attach eth0 -f patterns.txt --report all --json --duration 60
  hardwire attach eth0 -x 'DE AD BE EF' --mode generic --replace 42
  hardwire attach eth0 -e secret --at egress --on-match drop    let it not leave
  hardwire attach eth0 -e 'GET /admin' --pin               leave it there; see hardwire list

Ctrl-C and SIGTERM detach, unless it is to stay. It takes CAP_BPF, CAP_NET_ADMIN and, for the fast form, CAP_PERFMON.";

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeWord {
    /// Native if the driver takes this program, else generic.
    Auto,
    /// In the driver, before the frame becomes a packet of the stack.
    Native,
    /// In the network stack; works with every driver.
    Generic,
    /// On the network card.
    Offload,
}

impl From<ModeWord> for XdpMode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Auto => Self::Auto,
            ModeWord::Native => Self::Native,
            ModeWord::Generic => Self::Generic,
            ModeWord::Offload => Self::Offload,
        }
    }
}

/// `--via`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Via {
    /// A bpf_link: goes with the process, however that ends.
    Link,
    /// rtnetlink: any kernel; the only way to replace another program.
    Netlink,
}

impl Via {
    /// As a description has it.
    const fn kept(self) -> kept::Via {
        match self {
            Self::Link => kept::Via::Link,
            Self::Netlink => kept::Via::Netlink,
        }
    }
}

/// Options of `attach`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The interface
    #[arg(value_name = "IFACE")]
    interface: String,
    #[command(flatten)]
    matcher: MatcherOptions,
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    at: AtOption,
    /// Where in the receive path, of XDP
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeWord,
    /// How; link unless a program is to be replaced
    #[arg(long, value_enum)]
    via: Option<Via>,
    /// Take the place of the program with this id, and of no other; without an id, of the attachment
    /// that stays under the same name, if there is one
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = OURS, value_parser = replaced)]
    replace: Option<Replaced>,
    /// Take the place of whatever is attached
    #[arg(long, conflicts_with = "replace")]
    force: bool,
    #[command(flatten)]
    controls: ControlOptions,
    #[command(flatten)]
    delivery: DeliveryOptions,
    #[command(flatten)]
    show: ShowOptions,
    #[command(flatten)]
    stay: PinOptions,
    /// Detach after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "pin")]
    duration: Option<Duration>,
    /// Detach when at least so many frames have matched
    #[arg(long, value_name = "MATCHES", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "pin")]
    count: Option<u64>,
}

/// What `--replace` takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replaced {
    /// The attachment that stays under the same name.
    Ours,
    /// The program with this id.
    Id(u32),
}

/// The value of `--replace` without one.
const OURS: &str = "ours";

fn replaced(text: &str) -> Result<Replaced, String> {
    match text.parse() {
        _ if text == OURS => Ok(Replaced::Ours),
        Ok(id) => Ok(Replaced::Id(id)),
        Err(_) => Err("write the id of a program, or nothing".to_owned()),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a number of seconds; write it as 10 or 0.5");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// An index that serves a program for another machine must be an interface where it is attached:
/// the kernel would drop every frame on its way to none.
pub(in crate::cmd) fn redirects_exist(
    verdicts: &Verdicts,
    socket: &mut Socket,
) -> Result<(), Failure> {
    for verdict in [verdicts.on_match, verdicts.on_miss, verdicts.out_of_scope] {
        if let Verdict::Redirect { ifindex } = verdict {
            socket.link_by_index(ifindex).map_err(|error| {
                let unknown = matches!(error, NetlinkError::UnknownIndex { .. });
                let hint = unknown.then_some("`ip link` lists the interfaces there are");
                let place = format!("redirect:{ifindex}");
                Problem::of(&error).at(place).hint_if(hint.or_else(|| error.hint()))
            })?;
        }
    }
    Ok(())
}

/// What leaves an interface must not be sent out of it again: it would come by again, until the kernel
/// drops it.
fn sends_no_circles(verdicts: &Verdicts, link: &Link, spot: Spot) -> Result<(), Failure> {
    let back = Verdict::Redirect { ifindex: link.index };
    let Verdicts { on_match, on_miss, out_of_scope } = verdicts;
    if spot == Spot::Tc(TcDirection::Egress) && [on_match, on_miss, out_of_scope].contains(&&back) {
        let problem = Problem::new("what leaves an interface cannot be redirected out of it");
        let problem = problem.at(format!("redirect:{}", link.name));
        return Err(Failure::Usage(problem.hint("pass lets it go there")));
    }
    Ok(())
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    let (via, spot) = (options.via()?, options.spot()?);
    let entry = options.at.entry();
    let (matcher, named) = options.matcher.read_unwarned(entry, output)?;
    guard::find_something(&matcher, output)?;
    let occupied = options.occupied()?;
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    redirects_exist(&matcher.verdicts, &mut socket)?;
    // Opened before the interface is looked up, so that no change in between is missed.
    let changes = LinkWatch::open().map_err(|error| of_netlink(&error))?;
    let link = interface(&mut socket, &options.interface)?;
    super::watch::check_scope(&link, matcher.scope)?;
    sends_no_circles(&matcher.verdicts, &link, spot)?;
    let target = options.target.or_this_kernel(output)?;
    let compiler = options.compiler();
    let compiled = options.target.compile_with(&compiler, &matcher, entry, &target, output)?;
    verify::foresee(&compiled, output);
    guard::warn(&mut socket, &link, &matcher, &options.controls, &options.stay, output);
    if let Some(seen) = options.ours(&link)? {
        let exchange = Exchange {
            matcher: &matcher,
            named: &named,
            compiler: &compiler,
            compiled: &compiled,
            controls: options.controls.given().then_some(&options.controls),
            confirm: options.stay.confirm,
            reset: false,
            root: &options.stay.root,
        };
        return exchange.run(&seen, output);
    }
    let program = output
        .busy("the verifier is at work", || Program::load(&compiled.image, &LoadOptions::default()))
        .map_err(|error| Problem::of_load(&error))?;
    verify::without_types(&program, output);
    let id = program.info().map_err(|error| super::of_info(&error))?.id;

    if !link.is_up() {
        output.warn(format!(
            "{} is down and receives nothing: `ip link set {} up`",
            link.name, link.name
        ));
    }
    if options.stay.pin {
        if options.delivery.given() {
            let problem = Problem::new("what stays attached is not written by this command");
            let hint = "attach with --pin --events, and then `hardwire events NAME -w FILE`";
            return Err(Failure::Usage(problem.at("--pin -w").hint(hint)));
        }
        let ready = pinned::Ready {
            via,
            link: &link,
            matcher: &matcher,
            named: &named,
            compiled: &compiled,
            compiler: &compiler,
            control: options.controls.control(),
            program: &program,
            program_id: id,
            spot,
            hook: options.at.hook(),
            occupied: &occupied,
        };
        return ready.attach(&options.stay, &mut socket, output);
    }
    set_control(&program, &options.controls.control())?;
    // Blocked before anything is attached: from here on a signal is read, and cannot end us
    // between attaching and detaching.
    let signals = Signals::block()?;
    let delivery = options.deliver(&compiler, &program, &link, &named, output)?;
    let attachment = attach(via, &mut socket, (&link, &program), spot, &occupied, output)
        .map_err(|error| of_attach(&error, &link, spot))?;

    let on_stdout = !options.delivery.capture_on_stdout();
    let mut watch = Watch {
        signals,
        changes,
        socket,
        link: &link,
        program: &program,
        program_id: id,
        spot: attachment.spot(),
        via,
        patterns: named.len(),
        duration: options.duration,
        count: options.count,
        // Lines of events are what one wants to read; the counts come in the end.
        shows: on_stdout && (delivery.is_none() || output.json() || output.is_terminal()),
        delivery,
    };
    announce(&attachment, &link, id, compiled.slot_count(), on_stdout, output)?;
    let stopped = watch.run(output);
    // First detached, then read: so the totals miss nothing; and then spoken about.
    let gone = matches!(stopped, Ok(Stop::InterfaceGone));
    let detached = match &stopped {
        // Ours is off already; what is there now is none of our business.
        Ok(Stop::Displaced(_)) => attachment.detach(gone).or(Ok(())),
        Ok(Stop::Asked | Stop::Time | Stop::Count | Stop::InterfaceGone) | Err(_) => {
            attachment.detach(gone)
        }
    };
    let delivered = finish(watch.delivery, stopped.is_ok(), &program, named.len(), output);
    let totals = Totals::of(&program, named.len())?;
    output.end_live()?;
    match (on_stdout, output.json()) {
        (false, _) => output.diagnostic(totals.headline()),
        (true, true) => output.json_line(&Summary { summary: &totals })?,
        (true, false) => totals.print(output, &named)?,
    }
    detached.map_err(|error| of_attach(&error, &link, spot))?;
    let stopped = stopped?;
    delivered?;
    ending(stopped, &link, via)
}

/// Deliver what is left of the events of a program that was detached, unless delivering has failed.
fn finish(
    delivery: Option<Delivery<'_>>,
    works: bool,
    program: &Program,
    patterns: usize,
    output: &mut Output,
) -> Result<(), Failure> {
    let Some(mut delivery) = delivery.filter(|_| works) else { return Ok(()) };
    // On another CPU it may still be at work on a frame.
    wait_for_programs();
    delivery.finish(|| Ok(Totals::of(program, patterns)?.counters), output)
}

/// Attach XDP by a link to an interface that has no program, and leave it in `place`.
pub(in crate::cmd) fn attach_to_stay(
    socket: &mut Socket,
    (link, program): (&Link, &Program),
    mode: XdpMode,
    place: Place,
    output: &Output,
) -> Result<(), Problem> {
    let spot = Spot::Xdp(mode);
    let attached = attach(Via::Link, socket, (link, program), spot, &Occupied::Refuse, output)
        .map_err(|error| of_attach(&error, link, spot))?;
    attached.stay(place).map_err(|error| of_attachment(&error))
}

/// Attach at `spot`. In mode `auto` it goes on to generic mode where the driver has native mode, but
/// not for this program or this MTU: the kernel chooses by the driver alone.
fn attach(
    via: Via,
    socket: &mut Socket,
    (link, program): (&Link, &Program),
    spot: Spot,
    occupied: &Occupied,
    output: &Output,
) -> Result<Attachment, LinkError> {
    let mode = match spot {
        Spot::Xdp(mode) => mode,
        Spot::Tc(direction) => {
            return Attachment::classifier(via == Via::Link, link, program, direction);
        }
    };
    let mut by = |mode| match via {
        Via::Link => Attachment::by_link(socket, link, program, mode),
        Via::Netlink => Attachment::by_netlink(link, program, mode, occupied),
    };
    let error = match by(mode) {
        Err(error) if mode == XdpMode::Auto && !link.xdp.is_attached() => error,
        result => return result,
    };
    let unfit = matches!(
        error.errno(),
        Some(libc::ERANGE | libc::EOPNOTSUPP | libc::EINVAL | libc::ENOMEM)
    );
    if !unfit {
        return Err(error);
    }
    // If that fails too, the driver's reason is the one to know.
    let Ok(attached) = by(XdpMode::Generic) else { return Err(error) };
    output.note(format!("{error}: generic mode instead, which costs more for each frame"));
    Ok(attached)
}

/// Switch on in `program`, which is not attached yet, what `control` says.
pub(in crate::cmd) fn set_control(program: &Program, control: &Control) -> Result<(), Problem> {
    let Some(map) = program.map_named(CONTROL_MAP) else {
        // What was asked for and is not there must not pass for done: a dry run would drop.
        if *control == Control::default() {
            return Ok(());
        }
        let problem = Problem::new("the program has no controls, so nothing was attached");
        return Err(problem.hint("this is a bug in Hardwire; please report it"));
    };
    map.update(&[0; 4], &control.to_bytes(), Update::Any)
        .map_err(|error| Problem::of(&error).hint_if(error.hint()))
}

impl Options {
    /// How the program is made: what stays can be switched while it runs.
    fn compiler(&self) -> compiler::Options {
        let options = self.controls.apply(self.target.compiler());
        let mut events = options.events;
        if self.delivery.given() {
            // A capture has whole packets.
            let snap = self.controls.snap.unwrap_or(CAPTURED_MAX);
            events = Some(Events { snap, ..events.unwrap_or_default() });
        }
        compiler::Options { events, controls: options.controls || self.stay.pin, ..options }
    }

    /// The way from the events of `program` to where they are wanted.
    fn deliver<'a>(
        &self,
        compiler: &compiler::Options,
        program: &Program,
        link: &'a Link,
        named: &[Named],
        output: &Output,
    ) -> Result<Option<Delivery<'a>>, Failure> {
        let Some(Events { snap, .. }) = compiler.events else { return Ok(None) };
        let (options, show, hook) = (&self.delivery, &self.show, self.at.capture());
        let how = How { options, show, hook, snap, limit: None };
        Delivery::open(program, named, link, &how, output).map(Some)
    }

    /// The attachment whose place is to be taken, which must be at the place that was named.
    fn ours(&self, link: &Link) -> Result<Option<Seen>, Failure> {
        if self.replace != Some(Replaced::Ours) {
            return Ok(None);
        }
        let name = self.stay.name(&link.name, self.at.hook());
        let of = |error: Error| Failure::from(of_attachment(&error));
        let attachment = match self.stay.root.open()?.open_attachment(&name) {
            Err(Error::Unknown { .. }) => return Ok(None),
            result => result.map_err(of)?,
        };
        attachment.attached().map_err(of)?;
        let here = host::network_namespace().map_err(|error| {
            Problem::because("cannot tell which network namespace this is", &error)
                .hint("mount /proc")
        })?;
        let description = attachment.description();
        let (hook, via) = (description.hook, description.via);
        let is = match () {
            () if !description.is_in(&here) => Some("in another network namespace".to_owned()),
            () if (description.ifindex, hook) != (link.index, self.at.hook()) => {
                Some(format!("at {} of {}", hook.name(), description.interface))
            }
            () => None,
        };
        if let Some(is) = is {
            let problem = Problem::new(format!("{name} is attached {is}, not here"));
            let problem = problem.at("--replace");
            return Err(problem.hint("give this one another name with --name").into());
        }
        if self.via.is_some_and(|asked| asked.kept() != via) {
            let problem = Problem::new(format!("{name} is attached by {}", via.name()));
            let hint = "leave --via away, or detach it first";
            return Err(Failure::Usage(problem.at("--via").hint(hint)));
        }
        if let State::Attached { mode: Some(mode) } = attachment.state()
            && self.mode != ModeWord::Auto
            && XdpMode::from(self.mode) != *mode
        {
            let problem = Problem::new(format!("{name} is attached in {mode} mode"));
            let hint = "leave --mode away, or detach it first";
            return Err(Failure::Usage(problem.at("--mode").hint(hint)));
        }
        Ok(Some(attachment.release()))
    }

    fn occupied(&self) -> Result<Occupied, Failure> {
        Ok(match self.replace {
            Some(Replaced::Ours) => Occupied::Refuse,
            Some(Replaced::Id(id)) => {
                Occupied::Replace { id, program: Box::new(program_by_id(id)?) }
            }
            None if self.force => Occupied::Overwrite,
            None => Occupied::Refuse,
        })
    }

    /// Where to attach.
    fn spot(&self) -> Result<Spot, Failure> {
        let Some(direction) = self.at.direction() else { return Ok(Spot::Xdp(self.mode.into())) };
        if self.mode != ModeWord::Auto {
            let problem = Problem::new("only XDP has modes").at("--mode");
            return Err(Failure::Usage(problem.hint("leave it away")));
        }
        if self.force || matches!(self.replace, Some(Replaced::Id(_))) {
            let problem = Problem::new(format!("programs on {direction} share their place"));
            let hint = "leave --replace and --force away: ours goes behind what is there";
            return Err(Failure::Usage(problem.hint(hint)));
        }
        Ok(Spot::Tc(direction))
    }

    fn via(&self) -> Result<Via, Failure> {
        if self.at.direction().is_some() && self.via.is_none() {
            let tcx = !matches!(features::TCX.support(), Support::No);
            return Ok(if tcx { Via::Link } else { Via::Netlink });
        }
        if self.replace == Some(Replaced::Ours) && !self.stay.pin {
            let problem = Problem::new("what is there to replace?").at("--replace without an id");
            return Err(Failure::Usage(problem.hint("write --replace ID, or --pin --replace")));
        }
        let alone = !matches!(self.replace, Some(Replaced::Id(_))) && !self.force;
        match self.via {
            None if alone => Ok(Via::Link),
            None => Ok(Via::Netlink),
            Some(Via::Link) if !alone => {
                let problem = Problem::new("a bpf_link never takes the place of another program");
                let hint = "use --via netlink with --replace or --force";
                Err(Failure::Usage(problem.at("--via link").hint(hint)))
            }
            Some(via) => Ok(via),
        }
    }
}

fn announce(
    attachment: &Attachment,
    link: &Link,
    id: u32,
    slots: u64,
    on_stdout: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let spot = attachment.spot();
    let (name, via) = (&link.name, attachment.via());
    if output.json() && on_stdout {
        output.json_line(&json!({
            "attached": {
                "interface": name,
                "ifindex": link.index,
                "at": spot.words().0,
                "mode": spot.words().1,
                "via": via,
                "program_id": id,
                "slots": slots,
            }
        }))?;
        return Ok(output.flush()?);
    }
    output.note(format!(
        "program {id} ({slots} slots) is attached to {name} {spot} by {via}; Ctrl-C \
         detaches it"
    ));
    Ok(())
}

fn ending(stopped: Stop, link: &Link, via: Via) -> Result<Ending, Failure> {
    let name = &link.name;
    match stopped {
        Stop::Asked | Stop::Time | Stop::Count => Ok(Ending::Done),
        Stop::InterfaceGone => {
            let problem = Problem::new(format!("interface {name} disappeared while attached"));
            let hint = match via {
                Via::Link => "its program is off it; the totals are what was counted",
                Via::Netlink => {
                    "its program went with it; if it was moved to another network namespace, \
                     `hardwire detach` it there"
                }
            };
            Err(problem.hint(hint).into())
        }
        Stop::Displaced(found) => {
            let what = format!("the program on {name} was replaced or detached by somebody else");
            let problem = Problem::new(what).at(format!("attached now: {found}"));
            Err(problem.hint("the totals are what was counted until then").into())
        }
    }
}

/// The interface with this name.
pub(super) fn interface(socket: &mut Socket, name: &str) -> Result<Link, Failure> {
    socket.link_by_name(name).map_err(|error| {
        let unknown = matches!(error, NetlinkError::UnknownName { .. });
        let hint = unknown.then_some("`ip link` lists the interfaces there are");
        Problem::of(&error).hint_if(error.hint().or(hint)).into()
    })
}

/// The program with this id.
pub(super) fn program_by_id(id: u32) -> Result<Program, Failure> {
    Ok(Program::by_id(id).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Problem::new(format!("there is no program {id}"))
                .hint("`bpftool prog` lists those that there are");
        }
        Problem::because(format!("cannot open program {id}"), &error)
            .hint("it takes CAP_SYS_ADMIN: run as root")
    })?)
}
