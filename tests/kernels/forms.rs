//! The forms that are tried on a kernel, the frames they are tried with, and what came of it.
//! Shared by the test of the running kernel and by `examples/guest.rs`, which runs as the only
//! process of a booted kernel.

use std::{error::Error, ops::ControlFlow};

use hardwire::{
    assembler::{KernelVersion, ProgramImage, Target},
    compiler::{
        self, CompileError, Compiled, Entry, Events, Options, Strategy,
        event::{EVENTS_MAP, record::Direction, record::Record},
        frequency::Condition,
        ir::{
            Body, Expression, Literal, Matcher, Pattern, Report, Scope, Verdict, Verdicts, Window,
        },
        pattern::regex,
    },
    engine::{self, Engine, EngineError, Kernel, Reference, Vm},
    loader::{Program, Reader, TestRunError},
};
use serde::Serialize;

/// The longest frame that every target must search whole.
pub(crate) const ETHERNET_FRAME_BYTES: usize = 1514;

/// A question, and where it is asked.
pub(crate) struct Form {
    /// A line of the table.
    pub(crate) name: String,
    /// What the program is.
    pub(crate) entry: Entry,
    /// What it looks for.
    pub(crate) matcher: Matcher,
    /// How it must be searched; `None` lets the plan choose.
    pub(crate) strategy: Option<Strategy>,
    /// Does it tell of matching frames, and can verdicts be switched off and limited?
    pub(crate) told: bool,
}

impl Form {
    /// Is it asked how to search? Conditions are searched in one way only.
    fn is_forced(&self) -> bool {
        let counts = |pattern: &Pattern| matches!(pattern.body, Body::Frequency(_));
        self.strategy.is_some() || self.matcher.patterns.iter().any(counts)
    }
}

/// What came of a form on a kernel: a line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// [`Form::name`].
    pub(crate) form: String,
    /// The table that it stands in: `chosen`, `forced`, or `unprivileged`.
    pub(crate) table: &'static str,
    /// `xdp` or `socket`.
    pub(crate) entry: &'static str,
    /// The release that was compiled for.
    pub(crate) target: String,
    /// Did the target have `CAP_PERFMON`?
    pub(crate) perfmon: bool,
    /// How the compiler searches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strategy: Option<&'static str>,
    /// What the compiler or the kernel said no with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<Refused>,
    /// What the verifier made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loaded: Option<Loaded>,
    /// Answers that contradict the reference or the vm.
    pub(crate) wrong: Vec<String>,
}

/// Who said no, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Refused {
    /// Was it the compiler? Then it is a documented limit of the target; else a bug.
    pub(crate) by_compiler: bool,
    /// One line.
    pub(crate) why: String,
}

/// A program that the kernel took.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Loaded {
    /// Its slots; of all programs, if there are several.
    pub(crate) slots: u32,
    /// Instructions that the verifier processed.
    pub(crate) processed: Option<u64>,
    /// Milliseconds of one load.
    pub(crate) load_ms: f64,
    /// Frames it was run on.
    pub(crate) frames: usize,
    /// Those among them with an occurrence.
    pub(crate) matched: usize,
    /// Longer than an Ethernet frame, and counted as unsearched.
    pub(crate) unsearched: usize,
    /// The longest frame that was searched whole, in bytes.
    pub(crate) searched_bytes: usize,
    /// Frames of a length that this kernel does not run programs on.
    pub(crate) not_run: usize,
}

impl Row {
    /// Did it load and answer right, or was it refused as documented?
    pub(crate) fn is_fine(&self) -> bool {
        let refused_well = self.refused.as_ref().is_none_or(|r| r.by_compiler);
        refused_well && self.wrong.is_empty()
    }
}

fn pattern(id: usize, bytes: &[u8], ignore_case: bool, window: Window) -> Pattern {
    let id = u32::try_from(id).expect("few patterns");
    Pattern::literal(id, bytes).ignoring_case(ignore_case).within(window)
}

fn matcher(scope: Scope, report: Report, patterns: Vec<Pattern>) -> Matcher {
    let verdicts = Verdicts { on_match: Verdict::Drop, ..Verdicts::default() };
    Matcher { patterns, scope, report, verdicts }
}

