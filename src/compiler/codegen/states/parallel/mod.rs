//! All places of an expression at once, as code: for what has no automaton of a size that can be had.
//!
//! Which places are pending is kept in scratch memory of this CPU, as bits in words and as counters
//! ([`Parallel`] says what stands for what). A round of the loop reads one byte: compares find its class, the code
//! of the class leaves of what is pending what reads such a byte, and the code of the step, which
//! most classes share, makes of that what is pending next. Masks are immediates: the expression is the
//! code, memory holds only how far the search has come.
//!
//! - The words are there twice: classes read what is *pending* and write what is *read*; steps read that and
//!   write what is pending. So nothing is lost on the way, whatever the order.
//! - If nothing is read, what is pending is what a search begins with. The pass knows when that is so
//!   already, and then may skip what no match begins with ([`super::skip`]); an expression that cannot
//!   begin here is over.
//!
//! Why the verifier accepts it at any size: it does not follow what is in a map, so nothing but the offset lives from
//! round to round, and that is unknown from the start. Every instruction is explored once, and
//! again behind branches until the next place where all that is known is the same: there are no more
//! than a few such branches in a row. The cost is linear in the code, and the code in the expression.
//!
//! Cost: some ten instructions for each word and each counter, and three for each jump of a word in which
//! something is read. That is several times what an automaton takes, and does not depend on the packet.

mod bits;

use super::{Cursor, Gen, PassExits, Reader, STATE, Skipping, ZERO, dispatcher};
use crate::{
    assembler::{
        Alu, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R4, R6},
        Size,
    },
    compiler::{
        automaton::{
            Next,
            decide::Decision,
            parallel::{Class, Parallel, Set, Start, Step, mask},
        },
        codegen::{
            frame::{self, OFF, PTR},
            int, off,
        },
        lower::Scan,
        plan::Access,
    },
};

/// Where scratch memory begins, once the byte is read.
const BASE: Reg = PTR;
/// [`STATE`]: nothing is pending but what a search begins with.
const IDLE: i32 = 0;
/// [`STATE`]: something else may be.
const BUSY: i32 = 1;

/// One pass over the places of an expression.
struct Course<'a> {
    reader: Reader<'a>,
    parallel: &'a Parallel,
    decision: Decision,
    /// Offset in scratch memory of the words of what is read; what is pending is behind them.
    read: i32,
}

/// Where the code of a loop is.
struct Places {
    cursor: Cursor,
    head: Label,
    /// By class.
    classes: Vec<Label>,
    /// By step: something was read; nothing was.
    steps: Vec<[Label; 2]>,
    /// A match ends in front of the byte that was just read; behind it.
    before: Label,
    here: Label,
}

impl Course<'_> {
    /// Offset of a word of bits, or behind those of a counter, of what is read.
    fn read(&self, slot: usize) -> i16 {
        off(self.read + 8 * int(slot))
    }

    /// The same of what is pending.
    fn pending(&self, slot: usize) -> i16 {
        off(self.read + 8 * int(self.parallel.slots() + slot))
    }

    /// The slot of a counter.
    fn counter(&self, counter: usize) -> usize {
        self.parallel.words + counter
    }

    /// Can nothing begin any more?
    fn ends_early(&self) -> bool {
        self.parallel.idle().is_some_and(Set::is_empty)
    }
}

