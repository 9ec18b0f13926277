//! From patterns to programs.
