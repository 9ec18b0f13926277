//! Reading the verifier's log.

use crate::assembler::{Origin, ProgramImage};
use std::fmt;

/// What a verifier log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierLog {
    /// The slot at which the verifier stopped.
    pub slot: Option<u32>,
    /// Why that instruction exists.
    pub origin: Option<Origin>,
    /// The verifier's own message.
    pub reason: String,
    /// One line of why, in words, for the common classes.
    pub explanation: Option<String>,
    /// What verifying took.
    pub stats: VerifierStats,
    /// The whole text.
    pub whole: String,
    /// The buffer held all of it.
    pub complete: bool,
}

impl VerifierLog {
    /// Read `text`.
    pub fn read(text: &str, complete: bool, _image: Option<&ProgramImage>) -> Self {
        let reason = text
            .lines()
            .rev()
            .find(|l| {
                !l.starts_with("processed ")
                    && !l.starts_with("verification time")
                    && !l.starts_with("stack depth")
                    && !l.trim().is_empty()
            })
            .unwrap_or_default();
        Self {
            slot: None,
            origin: None,
            reason: reason.to_owned(),
            explanation: None,
            stats: VerifierStats::of_log(text),
            whole: text.to_owned(),
            complete,
        }
    }
}

impl fmt::Display for VerifierLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ": {}", self.reason)
    }
}

/// What verifying a program took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifierStats {
    /// Instructions processed.
    pub processed: Option<u64>,
}

impl VerifierStats {
    /// Read them from a log.
    pub fn of_log(text: &str) -> Self {
        let processed = text
            .lines()
            .rev()
            .find_map(|l| l.strip_prefix("processed "))
            .and_then(|l| l.split(' ').next())
            .and_then(|n| n.parse().ok());
        Self { processed }
    }
}
