//! Following a trace: the last instruction printed, what the registers held before it, and the
//! messages behind it.
//!
//! Two dialects. Since Linux 5.17 an instruction is followed by what it changed
//! (`7: (07) r4 += 8   ; R4=pkt(off=8,r=0)`), so the state is put together from the last full one
//! and the changes. Before, states are printed whole and on lines of their own, at log level 1 only
//! where a branch is taken up; a state that is followed by instructions is then out of date.
//!
//! Since Linux 7.x many rejections end with a report in sections (`Verification failed: …`, `Reason:`,
//! `At:`, …) behind the one-line messages; it is kept apart from them. Those kernels also leave out
//! what nobody reads any more, so a register that was written and is not printed is forgotten.

use super::stats::{is_stats, number};

/// A register or stack slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// `R0` to `R10`, `fp-8`.
    pub name: String,
    /// What the verifier knew of it, in its own words: `pkt(off=8,r=0)`.
    pub value: String,
}

/// Where a message says that something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Slot(u32),
    /// The last slot of the program.
    Last,
}

/// Lines that are kept of what stands behind the last instruction, and of a section of a report.
const MESSAGES_MAX: usize = 64;

/// The end of a trace.
#[derive(Debug, Default)]
pub(super) struct Trace<'a> {
    /// The last instruction that was printed.
    pub(super) slot: Option<u32>,
    pub(super) insn: Option<&'a str>,
    /// The state before it; empty if it is not known.
    pub(super) registers: Vec<Register>,
    /// What was printed behind it, without states and statistics.
    pub(super) messages: Vec<&'a str>,
    /// The report behind the messages, if there is one.
    pub(super) report: Option<Report<'a>>,
}

/// A report in sections.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report<'a> {
    /// `Memory Safety: Access outside bounds`.
    pub(super) title: &'a str,
    /// The lines of the section `Reason:`.
    pub(super) reason: Vec<&'a str>,
    /// The lines of the section `Suggestion:`.
    pub(super) suggestion: Vec<&'a str>,
    /// The instruction named in the section `At:`.
    pub(super) slot: Option<u32>,
    section: &'a str,
}

impl<'a> Report<'a> {
    /// Take a line; says whether it belongs to the report.
    fn line(&mut self, line: &'a str) -> bool {
        let text = line.trim();
        if text.is_empty() {
            return true;
        }
        if !line.starts_with(' ') {
            let Some(section) = text.strip_suffix(':') else { return false };
            self.section = section;
            return true;
        }
        match self.section {
            "Reason" if self.reason.len() < MESSAGES_MAX => self.reason.push(text),
            "Suggestion" if self.suggestion.len() < MESSAGES_MAX => self.suggestion.push(text),
            "At" => {
                let slot = text.strip_prefix("insn ").and_then(number);
                self.slot = self.slot.or(slot.and_then(|slot| u32::try_from(slot).ok()));
            }
            _ => {}
        }
        true
    }
}

impl<'a> Trace<'a> {
    pub(super) fn of_log(text: &'a str) -> Self {
        let mut reader = Reader {
            trace: Self::default(),
            // A line that begins like this is of the source, and may hold anything.
            dialect: if text.lines().any(|line| !line.starts_with("; ") && line.contains("; R")) {
                Dialect::Changes
            } else {
                Dialect::Whole
            },
            before: Vec::new(),
            stale: false,
            frame: 0,
            next: Next::Change,
        };
        for line in text[last_branch(text)..].lines() {
            reader.line(line);
        }
        let Reader { mut trace, mut before, .. } = reader;
        before.sort_by_key(|r| rank(&r.name));
        trace.registers = before;
        trace
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Changes,
    Whole,
}

/// How to take the next state that stands alone on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Change,
    Whole,
    Skip,
}

