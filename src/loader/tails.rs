//! Programs that go on in others by tail calls: loading them, and keeping them.
//!
//! The kernel empties a program array when its last descriptor is closed, so that programs in their own
//! array can be freed. Whoever has a program run needs a descriptor of the array as well ([`Held`]).

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{LoadError, LoadOptions, Map, Program};
use crate::assembler::{MapKind, ProgramImage};

/// What somebody needs to keep who has a program run.
#[derive(Debug)]
pub(super) struct Held {
    /// The program.
    pub(super) program: OwnedFd,
    /// The array of its tails, which is emptied when the last descriptor is closed.
    #[expect(dead_code, reason = "held, not used")]
    tails: Option<OwnedFd>,
}

impl Program {
    /// Descriptors of our own of the program and, if it has tails, of what keeps them there.
    pub(super) fn held(&self) -> io::Result<Held> {
        let array = self.maps().iter().find(|map| map.spec().kind == MapKind::ProgArray);
        let array = array.filter(|_| !self.tails().is_empty());
        Ok(Held {
            program: self.as_fd().try_clone_to_owned()?,
            tails: array.map(|map| map.as_fd().try_clone_to_owned()).transpose()?,
        })
    }
}

/// Load `image` and its tails, in their order; of several that fail, the first one's error. Several
/// CPUs verify at once: the kernel locks that out only for users without rights.
pub(super) fn load_all(
    image: &ProgramImage,
    maps: &[Map],
    options: &LoadOptions,
) -> Result<Vec<Program>, LoadError> {
    let images: Vec<_> = image.programs().collect();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(images.len());
    if threads == 1 {
        return images.iter().map(|image| Program::load_with(image, maps, options)).collect();
    }
    let next = AtomicUsize::new(0);
    let loads = || {
        let mut loaded = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(image) = images.get(number) else { return loaded };
            let result = Program::load_with(image, maps, options);
            let failed = result.is_err();
            loaded.push((number, result));
            if failed {
                // The others need not be tried.
                next.store(images.len(), Ordering::Relaxed);
            }
        }
    };
    let mut all: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(loads)).collect();
        let mut all = loads();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}
