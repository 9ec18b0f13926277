//! The loop: one `match` over all operations.
//!
//! What an operation means is decided when the program is decoded; registers are indexed with a
//! type that has as many values as there are registers; an access to the stack, the packet or given
//! memory is one comparison ([`Memory`](super::memory::Memory)). Straight-line code is walked with
//! an iterator that ends where the program or the instruction limit does, so that an operation
//! costs one comparison besides its dispatch; instructions are counted when a jump is taken.
//!
//! What remains is mostly waiting: an operation that needs the register that was just stored waits
//! for the store, which takes longer than everything else. So the value last stored stays in a
//! variable, and where decoding could prove that it is the operand, the commonest operations take
//! it from there (`D` and `S` of [`Code`]). And the commonest that a condition follows decide it at
//! once (`Then`), without another dispatch.

use super::{
    alu,
    alu::{low8, low16, low32},
    decode::{Code, Decoded, Op},
    machine::{CLOBBERED, MAY_GOTO_ROUNDS, Machine, Registers, TAIL_CALLS_MAX, World},
    memory::{Access, FRAMES_MAX, narrow, region, split, widen},
    trace::{Observe, Step},
    trap::TrapReason,
};
use crate::assembler::Helper;

/// Why the loop ended, before the registers are attached.
pub(super) struct Stop {
    pub(super) program: usize,
    pub(super) slot: u32,
    pub(super) reason: TrapReason,
}

/// A frame that called another one.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    program: usize,
    return_to: usize,
    saved: [u64; 5],
    rounds: u32,
    base: usize,
}

