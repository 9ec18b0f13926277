//! One instruction of text, after its labels and its opcode.

use super::{
    Code, Fault,
    cursor::{Cursor, Number},
};
use crate::assembler::{
    helper,
    insn::{Alu, AtomicOp, Bits, Callee, Imm64, Insn, Jmp, Operand, Reg, Size, Swap, Width},
    opcode as op,
};

/// Where a control transfer goes.
pub(super) enum Target<'a> {
    /// Slots from the next one.
    Relative { distance: i64, column: usize },
    /// The place of a label.
    Label { name: &'a str, column: usize },
}

type Statement<'a> = (Code, Option<Target<'a>>);

/// Longer operators stand before their beginnings.
const ALU: &[(&str, Alu)] = &[
    ("s>>=", Alu::Arsh),
    ("s/=", Alu::SDiv),
    ("s%=", Alu::SMod),
    ("<<=", Alu::Lsh),
    (">>=", Alu::Rsh),
    ("+=", Alu::Add),
    ("-=", Alu::Sub),
    ("*=", Alu::Mul),
    ("/=", Alu::Div),
    ("|=", Alu::Or),
    ("&=", Alu::And),
    ("%=", Alu::Mod),
    ("^=", Alu::Xor),
];

const CONDITIONS: &[(&str, Jmp)] = &[
    ("s>=", Jmp::SGe),
    ("s<=", Jmp::SLe),
    ("s>", Jmp::SGt),
    ("s<", Jmp::SLt),
    ("==", Jmp::Eq),
    ("!=", Jmp::Ne),
    (">=", Jmp::Ge),
    ("<=", Jmp::Le),
    (">", Jmp::Gt),
    ("<", Jmp::Lt),
    ("&", Jmp::Set),
];

const SIZES: &[(&str, Size)] =
    &[("u8", Size::B), ("u16", Size::H), ("u32", Size::W), ("u64", Size::DW)];

const SIGNED_SIZES: &[(&str, Size)] = &[("s8", Size::B), ("s16", Size::H), ("s32", Size::W)];

const EXTENSIONS: &[(&str, Bits)] =
    &[("(s8)", Bits::B8), ("(s16)", Bits::B16), ("(s32)", Bits::B32)];

const SWAPS: &[(&str, (Swap, Bits))] = &[
    ("be16", (Swap::Be, Bits::B16)),
    ("be32", (Swap::Be, Bits::B32)),
    ("be64", (Swap::Be, Bits::B64)),
    ("le16", (Swap::Le, Bits::B16)),
    ("le32", (Swap::Le, Bits::B32)),
    ("le64", (Swap::Le, Bits::B64)),
    ("bswap16", (Swap::Bswap, Bits::B16)),
    ("bswap32", (Swap::Bswap, Bits::B32)),
    ("bswap64", (Swap::Bswap, Bits::B64)),
];

#[rustfmt::skip] // One form per line.
const ATOMICS: &[(&str, (AtomicOp, Width))] = &[
    ("atomic_fetch_add",   (AtomicOp::Add { fetch: true }, Width::W32)),
    ("atomic_fetch_or",    (AtomicOp::Or { fetch: true }, Width::W32)),
    ("atomic_fetch_and",   (AtomicOp::And { fetch: true }, Width::W32)),
    ("atomic_fetch_xor",   (AtomicOp::Xor { fetch: true }, Width::W32)),
    ("atomic_xchg",        (AtomicOp::Xchg, Width::W32)),
    ("atomic_cmpxchg",     (AtomicOp::CmpXchg, Width::W32)),
    ("atomic64_fetch_add", (AtomicOp::Add { fetch: true }, Width::W64)),
    ("atomic64_fetch_or",  (AtomicOp::Or { fetch: true }, Width::W64)),
    ("atomic64_fetch_and", (AtomicOp::And { fetch: true }, Width::W64)),
    ("atomic64_fetch_xor", (AtomicOp::Xor { fetch: true }, Width::W64)),
    ("atomic64_xchg",      (AtomicOp::Xchg, Width::W64)),
    ("atomic64_cmpxchg",   (AtomicOp::CmpXchg, Width::W64)),
];

