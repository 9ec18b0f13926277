//! Programs: load an image, ask about what was loaded.
//!
//! Loading goes maps, types, patch, load, and only if that fails load again with a log: a valid
//! program fails with `ENOSPC` when its log does not fit, so a log must never decide.
//!
//! Every program is loaded with what it says about itself ([`ProgramTypes`]), so that the
//! verifier's log and other tools speak of the pattern. A kernel that refuses that gets the program
//! without, and [`Program::without_types`] says why.

mod info;

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
};

pub use info::ProgramInfo;

use super::{
    LoadError, Map, MapError, Update, VerifierLog, VerifierStats,
    capability::{self, Capabilities, Capability},
    map::kernel_name,
    memlock,
    sys::{
        self,
        program::{AttachTo, FunctionRecord, LineRecord, Load, Loaded, Log, Types},
    },
    tails, xlated,
};
use crate::assembler::{
    Insn, MapKind, MapSpec, ProgramImage, ProgramKind, btf::ProgramTypes, encode, insn::Imm64,
};

/// The program may see packets in several buffers (`BPF_F_XDP_HAS_FRAGS`, Linux 5.18).
const F_XDP_HAS_FRAGS: u32 = 1 << 5;

/// Programs may read the map, not write it (`BPF_F_RDONLY_PROG`).
const F_RDONLY_PROG: u32 = 1 << 7;

/// Bits of `log_level` (`include/linux/bpf_verifier.h`).
const LOG_TRACE: u32 = 1;
const LOG_STATES: u32 = 2;
const LOG_STATS: u32 = 4;

/// Bytes of the first log buffer.
const LOG_BYTES_FIRST: usize = 256 * 1024;

/// Most bytes of a log. Since Linux 6.4 the buffer keeps the *end* of a longer one, where the
/// reason is: then the first buffer's worth is enough, and does not cost another verification of a
/// very large program. Before, it keeps the *beginning*; then the log is asked for once more
/// without the trace, and the reason is known but not the place.
pub const LOG_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most bytes of a log that is asked for once more with all states in it, which makes it about five
/// times as long: what kernels before 5.17 need to show the registers at the failure.
const LOG_REPEAT_BYTES_MAX: usize = 1024 * 1024;

/// Most slots of a program with `CAP_BPF` (`BPF_COMPLEXITY_LIMIT_INSNS`) and without
/// (`BPF_MAXINSNS`).
const SLOTS_MAX: (u32, u32) = (1_000_000, 4096);

/// How to load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Also load a good program once more for the verifier's statistics: see
    /// [`Program::stats`]. Doubles the time.
    pub log: bool,
    /// Load without types and lines, as on a kernel that refuses them.
    pub without_types: bool,
}

/// A program in the kernel, with the maps of its image. Dropping it gives up our hold on it; what
/// it is attached to keeps it.
///
/// If it goes on in others by tail calls ([`tails`](Self::tails)), these are its own. They are there
/// as long as anybody has a descriptor of the program array: the kernel empties it then, whatever still
/// runs the first program. The guards of [`link`](super::link) keep one.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
    name: String,
    prog_type: u32,
    frags: bool,
    maps: Vec<Map>,
    tails: Vec<Program>,
    stats: Option<Box<VerifierStats>>,
    without_types: Option<NoTypes>,
}

/// Why a program was loaded without types and lines, although it has them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoTypes {
    /// The types themselves were refused.
    #[error("the kernel refused the program's types (BPF_BTF_LOAD: {0})")]
    Types(#[source] io::Error),
    /// The program with its types was refused, and taken without.
    #[error("the kernel refused the program with its types, and took it without")]
    Program,
}

impl Program {
    /// Create the maps of `image`, put their descriptors into a copy of its instructions, and have
    /// the kernel verify and load them; the same for its tails, which share the maps.
    ///
    /// # Errors
    ///
    /// [`LoadError`], of the program that is named; nothing is left behind.
    pub fn load(image: &ProgramImage, options: &LoadOptions) -> Result<Self, LoadError> {
        Self::load_sharing(image, options, &[])
    }

