//! The obvious matcher: the oracle that every other engine is compared with.
//!
//! A literal is tried at every position, byte by byte; of an expression the set of places where a
//! match may stand is moved through the scope. It shares nothing with the generated code but the
//! input, [`Matcher`], and gives what DESIGN means: the verdict of a frame, and the patterns that
//! occur in it.

mod expression;

use super::frequency::{Condition, Span};
use super::ir::{Body, FRAME_BYTES_MAX, Literal, Match, Matcher, Outcome, Pattern, Report, Window};
use super::scope::{Hook, scope_of};
use expression::Places;

/// A matcher that has read its expressions.
pub struct Obvious<'m> {
    matcher: &'m Matcher,
    /// For each pattern what is tried.
    wanted: Vec<Wanted<'m>>,
}

enum Wanted<'m> {
    Literal(&'m Literal),
    Expression(Places),
    /// Nothing: a condition has no end.
    Nothing,
}

impl std::fmt::Debug for Obvious<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Obvious").field(self.matcher).finish()
    }
}

impl<'m> Obvious<'m> {
    /// The reference for `matcher`, whose expressions come from the front ends: without Unicode
    /// look-around, and with at most
    /// [`POSITIONS_MAX`](super::pattern::regex::POSITIONS_MAX) positions each.
    pub fn new(matcher: &'m Matcher) -> Self {
        Self { matcher, wanted: matcher.patterns.iter().map(Wanted::new).collect() }
    }

    /// What becomes of `input`, seen by `hook`, and what was found in it.
    ///
    /// Of an input longer than [`FRAME_BYTES_MAX`] the first so many bytes are searched; if its scope
    /// reaches further and nothing was found, the outcome is not `searched`. The end of the search
    /// is no end of the scope: nothing is found there by `$`. With [`Report::First`] the match is the
    /// one that ends first, of several the one with the lowest id. Conditions that hold for a frame that
    /// matches are reported with it, all of them.
    pub fn search(&self, input: &[u8], hook: Hook) -> Outcome {
        let verdicts = self.matcher.verdicts;
        let Some(scope) = scope_of(input, self.matcher.scope, hook) else {
            let verdict = verdicts.out_of_scope;
            return Outcome { in_scope: false, searched: true, verdict, matches: Vec::new() };
        };
        let limit = size(FRAME_BYTES_MAX);
        let searchable = scope.end.min(limit).saturating_sub(scope.start);
        let whole = scope.end <= limit;

        let seen = &input[scope.clone()][..searchable];
        let mut conditions = self.matcher.conditions();
        if conditions.any(|(_, p, condition)| !holds(condition, p.window, seen, whole)) {
            let verdict = verdicts.on_miss;
            return Outcome { in_scope: true, searched: whole, verdict, matches: Vec::new() };
        }
        let mut matches = Vec::new();
        for (pattern, wanted) in self.matcher.patterns.iter().zip(&self.wanted) {
            if let Some(end) = wanted.first_end(&input[scope.clone()], searchable, pattern.window) {
                let end = u32::try_from(end).expect("at most FRAME_BYTES_MAX bytes are searched");
                matches.push(Match { id: pattern.id, end: Some(end) });
            }
        }
        matches.sort();
        if self.matcher.report == Report::First {
            let first = matches.iter().copied().min_by_key(|found| (found.end, found.id));
            matches = first.into_iter().collect();
        }
        if !matches.is_empty() || self.matcher.sought() == 0 {
            let conditions = self.matcher.conditions();
            matches.extend(conditions.map(|(_, p, _)| Match { id: p.id, end: None }));
            matches.sort();
        }

        let found = !matches.is_empty();
        let verdict = if found { verdicts.on_match } else { verdicts.on_miss };
        Outcome { in_scope: true, searched: found || whole, verdict, matches }
    }
}

impl<'m> Wanted<'m> {
    fn new(pattern: &'m Pattern) -> Self {
        match &pattern.body {
            Body::Literal(literal) => Self::Literal(literal),
            Body::Regex(expression) => Self::Expression(Places::new(&expression.hir)),
            Body::Frequency(_) => Self::Nothing,
        }
    }

