//! Files and standard input as bytes, within a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::{Failure, Problem};

/// Most bytes of one pattern file, program or text: well above the largest legal set of patterns.
pub(crate) const INPUT_BYTES_MAX: u64 = 512 << 20;

/// All of a file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        return read_stdin();
    }
    let place = path.display().to_string();
    let file = File::open(path).map_err(|error| {
        Problem::because(format!("cannot open {place}"), &error).hint("check its name and rights")
    })?;
    read_all(file, &place)
}

/// All of standard input.
pub(crate) fn read_stdin() -> Result<Vec<u8>, Failure> {
    read_all(io::stdin().lock(), "standard input")
}

fn read_all(from: impl Read, place: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| {
        let is_folder = error.kind() == io::ErrorKind::IsADirectory;
        let hint = if is_folder { "name a file in it" } else { "check that all of it is readable" };
        Problem::because(format!("cannot read {place}"), &error).hint(hint)
    })?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        let what = format!("{place} has more than {INPUT_BYTES_MAX} bytes, the limit");
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
