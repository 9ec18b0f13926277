//! Classifiers on interfaces by rtnetlink: the clsact qdisc, and filters of kind `bpf` at it.
//!
//! For kernels before 6.6, which have no TCX links. A filter attached here stays when the process ends.
//! Filters run in the order of their preference, smallest first, until one decides. Programs are
//! descriptors; what is in them does not matter here.
//!
//! Guarantees: a qdisc is made only if there is none, and it is known whether we made it; a filter is
//! replaced or deleted only by the handle that the kernel gave it, and after asking whether it still
//! runs the program that is expected. rtnetlink cannot do that in one step, so another process that
//! changes this very filter in between is not noticed.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::attribute::{AttributeWriter, Attributes};
use super::error::{Malformed, NetlinkError, Operation};
use super::link::Link;
use super::message::{Request, flag};
use super::socket::Socket;

/// Attributes of qdiscs and filters.
mod attribute {
    pub(super) const KIND: u16 = 1;
    pub(super) const OPTIONS: u16 = 2;
    /// Nested in `OPTIONS` of a filter of kind `bpf`.
    pub(super) const BPF_FD: u16 = 6;
    pub(super) const BPF_NAME: u16 = 7;
    pub(super) const BPF_FLAGS: u16 = 8;
    pub(super) const BPF_ID: u16 = 11;
}

/// Bytes of `struct tcmsg`.
const HEADER_BYTES: usize = 20;
/// The place of clsact among the qdiscs of an interface (`TC_H_CLSACT`).
const CLSACT_PARENT: u32 = 0xffff_fff1;
/// Its handle.
const CLSACT_HANDLE: u32 = 0xffff_0000;
/// What the kernel calls it.
const CLSACT: &str = "clsact";
/// The older kind, which has one direction only and stands in the same place.
const INGRESS: &str = "ingress";
/// `TCA_BPF_FLAG_ACT_DIRECT`: what the program returns is the action.
const DIRECT_ACTION: u32 = 1;
/// In `tcm_info`: frames of all protocols (`ETH_P_ALL`), in network order.
const ALL_PROTOCOLS: u16 = 3_u16.to_be();

/// The preference that filters get which nobody gave another: behind those that people number by hand.
pub const PREFERENCE: u16 = 0xc0de;

/// Which way frames go that a classifier sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcDirection {
    /// Received.
    Ingress,
    /// About to be sent.
    Egress,
}

impl TcDirection {
    /// Where filters of this direction hang (`TC_H_MIN_INGRESS`, `TC_H_MIN_EGRESS`).
    const fn parent(self) -> u32 {
        match self {
            Self::Ingress => 0xffff_fff2,
            Self::Egress => 0xffff_fff3,
        }
    }

    /// `ingress` or `egress`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl fmt::Display for TcDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A filter of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcFilter {
    /// Which way the frames go that it sees.
    pub direction: TcDirection,
    /// Its preference: the smallest one runs first.
    pub preference: u16,
    /// The protocol it is for, in network order, as the kernel has it.
    protocol: u16,
    /// Its number among those of its preference.
    pub handle: u32,
    /// `bpf`, `flower`, …
    pub kind: String,
    /// The id of its program, if it has one.
    pub program_id: Option<u32>,
    /// What whoever made it called it.
    pub name: Option<String>,
    /// Is what its program returns the action?
    pub direct_action: bool,
}

/// `struct tcmsg`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TcHeader {
    index: u32,
    handle: u32,
    parent: u32,
    info: u32,
}

impl TcHeader {
    fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.index.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.handle.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.parent.to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.info.to_ne_bytes());
        bytes
    }

    fn decode(payload: &[u8]) -> Result<(Self, Attributes<'_>), Malformed> {
        let short = Malformed::Header { at: 0, needed: HEADER_BYTES, left: payload.len() };
        let (header, rest) = payload.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let this = Self { index: word(4), handle: word(8), parent: word(12), info: word(16) };
        Ok((this, Attributes::new(rest)))
    }

    fn request(self, kind: u16, flags: u16) -> Request {
        Request::new(kind, flags, &self.encode())
    }
}

