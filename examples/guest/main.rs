//! Tries on the running kernel what Hardwire needs of one, and prints what came of it as lines of
//! JSON. As process 1 (`scripts/kernels` boots it in a virtual machine) it mounts what it reads
//! and loads the modules it was given before, and powers off after.
//!
//! Arguments choose what is tried: `6.1` compiles for that release instead of the running one; any
//! other is a part of the names of the forms, which then are all that is tried. The environment, to
//! which a kernel adds what it does not know of its command line, may have such parts in `forms`,
//! separated by commas.
//!
//! Forms are tried twice: by root, and by a user who has `CAP_BPF` and `CAP_NET_ADMIN` alone.
//!
//! Needs root. Everything is attached in network namespaces of its own and nothing is left behind.

use std::{
    error::Error,
    fs,
    path::Path,
    process::{self, Command},
};

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
#[path = "../../tests/support/confined.rs"]
mod confined;
mod demo;
#[path = "../../tests/kernels/forms.rs"]
mod forms;
mod instructions;
mod types;

/// A line of JSON, and whether all that it says is as it should be.
type Row = (Value, bool);

/// The argument of the process that may load programs, but has no `CAP_PERFMON`.
const UNPRIVILEGED: &str = "unprivileged";
/// Its user.
const NOBODY: u32 = 65534;

/// Modules of the kernel, in the order in which to load them.
const MODULES: &str = "/modules";

fn main() -> Result<(), Box<dyn Error>> {
    if types::is_child() {
        return types::child();
    }
    if std::env::args().nth(1).is_some_and(|arg| arg == UNPRIVILEGED) {
        return unprivileged();
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

/// What was asked for.
struct Asked {
    /// The release that is compiled for.
    version: KernelVersion,
    /// Parts of names of forms; all, if there are none.
    names: Vec<String>,
}

impl Asked {
    fn read() -> Result<Self, Box<dyn Error>> {
        let parts = std::env::var("forms").unwrap_or_default();
        let parts = parts.split(',').filter(|part| !part.is_empty()).map(str::to_owned);
        let mut asked = Self { version: host::version()?, names: parts.collect() };
        for arg in std::env::args().skip(1).filter(|arg| arg != UNPRIVILEGED) {
            if let Ok(version) = arg.parse::<KernelVersion>() {
                asked.version = version;
            } else if process::id() != 1 {
                asked.names.push(arg);
            }
        }
        Ok(asked)
    }

    fn has(&self, form: &forms::Form) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| form.name.contains(name.as_str()))
    }

    /// Try them for `target`.
    fn forms(&self, target: &Target) -> Result<Vec<Row>, Box<dyn Error>> {
        let running = host::version()?;
        let mut rows = Vec::new();
        for form in forms::forms().iter().filter(|form| self.has(form)) {
            let row = forms::run(form, target, running);
            let fine = row.is_fine();
            let row = serde_json::to_value(row)?;
            println!("{row}");
            rows.push((row, fine));
        }
        Ok(rows)
    }
}

/// A line on the kernel, then one for each thing that was tried.
fn report() -> Result<(), Box<dyn Error>> {
    let running = host::version()?;
    let asked = Asked::read()?;
    let mut fine = true;
    let mut print = |(row, good): Row| {
        println!("{row}");
        fine &= good;
    };
    print((json!({ "kernel": host::release()? }), true));
    if asked.names.is_empty() {
        features::ALL.iter().map(|feature| probe(feature, running)).for_each(&mut print);
        instructions::rows(running).into_iter().for_each(&mut print);
        types::rows().into_iter().for_each(&mut print);
        attach::rows().into_iter().for_each(&mut print);
        demo::rows().into_iter().for_each(&mut print);
    }
    fine &= asked.forms(&Target::of_version(asked.version))?.iter().all(|(_, good)| *good);
    let mut child = Command::new("/proc/self/exe");
    child.arg(UNPRIVILEGED).arg(asked.version.to_string()).args(&asked.names).env_remove("forms");
    confined::as_user_with(&mut child, NOBODY, &[confined::CAP_BPF, confined::CAP_NET_ADMIN]);
    fine &= child.status()?.success();
    println!("{}", json!({ "done": true }));
    if fine { Ok(()) } else { Err("not everything is as it should be".into()) }
}

/// What the process without `CAP_PERFMON` does.
fn unprivileged() -> Result<(), Box<dyn Error>> {
    let asked = Asked::read()?;
    // Without the capability the verifier takes no loop with a counter.
    let target =
        Target { perfmon: false, bounded_loops: false, ..Target::of_version(asked.version) };
    let rows = asked.forms(&target)?;
    if rows.iter().all(|(_, good)| *good) { Ok(()) } else { Err("see above".into()) }
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
