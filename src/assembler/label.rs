//! Labels: places in a program that has no addresses yet.

/// A place in the program, made by [`Assembler::label`](super::Assembler::label) and bound once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(pub(super) u32);

/// Can `name` stand for a place in text? It is a word that means nothing else there: no register,
/// no helper function.
pub(super) fn is_name(name: &str) -> bool {
    let register = name
        .strip_prefix(['r', 'w'])
        .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
    is_word(name) && !register && name != "pc" && !name.starts_with("bpf_")
}

/// Letters, digits and `_`, and no digit in front.
pub(super) fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
