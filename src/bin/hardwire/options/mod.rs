//! Options that several verbs share.

pub(crate) mod patterns;
pub(crate) mod question;
pub(crate) mod source;

pub(crate) use patterns::{Named, PatternOptions};
pub(crate) use question::{ReportWord, ScopeWord, VerdictOptions};
