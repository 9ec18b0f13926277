//! One instruction of text, after its labels and its opcode.

use super::{
    Code, Fault,
    cursor::{Cursor, Number},
    memory,
    pseudo::{MapNames, pseudo},
};
use crate::assembler::{
    helper,
    insn::{Alu, Bits, Callee, Imm64, Insn, Jmp, Operand, Reg, Swap, Width},
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

/// The opcode of a speculation barrier, and of a move whose `off` of -1 makes it that of a per-CPU
/// address (`include/linux/filter.h`).
const NOSPEC: u8 = 0xc2;
const PER_CPU: u8 = 0xbf;

/// What decides between the two meanings of `r1 = NUMBER`.
const WIDE: u8 = op::LD | op::IMM | 0x18;

/// Read one instruction or raw slot. `prefix` is the opcode in front of it.
pub(super) fn statement<'a>(
    cursor: &mut Cursor<'a>,
    prefix: Option<u8>,
    maps: &MapNames,
) -> Result<Statement<'a>, Fault> {
    // Most instructions begin with a register, and no other word begins like one.
    let named = if matches!(cursor.peek(), Some(b'r' | b'w')) { cursor.register() } else { None };
    let (insn, target) = if let Some((width, dst)) = named {
        if let Some(code) = per_cpu(cursor, width, dst)? {
            return Ok((code, None));
        }
        assignment(cursor, (width, dst), prefix, maps)?
    } else if cursor.eat("if") {
        jump(cursor)?
    } else if cursor.eat("*") {
        (memory::store(cursor)?, None)
    } else if cursor.eat("call") {
        call(cursor)?
    } else if cursor.eat("callx") {
        (Insn::Call(Callee::Register(cursor.register_of(Width::W64)?)), None)
    } else if cursor.eat("goto") {
        (Insn::Goto { off: 0 }, Some(target(cursor)?))
    } else if cursor.eat("gotol") {
        (Insn::GotoLong { off: 0 }, Some(target(cursor)?))
    } else if cursor.eat("gotox") {
        (Insn::GotoX { target: cursor.register_of(Width::W64)? }, None)
    } else if cursor.eat("may_goto") {
        (Insn::MayGoto { off: 0 }, Some(target(cursor)?))
    } else if cursor.eat("exit") {
        (Insn::Exit, None)
    } else if cursor.eat("lock") {
        (memory::locked(cursor)?, None)
    } else if cursor.eat("store_release") {
        (memory::store_release(cursor)?, None)
    } else if cursor.eat(".slot") {
        let number = cursor.number()?;
        let bytes = number.fit::<u64>("0..=0xffffffffffffffff")?.to_be_bytes();
        return Ok((Code::Slot { bytes, why: "written as raw bytes".to_owned() }, None));
    } else if cursor.eat("nospec") {
        return Ok((internal([NOSPEC, 0, 0, 0]), None));
    } else {
        return Err(cursor.expected("an instruction"));
    };
    Ok((Code::Insn(insn), target))
}

/// What only the verifier makes: bytes of a program, and no instruction of one.
fn internal([opcode, registers, off0, off1]: [u8; 4]) -> Code {
    let bytes = [opcode, registers, off0, off1, 0, 0, 0, 0];
    Code::Slot { bytes, why: "only in loaded programs".to_owned() }
}

/// `= &(void __percpu *)(r2)` behind its register.
fn per_cpu(cursor: &mut Cursor<'_>, width: Width, dst: Reg) -> Result<Option<Code>, Fault> {
    let mut ahead = cursor.clone();
    if width != Width::W64 || !ahead.eat("=") || !ahead.eat("&(void __percpu *)(") {
        return Ok(None);
    }
    let src = ahead.register_of(Width::W64)?;
    ahead.expect(")")?;
    *cursor = ahead;
    Ok(Some(internal([PER_CPU, src.number() << 4 | dst.number(), 0xff, 0xff])))
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
        let callee = numbered(name, id(&mut ahead)?).map_err(|what| Fault { column, what })?;
        *cursor = ahead;
        return Ok((Insn::Call(callee), None));
    }
    if let Some(id) = name.filter(|name| name.starts_with("bpf_")).and_then(helper::id_of) {
        *cursor = ahead;
        return Ok((Insn::Call(Callee::Helper(id)), None));
    }
    let target = target(cursor)?;
    // bpftool puts the name of the function behind its place.
    if matches!(target, Target::Relative { .. }) && cursor.eat("#") && cursor.name().is_none() {
        return Err(cursor.expected("the name of the function"));
    }
    Ok((Insn::Call(Callee::Local(0)), Some(target)))
}

