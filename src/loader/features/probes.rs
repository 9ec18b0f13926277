//! The probes: the smallest uses of each feature, and what their outcomes mean.
//!
//! A refusal says `No` only if the like of it without the feature is accepted.

use std::{fs, io};

use super::Support;
use crate::{
    assembler::{
        Alu, Assembler, Branch, Helper, Insn, Jmp, MapKind, MapSpec, ProgramImage, ProgramKind,
        Reg::{R0, R1, R2, R3, R4, R6, R10},
        Size, Target, Width,
        insn::{AtomicOp, Bits, Callee},
    },
    loader::{
        Capability, LoadError, LoadOptions, Map, MapError, NoTypes, Program, TestRunError, Values,
        btf, capability, memlock, sys, test_run,
    },
};

/// A program of what `write` emits and a return of 0.
fn program(kind: ProgramKind, write: impl FnOnce(&mut Assembler)) -> ProgramImage {
    let mut asm = Assembler::new("probe", kind);
    write(&mut asm);
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.emit(Insn::exit());
    asm.finish(&Target::newest()).expect("a handful of instructions")
}

pub(super) fn returning(kind: ProgramKind) -> ProgramImage {
    program(kind, |_| {})
}

/// Load a program that needs the feature. A refusal counts only if a program without it loads.
fn load(kind: ProgramKind, write: fn(&mut Assembler)) -> Result<Program, Support> {
    load_image(kind, &program(kind, write))
}

fn load_image(kind: ProgramKind, image: &ProgramImage) -> Result<Program, Support> {
    let refusal = match Program::load(image, &LoadOptions::default()) {
        Ok(program) => return Ok(program),
        Err(e) => e,
    };
    match Program::load(&returning(kind), &LoadOptions::default()) {
        Ok(_) => Err(no_or_unknown(refusal)),
        Err(control) => Err(Support::Unknown(cause(control))),
    }
}

pub(super) fn loads(kind: ProgramKind, write: fn(&mut Assembler)) -> Support {
    load(kind, write).map_or_else(|support| support, |_| Support::Yes)
}

/// The kernel has refused something although it accepts the like of it.
fn no_or_unknown(refusal: LoadError) -> Support {
    match refusal {
        LoadError::Rejected { .. } => Support::No,
        LoadError::Refused { source, .. } => match source.raw_os_error() {
            // Flags and opcodes that a kernel does not know.
            Some(libc::EINVAL | libc::E2BIG | sys::ENOTSUPP) => Support::No,
            _ => Support::Unknown(source),
        },
        LoadError::NoBpf
        | LoadError::Image { .. }
        | LoadError::Map { .. }
        | LoadError::Privilege { .. }
        | LoadError::TooLarge { .. } => Support::Unknown(cause(refusal)),
    }
}

/// The kernel's answer in a load error, or the error's text.
fn cause(e: LoadError) -> io::Error {
    match e {
        LoadError::NoBpf => io::Error::from_raw_os_error(libc::ENOSYS),
        LoadError::Rejected { source, .. }
        | LoadError::Refused { source, .. }
        | LoadError::Privilege { source, .. } => source,
        LoadError::Image { .. } | LoadError::Map { .. } | LoadError::TooLarge { .. } => {
            io::Error::other(e.to_string())
        }
    }
}

/// Three rounds.
pub(super) fn bounded_loop(asm: &mut Assembler) {
    asm.emit(Alu::Mov.imm(R2, 0));
    let head = asm.here();
    asm.emit(Alu::Add.imm(R2, 1));
    asm.emit(Jmp::Lt.imm(R2, 3, head));
}

/// A loop, as it is used. (Linux 6.12 refuses a `may_goto` that goes nowhere.)
pub(super) fn may_goto(asm: &mut Assembler) {
    let end = asm.label();
    asm.emit(Size::W.load(R2, R1, 0));
    let head = asm.here();
    asm.emit(Branch::may_goto(end));
    asm.emit(Alu::Add.imm(R2, 1));
    asm.emit(Branch::goto(head));
    asm.bind(end);
}

