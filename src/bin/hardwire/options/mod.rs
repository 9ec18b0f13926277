//! Options that several verbs share.

pub(crate) mod at;
pub(crate) mod controls;
pub(crate) mod delivery;
pub(crate) mod lifecycle;
pub(crate) mod patterns;
pub(crate) mod question;
pub(crate) mod show;
pub(crate) mod source;
pub(crate) mod target;

pub(crate) use at::{AtOption, AtWord};
pub(crate) use controls::ControlOptions;
pub(crate) use delivery::DeliveryOptions;
pub(crate) use lifecycle::{PinOptions, RootOption};
pub(crate) use patterns::{Named, PatternOptions};
pub(crate) use question::{MatcherOptions, NO_PATTERNS, ReportWord, ScopeWord};
pub(crate) use show::ShowOptions;
pub(crate) use target::{TargetOption, TypeOption, TypeWord, compiling};
