//! Instructions to bytes and back: the only place that knows the byte order of a slot.
//!
//! `decode(encode(i)) == i` for every instruction, and `encode(decode(b)) == b` for every byte
//! string that decodes. Reserved bits that are not zero and unknown opcodes do not decode; the
//! error names the slot and the field.

#![allow(clippy::cast_possible_truncation, reason = "halves of a 64-bit immediate")]

use super::{
    DecodeError,
    insn::{Alu, AtomicOp, Bits, Callee, Imm64, Insn, Jmp, Operand, Reg, Size, Swap, Width},
    opcode as op,
};

/// The fields of one slot as they stand, RFC 9669 section 3: whatever they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Class, source or mode, and operation.
    pub opcode: u8,
    /// Number of the destination register, 4 bits.
    pub dst: u8,
    /// Number of the source register, or a kind of pseudo value, 4 bits.
    pub src: u8,
    /// Signed offset.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

impl Raw {
    fn bytes(self) -> [u8; 8] {
        let [o0, o1] = self.off.to_le_bytes();
        let [i0, i1, i2, i3] = self.imm.to_le_bytes();
        [self.opcode, self.src << 4 | self.dst, o0, o1, i0, i1, i2, i3]
    }

    /// The fields of these eight bytes.
    pub fn from_bytes(b: [u8; 8]) -> Self {
        Self {
            opcode: b[0],
            dst: b[1] & 0x0f,
            src: b[1] >> 4,
            off: i16::from_le_bytes([b[2], b[3]]),
            imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }
}

/// The slots of all instructions, in order.
pub fn encode_all(insns: &[Insn]) -> Vec<[u8; 8]> {
    let mut slots = Vec::with_capacity(insns.len());
    for insn in insns {
        let (first, second) = encode(insn);
        slots.push(first);
        slots.extend(second);
    }
    slots
}

/// The slot of `insn`, and the second one if it is wide.
pub fn encode(insn: &Insn) -> ([u8; 8], Option<[u8; 8]>) {
    let (first, next_imm) = fields(insn);
    let second = next_imm.map(|imm| Raw { opcode: 0, dst: 0, src: 0, off: 0, imm }.bytes());
    (first.bytes(), second)
}

fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => op::ALU,
        Width::W64 => op::ALU64,
    }
}