fn one(bytes: &[u8], ignore_case: bool) -> Vec<Pattern> {
    vec![pattern(1, bytes, ignore_case, Window::default())]
}

/// `count` literals of 5 to 12 bytes, no two with the same first gram.
fn set(count: usize) -> Vec<Pattern> {
    let text = |n: usize| format!("{:04x}/words-{n}", n * 40_503 % 65_536);
    (0..count)
        .map(|n| pattern(n + 1, &text(n).as_bytes()[..5 + n % 8], false, Window::default()))
        .collect()
}

fn expression(text: &'static str) -> Vec<Pattern> {
    let hir = regex::parse(text.as_bytes(), false).expect("an expression");
    let body = Body::Regex(Expression { hir, text: text.to_owned() });
    vec![Pattern { id: 1, body, window: Window::default() }]
}

fn condition(text: &'static str) -> Vec<Pattern> {
    let condition = Condition::parse(text.as_bytes(), false, Window::default());
    let body = Body::Frequency(condition.expect("a condition"));
    vec![Pattern { id: 1, body, window: Window::default() }]
}

/// A literal of `len` bytes without a period.
fn long(len: usize) -> Vec<u8> {
    (0..len).map(|at| b'A' + u8::try_from(at * at % 53 % 26).expect("a letter")).collect()
}

/// Two literals of 700 bytes that differ at their ends.
fn two_long() -> Vec<Pattern> {
    let one = long(700);
    let other: Vec<u8> = one.iter().rev().copied().collect();
    [one, other]
        .iter()
        .zip(1..)
        .map(|(bytes, id)| pattern(id, bytes, false, Window::default()))
        .collect()
}

/// An expression whose automaton would have 2^90 states; it matches what is planted.
const PLACES: &str = r"(?s)\bp[a-z]+\b-.i[^x]{8}[qz]|[A-Z].{90}[0-9]|[^\x00-\xf0]{200}";

/// Everything that is tried.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = chosen();
    forms.extend(forced());
    forms
}

/// Every strategy, wherever it can run; and conditions, which are a strategy of their own.
fn forced() -> Vec<Form> {
    let mut forms = Vec::new();
    for entry in [Entry::Xdp, Entry::SocketFilter, Entry::Tc(Direction::Ingress)] {
        let at = entry.name();
        for strategy in Strategy::ALL {
            // What each is for: one literal, a long one, sets, an expression with a literal in it, and for
            // those that follow every byte one without.
            let tried: &[(&str, Vec<Pattern>)] = &match strategy.name() {
                "pair-swar" => {
                    [("11 bytes", one(b"/etc/passwd", false)), ("-i", one(b"PaSsWd", true))]
                }
                "window-multiply" => {
                    [("11 bytes", one(b"/etc/passwd", false)), ("40 bytes", one(&long(40), false))]
                }
                "fingerprint" | "gram-set" => {
                    [("30 literals", set(30)), ("300 literals", set(300))]
                }
                "inner-literal" => [
                    ("request", expression(r"GET /[a-z]+ HTTP/1\.[01]")),
                    ("both sides", expression(r"[0-9a-d]{2,20}pass[^\n]{4}q")),
                ],
                _ => [
                    ("5 states", expression(r"[ip]w[a-z]+[0-9]")),
                    ("look-around", expression(r"\bp[a-z]+\b[-+]")),
                ],
            };
            for (what, patterns) in tried {
                let report = if entry == Entry::Xdp { Report::All } else { Report::First };
                forms.push(Form {
                    name: format!("{at} {strategy}, {what}"),
                    entry,
                    matcher: matcher(Scope::Payload, report, patterns.clone()),
                    strategy: Some(strategy),
                    told: false,
                });
            }
        }
        for (what, text) in [("scope", "a>=40"), ("sliding window", "[a-f]>=10 in 16")] {
            forms.push(Form {
                name: format!("{at} frequency, {what}"),
                entry,
                matcher: matcher(Scope::Payload, Report::First, condition(text)),
                strategy: None,
                told: false,
            });
        }
    }
    forms
}

