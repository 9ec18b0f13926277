//! The pattern options: `-e`, `-x`, `-E`, `-f`, and `-i`, `--offset`, `--depth` for them.
//!
//! Their order on the command line is their meaning, across option kinds: it gives the ids, and
//! an option in front of the first pattern is a default for all while one behind a pattern belongs
//! to that pattern alone. clap derives lose that order, so the options are defined and read here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use hardwire::compiler::ir::{Body, FRAME_BYTES_MAX, PATTERNS_MAX, Pattern};
use hardwire::compiler::pattern::{Syntax, Written, file, regex};
use hardwire::compiler::{CompileError, frequency};

use super::source;
use crate::failure::{Failure, Problem, shown};
use crate::output::Output;

const HEADING: &str = "Patterns, numbered 1, 2, 3 … in the order given";

/// Columns of a pattern in messages and tables.
const NAME_COLUMNS_MAX: usize = 40;

/// Most patterns that are said to be the same as another one.
const DUPLICATES_SHOWN_MAX: usize = 5;

/// One option, in the order of the command line.
#[derive(Clone, Debug)]
enum Item {
    Pattern(Syntax, OsString),
    File(PathBuf),
    IgnoreCase,
    Offset(u32),
    Depth(u32),
}

/// The pattern options as given.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatternOptions {
    items: Vec<Item>,
}

/// A pattern, and how the user knows it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// The pattern.
    pub(crate) pattern: Pattern,
    /// Where it was written: `-e`, `-x`, `rules.txt line 7`.
    pub(crate) place: String,
    /// What was written, fit for a terminal and shortened.
    pub(crate) text: String,
    /// What was written, whole.
    pub(crate) written: Written,
}

/// A pattern, or a file of them, with the options behind it.
struct Group<'a> {
    item: &'a Item,
    options: Written,
}

impl PatternOptions {
    /// The patterns, in order, with ids from 1.
    ///
    /// # Errors
    ///
    /// All that is wrong with them, at once.
    pub(crate) fn read(&self, output: &Output) -> Result<Vec<Named>, Failure> {
        if self.stdin_uses() > 1 {
            let problem = Problem::new("standard input can be read once only").at("-f -, twice");
            return Err(Failure::Usage(problem.hint("put one of the sets into a file")));
        }
        let mut named = Vec::new();
        let mut problems = Vec::new();
        for group in self.groups() {
            let read = match group.item {
                Item::Pattern(syntax, text) => one(*syntax, text, &group, &mut named),
                Item::File(path) => all_of_file(path, &group.options, &mut named, output),
                Item::IgnoreCase | Item::Offset(_) | Item::Depth(_) => Ok(()),
            };
            match read {
                Ok(()) => {}
                Err(Failure::Problems(more)) => problems.extend(more),
                Err(other @ (Failure::ClosedPipe | Failure::Usage(_))) => return Err(other),
            }
        }
        checked(named, problems, output)
    }

    /// Does a file of patterns come from standard input?
    pub(crate) fn use_stdin(&self) -> bool {
        self.stdin_uses() > 0
    }

    fn stdin_uses(&self) -> usize {
        let is_stdin = |item: &&Item| matches!(item, Item::File(path) if path.as_os_str() == "-");
        self.items.iter().filter(is_stdin).count()
    }

    /// Patterns and files, each with the options that hold for it.
    fn groups(&self) -> Vec<Group<'_>> {
        let mut defaults = Written::new(Syntax::Literal, "");
        let mut groups: Vec<Group<'_>> = Vec::new();
        for item in &self.items {
            let options = groups.last_mut().map_or(&mut defaults, |group| &mut group.options);
            match item {
                Item::Pattern(..) | Item::File(_) => {
                    groups.push(Group { item, options: defaults.clone() });
                }
                Item::IgnoreCase => options.ignore_case = true,
                Item::Offset(offset) => options.window.offset = *offset,
                Item::Depth(depth) => options.window.depth = Some(*depth),
            }
        }
        groups
    }
}

