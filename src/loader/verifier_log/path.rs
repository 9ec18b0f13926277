//! The path of branches that led to the failure.
//!
//! The verifier goes down one path to its end and then takes up the branch that it left open last;
//! a log at level 1 prints every instruction, and `from 4 to 9` where a branch is taken up. So the
//! decisions of the current path are a stack: a branch that is taken up goes back to the decision it
//! belongs to, and what came behind that was another path.

use super::{
    one_line,
    state::{insn_text, slot_prefix},
};

/// Decisions that are kept while a log is read; of older ones only the number is known. The
/// verifier itself lets 8192 branches wait on one path.
const STEPS_MAX: usize = 65_536;

/// A conditional jump, or a call of a function of the program, on the way to the failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its slot.
    pub slot: u32,
    /// The jump, in the kernel's words; empty if the log does not hold it.
    pub insn: String,
    /// The slot where the path went on.
    pub to: u32,
    /// How often the path went this way here: more than once in a loop.
    pub times: u32,
}

impl Branch {
    /// Is it a call? That goes on in the function, and has no other side.
    pub fn is_call(&self) -> bool {
        is_call(&self.insn)
    }

    /// Did the path jump, and not go on with the next instruction?
    pub fn is_taken(&self) -> bool {
        self.slot.checked_add(1) != Some(self.to)
    }
}

/// One decision.
#[derive(Clone, Copy, Debug)]
struct Step<'a> {
    slot: u32,
    insn: &'a str,
    to: Option<u32>,
    /// Nothing waits here any more: the other side was taken up, too.
    closed: bool,
}

/// Follows a log.
#[derive(Debug, Default)]
pub(super) struct Path<'a> {
    steps: Vec<Step<'a>>,
    /// Decisions before the first step are not known.
    cut: bool,
}