const LOCKED: &[(&str, AtomicOp)] = &[
    ("+=", AtomicOp::Add { fetch: false }),
    ("|=", AtomicOp::Or { fetch: false }),
    ("&=", AtomicOp::And { fetch: false }),
    ("^=", AtomicOp::Xor { fetch: false }),
];

/// What decides between the two meanings of `r1 = NUMBER`.
const WIDE: u8 = op::LD | op::IMM | 0x18;

/// Read one instruction or raw slot. `prefix` is the opcode in front of it.
pub(super) fn statement<'a>(
    cursor: &mut Cursor<'a>,
    prefix: Option<u8>,
) -> Result<Statement<'a>, Fault> {
    let (insn, target) = if cursor.eat(".slot") {
        let number = cursor.number()?;
        let bytes = number.fit::<u64>("0..=0xffffffffffffffff")?.to_be_bytes();
        return Ok((Code::Slot { bytes, why: "written as raw bytes".to_owned() }, None));
    } else if cursor.eat("exit") {
        (Insn::Exit, None)
    } else if cursor.eat("goto") {
        (Insn::Goto { off: 0 }, Some(target(cursor)?))
    } else if cursor.eat("gotol") {
        (Insn::GotoLong { off: 0 }, Some(target(cursor)?))
    } else if cursor.eat("may_goto") {
        (Insn::MayGoto { off: 0 }, Some(target(cursor)?))
    } else if cursor.eat("if") {
        jump(cursor)?
    } else if cursor.eat("call") {
        call(cursor)?
    } else if cursor.eat("callx") {
        (Insn::Call(Callee::Register(cursor.register_of(Width::W64)?)), None)
    } else if cursor.eat("lock") {
        (locked(cursor)?, None)
    } else if cursor.eat("store_release") {
        (store_release(cursor)?, None)
    } else if cursor.eat("*") {
        (store(cursor)?, None)
    } else if let Some((width, dst)) = cursor.register() {
        assignment(cursor, width, dst, prefix)?
    } else {
        return Err(cursor.expected("an instruction"));
    };
    Ok((Code::Insn(insn), target))
}

type Part<'a> = (Insn, Option<Target<'a>>);

/// `pc+6`, `+6` or a label.
fn target<'a>(cursor: &mut Cursor<'a>) -> Result<Target<'a>, Fault> {
    let column = cursor.column();
    let mut ahead = cursor.clone();
    let pc = ahead.eat("pc");
    if ahead.clone().eat("+") || ahead.clone().eat("-") {
        let distance = ahead.number()?.fit("-2147483648..=2147483647")?;
        *cursor = ahead;
        return Ok(Target::Relative { distance, column });
    }
    match cursor.word() {
        Some(name) if !pc => Ok(Target::Label { name, column }),
        Some(_) => Err(ahead.expected("`+` or `-` and a number of slots")),
        None => Err(cursor.expected("a label or pc+N")),
    }
}

fn jump<'a>(cursor: &mut Cursor<'a>) -> Result<Part<'a>, Fault> {
    let Some((width, dst)) = cursor.register() else {
        return Err(cursor.expected("a register"));
    };
    let cond = cursor
        .eat_one_of(CONDITIONS)
        .ok_or_else(|| cursor.expected("a condition (== != > >= < <= s> s>= s< s<= &)"))?;
    let src = if cursor.clone().register().is_some() {
        Operand::Reg(cursor.register_of(width)?)
    } else {
        // The kernel prints the immediate without its sign, at either width.
        let number = operand(cursor)?;
        Operand::Imm(number.imm(width == Width::W32 || number.hexadecimal)?)
    };
    cursor.expect("goto")?;
    Ok((Insn::Jump { cond, width, dst, src, off: 0 }, Some(target(cursor)?)))
}

