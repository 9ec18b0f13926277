//! Tries every form of `tests/kernels/forms.rs` on the running kernel and prints a line of JSON for
//! each. As process 1 (`scripts/kernels` boots it as the only one of a virtual machine) it mounts
//! what it reads before, and powers off after.
//!
//! Arguments choose what is run: `6.1` compiles for that release instead of the running one,
//! `noperfmon` for a process without `CAP_PERFMON`; any other is a part of the names of the forms.

use std::{error::Error, process};

use hardwire::{
    assembler::{KernelVersion, Target},
    loader::host,
};
use nix::{
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
};

#[path = "../tests/kernels/forms.rs"]
mod forms;

fn main() -> Result<(), Box<dyn Error>> {
    let is_init = process::id() == 1;
    if is_init {
        for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys")] {
            mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>)?;
        }
    }
    let result = report();
    if is_init {
        if let Err(e) = &result {
            println!("error: {e}");
        }
        reboot(RebootMode::RB_POWER_OFF)?;
    }
    result
}

/// A line on the kernel, then one for each form.
fn report() -> Result<(), Box<dyn Error>> {
    let running = host::version()?;
    let mut version = running;
    let mut perfmon = true;
    let mut names = Vec::new();
    // A kernel hands what it does not know of its command line to process 1.
    for arg in std::env::args().skip(1) {
        if let Ok(asked) = arg.parse::<KernelVersion>() {
            version = asked;
        } else if arg == "noperfmon" {
            perfmon = false;
        } else if process::id() != 1 {
            names.push(arg);
        }
    }
    println!("{}", serde_json::json!({ "kernel": host::release()? }));
    let mut fine = true;
    let target = Target { perfmon, ..Target::of_version(version) };
    for form in forms::forms() {
        if names.is_empty() || names.iter().any(|name| form.name.contains(name.as_str())) {
            let row = forms::run(&form, &target, running);
            println!("{}", serde_json::to_string(&row)?);
            fine &= row.is_fine();
        }
    }
    println!("{}", serde_json::json!({ "done": true }));
    if fine { Ok(()) } else { Err("a form did not load, or answered wrong".into()) }
}
