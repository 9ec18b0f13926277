//! What can go wrong between a request and its answer.
//!
//! Every `Display` is one line that begins with the operation in the user's terms. The kernel's
//! extended acknowledgement, where it gave one, replaces the generic text of the errno.

use std::borrow::Cow;
use std::fmt;

use nix::errno::Errno;

use super::tc::TcDirection;
use super::xdp::{XdpAttachment, XdpMode};

/// The kernel's internal "operation is not supported", which drivers leak through netlink. User
/// space has no name for it.
const ENOTSUPP: i32 = 524;

/// Error number, part of the kernel's text, and what to do about it.
type Hint = (i32, &'static str, &'static str);

/// The first one that fits is shown. The texts are those of `net/core/dev.c` and
/// `drivers/net/veth.c` in Linux 6.18.
const HINTS: &[Hint] = &[
    (libc::EPERM, "", "changing interfaces and attaching XDP by netlink needs CAP_NET_ADMIN"),
    (
        libc::EOPNOTSUPP,
        "does not support XDP in native mode",
        "attach in generic mode, which works with every driver",
    ),
    (
        libc::EBUSY,
        "XDP program already attached",
        "detach the attached program first, or replace it",
    ),
    (
        libc::EBUSY,
        "Can't replace active BPF XDP link",
        "a bpf_link holds this interface: update or detach that link instead",
    ),
    (
        libc::EEXIST,
        "Native and generic XDP",
        "detach the program of the other mode first, or attach in that mode",
    ),
    (libc::EEXIST, "does not match expected", "somebody else attached a program meanwhile: query"),
    (
        libc::ERANGE,
        "Peer MTU is too large",
        "lower the peer's MTU, attach in generic mode, or load the program for fragments",
    ),
];

/// The same by what was being done, where the number means many things.
const HINTS_BY_VERB: &[Hint] = &[
    (
        libc::ENOENT,
        "add a clsact qdisc to",
        "the kernel was built without CONFIG_NET_SCH_INGRESS, or lacks its module: `modprobe \
         sch_ingress`",
    ),
    (
        libc::ENOENT,
        "attach a filter to",
        "the kernel was built without CONFIG_NET_CLS_BPF, or lacks its module: `modprobe cls_bpf`",
    ),
];

/// What was being done, in the user's terms: "attach XDP to veth0 (native)".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    verb: Cow<'static, str>,
    interface: Option<String>,
    detail: Option<String>,
}

impl Operation {
    /// An operation that concerns no interface in particular: "list links".
    pub fn new(verb: impl Into<Cow<'static, str>>) -> Self {
        Self { verb: verb.into(), interface: None, detail: None }
    }

    /// An operation on an interface; `verb` is the text before its name: "attach XDP to".
    pub fn on(verb: impl Into<Cow<'static, str>>, interface: impl Into<String>) -> Self {
        Self { verb: verb.into(), interface: Some(interface.into()), detail: None }
    }