/// `named`, if there are no `problems` with single ones and none with all of them together.
///
/// # Errors
///
/// All problems.
pub(crate) fn checked(
    named: Vec<Named>,
    mut problems: Vec<Problem>,
    output: &Output,
) -> Result<Vec<Named>, Failure> {
    if named.len() > PATTERNS_MAX {
        let (patterns, limit) = (named.len(), PATTERNS_MAX);
        let error = CompileError::TooManyPatterns { patterns, limit };
        problems.push(Problem::of_compilation(&error));
    }
    if problems.is_empty() {
        problems.extend(conflict(&named));
    }
    if !problems.is_empty() {
        return Err(Failure::Problems(problems));
    }
    for named in &named {
        named.warn_if_surprising(output);
    }
    warn_of_duplicates(&named, output);
    Ok(named)
}

fn one(
    syntax: Syntax,
    text: &OsString,
    group: &Group<'_>,
    named: &mut Vec<Named>,
) -> Result<(), Failure> {
    let flag = match syntax {
        Syntax::Literal => "-e",
        Syntax::Hex => "-x",
        Syntax::Regex => "-E",
        Syntax::Frequency => "--frequency",
    };
    let id = next_id(named);
    let written = Written { syntax, text: text.as_bytes().to_vec(), ..group.options.clone() };
    let pattern = written.lower(id).map_err(|error| {
        Problem::of_pattern(&error, format!("pattern {id} ({flag})"), text.as_bytes())
    })?;
    let (place, text) = (flag.to_owned(), short(text.as_bytes()));
    named.push(Named { pattern, place, text, written });
    Ok(())
}

/// Add the patterns of a file, with these options.
///
/// # Errors
///
/// All that is wrong with them.
pub(crate) fn all_of_file(
    path: &Path,
    options_of_all: &Written,
    named: &mut Vec<Named>,
    output: &Output,
) -> Result<(), Failure> {
    let bytes = source::read(path)?;
    let name = path.display();
    let lines = file::parse(&bytes).map_err(|errors| {
        let problem = |error: &file::LineError| {
            let place = format!("{name} line {}", error.number);
            Problem::of_pattern(&error.error, place, &error.text)
        };
        Failure::Problems(errors.iter().map(problem).collect())
    })?;
    if lines.is_empty() {
        output.warn(format!("{name} has no patterns"));
    }
    for line in lines {
        let options = Written { syntax: line.pattern.syntax, ..options_of_all.clone() };
        let written = Written { text: line.pattern.text, ..options };
        let place = format!("{name} line {}", line.number);
        if let (Syntax::Literal, Some(what)) = (written.syntax, hardly_literal(&written.text)) {
            output.warn(format!(
                "{place} is searched as it stands, though it begins like {what}: expressions begin \
                 with re:, hex strings with hex:"
            ));
        }
        let pattern = written
            .lower(next_id(named))
            .map_err(|error| Problem::of_pattern(&error, place.clone(), &written.text))?;
        let text = short(&written.text);
        named.push(Named { pattern, place, text, written });
    }
    Ok(())
}

/// What a line of a file looks like that is taken as a literal, if it was hardly meant as one.
fn hardly_literal(text: &[u8]) -> Option<&'static str> {
    const PREFIXES: [(&str, &str); 9] = [
        ("re:", "an expression"),
        ("regex:", "an expression"),
        ("regexp:", "an expression"),
        ("pcre:", "an expression"),
        ("hex:", "a hex string"),
        ("frequency:", "a condition"),
        ("alert ", "a rule"),
        ("drop ", "a rule"),
        ("rule ", "a rule"),
    ];
    let begins = |prefix: &str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let is_rule = || text.iter().any(|byte| b"({".contains(byte));
    let found = PREFIXES.iter().find(|(prefix, _)| begins(prefix))?;
    (found.1 != "a rule" || is_rule()).then_some(found.1)
}

