//! `hardwire match`: the matcher over haystacks given as hex.

use std::io::{self, BufRead, BufReader, Read, Write};

use clap::Args;
use hardwire::compiler::Entry;
use hardwire::compiler::ir::{FRAME_BYTES_MAX, Match, Matcher, Scope, Verdicts};
use serde::Serialize;

use crate::Ending;
use crate::engine::{Agreement, EngineWord, Form, Panel, Question};
use crate::failure::{Failure, Problem};
use crate::options::{
    NO_PATTERNS, Named, PatternOptions, ReportWord, ScopeWord, TargetOption, compiling,
};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  echo '47 45 54 20 2f' | hardwire match -e 'GET /'
  xxd -p -c 65535 file | hardwire match -f patterns.txt --report all --json
  printf '%s\\n' 6162 6263 | hardwire match -e c --engine all --exit-code

Standard input has one haystack a line, as hex digits; an empty line is an empty haystack. The
answer is 1 or 0 a line.";

/// Longest line of standard input, in bytes: the longest haystack with spaces between its bytes.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// What to do about a haystack that is too long.
const SPLIT: &str = "cut it into several that overlap by the length of a pattern";

/// Options of `match`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    patterns: PatternOptions,
    /// Which bytes of a haystack are searched
    #[arg(long = "in", value_enum, default_value = "raw", value_name = "SCOPE")]
    scope: ScopeWord,
    /// How much is told of a haystack
    #[arg(long, value_enum, default_value = "first", value_name = "HOW MUCH")]
    report: ReportWord,
    #[command(flatten)]
    target: TargetOption,
    /// Who answers
    #[arg(long, value_enum, default_value = "vm")]
    engine: EngineWord,
    /// Exit with 1 if no haystack matches
    #[arg(long)]
    exit_code: bool,
}

/// One match as JSON.
#[derive(Serialize)]
pub(crate) struct Found {
    id: u32,
    /// Conditions have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u32>,
}

impl From<&Match> for Found {
    fn from(found: &Match) -> Self {
        Self { id: found.id, end: found.end }
    }
}

#[derive(Serialize)]
struct Line {
    line: u64,
    #[serde(rename = "match")]
    matched: bool,
    matches: Vec<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engines_agree: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unsearched: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<&'static str>,
}

/// Run the verb.
pub(crate) fn run(options: &Options, output: &mut Output) -> Result<Ending, Failure> {
    if options.patterns.use_stdin() {
        let problem = Problem::new("standard input holds the haystacks");
        let problem = problem.at("-f -").hint("put the patterns into a file");
        return Err(Failure::Usage(problem));
    }
    let named = options.patterns.read(output)?;
    if named.is_empty() {
        output.warn(NO_PATTERNS);
    }
    let matcher = Matcher {
        patterns: Named::patterns(&named),
        scope: Scope::from(options.scope),
        report: options.report.into(),
        verdicts: Verdicts::default(),
    };
    let target = options.engine.target(&options.target, output);
    // The kernel strips 14 bytes of what a socket filter is given, so that haystacks of any length
    // can be put behind them. An XDP program gets them as a payload, if that is what they can be.
    let forms: &[Form] = match options.scope {
        ScopeWord::Raw => &[Form::Plain(Entry::SocketFilter), Form::Framed],
        ScopeWord::Payload | ScopeWord::Packet => &[Form::Plain(Entry::SocketFilter)],
    };
    let compiler = options.target.compiler();
    let question = output.busy(&compiling(&matcher), || {
        Question::new(&matcher, options.engine, Entry::Xdp, forms, &target, &compiler)
    })?;
    let mut panel = output.busy("the verifier is at work", || Panel::new(&question))?;

    // A reader of its own, because it can tell whether the next line is already here.
    let mut input = BufReader::new(io::stdin());
    let (mut any, mut disagreements) = (false, 0_u64);
    for line in 1.. {
        if input.buffer().is_empty() {
            // Whoever writes the haystacks one by one waits for the answer to the last.
            output.flush_all()?;
        }
        let Some(haystack) = haystack(&mut input, line)? else { break };
        let answer = panel
            .ask(&haystack)
            .map_err(|problem| problem.at(format!("standard input line {line}")))?;
        let matched = !answer.outcome.matches.is_empty();
        any |= matched;
        if let Some(Agreement::Different(difference)) = &answer.agreement {
            disagreements += 1;
            output.warn(format!("line {line}: {difference}"));
        }
        let unsearched = !answer.outcome.searched;
        if unsearched {
            output
                .warn(format!("line {line}: this target cannot search all of so long a haystack"));
        }
        let kernel = answer.kernel;
        if let Some(why) = kernel {
            output.warn(format!("line {line}: {why} for the kernel: other engines answered"));
        }
        if output.json() {
            let matches = answer.outcome.matches.iter().map(Found::from).collect();
            let engines_agree = answer.agreement.map(|it| it == Agreement::Same);
            output.json_line(&Line {
                line,
                matched,
                matches,
                engines_agree,
                unsearched,
                kernel,
            })?;
        } else {
            writeln!(output, "{}", u8::from(matched))?;
        }
    }
    if disagreements > 0 {
        let what = format!("the engines disagree on {disagreements} haystacks");
        return Err(Problem::new(what).hint("this is a bug in Hardwire; please report it").into());
    }
    Ok(if options.exit_code && !any { Ending::No } else { Ending::Done })
}

