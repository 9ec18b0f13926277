//! One program of an attachment with everything that belongs to it: a directory of pins.
//!
//! The description is pinned first and removed last, so that whatever lies beside one is ours.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    Description, Error, Root,
    description::{self, PatternText},
    root::{entries, make_directory},
};
use crate::{
    assembler::{MapKind, MapSpec},
    compiler::event::{Counters, Hit},
    loader::{Map, Program, Update},
};

/// The pin of the program.
pub(super) const PROGRAM: &str = "program";
/// The pin of what earlier generations counted: a 64-bit number for each pattern, and one for all
/// patterns that are not there any more.
pub(super) const BASE: &str = "base";

/// One program of an attachment, told from all others: an attachment that was detached and made anew
/// under its name counts from 1 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation {
    inode: u64,
    number: u32,
}

impl Incarnation {
    /// That of the generation `number` in the directory of an attachment, if it is there.
    pub(super) fn of(directory: &Path, number: u32) -> Option<Self> {
        let inode = fs::metadata(directory.join(number.to_string())).ok()?.ino();
        Some(Self { inode, number })
    }
}

/// One program of an attachment.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    pub(super) description: Description,
    pub(super) program: Program,
    pub(super) program_id: u32,
}

/// What a program and those before it counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames, bytes, verdicts, events.
    pub counters: Counters,
    /// Frames in which the pattern with the id of the index plus one was found.
    pub hits: Vec<u64>,
    /// Frames in which patterns were found that are not looked for any more.
    pub vanished: u64,
}

/// The number of the generation in the directory `path`; nothing if its name is not one that a
/// generation is given, such as `+3`.
pub(super) fn number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.parse().ok().filter(|number: &u32| number.to_string() == name)
}

/// What generation `number` is, in words, if it has a description.
pub(super) fn described(directory: &Path, number: u32) -> Option<Description> {
    let pin = directory.join(number.to_string()).join(description::NAME);
    Description::from_map(&Map::pinned(&pin).ok()?).ok()
}