/// `name#id`: a helper function by its number; or, as the verifier log prints a kernel function,
/// its name and BTF id; or, as bpftool prints a loaded program, a helper function and how far it is
/// from the kernel's first: then the name says all. Numbers that helper functions have mean these.
fn numbered(name: &str, id: i32) -> Result<Callee, String> {
    let of_name = name.strip_prefix("bpf_").and_then(|_| helper::id_of(name));
    match (helper::name_of(id), of_name) {
        (_, Some(helper)) if helper == id => Ok(Callee::Helper(id)),
        (Some(right), _) => Err(format!(
            "expected the helper function `bpf_{right}#{id}`, found `{name}#{id}`; a kernel \
             function is written kernel-function#{id}"
        )),
        (None, _) if name == "unknown" => Ok(Callee::Helper(id)),
        (None, Some(helper)) => Ok(Callee::Helper(helper)),
        (None, None) if helper::is_kernel_function(name) => {
            Ok(Callee::Kfunc { btf_id: id, module: 0 })
        }
        (None, None) => Err(format!(
            "expected a helper or kernel function, found `{name}`; a kernel function with another \
             name is written kernel-function#{id}"
        )),
    }
}

fn assignment<'a>(
    cursor: &mut Cursor<'a>,
    (width, dst): (Width, Reg),
    prefix: Option<u8>,
    maps: &MapNames,
) -> Result<Part<'a>, Fault> {
    if cursor.peek() != Some(b'=')
        && let Some(op) = cursor.eat_one_of(ALU)
    {
        return Ok((Insn::Alu { op, width, dst, src: second(cursor, width)? }, None));
    }
    if !cursor.eat("=") {
        return Err(cursor.expected("`=` or an operator such as `+=`"));
    }
    let first = cursor.peek();
    if first == Some(b'(')
        && let Some(from) = cursor.eat_one_of(EXTENSIONS)
    {
        let column = cursor.column();
        if width == Width::W32 && from == Bits::B32 {
            let what = "expected (s8) or (s16) for a 32-bit register, found (s32)".to_owned();
            return Err(Fault { column, what });
        }
        return Ok((Insn::MovSx { width, from, dst, src: cursor.register_of(width)? }, None));
    }
    let mut ahead = cursor.clone();
    if first == Some(b'-') && ahead.eat("-") && ahead.clone().register().is_some() {
        ahead.same_register(width, dst)?;
        *cursor = ahead;
        return Ok((Insn::Neg { width, dst }, None));
    }
    if width == Width::W64
        && let Some(part) = wide_assignment(cursor, dst, prefix, maps)?
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
    maps: &MapNames,
) -> Result<Option<Part<'a>>, Fault> {
    let first = cursor.peek();
    let insn = if first == Some(b'*') {
        cursor.expect("*")?;
        memory::load(cursor, dst)?
    } else if !first.is_some_and(|first| first.is_ascii_lowercase()) {
        match wide_number(cursor, prefix)? {
            Some(value) => Insn::LoadImm64 { dst, value: Imm64::Value(value) },
            None => return Ok(None),
        }
    } else if let Some((kind, bits)) = cursor.eat_one_of(SWAPS) {
        cursor.same_register(Width::W64, dst)?;
        Insn::Swap { kind, bits, dst }
    } else if let Some((op, width)) = cursor.eat_one_of(memory::ATOMICS) {
        memory::atomic(cursor, op, width, dst)?
    } else if cursor.eat("load_acquire") {
        memory::load_acquire(cursor, dst)?
    } else if cursor.eat("addr_space_cast") {
        addr_space_cast(cursor, dst)?
    } else if cursor.eat("subprog") {
        cursor.expect("[")?;
        let target = target(cursor)?;
        cursor.expect("]")?;
        return Ok(Some((Insn::LoadImm64 { dst, value: Imm64::Function(0) }, Some(target))));
    } else if let Some(value) = pseudo(cursor, maps)? {
        Insn::LoadImm64 { dst, value }
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

/// `(r2, 0, 1)` behind the name.
fn addr_space_cast(cursor: &mut Cursor<'_>, dst: Reg) -> Result<Insn, Fault> {
    cursor.expect("(")?;
    let src = cursor.register_of(Width::W64)?;
    cursor.expect(",")?;
    let to = cursor.number()?.fit("0..=65535")?;
    cursor.expect(",")?;
    let from = cursor.number()?.fit("0..=65535")?;
    cursor.expect(")")?;
    Ok(Insn::AddrSpaceCast { dst, src, to, from })
}

/// The second operand of an arithmetic instruction.
fn second(cursor: &mut Cursor<'_>, width: Width) -> Result<Operand, Fault> {
    if cursor.clone().register().is_some() {
        return cursor.register_of(width).map(Operand::Reg);
    }
    operand(cursor)?.imm(width == Width::W32).map(Operand::Imm)
}

pub(super) fn operand(cursor: &mut Cursor<'_>) -> Result<Number, Fault> {
    if cursor.sees_number() {
        cursor.number()
    } else {
        Err(cursor.expected("a register or a number"))
    }
}