/// The haystack on the next line, or nothing at the end.
fn haystack(input: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>, Failure> {
    let place = || format!("standard input line {number}");
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    let read = input.take(limit).read_until(b'\n', &mut line).map_err(|error| {
        let problem = Problem::because("cannot read", &error).at(place());
        problem.hint("give the haystacks by a pipe or a file")
    })?;
    if read == 0 {
        return Ok(None);
    }
    if line.len() > LINE_BYTES_MAX {
        let what = format!("more than {LINE_BYTES_MAX} bytes, the limit of a line");
        return Err(Problem::new(what).at(place()).hint(SPLIT).into());
    }
    let digits: Vec<u8> = line.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = from_hex(&digits).map_err(|problem| problem.at(place()))?;
    let limit = usize::try_from(FRAME_BYTES_MAX).unwrap_or(usize::MAX);
    if bytes.len() > limit {
        let what = format!("the haystack has {} bytes; the limit is {limit}", bytes.len());
        return Err(Problem::new(what).at(place()).hint(SPLIT).into());
    }
    Ok(Some(bytes))
}

/// Bytes from hex digits without anything between them.
pub(crate) fn from_hex(digits: &[u8]) -> Result<Vec<u8>, Problem> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if let Some(at) = digits.iter().position(|byte| digit(*byte).is_none()) {
        let byte = digits[at].escape_ascii();
        let what = format!("\"{byte}\" is not a hex digit (digit {})", at + 1);
        return Err(Problem::new(what).hint("write two hex digits for each byte"));
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        let what = format!("odd number of hex digits ({})", digits.len());
        return Err(Problem::new(what).hint("write two hex digits for each byte"));
    }
    let value = |byte: u8| digit(byte).unwrap_or(0);
    Ok(pairs.iter().map(|[high, low]| value(*high) << 4 | value(*low)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_haystack_and_an_empty_line_is_an_empty_one() {
        let mut input = &b"61 62\n\n 6G\r\n616\n\xff\n6364"[..];
        let mut next = |number| match haystack(&mut input, number) {
            Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(None) => "the end".to_owned(),
            Err(Failure::Problems(problems)) => problems[0].headline(),
            Err(Failure::ClosedPipe | Failure::Usage(_)) => "another ending".to_owned(),
        };
        let place = ": standard input line";
        let hint = "write two hex digits for each byte";
        assert_eq!(next(1), "ab");
        assert_eq!(next(2), "");
        assert_eq!(next(3), format!("\"G\" is not a hex digit (digit 2){place} 3: {hint}"));
        assert_eq!(next(4), format!("odd number of hex digits (3){place} 4: {hint}"));
        assert_eq!(next(5), format!("\"\\xff\" is not a hex digit (digit 1){place} 5: {hint}"));
        assert_eq!(next(6), "cd");
        assert_eq!(next(7), "the end");
    }
}