/// What is left to the plan.
fn chosen() -> Vec<Form> {
    use Entry::{SocketFilter, Xdp};
    use Report::{All, First};
    use Scope::{Payload, Raw};
    let windowed = Window { offset: 7, depth: Some(600) };
    let three = || {
        ["passwd", "GET /", "\r\n\r\n"].iter().enumerate().map(|(n, text)| {
            let window = if n == 1 { windowed } else { Window::default() };
            pattern(n + 1, text.as_bytes(), n == 0, window)
        })
    };
    let literal = b"/etc/passwd";
    let form = |name: &str, entry, scope, report, patterns| Form {
        name: name.to_owned(),
        entry,
        matcher: matcher(scope, report, patterns),
        strategy: None,
        told: false,
    };
    let told = |name: &str, entry, report, patterns| Form {
        told: true,
        ..form(name, entry, Payload, report, patterns)
    };
    vec![
        form("xdp raw", Xdp, Raw, First, one(literal, false)),
        form("xdp payload", Xdp, Payload, First, one(literal, false)),
        form("xdp -i", Xdp, Payload, First, one(literal, true)),
        form("xdp 1 byte", Xdp, Raw, First, one(b"~", false)),
        form("xdp 6 bytes", Xdp, Payload, First, one(b"passwd", false)),
        form("xdp 17 bytes", Xdp, Payload, First, one(&long(17), true)),
        form("xdp 100 bytes", Xdp, Payload, First, one(&long(100), false)),
        form("xdp 700 bytes", Xdp, Raw, First, one(&long(700), false)),
        form("xdp window", Xdp, Payload, First, vec![pattern(1, literal, false, windowed)]),
        form("xdp three, all", Xdp, Payload, All, three().collect()),
        form("xdp set of 20", Xdp, Payload, First, set(20)),
        form("xdp set of 20, all", Xdp, Raw, All, set(20)),
        form("xdp set of 200", Xdp, Payload, First, set(200)),
        form(
            "xdp states, skipped",
            Xdp,
            Payload,
            First,
            expression(r"[A-Z]{3,8} /[a-z0-9_]{1,30}"),
        ),
        form("xdp states", Xdp, Raw, All, expression(r"\bp[a-z]+\b[-+]")),
        form("xdp states, a thousand", Xdp, Payload, First, expression("[ip].{8}[qz]")),
        form("xdp expression", Xdp, Payload, First, expression(r"GET /[a-z]+ HTTP/1\.[01]")),
        form(
            "socket expression",
            SocketFilter,
            Payload,
            All,
            expression(r"GET /[a-z]+ HTTP/1\.[01]"),
        ),
        form(
            "socket states, skipped",
            SocketFilter,
            Payload,
            All,
            expression("(?i)w[a-z]+[0-9]{3}/"),
        ),
        form("socket states, a thousand", SocketFilter, Raw, First, expression("[ip].{8}[qz]")),
        form("xdp places", Xdp, Payload, First, expression(PLACES)),
        form("socket places", SocketFilter, Payload, All, expression(PLACES)),
        form("socket raw", SocketFilter, Raw, First, one(literal, false)),
        form("socket payload", SocketFilter, Payload, First, one(literal, false)),
        form("socket -i", SocketFilter, Payload, First, one(literal, true)),
        form("xdp two of 700 bytes", Xdp, Payload, All, two_long()),
        form("socket two of 700 bytes", SocketFilter, Payload, All, two_long()),
        form("socket 100 bytes", SocketFilter, Payload, First, one(&long(100), false)),
        form("socket three, all", SocketFilter, Payload, All, three().collect()),
        form("socket set of 20", SocketFilter, Payload, First, set(20)),
        form("socket set of 200", SocketFilter, Raw, All, set(200)),
        told("xdp events", Xdp, First, one(literal, false)),
        told("xdp events, set of 20, all", Xdp, All, set(20)),
        told("socket events", SocketFilter, First, one(literal, false)),
        told("socket events, set of 20, all", SocketFilter, All, set(20)),
        told("ingress events", Entry::Tc(Direction::Ingress), First, one(literal, false)),
        told("ingress events, set of 20, all", Entry::Tc(Direction::Ingress), All, set(20)),
    ]
}

