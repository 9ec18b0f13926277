//! The instruction model: one variant a form, and constructors that read like the field.
//!
//! Every [`Insn`] has exactly one encoding and every legal encoding has exactly one `Insn`; what
//! has none (reserved bits, unknown opcodes) is a decode error in [`encode`](super::encode). A jump
//! whose target is still a label is a [`Branch`], not an `Insn`.

use super::{label::Label, opcode as op};

/// A register. `R10` is the frame pointer and read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
#[repr(u8)]
pub enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

impl Reg {
    /// All registers, by number.
    pub const ALL: [Self; 11] = [
        Self::R0,
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R8,
        Self::R9,
        Self::R10,
    ];

    /// Its number, 0 to 10.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The register with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Operand width of arithmetic and of compares. 32-bit results are zero-extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Width {
    W32,
    W64,
}

/// Memory access size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Size {
    /// Four bytes.
    W = 0x00,
    /// Two bytes.
    H = 0x08,
    /// One byte.
    B = 0x10,
    /// Eight bytes.
    DW = 0x18,
}

/// The second operand: a register, or an immediate that is sign-extended to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Operand {
    Reg(Reg),
    Imm(i32),
}

/// Arithmetic operations with two operands. The discriminant is the code in the opcode; signed
/// division and modulo share it with the unsigned ones and differ in `off` (ISA v4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    SDiv,
    Or,
    And,
    Lsh,
    Rsh,
    Mod,
    SMod,
    Xor,
    Mov,
    Arsh,
}

/// Conditions of a jump. The discriminant is the code in the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Jmp {
    /// Equal.
    Eq = 0x10,
    /// Unsigned greater.
    Gt = 0x20,
    /// Unsigned greater or equal.
    Ge = 0x30,
    /// Any common bit set.
    Set = 0x40,
    /// Not equal.
    Ne = 0x50,
    /// Signed greater.
    SGt = 0x60,
    /// Signed greater or equal.
    SGe = 0x70,
    /// Unsigned less. ISA v2, Linux 4.14.
    Lt = 0xa0,
    /// Unsigned less or equal. ISA v2.
    Le = 0xb0,
    /// Signed less. ISA v2.
    SLt = 0xc0,
    /// Signed less or equal. ISA v2.
    SLe = 0xd0,
}

/// Byte order conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Swap {
    /// To little endian, truncating to the width.
    Le,
    /// To big endian, truncating to the width.
    Be,
    /// Unconditional swap. ISA v4, Linux 6.6.
    Bswap,
}

/// Width of a byte order conversion or of the source of a sign extension, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
#[repr(u8)]
pub enum Bits {
    B8 = 8,
    B16 = 16,
    B32 = 32,
    B64 = 64,
}

/// What a 64-bit immediate load loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Imm64 {
    /// The value itself.
    Value(u64),
    /// The map with this descriptor. Never in an image: only in the copy that is loaded.
    MapFd(i32),
    /// A byte of the map's first value; descriptor and offset.
    MapValue {
        /// The map's descriptor.
        fd: i32,
        /// Bytes from the start of the value.
        offset: i32,
    },
    /// A kernel variable by BTF id.
    BtfId {
        /// The variable's type id.
        id: i32,
        /// Descriptor of the module's BTF, 0 for vmlinux.
        module_fd: i32,
    },
    /// A program-local function, slots from the slot after the first half.
    Function(i32),
    /// The image's map with this index.
    MapIndex(i32),
    /// A byte of the value of the image's map with this index.
    MapIndexValue {
        /// Index into the image's maps.
        index: i32,
        /// Bytes from the start of the value.
        offset: i32,
    },
}

/// Read-modify-write operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// `+=`, optionally returning the old value in `src`.
    Add {
        /// Return the old value.
        fetch: bool,
    },
    /// `|=`.
    Or {
        /// Return the old value.
        fetch: bool,
    },
    /// `&=`.
    And {
        /// Return the old value.
        fetch: bool,
    },
    /// `^=`.
    Xor {
        /// Return the old value.
        fetch: bool,
    },
    /// Exchange with `src`.
    Xchg,
    /// If equal to `r0`, store `src`; `r0` gets the old value.
    CmpXchg,
}

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Callee {
    /// A helper function by id.
    Helper(i32),
    /// A program-local function, slots from the slot after the call.
    Local(i32),
    /// A kernel function by BTF id; `module` indexes `fd_array` (0: vmlinux). Linux 5.13.
    Kfunc {
        /// BTF id of the function.
        btf_id: i32,
        /// Index of the module's BTF descriptor.
        module: i16,
    },
    /// The function whose address is in the register (`callx`); the verifier refuses it, some
    /// other machines run it.
    Register(Reg),
}

