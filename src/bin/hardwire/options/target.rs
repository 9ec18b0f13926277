//! Which kernel to compile for, and for which kind of program.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use hardwire::assembler::{KernelVersion, Target};
use hardwire::compiler::automaton::Limits;
use hardwire::compiler::event::record::Direction;
use hardwire::compiler::ir::Matcher;
use hardwire::compiler::{self, Compiled, Entry, Strategy};
use hardwire::loader::features;

use crate::failure::Problem;
use crate::output::Output;

/// `--type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeWord {
    /// XDP: sees frames before the stack does and decides about them.
    Xdp,
    /// A socket filter: keeps what matches for a socket, and drops the rest for it.
    Socket,
    /// A classifier (tc, TCX) of frames that come in, behind XDP.
    #[value(alias = "tc")]
    Ingress,
    /// A classifier of frames that leave.
    Egress,
}

/// `--type` of verbs that compile.
#[derive(Clone, Copy, Args)]
pub(crate) struct TypeOption {
    /// What kind of program
    #[arg(
        long = "type",
        visible_alias = "at",
        value_enum,
        default_value = "xdp",
        value_name = "TYPE"
    )]
    entry: TypeWord,
}

impl TypeOption {
    /// Where the program will run.
    pub(crate) fn entry(self) -> Entry {
        self.entry.into()
    }
}

impl From<TypeWord> for Entry {
    fn from(word: TypeWord) -> Self {
        match word {
            TypeWord::Xdp => Self::Xdp,
            TypeWord::Socket => Self::SocketFilter,
            TypeWord::Ingress => Self::Tc(Direction::Ingress),
            TypeWord::Egress => Self::Tc(Direction::Egress),
        }
    }
}

/// `--target`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetOption {
    /// Compile for this kernel release, such as 6.1, instead of the one that runs here
    #[arg(long = "target", value_name = "VERSION")]
    version: Option<KernelVersion>,
    /// Search in this way, instead of the one that promises to be fastest
    #[arg(long, value_name = "NAME", value_parser = strategy_names())]
    strategy: Option<Strategy>,
    /// Make no automaton of more states: what would need one is searched by all its places at once
    #[arg(long, value_name = "STATES", default_value_t = Limits::default().states)]
    states_max: usize,
    /// Make no automaton that takes longer to make, likewise; ten million steps take about a second
    /// and 80 MB
    #[arg(long, value_name = "STEPS", default_value_t = Limits::default().steps)]
    steps_max: usize,
}

/// How many states there may be, to each of the result, before those that are alike are merged.
const RAW_STATES: usize = 4;

/// What is being done, for whoever waits for it.
pub(crate) fn compiling(matcher: &Matcher) -> String {
    format!("compiling {} patterns", matcher.patterns.len())
}

fn strategy_names() -> impl TypedValueParser<Value = Strategy> {
    PossibleValuesParser::new(Strategy::ALL.map(Strategy::name))
        .try_map(|name| name.parse::<Strategy>())
}

impl TargetOption {
    /// What else determines the program.
    pub(crate) fn compiler(&self) -> compiler::Options {
        let limits = Limits {
            states: self.states_max,
            raw_states: self.states_max.saturating_mul(RAW_STATES),
            steps: self.steps_max,
            ..Limits::default()
        };
        compiler::Options { strategy: self.strategy, limits, ..compiler::Options::default() }
    }

    /// Compile for `target`, with a word about it if that takes long.
    ///
    /// # Errors
    ///
    /// The patterns do not fit into a program for this target.
    pub(crate) fn compile(
        &self,
        matcher: &Matcher,
        entry: Entry,
        target: &Target,
        output: &Output,
    ) -> Result<Compiled, Problem> {
        self.compile_with(&self.compiler(), matcher, entry, target, output)
    }

    /// Compile with `options`, which [`compiler`](Self::compiler) made and others changed.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub(crate) fn compile_with(
        &self,
        options: &compiler::Options,
        matcher: &Matcher,
        entry: Entry,
        target: &Target,
        output: &Output,
    ) -> Result<Compiled, Problem> {
        let compile = || compiler::compile(matcher, entry, target, options);
        let compiled = output.busy(&compiling(matcher), compile);
        compiled.map_err(|error| Problem::of_compilation(&error))
    }

    /// The target that was named, or the newest one that is known.
    pub(crate) fn or_newest(&self, output: &Output) -> Target {
        self.named(output).unwrap_or_else(Target::newest)
    }

    /// The target that was named, if one was.
    fn named(&self, output: &Output) -> Option<Target> {
        let target = Target::of_version(self.version?);
        // What lacks more is refused by the compiler, which says what is missing.
        if target.version < KernelVersion::OLDEST && target.bounded_loops {
            let (version, oldest) = (target.version, KernelVersion::OLDEST);
            output.warn(format!(
                "--target {version} is not tested, {oldest} is the oldest that is: `hardwire \
                 verify` says there whether the program loads"
            ));
        }
        Some(target)
    }

    /// The target that was named, or what this kernel can do.
    ///
    /// # Errors
    ///
    /// The kernel does not let itself be asked.
    pub(crate) fn or_this_kernel(&self, output: &Output) -> Result<Target, Problem> {
        self.named(output)
            .map_or_else(features::target, Ok)
            .map_err(|error| Problem::of_probe(&error))
    }

    /// The target that was named, or what this kernel can do; if it does not let itself be asked,
    /// the newest one that is known, with a note.
    pub(crate) fn or_probed(&self, output: &Output) -> Target {
        if let Some(target) = self.named(output) {
            return target;
        }
        features::target().unwrap_or_else(|error| {
            let newest = Target::newest();
            output.note(format!("{error}; assuming Linux {} (--target chooses)", newest.version));
            newest
        })
    }
}
