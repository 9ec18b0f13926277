//! Standard output and standard error: results, messages, colours.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::failure::{Failure, Problem, printable};

/// Problems of one command that are printed; of the rest the number is told.
const PROBLEMS_MAX: usize = 100;

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl Color {
    fn on(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            // https://no-color.org: any value but the empty one.
            Self::Auto => {
                let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
                terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|t| t != "dumb")
            }
        }
    }
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Failure.
    Red,
    /// Success.
    Green,
    /// A warning.
    Yellow,
    /// A heading.
    Bold,
    /// What explains something else.
    Dim,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Red => "1;31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Bold => "1",
            Self::Dim => "2",
        }
    }
}

/// Where a verb writes to.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    json: bool,
    out_colors: bool,
    err_colors: bool,
    /// A line on standard output is being rewritten in place.
    live: bool,
}

impl Output {
    /// Output as the command line wants it.
    pub(crate) fn new(json: bool, color: Color) -> Self {
        let out_colors = !json && color.on(io::stdout().is_terminal());
        let err_colors = color.on(io::stderr().is_terminal());
        Self { out: BufWriter::new(io::stdout()), json, out_colors, err_colors, live: false }
    }

    /// Another one, for what a thread has to say on standard error.
    pub(crate) fn for_messages(&self) -> Self {
        Self { out: BufWriter::new(io::stdout()), live: false, ..*self }
    }

    /// Is JSON wanted?
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Are results in colour?
    pub(crate) fn colors(&self) -> bool {
        self.out_colors
    }

    /// Does a person watch standard output?
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Does a person watch standard error?
    pub(crate) fn messages_on_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// One JSON value on a line of its own.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// `text` for standard output, in colour where colours are wanted.
    pub(crate) fn paint(&self, paint: Paint, text: impl Display) -> String {
        painted(self.out_colors, paint, text)
    }

    /// Show `text` on a terminal in place of what was shown this way before.
    pub(crate) fn live(&mut self, text: &str) -> Result<(), Failure> {
        self.live = true;
        // Without wrapping, because a carriage return goes back one line only.
        Ok(write!(self.out, "\r\x1b[K\x1b[?7l{text}\x1b[?7h")?)
    }

    /// Clear the last such line; what follows takes its place.
    pub(crate) fn end_live(&mut self) -> Result<(), Failure> {
        self.end_live_line()?;
        Ok(self.out.flush()?)
    }

    /// Clear the last such line, if there is one, before a line of another kind; nothing is flushed.
    pub(crate) fn end_live_line(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.live) {
            write!(self.out, "\r\x1b[K")?;
        }
        Ok(())
    }

    /// Write everything out.
    pub(crate) fn flush_all(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// Tell, on standard error, why the verb failed.
    pub(crate) fn report(&self, problems: &[Problem]) {
        let label = painted(self.err_colors, Paint::Red, "error:");
        let mut text = String::new();
        for problem in problems.iter().take(PROBLEMS_MAX) {
            text += &format!("{label} {}\n{}", problem.headline(), problem.details());
        }
        if problems.len() > PROBLEMS_MAX {
            text += &format!("{label} and {} more like these\n", problems.len() - PROBLEMS_MAX);
        }
        message(&text);
    }

    /// Something that may not be what the user wants, on standard error.
    pub(crate) fn warn(&self, text: impl Display) {
        let label = painted(self.err_colors, Paint::Yellow, "warning:");
        message(&format!("{label} {}\n", printable(&text.to_string())));
    }

    /// Something the user should know, on standard error.
    pub(crate) fn note(&self, text: impl Display) {
        let label = painted(self.err_colors, Paint::Dim, "note:");
        message(&format!("{label} {}\n", printable(&text.to_string())));
    }

    /// What explains a result, on standard error, as it is.
    pub(crate) fn diagnostic(&self, text: impl Display) {
        message(&format!("{text}\n"));
    }

    /// Show how far a long run has come, on a terminal only; nothing clears it again.
    pub(crate) fn progress(&self, text: Option<&str>) {
        if self.messages_on_terminal() {
            message(&format!("\r\x1b[K{}", text.unwrap_or("")));
        }
    }

    /// Do `work`; if it takes longer than a second, say on a terminal what it is and for how long.
    pub(crate) fn busy<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        if !self.messages_on_terminal() {
            return work();
        }
        let (done, waits) = mpsc::channel::<Infallible>();
        thread::scope(|scope| {
            scope.spawn(move || {
                let started = Instant::now();
                let mut shown = false;
                // Ends when the other side is dropped, whether the work ended or panicked.
                while waits.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    message(&format!("\r\x1b[K{what}: {} s", started.elapsed().as_secs()));
                    shown = true;
                }
                if shown {
                    message("\r\x1b[K");
                }
            });
            let result = work();
            drop(done);
            result
        })
    }
}

/// How often it is said that something is still being done.
const TICK: Duration = Duration::from_secs(1);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn painted(colors: bool, paint: Paint, text: impl Display) -> String {
    if colors { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_string() }
}

/// Standard error may be closed; then there is nobody left to tell.
fn message(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A number with separators: `24,310`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
