//! Waiting until programs that were running when something changed have ended.

use std::{thread, time::Duration};

use super::sys;

/// How long is waited where the kernel refuses to say. A program ends within microseconds; a grace
/// period takes tens of milliseconds.
const FALLBACK: Duration = Duration::from_millis(200);

/// Wait until every program that was running when this was called has ended, tens of milliseconds as
/// a rule: what a program counted that was detached or replaced before is final then.
///
/// Where the kernel refuses a global barrier (`nohz_full`, a sandbox), 200 ms are waited instead,
/// which is no proof.
pub fn wait_for_programs() {
    if sys::barrier::global().is_err() {
        thread::sleep(FALLBACK);
    }
}
