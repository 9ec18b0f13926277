//! XDP programs on interfaces: attach, ask what is attached, and a detach that is checked.
//!
//! A program attached here stays attached when the process ends; only a detach or the deletion of
//! the interface removes it. Programs are descriptors; what is in them does not matter here.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::attribute::{Attribute, AttributeWriter};
use super::error::{Malformed, NetlinkError, Operation};
use super::link::{IFLA_XDP, Link, LinkHeader};
use super::message::Request;
use super::socket::Socket;

/// Attributes nested in `IFLA_XDP`.
mod attribute {
    pub(super) const FD: u16 = 1;
    pub(super) const ATTACHED: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const PROG_ID: u16 = 4;
    pub(super) const NATIVE_PROG_ID: u16 = 5;
    pub(super) const GENERIC_PROG_ID: u16 = 6;
    pub(super) const OFFLOAD_PROG_ID: u16 = 7;
    pub(super) const EXPECTED_FD: u16 = 8;
}

/// Values of `IFLA_XDP_ATTACHED`.
mod attached {
    pub(super) const NATIVE: u8 = 1;
    pub(super) const GENERIC: u8 = 2;
    pub(super) const OFFLOAD: u8 = 3;
}

/// Values of `IFLA_XDP_FLAGS`.
mod flag {
    pub(super) const UPDATE_IF_NOEXIST: u32 = 1;
    pub(super) const GENERIC: u32 = 2;
    pub(super) const NATIVE: u32 = 4;
    pub(super) const OFFLOAD: u32 = 8;
    pub(super) const REPLACE: u32 = 16;
}

/// In `IFLA_XDP_FD`: no program, that is detach.
const NO_PROGRAM: i32 = -1;

/// Where in the receive path a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XdpMode {
    /// The kernel chooses: native if the driver can, else generic.
    Auto,
    /// In the network stack, after the packet buffer was allocated. Works with every driver.
    Generic,
    /// In the driver, before a packet buffer is allocated.
    Native,
    /// On the network card.
    Offload,
}

impl XdpMode {
    const fn flags(self) -> u32 {
        match self {
            Self::Auto => 0,
            Self::Generic => flag::GENERIC,
            Self::Native => flag::NATIVE,
            Self::Offload => flag::OFFLOAD,
        }
    }
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Generic => "generic",
            Self::Native => "native",
            Self::Offload => "offload",
        })
    }
}

/// What to do if the interface already has a program in the mode asked for.
#[derive(Clone, Copy, Debug)]
pub enum OnOccupied<'fd> {
    /// Refuse with `EBUSY`: never take the place of a program that is not ours.
    Refuse,
    /// Replace whatever is there.
    Overwrite,
    /// Replace exactly this program, atomically; refuse with `EEXIST` if another one, or none, is
    /// attached.
    Replace(BorrowedFd<'fd>),
}

/// The programs attached to an interface, by mode, as their ids.
///
/// An id is what `bpftool prog show id` takes. Generic or native may be joined by offload, but not
/// by each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpAttachment {
    /// Id of the program in generic mode.
    pub generic: Option<u32>,
    /// Id of the program in native mode.
    pub native: Option<u32>,
    /// Id of the program on the network card.
    pub offload: Option<u32>,
}

impl XdpAttachment {
    /// Is any program attached?
    pub fn is_attached(&self) -> bool {
        self.modes().next().is_some()
    }

    /// The modes that have a program, with its id.
    pub fn modes(&self) -> impl Iterator<Item = (XdpMode, u32)> {
        let all = [
            (XdpMode::Native, self.native),
            (XdpMode::Generic, self.generic),
            (XdpMode::Offload, self.offload),
        ];
        all.into_iter().filter_map(|(mode, id)| Some((mode, id?)))
    }

    /// Id of the program in this mode; for [`XdpMode::Auto`] of the first one attached.
    pub fn program(&self, mode: XdpMode) -> Option<u32> {
        match mode {
            XdpMode::Auto => self.modes().next().map(|(_, id)| id),
            XdpMode::Generic => self.generic,
            XdpMode::Native => self.native,
            XdpMode::Offload => self.offload,
        }
    }