fn call<'a>(cursor: &mut Cursor<'a>) -> Result<Part<'a>, Fault> {
    let id = |cursor: &mut Cursor<'_>| cursor.number()?.fit("-2147483648..=2147483647");
    if cursor.eat("kernel-function") {
        cursor.expect("#")?;
        let btf_id = id(cursor)?;
        let mut module = 0;
        if cursor.eat("module") {
            cursor.expect("[")?;
            module = cursor.number()?.fit("-32768..=32767")?;
            cursor.expect("]")?;
        }
        return Ok((Insn::Call(Callee::Kfunc { btf_id, module }), None));
    }
    let signed = cursor.clone().eat("+") || cursor.clone().eat("-");
    if !signed && cursor.sees_number() {
        return Ok((Insn::Call(Callee::Helper(id(cursor)?)), None));
    }
    let column = cursor.column();
    let mut ahead = cursor.clone();
    let name = ahead.word();
    if let Some(name) = name
        && ahead.eat("#")
    {
        let id = id(&mut ahead)?;
        let known = helper::name_of(id).map(|name| format!("bpf_{name}"));
        if name != known.as_deref().unwrap_or("unknown") {
            let right = known.unwrap_or_else(|| "unknown".to_owned());
            let what = format!(
                "expected the helper function `{right}#{id}`, found `{name}#{id}`; a kernel \
                 function is written kernel-function#{id}"
            );
            return Err(Fault { column, what });
        }
        *cursor = ahead;
        return Ok((Insn::Call(Callee::Helper(id)), None));
    }
    if let Some(id) = name.filter(|name| name.starts_with("bpf_")).and_then(helper::id_of) {
        *cursor = ahead;
        return Ok((Insn::Call(Callee::Helper(id)), None));
    }
    Ok((Insn::Call(Callee::Local(0)), Some(target(cursor)?)))
}

/// `(u32 *)(r7 +0)` behind its `*`.
fn place(cursor: &mut Cursor<'_>) -> Result<(Size, Reg, i16), Fault> {
    let column = cursor.column();
    let (size, signed) = access(cursor)?;
    if signed {
        let what = format!("expected an unsigned type, found {}", size.signed_text());
        return Err(Fault { column, what });
    }
    let (base, off) = address(cursor)?;
    Ok((size, base, off))
}

/// `(u32 *)`; whether it is sign-extending.
fn access(cursor: &mut Cursor<'_>) -> Result<(Size, bool), Fault> {
    cursor.expect("(")?;
    let (size, signed) = match cursor.eat_one_of(SIZES) {
        Some(size) => (size, false),
        None => match cursor.eat_one_of(SIGNED_SIZES) {
            Some(size) => (size, true),
            None => return Err(cursor.expected("a type (u8 u16 u32 u64 s8 s16 s32)")),
        },
    };
    cursor.expect("*")?;
    cursor.expect(")")?;
    Ok((size, signed))
}

/// `(r7 +0)`.
fn address(cursor: &mut Cursor<'_>) -> Result<(Reg, i16), Fault> {
    cursor.expect("(")?;
    let base = cursor.register_of(Width::W64)?;
    let off = if cursor.eat(")") {
        return Ok((base, 0));
    } else if cursor.clone().eat("+") || cursor.clone().eat("-") {
        cursor.number()?.fit("-32768..=32767")?
    } else {
        return Err(cursor.expected("`+`, `-` or `)`"));
    };
    cursor.expect(")")?;
    Ok((base, off))
}

fn store(cursor: &mut Cursor<'_>) -> Result<Insn, Fault> {
    let (size, base, off) = place(cursor)?;
    cursor.expect("=")?;
    let src = if cursor.clone().register().is_some() {
        Operand::Reg(cursor.register_of(Width::W64)?)
    } else {
        Operand::Imm(operand(cursor)?.imm(size != Size::DW)?)
    };
    Ok(Insn::Store { size, base, off, src })
}

fn locked(cursor: &mut Cursor<'_>) -> Result<Insn, Fault> {
    cursor.expect("*")?;
    let column = cursor.column();
    let (size, base, off) = place(cursor)?;
    let op =
        cursor.eat_one_of(LOCKED).ok_or_else(|| cursor.expected("one of `+=` `|=` `&=` `^=`"))?;
    let src = cursor.register_of(Width::W64)?;
    Ok(Insn::Atomic { op, width: atomic_width(size, column)?, base, off, src })
}

fn atomic_width(size: Size, column: usize) -> Result<Width, Fault> {
    match size {
        Size::W => Ok(Width::W32),
        Size::DW => Ok(Width::W64),
        Size::B | Size::H => Err(Fault {
            column,
            what: format!("expected u32 or u64 for an atomic operation, found {}", size.text()),
        }),
    }
}

