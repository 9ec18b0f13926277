//! The matchers that are compared, and how one of them is asked and timed.

use std::{error::Error, hint::black_box, time::Instant};

use hardwire::{
    assembler::{ProgramImage, ProgramKind, Target},
    compiler::{
        self, Entry, Options,
        ir::{Matcher, Pattern, Report, Scope, Verdict, Verdicts},
    },
    loader::{LoadOptions, Map, Program, Update, btf, test_run},
};
use memchr::memmem::Finder;

use crate::{callback, frames, peers, residence::Residence};

/// Who is measured: names of the machine format, but for the two floors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Engine {
    /// Raw scope, no counters, no fragments.
    Hardwire,
    /// The same, ignoring case.
    HardwireNocase,
    /// Raw scope, with counters and fragments.
    HardwireAttached,
    /// The payload of TCP frames, with counters and fragments.
    HardwirePayload,
    /// A socket filter, raw scope, no counters.
    HardwireSocket,
    /// A socket filter, raw scope, with counters.
    HardwireSocketAttached,
    /// libc, in user space.
    Memmem,
    /// The `memchr` crate's prepared searcher, in user space.
    Memchr,
    /// The pattern in an array map, with `bpf_loop`.
    MapArray,
    /// The same with `may_goto`.
    MapArrayByHand,
    /// The kernel's own search function.
    Strnstr,
    /// An XDP program that does nothing.
    EmptyXdp,
    /// A socket filter that does nothing.
    EmptySocket,
    /// No call at all, in user space.
    Nothing,
}

impl Engine {
    /// Those with figures, in the order of the tables.
    pub(crate) const SHOWN: [Self; 11] = [
        Self::Hardwire,
        Self::HardwireNocase,
        Self::HardwireAttached,
        Self::HardwirePayload,
        Self::HardwireSocket,
        Self::HardwireSocketAttached,
        Self::Memmem,
        Self::Memchr,
        Self::MapArray,
        Self::MapArrayByHand,
        Self::Strnstr,
    ];

    /// As in the machine format.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hardwire => "hardwire",
            Self::HardwireNocase => "hardwire-nocase",
            Self::HardwireAttached => "hardwire-attached",
            Self::HardwirePayload => "hardwire-payload",
            Self::HardwireSocket => "hardwire-socket",
            Self::HardwireSocketAttached => "hardwire-socket-attached",
            Self::Memmem => "memmem",
            Self::Memchr => "memchr",
            Self::MapArray => "map-array",
            Self::MapArrayByHand => "map-array-may-goto",
            Self::Strnstr => "bpf_strnstr",
            Self::EmptyXdp => "empty-xdp",
            Self::EmptySocket => "empty-socket",
            Self::Nothing => "nothing",
        }
    }

    /// Does it stand in the tables only, beside one that the machine format names?
    pub(crate) fn only_for_people(self) -> bool {
        matches!(self, Self::HardwireSocketAttached | Self::MapArrayByHand)
    }

    /// For people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Hardwire => "hardwire, raw scope",
            Self::HardwireNocase => "hardwire, ignoring case",
            Self::HardwireAttached => "hardwire, as attached (raw)",
            Self::HardwirePayload => "hardwire, as attached (payload)",
            Self::HardwireSocket => "hardwire, socket filter",
            Self::HardwireSocketAttached => "hardwire, socket filter as attached",
            Self::Memmem => "libc memmem, user space",
            Self::Memchr => "memchr Finder, user space",
            Self::MapArray => "pattern in an array map, bpf_loop",
            Self::MapArrayByHand => "pattern in an array map, may_goto",
            Self::Strnstr => "bpf_strnstr",
            Self::EmptyXdp => "empty XDP program",
            Self::EmptySocket => "empty socket filter",
            Self::Nothing => "nothing",
        }
    }

    /// What has to be subtracted from its times, if anything.
    pub(crate) const fn floor(self) -> Option<Self> {
        match self {
            Self::Hardwire
            | Self::HardwireNocase
            | Self::HardwireAttached
            | Self::HardwirePayload
            | Self::MapArray
            | Self::MapArrayByHand
            | Self::Strnstr => Some(Self::EmptyXdp),
            Self::HardwireSocket | Self::HardwireSocketAttached => Some(Self::EmptySocket),
            Self::Memmem | Self::Memchr => Some(Self::Nothing),
            Self::EmptyXdp | Self::EmptySocket | Self::Nothing => None,
        }
    }

    /// Is it a program of Hardwire, or a peer?
    const fn variant(self) -> Option<Variant> {
        let xdp = Variant { scope: Scope::Raw, entry: Entry::Xdp, case: false, attached: true };
        match self {
            Self::Hardwire => Some(Variant { attached: false, ..xdp }),
            Self::HardwireNocase => Some(Variant { attached: false, case: true, ..xdp }),
            Self::HardwireAttached => Some(xdp),
            Self::HardwirePayload => Some(Variant { scope: Scope::Payload, ..xdp }),
            Self::HardwireSocket => {
                Some(Variant { entry: Entry::SocketFilter, attached: false, ..xdp })
            }
            Self::HardwireSocketAttached => Some(Variant { entry: Entry::SocketFilter, ..xdp }),
            Self::Memmem
            | Self::Memchr
            | Self::MapArray
            | Self::MapArrayByHand
            | Self::Strnstr
            | Self::EmptyXdp
            | Self::EmptySocket
            | Self::Nothing => None,
        }
    }

    /// What to give to the kernel, or to a function, so that `searched` is searched.
    pub(crate) fn dress(self, searched: &[u8]) -> Vec<u8> {
        match self {
            Self::HardwirePayload => frames::tcp_frame(searched),
            // `BPF_PROG_TEST_RUN` takes the Ethernet header off before a socket filter runs.
            Self::HardwireSocket | Self::HardwireSocketAttached | Self::EmptySocket => {
                [&[0; 14], searched].concat()
            }
            Self::Hardwire
            | Self::HardwireNocase
            | Self::HardwireAttached
            | Self::Memmem
            | Self::Memchr
            | Self::MapArray
            | Self::MapArrayByHand
            | Self::Strnstr
            | Self::EmptyXdp
            | Self::Nothing => searched.to_vec(),
        }
    }
}

