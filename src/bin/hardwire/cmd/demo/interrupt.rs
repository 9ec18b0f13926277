//! Ctrl-C and SIGTERM as an error at the next look, so that every guard is dropped on the way out.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::failure::{Failure, Problem};

/// The signals that end the demo early.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Holds the signals back from the time it is made until it is dropped.
pub(super) struct Interrupts {
    signals: SignalFd,
    mask_before: SigSet,
}

impl Interrupts {
    /// Hold the signals back. Threads started afterwards inherit this, so it comes first.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub(super) fn hold_back() -> Result<Self, Failure> {
        let problem = |error: Errno| Problem::because("cannot wait for signals", &error);
        let held: SigSet = SIGNALS.into_iter().collect();
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&held, flags).map_err(problem)?;
        let mask_before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(problem)?;
        Ok(Self { signals, mask_before })
    }

    /// Has one arrived?
    ///
    /// # Errors
    ///
    /// One has: that is the error.
    pub(super) fn check(&self) -> Result<(), Failure> {
        // A signal that cannot be read has not been seen; the next look is soon.
        let Ok(Some(arrived)) = self.signals.read_signal() else { return Ok(()) };
        let signal = i32::try_from(arrived.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok());
        let name = signal.map_or("a signal", Signal::as_str);
        Err(Problem::new(format!("interrupted by {name}"))
            .hint("what the demo had made is removed")
            .into())
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // A second Ctrl-C that waits now ends the process: there is nothing left to remove.
        let _ = self.mask_before.thread_set_mask();
    }
}