struct Reader<'a> {
    trace: Trace<'a>,
    dialect: Dialect,
    /// The state before the next instruction, or, once `trace.slot` has failed, before that.
    before: Vec<Register>,
    /// In the dialect without changes: an instruction was printed since the state was.
    stale: bool,
    frame: u64,
    next: Next,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) {
        if is_chatter(line) {
            return;
        }
        if let Some(title) = line.strip_prefix("Verification failed: ") {
            self.trace.report = Some(Report { title: title.trim(), ..Report::default() });
            return;
        }
        if let Some(report) = &mut self.trace.report
            && report.line(line)
        {
            return;
        }
        if let Some(rest) = line.strip_prefix("from ") {
            if let Some((_, state)) = rest.split_once(": ")
                && is_state(state)
            {
                self.take(state, true);
                self.trace.messages.clear();
            }
            return;
        }
        match line.trim_end() {
            "callee:" => self.next = Next::Whole,
            "caller:" => self.next = Next::Skip,
            "returning from callee:" => self.next = Next::Skip,
            l if l.starts_with("to caller at ") => self.next = Next::Whole,
            l => self.trace_line(l),
        }
    }

    fn trace_line(&mut self, line: &'a str) {
        if let Some((slot, rest)) = slot_prefix(line) {
            if let Some(insn) = insn_text(rest) {
                self.insn(slot, insn);
                return;
            }
            if is_state(rest.trim_start()) {
                self.take(rest, self.dialect == Dialect::Whole || self.before.is_empty());
                return;
            }
        } else if is_state(line.trim_start()) {
            match std::mem::replace(&mut self.next, Next::Change) {
                Next::Skip => {}
                Next::Whole => self.take(line, true),
                Next::Change => self.take(line, false),
            }
            return;
        }
        if !line.trim().is_empty() && self.trace.messages.len() < MESSAGES_MAX {
            self.trace.messages.push(line.trim());
        }
    }

    fn insn(&mut self, slot: u32, text: &'a str) {
        // What the instruction before left behind becomes the state before this one.
        if self.dialect == Dialect::Whole && self.stale {
            self.before.clear();
        }
        let (insn, change) = match text.split_once(';') {
            Some((insn, change)) if change.is_empty() || is_state(change.trim_start()) => {
                (insn.trim_end(), Some(change))
            }
            Some(_) | None => (text, None),
        };
        self.trace.slot = Some(slot);
        self.trace.insn = Some(insn);
        self.trace.messages.clear();
        self.trace.report = None;
        self.stale = true;
        if let Some(change) = change {
            self.before.retain(|r| !is_written(insn, &r.name));
            self.take(change, false);
        }
    }

    /// Take a printed state: all there is, or what changed.
    fn take(&mut self, state: &str, whole: bool) {
        let state = state.trim_start();
        let (frame, state) = match state.strip_prefix("frame") {
            Some(rest) => match rest.split_once(':') {
                Some((number, rest)) => (number.parse().unwrap_or(0), rest),
                None => (0, state),
            },
            None => (0, state),
        };
        if whole || frame != self.frame {
            self.before.clear();
        }
        self.frame = frame;
        self.stale = false;
        for (name, value) in registers(state) {
            match self.before.iter_mut().find(|r| r.name == name) {
                Some(known) => value.clone_into(&mut known.value),
                None => {
                    self.before.push(Register { name: name.to_owned(), value: value.to_owned() });
                }
            }
        }
    }
}

/// Registers by number, then the stack from the top.
fn rank(name: &str) -> (bool, u32) {
    let number = name.strip_prefix('R').or_else(|| name.strip_prefix("fp-"));
    (!name.starts_with('R'), number.and_then(|n| n.parse().ok()).unwrap_or(u32::MAX))
}

/// Does the instruction give this register another value? Calls do, to all that do not survive one.
/// A register that is not printed afterwards then holds nothing, or nothing that matters.
fn is_written(insn: &str, register: &str) -> bool {
    let Some((opcode, text)) = insn.split_once(") ") else { return false };
    if opcode == "(85" {
        return matches!(register, "R0" | "R1" | "R2" | "R3" | "R4" | "R5");
    }
    let Some((target, rest)) = text.split_once(' ') else { return false };
    let assigns = rest.split(' ').next().is_some_and(|operator| operator.ends_with('='));
    assigns && target.strip_prefix(['r', 'w']) == register.strip_prefix('R')
}

/// The state of `name` among `registers`.
pub(super) fn find<'a>(registers: &'a [Register], name: &str) -> Option<&'a str> {
    registers.iter().find(|r| r.name == name).map(|r| r.value.as_str())
}

