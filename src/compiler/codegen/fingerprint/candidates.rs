//! Which literal is it, and is it there?
//!
//! A tree over the slots in use, behind a sieve (`sieve`); for slots that many literals share, trees over four bytes that all
//! of these have somewhere around the look; then each literal that is left is compared in full.

use super::{BEGIN, POS, PTR, Place, Scan, Set};
use crate::{
    assembler::{
        Alu, Jmp, Label, Phase,
        Reg::{R0, R1, R2, R4},
        Size,
    },
    compiler::{
        codegen::{
            Gen,
            confirm::pieces,
            direct::clamp,
            frame, int,
            walk::{Source, WalkExits},
        },
        fingerprint::Member,
        ir::{Scope, Window},
        lower::{Needle, Walk},
    },
};

/// Up to so many literals are compared one after the other; where a match is counted only one, because
/// the code for what follows is as long as a tree.
const IN_A_ROW: (usize, usize) = (3, 1);
/// Places where to look for a difference between literals.
const PLACES_MAX: i32 = 32;

/// Bytes that tell literals apart.
struct Difference {
    /// Where they begin, counted from the look.
    at: i32,
    size: Size,
    fold: u32,
    /// The values, ascending, and who has each.
    groups: Vec<(u32, Vec<Member>)>,
}

