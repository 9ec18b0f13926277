//! The maps of an object: those that it describes with types (`.maps`), those that it describes
//! with a structure (`maps`, as before libbpf 1.0), and its data sections, each of which is an
//! array of one entry.

use std::collections::HashMap;

use super::{
    ObjectError,
    container::{Container, Place, Section, SymbolKind},
    types::{Types, u32_at},
};
use crate::assembler::{ENTRIES_PER_CPU, MapKind, MapSpec};

/// Most maps of an object, and most members of the structure that describes one.
const MAPS_MAX: usize = 1024;
const MEMBERS_MAX: usize = 64;

/// Programs may not write the map (`BPF_F_RDONLY_PROG`).
const F_RDONLY_PROG: u32 = 1 << 7;

/// How an object describes a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// By types, in `.maps`.
    Types,
    /// By a structure, in `maps`.
    Structure,
    /// Not at all: it is a section of data.
    Data,
}

/// A map of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMap<'a> {
    /// Its name in the object.
    pub name: &'a str,
    /// How it is described.
    pub described: Described,
    /// The kernel's number of its type.
    pub kind: u32,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// Most entries.
    pub entries_max: u32,
    /// `BPF_F_*` flags.
    pub flags: u32,
    /// What of it is not made here: `pinning`, `values`.
    pub ignored: Vec<&'a str>,
    pub(super) section: usize,
    pub(super) offset: u64,
}

impl<'a> ObjectMap<'a> {
    /// The map as a specification.
    pub(super) fn spec(&self) -> Result<MapSpec, ObjectError> {
        let unsupported = |what: String| {
            let place = format!("map {:?}", self.name);
            Err(ObjectError::Unsupported { place, what })
        };
        if let Some(ignored) = self.ignored.first() {
            return unsupported(format!("its {ignored:?} cannot be made here"));
        }
        let kind = MapKind::ALL.iter().copied().find(|kind| kind.id() == self.kind);
        let Some(kind) = kind else {
            return unsupported(format!("maps of type {} are not made here", self.kind));
        };
        if kind == MapKind::Array && self.entries_max == ENTRIES_PER_CPU {
            return unsupported("an array has one entry or more".to_owned());
        }
        Ok(MapSpec {
            name: kernel_name(self.name),
            kind,
            key_bytes: self.key_bytes,
            value_bytes: self.value_bytes,
            entries_max: self.entries_max,
            flags: self.flags,
        })
    }

    fn new(name: &'a str, described: Described, section: usize, offset: u64) -> Self {
        Self {
            name,
            described,
            kind: 0,
            key_bytes: 0,
            value_bytes: 0,
            entries_max: 0,
            flags: 0,
            ignored: Vec::new(),
            section,
            offset,
        }
    }
}

/// The beginning of `name` as the kernel takes it.
pub(super) fn kernel_name(name: &str) -> String {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'_';
    name.bytes().take(15).map(|b| if legal(b) { char::from(b) } else { '_' }).collect()
}

/// All maps, by section and offset.
pub(super) fn read<'a>(
    container: &Container<'a>,
    types: Option<&Types<'a>>,
) -> Result<Vec<ObjectMap<'a>>, ObjectError> {
    let mut maps = Vec::new();
    if let Some((number, _)) = container.section(".maps") {
        let missing = || ObjectError::broken("maps in .maps, and no .BTF that describes them");
        by_types(container, number, types.ok_or_else(missing)?, &mut maps)?;
    }
    if let Some((number, section)) = container.section("maps") {
        by_structures(container, number, section, &mut maps)?;
    }
    for (number, section) in container.sections.iter().enumerate() {
        if let Some(map) = data(number, section)? {
            maps.push(map);
        }
    }
    if maps.len() > MAPS_MAX {
        let (what, got, limit) = ("maps", maps.len(), MAPS_MAX);
        return Err(ObjectError::Limit { what, got, limit });
    }
    maps.sort_by_key(|map| (map.section, map.offset));
    Ok(maps)
}

