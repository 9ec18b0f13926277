//! From a plan to instructions.
//!
//! A program is: entry (context, counters, frame length), scope (header walk), one or more passes
//! over the scope, and four exits (matched, missed, unsearched, out of scope). Everything here is a
//! function of its arguments; the bytes of the patterns become immediates.

mod bounds;
mod chain;
mod confirm;
mod direct;
mod entry;
mod exit;
mod fingerprint;
mod frame;
mod frequency;
mod multiply;
mod pair;
mod report;
mod scope;
mod set;
mod set_step;
mod source;
mod states;
mod tell;
mod walk;
mod windows;

use crate::assembler::{
    Alu, Assembler, Branch, Jmp, Label, MapKind, MapSpec, Origin, Phase, ProgramImage,
    Reg::{self, R0, R10},
    Size, Target,
};

pub(super) use self::fingerprint::usable_slots;
use self::pair::Sought;
use super::{
    CompileError, Entry, Options, event,
    gram_interval::GramInterval,
    ir::{Matcher, Report, Scope},
    lower::{Lowered, Needle, Scan},
    plan::{Access, Pass, Plan},
};

/// Bytes of the packet that one window covers, not counting the overlap with the next.
pub(super) const WINDOW_BYTES: i32 = 4096;
/// Bytes of scratch behind a window that a block may read (stale, never believed).
const SCRATCH_SLACK: i32 = 256;

/// Which program of how many is generated: they share maps, and each goes on in the next.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Counted from 0.
    pub(super) number: usize,
    /// How many there are.
    pub(super) count: usize,
    /// What all of them search together: scratch memory is the same for each.
    pub(super) whole: &'a Lowered,
}

/// The state of one generation.
pub(super) struct Gen<'a> {
    asm: Assembler,
    place: Place<'a>,
    matcher: &'a Matcher,
    lowered: &'a Lowered,
    entry: Entry,
    target: &'a Target,
    options: &'a Options,
    access: Access,
    counters: Option<i32>,
    hits: Option<i32>,
    scratch: Option<i32>,
    links: Option<chain::Links>,
    switches: exit::Switches,
    exits: Exits,
    note: Label,
    steps: Vec<states::step::Step>,
    finds: Vec<set_step::Find>,
    /// Does a pass need all of the stack, so that functions can have none of it?
    stack_is_full: bool,
    /// May a pass find a later occurrence before an earlier one?
    out_of_order: bool,
}

/// Where a frame's way ends.
#[derive(Clone, Copy)]
struct Exits {
    matched: Label,
    missed: Label,
    unsearched: Label,
    out_of_scope: Label,
}

/// Where one pass ends.
#[derive(Clone, Copy)]
struct PassExits {
    /// Everything was looked at (or the pattern was found and noted).
    done: Label,
    /// Something could not be looked at.
    lost: Label,
}

/// Generate the program that `plan` describes.
pub(super) fn generate(
    place: Place<'_>,
    matcher: &Matcher,
    lowered: &Lowered,
    entry: Entry,
    target: &Target,
    options: &Options,
    plan: &Plan,
) -> Result<ProgramImage, CompileError> {
    let name = match place.number {
        0 => "hardwire".to_owned(),
        number => format!("hardwire_{}", number + 1),
    };
    let mut asm = Assembler::new(&name, entry.kind());
    let exits = Exits {
        matched: asm.label(),
        missed: asm.label(),
        unsearched: asm.label(),
        out_of_scope: asm.label(),
    };
    let note = asm.label();
    let mut generation = Gen {
        asm,
        place,
        matcher,
        lowered,
        entry,
        target,
        options,
        access: plan.access,
        counters: None,
        hits: None,
        scratch: None,
        links: None,
        switches: exit::Switches::default(),
        exits,
        note,
        steps: Vec::new(),
        finds: Vec::new(),
        stack_is_full: plan.passes.iter().any(Pass::fills_stack),
        out_of_order: plan.passes.iter().any(|pass| matches!(pass, Pass::Fingerprints(_))),
    };
    // Without the flag the driver refuses large frames, and generic mode copies each of them into
    // one piece. Programs that search only the linear part are not for such frames.
    generation.asm.set_frags(entry == Entry::Xdp && generation.has_windows());
    generation.maps();
    generation.entry();
    if place.number == 0 {
        generation.scope();
        generation.gates(&plan.gates);
    } else {
        generation.take_over();
    }
    let fresh = place.number == 0 && plan.gates.is_empty();
    generation.passes(&plan.passes, fresh);
    generation.exits();
    Ok(generation.asm.finish(target)?)
}