impl TcFilter {
    /// A filter of `direction` in the payload of an `RTM_NEWTFILTER`. Nothing if the message stands
    /// for all of a preference.
    fn decode(direction: TcDirection, payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let (header, attributes) = TcHeader::decode(payload)?;
        let [p0, p1, b0, b1] = header.info.to_le_bytes();
        let mut filter = Self {
            direction,
            preference: u16::from_le_bytes([b0, b1]),
            protocol: u16::from_le_bytes([p0, p1]),
            handle: header.handle,
            kind: String::new(),
            program_id: None,
            name: None,
            direct_action: false,
        };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                attribute::KIND => filter.kind = attribute.text(),
                attribute::OPTIONS => filter.options(attribute.nested())?,
                _ => {}
            }
        }
        Ok((filter.handle != 0).then_some(filter))
    }

    fn options(&mut self, options: Attributes<'_>) -> Result<(), Malformed> {
        if self.kind != "bpf" {
            return Ok(()); // the numbers of other kinds mean other things
        }
        for option in options {
            let option = option?;
            match option.kind {
                attribute::BPF_NAME => self.name = Some(option.text()),
                attribute::BPF_FLAGS => self.direct_action = option.u32()? & DIRECT_ACTION != 0,
                attribute::BPF_ID => self.program_id = Some(option.u32()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn header(&self, link: &Link) -> TcHeader {
        TcHeader {
            index: link.index,
            handle: self.handle,
            parent: self.direction.parent(),
            info: info(self.preference, self.protocol),
        }
    }
}

/// `tcm_info` of a filter.
fn info(preference: u16, protocol: u16) -> u32 {
    let ([p0, p1], [b0, b1]) = (protocol.to_le_bytes(), preference.to_le_bytes());
    u32::from_le_bytes([p0, p1, b0, b1])
}

/// What stands where filters hang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clsact {
    /// It was there.
    Found,
    /// It was made just now.
    Made,
}

impl Socket {
    /// Have a clsact qdisc on `link`, where filters of both directions hang. An `ingress` qdisc, which
    /// stands in the same place, does for ingress. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `ENOENT` if the kernel has none, `EPERM`;
    /// [`NetlinkError::Qdisc`]: another kind is in its place.
    pub fn add_clsact(
        &mut self,
        link: &Link,
        direction: TcDirection,
    ) -> Result<Clsact, NetlinkError> {
        let operation = Operation::on("add a clsact qdisc to", &link.name);
        let mut request =
            clsact_header(link).request(libc::RTM_NEWQDISC, flag::CREATE | flag::EXCLUSIVE);
        request.attributes().put_text(attribute::KIND, CLSACT);
        let error = match self.change(&operation, request) {
            Ok(()) => return Ok(Clsact::Made),
            Err(error) => error,
        };
        if error.errno() != Some(libc::EEXIST) {
            return Err(error);
        }
        match self.clsact_kind(link)? {
            Some(kind) if kind == CLSACT => Ok(Clsact::Found),
            Some(kind) if kind == INGRESS && direction == TcDirection::Ingress => Ok(Clsact::Found),
            Some(kind) => Err(NetlinkError::Qdisc { interface: link.name.clone(), kind }),
            None => Err(error),
        }
    }

    /// The kind of the qdisc that stands where clsact does, if there is one.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] if the interface is gone.
    pub fn clsact_kind(&mut self, link: &Link) -> Result<Option<String>, NetlinkError> {
        let operation = Operation::on("look at the clsact qdisc of", &link.name);
        let request = clsact_header(link).request(libc::RTM_GETQDISC, flag::ECHO);
        let object = match self.get(&operation, request) {
            Ok(object) => object,
            // Without one there is nothing to look at.
            Err(NetlinkError::Refused { errno: libc::ENOENT | libc::EINVAL, .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let read = TcHeader::decode(&object.payload)
            .and_then(|(_, attributes)| attributes.find(attribute::KIND));
        let kind = read.map_err(|malformed| NetlinkError::answer(&operation, malformed))?;
        Ok(kind.map(|kind| kind.text()))
    }

    /// Remove the clsact qdisc, and all filters with it.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `ENOENT` or `EINVAL` if there is none.
    pub fn delete_clsact(&mut self, link: &Link) -> Result<(), NetlinkError> {
        let mut request = clsact_header(link).request(libc::RTM_DELQDISC, 0);
        request.attributes().put_text(attribute::KIND, CLSACT);
        self.change(&Operation::on("remove the clsact qdisc from", &link.name), request)
    }

    /// The filters of one direction of `link`, of any kind, in the order in which they run. Without a
    /// clsact qdisc there are none.
    ///
    /// # Errors
    ///
    /// As [`Socket::dump`].
    pub fn tc_filters(
        &mut self,
        link: &Link,
        direction: TcDirection,
    ) -> Result<Vec<TcFilter>, NetlinkError> {
        let operation = Operation::on("list the filters of", &link.name).detail(direction.name());
        let header =
            TcHeader { index: link.index, parent: direction.parent(), ..TcHeader::default() };
        let objects = self.dump(&operation, header.request(libc::RTM_GETTFILTER, 0))?;
        let of_kind = |object: &&super::answer::Object| object.kind == libc::RTM_NEWTFILTER;
        let read = |object: &super::answer::Object| TcFilter::decode(direction, &object.payload);
        let filters = objects.iter().filter(of_kind).map(read);
        let filters: Result<Vec<_>, _> = filters.filter_map(Result::transpose).collect();
        filters.map_err(|malformed| NetlinkError::answer(&operation, malformed))
    }

    /// Make the program behind `program` a filter of `link`, behind those of smaller preference. `name`
    /// is for people. There must be a clsact qdisc ([`add_clsact`](Self::add_clsact)).
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]: `EINVAL` without a qdisc, for a program of another type, or if filters
    /// of another kind have this preference; `ENOENT` if the kernel has no `bpf` filters; `EPERM`.
    pub fn attach_tc(
        &mut self,
        link: &Link,
        direction: TcDirection,
        program: BorrowedFd<'_>,
        (name, preference): (&str, u16),
    ) -> Result<TcFilter, NetlinkError> {
        let operation = Operation::on("attach a filter to", &link.name).detail(direction.name());
        let header = TcHeader {
            index: link.index,
            handle: 0, // the kernel chooses, and echoes it
            parent: direction.parent(),
            info: info(preference, ALL_PROTOCOLS),
        };
        let flags = flag::CREATE | flag::EXCLUSIVE | flag::ECHO;
        let request = filter_request(header, flags, program, name);
        let object = self.get(&operation, request)?;
        let filter = TcFilter::decode(direction, &object.payload)
            .map_err(|malformed| NetlinkError::answer(&operation, malformed))?;
        filter.ok_or(NetlinkError::NoAnswer { operation })
    }

    /// Put another program in the place of that of `filter` in one step: every frame meets the one or
    /// the other.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::FilterGone`] if the filter is not there any more, or runs another program;
    /// [`NetlinkError::Refused`].
    pub fn replace_tc(
        &mut self,
        link: &Link,
        filter: &TcFilter,
        program: BorrowedFd<'_>,
    ) -> Result<TcFilter, NetlinkError> {
        self.expect_filter(link, filter)?;
        let direction = filter.direction;
        let operation = Operation::on("replace the filter of", &link.name).detail(direction.name());
        let name = filter.name.as_deref().unwrap_or_default();
        let request = filter_request(filter.header(link), flag::ECHO, program, name);
        let object = self.get(&operation, request)?;
        let replaced = TcFilter::decode(direction, &object.payload)
            .map_err(|malformed| NetlinkError::answer(&operation, malformed))?;
        replaced.ok_or(NetlinkError::NoAnswer { operation })
    }

    /// Delete `filter`, if it still runs the program that it says.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::FilterGone`]: nothing was changed; [`NetlinkError::Refused`].
    pub fn detach_tc(&mut self, link: &Link, filter: &TcFilter) -> Result<(), NetlinkError> {
        self.expect_filter(link, filter)?;
        let mut request = filter.header(link).request(libc::RTM_DELTFILTER, 0);
        request.attributes().put_text(attribute::KIND, &filter.kind);
        let operation =
            Operation::on("detach a filter from", &link.name).detail(filter.direction.name());
        self.change(&operation, request)
    }

    /// Is `filter` still there, with the same program?
    fn expect_filter(&mut self, link: &Link, filter: &TcFilter) -> Result<(), NetlinkError> {
        let place = |it: &TcFilter| (it.preference, it.protocol, it.handle);
        let there = self.tc_filters(link, filter.direction)?;
        let found = there.iter().find(|it| place(it) == place(filter));
        match found {
            Some(found) if found.program_id == filter.program_id => Ok(()),
            _ => Err(NetlinkError::FilterGone {
                interface: link.name.clone(),
                direction: filter.direction,
                found: found.and_then(|it| it.program_id),
            }),
        }
    }
}

fn clsact_header(link: &Link) -> TcHeader {
    let (handle, parent) = (CLSACT_HANDLE, CLSACT_PARENT);
    TcHeader { index: link.index, handle, parent, info: 0 }
}

/// `RTM_NEWTFILTER` of a program whose result is the action.
fn filter_request(header: TcHeader, flags: u16, program: BorrowedFd<'_>, name: &str) -> Request {
    let mut request = header.request(libc::RTM_NEWTFILTER, flags);
    request.attributes().put_text(attribute::KIND, "bpf").nest(attribute::OPTIONS, |options| {
        write_options(options, program.as_raw_fd(), name);
    });
    request
}

fn write_options(options: &mut AttributeWriter, program: i32, name: &str) {
    options.put_i32(attribute::BPF_FD, program);
    options.put_text(attribute::BPF_NAME, name);
    options.put_u32(attribute::BPF_FLAGS, DIRECT_ACTION);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(header: TcHeader, fill: impl FnOnce(&mut AttributeWriter)) -> Vec<u8> {
        let mut writer = AttributeWriter::new();
        fill(&mut writer);
        [&header.encode()[..], &writer.finish().expect("short values")].concat()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_header_has_the_layout_of_tcmsg() {
        let header = TcHeader { index: 1, handle: 2, parent: 3, info: info(4, ALL_PROTOCOLS) };
        let bytes = [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 3, 4, 0];
        assert_eq!(header.encode(), bytes);
        assert_eq!(TcHeader::decode(&bytes).expect("whole").0, header);
    }

    #[test]
    fn a_filter_is_read_from_what_the_kernel_tells() {
        let header = TcHeader {
            index: 7,
            handle: 1,
            parent: TcDirection::Egress.parent(),
            info: info(PREFERENCE, ALL_PROTOCOLS),
        };
        let bytes = payload(header, |list| {
            list.put_text(attribute::KIND, "bpf").put_u32(11, 0);
            list.nest(attribute::OPTIONS, |options| {
                options.put_text(attribute::BPF_NAME, "hardwire").put_u32(attribute::BPF_FLAGS, 1);
                options.put_u32(attribute::BPF_ID, 44).put(10, &[0; 8]);
            });
        });
        let filter = TcFilter::decode(TcDirection::Egress, &bytes).expect("well-formed");
        let filter = filter.expect("a filter");
        assert_eq!((filter.preference, filter.handle, filter.program_id), (0xc0de, 1, Some(44)));
        assert_eq!((filter.kind.as_str(), filter.name.as_deref()), ("bpf", Some("hardwire")));
        assert!(filter.direct_action && filter.protocol == ALL_PROTOCOLS);
    }

    #[test]
    fn a_preference_without_filters_and_filters_of_other_kinds_are_not_taken_for_ours() {
        let of_all = payload(TcHeader::default(), |list| {
            list.put_text(attribute::KIND, "bpf");
        });
        assert_eq!(TcFilter::decode(TcDirection::Ingress, &of_all), Ok(None));
        let header = TcHeader { handle: 1, ..TcHeader::default() };
        let flower = payload(header, |list| {
            list.put_text(attribute::KIND, "flower").nest(attribute::OPTIONS, |options| {
                options.put(attribute::BPF_ID, &[1, 2, 3, 4, 5, 6]);
            });
        });
        let filter = TcFilter::decode(TcDirection::Ingress, &flower).expect("well-formed");
        assert_eq!(filter.expect("a filter").program_id, None);
        assert!(TcFilter::decode(TcDirection::Ingress, &[0; 19]).is_err());
    }

    proptest! {
        #[test]
        fn hostile_filters_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = TcFilter::decode(TcDirection::Ingress, &bytes);
        }
    }
}
