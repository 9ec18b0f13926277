//! The forms for older kernels, on the running kernel: what the compiler makes for Linux 5.10 must
//! load on every later one too. `scripts/kernels` tries the same forms on the kernels themselves.

use hardwire::{
    assembler::{KernelVersion, Target},
    loader::{Capability, capability, host},
};

mod forms;

/// One release of each kind of target: without `bpf_xdp_load_bytes`, without
/// `gotol` and `may_goto`. What is newer is tried by every other test.
const TARGETS: &[(u16, u16)] = &[(5, 10), (6, 1)];

fn may_load() -> bool {
    let missing = capability::missing(&Capability::ATTACH);
    if missing.is_empty() {
        return true;
    }
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: missing {missing:?}");
    eprintln!("skipped: missing {missing:?}");
    false
}

#[test]
fn what_is_compiled_for_an_older_kernel_loads_here_and_answers_right() {
    if !may_load() {
        return;
    }
    let running = host::version().expect("/proc is mounted");
    let mut wrong = Vec::new();
    for &(major, minor) in TARGETS {
        let version = KernelVersion::new(major, minor);
        if version > running {
            continue;
        }
        for form in forms::forms() {
            let row = forms::run(&form, &Target::of_version(version), running);
            if !row.is_fine() {
                wrong.push(format!("{row:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
