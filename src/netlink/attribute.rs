//! Attributes: the type-length-value lists that follow every rtnetlink header, and nest.
//!
//! Reading refuses a length that is shorter than the attribute header or longer than the list, and
//! always ends: each step moves forward by at least four bytes. Writing computes lengths and
//! padding; a value that does not fit in 16 bits of length makes the whole builder report it when
//! it is finished. Integers are in host byte order, as netlink has them.

use super::error::Malformed;

/// Bytes of an attribute header: length and type.
pub const HEADER_BYTES: usize = 4;

/// Longest value that one attribute can hold: its length field has 16 bits and counts the header.
pub const VALUE_BYTES_MAX: usize = 0xffff - HEADER_BYTES;

/// Every attribute begins at a multiple of this.
const ALIGN: usize = 4;

/// `NLA_F_NESTED`: the value is itself a list of attributes.
const NESTED: u16 = 0x8000;
/// The bits of the type that are not flags (`NLA_TYPE_MASK`).
const KIND_MASK: u16 = 0x3fff;

/// One attribute of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, without the flag bits. The meaning depends on the list it is in.
    pub kind: u16,
    /// Its value, without header and padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The value as bytes of exactly the size asked for.
    ///
    /// # Errors
    ///
    /// [`Malformed::ValueSize`] if the value has another size.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.value.try_into().map_err(|_| Malformed::ValueSize {
            kind: self.kind,
            expected: N,
            found: self.value.len(),
        })
    }

    /// The value as an 8-bit integer.
    ///
    /// # Errors
    ///
    /// [`Malformed::ValueSize`] if the value has another size.
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    /// The value as a 32-bit integer in host order.
    ///
    /// # Errors
    ///
    /// [`Malformed::ValueSize`] if the value has another size.
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    /// The value up to its first NUL; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        let end = self.value.iter().position(|&b| b == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    /// The value as a list of attributes.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// Iterates over a list of attributes; after an error it is finished.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    list: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes in `list`, which begins with a header.
    pub const fn new(list: &'a [u8]) -> Self {
        Self { list, at: 0 }
    }

    /// The first attribute of type `kind`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if a length before it is wrong.
    pub fn find(self, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
        for attribute in self {
            let attribute = attribute?;
            if attribute.kind == kind {
                return Ok(Some(attribute));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.list.get(at..).filter(|rest| !rest.is_empty())?;
        // Whatever happens below, an error must be the last item.
        self.at = self.list.len();

        let Some(([len_low, len_high, kind_low, kind_high], _)) = rest.split_first_chunk() else {
            return Some(Err(Malformed::Header { at, needed: HEADER_BYTES, left: rest.len() }));
        };
        let claimed = u16::from_ne_bytes([*len_low, *len_high]);
        let Some(value) = rest.get(HEADER_BYTES..usize::from(claimed)) else {
            return Some(Err(Malformed::AttributeLength { at, claimed, left: rest.len() }));
        };
        // The padding of the last attribute may be missing.
        self.at = at + usize::from(claimed).next_multiple_of(ALIGN);
        let kind = u16::from_ne_bytes([*kind_low, *kind_high]) & KIND_MASK;
        Some(Ok(Attribute { kind, value }))
    }
}

/// Writes a list of attributes.
#[derive(Clone, Debug, Default)]
pub struct AttributeWriter {
    bytes: Vec<u8>,
    /// The longest value that was too long, in bytes.
    too_long: Option<usize>,
}

impl AttributeWriter {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Append an attribute with these bytes as its value.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.nest_after(kind & KIND_MASK, value, |_| {})
    }

    /// Append a 32-bit integer.
    pub fn put_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Append a signed 32-bit integer.
    pub fn put_i32(&mut self, kind: u16, value: i32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Append a string with the NUL that the kernel expects behind it.
    pub fn put_text(&mut self, kind: u16, text: &str) -> &mut Self {
        self.put(kind, &[text.as_bytes(), &[0]].concat())
    }

    /// Append an attribute whose value is the list that `fill` writes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nest_after(kind | NESTED, &[], fill)
    }

    /// Append an attribute whose value is `head` followed by the list that `fill` writes.
    ///
    /// `VETH_INFO_PEER` is such a thing: a link header and its attributes inside an attribute.
    /// `head` is padded to four bytes, as the kernel expects.
    pub fn nest_after(
        &mut self,
        kind: u16,
        head: &[u8],
        fill: impl FnOnce(&mut Self),
    ) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend([0; HEADER_BYTES]);
        self.bytes.extend(head);
        // The length counts no padding behind a plain value, but all of it inside a nest.
        let unpadded = self.bytes.len();
        self.pad();
        let padded = self.bytes.len();
        fill(self);
        let end = if self.bytes.len() == padded { unpadded } else { self.bytes.len() };

        let length = end - start;
        match u16::try_from(length) {
            Ok(length) => {
                self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
                self.bytes[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
            }
            Err(_) => self.too_long = self.too_long.max(Some(length - HEADER_BYTES)),
        }
        self
    }

    /// The list.
    ///
    /// # Errors
    ///
    /// The size in bytes of the longest value, if one is longer than [`VALUE_BYTES_MAX`].
    pub fn finish(self) -> Result<Vec<u8>, usize> {
        match self.too_long {
            None => Ok(self.bytes),
            Some(bytes) => Err(bytes),
        }
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The 16-bit integer as this host has it in memory, so that the tables below are readable.
    fn ne(value: u16) -> [u8; 2] {
        value.to_ne_bytes()
    }

    fn list(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn lists_read_from_handwritten_bytes() {
        let good = list(&[
            &ne(5),
            &ne(3),
            b"a",
            &[0, 0, 0], // padded value
            &ne(4),
            &ne(7), // empty value
            &ne(8),
            &ne(0x8009),
            &[1, 2, 3, 4], // flag bits are not part of the type
            &ne(6),
            &ne(1),
            b"zz", // the last padding may be missing
        ]);
        let read: Result<Vec<_>, _> = Attributes::new(&good).collect();
        let expected = vec![
            Attribute { kind: 3, value: b"a" },
            Attribute { kind: 7, value: b"" },
            Attribute { kind: 9, value: &[1, 2, 3, 4] },
            Attribute { kind: 1, value: b"zz" },
        ];
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn a_wrong_length_is_refused_and_ends_the_list() {
        let cases: &[(&str, Vec<u8>, Malformed)] = &[
            ("half a header", vec![4, 0], Malformed::Header { at: 0, needed: 4, left: 2 }),
            (
                "zero length would never end",
                list(&[&ne(0), &ne(1)]),
                Malformed::AttributeLength { at: 0, claimed: 0, left: 4 },
            ),
            (
                "shorter than its header",
                list(&[&ne(3), &ne(1)]),
                Malformed::AttributeLength { at: 0, claimed: 3, left: 4 },
            ),
            (
                "longer than the list",
                list(&[&ne(4), &ne(1), &ne(9), &ne(1), &[0; 4]]),
                Malformed::AttributeLength { at: 4, claimed: 9, left: 8 },
            ),
        ];
        for (what, bytes, malformed) in cases {
            let mut attributes = Attributes::new(bytes);
            let error = attributes.find_map(Result::err);
            assert_eq!(error, Some(*malformed), "{what}");
            assert_eq!(attributes.next(), None, "{what}");
        }
    }

    #[test]
    fn values_are_read_only_at_their_size() {
        let attribute = Attribute { kind: 4, value: &[1, 2, 3] };
        let wrong = Malformed::ValueSize { kind: 4, expected: 4, found: 3 };
        assert_eq!(attribute.u32(), Err(wrong));
        assert_eq!(Attribute { kind: 1, value: b"lo\0junk" }.text(), "lo");
        assert_eq!(Attribute { kind: 1, value: b"eth0" }.text(), "eth0");
    }

    #[test]
    fn nested_lists_are_written_with_their_lengths() {
        let mut writer = AttributeWriter::new();
        writer.put_text(3, "lo").nest(18, |inner| {
            inner.nest_after(1, &[9; 4], |peer| {
                peer.put(2, &[7]);
            });
        });
        let expected = list(&[
            &ne(7),
            &ne(3),
            b"lo\0",
            &[0],
            &ne(20),
            &ne(18 | 0x8000),
            &ne(16),
            &ne(1),
            &[9; 4],
            &ne(5),
            &ne(2),
            &[7, 0, 0, 0],
        ]);
        assert_eq!(writer.finish(), Ok(expected));
    }

    #[test]
    fn a_value_that_does_not_fit_is_reported_at_the_end() {
        let mut fits = AttributeWriter::new();
        fits.put(1, &vec![0; VALUE_BYTES_MAX]);
        assert!(fits.finish().is_ok());

        let mut long = AttributeWriter::new();
        long.put(1, &vec![0; VALUE_BYTES_MAX + 1]).put(2, &[1]);
        assert_eq!(long.finish(), Err(VALUE_BYTES_MAX + 1));

        let mut nest = AttributeWriter::new();
        nest.nest(1, |inner| {
            inner.put(2, &vec![0; VALUE_BYTES_MAX]);
        });
        assert!(nest.finish().is_err());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_always_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            // Each attribute takes four bytes or more, so this bounds the iteration.
            let items = Attributes::new(&bytes).count();
            prop_assert!(items <= bytes.len() / HEADER_BYTES + 1);
        }

        #[test]
        fn hostile_lengths_never_panic_and_always_end(
            pieces in proptest::collection::vec((0u16..24, any::<u16>(), 0usize..20), 0..20),
        ) {
            let bytes: Vec<u8> = pieces
                .iter()
                .flat_map(|&(length, kind, fill)| list(&[&ne(length), &ne(kind), &vec![0; fill]]))
                .collect();
            for attribute in Attributes::new(&bytes).flatten() {
                prop_assert!(attribute.nested().count() <= attribute.value.len());
                let _ = (attribute.text(), attribute.u32(), attribute.u8());
            }
        }

        #[test]
        fn what_is_written_is_read_back(
            values in proptest::collection::vec(
                (0u16..0x4000, proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
        ) {
            let mut writer = AttributeWriter::new();
            for (kind, value) in &values {
                writer.put(*kind, value);
            }
            let bytes = writer.finish().expect("short values fit");
            let read: Result<Vec<_>, _> = Attributes::new(&bytes).collect();
            let expected: Vec<_> =
                values.iter().map(|(kind, value)| Attribute { kind: *kind, value }).collect();
            prop_assert_eq!(read, Ok(expected));
        }
    }
}