/// The numbers of the generations in the directory of an attachment, ascending.
pub(super) fn numbers(directory: &Path) -> Result<Vec<u32>, Error> {
    let mut numbers: Vec<u32> =
        entries(directory)?.iter().filter_map(|path| number(path)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

impl Generation {
    /// Pin `program` and what belongs to it as generation `number`.
    pub(super) fn pin(
        root: &Root,
        directory: &Path,
        number: u32,
        program: &Program,
        description: &Description,
    ) -> Result<(), Error> {
        let path = directory.join(number.to_string());
        root.step("make the generation");
        make_directory(&path, false)?;
        let described = description.to_map()?;
        root.step("pin description");
        described.pin(&path.join(description::NAME))?;
        for map in program.maps() {
            let name = &map.spec().name;
            root.step(&format!("pin {name}"));
            map.pin(&path.join(name))?;
        }
        root.step("pin program");
        Ok(program.pin(&path.join(PROGRAM))?)
    }

    /// The generation with this number.
    pub(super) fn open(directory: &Path, number: u32) -> Result<Self, Error> {
        let path = directory.join(number.to_string());
        let description = Description::from_map(&Map::pinned(&path.join(description::NAME))?)?;
        let mut maps = Vec::new();
        for pin in entries(&path)? {
            let name = pin.file_name().and_then(|name| name.to_str());
            if !matches!(name, Some(PROGRAM | description::NAME | BASE)) {
                maps.push(Map::pinned(&pin)?);
            }
        }
        let pin = path.join(PROGRAM);
        let program = Program::pinned(&pin, maps)?;
        let program_id = program
            .info()
            .map_err(|source| Error::File { action: "ask about", path: pin, source })?
            .id;
        Ok(Self { number, path, description, program, program_id })
    }

    /// Its map of this name.
    pub(super) fn map(&self, name: &str) -> Option<&Map> {
        self.program.maps().iter().find(|map| map.spec().name == name)
    }

    fn counted(&self, name: &str) -> Result<&Map, Error> {
        self.map(name).ok_or_else(|| Error::Unreadable {
            what: format!("{} has no map {name}", self.path.display()),
            source: None,
        })
    }

    /// What was counted so far, by this program and those before it.
    pub(super) fn counts(&self) -> Result<Counts, Error> {
        let mut counts =
            Counts { hits: vec![0; self.description.patterns.len()], ..Counts::default() };
        let counters = self.counted("counters")?.read_array()?;
        for counters in counters.entry(0).filter_map(Counters::from_bytes) {
            counts.counters.merge(&counters);
        }
        let hits = self.counted("hits")?.read_array()?;
        for (index, sum) in counts.hits.iter_mut().enumerate() {
            *sum = hits.entry(index).filter_map(Hit::from_bytes).map(|hit| hit.hits).sum();
        }
        let base = self.path.join(BASE);
        if !base.exists() {
            return Ok(counts);
        }
        let base = Map::pinned(&base)?.read_array()?;
        let mut base = base
            .all()
            .map(|value| value.first_chunk().map_or(0, |word: &[u8; 8]| u64::from_le_bytes(*word)));
        for hits in &mut counts.hits {
            *hits += base.next().unwrap_or(0);
        }
        counts.vanished = base.next().unwrap_or(0);
        Ok(counts)
    }

    /// Go on with what `old` counted, whose program has ended for good. Does nothing the second time.
    pub(super) fn go_on(&self, root: &Root, old: &Self) -> Result<(), Error> {
        let pin = self.path.join(BASE);
        if pin.exists() {
            return Ok(());
        }
        let counted = old.counts()?;
        let patterns = &self.description.patterns;
        let (mut base, vanished) = carried(&old.description.patterns, &counted.hits, patterns);
        base.push(counted.vanished.saturating_add(vanished));
        let spec = MapSpec {
            name: BASE.to_owned(),
            kind: MapKind::Array,
            key_bytes: 4,
            value_bytes: 8,
            entries_max: u32::try_from(base.len()).unwrap_or(u32::MAX),
            flags: 0,
        };
        let map = Map::create(&spec)?;
        for (index, count) in (0_u32..).zip(base).filter(|(_, count)| *count > 0) {
            map.update(&index.to_ne_bytes(), &count.to_le_bytes(), Update::Any)?;
        }
        root.step("pin base");
        Ok(map.pin(&pin)?)
    }
}

/// What each pattern of `new` begins with, and what patterns had that are not in `new`. Of patterns
/// that are there several times, the first goes on as the first.
fn carried(old: &[PatternText], hits: &[u64], new: &[PatternText]) -> (Vec<u64>, u64) {
    let mut counted: HashMap<&PatternText, Vec<u64>> = HashMap::new();
    for (pattern, hits) in old.iter().zip(hits).rev() {
        counted.entry(pattern).or_default().push(*hits);
    }
    let base = new.iter().map(|pattern| counted.get_mut(pattern).and_then(Vec::pop).unwrap_or(0));
    let base = base.collect();
    (base, counted.into_values().flatten().sum())
}

/// Remove the generation with this number: everything in it, the description last.
pub(super) fn remove(root: &Root, directory: &Path, number: u32) -> Result<(), Error> {
    let path = directory.join(number.to_string());
    let mut pins = entries(&path)?;
    pins.sort_by_key(|pin| pin.file_name().is_some_and(|name| name == description::NAME));
    for pin in pins {
        let name = pin.file_name().unwrap_or_default().to_string_lossy().into_owned();
        root.step(&format!("remove {name}"));
        gone(fs::remove_file(&pin), &pin)?;
    }
    root.step("remove the generation");
    gone(fs::remove_dir(&path), &path)
}

/// What is gone already needs no removal.
pub(super) fn gone(result: io::Result<()>, path: &Path) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => {
            result.map_err(|source| Error::File { action: "remove", path: path.to_owned(), source })
        }
    }
}

/// Is what lies in generation `number` ours? It is if it has our description, or is empty.
pub(super) fn is_ours(directory: &Path, number: u32) -> bool {
    let path = directory.join(number.to_string());
    entries(&path).is_ok_and(|pins| pins.is_empty()) || described(directory, number).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiler::pattern::{Syntax, Written};

    #[test]
    fn hits_go_on_by_the_text_of_the_pattern_and_none_is_lost() {
        let texts = |all: &[&str]| -> Vec<PatternText> {
            let text = |text: &&str| PatternText::of(&Written::new(Syntax::Literal, *text));
            all.iter().map(text).collect()
        };
        type Case =
            (&'static [&'static str], &'static [u64], &'static [&'static str], &'static [u64], u64);
        let cases: &[Case] = &[
            (&["a", "b"], &[3, 4], &["a", "b"], &[3, 4], 0),
            (&["a", "b"], &[3, 4], &["b", "c"], &[4, 0], 3),
            (&["a", "a"], &[3, 4], &["a"], &[3], 4),
            (&["a"], &[3], &["a", "a"], &[3, 0], 0),
            (&["a"], &[3], &[], &[], 3),
            (&[], &[], &["a"], &[0], 0),
        ];
        for (old, hits, new, base, vanished) in cases {
            let got = carried(&texts(old), hits, &texts(new));
            assert_eq!(got, (base.to_vec(), *vanished), "{old:?} to {new:?}");
        }
    }
}
