//! Messages: the netlink header, requests, and the control messages that end an exchange.
//!
//! One datagram holds one or more messages. [`Messages`] refuses a length that is shorter than the
//! header or longer than the datagram, and always ends. Integers are in host byte order, as netlink
//! has them. This module does no I/O.

use super::attribute::{AttributeWriter, Attributes, VALUE_BYTES_MAX};
use super::error::{Malformed, NetlinkError, Operation};

/// Bytes of a message header.
pub const HEADER_BYTES: usize = 16;

/// Every message begins at a multiple of this.
const ALIGN: usize = 4;

/// Message types that belong to netlink itself.
mod control {
    pub(super) const NOOP: u16 = 1;
    pub(super) const ERROR: u16 = 2;
    pub(super) const DONE: u16 = 3;
    pub(super) const OVERRUN: u16 = 4;
}

/// Flags of a message header.
pub mod flag {
    /// The message is a request.
    pub const REQUEST: u16 = 0x1;
    /// More messages of the same answer follow; the last one is `NLMSG_DONE`.
    pub const MULTI: u16 = 0x2;
    /// Asks for an acknowledgement also of success.
    pub const ACK: u16 = 0x4;
    /// Asks for what came of the request, besides the acknowledgement.
    pub const ECHO: u16 = 0x8;
    /// In an answer: what is listed changed while it was being listed.
    pub const DUMP_INTERRUPTED: u16 = 0x10;
    /// In a get request: all objects, not one (`NLM_F_ROOT | NLM_F_MATCH`).
    pub const DUMP: u16 = 0x300;
    /// In a new request: the object may exist and is then replaced.
    pub const REPLACE: u16 = 0x100;
    /// In a new request: the object must not exist.
    pub const EXCLUSIVE: u16 = 0x200;
    /// In a new request: create the object if it does not exist.
    pub const CREATE: u16 = 0x400;
    /// In an acknowledgement: the request is not repeated in it.
    pub const CAPPED: u16 = 0x100;
    /// In an acknowledgement: attributes of the extended acknowledgement follow.
    pub const ACK_ATTRIBUTES: u16 = 0x200;
}

/// Attributes of an extended acknowledgement (`NLMSGERR_ATTR_*`).
mod ack_attribute {
    pub(super) const TEXT: u16 = 1;
    pub(super) const OFFSET: u16 = 2;
}

/// A message header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the message, with this header and without padding.
    pub length: u32,
    /// What the message is: `RTM_*` or a control message.
    pub kind: u16,
    /// See [`flag`].
    pub flags: u16,
    /// Chosen by the sender of a request and repeated in every answer to it.
    pub sequence: u32,
    /// In an answer: the port of the socket that asked. 0 in a request.
    pub port: u32,
}

impl Header {
    /// The header as the kernel reads it.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.length.to_ne_bytes());
        bytes[4..6].copy_from_slice(&self.kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.port.to_ne_bytes());
        bytes
    }

    /// The header in these bytes. Whether `length` is plausible is for [`Messages`] to say.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = *bytes;
        Self {
            length: u32::from_ne_bytes([l0, l1, l2, l3]),
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
        }
    }
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

/// What a message means for the exchange that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An object, or a part of a list.
    Object,
    /// The end of the exchange, with its outcome.
    End(Outcome),
    /// To be ignored.
    Nothing,
    /// The kernel dropped messages.
    Overrun,
}

/// How an exchange ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The error number, positive; 0 is success.
    pub errno: i32,
    /// The kernel's extended acknowledgement. With success it is a warning.
    pub text: Option<String>,
    /// Offset in bytes, from the start of the request, of the attribute the kernel objects to.
    pub offset: Option<u32>,
}

impl Message<'_> {
    /// What this message means for its exchange.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is an acknowledgement without a readable error number. An unreadable
    /// *text* is not an error: the number is what matters, and it must not get lost.
    pub fn role(&self) -> Result<Role, Malformed> {
        match self.header.kind {
            control::NOOP => Ok(Role::Nothing),
            control::OVERRUN => Ok(Role::Overrun),
            control::ERROR => self.outcome(Some(HEADER_BYTES)).map(Role::End),
            control::DONE => self.outcome(None).map(Role::End),
            _ => Ok(Role::Object),
        }
    }

    /// Read an error number and what follows it: for `NLMSG_ERROR` the header of the request and,
    /// if not capped, its payload; then the attributes of the extended acknowledgement.
    fn outcome(&self, request_header_bytes: Option<usize>) -> Result<Outcome, Malformed> {
        // Kernels before 2.6 and some families send an empty NLMSG_DONE: success.
        if self.payload.is_empty() && request_header_bytes.is_none() {
            return Ok(Outcome::default());
        }
        let Some((code, rest)) = self.payload.split_first_chunk() else {
            let left = self.payload.len();
            return Err(Malformed::Header { at: HEADER_BYTES, needed: 4, left });
        };
        let mut outcome =
            Outcome { errno: i32::from_ne_bytes(*code).saturating_neg(), ..Outcome::default() };
        if self.header.flags & flag::ACK_ATTRIBUTES == 0 {
            return Ok(outcome);
        }
        let skipped = match request_header_bytes {
            Some(header) if self.header.flags & flag::CAPPED == 0 => rest
                .first_chunk()
                .map(|request| Header::decode(request).length)
                .and_then(|length| usize::try_from(length).ok())
                .map(|length| length.max(header).next_multiple_of(ALIGN)),
            other => other.or(Some(0)),
        };
        let list = skipped.and_then(|skipped| rest.get(skipped..)).unwrap_or(&[]);
        for attribute in Attributes::new(list).map_while(Result::ok) {
            match attribute.kind {
                ack_attribute::TEXT => outcome.text = Some(attribute.text()),
                ack_attribute::OFFSET => outcome.offset = attribute.u32().ok(),
                _ => {}
            }
        }
        Ok(outcome)
    }
}

