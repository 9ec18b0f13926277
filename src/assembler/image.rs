//! A program before it is loaded: instructions, map specs and origins. Immutable.

use std::{borrow::Cow, collections::HashMap};

use super::{Insn, MapKind, MapSpec, Origin, encode};

/// Program types that Hardwire generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProgramKind {
    /// `BPF_PROG_TYPE_SOCKET_FILTER`.
    SocketFilter,
    /// `BPF_PROG_TYPE_SCHED_CLS`.
    SchedCls,
    /// `BPF_PROG_TYPE_XDP`.
    Xdp,
}

impl ProgramKind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::SocketFilter, Self::SchedCls, Self::Xdp];

    /// The kernel's number (`enum bpf_prog_type` in `include/uapi/linux/bpf.h`).
    pub const fn id(self) -> u32 {
        match self {
            Self::SocketFilter => 1,
            Self::SchedCls => 3,
            Self::Xdp => 6,
        }
    }

    /// The kernel's name, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SocketFilter => "socket_filter",
            Self::SchedCls => "sched_cls",
            Self::Xdp => "xdp",
        }
    }
}

/// A function of the program; the first one starts at slot 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its name, as shown in logs and dumps.
    pub name: String,
    /// Its first slot.
    pub slot: u32,
    /// Of a *global* function, which the verifier judges once and on its own (Linux 5.6), how many 32-bit
    /// numbers it takes besides the context. Its result is any number to whoever calls it. `None`: it
    /// is judged wherever it is called.
    pub global: Option<u8>,
}

/// What a map holds before the program first runs. Only for arrays of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The index of the map.
    pub map: usize,
    /// Its value; as many bytes as the map's values have.
    pub bytes: Vec<u8>,
}

/// All that an image is made from, for those who have it ready: readers of objects.
#[derive(Clone, Debug)]
pub struct Parts {
    /// At most 15 bytes of letters, digits, `_` and `.`.
    pub name: String,
    /// The program type.
    pub kind: ProgramKind,
    /// Does it read XDP fragments?
    pub frags: bool,
    /// The instructions; maps are referred to by index.
    pub insns: Vec<Insn>,
    /// The maps.
    pub maps: Vec<MapSpec>,
    /// What maps hold from the start.
    pub contents: Vec<Contents>,
    /// Why instructions exist: each from the instruction with this index on. Ascending; the first
    /// one is for index 0.
    pub origins: Vec<(usize, Origin)>,
    /// The functions, in order of their slots; the first one is at slot 0.
    pub functions: Vec<Function>,
    /// What decides about GPL-only helpers.
    pub licence: String,
}

/// The licence of what is assembled here: the generated program is derived from nothing of the
/// kernel's, and calls helpers that ask for it.
pub(super) const LICENCE: &str = "GPL";

/// A program before loading. Made by [`Assembler::finish`](super::Assembler::finish); nothing
/// changes it afterwards, and loading patches map descriptors into a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramImage {
    pub(super) name: String,
    pub(super) kind: ProgramKind,
    pub(super) frags: bool,
    pub(super) insns: Vec<Insn>,
    pub(super) slots: Vec<u32>,
    pub(super) slot_count: u32,
    pub(super) origin_of: Vec<u32>,
    pub(super) origins: Vec<Origin>,
    pub(super) maps: Vec<MapSpec>,
    pub(super) functions: Vec<Function>,
    pub(super) contents: Vec<Contents>,
    pub(super) licence: Cow<'static, str>,
    pub(super) tails: Vec<ProgramImage>,
}

impl ProgramImage {
    /// An image of its parts. No structural check is made; see [`check`](super::check::check).
    ///
    /// # Panics
    ///
    /// If there is no origin for the first instruction, or more than 2^32 of them.
    pub fn from_parts(parts: Parts) -> Self {
        let (slots, slot_count) = slots_of(&parts.insns);
        assert!(parts.origins.first().is_some_and(|(from, _)| *from == 0), "an origin for all");
        let mut origins: Vec<Origin> = Vec::new();
        let mut numbers: HashMap<Origin, u32> = HashMap::new();
        let mut origin_of = Vec::with_capacity(parts.insns.len());
        let ends = parts.origins.iter().skip(1).map(|(from, _)| *from).chain([parts.insns.len()]);
        for ((_, origin), end) in parts.origins.iter().zip(ends) {
            let next = u32::try_from(origins.len()).expect("fewer origins than instructions");
            let number = *numbers.entry(origin.clone()).or_insert(next);
            if number == next {
                origins.push(origin.clone());
            }
            origin_of.resize(end.min(parts.insns.len()).max(origin_of.len()), number);
        }
        Self {
            name: parts.name,
            kind: parts.kind,
            frags: parts.frags,
            insns: parts.insns,
            slots,
            slot_count,
            origin_of,
            origins,
            maps: parts.maps,
            functions: parts.functions,
            contents: parts.contents,
            licence: parts.licence.into(),
            tails: Vec::new(),
        }
    }

