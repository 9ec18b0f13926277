//! A loaded program as text: what the verifier made of it, and the machine code.
//!
//! The text is that of `bpftool prog dump xlated`: maps by their id, calls by the names that the
//! kernel gives its functions. What the verifier puts in place of calls and loads (`nospec`, a
//! per-CPU address) has the kernel's text too. Hidden addresses are no error: then calls have no
//! names. What it does not do: it does not disassemble machine code.
//!
//! Source: `bpf_insn_prepare_dump()` in `kernel/bpf/syscall.c`, `print_call()` and `print_imm()` in
//! `tools/bpf/bpftool/xlated_dumper.c` (Linux 7.2).

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{BufRead, BufReader},
};

use super::sys::object::ProgCode;
use crate::assembler::{
    disasm::{self, Code},
    encode::Raw,
    helper,
};

/// Where the kernel shows its symbols.
const SYMBOLS: &str = "/proc/kallsyms";

/// What the numbers of helper functions in a loaded program count from.
const CALL_BASE: &str = "__bpf_call_base";

const CALL: u8 = 0x85;
const LOAD_IMM64: u8 = 0x18;
const NOSPEC: u8 = 0xc2;
const MOVE: u8 = 0xbf;
/// `off` of a move that makes the address of a per-CPU variable that of this CPU.
const PER_CPU: i16 = -1;

/// One instruction of a loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its first slot.
    pub slot: u32,
    /// The kernel's text of it, with the opcode in front.
    pub text: String,
}

/// The machine code of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jited {
    /// Bytes in all; 0 if the program is interpreted, or if this process may not know.
    pub told_bytes: u32,
    /// The functions, in the program's order; none where the kernel hides the code.
    pub functions: Vec<JitedFunction>,
}

/// The machine code of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JitedFunction {
    /// The kernel's name of it, such as `bpf_prog_6deef7357e7b4530_main`, if it tells.
    pub name: Option<String>,
    /// Where it stands; nothing where addresses are hidden.
    pub address: Option<u64>,
    /// The code.
    pub bytes: Vec<u8>,
}

impl Jited {
    pub(super) fn of(code: ProgCode) -> Self {
        let ProgCode { told_bytes, bytes, addresses, lengths } = code;
        let symbols = Symbols::of(addresses.iter().copied().filter(|&a| a != 0).collect());
        let mut functions = Vec::new();
        let mut rest = bytes.as_slice();
        // Kernels before 4.18 tell no lengths: then it is one function.
        let all = [told_bytes];
        let lengths = if lengths.is_empty() { &all } else { lengths.as_slice() };
        for (index, &length) in lengths.iter().enumerate() {
            let length = usize::try_from(length).expect("u32 fits");
            let Some((here, after)) = rest.split_at_checked(length).filter(|_| length > 0) else {
                break;
            };
            rest = after;
            let address = addresses.get(index).copied().filter(|&address| address != 0);
            let name = address.and_then(|address| symbols.name(address)).map(str::to_owned);
            functions.push(JitedFunction { name, address, bytes: here.to_vec() });
        }
        Self { told_bytes, functions }
    }
}

/// The address that a call goes to, if the symbol there is its name.
fn call_address(slot: Raw, base: u64, functions: &[u64]) -> Option<u64> {
    match (slot.opcode, slot.src) {
        (CALL, 1) => functions.get(usize::try_from(slot.imm).ok()?).copied(),
        (CALL, _) => Some(base.wrapping_add_signed(slot.imm.into())),
        _ => None,
    }
}

/// The text of `slots`, in which `functions` are the addresses of the program's functions.
pub(super) fn lines(slots: &[[u8; 8]], functions: &[u64]) -> Vec<Line> {
    let base = Symbols::address_of(CALL_BASE);
    let calls = |base: u64| {
        let address = |&slot: &[u8; 8]| call_address(Raw::from_bytes(slot), base, functions);
        slots.iter().filter_map(address).collect()
    };
    let symbols = Symbols::of(base.map(calls).unwrap_or_default());
    text(slots, functions, base.unwrap_or(0), &symbols)
}

fn text(slots: &[[u8; 8]], functions: &[u64], base: u64, symbols: &Symbols) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(&bytes) = slots.get(at) {
        let next = slots.get(at + 1).copied();
        let slot = Raw::from_bytes(bytes);
        let name = call_address(slot, base, functions).and_then(|address| symbols.name(address));
        let (text, count) = match (special(&slot, next, name, functions), next) {
            (Some(text), _) => (text, if slot.opcode == LOAD_IMM64 { 2 } else { 1 }),
            (None, next) => {
                let code = first(bytes, next);
                let count = if code.slots() == 2 { 2 } else { 1 };
                let hidden = matches!(code, Code::Slot { .. }).then(|| hidden_register(bytes));
                (hidden.flatten().unwrap_or_else(|| code.to_string()), count)
            }
        };
        lines.push(Line { slot: u32::try_from(at).unwrap_or(u32::MAX), text });
        at += count;
    }
    lines
}

