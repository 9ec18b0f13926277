//! Tries on the running kernel what Hardwire needs of one, and prints what came of it as lines of
//! JSON. As process 1 (`scripts/kernels` boots it in a virtual machine) it mounts what it reads
//! and loads the modules it was given before, and powers off after.
//!
//! Arguments choose what is tried: `6.1` compiles for that release instead of the running one,
//! `noperfmon` for a process without `CAP_PERFMON`; any other is a part of the names of the forms,
//! which then are all that is tried.
//!
//! Needs root. Everything is attached in network namespaces of its own and nothing is left behind.

use std::{error::Error, fs, path::Path, process};

use hardwire::{
    assembler::{KernelVersion, Target},
    loader::{features, host},
};
use nix::{
    kmod::init_module,
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
};
use serde_json::{Value, json};

mod attach;
mod demo;
#[path = "../../tests/kernels/forms.rs"]
mod forms;
mod instructions;
mod types;

/// A line of JSON, and whether all that it says is as it should be.
type Row = (Value, bool);

/// Modules of the kernel, in the order in which to load them.
const MODULES: &str = "/modules";

fn main() -> Result<(), Box<dyn Error>> {
    if types::is_child() {
        return types::child();
    }
    let is_init = process::id() == 1;
    let result = if is_init { prepare().and_then(|()| report()) } else { report() };
    if is_init {
        if let Err(e) = &result {
            println!("error: {e}");
        }
        reboot(RebootMode::RB_POWER_OFF)?;
    }
    result
}

/// Make a bare kernel one that this program knows its way in.
fn prepare() -> Result<(), Box<dyn Error>> {
    for (kind, place) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp")]
    {
        mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>)?;
    }
    if !Path::new(MODULES).exists() {
        return Ok(());
    }
    let mut modules =
        fs::read_dir(MODULES)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    modules.sort();
    for module in modules {
        init_module(&fs::read(&module)?, c"").map_err(|e| format!("{}: {e}", module.display()))?;
    }
    Ok(())
}

/// A line on the kernel, then one for each thing that was tried.
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
    let mut fine = true;
    let mut print = |(row, good): Row| {
        println!("{row}");
        fine &= good;
    };
    print((json!({ "kernel": host::release()? }), true));
    if names.is_empty() {
        features::ALL.iter().map(|feature| probe(feature, running)).for_each(&mut print);
        instructions::rows(running).into_iter().for_each(&mut print);
        types::rows().into_iter().for_each(&mut print);
        attach::rows().into_iter().for_each(&mut print);
        demo::rows().into_iter().for_each(&mut print);
    }
    let target = Target { perfmon, ..Target::of_version(version) };
    for form in forms::forms() {
        if names.is_empty() || names.iter().any(|name| form.name.contains(name.as_str())) {
            let row = forms::run(&form, &target, running);
            let fine = row.is_fine();
            print((serde_json::to_value(row)?, fine));
        }
    }
    print((json!({ "done": true }), true));
    if fine { Ok(()) } else { Err("not everything is as it should be".into()) }
}

fn probe(feature: &features::Feature, running: KernelVersion) -> Row {
    let support = feature.support();
    let contradicts = features::contradicts(feature, &support, running);
    let conclusive = match &support {
        features::Support::Yes | features::Support::No => None,
        features::Support::Unknown(why) => Some(why.to_string()),
    };
    let row = json!({
        "feature": feature.name,
        "what": feature.what,
        "since": feature.since.to_string(),
        "support": support.name(),
        "why": conclusive,
        "fine": !contradicts && conclusive.is_none(),
    });
    (row, !contradicts && conclusive.is_none())
}
