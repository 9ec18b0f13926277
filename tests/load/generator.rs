//! Traffic as fast as the machine makes it: frames that the kernel itself sends, on a CPU of their own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use hardwire::assembler::{
    Alu, Assembler, Helper, Insn, ProgramKind,
    Reg::{R1, R2},
    Target,
};
use hardwire::loader::{LoadOptions, Program, test_run};
use hardwire::netlink::lab::Host;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Frames of one kind before those of the next. Many, because the kernel prepares and clears away for each
/// burst, which takes tens of milliseconds.
const BURST: u32 = 1 << 18;

/// Sends frames out of the cable of a host until it is stopped.
pub(crate) struct Generator<'a> {
    host: &'a Host,
    program: Program,
    frames: Vec<Vec<u8>>,
    stop: AtomicBool,
    sent: AtomicU64,
}

/// What was sent, and how fast.
pub(crate) struct Sent {
    pub(crate) frames: u64,
    pub(crate) per_second: f64,
}

impl<'a> Generator<'a> {
    /// Bursts of each of `frames` in turn. One kind is not told from another by order: queues on the way
    /// drop what they cannot hold.
    pub(crate) fn new(host: &'a Host, frames: Vec<Vec<u8>>) -> Self {
        let mut asm = Assembler::new("generator", ProgramKind::Xdp);
        asm.emit(Alu::Mov.imm(R1, host.link.index.cast_signed()));
        asm.emit(Alu::Mov.imm(R2, 0));
        asm.emit(Insn::call(Helper::Redirect));
        asm.emit(Insn::exit());
        let image = asm.finish(&Target::newest()).expect("four instructions");
        let program = Program::load(&image, &LoadOptions::default()).expect("loads");
        Self { host, program, frames, stop: AtomicBool::new(false), sent: AtomicU64::new(0) }
    }

    /// Send from another thread, pinned to the first CPU.
    pub(crate) fn start<'s>(&'s self, scope: &'s thread::Scope<'s, '_>) -> Running<'s, 's> {
        let thread = scope.spawn(|| self.host.enter(|| self.run()).expect("entered"));
        Running { generator: self, thread: Some(thread) }
    }

    fn run(&self) -> Sent {
        let mut first = CpuSet::new();
        first.set(0).expect("CPU 0");
        sched_setaffinity(Pid::from_raw(0), &first).expect("pinned");
        let start = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            for frame in &self.frames {
                test_run::send(&self.program, frame, BURST).expect("sent");
                self.sent.fetch_add(BURST.into(), Ordering::Relaxed);
            }
        }
        let frames = self.sent.load(Ordering::Relaxed);
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let per_second = frames as f64 / start.elapsed().as_secs_f64();
        Sent { frames, per_second }
    }
}

/// While this lives, frames are sent.
pub(crate) struct Running<'g, 's> {
    generator: &'g Generator<'g>,
    thread: Option<ScopedJoinHandle<'s, Sent>>,
}

impl Running<'_, '_> {
    /// Send no more; says what was sent.
    pub(crate) fn end(mut self) -> Sent {
        self.generator.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("ended once").join().expect("sent")
    }
}

impl Drop for Running<'_, '_> {
    /// A test that fails must not wait for a generator that nobody stops.
    fn drop(&mut self) {
        self.generator.stop.store(true, Ordering::Relaxed);
    }
}
