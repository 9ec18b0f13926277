//! Arithmetic as RFC 9669 defines it where Rust's operators differ: division by zero, the overflow
//! of signed division, sign extension, and the 32-bit views of registers.

/// The low 32 bits: the register `wN`.
#[inline(always)]
pub(super) fn low32(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).expect("masked to 32 bits")
}

/// The low 16 bits.
#[inline(always)]
pub(super) fn low16(value: u64) -> u16 {
    u16::try_from(value & 0xffff).expect("masked to 16 bits")
}

/// The low 8 bits.
#[inline(always)]
pub(super) fn low8(value: u64) -> u8 {
    u8::try_from(value & 0xff).expect("masked to 8 bits")
}

/// The low 32 bits, sign-extended to 64.
#[inline(always)]
pub(super) fn sign32(value: u64) -> u64 {
    i64::from(low32(value).cast_signed()).cast_unsigned()
}

/// The low 16 bits, sign-extended to 64.
#[inline(always)]
pub(super) fn sign16(value: u64) -> u64 {
    i64::from(low16(value).cast_signed()).cast_unsigned()
}

/// The low 8 bits, sign-extended to 64.
#[inline(always)]
pub(super) fn sign8(value: u64) -> u64 {
    i64::from(low8(value).cast_signed()).cast_unsigned()
}

/// `a / b`; 0 if `b` is 0.
#[cold]
pub(super) fn div64(a: u64, b: u64) -> u64 {
    a.checked_div(b).unwrap_or(0)
}

/// `a / b` on 32 bits; 0 if `b` is 0.
#[cold]
pub(super) fn div32(a: u64, b: u64) -> u64 {
    low32(a).checked_div(low32(b)).unwrap_or(0).into()
}

/// `a % b`; `a` if `b` is 0.
#[cold]
pub(super) fn mod64(a: u64, b: u64) -> u64 {
    a.checked_rem(b).unwrap_or(a)
}

/// `a % b` on 32 bits; the low half of `a`, zero-extended, if `b` is 0.
#[cold]
pub(super) fn mod32(a: u64, b: u64) -> u64 {
    low32(a).checked_rem(low32(b)).unwrap_or(low32(a)).into()
}

/// Signed `a / b`, truncating; 0 if `b` is 0, the smallest number if the result overflows.
#[cold]
pub(super) fn sdiv64(a: u64, b: u64) -> u64 {
    let (a, b) = (a.cast_signed(), b.cast_signed());
    if b == 0 { 0 } else { a.wrapping_div(b).cast_unsigned() }
}

/// Signed `a / b` on 32 bits, zero-extended; see [`sdiv64`].
#[cold]
pub(super) fn sdiv32(a: u64, b: u64) -> u64 {
    let (a, b) = (low32(a).cast_signed(), low32(b).cast_signed());
    if b == 0 { 0 } else { a.wrapping_div(b).cast_unsigned().into() }
}

/// Signed `a % b` with the sign of `a`; `a` if `b` is 0, 0 if the division overflows.
#[cold]
pub(super) fn smod64(a: u64, b: u64) -> u64 {
    let (a, b) = (a.cast_signed(), b.cast_signed());
    if b == 0 { a.cast_unsigned() } else { a.wrapping_rem(b).cast_unsigned() }
}

/// Signed `a % b` on 32 bits, zero-extended; see [`smod64`].
#[cold]
pub(super) fn smod32(a: u64, b: u64) -> u64 {
    let (a, b) = (low32(a).cast_signed(), low32(b).cast_signed());
    if b == 0 { a.cast_unsigned().into() } else { a.wrapping_rem(b).cast_unsigned().into() }
}

/// `a >> b`, keeping the sign; `b` counts modulo 64.
pub(super) fn arsh64(a: u64, b: u64) -> u64 {
    a.cast_signed().wrapping_shr(low32(b)).cast_unsigned()
}

/// `a >> b` on 32 bits, keeping the sign of the low half, zero-extended; `b` counts modulo 32.
pub(super) fn arsh32(a: u64, b: u64) -> u64 {
    low32(a).cast_signed().wrapping_shr(low32(b)).cast_unsigned().into()
}