fn fields(insn: &Insn) -> (Raw, Option<i32>) {
    let raw =
        |opcode, dst: Reg, src: u8, off, imm| Raw { opcode, dst: dst.number(), src, off, imm };
    let first = match *insn {
        Insn::Alu { op, width, dst, src } => {
            let (code, off) = op.code();
            match src {
                Operand::Reg(src) => {
                    raw(code | op::X | alu_class(width), dst, src.number(), off, 0)
                }
                Operand::Imm(imm) => raw(code | op::K | alu_class(width), dst, 0, off, imm),
            }
        }
        Insn::MovSx { width, from, dst, src } => raw(
            Alu::Mov.code().0 | op::X | alu_class(width),
            dst,
            src.number(),
            i16::from(from as u8),
            0,
        ),
        Insn::AddrSpaceCast { dst, src, to, from } => Raw {
            imm: (u32::from(to) << 16 | u32::from(from)).cast_signed(),
            ..raw(Alu::Mov.code().0 | op::X | op::ALU64, dst, src.number(), op::ADDR_SPACE_CAST, 0)
        },
        Insn::Neg { width, dst } => raw(op::NEG | alu_class(width), dst, 0, 0, 0),
        Insn::Swap { kind, bits, dst } => {
            let opcode = match kind {
                Swap::Le => op::END | op::K | op::ALU,
                Swap::Be => op::END | op::X | op::ALU,
                Swap::Bswap => op::END | op::K | op::ALU64,
            };
            raw(opcode, dst, 0, 0, i32::from(bits as u8))
        }
        Insn::LoadImm64 { dst, value } => {
            let (src, imm, next) = imm64_fields(value);
            return (raw(op::LD | op::IMM | Size::DW as u8, dst, src, 0, imm), Some(next));
        }
        Insn::Load { size, signed, dst, base, off } => {
            let mode = if signed { op::MEMSX } else { op::MEM };
            raw(op::LDX | mode | size as u8, dst, base.number(), off, 0)
        }
        Insn::Store { size, base, off, src: Operand::Reg(src) } => {
            raw(op::STX | op::MEM | size as u8, base, src.number(), off, 0)
        }
        Insn::Store { size, base, off, src: Operand::Imm(imm) } => {
            raw(op::ST | op::MEM | size as u8, base, 0, off, imm)
        }
        Insn::LoadArgument { dst, off } => {
            raw(op::LDX | op::MEM | Size::DW as u8, dst, op::PARAMS, off, 0)
        }
        Insn::StoreArgument { off, src } => {
            let (class, src, imm) = match src {
                Operand::Reg(src) => (op::STX, src.number(), 0),
                Operand::Imm(imm) => (op::ST, 0, imm),
            };
            let opcode = class | op::MEM | Size::DW as u8;
            return (Raw { opcode, dst: op::PARAMS, src, off, imm }, None);
        }
        Insn::Atomic { op, width, base, off, src } => {
            let size = match width {
                Width::W32 => Size::W,
                Width::W64 => Size::DW,
            };
            raw(op::STX | op::ATOMIC | size as u8, base, src.number(), off, atomic_imm(op))
        }
        Insn::LoadAcquire { size, dst, base, off } => {
            raw(op::STX | op::ATOMIC | size as u8, dst, base.number(), off, op::LOAD_ACQ)
        }
        Insn::StoreRelease { size, base, off, src } => {
            raw(op::STX | op::ATOMIC | size as u8, base, src.number(), off, op::STORE_REL)
        }
        Insn::LegacyLoad { size, index, imm } => match index {
            None => raw(op::LD | op::ABS | size as u8, Reg::R0, 0, 0, imm),
            Some(index) => raw(op::LD | op::IND | size as u8, Reg::R0, index.number(), 0, imm),
        },
        Insn::Jump { cond, width, dst, src, off } => {
            let class = match width {
                Width::W32 => op::JMP32,
                Width::W64 => op::JMP,
            };
            match src {
                Operand::Reg(src) => raw(cond as u8 | op::X | class, dst, src.number(), off, 0),
                Operand::Imm(imm) => raw(cond as u8 | op::K | class, dst, 0, off, imm),
            }
        }
        Insn::Goto { off } => raw(op::JMP | op::JA, Reg::R0, 0, off, 0),
        Insn::GotoLong { off } => raw(op::JMP32 | op::JA, Reg::R0, 0, 0, off),
        Insn::MayGoto { off } => raw(op::JMP | op::JCOND, Reg::R0, 0, off, 0),
        Insn::GotoX { target } => raw(op::JMP | op::JA | op::X, target, 0, 0, 0),
        Insn::Call(callee) => call_fields(callee),
        Insn::Exit => raw(op::JMP | op::EXIT, Reg::R0, 0, 0, 0),
    };
    (first, None)
}

fn imm64_fields(value: Imm64) -> (u8, i32, i32) {
    match value {
        Imm64::Value(v) => {
            (op::PSEUDO_NONE, (v as u32).cast_signed(), ((v >> 32) as u32).cast_signed())
        }
        Imm64::MapFd(fd) => (op::PSEUDO_MAP_FD, fd, 0),
        Imm64::MapValue { fd, offset } => (op::PSEUDO_MAP_VALUE, fd, offset),
        Imm64::BtfId { id, module_fd } => (op::PSEUDO_BTF_ID, id, module_fd),
        Imm64::Function(off) => (op::PSEUDO_FUNC, off, 0),
        Imm64::MapIndex(index) => (op::PSEUDO_MAP_IDX, index, 0),
        Imm64::MapIndexValue { index, offset } => (op::PSEUDO_MAP_IDX_VALUE, index, offset),
    }
}

fn atomic_imm(op: AtomicOp) -> i32 {
    let (code, fetch) = match op {
        AtomicOp::Add { fetch } => (0x00, fetch),
        AtomicOp::Or { fetch } => (0x40, fetch),
        AtomicOp::And { fetch } => (0x50, fetch),
        AtomicOp::Xor { fetch } => (0xa0, fetch),
        AtomicOp::Xchg => return op::XCHG,
        AtomicOp::CmpXchg => return op::CMPXCHG,
    };
    code | if fetch { op::FETCH } else { 0 }
}