/// The symbols in a section of maps, each of which is one.
fn named<'a>(
    container: &Container<'a>,
    section: usize,
) -> Result<Vec<(&'a str, u64)>, ObjectError> {
    let is_map = |kind| matches!(kind, SymbolKind::Other);
    let all: Vec<_> = container
        .symbols
        .iter()
        .filter(|s| s.place == Place::Section(section) && is_map(s.kind) && !s.name.is_empty())
        .map(|s| (s.name, s.offset))
        .collect();
    if all.len() > MAPS_MAX {
        return Err(ObjectError::Limit { what: "maps", got: all.len(), limit: MAPS_MAX });
    }
    Ok(all)
}

fn by_types<'a>(
    container: &Container<'a>,
    section: usize,
    types: &Types<'a>,
    maps: &mut Vec<ObjectMap<'a>>,
) -> Result<(), ObjectError> {
    let variables: HashMap<&str, u32> = types.variables(".maps").into_iter().collect();
    for (name, offset) in named(container, section)? {
        let broken = |what: String| ObjectError::broken(format!("map {name:?}: {what}"));
        let members = variables.get(name).and_then(|&ty| types.members(ty));
        let members = members.ok_or_else(|| broken("no structure describes it".to_owned()))?;
        let mut map = ObjectMap::new(name, Described::Types, section, offset);
        for (count, member) in members.enumerate() {
            if count >= MEMBERS_MAX {
                let what = format!("its structure has more than {MEMBERS_MAX} members");
                return Err(broken(what));
            }
            let pointee = types.pointee(member.ty);
            let number = pointee.and_then(|array| types.elements(array));
            let size = pointee.and_then(|ty| types.size(ty));
            let of = |value: Option<u32>| {
                value.ok_or_else(|| broken(format!("its member {:?} is no number", member.name)))
            };
            match member.name {
                "type" => map.kind = of(number)?,
                "key_size" => map.key_bytes = of(number)?,
                "value_size" => map.value_bytes = of(number)?,
                "max_entries" => map.entries_max = of(number)?,
                "map_flags" => map.flags = of(number)?,
                "key" => map.key_bytes = of(size)?,
                "value" => map.value_bytes = of(size)?,
                // A node of memory is a wish, and a name in the file system is not made unasked.
                "numa_node" | "pinning" => {}
                other => map.ignored.push(other),
            }
        }
        maps.push(map);
    }
    Ok(())
}

/// `struct bpf_map_def`, and what begins alike: type, sizes of key and value, entries, flags.
const STRUCTURE_BYTES: usize = 20;

fn by_structures<'a>(
    container: &Container<'a>,
    number: usize,
    section: &Section<'a>,
    maps: &mut Vec<ObjectMap<'a>>,
) -> Result<(), ObjectError> {
    for (name, offset) in named(container, number)? {
        let bytes = usize::try_from(offset).ok().and_then(|at| section.bytes.get(at..));
        let Some(bytes) = bytes.filter(|bytes| bytes.len() >= STRUCTURE_BYTES) else {
            let (size, what) = (section.bytes.len(), "its structure is cut off");
            let what = format!("map {name:?} at byte {offset} of {size}: {what}");
            return Err(ObjectError::broken(what));
        };
        let word = |at| u32_at(bytes, at).unwrap_or_default();
        let map = ObjectMap::new(name, Described::Structure, number, offset);
        maps.push(ObjectMap {
            kind: word(0),
            key_bytes: word(4),
            value_bytes: word(8),
            entries_max: word(12),
            flags: word(16),
            ..map
        });
    }
    Ok(())
}

/// A section of data as a map; nothing if it is none, or empty.
fn data<'a>(number: usize, section: &Section<'a>) -> Result<Option<ObjectMap<'a>>, ObjectError> {
    let is = |name: &str| {
        section.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if !section.is_data || section.size == 0 || ![".data", ".rodata", ".bss"].into_iter().any(is) {
        return Ok(None);
    }
    let Ok(value_bytes) = u32::try_from(section.size) else {
        let what = format!("section {:?} has {} bytes", section.name, section.size);
        return Err(ObjectError::broken(what));
    };
    let map = ObjectMap::new(section.name, Described::Data, number, 0);
    Ok(Some(ObjectMap {
        kind: MapKind::Array.id(),
        key_bytes: 4,
        value_bytes,
        entries_max: 1,
        flags: if section.is_writable { 0 } else { F_RDONLY_PROG },
        ..map
    }))
}