    /// The same operation with a detail that is shown in parentheses.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The interface concerned, if there is one.
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verb)?;
        if let Some(interface) = &self.interface {
            write!(f, " {interface}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

/// Bytes that are not the netlink message or attribute that they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Fewer bytes are left than a message or family header needs.
    #[error("byte {at}: a header of {needed} bytes, but only {left} are left")]
    Header {
        /// Where the header begins.
        at: usize,
        /// Bytes that the header needs.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// A message claims to be shorter than its header or longer than what is left.
    #[error("byte {at}: a message claims {claimed} bytes; 16 to {left} are possible")]
    MessageLength {
        /// Where the message begins in its datagram.
        at: usize,
        /// The length that it claims.
        claimed: u32,
        /// Bytes left.
        left: usize,
    },
    /// An attribute claims to be shorter than its header or longer than what is left.
    #[error("byte {at}: an attribute claims {claimed} bytes; 4 to {left} are possible")]
    AttributeLength {
        /// Where the attribute begins in its list.
        at: usize,
        /// The length that it claims.
        claimed: u16,
        /// Bytes left.
        left: usize,
    },
    /// A value has another size than its type.
    #[error("attribute {kind} holds {found} bytes; its type has {expected}")]
    ValueSize {
        /// The attribute's type.
        kind: u16,
        /// Bytes that its type has.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// An attribute that every answer of this kind has is not there.
    #[error("attribute {kind} is missing")]
    Missing {
        /// The attribute's type.
        kind: u16,
    },
}

/// Why a netlink operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetlinkError {
    /// The kernel refused the request.
    #[error("{operation}: {}: {}", errno_name(*errno), refusal(text.as_deref(), *errno))]
    Refused {
        /// What was asked for.
        operation: Operation,
        /// The error number, positive.
        errno: i32,
        /// The kernel's extended acknowledgement.
        text: Option<String>,
        /// Offset in bytes, from the start of the request message, of the attribute it objects to.
        offset: Option<u32>,
    },
    /// A system call around the request failed.
    #[error("{operation}: {}: {}", errno_name(*errno), refusal(None, *errno))]
    System {
        /// What was being done.
        operation: Operation,
        /// The error number, positive.
        errno: i32,
    },
    /// No interface has this name.
    #[error("no interface named {name:?} in this network namespace")]
    UnknownName {
        /// The name that was looked up.
        name: String,
    },
    /// No interface has this index.
    #[error("no interface with index {index} in this network namespace")]
    UnknownIndex {
        /// The index that was looked up.
        index: u32,
    },
    /// A string cannot be an interface name.
    #[error("{name:?} cannot be an interface name: {why}")]
    BadName {
        /// The string.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A prefix is longer than its address.
    #[error("{ip}/{prefix_bits}: a prefix of this family has at most {limit} bits")]
    BadPrefix {
        /// The address.
        ip: std::net::IpAddr,
        /// The prefix length asked for, in bits.
        prefix_bits: u8,
        /// The longest prefix of the family, in bits.
        limit: u8,
    },
    /// The kernel's answer could not be read.
    #[error("{operation}: the answer is malformed: {malformed}")]
    Answer {
        /// What was asked for.
        operation: Operation,
        /// What is wrong with the bytes.
        malformed: Malformed,
    },
    /// An answer or a request passed a limit of this library.
    #[error("{operation}: {what} reached {asked}; the limit is {limit}")]
    Limit {
        /// What was being done.
        operation: Operation,
        /// What is limited, with its unit: "bytes of an answer".
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What was needed, at least.
        asked: usize,
    },
    /// A dump kept changing while it was read.
    #[error("{operation}: the list changed during each of {attempts} attempts to read it")]
    Interrupted {
        /// What was being read.
        operation: Operation,
        /// How often it was tried.
        attempts: u32,
    },
    /// Something did not happen in time.
    #[error("{operation}: nothing after {waited_ms} ms")]
    Timeout {
        /// What was waited for.
        operation: Operation,
        /// How long, in milliseconds.
        waited_ms: u64,
    },
    /// The kernel ended the exchange without the object that was asked for.
    #[error("{operation}: the kernel sent no answer")]
    NoAnswer {
        /// What was asked for.
        operation: Operation,
    },
    /// A qdisc of another kind stands where clsact would.
    #[error("{interface} has a qdisc {kind} where clsact would stand")]
    Qdisc {
        /// The interface.
        interface: String,
        /// Its kind.
        kind: String,
    },
    /// A filter is not there any more, or runs another program.
    #[error(
        "the {direction} filter of {interface} is not ours any more{}",
        found.map_or_else(String::new, |id| format!(": it runs program {id}"))
    )]
    FilterGone {
        /// The interface.
        interface: String,
        /// Which way the frames go that it sees.
        direction: TcDirection,
        /// The program in its place.
        found: Option<u32>,
    },
    /// There is nothing to detach in the mode asked for.
    #[error(
        "detach XDP from {interface} ({mode}): nothing is attached in this mode; found {found}"
    )]
    NotAttached {
        /// The interface.
        interface: String,
        /// The mode asked for.
        mode: XdpMode,
        /// What is attached.
        found: XdpAttachment,
    },
    /// Programs are attached in several modes and none was named.
    #[error("detach XDP from {interface}: attached in several modes, name one; found {found}")]
    SeveralModes {
        /// The interface.
        interface: String,
        /// What is attached.
        found: XdpAttachment,
    },
    /// The kernel reported success, but a program is still attached.
    #[error("detach XDP from {interface} ({mode}): reported as done, but still attached: {found}")]
    StillAttached {
        /// The interface.
        interface: String,
        /// The mode asked for.
        mode: XdpMode,
        /// What is attached.
        found: XdpAttachment,
    },
}

