//! One program with events, in the vm or in the kernel.

use std::ops::ControlFlow;

use hardwire::{
    assembler::{ProgramImage, Target},
    compiler::{
        self, Entry, Events, Options,
        event::{
            Counter, Counters, EVENTS_MAP,
            control::{CONTROL_MAP, Control},
            record::{Note, Record},
        },
        ir::{Matcher, Report, Verdict},
        reference::Obvious,
        scope::{Hook, scope_of},
    },
    engine::TEST_RUN_LINEAR_BYTES,
    loader::{LoadError, LoadOptions, Program, Reader, Update, capability, test_run},
    vm::{Context, Machine, SkbFields, SkbHook, VlanTag},
};
use nix::{sched, unistd::Pid};

/// May this process load programs? If not, and it must, panic.
pub(crate) fn kernel_tests() -> bool {
    static MAY: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        use capability::{Capabilities, Capability};
        let needed = [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon];
        let missing = Capabilities::of_process().map(|caps| caps.missing(&needed));
        let may = matches!(&missing, Ok(missing) if missing.is_empty());
        let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
        assert!(may || !required, "KERNEL_TESTS=required, but capabilities are missing");
        if !may {
            eprintln!("skipped: programs in the kernel, for lack of capabilities");
        }
        may
    });
    *MAY
}

/// Keep this thread on one CPU, so that its counters go on.
fn stay() {
    let mut only = sched::CpuSet::new();
    let all = sched::sched_getaffinity(Pid::from_raw(0)).expect("known");
    let cpu = (0..sched::CpuSet::count()).find(|&cpu| all.is_set(cpu).expect("in range"));
    only.set(cpu.expect("one that it runs on")).expect("in range");
    sched::sched_setaffinity(Pid::from_raw(0), &only).expect("one of those before");
}

/// What is compiled, and for whom.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) matcher: Matcher,
    pub(crate) entry: Entry,
    pub(crate) target: Target,
    pub(crate) options: Options,
}

/// Who runs it.
enum Runner {
    Vm(Box<Machine>),
    Kernel(Box<Program>, Option<Reader>),
}

/// A program that runs.
pub(crate) struct Side {
    pub(crate) name: String,
    job: Job,
    image: ProgramImage,
    runner: Runner,
    before: Counters,
    linear_bytes: usize,
    pub(crate) vlan: Option<VlanTag>,
    pub(crate) pkt_type: u8,
    frames: u64,
}

/// What came of a frame.
pub(crate) struct Answer {
    pub(crate) returned: u32,
    pub(crate) counted: Counters,
    pub(crate) records: Vec<Vec<u8>>,
}

impl Answer {
    /// The counters that are not 0, without frames and bytes.
    pub(crate) fn of(&self, counters: &[Counter]) -> Vec<u64> {
        counters.iter().map(|&counter| self.counted.get(counter)).collect()
    }
}

impl Job {
    /// The programs of all runners.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let Self { matcher, entry, target, options } = self;
        let compiled = compiler::compile(matcher, *entry, target, options)
            .unwrap_or_else(|e| panic!("{e} {:?}", e));
        let image = compiled.image;
        let what = format!("{entry:?} {} {}", target.version, compiled.plan.strategy());
        let machine = Machine::new(&image).unwrap_or_else(|e| panic!("{what}: {e}"));
        let mut runners = vec![("vm", Runner::Vm(Box::new(machine)))];
        if kernel_tests() {
            stay();
            let program = match Program::load(&image, &LoadOptions::default()) {
                Ok(program) => program,
                Err(LoadError::Rejected { log, .. }) => {
                    let lines: Vec<&str> = log.whole.lines().collect();
                    let last = lines[lines.len().saturating_sub(40)..].join("\n");
                    panic!("{what} rejected: {}\n{last}", log.reason);
                }
                Err(e) => panic!("{what}: {e:?}"),
            };
            let reader = program.map_named(EVENTS_MAP).map(|m| Reader::open(m).expect("opens"));
            runners.push(("kernel", Runner::Kernel(Box::new(program), reader)));
        }
        let linear_bytes = match entry {
            Entry::Xdp if !image.frags() => usize::MAX,
            Entry::Xdp | Entry::Tc(_) => TEST_RUN_LINEAR_BYTES,
            Entry::SocketFilter => usize::MAX,
        };
        let side = |(name, runner)| Side {
            name: format!("{name}: {what}"),
            job: self.clone(),
            image: image.clone(),
            runner,
            before: Counters::default(),
            linear_bytes,
            vlan: None,
            pkt_type: 0,
            frames: 0,
        };
        runners.into_iter().map(side).collect()
    }
}