/// Iterates over the messages of one datagram; after an error it is finished.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    datagram: &'a [u8],
    at: usize,
}

impl<'a> Messages<'a> {
    /// The messages in `datagram`.
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { datagram, at: 0 }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.datagram.get(at..).filter(|rest| !rest.is_empty())?;
        // Whatever happens below, an error must be the last item.
        self.at = self.datagram.len();

        let Some(header) = rest.first_chunk().map(Header::decode) else {
            return Some(Err(Malformed::Header { at, needed: HEADER_BYTES, left: rest.len() }));
        };
        let claimed = header.length;
        let payload =
            usize::try_from(claimed).ok().and_then(|length| rest.get(HEADER_BYTES..length));
        let Some(payload) = payload else {
            return Some(Err(Malformed::MessageLength { at, claimed, left: rest.len() }));
        };
        self.at = at + (HEADER_BYTES + payload.len()).next_multiple_of(ALIGN);
        Some(Ok(Message { header, payload }))
    }
}

/// A request that has not been sent: type, flags, family header and attributes.
#[derive(Clone, Debug)]
pub struct Request {
    kind: u16,
    flags: u16,
    family_header: Vec<u8>,
    attributes: AttributeWriter,
}

impl Request {
    /// A request of type `kind` with the header of its family, `struct ifinfomsg` for links.
    pub fn new(kind: u16, flags: u16, family_header: &[u8]) -> Self {
        let family_header = family_header.to_vec();
        Self { kind, flags, family_header, attributes: AttributeWriter::new() }
    }

    /// The attributes, to append to.
    pub fn attributes(&mut self) -> &mut AttributeWriter {
        &mut self.attributes
    }

