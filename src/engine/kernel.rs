//! The generated program, run by the kernel through `BPF_PROG_TEST_RUN`.

use super::{Engine, EngineError, TEST_RUN_LINEAR_BYTES, outcome, vm::found};
use crate::{
    assembler::ProgramImage,
    compiler::{
        Entry,
        event::{COUNTERS_MAP, Counter, Counters, EVENTS_MAP, HITS_MAP, Hit},
        ir::{Matcher, Outcome},
    },
    loader::{
        error::TestRunError,
        program::{LoadOptions, Program},
        test_run,
    },
};

/// Bytes in front of a packet that `BPF_PROG_TEST_RUN` takes off before a socket filter sees it
/// (`eth_type_trans()` in `bpf_prog_test_run_skb()`, `net/bpf/test_run.c`).
const STRIPPED_BYTES: usize = 14;

/// A classifier is not run on a packet whose EtherType promises a header that is not there, and on none
/// that ends with its Ethernet header: an IPv6 header behind that one is enough
/// (`bpf_prog_test_run_skb()`; measured on 6.18).
const TC_BYTES: usize = 14 + 40;

/// A program in the kernel.
#[derive(Debug)]
pub struct Kernel<'a> {
    matcher: &'a Matcher,
    entry: Entry,
    program: Program,
    before: Vec<Counters>,
}

impl<'a> Kernel<'a> {
    /// Load `image`, which was compiled from `matcher` for `entry`.
    ///
    /// # Errors
    ///
    /// The kernel refuses it; an image without counters.
    pub fn new(
        matcher: &'a Matcher,
        entry: Entry,
        image: &ProgramImage,
    ) -> Result<Self, EngineError> {
        if image.maps().get(COUNTERS_MAP).is_none_or(|map| map.name != "counters") {
            return Err(EngineError::NoCounters);
        }
        let program = Program::load(image, &LoadOptions::default())?;
        let mut kernel = Self { matcher, entry, program, before: Vec::new() };
        kernel.before = kernel.per_cpu()?;
        Ok(kernel)
    }

    /// The loaded program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    fn per_cpu(&self) -> Result<Vec<Counters>, EngineError> {
        let map = self.program.maps().get(COUNTERS_MAP).ok_or(EngineError::NoCounters)?;
        let values = map.read_array()?;
        values.entry(0).map(|b| Counters::from_bytes(b).ok_or(EngineError::NoCounters)).collect()
    }

    /// What the program counted so far, on all CPUs.
    ///
    /// # Errors
    ///
    /// The map cannot be read.
    pub fn counters(&self) -> Result<Counters, EngineError> {
        let mut sum = Counters::default();
        for one in self.per_cpu()? {
            sum.merge(&one);
        }
        Ok(sum)
    }

    /// Hits of each pattern on all CPUs, in the order of the matcher.
    ///
    /// # Errors
    ///
    /// The map cannot be read.
    pub fn hits(&self) -> Result<Vec<u64>, EngineError> {
        let map = self.program.maps().get(HITS_MAP).ok_or(EngineError::NoCounters)?;
        let values = map.read_array()?;
        let sum = |at| values.entry(at).filter_map(Hit::from_bytes).map(|hit| hit.hits).sum();
        Ok((0..self.matcher.patterns.len()).map(sum).collect())
    }
}

impl Engine for Kernel<'_> {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn answer(&mut self, input: &[u8]) -> Result<Outcome, EngineError> {
        let behind;
        let packet = match self.entry {
            Entry::Xdp => {
                let limit = test_run::PACKET_BYTES_MIN;
                if input.len() < limit {
                    return Err(EngineError::TooShort { bytes: input.len(), limit });
                }
                // BPF_PROG_TEST_RUN would cut it into fragments all the same, which no driver does
                // to a program that cannot take them: such a program sees frames in one piece.
                if !self.program.frags() && input.len() > TEST_RUN_LINEAR_BYTES {
                    return Err(EngineError::TooLong { bytes: input.len() });
                }
                input
            }
            Entry::Tc(_) => {
                let limit = test_run::PACKET_BYTES_MIN;
                if input.len() < limit {
                    return Err(EngineError::TooShort { bytes: input.len(), limit });
                }
                input
            }
            Entry::SocketFilter => {
                behind = [&[0; STRIPPED_BYTES], input].concat();
                &behind
            }
        };
        let tc = matches!(self.entry, Entry::Tc(_));
        let ran = test_run::run(&self.program, packet, 1, false).map_err(|error| match error {
            TestRunError::PacketSize { bytes, .. } if bytes > TEST_RUN_LINEAR_BYTES => {
                EngineError::TooLong { bytes: input.len() }
            }
            TestRunError::PacketSize { bytes, .. } if tc && bytes < TC_BYTES => {
                EngineError::TooShort { bytes, limit: TC_BYTES }
            }
            TestRunError::PacketSize { .. }
            | TestRunError::TooShort { .. }
            | TestRunError::NotRunnable { .. }
            | TestRunError::Grew { .. }
            | TestRunError::Kernel { .. } => EngineError::TestRun(error),
        })?;
        let after = self.per_cpu()?;
        // The run was on one CPU, but not necessarily on the same one as the last.
        let mut counted = Counters::default();
        let mut cpu = 0;
        for (at, (now, before)) in after.iter().zip(&self.before).enumerate() {
            let more = now.since(before);
            if more.get(Counter::Frames) > 0 {
                cpu = at;
            }
            counted.merge(&more);
        }
        let frame = after.get(cpu).map_or(0, |c| c.get(Counter::Frames));
        self.before = after;
        let mut matches = Vec::new();
        if counted.get(Counter::Matched) > 0 {
            let map = self.program.maps().get(HITS_MAP).ok_or(EngineError::NoCounters)?;
            let values = map.read_array()?;
            for (at, pattern) in self.matcher.patterns.iter().enumerate() {
                let hit = values.entry(at).nth(cpu).and_then(Hit::from_bytes).unwrap_or_default();
                if hit.hits > 0 && hit.frame == frame {
                    matches.push(found(pattern, &hit));
                }
            }
        }
        let told = self.program.map_named(EVENTS_MAP).is_some();
        outcome(self.matcher, self.entry, &counted, (ran.retval, told), matches)
    }
}
