//! Why a run stopped without an answer.

use std::fmt;

use super::{machine::CLOBBERED, memory::Access};

/// A run that stopped without an answer: where, why, and with what in the registers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}slot {slot}: {reason}", of_program(*program))]
pub struct Trap {
    /// The program: 0 unless it was [tail called](super::Machine::set_tail_call).
    pub program: usize,
    /// The slot of the instruction that could not be executed.
    pub slot: u32,
    /// What was wrong.
    pub reason: TrapReason,
    /// `r0` to `r10` before that instruction.
    pub registers: Box<[u64; 11]>,
    /// Where the registers that are addresses point to, in words: `packet+62`.
    pub places: Box<[Option<String>; 11]>,
}

fn of_program(program: usize) -> String {
    if program == 0 { String::new() } else { format!("program {program}, ") }
}

impl Trap {
    /// The registers as text, in lines of at most four: `r1=0x2000000000000 (packet+0)`.
    pub fn describe_registers(&self) -> Vec<String> {
        let all: Vec<String> = self
            .registers
            .iter()
            .zip(self.places.iter())
            .enumerate()
            .map(|(number, (value, place))| match place {
                Some(_) if *value == CLOBBERED => format!("r{number} destroyed by a call"),
                Some(place) => format!("r{number}={value:#x} ({place})"),
                None => format!("r{number}={value:#x}"),
            })
            .collect();
        all.chunks(4).map(|line| line.join("  ")).collect()
    }
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrapReason {
    /// An access that is not wholly inside readable or writable bytes.
    Memory {
        /// What it wanted.
        access: Access,
        /// Its first byte.
        address: u64,
        /// How many bytes.
        bytes: u64,
        /// The address in words: `packet+62`.
        place: String,
        /// Bytes that the region (frame, map value) it is nearest to has.
        available: u64,
    },
    /// An access of the context that the kernel refuses, or to a field that is not modelled.
    Context {
        /// What it wanted.
        access: Access,
        /// Offset in the context.
        offset: u64,
        /// How many bytes.
        bytes: u64,
        /// Why not.
        what: &'static str,
    },
    /// An atomic access that is not aligned, or not of a kind of memory that allows it.
    Atomic {
        /// The address in words.
        place: String,
        /// Why not.
        what: &'static str,
    },
    /// More instructions than allowed.
    InstructionLimit {
        /// How many ran.
        executed: u64,
        /// How many may run.
        limit: u64,
    },
    /// More nested calls than the kernel allows.
    CallDepth {
        /// Frames that would be needed.
        frames: usize,
        /// Frames there are.
        limit: usize,
    },
    /// Control ran off the end of the program.
    RanOffEnd,
    /// A jump or call to where no instruction starts.
    NoInstruction {
        /// The slot it would go to.
        target: i64,
    },
    /// A write to `r10`.
    FramePointerWrite,
    /// Fields that no encoding has.
    NotInIsa {
        /// Which.
        what: &'static str,
    },
    /// A helper function that the machine does not have.
    UnknownHelper {
        /// Its id.
        id: i64,
    },
    /// A helper function that programs of this type cannot call.
    HelperNotAvailable {
        /// Its name.
        helper: &'static str,
        /// The type of the context.
        context: &'static str,
    },
    /// An argument that the verifier would refuse.
    HelperArgument {
        /// The helper's name.
        helper: &'static str,
        /// Which argument, from 1.
        argument: u8,
        /// Its value.
        value: u64,
        /// Why not.
        what: &'static str,
    },
    /// A map of a kind on which this operation is not modelled.
    MapKind {
        /// Index of the map in the image.
        map: usize,
        /// Its kind.
        kind: &'static str,
        /// What was to be done.
        what: &'static str,
    },
    /// A map that the image does not have.
    NoMap {
        /// The index.
        index: i32,
        /// Maps that the image has.
        maps: usize,
    },
    /// A direct pointer to a byte that the value does not have.
    MapValueOffset {
        /// Index of the map in the image.
        map: usize,
        /// The offset.
        offset: i32,
        /// Bytes of the value.
        value_bytes: u32,
    },
    /// A map by descriptor: descriptors mean nothing outside the process that has them.
    MapDescriptor {
        /// The descriptor.
        fd: i32,
    },
    /// A kernel variable.
    KernelVariable {
        /// BTF id of the variable.
        btf_id: i32,
    },
    /// A kernel function.
    Kfunc {
        /// BTF id of the function.
        btf_id: i32,
    },
    /// A call of an address in a register that is neither a function's nor the id of a helper.
    CallRegister {
        /// The address.
        address: u64,
        /// The address in words.
        place: String,
    },
    /// A legacy packet access that cannot be answered.
    LegacyLoad {
        /// Why not.
        what: &'static str,
    },
}

impl fmt::Display for TrapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { access, address, bytes, place, available } => {
                write!(f, "{access} of {bytes} bytes at {place}")?;
                // A number in words is a number.
                if *place != format!("{address:#x}") {
                    write!(f, " ({address:#x})")?;
                }
                write!(f, ", where {available} bytes are accessible")
            }
            Self::Context { access, offset, bytes, what } => {
                write!(f, "{access} of {bytes} bytes at context+{offset}: {what}")
            }
            Self::Atomic { place, what } => write!(f, "atomic access at {place}: {what}"),
            Self::InstructionLimit { executed, limit } => {
                write!(f, "{executed} instructions executed, the limit is {limit}")
            }
            Self::CallDepth { frames, limit } => {
                write!(f, "the call needs {frames} frames, the limit is {limit}")
            }
            Self::RanOffEnd => f.write_str("control runs off the end of the program"),
            Self::NoInstruction { target } => {
                write!(f, "goes to slot {target}, where no instruction starts")
            }
            Self::FramePointerWrite => f.write_str("writes r10, which is read-only"),
            Self::NotInIsa { what } => {
                write!(f, "{what} is not in the instruction set of the machine")
            }
            Self::UnknownHelper { id } => write!(f, "calls helper {id}, which is not modelled"),
            Self::HelperNotAvailable { helper, context } => {
                write!(f, "calls {helper}, which a program on {context} cannot call")
            }
            Self::HelperArgument { helper, argument, value, what } => {
                write!(f, "calls {helper} with r{argument} = {value:#x}: {what}")
            }
            Self::MapKind { map, kind, what } => {
                write!(f, "{what} is not modelled for map {map}, a {kind}")
            }
            Self::NoMap { index, maps } => {
                write!(f, "refers to map {index}; the program has {maps}")
            }
            Self::MapValueOffset { map, offset, value_bytes } => write!(
                f,
                "points at byte {offset} of the value of map {map}, which has {value_bytes} bytes"
            ),
            Self::MapDescriptor { fd } => write!(
                f,
                "refers to a map by descriptor {fd}, which means nothing outside the kernel"
            ),
            Self::KernelVariable { btf_id } => {
                write!(f, "refers to kernel variable {btf_id}; there is no kernel here")
            }
            Self::Kfunc { btf_id } => {
                write!(f, "calls kernel function {btf_id}; there is no kernel here")
            }
            Self::CallRegister { place, .. } => write!(
                f,
                "calls {place}, which is neither a function of the program nor the id of a helper"
            ),
            Self::LegacyLoad { what } => write!(f, "legacy packet access: {what}"),
        }
    }
}
