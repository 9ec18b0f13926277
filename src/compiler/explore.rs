//! Which instructions the verifier comes by, and how often, if it never learns anything new.
//!
//! The verifier follows one way through the program to its end, then goes back to the last branch it has not
//! followed both ways of, and gives a way up where it has been before in a state that covers the
//! one it has. What its states hold only it knows. But our code is made so that they are alike wherever ways meet
//! (`codegen::bounds`), and then the ways depend on the shape of the program alone: on where it saves
//! states, which it does at jumps and where they lead, not before eight instructions and two jumps were
//! processed, and always at a `may_goto` (`is_state_visited()` in `kernel/bpf/verifier.c`, Linux 6.18).
//!
//! It does not: follow values. What comes of states that differ, [`estimate`](super::estimate) knows from
//! experience.

use std::collections::BTreeMap;

use crate::assembler::{
    Insn, ProgramImage,
    flow::{self, Way},
};

/// After how many instructions and jumps a state is saved, at the next place where that is done.
const INSNS_MIN: u64 = 8;
const JUMPS_MIN: u64 = 2;

/// How often a place is followed that a jump leads back to, other than to a `may_goto`. What ends such a
/// loop is a number that is not followed here. Among programs with `may_goto` there is one: headers are
/// walked anew at most twice.
const ROUNDS_MAX: u32 = 3;

/// Where it is taken for granted that a state was saved and covers all that comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Save {
    /// Where the verifier does it.
    AsItDoes,
    /// Everywhere, so that every instruction is come by once: for loops with a counter, which end by what
    /// their states hold.
    Everywhere,
}

/// What the verifier does with a program.
pub(super) struct Explored {
    /// How often it comes by each instruction.
    pub(super) visits: Vec<u32>,
    /// Most branches that wait at once for it to come back.
    pub(super) waiting_max: usize,
}

/// Follow `image`; the verifier gives up after `limit` instructions in all.
pub(super) fn explore(image: &ProgramImage, save: Save, limit: u64) -> Explored {
    let mut verifier = Verifier::new(image, save);
    let mut starts: Vec<usize> = vec![0];
    if let [_, others @ ..] = image.functions() {
        // What is called is followed from there; what is not is looked at by itself.
        let called: Vec<usize> =
            (0..image.insns().len()).filter_map(|at| verifier.callee(at)).collect();
        let begins = others.iter().filter_map(|function| image.index_at(function.slot));
        starts.extend(begins.filter(|start| !called.contains(start)));
    }
    for start in starts {
        verifier.waiting.push(Place { at: start, back: None });
        verifier.run(limit);
    }
    Explored { visits: verifier.visits, waiting_max: verifier.waiting_max }
}

/// An instruction, and where its function returns to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: usize,
    back: Option<usize>,
}

/// What is known of a place where states may be saved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saved {
    /// A state was saved, and ways from it are still to be followed.
    Open,
    /// All ways from it were followed.
    Done,
}

struct Verifier<'a> {
    image: &'a ProgramImage,
    /// Where a state may be saved.
    points: Vec<bool>,
    /// Where a jump leads back to.
    heads: Vec<bool>,
    saved: BTreeMap<Place, Saved>,
    /// The open ones, with how many branches waited when they were saved.
    open: Vec<(Place, usize)>,
    waiting: Vec<Place>,
    waiting_max: usize,
    save: Save,
    visits: Vec<u32>,
    insns: u64,
    jumps: u64,
    /// What the two were when a state was saved last.
    insns_then: u64,
    jumps_then: u64,
}

impl<'a> Verifier<'a> {
    fn new(image: &'a ProgramImage, save: Save) -> Self {
        let insns = image.insns();
        let mut points = vec![false; insns.len()];
        let mut heads = vec![false; insns.len()];
        for (at, insn) in insns.iter().enumerate() {
            let way = flow::way(insn);
            points[at] |= matches!(way, Way::Branch(_));
            if let (Way::Branch(_) | Way::Jump(_) | Way::Call(_), Some(to)) =
                (way, flow::target(image, at))
            {
                points[to] = true;
                heads[to] |= to <= at;
            }
        }
        Self {
            image,
            points,
            heads,
            saved: BTreeMap::new(),
            open: Vec::new(),
            waiting: Vec::new(),
            waiting_max: 0,
            save,
            visits: vec![0; insns.len()],
            insns: 0,
            jumps: 0,
            insns_then: 0,
            jumps_then: 0,
        }
    }

    /// The first instruction of the function that number `at` calls.
    fn callee(&self, at: usize) -> Option<usize> {
        matches!(self.image.insns()[at], Insn::Call(_))
            .then(|| flow::target(self.image, at))
            .flatten()
    }

    fn run(&mut self, limit: u64) {
        while let Some(place) = self.waiting.pop() {
            let left = self.waiting.len();
            while let Some((place, _)) = self.open.pop_if(|(_, waited)| *waited > left) {
                self.saved.insert(place, Saved::Done);
            }
            self.follow(place, limit);
        }
        for (place, _) in std::mem::take(&mut self.open) {
            self.saved.insert(place, Saved::Done);
        }
    }

    /// One way to its end.
    fn follow(&mut self, mut place: Place, limit: u64) {
        while self.insns < limit {
            let Some(insn) = self.image.insns().get(place.at) else { return };
            self.insns += 1;
            self.visits[place.at] += 1;
            let again = match self.save {
                Save::AsItDoes => self.points[place.at] && self.was_here(place, insn),
                Save::Everywhere => self.visits[place.at] > 1,
            };
            if again {
                return;
            }
            let target = flow::target(self.image, place.at);
            let next = Place { at: place.at + 1, ..place };
            let to = |at| Place { at, ..place };
            let way = flow::way(insn);
            self.jumps += u64::from(matches!(insn, Insn::Call(_) | Insn::Exit))
                + u64::from(matches!(way, Way::Branch(_) | Way::Jump(_)));
            place = match (way, target) {
                (Way::Branch(_), Some(target)) if matches!(insn, Insn::MayGoto { .. }) => {
                    self.waiting.push(next);
                    to(target)
                }
                (Way::Branch(_), Some(target)) => {
                    self.waiting.push(to(target));
                    next
                }
                (Way::Jump(_), Some(target)) => to(target),
                (Way::Call(_), Some(target)) if matches!(insn, Insn::Call(_)) => {
                    Place { at: target, back: Some(next.at) }
                }
                (Way::End, _) => match place.back {
                    Some(at) => Place { at, back: None },
                    None => return,
                },
                (Way::Next | Way::Call(_) | Way::Branch(_) | Way::Jump(_), _) => next,
            };
            self.waiting_max = self.waiting_max.max(self.waiting.len());
        }
    }

    /// Was this seen before? If not, it may be noted that it was now.
    fn was_here(&mut self, place: Place, insn: &Insn) -> bool {
        let bounded = matches!(insn, Insn::MayGoto { .. });
        match self.saved.get(&place) {
            Some(Saved::Done) => return true,
            Some(Saved::Open) if bounded => return true,
            Some(Saved::Open) if self.heads[place.at] && self.visits[place.at] > ROUNDS_MAX => {
                return true;
            }
            Some(Saved::Open) | None => {}
        }
        let due =
            self.insns - self.insns_then >= INSNS_MIN && self.jumps - self.jumps_then >= JUMPS_MIN;
        if bounded || due {
            (self.insns_then, self.jumps_then) = (self.insns, self.jumps);
            if self.saved.insert(place, Saved::Open).is_none() {
                self.open.push((place, self.waiting.len()));
            }
        }
        false
    }
}