fn store_release(cursor: &mut Cursor<'_>) -> Result<Insn, Fault> {
    cursor.expect("(")?;
    let (size, base, off) = place(cursor)?;
    cursor.expect(",")?;
    let src = cursor.register_of(Width::W64)?;
    cursor.expect(")")?;
    Ok(Insn::StoreRelease { size, base, off, src })
}

fn assignment<'a>(
    cursor: &mut Cursor<'a>,
    width: Width,
    dst: Reg,
    prefix: Option<u8>,
) -> Result<Part<'a>, Fault> {
    if let Some(op) = cursor.eat_one_of(ALU) {
        return Ok((Insn::Alu { op, width, dst, src: second(cursor, width)? }, None));
    }
    if !cursor.eat("=") {
        return Err(cursor.expected("`=` or an operator such as `+=`"));
    }
    if let Some(from) = cursor.eat_one_of(EXTENSIONS) {
        let column = cursor.column();
        if width == Width::W32 && from == Bits::B32 {
            let what = "expected (s8) or (s16) for a 32-bit register, found (s32)".to_owned();
            return Err(Fault { column, what });
        }
        return Ok((Insn::MovSx { width, from, dst, src: cursor.register_of(width)? }, None));
    }
    let mut ahead = cursor.clone();
    if ahead.eat("-") && ahead.clone().register().is_some() {
        ahead.same_register(width, dst)?;
        *cursor = ahead;
        return Ok((Insn::Neg { width, dst }, None));
    }
    if width == Width::W64
        && let Some(part) = wide_assignment(cursor, dst, prefix)?
    {
        return Ok(part);
    }
    Ok((Insn::Alu { op: Alu::Mov, width, dst, src: second(cursor, width)? }, None))
}

/// What can only be assigned to a whole register.
fn wide_assignment<'a>(
    cursor: &mut Cursor<'a>,
    dst: Reg,
    prefix: Option<u8>,
) -> Result<Option<Part<'a>>, Fault> {
    let insn = if let Some((kind, bits)) = cursor.eat_one_of(SWAPS) {
        cursor.same_register(Width::W64, dst)?;
        Insn::Swap { kind, bits, dst }
    } else if let Some((op, width)) = cursor.eat_one_of(ATOMICS) {
        atomic(cursor, op, width, dst)?
    } else if cursor.eat("load_acquire") {
        cursor.expect("(")?;
        let (size, base, off) = place(cursor)?;
        cursor.expect(")")?;
        Insn::LoadAcquire { size, dst, base, off }
    } else if cursor.eat("*") {
        load(cursor, dst)?
    } else if cursor.eat("subprog") {
        cursor.expect("[")?;
        let target = target(cursor)?;
        cursor.expect("]")?;
        return Ok(Some((Insn::LoadImm64 { dst, value: Imm64::Function(0) }, Some(target))));
    } else if let Some(value) = pseudo(cursor)? {
        Insn::LoadImm64 { dst, value }
    } else if let Some(value) = wide_number(cursor, prefix)? {
        Insn::LoadImm64 { dst, value: Imm64::Value(value) }
    } else {
        return Ok(None);
    };
    Ok(Some((insn, None)))
}

/// A number that stands for a wide load; see the module documentation.
fn wide_number(cursor: &mut Cursor<'_>, prefix: Option<u8>) -> Result<Option<u64>, Fault> {
    let mut ahead = cursor.clone();
    if !ahead.sees_number() {
        return Ok(None);
    }
    let number = ahead.number()?;
    let long = ahead.eat("ll");
    let wide = match prefix {
        Some(prefix) => prefix == WIDE,
        None => long || number.hexadecimal || i32::try_from(number.value).is_err(),
    };
    if !wide {
        return Ok(None);
    }
    *cursor = ahead;
    number.imm64().map(Some)
}