    /// The same, with maps of another program in the place of those that have the same name.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); a shared map of another kind or size than the image's.
    pub fn load_sharing(
        image: &ProgramImage,
        options: &LoadOptions,
        shared: &[&Map],
    ) -> Result<Self, LoadError> {
        // Before any map is made: a name is checked quickly.
        program_name(image)?;
        let maps = create_maps(image, shared)?;
        fill(image, &maps)?;
        let mut programs = tails::load_all(image, &maps, options)?.into_iter();
        let mut program = programs.next().expect("a program of each image");
        program.tails = programs.collect();
        if let Some((at, _)) = image.tails_map() {
            let fail = |source| LoadError::Map { name: image.name().to_owned(), source };
            for (index, tail) in (0_u32..).zip(&program.tails) {
                let fd = std::os::fd::AsRawFd::as_raw_fd(&tail.fd).to_ne_bytes();
                maps[at].update(&index.to_ne_bytes(), &fd, Update::Any).map_err(fail)?;
            }
        }
        program.maps = maps;
        Ok(program)
    }

    /// Load `image` alone, with maps that are there.
    pub(super) fn load_with(
        image: &ProgramImage,
        maps: &[Map],
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let name = program_name(image)?;
        let licence = licence(image)?;
        let slots = patch(image, maps)?;
        let mut without_types = None;
        let types = if options.without_types {
            None
        } else {
            LoadedTypes::of(image).map_err(|e| without_types = Some(NoTypes::Types(e))).ok()
        };
        let types_of = types.as_ref();
        let (name, licence) = (&name, &licence);
        let mut attempt = Attempt { image, slots: &slots, name, licence, types: types_of };
        let fd = match attempt.load(None).program {
            Ok(fd) => fd,
            Err(first) => attempt.explain(first)?,
        };
        if types.is_some() && attempt.types.is_none() {
            without_types = Some(NoTypes::Program);
        }
        Ok(Self {
            fd,
            name: image.name().to_owned(),
            prog_type: image.kind().id(),
            frags: image.frags(),
            maps: Vec::new(),
            tails: Vec::new(),
            stats: if options.log { attempt.stats().map(Box::new) } else { None },
            without_types,
        })
    }

    /// What verifying `image` takes, without its tails, from loading it once with a log of numbers;
    /// nothing if it does not load.
    pub fn measure(image: &ProgramImage) -> Option<VerifierStats> {
        let name = program_name(image).ok()?;
        let licence = licence(image).ok()?;
        let maps = create_maps(image, &[]).ok()?;
        fill(image, &maps).ok()?;
        let slots = patch(image, &maps).ok()?;
        let (name, licence) = (&name, &licence);
        // A function is judged on its own only if there are types.
        let types = LoadedTypes::of(image).ok();
        Attempt { image, slots: &slots, name, licence, types: types.as_ref() }.stats()
    }

    /// The program with this id. Needs `CAP_SYS_ADMIN`. It has no [`maps`](Self::maps) here.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, `PermissionDenied`.
    pub fn by_id(id: u32) -> io::Result<Self> {
        let fd = sys::object::prog_by_id(id)?;
        let info = ProgramInfo::of(fd.as_fd())?;
        Ok(Self {
            fd,
            name: info.name,
            prog_type: info.prog_type,
            frags: false,
            maps: Vec::new(),
            tails: Vec::new(),
            stats: None,
            without_types: None,
        })
    }

    /// The ids of all loaded programs, ascending. Needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// `PermissionDenied`.
    pub fn ids() -> io::Result<Vec<u32>> {
        let mut ids = Vec::new();
        loop {
            // Ascending ids end this loop: the kernel counts them with 31 bits.
            match sys::object::prog_next_id(ids.last().copied().unwrap_or(0)) {
                Ok(id) => ids.push(id),
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(ids),
                Err(e) => return Err(e),
            }
        }
    }

    /// Its name, at most 15 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's number of its type.
    pub fn prog_type(&self) -> u32 {
        self.prog_type
    }

    /// Was it loaded with `BPF_F_XDP_HAS_FRAGS`? `false` if it was found by id.
    pub fn frags(&self) -> bool {
        self.frags
    }

    /// Its maps, in the order of the image.
    pub fn maps(&self) -> &[Map] {
        &self.maps
    }

    /// Its map with this name, if it has one.
    pub fn map_named(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.spec().name == name)
    }

    /// The programs that it goes on in by tail calls, in order. They have no [`maps`](Self::maps) of
    /// their own.
    pub fn tails(&self) -> &[Self] {
        &self.tails
    }

    /// This program and its tails, in the order in which they run.
    pub fn programs(&self) -> impl Iterator<Item = &Self> {
        [self].into_iter().chain(&self.tails)
    }

    /// What verifying it took, if [`LoadOptions::log`] asked for it.
    pub fn stats(&self) -> Option<&VerifierStats> {
        self.stats.as_deref()
    }

    /// Why it was loaded without types and lines, if that was not asked for: dumps and traces by
    /// other tools then do not name patterns.
    pub fn without_types(&self) -> Option<&NoTypes> {
        self.without_types.as_ref()
    }

    /// What the kernel says about it.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn info(&self) -> io::Result<ProgramInfo> {
        ProgramInfo::of(self.as_fd())
    }

    /// Its instructions as the verifier left them, in slots. Empty where the kernel hides them (no
    /// `CAP_BPF` or `CAP_PERFMON`, a hardened JIT).
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn xlated(&self) -> io::Result<Vec<[u8; 8]>> {
        sys::object::prog_insns(self.as_fd())
    }
}

