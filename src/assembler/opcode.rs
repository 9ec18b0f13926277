//! The bits of the 8-bit opcode field. Names and values: RFC 9669, sections 3 to 5, and, for the
//! Linux additions, `include/uapi/linux/bpf.h` and `include/linux/filter.h`.

/// Class: load from an immediate or by legacy packet access.
pub const LD: u8 = 0x00;
/// Class: load into a register.
pub const LDX: u8 = 0x01;
/// Class: store an immediate.
pub const ST: u8 = 0x02;
/// Class: store a register.
pub const STX: u8 = 0x03;
/// Class: 32-bit arithmetic.
pub const ALU: u8 = 0x04;
/// Class: 64-bit jumps, calls, exit.
pub const JMP: u8 = 0x05;
/// Class: 32-bit jumps.
pub const JMP32: u8 = 0x06;
/// Class: 64-bit arithmetic.
pub const ALU64: u8 = 0x07;
/// The bits that hold the class.
pub const CLASS_MASK: u8 = 0x07;

/// Source: the operand is `imm`.
pub const K: u8 = 0x00;
/// Source: the operand is the `src` register.
pub const X: u8 = 0x08;

/// Mode: 64-bit immediate.
pub const IMM: u8 = 0x00;
/// Mode: legacy packet access at a constant offset.
pub const ABS: u8 = 0x20;
/// Mode: legacy packet access at a variable offset.
pub const IND: u8 = 0x40;
/// Mode: ordinary memory access.
pub const MEM: u8 = 0x60;
/// Mode: sign-extending load. ISA v4.
pub const MEMSX: u8 = 0x80;
/// Mode: atomic operation.
pub const ATOMIC: u8 = 0xc0;
/// The bits that hold the mode of a load or store.
pub const MODE_MASK: u8 = 0xe0;
/// The bits that hold the size of a load or store.
pub const SIZE_MASK: u8 = 0x18;
/// The bits that hold the operation of an arithmetic or jump instruction.
pub const CODE_MASK: u8 = 0xf0;

/// Operation: negate.
pub const NEG: u8 = 0x80;
/// Operation: byte order conversion.
pub const END: u8 = 0xd0;
/// Operation: unconditional jump (`goto` in class JMP, with source X `gotox`; `gotol` in class JMP32).
pub const JA: u8 = 0x00;
/// Operation: call.
pub const CALL: u8 = 0x80;
/// Operation: exit.
pub const EXIT: u8 = 0x90;
/// Operation: conditional pseudo jump; `src` 0 is `may_goto` (Linux 6.9).
pub const JCOND: u8 = 0xe0;

/// The register number that stands for the arguments of a function beyond the fifth (Linux 7.2,
/// `BPF_REG_PARAMS` in `include/linux/filter.h`).
pub const PARAMS: u8 = 11;

/// `off` of a 64-bit move: cast between address spaces, `imm` says which (Linux 6.9).
pub const ADDR_SPACE_CAST: i16 = 1;

/// `imm` flag of an atomic: return the old value.
pub const FETCH: i32 = 0x01;
/// `imm` of an atomic: exchange.
pub const XCHG: i32 = 0xe0 | FETCH;
/// `imm` of an atomic: compare and exchange with `r0`.
pub const CMPXCHG: i32 = 0xf0 | FETCH;
/// `imm` of an atomic: load with acquire ordering (Linux 6.15).
pub const LOAD_ACQ: i32 = 0x100;
/// `imm` of an atomic: store with release ordering (Linux 6.15).
pub const STORE_REL: i32 = 0x110;

/// `src` of a 64-bit immediate load: plain value.
pub const PSEUDO_NONE: u8 = 0;
/// `src`: `imm` is a map descriptor.
pub const PSEUDO_MAP_FD: u8 = 1;
/// `src`: `imm` is a map descriptor, `next_imm` an offset into its value (Linux 5.2).
pub const PSEUDO_MAP_VALUE: u8 = 2;
/// `src`: `imm` is the BTF id of a kernel variable (Linux 5.10).
pub const PSEUDO_BTF_ID: u8 = 3;
/// `src`: `imm` is the distance to a program-local function (Linux 5.13).
pub const PSEUDO_FUNC: u8 = 4;
/// `src`: `imm` indexes the `fd_array` of the load (Linux 5.14).
pub const PSEUDO_MAP_IDX: u8 = 5;
/// `src`: like `PSEUDO_MAP_IDX`, with an offset into the value (Linux 5.14).
pub const PSEUDO_MAP_IDX_VALUE: u8 = 6;

/// `src` of a call: helper function.
pub const CALL_HELPER: u8 = 0;
/// `src` of a call: program-local function.
pub const CALL_LOCAL: u8 = 1;
/// `src` of a call: kernel function by BTF id (Linux 5.13).
pub const CALL_KFUNC: u8 = 2;
