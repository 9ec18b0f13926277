//! The machine: registers, program counter and the dispatch over [`Code`].

use super::{
    alu,
    alu::{low8, low16, low32},
    context::{Bytes, Context, Fields},
    decode::{self, Code, Decoded},
    maps::{self, MapState, Maps, Places, SetupError},
    memory::{Access, FRAMES_MAX, Memory, address, narrow, region, split, widen},
    trace::{Observe, Silent, Step, Tracing},
    trap::{Trap, TrapReason},
};
use crate::assembler::{Insn, MapSpec, ProgramImage};

/// Instructions that a run may execute unless [`Machine::set_instruction_limit`] says otherwise.
pub const INSTRUCTION_LIMIT: u64 = 100_000_000;
/// Most slots of a program (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub const SLOTS_MAX: usize = 1_000_000;
/// Rounds that the `may_goto` instructions of one frame grant together before they jump
/// (`BPF_MAX_LOOPS`). The 250 ms that newer kernels grant instead are not modelled.
pub const MAY_GOTO_ROUNDS: u32 = 8 * 1024 * 1024;

/// What `r1` to `r5` hold after a call: nothing that a program may read, and no valid address.
pub(super) const CLOBBERED: u64 = 0xdead_c0de_dead_c0de;

/// Registers by number; those behind `r10` stay zero.
pub(super) type Registers = [u64; 16];

/// All that a running program can see besides its registers.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) memory: Memory,
    pub(super) maps: Vec<MapState>,
    pub(super) fields: Fields,
    pub(super) ktime_ns: u64,
    pub(super) redirected_to: Option<u32>,
}

/// A program with its maps, ready to run any number of times.
///
/// Registers start at zero but for `r1` (the context), `r2` (the length, for plain memory) and
/// `r10`; so does the stack. A verified program cannot tell. Maps keep their values from run to
/// run.
#[derive(Clone, Debug)]
pub struct Machine {
    decoded: Decoded,
    world: World,
    instruction_limit: u64,
    executed: u64,
    executed_total: u64,
}

/// A frame that called another one.
struct Caller {
    return_to: usize,
    saved: [u64; 5],
    rounds: u32,
}

/// Why the loop ended, before the registers are attached.
struct Stop {
    slot: u32,
    reason: TrapReason,
}

impl Machine {
    /// A machine for `image`, with its maps, empty.
    ///
    /// # Errors
    ///
    /// Maps or a program beyond what the kernel or this machine allows.
    pub fn new(image: &ProgramImage) -> Result<Self, SetupError> {
        Self::from_insns(image.insns(), image.maps())
    }