impl Program {
    /// Its instructions as text, as the verifier left them; see [`xlated`].
    ///
    /// # Errors
    ///
    /// The kernel's. An empty text is no error: the kernel hides the instructions.
    pub fn xlated_lines(&self) -> io::Result<Vec<xlated::Line>> {
        let slots = self.xlated()?;
        let code = sys::object::prog_code(self.as_fd())?;
        Ok(xlated::lines(&slots, &code.addresses))
    }

    /// Its machine code by function.
    ///
    /// # Errors
    ///
    /// The kernel's. No function is no error: see [`Jited`](xlated::Jited).
    pub fn jited(&self) -> io::Result<xlated::Jited> {
        Ok(xlated::Jited::of(sys::object::prog_code(self.as_fd())?))
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn program_name(image: &ProgramImage) -> Result<CString, LoadError> {
    kernel_name(image.name()).ok_or_else(|| LoadError::Image {
        name: image.name().to_owned(),
        what: "a name has at most 15 letters, digits, `_` and `.`".to_owned(),
    })
}

fn licence(image: &ProgramImage) -> Result<CString, LoadError> {
    CString::new(image.licence()).map_err(|_| LoadError::Image {
        name: image.name().to_owned(),
        what: "the licence holds a NUL".to_owned(),
    })
}

/// Put into maps what they hold from the start, and freeze those that programs only read: what is
/// in them is then known to the verifier.
fn fill(image: &ProgramImage, maps: &[Map]) -> Result<(), LoadError> {
    for contents in image.contents() {
        let map = maps.get(contents.map).ok_or_else(|| LoadError::Image {
            name: image.name().to_owned(),
            what: format!("has contents for map {} of {}", contents.map, maps.len()),
        })?;
        let fail = |source| LoadError::Map { name: image.name().to_owned(), source };
        map.update(&[0; 4], &contents.bytes, Update::Any).map_err(fail)?;
        if map.spec().flags & F_RDONLY_PROG != 0 {
            map.freeze().map_err(fail)?;
        }
    }
    Ok(())
}

/// The maps of `image`: new ones, but for those that are `shared`.
fn create_maps(image: &ProgramImage, shared: &[&Map]) -> Result<Vec<Map>, LoadError> {
    let fail = |source: MapError| match &source {
        MapError::Create { source, .. } if source.raw_os_error() == Some(libc::ENOSYS) => {
            LoadError::NoBpf
        }
        MapError::Name { .. }
        | MapError::Create { .. }
        | MapError::Cpus { .. }
        | MapError::ValueLength { .. }
        | MapError::NotAnArray { .. }
        | MapError::Kind { .. }
        | MapError::Pin(_)
        | MapError::Access { .. } => LoadError::Map { name: image.name().to_owned(), source },
    };
    let map = |spec: &MapSpec| {
        let Some(map) = shared.iter().find(|map| map.spec().name == spec.name) else {
            return Map::create(spec).map_err(fail);
        };
        let form = |spec: &MapSpec| (spec.kind, spec.key_bytes, spec.value_bytes, spec.entries_max);
        if form(map.spec()) != form(spec) {
            let what = format!("map {:?} has another form than the one to be shared", spec.name);
            return Err(LoadError::Image { name: image.name().to_owned(), what });
        }
        map.try_clone().map_err(fail)
    };
    image.maps().iter().map(map).collect()
}

/// The slots of `image` with descriptors in place of map indices.
fn patch(image: &ProgramImage, maps: &[Map]) -> Result<Vec<[u8; 8]>, LoadError> {
    let wrong = |slot: u32, what: String| LoadError::Image {
        name: image.name().to_owned(),
        what: format!("slot {slot}: {what}"),
    };
    let mut insns = image.insns().to_vec();
    for (at, insn) in insns.iter_mut().enumerate() {
        let Insn::LoadImm64 { value, .. } = insn else { continue };
        let index = match *value {
            Imm64::MapIndex(index) | Imm64::MapIndexValue { index, .. } => index,
            Imm64::MapFd(_) | Imm64::MapValue { .. } => {
                let what = "holds a descriptor; an image refers to maps by index".to_owned();
                return Err(wrong(image.slot_of(at), what));
            }
            Imm64::Value(_) | Imm64::BtfId { .. } | Imm64::Function(_) => continue,
        };
        let map = usize::try_from(index).ok().and_then(|index| maps.get(index));
        let map = map.ok_or_else(|| {
            wrong(image.slot_of(at), format!("refers to map {index} of {}", maps.len()))
        })?;
        let fd: RawFd = std::os::fd::AsRawFd::as_raw_fd(&map.as_fd());
        *value = match *value {
            Imm64::MapIndexValue { offset, .. } => {
                if map.spec().kind != MapKind::Array {
                    let kind = map.spec().kind.name();
                    let what = format!("no direct pointer to a value of a {kind} map");
                    return Err(wrong(image.slot_of(at), what));
                }
                Imm64::MapValue { fd, offset }
            }
            Imm64::MapIndex(_)
            | Imm64::MapFd(_)
            | Imm64::MapValue { .. }
            | Imm64::Value(_)
            | Imm64::BtfId { .. }
            | Imm64::Function(_) => Imm64::MapFd(fd),
        };
    }
    Ok(encode::encode_all(&insns))
}

/// What an image says about itself, in the kernel.
struct LoadedTypes {
    btf: OwnedFd,
    functions: Vec<FunctionRecord>,
    lines: Vec<LineRecord>,
}

impl LoadedTypes {
    fn of(image: &ProgramImage) -> io::Result<Self> {
        let types = ProgramTypes::of(image);
        let bytes = types.btf();
        Ok(Self {
            btf: memlock::with(|| sys::btf::load(&bytes))?,
            functions: types.functions().iter().map(|f| [f.slot, f.ty.number()]).collect(),
            lines: types.lines().iter().map(|l| [l.slot, l.file, l.text, l.line_column]).collect(),
        })
    }
}

/// One image on its way into the kernel, as often as it takes.
struct Attempt<'a> {
    image: &'a ProgramImage,
    slots: &'a [[u8; 8]],
    name: &'a CString,
    licence: &'a CString,
    types: Option<&'a LoadedTypes>,
}

impl Attempt<'_> {
    fn load(&self, log: Option<Log<'_>>) -> Loaded {
        let flags = if self.image.frags() { F_XDP_HAS_FRAGS } else { 0 };
        let mut args = Load {
            prog_type: self.image.kind().id(),
            slots: self.slots,
            license: self.licence,
            flags,
            name: self.name,
            types: self.types.map(|types| Types {
                btf: types.btf.as_fd(),
                functions: &types.functions,
                lines: &types.lines,
            }),
            attach_to: AttachTo::default(),
            log,
        };
        if args.log.is_some() {
            return sys::program::load(&mut args);
        }
        let program = memlock::with(|| sys::program::load(&mut args).program);
        Loaded { program, log_bytes: 0 }
    }

