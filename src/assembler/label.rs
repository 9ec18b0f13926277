//! Labels: places in a program that has no addresses yet.

/// A place in the program, made by [`Assembler::label`](super::Assembler::label) and bound once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(pub(super) u32);
