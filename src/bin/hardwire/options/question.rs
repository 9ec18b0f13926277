//! Where to look, how much to say, and what then.

use clap::{Args, ValueEnum};
use hardwire::compiler::Entry;
use hardwire::compiler::ir::{Matcher, Report, Scope, Verdict, Verdicts};
use hardwire::compiler::pattern::Written;
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
    "no patterns, so nothing ever matches: -e, -x, -E, --frequency or -f gives one";

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

/// A verdict as on the command line.
///
/// # Errors
///
/// What the verdicts are.
pub(crate) fn verdict(text: &str) -> Result<VerdictWord, String> {
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
    /// The verdict, with its interface looked up.
    pub(crate) fn resolve(&self) -> Result<Verdict, Failure> {
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
    /// What becomes of frames in which a pattern was found [default: pass]
    #[arg(long, value_name = "VERDICT", value_parser = verdict, help_heading = VERDICTS)]
    on_match: Option<VerdictWord>,
    /// What becomes of frames in scope in which none was found. Frames with an empty payload are
    /// in scope: with `drop` here no TCP connection is ever established [default: pass]
    #[arg(long, value_name = "VERDICT", value_parser = verdict, help_heading = VERDICTS)]
    on_miss: Option<VerdictWord>,
    /// What becomes of frames without the scope (ARP, fragments, …) [default: pass]
    #[arg(long, value_name = "VERDICT", value_parser = verdict, help_heading = VERDICTS)]
    out_of_scope: Option<VerdictWord>,
}

impl VerdictOptions {
    /// The verdicts, with interfaces looked up; those of `before` where none is given.
    fn resolve(&self, before: &Verdicts) -> Result<Verdicts, Failure> {
        let resolve = |word: &Option<VerdictWord>, before| {
            word.as_ref().map_or(Ok(before), VerdictWord::resolve)
        };
        Ok(Verdicts {
            on_match: resolve(&self.on_match, before.on_match)?,
            on_miss: resolve(&self.on_miss, before.on_miss)?,
            out_of_scope: resolve(&self.out_of_scope, before.out_of_scope)?,
        })
    }

    /// Is every verdict the default?
    fn are_default(&self) -> bool {
        let pass = VerdictWord::Plain(Verdict::Pass);
        let given = [&self.on_match, &self.on_miss, &self.out_of_scope];
        given.into_iter().flatten().all(|word| *word == pass)
    }
}

/// What to find in frames, where, and what then: the options of every verb that makes a program.
#[derive(Args, Clone, Debug)]
pub(crate) struct MatcherOptions {
    #[command(flatten)]
    pub(crate) patterns: PatternOptions,
    /// Which bytes of a frame are searched [default: payload]
    #[arg(long = "in", value_enum, value_name = "SCOPE")]
    scope: Option<ScopeWord>,
    /// How much is told of a frame [default: first]
    #[arg(long, value_enum, value_name = "HOW MUCH")]
    report: Option<ReportWord>,
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
        let (matcher, named) = self.read_unwarned(entry, output)?;
        if named.is_empty() {
            output.warn(NO_PATTERNS);
        }
        Ok((matcher, named))
    }

    /// The same for who has more to say about there being no patterns.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub(crate) fn read_unwarned(
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
        let before = Matcher {
            patterns: Vec::new(),
            scope: Scope::Payload,
            report: Report::First,
            verdicts: Verdicts::default(),
        };
        Ok((self.over(before, &named)?, named))
    }

    /// `before` with these patterns, and with what else is given here.
    fn over(&self, before: Matcher, named: &[Named]) -> Result<Matcher, Failure> {
        Ok(Matcher {
            patterns: Named::patterns(named),
            scope: self.scope.map_or(before.scope, Into::into),
            report: self.report.map_or(before.report, Into::into),
            verdicts: self.verdicts.resolve(&before.verdicts)?,
        })
    }

    /// The same, where nothing that is not given changes: `before` has what is in place now, and
    /// `patterns` its patterns as they were written.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn read_over(
        &self,
        before: Matcher,
        patterns: &[Written],
        output: &Output,
    ) -> Result<(Matcher, Vec<Named>), Failure> {
        let mut named = self.patterns.read(output)?;
        if named.is_empty() {
            named = Named::again(patterns)?;
        }
        Ok((self.over(before, &named)?, named))
    }
}