/// Events of the forms that have them.
const EVENTS: Events = Events { snap: 64, ring_bytes: 1 << 16 };

/// `form` as a program for `target`.
pub(crate) fn compile(form: &Form, target: &Target) -> Result<Compiled, CompileError> {
    let options = Options {
        strategy: form.strategy,
        events: form.told.then_some(EVENTS),
        source_limit: form.told,
        ..Options::default()
    };
    compiler::compile(&form.matcher, form.entry, target, &options)
}

/// Compile `form` for `target`, load it, and compare its answers with the vm's and the reference's.
pub(crate) fn run(form: &Form, target: &Target, running: KernelVersion) -> Row {
    let mut row = Row {
        form: form.name.clone(),
        table: match (target.perfmon, form.is_forced()) {
            (false, _) => "unprivileged",
            (true, true) => "forced",
            (true, false) => "chosen",
        },
        entry: form.entry.name(),
        target: target.version.to_string(),
        perfmon: target.perfmon,
        strategy: None,
        refused: None,
        loaded: None,
        wrong: Vec::new(),
    };
    let refused = |by_compiler, err: &dyn Error| Some(Refused { by_compiler, why: chain(err) });
    let compiled = match compile(form, target) {
        Ok(compiled) => compiled,
        Err(e) => {
            let limit = matches!(
                e,
                CompileError::Target { .. }
                    | CompileError::TooManyPrograms { .. }
                    | CompileError::Strategy { .. }
            );
            // A target that has everything is no reason to refuse what a strategy is for.
            let lacks_nothing = target.may_goto && target.perfmon && form.is_forced();
            row.refused = refused(limit && !lacks_nothing, &e);
            return row;
        }
    };
    row.strategy = Some(compiled.plan.strategy());
    let image = &compiled.image;
    let begun = std::time::Instant::now();
    let engines = Kernel::new(&form.matcher, form.entry, image)
        .and_then(|kernel| Ok((kernel, Vm::new(&form.matcher, form.entry, image)?)));
    let (kernel, vm) = match engines {
        Ok(engines) => engines,
        Err(e) => {
            row.refused = refused(false, &e);
            return row;
        }
    };
    let reader = kernel.program().map_named(EVENTS_MAP).map(Reader::open).transpose();
    let reader = match reader {
        Ok(reader) => reader,
        Err(e) => {
            row.refused = refused(false, &e);
            return row;
        }
    };
    let load_ms = begun.elapsed().as_secs_f64() * 1e3;
    // Verifying takes seconds where loops are counted: a second time only for kernels before 5.16,
    // which do not remember what it took.
    let verified = |program: &Program| program.info().ok()?.verified_insns.map(u64::from);
    let measured = |image| Program::measure(image).and_then(|stats| stats.processed);
    let of_all = kernel.program().programs().zip(image.programs());
    let processed =
        of_all.map(|(program, image)| verified(program).or_else(|| measured(image))).sum();
    let slots = image.programs().map(ProgramImage::slot_count).sum();
    let loaded = Loaded { slots, processed, load_ms, ..Loaded::default() };
    let frags = image.frags();
    let wrong = Vec::new();
    let mut asked = Asked { form, target, frags, running, kernel, vm, reader, loaded, wrong };
    for frame in frames(&form.matcher) {
        asked.ask(&frame);
    }
    row.loaded = Some(asked.loaded);
    row.wrong = asked.wrong;
    row
}

/// A loaded form, and what came of the frames until now.
struct Asked<'a> {
    form: &'a Form,
    target: &'a Target,
    frags: bool,
    running: KernelVersion,
    kernel: Kernel<'a>,
    vm: Vm<'a>,
    reader: Option<Reader>,
    loaded: Loaded,
    wrong: Vec<String>,
}

