//! The machine: a program with its maps, and what is given to a run and left behind by it.

use super::{
    context::{Bytes, Context, Fields},
    decode::{self, Decoded},
    execute::Caller,
    maps::{self, MapState, Maps, Places, SetupError},
    memory::{FRAMES_TOTAL, Memory, address, narrow, region, widen},
    rare::ARGUMENTS_MAX,
    ringbuf::Reserved,
    trace::{Observe, Silent, Step, Tracing},
    trap::Trap,
};
use crate::assembler::{Contents, Insn, MapSpec, ProgramImage};

/// Instructions that a run may execute unless [`Machine::set_instruction_limit`] says otherwise.
pub const INSTRUCTION_LIMIT: u64 = 100_000_000;
/// Most slots of a program (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub const SLOTS_MAX: usize = 1_000_000;
/// Rounds that the `may_goto` instructions of one frame grant together before they jump
/// (`BPF_MAX_LOOPS`). The 250 ms that newer kernels grant instead are not modelled.
pub const MAY_GOTO_ROUNDS: u32 = 8 * 1024 * 1024;

/// Tail calls that a run may make (`MAX_TAIL_CALL_CNT`); the next one fails.
pub const TAIL_CALLS_MAX: u32 = 33;
/// Most programs that a machine can become by tail calls.
pub const PROGRAMS_MAX: usize = 1024;

/// What `r1` to `r5` hold after a call: nothing that a program may read, and no valid address.
pub(super) const CLOBBERED: u64 = 0xdead_c0de_dead_c0de;

/// Registers by number; the one behind `r10` stays zero.
pub(super) type Registers = [u64; 12];

/// All that a running program can see besides its registers.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) memory: Memory,
    pub(super) maps: Vec<MapState>,
    /// Ring buffer records being written.
    pub(super) reserved: Vec<Reserved>,
    /// By depth of calls, what each function was given beyond the registers.
    pub(super) arguments: Vec<[u64; ARGUMENTS_MAX]>,
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
    /// The program, and behind it those that it can become by tail calls.
    pub(super) programs: Vec<Decoded>,
    pub(super) world: World,
    /// What maps hold at first.
    contents: Vec<Contents>,
    /// Empty between runs; kept for its memory.
    pub(super) callers: Vec<Caller>,
    pub(super) instruction_limit: u64,
    pub(super) executed: u64,
    executed_total: u64,
}

impl Machine {
    /// A machine for `image`, with its maps, which hold nothing but the image's contents, and with
    /// its tails where its tail calls find them.
    ///
    /// # Errors
    ///
    /// Maps or a program beyond what the kernel or this machine allows.
    pub fn new(image: &ProgramImage) -> Result<Self, SetupError> {
        let mut machine = Self::from_insns(image.insns(), image.maps())?;
        machine.contents = image.contents().to_vec();
        machine.reset_maps();
        if let Some((map, _)) = image.tails_map() {
            for (index, tail) in (0..).zip(image.tails()) {
                machine.set_tail_call(map, index, tail.insns())?;
            }
        }
        Ok(machine)
    }

    /// A machine for bare instructions, which refer to `maps` by index.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_insns(insns: &[Insn], maps: &[MapSpec]) -> Result<Self, SetupError> {
        check_slots(insns)?;
        let (states, values) = maps::create(maps)?;
        let decoded = decode::decode(insns, &Places(&states));
        let world = World {
            memory: Memory::new(values),
            maps: states,
            reserved: Vec::new(),
            arguments: vec![[0; ARGUMENTS_MAX]; FRAMES_TOTAL + 1],
            fields: Fields::default(),
            ktime_ns: 0,
            redirected_to: None,
        };
        Ok(Self {
            programs: vec![decoded],
            world,
            callers: Vec::new(),
            contents: Vec::new(),
            instruction_limit: INSTRUCTION_LIMIT,
            executed: 0,
            executed_total: 0,
        })
    }

    /// Let a tail call with `index` in the program array `map` go to the program of `insns`, which
    /// refers to the maps of this machine. Returns the number by which traps and traces name it;
    /// the first program has number 0.
    ///
    /// # Errors
    ///
    /// No such program array or index; more slots, or more programs, than there may be.
    pub fn set_tail_call(
        &mut self,
        map: usize,
        index: u32,
        insns: &[Insn],
    ) -> Result<usize, SetupError> {
        check_slots(insns)?;
        let number = self.programs.len();
        if number >= PROGRAMS_MAX {
            return Err(SetupError::TooManyPrograms { limit: PROGRAMS_MAX });
        }
        let maps = self.world.maps.len();
        let state = self.world.maps.get_mut(map).ok_or(SetupError::NoSuchMap { map, maps })?;
        state.set_program(map, index, number)?;
        self.programs.push(decode::decode(insns, &Places(&self.world.maps)));
        Ok(number)
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
    pub fn packet(&self) -> Vec<u8> {
        let memory = &self.world.memory;
        memory.packet(0, memory.packet_bytes()).expect("all of it")
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

    /// Empty all maps but for the image's contents: the values of arrays become zero, hashes lose
    /// their entries.
    pub fn reset_maps(&mut self) {
        for state in &mut self.world.maps {
            state.reset(self.world.memory.region_mut(state.region));
        }
        for Contents { map, bytes } in &self.contents {
            let Some(state) = self.world.maps.get(*map) else { continue };
            if let Some(value) = self.world.memory.region_mut(state.region).block_mut(0) {
                let length = value.len().min(bytes.len());
                value[..length].copy_from_slice(&bytes[..length]);
            }
        }
    }

    /// Take the records that programs put into the ring buffer or perf event array `map`, in order, as
    /// a reader does: there is room for others then. Empty if it is neither.
    pub fn take_records(&mut self, map: usize) -> Vec<Vec<u8>> {
        self.world.maps.get_mut(map).map(MapState::take_records).unwrap_or_default()
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
            bytes.copy_from_slice(self.world.memory.region(region::MEMORY).bytes());
        }
        stopped.map_err(|stop| {
            let registers: &[u64; 11] = registers.first_chunk().expect("12 registers");
            let places = registers.map(|value| self.world.memory.place(value));
            Trap {
                program: stop.program,
                slot: stop.slot,
                reason: stop.reason,
                registers: Box::new(*registers),
                places: Box::new(places),
            }
        })
    }

    /// Put the context in place; the registers to start with.
    fn enter(&mut self, context: &Context<'_>) -> Registers {
        let world = &mut self.world;
        world.fields = context.fields;
        world.redirected_to = None;
        let mut registers = [0; 12];
        let (packet, linear, memory): (&[u8], usize, &[u8]) = match &context.bytes {
            Bytes::Packet { bytes, linear } => (bytes, *linear, &[]),
            Bytes::Memory(bytes) => (&[], 0, bytes),
        };
        world.memory.enter(packet, linear, memory);
        world.reserved.clear();
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
}

fn check_slots(insns: &[Insn]) -> Result<(), SetupError> {
    let slots = insns.iter().map(|insn| narrow(insn.slots().into())).sum();
    if slots > SLOTS_MAX {
        return Err(SetupError::TooManySlots { slots, limit: SLOTS_MAX });
    }
    Ok(())
}
