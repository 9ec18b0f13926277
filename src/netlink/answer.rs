//! Answers: the messages that belong to one request, from the first to the one that ends it.
//!
//! Messages of other exchanges are skipped, not believed. Collecting ends after
//! [`ANSWER_MESSAGES_MAX`] messages or [`ANSWER_BYTES_MAX`] bytes, whatever they are. This module
//! does no I/O: it is given datagrams.

use nix::errno::Errno;

use super::error::{NetlinkError, Operation};
use super::message::{Messages, Outcome, Role, flag};

/// Most messages that one answer may have. A host with 100,000 interfaces is within it.
pub const ANSWER_MESSAGES_MAX: usize = 1 << 18;
/// Most bytes that one answer may have, over all its messages.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// One message of an answer that is an object, or a part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `RTM_*`.
    pub kind: u16,
    /// What follows the message header.
    pub payload: Vec<u8>,
}

/// A whole and successful answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its objects, in the kernel's order.
    pub(crate) objects: Vec<Object>,
    /// What is listed changed while it was being listed.
    pub(crate) interrupted: bool,
}

/// An answer that is being received.
#[derive(Debug)]
pub(crate) struct Collector {
    sequence: u32,
    port: u32,
    answer: Answer,
    outcome: Option<Outcome>,
    messages_seen: usize,
    bytes_seen: usize,
}

impl Collector {
    /// Collect the answer to request number `sequence` of the socket with this port.
    pub(crate) fn new(sequence: u32, port: u32) -> Self {
        Self {
            sequence,
            port,
            answer: Answer::default(),
            outcome: None,
            messages_seen: 0,
            bytes_seen: 0,
        }
    }

    /// Take the messages of a datagram. Is the answer complete now?
    pub(crate) fn take(
        &mut self,
        operation: &Operation,
        datagram: &[u8],
    ) -> Result<bool, NetlinkError> {
        self.bytes_seen += datagram.len();
        limit(operation, "bytes of an answer", ANSWER_BYTES_MAX, self.bytes_seen)?;
        for message in Messages::new(datagram) {
            let message = message.map_err(|e| NetlinkError::answer(operation, e))?;
            self.messages_seen += 1;
            limit(operation, "messages of an answer", ANSWER_MESSAGES_MAX, self.messages_seen)?;
            if message.header.sequence != self.sequence || message.header.port != self.port {
                // A notification, or the rest of an answer that was given up.
                continue;
            }
            self.answer.interrupted |= message.header.flags & flag::DUMP_INTERRUPTED != 0;
            match message.role().map_err(|e| NetlinkError::answer(operation, e))? {
                Role::Nothing => {}
                Role::Overrun => return Err(NetlinkError::system(operation, Errno::ENOBUFS)),
                Role::Object => {
                    let payload = message.payload.to_vec();
                    self.answer.objects.push(Object { kind: message.header.kind, payload });
                }
                Role::End(outcome) => {
                    self.outcome = Some(outcome);
                    break;
                }
            }
        }
        Ok(self.outcome.is_some())
    }

    /// The answer, if its outcome is success.
    pub(crate) fn finish(self, operation: &Operation) -> Result<Answer, NetlinkError> {
        let operation = operation.clone();
        match self.outcome {
            Some(Outcome { errno: 0, .. }) => Ok(self.answer),
            Some(Outcome { errno, text, offset }) => {
                Err(NetlinkError::Refused { operation, errno, text, offset })
            }
            None => Err(NetlinkError::NoAnswer { operation }),
        }
    }
}