    /// A machine for bare instructions, which refer to `maps` by index.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_insns(insns: &[Insn], maps: &[MapSpec]) -> Result<Self, SetupError> {
        let slots = insns.iter().map(|insn| narrow(insn.slots().into())).sum();
        if slots > SLOTS_MAX {
            return Err(SetupError::TooManySlots { slots, limit: SLOTS_MAX });
        }
        let (states, values) = maps::create(maps)?;
        let decoded = decode::decode(insns, &Places(&states));
        let world = World {
            memory: Memory::new(values),
            maps: states,
            fields: Fields::default(),
            ktime_ns: 0,
            redirected_to: None,
        };
        Ok(Self {
            decoded,
            world,
            instruction_limit: INSTRUCTION_LIMIT,
            executed: 0,
            executed_total: 0,
        })
    }

    /// Run the program once; the result is `r0`.
    ///
    /// # Errors
    ///
    /// The instruction that could not be executed, and why.
    pub fn run(&mut self, context: Context<'_>) -> Result<u64, Trap> {
        self.run_observed(context, &mut Silent)
    }

    /// Run the program once and tell `each` about every instruction executed, in order. The
    /// instruction that traps is not among them: the [`Trap`] has it.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_traced(
        &mut self,
        context: Context<'_>,
        each: &mut dyn FnMut(&Step<'_>),
    ) -> Result<u64, Trap> {
        self.run_observed(context, &mut Tracing(each))
    }

    /// Allow a run `limit` instructions.
    pub fn set_instruction_limit(&mut self, limit: u64) {
        self.instruction_limit = limit;
    }

    /// Instructions that a run may execute.
    pub fn instruction_limit(&self) -> u64 {
        self.instruction_limit
    }

    /// Set the time, in nanoseconds, that `bpf_ktime_get_ns` gives; 0 at first. It stands still.
    pub fn set_ktime_ns(&mut self, now: u64) {
        self.world.ktime_ns = now;
    }

    /// Instructions that the last run executed.
    pub fn executed(&self) -> u64 {
        self.executed
    }

    /// Instructions that all runs executed.
    pub fn executed_total(&self) -> u64 {
        self.executed_total
    }

    /// The interface that the last run redirected to, if it called `bpf_redirect` with success.
    pub fn redirected_to(&self) -> Option<u32> {
        self.world.redirected_to
    }

    /// The packet of the last run with what the program wrote into it; empty for plain memory.
    pub fn packet(&self) -> &[u8] {
        &self.world.memory.region(region::PACKET).bytes
    }

    /// The maps.
    pub fn maps(&self) -> Maps<'_> {
        Maps { states: &self.world.maps, memory: &self.world.memory }
    }

    /// Set an entry of a map from outside, as `bpf_map_update_elem` with `BPF_ANY` does. Says
    /// whether there is such a map, key and value have its sizes and there was room.
    pub fn set_map_value(&mut self, map: usize, key: &[u8], value: &[u8]) -> bool {
        let fits = self.world.maps.get(map).is_some_and(|state| {
            let (keys, values) = (state.spec.key_bytes, state.spec.value_bytes);
            widen(key.len()) == u64::from(keys) && widen(value.len()) == u64::from(values)
        });
        fits && self.world.update_map(map, key, value, 0) == 0
    }

    /// Empty all maps: the values of arrays become zero, hashes lose their entries.
    pub fn reset_maps(&mut self) {
        for state in &mut self.world.maps {
            state.reset(self.world.memory.region_mut(state.region));
        }
    }

    fn run_observed<O: Observe>(
        &mut self,
        mut context: Context<'_>,
        observe: &mut O,
    ) -> Result<u64, Trap> {
        let mut registers = self.enter(&context);
        let stopped = self.execute(&mut registers, observe);
        self.executed_total = self.executed_total.wrapping_add(self.executed);
        if let Bytes::Memory(bytes) = &mut context.bytes {
            bytes.copy_from_slice(&self.world.memory.region(region::MEMORY).bytes);
        }
        stopped.map_err(|stop| {
            let registers = registers.first_chunk().copied().expect("16 registers");
            Trap { slot: stop.slot, reason: stop.reason, registers: Box::new(registers) }
        })
    }

    /// Put the context in place; the registers to start with.
    fn enter(&mut self, context: &Context<'_>) -> Registers {
        let world = &mut self.world;
        world.fields = context.fields;
        world.redirected_to = None;
        world.memory.clear_frame(0);
        let mut registers = [0; 16];
        let (packet, linear, memory): (&[u8], usize, &[u8]) = match &context.bytes {
            Bytes::Packet { bytes, linear } => (bytes, *linear, &[]),
            Bytes::Memory(bytes) => (&[], 0, bytes),
        };
        world.memory.fill(region::PACKET, packet, linear);
        world.memory.fill(region::MEMORY, memory, memory.len());
        match &context.bytes {
            Bytes::Packet { .. } => registers[1] = address(region::CONTEXT, 0),
            Bytes::Memory([]) => {}
            Bytes::Memory(bytes) => {
                registers[1] = address(region::MEMORY, 0);
                registers[2] = widen(bytes.len());
            }
        }
        registers[10] = world.memory.frame_pointer(0);
        registers
    }

    /// The loop. Long because it is the one `match` over all operations: each arm is the
    /// operation's definition, and splitting it would split the dispatch.
    fn execute<O: Observe>(
        &mut self,
        registers: &mut Registers,
        observe: &mut O,
    ) -> Result<u64, Stop> {
        let limit = self.instruction_limit;
        let ops = &self.decoded.ops[..];
        let world = &mut self.world;
        let mut callers: Vec<Caller> = Vec::new();
        let mut rounds = MAY_GOTO_ROUNDS;
        let mut left = limit;
        let mut pc = 0;
        // A copy that the optimiser can see nobody else has.
        let mut regs = *registers;

        let result = loop {
            let at = pc;
            // Decoding made every target an index of `ops`, and the last slot does not fall off.
            let op = &ops[at];
            macro_rules! trap {
                ($reason:expr) => {{
                    let slot = u32::try_from(at).expect("at most SLOTS_MAX slots");
                    break Err(Stop { slot, reason: $reason });
                }};
            }
            if left == 0 {
                trap!(TrapReason::InstructionLimit { executed: limit, limit });
            }
            left -= 1;
            let before = if O::ENABLED { regs } else { [0; 16] };
            pc += 1;
            let src = regs[usize::from(op.src & 15)].wrapping_add(op.imm);
            let dst = regs[usize::from(op.dst & 15)];
            macro_rules! set {
                ($value:expr) => {
                    regs[usize::from(op.dst & 15)] = $value
                };
            }
            macro_rules! jump {
                ($taken:expr) => {
                    if $taken {
                        pc = narrow(op.extra.into());
                    }
                };
            }
            macro_rules! load {
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
                    let value = load!($value, src);
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
            let (dst32, src32) = (low32(dst), low32(src));
            match op.code {
                Code::Add64 => set!(dst.wrapping_add(src)),
                Code::Sub64 => set!(dst.wrapping_sub(src)),
                Code::Mul64 => set!(dst.wrapping_mul(src)),
                Code::Div64 => set!(alu::div64(dst, src)),
                Code::SDiv64 => set!(alu::sdiv64(dst, src)),
                Code::Or64 => set!(dst | src),
                Code::And64 => set!(dst & src),
                Code::Lsh64 => set!(dst.wrapping_shl(src32)),
                Code::Rsh64 => set!(dst.wrapping_shr(src32)),
                Code::Mod64 => set!(alu::mod64(dst, src)),
                Code::SMod64 => set!(alu::smod64(dst, src)),
                Code::Xor64 => set!(dst ^ src),
                Code::Mov64 => set!(src),
                Code::Arsh64 => set!(alu::arsh64(dst, src)),
                Code::Neg64 => set!(dst.wrapping_neg()),
                Code::Add32 => set!(dst32.wrapping_add(src32).into()),
                Code::Sub32 => set!(dst32.wrapping_sub(src32).into()),
                Code::Mul32 => set!(dst32.wrapping_mul(src32).into()),
                Code::Div32 => set!(alu::div32(dst, src)),
                Code::SDiv32 => set!(alu::sdiv32(dst, src)),
                Code::Or32 => set!((dst32 | src32).into()),
                Code::And32 => set!((dst32 & src32).into()),
                Code::Lsh32 => set!(dst32.wrapping_shl(src32).into()),
                Code::Rsh32 => set!(dst32.wrapping_shr(src32).into()),
                Code::Mod32 => set!(alu::mod32(dst, src)),
                Code::SMod32 => set!(alu::smod32(dst, src)),
                Code::Xor32 => set!((dst32 ^ src32).into()),
                Code::Mov32 => set!(src32.into()),
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
                Code::Nothing => {}
                Code::LoadImm64 => {
                    set!(op.imm);
                    pc += 1;
                }
                Code::Load8 => set!(load!(u8, src)),
                Code::Load16 => set!(load!(u16, src)),
                Code::Load32 => set!(load!(u32, src)),
                Code::Load64 => set!(load!(u64, src)),
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
                Code::Rare => match world.rare(&self.decoded.insns[at], &mut regs) {
                    Ok(true) => {}
                    // A failed legacy load ends the program with 0.
                    Ok(false) => break Ok(0),
                    Err(reason) => trap!(reason),
                },
                Code::CallHelper => {
                    let args = [regs[1], regs[2], regs[3], regs[4], regs[5]];
                    match world.call(op.imm.cast_signed(), args) {
                        Ok(result) => {
                            regs[0] = result;
                            regs[1..=5].fill(CLOBBERED);
                        }
                        Err(reason) => trap!(reason),
                    }
                }
                Code::CallLocal => {
                    let depth = callers.len() + 1;
                    if depth >= FRAMES_MAX {
                        let frames = depth + 1;
                        trap!(TrapReason::CallDepth { frames, limit: FRAMES_MAX });
                    }
                    let saved = [regs[6], regs[7], regs[8], regs[9], regs[10]];
                    callers.push(Caller { return_to: pc, saved, rounds });
                    world.memory.clear_frame(depth);
                    regs[10] = world.memory.frame_pointer(depth);
                    rounds = MAY_GOTO_ROUNDS;
                    jump!(true);
                }
                Code::Exit => match callers.pop() {
                    None => break Ok(regs[0]),
                    Some(caller) => {
                        regs[1..=5].fill(CLOBBERED);
                        regs[6..=10].copy_from_slice(&caller.saved);
                        rounds = caller.rounds;
                        pc = caller.return_to;
                    }
                },
                Code::Refuse => {
                    let refusal = &self.decoded.refusals[narrow(op.extra.into())];
                    break Err(Stop { slot: refusal.slot, reason: refusal.reason.clone() });
                }
            }
            if O::ENABLED {
                observe.step(&Step {
                    slot: at,
                    insn: &self.decoded.insns[at],
                    before: &before,
                    after: &regs,
                    depth: callers.len(),
                    memory: &world.memory,
                });
            }
        };
        if O::ENABLED && result.is_ok() {
            // The instruction that ended the program, which changed nothing.
            let slot = pc.saturating_sub(1);
            let insn = &self.decoded.insns[slot];
            let (before, after, depth, memory) = (&regs, &regs, 0, &world.memory);
            observe.step(&Step { slot, insn, before, after, depth, memory });
        }
        *registers = regs;
        self.executed = limit - left;
        result
    }
}

impl World {
    /// A load that is not from plain memory: from the context, or refused.
    #[cold]
    fn load_slowly(&self, address: u64, bytes: usize) -> Result<u64, TrapReason> {
        let offset = match self.memory.nearest(address) {
            Some((region::CONTEXT, offset)) if offset >= 0 => offset.cast_unsigned(),
            _ => return Err(self.memory.refusal(Access::Read, address, widen(bytes))),
        };
        let linear = self.memory.region(region::PACKET).block_bytes;
        let size = u8::try_from(bytes).expect("1, 2, 4 or 8 bytes");
        self.fields.load(offset, size, linear, self.packet_bytes()).map_err(|what| {
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
