//! Times of events: the kernel's clock turned into that of the wall, and written as RFC 3339.
//!
//! Times are UTC. Local time would need the zone files, and two hosts would not agree.

use std::fmt;
use std::io;
use std::time::Duration;

use hardwire::loader::host;
use nix::time::{ClockId, clock_gettime};

const NANOS: u64 = 1_000_000_000;

/// What the clock that programs read has to be added to be the time since 1970.
///
/// It changes when somebody sets the clock; so it is to be asked [again](Self::refresh) now and then.
/// Events that are shown afterwards have the new time, even if they are from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WallClock {
    /// Nanoseconds; the clock may have been set to before the machine was switched on.
    offset_ns: i128,
}

impl WallClock {
    /// As the clocks are now.
    ///
    /// # Errors
    ///
    /// Those of `clock_gettime`; a sandbox may forbid it.
    pub(crate) fn now() -> io::Result<Self> {
        let nanos = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        // The time between two readings is an error: of three tries the closest.
        let mut best = None;
        for _ in 0..3 {
            let before = nanos(host::ktime()?);
            let wall = nanos(clock_gettime(ClockId::CLOCK_REALTIME)?.into());
            let after = nanos(host::ktime()?);
            let offset_ns = wall - (before + after) / 2;
            if best.is_none_or(|(apart, _)| after - before < apart) {
                best = Some((after - before, offset_ns));
            }
        }
        let (_, offset_ns) = best.expect("there were three tries");
        Ok(Self { offset_ns })
    }

    /// Ask the clocks again. By how much was the wall's set, if by more than a millisecond?
    ///
    /// # Errors
    ///
    /// As [`now`](Self::now).
    pub(crate) fn refresh(&mut self) -> io::Result<Option<Jump>> {
        let before = std::mem::replace(self, Self::now()?);
        let jump = self.offset_ns - before.offset_ns;
        Ok((jump.unsigned_abs() >= 1_000_000).then_some(Jump(jump)))
    }

    /// Time since 1970 of a reading of CLOCK_MONOTONIC; what lies before 1970 is 1970.
    pub(crate) fn time(self, monotonic_ns: u64) -> Duration {
        let nanos = (i128::from(monotonic_ns) + self.offset_ns).max(0).unsigned_abs();
        let seconds = u64::try_from(nanos / u128::from(NANOS)).unwrap_or(u64::MAX);
        let fraction = u32::try_from(nanos % u128::from(NANOS)).expect("less than a second");
        Duration::new(seconds, fraction)
    }
}

/// What [`WallClock::follow`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// The clock was set to a later time, and so were the times of events.
    Forward(Jump),
    /// The clock was set to an earlier time; the times of events go on as before.
    Ignored(Jump),
}

impl WallClock {
    /// Ask the clocks again, for times that must stay in order: a clock that was set forward is
    /// followed (a machine that slept, too), one that was set back is not. Nothing if it was not set.
    ///
    /// # Errors
    ///
    /// As [`now`](Self::now).
    pub(crate) fn follow(&mut self) -> io::Result<Option<Followed>> {
        let mut now = *self;
        Ok(match now.refresh()? {
            Some(jump) if jump.0 > 0 => {
                *self = now;
                Some(Followed::Forward(jump))
            }
            Some(jump) => Some(Followed::Ignored(jump)),
            None => None,
        })
    }
}

/// By how much a clock was set. `Display` gives seconds: `-3600.000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jump(i128);

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let millis = self.0.unsigned_abs() / 1_000_000;
        write!(f, "{sign}{}.{:03}", millis / 1000, millis % 1000)
    }
}

/// A time since 1970 as RFC 3339 in UTC, with so many digits of a second.
pub(crate) struct Rfc3339 {
    /// The time.
    pub(crate) time: Duration,
    /// 0 to 9.
    pub(crate) digits: usize,
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs();
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.digits > 0 {
            let unit = 10_u32.pow(9 - u32::try_from(self.digits.min(9)).expect("at most 9"));
            let width = self.digits.min(9);
            write!(f, ".{:0width$}", self.time.subsec_nanos() / unit)?;
        }
        f.write_str("Z")
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the day that leap years have more is their last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: u64, nanos: u32, digits: usize) -> String {
        Rfc3339 { time: Duration::new(seconds, nanos), digits }.to_string()
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_234_567_890, "2009-02-13T23:31:30Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_294_967_296, "2106-02-07T06:28:16Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text(seconds, 0, 0), expected);
        }
        assert_eq!(text(1, 1_234, 9), "1970-01-01T00:00:01.000001234Z");
        assert_eq!(text(1, 999_999_999, 6), "1970-01-01T00:00:01.999999Z");
        assert!(!text(u64::MAX, 0, 9).is_empty());
    }

    #[test]
    fn the_offset_between_the_clocks_is_added_and_may_be_negative() {
        for (offset_ns, monotonic_ns, expected) in [
            (5, 7, Duration::from_nanos(12)),
            (-5, 7, Duration::from_nanos(2)),
            (-9, 7, Duration::ZERO),
            (2_500_000_000, u64::MAX, Duration::new(18_446_744_076, 209_551_615)),
        ] {
            assert_eq!(WallClock { offset_ns }.time(monotonic_ns), expected);
        }
    }

    #[test]
    fn times_of_a_capture_follow_a_clock_that_is_set_forward_and_never_go_back() {
        const HOUR: i128 = 3_600_000_000_000;
        let mut clock = WallClock::now().expect("clocks");
        assert_eq!(clock.follow().expect("clocks"), None, "nobody set it");
        let before = clock.time(HOUR.unsigned_abs().try_into().expect("small"));
        let same = |clock: &WallClock| clock.time(HOUR.unsigned_abs().try_into().expect("small"));
        // As if the wall's had been set by an hour since: first forward, then back.
        clock.offset_ns -= HOUR;
        assert!(matches!(clock.follow().expect("clocks"), Some(Followed::Forward(_))));
        assert!(same(&clock).abs_diff(before) < Duration::from_secs(5), "it is followed");
        clock.offset_ns += HOUR;
        let ahead = same(&clock);
        for _ in 0..2 {
            assert!(matches!(clock.follow().expect("clocks"), Some(Followed::Ignored(_))));
            assert_eq!(same(&clock), ahead, "it is not followed back");
        }
    }

    #[test]
    fn the_clocks_of_this_machine_agree_with_its_system_time() {
        let mut clock = WallClock::now().expect("clocks");
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("clocks");
        let monotonic = Duration::from(monotonic).as_nanos();
        let time = clock.time(u64::try_from(monotonic).expect("not for 500 years"));
        let system = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        assert!(time.abs_diff(system) < Duration::from_secs(5), "{time:?} is not {system:?}");
        clock.offset_ns -= 3_600_000_000_000;
        let jump = clock.refresh().expect("clocks").expect("an hour");
        assert!(["+3599.999", "+3600.000"].contains(&jump.to_string().as_str()), "{jump}");
        assert_eq!(Jump(-1_001_000_000).to_string(), "-1.001");
    }
}
