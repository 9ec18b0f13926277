//! A matcher that can be asked and timed.

use std::{error::Error, hint::black_box, time::Instant};

use hardwire::{
    assembler::{ProgramImage, ProgramKind, Target},
    compiler::{
        self, CompileError, Options,
        ir::{Matcher, Pattern, Verdict, Verdicts},
    },
    loader::{LoadOptions, Map, Program, Update, btf, test_run},
};

use crate::{
    callback,
    class::Class,
    engine::{Engine, Home, Variant},
    peers,
    residence::Residence,
    searcher::Searcher,
};

/// What a program costs before it sees a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) slots: u32,
    /// Instructions that the verifier processed, where the kernel says.
    pub(crate) processed: Option<u32>,
    /// From patterns to a program, in milliseconds.
    pub(crate) compile_ms: f64,
    /// The fastest of several loads, in milliseconds.
    pub(crate) load_ms: f64,
}

/// Milliseconds that loading one program again and again may take in all.
const RELOADS_MS_MAX: f64 = 600.0;

/// A matcher that can be asked and timed.
pub(crate) struct Subject<'a> {
    pub(crate) engine: Engine,
    pub(crate) cost: Option<Cost>,
    class: &'a Class,
    search: Search<'a>,
    residence: Option<Residence>,
    reloads_ms: f64,
}

enum Search<'a> {
    User(Searcher<'a>),
    Program(Program, Box<ProgramImage>),
}

pub(crate) type Failure = Box<dyn Error>;

/// This kernel lacks what the engine needs, which is no mistake of anybody.
#[derive(Debug, thiserror::Error)]
#[error("this kernel lacks what it needs")]
pub(crate) struct Lacking;

/// The compiler does not take patterns of this kind.
#[derive(Debug, thiserror::Error)]
#[error("not yet: {0}")]
pub(crate) struct NotYet(String);

impl<'a> Subject<'a> {
    /// `engine`, for what `class` searches for.
    pub(crate) fn new(
        engine: Engine,
        class: &'a Class,
        target: Option<&Target>,
    ) -> Result<Self, Failure> {
        let Some(target) = target.filter(|_| engine.needs_kernel()) else {
            let search = Searcher::new(engine, class)?.ok_or(Lacking)?;
            let search = Search::User(search);
            return Ok(Self {
                engine,
                cost: None,
                class,
                search,
                residence: None,
                reloads_ms: 0.0,
            });
        };
        let start = Instant::now();
        let image = image(engine, class, target)?;
        let compile_ms = start.elapsed().as_secs_f64() * 1e3;
        let (program, load_ms) = load(engine, class, &image)?;
        let residence = match image.kind() {
            ProgramKind::Xdp => Some(Residence::new(&program)?),
            ProgramKind::SocketFilter | ProgramKind::SchedCls => None,
        };
        let processed = program.info()?.verified_insns;
        let cost = Some(Cost { slots: image.slot_count(), processed, compile_ms, load_ms });
        let search = Search::Program(program, Box::new(image));
        Ok(Self { engine, cost, class, search, residence, reloads_ms: 0.0 })
    }

    /// Load the program once more, for the time that it takes, and to go on with other addresses:
    /// the place of code in caches and predictors is luck, which one load would make a property.
    pub(crate) fn load_again(&mut self) -> Result<(), Failure> {
        if let (Search::Program(old, image), Some(cost)) = (&mut self.search, &mut self.cost) {
            if self.reloads_ms + cost.load_ms > RELOADS_MS_MAX {
                return Ok(());
            }
            let (new, load_ms) = load(self.engine, self.class, image)?;
            self.reloads_ms += load_ms;
            cost.load_ms = cost.load_ms.min(load_ms);
            if let Some(residence) = &mut self.residence {
                residence.replace(&new)?;
            }
            *old = new;
        }
        Ok(())
    }

    /// The loaded program, if it is one.
    pub(crate) fn program(&self) -> Option<&Program> {
        match &self.search {
            Search::Program(program, _) => Some(program),
            Search::User(_) => None,
        }
    }

    /// Does it find something in `packet`, which is dressed for it?
    pub(crate) fn finds(&self, packet: &[u8]) -> Result<bool, Failure> {
        Ok(match &self.search {
            Search::User(searcher) => searcher.finds(packet),
            Search::Program(program, _) => {
                let returned = test_run::run(program, packet, 1, false)?.retval;
                let filter = self.engine.floor() == Some(Engine::EmptySocket);
                match returned {
                    0 if filter => false,
                    u32::MAX if filter => true,
                    1 if !filter => true,
                    2 if !filter => false,
                    other => return Err(format!("returned {other}").into()),
                }
            }
        })
    }