impl Side {
    pub(crate) fn is_vm(&self) -> bool {
        matches!(self.runner, Runner::Vm(_))
    }

    /// Can this runner be given the frame?
    pub(crate) fn takes(&self, frame: &[u8]) -> bool {
        match (&self.runner, self.job.entry) {
            (Runner::Vm(_), _) => true,
            (Runner::Kernel(..), Entry::Xdp) => {
                self.image.frags() || frame.len() <= TEST_RUN_LINEAR_BYTES
            }
            (Runner::Kernel(..), Entry::SocketFilter) => frame.len() + 14 < TEST_RUN_LINEAR_BYTES,
            (Runner::Kernel(..), Entry::Tc(_)) => {
                (54..TEST_RUN_LINEAR_BYTES).contains(&frame.len())
            }
        }
    }

    /// Let the program have `frame`, `times` times.
    pub(crate) fn run(&mut self, frame: &[u8], times: u32) -> Answer {
        let skb = |hook| SkbFields {
            hook,
            ifindex: 1,
            vlan: self.vlan,
            pkt_type: self.pkt_type,
            ..SkbFields::default()
        };
        let mut records = Vec::new();
        let returned = match &mut self.runner {
            Runner::Vm(machine) => {
                let mut returned = 0;
                for _ in 0..times {
                    let context = match self.job.entry {
                        Entry::Xdp => Context::xdp(frame, self.linear_bytes, 1),
                        Entry::SocketFilter => {
                            Context::skb(frame, frame.len(), skb(SkbHook::SocketFilter))
                        }
                        Entry::Tc(_) => {
                            Context::skb(frame, self.linear_bytes, skb(SkbHook::SchedCls))
                        }
                    };
                    let word =
                        machine.run(context).unwrap_or_else(|e| panic!("{}: {e}", self.name));
                    returned = u32::try_from(word & 0xffff_ffff).expect("32 bits");
                }
                if let Some(map) = self.image.map_named(EVENTS_MAP) {
                    records = machine.take_records(map);
                }
                returned
            }
            Runner::Kernel(program, reader) => {
                let behind = [&[0; 14], frame].concat();
                let packet =
                    if self.job.entry == Entry::SocketFilter { &behind[..] } else { frame };
                let ran = test_run::run(program, packet, times, false)
                    .unwrap_or_else(|e| panic!("{}: {e:?}", self.name));
                if let Some(reader) = reader {
                    let each = |record: &[u8]| {
                        records.push(record.to_vec());
                        ControlFlow::<()>::Continue(())
                    };
                    let _ = reader.drain(each).expect("drains");
                }
                ran.retval
            }
        };
        let after = self.counters();
        let counted = after.since(&self.before);
        self.before = after;
        self.frames += u64::from(times);
        Answer { returned, counted, records }
    }

    fn counters(&self) -> Counters {
        match &self.runner {
            Runner::Vm(machine) => {
                machine.maps().at(0, 0).and_then(Counters::from_bytes).expect("counters")
            }
            Runner::Kernel(program, _) => {
                let values = program.maps()[0].read_array().expect("an array");
                let mut sum = Counters::default();
                for value in values.entry(0) {
                    sum.merge(&Counters::from_bytes(value).expect("counters"));
                }
                sum
            }
        }
    }

    /// Change what is switched on, as it is done from outside.
    pub(crate) fn switch(&mut self, change: impl FnOnce(&mut Control)) {
        match &mut self.runner {
            Runner::Vm(machine) => {
                let map = self.image.map_named(CONTROL_MAP).expect("controls");
                let value = machine.maps().at(map, 0).expect("one");
                let mut control = Control::from_bytes(value).expect("a value");
                change(&mut control);
                assert!(machine.set_map_value(map, &[0; 4], &control.to_bytes()));
            }
            Runner::Kernel(program, _) => {
                let map = program.map_named(CONTROL_MAP).expect("controls");
                let value = map.lookup(&[0; 4]).expect("readable").expect("one");
                let mut control = Control::from_bytes(value.value()).expect("a value");
                change(&mut control);
                map.update(&[0; 4], &control.to_bytes(), Update::Any).expect("writable");
            }
        }
    }

