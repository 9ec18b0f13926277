//! The command as a user meets it: formats that must stay, messages for everything that can be
//! wrong, exit statuses, and nothing left behind.
//!
//! Without the rights it needs a test says so and passes; `KERNEL_TESTS=required` turns every skip
//! into a failure.

mod attach;
mod bad_input;
mod captures;
#[path = "../support/confined.rs"]
mod confined;
mod formats;
mod frequency;
mod objects;
mod package;
mod rights;
mod verify;

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hardwire::loader::{Capability, capability};

const BIN: &str = env!("CARGO_BIN_EXE_hardwire");

/// How a run ended.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// The run succeeded and said nothing on standard error.
    #[track_caller]
    fn clean(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// The run ended with `code`; standard error has all of `parts` and its first line is an
    /// error.
    #[track_caller]
    fn complains(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains("error: "), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in {}", self.err);
        }
    }
}

fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    command_of(BIN, args)
}

fn command_of<S: AsRef<OsStr>>(
    binary: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(binary);
    command.args(args).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    finish(command(args))
}

fn run_with(args: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
    let mut command = command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("a pipe");
    let bytes = stdin.as_ref().to_vec();
    // From a thread, because the child may write before it has read everything; it may also end
    // before that, which is its right.
    let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().expect("the binary ends");
    writer.join().expect("the writer ends");
    of(&output)
}

fn finish(mut command: Command) -> Ran {
    of(&command.output().expect("the binary starts"))
}

fn of(output: &std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn skip(why: &str) {
    let required = std::env::var_os("KERNEL_TESTS").is_some_and(|v| v == "required");
    assert!(!required, "KERNEL_TESTS=required, but: {why}");
    eprintln!("skipped: {why}");
}

/// May this process load programs, attach them and make network namespaces? Says why not.
fn may_attach() -> bool {
    let needed = [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon, Capability::SysAdmin];
    let missing = capability::missing(&needed);
    if missing.is_empty() {
        return true;
    }
    skip(&format!("missing {missing:?}"));
    false
}

/// A file in a folder that goes with the value.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        Self { _folder: folder, path }
    }

    fn name(&self) -> &str {
        self.path.to_str().expect("names of temporary files are text")
    }
}