/// Conditions that each could hold, but not together.
fn conflict(named: &[Named]) -> Option<Problem> {
    let frequency::Conflict { ids: [one, other], why } =
        frequency::conflict(&Named::patterns(named))?;
    let problem = Problem::new(format!("conditions {one} and {other} never hold together: {why}"));
    Some(problem.at("--frequency").hint("all conditions must hold for a frame to match"))
}

/// Patterns that say what an earlier one said: legal, and both are reported, but hardly meant.
fn warn_of_duplicates(named: &[Named], output: &Output) {
    let mut first = HashMap::new();
    let mut twice = Vec::new();
    for named in named {
        let (body, case) = match &named.pattern.body {
            Body::Literal(literal) if literal.ignore_case => {
                (literal.bytes.to_ascii_lowercase(), true)
            }
            Body::Literal(literal) => (literal.bytes.clone(), false),
            Body::Regex(expression) => (expression.hir.to_string().into_bytes(), false),
            Body::Frequency(_) => continue,
        };
        let kind = std::mem::discriminant(&named.pattern.body);
        match first.entry((kind, body, case, named.pattern.window)) {
            Entry::Vacant(entry) => {
                entry.insert(named);
            }
            Entry::Occupied(entry) => twice.push((named, *entry.get())),
        }
    }
    for (again, first) in twice.iter().take(DUPLICATES_SHOWN_MAX) {
        let (id, place, text) = (again.pattern.id, &again.place, &again.text);
        let (other, there) = (first.pattern.id, &first.place);
        output.warn(format!(
            "pattern {id} ({place}: {text}) is the same as pattern {other} ({there})"
        ));
    }
    if let Some(more) = twice.len().checked_sub(DUPLICATES_SHOWN_MAX).filter(|more| *more > 0) {
        output.warn(format!("{more} more patterns are the same as earlier ones"));
    }
}

fn next_id(named: &[Named]) -> u32 {
    u32::try_from(named.len() + 1).unwrap_or(u32::MAX)
}

/// A pattern in a message: as written, on one line, not too long.
fn short(text: &[u8]) -> String {
    let text = shown(&text[..text.len().min(4 * NAME_COLUMNS_MAX)]);
    if text.chars().count() <= NAME_COLUMNS_MAX {
        return text;
    }
    text.chars().take(NAME_COLUMNS_MAX - 3).collect::<String>() + "..."
}

impl Named {
    /// The pattern with the number `id`, which was written at `place`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn of(written: Written, id: u32, place: String) -> Result<Self, Problem> {
        let pattern = written
            .lower(id)
            .map_err(|error| Problem::of_pattern(&error, place.clone(), &written.text))?;
        Ok(Self { pattern, place, text: short(&written.text), written })
    }

    /// Patterns that were written earlier.
    ///
    /// # Errors
    ///
    /// This version does not take one of them any more.
    pub(crate) fn again(patterns: &[Written]) -> Result<Vec<Self>, Problem> {
        let one = |(written, id): (&Written, u32)| {
            let place = format!("pattern {id}");
            let lowered = written.lower(id);
            let pattern = lowered
                .map_err(|error| Problem::of_pattern(&error, place.clone(), &written.text))?;
            Ok(Self { pattern, place, text: short(&written.text), written: written.clone() })
        };
        patterns.iter().zip(1..).map(one).collect()
    }

    /// Only the patterns, as the compiler takes them.
    pub(crate) fn patterns(all: &[Self]) -> Vec<Pattern> {
        all.iter().map(|named| named.pattern.clone()).collect()
    }

    /// Something that is legal, but that nothing can match, or that means less than it says.
    fn warn_if_surprising(&self, output: &Output) {
        let (id, place) = (self.pattern.id, &self.place);
        let bytes = match &self.pattern.body {
            Body::Literal(literal) => literal.bytes.len(),
            Body::Frequency(_) => return,
            Body::Regex(expression) => {
                if let Some(span) = regex::ascii_boundary(expression.text.as_bytes()) {
                    output.warn(format!(
                        "pattern {id} ({place}) has a Unicode word boundary at byte {}: it is \
                         taken as the one of ASCII, bytes above 0x7f are no word characters",
                        span.start
                    ));
                }
                let Some(bytes) = expression.hir.properties().minimum_len() else {
                    output.warn(format!("pattern {id} ({place}) can never match"));
                    return;
                };
                if bytes == 0 && expression.hir.properties().look_set().is_empty() {
                    output.warn(format!(
                        "pattern {id} ({place}) matches the empty string, so it matches \
                         everywhere: write it so that it needs a byte, or ask with ^ and $"
                    ));
                }
                bytes
            }
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let window = self.pattern.window;
        if let Some(depth) = window.depth
            && u64::from(depth) < bytes
        {
            output.warn(format!(
                "pattern {id} ({place}) has {bytes} bytes and --depth {depth}: it can never match"
            ));
        } else if u64::from(window.offset).saturating_add(bytes) > u64::from(FRAME_BYTES_MAX) {
            let offset = window.offset;
            output.warn(format!(
                "pattern {id} ({place}) has --offset {offset}: it can never match, frames are \
                 searched up to {FRAME_BYTES_MAX} bytes"
            ));
        }
    }
}

