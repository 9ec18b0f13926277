//! The side that receives: `hardwire` run there as a user runs it, with a bpffs of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hardwire::netlink::Link;
use hardwire::netlink::lab::Host;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hardwire");
/// How long frames may still be on their way when no more are sent.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server<'a> {
    host: &'a Host,
    bpffs: PathBuf,
}

/// What `stats` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) frames: u64,
    pub(crate) matched: u64,
    pub(crate) missed: u64,
    pub(crate) out_of_scope: u64,
    pub(crate) unsearched: u64,
    pub(crate) pass: u64,
    pub(crate) drop: u64,
}

impl<'a> Server<'a> {
    pub(crate) fn new(host: &'a Host, bpffs: &Path) -> Self {
        host.enter(|| super::gro::set_gro(&host.link.name)).expect("entered");
        Self { host, bpffs: bpffs.to_owned() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        // Verbs that take an interface get ours in front of their options.
        let (verb, rest) = args.split_first().expect("a verb");
        command.arg(verb);
        if *verb == "attach" {
            command.arg(&self.host.link.name);
        }
        command.args(rest).arg("--bpffs").arg(&self.bpffs).stdin(Stdio::null());
        command
    }

    /// Run it; it must succeed.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.host.enter(|| self.command(args).output()).expect("entered");
        let output = output.expect("started");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {}: {error}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// The interface now.
    pub(crate) fn link(&self) -> Link {
        let mut socket = self.host.namespace.socket().expect("opened");
        socket.link_by_index(self.host.link.index).expect("there")
    }

    /// What the attachment has counted until now.
    pub(crate) fn counted(&self, name: &str) -> Counted {
        let text = self.run(&["stats", name, "--json"]);
        let value: Value = serde_json::from_str(text.trim()).expect("one line of JSON");
        let counters = &value["counters"];
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("a number: {text}"));
        Counted {
            frames: number(&counters["frames"]),
            matched: number(&counters["matched"]),
            missed: number(&counters["missed"]),
            out_of_scope: number(&counters["out_of_scope"]),
            unsearched: number(&counters["unsearched"]),
            pass: number(&counters["verdicts"]["pass"]),
            drop: number(&counters["verdicts"]["drop"]),
        }
    }

    /// The same when no more arrives.
    pub(crate) fn settled(&self, name: &str) -> Counted {
        let start = Instant::now();
        let mut before = self.counted(name);
        while start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(50));
            let now = self.counted(name);
            if now == before {
                return now;
            }
            before = now;
        }
        panic!("frames still arrive after {PATIENCE:?}");
    }

    /// Attach with events, in the foreground.
    pub(crate) fn start_events(&self) -> Events {
        let args = [
            "attach",
            "-e",
            "GET /admin",
            "--on-match",
            "drop",
            "--events",
            "--snap",
            "64",
            "--json",
        ];
        let child = self.host.enter(|| self.command(&args).stdout(Stdio::piped()).spawn());
        let mut child = child.expect("entered").expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("read");
        assert!(first.contains("\"attached\""), "{first}");
        let reader = thread::spawn(move || read(lines));
        Events { child, reader }
    }
}

/// A running `attach --events`.
pub(crate) struct Events {
    child: Child,
    reader: thread::JoinHandle<(u64, Value)>,
}

/// What it said.
pub(crate) struct Told {
    pub(crate) matched: u64,
    pub(crate) events: u64,
    pub(crate) lost: u64,
    pub(crate) skipped: u64,
    /// Events that were printed.
    pub(crate) lines: u64,
}

impl Events {
    /// Ctrl-C, and what it says then.
    pub(crate) fn end(mut self) -> Told {
        let pid = i32::try_from(self.child.id()).expect("a process");
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("sent");
        let status = self.child.wait().expect("ended");
        assert!(status.success(), "{status}");
        let (lines, summary) = self.reader.join().expect("read");
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{summary}"));
        let summary = &summary["summary"];
        Told {
            matched: number(&summary["matched"]),
            events: number(&summary["events"]),
            lost: number(&summary["events_lost"]),
            skipped: number(&summary["events_skipped"]),
            lines,
        }
    }
}

/// Count events up to the summary.
fn read(mut lines: BufReader<ChildStdout>) -> (u64, Value) {
    let (mut events, mut summary) = (0, Value::Null);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).expect("read") > 0 {
        if line.starts_with(b"{\"time\"") {
            events += 1;
        } else if let Ok(value) = serde_json::from_slice::<Value>(&line)
            && value.get("summary").is_some()
        {
            summary = value;
        }
        line.clear();
    }
    (events, summary)
}
