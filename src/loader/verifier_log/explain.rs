//! What the verifier's messages mean, in words: for each of the common classes one line of cause,
//! and what to try.
//!
//! A class is found by the words that stayed the same over the releases. Nothing is guessed: a
//! message of no class has no explanation.

use super::{
    state::{Place, Register, find},
    stats,
    value::{Value, number, thousands},
};

/// What is known of a rejection.
pub(super) struct Failure<'a> {
    pub(super) reason: &'a str,
    /// The instruction, or nothing.
    pub(super) insn: &'a str,
    /// The state before it.
    pub(super) registers: &'a [Register],
}

/// What there is to say about a class.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Why it was rejected.
    pub(super) cause: String,
    /// What to try.
    pub(super) advice: String,
}

/// A part of the message, and what to say. The first class that says something wins.
type Class = (&'static str, fn(&Failure<'_>) -> Option<Said>);

#[rustfmt::skip] // A table: what is said stands beside the message it is said about.
const CLASSES: &[Class] = &[
    ("invalid access to packet", packet),
    ("offset is outside of the packet", packet),
    ("invalid access to map value", map_value),
    ("Possibly NULL pointer passed", null_argument),
    ("invalid mem access '", mem_access),
    ("!read_ok", not_set),
    ("jumps is too complex", |_| say(
        "more than 8192 branches wait on one path to be looked at",
        "let the jump go where the program goes on, so that the other side ends early, or split the \
         program")),
    ("program is too large. Processed", |_| say(
        "the verifier gives up after processing 1,000,000 instructions: it follows a loop round by \
         round and every path on its own",
        "let loops end sooner, use may_goto (Linux 6.9) or bpf_loop (5.17), or split the program")),
    ("infinite loop detected", |_| say(
        "the loop came round in the same state: nothing that the verifier knows changes (without \
         CAP_PERFMON it knows no counters)",
        "count the rounds in a register or on the stack and compare the count with its limit")),
    ("back-edge from insn", |_| say(
        "a jump back makes a loop; loops need CAP_BPF and must reach the same state never twice",
        "load with CAP_BPF, and count the rounds")),
    ("misaligned", |f| {
        let bytes = number_after(f.reason, "size ").map_or(String::new(), |n| format!(" ({n})"));
        say(
            format!("the address of a fixed-offset access must be a multiple of its size{bytes}"),
            "move the bytes, or read them in smaller pieces")
    }),
    ("invalid read from stack", unwritten),
    ("invalid indirect read from stack", unwritten),
    ("write to stack", stack),
    ("combined stack size", |_| say(
        "the functions on one path of calls share a stack of 512 bytes",
        "keep large things in a map (a per-CPU array with one entry)")),
    ("call stack of", |_| say("calls may be nested at most eight deep", "inline some of them")),
    ("invalid stack", stack),
    ("access to stack", stack),
    ("invalid func unknown#", |f| {
        let id = number_after(f.reason, "unknown#")?;
        say(format!("this kernel has no helper {id}"), "use another helper, or a newer kernel")
    }),
    ("cannot call GPL-restricted function", |_| say(
        "the helper may be called by programs under the GPL only",
        "load the program with the licence \"GPL\" (or \"Dual MIT/GPL\" and the like)")),
    ("from non-GPL compatible program", |_| say(
        "kernel functions may be called by programs under the GPL only",
        "load the program with the licence \"GPL\" (or \"Dual MIT/GPL\" and the like)")),
    ("would lead to reference leak", |f| leak(f.reason)),
    ("Unreleased reference", |f| leak(f.reason)),
    ("cannot use helper ", |f| helper(f.reason, "cannot use helper ")),
    ("unknown func ", |f| helper(f.reason, "unknown func ")),
    ("calling kernel function ", |f| {
        let (_, rest) = f.reason.split_once("calling kernel function ")?;
        let name = rest.split(' ').next()?;
        say(format!("programs of this type may not call {name}"),
            "use a helper, or another type of program")
    }),
    ("unreachable insn", |_| say(
        "no path leads to this instruction; the verifier accepts no dead code",
        "remove it, or jump to it")),
    ("jump out of range", |_| say(
        "the jump goes to a slot where there is no such instruction",
        "count slots: jumps count from the next one, and a wide load (18) takes two")),
    ("last insn is not an exit or jmp", |_| say(
        "a program must end with exit or goto", "end every path with exit")),
    ("invalid bpf_context access", |f| {
        let at = number_after(f.reason, "off=")?;
        say(format!("a program of this type may not access byte {at} of its context like this"),
            "look up its fields in linux/bpf.h: their offsets and sizes, and which may be written")
    }),
    ("frame pointer is read only", |_| say(
        "r10 is the frame pointer and cannot be changed", "copy it to another register first")),
    ("prohibited for !root", |_| privilege()),
    ("pointer -= pointer prohibited", |_| privilege()),
    ("pointer comparison prohibited", |_| privilege()),
    ("on pointer prohibited", |f| {
        let register = register(f.reason)?;
        say(format!(
            "{register} is a pointer: numbers may only be added to and subtracted from it"),
            "do other arithmetic on a number, and add that to the pointer")
    }),
    ("tried to subtract pointer from scalar", |_| say(
        "a pointer cannot be subtracted from a number", "subtract the number from the pointer")),
    ("with unbounded min value", |_| unbounded()),
    ("math between ", |_| unbounded()),
    ("makes pkt pointer be out of bounds", |_| unbounded()),
    ("unbounded memory access", |f| bounds(f.reason)),
    ("min value is negative", |f| bounds(f.reason)),
    ("min value is outside of the allowed memory range", |f| bounds(f.reason)),
    ("max value is outside of the allowed memory range", |f| bounds(f.reason)),
    (" expected=", argument),
    ("unknown opcode", |_| say(
        "this kernel does not know the instruction", "compile for this kernel's release")),
    ("uses reserved fields", |_| say(
        "this kernel does not know this form of the instruction",
        "compile for this kernel's release")),
    ("due to 16-bit range", |_| say(
        "the verifier replaces some instructions by longer ones, and then the jump does not reach \
         its target any more",
        "jump a shorter distance, or use gotol (Linux 6.6)")),
    ("div by zero", divisor),
    ("division by zero", divisor),
    ("invalid shift", |_| say(
        "a shift must be smaller than the register is wide", "mask the count first")),
    ("leaks addr", |_| privilege()),
    ("cannot write into packet", |_| say(
        "programs of this type may read the packet only",
        "use a helper such as bpf_skb_store_bytes, or another type of program")),
    ("At program exit the register R0", returned),
    ("same insn cannot be used with different pointers", |_| say(
        "the instruction is reached with pointers of different kinds",
        "give each kind an instruction of its own")),
    ("missing bpf_line_info", |_| types()),
    ("missing btf func_info", |_| types()),
];

