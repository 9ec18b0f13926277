//! What the verifier's messages mean, in words: one line for each of the common classes.
//!
//! A class is found by the words that stayed the same over the releases. Nothing is guessed: a
//! message of no class has no explanation.

use super::{
    state::{Place, Register, find},
    stats,
};

/// What is known of a rejection.
pub(super) struct Failure<'a> {
    pub(super) reason: &'a str,
    /// The instruction, or nothing.
    pub(super) insn: &'a str,
    /// The state before it.
    pub(super) registers: &'a [Register],
}

/// A part of the message, and what to say. The first class that says something wins.
type Class = (&'static str, fn(&Failure<'_>) -> Option<String>);

const CLASSES: &[Class] = &[
    ("invalid access to packet", packet),
    ("offset is outside of the packet", packet),
    ("invalid access to map value", map_value),
    ("invalid mem access '", mem_access),
    ("!read_ok", not_set),
    ("jumps is too complex", |_| {
        say("more than 8192 branches wait on one path to be looked at: let the jump go where the \
             program goes on, so that the other side ends early, or split the program")
    }),
    ("program is too large. Processed", |_| {
        say(
            "the verifier gives up after processing 1,000,000 instructions: it follows a loop round \
             by round and every path on its own",
        )
    }),
    ("infinite loop detected", |_| {
        say(
            "the loop came round in the same state: nothing that the verifier knows changes (without \
             CAP_PERFMON it knows no counters)",
        )
    }),
    ("back-edge from insn", |_| {
        say(
            "a jump back makes a loop; loops need CAP_BPF and must reach the same state never twice",
        )
    }),
    ("misaligned", |f| {
        let bytes = number_after(f.reason, "size ").map_or(String::new(), |n| format!(" ({n})"));
        Some(format!("the address of a fixed-offset access must be a multiple of its size{bytes}"))
    }),
    ("invalid read from stack", |_| {
        say("these bytes of the stack were never written, or not all of them")
    }),
    ("invalid indirect read from stack", |_| {
        say("these bytes of the stack were never written, or not all of them")
    }),
    ("write to stack", stack),
    ("invalid stack", stack),
    ("access to stack", stack),
    ("combined stack size", |_| {
        say("the functions on one path of calls share a stack of 512 bytes")
    }),
    ("invalid func unknown#", |f| {
        let id = number_after(f.reason, "unknown#")?;
        Some(format!("this kernel has no helper {id}"))
    }),
    ("cannot use helper ", |f| helper(f.reason, "cannot use helper ")),
    ("unknown func ", |f| helper(f.reason, "unknown func ")),
    ("unreachable insn", |_| {
        say("no path leads to this instruction; the verifier accepts no dead code")
    }),
    ("jump out of range", |_| say("the jump goes to a slot where there is no such instruction")),
    ("last insn is not an exit or jmp", |_| say("a program must end with exit or goto")),
    ("invalid bpf_context access", |f| {
        let at = number_after(f.reason, "off=")?;
        Some(format!("a program of this type may not access byte {at} of its context like this"))
    }),
    ("frame pointer is read only", |_| say("r10 is the frame pointer and cannot be changed")),
    ("prohibited for !root", |_| privilege()),
    ("pointer -= pointer prohibited", |_| privilege()),
    ("pointer comparison prohibited", |_| privilege()),
    ("on pointer prohibited", |f| {
        let register = register(f.reason)?;
        Some(format!(
            "{register} is a pointer: numbers may only be added to and subtracted from it"
        ))
    }),
    ("with unbounded min value", |_| {
        say(
            "the number that is added to the pointer needs a known lower or upper bound: compare it \
             unsigned with its limit first",
        )
    }),
    ("unbounded memory access", |f| bounds(f.reason)),
    ("min value is negative", |f| bounds(f.reason)),
    ("min value is outside of the allowed memory range", |f| bounds(f.reason)),
    ("max value is outside of the allowed memory range", |f| bounds(f.reason)),
    (" expected=", argument),
    ("unknown opcode", |_| say("this kernel does not know the instruction")),
    ("uses reserved fields", |_| say("this kernel does not know this form of the instruction")),
    ("due to 16-bit range", |_| {
        say(
            "the verifier replaces some instructions by longer ones, and then the jump does not reach \
             its target any more: jump a shorter distance",
        )
    }),
    ("div by zero", |_| say("the divisor is the constant 0")),
    ("division by zero", |_| say("the divisor is the constant 0")),
    ("invalid shift", |_| say("a shift must be smaller than the register is wide")),
    ("leaks addr", |_| privilege()),
    ("cannot write into packet", |_| say("programs of this type may read the packet only")),
    ("At program exit the register R0", |_| {
        say("programs of this type may return certain numbers only")
    }),
];

