//! `hardwire serve` as systemd and traffic see it: notifications, reloads, events and counters, what is
//! left when it ends and when it is killed, and the rights of its unit. In network namespaces, on a bpffs
//! in a mount namespace that nobody else sees.
//!
//! The tests run one at a time. Without the right to load programs a test says so and passes;
//! `KERNEL_TESTS=required` turns every skip into a failure. Last run on Linux 6.18.

#[path = "../support/confined.rs"]
mod confined;
mod life;
mod package;
mod reload;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use hardwire::loader::{Capability, capability};
use hardwire::netlink::Lab;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The binary.
const BIN: &str = env!("CARGO_BIN_EXE_hardwire");
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A place for one test: two hosts and a cable, a bpffs, and a folder for files.
struct Site {
    lab: Lab,
    folder: PathBuf,
    notify: UnixDatagram,
}

/// A service that runs.
struct Service {
    child: Child,
}

fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// Run `test` at a place of its own, one test at a time.
fn at_a_site(test: impl FnOnce(&mut Site) + Send) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let needed = [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon, Capability::SysAdmin];
    let missing = capability::missing(&needed);
    if !missing.is_empty() {
        return skip(&format!("missing {missing:?}"));
    }
    // A thread of its own, because what it mounts is seen by itself and its children only.
    let ended = thread::scope(|scope| scope.spawn(|| isolated(test)).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn isolated(test: impl FnOnce(&mut Site)) {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mount(none, "/", none, private, none).expect("private mounts");
    let folder = tempfile::tempdir().expect("a folder");
    let bpffs = folder.path().join("bpf");
    std::fs::create_dir(&bpffs).expect("a folder");
    mount(Some("bpf"), &bpffs, Some("bpf"), MsFlags::empty(), none).expect("a bpffs");
    let lab = Lab::new("serv").expect("two namespaces and a veth pair");
    let notify = UnixDatagram::bind(folder.path().join("notify")).expect("free");
    notify.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut site = Site { lab, folder: folder.path().to_owned(), notify };
    test(&mut site);
    let left: Vec<_> = std::fs::read_dir(bpffs.join("hardwire"))
        .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect())
        .unwrap_or_default();
    assert_eq!(left, Vec::<PathBuf>::new(), "left on the bpffs");
    assert_eq!(site.attached(), None, "left attached");
    nix::mount::umount(&bpffs).expect("not in use");
}

impl Site {
    fn interface(&self) -> String {
        self.lab.server.link.name.clone()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Write the configuration: `[output]` and the keys of one attachment.
    fn configure(&self, output: &str, attach: &str) {
        let (bpffs, interface) = (self.path("bpf"), self.interface());
        let text = format!(
            "bpffs = {bpffs:?}\n[output]\n{output}\n[[attach]]\nname = \"t\"\ninterface = \
             \"{interface}\"\n{attach}\n"
        );
        std::fs::write(self.path("c.toml"), text).expect("a file");
    }

    /// The command of the service, not run yet.
    fn command(&self) -> Command {
        let mut command = Command::new(BIN);
        command.arg("serve").arg(self.path("c.toml")).stdin(Stdio::null());
        command.env("NOTIFY_SOCKET", self.path("notify")).env("NO_COLOR", "1");
        command.stderr(self.log());
        command
    }

    /// Where the service says what it does.
    fn log(&self) -> std::fs::File {
        let path = self.path("log");
        std::fs::OpenOptions::new().append(true).create(true).open(path).expect("a file")
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Start it and wait until it is ready.
    fn serve(&self) -> Service {
        self.serve_by(self.command())
    }

    fn serve_by(&self, mut command: Command) -> Service {
        let child = self.inside(|| command.spawn().expect("the binary"));
        let service = Service { child };
        self.hear("READY=1");
        service
    }

    /// Run the service until it ends, which it does by itself. Its exit status, and what it said.
    fn fails(&self) -> (Option<i32>, String) {
        let mut command = self.command();
        let output = self.inside(|| command.stderr(Stdio::piped()).output().expect("the binary"));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Wait for a notification that begins so; of the watchdog's nothing is said.
    #[track_caller]
    fn hear(&self, begin: &str) -> String {
        let mut bytes = [0; 4096];
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let Ok(length) = self.notify.recv(&mut bytes) else { break };
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if text.starts_with(begin) {
                return text;
            }
        }
        panic!("no {begin}; the service said:\n{}", self.logged());
    }

    /// Run something in the namespace of the server.
    fn inside<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        self.lab.server.enter(inside).expect("the namespace")
    }

    /// Another verb, in the namespace of the server; it must end well. Gives what it wrote.
    #[track_caller]
    fn good(&self, words: &[&str]) -> String {
        let mut command = Command::new(BIN);
        command.args(words).arg("--bpffs").arg(self.path("bpf")).stdin(Stdio::null());
        let output = self.inside(|| command.output().expect("the binary"));
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {err}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Send so many datagrams from the client to a port of the server; how many arrive there?
    fn arrive(&self, payload: &[u8], count: usize) -> usize {
        let to = (self.lab.server.ipv4, 9);
        let receiver = self.inside(|| UdpSocket::bind(to).expect("a socket"));
        self.send(payload, count);
        receiver.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let mut bytes = [0; 2048];
        (0..count).take_while(|_| receiver.recv(&mut bytes).is_ok()).count()
    }

    fn send(&self, payload: &[u8], count: usize) {
        let (to, from) = ((self.lab.server.ipv4, 9), (self.lab.client.ipv4, 0));
        let sent = self.lab.client.enter(|| {
            let socket = UdpSocket::bind(from).expect("a socket");
            for _ in 0..count {
                // Refused by a port that nobody reads is all right.
                let _ = socket.send_to(payload, to);
            }
        });
        sent.expect("the namespace");
    }

    /// The id of the XDP program on the server's interface, if there is one.
    fn attached(&mut self) -> Option<u32> {
        let found = self.lab.server.netlink.xdp(&self.lab.server.link).expect("the interface");
        found.modes().next().map(|(_, id)| id)
    }

    /// A counter of the attachment, as Prometheus is told.
    fn counter(&self, port: u16, sample: &str) -> u64 {
        let answer = self.inside(|| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            answer
        });
        let line = answer.lines().find(|line| {
            let mut parts = sample.split(' ');
            !line.starts_with('#') && parts.all(|part| line.contains(part))
        });
        let line = line.unwrap_or_else(|| panic!("no {sample} in {answer}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }
}

impl Service {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    /// End it in good order.
    #[track_caller]
    fn end(mut self) {
        self.signal(Signal::SIGTERM);
        let mut ended = None;
        eventually("the service ends", || {
            ended = self.child.try_wait().expect("a child");
            ended.is_some()
        });
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Wait until `holds`.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The lines of a file, if it is there.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
