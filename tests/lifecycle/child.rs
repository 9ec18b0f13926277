//! This test binary as a child of itself, which does one thing to an attachment and ends at a chosen
//! step, as if by `kill -9`.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use hardwire::attachment::{Description, Hook, Keep, PatternText, Place, Root, Via};
use hardwire::compiler::event::control::Control;
use hardwire::compiler::event::record::Direction;
use hardwire::compiler::ir::{Matcher, Report, Scope, Verdict, Verdicts};
use hardwire::compiler::pattern::{Syntax, Written};
use hardwire::compiler::{self, Compiled, Entry};
use hardwire::loader::link::{TcNetlink, TcxLink};
use hardwire::loader::{LoadOptions, Program, XdpLink, XdpNetlink, features, host};
use hardwire::netlink::{Link, OnOccupied, Socket, XdpMode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

use crate::Site;

/// The name of every attachment here.
pub(crate) const NAME: &str = "test-xdp";

/// The deadline of a program on probation: long over.
pub(crate) const PAST_NS: u64 = 1;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Attach,
    Replace,
    /// Replace by a program that drops, past its deadline.
    Probation,
    Detach,
    Clean,
}

const ACTS: [(Act, &str); 5] = [
    (Act::Attach, "attach"),
    (Act::Replace, "replace"),
    (Act::Probation, "probation"),
    (Act::Detach, "detach"),
    (Act::Clean, "clean"),
];

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct How {
    pub(crate) via: Via,
    pub(crate) hook: Hook,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {}", self.hook.name(), self.via.name())
    }
}

impl How {
    /// All ways to receive.
    pub(crate) const ALL: [Self; 4] = [
        Self { via: Via::Link, hook: Hook::Xdp },
        Self { via: Via::Netlink, hook: Hook::Xdp },
        Self { via: Via::Link, hook: Hook::Ingress },
        Self { via: Via::Netlink, hook: Hook::Ingress },
    ];

    fn entry(self) -> Entry {
        match self.hook {
            Hook::Xdp => Entry::Xdp,
            Hook::Ingress => Entry::Tc(Direction::Ingress),
            Hook::Egress => Entry::Tc(Direction::Egress),
        }
    }
}

static LEFT: AtomicU32 = AtomicU32::new(0);

/// Called before each change; the last one is not made.
fn step(name: &str) {
    if LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
        eprintln!("killed before: {name}");
        kill(getpid(), Signal::SIGKILL).expect("a signal to oneself");
    }
}

/// Do `act` in a child that is killed before its step number `steps`, from 1. How it ended, and the
/// step.
pub(crate) fn killed(site: &Site, act: Act, how: How, steps: u32) -> (ExitStatus, String) {
    let (_, word) = ACTS.iter().find(|(one, _)| *one == act).expect("all are there");
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command.args(["--ignored", "--exact", "child::act", "--nocapture"]);
    command.env("LIFE_ACT", word).env("LIFE_VIA", how.via.name()).env("LIFE_HOOK", how.hook.name());
    command.env("LIFE_STEPS", steps.to_string()).env("LIFE_IFACE", site.interface());
    command.env("LIFE_BPFFS", &site.bpffs).stdin(Stdio::null());
    let output = site.inside(|| command.output().expect("it runs"));
    let err = String::from_utf8_lossy(&output.stderr);
    let at = err.lines().find_map(|line| line.strip_prefix("killed before: "));
    let at = at.unwrap_or("its end").to_owned();
    let ended = output.status.success() || at != "its end";
    assert!(ended, "{act:?}: {err}{}", String::from_utf8_lossy(&output.stdout));
    (output.status, at)
}

/// Do `act` without being killed.
pub(crate) fn done(site: &Site, act: Act, how: How) {
    let (status, _) = killed(site, act, how, 0);
    assert!(status.success());
}

/// The child.
#[test]
#[ignore = "started by other tests"]
fn act() {
    let Ok(word) = env::var("LIFE_ACT") else { return };
    let of = |name: &str| env::var(name).expect("set by the parent");
    let (act, _) = ACTS.into_iter().find(|(_, name)| *name == word).expect("one of these");
    let via = if of("LIFE_VIA") == "link" { Via::Link } else { Via::Netlink };
    let hooks = [Hook::Xdp, Hook::Ingress, Hook::Egress];
    let hook = hooks.into_iter().find(|hook| hook.name() == of("LIFE_HOOK")).expect("one of these");
    let how = How { via, hook };
    LEFT.store(of("LIFE_STEPS").parse().expect("a number"), Ordering::Relaxed);
    let root = Root::open(&PathBuf::from(of("LIFE_BPFFS"))).expect("a bpffs").with_steps(step);
    match act {
        Act::Attach => attach(&root, &of("LIFE_IFACE"), how),
        Act::Replace => replace(&root, how, None),
        Act::Probation => replace(&root, how, Some(PAST_NS)),
        Act::Detach => root.open_attachment(NAME).expect("there").detach().expect("detached"),
        Act::Clean => drop(root.clean(false).expect("cleaned")),
    }
}

