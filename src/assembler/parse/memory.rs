//! What is read and written in memory: loads, stores, atomic operations, legacy packet access.

use super::{Fault, cursor::Cursor, statement::operand};
use crate::assembler::insn::{AtomicOp, Insn, Operand, Reg, Size, Width};

const SIZES: &[(&str, Size)] =
    &[("u8", Size::B), ("u16", Size::H), ("u32", Size::W), ("u64", Size::DW)];

const SIGNED_SIZES: &[(&str, Size)] = &[("s8", Size::B), ("s16", Size::H), ("s32", Size::W)];

#[rustfmt::skip] // One form per line.
pub(super) const ATOMICS: &[(&str, (AtomicOp, Width))] = &[
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

/// The range of `off`.
const I16: &str = "-32768..=32767";

/// `(u32 *)(r7 +0)` behind its `*`.
fn place(cursor: &mut Cursor<'_>) -> Result<(Size, Reg, i16), Fault> {
    let size = unsigned_access(cursor)?;
    let (base, off) = address(cursor)?;
    Ok((size, base, off))
}

fn unsigned_access(cursor: &mut Cursor<'_>) -> Result<Size, Fault> {
    let column = cursor.column();
    let (size, signed) = access(cursor)?;
    if signed {
        let what = format!("expected an unsigned type, found {}", size.signed_text());
        return Err(Fault { column, what });
    }
    Ok(size)
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
        cursor.number()?.fit(I16)?
    } else {
        return Err(cursor.expected("`+`, `-` or `)`"));
    };
    cursor.expect(")")?;
    Ok((base, off))
}

/// Where a load or a store goes.
enum Base {
    Register(Reg, i16),
    /// `r11`: arguments beyond the fifth.
    Arguments(i16),
}

/// `(r7 +0)`, or `(r11 -8)` where the size allows it. `below` is the side of `r11` that is meant.
fn base(cursor: &mut Cursor<'_>, size: Size, below: bool) -> Result<Base, Fault> {
    let mut ahead = cursor.clone();
    if size != Size::DW || !ahead.eat("(") || !ahead.eat("r11") {
        let (base, off) = address(cursor)?;
        return Ok(Base::Register(base, off));
    }
    let column = ahead.column();
    let off: i16 = ahead.number()?.fit(I16)?;
    ahead.expect(")")?;
    if off % 8 != 0 || off == 0 || (off < 0) != below {
        let places = if below { "-8, -16, -24 …" } else { "+8, +16, +24 …" };
        let what = format!("expected one of {places} behind r11, found {off}");
        return Err(Fault { column, what });
    }
    *cursor = ahead;
    Ok(Base::Arguments(off))
}

pub(super) fn store(cursor: &mut Cursor<'_>) -> Result<Insn, Fault> {
    let size = unsigned_access(cursor)?;
    let base = base(cursor, size, true)?;
    cursor.expect("=")?;
    let src = if cursor.clone().register().is_some() {
        Operand::Reg(cursor.register_of(Width::W64)?)
    } else {
        Operand::Imm(operand(cursor)?.imm(size != Size::DW)?)
    };
    Ok(match base {
        Base::Register(base, off) => Insn::Store { size, base, off, src },
        Base::Arguments(off) => Insn::StoreArgument { off, src },
    })
}

pub(super) fn locked(cursor: &mut Cursor<'_>) -> Result<Insn, Fault> {
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

pub(super) fn store_release(cursor: &mut Cursor<'_>) -> Result<Insn, Fault> {
    cursor.expect("(")?;
    let (size, base, off) = place(cursor)?;
    cursor.expect(",")?;
    let src = cursor.register_of(Width::W64)?;
    cursor.expect(")")?;
    Ok(Insn::StoreRelease { size, base, off, src })
}

/// `(u64 *)(r1 +0), r2)` behind the name; what is fetched goes where the form says.
pub(super) fn atomic(
    cursor: &mut Cursor<'_>,
    op: AtomicOp,
    width: Width,
    dst: Reg,
) -> Result<Insn, Fault> {
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
pub(super) fn load(cursor: &mut Cursor<'_>, dst: Reg) -> Result<Insn, Fault> {
    let column = cursor.column();
    let (size, signed) = access(cursor)?;
    if !cursor.eat("skb") {
        return Ok(match base(cursor, size, false)? {
            Base::Register(base, off) => Insn::Load { size, signed, dst, base, off },
            Base::Arguments(off) => Insn::LoadArgument { dst, off },
        });
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

/// `((u32 *)(r2 +4))` behind the name.
pub(super) fn load_acquire(cursor: &mut Cursor<'_>, dst: Reg) -> Result<Insn, Fault> {
    cursor.expect("(")?;
    let (size, base, off) = place(cursor)?;
    cursor.expect(")")?;
    Ok(Insn::LoadAcquire { size, dst, base, off })
}