/// `Ok` if `asked` is within `limit`.
pub(crate) fn limit(
    operation: &Operation,
    what: &'static str,
    limit: usize,
    asked: usize,
) -> Result<(), NetlinkError> {
    if asked <= limit {
        return Ok(());
    }
    Err(NetlinkError::Limit { operation: operation.clone(), what, limit, asked })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::message::{HEADER_BYTES, Header};

    const NOOP: u16 = 1;
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    const OVERRUN: u16 = 4;
    const OBJECT: u16 = 16;
    const SEQUENCE: u32 = 7;
    const PORT: u32 = 99;

    /// A message of type `kind` to us in our exchange, changed by `change`.
    fn message(kind: u16, payload: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + payload.len()).expect("short");
        let mut header = Header { length, kind, flags: 0, sequence: SEQUENCE, port: PORT };
        change(&mut header);
        let mut bytes = [&header.encode(), payload].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn ours(kind: u16, payload: &[u8]) -> Vec<u8> {
        message(kind, payload, |_| {})
    }

    /// Give the datagrams in order, until the answer is complete.
    fn collect(datagrams: &[Vec<u8>]) -> Result<Answer, NetlinkError> {
        let operation = Operation::new("test");
        let mut collector = Collector::new(SEQUENCE, PORT);
        for datagram in datagrams {
            if collector.take(&operation, datagram)? {
                break;
            }
        }
        collector.finish(&operation)
    }

    #[test]
    fn an_answer_is_what_belongs_to_the_request_up_to_its_end() {
        let zero = 0i32.to_ne_bytes();
        let object = |byte: u8| Object { kind: OBJECT, payload: vec![byte] };
        let interrupted = |h: &mut Header| h.flags |= flag::DUMP_INTERRUPTED;
        // (what, datagrams, objects, interrupted)
        type Case<'a> = (&'a str, Vec<Vec<u8>>, Vec<Object>, bool);
        let cases: &[Case<'_>] = &[
            ("an acknowledgement", vec![ours(ERROR, &zero)], vec![], false),
            (
                "an object and its acknowledgement in one datagram",
                vec![[ours(OBJECT, &[1]), ours(ERROR, &zero)].concat()],
                vec![object(1)],
                false,
            ),
            (
                "a list over two datagrams",
                vec![
                    [ours(OBJECT, &[1]), ours(OBJECT, &[2])].concat(),
                    [ours(OBJECT, &[3]), ours(NOOP, &[]), ours(DONE, &zero)].concat(),
                ],
                vec![object(1), object(2), object(3)],
                false,
            ),
            (
                "what an earlier request left, and what was meant for another port",
                vec![
                    message(OBJECT, &[8], |h| h.sequence -= 1),
                    message(ERROR, &(-1i32).to_ne_bytes(), |h| h.sequence -= 1),
                    message(OBJECT, &[9], |h| h.port += 1),
                    message(OBJECT, &[9], |h| h.sequence = 0),
                    [ours(OBJECT, &[1]), ours(DONE, &zero)].concat(),
                ],
                vec![object(1)],
                false,
            ),
            (
                "interrupted in the middle",
                vec![[message(OBJECT, &[1], interrupted), ours(DONE, &zero)].concat()],
                vec![object(1)],
                true,
            ),
            (
                "interrupted, told only at the end",
                vec![[ours(OBJECT, &[1]), message(DONE, &zero, interrupted)].concat()],
                vec![object(1)],
                true,
            ),
            (
                "an interruption of somebody else",
                vec![
                    message(OBJECT, &[1], |h| (h.flags, h.port) = (flag::DUMP_INTERRUPTED, 1)),
                    ours(DONE, &[]),
                ],
                vec![],
                false,
            ),
        ];
        for (what, datagrams, objects, interrupted) in cases {
            let answer = collect(datagrams).expect(what);
            assert_eq!(&answer.objects, objects, "{what}");
            assert_eq!(answer.interrupted, *interrupted, "{what}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_an_error() {
        let refused = ours(ERROR, &(-libc::EBUSY).to_ne_bytes());
        let failed_list = ours(DONE, &(-libc::EINVAL).to_ne_bytes());
        let mut cut = ours(OBJECT, &[1, 2, 3, 4]);
        cut.truncate(18);
        // (what, datagrams, message)
        let cases = [
            ("refused", vec![refused], "test: EBUSY: Device or resource busy"),
            (
                "a list that failed at its end",
                vec![ours(OBJECT, &[1]), failed_list],
                "test: EINVAL: Invalid argument",
            ),
            ("overrun", vec![ours(OVERRUN, &[])], "test: ENOBUFS: No buffer space available"),
            ("no end", vec![], "test: the kernel sent no answer"),
            (
                "a message that is cut off",
                vec![cut],
                "test: the answer is malformed: \
                 byte 0: a message claims 20 bytes; 16 to 18 are possible",
            ),
            (
                "an acknowledgement without a number",
                vec![ours(ERROR, &[])],
                "test: the answer is malformed: \
                 byte 16: a header of 4 bytes, but only 0 are left",
            ),
        ];
        for (what, datagrams, text) in cases {
            let error = collect(&datagrams).expect_err(what);
            assert_eq!(error.to_string(), text, "{what}");
        }
    }

    #[test]
    fn an_endless_answer_ends_at_a_limit_with_both_numbers() {
        let operation = Operation::new("list links");
        let mut collector = Collector::new(SEQUENCE, PORT);
        // Even messages that are not ours count: they must not keep us for ever either.
        let foreign = message(OBJECT, &[], |h| h.port += 1).repeat(1024);
        let error = (0..=ANSWER_MESSAGES_MAX / 1024)
            .find_map(|_| collector.take(&operation, &foreign).err())
            .expect("a limit");
        assert_eq!(
            error.to_string(),
            "list links: messages of an answer reached 262145; the limit is 262144",
        );

        let mut collector = Collector::new(SEQUENCE, PORT);
        collector.bytes_seen = ANSWER_BYTES_MAX;
        let error = collector.take(&operation, &ours(OBJECT, &[])).expect_err("a limit");
        assert!(matches!(error, NetlinkError::Limit { asked, .. } if asked > ANSWER_BYTES_MAX));
    }

    proptest! {
        #[test]
        fn hostile_datagrams_never_panic(
            datagrams in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![0u8..20, any::<u8>()], 0..120), 0..6),
        ) {
            let _ = collect(&datagrams);
        }

        #[test]
        fn hostile_messages_of_our_exchange_never_panic(
            messages in proptest::collection::vec(
                (0u16..20, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..8),
        ) {
            let datagram: Vec<u8> = messages
                .iter()
                .flat_map(|(kind, flags, payload)| message(*kind, payload, |h| h.flags = *flags))
                .collect();
            let _ = collect(&[datagram]);
        }
    }
}