fn compiled(
    patterns: &[&str],
    how: How,
    on_match: Verdict,
) -> (Matcher, Vec<PatternText>, Compiled) {
    let written: Vec<_> = patterns.iter().map(|&p| Written::new(Syntax::Literal, p)).collect();
    let lower = |(written, id): (&Written, u32)| written.lower(id).expect("good");
    let matcher = Matcher {
        patterns: written.iter().zip(1..).map(lower).collect(),
        scope: Scope::Payload,
        report: Report::All,
        verdicts: Verdicts { on_match, ..Verdicts::default() },
    };
    let target = features::target().expect("this kernel");
    let options = compiler::Options { controls: true, ..compiler::Options::default() };
    let compiled = compiler::compile(&matcher, how.entry(), &target, &options).expect("compiles");
    (matcher, written.iter().map(PatternText::of).collect(), compiled)
}

fn attach(root: &Root, interface: &str, how: How) {
    let (matcher, patterns, compiled) = compiled(&["before", "always"], how, Verdict::Pass);
    let program = Program::load(&compiled.image, &LoadOptions::default()).expect("loads");
    let mut socket = Socket::open().expect("a socket");
    let link = socket.link_by_name(interface).expect("there");
    let here = host::network_namespace().expect("a namespace");
    let mut description = Description {
        version: "test".to_owned(),
        interface: link.name.clone(),
        ifindex: link.index,
        netns: here.inode,
        netns_cookie: here.cookie,
        hook: how.hook,
        via: how.via,
        mode: "native".to_owned(),
        scope: String::new(),
        report: String::new(),
        on_match: String::new(),
        on_miss: String::new(),
        out_of_scope: String::new(),
        patterns,
        slots: compiled.slot_count(),
        created: 0,
        events: None,
        source_limit: false,
        makes_qdisc: socket.clsact_kind(&link).expect("asked").is_none(),
        service: false,
        continues: None,
    };
    description.set_matcher(&matcher);
    let place = root.place(NAME).expect("a place");
    place.fill(&program, &description).expect("pinned");
    hold(place, how, socket, &link, &program);
}

fn hold(place: Place, how: How, mut socket: Socket, link: &Link, program: &Program) {
    let mode = XdpMode::Native;
    match (how.via, how.hook.direction()) {
        (Via::Link, None) => {
            let attached = XdpLink::attach(&mut socket, link, program, mode);
            place.keep_link(&attached.expect("attached")).expect("pinned");
        }
        (Via::Link, Some(direction)) => {
            let attached = TcxLink::attach(link, program, direction);
            place.keep_link(&attached.expect("attached")).expect("pinned");
        }
        (Via::Netlink, None) => {
            let attached = XdpNetlink::attach(socket, link, program, mode, OnOccupied::Refuse);
            place.keep();
            attached.expect("attached").keep();
        }
        (Via::Netlink, Some(direction)) => {
            let attached = TcNetlink::attach(socket, link, program, direction);
            place.keep();
            attached.expect("attached").keep();
        }
    }
}

fn replace(root: &Root, how: How, deadline_ns: Option<u64>) {
    let on_match = if deadline_ns.is_some() { Verdict::Drop } else { Verdict::Pass };
    let (_, patterns, compiled) = compiled(&["always", "after"], how, on_match);
    let seen = root.open_attachment(NAME).expect("there").release();
    let keep = Keep { counts: true, controls: deadline_ns.is_none() };
    let shared = seen.shared(&compiled.image, keep).expect("the same form");
    let program = Program::load_sharing(&compiled.image, &LoadOptions::default(), &shared);
    let program = program.expect("loads");
    let description = Description { patterns, ..seen.description().clone() };
    let attachment = seen.lock().expect("the same");
    if let Some(deadline_ns) = deadline_ns {
        let control = Control { deadline_ns, ..Control::default() };
        attachment.prepare(&program, &control).expect("it has controls");
    }
    attachment.replace(&program, &description, false).expect("replaced");
}