impl Machine {
    /// Run until the program ends or cannot go on. Long because it is the one `match` over all
    /// operations: each arm is the operation's definition, and splitting it would split the
    /// dispatch.
    pub(super) fn execute<O: Observe>(
        &mut self,
        registers: &mut Registers,
        observe: &mut O,
    ) -> Result<u64, Stop> {
        let limit = self.instruction_limit;
        let programs = &self.programs[..];
        let world = &mut self.world;
        let callers = &mut self.callers;
        callers.clear();
        let mut program = 0;
        let mut ops = &programs[0].ops[..];
        // What may be executed, counted when a stretch of operations without a jump begins; where
        // it began, and where `rest`, which is what comes next of it, ends.
        let mut left = limit;
        let mut start = 0;
        let mut end = reach(ops, start, left);
        let mut rest = ops[start..end].iter();
        // What the last operation that set a register by `set!` put there.
        let mut last = 0;
        let mut rounds = MAY_GOTO_ROUNDS;
        let mut tail_calls = 0;
        // Callers of those programs that came here by tail calls in functions.
        let mut base = 0;
        // A copy that the optimiser can see nobody else has.
        let mut regs = *registers;

        // Index of the operation that comes next.
        macro_rules! next_at {
            () => {
                end - rest.len()
            };
        }

        let result = loop {
            macro_rules! stop {
                ($at:expr, $reason:expr) => {{
                    let slot = programs[program].slot($at);
                    break Err(Stop { program, slot, reason: $reason });
                }};
            }
            macro_rules! trap {
                ($reason:expr) => {
                    stop!(next_at!() - 1, $reason)
                };
            }
            let Some(op) = rest.next() else {
                // Decoding puts a trap last, so that nothing falls off: it was the limit.
                stop!(end, TrapReason::InstructionLimit { executed: limit, limit });
            };
            let started = if O::ENABLED { Some((program, next_at!() - 1, regs)) } else { None };
            let src = regs[op.src.at()].wrapping_add(op.imm);
            let dst = regs[op.dst.at()];
            macro_rules! set {
                ($value:expr) => {{
                    last = $value;
                    regs[op.dst.at()] = last;
                }};
            }
            macro_rules! go {
                ($target:expr) => {{
                    left -= widen(next_at!() - start);
                    go_on!($target);
                }};
            }
            macro_rules! go_on {
                ($target:expr) => {{
                    // Decoding made every target an index of `ops`.
                    start = $target;
                    end = reach(ops, start, left);
                    rest = ops[start..end].iter();
                }};
            }
            macro_rules! jump {
                ($taken:expr) => {
                    if $taken {
                        go!(narrow(op.extra.into()));
                    }
                };
            }
            // Into the local function that starts at operation `$start`.
            macro_rules! enter {
                ($start:expr) => {{
                    let depth = callers.len() + 1;
                    let frames = depth - base + 1;
                    if frames > FRAMES_MAX {
                        trap!(TrapReason::CallDepth { frames, limit: FRAMES_MAX });
                    }
                    let saved = [regs[6], regs[7], regs[8], regs[9], regs[10]];
                    let return_to = next_at!();
                    callers.push(Caller { program, return_to, saved, rounds, base });
                    world.memory.clear_frame(depth);
                    regs[10] = world.memory.frame_pointer(depth);
                    rounds = MAY_GOTO_ROUNDS;
                    go!($start);
                }};
            }
            macro_rules! call {
                ($id:expr) => {
                    match world.call($id, [regs[1], regs[2], regs[3], regs[4], regs[5]]) {
                        Ok(result) => {
                            regs[0] = result;
                            regs[1..=5].fill(CLOBBERED);
                        }
                        Err(reason) => trap!(reason),
                    }
                };
            }
            macro_rules! read {
                ($value:ty, $address:expr) => {
                    match world.memory.load($address) {
                        Some(bytes) => u64::from(<$value>::from_le_bytes(bytes)),
                        None => match world.load_slowly($address, size_of::<$value>()) {
                            Ok(value) => value,
                            Err(reason) => trap!(reason),
                        },
                    }
                };
            }
            macro_rules! load_signed {
                ($value:ty, $extend:expr) => {{
                    let value = read!($value, src);
                    if value > <$value>::MAX.into() {
                        trap!(world.context_refusal(src, size_of::<$value>(), Access::Read));
                    }
                    set!($extend(value))
                }};
            }
            macro_rules! store {
                ($value:expr) => {{
                    let value = $value;
                    let to = dst.wrapping_add(alu::sign32(op.extra.into()));
                    if world.memory.store(to, value.to_le_bytes()).is_none() {
                        trap!(world.store_refusal(to, size_of_val(&value)));
                    }
                }};
            }
            // A value, and then the condition on it that comes next. Where that cannot be, it comes
            // by itself.
            macro_rules! then {
                ($value:expr) => {{
                    set!($value);
                    if !O::ENABLED
                        && let Some(next) = rest.next()
                    {
                        let src = regs[next.src.at()].wrapping_add(next.imm);
                        if holds(next.code, last, src) {
                            go!(narrow(next.extra.into()));
                        }
                    }
                }};
            }
            let (dst32, src32, last32) = (low32(dst), low32(src), low32(last));
            match op.code {
                Code::Add64 => set!(dst.wrapping_add(src)),
                Code::Add64D => set!(last.wrapping_add(src)),
                Code::Add64S => set!(dst.wrapping_add(last)),
                Code::Sub64 => set!(dst.wrapping_sub(src)),
                Code::Sub64D => set!(last.wrapping_sub(src)),
                Code::Sub64S => set!(dst.wrapping_sub(last)),
                Code::Mul64 => set!(dst.wrapping_mul(src)),
                Code::Mul64D => set!(last.wrapping_mul(src)),
                Code::Mul64S => set!(dst.wrapping_mul(last)),
                Code::Div64 => set!(alu::div64(dst, src)),
                Code::SDiv64 => set!(alu::sdiv64(dst, src)),
                Code::Or64 => set!(dst | src),
                Code::Or64D => set!(last | src),
                Code::Or64S => set!(dst | last),
                Code::And64 => set!(dst & src),
                Code::And64D => set!(last & src),
                Code::And64S => set!(dst & last),
                Code::Lsh64 => set!(dst.wrapping_shl(src32)),
                Code::Lsh64D => set!(last.wrapping_shl(src32)),
                Code::Lsh64S => set!(dst.wrapping_shl(last32)),
                Code::Rsh64 => set!(dst.wrapping_shr(src32)),
                Code::Rsh64D => set!(last.wrapping_shr(src32)),
                Code::Rsh64S => set!(dst.wrapping_shr(last32)),
                Code::Mod64 => set!(alu::mod64(dst, src)),
                Code::SMod64 => set!(alu::smod64(dst, src)),
                Code::Xor64 => set!(dst ^ src),
                Code::Xor64D => set!(last ^ src),
                Code::Xor64S => set!(dst ^ last),
                Code::Mov64 => set!(src),
                Code::Mov64S => set!(last),
                Code::Arsh64 => set!(alu::arsh64(dst, src)),
                Code::Neg64 => set!(dst.wrapping_neg()),
                Code::Add32 => set!(dst32.wrapping_add(src32).into()),
                Code::Add32D => set!(last32.wrapping_add(src32).into()),
                Code::Add32S => set!(dst32.wrapping_add(last32).into()),
                Code::Sub32 => set!(dst32.wrapping_sub(src32).into()),
                Code::Mul32 => set!(dst32.wrapping_mul(src32).into()),
                Code::Mul32D => set!(last32.wrapping_mul(src32).into()),
                Code::Mul32S => set!(dst32.wrapping_mul(last32).into()),
                Code::Div32 => set!(alu::div32(dst, src)),
                Code::SDiv32 => set!(alu::sdiv32(dst, src)),
                Code::Or32 => set!((dst32 | src32).into()),
                Code::Or32D => set!((last32 | src32).into()),
                Code::Or32S => set!((dst32 | last32).into()),
                Code::And32 => set!((dst32 & src32).into()),
                Code::And32D => set!((last32 & src32).into()),
                Code::And32S => set!((dst32 & last32).into()),
                Code::Lsh32 => set!(dst32.wrapping_shl(src32).into()),
                Code::Lsh32D => set!(last32.wrapping_shl(src32).into()),
                Code::Lsh32S => set!(dst32.wrapping_shl(last32).into()),
                Code::Rsh32 => set!(dst32.wrapping_shr(src32).into()),
                Code::Rsh32D => set!(last32.wrapping_shr(src32).into()),
                Code::Rsh32S => set!(dst32.wrapping_shr(last32).into()),
                Code::Mod32 => set!(alu::mod32(dst, src)),
                Code::SMod32 => set!(alu::smod32(dst, src)),
                Code::Xor32 => set!((dst32 ^ src32).into()),
                Code::Xor32D => set!((last32 ^ src32).into()),
                Code::Xor32S => set!((dst32 ^ last32).into()),
                Code::Mov32 => set!(src32.into()),
                Code::Mov32S => set!(last32.into()),
                Code::Arsh32 => set!(alu::arsh32(dst, src)),
                Code::Neg32 => set!(dst32.wrapping_neg().into()),
                Code::MovSx8To64 => set!(alu::sign8(src)),
                Code::MovSx16To64 => set!(alu::sign16(src)),
                Code::MovSx32To64 => set!(alu::sign32(src)),
                Code::MovSx8To32 => set!(low32(alu::sign8(src)).into()),
                Code::MovSx16To32 => set!(low32(alu::sign16(src)).into()),
                Code::Truncate16 => set!(low16(dst).into()),
                Code::Swap16 => set!(low16(dst).swap_bytes().into()),
                Code::Swap32 => set!(dst32.swap_bytes().into()),
                Code::Swap64 => set!(dst.swap_bytes()),
                Code::Add64Then => then!(dst.wrapping_add(src)),
                Code::Sub64Then => then!(dst.wrapping_sub(src)),
                Code::And64Then => then!(dst & src),
                Code::Load8Then => then!(read!(u8, src)),
                Code::Load16Then => then!(read!(u16, src)),
                Code::Load32Then => then!(read!(u32, src)),
                Code::Load64Then => then!(read!(u64, src)),
                Code::LoadImm64 => set!(op.imm),
                Code::Load8 => set!(read!(u8, src)),
                Code::Load8S => set!(read!(u8, last.wrapping_add(op.imm))),
                Code::Load16 => set!(read!(u16, src)),
                Code::Load16S => set!(read!(u16, last.wrapping_add(op.imm))),
                Code::Load32 => set!(read!(u32, src)),
                Code::Load32S => set!(read!(u32, last.wrapping_add(op.imm))),
                Code::Load64 => set!(read!(u64, src)),
                Code::Load64S => set!(read!(u64, last.wrapping_add(op.imm))),
                Code::LoadSx8 => load_signed!(u8, alu::sign8),
                Code::LoadSx16 => load_signed!(u16, alu::sign16),
                Code::LoadSx32 => load_signed!(u32, alu::sign32),
                Code::Store8 => store!(low8(src)),
                Code::Store16 => store!(low16(src)),
                Code::Store32 => store!(src32),
                Code::Store64 => store!(src),
                Code::Eq64 => jump!(dst == src),
                Code::Gt64 => jump!(dst > src),
                Code::Ge64 => jump!(dst >= src),
                Code::Set64 => jump!(dst & src != 0),
                Code::Ne64 => jump!(dst != src),
                Code::SGt64 => jump!(dst.cast_signed() > src.cast_signed()),
                Code::SGe64 => jump!(dst.cast_signed() >= src.cast_signed()),
                Code::Lt64 => jump!(dst < src),
                Code::Le64 => jump!(dst <= src),
                Code::SLt64 => jump!(dst.cast_signed() < src.cast_signed()),
                Code::SLe64 => jump!(dst.cast_signed() <= src.cast_signed()),
                Code::Eq32 => jump!(dst32 == src32),
                Code::Gt32 => jump!(dst32 > src32),
                Code::Ge32 => jump!(dst32 >= src32),
                Code::Set32 => jump!(dst32 & src32 != 0),
                Code::Ne32 => jump!(dst32 != src32),
                Code::SGt32 => jump!(dst32.cast_signed() > src32.cast_signed()),
                Code::SGe32 => jump!(dst32.cast_signed() >= src32.cast_signed()),
                Code::Lt32 => jump!(dst32 < src32),
                Code::Le32 => jump!(dst32 <= src32),
                Code::SLt32 => jump!(dst32.cast_signed() < src32.cast_signed()),
                Code::SLe32 => jump!(dst32.cast_signed() <= src32.cast_signed()),
                Code::Goto => jump!(true),
                Code::MayGoto => match rounds.checked_sub(1) {
                    Some(fewer) => rounds = fewer,
                    None => jump!(true),
                },
                Code::Rare => {
                    let insn = &programs[program].insns[next_at!() - 1];
                    match world.rare(insn, callers.len(), &mut regs) {
                        Ok(true) => {}
                        // A failed legacy load ends the program with 0.
                        Ok(false) => break Ok(0),
                        Err(reason) => trap!(reason),
                    }
                }
                Code::CallHelper => call!(op.imm.cast_signed()),
                Code::CallLocal => enter!(narrow(op.extra.into())),
                Code::CallRegister => match callee(&programs[program], src) {
                    Some(Called::Function(start)) => enter!(start),
                    Some(Called::Helper(id)) => call!(id),
                    None => {
                        let place = world.memory.describe(src);
                        trap!(TrapReason::CallRegister { address: src, place })
                    }
                },
                Code::TailCall => match world.tail_call([regs[1], regs[2], regs[3]]) {
                    Ok(Some(next)) if tail_calls < TAIL_CALLS_MAX => {
                        tail_calls += 1;
                        left -= widen(next_at!() - start);
                        program = next;
                        ops = &programs[program].ops[..];
                        // The frame stays, with nothing in it that the new program may read.
                        regs[2..=9].fill(CLOBBERED);
                        base = callers.len();
                        world.memory.clear_frame(base);
                        rounds = MAY_GOTO_ROUNDS;
                        go_on!(0);
                    }
                    Ok(_) => regs[1..=5].fill(CLOBBERED),
                    Err(reason) => trap!(reason),
                },
                Code::Exit => match callers.pop() {
                    None => break Ok(regs[0]),
                    Some(caller) => {
                        regs[1..=5].fill(CLOBBERED);
                        regs[6..=10].copy_from_slice(&caller.saved);
                        rounds = caller.rounds;
                        base = caller.base;
                        program = caller.program;
                        ops = &programs[program].ops[..];
                        go!(caller.return_to);
                    }
                },
                Code::Refuse => {
                    let refusal = &programs[program].refusals[narrow(op.extra.into())];
                    let (slot, reason) = (refusal.slot, refusal.reason.clone());
                    break Err(Stop { program, slot, reason });
                }
            }
            if let Some((program, at, before)) = started {
                observe.step(&Step {
                    program,
                    slot: programs[program].slot(at),
                    insn: &programs[program].insns[at],
                    before: &before,
                    after: &regs,
                    depth: callers.len(),
                    memory: &world.memory,
                });
            }
        };
        if O::ENABLED && result.is_ok() {
            // The instruction that ended the program, which changed nothing.
            let at = next_at!() - 1;
            let slot = programs[program].slot(at);
            let insn = &programs[program].insns[at];
            let (before, after, depth, memory) = (&regs, &regs, 0, &world.memory);
            observe.step(&Step { program, slot, insn, before, after, depth, memory });
        }
        *registers = regs;
        self.executed = limit - (left - widen(next_at!() - start));
        result
    }
}

