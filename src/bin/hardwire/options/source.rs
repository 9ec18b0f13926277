//! Files and standard input as bytes, within a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::{Failure, Problem};

/// Most bytes of one pattern file, program or text: well above the largest legal set of patterns.
pub(crate) const INPUT_BYTES_MAX: u64 = 512 << 20;

/// All of a file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(path, INPUT_BYTES_MAX)
}

/// All of a file that has at most so many bytes; `-` is standard input.
pub(crate) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        return read_all(io::stdin().lock(), "standard input", limit);
    }
    let place = path.display().to_string();
    let file = File::open(path).map_err(|error| {
        Problem::because(format!("cannot open {place}"), &error).hint("check its name and rights")
    })?;
    read_all(file, &place, limit)
}

/// All of standard input.
pub(crate) fn read_stdin() -> Result<Vec<u8>, Failure> {
    read_all(io::stdin().lock(), "standard input", INPUT_BYTES_MAX)
}

fn read_all(from: impl Read, place: &str, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes).map_err(|error| {
        let is_folder = error.kind() == io::ErrorKind::IsADirectory;
        let hint = if is_folder { "name a file in it" } else { "check that all of it is readable" };
        Problem::because(format!("cannot read {place}"), &error).hint(hint)
    })?;
    if bytes.len() as u64 > limit {
        let what = format!("{place} has more than {limit} bytes, the limit");
        return Err(Problem::new(what).hint("is it the right file?").into());
    }
    Ok(bytes)
}

/// Bytes that must be text.
pub(crate) fn text(bytes: Vec<u8>, place: &str) -> Result<String, Failure> {
    Ok(String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let problem = Problem::new(format!("not text: byte {at} is not UTF-8")).at(place);
        problem.hint("is it the right file?")
    })?)
}