impl Gen<'_> {
    /// Bytes of scratch memory for what is pending, of all passes.
    pub(in crate::compiler::codegen) fn places_bytes(&self) -> i32 {
        let scans = self.place.whole.scans.iter();
        let slots = scans.filter_map(|scan| scan.parallel.as_ref()).map(Parallel::slots).max();
        16 * int(slots.unwrap_or(0))
    }

    /// A pass over the places of one expression.
    pub(in crate::compiler::codegen) fn parallel(
        &mut self,
        scan: &Scan,
        first: bool,
        exits: PassExits,
    ) {
        let parallel = scan.parallel.as_ref().expect("the plan chose places that there are");
        let (matched, ended) = (self.asm.label(), self.asm.label());
        let reader = Reader { scan, late: parallel.late(), exits, matched, ended };
        let decision = Decision::of(&parallel.as_state());
        let read = (self.scratch_bytes() + self.slide_bytes() + 7) & !7;
        let course = Course { reader, parallel, decision, read };
        self.reads(&course.reader);
        let begins = match (&parallel.start, scan.window.offset) {
            (Start::Match, 0) => {
                self.mov(R2, OFF);
                self.goto(matched);
                false
            }
            (Start::Pending(set), 0) if set.is_empty() && course.ends_early() => {
                self.goto(exits.done);
                false
            }
            (Start::Match | Start::Pending(_), _) => true,
        };
        if begins {
            if let Access::Direct { .. } = self.access {
                self.find_scratch(exits.lost);
            }
            self.begin_places(&course);
            match self.access {
                Access::Direct { rest } => {
                    let beyond = if rest { self.asm.label() } else { exits.lost };
                    self.direct_places(&course, beyond);
                    if rest {
                        self.asm.bind(beyond);
                        self.window_places(&course, false, false);
                    }
                }
                Access::Windows => self.window_places(&course, first, true),
            }
        }
        self.end_of_places(&course);
        self.report_end(&course.reader);
    }

    /// What is pending at the start. `OFF` stays.
    fn begin_places(&mut self, course: &Course) {
        let parallel = course.parallel;
        self.asm.origin(course.reader.origin(Phase::Scan, "what a search begins with"));
        self.load_pointer(BASE, frame::SCRATCH);
        let none = Set::default();
        let start = match &parallel.start {
            Start::Pending(set) if course.reader.scan.window.offset == 0 => set,
            Start::Match | Start::Pending(_) => &none,
        };
        self.write_pending(course, start);
        let state = if parallel.idle() == Some(start) { IDLE } else { BUSY };
        self.opaque_zero(ZERO, R0);
        self.set_state(state);
    }

    /// `STATE` = `state`, and the verifier does not know.
    fn set_state(&mut self, state: i32) {
        self.set_imm(STATE, state);
        self.asm.emit(Alu::Xor.reg(STATE, ZERO));
    }

    fn new_places(&mut self, course: &Course, window: bool) -> Places {
        let mut label = || self.asm.label();
        Places {
            cursor: Cursor::new(window),
            head: label(),
            classes: course.parallel.classes.iter().map(|_| label()).collect(),
            steps: course.parallel.steps.iter().map(|_| [label(), label()]).collect(),
            before: label(),
            here: label(),
        }
    }

    /// The linear part, from `OFF` on; what lies behind it is read at `beyond`.
    fn direct_places(&mut self, course: &Course, beyond: Label) {
        let reader = &course.reader;
        self.asm.origin(reader.origin(Phase::Scan, "the linear part"));
        self.fresh_pointers();
        self.linear_read_end(reader);
        self.write_slots(&dispatcher::SLOTS);
        let places = self.new_places(course, false);
        let end = self.asm.label();
        self.asm.origin(reader.origin(Phase::Scan, "byte by byte"));
        self.loop_head(places.head, (frame::ROUND, 0), &[R0, R1, R4, R6], true, reader.exits.lost);
        self.skip_places(course, &places);
        self.emit_branch(Jmp::Gt.imm(OFF, places.cursor.max - 1, beyond));
        self.direct_round(1, end, reader.exits.lost);
        self.read_place(course, &places);
        self.asm.bind(end);
        // All of the linear part is read; is that all?
        self.load_slot(R0, reader.end_slot());
        self.emit_branch(Jmp::Lt.reg(OFF, R0, beyond));
        self.mov(R2, OFF);
        self.goto(reader.ended);
        self.places(course, &places);
    }

    /// The frame from `OFF` on through windows. `first`: is the first window there already? `starts`: does
    /// the pass begin here?
    fn window_places(&mut self, course: &Course, first: bool, starts: bool) {
        let reader = &course.reader;
        let places = self.new_places(course, true);
        let (window, next, ready) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.asm.origin(reader.origin(Phase::Scan, "windows of the frame"));
        self.write_slots(&dispatcher::SLOTS);
        if !first {
            self.write_slots(&[frame::WIN]);
        }
        if !starts {
            self.opaque_zero(ZERO, R0);
        }
        if first {
            self.reuse_window(reader);
            self.goto(ready);
        }
        let dead = [R0, R1, R2, frame::DATA_END, R4, ZERO, R6, dispatcher::INNER];
        self.loop_head(window, (frame::ROUND, 0), &dead, !first, reader.exits.lost);
        self.copy_window(reader);
        self.asm.bind(ready);
        // All ways to the loop look alike, so that it is explored once.
        self.launder(OFF);
        self.launder(dispatcher::INNER);
        self.opaque_zero(ZERO, R0);
        self.asm.origin(reader.origin(Phase::Scan, "byte by byte of the window"));
        let dead = [R0, R1, R4, R6];
        self.loop_head(places.head, (frame::ROUND_INNER, 0), &dead, true, reader.exits.lost);
        self.skip_places(course, &places);
        self.window_round(1, next, next);
        self.read_place(course, &places);
        self.asm.origin(reader.origin(Phase::Scan, "this window is finished"));
        self.asm.bind(next);
        self.asm.emit(Alu::Add.reg(OFF, dispatcher::INNER));
        self.goto(window);
        self.places(course, &places);
    }

    fn skip_places(&mut self, course: &Course, places: &Places) {
        if let Some(skip) = &course.parallel.skip {
            let reader = &course.reader;
            let run = Skipping { reader, skip, first: 0, count: 1, number: IDLE };
            self.skip(&run, &places.cursor);
        }
    }

    /// On to the class of the byte at `PTR`.
    fn read_place(&mut self, course: &Course, places: &Places) {
        self.asm.emit(Size::B.load(R0, PTR, 0));
        self.load_pointer(BASE, frame::SCRATCH);
        self.decide(&course.decision, None, &mut |_, next| match next {
            Next::State(class) => places.classes[class],
            Next::Dead | Next::MatchBefore | Next::MatchHere => {
                unreachable!("classes stand for states")
            }
        });
    }

    /// The code of all classes and steps, and where they say that a match ends.
    fn places(&mut self, course: &Course, places: &Places) {
        let Course { reader, parallel, .. } = course;
        for (number, class) in parallel.classes.iter().enumerate() {
            self.asm.origin(reader.origin(Phase::Scan, format!("bytes of class {number}")));
            self.asm.bind(places.classes[number]);
            self.class(course, places, class);
        }
        for (number, step) in parallel.steps.iter().enumerate() {
            let [moves, rests] = places.steps[number];
            self.asm.origin(reader.origin(Phase::Scan, "what is pending behind this byte"));
            self.asm.bind(moves);
            if self.asm.refers_to(moves) {
                self.step(course, step, places.here);
                self.set_state(BUSY);
                self.goto(places.head);
            }
            self.asm.origin(reader.origin(Phase::Scan, "nothing was read: a search may begin"));
            self.asm.bind(rests);
            if self.asm.refers_to(rests) {
                self.rest(course, places, step);
            }
        }
        self.asm.origin(reader.origin(Phase::Scan, "a match: where does it end?"));
        let Cursor { at, base, .. } = places.cursor;
        for (label, back) in [(places.before, 1), (places.here, 0)] {
            self.asm.bind(label);
            if !self.asm.refers_to(label) {
                continue;
            }
            self.mov(R2, at);
            if let Some(base) = base {
                self.asm.emit(Alu::Add.reg(R2, base));
            }
            if back > 0 {
                self.add(R2, -back);
            }
            self.goto(reader.matched);
        }
    }

    /// What is read of what is pending.
    fn class(&mut self, course: &Course, places: &Places, class: &Class) {
        let parallel = course.parallel;
        for &(word, bits) in &class.late {
            self.asm.emit(Size::DW.load(R1, BASE, course.pending(word)));
            self.leave_if_any(R1, bits, places.before);
        }
        let [moves, rests] = places.steps[class.step];
        if parallel.steps[class.step].found {
            self.goto(places.here);
            return;
        }
        if class.is_idle() {
            self.goto(rests);
            return;
        }
        if parallel.idle().is_some_and(|idle| class.ignores(idle)) {
            self.emit_branch(Jmp::Eq.imm32(STATE, IDLE, places.head));
        }
        let mut any = false;
        for slot in 0..parallel.slots() {
            let bits = match slot.checked_sub(parallel.words) {
                None => mask(&class.reads, slot),
                Some(counter) if class.counted[counter] => u64::MAX,
                Some(_) => 0,
            };
            if bits == 0 {
                self.asm.emit(Size::DW.store_imm(BASE, course.read(slot), 0));
                continue;
            }
            self.asm.emit(Size::DW.load(R1, BASE, course.pending(slot)));
            self.and(R1, bits, R4);
            self.asm.emit(Size::DW.store(BASE, course.read(slot), R1));
            if any {
                self.asm.emit(Alu::Or.reg(R0, R1));
            } else {
                self.mov(R0, R1);
            }
            any = true;
        }
        self.emit_branch(Jmp::Eq.imm(R0, 0, rests));
        self.goto(moves);
    }

    /// Nothing was read.
    fn rest(&mut self, course: &Course, places: &Places, step: &Step) {
        if course.ends_early() {
            self.goto(course.reader.exits.done);
            return;
        }
        let state = match course.parallel.idle() {
            Some(_) => {
                self.emit_branch(Jmp::Eq.imm32(STATE, IDLE, places.head));
                IDLE
            }
            None => BUSY,
        };
        self.write_pending(course, &step.first);
        self.set_state(state);
        self.goto(places.head);
    }

    /// All bytes were read, their number is in `r2`: does a match end with the scope?
    fn end_of_places(&mut self, course: &Course) {
        let reader = &course.reader;
        self.asm.origin(reader.origin(Phase::Scan, "does a match end with the scope?"));
        self.asm.bind(reader.ended);
        if !self.asm.refers_to(reader.ended) {
            return;
        }
        if !course.parallel.at_end.is_empty() {
            if reader.bounded() {
                // Only the end of the scope is one that look-around sees.
                self.load_slot(R0, frame::PASS_END);
                self.load_slot(R1, frame::END);
                self.emit_branch(Jmp::Lt.reg(R0, R1, reader.exits.done));
            }
            self.load_pointer(BASE, frame::SCRATCH);
            for &(word, bits) in &course.parallel.at_end {
                self.asm.emit(Size::DW.load(R1, BASE, course.pending(word)));
                self.leave_if_any(R1, bits, reader.matched);
            }
        }
        self.goto(reader.exits.done);
    }

    /// Exactly `set` is pending.
    fn write_pending(&mut self, course: &Course, set: &Set) {
        let parallel = course.parallel;
        for word in 0..parallel.words {
            let (bits, at) = (mask(&set.bits, word), course.pending(word));
            self.put(at, bits);
        }
        for counter in 0..parallel.counters.len() {
            let value = set.counts.iter().find(|(at, _)| *at == counter);
            let value = value.map_or(0, |(_, value)| value.cast_signed());
            let at = course.pending(course.counter(counter));
            self.asm.emit(Size::DW.store_imm(BASE, at, value));
        }
    }
}
