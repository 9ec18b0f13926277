//! Why the kernel did not attach a program, and what can be done: if another one is in the way, whose it
//! is and how it goes.

use std::fs;
use std::path::Path;

use hardwire::attachment::{Found, Root, elsewhere};
use hardwire::loader::link::{LinkError, any};
use hardwire::netlink::{Link, XdpMode};

use super::attachment::Spot;
use crate::failure::Problem;

/// An attachment's error, with the options of this command in its advice.
pub(super) fn of_attach(error: &LinkError, link: &Link, spot: Spot) -> Problem {
    let problem = Problem::of(error);
    let Spot::Xdp(mode) = spot else { return problem.hint_if(error.hint()) };
    let occupant = error.found().and_then(|found| found.modes().next());
    match (error.errno(), occupant) {
        (Some(libc::EBUSY | libc::EEXIST), Some((mode, id))) => {
            problem.hint(of_occupant(link, mode, id))
        }
        (Some(libc::EOPNOTSUPP | libc::EINVAL), _) if mode == XdpMode::Offload => problem.hint(
            "it takes a card that runs BPF programs, and one compiled for it: use --mode native, \
             or generic, which every driver has",
        ),
        (Some(libc::EOPNOTSUPP), _) => problem.hint("use --mode generic, which every driver has"),
        (Some(libc::ERANGE), _) => problem.hint("lower the MTU of the peer, or use --mode generic"),
        _ => problem.hint_if(error.hint()),
    }
}

/// Program `id` is in the way on `link`: how does one get rid of it?
pub(in crate::cmd) fn of_occupant(link: &Link, mode: XdpMode, id: u32) -> String {
    let interface = &link.name;
    if let Some((name, elsewhere)) = ours(id) {
        let words = name.clone() + &elsewhere;
        return format!(
            "it is the attachment {name}: `hardwire replace {words}` puts other patterns in its \
             place, `hardwire detach {words}` removes it"
        );
    }
    let links = any::all().unwrap_or_default();
    let holds = |it: &&any::LinkInfo| it.program_id == id && it.interface == Some(link.index);
    let Some(holding) = links.iter().find(holds) else {
        return format!(
            "replace it with --replace {id} --mode {mode}, or remove it with `hardwire detach \
             {interface}`"
        );
    };
    let number = holding.id;
    let processes: Vec<_> = holders(number).into_iter().take(PROCESSES_SHOWN_MAX).collect();
    let whose = if processes.is_empty() {
        "which a pin or a process of another namespace holds".to_owned()
    } else {
        format!("which process {} holds: end it", processes.join(" and "))
    };
    format!(
        "it is held by bpf_link {number}, {whose}, or `bpftool link detach id {number}`; nothing \
         else takes its place"
    )
}

/// Processes that are named.
const PROCESSES_SHOWN_MAX: usize = 3;

/// The name of the attachment that runs program `id`, on any bpffs that is mounted here, and which
/// option leads to that.
fn ours(id: u32) -> Option<(String, String)> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (path, kind) = (words.nth(1)?, words.next()?);
        let found = Some(path).filter(|_| kind == "bpf").map(Path::new);
        let Some(path) = found else { continue };
        let Ok(root) = Root::open(path) else { continue };
        for found in root.list().unwrap_or_default() {
            let Found::Attachment(attachment) = found else { continue };
            if attachment.program().info().is_ok_and(|info| info.id == id) {
                return Some((attachment.name().to_owned(), elsewhere(path)));
            }
        }
    }
    None
}

/// The processes that have a descriptor of this link: `417 (cilium)`.
fn holders(link: u32) -> Vec<String> {
    let wanted = format!("link_id:\t{link}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let descriptors = fs::read_dir(entry.path().join("fdinfo"));
        let has = descriptors.into_iter().flatten().flatten().any(|descriptor| {
            let text = fs::read_to_string(descriptor.path());
            text.is_ok_and(|text| text.lines().any(|line| line == wanted))
        });
        if has {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(format!("{pid} ({})", name.trim_end()));
        }
    }
    found
}
