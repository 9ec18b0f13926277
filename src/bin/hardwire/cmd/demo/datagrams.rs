//! Numbered UDP datagrams, some carrying a needle: what was sent and what arrived is exact.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hardwire::netlink::Lab;

use super::interrupt::Interrupts;
use super::problem;
use crate::failure::{Failure, Problem};

/// Payload bytes of the smallest and the largest datagram.
const BYTES: (usize, usize) = (64, 1400);

/// The mark and the number in front of each payload, in bytes.
const HEAD_BYTES: usize = 5;
const CARRYING: u8 = b'!';
const HARMLESS: u8 = b'.';

/// Most harmless datagrams on their way; keeps them far below the size of the receive buffer, so
/// that a missing one was not lost there.
const UNDERWAY_MAX: u64 = 32;

/// How long to wait for a datagram that must come.
const ARRIVAL_WAIT: Duration = Duration::from_secs(1);

/// How long to wait for datagrams that should not come.
const SILENCE_WAIT: Duration = Duration::from_millis(50);

/// Every this many datagrams one carries the needle.
const CARRYING_EVERY: u32 = 4;

/// What was sent and what arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Harmless datagrams sent.
    pub(super) harmless: u64,
    /// Harmless datagrams that arrived.
    pub(super) harmless_arrived: u64,
    /// Datagrams sent that carried the needle.
    pub(super) carrying: u64,
    /// Datagrams that carried the needle and arrived.
    pub(super) carrying_arrived: u64,
}

impl Tally {
    /// Datagrams sent.
    pub(super) fn sent(&self) -> u64 {
        self.harmless + self.carrying
    }

    /// Did all harmless ones arrive, and no other?
    pub(super) fn is_clean(&self) -> bool {
        self.harmless_arrived == self.harmless && self.carrying_arrived == 0
    }
}

/// A socket on each side.
pub(super) struct Pair {
    client: UdpSocket,
    server: UdpSocket,
}

impl Pair {
    /// Two connected sockets.
    ///
    /// # Errors
    ///
    /// No sockets.
    pub(super) fn open(lab: &Lab) -> Result<Self, Problem> {
        let bind = |host: &hardwire::netlink::lab::Host| {
            host.enter(|| UdpSocket::bind((host.ipv4, 0)))
                .map_err(|error| problem(&error, error.hint()))?
                .map_err(|error| failed(&error))
        };
        let (client, server) = (bind(&lab.client)?, bind(&lab.server)?);
        let connect = || -> io::Result<()> {
            client.connect(server.local_addr()?)?;
            server.connect(client.local_addr()?)
        };
        connect().map_err(|error| failed(&error))?;
        Ok(Self { client, server })
    }

    /// Send `count` datagrams, a quarter of them with `needle`, and receive what arrives.
    ///
    /// # Errors
    ///
    /// A socket fails, or the demo is interrupted.
    pub(super) fn exchange(
        &self,
        count: u32,
        needle: &[u8],
        interrupts: &Interrupts,
    ) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        for number in 0..count {
            interrupts.check()?;
            let carries = carries(number);
            self.send(number, carries.then_some(needle), &mut tally)?;
            let wanted = tally.harmless;
            let due = Instant::now() + ARRIVAL_WAIT;
            while !carries && tally.harmless_arrived < wanted && Instant::now() < due {
                self.receive(ARRIVAL_WAIT, &mut tally)?;
            }
        }
        while self.receive(SILENCE_WAIT, &mut tally)? {}
        Ok(tally)
    }

    /// Keep such datagrams flowing while `work` is done.
    ///
    /// # Errors
    ///
    /// A socket fails; what `work` returns.
    pub(super) fn flow<T>(
        &self,
        needle: &[u8],
        work: impl FnOnce(&Flow) -> Result<T, Failure>,
    ) -> Result<(T, Tally), Failure> {
        let flow = Flow::new();
        thread::scope(|scope| {
            let sender = scope.spawn(|| self.send_until_stopped(needle, &flow));
            let receiver = scope.spawn(|| self.receive_until_stopped(&flow));
            let worked = {
                let _stop = Stop(&flow.stop);
                work(&flow)
            };
            let sent = sender.join().unwrap_or_else(|_| Err(Problem::new("the sender panicked")));
            let harmless = sent.as_ref().map_or(0, |tally| tally.harmless);
            flow.sent.store(harmless, Ordering::Release);
            let received = receiver.join().map_err(|_| Problem::new("the receiver panicked"));
            let (sent, received) = (sent?, received??);
            let tally = Tally {
                harmless_arrived: received.harmless_arrived,
                carrying_arrived: received.carrying_arrived,
                ..sent
            };
            Ok((worked?, tally))
        })
    }

    fn send_until_stopped(&self, needle: &[u8], flow: &Flow) -> Result<Tally, Problem> {
        let mut tally = Tally::default();
        for number in 0.. {
            if flow.stop.load(Ordering::Relaxed) {
                break;
            }
            let since = Instant::now();
            while tally.harmless - flow.arrived() >= UNDERWAY_MAX {
                if since.elapsed() > ARRIVAL_WAIT {
                    return Ok(tally);
                }
                thread::yield_now();
            }
            self.send(number, carries(number).then_some(needle), &mut tally)?;
        }
        Ok(tally)
    }

    fn receive_until_stopped(&self, flow: &Flow) -> Result<Tally, Problem> {
        let mut tally = Tally::default();
        let mut heard = Instant::now();
        loop {
            if self.receive(SILENCE_WAIT, &mut tally)? {
                heard = Instant::now();
                flow.arrived.store(tally.harmless_arrived, Ordering::Release);
                continue;
            }
            // What is missing may be on its way on a busy machine; then it is lost.
            let missing = flow.sent.load(Ordering::Acquire) != tally.harmless_arrived;
            if !missing || heard.elapsed() > ARRIVAL_WAIT && flow.is_over() {
                return Ok(tally);
            }
        }
    }

    fn send(&self, number: u32, needle: Option<&[u8]>, tally: &mut Tally) -> Result<(), Problem> {
        self.client.send(&payload(number, needle)).map_err(|error| failed(&error))?;
        match needle {
            Some(_) => tally.carrying += 1,
            None => tally.harmless += 1,
        }
        Ok(())
    }

    /// Receive one datagram; `false` if none comes in time.
    fn receive(&self, wait: Duration, tally: &mut Tally) -> Result<bool, Problem> {
        let mut head = [0; HEAD_BYTES];
        let received =
            self.server.set_read_timeout(Some(wait)).and_then(|()| self.server.recv(&mut head));
        match received {
            Ok(_) if head[0] == CARRYING => tally.carrying_arrived += 1,
            Ok(_) => tally.harmless_arrived += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(failed(&error)),
        }
        Ok(true)
    }
}

