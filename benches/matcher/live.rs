//! Socket filters on a real UDP socket, timed by the kernel's own statistics: for datagrams that
//! `BPF_PROG_TEST_RUN` does not take.
//!
//! In a network namespace of its own, over loopback, whose frames are as long as a datagram can be.
#![allow(unsafe_code, reason = "BPF_ENABLE_STATS, which the library does not need")]

use std::{
    error::Error,
    io,
    net::UdpSocket,
    os::fd::{FromRawFd, OwnedFd},
    time::Duration,
};

use hardwire::{
    assembler::Target,
    loader::{Program, link::socket},
    netlink::Namespace,
};

use crate::{
    class::Class,
    engine::Engine,
    measure::{Effort, Times, over_the_floor},
    subject::Subject,
    text::{Text, warm},
};

/// Datagrams of one try: few, so that some tries are undisturbed.
const DATAGRAMS: u64 = 16;
/// How long a datagram that was kept may take to arrive.
const ARRIVAL: Duration = Duration::from_millis(500);

/// Payload bytes that are compared.
pub(crate) const SIZES: [usize; 2] = [1_000, 60_000];

/// Times of the socket filter for `class`, for each of [`SIZES`].
pub(crate) fn measure(
    class: &Class,
    target: &Target,
    effort: Effort,
) -> Result<[Times; 2], Box<dyn Error>> {
    let namespace = Namespace::create()?;
    let mut netlink = namespace.socket()?;
    let loopback = netlink.link_by_name("lo")?;
    netlink.set_up(&loopback)?;
    let mut receivers = Vec::new();
    for engine in [Engine::EmptySocket, Engine::HardwireSocket] {
        let subject = Subject::new(engine, class, Some(target))?;
        let receiver = namespace.enter(|| UdpSocket::bind("127.0.0.1:0"))??;
        receiver.set_read_timeout(Some(ARRIVAL))?;
        let program = subject.program().ok_or("a program in the kernel")?;
        socket::attach(&receiver, program)?;
        receivers.push((subject, receiver));
    }
    let sender = namespace.enter(|| UdpSocket::bind("127.0.0.1:0"))??;
    let _statistics = enable_statistics()?;
    for (subject, receiver) in &receivers {
        if subject.engine == Engine::HardwireSocket {
            check(class, &sender, receiver)?;
        }
    }
    let datagrams = SIZES.map(|bytes| warm(Text::Prose, class, bytes));
    let mut best = [[f64::INFINITY; 2]; 2];
    for _ in 0..effort.passes * effort.warm_rounds {
        for (datagram, best) in datagrams.iter().zip(&mut best) {
            for ((subject, receiver), best) in receivers.iter().zip(best) {
                let program = subject.program().ok_or("a program in the kernel")?;
                *best = best.min(one_try(&sender, receiver, program, datagram)?);
            }
        }
    }
    let engines = || receivers.iter().map(|(subject, _)| subject.engine);
    Ok(best.map(|best| over_the_floor(&engines().zip(best).collect())))
}

/// Nanoseconds a datagram.
fn one_try(
    sender: &UdpSocket,
    receiver: &UdpSocket,
    program: &Program,
    datagram: &[u8],
) -> Result<f64, Box<dyn Error>> {
    let to = receiver.local_addr()?;
    let before = program.info()?;
    // Loopback runs the receiving side, with the filter, before `send_to` returns.
    for _ in 0..DATAGRAMS {
        sender.send_to(datagram, to)?;
    }
    let after = program.info()?;
    let runs = u32::try_from(after.run_count - before.run_count)?;
    if u64::from(runs) < DATAGRAMS {
        // Some are still on their way: the other CPU was asked to carry on.
        return Ok(f64::INFINITY);
    }
    let spent = Duration::from_nanos(after.run_time_ns - before.run_time_ns);
    Ok(spent.as_secs_f64() * 1e9 / f64::from(runs))
}

/// Does the filter keep what holds a match, at the very end too, and nothing else?
fn check(class: &Class, sender: &UdpSocket, receiver: &UdpSocket) -> Result<(), Box<dyn Error>> {
    let to = receiver.local_addr()?;
    let mut arrived = [0; 65_536];
    let literal = &class.hits[0];
    for bytes in SIZES {
        let plain = warm(Text::Prose, class, bytes);
        let last = bytes - literal.len();
        for at in [0, last / 2, last] {
            let mut hit = plain.clone();
            hit[at..at + literal.len()].copy_from_slice(literal);
            // The first one must be dropped, so that the second one is what arrives.
            sender.send_to(&plain, to)?;
            sender.send_to(&hit, to)?;
            let count = receiver.recv(&mut arrived).map_err(|e| {
                format!("a datagram of {bytes} bytes with the literal at {at} was dropped: {e}")
            })?;
            if arrived[..count] != hit {
                return Err(format!("a datagram of {bytes} bytes without the literal came").into());
            }
        }
    }
    Ok(())
}

/// Have the kernel measure the run time of programs, for as long as the descriptor is held.
fn enable_statistics() -> io::Result<OwnedFd> {
    /// `BPF_ENABLE_STATS` (Linux 5.8) and its only type, `BPF_STATS_RUN_TIME`.
    const COMMAND: libc::c_int = 32;
    let run_time: u32 = 0;
    // SAFETY: for this command the kernel reads four bytes of the attribute, which are there.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, COMMAND, &raw const run_time, size_of_val(&run_time))
    };
    match libc::c_int::try_from(fd) {
        // SAFETY: a new descriptor of the kernel's that nobody else knows.
        Ok(fd) if fd > 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