/// One instruction; one slot, or two where [`is_wide`](Self::is_wide).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the fields are those of RFC 9669")]
pub enum Insn {
    /// `dst <op>= src`.
    Alu { op: Alu, width: Width, dst: Reg, src: Operand },
    /// `dst = (sN)src`. ISA v4, Linux 6.6. 32-bit only from 8 and 16 bits.
    MovSx { width: Width, from: Bits, dst: Reg, src: Reg },
    /// `dst = addr_space_cast(src, to, from)`: a pointer into an arena as the kernel's (0) or the
    /// user's (1) address. Linux 6.9.
    AddrSpaceCast { dst: Reg, src: Reg, to: u16, from: u16 },
    /// `dst = -dst`.
    Neg { width: Width, dst: Reg },
    /// Byte order conversion of the low `bits` of `dst`.
    Swap { kind: Swap, bits: Bits, dst: Reg },
    /// 64-bit immediate; the only wide instruction.
    LoadImm64 { dst: Reg, value: Imm64 },
    /// `dst = *(size *)(base + off)`; zero-extended, or sign-extended (ISA v4).
    Load { size: Size, signed: bool, dst: Reg, base: Reg, off: i16 },
    /// `*(size *)(base + off) = src`.
    Store { size: Size, base: Reg, off: i16, src: Operand },
    /// `dst = *(u64 *)(r11 +off)`: an argument of this function beyond the fifth; `off` is 8 for the
    /// sixth, 16 for the seventh. The only use of `r11` beside the next. Linux 7.2.
    LoadArgument { dst: Reg, off: i16 },
    /// `*(u64 *)(r11 -off) = src`: an argument for the next call beyond the fifth; `off` is -8 for
    /// the sixth. Linux 7.2.
    StoreArgument { off: i16, src: Operand },
    /// Atomic read-modify-write of 4 or 8 bytes.
    Atomic { op: AtomicOp, width: Width, base: Reg, off: i16, src: Reg },
    /// `dst = load_acquire((size *)(base + off))`. Linux 6.15.
    LoadAcquire { size: Size, dst: Reg, base: Reg, off: i16 },
    /// `store_release((size *)(base + off), src)`. Linux 6.15.
    StoreRelease { size: Size, base: Reg, off: i16, src: Reg },
    /// Legacy packet access `r0 = ntoh(*(size *)skb[index + imm])`; read, never emitted.
    LegacyLoad { size: Size, index: Option<Reg>, imm: i32 },
    /// `if dst <cond> src goto pc+off`.
    Jump { cond: Jmp, width: Width, dst: Reg, src: Operand, off: i16 },
    /// `goto pc+off`.
    Goto { off: i16 },
    /// `gotol pc+off`. ISA v4, Linux 6.6 (accepted by 6.1 stable).
    GotoLong { off: i32 },
    /// Falls through for a bounded number of rounds (and 250 ms), then jumps. Linux 6.9.
    MayGoto { off: i16 },
    /// `gotox target`: to the instruction whose address, from a jump table map, is in the register.
    /// Linux 6.19.
    GotoX { target: Reg },
    /// `call`.
    Call(Callee),
    /// `exit`.
    Exit,
}

impl Insn {
    /// Does it occupy two slots?
    pub const fn is_wide(&self) -> bool {
        matches!(self, Self::LoadImm64 { .. })
    }

    /// Slots it occupies: 1 or 2.
    pub const fn slots(&self) -> u32 {
        if self.is_wide() { 2 } else { 1 }
    }

    /// `exit`: return `r0`.
    pub const fn exit() -> Self {
        Self::Exit
    }

    /// `dst = value`, 64 bits, always the wide form.
    pub const fn load_imm64(dst: Reg, value: u64) -> Self {
        Self::LoadImm64 { dst, value: Imm64::Value(value) }
    }

    /// Call a helper function.
    pub const fn call(helper: super::Helper) -> Self {
        Self::Call(Callee::Helper(helper.id()))
    }

    /// `dst = be<bits>(dst)`: from or to network byte order, truncating.
    pub const fn to_be(bits: Bits, dst: Reg) -> Self {
        Self::Swap { kind: Swap::Be, bits, dst }
    }

    /// `goto pc+off` for a target that is already known, in slots from the next slot.
    pub const fn goto(off: i16) -> Self {
        Self::Goto { off }
    }
}

impl Alu {
    /// `dst = dst <op> imm`, 64-bit. `imm` is sign-extended.
    pub const fn imm(self, dst: Reg, imm: i32) -> Insn {
        Insn::Alu { op: self, width: Width::W64, dst, src: Operand::Imm(imm) }
    }

    /// `dst = dst <op> src`, 64-bit.
    pub const fn reg(self, dst: Reg, src: Reg) -> Insn {
        Insn::Alu { op: self, width: Width::W64, dst, src: Operand::Reg(src) }
    }

    /// `dst = (u32)dst <op> imm`, upper half cleared.
    pub const fn imm32(self, dst: Reg, imm: i32) -> Insn {
        Insn::Alu { op: self, width: Width::W32, dst, src: Operand::Imm(imm) }
    }

    /// `dst = (u32)dst <op> (u32)src`, upper half cleared.
    pub const fn reg32(self, dst: Reg, src: Reg) -> Insn {
        Insn::Alu { op: self, width: Width::W32, dst, src: Operand::Reg(src) }
    }