    /// Read the value of an `IFLA_XDP` attribute.
    pub(crate) fn decode(nest: &Attribute<'_>) -> Result<Self, Malformed> {
        let mut found = Self::default();
        let mut kind = 0;
        let mut id = None;
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                attribute::ATTACHED => kind = attribute.u8()?,
                attribute::PROG_ID => id = Some(attribute.u32()?),
                attribute::NATIVE_PROG_ID => found.native = Some(attribute.u32()?),
                attribute::GENERIC_PROG_ID => found.generic = Some(attribute.u32()?),
                attribute::OFFLOAD_PROG_ID => found.offload = Some(attribute.u32()?),
                _ => {}
            }
        }
        // Kernels before 5.0 name the mode only by IFLA_XDP_ATTACHED.
        match kind {
            attached::NATIVE => found.native = found.native.or(id),
            attached::GENERIC => found.generic = found.generic.or(id),
            attached::OFFLOAD => found.offload = found.offload.or(id),
            _ => {}
        }
        Ok(found)
    }
}

/// `native program 12, offload program 13`, or `nothing`.
impl fmt::Display for XdpAttachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (mode, id) in self.modes() {
            write!(f, "{separator}{mode} program {id}")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

impl Socket {
    /// Attach the XDP program behind `program` to `link`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`], with the kernel's text where it gives one:
    /// - `EOPNOTSUPP`: the driver has no native XDP, or not for this program;
    /// - `EBUSY`: occupied and [`OnOccupied::Refuse`], or a bpf_link holds the interface;
    /// - `EEXIST`: generic while native is attached or the other way round, or
    ///   [`OnOccupied::Replace`] and another program is attached;
    /// - `ERANGE`: on a veth, the peer's MTU is too large for a program without fragments;
    /// - `EINVAL`: not an XDP program, or offload without a card that can;
    /// - `EPERM`: no `CAP_NET_ADMIN`.
    pub fn attach_xdp(
        &mut self,
        link: &Link,
        program: BorrowedFd<'_>,
        mode: XdpMode,
        on_occupied: OnOccupied<'_>,
    ) -> Result<(), NetlinkError> {
        let operation = Operation::on("attach XDP to", &link.name).detail(mode.to_string());
        let request = set_request(link, program.as_raw_fd(), mode, on_occupied);
        self.change(&operation, request)
    }

    /// What is attached to `link` now.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::UnknownIndex`] if the interface is gone.
    pub fn xdp(&mut self, link: &Link) -> Result<XdpAttachment, NetlinkError> {
        self.link_by_index(link.index).map(|link| link.xdp)
    }

