//! `hardwire demo` as a user starts it: what it shows is true, and nothing stays behind however it
//! ends.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use hardwire::{
    loader::{Capability, Program, capability},
    netlink::Socket,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use serde_json::Value;

const NOBODY: u32 = 65534;

/// The longest a demo may go on after a signal, or without the live part: a tenth of a second on an
/// idle machine, but tests run beside compilers.
const TIME_MAX: Duration = Duration::from_secs(10);

fn hardwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardwire"));
    command.stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// May this process show the live part? Says why not.
fn may_perform() -> bool {
    let needed = [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon, Capability::SysAdmin];
    let missing = capability::missing(&needed);
    if missing.is_empty() {
        return true;
    }
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but missing {missing:?}");
    eprintln!("skipped: missing {missing:?}");
    false
}

fn findings(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    assert_eq!(lines.next(), None, "one line: {text}");
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn step<'a>(findings: &'a Value, name: &str) -> &'a Value {
    let steps = findings["steps"].as_array().expect("an array");
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"))
}

/// The id in "the kernel says: program 12 by link 3".
fn program_of(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("the kernel says: program ")?;
    rest.split(' ').next()?.parse().ok()
}

/// The kernel frees a program a moment after its last user is gone.
fn assert_gone(program: u64) {
    let since = Instant::now();
    while Program::ids().expect("root").contains(&u32::try_from(program).expect("an id")) {
        assert!(since.elapsed() < TIME_MAX, "program {program} is left");
        thread::sleep(Duration::from_millis(10));
    }
    let links = Socket::open().and_then(|mut socket| socket.links()).expect("listed");
    let ours: Vec<_> = links.iter().filter(|link| link.name.starts_with("demo")).collect();
    assert!(ours.is_empty(), "left: {ours:?}");
}

#[test]
fn every_step_is_true_and_nothing_is_left() {
    if !may_perform() {
        return;
    }
    let output = hardwire().args(["demo", "--json"]).output().expect("started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let found = findings(&output);
    assert!(output.status.success(), "{found} {stderr}");
    assert_eq!(stderr, "");
    assert_eq!(found["ok"], true);
    for name in [
        "compile", "verify", "rehearse", "lab", "attach", "http", "udp", "count", "replace",
        "detach", "remove",
    ] {
        assert_eq!(step(&found, name)["ok"], true, "{found}");
    }
    assert_eq!(step(&found, "rehearse")["matched"], 9);
    let replace = step(&found, "replace");
    assert_eq!(replace["harmless"], replace["harmless_arrived"]);
    assert!(replace["harmless"].as_u64() > Some(1000), "{replace}");
    assert_gone(step(&found, "verify")["program_id"].as_u64().expect("an id"));
}

#[test]
fn for_people_it_is_short_and_without_colours_in_a_pipe() {
    if !may_perform() {
        return;
    }
    let output = hardwire().arg("demo").output().expect("started");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    assert!(text.lines().count() <= 60, "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn however_it_is_ended_nothing_is_left() {
    if !may_perform() {
        return;
    }
    for (signal, at) in [
        (Signal::SIGINT, " http "),
        (Signal::SIGINT, " replace "),
        (Signal::SIGTERM, " udp "),
        (Signal::SIGKILL, " count "),
    ] {
        let mut child = hardwire()
            .arg("demo")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut program = None;
        for line in lines.by_ref() {
            let line = line.expect("UTF-8");
            program = program.or_else(|| program_of(&line));
            if line.contains(at) {
                break;
            }
        }
        let program = program.expect("attached before");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process number"));
        kill(pid, signal).expect("sent");
        let since = Instant::now();
        lines.for_each(drop);
        let mut stderr = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
        let status = child.wait().expect("ended");
        assert!(!status.success(), "{signal} at {at}: {status}");
        assert!(since.elapsed() < TIME_MAX, "{signal} at {at}: late");
        if signal != Signal::SIGKILL {
            assert_eq!(status.code(), Some(1));
            assert!(stderr.contains(&format!("interrupted by {signal}")), "{stderr}");
        }
        assert_gone(program);
    }
}

#[test]
fn a_reader_who_has_enough_ends_it_and_nothing_is_left() {
    if !may_perform() {
        return;
    }
    let mut child = hardwire().arg("demo").stdout(Stdio::piped()).spawn().expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let program = lines.map_while(Result::ok).find_map(|line| program_of(&line));
    // Standard output is closed now. That is success, as for every verb.
    assert!(child.wait().expect("ended").success());
    assert_gone(program.expect("attached"));
}

#[test]
fn an_interrupted_demo_says_so_in_json_too() {
    if !may_perform() {
        return;
    }
    let child = hardwire()
        .args(["demo", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process number"));
    // Nothing is printed before the end, so this is a guess; it may also come too late.
    thread::sleep(Duration::from_millis(300));
    let _ = kill(pid, Signal::SIGINT);
    let output = child.wait_with_output().expect("ended");
    let found = findings(&output);
    assert_eq!(found["ok"], output.status.success());
    if found["ok"] == false {
        let last = found["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
        assert!(last["error"].as_str().expect("an error").contains("SIGINT"), "{found}");
    }
}

#[test]
fn without_privileges_it_shows_the_rest_and_names_what_is_missing() {
    let folder = tempfile::tempdir().expect("created");
    let program = folder.path().join("hardwire");
    readable_copy(Path::new(env!("CARGO_BIN_EXE_hardwire")), &program);
    let run = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.args(args).current_dir("/").stdin(Stdio::null());
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().expect("started")
    };
    if !geteuid().is_root() && may_perform() {
        eprintln!("skipped: not root, but with all capabilities");
        return;
    }
    let since = Instant::now();
    let output = run(&["demo", "--json"]);
    assert!(since.elapsed() < TIME_MAX);
    let found = findings(&output);
    assert!(output.status.success(), "{found} {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(found["ok"], true);
    let rehearse = step(&found, "rehearse");
    assert_eq!(rehearse["engines"], serde_json::json!(["reference", "vm"]));
    assert_eq!((&rehearse["frames"], &rehearse["matched"]), (&29.into(), &9.into()));
    let live = step(&found, "live");
    assert_eq!(live["left_out"], true);
    let missing = live["missing"].as_array().expect("an array");
    for name in ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "CAP_SYS_ADMIN"] {
        assert!(missing.iter().any(|m| m == name), "{live}");
    }

    let text = String::from_utf8(run(&["demo"]).stdout).expect("UTF-8");
    assert!(text.contains("LEFT OUT"), "{text}");
    assert!(text.contains("CAP_SYS_ADMIN"), "{text}");
}

/// A copy that everybody may run: the build folder may be private.
fn readable_copy(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copied");
    let all = fs::Permissions::from_mode(0o755);
    fs::set_permissions(to, all.clone()).expect("ours");
    fs::set_permissions(to.parent().expect("a folder"), all).expect("ours");
}
