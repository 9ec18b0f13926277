//! What others do: the programs of the peers that run in the kernel, and libc's `memmem`.

use hardwire::assembler::{
    Alu, AsmError, Assembler, Branch, Helper, Insn, Jmp, Label, MapKind, MapSpec, ProgramImage,
    ProgramKind, Reg,
    Reg::{R0, R1, R2, R3, R4, R6, R7, R8, R9, R10},
    Size, Target,
    insn::Callee,
};

/// What the peers' XDP programs return: as Hardwire's with `--on-match drop`.
const FOUND: i32 = 1;
const NOT_FOUND: i32 = 2;

/// Value that ends a pattern in the map: no byte.
const END_OF_PATTERN: i32 = 0x100;
/// Longest pattern in the map, in bytes.
const PATTERN_BYTES_MAX: i32 = 64;
/// Largest offset that the map matcher reaches; the verifier wants one.
const OFFSET_MAX: i32 = 0x7fff;

/// `long bpf_loop(rounds, callback, shared, flags)`. Linux 5.17.
const BPF_LOOP: i32 = 181;

/// Where `struct xdp_md` has the packet.
const MD_DATA: i16 = 0;
const MD_DATA_END: i16 = 4;

/// A program that returns `value`.
pub(crate) fn returning(
    kind: ProgramKind,
    value: i32,
    target: &Target,
) -> Result<ProgramImage, AsmError> {
    let mut asm = Assembler::new("empty", kind);
    asm.emit(Alu::Mov.imm(R0, value));
    asm.emit(Insn::exit());
    asm.finish(target)
}

/// The map that holds a pattern: a value a byte, then [`END_OF_PATTERN`].
pub(crate) fn pattern_map() -> MapSpec {
    MapSpec {
        name: "pattern".to_owned(),
        kind: MapKind::Array,
        key_bytes: 4,
        value_bytes: 4,
        entries_max: PATTERN_BYTES_MAX.unsigned_abs() + 1,
        flags: 0,
    }
}