/// An option that takes a pattern: any bytes, also such that begin with `-`.
fn pattern(id: &'static str, short: char, value: &'static str) -> Arg {
    Arg::new(id)
        .short(short)
        .value_name(value)
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .value_parser(value_parser!(OsString))
        .help_heading(HEADING)
}

impl Args for PatternOptions {
    fn augment_args(command: Command) -> Command {
        let number = |id: &'static str| {
            Arg::new(id)
                .long(id)
                .value_name("BYTES")
                .action(ArgAction::Append)
                .value_parser(value_parser!(u32))
                .help_heading(HEADING)
        };
        command
            .arg(
                pattern("literal", 'e', "TEXT")
                    .long("literal")
                    .help("A literal; escapes: \\xNN \\n \\r \\t \\0 \\\\"),
            )
            .arg(
                pattern("hex", 'x', "HEX")
                    .long("hex")
                    .help("A hex string: 'DE AD ?? B? [4-6] (BE | EF)', ~00 for any other byte"),
            )
            .arg(pattern("regex", 'E', "REGEX").long("regex").help(
                "A regular expression as in the Rust crate regex, over bytes, without Unicode",
            ))
            .arg(
                Arg::new("frequency")
                    .long("frequency")
                    .value_name("SPEC")
                    .action(ArgAction::Append)
                    .allow_hyphen_values(true)
                    .value_parser(value_parser!(OsString))
                    .help_heading(HEADING)
                    .help(
                        "How often bytes may occur, or nothing matches at all: 'a>=2', \
                         '0x00<8 in 64' (the first 64 bytes), '[^ -~]>=16 in any 32' (a run of 32 \
                         bytes); commas between terms that must all hold",
                    ),
            )
            .arg(
                Arg::new("file")
                    .short('f')
                    .long("file")
                    .value_name("FILE")
                    .action(ArgAction::Append)
                    .value_parser(value_parser!(PathBuf))
                    .help_heading(HEADING)
                    .help("A file of patterns, one a line: a literal, hex:… or re:… (# comments)"),
            )
            .arg(
                // An option without a value, not a flag: clap tells the places of values only.
                Arg::new("ignore-case")
                    .short('i')
                    .long("ignore-case")
                    .action(ArgAction::Append)
                    .num_args(0)
                    .value_parser(value_parser!(bool))
                    .default_missing_value("true")
                    .help_heading(HEADING)
                    .help(
                        "Ignore the case of ASCII letters. This and the next two: in front of the \
                         first pattern for all, behind a pattern for that one alone",
                    ),
            )
            .arg(number("offset").help("Skip this many bytes of the scope"))
            .arg(number("depth").help("Search this many bytes from the offset on"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PatternOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut placed: Vec<(usize, Item)> = Vec::new();
        let mut take = |id: &str, items: Vec<Item>| {
            placed.extend(matches.indices_of(id).into_iter().flatten().zip(items));
        };
        let patterns = [
            ("literal", Syntax::Literal),
            ("hex", Syntax::Hex),
            ("regex", Syntax::Regex),
            ("frequency", Syntax::Frequency),
        ];
        for (id, syntax) in patterns {
            let item = |text: &OsString| Item::Pattern(syntax, text.clone());
            take(id, matches.get_many(id).into_iter().flatten().map(item).collect());
        }
        let many = |id, item: fn(u32) -> Item| {
            matches.get_many(id).into_iter().flatten().map(|n: &u32| item(*n)).collect()
        };
        take("offset", many("offset", Item::Offset));
        take("depth", many("depth", Item::Depth));
        let files = matches.get_many("file").into_iter().flatten();
        take("file", files.map(|path: &PathBuf| Item::File(path.clone())).collect());
        let cases = matches.get_many("ignore-case").into_iter().flatten();
        take("ignore-case", cases.map(|_: &bool| Item::IgnoreCase).collect());

        placed.sort_by_key(|(index, _)| *index);
        Ok(Self { items: placed.into_iter().map(|(_, item)| item).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Color;

    fn parse(line: &[&str]) -> Vec<Named> {
        let command = PatternOptions::augment_args(Command::new("test"));
        let matches = command.no_binary_name(true).try_get_matches_from(line).expect("legal");
        let options = PatternOptions::from_arg_matches(&matches).expect("legal");
        options.read(&Output::new(false, Color::Never)).expect("good patterns")
    }

    #[test]
    fn ids_follow_the_command_line_across_kinds() {
        let named = parse(&["-x", "62", "-e", "a", "-x", "63", "-e", "d"]);
        let bytes: Vec<_> = named
            .iter()
            .map(|n| (n.pattern.id, n.pattern.as_literal().expect("a literal").bytes.clone()))
            .collect();
        let want = [(1, "b"), (2, "a"), (3, "c"), (4, "d")];
        assert_eq!(bytes, want.map(|(id, text)| (id, text.as_bytes().to_vec())));
    }

    #[test]
    fn options_before_the_first_pattern_are_defaults_and_behind_one_are_its_own() {
        type Want = &'static [(bool, u32, Option<u32>)];
        let cases: &[(&[&str], Want)] = &[
            (&["-e", "a", "-e", "b"], &[(false, 0, None), (false, 0, None)]),
            (&["-i", "-e", "a", "-x", "62"], &[(true, 0, None), (true, 0, None)]),
            (&["-e", "a", "-i", "-e", "b"], &[(true, 0, None), (false, 0, None)]),
            (&["-e", "a", "-e", "b", "-i"], &[(false, 0, None), (true, 0, None)]),
            (&["-e", "a", "-i", "-e", "b", "-i"], &[(true, 0, None), (true, 0, None)]),
            (
                &["--offset", "4", "-e", "a", "--depth=9", "-x", "62", "--offset", "1"],
                &[(false, 4, Some(9)), (false, 1, None)],
            ),
            (&["--depth", "5", "--depth", "6", "-e", "a"], &[(false, 0, Some(6))]),
            (&["-ie", "a"], &[(true, 0, None)]),
        ];
        for (line, want) in cases {
            let got: Vec<_> = parse(line)
                .iter()
                .map(|n| &n.pattern)
                .map(|p| {
                    (
                        p.as_literal().expect("a literal").ignore_case,
                        p.window.offset,
                        p.window.depth,
                    )
                })
                .collect();
            assert_eq!(got, *want, "{line:?}");
        }
    }

    #[test]
    fn values_may_begin_with_a_hyphen() {
        let named = parse(&["-e", "-e", "-e", "--json", "-e", "-"]);
        let bytes: Vec<_> = named
            .iter()
            .map(|n| n.pattern.as_literal().expect("a literal").bytes.as_slice())
            .collect();
        assert_eq!(bytes, [&b"-e"[..], b"--json", b"-"]);
    }
}
