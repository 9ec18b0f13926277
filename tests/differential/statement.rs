//! Random programs as trees of statements: what they consist of, and what may be left out of one
//! that shows a difference.
//!
//! Between statements every register from `r0` to `r8` holds a number, `r9` is the packet, and the
//! words of the stack are set, so that any statement can follow any other and any can be left out.

use hardwire::assembler::{
    Alu, Insn, Jmp, Operand, Reg,
    Reg::*,
    Size, Width,
    insn::{AtomicOp, Bits, Swap},
};

use super::random::Random;

/// Registers that programs calculate with.
pub(crate) const SCALARS: [Reg; 9] = [R0, R1, R2, R3, R4, R5, R6, R7, R8];
/// Words of each stack frame that statements use, directly below `r10`.
pub(crate) const WORDS: i16 = 8;
/// Functions that a program may have besides the first.
pub(crate) const FUNCTIONS: usize = 2;
/// Bytes of the packet; `r9` is its start. The registers and words of the stack come from there and
/// go back there; the rest is for loads and stores.
pub(crate) const PACKET_BYTES: i16 = 200;
/// Bytes of the map's value.
pub(crate) const VALUE_BYTES: u32 = 64;
/// Keys of the hash; some of them it has no room for.
pub(crate) const KEYS: usize = 4;

/// What the running kernel takes, where that differs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Isa {
    /// Signed division, sign extension, `bswap`, `gotol`: Linux 6.6.
    pub(crate) v4: bool,
    /// `may_goto`: Linux 6.9.
    pub(crate) may_goto: bool,
    /// Load-acquire and store-release: Linux 6.15.
    pub(crate) ordered: bool,
}

/// A condition: what a jump compares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub(crate) jump: Jmp,
    pub(crate) width: Width,
    pub(crate) dst: Reg,
    pub(crate) src: Operand,
}

/// A piece of a program.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// One instruction, or two that belong together.
    Plain(Vec<Insn>),
    /// Not executed if the condition holds; the other one is executed then.
    If { condition: Condition, then: Vec<Statement>, otherwise: Vec<Statement>, long: bool },
    /// A number of rounds, counted in a word of the stack of its own, by `counter`.
    Loop { rounds: i32, counter: Reg, may_goto: bool, body: Vec<Statement> },
    /// A call of the function with this number; `r1` to `r5` are numbers again afterwards.
    Call { function: usize },
    /// `bpf_xdp_get_buff_len`.
    BuffLen,
    /// `bpf_xdp_load_bytes` of a constant length to the words of the stack.
    LoadBytes { offset: i32, length: i32 },
    /// An access to the map's value, at which `base` points for as long.
    Value { base: Reg, lookup: bool, insns: Vec<Insn> },
    /// Update or delete of a key of the hash; the value is from the stack.
    Hash { key: i32, flags: Option<i32> },
}

/// A program: the body of the first function, and of the others.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) main: Vec<Statement>,
    pub(crate) functions: [Vec<Statement>; FUNCTIONS],
}

/// Where statements are: what they may be, and how many more branches the verifier can bear.
struct Place {
    /// Number of the function; 0 is the program itself, which has the packet.
    function: usize,
    /// Conditions left; each may double what the verifier walks.
    conditions: usize,
    depth: usize,
    isa: Isa,
    /// No condition, loop or call, so that no state is ever pruned.
    straight: bool,
}

impl Tree {
    /// A program.
    pub(crate) fn random(random: &mut Random, isa: Isa) -> Self {
        let straight = random.once_in(8);
        let place = |function, conditions| Place { function, conditions, depth: 0, isa, straight };
        let functions =
            std::array::from_fn(|at| statements(random, &mut place(at + 1, 1), 4 + 4 * at));
        let length = 8 + random.below(32);
        Self { main: statements(random, &mut place(0, 4), length), functions }
    }

    /// The same program with one statement less, or with one replaced by what it contains; one for
    /// each way to do that.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut all: Vec<Self> = shorter(&self.main)
            .into_iter()
            .map(|main| Self { main, functions: self.functions.clone() })
            .collect();
        for at in 0..FUNCTIONS {
            all.extend(shorter(&self.functions[at]).into_iter().map(|body| {
                let mut functions = self.functions.clone();
                functions[at] = body;
                Self { main: self.main.clone(), functions }
            }));
        }
        all
    }
}