/// One line of why.
pub(super) fn explain(failure: &Failure<'_>) -> Option<String> {
    CLASSES
        .iter()
        .filter(|(part, _)| failure.reason.contains(part))
        .find_map(|(_, describe)| describe(failure))
}

/// Messages that name the instruction themselves, because they come from checks of the whole
/// program. The number behind the words is the slot.
const PLACES: [&str; 7] = [
    "unreachable insn ",
    "infinite loop detected at insn ",
    "back-edge from insn ",
    "jump out of range from insn ",
    "jump to reserved code from insn ",
    "invalid insn idx ",
    "jump into the middle of ldimm64 insn ",
];

/// Where the messages say that something is wrong, if they say.
pub(super) fn place(messages: &[&str]) -> Option<Place> {
    messages.iter().find_map(|message| {
        if message.contains("last insn is not an exit or jmp") {
            return Some(Place::Last);
        }
        if let Some(rest) = message.strip_prefix("insn ")
            && message.contains("cannot be patched")
        {
            return number(rest).and_then(|slot| u32::try_from(slot).ok()).map(Place::Slot);
        }
        PLACES
            .iter()
            .find_map(|words| number_after(message, words))
            .and_then(|slot| u32::try_from(slot).ok())
            .map(Place::Slot)
    })
}

/// The number that `text` begins with, if it could be an offset, a size or a slot: then sums of
/// several do not overflow.
fn number(text: &str) -> Option<u64> {
    stats::number(text).filter(|&n| n <= u64::from(u32::MAX))
}

/// The same behind the first `key`.
fn number_after(text: &str, key: &str) -> Option<u64> {
    number(&text[text.find(key)? + key.len()..])
}

