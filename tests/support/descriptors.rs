//! What a process holds open, to see that nothing is left.

use std::fs;

/// What is open in this process, but for the directory that is being read.
pub(crate) fn descriptors() -> Vec<String> {
    let mut open: Vec<String> = fs::read_dir("/proc/self/fd")
        .expect("mounted")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .filter(|target| !target.starts_with("/proc/"))
        .collect();
    open.sort();
    open
}