    /// Load with a log that grows until it fits. Returns what the last load brought, the log, and
    /// whether it is whole.
    fn load_logged(&self, level: u32) -> (io::Result<OwnedFd>, String, bool) {
        let mut size = LOG_BYTES_FIRST;
        loop {
            let mut buffer = vec![0; size];
            let loaded = self.load(Some(Log { level, buffer: &mut buffer }));
            let full = matches!(&loaded.program, Err(e) if e.raw_os_error() == Some(libc::ENOSPC));
            let told = usize::try_from(loaded.log_bytes).expect("u32 fits");
            if !full || told > LOG_BYTES_MAX {
                return (loaded.program, log_text(&buffer), !full);
            }
            if size >= LOG_BYTES_MAX {
                return self.load_without_trace();
            }
            // A little more than told, because states and times may print differently the next
            // time. A kernel before 6.4 tells nothing.
            let more = if told > size { told + told / 8 } else { size * 4 };
            size = more.min(LOG_BYTES_MAX);
        }
    }

    /// Load with a log that holds only messages and statistics; never whole.
    fn load_without_trace(&self) -> (io::Result<OwnedFd>, String, bool) {
        let mut buffer = vec![0; LOG_BYTES_FIRST];
        let loaded = self.load(Some(Log { level: LOG_STATS, buffer: &mut buffer }));
        (loaded.program, log_text(&buffer), false)
    }

    /// What verifying the program takes; nothing if it does not load again.
    fn stats(&self) -> Option<VerifierStats> {
        let (program, text, _) = self.load_logged(LOG_STATS);
        program.ok().map(|_| VerifierStats::of_log(&text))
    }

