//! What the README shows of attachments that stay, done: attached with a dry run, looked at, switched to
//! dropping, replaced under load, listened to, detached. Every command of the transcript is run on live
//! traffic in a private place, and what it does is checked; then the README must show what it printed.
//!
//! `UPDATE_GOLDEN=1 cargo test --test walkthrough` (or `scripts/walkthrough`, which installs `tshark` and
//! `tcpdump` first) writes the transcript into the README. Where `tshark` is not installed its part is left out
//! of the comparison; the capture is always read by our own reader.

#[path = "support/private_mounts.rs"]
mod private_mounts;

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hardwire::attachment::Root;
use hardwire::compiler::event::Counter;
use hardwire::loader::{Capability, capability};
use hardwire::netlink::Lab;
use private_mounts::with_bpffs;

/// Between these lines the README has the transcript.
const MARKS: [&str; 2] = ["<!-- walkthrough -->\n", "<!-- /walkthrough -->\n"];
/// The port to which everything is sent.
const PORT: u16 = 8080;
/// How long a datagram may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing arrives when all has arrived.
const QUIET: Duration = Duration::from_millis(200);
/// Datagrams on their way at once while the program is exchanged: what any socket's queue holds.
const WINDOW: u64 = 64;

const ADMIN: &[u8] = b"GET /admin HTTP/1.1\r\n\r\n";
const INDEX: &[u8] = b"GET /index HTTP/1.1\r\n\r\n";
const LOGIN: &[u8] = b"POST /login HTTP/1.1\r\n\r\n";

/// Two hosts, a bpffs, and what was typed and printed.
struct Walk<'a> {
    lab: Lab,
    bpffs: &'a Path,
    receiver: UdpSocket,
    transcript: String,
}

#[test]
fn the_walk_through_of_the_readme_is_what_happens() {
    let missing = capability::missing(&[
        Capability::Bpf,
        Capability::NetAdmin,
        Capability::Perfmon,
        Capability::SysAdmin,
    ]);
    if !missing.is_empty() {
        let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
        assert!(!required, "KERNEL_TESTS=required, but: missing {missing:?}");
        eprintln!("skipped: missing {missing:?}");
        return;
    }
    let transcript = with_bpffs(|bpffs, _| {
        let lab = Lab::new("walk").expect("two namespaces and a veth pair");
        let address = (lab.server.ipv4, PORT);
        let receiver =
            lab.server.enter(|| UdpSocket::bind(address)).expect("entered").expect("bound");
        let mut walk = Walk { lab, bpffs, receiver, transcript: String::new() };
        walk.all();
        walk.transcript
    });
    compare(&transcript);
}