/// The instruction, or what else it is, that begins with `bytes`.
fn first(bytes: [u8; 8], next: Option<[u8; 8]>) -> Code {
    let pair = [bytes, next.unwrap_or_default()];
    let codes = disasm::disassemble(&pair[..1 + usize::from(next.is_some())]);
    codes.into_iter().next().expect("one slot gives one code")
}

/// The text of an instruction with a register past `r10`: the verifier has one for itself, `r11`
/// (since Linux 7.2 `r12`), which the kernel prints as any other.
fn hidden_register(bytes: [u8; 8]) -> Option<String> {
    let Raw { dst, src, .. } = Raw::from_bytes(bytes);
    // Any registers will do that are not there: their names are replaced.
    let free = |taken: &[u8]| [9_u8, 8, 7].into_iter().find(|r| !taken.contains(r));
    let dst_as = if dst > 10 { free(&[src])? } else { dst };
    let src_as = match src {
        0..=10 => src,
        _ if src == dst => dst_as,
        _ => free(&[dst_as])?,
    };
    let mut shown = bytes;
    shown[1] = src_as << 4 | dst_as;
    let Code::Insn(insn) = first(shown, None) else { return None };
    let mut text = format!("({:02x}) ", bytes[0]);
    let insn = insn.to_string();
    let is_name = |c: char| c.is_ascii_alphanumeric();
    for word in insn.split_inclusive(|c| !is_name(c)) {
        let name = word.trim_end_matches(|c| !is_name(c));
        let number = name.strip_prefix(['r', 'w']).and_then(|number| number.parse::<u8>().ok());
        let real = match number {
            Some(number) if dst > 10 && number == dst_as => Some(dst),
            Some(number) if src > 10 && number == src_as => Some(src),
            _ => None,
        };
        match real {
            Some(real) => text += &format!("{}{real}{}", &name[..1], &word[name.len()..]),
            None => text += word,
        }
    }
    Some(text)
}

/// The text of what only loaded programs have.
fn special(
    slot: &Raw,
    next: Option<[u8; 8]>,
    name: Option<&str>,
    functions: &[u64],
) -> Option<String> {
    let Raw { opcode, dst, src, off, imm } = *slot;
    let text = match (opcode, src) {
        (CALL, 0) if helper::name_of(imm).is_some() => return None,
        // The place in the program is in `off`; `imm` counts the functions.
        (CALL, 1) => match name {
            Some(name) => format!("call pc{off:+}#{name}"),
            None if functions.is_empty() => format!("call pc{off:+}"),
            None => {
                let address = call_address(*slot, 0, functions).unwrap_or(0);
                format!("call pc{off:+}#{address:#x}")
            }
        },
        (CALL, _) => format!("call {}#{imm}", name.unwrap_or("unknown")),
        (LOAD_IMM64, 1) => format!("r{dst} = map[id:{imm}]"),
        (LOAD_IMM64, 2) => format!("r{dst} = map[id:{imm}][0]+{}", Raw::from_bytes(next?).imm),
        (LOAD_IMM64, 4) => format!("r{dst} = subprog[{imm:+}]"),
        (NOSPEC, _) => "nospec".to_owned(),
        (MOVE, _) if off == PER_CPU => format!("r{dst} = &(void __percpu *)(r{src})"),
        _ => return None,
    };
    Some(format!("({opcode:02x}) {text}"))
}

/// Names of addresses of the kernel.
#[derive(Default)]
struct Symbols {
    names: HashMap<u64, String>,
}

impl Symbols {
    /// The names of these addresses, as far as the kernel tells.
    fn of(wanted: HashSet<u64>) -> Self {
        let mut names = HashMap::new();
        if wanted.is_empty() {
            return Self { names };
        }
        each_symbol(|address, name| {
            if wanted.contains(&address) {
                names.entry(address).or_insert_with(|| name.to_owned());
            }
            names.len() < wanted.len()
        });
        Self { names }
    }

    fn name(&self, address: u64) -> Option<&str> {
        self.names.get(&address).map(String::as_str)
    }