    /// The smallest end of an occurrence in the first `searchable` bytes of `scope`.
    fn first_end(&self, scope: &[u8], searchable: usize, window: Window) -> Option<usize> {
        let start = size(window.offset);
        let end = window.depth.map_or(usize::MAX, |depth| start.saturating_add(size(depth)));
        let window = start..end.min(scope.len()).min(searchable);
        match self {
            // All occurrences of a literal have the same length: the first has the smallest end.
            Self::Literal(Literal { bytes, ignore_case }) => window
                .clone()
                .map(|start| start..start + bytes.len())
                .take_while(|place| place.end <= window.end)
                .find(|place| equal(bytes, &scope[place.clone()], *ignore_case))
                .map(|place| place.end),
            Self::Expression(places) => places.first_end(scope, window),
            Self::Nothing => None,
        }
    }
}

/// Does `condition` certainly hold for `window` of a scope, of which `seen` can be searched?
///
/// Where that is not the `whole` scope, bytes that were not seen may count, too: a limit that they
/// must not pass is not certain to hold if they lie where the condition counts.
fn holds(condition: &Condition, window: Window, seen: &[u8], whole: bool) -> bool {
    let offset = size(window.offset);
    let window_end = window.depth.map_or(usize::MAX, |depth| offset.saturating_add(size(depth)));
    condition.terms.iter().all(|term| {
        let end = match term.span {
            Span::First(n) => window_end.min(offset.saturating_add(size(n))),
            Span::Scope | Span::Any(_) => window_end,
        };
        let certain = whole || end < seen.len() || term.most.is_none();
        let start = offset.min(seen.len());
        certain && term.holds(&seen[start..end.clamp(start, seen.len())])
    })
}

/// [`Obvious::search`], for one input.
pub fn search(matcher: &Matcher, input: &[u8], hook: Hook) -> Outcome {
    Obvious::new(matcher).search(input, hook)
}

/// The smallest exclusive end of an occurrence of `pattern` in `scope`, inside its window.
pub fn first_end(pattern: &Pattern, scope: &[u8]) -> Option<usize> {
    Wanted::new(pattern).first_end(scope, scope.len(), pattern.window)
}

/// Says where a pattern ends first, apart from frames and windows of its own.
#[cfg(test)]
pub(crate) struct Finder(Places);

#[cfg(test)]
impl Finder {
    pub(crate) fn new(hir: &regex_syntax::hir::Hir) -> Self {
        Self(Places::new(hir))
    }

    /// The smallest end of a match inside `window`.
    pub(crate) fn first_end(&self, scope: &[u8], window: std::ops::Range<usize>) -> Option<usize> {
        self.0.first_end(scope, window)
    }
}

fn equal(pattern: &[u8], bytes: &[u8], ignore_case: bool) -> bool {
    for (wanted, byte) in pattern.iter().zip(bytes) {
        let same = if ignore_case { wanted.eq_ignore_ascii_case(byte) } else { wanted == byte };
        if !same {
            return false;
        }
    }
    true
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).expect("Linux has no 16-bit machines")
}

#[cfg(test)]
mod tests {
    use super::super::ir::{Scope, Verdict, Verdicts, Window};
    use super::*;

    /// Every string over {a, b} of at most `max_len` bytes, shortest first.
    fn strings(max_len: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..max_len {
            let longest = all[from..].to_vec();
            from = all.len();
            all.extend(longest.iter().flat_map(|s| ["a", "b"].map(|letter| s.clone() + letter)));
        }
        all
    }

    fn pattern(id: u32, bytes: &[u8]) -> Pattern {
        Pattern::literal(id, bytes)
    }

    fn raw(patterns: Vec<Pattern>, report: Report) -> Matcher {
        let verdicts = Verdicts {
            on_match: Verdict::Drop,
            on_miss: Verdict::Tx,
            out_of_scope: Verdict::Abort,
        };
        Matcher { patterns, scope: Scope::Raw, report, verdicts }
    }