#[allow(clippy::unnecessary_wraps, reason = "an entry of the table")]
fn say(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn privilege() -> Option<String> {
    say("arithmetic with pointers and unknown numbers needs CAP_PERFMON (or CAP_SYS_ADMIN)")
}

/// Largest offset from the start of the packet that the verifier reasons about
/// (`MAX_PACKET_OFF` in `include/linux/bpf_verifier.h`).
const PACKET_OFFSET_MAX: u64 = 0xffff;

/// `invalid access to packet, off=8 size=8, R2(id=0,off=8,r=12)`.
fn packet(failure: &Failure<'_>) -> Option<String> {
    let message = failure.reason;
    let name = register_with(message, "(id=").or_else(|| register(message))?;
    let upper = name.to_ascii_uppercase();
    let access = number_after(message, "off=").zip(number_after(message, "size="));
    let proven = number_after(message, ",r=");
    let state = find(failure.registers, &upper).unwrap_or_default();
    let Some(((off, size), proven)) = access.zip(proven) else {
        return say("the access may lie before the packet or behind its end");
    };
    let last = (off + size).saturating_sub(1);
    let reach = largest(state).unwrap_or(0).saturating_add(off).saturating_add(size);
    if proven == 0 && reach > PACKET_OFFSET_MAX {
        return Some(format!(
            "{name} is a packet pointer whose offset may reach {}; nothing is proven beyond \
             65,535: bound the offset lower",
            thousands(reach)
        ));
    }
    let needs = bytes(off, last);
    Some(format!(
        "{name} is a packet pointer with {proven} bytes proven readable, and this needs {needs}: \
         compare {name} + {} with data_end first",
        last + 1
    ))
}

/// `byte 3` or `bytes 3 to 6`.
fn bytes(first: u64, last: u64) -> String {
    if first == last { format!("byte {first}") } else { format!("bytes {first} to {last}") }
}

/// The upper bound in a printed state: `umax=`, also as in `smax=umax=0xffff`.
fn largest(state: &str) -> Option<u64> {
    let at = state
        .find("umax=")
        .map(|at| at + 5)
        .or_else(|| state.find("umax_value=").map(|at| at + 11))?;
    let mut rest = &state[at..];
    // Equal bounds are printed as one chain.
    while let Some((name, tail)) = rest.split_once('=')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
        && !name.as_bytes()[0].is_ascii_digit()
    {
        rest = tail;
    }
    match rest.strip_prefix("0x") {
        Some(hex) => {
            let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            u64::from_str_radix(&hex[..end], 16).ok()
        }
        None => number(rest),
    }
}

/// `invalid access to map value, value_size=8 off=6 size=4`.
fn map_value(failure: &Failure<'_>) -> Option<String> {
    let value = number_after(failure.reason, "value_size=")?;
    let behind = &failure.reason[failure.reason.find("value_size=")?..];
    let off = number_after(behind, " off=");
    let size = number_after(behind, " size=")?;
    Some(match off {
        Some(off) => {
            let needs = bytes(off, (off + size).saturating_sub(1));
            format!("this needs {needs} of a map value of {value} bytes")
        }
        None => format!("this needs bytes before the start of a map value of {value} bytes"),
    })
}

/// `R3 invalid mem access 'scalar'`.
fn mem_access(failure: &Failure<'_>) -> Option<String> {
    let name = register_with(failure.reason, " invalid mem access")?;
    let (_, kind) = failure.reason.split_once("invalid mem access '")?;
    let kind = kind.split('\'').next()?;
    Some(match kind {
        "scalar" | "inv" => format!(
            "{name} is a number, not a pointer; arithmetic that the verifier cannot follow turns a \
             pointer into a number"
        ),
        "pkt_end" => format!("{name} is the end of the packet: compare with it, never read there"),
        _ if kind.ends_with("_or_null") => {
            format!("{name} may be null: compare it with 0 before it is used")
        }
        _ => format!("{name} is a pointer of kind {kind}, which cannot be read or written here"),
    })
}

/// `R0 !read_ok`.
fn not_set(failure: &Failure<'_>) -> Option<String> {
    let name = register_with(failure.reason, " !read_ok")?;
    Some(if name == "r0" && failure.insn.starts_with("(95)") {
        "r0 has no value at exit: it is what the program returns".to_owned()
    } else {
        format!(
            "{name} has no value here: it was never set, or a call took it (helpers clobber r0 to r5)"
        )
    })
}

fn stack(failure: &Failure<'_>) -> Option<String> {
    if failure.reason.contains("variable") {
        return say("the offset into the stack must be a constant here, or its bounds be known");
    }
    say("the access is not inside of the stack, which is the 512 bytes below r10")
}

/// `program of this type cannot use helper bpf_skb_load_bytes#26`.
fn helper(message: &str, before: &str) -> Option<String> {
    let (_, rest) = message.split_once(before)?;
    let name = rest.split(['#', ' ', ';']).next().filter(|name| !name.is_empty())?;
    Some(format!("programs of this type, or with these capabilities, may not call {name}"))
}

fn bounds(message: &str) -> Option<String> {
    let register = register(message)?;
    Some(format!(
        "the verifier does not know that {register} stays inside: compare it unsigned with its limit \
         first"
    ))
}

/// `R1 type=scalar expected=map_ptr`.
fn argument(failure: &Failure<'_>) -> Option<String> {
    let name = register_with(failure.reason, " type=")?;
    let (_, rest) = failure.reason.split_once("type=")?;
    let (got, rest) = rest.split_once(" expected=")?;
    let want = rest.split(';').next().unwrap_or(rest).trim();
    let which = name.strip_prefix('r')?;
    Some(format!("argument {which} of the call is {got}, and the helper takes {want}"))
}

/// The first register that the message names, in lower case: `r2`.
fn register(message: &str) -> Option<String> {
    register_with(message, "")
}

/// The first register in the message that is followed by `behind`.
fn register_with(message: &str, behind: &str) -> Option<String> {
    let bytes = message.as_bytes();
    message.match_indices('R').find_map(|(at, _)| {
        let word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'_';
        let number = number(&message[at + 1..]).filter(|&n| n <= 10)?;
        let digits = if number == 10 { 2 } else { 1 };
        (word && message[at + 1 + digits..].starts_with(behind)).then(|| format!("r{number}"))
    })
}

/// `65,544`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reason: &str, want: &str) {
        let got = explain(&Failure { reason, insn: "", registers: &[] });
        assert!(got.as_deref().is_some_and(|got| got.contains(want)), "{reason:?}: {got:?}");
    }

    #[test]
    fn messages_of_older_kernels_and_fewer_rights_are_explained_too() {
        check("R3 invalid mem access 'inv'", "r3 is a number");
        check("unknown func bpf_skb_load_bytes#26", "may not call bpf_skb_load_bytes");
        check("invalid stack off=-520 size=8", "512 bytes below r10");
        check("back-edge from insn 7 to 2", "loop");
        check("R3 pointer -= pointer prohibited", "CAP_PERFMON");
        check("invalid read from stack off -8+0 size 8", "never written");
        check("R2 variable offset stack access prohibited for !root", "CAP_PERFMON");
        check("R1 type=inv expected=map_ptr", "argument 1 of the call is inv");
        check("insn 12 cannot be patched due to 16-bit range", "shorter distance");
        check("unknown opcode e5", "does not know the instruction");
        check("R4 unbounded memory access, use 'var &= const'", "r4 stays inside");
    }

    #[test]
    fn what_is_not_known_is_not_explained() {
        for reason in ["", "R", "something else", "R99 !read_ok", "R1x", "invalid mem access '"] {
            let got = explain(&Failure { reason, insn: "", registers: &[] });
            assert_eq!(got, None, "{reason:?}");
        }
    }

    #[test]
    fn bounds_are_read_from_both_spellings() {
        for (state, want) in [
            (
                "pkt(id=1,r=0,smin=smin32=0,smax=umax=smax32=umax32=0xffff,var_off=(0x0; 0xffff))",
                Some(0xffff),
            ),
            ("pkt(id=1,off=8,r=0,umax_value=65535,var_off=(0x0; 0xffff))", Some(65535)),
            ("scalar(umin=3,umax=9)", Some(9)),
            ("pkt(r=0)", None),
            ("umax=", None),
            ("umax=umax=", None),
        ] {
            assert_eq!(largest(state), want, "{state}");
        }
        assert_eq!(thousands(65544), "65,544");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }

    #[test]
    fn places_are_read_where_messages_name_them() {
        for (message, want) in [
            ("unreachable insn 2", Some(Place::Slot(2))),
            ("back-edge from insn 7 to 2", Some(Place::Slot(7))),
            ("jump out of range from insn 0 to 6", Some(Place::Slot(0))),
            ("insn 5 cannot be patched due to 16-bit range", Some(Place::Slot(5))),
            ("last insn is not an exit or jmp", Some(Place::Last)),
            ("unreachable insn 99999999999", None),
            ("unreachable insn x", None),
            ("R0 !read_ok", None),
        ] {
            assert_eq!(place(&[message]), want, "{message}");
        }
    }
}
