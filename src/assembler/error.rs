//! What can go wrong while assembling and decoding.

/// Why a program could not be assembled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AsmError {
    /// A jump refers to a label that was never bound.
    #[error("instruction {index}: jump to a label that was never bound")]
    UnboundLabel {
        /// The instruction, counted from 0.
        index: usize,
    },
    /// A jump cannot reach its target, the target kernel has no `gotol`, and there is no room for
    /// islands on the way.
    #[error(
        "slot {slot}: the target is {distance} slots away; a 16-bit jump reaches -32768..=32767, \
         this target has no gotol, and there is no room for islands on the way"
    )]
    OutOfRange {
        /// The jump.
        slot: u32,
        /// Slots between the end of the jump and its target.
        distance: i64,
    },
    /// More slots than the target accepts.
    #[error("program needs {needed} slots; the target allows {limit}")]
    TooLarge {
        /// What the program came to, in slots.
        needed: usize,
        /// The target's limit, in slots.
        limit: u32,
    },
    /// The structural check failed.
    #[error("slot {slot}: {what}")]
    Structure {
        /// Where.
        slot: u32,
        /// What is wrong there.
        what: String,
    },
}

/// Why bytes are not an instruction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot {slot}: {what}")]
pub struct DecodeError {
    /// Where, in slots from the start.
    pub slot: usize,
    /// The field and its value, in the words of RFC 9669.
    pub what: String,
}