impl Asked<'_> {
    fn ask(&mut self, frame: &[u8]) {
        let Self { form, loaded, .. } = self;
        let expect = |matcher: &Matcher| {
            Reference::new(matcher, form.entry).answer(frame).expect("the reference answers always")
        };
        // Without BPF_F_XDP_HAS_FRAGS no interface gives a program fragments, but a test run does.
        let whole =
            form.entry != Entry::Xdp || self.frags || frame.len() <= engine::TEST_RUN_LINEAR_BYTES;
        if !whole {
            loaded.not_run += 1;
            return;
        }
        let answer = match self.kernel.answer(frame) {
            Ok(answer) => answer,
            Err(
                EngineError::TestRun(TestRunError::PacketSize { .. }) | EngineError::TooLong { .. },
            ) if !is_run(form.entry, self.running, frame.len()) => {
                loaded.not_run += 1;
                return;
            }
            Err(e) => return self.wrong.push(format!("{} bytes: {}", frame.len(), chain(&e))),
        };
        match self.vm.answer(frame) {
            Ok(vm) if vm == answer => {}
            other => self.wrong.push(format!(
                "{} bytes: the kernel says {answer:?}, the vm {other:?}",
                frame.len()
            )),
        }
        if let Err(how) = told(&mut self.reader, frame, !answer.matches.is_empty()) {
            self.wrong.push(format!("{} bytes: {how}", frame.len()));
        }
        loaded.frames += 1;
        loaded.matched += usize::from(!answer.matches.is_empty());
        let long = frame.len() > ETHERNET_FRAME_BYTES;
        if answer.searched {
            loaded.searched_bytes = loaded.searched_bytes.max(frame.len());
        } else if !self.target.may_goto && long && answer.matches.is_empty() {
            // Without may_goto a loop has an end that the verifier must see; what lies behind it is
            // counted, not missed.
            loaded.unsearched += 1;
            return;
        }
        let expected = expect(&form.matcher);
        let report = form.matcher.report;
        let all = match report {
            Report::All => expected.clone(),
            Report::First => expect(&Matcher { report: Report::All, ..form.matcher.clone() }),
        };
        if let Some(how) = engine::difference(report, &expected, &all.matches, &answer) {
            self.wrong.push(format!("{} bytes: {how}", frame.len()));
        }
    }
}

/// Was one event made of `frame` if it matched, and none if not?
fn told(reader: &mut Option<Reader>, frame: &[u8], matched: bool) -> Result<(), String> {
    let Some(reader) = reader else { return Ok(()) };
    let mut records = Vec::new();
    let each = |record: &[u8]| {
        records.push(record.to_vec());
        ControlFlow::<()>::Continue(())
    };
    let _ = reader.drain(each).map_err(|e| chain(&e))?;
    if records.len() != usize::from(matched) {
        return Err(format!("{} events of a frame, matched: {matched}", records.len()));
    }
    for bytes in &records {
        let record = Record::from_bytes(bytes).map_err(|e| chain(&e))?;
        let snap = usize::try_from(EVENTS.snap).expect("fits").min(frame.len());
        if record.captured != &frame[..snap] || record.matches().is_empty() {
            return Err(format!("a wrong event: {record:?}"));
        }
    }
    Ok(())
}

/// Must a kernel of this version run programs on frames of so many bytes?
fn is_run(entry: Entry, running: KernelVersion, bytes: usize) -> bool {
    match entry {
        // One page, less head and tail room (`bpf_prog_test_run_skb()`).
        Entry::SocketFilter | Entry::Tc(_) => bytes <= 3_500,
        // Fragments came with 5.18 (`bpf_prog_test_run_xdp()`).
        Entry::Xdp => running >= KernelVersion::new(5, 18) || bytes <= 3_520,
    }
}

/// An error and its causes in one line.
fn chain(err: &dyn Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text.push_str(": ");
        text.push_str(&err.to_string());
        cause = err.source();
    }
    text
}

/// Reproducible bytes (xorshift).
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % limit
    }

    /// Text that resembles the patterns: letters, digits, slashes.
    fn text(&mut self, len: usize) -> Vec<u8> {
        const LETTERS: &[u8; 32] = b"abcdefghipswd/etc-ord 0123456789";
        (0..len).map(|_| LETTERS[self.below(LETTERS.len())]).collect()
    }
}