/// Is the condition true?
///
/// # Panics
///
/// If it is none.
#[inline(always)]
#[expect(clippy::wildcard_enum_match_arm, reason = "decoding gives conditions only")]
fn holds(condition: Code, dst: u64, src: u64) -> bool {
    let (dst32, src32) = (low32(dst), low32(src));
    match condition {
        Code::Eq64 => dst == src,
        Code::Gt64 => dst > src,
        Code::Ge64 => dst >= src,
        Code::Set64 => dst & src != 0,
        Code::Ne64 => dst != src,
        Code::SGt64 => dst.cast_signed() > src.cast_signed(),
        Code::SGe64 => dst.cast_signed() >= src.cast_signed(),
        Code::Lt64 => dst < src,
        Code::Le64 => dst <= src,
        Code::SLt64 => dst.cast_signed() < src.cast_signed(),
        Code::SLe64 => dst.cast_signed() <= src.cast_signed(),
        Code::Eq32 => dst32 == src32,
        Code::Gt32 => dst32 > src32,
        Code::Ge32 => dst32 >= src32,
        Code::Set32 => dst32 & src32 != 0,
        Code::Ne32 => dst32 != src32,
        Code::SGt32 => dst32.cast_signed() > src32.cast_signed(),
        Code::SGe32 => dst32.cast_signed() >= src32.cast_signed(),
        Code::Lt32 => dst32 < src32,
        Code::Le32 => dst32 <= src32,
        Code::SLt32 => dst32.cast_signed() < src32.cast_signed(),
        Code::SLe32 => dst32.cast_signed() <= src32.cast_signed(),
        _ => unreachable!("not a condition"),
    }
}