/// Where the last branch with a printed state begins, or 0: what came before is another path.
fn last_branch(text: &str) -> usize {
    let mut end = text.len();
    while let Some(at) = text[..end].rfind("\nfrom ") {
        let line = text[at + 1..].lines().next().unwrap_or_default();
        if line.split_once(": ").is_some_and(|(_, state)| is_state(state)) {
            return at + 1;
        }
        end = at;
    }
    0
}

/// Lines that say nothing about the program: precision tracking, statistics, functions found.
fn is_chatter(line: &str) -> bool {
    const BEGINNINGS: [&str; 15] = [
        "func#",
        "cur state:",
        "old state:",
        "last_idx ",
        "regs=",
        "parent state",
        "parent didn't",
        "mark_precise:",
        "propagating ",
        "Live regs",
        "Validating ",
        "Func#",
        "arg#",
        "; ",
        "safe",
    ];
    BEGINNINGS.iter().any(|b| line.starts_with(b)) || is_stats(line)
}

/// `12` and what follows of `12: …`.
pub(super) fn slot_prefix(line: &str) -> Option<(u32, &str)> {
    let (number, rest) = line.split_once(':')?;
    Some((number.parse().ok()?, rest))
}

/// `(b7) r0 = 0` of ` (b7) r0 = 0`: an instruction begins with its opcode.
pub(super) fn insn_text(rest: &str) -> Option<&str> {
    let text = rest.strip_prefix(' ')?;
    let bytes = text.as_bytes();
    let opcode = bytes.first() == Some(&b'(')
        && bytes.get(1).is_some_and(u8::is_ascii_hexdigit)
        && bytes.get(2).is_some_and(u8::is_ascii_hexdigit)
        && bytes.get(3) == Some(&b')');
    opcode.then_some(text)
}

/// Does this begin like a printed state?
fn is_state(text: &str) -> bool {
    let text = match text.strip_prefix("frame") {
        Some(rest) => match rest.split_once(':') {
            Some((number, rest))
                if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
            {
                rest.trim_start()
            }
            Some(_) | None => return false,
        },
        None => text,
    };
    let Some((name, _)) = text.split_once('=') else { return false };
    register_name(name).is_some()
}

/// The frame pointer is the last register.
const REGISTER_MAX: u16 = 10;
/// Bytes of stack of one function.
const STACK_BYTES_MAX: u16 = 512;

/// `R3` of `R3_w`, `fp-8` of `fp-8_w`; nothing for other words.
fn register_name(word: &str) -> Option<&str> {
    let name = word.split_once('_').map_or(word, |(name, _)| name);
    let (number, most) = match name.strip_prefix('R') {
        Some(number) => (number, REGISTER_MAX),
        None => (name.strip_prefix("fp-")?, STACK_BYTES_MAX),
    };
    let good = number.bytes().all(|b| b.is_ascii_digit());
    let inside = number.parse().is_ok_and(|number: u16| number <= most);
    (good && inside).then_some(name)
}

/// The registers and stack slots of a printed state. Values hold spaces only inside parentheses.
fn registers(state: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = state;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return None;
            }
            let (word, after) = rest.split_at(word_end(rest));
            rest = after;
            if let Some((name, value)) = word.split_once('=')
                && let Some(name) = register_name(name)
            {
                return Some((name, value));
            }
        }
    })
}

