//! A register as the verifier prints it, taken apart and put into words.
//!
//! Two spellings: `pkt(id=1,off=8,r=16,umax_value=255)` until Linux 5.16, since then
//! `pkt(r=16,smax=umax=255)` with equal bounds in one chain; since 7.x the fixed offset is `imm`.

use super::stats;

/// A printed state: `pkt(off=8,r=16)`, `scalar(umax=255)`, `5`, `fp-8`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// What stands in front of the parentheses.
    kind: &'a str,
    fields: &'a str,
}

impl<'a> Value<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let (kind, fields) = text.split_once('(').unwrap_or((text, ""));
        Self { kind, fields: fields.strip_suffix(')').unwrap_or(fields) }
    }

    /// What is printed for `name`, which may be one of a chain: `smax=umax=255`.
    fn field(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.fields;
        while !rest.is_empty() {
            let (one, after) = rest.split_at(end(rest));
            rest = after.strip_prefix(',').unwrap_or(after);
            // A value such as `(0x0; 0xff)` has no `=` in it.
            let (names, value) = one.rsplit_once('=').unwrap_or((one, ""));
            let is_name = |it: &str| it == name || it.strip_suffix("_value") == Some(name);
            if names.split('=').any(is_name) {
                return Some(value).filter(|value| !value.is_empty());
            }
        }
        None
    }

    /// The same as a number that is not negative; decimal or hexadecimal.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        unsigned(self.field(name)?)
    }

    fn text_or_number(&self, name: &str) -> Option<String> {
        let text = self.field(name)?;
        Some(unsigned(text).map_or_else(|| text.to_owned(), thousands))
    }

    /// The number that it is, if it is known exactly.
    fn constant(&self) -> Option<&'a str> {
        let text = ["invP", "inv", "P"].iter().find_map(|p| self.kind.strip_prefix(p));
        let text = text.unwrap_or(self.kind);
        let digits = text.strip_prefix('-').unwrap_or(text);
        digits.starts_with(|c: char| c.is_ascii_digit()).then_some(text)
    }

    /// Which packet pointers share a base with this one, and how many bytes of that are proven.
    fn base(&self) -> Option<(&'a str, u64)> {
        let is_packet = self.kind == "pkt";
        is_packet.then(|| (self.field("id").unwrap_or("0"), self.number("r").unwrap_or(0)))
    }

    /// How many bytes behind it are proven readable, if it is a packet pointer. A comparison proves
    /// them for all pointers with the same base, but is printed for those that it names only.
    pub(super) fn proven(&self, all: impl Iterator<Item = Self>) -> Option<u64> {
        let (base, own) = self.base()?;
        let of_base = all.filter_map(|it| it.base()).filter(|(id, _)| *id == base);
        Some(of_base.map(|(_, proven)| proven).max().unwrap_or(0).max(own))
    }

    /// What it is, for `access` of the memory behind it; of a packet so many bytes are `proven`
    /// readable.
    pub(super) fn words(&self, access: Option<&Access<'_>>, proven: Option<u64>) -> String {
        if let Some(number) = self.constant() {
            return format!("the number {number}");
        }
        let (kind, or_null) = match self.kind.strip_suffix("_or_null") {
            Some(kind) => (kind, ", or null"),
            None => (self.kind, ""),
        };
        match kind {
            "pkt" => self.packet(access, proven),
            "pkt_end" => "the end of the packet".to_owned(),
            "ctx" => "the context of the program".to_owned(),
            "inv" | "invP" | "scalar" | "Pscalar" => self.scalar(),
            "map_value" => {
                let (of, needs) = (self.map(), self.needs(access));
                let bytes = self.number("vs").map_or(String::new(), |n| format!(" of {n} bytes"));
                format!("a pointer to a value{bytes} of {of}{or_null}{needs}")
            }
            "map_ptr" => self.map(),
            "fp0" => "the frame pointer".to_owned(),
            _ => match kind.strip_prefix("fp-") {
                Some(bytes) => format!("a pointer to the stack, {bytes} bytes below r10"),
                None if kind.starts_with("fp") => "a pointer to the stack".to_owned(),
                None => format!("a pointer of kind {kind}{or_null}{}", self.needs(access)),
            },
        }
    }

    /// Bytes that are added to the pointer for certain.
    pub(super) fn fixed(&self) -> u64 {
        let of = |name| self.number(name).filter(|&bytes| bytes > 0);
        of("off").or_else(|| of("imm")).unwrap_or(0)
    }

    fn packet(&self, access: Option<&Access<'_>>, proven: Option<u64>) -> String {
        let mut text = "a packet pointer".to_owned();
        let fixed = self.fixed();
        text += &match (self.number("umax").filter(|&most| most > 0), fixed) {
            (Some(most), 0) => format!(" at an offset of at most {}", thousands(most)),
            (Some(most), _) => format!(" at {fixed} bytes and at most {} more", thousands(most)),
            (None, 0) => String::new(),
            (None, _) => format!(" at {fixed} bytes"),
        };
        let of = if fixed > 0 { " from where it began" } else { "" };
        text += &match proven {
            Some(0) | None => ", no byte proven readable".to_owned(),
            Some(proven) => format!(", 0..{proven} bytes{of} proven readable"),
        };
        text + &self.needs(access)
    }

    /// How many bytes behind the pointer must be there for the access.
    fn needs(&self, access: Option<&Access<'_>>) -> String {
        let Some(access) = access else { return String::new() };
        let fixed = i64::try_from(self.fixed()).unwrap_or(i64::MAX);
        let first = access.off.saturating_add(fixed);
        let what = if access.store { "store" } else { "load" };
        match first.checked_add_unsigned(access.bytes) {
            Some(end) if first >= 0 => format!(", the {what} needs {end}"),
            _ => format!(", the {what} begins {} bytes before it", first.unsigned_abs()),
        }
    }

    fn scalar(&self) -> String {
        let bounds = |low, high| self.text_or_number(low).zip(self.text_or_number(high));
        match bounds("umin", "umax").or_else(|| bounds("smin", "smax")) {
            Some((low, high)) => format!("a number from {low} to {high}"),
            None => match (self.text_or_number("umax"), self.text_or_number("umin")) {
                (Some(high), _) => format!("a number of at most {high}"),
                (None, Some(low)) => format!("a number of at least {low}, without upper bound"),
                (None, None) => "a number of which nothing is known".to_owned(),
            },
        }
    }

    fn map(&self) -> String {
        self.field("map").map_or_else(|| "a map".to_owned(), |name| format!("map {name}"))
    }
}