/// One way to compile a literal.
struct Variant {
    scope: Scope,
    entry: Entry,
    /// Ignore case?
    case: bool,
    /// With counters and fragments?
    attached: bool,
}

/// What a program costs before it sees a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) slots: u32,
    /// Instructions that the verifier processed, where the kernel says.
    pub(crate) processed: Option<u32>,
    /// The fastest of several loads, in milliseconds.
    pub(crate) load_ms: f64,
}

/// A matcher that can be asked and timed.
pub(crate) struct Subject<'a> {
    pub(crate) engine: Engine,
    pub(crate) cost: Option<Cost>,
    literal: &'a [u8],
    search: Search<'a>,
    residence: Option<Residence>,
}

enum Search<'a> {
    /// To see what looking at the clock costs.
    Nothing,
    Memmem,
    Memchr(Box<Finder<'a>>),
    Program(Program, Box<ProgramImage>),
}

type Failure = Box<dyn Error>;

impl<'a> Subject<'a> {
    /// A searcher in user space.
    pub(crate) fn in_user_space(engine: Engine, literal: &'a [u8]) -> Self {
        let search = match engine {
            Engine::Memchr => Search::Memchr(Box::new(Finder::new(literal))),
            Engine::Memmem => Search::Memmem,
            Engine::Hardwire
            | Engine::HardwireNocase
            | Engine::HardwireAttached
            | Engine::HardwirePayload
            | Engine::HardwireSocket
            | Engine::HardwireSocketAttached
            | Engine::MapArray
            | Engine::MapArrayByHand
            | Engine::Strnstr
            | Engine::EmptyXdp
            | Engine::EmptySocket
            | Engine::Nothing => Search::Nothing,
        };
        Self { engine, cost: None, literal, search, residence: None }
    }

    /// A program in the kernel; nothing if this kernel lacks what it needs.
    pub(crate) fn in_kernel(
        engine: Engine,
        literal: &'a [u8],
        target: &Target,
    ) -> Result<Option<Self>, Failure> {
        let Some(image) = image(engine, literal, target)? else { return Ok(None) };
        let (program, load_ms) = load(engine, literal, &image)?;
        let residence = match image.kind() {
            ProgramKind::Xdp => Some(Residence::new(&program)?),
            ProgramKind::SocketFilter | ProgramKind::SchedCls => None,
        };
        let processed = program.info()?.verified_insns;
        let cost = Some(Cost { slots: image.slot_count(), processed, load_ms });
        let search = Search::Program(program, Box::new(image));
        Ok(Some(Self { engine, cost, literal, search, residence }))
    }

