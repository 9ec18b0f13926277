//! What is held in the kernel and by this process, to see that nothing is left.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use hardwire::loader::{Map, Program, link};

use super::descriptors::descriptors;

/// Programs and maps go a grace period after their last descriptor.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ids of objects of BPF, and open descriptors.
pub(crate) struct Holdings {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
    links: BTreeSet<u32>,
    descriptors: Vec<String>,
    /// Memory that is neither free nor can be freed, in KiB: `MemTotal - MemAvailable`.
    used_kib: u64,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        Self {
            programs: Program::ids().expect("listed").into_iter().filter(program_is_ours).collect(),
            maps: Map::ids().expect("listed").into_iter().filter(map_is_ours).collect(),
            links: link::any::all().expect("listed").into_iter().map(|link| link.id).collect(),
            descriptors: descriptors(),
            used_kib: used_kib(),
        }
    }

    /// As soon as nothing is held that was not held `before`, or what is left after a while.
    pub(crate) fn settled(before: &Self) -> Self {
        let start = Instant::now();
        loop {
            let now = Self::now();
            let same = now.programs.is_subset(&before.programs)
                && now.maps.is_subset(&before.maps)
                && now.links.is_subset(&before.links);
            if same || start.elapsed() > PATIENCE {
                return now;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn assert_same(&self, before: &Self) {
        let new = |now: &BTreeSet<u32>, before: &BTreeSet<u32>| -> Vec<u32> {
            now.difference(before).copied().collect()
        };
        let nothing: Vec<u32> = Vec::new();
        assert_eq!(new(&self.programs, &before.programs), nothing, "programs left");
        assert_eq!(new(&self.maps, &before.maps), nothing, "maps left");
        assert_eq!(new(&self.links, &before.links), nothing, "links left");
        assert_eq!(self.descriptors, before.descriptors, "descriptors left");
    }
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, maps, links, descriptors, used_kib } = self;
        write!(
            f,
            "{} programs, {} maps, {} links, {} descriptors, {} MiB used on the machine",
            programs.len(),
            maps.len(),
            links.len(),
            descriptors.len(),
            used_kib >> 10
        )
    }
}

/// Others load programs, too, and not only while this test does not look.
fn program_is_ours(id: &u32) -> bool {
    let name = Program::by_id(*id).map(|program| program.name().to_owned());
    name.is_ok_and(|name| name.starts_with("hardwire") || name == "generator")
}

fn map_is_ours(id: &u32) -> bool {
    const NAMES: [&str; 10] = [
        "counters",
        "hits",
        "scratch",
        "state",
        "tails",
        "control",
        "events",
        "record",
        "description",
        "base",
    ];
    Map::by_id(*id).is_ok_and(|map| NAMES.contains(&map.spec().name.as_str()))
}

fn used_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("mounted");
    let field = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).expect("there");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    };
    field("MemTotal:") - field("MemAvailable:")
}
