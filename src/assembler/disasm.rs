//! Instructions as text, in the kernel's dialect: what the verifier log and
//! `bpftool prog dump xlated` print.
//!
//! Guarantees: every instruction has a text, and [`parse`](super::parse) reads it back to the same
//! instruction, with or without the opcode in front. Two texts go beyond the kernel's, because a
//! program that is not loaded knows maps by index and kernel functions by id: `map[0]`,
//! `call kernel-function#7`. What it does not do: no labels and no origins, see
//! [`listing`](super::listing).
//!
//! Source: `print_bpf_insn()` in `kernel/bpf/disasm.c` (Linux 6.18), `print_imm()` in
//! `tools/bpf/bpftool/xlated_dumper.c`.

use std::fmt;

use super::{
    encode,
    flow::target_offset,
    helper,
    insn::{Alu, AtomicOp, Bits, Callee, Imm64, Insn, Jmp, Operand, Reg, Size, Swap, Width},
};

/// A slot, or two, of a program that may not be one: what [`disassemble`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// An instruction.
    Insn(Insn),
    /// A slot that is none, and why.
    Slot {
        /// Its bytes, in order.
        bytes: [u8; 8],
        /// What is illegal, in words.
        why: String,
    },
}

impl Code {
    /// Slots it occupies: 1 or 2.
    pub const fn slots(&self) -> u32 {
        match self {
            Self::Insn(insn) => insn.slots(),
            Self::Slot { .. } => 1,
        }
    }
}

impl fmt::Display for Code {
    /// `(bf) r2 = r7`, or `.slot 0x… ; why` with the eight bytes in order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Insn(insn) => write!(f, "({:02x}) {insn}", opcode(insn)),
            Self::Slot { bytes, why } => {
                write!(f, ".slot 0x{:016x} ; {why}", u64::from_be_bytes(*bytes))
            }
        }
    }
}

/// The opcode of `insn`, which the kernel prints in front of its text.
pub fn opcode(insn: &Insn) -> u8 {
    encode::encode(insn).0[0]
}

/// Everything in `slots`, in order, whatever the bytes are.
pub fn disassemble(slots: &[[u8; 8]]) -> Vec<Code> {
    codes(slots).collect()
}

/// The same, one after the other.
pub fn codes(slots: &[[u8; 8]]) -> impl Iterator<Item = Code> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let &bytes = slots.get(at)?;
        let code = match encode::decode(bytes, slots.get(at + 1).copied()) {
            Ok(insn) => Code::Insn(insn),
            Err(why) => Code::Slot { bytes, why },
        };
        at += if code.slots() == 2 { 2 } else { 1 };
        Some(code)
    })
}

/// The text of `slots`, one instruction a line: slot number, opcode, instruction.
pub fn dump(slots: &[[u8; 8]]) -> String {
    use fmt::Write as _;

    let mut text = String::new();
    let mut slot = 0;
    for code in codes(slots) {
        writeln!(text, "{slot:>4}: {code}").expect("a string takes everything");
        slot += code.slots();
    }
    text
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.number())
    }
}

/// A register as an operand of this width: `r3` or `w3`.
#[derive(Clone, Copy)]
struct Named(Width, Reg);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.0 {
            Width::W32 => 'w',
            Width::W64 => 'r',
        };
        write!(f, "{letter}{}", self.1.number())
    }
}

/// A place in memory: `(u32 *)(r7 +0)`.
struct Place(&'static str, Reg, i16);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} *)({} {:+})", self.0, self.1, self.2)
    }
}

impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Alu { op, width, dst, src: Operand::Reg(src) } => {
                write!(f, "{} {} {}", Named(width, dst), op.text(), Named(width, src))
            }
            Self::Alu { op, width, dst, src: Operand::Imm(imm) } => {
                write!(f, "{} {} {imm}", Named(width, dst), op.text())
            }
            Self::MovSx { width, from, dst, src } => {
                write!(f, "{} = (s{}){}", Named(width, dst), from.count(), Named(width, src))
            }
            Self::AddrSpaceCast { dst, src, to, from } => {
                write!(f, "{dst} = addr_space_cast({src}, {to}, {from})")
            }
            Self::Neg { width, dst } => {
                write!(f, "{} = -{}", Named(width, dst), Named(width, dst))
            }
            Self::Swap { kind, bits, dst } => {
                write!(f, "{dst} = {}{} {dst}", kind.text(), bits.count())
            }
            Self::LoadImm64 { dst, value } => write!(f, "{dst} = {value}"),
            Self::Load { size, signed, dst, base, off } => {
                let size = if signed { size.signed_text() } else { size.text() };
                write!(f, "{dst} = *{}", Place(size, base, off))
            }
            Self::Store { size, base, off, src: Operand::Reg(src) } => {
                write!(f, "*{} = {src}", Place(size.text(), base, off))
            }
            Self::Store { size, base, off, src: Operand::Imm(imm) } => {
                write!(f, "*{} = {imm}", Place(size.text(), base, off))
            }
            Self::LoadArgument { dst, off } => write!(f, "{dst} = *(u64 *)(r11 {off:+})"),
            Self::StoreArgument { off, src: Operand::Reg(src) } => {
                write!(f, "*(u64 *)(r11 {off:+}) = {src}")
            }
            Self::StoreArgument { off, src: Operand::Imm(imm) } => {
                write!(f, "*(u64 *)(r11 {off:+}) = {imm}")
            }
            Self::Atomic { op, width, base, off, src } => {
                atomic(f, op, width, &Place(word(width), base, off), src)
            }
            Self::LoadAcquire { size, dst, base, off } => {
                write!(f, "{dst} = load_acquire({})", Place(size.text(), base, off))
            }
            Self::StoreRelease { size, base, off, src } => {
                write!(f, "store_release({}, {src})", Place(size.text(), base, off))
            }
            Self::LegacyLoad { size, index: None, imm } => {
                write!(f, "r0 = *({} *)skb[{imm}]", size.text())
            }
            Self::LegacyLoad { size, index: Some(index), imm } => {
                write!(f, "r0 = *({} *)skb[{index} + {imm}]", size.text())
            }
            Self::Jump { cond, width, dst, src: Operand::Reg(src), off } => {
                let (dst, src, pc) = (Named(width, dst), Named(width, src), Pc(off.into()));
                write!(f, "if {dst} {} {src} goto {pc}", cond.text())
            }
            Self::Jump { cond, width, dst, src: Operand::Imm(imm), off } => {
                let (dst, pc) = (Named(width, dst), Pc(off.into()));
                write!(f, "if {dst} {} {imm:#x} goto {pc}", cond.text())
            }
            Self::Goto { off } => write!(f, "goto {}", Pc(off.into())),
            Self::GotoLong { off } => write!(f, "gotol {}", Pc(off)),
            Self::MayGoto { off } => write!(f, "may_goto {}", Pc(off.into())),
            Self::GotoX { target } => write!(f, "gotox {target}"),
            Self::Call(callee) => callee.fmt(f),
            Self::Exit => f.write_str("exit"),
        }
    }
}

fn word(width: Width) -> &'static str {
    match width {
        Width::W32 => Size::W.text(),
        Width::W64 => Size::DW.text(),
    }
}

fn atomic(
    f: &mut fmt::Formatter<'_>,
    op: AtomicOp,
    width: Width,
    place: &Place,
    src: Reg,
) -> fmt::Result {
    let suffix = match width {
        Width::W32 => "",
        Width::W64 => "64",
    };
    let (sign, name, fetch) = match op {
        AtomicOp::Add { fetch } => ("+=", "add", fetch),
        AtomicOp::Or { fetch } => ("|=", "or", fetch),
        AtomicOp::And { fetch } => ("&=", "and", fetch),
        AtomicOp::Xor { fetch } => ("^=", "xor", fetch),
        AtomicOp::Xchg => return write!(f, "{src} = atomic{suffix}_xchg({place}, {src})"),
        AtomicOp::CmpXchg => return write!(f, "r0 = atomic{suffix}_cmpxchg({place}, r0, {src})"),
    };
    if fetch {
        write!(f, "{src} = atomic{suffix}_fetch_{name}({place}, {src})")
    } else {
        write!(f, "lock *{place} {sign} {src}")
    }
}

/// A jump target, in slots from the next one: `pc+6`.
struct Pc(i32);

impl fmt::Display for Pc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pc{:+}", self.0)
    }
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Helper(id) => match helper::name_of(id) {
                Some(name) => write!(f, "call bpf_{name}#{id}"),
                None => write!(f, "call unknown#{id}"),
            },
            Self::Local(off) => write!(f, "call {}", Pc(off)),
            Self::Kfunc { btf_id, module: 0 } => write!(f, "call kernel-function#{btf_id}"),
            Self::Kfunc { btf_id, module } => {
                write!(f, "call kernel-function#{btf_id} module[{module}]")
            }
            Self::Register(reg) => write!(f, "callx {reg}"),
        }
    }
}

/// The text of `insn` with `name` for the place where it jumps to, calls or takes the address of;
/// the plain text if it does none of these.
pub(super) fn text_with_target(insn: &Insn, name: &str) -> String {
    let text = insn.to_string();
    if let Insn::LoadImm64 { dst, value: Imm64::Function(_) } = insn {
        return format!("{dst} = subprog[{name}]");
    }
    match text.rsplit_once("pc") {
        Some((head, _)) if target_offset(insn).is_some() => format!("{head}{name}"),
        _ => text,
    }
}