    /// Detach the program of one mode, and make sure that it is gone.
    ///
    /// [`XdpMode::Auto`] is the mode in which a program is attached, if there is only one. With
    /// `expected` the kernel refuses to detach any other program. The kernel reports success for a
    /// detach in a mode that is not in use, so this asks before and after.
    ///
    /// # Errors
    ///
    /// - [`NetlinkError::NotAttached`], [`NetlinkError::SeveralModes`]: nothing was changed;
    /// - [`NetlinkError::Refused`]: `EBUSY` if a bpf_link holds the interface, `EEXIST` if another
    ///   program than `expected` is attached;
    /// - [`NetlinkError::StillAttached`]: the kernel said yes and did not do it, or another process
    ///   attached a program meanwhile;
    /// - [`NetlinkError::UnknownIndex`]: the interface is gone, and the attachment with it.
    pub fn detach_xdp(
        &mut self,
        link: &Link,
        mode: XdpMode,
        expected: Option<BorrowedFd<'_>>,
    ) -> Result<(), NetlinkError> {
        let found = self.xdp(link)?;
        let interface = || link.name.clone();
        let mode = match (mode, found.modes().count()) {
            (XdpMode::Auto, 2..) => {
                return Err(NetlinkError::SeveralModes { interface: interface(), found });
            }
            (XdpMode::Auto, _) => found.modes().next().map_or(mode, |(only, _)| only),
            (XdpMode::Generic | XdpMode::Native | XdpMode::Offload, _) => mode,
        };
        if found.program(mode).is_none() {
            return Err(NetlinkError::NotAttached { interface: interface(), mode, found });
        }
        let operation = Operation::on("detach XDP from", &link.name).detail(mode.to_string());
        let on_occupied = expected.map_or(OnOccupied::Overwrite, OnOccupied::Replace);
        self.change(&operation, set_request(link, NO_PROGRAM, mode, on_occupied))?;
        let found = self.xdp(link)?;
        if found.program(mode).is_some() {
            return Err(NetlinkError::StillAttached { interface: interface(), mode, found });
        }
        Ok(())
    }
}

/// `RTM_SETLINK` with a nested `IFLA_XDP`.
fn set_request(link: &Link, program: i32, mode: XdpMode, on_occupied: OnOccupied<'_>) -> Request {
    let mut request = LinkHeader::of(link.index).request(libc::RTM_SETLINK, 0);
    request.attributes().nest(IFLA_XDP, |xdp| write_set(xdp, program, mode, on_occupied));
    request
}

fn write_set(xdp: &mut AttributeWriter, program: i32, mode: XdpMode, on_occupied: OnOccupied<'_>) {
    xdp.put_i32(attribute::FD, program);
    let on_occupied = match on_occupied {
        OnOccupied::Refuse => flag::UPDATE_IF_NOEXIST,
        OnOccupied::Overwrite => 0,
        OnOccupied::Replace(expected) => {
            xdp.put_i32(attribute::EXPECTED_FD, expected.as_raw_fd());
            flag::REPLACE
        }
    };
    xdp.put_u32(attribute::FLAGS, mode.flags() | on_occupied);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attribute::Attributes;

    /// The value of an `IFLA_XDP` attribute with these attributes in it.
    fn nest(parts: &[(u16, &[u8])]) -> Vec<u8> {
        let mut writer = AttributeWriter::new();
        for (kind, value) in parts {
            writer.put(*kind, value);
        }
        writer.finish().expect("short values")
    }

    #[test]
    fn attachments_read_from_every_form_the_kernel_sends() {
        let id = |id: u32| id.to_ne_bytes();
        let found = |native, generic, offload| XdpAttachment { generic, native, offload };
        // (what, attributes, found, as text)
        let cases: &[(&str, Vec<u8>, XdpAttachment, &str)] = &[
            ("none", nest(&[(2, &[0])]), found(None, None, None), "nothing"),
            ("empty nest", vec![], found(None, None, None), "nothing"),
            (
                "native",
                nest(&[(2, &[1]), (4, &id(12)), (5, &id(12))]),
                found(Some(12), None, None),
                "native program 12",
            ),
            (
                "generic",
                nest(&[(2, &[2]), (4, &id(7)), (6, &id(7))]),
                found(None, Some(7), None),
                "generic program 7",
            ),
            (
                "several",
                nest(&[(2, &[4]), (5, &id(3)), (7, &id(4))]),
                found(Some(3), None, Some(4)),
                "native program 3, offload program 4",
            ),
            (
                "an old kernel, which gives only mode and id",
                nest(&[(2, &[2]), (4, &id(9))]),
                found(None, Some(9), None),
                "generic program 9",
            ),
            (
                "unknown attributes are skipped",
                nest(&[(99, &[1, 2, 3]), (2, &[1]), (4, &id(1))]),
                found(Some(1), None, None),
                "native program 1",
            ),
        ];
        for (what, value, expected, text) in cases {
            let read = XdpAttachment::decode(&Attribute { kind: IFLA_XDP, value });
            assert_eq!(read, Ok(*expected), "{what}");
            assert_eq!(expected.to_string(), *text, "{what}");
            assert_eq!(expected.is_attached(), *text != "nothing", "{what}");
        }
        let short = nest(&[(4, &[1, 2])]);
        let wrong = XdpAttachment::decode(&Attribute { kind: IFLA_XDP, value: &short });
        assert_eq!(wrong, Err(Malformed::ValueSize { kind: 4, expected: 4, found: 2 }));
    }

    #[test]
    fn requests_carry_mode_and_policy_in_their_flags() {
        let stdin = std::io::stdin();
        let fd = std::os::fd::AsFd::as_fd(&stdin);
        // (mode, policy, flags, is a program expected)
        let cases = [
            (XdpMode::Auto, OnOccupied::Overwrite, 0, false),
            (XdpMode::Generic, OnOccupied::Refuse, 1 | 2, false),
            (XdpMode::Native, OnOccupied::Replace(fd), 4 | 16, true),
            (XdpMode::Offload, OnOccupied::Overwrite, 8, false),
        ];
        for (mode, on_occupied, flags, expects) in cases {
            let mut writer = AttributeWriter::new();
            write_set(&mut writer, -1, mode, on_occupied);
            let bytes = writer.finish().expect("short values");
            let find = |kind| Attributes::new(&bytes).find(kind).expect("well-formed");
            let value = |kind| find(kind).map(|a| a.u32().expect("an integer"));
            assert_eq!(value(attribute::FD), Some(u32::MAX), "{mode}");
            assert_eq!(value(attribute::FLAGS), Some(flags), "{mode}");
            assert_eq!(value(attribute::EXPECTED_FD).is_some(), expects, "{mode}");
        }
    }
}