fn call_fields(callee: Callee) -> Raw {
    let opcode = op::JMP | op::CALL;
    let call = |src, off, imm| Raw { opcode, dst: 0, src, off, imm };
    match callee {
        Callee::Helper(id) => call(op::CALL_HELPER, 0, id),
        Callee::Local(off) => call(op::CALL_LOCAL, 0, off),
        Callee::Kfunc { btf_id, module } => call(op::CALL_KFUNC, module, btf_id),
        Callee::Register(reg) => {
            Raw { opcode: opcode | op::X, dst: reg.number(), src: 0, off: 0, imm: 0 }
        }
    }
}

/// Decode a whole program.
///
/// # Errors
///
/// The first slot that is not an instruction, with the field that makes it illegal.
pub fn decode_all(slots: &[[u8; 8]]) -> Result<Vec<Insn>, DecodeError> {
    let mut insns = Vec::with_capacity(slots.len());
    let mut at = 0;
    while at < slots.len() {
        let insn = decode(slots[at], slots.get(at + 1).copied())
            .map_err(|what| DecodeError { slot: at, what })?;
        at += if insn.is_wide() { 2 } else { 1 };
        insns.push(insn);
    }
    Ok(insns)
}

/// Decode one instruction; `next` is the following slot, which only a wide instruction uses.
///
/// # Errors
///
/// What is illegal, in words.
pub fn decode(slot: [u8; 8], next: Option<[u8; 8]>) -> Result<Insn, String> {
    let raw = Raw::from_bytes(slot);
    let insn = match raw.opcode & op::CLASS_MASK {
        op::LD => decode_ld(raw, next)?,
        op::LDX => decode_ldx(raw)?,
        op::ST => {
            if raw.opcode & op::MODE_MASK != op::MEM {
                return Err(unknown(raw));
            }
            let src = Operand::Imm(raw.imm);
            if stores_argument(raw) {
                Insn::StoreArgument { off: raw.off, src }
            } else {
                Insn::Store {
                    size: size(raw.opcode),
                    base: reg("dst", raw.dst)?,
                    off: raw.off,
                    src,
                }
            }
        }
        op::STX => decode_stx(raw)?,
        op::ALU | op::ALU64 => decode_alu(raw)?,
        _ => decode_jmp(raw)?,
    };
    // What the variants do not hold must be zero: then the encoding is the proof.
    let (fields, _) = fields(&insn);
    if fields == raw { Ok(insn) } else { Err(reserved(raw, fields)) }
}

/// Is this a store of eight bytes below `r11`? Whether the class is ST or STX is not looked at.
fn stores_argument(raw: Raw) -> bool {
    raw.dst == op::PARAMS && size(raw.opcode) == Size::DW && raw.off < 0 && raw.off % 8 == 0
}

fn unknown(raw: Raw) -> String {
    format!("unknown opcode {:#04x}", raw.opcode)
}

fn reserved(raw: Raw, legal: Raw) -> String {
    let field = |name: &str, is: i64, must: i64| {
        (is != must).then(|| format!("reserved field {name} is {is:#x}, must be {must:#x}"))
    };
    field("dst", raw.dst.into(), legal.dst.into())
        .or_else(|| field("src", raw.src.into(), legal.src.into()))
        .or_else(|| field("off", raw.off.into(), legal.off.into()))
        .or_else(|| field("imm", raw.imm.into(), legal.imm.into()))
        .unwrap_or_else(|| unknown(raw))
}

fn reg(field: &str, number: u8) -> Result<Reg, String> {
    Reg::from_number(number).ok_or_else(|| format!("field {field} is {number}, past r10"))
}

fn size(opcode: u8) -> Size {
    match opcode & op::SIZE_MASK {
        0x00 => Size::W,
        0x08 => Size::H,
        0x10 => Size::B,
        _ => Size::DW,
    }
}