/// `map[0]`, `map[0][0]+8`, `map[fd:3]`, `btf[id:7]`.
fn pseudo(cursor: &mut Cursor<'_>) -> Result<Option<Imm64>, Fault> {
    const I32: &str = "-2147483648..=2147483647";
    if cursor.eat("btf") {
        cursor.expect("[")?;
        cursor.expect("id")?;
        cursor.expect(":")?;
        let id = cursor.number()?.fit(I32)?;
        cursor.expect("]")?;
        let mut module_fd = 0;
        if cursor.eat("module") {
            cursor.expect("[")?;
            cursor.expect("fd")?;
            cursor.expect(":")?;
            module_fd = cursor.number()?.fit(I32)?;
            cursor.expect("]")?;
        }
        return Ok(Some(Imm64::BtfId { id, module_fd }));
    }
    if !cursor.eat("map") {
        return Ok(None);
    }
    cursor.expect("[")?;
    let by_fd = cursor.eat("fd");
    if by_fd || cursor.eat("idx") {
        cursor.expect(":")?;
    }
    if !cursor.sees_number() {
        return Err(cursor.expected("the index of a map, or `fd:` and a descriptor"));
    }
    let map = cursor.number()?.fit(I32)?;
    cursor.expect("]")?;
    let value = cursor.eat("[");
    if value {
        cursor.expect("0")?;
        cursor.expect("]")?;
    }
    let signed = cursor.clone().eat("+") || cursor.clone().eat("-");
    let offset = if signed { cursor.number()?.fit(I32)? } else { 0 };
    Ok(Some(match (by_fd, value || signed) {
        (true, false) => Imm64::MapFd(map),
        (true, true) => Imm64::MapValue { fd: map, offset },
        (false, false) => Imm64::MapIndex(map),
        (false, true) => Imm64::MapIndexValue { index: map, offset },
    }))
}

/// `(u64 *)(r1 +0), r2)` behind the name; what is fetched goes where the form says.
fn atomic(cursor: &mut Cursor<'_>, op: AtomicOp, width: Width, dst: Reg) -> Result<Insn, Fault> {
    cursor.expect("(")?;
    let column = cursor.column();
    let (size, base, off) = place(cursor)?;
    if atomic_width(size, column)? != width {
        let what = format!("expected the size of the operation, found {}", size.text());
        return Err(Fault { column, what });
    }
    cursor.expect(",")?;
    let src = if op == AtomicOp::CmpXchg {
        if dst != Reg::R0 {
            let what = "expected `r0 =`: cmpxchg puts the old value into r0".to_owned();
            return Err(Fault { column, what });
        }
        cursor.same_register(Width::W64, Reg::R0)?;
        cursor.expect(",")?;
        cursor.register_of(Width::W64)?
    } else {
        cursor.same_register(Width::W64, dst)?;
        dst
    };
    cursor.expect(")")?;
    Ok(Insn::Atomic { op, width, base, off, src })
}

/// `(u32 *)(r7 +0)` or `(u8 *)skb[12]` behind its `*`.
fn load(cursor: &mut Cursor<'_>, dst: Reg) -> Result<Insn, Fault> {
    let column = cursor.column();
    let (size, signed) = access(cursor)?;
    if !cursor.eat("skb") {
        let (base, off) = address(cursor)?;
        return Ok(Insn::Load { size, signed, dst, base, off });
    }
    if dst != Reg::R0 || signed || size == Size::DW {
        let what = "expected `r0 =` and u8, u16 or u32 for legacy packet access".to_owned();
        return Err(Fault { column, what });
    }
    cursor.expect("[")?;
    let mut index = None;
    if cursor.clone().register().is_some() {
        index = Some(cursor.register_of(Width::W64)?);
        // The kernel prints `r1 + -4`; take `r1 - 4` too.
        if !cursor.eat("+") && !cursor.clone().eat("-") {
            return Err(cursor.expected("`+` or `-`"));
        }
    }
    let imm = operand(cursor)?.imm(false)?;
    cursor.expect("]")?;
    Ok(Insn::LegacyLoad { size, index, imm })
}

/// The second operand of an arithmetic instruction.
fn second(cursor: &mut Cursor<'_>, width: Width) -> Result<Operand, Fault> {
    if cursor.clone().register().is_some() {
        return cursor.register_of(width).map(Operand::Reg);
    }
    operand(cursor)?.imm(width == Width::W32).map(Operand::Imm)
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Number, Fault> {
    if cursor.sees_number() {
        cursor.number()
    } else {
        Err(cursor.expected("a register or a number"))
    }
}