impl NetlinkError {
    /// The error number, positive, if the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } | Self::System { errno, .. } => Some(*errno),
            Self::UnknownName { .. } | Self::UnknownIndex { .. } => Some(libc::ENODEV),
            Self::BadName { .. }
            | Self::BadPrefix { .. }
            | Self::Answer { .. }
            | Self::Limit { .. }
            | Self::Interrupted { .. }
            | Self::Timeout { .. }
            | Self::NoAnswer { .. }
            | Self::Qdisc { .. }
            | Self::FilterGone { .. }
            | Self::NotAttached { .. }
            | Self::SeveralModes { .. }
            | Self::StillAttached { .. } => None,
        }
    }

    /// The kernel's extended acknowledgement, if it gave one.
    pub fn kernel_text(&self) -> Option<&str> {
        if let Self::Refused { text, .. } = self { text.as_deref() } else { None }
    }

    /// Offset in bytes, from the start of the request, of the attribute the kernel objects to.
    pub fn kernel_offset(&self) -> Option<u32> {
        if let Self::Refused { offset, .. } = self { *offset } else { None }
    }

    /// The interface concerned, if there is one.
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Refused { operation, .. }
            | Self::System { operation, .. }
            | Self::Answer { operation, .. }
            | Self::Limit { operation, .. }
            | Self::Interrupted { operation, .. }
            | Self::Timeout { operation, .. }
            | Self::NoAnswer { operation } => operation.interface(),
            Self::UnknownName { name } | Self::BadName { name, .. } => Some(name),
            Self::Qdisc { interface, .. }
            | Self::FilterGone { interface, .. }
            | Self::NotAttached { interface, .. }
            | Self::SeveralModes { interface, .. }
            | Self::StillAttached { interface, .. } => Some(interface),
            Self::UnknownIndex { .. } | Self::BadPrefix { .. } => None,
        }
    }

    /// One sentence of advice, or nothing. Never a guess: it goes by the error number and the
    /// kernel's own text, whose wording is stable over releases.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { operation, errno, text, .. } => {
                let text = text.as_deref().unwrap_or_default();
                let fits = |(of, part, _): &&Hint| of == errno && text.contains(part);
                let by_verb =
                    |(of, verb, _): &&Hint| of == errno && operation.verb.starts_with(verb);
                let found = HINTS.iter().find(fits);
                found.or_else(|| HINTS_BY_VERB.iter().find(by_verb)).map(|(_, _, hint)| *hint)
            }
            Self::Qdisc { .. } => {
                Some("it has one direction only: `tc qdisc del dev IFACE ingress` removes it")
            }
            Self::FilterGone { .. } => Some("nothing was changed: `tc filter show` lists filters"),
            Self::System { errno: libc::EPERM, .. } => {
                Some("creating and entering network namespaces needs CAP_SYS_ADMIN")
            }
            Self::NotAttached { .. } | Self::SeveralModes { .. } => {
                Some("name the mode in which the program is attached")
            }
            Self::StillAttached { .. } => Some("another process may be attaching programs"),
            Self::Interrupted { .. } => Some("try again when fewer interfaces come and go"),
            Self::System { .. }
            | Self::UnknownName { .. }
            | Self::UnknownIndex { .. }
            | Self::BadName { .. }
            | Self::BadPrefix { .. }
            | Self::Answer { .. }
            | Self::Limit { .. }
            | Self::Timeout { .. }
            | Self::NoAnswer { .. } => None,
        }
    }

    /// A system call that failed while `operation` was under way.
    pub(crate) fn system(operation: &Operation, errno: Errno) -> Self {
        // The discriminants of `Errno` are the error numbers of the platform.
        Self::System { operation: operation.clone(), errno: errno as i32 }
    }

    /// An answer to `operation` that could not be read.
    pub(crate) fn answer(operation: &Operation, malformed: Malformed) -> Self {
        Self::Answer { operation: operation.clone(), malformed }
    }
}