/// `body` without a run of statements (long ones first), or with a part of one of them.
fn shorter(body: &[Statement]) -> Vec<Vec<Statement>> {
    let mut all = Vec::new();
    let mut length = body.len();
    while length > 0 {
        for at in (0..=body.len() - length).step_by(length) {
            all.push([&body[..at], &body[at + length..]].concat());
        }
        length /= 2;
    }
    for (at, statement) in body.iter().enumerate() {
        for with in parts(statement) {
            all.push([&body[..at], &with, &body[at + 1..]].concat());
        }
    }
    all
}

fn parts(statement: &Statement) -> Vec<Vec<Statement>> {
    match statement {
        Statement::If { condition, then, otherwise, long } => {
            let with = |then: &[Statement], otherwise: &[Statement]| {
                vec![Statement::If {
                    condition: *condition,
                    then: then.to_vec(),
                    otherwise: otherwise.to_vec(),
                    long: *long,
                }]
            };
            let mut all = vec![then.clone(), otherwise.clone()];
            all.extend(shorter(then).iter().map(|then| with(then, otherwise)));
            all.extend(shorter(otherwise).iter().map(|otherwise| with(then, otherwise)));
            all
        }
        Statement::Loop { rounds, counter, may_goto, body } => {
            let shorter = shorter(body).into_iter().map(|body| {
                vec![Statement::Loop {
                    rounds: *rounds,
                    counter: *counter,
                    may_goto: *may_goto,
                    body,
                }]
            });
            std::iter::once(body.clone()).chain(shorter).collect()
        }
        Statement::Plain(_)
        | Statement::Call { .. }
        | Statement::BuffLen
        | Statement::LoadBytes { .. }
        | Statement::Value { .. }
        | Statement::Hash { .. } => Vec::new(),
    }
}

fn statements(random: &mut Random, place: &mut Place, length: usize) -> Vec<Statement> {
    (0..length).map(|_| statement(random, place)).collect()
}

fn statement(random: &mut Random, place: &mut Place) -> Statement {
    let (main, branches) = (place.function == 0, !place.straight && place.conditions > 0);
    match random.below(64) {
        0..30 => Statement::Plain(vec![alu(random, place.isa)]),
        30..36 => Statement::Plain(vec![unary(random, place.isa)]),
        36..44 => Statement::Plain(vec![stack(random, place.isa)]),
        44..49 => Statement::Plain(atomic(random, R10, -8 * WORDS, place.straight)),
        49..52 if main => Statement::Plain(vec![packet(random, place.isa)]),
        52..56 if branches => {
            place.conditions -= 1;
            place.depth += 1;
            let lengths = (random.below(5), if random.once_in(2) { random.below(5) } else { 0 });
            let then = statements(random, place, lengths.0);
            let otherwise = statements(random, place, lengths.1);
            place.depth -= 1;
            let long = place.isa.v4 && random.once_in(4);
            Statement::If { condition: condition(random), then, otherwise, long }
        }
        56..58 if branches && place.depth == 0 => looping(random, place),
        58 if !place.straight && place.function < FUNCTIONS && place.depth < 2 => Statement::Call {
            function: place.function + 1 + random.below(FUNCTIONS - place.function),
        },
        59 if main => Statement::BuffLen,
        60 if main => {
            let length = 1 + random.below(usize::from(WORDS.unsigned_abs()) * 8);
            // Sometimes beyond the end of the packet.
            let offset = random.below(usize::from(PACKET_BYTES.unsigned_abs()) + 8);
            let number = |n| i32::try_from(n).expect("small");
            Statement::LoadBytes { offset: number(offset), length: number(length) }
        }
        61..63 if main => value(random, place),
        63 if main => {
            let key = i32::try_from(random.below(KEYS)).expect("small");
            let flags = random.pick(&[None, Some(0), Some(0), Some(1), Some(2), Some(3), Some(8)]);
            Statement::Hash { key, flags }
        }
        _ => Statement::Plain(vec![alu(random, place.isa)]),
    }
}

/// Few rounds of few statements: the verifier walks every round, and every path through it.
fn looping(random: &mut Random, place: &mut Place) -> Statement {
    let rounds = i32::try_from(1 + random.below(4)).expect("small");
    let may_goto = place.isa.may_goto && random.once_in(3);
    let (conditions, length) = (place.conditions, 1 + random.below(6));
    place.conditions = if rounds < 3 { 1 } else { 0 };
    place.depth += 1;
    let body = statements(random, place, length);
    place.depth -= 1;
    place.conditions = conditions.saturating_sub(2);
    Statement::Loop { rounds, counter: random.pick(&SCALARS), may_goto, body }
}