    /// Load the program once more, for the time that it takes, and to go on with other addresses:
    /// the place of code in caches and predictors is luck, which one load would make a property.
    pub(crate) fn load_again(&mut self) -> Result<(), Failure> {
        if let (Search::Program(old, image), Some(cost)) = (&mut self.search, &mut self.cost) {
            let (new, load_ms) = load(self.engine, self.literal, image)?;
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
            Search::Nothing | Search::Memmem | Search::Memchr(_) => None,
        }
    }

    /// Does it find the literal in `packet`, which is dressed for it?
    pub(crate) fn finds(&self, packet: &[u8]) -> Result<bool, Failure> {
        Ok(match &self.search {
            Search::Nothing => false,
            Search::Memmem => peers::memmem(packet, self.literal),
            Search::Memchr(finder) => finder.find(packet).is_some(),
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
            Search::Nothing => {
                for _ in 0..repeat {
                    black_box(black_box(packet));
                }
                None
            }
            Search::Memmem => {
                for _ in 0..repeat {
                    black_box(peers::memmem(black_box(packet), black_box(self.literal)));
                }
                None
            }
            Search::Memchr(finder) => {
                for _ in 0..repeat {
                    black_box(finder.find(black_box(packet)));
                }
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
            if let Search::Program(program, _) = &self.search {
                *ns = f64::from(test_run::run(program, packet, 1, false)?.duration_ns);
                continue;
            }
            if let Some(between) = between {
                test_run::run(between, packet, 1, false)?;
            }
            copy.clear();
            copy.extend_from_slice(packet);
            let packet = black_box(copy.as_slice());
            let start = Instant::now();
            match &self.search {
                Search::Memmem => {
                    black_box(peers::memmem(packet, self.literal));
                }
                Search::Memchr(finder) => {
                    black_box(finder.find(packet));
                }
                Search::Nothing | Search::Program(..) => {}
            }
            *ns = start.elapsed().as_secs_f64() * 1e9;
        }
        Ok(())
    }
}

/// `image` in the kernel, and the milliseconds that it took.
fn load(engine: Engine, literal: &[u8], image: &ProgramImage) -> Result<(Program, f64), Failure> {
    let fill = |map: &Map| {
        let mut entries = peers::pattern_entries(literal);
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

fn image(engine: Engine, literal: &[u8], target: &Target) -> Result<Option<ProgramImage>, Failure> {
    if let Some(variant) = engine.variant() {
        let pattern = Pattern::literal(1, literal).ignoring_case(variant.case);
        let matcher = Matcher {
            patterns: vec![pattern],
            scope: variant.scope,
            report: Report::First,
            verdicts: Verdicts { on_match: Verdict::Drop, ..Verdicts::default() },
        };
        let options = Options { counters: variant.attached, fragments: variant.attached };
        return Ok(Some(compiler::compile(&matcher, variant.entry, target, &options)?.image));
    }
    Ok(match engine {
        Engine::MapArray => Some(peers::map_matcher(target)?),
        Engine::MapArrayByHand if target.may_goto => Some(peers::map_matcher_by_hand(target)?),
        Engine::Strnstr => match btf::function_id("bpf_strnstr")? {
            Some(id) => Some(peers::strnstr(i32::try_from(id)?, literal, target)?),
            None => None,
        },
        Engine::EmptyXdp => Some(peers::returning(ProgramKind::Xdp, 2, target)?),
        Engine::EmptySocket => Some(peers::returning(ProgramKind::SocketFilter, 0, target)?),
        Engine::MapArrayByHand
        | Engine::Memmem
        | Engine::Memchr
        | Engine::Nothing
        | Engine::Hardwire
        | Engine::HardwireNocase
        | Engine::HardwireAttached
        | Engine::HardwirePayload
        | Engine::HardwireSocket
        | Engine::HardwireSocketAttached => None,
    })
}
