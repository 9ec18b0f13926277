//! What was counted, over a capture or on an interface: the same numbers in the same words.

use std::io::Write;

use hardwire::attachment::Counts;
use hardwire::compiler::event::{COUNTERS_MAP, Counter, Counters, EVENTS_MAP, HITS_MAP, Hit};
use hardwire::compiler::ir::{Outcome, Verdict};
use hardwire::loader::Program;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::failure::{Failure, Problem};
use crate::options::Named;
use crate::output::{Output, Paint};

/// Verdicts by name, in the order they are shown.
const VERDICTS: [(&str, Counter); 5] = [
    (Verdict::Pass.name(), Counter::Pass),
    (Verdict::Drop.name(), Counter::Drop),
    (Verdict::Abort.name(), Counter::Abort),
    (Verdict::Tx.name(), Counter::Tx),
    ("redirect", Counter::Redirect),
];

/// What became of the events of matching frames.
const EVENTS: [(&str, Counter); 3] = [
    ("events", Counter::Events),
    ("events_lost", Counter::EventsLost),
    ("events_skipped", Counter::EventsSkipped),
];

/// Lines of patterns with hits that are shown; of the rest the number is told.
const HIT_LINES_MAX: usize = 20;

/// Counters, and hits for each pattern in the order of the ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// As the generated programs count.
    pub(crate) counters: Counters,
    /// Frames in which the pattern with the id of the index plus one was found.
    pub(crate) hits: Vec<u64>,
    /// Does the program make events?
    events: bool,
}

impl Totals {
    /// Nothing counted yet, for so many patterns.
    pub(crate) fn new(patterns: usize) -> Self {
        Self { counters: Counters::default(), hits: vec![0; patterns], events: false }
    }

    /// What `program` counted so far on all CPUs, for so many patterns.
    ///
    /// # Errors
    ///
    /// Its maps cannot be read, or are not those of a generated program.
    pub(crate) fn of(program: &Program, patterns: usize) -> Result<Self, Problem> {
        let read = |index: usize| {
            let map = program.maps().get(index).ok_or_else(|| {
                let what = format!("program {} has no map {index}", program.name());
                Problem::new(what).hint("this is a bug in Hardwire; please report it")
            })?;
            map.read_array().map_err(|error| Problem::of(&error).hint_if(error.hint()))
        };
        let mut totals = Self::new(patterns);
        totals.events = program.map_named(EVENTS_MAP).is_some();
        for counters in read(COUNTERS_MAP)?.entry(0).filter_map(Counters::from_bytes) {
            totals.counters.merge(&counters);
        }
        let hits = read(HITS_MAP)?;
        for (index, sum) in totals.hits.iter_mut().enumerate() {
            *sum = hits.entry(index).filter_map(Hit::from_bytes).map(|hit| hit.hits).sum();
        }
        Ok(totals)
    }

    /// What an attachment that stays counted so far.
    pub(crate) fn of_counts(counts: Counts) -> Self {
        Self { counters: counts.counters, hits: counts.hits, events: false }
    }

    /// Count one frame of `bytes` bytes, as a generated program does.
    pub(crate) fn add(&mut self, bytes: usize, outcome: &Outcome) {
        let kind = match (outcome.in_scope, outcome.matches.is_empty(), outcome.searched) {
            (false, _, _) => Counter::OutOfScope,
            (true, false, _) => Counter::Matched,
            (true, true, false) => Counter::Unsearched,
            (true, true, true) => Counter::Missed,
        };
        self.counters.add(Counter::Frames, 1);
        self.counters.add(Counter::Bytes, u64::try_from(bytes).unwrap_or(u64::MAX));
        self.counters.add(kind, 1);
        self.counters.add(Counter::of_verdict(outcome.verdict), 1);
        for found in &outcome.matches {
            let index = usize::try_from(found.id).ok().and_then(|id| id.checked_sub(1));
            if let Some(hits) = index.and_then(|index| self.hits.get_mut(index)) {
                *hits += 1;
            }
        }
    }

    /// `12000 frames, 8312345 bytes: 5 matched, …` on one line.
    pub(crate) fn headline(&self) -> String {
        let of = |counter| self.counters.get(counter);
        let unsearched = match of(Counter::Unsearched) {
            0 => String::new(),
            frames => format!(", {frames} UNSEARCHED"),
        };
        format!(
            "{} frames, {} bytes: {} matched, {} missed, {} out of scope{unsearched}",
            of(Counter::Frames),
            of(Counter::Bytes),
            of(Counter::Matched),
            of(Counter::Missed),
            of(Counter::OutOfScope),
        )
    }