/// Where the first word of `text` ends: at the first space outside of parentheses.
fn word_end(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_of(text: &str) -> Vec<(String, String)> {
        Trace::of_log(text).registers.into_iter().map(|r| (r.name, r.value)).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn changes_are_put_together_and_a_call_clears_its_arguments() {
        let log = "0: R1=ctx() R10=fp0\n\
                   0: (62) *(u32 *)(r10 -4) = 0          ; R10=fp0 fp-8=0000????\n\
                   1: (bf) r2 = r10                      ; R2=fp0 R10=fp0\n\
                   5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\n\
                   6: (79) r0 = *(u64 *)(r0 +0)\n\
                   R0 invalid mem access 'map_value_or_null'\n";
        let trace = Trace::of_log(log);
        assert_eq!((trace.slot, trace.insn), (Some(6), Some("(79) r0 = *(u64 *)(r0 +0)")));
        assert_eq!(trace.messages, ["R0 invalid mem access 'map_value_or_null'"]);
        let want = pairs(&[
            ("R0", "map_value_or_null(id=1,map=m,ks=4,vs=8)"),
            ("R10", "fp0"),
            ("fp-8", "0000????"),
        ]);
        assert_eq!(state_of(log), want);
    }

    #[test]
    fn spaces_inside_of_parentheses_do_not_end_a_value() {
        let state =
            " R1_w=inv(id=0,umax_value=255,var_off=(0x0; 0xff)) R2=pkt(r=0) refs=1 fp-8_r=m";
        let got: Vec<_> = registers(state).collect();
        let want = [
            ("R1", "inv(id=0,umax_value=255,var_off=(0x0; 0xff))"),
            ("R2", "pkt(r=0)"),
            ("fp-8", "m"),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn only_the_last_branch_counts() {
        let log = "0: R1=ctx() R10=fp0\n\
                   0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=pkt(r=0)\n\
                   R9 a message of an abandoned branch\n\
                   1: (95) exit\n\
                   \n\
                   from 4 to 7: safe\n\
                   \n\
                   from 4 to 9 (speculative execution): R0=1 R10=fp0\n\
                   9: (b7) r3 = 5                        ; R3=5\n\
                   10: (95) exit\n\
                   the reason\n";
        let trace = Trace::of_log(log);
        assert_eq!(trace.slot, Some(10));
        assert_eq!(trace.messages, ["the reason"]);
        assert_eq!(state_of(log), pairs(&[("R0", "1"), ("R3", "5"), ("R10", "fp0")]));
    }

    #[test]
    fn a_whole_state_followed_by_instructions_is_out_of_date() {
        let fresh = "3: R0_w=inv0 R1=ctx(id=0,off=0,imm=0) R10=fp0\n3: (95) exit\nbad\n";
        let want = pairs(&[("R0", "inv0"), ("R1", "ctx(id=0,off=0,imm=0)"), ("R10", "fp0")]);
        assert_eq!(state_of(fresh), want);
        let stale = "from 1 to 3: R0_w=inv0 R10=fp0\n3: (b7) r0 = 1\n4: (95) exit\nbad\n";
        assert_eq!(state_of(stale), []);
    }

    #[test]
    fn a_report_is_kept_apart_and_what_is_not_printed_is_forgotten() {
        let log = "0: R1=ctx() R10=fp0\n\
                   0: (b7) r3 = 5                        ; R3=5\n\
                   1: (b7) r3 = 6                        ;\n\
                   2: (95) exit\n\
                   R0 !read_ok\n\
                   \n\
                   Verification failed: Register Type Safety: Unreadable register\n\
                   \n\
                   Reason:\n  R0 has never been initialized on this path, so\n  it cannot be used.\n\
                   \n\
                   At:\n  insn 2\n       | ^-- error: R0 is not readable\n\
                   \n\
                   Causal path:\n  insn 0\n\
                   verification time 216 usec\n";
        let trace = Trace::of_log(log);
        assert_eq!(trace.messages, ["R0 !read_ok"]);
        assert_eq!(trace.insn, Some("(95) exit"));
        let report = trace.report.expect("there is one");
        assert_eq!(report.title, "Register Type Safety: Unreadable register");
        assert_eq!(
            report.reason,
            ["R0 has never been initialized on this path, so", "it cannot be used."]
        );
        assert_eq!(report.slot, Some(2));
        assert_eq!(state_of(log), pairs(&[("R1", "ctx()"), ("R10", "fp0")]));
    }

    #[test]
    fn a_function_called_has_its_own_registers() {
        let log = "5: (85) call pc+3\n\
                   caller:\n R6=ctx() R10=fp0\n\
                   callee:\n frame1: R1=scalar() R10=fp0\n\
                   9: (b7) r0 = 1                        ; frame1: R0=1\n\
                   10: (79) r0 = *(u64 *)(r1 +0)\n\
                   R1 invalid mem access 'scalar'\n";
        assert_eq!(state_of(log), pairs(&[("R0", "1"), ("R1", "scalar()"), ("R10", "fp0")]));
    }
}