impl fmt::Display for Imm64 {
    /// Values in hexadecimal, always: that is how the kernel's text tells a wide load from
    /// `r1 = 5`, which is one slot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Value(value) => write!(f, "{value:#x}"),
            Self::MapFd(fd) => write!(f, "map[fd:{fd}]"),
            Self::MapValue { fd, offset } => write!(f, "map[fd:{fd}][0]{offset:+}"),
            Self::BtfId { id, module_fd: 0 } => write!(f, "btf[id:{id}]"),
            Self::BtfId { id, module_fd } => write!(f, "btf[id:{id}] module[fd:{module_fd}]"),
            Self::Function(off) => write!(f, "subprog[{off:+}]"),
            Self::MapIndex(index) => write!(f, "map[{index}]"),
            Self::MapIndexValue { index, offset } => write!(f, "map[{index}][0]{offset:+}"),
        }
    }
}

impl Alu {
    /// The operator, with its `=`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Add => "+=",
            Self::Sub => "-=",
            Self::Mul => "*=",
            Self::Div => "/=",
            Self::SDiv => "s/=",
            Self::Or => "|=",
            Self::And => "&=",
            Self::Lsh => "<<=",
            Self::Rsh => ">>=",
            Self::Mod => "%=",
            Self::SMod => "s%=",
            Self::Xor => "^=",
            Self::Mov => "=",
            Self::Arsh => "s>>=",
        }
    }
}

impl Jmp {
    /// The operator.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Set => "&",
            Self::Ne => "!=",
            Self::SGt => "s>",
            Self::SGe => "s>=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::SLt => "s<",
            Self::SLe => "s<=",
        }
    }
}

impl Size {
    /// The C type of an unsigned access, as the kernel spells it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::B => "u8",
            Self::H => "u16",
            Self::W => "u32",
            Self::DW => "u64",
        }
    }

    /// The C type of a sign-extending access.
    pub const fn signed_text(self) -> &'static str {
        match self {
            Self::B => "s8",
            Self::H => "s16",
            Self::W => "s32",
            Self::DW => "s64",
        }
    }
}

impl Swap {
    /// The name, to which the width is appended.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Le => "le",
            Self::Be => "be",
            Self::Bswap => "bswap",
        }
    }
}