/// Kernels that do not know `gotol` may take it for `goto +0`, so it has to jump.
pub(super) fn gotol() -> Support {
    let loaded = load(ProgramKind::SocketFilter, |asm| {
        let miss = asm.label();
        asm.emit(Size::W.load(R2, R1, 0));
        asm.emit(Jmp::Eq.imm(R2, 0, miss));
        asm.emit(Insn::GotoLong { off: 2 });
        asm.bind(miss);
        asm.emit(Alu::Mov.imm(R0, 1));
        asm.emit(Insn::exit());
    });
    match loaded {
        Err(support) => support,
        // 46 bytes behind the Ethernet header: the length is not 0.
        Ok(program) => match test_run::run(&program, &[0; 60], 1, false) {
            Ok(run) if run.retval == 0 => Support::Yes,
            Ok(_) => Support::No,
            Err(e) => Support::Unknown(io::Error::other(e.to_string())),
        },
    }
}

pub(super) fn isa_v3(asm: &mut Assembler) {
    let end = asm.label();
    asm.emit(Size::W.load(R2, R1, 0));
    asm.emit(Alu::Add.imm32(R2, 1));
    asm.emit(Jmp::Lt.imm32(R2, 5, end));
    asm.bind(end);
}

pub(super) fn isa_v4(asm: &mut Assembler) {
    asm.emit(Size::W.load(R2, R1, 0));
    asm.emit(Insn::MovSx { width: Width::W64, from: Bits::B8, dst: R2, src: R2 });
    asm.emit(Alu::SDiv.imm(R2, 3));
}

pub(super) fn xdp_frags(asm: &mut Assembler) {
    asm.set_frags(true);
    asm.emit(Alu::Mov.imm(R2, 0));
    asm.emit(Alu::Mov.reg(R3, R10));
    asm.emit(Alu::Add.imm(R3, -8));
    asm.emit(Alu::Mov.imm(R4, 8));
    asm.emit(Insn::call(Helper::XdpLoadBytes));
}

pub(super) fn atomic_fetch(asm: &mut Assembler) {
    asm.emit(Size::DW.store_imm(R10, -8, 0));
    asm.emit(Alu::Mov.imm(R2, 1));
    let op = AtomicOp::Add { fetch: true };
    asm.emit(Insn::Atomic { op, width: Width::W64, base: R10, off: -8, src: R2 });
}

/// The difference of two pointers is a number that says something about an address: allowed with
/// `CAP_PERFMON` only, for every program type alike.
pub(super) fn pointer_difference(asm: &mut Assembler) {
    asm.emit(Alu::Mov.reg(R2, R10));
    asm.emit(Alu::Add.imm(R2, -8));
    asm.emit(Alu::Mov.reg(R3, R10));
    asm.emit(Alu::Sub.reg(R3, R2));
}

/// A function that is called, and a tail call: architectures whose machine code cannot have both
/// refuse it, as kernels before 5.10 do.
pub(super) fn tail_call_beside_a_function(asm: &mut Assembler) {
    let function = asm.label();
    let map = asm.map(spec(MapKind::ProgArray, 4, 4, 1));
    asm.emit(Alu::Mov.reg(R6, R1));
    asm.emit(Branch::call(function));
    asm.emit(Alu::Mov.reg(R1, R6));
    asm.load_map(R2, map);
    asm.emit(Alu::Mov.imm(R3, 0));
    asm.emit(Insn::call(Helper::TailCall));
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.emit(Insn::exit());
    asm.function("called", function);
}

fn spec(kind: MapKind, key_bytes: u32, value_bytes: u32, entries_max: u32) -> MapSpec {
    MapSpec { name: "probe".to_owned(), kind, key_bytes, value_bytes, entries_max, flags: 0 }
}