    /// Let it be so late, in nanoseconds; only the vm can.
    pub(crate) fn set_clock(&mut self, now: u64) {
        match &mut self.runner {
            Runner::Vm(machine) => machine.set_ktime_ns(now),
            Runner::Kernel(..) => panic!("nobody sets the clock of the kernel"),
        }
    }

    /// What it is, in the clock of programs.
    pub(crate) fn clock(&self) -> u64 {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
        let part = |n: i64| u64::try_from(n).expect("not negative");
        match &self.runner {
            Runner::Vm(_) => 0,
            Runner::Kernel(..) => part(now.tv_sec()) * 1_000_000_000 + part(now.tv_nsec()),
        }
    }

    /// Let the program have `frame`, and compare all that it says with what the reference says.
    pub(crate) fn check(&mut self, frame: &[u8], what: &str) {
        if !self.takes(frame) {
            return;
        }
        let answer = self.run(frame, 1);
        let about = format!("{}, {what}", self.name);
        let Job { matcher, entry, options, .. } = &self.job;
        let hook = match entry {
            Entry::Xdp => Hook::Xdp,
            Entry::SocketFilter | Entry::Tc(_) => Hook::Skb { vlan_tag: self.vlan.is_some() },
        };
        let all = Matcher { report: Report::All, ..matcher.clone() };
        let expected = Obvious::new(&all).search(frame, hook);
        let one = |counter| answer.counted.get(counter);
        let unsearched = one(Counter::Unsearched) == 1;
        let matched = !expected.matches.is_empty() && !unsearched;
        assert_eq!(one(Counter::Frames), 1, "{about}");
        assert_eq!(one(Counter::Matched), u64::from(matched), "{about}");
        assert_eq!(one(Counter::Events), u64::from(matched), "{about}: {:?}", answer.counted);
        assert_eq!(one(Counter::EventsLost) + one(Counter::EventsSkipped), 0, "{about}");
        assert_eq!(answer.records.len(), usize::from(matched), "{about}");
        if *entry == Entry::SocketFilter {
            assert_eq!(answer.returned, 0, "{about}: the ring has it");
            assert_eq!(one(Counter::Pass), u64::from(matched), "{about}");
        } else {
            let verdict = if unsearched { matcher.verdicts.on_miss } else { expected.verdict };
            let returned = entry.returned(verdict).cast_unsigned();
            assert_eq!(answer.returned, returned, "{about}");
            assert_eq!(one(Counter::of_verdict(verdict)), 1, "{about}");
        }
        for bytes in &answer.records {
            let record = Record::from_bytes(bytes).unwrap_or_else(|e| panic!("{about}: {e}"));
            let snap = options.events.map_or(0, |Events { snap, .. }| snap);
            let snap = usize::try_from(snap).expect("fits").min(frame.len());
            assert_eq!(record.frame_bytes as usize, frame.len(), "{about}");
            assert!(record.captured == &frame[..snap], "{about}: {:x?}", record.captured);
            let scope = scope_of(frame, matcher.scope, hook).expect("in scope");
            assert_eq!(record.scope_start as usize, scope.start, "{about}");
            let verdict = match entry {
                Entry::SocketFilter => Verdict::Pass,
                Entry::Xdp | Entry::Tc(_) => matcher.verdicts.on_match,
            };
            assert_eq!((record.verdict, record.spared), (verdict, false), "{about}");
            assert_eq!(record.ifindex, 1, "{about}");
            assert_eq!(record.vlan, self.vlan.map(|tag| (tag.tpid, tag.tci)), "{about}");
            assert_eq!(record.frame, self.frames, "{about}: the thread stays on one CPU");
            let expected: Vec<Note> = expected
                .matches
                .iter()
                .map(|m| Note { index: m.id - 1, end: m.end.unwrap_or(0) })
                .collect();
            let told = record.matches();
            let exact = matcher.report == Report::All && !record.is_cut();
            if exact {
                assert_eq!(told, expected, "{about}");
            }
            assert!(!told.is_empty(), "{about}");
            for note in told {
                let there = expected.iter().any(|m| m.index == note.index && m.end <= note.end);
                assert!(there, "{about}: {note:?} of {expected:?}");
            }
        }
    }
}