impl Walk<'_> {
    fn all(&mut self) {
        let capture = tempfile::tempdir().expect("a folder");
        let file = capture.path().join("hits.pcapng");
        let interface = self.lab.server.link.name.clone();

        self.run("attach eth0 --pin --name web -e 'GET /admin' --on-match drop --dry-run --events");
        let listener = self.start("events web -w hits.pcapng", &file);
        self.comment(
            "five requests for /admin and five for /index arrive: all ten, it is a dry run",
        );
        assert_eq!((self.send(ADMIN, 5), self.send(INDEX, 5)), (5, 5));
        let stats = self.run("stats web");
        for line in ["matched 5", "missed 5", "passed 10", "spared 5", "events 5"] {
            assert!(squeezed(&stats).contains(line), "{line}: {stats}");
        }
        self.run("set web --dry-run off");
        self.comment("the same again: the five for /index arrive");
        assert_eq!((self.send(ADMIN, 5), self.send(INDEX, 5)), (0, 5));
        let (sent, arrived) = self.replace_under_load();
        assert_eq!(sent, arrived, "frames lost while the program was exchanged");
        self.comment(
            "requests for /index arrived all the while, none was lost; two for /login do not",
        );
        assert_eq!((self.send(LOGIN, 2), self.send(ADMIN, 1), self.send(INDEX, 1)), (0, 0, 1));
        let stats = self.run_only(&["stats", "web"]);
        for line in ["dropped 8", "matched 13", "events 13", "hits of #1 11", "hits of #2 2"] {
            assert!(squeezed(&stats).contains(line), "{line}: {stats}");
        }
        let shown = self.run_only(&["list"]);
        assert!(shown.contains("web"), "{shown}");
        self.run("detach web");
        self.end(listener);
        self.read(&file);
        let left = self.run_only(&["list"]);
        assert!(!left.contains("web"), "{left}");
        assert!(Root::open(self.bpffs).expect("a bpffs").list().expect("listed").is_empty());
        let link = self.lab.server.netlink.link_by_name(&interface).expect("there");
        assert!(!link.xdp.is_attached());
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardwire"));
        command.args(words).arg("--bpffs").arg(self.bpffs).stdin(Stdio::null());
        command.env_remove("SSH_CONNECTION").env("NO_COLOR", "1");
        command
    }

    /// Run it where the interface is; it must succeed.
    #[track_caller]
    fn run_only(&self, words: &[&str]) -> String {
        let output = self.lab.server.enter(|| self.command(words).output());
        let output = output.expect("entered").expect("started");
        said(words, &output)
    }

    /// Run what a person types, and note both.
    #[track_caller]
    fn run(&mut self, typed: &str) -> String {
        writeln!(self.transcript, "# hardwire {typed}").expect("a string");
        let words = self.words(typed);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = self.run_only(&words);
        self.note(&text);
        text
    }

    fn comment(&mut self, text: &str) {
        writeln!(self.transcript, "## {text}").expect("a string");
    }

    /// What was printed, with the interface as the README calls it.
    fn note(&mut self, text: &str) {
        self.transcript += &text.replace(&self.lab.server.link.name, "eth0");
    }

    /// The words of a line as a shell would pass them, of those that occur here.
    fn words(&self, typed: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (at, piece) in typed.split('\'').enumerate() {
            if at % 2 == 1 {
                words.push(piece.to_owned());
            } else {
                words.extend(piece.split_whitespace().map(str::to_owned));
            }
        }
        for word in &mut words {
            if word == "eth0" {
                word.clone_from(&self.lab.server.link.name);
            }
        }
        words
    }

    /// Start a listener and wait until it listens.
    fn start(&mut self, typed: &str, file: &Path) -> Child {
        writeln!(self.transcript, "# hardwire {typed} &").expect("a string");
        let name = file.to_str().expect("text");
        let words = ["events", "web", "-w", name];
        let spawned = self.lab.server.enter(|| self.command(&words).stderr(Stdio::piped()).spawn());
        let child = spawned.expect("entered").expect("started");
        let start = Instant::now();
        while !file.exists() {
            assert!(start.elapsed() < PATIENCE, "the listener does not begin");
            thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// The listener ends with the attachment.
    fn end(&mut self, listener: Child) {
        let output = listener.wait_with_output().expect("ended");
        let error = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.success(), "{error}");
        assert!(error.contains("13 events written, 0 lost"), "{error}");
        self.transcript += &error;
    }

    /// Send so many datagrams; says how many of them arrived.
    fn send(&self, payload: &[u8], count: u64) -> u64 {
        let sender = self.sender();
        let to = (self.lab.server.ipv4, PORT);
        let before = self.seen();
        for _ in 0..count {
            sender.send_to(payload, to).expect("sent");
        }
        let start = Instant::now();
        while self.seen() < before + count {
            assert!(start.elapsed() < PATIENCE, "the program does not see what was sent");
        }
        // What passes is in the socket a moment after it was counted.
        self.receiver.set_read_timeout(Some(QUIET)).expect("set");
        let (mut arrived, mut buffer) = (0, [0; 64]);
        while let Ok(bytes) = self.receiver.recv(&mut buffer) {
            assert_eq!(&buffer[..bytes], payload);
            arrived += 1;
        }
        arrived
    }

    /// Frames that the attachment has seen.
    fn seen(&self) -> u64 {
        let counts = self.lab.server.enter(|| {
            let root = Root::open(self.bpffs).expect("a bpffs");
            root.open_attachment("web").expect("there").counts().expect("read")
        });
        counts.expect("entered").counters.get(Counter::Frames)
    }

    fn sender(&self) -> UdpSocket {
        let from: (Ipv4Addr, u16) = (self.lab.client.ipv4, 0);
        self.lab.client.enter(|| UdpSocket::bind(from)).expect("entered").expect("bound")
    }

    /// Exchange the program while harmless requests arrive; says how many were sent and arrived.
    fn replace_under_load(&mut self) -> (u64, u64) {
        let (sender, receiver) = (self.sender(), self.receiver.try_clone().expect("cloned"));
        receiver.set_read_timeout(Some(QUIET)).expect("set");
        let to = (self.lab.server.ipv4, PORT);
        let (sent, arrived, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if sent.load(Ordering::Relaxed) - arrived.load(Ordering::Relaxed) < WINDOW {
                        sender.send_to(INDEX, to).expect("sent");
                        sent.fetch_add(1, Ordering::Relaxed);
                    } else {
                        thread::yield_now();
                    }
                }
            });
            scope.spawn(|| {
                let mut buffer = [0; 64];
                loop {
                    match receiver.recv(&mut buffer) {
                        Ok(_) => drop(arrived.fetch_add(1, Ordering::Relaxed)),
                        Err(_) if over.load(Ordering::Relaxed) => break,
                        Err(_) => {}
                    }
                }
            });
            self.run("replace web -e 'GET /admin' -e 'POST /login'");
            over.store(true, Ordering::Relaxed);
        });
        (sent.into_inner(), arrived.into_inner())
    }

    /// The capture, by our own reader and, where they are installed, by those of others.
    fn read(&mut self, file: &Path) {
        let name = file.to_str().expect("text");
        let words = ["run", "--pcap", name, "-e", "GET /admin", "-e", "POST /login", "--json"];
        let output = Command::new(env!("CARGO_BIN_EXE_hardwire")).args(words).output();
        let summary = said(&words, &output.expect("started"));
        assert!(
            summary.contains("\"frames\":13") && summary.contains("\"matched\":13"),
            "{summary}"
        );
        let bytes = fs::read(file).expect("read");
        let comments = bytes.windows(15).filter(|bytes| bytes == b"#2 POST /login ").count();
        assert_eq!(comments, 2, "comments with the second pattern");
        let Some(text) = other_reader("tcpdump", &["-nr", name]) else { return };
        assert_eq!(text.lines().count(), 13, "{text}");
        let fields = ["-T", "fields", "-e", "frame.number", "-e", "ip.src", "-e", "frame.comment"];
        let filter = ["-r", name, "-Y", "frame.number > 10"];
        let Some(text) = other_reader("tshark", &[&filter[..], &fields[..]].concat()) else {
            return;
        };
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("#2 POST /login at byte 0"), "{text}");
        writeln!(
            self.transcript,
            "# tshark -r hits.pcapng -Y 'frame.number > 10' -T fields -e frame.number -e ip.src \
             -e frame.comment"
        )
        .expect("a string");
        self.transcript += &text;
    }
}

