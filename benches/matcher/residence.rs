//! Where programs live while they are timed.
//!
//! `BPF_PROG_TEST_RUN` enters an XDP program the way drivers do, through a dispatcher with direct
//! calls (`bpf_dispatcher_xdp_func`). To enter a program into the dispatcher and to remove it
//! again, which every test run of several repeats does, takes two RCU grace periods: tens of
//! milliseconds for a measurement of half of one, and a clock outside the kernel sees only them. A
//! program that is attached somewhere is in there already. So each is attached to a loopback
//! interface of its own that no packet ever crosses, in a network namespace of its own.

use std::error::Error;

use hardwire::{
    loader::{Program, XdpLink},
    netlink::{Namespace, XdpMode},
};

/// Keeps a program in the dispatcher.
pub(crate) struct Residence {
    link: XdpLink,
    _namespace: Namespace,
}

impl Residence {
    /// Give `program` an interface.
    pub(crate) fn new(program: &Program) -> Result<Self, Box<dyn Error>> {
        let namespace = Namespace::create()?;
        let mut netlink = namespace.socket()?;
        let loopback = netlink.link_by_name("lo")?;
        let link = namespace
            .enter(|| XdpLink::attach(&mut netlink, &loopback, program, XdpMode::Generic))??;
        Ok(Self { link, _namespace: namespace })
    }

    /// Let `program` live there instead.
    pub(crate) fn replace(&mut self, program: &Program) -> Result<(), Box<dyn Error>> {
        Ok(self.link.replace(program)?)
    }
}
