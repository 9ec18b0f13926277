//! What a wide load can load beside a number: maps, kernel variables, functions.

use std::collections::HashMap;

use super::{Fault, cursor::Cursor};
use crate::assembler::insn::Imm64;

/// The maps that were declared, by name.
pub(super) type MapNames = HashMap<String, i32>;

/// `map[0]`, `map[counters]`, `map[0][0]+8`, `map[fd:3]`, `map[id:3]`, `btf[id:7]`.
pub(super) fn pseudo(cursor: &mut Cursor<'_>, maps: &MapNames) -> Result<Option<Imm64>, Fault> {
    const I32: &str = "-2147483648..=2147483647";
    if cursor.eat("btf") {
        cursor.expect("[")?;
        cursor.expect("id")?;
        cursor.expect(":")?;
        let id = cursor.number()?.fit(I32)?;
        cursor.expect("]")?;
        let mut module_fd = 0;
        if cursor.eat("module") {
            cursor.expect("[")?;
            cursor.expect("fd")?;
            cursor.expect(":")?;
            module_fd = cursor.number()?.fit(I32)?;
            cursor.expect("]")?;
        }
        return Ok(Some(Imm64::BtfId { id, module_fd }));
    }
    if !cursor.eat("map") {
        return Ok(None);
    }
    cursor.expect("[")?;
    // In a dump of a loaded program the number of the map stands where the descriptor was.
    let by_fd = cursor.eat("fd") || cursor.eat("id");
    let by_number = by_fd || cursor.eat("idx");
    if by_number {
        cursor.expect(":")?;
    }
    let map = if cursor.sees_number() {
        cursor.number()?.fit(I32)?
    } else {
        let mut ahead = cursor.clone();
        let named = ahead.word().filter(|_| !by_number).and_then(|name| maps.get(name));
        let expected = "the index of a map, a map declared above, or `fd:` and a descriptor";
        let map = *named.ok_or_else(|| cursor.expected(expected))?;
        *cursor = ahead;
        map
    };
    cursor.expect("]")?;
    let value = cursor.eat("[");
    if value {
        cursor.expect("0")?;
        cursor.expect("]")?;
    }
    let signed = cursor.clone().eat("+") || cursor.clone().eat("-");
    let offset = if signed { cursor.number()?.fit(I32)? } else { 0 };
    Ok(Some(match (by_fd, value || signed) {
        (true, false) => Imm64::MapFd(map),
        (true, true) => Imm64::MapValue { fd: map, offset },
        (false, false) => Imm64::MapIndex(map),
        (false, true) => Imm64::MapIndexValue { index: map, offset },
    }))
}
