//! Attachments that stay: what the verbs do, what is left when they are killed, and what traffic sees
//! of it. In network namespaces, on a bpffs in a mount namespace that nobody else sees.
//!
//! The tests run one at a time. Without the right to load programs a test says so and passes;
//! `KERNEL_TESTS=required` turns every skip into a failure. Last run on Linux 6.18.

mod child;
mod controls;
mod events;
mod kills;
#[path = "../support/private_mounts.rs"]
mod private_mounts;
mod random;
mod story;
mod traffic;
mod verbs;

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;

use hardwire::attachment::{Found, Hook, Root};
use hardwire::loader::link::tcx_programs;
use hardwire::loader::{Capability, Program, capability};
use hardwire::netlink::Lab;
use private_mounts::with_bpffs;

/// A place for one test: two hosts and a cable, and a bpffs.
struct Site {
    lab: Lab,
    /// A folder where a bpffs is mounted.
    bpffs: PathBuf,
    /// A folder where none is.
    bare: PathBuf,
}

/// What a verb said.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Run `test` at a place of its own, one test at a time.
fn at_a_site(test: impl FnOnce(&mut Site) + Send) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
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
    with_bpffs(|bpffs, bare| isolated(bpffs, bare, test));
}

fn isolated(bpffs: &Path, bare: &Path, test: impl FnOnce(&mut Site)) {
    let lab = Lab::new("life").expect("two namespaces and a veth pair");
    let mut site = Site { lab, bpffs: bpffs.to_owned(), bare: bare.to_owned() };
    test(&mut site);
    assert_eq!(site.left(), Vec::<String>::new(), "left on the bpffs");
    let found = site.lab.server.netlink.xdp(&site.lab.server.link).expect("the interface");
    assert!(!found.is_attached(), "left attached: {found}");
}

impl Site {
    /// The name of the interface.
    fn interface(&self) -> String {
        self.lab.server.link.name.clone()
    }

    /// The attachments of the bpffs.
    fn root(&self) -> Root {
        Root::open(&self.bpffs).expect("a bpffs")
    }

    /// Run something in the namespace of the server.
    fn inside<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        self.lab.server.enter(inside).expect("the namespace")
    }

    /// A command of the binary with these words and the bpffs, not run yet.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardwire"));
        command.args(words).arg("--bpffs").arg(&self.bpffs).stdin(Stdio::null());
        command.env_remove("SSH_CONNECTION").env("NO_COLOR", "1");
        command
    }

    /// Run it in the namespace of the server.
    fn run(&self, words: &[&str]) -> Ran {
        self.inside(|| self.command(words).output().expect("the binary")).into()
    }

    /// The same; it must end well. Gives what it wrote.
    #[track_caller]
    fn good(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// The same for a verb that knows no bpffs.
    #[track_caller]
    fn good_here(&self, words: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardwire"));
        let ran = Ran::from(command.args(words).output().expect("the binary"));
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// Send so many datagrams from the client to the server.
    fn send(&self, payload: &[u8], count: usize) {
        let to = (self.lab.server.ipv4, 9);
        let from = (self.lab.client.ipv4, 0);
        let sent = self.lab.client.enter(|| {
            let socket = UdpSocket::bind(from).expect("a socket");
            for _ in 0..count {
                socket.send_to(payload, to).expect("sent");
            }
        });
        sent.expect("the namespace");
    }

    /// The id of the program on the server's interface, if there is one.
    fn attached(&mut self) -> Option<u32> {
        let found = self.lab.server.netlink.xdp(&self.lab.server.link).expect("the interface");
        found.modes().next().map(|(_, id)| id)
    }

    /// The id of the program at `hook` of the server's interface, if there is one.
    fn attached_at(&mut self, hook: Hook) -> Option<u32> {
        let Some(direction) = hook.direction() else { return self.attached() };
        let host = &mut self.lab.server;
        let filters = host.netlink.tc_filters(&host.link, direction).expect("a list");
        let by_netlink = filters.iter().find_map(|filter| filter.program_id);
        let by_link = || {
            let listed = host.namespace.enter(|| tcx_programs(&host.link, direction));
            let listed = listed.expect("the namespace").expect("a list");
            listed.first().map(|first| first.program_id)
        };
        by_netlink.or_else(by_link)
    }

    /// What is in our folder of the bpffs.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        walk(self.root().path(), &mut left);
        left
    }

    /// The names of everything that `list` finds, and what is attached of it.
    fn listed(&self) -> Vec<(String, bool)> {
        let found = self.inside(|| self.root().list().expect("a list"));
        let one = |found: Found| match found {
            Found::Attachment(it) => (it.name().to_owned(), it.attached().is_ok()),
            Found::Busy { name } | Found::Rest { name, .. } | Found::Strange { name, .. } => {
                (name, false)
            }
        };
        found.into_iter().map(one).collect()
    }
}

fn walk(path: &Path, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        found.push(path.display().to_string());
        walk(&path, found);
    }
}

/// Is the program with this id gone? The kernel frees programs a grace period after their last user.
fn is_gone(id: u32) -> bool {
    for _ in 0..200 {
        if Program::by_id(id).is_err() {
            return true;
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}
