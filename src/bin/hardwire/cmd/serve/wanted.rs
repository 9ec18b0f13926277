//! What the configuration wants to be attached: patterns read, verdicts resolved, everything named.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use hardwire::assembler::Target;
use hardwire::attachment::Hook;
use hardwire::compiler::event::control::Control;
use hardwire::compiler::ir::{Matcher, Verdicts, Window};
use hardwire::compiler::pattern::{Syntax, Written, file};
use hardwire::compiler::{self, Compiled, Entry, Events};
use hardwire::netlink::XdpMode;
use toml::Spanned;

use super::config::{self, Attach, Config, PatternEntry, PatternTable, Text};
use crate::cmd::attach::ModeWord;
use crate::cmd::replace::entry;
use crate::failure::{Failure, Problem};
use crate::options::patterns::{all_of_file, checked};
use crate::options::{Named, ReportWord, ScopeWord};
use crate::output::Output;

/// One attachment as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) interface: String,
    pub(super) hook: Hook,
    pub(super) mode: XdpMode,
    pub(super) matcher: Matcher,
    pub(super) named: Vec<Named>,
    pub(super) options: compiler::Options,
    pub(super) control: Control,
    /// Where it stands.
    pub(super) place: String,
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) wanted: Wanted,
    pub(super) compiled: Compiled,
}

impl Wanted {
    /// Would a program for `other` do the same at the same place?
    pub(super) fn same(&self, other: &Self) -> bool {
        let key = |wanted: &Self| (wanted.mode, wanted.options, wanted.control);
        self.is_at_the_place_of(other)
            && key(self) == key(other)
            && self.matcher == other.matcher
            && self.named.iter().map(|n| &n.written).eq(other.named.iter().map(|n| &n.written))
    }

    /// Is it the same attachment, whatever its program does?
    pub(super) fn is_at_the_place_of(&self, other: &Self) -> bool {
        let place = |wanted: &Self| (wanted.name.clone(), wanted.interface.clone(), wanted.hook);
        place(self) == place(other)
    }

    /// Where its program runs.
    pub(super) fn entry(&self) -> Entry {
        entry(self.hook)
    }

    /// Most bytes of a frame that come with an event; nothing if it makes none.
    pub(super) fn snap(&self) -> Option<u32> {
        Some(self.options.events?.snap)
    }

    /// Compile it.
    pub(super) fn prepare(self, target: &Target, output: &Output) -> Result<Prepared, Problem> {
        let what = format!("compiling {} patterns of {}", self.named.len(), self.name);
        let compile = || compiler::compile(&self.matcher, self.entry(), target, &self.options);
        let compiled = output
            .busy(&what, compile)
            .map_err(|error| Problem::of_compilation(&error).at(self.place.clone()))?;
        Ok(Prepared { wanted: self, compiled })
    }
}

/// Everything that `config` wants; files of patterns are looked for beside it.
///
/// # Errors
///
/// All that is wrong.
pub(super) fn all(
    config: &Config,
    text: &Text,
    folder: &Path,
    output: &Output,
) -> Result<Vec<Wanted>, Failure> {
    let mut problems = Vec::new();
    let mut all: Vec<Wanted> = Vec::new();
    let mut taken = HashMap::new();
    for attach in &config.attach {
        let reader = Reader { text, folder, output, takes_events: config.output.takes_events() };
        match reader.read(attach.get_ref()) {
            Ok(wanted) => {
                let at_xdp = (wanted.hook == Hook::Xdp)
                    .then(|| format!("the XDP program of interface {}", wanted.interface));
                let keys = [Some(format!("the name {}", wanted.name)), at_xdp];
                for key in keys.into_iter().flatten() {
                    if let Some(other) = taken.insert(key.clone(), wanted.place.clone()) {
                        let what = format!("{key} is taken by what stands at {other}");
                        problems.push(text.problem(Problem::new(what), &attach.span()));
                    }
                }
                all.push(wanted);
            }
            Err(Failure::Problems(more)) => problems.extend(more),
            Err(other @ (Failure::Usage(_) | Failure::ClosedPipe)) => return Err(other),
        }
    }
    if config.attach.is_empty() {
        let problem = Problem::new("there is nothing to attach").at(text.name.clone());
        problems.push(problem.hint("an [[attach]] has an interface and patterns"));
    }
    if problems.is_empty() { Ok(all) } else { Err(Failure::Problems(problems)) }
}

