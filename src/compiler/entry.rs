//! Where a program runs: what it gets there, and what it returns.
//!
//! The same patterns compile to each entry. What differs is told here in one place, for code, for
//! listings and for those who read them: how bytes are reached, what stands for a verdict, and what the
//! kernel did to the frame before.

use super::{
    error::CompileError,
    event::record::Direction,
    ir::{Verdict, Verdicts},
};
use crate::assembler::ProgramKind;

/// Where the program will run: what it gets and what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// XDP: sees the frame before the stack does, returns a verdict.
    Xdp,
    /// A socket filter: sees what the socket is about to receive, keeps it or drops it.
    SocketFilter,
    /// A classifier (tc, TCX): sees what the stack is about to get, or what is about to leave, returns a
    /// verdict. It gets super-packets whole: many segments of one connection under one header.
    Tc(Direction),
}

/// Returned for [`Verdict::Pass`]: the next classifier goes on, and without one the frame does
/// (`TC_ACT_UNSPEC` in `include/uapi/linux/pkt_cls.h`, the same number as `TCX_NEXT`).
const TC_ACT_UNSPEC: i32 = -1;
/// Gone.
const TC_ACT_SHOT: i32 = 2;
/// What `bpf_redirect` returns.
const TC_ACT_REDIRECT: i32 = 7;

impl Entry {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Xdp, Self::SocketFilter, Self::Tc(Direction::Ingress), Self::Tc(Direction::Egress)];

    /// The word for it, as on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::SocketFilter => "socket",
            Self::Tc(direction) => direction.name(),
        }
    }

    /// The program type.
    pub const fn kind(self) -> ProgramKind {
        match self {
            Self::Xdp => ProgramKind::Xdp,
            Self::SocketFilter => ProgramKind::SocketFilter,
            Self::Tc(_) => ProgramKind::SchedCls,
        }
    }

    /// Is the frame a socket buffer, with the outer VLAN tag apart from its bytes?
    pub const fn is_skb(self) -> bool {
        match self {
            Self::Xdp => false,
            Self::SocketFilter | Self::Tc(_) => true,
        }
    }

    /// Does the program decide what becomes of the frame? A socket filter decides for its socket only.
    pub const fn has_verdicts(self) -> bool {
        match self {
            Self::Xdp | Self::Tc(_) => true,
            Self::SocketFilter => false,
        }
    }

    /// What the program returns for `verdict`. A socket filter keeps for `pass`, all bytes, and drops for
    /// everything else.
    pub const fn returned(self, verdict: Verdict) -> i32 {
        match (self, verdict) {
            (Self::Xdp, _) => verdict.xdp_action(),
            (Self::SocketFilter, Verdict::Pass) => -1,
            (
                Self::SocketFilter,
                Verdict::Drop | Verdict::Abort | Verdict::Tx | Verdict::Redirect { .. },
            ) => 0,
            (Self::Tc(_), Verdict::Pass) => TC_ACT_UNSPEC,
            (Self::Tc(_), Verdict::Drop | Verdict::Abort) => TC_ACT_SHOT,
            (Self::Tc(_), Verdict::Tx | Verdict::Redirect { .. }) => TC_ACT_REDIRECT,
        }
    }

    /// What `verdict` comes to here, for listings.
    pub const fn says(self, verdict: Verdict) -> &'static str {
        match (self, verdict) {
            (Self::Xdp | Self::SocketFilter, _) => verdict.name(),
            (Self::Tc(_), Verdict::Pass) => "pass, to the next classifier",
            (Self::Tc(_), Verdict::Drop) => "drop",
            (Self::Tc(_), Verdict::Abort) => "abort, which is drop here",
            (Self::Tc(_), Verdict::Tx) => "tx, out of where it came in",
            (Self::Tc(_), Verdict::Redirect { .. }) => "redirect, out of another interface",
        }
    }

    /// What is particular to it, a sentence each.
    pub const fn notes(self) -> &'static [&'static str] {
        match self {
            Self::Xdp => &[
                "frames as the driver received them, before the stack and before they are merged",
                "VLAN tags in the bytes",
            ],
            Self::SocketFilter => &[
                "packets as the socket gets them, merged ones whole",
                "the outer VLAN tag apart from the bytes",
                "no verdicts: what matches is kept for the socket, and nobody else notices",
            ],
            Self::Tc(Direction::Ingress) => &[
                "frames behind XDP, merged segments of a connection whole",
                "the outer VLAN tag apart from the bytes",
                "pass lets the next classifier decide; abort is drop, without a tracepoint",
            ],
            Self::Tc(Direction::Egress) => &[
                "frames that leave, segments whole that the interface will cut",
                "the VLAN tag that the interface will insert apart from the bytes",
                "pass lets the next classifier decide; abort is drop, without a tracepoint; no tx",
            ],
        }
    }

    /// Do these verdicts make sense here?
    ///
    /// # Errors
    ///
    /// `tx` for what leaves: it would come by again, until the kernel drops it.
    pub fn check(self, verdicts: &Verdicts) -> Result<(), CompileError> {
        let Verdicts { on_match, on_miss, out_of_scope } = verdicts;
        let sends_back = [on_match, on_miss, out_of_scope].contains(&&Verdict::Tx);
        match self {
            Self::Tc(Direction::Egress) if sends_back => Err(CompileError::Verdict {
                verdict: Verdict::Tx.name(),
                entry: self.name(),
                why: "the frame is leaving that interface already, and would come by again and again",
            }),
            Self::Xdp | Self::SocketFilter | Self::Tc(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_not_sent_back() {
        let tx = Verdicts { on_miss: Verdict::Tx, ..Verdicts::default() };
        for entry in Entry::ALL {
            let refused = entry == Entry::Tc(Direction::Egress);
            assert_eq!(entry.check(&tx).is_err(), refused, "{entry:?}");
            assert_eq!(entry.check(&Verdicts::default()), Ok(()));
        }
    }
}
