//! Attachments that stay when the process ends: a directory of pins for each.
//!
//! ```text
//! /sys/fs/bpf/hardwire/eth0-xdp/
//!     link                 the bpf_link; none if netlink attached the program
//!     3/                   the third program since it was attached
//!         description      what it is, in words (see Description)
//!         counters, hits   and the other maps of the program, by name
//!         base             what hits began with, if this program took another's place
//!         program
//! ```
//!
//! What it guarantees: **the kernel is the truth** (the program that runs is the one whose id the
//! link or the interface has), and **an attachment is there whole or not at all**. A new one is
//! there from the moment its link is pinned, or netlink has attached it, which is the last thing
//! that is done; an exchange is done by one command of the kernel. Whoever is killed before leaves a
//! directory whose programs run nowhere; whoever is killed after leaves pins of the program before.
//! The next command finishes that ([`Root::open_attachment`]), or [`Root::clean`] removes it. A lock
//! tells work in progress from what was left.
//!
//! What it does not do: it compiles and loads nothing, mounts a bpffs only if it is told to, and
//! removes only what has a description beside it or is empty.

pub mod description;
mod error;
mod exchange;
mod generation;
mod look;
pub mod name;
mod root;
mod seen;
mod tidy;

use std::{os::fd::AsFd, path::PathBuf};

use crate::{
    compiler::event::control::{CONTROL_MAP, Control},
    loader::{Map, Program, Update, link::LinkInfo, pin},
};

pub use description::{Description, EventsText, Hook, PatternText, Via};
pub use error::Error;
pub use generation::{Counts, Incarnation};
pub use look::State;
pub use root::{BPFFS, Listening, Root, elsewhere};
pub use seen::{Keep, Seen};
pub use tidy::{Cleaned, Found, Tidy};

use generation::Generation;
use look::LINK;
use root::Lock;

/// A place for a new attachment, which nobody else takes. Dropped before it is kept, it leaves
/// nothing behind.
#[derive(Debug)]
pub struct Place {
    root: Root,
    directory: PathBuf,
    kept: bool,
    #[expect(dead_code, reason = "held, not used; dropped last")]
    lock: Lock,
}

impl Root {
    /// A place for an attachment called `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Name`], or the bpffs refuses.
    pub fn place(&self, name: &str) -> Result<Place, Error> {
        let (directory, lock) = self.make(name)?;
        Ok(Place { root: self.clone(), directory, kept: false, lock })
    }
}

impl Place {
    /// Pin `program` with its maps and its description. It must not be attached before.
    ///
    /// # Errors
    ///
    /// A pin cannot be made.
    pub fn fill(&self, program: &Program, description: &Description) -> Result<(), Error> {
        Generation::pin(&self.root, &self.directory, 1, program, description)
    }

    /// Pin the link that runs the program: from here on it stays.
    ///
    /// # Errors
    ///
    /// The pin cannot be made.
    pub fn keep_link(mut self, link: &impl AsFd) -> Result<(), Error> {
        self.root.step("pin link");
        pin::pin(link, &self.directory.join(LINK))?;
        self.kept = true;
        self.root.step("attached");
        Ok(())
    }

    /// Netlink has attached the program: it stays.
    pub fn keep(mut self) {
        self.kept = true;
        self.root.step("attached");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell; `clean` removes what is left.
            let _ = look::remove_all(&self.root, &self.directory);
        }
    }
}

/// An attachment that is there. While this lives, nobody else changes it.
#[derive(Debug)]
pub struct Attachment {
    root: Root,
    name: String,
    directory: PathBuf,
    state: State,
    current: Generation,
    link: Option<LinkInfo>,
    #[expect(dead_code, reason = "held, not used; dropped last")]
    lock: Lock,
}

impl Attachment {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its pins are.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// What it is, in words.
    pub fn description(&self) -> &Description {
        &self.current.description
    }

    /// Does it run?
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Its link; none if netlink attached it.
    pub fn link(&self) -> Option<&LinkInfo> {
        self.link.as_ref()
    }

    /// How many programs it has had, this one included.
    pub fn generation(&self) -> u32 {
        self.current.number
    }

    /// Which of all programs that had its name this is; nothing if it was removed meanwhile.
    pub fn incarnation(&self) -> Option<Incarnation> {
        Incarnation::of(&self.directory, self.current.number)
    }

    /// Its program, with all its maps in the order of their names.
    pub fn program(&self) -> &Program {
        &self.current.program
    }

    /// The map of its program with this name.
    pub fn map(&self, name: &str) -> Option<&Map> {
        self.current.map(name)
    }

    /// Take the right to read the events of its program, until the result is dropped. The next program
    /// has a ring of its own, and another right.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if another process has it.
    pub fn listen(&self) -> Result<Listening, Error> {
        Listening::of(&self.current.path)?.ok_or_else(|| Error::State {
            name: self.name.clone(),
            state: "has a listener already: `hardwire events` or a service reads its events"
                .to_owned(),
            hint: "end that one first; `lslocks` shows who holds the lock of the directory"
                .to_owned(),
        })
    }

    /// What its program and those before it counted.
    ///
    /// # Errors
    ///
    /// A map is missing or cannot be read.
    pub fn counts(&self) -> Result<Counts, Error> {
        self.current.counts()
    }

    /// What is switched on in its program; nothing if it has no controls.
    ///
    /// # Errors
    ///
    /// The map cannot be read.
    pub fn control(&self) -> Result<Option<Control>, Error> {
        let Some(map) = self.map(CONTROL_MAP) else { return Ok(None) };
        Ok(map.lookup(&[0; 4])?.and_then(|values| Control::from_bytes(values.value())))
    }

    /// Switch while the program runs: a frame that is decided meanwhile may see some of the new fields
    /// and some of the old.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if its program has no controls; the map cannot be written.
    pub fn set_control(&self, control: &Control) -> Result<(), Error> {
        let map = self.map(CONTROL_MAP).ok_or_else(|| Error::State {
            name: self.name.clone(),
            state: "has a program without controls".to_owned(),
            hint: "replace it: what --pin leaves attached now has them".to_owned(),
        })?;
        self.root.step("set the controls");
        Ok(map.update(&[0; 4], &control.to_bytes(), Update::Any)?)
    }

    /// Switch on `control` in `program`, which is to take its place and does not run yet, and has
    /// controls of its own.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it has none, but something is to be switched on; the map cannot be written.
    pub fn prepare(&self, program: &Program, control: &Control) -> Result<(), Error> {
        let Some(map) = program.map_named(CONTROL_MAP) else {
            if *control == Control::default() {
                return Ok(());
            }
            return Err(Error::State {
                name: self.name.clone(),
                state: "was not exchanged: the new program has no controls".to_owned(),
                hint: "this is a bug in Hardwire; please report it".to_owned(),
            });
        };
        self.root.step("set the controls of the new program");
        Ok(map.update(&[0; 4], &control.to_bytes(), Update::Any)?)
    }
}
