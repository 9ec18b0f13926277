//! Names of attachments, and the names of their directories.
//!
//! A bpffs keeps dots to itself, so `eth0.7-xdp` lies in `eth0%2E7-xdp`. What is encoded is decoded
//! to the same name.

/// Most bytes of an encoded name: of any file name.
pub const ENCODED_BYTES_MAX: usize = 255;

/// The directory of `name`, unless it would be too long or empty.
pub(super) fn encode(name: &str) -> Option<String> {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_:@+".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    (1..=ENCODED_BYTES_MAX).contains(&text.len()).then_some(text)
}

/// The name of a directory, if [`encode`] made it.
pub(super) fn decode(directory: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = directory.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    let name = String::from_utf8(bytes).ok()?;
    (encode(&name).as_deref() == Some(directory)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_nothing_leaves_the_folder() {
        for (name, directory) in [
            ("eth0-xdp", "eth0-xdp"),
            ("eth0.7-xdp", "eth0%2E7-xdp"),
            ("..", "%2E%2E"),
            ("a/b", "a%2Fb"),
            ("100%", "100%25"),
            ("\u{fc}", "%C3%BC"),
        ] {
            assert_eq!(encode(name).as_deref(), Some(directory));
            assert_eq!(decode(directory).as_deref(), Some(name));
        }
        assert_eq!(encode(""), None);
        assert_eq!(encode(&"x".repeat(256)), None);
        for foreign in ["a.b", "%", "%4", "%zz", "%41", "%2e", "%FF", ""] {
            assert_eq!(decode(foreign), None, "{foreign}");
        }
    }
}