fn decode_ld(raw: Raw, next: Option<[u8; 8]>) -> Result<Insn, String> {
    match raw.opcode & op::MODE_MASK {
        op::IMM if size(raw.opcode) == Size::DW => {
            let next = Raw::from_bytes(next.ok_or("a wide instruction is cut off at the end")?);
            if next != (Raw { opcode: 0, dst: 0, src: 0, off: 0, imm: next.imm }) {
                return Err(
                    "the second half of a wide instruction has fields other than imm".into()
                );
            }
            let low = u64::from(raw.imm.cast_unsigned());
            let value = match raw.src {
                op::PSEUDO_NONE => Imm64::Value(low | u64::from(next.imm.cast_unsigned()) << 32),
                op::PSEUDO_MAP_FD => Imm64::MapFd(raw.imm),
                op::PSEUDO_MAP_VALUE => Imm64::MapValue { fd: raw.imm, offset: next.imm },
                op::PSEUDO_BTF_ID => Imm64::BtfId { id: raw.imm, module_fd: next.imm },
                op::PSEUDO_FUNC => Imm64::Function(raw.imm),
                op::PSEUDO_MAP_IDX => Imm64::MapIndex(raw.imm),
                op::PSEUDO_MAP_IDX_VALUE => {
                    Imm64::MapIndexValue { index: raw.imm, offset: next.imm }
                }
                other => {
                    return Err(format!(
                        "field src is {other}, an unknown kind of 64-bit immediate"
                    ));
                }
            };
            if imm64_fields(value).2 != next.imm {
                return Err(format!("reserved field next_imm is {:#x}, must be 0x0", next.imm));
            }
            Ok(Insn::LoadImm64 { dst: reg("dst", raw.dst)?, value })
        }
        op::ABS if size(raw.opcode) != Size::DW => {
            Ok(Insn::LegacyLoad { size: size(raw.opcode), index: None, imm: raw.imm })
        }
        op::IND if size(raw.opcode) != Size::DW => Ok(Insn::LegacyLoad {
            size: size(raw.opcode),
            index: Some(reg("src", raw.src)?),
            imm: raw.imm,
        }),
        _ => Err(unknown(raw)),
    }
}

fn decode_ldx(raw: Raw) -> Result<Insn, String> {
    let signed = match raw.opcode & op::MODE_MASK {
        op::MEM => false,
        op::MEMSX if size(raw.opcode) != Size::DW => true,
        _ => return Err(unknown(raw)),
    };
    if raw.src == op::PARAMS && !signed && size(raw.opcode) == Size::DW {
        if raw.off <= 0 || raw.off % 8 != 0 {
            return Err(format!("field off is {}; of r11 only 8, 16, 24 … can be read", raw.off));
        }
        return Ok(Insn::LoadArgument { dst: reg("dst", raw.dst)?, off: raw.off });
    }
    Ok(Insn::Load {
        size: size(raw.opcode),
        signed,
        dst: reg("dst", raw.dst)?,
        base: reg("src", raw.src)?,
        off: raw.off,
    })
}

fn decode_stx(raw: Raw) -> Result<Insn, String> {
    let (size, off) = (size(raw.opcode), raw.off);
    if ![op::MEM, op::ATOMIC].contains(&(raw.opcode & op::MODE_MASK)) {
        return Err(unknown(raw));
    }
    if raw.opcode & op::MODE_MASK == op::MEM && stores_argument(raw) {
        return Ok(Insn::StoreArgument { off, src: Operand::Reg(reg("src", raw.src)?) });
    }
    let (dst, src) = (reg("dst", raw.dst)?, reg("src", raw.src)?);
    match raw.opcode & op::MODE_MASK {
        op::MEM => Ok(Insn::Store { size, base: dst, off, src: Operand::Reg(src) }),
        op::ATOMIC if raw.imm == op::LOAD_ACQ => {
            Ok(Insn::LoadAcquire { size, dst, base: src, off })
        }
        op::ATOMIC if raw.imm == op::STORE_REL => {
            Ok(Insn::StoreRelease { size, base: dst, off, src })
        }
        op::ATOMIC => {
            let width = match size {
                Size::W => Width::W32,
                Size::DW => Width::W64,
                Size::B | Size::H => {
                    return Err("field opcode: an atomic operation takes 4 or 8 bytes".into());
                }
            };
            let fetch = raw.imm & op::FETCH != 0;
            let op = match (raw.imm & !op::FETCH, raw.imm) {
                (0x00, _) => AtomicOp::Add { fetch },
                (0x40, _) => AtomicOp::Or { fetch },
                (0x50, _) => AtomicOp::And { fetch },
                (0xa0, _) => AtomicOp::Xor { fetch },
                (_, op::XCHG) => AtomicOp::Xchg,
                (_, op::CMPXCHG) => AtomicOp::CmpXchg,
                (_, imm) => {
                    return Err(format!("field imm is {imm:#x}, an unknown atomic operation"));
                }
            };
            Ok(Insn::Atomic { op, width, base: dst, off, src })
        }
        _ => Err(unknown(raw)),
    }
}