/// Cause and advice.
pub(super) fn explain(failure: &Failure<'_>) -> Option<Said> {
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

/// The number behind the first `key`, if it could be an offset, a size or a slot.
fn number_after(text: &str, key: &str) -> Option<u64> {
    number(&text[text.find(key)? + key.len()..])
}

#[allow(clippy::unnecessary_wraps, reason = "an entry of the table")]
fn say(cause: impl Into<String>, advice: impl Into<String>) -> Option<Said> {
    Some(Said { cause: cause.into(), advice: advice.into() })
}

fn privilege() -> Option<Said> {
    say(
        "arithmetic with pointers and unknown numbers needs CAP_PERFMON (or CAP_SYS_ADMIN)",
        "load as root or with CAP_PERFMON, or copy the bytes with a helper",
    )
}

fn unwritten(_: &Failure<'_>) -> Option<Said> {
    say(
        "these bytes of the stack were never written, or not all of them",
        "write them all first, also those between fields",
    )
}

fn unbounded() -> Option<Said> {
    say(
        "the number that is added to the pointer has no known lower or upper bound",
        "compare it unsigned with its limit first, or mask it",
    )
}

fn divisor(_: &Failure<'_>) -> Option<Said> {
    say("the divisor is the constant 0", "divide by something else")
}

fn types() -> Option<Said> {
    say(
        "the types or lines that were loaded with the program do not fit it",
        "load it without them, or make them from the same instructions",
    )
}

/// Largest offset from the start of the packet that the verifier reasons about
/// (`MAX_PACKET_OFF` in `include/linux/bpf_verifier.h`).
const PACKET_OFFSET_MAX: u64 = 0xffff;

/// `invalid access to packet, off=8 size=8, R2(id=0,off=8,r=12)`.
fn packet(failure: &Failure<'_>) -> Option<Said> {
    let message = failure.reason;
    let name = register_with(message, "(id=").or_else(|| register(message))?;
    let upper = name.to_ascii_uppercase();
    let access = number_after(message, "off=").zip(number_after(message, "size="));
    let proven = number_after(message, ",r=");
    let state = Value::of(find(failure.registers, &upper).unwrap_or_default());
    let Some(((off, size), proven)) = access.zip(proven) else {
        return say(
            "the access may lie before the packet or behind its end",
            format!("compare {name} and the bytes behind it with data_end first"),
        );
    };
    let last = (off + size).saturating_sub(1);
    let reach = state.number("umax").unwrap_or(0).saturating_add(off).saturating_add(size);
    if proven == 0 && reach > PACKET_OFFSET_MAX {
        return say(
            format!(
                "{name} is a packet pointer whose offset may reach {}; nothing is proven beyond \
                 65,535",
                thousands(reach)
            ),
            "bound the offset lower before it is added",
        );
    }
    let needs = bytes(off, last);
    // Both numbers count from where the pointer began.
    let cause = match state.fixed() {
        0 => format!(
            "{name} is a packet pointer with {} proven readable, this needs {needs}",
            count(proven)
        ),
        fixed => format!(
            "{name} is a packet pointer at {fixed} bytes; from where it began {proven} are proven \
             readable, this needs {needs}"
        ),
    };
    let behind = (last + 1).saturating_sub(state.fixed());
    say(cause, format!("compare {name} + {behind} with data_end first"))
}

/// `1 byte` or `6 bytes`.
fn count(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// `byte 3` or `bytes 3 to 6`.
fn bytes(first: u64, last: u64) -> String {
    if first == last { format!("byte {first}") } else { format!("bytes {first} to {last}") }
}

/// `invalid access to map value, value_size=8 off=6 size=4`.
fn map_value(failure: &Failure<'_>) -> Option<Said> {
    let value = number_after(failure.reason, "value_size=")?;
    let behind = &failure.reason[failure.reason.find("value_size=")?..];
    let off = number_after(behind, " off=");
    let size = number_after(behind, " size=")?;
    let cause = match off {
        Some(off) => {
            let needs = bytes(off, (off + size).saturating_sub(1));
            format!("this needs {needs} of a map value of {value} bytes")
        }
        None => format!("this needs bytes before the start of a map value of {value} bytes"),
    };
    say(cause, "stay inside of the value, or make the map's values larger")
}

/// `R3 invalid mem access 'scalar'`.
fn mem_access(failure: &Failure<'_>) -> Option<Said> {
    let name = register_with(failure.reason, " invalid mem access")?;
    let (_, kind) = failure.reason.split_once("invalid mem access '")?;
    let kind = kind.split('\'').next()?;
    match kind {
        "scalar" | "inv" => say(
            format!("{name} is a number, not a pointer"),
            "look where it was a pointer last: arithmetic that the verifier cannot follow makes it \
             a number",
        ),
        "pkt_end" => {
            say(format!("{name} is the end of the packet"), "compare with it, never read there")
        }
        _ if kind.ends_with("_or_null") => {
            say(format!("{name} may be null"), format!("compare {name} with 0 before it is used"))
        }
        _ => say(
            format!("{name} is a pointer of kind {kind}, which cannot be read or written here"),
            "use the helpers for it",
        ),
    }
}

/// `Possibly NULL pointer passed to helper arg1`.
fn null_argument(failure: &Failure<'_>) -> Option<Said> {
    let at = failure.reason.find(" arg")?;
    let which = number(&failure.reason[at + 4..])?;
    say(
        format!("argument {which} of the call may be null"),
        "compare the pointer with 0 before the call",
    )
}

/// `R0 !read_ok`.
fn not_set(failure: &Failure<'_>) -> Option<Said> {
    let name = register_with(failure.reason, " !read_ok")?;
    if name == "r0" && failure.insn.starts_with("(95)") {
        return say(
            "r0 has no value at exit: it is what the program returns",
            "set r0 on every path",
        );
    }
    let keep = "set it on every path; keep what must survive a call in r6 to r9";
    say(
        format!(
            "{name} has no value here: it was never set, or a call took it (helpers clobber r0 to r5)"
        ),
        keep,
    )
}

fn stack(failure: &Failure<'_>) -> Option<Said> {
    if failure.reason.contains("variable") {
        return say(
            "the offset into the stack must be a constant here, or its bounds be known",
            "compare the offset unsigned with its limit first",
        );
    }
    let off = failure.reason.split_once("off=-").and_then(|(_, rest)| number(rest));
    let size = number_after(failure.reason, "size=");
    if let Some((off, size)) = off.zip(size)
        && off <= 512
        && size > off
    {
        return say(
            format!("{size} bytes do not fit into the {off} from r10 - {off} to the stack's end"),
            "begin lower in the stack, or use fewer bytes",
        );
    }
    say(
        "the access is not inside of the stack, which is the 512 bytes below r10",
        "use offsets from -512 to -1, and keep large things in a map",
    )
}

/// `program of this type cannot use helper bpf_skb_load_bytes#26`.
fn helper(message: &str, before: &str) -> Option<Said> {
    let (_, rest) = message.split_once(before)?;
    let name = rest.split(['#', ' ', ';']).next().filter(|name| !name.is_empty())?;
    say(
        format!("programs of this type, or with these capabilities, may not call {name}"),
        "use another helper, another type of program, or load with more capabilities",
    )
}

/// `Unreleased reference id=1 alloc_insn=5`.
fn leak(message: &str) -> Option<Said> {
    let at = number_after(message, "alloc_insn=");
    let from = at.map_or(String::new(), |slot| format!(", acquired at slot {slot},"));
    say(
        format!("a reference{from} is not given back on this path"),
        "release it on every path where it is not null (bpf_sk_release, bpf_ringbuf_submit or \
         bpf_ringbuf_discard, …)",
    )
}

/// `At program exit the register R0 has smin=5 smax=5 should have been in [0, 1]`, before Linux 6.8
/// `has value (0x5; 0x0) should have been in (0x0; 0x1)`.
fn returned(failure: &Failure<'_>) -> Option<Said> {
    let range = failure.reason.split_once("should have been in ").map_or("", |(_, range)| range);
    let allowed = match range.find([']', ')']) {
        Some(end) if range.starts_with('[') => format!(": {}", &range[..=end]),
        Some(end) => format!(": value and mask {}", &range[..=end]),
        None => String::new(),
    };
    say(
        format!("programs of this type may return certain numbers only{allowed}"),
        "set r0 to one of them on every path; a number that the verifier does not know is none",
    )
}

fn bounds(message: &str) -> Option<Said> {
    let register = register(message)?;
    say(
        format!("the verifier does not know that {register} stays inside"),
        format!("compare {register} (or what was added to it) unsigned with its limit first"),
    )
}

/// `R1 type=scalar expected=map_ptr`.
fn argument(failure: &Failure<'_>) -> Option<Said> {
    let name = register_with(failure.reason, " type=")?;
    let (_, rest) = failure.reason.split_once("type=")?;
    let (got, rest) = rest.split_once(" expected=")?;
    let want = rest.split(';').next().unwrap_or(rest).trim();
    let which = name.strip_prefix('r')?;
    let advice = if got.ends_with("_or_null") {
        format!("compare {name} with 0 before the call")
    } else {
        format!("give the helper what it takes in {name}")
    };
    say(format!("argument {which} of the call is {got}, and the helper takes {want}"), advice)
}

/// The first register that the message names, in lower case: `r2`.
fn register(message: &str) -> Option<String> {
    register_with(message, "")
}

/// The first register in the message that is followed by `behind`.
fn register_with(message: &str, behind: &str) -> Option<String> {
    registers(message).find(|(_, rest)| rest.starts_with(behind)).map(|(name, _)| name)
}

/// The registers that a message names, in lower case, and what follows them.
pub(super) fn registers(message: &str) -> impl Iterator<Item = (String, &str)> {
    let bytes = message.as_bytes();
    message.match_indices('R').filter_map(move |(at, _)| {
        let word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'_';
        let number = stats::number(&message[at + 1..]).filter(|&n| n <= 10)?;
        let digits = if number == 10 { 2 } else { 1 };
        word.then(|| (format!("r{number}"), &message[at + 1 + digits..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reason: &str, want: &str, try_this: &str) {
        let got = explain(&Failure { reason, insn: "", registers: &[] });
        let said = got.unwrap_or_else(|| panic!("{reason:?} is not explained"));
        assert!(said.cause.contains(want), "{reason:?}: {said:?}");
        assert!(said.advice.contains(try_this), "{reason:?}: {said:?}");
    }

    #[test]
    fn messages_of_older_kernels_and_fewer_rights_are_explained_too() {
        check("R3 invalid mem access 'inv'", "r3 is a number", "a pointer last");
        check("unknown func bpf_skb_load_bytes#26", "may not call bpf_skb_load_bytes", "helper");
        check("invalid stack off=-520 size=8", "512 bytes below r10", "-512");
        check("back-edge from insn 7 to 2", "loop", "CAP_BPF");
        check("R3 pointer -= pointer prohibited", "CAP_PERFMON", "CAP_PERFMON");
        check("invalid read from stack off -8+0 size 8", "never written", "write");
        check("R2 variable offset stack access prohibited for !root", "CAP_PERFMON", "root");
        check("R1 type=inv expected=map_ptr", "argument 1 of the call is inv", "r1");
        check("insn 12 cannot be patched due to 16-bit range", "longer ones", "shorter distance");
        check("unknown opcode e5", "does not know the instruction", "release");
        check("R4 unbounded memory access, use 'var &= const'", "r4 stays inside", "unsigned");
        check(
            "At program exit the register R0 has value (0x5; 0x0) should have been in (0x0; 0x1)",
            "certain numbers only: value and mask (0x0; 0x1)",
            "set r0",
        );
        check(
            "At program exit the register R0 has smin=5 smax=5 should have been in [0, 1]",
            "certain numbers only: [0, 1]",
            "set r0",
        );
        check(
            "invalid write to stack R3 off=-8 size=16",
            "16 bytes do not fit into the 8",
            "lower",
        );
        check("Unreleased reference id=1 alloc_insn=5", "acquired at slot 5", "bpf_sk_release");
        check(
            "cannot call GPL-restricted function from non-GPL compatible program",
            "GPL",
            "licence",
        );
        check("Possibly NULL pointer passed to helper arg2", "argument 2", "compare");
    }

    #[test]
    fn what_is_not_known_is_not_explained() {
        for reason in ["", "R", "something else", "R99 !read_ok", "R1x", "invalid mem access '"] {
            let got = explain(&Failure { reason, insn: "", registers: &[] });
            assert_eq!(got, None, "{reason:?}");
        }
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
