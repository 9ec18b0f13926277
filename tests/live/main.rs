//! Live traffic: generated programs on real interfaces and sockets, in network namespaces of their
//! own, against what the reference and the vm say about the same frames.
//!
//! The tests run one at a time, so that each can compare what it left behind. Without the right to
//! load programs a test says so and passes; `KERNEL_TESTS=required` turns every skip into a
//! failure. Last run on Linux 6.18.

use hardwire::loader::{Capability, capability};

mod churn;
mod classifiers;
#[path = "../support/confined.rs"]
mod confined;
mod exceptions;
mod fragments;
#[path = "../support/gro.rs"]
mod gro;
mod guards;
#[path = "../support/descriptors.rs"]
mod open;
mod program;
mod replay;
mod sockets;
mod verdicts;
mod watching;
mod wire;

use std::sync::{Mutex, MutexGuard};

use hardwire::netlink::Lab;
use open::descriptors;

/// Two hosts and a cable, for one test at a time. When it is dropped, nothing else that the test
/// opened may be open any more.
struct Alone {
    lab: Lab,
    #[allow(dead_code, reason = "dropped last")]
    left: Left,
}

/// What is compared when the lab is gone; a field of its own, so that this happens after it.
struct Left {
    before: Vec<String>,
    _turn: MutexGuard<'static, ()>,
}

impl Drop for Left {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(descriptors(), self.before, "left behind");
        }
    }
}

fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// A lab, or a visible skip.
fn lab() -> Option<Alone> {
    static TURN: Mutex<()> = Mutex::new(());
    let missing = capability::missing(&[
        Capability::Bpf,
        Capability::NetAdmin,
        Capability::Perfmon,
        Capability::SysAdmin,
    ]);
    if !missing.is_empty() {
        skip(&format!("missing {missing:?}"));
        return None;
    }
    // A test that failed has cleaned up: whatever it held was dropped.
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let left = Left { before: descriptors(), _turn: turn };
    Some(Alone { lab: Lab::new("live").expect("two namespaces and a veth pair"), left })
}
