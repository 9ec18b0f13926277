//! The forms for older kernels, on the running kernel: what the compiler makes for Linux 5.10 must
//! load on every later one too. `scripts/kernels` tries the same forms on the kernels themselves.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{Entry, event::record::Direction},
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

/// Try what is compiled for each of the older kernels; the same program only once.
fn try_forms(entry: Entry) {
    if !may_load() {
        return;
    }
    let running = host::version().expect("/proc is mounted");
    let targets = TARGETS.iter().map(|&(major, minor)| KernelVersion::new(major, minor));
    let targets: Vec<_> = targets.filter(|v| *v <= running).map(Target::of_version).collect();
    let mut wrong = Vec::new();
    for form in forms::forms().iter().filter(|form| form.entry == entry) {
        let mut tried = Vec::new();
        for target in &targets {
            let image = forms::compile(form, target).ok().map(|compiled| compiled.image);
            if image.is_some() && tried.contains(&image) {
                continue;
            }
            tried.push(image);
            let row = forms::run(form, target, running);
            if !row.is_fine() {
                wrong.push(format!("{row:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Two tests, so that two CPUs are used: verifying a counted loop takes the kernel a second.

#[test]
fn xdp_programs_for_an_older_kernel_load_here_and_answer_right() {
    try_forms(Entry::Xdp);
}

#[test]
fn socket_filters_for_an_older_kernel_load_here_and_answer_right() {
    try_forms(Entry::SocketFilter);
}

#[test]
fn classifiers_for_an_older_kernel_load_here_and_answer_right() {
    try_forms(Entry::Tc(Direction::Ingress));
}