/// Where the first field ends: at a comma outside of parentheses.
fn end(fields: &str) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in fields.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return at,
            _ => {}
        }
    }
    fields.len()
}

fn unsigned(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The number that `text` begins with, if it could be an offset, a size or a slot: then sums of
/// several do not overflow.
pub(super) fn number(text: &str) -> Option<u64> {
    stats::number(text).filter(|&n| n <= u64::from(u32::MAX))
}

/// `65,544`.
pub(super) fn thousands(number: u64) -> String {
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

/// A load from, or a store to, the memory behind a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access<'a> {
    /// `r2`.
    pub(super) register: &'a str,
    off: i64,
    bytes: u64,
    store: bool,
}

impl<'a> Access<'a> {
    /// The access of an instruction such as `(79) r0 = *(u64 *)(r2 +8)`.
    pub(super) fn of_insn(insn: &'a str) -> Option<Self> {
        let (before, behind) = insn.split_once(" *)(")?;
        let bits = before.rsplit_once(['u', 's']).and_then(|(_, bits)| stats::number(bits))?;
        let (address, _) = behind.split_once(')')?;
        let (register, off) = address.split_once(' ')?;
        let off = off.strip_prefix('+').unwrap_or(off).parse().ok()?;
        // What is assigned to stands first.
        let first = before.split_once(") ").map_or(before, |(_, text)| text);
        let store = first.starts_with('*') || first.starts_with("lock");
        Some(Self { register, off, bytes: bits / 8, store })
    }
}

/// The registers whose values an instruction takes, in order: `r2`; `w2` too stands for it.
pub(super) fn registers_of_insn(insn: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // What is only assigned to does not matter.
    let text = insn.split_once(") ").map_or(insn, |(_, text)| text);
    let insn = match text.split_once(" = ") {
        Some((target, value)) if !target.contains(' ') => value,
        Some(_) | None => text,
    };
    let words = insn.split(|c: char| !c.is_ascii_alphanumeric());
    for number in words.filter_map(|word| word.strip_prefix(['r', 'w'])) {
        let name = format!("r{number}");
        let known = number.parse().is_ok_and(|number: u8| number <= 10);
        if known && number.len() <= 2 && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_told_in_words() {
        let load = Access::of_insn("(79) r0 = *(u64 *)(r6 +30)");
        let store = Access::of_insn("(7a) *(u64 *)(r1 -8) = 0");
        for (state, access, want) in [
            ("pkt(r=37)", load, "a packet pointer, 0..37 bytes proven readable, the load needs 38"),
            (
                "pkt(id=0,off=4,r=12,imm=0)",
                load,
                "a packet pointer at 4 bytes, 0..12 bytes from where it began proven readable, the \
                 load needs 42",
            ),
            (
                "pkt(id=1,r=0,smin=smin32=0,smax=umax=smax32=umax32=0xffff,var_off=(0x0; 0xffff))",
                None,
                "a packet pointer at an offset of at most 65,535, no byte proven readable",
            ),
            (
                "pkt(r=12,imm=12)",
                store,
                "a packet pointer at 12 bytes, 0..12 bytes from where it began proven readable, the store needs 12",
            ),
            (
                "pkt(r=4)",
                store,
                "a packet pointer, 0..4 bytes proven readable, the store begins 8 bytes before it",
            ),
            ("pkt_end()", None, "the end of the packet"),
            ("pkt_end(id=0,off=0,imm=0)", None, "the end of the packet"),
            ("ctx()", None, "the context of the program"),
            ("fp0", None, "the frame pointer"),
            ("fp-16", None, "a pointer to the stack, 16 bytes below r10"),
            ("scalar()", None, "a number of which nothing is known"),
            ("inv(id=0)", None, "a number of which nothing is known"),
            ("scalar(umin=3,umax=9)", None, "a number from 3 to 9"),
            ("inv(id=0,umax_value=255,var_off=(0x0; 0xff))", None, "a number of at most 255"),
            ("scalar(smin=-5,smax=70000)", None, "a number from -5 to 70,000"),
            ("5", None, "the number 5"),
            ("invP-1", None, "the number -1"),
            ("P0x10", None, "the number 0x10"),
            (
                "map_value_or_null(id=1,map=hits,ks=4,vs=8)",
                None,
                "a pointer to a value of 8 bytes of map hits, or null",
            ),
            (
                "map_value(map=m,ks=4,vs=8,off=6)",
                load,
                "a pointer to a value of 8 bytes of map m, the load needs 44",
            ),
            ("map_ptr(map=m,ks=4,vs=8)", None, "map m"),
            ("trusted_ptr_task_struct()", None, "a pointer of kind trusted_ptr_task_struct"),
            ("sock_or_null(id=2,ref_obj_id=2)", None, "a pointer of kind sock, or null"),
        ] {
            let value = Value::of(state);
            let proven = value.proven(std::iter::empty());
            assert_eq!(value.words(access.as_ref(), proven), want, "{state}");
        }
    }

    #[test]
    fn what_is_proven_holds_for_all_pointers_with_the_same_base() {
        let all =
            ["pkt(r=0)", "pkt(r=12,imm=12)", "pkt(id=3,r=40)", "ctx()", "pkt(id=0,off=0,r=4)"];
        for (state, want) in [
            ("pkt(r=0)", Some(12)),
            ("pkt(id=3,off=2,r=0)", Some(40)),
            ("pkt(id=4,r=0)", Some(0)),
            ("pkt_end()", None),
        ] {
            assert_eq!(Value::of(state).proven(all.into_iter().map(Value::of)), want, "{state}");
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
            ("x(umax=", None),
            ("x(umax=umax=", None),
            ("x(umax=99999999999999999999999)", None),
        ] {
            assert_eq!(Value::of(state).number("umax"), want, "{state}");
        }
        assert_eq!(thousands(65544), "65,544");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }

    #[test]
    fn accesses_and_registers_are_read_from_instructions() {
        let access = |register, off, bytes, store| Some(Access { register, off, bytes, store });
        for (insn, want, registers) in [
            ("(79) r0 = *(u64 *)(r2 +8)", access("r2", 8, 8, false), &["r2"][..]),
            ("(91) r0 = *(s8 *)(r10 -1)", access("r10", -1, 1, false), &["r10"]),
            ("(7b) *(u32 *)(r10 -8) = r9", access("r10", -8, 4, true), &["r10", "r9"]),
            ("(db) lock *(u64 *)(r1 +0) += r2", access("r1", 0, 8, true), &["r1", "r2"]),
            ("(0c) w3 += w4", None, &["r3", "r4"]),
            ("(85) call bpf_map_lookup_elem#1", None, &[]),
            ("(95) exit", None, &[]),
            ("", None, &[]),
            (" *)(", None, &[]),
            ("(79) r0 = *(u64 *)(r2", None, &["r2"]),
            ("(bf) r0 = r5", None, &["r5"]),
        ] {
            assert_eq!(Access::of_insn(insn), want, "{insn}");
            assert_eq!(registers_of_insn(insn), registers, "{insn}");
        }
    }
}
