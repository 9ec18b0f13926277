//! The generated program, run by the vm.

use super::{Engine, EngineError, TEST_RUN_LINEAR_BYTES, outcome};
use crate::{
    assembler::ProgramImage,
    compiler::{
        Entry,
        event::{COUNTERS_MAP, Counter, Counters, EVENTS_MAP, HITS_MAP, Hit},
        ir::{Match, Matcher, Outcome, Pattern},
    },
    vm::{Context, Machine, SkbFields, SkbHook},
};

/// A program in the vm.
#[derive(Debug)]
pub struct Vm<'a> {
    matcher: &'a Matcher,
    entry: Entry,
    machine: Machine,
    before: Counters,
    linear_bytes: usize,
    told: bool,
}

impl<'a> Vm<'a> {
    /// Run `image`, which was compiled from `matcher` for `entry`.
    ///
    /// # Errors
    ///
    /// A map or instruction that the vm does not have; an image without counters.
    pub fn new(
        matcher: &'a Matcher,
        entry: Entry,
        image: &ProgramImage,
    ) -> Result<Self, EngineError> {
        if image.maps().get(COUNTERS_MAP).is_none_or(|map| map.name != "counters") {
            return Err(EngineError::NoCounters);
        }
        // A program that takes no fragments is only ever given frames in one piece.
        // So does BPF_PROG_TEST_RUN give them to a classifier.
        let linear_bytes = if image.frags() { TEST_RUN_LINEAR_BYTES } else { usize::MAX };
        let machine = Machine::new(image)?;
        let told = image.map_named(EVENTS_MAP).is_some();
        let before = Counters::default();
        Ok(Self { matcher, entry, machine, before, linear_bytes, told })
    }

    /// Give XDP programs and classifiers frames whose linear part has this many bytes.
    pub fn set_linear_bytes(&mut self, bytes: usize) {
        self.linear_bytes = bytes;
    }

    /// What the program counted so far.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoCounters`]: never for an image that [`new`](Self::new) took.
    pub fn counters(&self) -> Result<Counters, EngineError> {
        self.machine
            .maps()
            .at(COUNTERS_MAP, 0)
            .and_then(Counters::from_bytes)
            .ok_or(EngineError::NoCounters)
    }

    /// Hits of each pattern, in the order of the matcher.
    pub fn hits(&self) -> Vec<u64> {
        (0..self.matcher.patterns.len()).map(|at| self.hit(at).hits).collect()
    }

    fn hit(&self, pattern: usize) -> Hit {
        let index = u32::try_from(pattern).expect("at most PATTERNS_MAX");
        self.machine.maps().at(HITS_MAP, index).and_then(Hit::from_bytes).unwrap_or_default()
    }
}

impl Engine for Vm<'_> {
    fn name(&self) -> &'static str {
        "vm"
    }

    fn answer(&mut self, input: &[u8]) -> Result<Outcome, EngineError> {
        let context = match self.entry {
            Entry::Xdp => Context::xdp(input, self.linear_bytes, 1),
            Entry::SocketFilter => Context::skb(input, input.len(), SkbFields::default()),
            Entry::Tc(_) => {
                let fields =
                    SkbFields { hook: SkbHook::SchedCls, ifindex: 1, ..SkbFields::default() };
                Context::skb(input, self.linear_bytes, fields)
            }
        };
        let returned = self.machine.run(context)?;
        let after = self.counters()?;
        let counted = after.since(&self.before);
        self.before = after;
        let frame = after.get(Counter::Frames);
        let mut matches = Vec::new();
        if counted.get(Counter::Matched) > 0 {
            for (at, pattern) in self.matcher.patterns.iter().enumerate() {
                let hit = self.hit(at);
                if hit.hits > 0 && hit.frame == frame {
                    matches.push(found(pattern, &hit));
                }
            }
        }
        let [a, b, c, d, ..] = returned.to_le_bytes();
        let returned = u32::from_le_bytes([a, b, c, d]);
        outcome(self.matcher, self.entry, &counted, (returned, self.told), matches)
    }
}

/// A hit of the current frame as a match.
pub(super) fn found(pattern: &Pattern, hit: &Hit) -> Match {
    let end = u32::try_from(hit.end).unwrap_or(u32::MAX);
    Match { id: pattern.id, end: pattern.as_condition().is_none().then_some(end) }
}