    /// Goal: no off-by-one in the window and in the end.
    /// Method: the standard library's search, in the whole of a small space.
    #[test]
    fn every_small_needle_in_every_small_haystack_and_window_agrees_with_the_standard_library() {
        for needle in strings(3).iter().filter(|needle| !needle.is_empty()) {
            for haystack in strings(6) {
                for offset in 0..=7 {
                    for depth in (0..=7).map(Some).chain([None]) {
                        let depth_end = depth.map_or(usize::MAX, |depth| offset + depth);
                        let window = haystack.get(offset..haystack.len().min(depth_end));
                        let expected = window
                            .and_then(|window| window.find(needle))
                            .map(|at| offset + at + needle.len());
                        let window = Window {
                            offset: u32::try_from(offset).unwrap(),
                            depth: depth.map(|depth| u32::try_from(depth).unwrap()),
                        };
                        let pattern = pattern(1, needle.as_bytes()).within(window);
                        let found = first_end(&pattern, haystack.as_bytes());
                        assert_eq!(found, expected, "{needle} in {haystack}, {:?}", pattern.window);
                    }
                }
            }
        }
    }

    #[test]
    fn case_is_ignored_for_ascii_letters_alone() {
        for (needle, haystack, expected) in [
            ("get", "GET", true),
            ("GeT", "gEt", true),
            ("@[`{", "@[`{", true),
            ("@", "`", false),
            ("[", "{", false),
            ("\u{c4}", "\u{e4}", false),
        ] {
            let pattern = pattern(1, needle.as_bytes()).ignoring_case(true);
            let found = first_end(&pattern, haystack.as_bytes()).is_some();
            assert_eq!(found, expected, "{needle} in {haystack}");
        }
    }

    #[test]
    fn all_gives_every_pattern_by_id_with_its_smallest_end_and_first_gives_one() {
        let patterns = vec![
            pattern(2, b"bc"),
            pattern(3, b"abc"),
            pattern(5, b"x"),
            pattern(7, b"bc"),
            pattern(9, b"abcabcabc"),
        ];
        let all = search(&raw(patterns.clone(), Report::All), b"zabcabc", Hook::Xdp);
        let ends: Vec<_> = all.matches.iter().map(|found| (found.id, found.end)).collect();
        assert_eq!(ends, [(2, Some(4)), (3, Some(4)), (7, Some(4))]);
        assert_eq!((all.in_scope, all.searched, all.verdict), (true, true, Verdict::Drop));

        let first = search(&raw(patterns, Report::First), b"zabcabc", Hook::Xdp);
        assert_eq!(first.matches, [Match { id: 2, end: Some(4) }]);
    }

    #[test]
    fn no_patterns_and_no_bytes_are_a_miss() {
        for (patterns, input) in [(vec![], &b"abc"[..]), (vec![pattern(1, b"a")], b"")] {
            let outcome = search(&raw(patterns, Report::All), input, Hook::Xdp);
            assert_eq!((outcome.verdict, outcome.matches), (Verdict::Tx, vec![]));
        }
    }

    #[test]
    fn out_of_scope_frames_get_their_own_verdict() {
        let mut matcher = raw(vec![pattern(1, b"a")], Report::All);
        matcher.scope = Scope::Payload;
        let outcome = search(&matcher, b"aaaaaaaaaaaaaaaaaaaaaaa", Hook::Xdp);
        let expected = Outcome {
            in_scope: false,
            searched: true,
            verdict: Verdict::Abort,
            matches: Vec::new(),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn what_lies_beyond_the_longest_frame_is_unsearched_and_not_a_miss_in_silence() {
        let limit = size(FRAME_BYTES_MAX);
        // (length, position of the only occurrence, searched, found)
        for (len, at, searched, found) in [
            (limit, limit - 2, true, true),
            (limit, limit, true, false),
            (limit + 1, 0, true, true),
            (limit + 1, limit - 1, false, false),
        ] {
            let mut input = vec![b'.'; len];
            input.extend(b"ab");
            input[at..at + 2].copy_from_slice(b"ab");
            input.truncate(len);
            let outcome = search(&raw(vec![pattern(1, b"ab")], Report::All), &input, Hook::Xdp);
            assert_eq!((outcome.searched, !outcome.matches.is_empty()), (searched, found), "{at}");
        }
    }
}