    /// Nanoseconds of one search of `packet`, the mean of `repeat` in a row.
    pub(crate) fn time(&self, packet: &[u8], repeat: u32) -> Result<f64, Failure> {
        let start = Instant::now();
        let told = match &self.search {
            Search::User(searcher) => {
                searcher.repeat(packet, repeat);
                None
            }
            Search::Program(program, _) => {
                Some(test_run::run(program, packet, repeat, false)?.duration_ns)
            }
        };
        let watched = start.elapsed().as_secs_f64() * 1e9 / f64::from(repeat);
        // The kernel cuts its mean down to whole nanoseconds: the time on our clock says what was
        // cut, unless it contains something else.
        Ok(told.map_or(watched, |told| watched.clamp(f64::from(told), f64::from(told) + 1.0)))
    }

    /// Nanoseconds of the search of each packet, one run each.
    ///
    /// The kernel copies the packet to a page of its own and then looks at its clock, runs, and
    /// looks again. In user space we do the same, and the kernel runs `between` for each packet
    /// too: it forgets no less about our code than about its own.
    pub(crate) fn time_each(
        &self,
        packets: &[Vec<u8>],
        between: Option<&Program>,
        each: &mut [f64],
    ) -> Result<(), Failure> {
        let mut copy = Vec::new();
        for (packet, ns) in packets.iter().zip(each) {
            let searcher = match &self.search {
                Search::User(searcher) => searcher,
                Search::Program(program, _) => {
                    *ns = f64::from(test_run::run(program, packet, 1, false)?.duration_ns);
                    continue;
                }
            };
            if let Some(between) = between {
                test_run::run(between, packet, 1, false)?;
            }
            copy.clear();
            copy.extend_from_slice(packet);
            let packet = black_box(copy.as_slice());
            let start = Instant::now();
            black_box(searcher.finds(packet));
            *ns = start.elapsed().as_secs_f64() * 1e9;
        }
        Ok(())
    }
}

/// `image` in the kernel, and the milliseconds that it took.
fn load(engine: Engine, class: &Class, image: &ProgramImage) -> Result<(Program, f64), Failure> {
    let fill = |map: &Map| {
        let mut entries = peers::pattern_entries(&class.hits[0]);
        entries.try_for_each(|(key, value)| map.update(&key, &value, Update::Any))
    };
    let start = Instant::now();
    let program = if engine == Engine::MapArray {
        let map = Map::create(&peers::pattern_map())?;
        fill(&map)?;
        callback::load(image, &map)?
    } else {
        Program::load(image, &LoadOptions::default())?
    };
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    if engine == Engine::MapArrayByHand {
        program.maps().iter().try_for_each(fill)?;
    }
    Ok((program, load_ms))
}

fn image(engine: Engine, class: &Class, target: &Target) -> Result<ProgramImage, Failure> {
    Ok(match (engine.home(), engine) {
        (Home::Ours(variant), _) => compile(variant, class, target)?,
        (_, Engine::MapArray) => peers::map_matcher(target)?,
        (_, Engine::MapArrayByHand) if target.may_goto => peers::map_matcher_by_hand(target)?,
        (_, Engine::Strnstr) => {
            let id = btf::function_id("bpf_strnstr")?.ok_or(Lacking)?;
            peers::strnstr(i32::try_from(id)?, &class.hits[0], target)?
        }
        (_, Engine::EmptyXdp) => peers::returning(ProgramKind::Xdp, 2, target)?,
        (_, Engine::EmptySocket) => peers::returning(ProgramKind::SocketFilter, 0, target)?,
        (Home::Kernel | Home::User | Home::Floor, _) => return Err(Lacking.into()),
    })
}

/// The program of Hardwire for `class`, in that variant.
fn compile(variant: Variant, class: &Class, target: &Target) -> Result<ProgramImage, Failure> {
    let Variant { scope, entry, report, attached, literal } = variant;
    let patterns = match class.alone.filter(|_| literal) {
        Some(alone) => crate::class::written(alone, false).lower(1).map(|pattern| vec![pattern]),
        None => patterns(class),
    };
    let verdicts = Verdicts { on_match: Verdict::Drop, ..Verdicts::default() };
    let matcher = patterns.map(|patterns| Matcher { patterns, scope, report, verdicts });
    let options =
        Options { counters: attached, fragments: attached, strategy: None, ..Options::default() };
    let compiled = matcher.and_then(|m| compiler::compile(&m, entry, target, &options));
    match compiled {
        Ok(compiled) => Ok(compiled.image),
        Err(CompileError::NotSupported { what, .. }) => Err(NotYet(what).into()),
        Err(error) => Err(error.into()),
    }
}

/// The patterns of `class` as the compiler takes them.
fn patterns(class: &Class) -> Result<Vec<Pattern>, CompileError> {
    (1..).zip(&class.patterns).map(|(id, written)| written.lower(id)).collect()
}