/// The matcher that one writes without a compiler of patterns: `bpf_loop` over the offsets of the
/// packet, and at each the bytes of the pattern, looked up in an array map one by one and compared.
/// One program for all patterns; [`pattern_entries`] are what the map must hold.
pub(crate) fn map_matcher(target: &Target) -> Result<ProgramImage, AsmError> {
    /// What the callback gets: the context, and a word that it sets when it has found the pattern.
    const SHARED: i16 = -16;
    const SHARED_CONTEXT: i16 = 0;
    const SHARED_FOUND: i16 = 8;
    const KEY: i16 = -4;
    let mut asm = Assembler::new("map_matcher", ProgramKind::Xdp);
    let pattern = asm.map(pattern_map());
    let [callback, found, not_found] = std::array::from_fn(|_| asm.label());
    asm.emit(Size::DW.store(R10, SHARED + SHARED_CONTEXT, R1));
    asm.emit(Size::DW.store_imm(R10, SHARED + SHARED_FOUND, 0));
    asm.emit(Alu::Mov.imm(R1, OFFSET_MAX));
    asm.emit(Branch::function_address(R2, callback));
    asm.emit(Alu::Mov.reg(R3, R10));
    asm.emit(Alu::Add.imm(R3, i32::from(SHARED)));
    asm.emit(Alu::Mov.imm(R4, 0));
    asm.emit(Insn::Call(Callee::Helper(BPF_LOOP)));
    asm.emit(Size::DW.load(R0, R10, SHARED + SHARED_FOUND));
    asm.emit(Jmp::Ne.imm(R0, 0, found));
    asm.emit(Branch::goto(not_found));
    verdicts(&mut asm, found, not_found);

    // int callback(offset, shared): 0 goes on, 1 stops.
    asm.function("at_offset", callback);
    let (offset, shared, position) = (R6, R7, R8);
    let [next, hit, stop] = std::array::from_fn(|_| asm.label());
    asm.emit(Alu::Mov.reg(offset, R1));
    asm.emit(Alu::Mov.reg(shared, R2));
    asm.emit(Alu::Mov.imm(position, 0));
    let each_position = asm.here();
    asm.emit(Size::W.store(R10, KEY, position));
    asm.load_map(R1, pattern);
    asm.emit(Alu::Mov.reg(R2, R10));
    asm.emit(Alu::Add.imm(R2, i32::from(KEY)));
    asm.emit(Insn::call(Helper::MapLookupElem));
    asm.emit(Jmp::Eq.imm(R0, 0, stop));
    asm.emit(Size::W.load(R9, R0, 0));
    asm.emit(Jmp::Eq.imm(R9, END_OF_PATTERN, hit));
    asm.emit(Size::DW.load(R1, shared, SHARED_CONTEXT));
    asm.emit(Size::W.load(R2, R1, MD_DATA));
    asm.emit(Size::W.load(R3, R1, MD_DATA_END));
    asm.emit(Alu::Mov.reg(R1, offset));
    asm.emit(Alu::Add.reg(R1, position));
    asm.emit(Jmp::Gt.imm(R1, OFFSET_MAX, stop));
    asm.emit(Alu::Add.reg(R2, R1));
    asm.emit(Alu::Mov.reg(R1, R2));
    asm.emit(Alu::Add.imm(R1, 1));
    asm.emit(Jmp::Gt.reg(R1, R3, stop));
    asm.emit(Size::B.load(R1, R2, 0));
    asm.emit(Jmp::Ne.reg(R1, R9, next));
    asm.emit(Alu::Add.imm(position, 1));
    asm.emit(Jmp::Le.imm(position, PATTERN_BYTES_MAX, each_position));
    asm.bind(stop);
    asm.emit(Alu::Mov.imm(R0, 1));
    asm.emit(Insn::exit());
    asm.bind(hit);
    asm.emit(Size::DW.store_imm(shared, SHARED_FOUND, 1));
    asm.emit(Branch::goto(stop));
    asm.bind(next);
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.emit(Insn::exit());
    asm.finish(target)
}

/// The same with two loops of `may_goto`, as one could write it by hand for Linux 6.9 and later.
pub(crate) fn map_matcher_by_hand(target: &Target) -> Result<ProgramImage, AsmError> {
    let mut asm = Assembler::new("map_matcher", ProgramKind::Xdp);
    let pattern = asm.map(pattern_map());
    let (data, end, offset, position) = (R6, R7, R8, R9);
    let (context, key): (i16, i16) = (-16, -4);
    let [next, found, not_found] = std::array::from_fn(|_| asm.label());

    asm.emit(Size::DW.store(R10, context, R1));
    asm.emit(Size::W.load(data, R1, MD_DATA));
    asm.emit(Size::W.load(end, R1, MD_DATA_END));
    // A zero that the verifier does not know as one: else it would follow every round.
    zero(&mut asm, offset, data, end);
    let each_offset = asm.here();
    asm.emit(Branch::may_goto(not_found));
    zero(&mut asm, position, data, end);

    let each_position = asm.here();
    asm.emit(Branch::may_goto(not_found));
    asm.emit(Size::W.store(R10, key, position));
    asm.emit(Alu::Mov.reg(R2, R10));
    asm.emit(Alu::Add.imm(R2, i32::from(key)));
    asm.load_map(R1, pattern);
    asm.emit(Insn::call(Helper::MapLookupElem));
    asm.emit(Jmp::Eq.imm(R0, 0, not_found));
    asm.emit(Size::W.load(R1, R0, 0));
    asm.emit(Jmp::Eq.imm(R1, END_OF_PATTERN, found));
    asm.emit(Alu::Mov.reg(R2, offset));
    asm.emit(Alu::Add.reg(R2, position));
    asm.emit(Jmp::Gt.imm(R2, OFFSET_MAX, not_found));
    asm.emit(Alu::Mov.reg(R3, data));
    asm.emit(Alu::Add.reg(R3, R2));
    asm.emit(Alu::Mov.reg(R2, R3));
    asm.emit(Alu::Add.imm(R2, 1));
    asm.emit(Jmp::Gt.reg(R2, end, not_found));
    asm.emit(Size::B.load(R2, R3, 0));
    asm.emit(Jmp::Ne.reg(R2, R1, next));
    asm.emit(Alu::Add.imm(position, 1));
    asm.emit(Branch::goto(each_position));

    asm.bind(next);
    asm.emit(Alu::Add.imm(offset, 1));
    asm.emit(Branch::goto(each_offset));
    verdicts(&mut asm, found, not_found);
    asm.finish(target)
}

