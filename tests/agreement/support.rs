//! Engines side by side.

use hardwire::{
    assembler::{KernelVersion, Target},
    compiler::{
        self, Entry, Options,
        event::record::Direction,
        ir::{Matcher, Pattern, Report, Scope, Verdict, Verdicts},
    },
    engine::{Engine, EngineError, Kernel, Reference, Vm, difference},
    loader::{LoadError, capability},
};

pub(crate) use crate::wire::tcp_frame;

/// What a classifier gets is the same in both directions.
pub(crate) const TC: Entry = Entry::Tc(Direction::Ingress);

/// A plain literal; ids are given by [`matcher`].
pub(crate) fn literal(bytes: impl Into<Vec<u8>>) -> Pattern {
    Pattern::literal(0, bytes)
}

/// Patterns with ids in order, and verdicts that tell the outcomes apart.
pub(crate) fn matcher(mut patterns: Vec<Pattern>, scope: Scope, report: Report) -> Matcher {
    for (id, pattern) in (1..).zip(&mut patterns) {
        pattern.id = id;
    }
    let verdicts =
        Verdicts { on_match: Verdict::Drop, on_miss: Verdict::Pass, out_of_scope: Verdict::Tx };
    Matcher { patterns, scope, report, verdicts }
}

/// A kernel without `may_goto`.
pub(crate) fn counted_loops() -> Target {
    Target { xdp_frags: true, ..Target::of_version(KernelVersion::new(6, 1)) }
}

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
            eprintln!("skipped: the kernel engine, for lack of capabilities");
        }
        may
    });
    *MAY
}

/// One matcher, all engines.
pub(crate) struct Side<'a> {
    matcher: &'a Matcher,
    what: String,
    reference: Reference<'a>,
    all_matcher: Matcher,
    entry: Entry,
    engines: Vec<Box<dyn Engine + 'a>>,
}

impl<'a> Side<'a> {
    /// The engines for programs at `entry` on `target`.
    pub(crate) fn new(matcher: &'a Matcher, entry: Entry, target: &Target) -> Self {
        Self::with_options(matcher, entry, target, &Options::default())
    }

    /// The same, with options of the compiler.
    pub(crate) fn with_options(
        matcher: &'a Matcher,
        entry: Entry,
        target: &Target,
        options: &Options,
    ) -> Self {
        let compiled = compiler::compile(matcher, entry, target, options)
            .unwrap_or_else(|e| panic!("{e} ({matcher:?})"));
        let vm = || Vm::new(matcher, entry, &compiled.image).expect("the vm takes it");
        let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(vm())];
        if matches!(entry, Entry::Tc(_)) {
            // What TCP has on a veth; no header but the first; and a linear part that ends anywhere.
            for linear in [66, 14, 150] {
                let mut vm = vm();
                vm.set_linear_bytes(linear);
                engines.push(Box::new(vm));
            }
        }
        if kernel_tests() {
            match Kernel::new(matcher, entry, &compiled.image) {
                Ok(kernel) => engines.push(Box::new(kernel)),
                Err(EngineError::Load(LoadError::Rejected { log, .. })) => {
                    panic!(
                        "rejected: {} of {matcher:?} {:?}\n{}",
                        log.reason,
                        compiled.plan.strategy(),
                        tail(&log.whole)
                    );
                }
                Err(e) => panic!("{e:?}"),
            }
        }
        let what = format!("{entry:?} {:?} {}", matcher.report, compiled.plan.strategy());
        let all_matcher = Matcher { report: Report::All, ..matcher.clone() };
        Self {
            matcher,
            what,
            reference: Reference::new(matcher, entry),
            all_matcher,
            entry,
            engines,
        }
    }

    /// Ask everybody about `input`; panics at the first difference.
    #[track_caller]
    pub(crate) fn check(&mut self, input: &[u8], about: impl Fn() -> String) {
        let expected = self.reference.answer(input).expect("the reference answers always");
        let all = Reference::new(&self.all_matcher, self.entry)
            .answer(input)
            .expect("the reference answers always")
            .matches;
        for engine in &mut self.engines {
            let got = match engine.answer(input) {
                Ok(got) => got,
                // BPF_PROG_TEST_RUN has its limits.
                Err(EngineError::TooShort { .. } | EngineError::TooLong { .. }) => continue,
                Err(e) => panic!("{} {}: {}: {e:?}", engine.name(), self.what, about()),
            };
            if let Some(how) = difference(self.matcher.report, &expected, &all, &got) {
                panic!("{} {}: {}: {how}", engine.name(), self.what, about());
            }
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// An Ethernet/IPv4/UDP frame with `payload`.
pub(crate) fn udp_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
    let total = u16::try_from(28 + payload.len()).expect("fits IPv4");
    frame.extend([0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0x30, 0x39, 0x00, 0x35]);
    frame.extend((total - 20).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// `len` bytes of harmless text.
pub(crate) fn text(len: usize) -> Vec<u8> {
    b"Accept: text/html; q=0.9, image/avif, the quick brown fox. "
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}