/// How far a flow has come.
pub(super) struct Flow {
    stop: AtomicBool,
    /// Harmless datagrams sent in all, once that is known.
    sent: AtomicU64,
    arrived: AtomicU64,
}

/// Not yet known.
const SENDING: u64 = u64::MAX;

impl Flow {
    fn new() -> Self {
        let (stop, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { stop, sent: AtomicU64::new(SENDING), arrived }
    }

    fn is_over(&self) -> bool {
        self.sent.load(Ordering::Acquire) != SENDING
    }

    /// Harmless datagrams that have arrived.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    /// Wait until `more` further harmless datagrams have arrived, or until that takes too long:
    /// then the tally tells of the loss.
    pub(super) fn wait_for(&self, more: u64) {
        let (goal, due) = (self.arrived() + more, Instant::now() + ARRIVAL_WAIT);
        while self.arrived() < goal && Instant::now() < due {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Stops a flow when it is dropped, also by a panic: the threads are waited for.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn failed(error: &io::Error) -> Problem {
    Problem::because("the UDP sockets of the demo failed", error)
}

const fn carries(number: u32) -> bool {
    number % CARRYING_EVERY == CARRYING_EVERY - 1
}

/// A payload of a length that varies with `number`, with `needle` at a place that varies too.
fn payload(number: u32, needle: Option<&[u8]>) -> Vec<u8> {
    let step = usize::try_from(number).expect("Linux has no 16-bit machines");
    let bytes = BYTES.0 + step.wrapping_mul(37) % (BYTES.1 - BYTES.0 + 1);
    let mut payload = vec![if needle.is_some() { CARRYING } else { HARMLESS }];
    payload.extend(number.to_be_bytes());
    payload.extend((b'a'..=b'z').cycle().skip(step % 26).take(bytes - HEAD_BYTES));
    if let Some(needle) = needle {
        // Of the places it can have the first and the last come up too.
        let at = HEAD_BYTES + step.wrapping_mul(11) % (bytes - HEAD_BYTES - needle.len() + 1);
        payload[at..at + needle.len()].copy_from_slice(needle);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_carrying_payloads_hold_the_needle() {
        let needle = b"GET /admin";
        let holds = |payload: &[u8]| payload.windows(needle.len()).any(|w| w == needle);
        let mut places = Vec::new();
        for number in 0..5000 {
            assert!(!holds(&payload(number, None)), "{number}");
            let carrying = payload(number, Some(needle));
            assert!(holds(&carrying), "{number}");
            assert!((BYTES.0..=BYTES.1).contains(&carrying.len()), "{number}");
            places.push(carrying.windows(needle.len()).position(|w| w == needle));
        }
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 1000, "only {} places", places.len());
        assert_eq!((0..1000).filter(|&n| carries(n)).count(), 250);
    }
}