    /// The bytes to send, with `more_flags` and a sequence number.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Limit`] if an attribute or the message is too long for its length field.
    pub fn encode(
        self,
        operation: &Operation,
        more_flags: u16,
        sequence: u32,
    ) -> Result<Vec<u8>, NetlinkError> {
        let attributes = self.attributes.finish().map_err(|asked| NetlinkError::Limit {
            operation: operation.clone(),
            what: "bytes of an attribute",
            limit: VALUE_BYTES_MAX,
            asked,
        })?;
        let body_start = HEADER_BYTES + self.family_header.len().next_multiple_of(ALIGN);
        let total = body_start + attributes.len();
        let length = u32::try_from(total).map_err(|_| NetlinkError::Limit {
            operation: operation.clone(),
            what: "bytes of a request",
            limit: 0xffff_ffff,
            asked: total,
        })?;
        let flags = self.flags | flag::REQUEST | more_flags;
        let header = Header { length, kind: self.kind, flags, sequence, port: 0 };
        let mut bytes = Vec::with_capacity(total);
        bytes.extend(header.encode());
        bytes.extend(self.family_header);
        bytes.resize(body_start, 0);
        bytes.extend(attributes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + payload.len()).expect("a short message");
        let header = Header { length, kind, flags, sequence: 7, port: 9 };
        [&header.encode(), payload].concat()
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut writer = AttributeWriter::new();
        writer.put(kind, value);
        writer.finish().expect("a short value")
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_header_has_the_layout_of_nlmsghdr() {
        let header = Header {
            length: 0x0403_0201,
            kind: 0x0605,
            flags: 0x0807,
            sequence: 0x0c0b_0a09,
            port: 0x100f_0e0d,
        };
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), header);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_request_is_header_family_header_and_attributes() {
        let operation = Operation::new("test");
        let mut request = Request::new(19, flag::CREATE, &[0xaa; 5]);
        request.attributes().put(4, &[1, 2, 3]);
        let bytes = request.encode(&operation, flag::ACK, 0x1122).expect("a short request");
        let expected = [
            &[32, 0, 0, 0, 19, 0, 0x05, 0x04, 0x22, 0x11, 0, 0, 0, 0, 0, 0][..],
            &[0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0, 0, 0],
            &[7, 0, 4, 0, 1, 2, 3, 0],
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn a_request_with_an_oversized_attribute_is_refused_with_both_numbers() {
        let mut request = Request::new(19, 0, &[]);
        request.attributes().put(4, &[0; 70_000]);
        let error = request.encode(&Operation::new("test"), 0, 1).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "test: bytes of an attribute reached 70000; the limit is 65531",
        );
    }

    #[test]
    fn datagrams_split_into_messages() {
        let mut datagram = message(20, flag::MULTI, &[1, 2, 3]);
        datagram.push(0);
        datagram.extend(message(3, flag::MULTI, &[0; 4]));
        let read: Vec<_> =
            Messages::new(&datagram).map(|m| m.expect("well-formed").payload.to_vec()).collect();
        assert_eq!(read, [vec![1, 2, 3], vec![0; 4]]);
    }

    #[test]
    fn wrong_message_lengths_are_refused_and_end_the_datagram() {
        let with_length = |length: u32| {
            let mut bytes = message(20, 0, &[0; 4]);
            bytes[0..4].copy_from_slice(&length.to_ne_bytes());
            bytes
        };
        let wrong = |claimed| Malformed::MessageLength { at: 0, claimed, left: 20 };
        let cases = [
            ("half a header", vec![0; 7], Malformed::Header { at: 0, needed: 16, left: 7 }),
            ("zero", with_length(0), wrong(0)),
            ("shorter than the header", with_length(15), wrong(15)),
            ("one byte too long", with_length(21), wrong(21)),
            ("huge", with_length(u32::MAX), wrong(u32::MAX)),
        ];
        for (what, bytes, malformed) in cases {
            let mut messages = Messages::new(&bytes);
            assert_eq!(messages.next(), Some(Err(malformed)), "{what}");
            assert_eq!(messages.next(), None, "{what}");
        }
    }

    #[test]
    fn acknowledgements_are_read_with_and_without_the_request_in_them() {
        let errno = |code: i32| (-code).to_ne_bytes().to_vec();
        let request = message(19, 0, &[5; 20]);
        let header = request[..HEADER_BYTES].to_vec();
        let text = attribute(1, b"no such thing\0");
        let offset = attribute(2, &52u32.to_ne_bytes());
        let outcome = |errno, text: Option<&str>, offset| Outcome {
            errno,
            text: text.map(str::to_owned),
            offset,
        };
        let attributes = flag::ACK_ATTRIBUTES;
        let capped = flag::CAPPED | attributes;
        let (error, done) = (control::ERROR, control::DONE);
        let full = Some("no such thing");
        // (what, type, flags, payload, outcome)
        let cases: &[(&str, u16, u16, Vec<u8>, Outcome)] = &[
            ("plain success", error, 0, [errno(0), header.clone()].concat(), Outcome::default()),
            (
                "plain failure with the request",
                error,
                0,
                [errno(22), request.clone()].concat(),
                outcome(22, None, None),
            ),
            (
                "capped, text and offset",
                error,
                capped,
                [errno(95), header.clone(), text.clone(), offset.clone()].concat(),
                outcome(95, full, Some(52)),
            ),
            (
                "not capped, text behind the request",
                error,
                attributes,
                [errno(95), request.clone(), text.clone()].concat(),
                outcome(95, full, None),
            ),
            (
                "success with a warning",
                error,
                capped,
                [errno(0), header.clone(), text.clone()].concat(),
                outcome(0, full, None),
            ),
            (
                "damaged attributes keep the number",
                error,
                capped,
                [errno(16), header.clone(), vec![0xff; 9]].concat(),
                outcome(16, None, None),
            ),
            ("only a number", error, capped, errno(16), outcome(16, None, None)),
            ("end of a dump", done, flag::MULTI, errno(0), Outcome::default()),
            ("empty end of a dump", done, flag::MULTI, vec![], Outcome::default()),
            (
                "a dump that failed, with its text",
                done,
                flag::MULTI | attributes,
                [errno(22), text.clone()].concat(),
                outcome(22, full, None),
            ),
        ];
        for (what, kind, flags, payload, expected) in cases {
            let bytes = message(*kind, *flags, payload);
            let read = Messages::new(&bytes).next().expect("one message").expect("well-formed");
            assert_eq!(read.role(), Ok(Role::End(expected.clone())), "{what}");
        }
        let short = message(error, 0, &[1, 2]);
        let read = Messages::new(&short).next().expect("one message").expect("well-formed");
        assert!(read.role().is_err(), "an error without a number is not a success");
    }

    proptest! {
        #[test]
        fn hostile_datagrams_never_panic_and_always_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            prop_assert!(Messages::new(&bytes).count() <= bytes.len() / HEADER_BYTES + 1);
        }

        #[test]
        fn hostile_control_messages_never_panic(
            kind in 0u16..6,
            flags in any::<u16>(),
            payload in proptest::collection::vec(prop_oneof![0u8..20, any::<u8>()], 0..120),
        ) {
            let bytes = message(kind, flags, &payload);
            for message in Messages::new(&bytes).flatten() {
                let _ = message.role();
            }
        }
    }
}