    /// The address of the symbol `wanted`; nothing where addresses are hidden.
    fn address_of(wanted: &str) -> Option<u64> {
        let mut found = None;
        each_symbol(|address, name| {
            if name == wanted {
                found = Some(address);
            }
            found.is_none()
        });
        found
    }
}

/// Call `with` for each symbol of the kernel until it has enough. Hidden addresses (0) are left out.
fn each_symbol(mut with: impl FnMut(u64, &str) -> bool) {
    let Ok(file) = fs::File::open(SYMBOLS) else { return };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = String::new();
    loop {
        line.clear();
        if !matches!(reader.read_line(&mut line), Ok(1..)) {
            return;
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        match u64::from_str_radix(address, 16) {
            Ok(address) if address != 0 && !with(address, name) => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(opcode: u8, registers: u8, off: i16, imm: i32) -> [u8; 8] {
        let ([o0, o1], [i0, i1, i2, i3]) = (off.to_le_bytes(), imm.to_le_bytes());
        [opcode, registers, o0, o1, i0, i1, i2, i3]
    }

    #[test]
    fn what_only_loaded_programs_have_reads_as_in_bpftool() {
        let names = [(0x1000, "bpf_ktime_get_ns"), (0x5000, "bpf_prog_0123456789abcdef_sub")];
        let names = names.into_iter().map(|(address, name)| (address, name.to_owned())).collect();
        let symbols = Symbols { names };
        let slots = [
            slot(0x18, 0x11, 0, 7),
            slot(0, 0, 0, 0),
            slot(0x18, 0x21, 0, 7),
            slot(0, 0, 0, 16),
            slot(0x18, 0x41, 0, 5),
            slot(0, 0, 0, 1),
            slot(0x85, 0, 0, 0x800),
            slot(0x85, 0, 0, 0x801),
            slot(0x85, 0, 0, 12),
            slot(0x85, 0x10, -9, 1),
            slot(0x85, 0x10, 4, 0),
            slot(0xc2, 0, 0, 0),
            slot(0xbf, 0x21, -1, 0),
            slot(0xbf, 0x21, 0, 0),
            slot(0x79, 0xab, -176, 0),
            slot(0x15, 0x0b, 2, 0),
            slot(0x7b, 0xba, -176, 0),
            slot(0xaf, 0xbb, 0, 0),
            slot(0x0f, 0xc9, 0, 0),
            slot(0xff, 0, 0, 0),
            slot(0x18, 0x21, 0, 7),
        ];
        let got = text(&slots, &[0x4000, 0x5000], 0x800, &symbols);
        let got: Vec<_> = got.iter().map(|line| format!("{}: {}", line.slot, line.text)).collect();
        let want = [
            "0: (18) r1 = map[id:7]",
            "2: (18) r1 = map[id:7][0]+16",
            "4: (18) r1 = subprog[+5]",
            "6: (85) call bpf_ktime_get_ns#2048",
            "7: (85) call unknown#2049",
            "8: (85) call bpf_tail_call#12",
            "9: (85) call pc-9#bpf_prog_0123456789abcdef_sub",
            "10: (85) call pc+4#0x4000",
            "11: (c2) nospec",
            "12: (bf) r1 = &(void __percpu *)(r2)",
            "13: (bf) r1 = r2",
            "14: (79) r11 = *(u64 *)(r10 -176)",
            "15: (15) if r11 == 0x0 goto pc+2",
            "16: (7b) *(u64 *)(r10 -176) = r11",
            "17: (af) r11 ^= r11",
            "18: (0f) r9 += r12",
            "19: .slot 0xff00000000000000 ; unknown opcode 0xff",
            "20: .slot 0x1821000007000000 ; a wide instruction is cut off at the end",
        ];
        assert_eq!(got, want);
        let hidden = text(&slots[9..10], &[], 0, &Symbols::default());
        assert_eq!(hidden[0].text, "(85) call pc-9");
    }

    #[test]
    fn machine_code_is_cut_into_functions_and_lies_are_not_believed() {
        let code = |lengths: &[u32], bytes: usize| ProgCode {
            told_bytes: 10,
            bytes: vec![0x90; bytes],
            addresses: vec![],
            lengths: lengths.to_vec(),
        };
        let lengths = |code| -> Vec<usize> {
            Jited::of(code).functions.iter().map(|function| function.bytes.len()).collect()
        };
        assert_eq!(lengths(code(&[6, 4], 10)), [6, 4]);
        assert_eq!(lengths(code(&[], 10)), [10]);
        assert_eq!(lengths(code(&[6, 5], 10)), [6]);
        assert_eq!(lengths(code(&[6, 4], 0)), [0; 0]);
    }
}