/// What another program says of a capture; nothing if it is not installed.
fn other_reader(program: &str, words: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(words).output() {
        Ok(output) => output,
        Err(_) => {
            eprintln!("skipped: {program} is not installed; scripts/walkthrough installs it");
            return None;
        }
    };
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[track_caller]
fn said(words: &[&str], output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {}: {error}", output.status);
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// With one space where there are several.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Compare with the README, where numbers that differ each time stand for any.
fn compare(transcript: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).expect("read");
    let [begin, end] = MARKS.map(|mark| {
        readme.find(mark).unwrap_or_else(|| panic!("README.md has no line {}", mark.trim()))
    });
    let begin = begin + MARKS[0].len();
    let block = format!("```text\n{transcript}```\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        assert!(std::env::var_os("CI").is_none(), "CI never rewrites expectations");
        assert!(transcript.contains("# tshark"), "without tshark the transcript is not whole");
        fs::write(path, format!("{}{block}{}", &readme[..begin], &readme[end..])).expect("written");
        return;
    }
    let (mut shown, mut got) = (shape(&readme[begin..end]), shape(&block));
    if !transcript.contains("# tshark") {
        for text in [&mut shown, &mut got] {
            text.truncate(text.find("# tshark").unwrap_or(text.len()));
        }
        got.truncate(got.trim_end().trim_end_matches('`').len());
    }
    assert_eq!(
        shown.trim_end(),
        got.trim_end(),
        "README.md shows something else: scripts/walkthrough brings it up to date"
    );
}

/// The text with its words, but without how long, how many bytes and by which number.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for line in text.lines() {
        let varies = ["program ", " bytes ", "web  "].iter().any(|word| line.contains(word));
        if varies && !line.starts_with('#') {
            let words = line.split_whitespace().map(|word| {
                if word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit()) {
                    "N"
                } else {
                    word
                }
            });
            shape.extend(words.flat_map(|word| [word, " "]));
        } else {
            shape += line;
        }
        shape.push('\n');
    }
    shape
}