    /// Why the first load failed with `first`; or a program, if a second one does not fail. If it
    /// was refused before its instructions were looked at, that may be for its types; then it goes
    /// on without them.
    fn explain(&mut self, first: io::Error) -> Result<OwnedFd, LoadError> {
        let name = self.image.name().to_owned();
        if first.raw_os_error() == Some(libc::ENOSYS) {
            return Err(LoadError::NoBpf);
        }
        let (mut program, mut text, mut whole) = self.load_logged(LOG_TRACE | LOG_STATS);
        let looked_at = VerifierStats::of_log(&text).processed.is_some_and(|count| count > 0);
        if program.is_err() && !looked_at && self.types.take().is_some() {
            (program, text, whole) = self.load_logged(LOG_TRACE | LOG_STATS);
        }
        let again = match program {
            Ok(fd) => return Ok(fd),
            Err(again) => again,
        };
        // With ENOSPC the log did not fit, and the first answer was about the program.
        let source = if again.raw_os_error() == Some(libc::ENOSPC) { first } else { again };
        // Interrupted half way, again and again: the log says nothing about the program.
        let interrupted = source.raw_os_error() == Some(libc::EAGAIN);
        if !text.trim().is_empty() && !interrupted {
            let log = VerifierLog::read(&text, whole, Some(self.image));
            let log = Box::new(self.with_registers(log));
            return Err(LoadError::Rejected { name, log, source });
        }
        Err(match source.raw_os_error() {
            Some(libc::EPERM) => LoadError::Privilege {
                name,
                kind: self.image.kind().name(),
                missing: capability::missing(needed(self.image.kind())),
                source,
            },
            Some(libc::E2BIG) => {
                let bpf = Capabilities::of_process().is_ok_and(|c| c.covers(Capability::Bpf));
                let limit = if bpf { SLOTS_MAX.0 } else { SLOTS_MAX.1 };
                LoadError::TooLarge { name, slots: self.slots.len(), limit }
            }
            _ => LoadError::Refused { name, source },
        })
    }
}

impl Attempt<'_> {
    /// `log`, or one with the registers at the failure, if it has none and the kernel prints them
    /// only where it prints everything.
    fn with_registers(&self, log: VerifierLog) -> VerifierLog {
        let wanted = log.insn.is_some() && log.registers.is_empty();
        if !wanted || log.whole.len() > LOG_REPEAT_BYTES_MAX {
            return log;
        }
        let (program, text, whole) = self.load_logged(LOG_TRACE | LOG_STATES | LOG_STATS);
        let again = VerifierLog::read(&text, whole, Some(self.image));
        if program.is_err() && again.reason == log.reason { again } else { log }
    }
}

/// What loading a program of this type needs, as a rule.
fn needed(kind: ProgramKind) -> &'static [Capability] {
    match kind {
        ProgramKind::SocketFilter => &[Capability::Bpf],
        ProgramKind::SchedCls | ProgramKind::Xdp => &[Capability::Bpf, Capability::NetAdmin],
    }
}

/// The text in a log buffer: up to the first NUL.
fn log_text(buffer: &[u8]) -> String {
    let end = buffer.iter().position(|&b| b == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembler::{Alu, Assembler, Reg::R0, Target};

    /// The kernel says so before it looks at instructions: "missing bpf_line_info for func#0".
    #[test]
    fn a_program_whose_types_are_refused_is_loaded_without_them() {
        let missing = capability::missing(&[Capability::Bpf]);
        if !missing.is_empty() {
            assert!(std::env::var_os("KERNEL_TESTS").is_none_or(|v| v != "required"));
            eprintln!("skipped: missing {missing:?}");
            return;
        }
        let mut asm = Assembler::new("test", ProgramKind::SocketFilter);
        asm.emit(Alu::Mov.imm(R0, 0));
        asm.emit(Insn::Exit);
        let image = asm.finish(&Target::newest()).expect("a program");
        let mut types = LoadedTypes::of(&image).expect("types");
        types.lines[0][0] = 1;
        let (slots, name) = (image.encode(), program_name(&image).expect("a name"));
        let licence = licence(&image).expect("a licence");
        let (name, licence, types) = (&name, &licence, Some(&types));
        let mut attempt = Attempt { image: &image, slots: &slots, name, licence, types };
        let first = attempt.load(None).program.expect_err("refused");
        assert_eq!(first.raw_os_error(), Some(libc::EINVAL));
        attempt.explain(first).expect("loads without");
        assert!(attempt.types.is_none());
    }
}