fn bits(number: i32) -> Option<Bits> {
    match number {
        8 => Some(Bits::B8),
        16 => Some(Bits::B16),
        32 => Some(Bits::B32),
        64 => Some(Bits::B64),
        _ => None,
    }
}

fn decode_alu(raw: Raw) -> Result<Insn, String> {
    let wide = raw.opcode & op::CLASS_MASK == op::ALU64;
    let width = if wide { Width::W64 } else { Width::W32 };
    let is_reg = raw.opcode & op::X != 0;
    let dst = || reg("dst", raw.dst);
    let alu = match (raw.opcode & op::CODE_MASK, raw.off) {
        (0x00, _) => Alu::Add,
        (0x10, _) => Alu::Sub,
        (0x20, _) => Alu::Mul,
        (0x30, 1) => Alu::SDiv,
        (0x30, _) => Alu::Div,
        (0x40, _) => Alu::Or,
        (0x50, _) => Alu::And,
        (0x60, _) => Alu::Lsh,
        (0x70, _) => Alu::Rsh,
        (op::NEG, _) if !is_reg => return Ok(Insn::Neg { width, dst: dst()? }),
        (0x90, 1) => Alu::SMod,
        (0x90, _) => Alu::Mod,
        (0xa0, _) => Alu::Xor,
        (0xb0, op::ADDR_SPACE_CAST) if is_reg && wide => {
            let spaces = raw.imm.cast_unsigned();
            let (to, from) = ((spaces >> 16) as u16, spaces as u16);
            return Ok(Insn::AddrSpaceCast { dst: dst()?, src: reg("src", raw.src)?, to, from });
        }
        (0xb0, off) if is_reg && off != 0 => {
            let from = bits(off.into())
                .filter(|&b| b != Bits::B64 && (wide || b != Bits::B32))
                .ok_or_else(|| format!("field off is {off}, not a width to sign-extend from"))?;
            return Ok(Insn::MovSx { width, from, dst: dst()?, src: reg("src", raw.src)? });
        }
        (0xb0, _) => Alu::Mov,
        (0xc0, _) => Alu::Arsh,
        (op::END, _) => {
            let kind = match (wide, is_reg) {
                (false, false) => Swap::Le,
                (false, true) => Swap::Be,
                (true, false) => Swap::Bswap,
                (true, true) => return Err(unknown(raw)),
            };
            let bits = bits(raw.imm).filter(|&b| b != Bits::B8).ok_or_else(|| {
                format!("field imm is {}; a byte swap takes 16, 32 or 64", raw.imm)
            })?;
            return Ok(Insn::Swap { kind, bits, dst: dst()? });
        }
        _ => return Err(unknown(raw)),
    };
    let dst = dst()?;
    let src = if is_reg { Operand::Reg(reg("src", raw.src)?) } else { Operand::Imm(raw.imm) };
    Ok(Insn::Alu { op: alu, width, dst, src })
}