impl<'a> Path<'a> {
    /// The path to the last instruction of a log.
    pub(super) fn of_log(text: &'a str) -> Self {
        let mut path = Self::default();
        let mut first = true;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("from ") {
                if let Some((from, to)) = taken_up(rest) {
                    path.take_up(from, to);
                }
            } else if line.starts_with("Validating ") {
                // A function of its own, looked at from its beginning.
                path.steps.clear();
            } else if let Some((slot, rest)) = slot_prefix(line)
                && let Some(insn) = insn_text(rest)
            {
                path.cut |= std::mem::take(&mut first) && slot != 0;
                path.insn(slot, insn);
            }
        }
        path
    }

    fn insn(&mut self, slot: u32, text: &'a str) {
        if let Some(last) = self.steps.last_mut()
            && last.to.is_none()
        {
            last.to = Some(slot);
        }
        let insn = text.split_once(';').map_or(text, |(insn, _)| insn).trim_end();
        if is_conditional(insn) || is_call(insn) {
            self.push(Step { slot, insn, to: None, closed: false });
        }
    }

    fn push(&mut self, step: Step<'a>) {
        if self.steps.len() >= STEPS_MAX {
            self.steps.drain(..STEPS_MAX / 2);
            self.cut = true;
        }
        self.steps.push(step);
    }

    /// Go back to the open decision at `from`, which goes to `to` now.
    fn take_up(&mut self, from: u32, to: u32) {
        let open = |step: &Step<'_>| step.slot == from && !step.closed && step.to != Some(to);
        if let Some(at) = self.steps.iter().rposition(open) {
            self.steps.truncate(at + 1);
            self.steps[at].to = Some(to);
            self.steps[at].closed = true;
            return;
        }
        // Its beginning is not in this log, or it was not left open by a jump.
        self.steps.clear();
        self.cut = true;
        self.push(Step { slot: from, insn: "", to: Some(to), closed: true });
    }

    /// The decisions, each once for each way it went, in the order in which they were passed last.
    pub(super) fn branches(&self) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (order, step) in self.steps.iter().enumerate() {
            let Some(to) = step.to else { continue };
            let at = *places.entry((step.slot, to)).or_insert_with(|| {
                let insn = one_line(&[step.insn], "");
                branches.push(Branch { slot: step.slot, insn, to, times: 0 });
                (branches.len() - 1, order)
            });
            branches[at.0].times = branches[at.0].times.saturating_add(1);
            places.insert((step.slot, to), (at.0, order));
        }
        let last = |branch: &Branch| places.get(&(branch.slot, branch.to)).map(|place| place.1);
        branches.sort_by_key(last);
        branches
    }

    /// Is the beginning of the path missing?
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The two slots of `4 to 9: R0=…`, `4 to 9 (speculative execution): …`.
fn taken_up(rest: &str) -> Option<(u32, u32)> {
    let (from, rest) = rest.split_once(" to ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    Some((from.parse().ok()?, rest[..end].parse().ok()?))
}

/// Is it a call of a function of the program? Those of the kernel lead nowhere.
fn is_call(insn: &str) -> bool {
    insn.split_once(") ").is_some_and(|(_, text)| text.starts_with("call pc"))
}

fn is_conditional(insn: &str) -> bool {
    let text = insn.split_once(") ").map_or("", |(_, text)| text);
    text.starts_with("if ") || text.starts_with("may_goto")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(slot, to, times)` of each, and whether the beginning is missing.
    fn told(log: &str) -> (Vec<(u32, u32, u32)>, bool) {
        let path = Path::of_log(log);
        let branches = path.branches();
        (branches.iter().map(|b| (b.slot, b.to, b.times)).collect(), path.is_cut())
    }

    #[test]
    fn a_branch_that_is_taken_up_goes_back_to_its_decision() {
        let log = "0: (61) r2 = *(u32 *)(r1 +0)  ; R2=scalar()\n\
                   1: (15) if r2 == 0x0 goto pc+2        ; R2=scalar()\n\
                   2: (15) if r2 == 0x1 goto pc+1        ; R2=scalar()\n\
                   3: (95) exit\n\
                   \nfrom 2 to 4: R2=1 R10=fp0\n\
                   4: (95) exit\n\
                   \nfrom 1 to 4: R2=0 R10=fp0\n\
                   4: (bf) r0 = r5\n\
                   R5 !read_ok\n";
        assert_eq!(told(log), (vec![(1, 4, 1)], false));
        let before = &log[..log.find("\nfrom 1").expect("there")];
        assert_eq!(told(before), (vec![(1, 2, 1), (2, 4, 1)], false));
        let branches = Path::of_log(before).branches();
        assert_eq!(branches[0].insn, "(15) if r2 == 0x0 goto pc+2");
        assert_eq!(branches.iter().map(Branch::is_taken).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_branch_that_needs_no_second_look_closes_its_decision_too() {
        let log = "0: (15) if r2 == 0x0 goto pc+2\n\
                   1: (15) if r2 == 0x1 goto pc+1\n\
                   2: (95) exit\n\
                   from 1 to 3: safe\n\
                   from 0 to 3: R0=1\n\
                   3: (95) exit\n";
        assert_eq!(told(log), (vec![(0, 3, 1)], false));
    }

    #[test]
    fn rounds_of_a_loop_are_counted() {
        let round = "1: (07) r0 += 1\n2: (a5) if r0 < 0x100 goto pc-2\n";
        let log = format!("0: (b7) r0 = 0\n{}3: (95) exit\nbad\n", round.repeat(200));
        assert_eq!(told(&log), (vec![(2, 1, 199), (2, 3, 1)], false));
    }

    #[test]
    fn calls_of_the_programs_own_functions_are_on_the_path() {
        let log = "0: (85) call pc+1\ncaller:\n R10=fp0\ncallee:\n frame1: R10=fp0\n\
                   2: (85) call bpf_ktime_get_ns#5\n3: (15) if r0 == 0x0 goto pc+1\n4: (95) exit\n";
        assert_eq!(told(log), (vec![(0, 2, 1), (3, 4, 1)], false));
        let calls: Vec<_> = Path::of_log(log).branches().iter().map(Branch::is_call).collect();
        assert_eq!(calls, [true, false]);
    }

    #[test]
    fn a_log_without_its_beginning_says_so() {
        assert_eq!(
            told("7: (15) if r2 == 0x0 goto pc+2\n10: (95) exit\n"),
            (vec![(7, 10, 1)], true)
        );
        assert_eq!(
            told("0: (b7) r0 = 0\nfrom 5 to 9: R0=1\n9: (95) exit\n"),
            (vec![(5, 9, 1)], true)
        );
        assert_eq!(told(""), (vec![], false));
    }

    #[test]
    fn a_path_without_end_is_kept_in_part() {
        let log = "1: (15) if r2 == 0x0 goto pc+2\n".repeat(3 * STEPS_MAX / 2);
        let path = Path::of_log(&log);
        assert!(path.steps.len() <= STEPS_MAX && path.is_cut());
    }
}