/// `EBUSY`, or the number for those without a name in user space.
fn errno_name(errno: i32) -> String {
    let known = Errno::from_raw(errno);
    if known != Errno::UnknownErrno {
        return format!("{known:?}");
    }
    if errno == ENOTSUPP { "ENOTSUPP".to_owned() } else { format!("errno {errno}") }
}

/// The kernel's sentence, or the C library's.
fn refusal(text: Option<&str>, errno: i32) -> Cow<'_, str> {
    match text {
        // A control character in a driver's text would break the line.
        Some(text) => text.replace(char::is_control, " ").trim().to_owned().into(),
        None if errno == ENOTSUPP => "Operation is not supported".into(),
        None => Errno::from_raw(errno).desc().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32, text: Option<&str>) -> NetlinkError {
        let operation = Operation::on("attach XDP to", "veth0").detail("native");
        NetlinkError::Refused { operation, errno, text: text.map(str::to_owned), offset: Some(52) }
    }

    #[test]
    fn a_refusal_is_one_line_with_the_kernels_own_text() {
        let cases = [
            (
                refused(
                    libc::EOPNOTSUPP,
                    Some("Underlying driver does not support XDP in native mode"),
                ),
                "attach XDP to veth0 (native): EOPNOTSUPP: \
                 Underlying driver does not support XDP in native mode",
            ),
            (refused(libc::EINVAL, None), "attach XDP to veth0 (native): EINVAL: Invalid argument"),
            (
                refused(libc::EBUSY, Some("two\nlines\0 ")),
                "attach XDP to veth0 (native): EBUSY: two lines",
            ),
            (
                refused(524, None),
                "attach XDP to veth0 (native): ENOTSUPP: Operation is not supported",
            ),
            (refused(9999, None), "attach XDP to veth0 (native): errno 9999: Unknown errno"),
            (
                NetlinkError::UnknownName { name: "nope\n".into() },
                "no interface named \"nope\\n\" in this network namespace",
            ),
        ];
        for (error, line) in cases {
            assert_eq!(error.to_string(), line);
        }
    }

    #[test]
    fn a_refusal_hands_out_its_parts() {
        let error = refused(libc::EBUSY, Some("text"));
        assert_eq!(error.errno(), Some(libc::EBUSY));
        assert_eq!(error.interface(), Some("veth0"));
        assert_eq!(error.kernel_text(), Some("text"));
        assert_eq!(error.kernel_offset(), Some(52));
    }

    #[test]
    fn hints_go_by_number_and_text_and_are_never_guessed() {
        let native = "Underlying driver does not support XDP in native mode";
        // (errno, the kernel's text, part of the hint)
        let cases = [
            (libc::EOPNOTSUPP, Some(native), Some("generic mode")),
            (libc::EOPNOTSUPP, None, None),
            (libc::EBUSY, Some("XDP program already attached"), Some("replace it")),
            (libc::EBUSY, Some("Can't replace active BPF XDP link"), Some("bpf_link")),
            (libc::EINVAL, Some(native), None),
            (libc::EPERM, None, Some("CAP_NET_ADMIN")),
        ];
        for (errno, text, part) in cases {
            let hint = refused(errno, text).hint();
            assert_eq!(hint.is_some(), part.is_some(), "{errno} {text:?}: {hint:?}");
            assert!(hint.unwrap_or_default().contains(part.unwrap_or_default()), "{hint:?}");
        }
    }
}
