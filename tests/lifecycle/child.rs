//! This test binary as a child of itself, which does one thing to an attachment and ends at a chosen
//! step, as if by `kill -9`.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use hardwire::attachment::{Description, Hook, PatternText, Place, Root, Via};
use hardwire::compiler::ir::{Matcher, Report, Scope, Verdicts};
use hardwire::compiler::pattern::{Syntax, Written};
use hardwire::compiler::{self, Compiled, Entry};
use hardwire::loader::{LoadOptions, Program, XdpLink, XdpNetlink, features, host};
use hardwire::netlink::{Link, OnOccupied, Socket, XdpMode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

use crate::Site;

/// The name of every attachment here.
pub(crate) const NAME: &str = "test-xdp";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Attach,
    Replace,
    Detach,
    Clean,
}

const ACTS: [(Act, &str); 4] = [
    (Act::Attach, "attach"),
    (Act::Replace, "replace"),
    (Act::Detach, "detach"),
    (Act::Clean, "clean"),
];

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
pub(crate) fn killed(site: &Site, act: Act, via: Via, steps: u32) -> (ExitStatus, String) {
    let (_, word) = ACTS.iter().find(|(one, _)| *one == act).expect("all are there");
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command.args(["--ignored", "--exact", "child::act", "--nocapture"]);
    command.env("LIFE_ACT", word).env("LIFE_VIA", via.name());
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
pub(crate) fn done(site: &Site, act: Act, via: Via) {
    let (status, _) = killed(site, act, via, 0);
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
    LEFT.store(of("LIFE_STEPS").parse().expect("a number"), Ordering::Relaxed);
    let root = Root::open(&PathBuf::from(of("LIFE_BPFFS"))).expect("a bpffs").with_steps(step);
    match act {
        Act::Attach => attach(&root, &of("LIFE_IFACE"), via),
        Act::Replace => replace(&root),
        Act::Detach => root.open_attachment(NAME).expect("there").detach().expect("detached"),
        Act::Clean => drop(root.clean(false).expect("cleaned")),
    }
}

fn compiled(patterns: &[&str]) -> (Matcher, Vec<PatternText>, Compiled) {
    let written: Vec<_> = patterns.iter().map(|&p| Written::new(Syntax::Literal, p)).collect();
    let lower = |(written, id): (&Written, u32)| written.lower(id).expect("good");
    let matcher = Matcher {
        patterns: written.iter().zip(1..).map(lower).collect(),
        scope: Scope::Payload,
        report: Report::All,
        verdicts: Verdicts::default(),
    };
    let target = features::target().expect("this kernel");
    let options = compiler::Options { controls: true, ..compiler::Options::default() };
    let compiled = compiler::compile(&matcher, Entry::Xdp, &target, &options).expect("compiles");
    (matcher, written.iter().map(PatternText::of).collect(), compiled)
}

fn attach(root: &Root, interface: &str, via: Via) {
    let (matcher, patterns, compiled) = compiled(&["before", "always"]);
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
        hook: Hook::Xdp,
        via,
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
        continues: None,
    };
    description.set_matcher(&matcher);
    let place = root.place(NAME).expect("a place");
    place.fill(&program, &description).expect("pinned");
    hold(place, via, socket, &link, &program);
}

fn hold(place: Place, via: Via, mut socket: Socket, link: &Link, program: &Program) {
    match via {
        Via::Link => {
            let attached = XdpLink::attach(&mut socket, link, program, XdpMode::Native);
            place.keep_link(&attached.expect("attached")).expect("pinned");
        }
        Via::Netlink => {
            let (mode, refuse) = (XdpMode::Native, OnOccupied::Refuse);
            let attached = XdpNetlink::attach(socket, link, program, mode, refuse);
            place.keep();
            attached.expect("attached").keep();
        }
    }
}

fn replace(root: &Root) {
    let (_, patterns, compiled) = compiled(&["always", "after"]);
    let attachment = root.open_attachment(NAME).expect("there");
    let shared = attachment.shared(&compiled.image, false).expect("the same form");
    let program = Program::load_sharing(&compiled.image, &LoadOptions::default(), &shared);
    let description = Description { patterns, ..attachment.description().clone() };
    drop(shared);
    attachment.replace(&program.expect("loads"), &description, false).expect("replaced");
}