pub(super) fn creates(kind: MapKind, key_bytes: u32, value_bytes: u32, entries: u32) -> Support {
    match Map::create(&spec(kind, key_bytes, value_bytes, entries)) {
        Ok(_) => Support::Yes,
        Err(MapError::Create { source, .. }) if source.raw_os_error() == Some(libc::EINVAL) => {
            match Map::create(&spec(MapKind::Array, 4, 8, 1)) {
                Ok(_) => Support::No,
                Err(_) => Support::Unknown(source),
            }
        }
        Err(MapError::Create { source, .. }) => Support::Unknown(source),
        Err(e) => Support::Unknown(io::Error::other(e.to_string())),
    }
}

pub(super) fn batch(kind: MapKind) -> Support {
    let map = match Map::create(&spec(kind, 4, 8, 4)) {
        Ok(map) => map,
        Err(MapError::Create { source, .. }) => return Support::Unknown(source),
        Err(e) => return Support::Unknown(io::Error::other(e.to_string())),
    };
    match map.read_array().as_ref().map(Values::entries) {
        Ok(4) if map.reads_in_batches() == Some(true) => Support::Yes,
        Ok(_) => Support::No,
        Err(e) => Support::Unknown(io::Error::other(e.to_string())),
    }
}

/// A kernel with XDP links finds that a card cannot run the program and says `EOPNOTSUPP`, one
/// without does not know the attach type and says `EINVAL`. Loopback has no card, so nothing can
/// be attached by this.
pub(super) fn xdp_link() -> Support {
    const LOOPBACK: u32 = 1;
    const OFFLOAD: u32 = 1 << 3;
    let program = match load(ProgramKind::Xdp, |_| {}) {
        Ok(program) => program,
        Err(support) => return support,
    };
    let fd = std::os::fd::AsFd::as_fd(&program);
    match sys::link::create(fd, LOOPBACK, sys::link::XDP, OFFLOAD) {
        Ok(_) => Support::Yes,
        Err(e) => match e.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::EBUSY | libc::EEXIST) => Support::Yes,
            Some(libc::EINVAL) => Support::No,
            _ => Support::Unknown(e),
        },
    }
}

/// A kernel with TCX looks for the interface, which no namespace has; one without does not know the
/// attach type and says `EINVAL`.
pub(super) fn tcx() -> Support {
    const NO_INTERFACE: u32 = 0x7fff_ffff;
    let program = match load(ProgramKind::SchedCls, |_| {}) {
        Ok(program) => program,
        Err(support) => return support,
    };
    let fd = std::os::fd::AsFd::as_fd(&program);
    match sys::link::create(fd, NO_INTERFACE, sys::link::TCX_INGRESS, 0) {
        Ok(_) => Support::Yes,
        Err(e) => match e.raw_os_error() {
            Some(libc::ENODEV) => Support::Yes,
            Some(libc::EINVAL) => Support::No,
            _ => Support::Unknown(e),
        },
    }
}

pub(super) fn runs(kind: ProgramKind) -> Support {
    let program = match load(kind, |_| {}) {
        Ok(program) => program,
        Err(support) => return support,
    };
    match test_run::run(&program, &[0; 60], 1, false) {
        Ok(_) => Support::Yes,
        Err(TestRunError::NotRunnable { .. }) => Support::No,
        Err(TestRunError::PacketSize { source, .. }) => match source.raw_os_error() {
            Some(libc::EINVAL) => Support::No,
            _ => Support::Unknown(source),
        },
        Err(e) => Support::Unknown(io::Error::other(e.to_string())),
    }
}

pub(super) fn jit() -> Support {
    let info = match load(ProgramKind::SocketFilter, |_| {}) {
        Ok(program) => program.info(),
        Err(support) => return support,
    };
    match info {
        Ok(info) if info.jited_prog_len > 0 => Support::Yes,
        Ok(info) if info.xlated_prog_len > 0 => Support::No,
        Ok(_) => Support::Unknown(io::Error::from_raw_os_error(libc::EPERM)),
        Err(e) => Support::Unknown(e),
    }
}

