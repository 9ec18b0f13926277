//! The command itself, writing packets into a file at rising rates.

use std::{
    error::Error,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hardwire::{
    loader::{Program, test_run},
    netlink::Namespace,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::stay_on;

/// Frames of one turn, after which the pace is looked at.
const TURN: u32 = 200;
/// How long the command may take to begin.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of the frames.
const FRAME_BYTES: usize = 128;

/// Bytes that a test run takes off the front for a socket filter.
const DUMMY_BYTES: usize = 14;

/// The program that the command has loaded: the newest one that was not there `before`.
fn newest(before: &[u32]) -> Result<Program, Box<dyn Error>> {
    const SOCKET_FILTER: u32 = 1;
    for id in Program::ids()?.into_iter().rev().filter(|id| !before.contains(id)) {
        let program = Program::by_id(id)?;
        if program.prog_type() == SOCKET_FILTER {
            return Ok(program);
        }
    }
    Err("the command has loaded no program".into())
}

/// UDP to nobody, in an Ethernet frame.
fn frame() -> Vec<u8> {
    let payload = FRAME_BYTES - 42;
    let mut frame = vec![0; DUMMY_BYTES + 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(u16::try_from(28 + payload).expect("short").to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0x0f, 0xa0, 0x13, 0x88]);
    frame.extend(u16::try_from(8 + payload).expect("short").to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(b"needle");
    frame.resize(DUMMY_BYTES + FRAME_BYTES, b'.');
    frame
}

/// The command on `lo` of the namespace of this thread, when it is ready.
fn start(file: &Path) -> Result<Child, Box<dyn Error>> {
    let child = Command::new(env!("CARGO_BIN_EXE_hardwire"))
        .args(["watch", "lo", "-e", "needle", "--ring", "65536", "-w"])
        .arg(file)
        .stderr(Stdio::piped())
        .spawn()?;
    let begin = Instant::now();
    // Its socket is bound when it stands here with an interface.
    while !fs::read_to_string("/proc/thread-self/net/packet")?
        .lines()
        .skip(1)
        .any(|line| line.split_whitespace().nth(5) == Some("1"))
    {
        if begin.elapsed() > PATIENCE {
            return Err("`hardwire watch` did not begin".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(child)
}

/// Run the filter on frames at `rate` for `time`; the number, and the rate that it came to.
fn inject(program: &Program, rate: f64, time: f64) -> Result<(u64, f64), Box<dyn Error>> {
    let frame = frame();
    let start = Instant::now();
    let mut sent = 0_u64;
    while start.elapsed().as_secs_f64() < time {
        test_run::run(program, &frame, TURN, false)?;
        sent += u64::from(TURN);
        while start.elapsed().as_secs_f64() * rate < sent as f64 {
            std::hint::spin_loop();
        }
    }
    Ok((sent, sent as f64 / start.elapsed().as_secs_f64()))
}

/// `12,345 frames seen, …: 12,345 written, 0 lost`: how many were seen, written and lost.
fn told(text: &str) -> Option<[u64; 3]> {
    let number = |before: &str| {
        let (words, _) = text.split_once(before)?;
        words.rsplit([' ', '\n']).next()?.replace(',', "").parse().ok()
    };
    Some([number(" frames seen")?, number(" written")?, number(" lost")?])
}

/// The highest rate at which the command loses nothing.
pub(crate) fn measure(cpus: [usize; 2], quick: bool) -> Result<(f64, Value), Box<dyn Error>> {
    let rates: &[f64] =
        if quick { &[1e5] } else { &[5e5, 7e5, 9e5, 1.1e6, 1.3e6, 1.6e6, 2e6, 3e6] };
    let namespace = Namespace::create()?;
    let mut netlink = namespace.socket()?;
    let loopback = netlink.link_by_name("lo")?;
    netlink.set_up(&loopback)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("watched.pcapng");
    let measured = namespace.enter(|| {
        let tried = rates.iter().map(|rate| one(cpus, &file, *rate, quick));
        tried.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())
    })??;
    let mut best = 0.0;
    for (rate, lost) in &measured {
        if *lost == 0 && *rate > best {
            best = *rate;
        }
    }
    let shown: Vec<_> = measured.iter().map(|(rate, lost)| json!([rate.round(), lost])).collect();
    Ok((best, json!({"rate_and_lost": shown, "frame_bytes": FRAME_BYTES})))
}

/// The rate that was reached, and how many packets were lost at it.
fn one(
    cpus: [usize; 2],
    file: &Path,
    rate: f64,
    quick: bool,
) -> Result<(f64, u64), Box<dyn Error>> {
    stay_on(cpus[1])?;
    let before = Program::ids()?;
    let child = start(file)?;
    stay_on(cpus[0])?;
    let program = newest(&before)?;
    let (sent, reached) = inject(&program, rate, if quick { 0.05 } else { 1.0 })?;
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT)?;
    let done = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let [seen, written, lost] = told(&said).ok_or_else(|| said.clone())?;
    if seen != sent || written + lost != sent {
        return Err(format!("{sent} frames were seen: {said}").into());
    }
    Ok((reached, lost))
}