fn decode_jmp(raw: Raw) -> Result<Insn, String> {
    let long = raw.opcode & op::CLASS_MASK == op::JMP32;
    let is_reg = raw.opcode & op::X != 0;
    match (raw.opcode & op::CODE_MASK, long, is_reg) {
        (op::JA, false, false) => return Ok(Insn::Goto { off: raw.off }),
        (op::JA, false, true) => {
            return Ok(Insn::GotoX { target: reg("dst", raw.dst)? });
        }
        (op::JA, true, false) => return Ok(Insn::GotoLong { off: raw.imm }),
        (op::EXIT, false, false) => return Ok(Insn::Exit),
        (op::JCOND, false, false) => return Ok(Insn::MayGoto { off: raw.off }),
        (op::CALL, false, true) => {
            return Ok(Insn::Call(Callee::Register(reg("dst", raw.dst)?)));
        }
        (op::CALL, false, false) => {
            return match raw.src {
                op::CALL_HELPER => Ok(Insn::Call(Callee::Helper(raw.imm))),
                op::CALL_LOCAL => Ok(Insn::Call(Callee::Local(raw.imm))),
                op::CALL_KFUNC => {
                    Ok(Insn::Call(Callee::Kfunc { btf_id: raw.imm, module: raw.off }))
                }
                other => Err(format!("field src is {other}, an unknown kind of call")),
            };
        }
        _ => {}
    }
    let cond = Jmp::from_code(raw.opcode).ok_or_else(|| unknown(raw))?;
    let width = if long { Width::W32 } else { Width::W64 };
    let src = if is_reg { Operand::Reg(reg("src", raw.src)?) } else { Operand::Imm(raw.imm) };
    Ok(Insn::Jump { cond, width, dst: reg("dst", raw.dst)?, src, off: raw.off })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reg::{R1, R2, R3, R6};
    use proptest::prelude::*;

    #[track_caller]
    fn check(insn: Insn, bytes: [u8; 8]) {
        assert_eq!(encode(&insn).0, bytes, "encoding of {insn:?}");
        assert_eq!(decode(bytes, None), Ok(insn), "decoding of {bytes:02x?}");
    }

    // Written by hand from the RFC, never pasted from our own output.
    #[rustfmt::skip] // One instruction per line.
    #[test]
    fn encodings() {
        //                                   op    regs  off         imm
        check(Alu::Add.imm(R1, 0x11223344), [0x07, 0x01, 0x00, 0x00, 0x44, 0x33, 0x22, 0x11]);
        check(Alu::Mov.reg(R6, R1),         [0xbf, 0x16, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Alu::Mov.imm32(R1, -1),       [0xb4, 0x01, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff]);
        check(Alu::SMod.reg32(R1, R2),      [0x9c, 0x21, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Size::B.load(R3, R2, -1),     [0x71, 0x23, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00]);
        check(Size::W.load(R3, R2, 4),      [0x61, 0x23, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Size::DW.store(R2, -8, R3),   [0x7b, 0x32, 0xf8, 0xff, 0x00, 0x00, 0x00, 0x00]);
        check(Size::H.store_imm(R2, 2, 7),  [0x6a, 0x02, 0x02, 0x00, 0x07, 0x00, 0x00, 0x00]);
        check(Insn::to_be(Bits::B16, R1),   [0xdc, 0x01, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00]);
        check(Insn::MayGoto { off: 3 },     [0xe5, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Insn::GotoLong { off: -2 },   [0x06, 0x00, 0x00, 0x00, 0xfe, 0xff, 0xff, 0xff]);
        check(Insn::Exit,                   [0x95, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Insn::Atomic { op: AtomicOp::Add { fetch: true }, width: Width::W64, base: R1, off: 8, src: R2 },
                                            [0xdb, 0x21, 0x08, 0x00, 0x01, 0x00, 0x00, 0x00]);
        check(Insn::LoadAcquire { size: Size::B, dst: R1, base: R2, off: 0 },
                                            [0xd3, 0x21, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00]);
        // Not in the RFC: include/uapi/linux/bpf.h and kernel/bpf/verifier.c of Linux 7.2.
        check(Insn::GotoX { target: R3 },   [0x0d, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Insn::AddrSpaceCast { dst: R1, src: R2, to: 1, from: 0 },
                                            [0xbf, 0x21, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00]);
        check(Insn::LoadArgument { dst: R1, off: 8 },
                                            [0x79, 0xb1, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Insn::StoreArgument { off: -8, src: Operand::Reg(R2) },
                                            [0x7b, 0x2b, 0xf8, 0xff, 0x00, 0x00, 0x00, 0x00]);
        check(Insn::StoreArgument { off: -16, src: Operand::Imm(-2) },
                                            [0x7a, 0x0b, 0xf0, 0xff, 0xfe, 0xff, 0xff, 0xff]);
        check(Insn::Call(Callee::Register(R2)),
                                            [0x8d, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]);
        check(Insn::Call(Callee::Kfunc { btf_id: 7, module: 1 }),
                                            [0x85, 0x20, 0x01, 0x00, 0x07, 0x00, 0x00, 0x00]);
    }

    #[rustfmt::skip] // One slot per line.
    #[test]
    fn what_is_no_instruction_names_the_field() {
        for (slot, why) in [
            ([0xff, 0xff, 0, 0, 0, 0, 0, 0], "unknown opcode 0xff"),
            ([0xfb, 0xff, 0, 0, 0, 0, 0, 0], "unknown opcode 0xfb"),
            ([0x07, 0x0b, 0, 0, 0, 0, 0, 0], "field dst is 11, past r10"),
            ([0x0f, 0xf1, 0, 0, 0, 0, 0, 0], "field src is 15, past r10"),
            ([0x07, 0x21, 0, 0, 1, 0, 0, 0], "reserved field src is 0x2, must be 0x0"),
            ([0x07, 0x01, 2, 0, 1, 0, 0, 0], "reserved field off is 0x2, must be 0x0"),
            ([0x0f, 0x21, 0, 0, 9, 0, 0, 0], "reserved field imm is 0x9, must be 0x0"),
            ([0x95, 0x01, 0, 0, 0, 0, 0, 0], "reserved field dst is 0x1, must be 0x0"),
            ([0xbf, 0x21, 3, 0, 0, 0, 0, 0], "field off is 3, not a width to sign-extend from"),
            ([0xdc, 0x01, 0, 0, 8, 0, 0, 0], "field imm is 8; a byte swap takes 16, 32 or 64"),
            ([0xdb, 0x21, 0, 0, 2, 0, 0, 0], "field imm is 0x2, an unknown atomic operation"),
            ([0xd3, 0x21, 0, 0, 0, 0, 0, 0], "field opcode: an atomic operation takes 4 or 8 bytes"),
            ([0x85, 0x30, 0, 0, 1, 0, 0, 0], "field src is 3, an unknown kind of call"),
            ([0x85, 0x00, 1, 0, 1, 0, 0, 0], "reserved field off is 0x1, must be 0x0"),
            ([0x18, 0x71, 0, 0, 1, 0, 0, 0], "field src is 7, an unknown kind of 64-bit immediate"),
            ([0x0d, 0x01, 0, 0, 1, 0, 0, 0], "reserved field imm is 0x1, must be 0x0"),
            ([0xe5, 0x10, 0, 0, 0, 0, 0, 0], "reserved field src is 0x1, must be 0x0"),
            ([0x79, 0xb1, 4, 0, 0, 0, 0, 0], "field off is 4; of r11 only 8, 16, 24 … can be read"),
            ([0x7b, 0x2b, 8, 0, 0, 0, 0, 0], "field dst is 11, past r10"),
        ] {
            assert_eq!(decode(slot, Some([0; 8])), Err(why.to_owned()), "{slot:02x?}");
        }
        let error = decode_all(&[[0x95, 0, 0, 0, 0, 0, 0, 0], [0xff; 8]]).expect_err("the second");
        assert_eq!(error.to_string(), "slot 1: unknown opcode 0xff");
    }

    #[test]
    fn a_wide_instruction_has_its_high_half_in_the_second_slot() {
        let (first, second) = encode(&Insn::load_imm64(R3, 0x8877_6655_4433_2211));
        assert_eq!(first, [0x18, 0x03, 0, 0, 0x11, 0x22, 0x33, 0x44]);
        assert_eq!(second, Some([0, 0, 0, 0, 0x55, 0x66, 0x77, 0x88]));
        assert!(decode(first, None).is_err(), "cut off");
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(a in any::<[u8; 8]>(), b in any::<i32>()) {
            let next = Raw { opcode: 0, dst: 0, src: 0, off: 0, imm: b }.bytes();
            if let Ok(insn) = decode(a, Some(next)) {
                let (first, second) = encode(&insn);
                prop_assert_eq!(first, a);
                if insn.is_wide() {
                    prop_assert_eq!(second, Some(next));
                }
            }
        }

        /// Random bytes rarely have zero reserved fields, so make them zero and look again.
        #[test]
        fn every_opcode_is_an_instruction_or_an_error(op in any::<u8>(), regs in any::<u8>(), imm in 0..0x120i32) {
            let mut slot = [op, regs, 0, 0, 0, 0, 0, 0];
            slot[4..].copy_from_slice(&imm.to_le_bytes());
            if let Ok(insn) = decode(slot, Some([0; 8])) {
                prop_assert_eq!(encode(&insn).0, slot);
            }
        }
    }
}