pub(super) fn strnstr() -> Support {
    let id = match btf::function_id("bpf_strnstr") {
        Ok(Some(id)) => id,
        Ok(None) => return Support::No,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return has_btf(),
        Err(e) => return Support::Unknown(e),
    };
    let Ok(btf_id) = i32::try_from(id) else { return Support::No };
    let image = program(ProgramKind::Xdp, |asm| {
        asm.emit(Size::DW.store_imm(R10, -8, 0));
        for string in [R1, R2] {
            asm.emit(Alu::Mov.reg(string, R10));
            asm.emit(Alu::Add.imm(string, -8));
        }
        asm.emit(Alu::Mov.imm(R3, 8));
        asm.emit(Insn::Call(Callee::Kfunc { btf_id, module: 0 }));
    });
    load_image(ProgramKind::Xdp, &image).map_or_else(|support| support, |_| Support::Yes)
}

/// A program type whose programs are loaded for one function of the kernel, and such a function.
pub(super) struct AtFunction {
    prog_type: u32,
    attach_type: u32,
    function: &'static str,
}

/// `BPF_PROG_TYPE_TRACING`, `BPF_TRACE_FENTRY`, and a function that is there for tests of this.
pub(super) const FENTRY: AtFunction =
    AtFunction { prog_type: 26, attach_type: 24, function: "bpf_fentry_test1" };
/// `BPF_PROG_TYPE_LSM`, `BPF_LSM_MAC`, and a hook that every release has.
pub(super) const LSM: AtFunction =
    AtFunction { prog_type: 29, attach_type: 27, function: "bpf_lsm_file_open" };

/// Does a program of this type load? One that returns 0; nothing is attached.
pub(super) fn at_function(wanted: &AtFunction) -> Support {
    let btf_id = match btf::function_id(wanted.function) {
        Ok(Some(btf_id)) => btf_id,
        Ok(None) => return Support::No,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return has_btf(),
        Err(e) => return Support::Unknown(e),
    };
    let slots = returning(ProgramKind::SocketFilter).encode();
    let mut args = sys::program::Load {
        prog_type: wanted.prog_type,
        slots: &slots,
        license: c"GPL",
        flags: 0,
        name: c"probe",
        types: None,
        attach_to: sys::program::AttachTo { attach_type: wanted.attach_type, btf_id },
        log: None,
    };
    let refusal = match memlock::with(|| sys::program::load(&mut args).program) {
        Ok(_) => return Support::Yes,
        Err(refusal) => refusal,
    };
    match refusal.raw_os_error() {
        Some(libc::EINVAL | sys::ENOTSUPP) => Support::No,
        // Kernels that do not let their own text be changed say so to those who may do all else.
        Some(libc::EPERM) if capability::missing(&FOR_FUNCTIONS).is_empty() => Support::No,
        _ => Support::Unknown(refusal),
    }
}

/// What programs for functions of the kernel need (`bpf_prog_load()` in `kernel/bpf/syscall.c`).
const FOR_FUNCTIONS: [Capability; 2] = [Capability::Bpf, Capability::Perfmon];

pub(super) fn program_types() -> Support {
    let program = match load(ProgramKind::SocketFilter, |_| {}) {
        Ok(program) => program,
        Err(support) => return support,
    };
    match program.without_types() {
        None => Support::Yes,
        Some(NoTypes::Program) => Support::No,
        Some(NoTypes::Types(e)) => match e.raw_os_error() {
            Some(libc::EINVAL | libc::ENOSYS) => Support::No,
            errno => Support::Unknown(io::Error::from_raw_os_error(errno.unwrap_or(libc::EIO))),
        },
    }
}

pub(super) fn has_btf() -> Support {
    match fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(_) => Support::Yes,
        Err(e) if e.kind() == io::ErrorKind::NotFound && fs::metadata("/sys/kernel").is_ok() => {
            Support::No
        }
        Err(e) => Support::Unknown(e),
    }
}
