//! Tests of the machine. Expectations are from RFC 9669 and the kernel's sources, not from our
//! output.

mod conformance;