/// `dst = 0`, unknown to the verifier.
fn zero(asm: &mut Assembler, dst: Reg, data: Reg, end: Reg) {
    asm.emit(Alu::Mov.reg(dst, end));
    asm.emit(Alu::Sub.reg(dst, data));
    asm.emit(Alu::Sub.reg(dst, dst));
}

fn verdicts(asm: &mut Assembler, found: Label, not_found: Label) {
    for (label, value) in [(found, FOUND), (not_found, NOT_FOUND)] {
        asm.bind(label);
        asm.emit(Alu::Mov.imm(R0, value));
        asm.emit(Insn::exit());
    }
}

/// Keys and values that make [`map_matcher`] search for `literal`.
pub(crate) fn pattern_entries(literal: &[u8]) -> impl Iterator<Item = ([u8; 4], [u8; 4])> {
    let values = literal.iter().map(|&byte| i32::from(byte)).chain([END_OF_PATTERN]);
    (0_i32..).zip(values).map(|(key, value)| (key.to_ne_bytes(), value.to_ne_bytes()))
}

/// The kernel function `bpf_strnstr` with this id, asked for `literal` in the whole packet.
pub(crate) fn strnstr(id: i32, literal: &[u8], target: &Target) -> Result<ProgramImage, AsmError> {
    let mut asm = Assembler::new("strnstr", ProgramKind::Xdp);
    let [found, not_found] = std::array::from_fn(|_| asm.label());
    // The string and its NUL, in whole words.
    let words = literal.len() / 8 + 1;
    let bytes = i16::try_from(words * 8).expect("short literals only");
    for (nth, from) in (0..words * 8).step_by(8).zip((-bytes..0).step_by(8)) {
        let word = std::array::from_fn(|i| literal.get(nth + i).copied().unwrap_or(0));
        asm.emit(Insn::load_imm64(R0, u64::from_le_bytes(word)));
        asm.emit(Size::DW.store(R10, from, R0));
    }
    asm.emit(Size::W.load(R2, R1, MD_DATA));
    asm.emit(Size::W.load(R3, R1, MD_DATA_END));
    asm.emit(Alu::Sub.reg(R3, R2));
    asm.emit(Alu::Mov.reg(R1, R2));
    asm.emit(Alu::Mov.reg(R2, R10));
    asm.emit(Alu::Add.imm(R2, -i32::from(bytes)));
    asm.emit(Insn::Call(Callee::Kfunc { btf_id: id, module: 0 }));
    // The function returns an int.
    asm.emit(Jmp::SLt.imm32(R0, 0, not_found));
    asm.emit(Branch::goto(found));
    verdicts(&mut asm, found, not_found);
    asm.finish(target)
}

/// libc's `memmem`.
#[allow(unsafe_code, reason = "a function of C")]
pub(crate) fn memmem(haystack: &[u8], needle: &[u8]) -> bool {
    // SAFETY: both pointers are valid for as many bytes as said; the function only reads.
    let found = unsafe {
        libc::memmem(haystack.as_ptr().cast(), haystack.len(), needle.as_ptr().cast(), needle.len())
    };
    !found.is_null()
}