impl Bits {
    /// How many: 8, 16, 32 or 64.
    pub const fn count(self) -> u8 {
        match self {
            Self::B8 => 8,
            Self::B16 => 16,
            Self::B32 => 32,
            Self::B64 => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reg::{R0, R1, R2, R3, R7, R8, R10};

    // From kernel/bpf/disasm.c and real logs, never pasted from our own output.
    #[rustfmt::skip] // One instruction per line.
    #[test]
    fn texts_are_the_kernels() {
        use Width::{W32, W64};
        let jump = |cond, width, dst, src, off| Insn::Jump { cond, width, dst, src, off };
        let swap = |kind, bits| Insn::Swap { kind, bits, dst: R0 };
        let atomic = |op, width| Insn::Atomic { op, width, base: R1, off: -8, src: R2 };
        let wide = |value| Insn::LoadImm64 { dst: R1, value };
        for (insn, text) in [
            (Alu::Mov.reg(R2, R7),                    "(bf) r2 = r7"),
            (Alu::Add.imm(R2, 5),                     "(07) r2 += 5"),
            (Alu::Sub.imm32(R2, -5),                  "(14) w2 -= -5"),
            (Alu::SDiv.imm(R2, 3),                    "(37) r2 s/= 3"),
            (Alu::SMod.reg32(R2, R3),                 "(9c) w2 s%= w3"),
            (Alu::Arsh.imm(R2, 3),                    "(c7) r2 s>>= 3"),
            (Alu::Mov.imm(R0, 1),                     "(b7) r0 = 1"),
            (Insn::MovSx { width: W64, from: Bits::B8, dst: R1, src: R2 },  "(bf) r1 = (s8)r2"),
            (Insn::MovSx { width: W32, from: Bits::B16, dst: R1, src: R2 }, "(bc) w1 = (s16)w2"),
            (Insn::Neg { width: W64, dst: R1 },       "(87) r1 = -r1"),
            (Insn::Neg { width: W32, dst: R1 },       "(84) w1 = -w1"),
            (swap(Swap::Be, Bits::B16),               "(dc) r0 = be16 r0"),
            (swap(Swap::Le, Bits::B64),               "(d4) r0 = le64 r0"),
            (swap(Swap::Bswap, Bits::B32),            "(d7) r0 = bswap32 r0"),
            (Insn::load_imm64(R1, 0x1122_3344_5566_7788), "(18) r1 = 0x1122334455667788"),
            (Insn::load_imm64(R1, 5),                 "(18) r1 = 0x5"),
            (wide(Imm64::MapIndex(0)),                "(18) r1 = map[0]"),
            (wide(Imm64::MapIndexValue { index: 2, offset: 8 }), "(18) r1 = map[2][0]+8"),
            (wide(Imm64::MapFd(3)),                   "(18) r1 = map[fd:3]"),
            (wide(Imm64::Function(5)),                "(18) r1 = subprog[+5]"),
            (Size::W.load(R3, R7, 0),                 "(61) r3 = *(u32 *)(r7 +0)"),
            (Insn::Load { size: Size::B, signed: true, dst: R3, base: R2, off: -1 }, "(91) r3 = *(s8 *)(r2 -1)"),
            (Size::DW.store(R10, -8, R1),             "(7b) *(u64 *)(r10 -8) = r1"),
            (Size::H.store_imm(R10, -8, -7),          "(6a) *(u16 *)(r10 -8) = -7"),
            (atomic(AtomicOp::Add { fetch: false }, W64), "(db) lock *(u64 *)(r1 -8) += r2"),
            (atomic(AtomicOp::Xor { fetch: false }, W32), "(c3) lock *(u32 *)(r1 -8) ^= r2"),
            (atomic(AtomicOp::Add { fetch: true }, W64),  "(db) r2 = atomic64_fetch_add((u64 *)(r1 -8), r2)"),
            (atomic(AtomicOp::Or { fetch: true }, W32),   "(c3) r2 = atomic_fetch_or((u32 *)(r1 -8), r2)"),
            (atomic(AtomicOp::Xchg, W64),             "(db) r2 = atomic64_xchg((u64 *)(r1 -8), r2)"),
            (atomic(AtomicOp::CmpXchg, W64),          "(db) r0 = atomic64_cmpxchg((u64 *)(r1 -8), r0, r2)"),
            (Insn::LoadAcquire { size: Size::W, dst: R1, base: R2, off: 4 }, "(c3) r1 = load_acquire((u32 *)(r2 +4))"),
            (Insn::StoreRelease { size: Size::B, base: R2, off: 4, src: R1 }, "(d3) store_release((u8 *)(r2 +4), r1)"),
            (Insn::LegacyLoad { size: Size::B, index: None, imm: 12 }, "(30) r0 = *(u8 *)skb[12]"),
            (Insn::LegacyLoad { size: Size::H, index: Some(R1), imm: -4 }, "(48) r0 = *(u16 *)skb[r1 + -4]"),
            (jump(Jmp::Gt, W64, R2, Operand::Reg(R8), 6),  "(2d) if r2 > r8 goto pc+6"),
            (jump(Jmp::Ne, W32, R3, Operand::Imm(0x2054_4547), 4), "(56) if w3 != 0x20544547 goto pc+4"),
            (jump(Jmp::SLe, W64, R3, Operand::Imm(-1), -4), "(d5) if r3 s<= 0xffffffff goto pc-4"),
            (jump(Jmp::Set, W64, R3, Operand::Imm(0), 0), "(45) if r3 & 0x0 goto pc+0"),
            (Insn::goto(-3),                          "(05) goto pc-3"),
            (Insn::GotoLong { off: 40_000 },          "(06) gotol pc+40000"),
            (Insn::MayGoto { off: 2 },                "(e5) may_goto pc+2"),
            (Insn::call(helper::Helper::MapLookupElem), "(85) call bpf_map_lookup_elem#1"),
            (Insn::Call(Callee::Helper(5000)),        "(85) call unknown#5000"),
            (Insn::Call(Callee::Local(-9)),           "(85) call pc-9"),
            (Insn::Call(Callee::Kfunc { btf_id: 7, module: 0 }), "(85) call kernel-function#7"),
            (Insn::GotoX { target: R3 },              "(0d) gotox r3"),
            (Insn::AddrSpaceCast { dst: R1, src: R2, to: 1, from: 0 }, "(bf) r1 = addr_space_cast(r2, 1, 0)"),
            (Insn::LoadArgument { dst: R1, off: 8 },  "(79) r1 = *(u64 *)(r11 +8)"),
            (Insn::StoreArgument { off: -8, src: Operand::Reg(R2) }, "(7b) *(u64 *)(r11 -8) = r2"),
            (Insn::StoreArgument { off: -8, src: Operand::Imm(-7) }, "(7a) *(u64 *)(r11 -8) = -7"),
            (Insn::Exit,                              "(95) exit"),
        ] {
            assert_eq!(Code::Insn(insn).to_string(), text, "{insn:?}");
        }
    }

    #[test]
    fn what_is_no_instruction_keeps_its_bytes_and_says_why() {
        let slots = [[0xff, 0, 0, 0, 1, 2, 3, 4], [0x95, 0, 0, 0, 0, 0, 0, 0]];
        assert_eq!(
            dump(&slots),
            "   0: .slot 0xff00000001020304 ; unknown opcode 0xff\n   1: (95) exit\n"
        );
    }
}