    /// All of it, for people.
    pub(crate) fn print(&self, output: &mut Output, patterns: &[Named]) -> Result<(), Failure> {
        let headline = output.paint(Paint::Bold, self.headline());
        writeln!(output, "{headline}")?;
        let verdicts: Vec<_> = VERDICTS
            .iter()
            .map(|(name, counter)| (name, self.counters.get(*counter)))
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if !verdicts.is_empty() {
            writeln!(output, "verdicts: {}", verdicts.join(", "))?;
        }
        if self.events {
            let [made, lost, skipped] = EVENTS.map(|(_, counter)| self.counters.get(counter));
            writeln!(output, "events: {made} made, {lost} lost, {skipped} skipped")?;
        }
        let mut found: Vec<_> =
            self.hits.iter().zip(patterns).filter(|(hits, _)| **hits > 0).collect();
        // The most frequent first; the sort is stable, so that ties stay in the order of the ids.
        found.sort_by_key(|(hits, _)| std::cmp::Reverse(**hits));
        for (hits, named) in found.iter().take(HIT_LINES_MAX) {
            writeln!(output, "hits: {hits:>8}  #{} {}", named.pattern.id, named.text)?;
        }
        if found.len() > HIT_LINES_MAX {
            let more = found.len() - HIT_LINES_MAX;
            writeln!(output, "and {more} patterns with fewer hits (--json shows all)")?;
        }
        Ok(())
    }
}

/// The totals of a program that decides nothing about frames, as a socket filter: without verdicts.
pub(crate) struct Undecided<'a>(pub(crate) &'a Totals);

impl Serialize for Undecided<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_with(false, serializer)
    }
}

impl Serialize for Totals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_with(true, serializer)
    }
}

impl Totals {
    fn serialize_with<S: Serializer>(
        &self,
        verdicts: bool,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, counter) in [
            ("frames", Counter::Frames),
            ("bytes", Counter::Bytes),
            ("out_of_scope", Counter::OutOfScope),
            ("unsearched", Counter::Unsearched),
            ("matched", Counter::Matched),
            ("missed", Counter::Missed),
        ] {
            map.serialize_entry(name, &self.counters.get(counter))?;
        }
        if self.events {
            for (name, counter) in EVENTS {
                map.serialize_entry(name, &self.counters.get(counter))?;
            }
        }
        if verdicts {
            let verdicts = VERDICTS.map(|(name, counter)| (name, self.counters.get(counter)));
            map.serialize_entry("verdicts", &Pairs(&verdicts))?;
        }
        let hits: Vec<_> = self.hits.iter().zip(1_u32..).map(|(hits, id)| (id, *hits)).collect();
        map.serialize_entry("hits", &Pairs(&hits))?;
        map.end()
    }
}

/// Pairs as a JSON object that keeps their order.
struct Pairs<'a, K>(&'a [(K, u64)]);

impl<K: Serialize> Serialize for Pairs<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// `{"summary": …}`.
#[derive(serde::Serialize)]
pub(crate) struct Summary<T: Serialize> {
    /// The numbers.
    pub(crate) summary: T,
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardwire::compiler::ir::Match;

    #[test]
    fn a_frame_is_counted_as_a_generated_program_counts_it() {
        let found = vec![Match { id: 2, end: Some(5) }];
        let (pass, drop) = (Verdict::Pass, Verdict::Drop);
        let mut totals = Totals::new(2);
        for (in_scope, searched, verdict, matches) in [
            (true, true, drop, found),
            (true, true, pass, vec![]),
            (true, false, pass, vec![]),
            (false, true, Verdict::Redirect { ifindex: 3 }, vec![]),
        ] {
            totals.add(100, &Outcome { in_scope, searched, verdict, matches });
        }
        let got = serde_json::to_string(&Summary { summary: &totals }).expect("plain numbers");
        let want = r#"{"summary":{"frames":4,"bytes":400,"out_of_scope":1,"unsearched":1,"matched":1,"missed":1,"verdicts":{"pass":2,"drop":1,"abort":0,"tx":0,"redirect":1},"hits":{"1":0,"2":1}}}"#;
        assert_eq!(got, want);
        let got = serde_json::to_string(&Undecided(&totals)).expect("plain numbers");
        let want = r#"{"frames":4,"bytes":400,"out_of_scope":1,"unsearched":1,"matched":1,"missed":1,"hits":{"1":0,"2":1}}"#;
        assert_eq!(got, want, "what decides nothing has no verdicts");
    }
}