impl Gen<'_> {
    /// A look may have found something at `POS`.
    pub(super) fn fingerprint_found(&mut self, set: &Set, scan: &mut Scan) {
        self.asm.bind(scan.candidate);
        self.launder(POS);
        self.address(scan.place, PTR, POS, set.span, scan.lost);
        let labels: Vec<(u32, Label)> = (set.table.slots.iter())
            .map(|slot| (crate::compiler::number::small(slot.number), self.asm.label()))
            .collect();
        self.which_slot(set, scan, &labels);
        for (slot, &(_, label)) in set.table.slots.iter().zip(&labels) {
            self.asm.bind(label);
            self.which(set, scan, slot.members.clone());
        }
        self.rests(scan);
        self.walks(set, scan);
        self.say(Phase::Scan, "go on behind the look");
        self.asm.bind(scan.resume);
        self.add(POS, set.stride);
        self.last_block_of(set, scan);
        self.goto(scan.head);
    }

    /// One of `members` may be here.
    fn which(&mut self, set: &Set, scan: &mut Scan, mut members: Vec<Member>) {
        let in_a_row = if self.counters.is_some() { IN_A_ROW.1 } else { IN_A_ROW.0 };
        while members.len() > in_a_row {
            let difference = set.difference(&members);
            if difference.groups.len() > 1 {
                self.branch_out(set, scan, &difference);
                return;
            }
            // What they have in common is equal: those that end first, and then the others again.
            let behind = |member: &Member| set.needles[member.word].bytes.len() - member.at;
            let least = members.iter().map(behind).min().unwrap_or(0);
            let (now, later): (Vec<_>, Vec<_>) =
                members.into_iter().partition(|member| behind(member) == least);
            members = later;
            if members.is_empty() {
                members = now;
                break;
            }
            for member in now {
                self.literal(set, scan, member);
            }
        }
        let Some(last) = members.pop() else { return };
        for member in members {
            self.literal(set, scan, member);
        }
        self.last_literal(set, scan, last);
    }

    fn branch_out(&mut self, set: &Set, scan: &mut Scan, difference: &Difference) {
        let Difference { at, size, fold, ref groups } = *difference;
        self.say(
            Phase::Scan,
            format!("which of {} by {} bytes at {at:+}", groups.len(), size.bytes()),
        );
        self.begin_at_look();
        if at != 0 {
            self.add(BEGIN, at);
        }
        // All of them have these bytes, so that none is here if the bytes are not.
        self.address(scan.place, R4, BEGIN, i32::from(size.bytes()), scan.resume);
        self.asm.emit(size.load(R0, R4, 0));
        if fold != 0 {
            self.asm.emit(Alu::Or.imm32(R0, fold.cast_signed()));
        }
        let labels: Vec<(u32, Label)> =
            groups.iter().map(|(value, _)| (*value, self.asm.label())).collect();
        self.tree(&labels, scan.resume);
        for ((_, members), (_, label)) in groups.iter().zip(labels) {
            self.asm.bind(label);
            self.which(set, scan, members.clone());
        }
    }

    /// [`BEGIN`] = the position of the look, which is still in the slot that made the verifier forget
    /// it: a copy of [`POS`] would share its range.
    fn begin_at_look(&mut self) {
        self.load_slot(BEGIN, frame::LAUNDER);
    }

    /// Compare one literal, and note it. Continues behind the code.
    fn literal(&mut self, set: &Set, scan: &Scan, member: Member) {
        let needle = &set.needles[member.word];
        let (next, again) = (self.asm.label(), self.asm.label());
        self.compare_at_look(scan.place, needle, member.at, next);
        if let Some(walk) = &needle.walk {
            self.judge_at_look(scan, needle, walk, next);
            self.asm.bind(next);
            return;
        }
        self.settle(scan.place, int(needle.bytes.len()), needle.window, [next, again]);
        self.asm.bind(again);
        self.registers_again(scan.place, again);
        self.asm.bind(next);
    }

    /// The same for the last one that may be there. All such literals of one length share the rest, and
    /// all looks at one literal its walk.
    fn last_literal(&mut self, set: &Set, scan: &mut Scan, member: Member) {
        let needle = &set.needles[member.word];
        self.compare_at_look(scan.place, needle, member.at, scan.resume);
        if needle.walk.is_some() {
            let known = scan.walks.iter().find(|walk| walk.0 == member.word);
            let label = known.map_or_else(|| self.asm.label(), |walk| walk.1);
            if known.is_none() {
                scan.walks.push((member.word, label));
            }
            self.goto(label);
            return;
        }
        let (len, window) = (int(needle.bytes.len()), needle.window);
        let known = scan.rests.iter().find(|rest| (rest.0, rest.1) == (len, window));
        let label = known.map_or_else(|| self.asm.label(), |rest| rest.2);
        if known.is_none() {
            scan.rests.push((len, window, label));
        }
        self.goto(label);
    }

    /// What literals of one length share.
    fn rests(&mut self, scan: &mut Scan) {
        let again = self.asm.label();
        for (len, window, label) in std::mem::take(&mut scan.rests) {
            self.asm.bind(label);
            self.settle(scan.place, len, window, [scan.resume, again]);
        }
        self.asm.bind(again);
        self.registers_again(scan.place, again);
    }

    /// What follows where a literal with a walk was found, whichever look it was that found it.
    fn walks(&mut self, set: &Set, scan: &mut Scan) {
        for (word, label) in std::mem::take(&mut scan.walks) {
            self.asm.bind(label);
            let needle = &set.needles[word];
            let walk = needle.walk.as_ref().expect("only these are noted");
            self.judge_at_look(scan, needle, walk, scan.resume);
        }
    }

    /// Registers that a call has taken, if there was one before `again`.
    fn registers_again(&mut self, place: Place, again: Label) {
        if self.asm.refers_to(again) {
            self.say(Phase::Report, "the call has taken the registers");
            self.base(place);
        }
    }

    /// Is the literal here, of which the look has seen what is `at` bytes behind its start? If so, its
    /// start is in [`BEGIN`], and its index where it is noted.
    fn compare_at_look(&mut self, place: Place, needle: &Needle, at: usize, miss: Label) {
        self.say_of(Phase::Bounds, needle, format!("would begin {at} bytes before"));
        self.begin_at_look();
        if at > 0 {
            self.add(BEGIN, -int(at));
        }
        self.address(place, R4, BEGIN, int(needle.bytes.len()), miss);
        for piece in pieces(needle) {
            self.compare(needle, piece, R4, 0, miss);
        }
        if needle.index > 0 {
            self.name_match(needle.index);
        } else if self.counters.is_some() {
            // A zero that the verifier does not know: see `forget_key`.
            self.mov(R0, BEGIN);
            self.asm.emit(Alu::Sub.reg(R0, R0));
            self.store_slot(frame::KEY, R0);
        }
    }

    /// A literal with a walk is at [`BEGIN`]: is it a match? Goes on at `next`, whatever comes of it.
    fn judge_at_look(&mut self, scan: &Scan, needle: &Needle, walk: &Walk, next: Label) {
        let place = scan.place;
        let back = self.asm.label();
        self.say_of(Phase::Bounds, needle, "inside the scope and the window");
        if place == Place::Window || self.scope_may_end_first() {
            self.mov(R1, BEGIN);
            self.add(R1, int(needle.bytes.len()));
            self.load_slot(R0, place.high());
            self.emit_branch(Jmp::Gt.reg(R1, R0, next));
        }
        self.mov(R1, BEGIN);
        if place == Place::Window {
            self.load_slot(R0, frame::WINDOW);
            self.asm.emit(Alu::Add.reg(R1, R0));
        }
        self.load_slot(R0, frame::START);
        if needle.window.offset > 0 {
            self.add(R0, clamp(u64::from(needle.window.offset)));
        }
        self.emit_branch(Jmp::Lt.reg(R1, R0, next));
        self.store_slot(frame::AT, R1);
        let source = match place {
            Place::Linear => Source::Linear { beyond: scan.beyond },
            Place::Window => {
                self.load_slot(frame::OFF, frame::WINDOW);
                Source::Window
            }
        };
        let exits = WalkExits { next: back, done: back, lost: scan.lost };
        self.judge(needle, walk, source, exits);
        self.say_of(Phase::Scan, needle, "on behind it");
        self.join(back, &[], scan.lost);
        self.base(place);
        self.load_slot(POS, frame::LAUNDER);
        self.goto(next);
    }

    /// A literal of `len` bytes is at [`BEGIN`]: does it count? Ends in `miss`, or where a match ends.
    fn settle(&mut self, place: Place, len: i32, window: Window, [miss, again]: [Label; 2]) {
        self.say(Phase::Bounds, format!("{len} bytes, inside the scope and the window"));
        if place == Place::Window || self.scope_may_end_first() {
            self.mov(R1, BEGIN);
            self.add(R1, len);
            self.load_slot(R0, place.high());
            self.emit_branch(Jmp::Gt.reg(R1, R0, miss));
        }
        let limited = window != Window::default();
        if self.matcher.scope == Scope::Payload || limited || self.counters.is_some() {
            self.mov(R1, BEGIN);
            if place == Place::Window {
                self.load_slot(R0, frame::WINDOW);
                self.asm.emit(Alu::Add.reg(R1, R0));
            }
            self.load_slot(R0, frame::START);
            self.emit_branch(Jmp::Lt.reg(R1, R0, miss));
            self.asm.emit(Alu::Sub.reg(R1, R0));
        }
        // `r1` = where it begins in the scope.
        if window.offset > 0 {
            self.emit_branch(Jmp::Lt.imm(R1, clamp(u64::from(window.offset)), miss));
        }
        if let Some(end) = window.end() {
            self.emit_branch(Jmp::SGt.imm(R1, clamp(end) - len, miss));
        }
        self.say(Phase::Report, "found");
        if self.counters.is_some() {
            self.mov(R2, R1);
            self.add(R2, len);
        }
        self.found_by_key(again);
    }
}