    /// The code bits and the value of `off` that select it.
    pub(super) const fn code(self) -> (u8, i16) {
        match self {
            Self::Add => (0x00, 0),
            Self::Sub => (0x10, 0),
            Self::Mul => (0x20, 0),
            Self::Div => (0x30, 0),
            Self::SDiv => (0x30, 1),
            Self::Or => (0x40, 0),
            Self::And => (0x50, 0),
            Self::Lsh => (0x60, 0),
            Self::Rsh => (0x70, 0),
            Self::Mod => (0x90, 0),
            Self::SMod => (0x90, 1),
            Self::Xor => (0xa0, 0),
            Self::Mov => (0xb0, 0),
            Self::Arsh => (0xc0, 0),
        }
    }
}

impl Size {
    /// `dst = *(size *)(base + off)`, zero-extended.
    pub const fn load(self, dst: Reg, base: Reg, off: i16) -> Insn {
        Insn::Load { size: self, signed: false, dst, base, off }
    }

    /// `*(size *)(base + off) = src`.
    pub const fn store(self, base: Reg, off: i16, src: Reg) -> Insn {
        Insn::Store { size: self, base, off, src: Operand::Reg(src) }
    }

    /// `*(size *)(base + off) = imm`; for eight bytes `imm` is sign-extended.
    pub const fn store_imm(self, base: Reg, off: i16, imm: i32) -> Insn {
        Insn::Store { size: self, base, off, src: Operand::Imm(imm) }
    }

    /// Bytes: 1, 2, 4 or 8.
    pub const fn bytes(self) -> u8 {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
            Self::DW => 8,
        }
    }
}

/// A jump whose target is still a [`Label`].
///
/// This is deliberately not an [`Insn`]: an unresolved jump has no encoding, so no placeholder
/// offset can ever reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    pub(super) kind: BranchKind,
    pub(super) target: Label,
}

/// The jump that a [`Branch`] becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BranchKind {
    Cond { cond: Jmp, width: Width, dst: Reg, src: Operand },
    Always,
    MayGoto,
    Call,
    FunctionAddress { dst: Reg },
}

impl Branch {
    /// `goto target`.
    pub const fn goto(target: Label) -> Self {
        Self { kind: BranchKind::Always, target }
    }

    /// `may_goto target`. Linux 6.9.
    pub const fn may_goto(target: Label) -> Self {
        Self { kind: BranchKind::MayGoto, target }
    }

    /// `call target`, a program-local function.
    pub const fn call(target: Label) -> Self {
        Self { kind: BranchKind::Call, target }
    }

    /// `dst = &target`, the address of a program-local function for `bpf_loop`. Linux 5.13.
    pub const fn function_address(dst: Reg, target: Label) -> Self {
        Self { kind: BranchKind::FunctionAddress { dst }, target }
    }
}

impl Jmp {
    /// `if dst <cond> imm goto target`, 64-bit; `imm` is sign-extended.
    pub const fn imm(self, dst: Reg, imm: i32, target: Label) -> Branch {
        self.branch(Width::W64, dst, Operand::Imm(imm), target)
    }

    /// `if dst <cond> src goto target`, 64-bit.
    pub const fn reg(self, dst: Reg, src: Reg, target: Label) -> Branch {
        self.branch(Width::W64, dst, Operand::Reg(src), target)
    }

    /// `if (u32)dst <cond> imm goto target`. Linux 5.1.
    ///
    /// Prefer this over the 64-bit form when `dst` holds a zero-extended load: the 64-bit form
    /// sign-extends `imm`, so a byte string whose last byte is `>= 0x80` would never be equal.
    pub const fn imm32(self, dst: Reg, imm: i32, target: Label) -> Branch {
        self.branch(Width::W32, dst, Operand::Imm(imm), target)
    }

    /// `if (u32)dst <cond> (u32)src goto target`. Linux 5.1.
    pub const fn reg32(self, dst: Reg, src: Reg, target: Label) -> Branch {
        self.branch(Width::W32, dst, Operand::Reg(src), target)
    }

    const fn branch(self, width: Width, dst: Reg, src: Operand, target: Label) -> Branch {
        Branch { kind: BranchKind::Cond { cond: self, width, dst, src }, target }
    }

    /// The condition that holds exactly when this one does not; `&` (`Set`) has none.
    pub const fn negated(self) -> Option<Self> {
        Some(match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Gt => Self::Le,
            Self::Le => Self::Gt,
            Self::Ge => Self::Lt,
            Self::Lt => Self::Ge,
            Self::SGt => Self::SLe,
            Self::SLe => Self::SGt,
            Self::SGe => Self::SLt,
            Self::SLt => Self::SGe,
            Self::Set => return None,
        })
    }

    /// The condition with this code, if there is one.
    pub(super) const fn from_code(code: u8) -> Option<Self> {
        Some(match code & op::CODE_MASK {
            0x10 => Self::Eq,
            0x20 => Self::Gt,
            0x30 => Self::Ge,
            0x40 => Self::Set,
            0x50 => Self::Ne,
            0x60 => Self::SGt,
            0x70 => Self::SGe,
            0xa0 => Self::Lt,
            0xb0 => Self::Le,
            0xc0 => Self::SLt,
            0xd0 => Self::SLe,
            _ => return None,
        })
    }
}