/// Where a stretch that begins at `start` ends, if `left` operations may be executed.
#[inline(always)]
fn reach(ops: &[Op], start: usize, left: u64) -> usize {
    if left >= widen(ops.len()) { ops.len() } else { near_limit(ops, start, left) }
}

#[cold]
fn near_limit(ops: &[Op], start: usize, left: u64) -> usize {
    ops.len().min(start + narrow(left))
}

/// What `callx` calls.
enum Called {
    /// The function that starts at this operation.
    Function(usize),
    /// The helper with this id.
    Helper(i64),
}

/// What a register that is called means: the address of a function, from `dst = subprog[+N] ll`, or
/// the id of a helper, as other machines take it.
fn callee(program: &Decoded, value: u64) -> Option<Called> {
    let (number, slot) = split(value);
    if number == region::FUNCTIONS {
        return program.function(slot).map(Called::Function);
    }
    let helper = i32::try_from(value).ok().and_then(Helper::from_id);
    helper.map(|helper| Called::Helper(helper.id().into()))
}

impl World {
    /// A load that is not from plain memory: from the context, or refused.
    #[cold]
    fn load_slowly(&self, address: u64, bytes: usize) -> Result<u64, TrapReason> {
        let offset = match self.memory.nearest(address) {
            Some((region::CONTEXT, offset)) if offset >= 0 => offset.cast_unsigned(),
            _ => return Err(self.memory.refusal(Access::Read, address, widen(bytes))),
        };
        let linear = self.memory.region(region::PACKET).block_bytes();
        let size = u8::try_from(bytes).expect("1, 2, 4 or 8 bytes");
        self.fields.load(offset, size, linear, self.memory.packet_bytes()).map_err(|what| {
            TrapReason::Context { access: Access::Read, offset, bytes: widen(bytes), what }
        })
    }

    /// Why a signed load of a pointer or a store into the context is refused.
    #[cold]
    fn context_refusal(&self, address: u64, bytes: usize, access: Access) -> TrapReason {
        let (_, offset) = split(address);
        let what = match access {
            Access::Read => "a pointer cannot be sign-extended",
            Access::Write => "the context is read-only here",
        };
        TrapReason::Context { access, offset, bytes: widen(bytes), what }
    }

    /// Why a store was refused.
    #[cold]
    fn store_refusal(&self, address: u64, bytes: usize) -> TrapReason {
        match self.memory.nearest(address) {
            Some((region::CONTEXT, 0..)) => self.context_refusal(address, bytes, Access::Write),
            _ => self.memory.refusal(Access::Write, address, widen(bytes)),
        }
    }
}
