//! The numbers at the end of a log.

/// What verifying a program took. A number that the log does not hold is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifierStats {
    /// Instructions processed; a loop counts every round that was looked at.
    pub processed: Option<u64>,
    /// Most instructions that this kernel processes.
    pub processed_max: Option<u64>,
    /// Most states kept for one instruction.
    pub states_per_insn_max: Option<u64>,
    /// States made.
    pub states: Option<u64>,
    /// States kept at once, at most.
    pub states_peak: Option<u64>,
    /// Longest chain of marking registers as read.
    pub mark_read: Option<u64>,
    /// Microseconds it took.
    pub time_us: Option<u64>,
    /// Bytes of stack of each function.
    pub stack_bytes: Vec<u64>,
}

impl VerifierStats {
    /// Read them from a log: the last of each, because the program comes first.
    pub fn of_log(text: &str) -> Self {
        let mut stats = Self::default();
        // They are the last lines; a log of megabytes need not be walked for them.
        for line in text.lines().rev().take(LINES_MAX) {
            stats.read_line(line);
        }
        stats
    }

    fn read_line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("processed ") {
            if self.processed.is_none() {
                self.processed = number(rest);
                self.processed_max = number_after(rest, "(limit ");
                self.states_per_insn_max = number_after(rest, "max_states_per_insn ");
                self.states = number_after(rest, "total_states ");
                self.states_peak = number_after(rest, "peak_states ");
                self.mark_read = number_after(rest, "mark_read ");
            }
        } else if let Some(rest) = line.strip_prefix("verification time ") {
            self.time_us = self.time_us.or(number(rest));
        } else if let Some(rest) = line.strip_prefix("stack depth ") {
            if self.stack_bytes.is_empty() {
                self.stack_bytes = rest.split('+').map_while(number).collect();
            }
        } else if is_function(line)
            && let Some(bytes) = number_after(line, " stack ")
        {
            // From the last line to the first.
            self.stack_bytes.insert(0, bytes);
        }
    }
}

/// Lines at the end of a log among which the statistics are: three, since Linux 7.x also one for
/// each function, of which the verifier takes 256, and some room.
const LINES_MAX: usize = 300;

/// Is this one of the lines that end every log?
pub(super) fn is_stats(line: &str) -> bool {
    ["processed ", "verification time ", "stack depth "].iter().any(|p| line.starts_with(p))
        || is_function(line)
}

/// `subprog 0 (main) main insns_self 3 insns_total 3 stack 16`, since Linux 7.x.
fn is_function(line: &str) -> bool {
    line.starts_with("subprog ") && line.contains(" insns_self ")
}

/// The number that `text` begins with.
pub(super) fn number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The number behind the first `key` in `text`.
pub(super) fn number_after(text: &str, key: &str) -> Option<u64> {
    number(&text[text.find(key)? + key.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_lines_of_a_successful_load_are_read() {
        let stats = VerifierStats::of_log(
            "verification time 305 usec\nstack depth 16+8\nprocessed 34611 insns (limit 1000000) \
             max_states_per_insn 4 total_states 123 peak_states 45 mark_read 6\n",
        );
        let want = VerifierStats {
            processed: Some(34611),
            processed_max: Some(1_000_000),
            states_per_insn_max: Some(4),
            states: Some(123),
            states_peak: Some(45),
            mark_read: Some(6),
            time_us: Some(305),
            stack_bytes: vec![16, 8],
        };
        assert_eq!(stats, want);
    }

    #[test]
    fn stacks_by_function_are_read_in_their_order() {
        let stats = VerifierStats::of_log(
            "verification time 3 usec\nstack depth max 24\nsubprog 0 (<unknown>) main insns_self 3 \
             insns_total 9 stack 16\nsubprog 1 (f) static insns_self 6 insns_total 6 stack 8\n\
             processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0\n",
        );
        assert_eq!((stats.time_us, stats.processed), (Some(3), Some(9)));
        assert_eq!(stats.stack_bytes, [16, 8]);
    }

    #[test]
    fn missing_cut_and_absurd_numbers_are_none() {
        assert_eq!(VerifierStats::of_log(""), VerifierStats::default());
        let cut = VerifierStats::of_log("processed 12 insns (limit 10");
        assert_eq!((cut.processed, cut.processed_max, cut.states), (Some(12), Some(10), None));
        let absurd =
            VerifierStats::of_log("processed 99999999999999999999999 insns\nstack depth x");
        assert_eq!(absurd, VerifierStats::default());
    }
}