/// Lengths of what is searched: around every block length, and whole frames.
const LENGTHS: &[usize] = &[
    0, 1, 2, 3, 7, 10, 11, 12, 17, 20, 31, 32, 33, 41, 42, 43, 50, 63, 64, 65, 99, 100, 101, 117,
    127, 128, 129, 138, 139, 160, 170, 200, 255, 256, 257, 300, 400, 512, 600, 699, 700, 701, 829,
    1000, 1024, 1279, 1280, 1400, 1446, 1460, 1472, 1480, 1500, 1513, 1514, 3000, 3400, 3478, 3519,
    3520, 3521, 4096, 4200, 5000, 9000, 20_000, 65_400,
];

/// Frames with planted occurrences and near misses.
fn frames(matcher: &Matcher) -> Vec<Vec<u8>> {
    let mut bytes = Bytes(0x9e37_79b9_7f4a_7c15);
    let mut frames = Vec::new();
    for &len in LENGTHS {
        // Long frames take the reference long; of them a miss and a hit at the end will do.
        let ways = if len > 4_200 { 0..3 } else { 0..9 };
        for way in ways {
            let pattern = &matcher.patterns[bytes.below(matcher.patterns.len())];
            let mut body = bytes.text(len);
            plant(&mut body, pattern, way, &mut bytes);
            frames.push(match matcher.scope {
                Scope::Payload => packet(&body, bytes.below(4)),
                Scope::Raw | Scope::Packet => body,
            });
        }
    }
    frames.retain(|frame| frame.len() >= 14 && frame.len() <= 65_535);
    frames
}

fn plant(body: &mut [u8], pattern: &Pattern, way: usize, bytes: &mut Bytes) {
    // Of the expressions this is a match.
    let example = b"GET /x HTTP/1.1 passwd- i12345678q 12pass----q was123/".to_vec();
    let example = Literal { bytes: example, ignore_case: false };
    let pattern = pattern.as_literal().unwrap_or(&example);
    let (len, m) = (body.len(), pattern.bytes.len());
    let mut literal = pattern.bytes.clone();
    if pattern.ignore_case {
        for byte in literal.iter_mut().filter(|b| b.is_ascii_alphabetic()) {
            *byte ^= if bytes.below(2) == 0 { 0x20 } else { 0 };
        }
    }
    if way == 7 {
        // The last byte cut off, at the very end.
        let kept = (m - 1).min(len);
        return body[len - kept..].copy_from_slice(&literal[..kept]);
    }
    if len < m {
        return;
    }
    let at = match way {
        0 => return,
        1 => 0,
        2 => len - m,
        3 => (len - m) / 2,
        4 => (len - m).saturating_sub(1),
        _ => bytes.below(len - m + 1),
    };
    if way == 8 {
        // A near miss everywhere it fits.
        literal[m - 1] ^= 1;
        for chunk in body.chunks_exact_mut(m) {
            chunk.copy_from_slice(&literal);
        }
        return;
    }
    body[at..at + m].copy_from_slice(&literal);
}

/// `payload` in UDP or TCP over IPv4 or IPv6, the latter with an extension header and behind a
/// VLAN tag.
fn packet(payload: &[u8], kind: usize) -> Vec<u8> {
    let be16 = |n: usize| u16::try_from(n).unwrap_or(0).to_be_bytes();
    let tcp = kind & 1 == 1;
    let mut transport = vec![0x12, 0x34, 0, 80];
    if tcp {
        transport.extend([0; 8]);
        transport.extend([0x80, 0x18, 1, 0, 0, 0, 0, 0]);
        transport.extend([1; 12]);
    } else {
        transport.extend(be16(8 + payload.len()));
        transport.extend([0, 0]);
    }
    transport.extend(payload);
    let protocol = if tcp { 6 } else { 17 };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    if kind & 2 == 0 {
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend(be16(20 + transport.len()));
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    } else {
        frame.extend([0x81, 0x00, 0, 7, 0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(be16(8 + transport.len()));
        frame.extend([60, 64]);
        frame.extend([0xfd; 32]);
        frame.extend([protocol, 0, 1, 4, 0, 0, 0, 0]);
    }
    frame.extend(transport);
    frame
}
