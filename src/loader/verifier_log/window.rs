//! The instructions around the failure: of the program if it is at hand, else as far as the log
//! shows them.

use std::collections::BTreeMap;

use super::{
    one_line,
    state::{insn_text, slot_prefix},
};
use crate::assembler::{ProgramImage, disasm};

/// Instructions that are shown before the failure and behind it.
const BEFORE: usize = 6;
const BEHIND: usize = 3;

/// Slots around the failure in which these instructions are, if all are wide.
const SLOTS: u32 = 2 * 6;

/// An instruction near the failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowLine {
    /// Its slot.
    pub slot: u32,
    /// The opcode and the instruction, in the kernel's words.
    pub text: String,
    /// Why it exists: its origin, or its line of source; where that begins.
    pub why: Option<String>,
}

/// Around `slot` of `image`.
pub(super) fn of_image(image: &ProgramImage, slot: u32) -> Vec<WindowLine> {
    let Some(at) = image.index_at(slot) else { return Vec::new() };
    let from = at.saturating_sub(BEFORE);
    let to = image.insns().len().min(at + BEHIND + 1);
    let line = |index: usize| {
        let insn = &image.insns()[index];
        let before = index.checked_sub(1).filter(|&before| before >= from);
        let begins = before.is_none_or(|b| image.origin_number(b) != image.origin_number(index));
        WindowLine {
            slot: image.slot_of(index),
            text: format!("({:02x}) {insn}", disasm::opcode(insn)),
            why: begins.then(|| image.origin(index).to_string()),
        }
    };
    (from..to).map(line).collect()
}

/// Around `slot`, from what the log shows of any path. Of an instruction that is printed again and
/// again the last printing counts.
pub(super) fn of_log(log: &str, slot: u32) -> Vec<WindowLine> {
    let near = slot.saturating_sub(SLOTS)..=slot.saturating_add(SLOTS);
    let mut found: BTreeMap<u32, (&str, Option<&str>)> = BTreeMap::new();
    let mut source = None;
    for line in log.lines() {
        if let Some(text) = source_line(line) {
            source = Some(text);
        } else if let Some((slot, rest)) = instruction(line) {
            let why = source.take();
            if near.contains(&slot) {
                let text = rest.split_once(';').map_or(rest, |(insn, _)| insn).trim_end();
                let known = found.get(&slot).and_then(|(_, why)| *why);
                found.insert(slot, (text, why.or(known)));
            }
        }
    }
    let before = found.range(..slot).count().saturating_sub(BEFORE);
    let shown = found.range(..=slot).count() + BEHIND;
    found
        .into_iter()
        .take(shown)
        .skip(before)
        .map(|(slot, (text, why))| WindowLine {
            slot,
            text: one_line(&[text], ""),
            why: why.map(|why| one_line(&[why], "")),
        })
        .collect()
}

/// Columns in which a table of live registers has one each.
const LIVE_COLUMNS: usize = 10;

/// `3: (07) r4 += 12` of a trace, `      3 | (07) r4 += 12` of a report (Linux 7.x), or
/// `  1   3: .1..4..... (07) r4 += 12` of the table of live registers (level 2, Linux 6.17).
fn instruction(line: &str) -> Option<(u32, &str)> {
    if let Some((slot, rest)) = slot_prefix(line) {
        return Some((slot, insn_text(rest)?));
    }
    let line = line.strip_prefix("  ")?;
    if let Some((slot, rest)) = line.split_once(" |") {
        let slot = slot.strip_prefix(">>>").unwrap_or(slot).trim();
        return Some((slot.parse().ok()?, insn_text(rest)?));
    }
    let (before, rest) = line.split_once(": ")?;
    let (live, _) = rest.split_once(' ')?;
    let is_live =
        live.len() == LIVE_COLUMNS && live.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    let slot = before.rsplit(' ').next().filter(|_| is_live)?;
    Some((slot.parse().ok()?, insn_text(&rest[LIVE_COLUMNS..])?))
}

/// `*v += 1; @ count.c:9` of a line of source; nothing for code that no line stands for.
fn source_line(line: &str) -> Option<&str> {
    line.strip_prefix("; ").map(str::trim).filter(|text| !text.starts_with("@ "))
}

/// The line of source that the log shows last before the last printing of the instruction at
/// `slot`.
pub(super) fn source_of(log: &str, slot: u32) -> Option<&str> {
    let (mut source, mut found) = (None, None);
    for line in log.lines() {
        if let Some(text) = source_line(line) {
            source = Some(text);
        } else if line.starts_with("from ") {
            // Another place: a line of source is printed only where it changes.
            source = None;
        } else if slot_prefix(line)
            .is_some_and(|(at, rest)| at == slot && insn_text(rest).is_some())
        {
            found = source;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_shows_what_is_around_the_failure_with_its_source() {
        let mut log = String::from("; first line @ a.c:1\n");
        for slot in 0..20 {
            log += &format!("{slot}: (b7) r0 = {slot}     ; R0={slot}\n");
            if slot == 9 {
                log += "; second line @ a.c:2\n";
            }
        }
        log += "bad\n  Instruction context:\n  >>> 19 | (b7) r0 = 19\n      20 | (95) exit\n";
        let window = of_log(&log, 12);
        let slots: Vec<_> = window.iter().map(|line| line.slot).collect();
        assert_eq!(slots, (6..=15).collect::<Vec<_>>());
        assert_eq!(window[4].why.as_deref(), Some("second line @ a.c:2"));
        assert_eq!(window[6].text, "(b7) r0 = 12");
        assert_eq!(of_log(&log, 19).last().map(|line| line.text.as_str()), Some("(95) exit"));
        assert_eq!(source_of(&log, 12), Some("second line @ a.c:2"));
        assert_eq!(source_of(&log, 9), Some("first line @ a.c:1"));
        assert_eq!(of_log("", u32::MAX), []);
        let live = "  1   5: .1234..... (07) r2 += 1\n      7: .1........ (67) r1 <<= 32\n";
        let texts: Vec<_> = of_log(live, 5).into_iter().map(|l| (l.slot, l.text)).collect();
        assert_eq!(texts, [(5, "(07) r2 += 1".to_owned()), (7, "(67) r1 <<= 32".to_owned())]);
    }
}