fn width(random: &mut Random) -> Width {
    random.pick(&[Width::W32, Width::W64])
}

fn operand(random: &mut Random) -> Operand {
    if random.once_in(2) {
        Operand::Imm(random.edge32())
    } else {
        Operand::Reg(random.pick(&SCALARS))
    }
}

fn condition(random: &mut Random) -> Condition {
    use Jmp::*;
    let jump = random.pick(&[Eq, Gt, Ge, Set, Ne, SGt, SGe, Lt, Le, SLt, SLe]);
    Condition { jump, width: width(random), dst: random.pick(&SCALARS), src: operand(random) }
}

/// The verifier refuses constants that divide by zero or shift too far.
fn alu(random: &mut Random, isa: Isa) -> Insn {
    use Alu::*;
    let all = [Add, Sub, Mul, Div, Or, And, Lsh, Rsh, Mod, Xor, Mov, Arsh, SDiv, SMod];
    let op = random.pick(if isa.v4 { &all[..] } else { &all[..12] });
    let width = width(random);
    let bits = if width == Width::W32 { 31 } else { 63 };
    let src = match (op, operand(random)) {
        (Div | SDiv | Mod | SMod, Operand::Imm(0)) => Operand::Imm(-1),
        (Lsh | Rsh | Arsh, Operand::Imm(imm)) => Operand::Imm(imm & bits),
        (_, src) => src,
    };
    Insn::Alu { op, width, dst: random.pick(&SCALARS), src }
}

fn unary(random: &mut Random, isa: Isa) -> Insn {
    let dst = random.pick(&SCALARS);
    match random.below(if isa.v4 { 4 } else { 3 }) {
        0 => Insn::Neg { width: width(random), dst },
        1 => {
            let kinds = [Swap::Le, Swap::Be, Swap::Bswap];
            let kind = random.pick(if isa.v4 { &kinds[..] } else { &kinds[..2] });
            Insn::Swap { kind, bits: random.pick(&[Bits::B16, Bits::B32, Bits::B64]), dst }
        }
        2 => Insn::load_imm64(dst, random.edge()),
        _ => {
            let (width, from) = random.pick(&[
                (Width::W32, Bits::B8),
                (Width::W32, Bits::B16),
                (Width::W64, Bits::B8),
                (Width::W64, Bits::B16),
                (Width::W64, Bits::B32),
            ]);
            Insn::MovSx { width, from, dst, src: random.pick(&SCALARS) }
        }
    }
}

/// A load or store of any size at `base`, from `start` on for `bytes` bytes.
fn access(random: &mut Random, isa: Isa, base: Reg, start: i16, bytes: i16) -> Insn {
    let size = random.pick(&[Size::B, Size::H, Size::W, Size::DW]);
    let unit = i16::from(size.bytes());
    let places = usize::try_from(bytes / unit).expect("positive");
    let off = start + unit * i16::try_from(random.below(places)).expect("small");
    let reg = random.pick(&SCALARS);
    match random.below(6) {
        0 if isa.v4 && size != Size::DW => Insn::Load { size, signed: true, dst: reg, base, off },
        0..3 => size.load(reg, base, off),
        3 => size.store_imm(base, off, random.edge32()),
        _ => size.store(base, off, reg),
    }
}

fn stack(random: &mut Random, isa: Isa) -> Insn {
    if isa.ordered && random.once_in(6) {
        return ordered(random, R10, -8 * WORDS, 8 * WORDS);
    }
    access(random, isa, R10, -8 * WORDS, 8 * WORDS)
}

fn packet(random: &mut Random, isa: Isa) -> Insn {
    access(random, isa, R9, 0, PACKET_BYTES)
}

fn ordered(random: &mut Random, base: Reg, start: i16, bytes: i16) -> Insn {
    let size = random.pick(&[Size::B, Size::H, Size::W, Size::DW]);
    let unit = i16::from(size.bytes());
    let places = usize::try_from(bytes / unit).expect("positive");
    let off = start + unit * i16::try_from(random.below(places)).expect("small");
    let reg = random.pick(&SCALARS);
    if random.once_in(2) {
        Insn::LoadAcquire { size, dst: reg, base, off }
    } else {
        Insn::StoreRelease { size, base, off, src: reg }
    }
}

