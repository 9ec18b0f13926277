//! Registers and stack slots of generated programs, fixed for the whole body.
//!
//! A 32-bit value that the verifier must *not* remember is kept in the upper half of an 8-byte
//! slot (offset = 4 modulo 8): there it is untyped, and every reload is an unknown 32-bit number.
//! Loops converge because of that: a remembered range would differ in every round. Pointers are
//! kept whole, in aligned slots, where the verifier does remember what they are.

use crate::assembler::Reg;

/// Where the block being scanned starts.
pub(super) const PTR: Reg = Reg::R6;
/// First pair constant.
pub(super) const PAIR_A: Reg = Reg::R5;
/// Second pair constant.
pub(super) const PAIR_B: Reg = Reg::R7;
/// 0x7f in every byte.
pub(super) const LOW7: Reg = Reg::R8;
/// Direct scan: offset of the block in the frame. Window scan: offset of the window.
pub(super) const OFF: Reg = Reg::R9;
/// The mask that folds case, in scans that need one; else the address of the packet.
pub(super) const MASK: Reg = Reg::R2;
/// Direct scan: end of the linear part.
pub(super) const DATA_END: Reg = Reg::R3;
/// Window scan: offset of the block in the window.
pub(super) const INNER: Reg = Reg::R3;

// What every pass leaves alone stands at the top of the stack, so that a pass may use all below
// for a table of its own.

/// Start of the scope in the frame, u32.
pub(super) const START: i16 = -4;
/// Did any pass find something? One byte, in the unused half of a slot: not its lowest byte, where
/// the verifier would remember it.
pub(super) const FOUND: i16 = -7;
/// Was any pass unable to search everything? One byte.
pub(super) const LOST: i16 = -6;
/// Does the scope go beyond the longest frame that is searched? One byte.
pub(super) const TOO_LONG: i16 = -5;
/// Exclusive end of the scope in the frame, u32.
pub(super) const END: i16 = -12;
/// Length of the frame, u32.
pub(super) const LEN: i16 = -20;
/// A number on its way through the stack, so that the verifier forgets it, u32.
pub(super) const LAUNDER: i16 = -28;
/// Exclusive end of what a pass scans of the linear part, u32. What is stored behind it makes the
/// verifier forget it.
pub(super) const HIGH: i16 = -32;
/// The context, pointer.
pub(super) const CTX: i16 = -40;
/// Key for map lookups, u32.
pub(super) const KEY: i16 = -44;
/// Where the match ends that is being noted, u32.
pub(super) const NOTED_END: i16 = -48;
/// This CPU's counters, pointer.
pub(super) const COUNTERS: i16 = -56;
/// Valid bytes of the current window, u32.
pub(super) const WIN: i16 = -60;
/// Offset of that window in the frame, u32, where it has no register. The valid bytes are stored
/// behind it and make the verifier forget it.
pub(super) const WINDOW: i16 = -64;
/// This CPU's scratch memory, pointer.
pub(super) const SCRATCH: i16 = -72;

/// Where the literal stands whose walk is on, u32. A pass without walks may have it.
pub(super) const AT: i16 = -76;
/// How much of the stack is needed up to here.
pub(super) const WALKS_FLOOR: i16 = -80;

// What an exit keeps when the passes are over.

/// The source address of the frame, 16 bytes.
pub(super) const SOURCE: i16 = -96;
/// What is to be remembered of it, 16 bytes.
pub(super) const SOURCE_SEEN: i16 = -112;
/// Is the frame spared its verdict? One byte, in the unused half of a slot.
pub(super) const SPARED: i16 = -115;

// From here on what a pass keeps for itself.

/// Position of a candidate in its block, plus one, u32. Plus one, because the verifier remembers a
/// stored zero and nothing else.
pub(super) const LANE: i16 = -84;
/// First byte of the pass: the scope narrowed by the pattern's window, u32.
pub(super) const PASS_START: i16 = -92;
/// Exclusive end of the pass, u32.
pub(super) const PASS_END: i16 = -100;
/// Where the blocks of a direct scan end: with the pass, or with the linear part. u32.
pub(super) const BLOCKS_END: i16 = -108;
/// First byte of the packet, pointer.
pub(super) const DATA: i16 = -120;
/// Round counter of the outer loop where there is no `may_goto`, u64 (remembered on purpose).
pub(super) const ROUND: i16 = -128;
/// Round counter of the inner loop where there is no `may_goto`, u64.
pub(super) const ROUND_INNER: i16 = -136;
/// Last offset at which a block of the current loop ends inside the pass, u32.
pub(super) const LAST: i16 = -140;
/// Exclusive end of the bytes that an automaton reads, u32. Automata have no last block.
pub(super) const READ_END: i16 = LAST;
/// First position that counts: what lies before it was judged already, u32.
pub(super) const FROM: i16 = -148;
/// How many bytes count so far, u32.
pub(super) const COUNT: i16 = LANE;
/// Exclusive end of what is counted in the linear part or in a window, u32.
pub(super) const REGION_END: i16 = BLOCKS_END;
/// Offset in the frame of the window in which bytes are counted, u32.
pub(super) const REGION_START: i16 = DATA + 4;
/// Where a sliding window begins, u32.
pub(super) const PLACE: i16 = LAST;
/// Below here a pass may have a table.
pub(super) const PASS_FLOOR: i16 = -152;
/// First byte of the bit table of a set, and of the table of bytes that count.
pub(super) const TABLE: i16 = PASS_FLOOR - TABLE_BYTES;
/// Bytes of the bit table of a set.
pub(super) const TABLE_BYTES: i16 = 256;
