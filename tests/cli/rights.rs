//! What a user without rights, or on a kernel without BPF, is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::captures::four;
use crate::confined::{CAP_BPF, CAP_NET_ADMIN, as_user_with, with_empty, with_failing_call};
use crate::{BIN, Ran, command, command_of, finish, may_attach, of, skip};

const NOBODY: u32 = 65534;

/// A copy of the binary that everybody may run: the folder of the build may be private.
struct Reachable {
    folder: TempDir,
}

impl Reachable {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), all).expect("ours");
        // A link costs nothing; across file systems it must be a copy.
        let to = folder.path().join("hardwire");
        fs::hard_link(BIN, &to).or_else(|_| fs::copy(BIN, &to).map(drop)).expect("a copy");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("hardwire")
    }
}

/// Run as a user without capabilities.
fn as_nobody(args: &[&str]) -> Option<Ran> {
    if !geteuid().is_root() {
        return Some(finish(command(args)));
    }
    let binary = Reachable::new();
    let mut command = command_of(binary.path(), args);
    command.uid(NOBODY).gid(NOBODY);
    match command.output() {
        Ok(output) => Some(of(&output)),
        Err(error) => {
            skip(&format!("cannot run a copy of {BIN} as another user: {error}"));
            None
        }
    }
}

#[test]
fn missing_capabilities_are_named_with_the_line_that_gives_them() {
    let capture = four();
    let setcap = "setcap cap_bpf,cap_net_admin,cap_perfmon+ep";
    let needed = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", setcap];
    let lines: &[&[&str]] = &[
        &["verify", "-e", "a"],
        &["bench", "-e", "a"],
        &["match", "-e", "a", "--engine", "kernel"],
        &["run", "-e", "a", "--engine", "all", "--pcap", capture.name()],
        &["attach", "lo", "-e", "a"],
    ];
    for args in lines {
        let Some(got) = as_nobody(args) else { return };
        got.complains(1, &needed);
    }
}

#[test]
fn everything_up_to_the_kernel_works_without_rights() {
    let lines: &[&[&str]] = &[
        &["compile", "-e", "a", "--emit", "hex"],
        &["explain", "-e", "a"],
        &["match", "-e", "a"],
        &["features"],
    ];
    for args in lines {
        let Some(got) = as_nobody(args) else { return };
        assert_eq!(got.code, 0, "{args:?}: {got:?}");
    }
    let Some(guessed) = as_nobody(&["compile", "-e", "a", "--emit", "hex"]) else { return };
    assert!(guessed.err.contains("assuming Linux 7.3"), "{}", guessed.err);
    let Some(named) = as_nobody(&["compile", "-e", "a", "--emit", "hex", "--target", "7.3"]) else {
        return;
    };
    assert_eq!((named.err.as_str(), named.out), ("", guessed.out));
}

/// `verify` with `CAP_BPF` and `CAP_NET_ADMIN` only; nothing where that cannot be tried.
fn verify_without_perfmon(args: &[&str]) -> Option<Ran> {
    if !may_attach() {
        return None;
    }
    let binary = Reachable::new();
    let mut verify = command_of(binary.path(), ["verify"]);
    verify.args(args);
    as_user_with(&mut verify, NOBODY, &[CAP_BPF, CAP_NET_ADMIN]);
    match verify.output() {
        Ok(output) => Some(of(&output)),
        Err(error) => {
            skip(&format!("cannot run a copy of {BIN} as another user: {error}"));
            None
        }
    }
}

#[test]
fn without_perfmon_the_slower_form_is_accepted() {
    let long = "a literal of more than sixteen bytes";
    for args in [
        &["-e", "GET /admin"][..],
        &["-e", "x", "--in", "raw"],
        &["-i", "-e", long],
        &["--offset", "3", "--depth", "90", "-e", "needle", "-e", "other"],
        &["-e", "one", "-e", "two", "--report", "all", "--events", "--snap", "65535"],
        &["-e", "one", "--on-match", "drop", "--events", "--limit-pps", "9"],
        &["-e", "one", "-e", "two1", "-e", "three", "-e", "four", "-e", "fives", "-e", "sixes"],
    ] {
        let Some(got) = verify_without_perfmon(args) else { return };
        assert!(got.out.contains("windows copied"), "{args:?}: {} {}", got.out, got.err);
        assert!(got.out.contains("accepted"), "{args:?}: {} {}", got.out, got.err);
    }
}

#[test]
fn a_program_that_the_verifier_rejects_is_explained() {
    // Code for a kernel of root's, loaded without CAP_PERFMON.
    let Some(got) = verify_without_perfmon(&["-e", "a", "--target", "6.18"]) else { return };
    got.complains(1, &["the verifier rejected", "slot", "CAP_PERFMON"]);
    for part in ["rejected at slot", "cause ", "try ", "verifier ", "it is for ", ": (", "; "] {
        assert!(got.out.contains(part), "no {part:?} in {}", got.out);
    }
}

#[test]
fn a_kernel_without_bpf_is_told_as_such_and_offline_work_goes_on() {
    if !may_attach() {
        return;
    }
    let without_bpf = |args: &[&str]| {
        let mut command = command(args);
        with_failing_call(&mut command, libc::SYS_bpf, libc::ENOSYS);
        finish(command)
    };
    for args in [&["verify", "-e", "a"][..], &["attach", "lo", "-e", "a"]] {
        without_bpf(args).complains(1, &["no bpf(2)", "CONFIG_BPF_SYSCALL", "--engine vm"]);
    }
    let got = without_bpf(&["compile", "-e", "a", "--emit", "hex"]);
    assert_eq!(got.code, 0, "{got:?}");
    assert!(got.err.contains("assuming Linux"), "{}", got.err);
}

#[test]
fn a_kernel_without_btf_is_told_as_such_and_everything_else_works() {
    if !may_attach() {
        return;
    }
    let without_btf = |args: &[&str]| {
        let mut command = command(args);
        with_empty(&mut command, "/sys/kernel/btf");
        finish(command)
    };
    let features = without_btf(&["features"]);
    assert!(features.out.lines().any(|l| l.contains("no ") && l.contains("btf")), "{features:?}");
    let verify = without_btf(&["verify", "-e", "a"]);
    assert_eq!(verify.code, 0, "{verify:?}");
}

/// Goal: what the verifier would refuse after a minute as one program is several from the start.
/// Without rights it is not asked at all, so that this test need not wait for it.
#[test]
fn a_set_that_the_verifier_would_hardly_take_as_one_program_is_split() {
    let alike: String = (0..20_000).map(|number| format!("pat{number:05}\n")).collect();
    let file = crate::File::new("alike.txt", alike);
    fs::set_permissions(file.path.parent().expect("a folder"), fs::Permissions::from_mode(0o755))
        .expect("ours");
    let path = file.name();
    let Some(ran) =
        as_nobody(&["explain", "--strategy", "gram-set", "-f", path, "--stage", "plan"])
    else {
        return;
    };
    let (says, why) = ("joined by tail calls", "of at most 200000");
    assert!(ran.out.contains(says) && ran.out.contains(why), "{}", ran.out);
    let Some(ran) = as_nobody(&["verify", "--strategy", "gram-set", "-f", path]) else { return };
    assert!(!ran.err.contains("probably"), "{}", ran.err);
}