/// An atomic operation on one of eight words from `start` on.
///
/// Unless `straight`, two things keep clear of what kernels do wrong (`tests/vm_kernel/quirks.rs`):
/// a 32-bit compare and exchange is followed by an instruction that clears the upper half of `r0`,
/// and a word of the stack whose old value is wanted is made unknown to the verifier before.
fn atomic(random: &mut Random, base: Reg, start: i16, straight: bool) -> Vec<Insn> {
    let fetch = random.once_in(2);
    let op = random.pick(&[
        AtomicOp::Add { fetch },
        AtomicOp::Or { fetch },
        AtomicOp::And { fetch },
        AtomicOp::Xor { fetch },
        AtomicOp::Xchg,
        AtomicOp::CmpXchg,
    ]);
    let width = width(random);
    let unit = if width == Width::W32 { 4 } else { 8 };
    let places = usize::try_from(8 * WORDS / unit).expect("positive");
    let off = start + unit * i16::try_from(random.below(places)).expect("small");
    let src = random.pick(&SCALARS);
    let mut insns = Vec::new();
    if base == R10 && fetches(op) && !straight {
        let blur = AtomicOp::Add { fetch: false };
        insns.push(Insn::Atomic { op: blur, width, base, off, src });
    }
    // Two random values are rarely equal: compare with what is there.
    if op == AtomicOp::CmpXchg && random.once_in(2) {
        let size = if width == Width::W32 { Size::W } else { Size::DW };
        insns.push(size.load(R0, base, off));
        if random.once_in(2) {
            insns.push(Insn::load_imm64(R7, 0xffff_ffff_0000_0000));
            insns.push(Alu::Or.reg(R0, R7));
        }
    }
    insns.push(Insn::Atomic { op, width, base, off, src });
    if op == AtomicOp::CmpXchg && width == Width::W32 && !straight {
        insns.push(Alu::Mov.reg32(R0, R0));
    }
    insns
}

/// Does it bring the old value?
fn fetches(op: AtomicOp) -> bool {
    match op {
        AtomicOp::Add { fetch }
        | AtomicOp::Or { fetch }
        | AtomicOp::And { fetch }
        | AtomicOp::Xor { fetch } => fetch,
        AtomicOp::Xchg | AtomicOp::CmpXchg => true,
    }
}

fn value(random: &mut Random, place: &Place) -> Statement {
    // The pointer is lost when its register is written, so nothing writes it.
    let base = random.pick(&SCALARS[6..]);
    let lookup = !place.straight && random.once_in(3);
    let bytes = i16::try_from(VALUE_BYTES).expect("small");
    let mut insns = Vec::new();
    while insns.len() < 3 {
        let next = match random.below(3) {
            0 => atomic(random, base, 0, place.straight),
            1 if place.isa.ordered => vec![ordered(random, base, 0, bytes)],
            _ => vec![access(random, place.isa, base, 0, bytes)],
        };
        if next.iter().all(|insn| !mentions(insn, base)) {
            insns.extend(next);
        }
    }
    Statement::Value { base, lookup, insns }
}

/// Does `insn` use `reg` as anything but a base address?
fn mentions(insn: &Insn, reg: Reg) -> bool {
    match *insn {
        Insn::Load { dst, .. } | Insn::LoadAcquire { dst, .. } => dst == reg,
        Insn::Store { src, .. } => src == Operand::Reg(reg),
        Insn::Atomic { src, .. } | Insn::StoreRelease { src, .. } => src == reg,
        Insn::Alu { dst, src, .. } => dst == reg || src == Operand::Reg(reg),
        Insn::LoadImm64 { dst, .. } => dst == reg,
        Insn::MovSx { .. }
        | Insn::AddrSpaceCast { .. }
        | Insn::Neg { .. }
        | Insn::Swap { .. }
        | Insn::LoadArgument { .. }
        | Insn::StoreArgument { .. }
        | Insn::LegacyLoad { .. }
        | Insn::Jump { .. }
        | Insn::Goto { .. }
        | Insn::GotoLong { .. }
        | Insn::MayGoto { .. }
        | Insn::GotoX { .. }
        | Insn::Call(_)
        | Insn::Exit => true,
    }
}
