#![no_main]

#[path = "../objects.rs"]
mod objects;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| objects::btf(bytes));