impl Set<'_> {
    /// Bytes that all of `members` have, at the place where they differ most.
    fn difference(&self, members: &[Member]) -> Difference {
        let before = members.iter().map(|m| int(m.at)).min().unwrap_or(0);
        let len = |m: &Member| self.needles[m.word].bytes.len();
        let behind = members.iter().map(|m| int(len(m) - m.at)).min().unwrap_or(0);
        let size = match before + behind {
            0 | 1 => Size::B,
            2 | 3 => Size::H,
            _ => Size::W,
        };
        let folds = members.iter().any(|m| self.needles[m.word].ignore_case);
        let bytes = usize::from(size.bytes());
        let mut fold = [0; 4];
        if folds {
            fold[..bytes].fill(0x20);
        }
        let fold = u32::from_le_bytes(fold);
        let value = |member: &Member, at: i32| {
            let start = usize::try_from(int(member.at) + at).expect("inside the literal");
            let mut value = [0; 4];
            value[..bytes].copy_from_slice(&self.needles[member.word].bytes[start..start + bytes]);
            u32::from_le_bytes(value) | fold
        };
        let last = behind - i32::from(size.bytes());
        let first = (-before).max(last - PLACES_MAX);
        let distinct = |at: i32| {
            let mut values: Vec<u32> = members.iter().map(|member| value(member, at)).collect();
            values.sort_unstable();
            values.dedup();
            values.len()
        };
        let at = (first..=last).max_by_key(|&at| (distinct(at), -at.abs())).unwrap_or(0);
        let mut sorted: Vec<(u32, Member)> =
            members.iter().map(|member| (value(member, at), *member)).collect();
        sorted.sort_unstable();
        let groups = sorted
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| (group[0].0, group.iter().map(|&(_, member)| member).collect()))
            .collect();
        Difference { at, size, fold, groups }
    }
}
