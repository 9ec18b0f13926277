//! Where to look, how much to say, and what then.

use clap::{Args, ValueEnum};
use hardwire::compiler::Entry;
use hardwire::compiler::ir::{Matcher, Report, Scope, Verdict, Verdicts};
use nix::net::if_::if_nametoindex;

use super::{Named, PatternOptions};
use crate::failure::{Failure, Problem};
use crate::output::Output;

/// `--in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeWord {
    /// The TCP or UDP payload; other frames are out of scope.
    Payload,
    /// All bytes of the frame as the program sees it.
    Packet,
    /// The whole input.
    Raw,
}

/// What is said where no pattern is given.
pub(crate) const NO_PATTERNS: &str =
    "no patterns, so nothing ever matches: -e, -x, -E or -f gives one";

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Payload => Self::Payload,
            ScopeWord::Packet => Self::Packet,
            ScopeWord::Raw => Self::Raw,
        }
    }
}

/// `--report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportWord {
    /// Stop at the first occurrence found; one pattern that occurs is named.
    First,
    /// Name every pattern that occurs, each with its smallest end.
    All,
}

impl From<ReportWord> for Report {
    fn from(word: ReportWord) -> Self {
        match word {
            ReportWord::First => Self::First,
            ReportWord::All => Self::All,
        }
    }
}

/// A verdict as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VerdictWord {
    /// Needs no interface.
    Plain(Verdict),
    /// Needs the interface of this name.
    Redirect(String),
}

fn verdict(text: &str) -> Result<VerdictWord, String> {
    let plain = match text {
        "pass" => Verdict::Pass,
        "drop" => Verdict::Drop,
        "abort" => Verdict::Abort,
        "tx" => Verdict::Tx,
        _ => {
            return match text.strip_prefix("redirect:") {
                Some(name) if !name.is_empty() => Ok(VerdictWord::Redirect(name.to_owned())),
                Some(_) => Err("write the interface behind it: redirect:eth1".to_owned()),
                None if text == "redirect" => {
                    Err("write it with an interface: redirect:eth1".to_owned())
                }
                None => Err("the verdicts are pass, drop, abort, tx and redirect:IFACE".to_owned()),
            };
        }
    };
    Ok(VerdictWord::Plain(plain))
}

impl VerdictWord {
    fn resolve(&self) -> Result<Verdict, Failure> {
        let name = match self {
            Self::Plain(verdict) => return Ok(*verdict),
            Self::Redirect(name) => name,
        };
        // An index serves programs that are compiled for another machine.
        let by_name = if_nametoindex(name.as_str());
        match by_name.or_else(|error| name.parse::<u32>().map_err(|_| error)) {
            Ok(ifindex) if ifindex > 0 => Ok(Verdict::Redirect { ifindex }),
            Ok(_) => Err(Problem::new("interface indices count from 1")
                .at(format!("redirect:{name}"))
                .hint("`ip link` lists them; a name is accepted too")
                .into()),
            Err(error) => Err(Problem::because(format!("no interface {name}"), &error)
                .at(format!("redirect:{name}"))
                .hint("`ip link` lists them; an index is accepted too")
                .into()),
        }
    }
}

/// The heading of these options in the help; not `next_help_heading`, which would also be that of
/// whatever options a verb has behind them.
const VERDICTS: &str = "Verdicts: pass, drop, abort, tx, redirect:IFACE";

/// `--on-match`, `--on-miss`, `--out-of-scope`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerdictOptions {
    /// What becomes of frames in which a pattern was found
    #[arg(long, value_name = "VERDICT", value_parser = verdict, default_value = "pass", help_heading = VERDICTS)]
    on_match: VerdictWord,
    /// What becomes of frames in scope in which none was found. Frames with an empty payload are
    /// in scope: with `drop` here no TCP connection is ever established
    #[arg(long, value_name = "VERDICT", value_parser = verdict, default_value = "pass", help_heading = VERDICTS)]
    on_miss: VerdictWord,
    /// What becomes of frames without the scope (ARP, fragments, …)
    #[arg(long, value_name = "VERDICT", value_parser = verdict, default_value = "pass", help_heading = VERDICTS)]
    out_of_scope: VerdictWord,
}

impl VerdictOptions {
    /// The verdicts, with interfaces looked up.
    fn resolve(&self) -> Result<Verdicts, Failure> {
        Ok(Verdicts {
            on_match: self.on_match.resolve()?,
            on_miss: self.on_miss.resolve()?,
            out_of_scope: self.out_of_scope.resolve()?,
        })
    }

    /// Is every verdict the default?
    fn are_default(&self) -> bool {
        let pass = VerdictWord::Plain(Verdict::Pass);
        [&self.on_match, &self.on_miss, &self.out_of_scope].into_iter().all(|word| *word == pass)
    }
}

/// What to find in frames, where, and what then: the options of every verb that makes a program.
#[derive(Args, Clone, Debug)]
pub(crate) struct MatcherOptions {
    #[command(flatten)]
    pub(crate) patterns: PatternOptions,
    /// Which bytes of a frame are searched
    #[arg(long = "in", value_enum, default_value = "payload", value_name = "SCOPE")]
    scope: ScopeWord,
    /// How much is told of a frame
    #[arg(long, value_enum, default_value = "first", value_name = "HOW MUCH")]
    report: ReportWord,
    #[command(flatten)]
    verdicts: VerdictOptions,
}

impl MatcherOptions {
    /// The matcher, and its patterns as the user knows them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the patterns; an interface that does not exist; verdicts for
    /// a socket filter, which has none.
    pub(crate) fn read(
        &self,
        entry: Entry,
        output: &Output,
    ) -> Result<(Matcher, Vec<Named>), Failure> {
        if !entry.has_verdicts() && !self.verdicts.are_default() {
            let problem = Problem::new("a socket filter has no verdicts")
                .at("--on-match, --on-miss, --out-of-scope")
                .hint("it keeps what matches and drops the rest; leave them away");
            return Err(Failure::Usage(problem));
        }
        let named = self.patterns.read(output)?;
        if named.is_empty() {
            output.warn(NO_PATTERNS);
        }
        let matcher = Matcher {
            patterns: Named::patterns(&named),
            scope: self.scope.into(),
            report: self.report.into(),
            verdicts: self.verdicts.resolve()?,
        };
        Ok((matcher, named))
    }
}