    /// An image of instructions whose jumps are already resolved: decoded bytes, assembled text.
    /// Every instruction has the origin `origin`. No structural check is made; see
    /// [`check`](super::check::check).
    pub fn from_insns(
        name: impl Into<String>,
        kind: ProgramKind,
        insns: Vec<Insn>,
        maps: Vec<MapSpec>,
        origin: Origin,
    ) -> Self {
        let (slots, slot_count) = slots_of(&insns);
        Self {
            name: name.into(),
            kind,
            frags: false,
            origin_of: vec![0; insns.len()],
            insns,
            slots,
            slot_count,
            origins: vec![origin],
            maps,
            functions: vec![Function { name: "main".to_owned(), slot: 0, global: None }],
            contents: Vec::new(),
            licence: Cow::Borrowed(LICENCE),
            tails: Vec::new(),
        }
    }

    /// Its name: at most 15 bytes of letters, digits, `_` and `.`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its program type.
    pub fn kind(&self) -> ProgramKind {
        self.kind
    }

    /// Does it read XDP fragments, so that it must be loaded with `BPF_F_XDP_HAS_FRAGS`?
    pub fn frags(&self) -> bool {
        self.frags
    }

    /// The instructions, in order.
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }

    /// The first slot of the instruction with this index.
    ///
    /// # Panics
    ///
    /// If there is no such instruction.
    pub fn slot_of(&self, index: usize) -> u32 {
        self.slots[index]
    }

    /// The index of the instruction that occupies `slot` (for the second half of a wide
    /// instruction too), or nothing beyond the end.
    pub fn index_at(&self, slot: u32) -> Option<usize> {
        if slot >= self.slot_count {
            return None;
        }
        Some(self.slots.partition_point(|&s| s <= slot) - 1)
    }

    /// How many slots it has.
    pub fn slot_count(&self) -> u32 {
        self.slot_count
    }

    /// Why the instruction with this index exists.
    ///
    /// # Panics
    ///
    /// If there is no such instruction.
    pub fn origin(&self, index: usize) -> &Origin {
        let number = usize::try_from(self.origin_of[index]).expect("an index of this vector");
        &self.origins[number]
    }

    /// The number of the origin of the instruction with this index, in
    /// [`origins`](Self::origins). Runs of one number are explained once.
    ///
    /// # Panics
    ///
    /// If there is no such instruction.
    pub fn origin_number(&self, index: usize) -> u32 {
        self.origin_of[index]
    }

    /// All origins, in order of first use.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The maps, by the index that instructions use.
    pub fn maps(&self) -> &[MapSpec] {
        &self.maps
    }

    /// The functions, in order of their slots.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The index of the map with this name, if there is one.
    pub fn map_named(&self, name: &str) -> Option<usize> {
        self.maps.iter().position(|map| map.name == name)
    }

    /// What maps hold from the start.
    pub fn contents(&self) -> &[Contents] {
        &self.contents
    }

    /// What decides about GPL-only helpers.
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// The same program, which goes on in `tails` by tail calls: the one at position `n` is at index
    /// `n` of the program array among its maps. All of them refer to the maps of this program.
    ///
    /// # Panics
    ///
    /// If there are tails and no program array with room for them, or one of them differs in its
    /// maps, its type or in taking fragments, or has tails itself: that is a bug in the code
    /// generator, and the kernel would refuse such a program array.
    #[must_use]
    pub fn with_tails(mut self, tails: Vec<Self>) -> Self {
        let alike = |tail: &Self| {
            tail.maps == self.maps
                && tail.kind == self.kind
                && tail.frags == self.frags
                && tail.tails.is_empty()
        };
        assert!(tails.iter().all(alike), "programs of one program array are alike");
        let room = self.tails_map().and_then(|map| usize::try_from(map.1.entries_max).ok());
        assert!(tails.len() <= room.unwrap_or(0), "a program array has room for all tails");
        self.tails = tails;
        self
    }

    /// The programs that this one goes on in by tail calls; they share its maps.
    pub fn tails(&self) -> &[Self] {
        &self.tails
    }

    /// The program array that holds the [`tails`](Self::tails), with its index; the first one, if
    /// there are several.
    pub fn tails_map(&self) -> Option<(usize, &MapSpec)> {
        self.maps.iter().enumerate().find(|(_, map)| map.kind == MapKind::ProgArray)
    }

    /// This program and its [`tails`](Self::tails), in the order in which they run.
    pub fn programs(&self) -> impl Iterator<Item = &Self> {
        [self].into_iter().chain(&self.tails)
    }

    /// The slots as the kernel takes them, little endian. Map references still hold indices
    /// (`BPF_PSEUDO_MAP_IDX`).
    pub fn encode(&self) -> Vec<[u8; 8]> {
        encode::encode_all(&self.insns)
    }
}

/// The first slot of each instruction, and the number of slots.
pub(super) fn slots_of(insns: &[Insn]) -> (Vec<u32>, u32) {
    let mut next = 0;
    let slots = insns
        .iter()
        .map(|insn| {
            let here = next;
            next += insn.slots();
            here
        })
        .collect();
    (slots, next)
}