/// Files that cannot be made, because the folder they would be in is not there.
pub(super) fn without_folder(config: &Config, text: &Text, folder: &Path) -> Vec<Problem> {
    let files = [&config.output.events, &config.output.capture].into_iter().flatten();
    let problem = |file: &Spanned<PathBuf>| {
        let path = folder.join(file.get_ref());
        let within = path.parent().filter(|_| file.get_ref().as_os_str() != "-")?;
        // Of a relative name without a folder.
        let within = if within.as_os_str().is_empty() { Path::new(".") } else { within };
        let gone = fs::metadata(within).err()?.kind() == io::ErrorKind::NotFound;
        let (file_name, within) = (path.display(), within.display());
        let what = format!("cannot write {file_name}: there is no folder {within}");
        let hint = "make it, unless the unit does (LogsDirectory=), or name another";
        gone.then(|| text.problem(Problem::new(what).hint(hint), &file.span()))
    };
    files.filter_map(problem).collect()
}

struct Reader<'a> {
    text: &'a Text,
    folder: &'a Path,
    output: &'a Output,
    takes_events: bool,
}

impl Reader<'_> {
    fn read(&self, attach: &Attach) -> Result<Wanted, Failure> {
        let hook = attach.hook.unwrap_or(Hook::Xdp);
        let interface = attach.interface.get_ref().clone();
        let span = attach.interface.span();
        let wrong = |what: String| Failure::from(self.text.problem(Problem::new(what), &span));
        if interface.is_empty() || interface.len() >= libc::IFNAMSIZ {
            let most = libc::IFNAMSIZ - 1;
            return Err(wrong(format!(
                "{interface:?} is no interface: names have 1 to {most} bytes"
            )));
        }
        if attach.mode.is_some() && hook != Hook::Xdp {
            return Err(wrong(format!("a mode is for hook xdp, and this is {}", hook.name())));
        }
        let named = self.patterns(attach)?;
        let matcher = Matcher {
            patterns: Named::patterns(&named),
            scope: attach.scope.unwrap_or(ScopeWord::Payload).into(),
            report: attach.report.unwrap_or(ReportWord::First).into(),
            verdicts: Verdicts {
                on_match: self.verdict(&attach.on_match)?,
                on_miss: self.verdict(&attach.on_miss)?,
                out_of_scope: self.verdict(&attach.out_of_scope)?,
            },
        };
        let name = attach.name.as_ref().map(|name| name.get_ref().clone());
        let events = self.events(attach)?;
        Ok(Wanted {
            name: name.unwrap_or_else(|| format!("{interface}-{}", hook.name())),
            interface,
            hook,
            mode: attach.mode.unwrap_or(ModeWord::Auto).into(),
            matcher,
            named,
            options: compiler::Options {
                events: events.map(|events| Events {
                    snap: events.snap.unwrap_or(Events::default().snap),
                    ..Events::default()
                }),
                controls: true,
                source_limit: attach.limit_pps.is_some(),
                ..compiler::Options::default()
            },
            control: Control {
                dry_run: attach.dry_run,
                sample: events.and_then(|events| events.sample).unwrap_or(0),
                rate: events.and_then(|events| events.rate).unwrap_or(0),
                limit_pps: attach.limit_pps.unwrap_or(0),
                ..Control::default()
            },
            place: self.text.place(&span),
        })
    }

    fn events(&self, attach: &Attach) -> Result<Option<config::EventsTable>, Failure> {
        match attach.events {
            config::Events::IfWanted => Ok(self.takes_events.then(config::EventsTable::default)),
            config::Events::Off => Ok(None),
            config::Events::How(how) if self.takes_events => Ok(Some(how)),
            config::Events::How(_) => {
                let problem = Problem::new("events, but nowhere to write them");
                let problem = self.text.problem(problem, &attach.interface.span());
                Err(problem.hint("[output] takes events = FILE and capture = FILE").into())
            }
        }
    }

    fn verdict(
        &self,
        verdict: &config::Verdict,
    ) -> Result<hardwire::compiler::ir::Verdict, Failure> {
        verdict.word.resolve().map_err(|failure| match failure {
            Failure::Problems(problems) => {
                let at = |problem: Problem| problem.at(self.text.place(&verdict.span));
                Failure::Problems(problems.into_iter().map(at).collect())
            }
            other @ (Failure::Usage(_) | Failure::ClosedPipe) => other,
        })
    }

    fn patterns(&self, attach: &Attach) -> Result<Vec<Named>, Failure> {
        let mut named = Vec::new();
        let mut problems = Vec::new();
        for entry in &attach.patterns {
            let id = u32::try_from(named.len() + 1).unwrap_or(u32::MAX);
            let place = self.text.place(&entry.span());
            match self.written(entry).and_then(|written| Named::of(written, id, place)) {
                Ok(pattern) => named.push(pattern),
                Err(problem) => problems.push(problem),
            }
        }
        for path in &attach.pattern_files {
            if path.get_ref().as_os_str() == "-" {
                let problem = Problem::new("a service has no standard input to read patterns from");
                problems.push(self.text.problem(problem, &path.span()));
                continue;
            }
            let file = self.folder.join(path.get_ref());
            match all_of_file(&file, &Written::new(Syntax::Literal, ""), &mut named, self.output) {
                Ok(()) => {}
                Err(Failure::Problems(more)) => {
                    let place = self.text.place(&path.span());
                    problems.extend(more.into_iter().map(|problem| problem.at_least_at(&place)));
                }
                Err(other @ (Failure::Usage(_) | Failure::ClosedPipe)) => return Err(other),
            }
        }
        if named.is_empty() && problems.is_empty() {
            let problem = Problem::new("no patterns, so nothing would ever match");
            let problem = self.text.problem(problem, &attach.interface.span());
            problems
                .push(problem.hint("patterns = [\"GET /admin\"] or pattern-files = [\"FILE\"]"));
        }
        checked(named, problems, self.output)
    }

    fn written(&self, entry: &Spanned<PatternEntry>) -> Result<Written, Problem> {
        let line = match entry.get_ref() {
            PatternEntry::Table(table) => return Ok(of_table(table)),
            PatternEntry::Line(line) => line,
        };
        let place = self.text.place(&entry.span());
        let mut lines = file::parse(line.as_bytes()).map_err(|mut errors| {
            let error = errors.remove(0);
            Problem::of_pattern(&error.error, place.clone(), &error.text)
        })?;
        match (lines.pop(), lines.is_empty()) {
            (Some(line), true) => Ok(line.pattern),
            (None, _) => {
                let problem = Problem::new("not a pattern but a comment, or nothing").at(place);
                Err(problem.hint("{ literal = \"# …\" } is one that begins so"))
            }
            (Some(_), false) => {
                let problem = Problem::new("more than one line").at(place);
                Err(problem.hint("write \\\\n in a pattern for a line feed in a frame"))
            }
        }
    }
}

fn of_table(table: &PatternTable) -> Written {
    let PatternTable { literal, hex, regex, frequency, ignore_case, offset, depth } = table;
    let given = [
        (Syntax::Literal, literal),
        (Syntax::Hex, hex),
        (Syntax::Regex, regex),
        (Syntax::Frequency, frequency),
    ];
    let mut given = given.into_iter().filter_map(|(syntax, text)| Some((syntax, text.as_ref()?)));
    let (syntax, text) = given.next().expect("one was given, or it was an error");
    Written {
        ignore_case: *ignore_case,
        window: Window { offset: *offset, depth: *depth },
        ..Written::new(syntax, text.as_bytes())
    }
}