impl Gen<'_> {
    fn maps(&mut self) {
        if self.options.counters {
            let spec = MapSpec {
                name: "counters".to_owned(),
                kind: MapKind::PerCpuArray,
                key_bytes: 4,
                value_bytes: size(self.counters_bytes()),
                entries_max: 1,
                flags: 0,
            };
            self.counters = Some(self.asm.map(spec));
            let spec = MapSpec {
                name: "hits".to_owned(),
                kind: MapKind::PerCpuArray,
                key_bytes: 4,
                value_bytes: size(event::HIT_BYTES),
                entries_max: size(self.matcher.patterns.len()).max(1),
                flags: 0,
            };
            self.hits = Some(self.asm.map(spec));
        }
        let places = self.places_bytes();
        if self.has_windows() || places > 0 {
            let bytes = self.scratch_bytes() + self.slide_bytes();
            // Aligned for words of places only where there are any.
            let bytes = if places > 0 { ((bytes + 7) & !7) + places } else { bytes };
            let spec = MapSpec {
                name: "scratch".to_owned(),
                kind: MapKind::PerCpuArray,
                key_bytes: 4,
                value_bytes: bytes.unsigned_abs(),
                entries_max: 1,
                flags: 0,
            };
            self.scratch = Some(self.asm.map(spec));
        }
        self.links_between_programs();
        self.switches();
    }

    /// Is scratch memory used at all?
    fn has_windows(&self) -> bool {
        match self.access {
            Access::Direct { rest } => rest,
            Access::Windows => true,
        }
    }

    /// Is there more to search, so that one found or one lost part does not decide?
    fn several(&self) -> bool {
        self.place.count > 1
            || self.out_of_order
            || self.lowered.needles.len() + self.lowered.scans.len() > 1
    }

    /// Does the end of the search ask whether anything was found on the way?
    fn collects(&self) -> bool {
        let open = |needle: &Needle| needle.walk.as_ref().is_some_and(|w| w.after.is_some());
        self.matcher.report == Report::All
            && (self.several() || self.lowered.needles.iter().any(open))
    }

    /// The longest literal, in bytes; 1 if there is none.
    fn longest(&self) -> i32 {
        let whole = self.place.whole;
        let required = whole.scans.iter().filter_map(|scan| scan.required.as_ref());
        let needles = whole.needles.iter().chain(required);
        let longest = needles.map(|needle| needle.bytes.len()).max().unwrap_or(1);
        int(longest)
    }

    /// Scratch memory of windows, in bytes.
    fn window_scratch_bytes(&self) -> i32 {
        (WINDOW_BYTES + self.longest() + SCRATCH_SLACK + 7) & !7
    }

    /// Scratch memory, in bytes.
    fn scratch_bytes(&self) -> i32 {
        let walks = self.place.whole.needles.iter().any(|needle| needle.walk.is_some());
        self.window_scratch_bytes() + if walks { walk::SCRATCH_BYTES } else { 0 }
    }

    /// Are all bytes of the frame in scope, so that the scope needs no end of its own?
    fn whole_frame(&self, pattern: &Needle) -> bool {
        self.matcher.scope != Scope::Payload
            && pattern.window.offset == 0
            && pattern.window.depth.is_none()
    }

    /// The walks. `fresh`: is everything as the header walk left it?
    fn passes(&mut self, passes: &[Pass], fresh: bool) {
        let lowered = self.lowered;
        let walks = lowered.needles.iter().any(|needle| needle.walk.is_some());
        for (number, pass) in passes.iter().enumerate() {
            let first = fresh && number == 0;
            let exits = PassExits { done: self.asm.label(), lost: self.asm.label() };
            if number > 0 {
                self.slots_alike(exits.lost);
            } else if walks {
                self.slots_filled();
            }
            match pass {
                Pass::Pair { needle, skip } => {
                    let needle = &lowered.needles[*needle];
                    let needle = Sought::new(needle, skip.as_ref(), self.target);
                    match self.access {
                        Access::Direct { rest } => self.direct_pair(&needle, first, rest, exits),
                        Access::Windows => self.window_pair(&needle, first, exits),
                    }
                }
                Pass::Fingerprints(table) => self.fingerprints(table, exits, first),
                Pass::Set { gram, needles } if !self.target.may_goto => {
                    self.set_counted(*gram, needles, exits);
                }
                Pass::Set { gram, needles } => self.set(*gram, needles, first, exits),
                Pass::States { scan, shape, required } => {
                    let scan = &lowered.scans[*scan];
                    let behind = self.required(scan, required.as_ref(), first, exits);
                    self.automaton(scan, shape, first && !behind, exits);
                }
                Pass::Parallel { scan, required } => {
                    let scan = &lowered.scans[*scan];
                    let behind = self.required(scan, required.as_ref(), first, exits);
                    self.parallel(scan, first && !behind, exits);
                }
            }
            self.say(Phase::Scan, "a part could not be searched");
            self.asm.bind(exits.lost);
            if self.asm.refers_to(exits.lost) {
                if !self.several() {
                    self.goto(self.exits.unsearched);
                } else {
                    self.asm.emit(Size::B.store_imm(R10, frame::LOST, 1));
                    // A jump, because old kernels refuse to fall into a place visited before.
                    self.goto(exits.done);
                }
            }
            self.asm.bind(exits.done);
            if !self.asm.refers_to(exits.done) {
                return; // this one always matches: nothing behind it is reached
            }
        }
        if self.place.number + 1 < self.place.count {
            self.hand_over();
            return;
        }
        self.say(Phase::Verdict, "end of the search");
        if self.collects() {
            self.asm.emit(Size::B.load(R0, R10, frame::FOUND));
            self.emit_branch(Jmp::Ne.imm(R0, 0, self.exits.matched));
        }
        if self.several() {
            self.asm.emit(Size::B.load(R0, R10, frame::LOST));
            self.emit_branch(Jmp::Ne.imm(R0, 0, self.exits.unsearched));
        }
        if self.matcher.sought() == 0 && !self.lowered.counts.is_empty() {
            // Conditions are all there is.
            self.goto(self.exits.matched);
        } else {
            self.miss();
        }
    }

    /// Look for the literal without which `scan` has no match; continues where it is there. Says
    /// whether there is one.
    fn required(
        &mut self,
        scan: &Scan,
        skip: Option<&Option<GramInterval>>,
        first: bool,
        exits: PassExits,
    ) -> bool {
        let (Some(needle), Some(skip)) = (&scan.required, skip) else { return false };
        let there = self.asm.label();
        let mut needle = Sought::new(needle, skip.as_ref(), self.target);
        needle.instead = Some(there);
        match self.access {
            Access::Direct { rest } => self.direct_pair(&needle, first, rest, exits),
            Access::Windows => self.window_pair(&needle, first, exits),
        }
        self.asm.bind(there);
        true
    }

    // Short forms. They exist so that the strategies read like the shapes they implement.

    fn say(&mut self, phase: Phase, text: impl Into<String>) {
        self.asm.origin(Origin::new(phase, text));
    }

    fn say_of(&mut self, phase: Phase, pattern: &Needle, text: impl Into<String>) {
        self.asm.origin(Origin::of_pattern(phase, pattern.id, text));
    }

    fn mov(&mut self, dst: Reg, src: Reg) {
        self.asm.emit(Alu::Mov.reg(dst, src));
    }

    fn set_imm(&mut self, dst: Reg, imm: i32) {
        self.asm.emit(Alu::Mov.imm(dst, imm));
    }

    fn add(&mut self, dst: Reg, imm: i32) {
        self.asm.emit(Alu::Add.imm(dst, imm));
    }

    fn goto(&mut self, target: Label) {
        self.asm.emit(Branch::goto(target));
    }

    fn emit_branch(&mut self, branch: Branch) {
        self.asm.emit(branch);
    }

    /// `dst = *(u32 *)(stack + slot)`.
    fn load_slot(&mut self, dst: Reg, slot: i16) {
        self.asm.emit(Size::W.load(dst, R10, slot));
    }

    /// `*(u32 *)(stack + slot) = src`.
    fn store_slot(&mut self, slot: i16, src: Reg) {
        self.asm.emit(Size::W.store(R10, slot, src));
    }

    /// `dst = *(u64 *)(stack + slot)`.
    fn load_pointer(&mut self, dst: Reg, slot: i16) {
        self.asm.emit(Size::DW.load(dst, R10, slot));
    }

    /// `*(u64 *)(stack + slot) = src`.
    fn store_pointer(&mut self, slot: i16, src: Reg) {
        self.asm.emit(Size::DW.store(R10, slot, src));
    }

    /// `dst = 0`, without the verifier knowing: two reloads of one slot are two unknowns.
    fn opaque_zero(&mut self, dst: Reg, temp: Reg) {
        self.load_slot(dst, frame::LEN);
        self.load_slot(temp, frame::LEN);
        self.asm.emit(Alu::Sub.reg(dst, temp));
    }
}

/// A length as an immediate.
///
/// # Panics
///
/// Past 2^31; lengths here are bounded by the limits of `ir`.
fn int(len: usize) -> i32 {
    i32::try_from(len).expect("bounded by LITERAL_BYTES_MAX and PATTERNS_MAX")
}

/// A length as an offset of a load.
fn off(len: i32) -> i16 {
    i16::try_from(len).expect("blocks and literals are far below 32 KiB")
}

/// A size of a map.
fn size(len: usize) -> u32 {
    u32::try_from(len).expect("bounded by PATTERNS_MAX")
}

/// Eight copies of a byte.
fn broadcast(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}
