//! A generated program in the kernel, and what it counts while it runs.

use std::time::{Duration, Instant};

use hardwire::assembler::ProgramImage;
use hardwire::compiler::event::{COUNTERS_MAP, Counter, Counters, HITS_MAP, Hit};
use hardwire::compiler::ir::{Match, Matcher, Outcome, Pattern, Report, Scope, Verdict, Verdicts};
use hardwire::compiler::{self, Entry};
use hardwire::loader::link::{OnOccupied, XdpMode, XdpNetlink};
use hardwire::loader::{LoadOptions, Program, features};
use hardwire::netlink::lab::Host;

/// Longest time that a frame may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Literals with ids in order; `verdicts` for match, miss and out of scope.
pub(crate) fn matcher(
    patterns: &[&[u8]],
    scope: Scope,
    report: Report,
    verdicts: [Verdict; 3],
) -> Matcher {
    let pattern = |(bytes, id): (&&[u8], u32)| Pattern::literal(id, *bytes);
    let [on_match, on_miss, out_of_scope] = verdicts;
    Matcher {
        patterns: patterns.iter().zip(1..).map(pattern).collect(),
        scope,
        report,
        verdicts: Verdicts { on_match, on_miss, out_of_scope },
    }
}

/// The image of `matcher` for the running kernel, as the command line makes it.
pub(crate) fn image(matcher: &Matcher, entry: Entry) -> ProgramImage {
    let target = features::target().expect("probed");
    compiler::compile(matcher, entry, &target, &compiler::Options::default())
        .expect("compiles")
        .image
}

/// A generated program in the kernel.
pub(crate) struct Live {
    pub(crate) program: Program,
    ids: Vec<u32>,
    before: Vec<Counters>,
}

impl Live {
    pub(crate) fn load(matcher: &Matcher, entry: Entry) -> Self {
        Self::load_image(matcher, &image(matcher, entry))
    }

    /// Load `image`, which was compiled from `matcher`.
    pub(crate) fn load_image(matcher: &Matcher, image: &ProgramImage) -> Self {
        let program = Program::load(image, &LoadOptions::default()).expect("loads");
        let ids = matcher.patterns.iter().map(|pattern| pattern.id).collect();
        let mut live = Self { program, ids, before: Vec::new() };
        live.before = live.per_cpu();
        live
    }

    /// Attach it to the end of the cable of `host`.
    pub(crate) fn attach(&self, host: &Host, mode: XdpMode) -> XdpNetlink {
        let socket = host.namespace.socket().expect("opened");
        let refuse = OnOccupied::Refuse;
        let guard = XdpNetlink::attach(socket, &host.link, &self.program, mode, refuse);
        let guard = guard.expect("attached");
        assert_eq!(guard.mode(), mode);
        guard
    }

    fn per_cpu(&self) -> Vec<Counters> {
        let values = self.program.maps()[COUNTERS_MAP].read_array().expect("read");
        values.entry(0).map(|bytes| Counters::from_bytes(bytes).expect("whole")).collect()
    }

    /// What it counted so far, on all CPUs.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for one in self.per_cpu() {
            sum.merge(&one);
        }
        sum
    }

    /// Hits of each pattern so far, on all CPUs.
    pub(crate) fn hits(&self) -> Vec<u64> {
        let values = self.program.maps()[HITS_MAP].read_array().expect("read");
        let of = |index| values.entry(index).filter_map(Hit::from_bytes).map(|hit| hit.hits).sum();
        (0..self.ids.len()).map(of).collect()
    }

    /// Wait until it has counted `frames` in all.
    #[track_caller]
    pub(crate) fn wait_for(&self, frames: u64) {
        let start = Instant::now();
        loop {
            let counted = self.counters().get(Counter::Frames);
            if counted >= frames {
                assert_eq!(counted, frames, "frames that nobody sent");
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{counted} of {frames} frames arrived");
            std::thread::yield_now();
        }
    }

    /// What it said about the one frame that was sent since the last call, and how long that was.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> (Outcome, u64) {
        let start = Instant::now();
        let sum = |all: &[Counters]| all.iter().map(|c| c.get(Counter::Frames)).sum::<u64>();
        let next = sum(&self.before) + 1;
        let after = loop {
            let after = self.per_cpu();
            if sum(&after) >= next {
                break after;
            }
            assert!(start.elapsed() < PATIENCE, "the frame did not arrive");
            std::thread::yield_now();
        };
        assert_eq!(sum(&after), next, "a frame that nobody sent");
        let cpu = after.iter().zip(&self.before).position(|(a, b)| a != b).expect("one counted");
        let counted = after[cpu].since(&self.before[cpu]);
        let frame = after[cpu].get(Counter::Frames);
        self.before = after;
        (self.outcome(&counted, cpu, frame), counted.get(Counter::Bytes))
    }

    fn outcome(&self, counted: &Counters, cpu: usize, frame: u64) -> Outcome {
        let one = |counter| counted.get(counter) == 1;
        let kinds = [Counter::OutOfScope, Counter::Unsearched, Counter::Matched, Counter::Missed];
        let kinds = kinds.iter().filter(|kind| one(**kind)).count();
        assert_eq!(kinds, 1, "{counted:?}");
        let values = self.program.maps()[HITS_MAP].read_array().expect("read");
        let mut matches = Vec::new();
        for (index, id) in self.ids.iter().enumerate() {
            let hit = values.entry(index).nth(cpu).and_then(Hit::from_bytes).expect("a record");
            if one(Counter::Matched) && hit.hits > 0 && hit.frame == frame {
                let end = Some(u32::try_from(hit.end).expect("short"));
                matches.push(Match { id: *id, end });
            }
        }
        let verdicts = [
            Verdict::Pass,
            Verdict::Drop,
            Verdict::Abort,
            Verdict::Tx,
            Verdict::Redirect { ifindex: 0 },
        ];
        let is = |verdict: &Verdict| one(Counter::of_verdict(*verdict));
        Outcome {
            in_scope: !one(Counter::OutOfScope),
            searched: !one(Counter::Unsearched),
            verdict: verdicts.into_iter().find(is).expect("one verdict"),
            matches,
        }
    }
}
