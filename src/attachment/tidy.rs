//! All attachments at once: finding one, listing them, removing what is left of others.

use std::{error::Error as _, iter, path::PathBuf};

use super::{
    Attachment, Description, Error, Hook, Root, State, generation,
    look::{Looked, is_ours, look, meant, remove_all},
    root::Tried,
};
use crate::loader::host;

/// One attachment of a list.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a list of them is short")]
pub enum Found {
    /// One that can be asked.
    Attachment(Attachment),
    /// One that somebody is changing.
    Busy {
        /// Its name.
        name: String,
    },
    /// What is left of one that was never whole.
    Rest {
        /// Its name.
        name: String,
        /// What it was meant to be, if that is known.
        description: Option<Description>,
    },
    /// Something else, among the attachments or inside of one.
    Strange {
        /// Its name.
        name: String,
        /// What is the matter, for people.
        why: String,
    },
}

/// What [`Root::clean`] found of one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// Its name, or the path of something else.
    pub name: String,
    /// What was done.
    pub tidy: Tidy,
    /// Why, for people.
    pub why: String,
}

/// What was done with it, or would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tidy {
    /// All of it was removed.
    Removed,
    /// Its replacement was finished, and the program before removed.
    Settled,
    /// It was left alone.
    Left,
}

impl Root {
    /// The attachment called `wanted`, or the one on the interface of that name in this network
    /// namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::Ambiguous`], [`Error::NameOfInterface`], and those of
    /// [`open_attachment`](Self::open_attachment).
    pub fn find(&self, wanted: &str) -> Result<Attachment, Error> {
        let named = match self.open_attachment(wanted) {
            Err(Error::Unknown { .. } | Error::Name { .. }) => return self.only_one(wanted, None),
            result => result?,
        };
        let names = self.on_interface(wanted, None)?;
        if names.is_empty() || names.contains(&named.name) {
            return Ok(named);
        }
        let (wanted, interface) = (wanted.to_owned(), named.description().interface.clone());
        Err(Error::NameOfInterface { wanted, interface, names })
    }

    /// The attachment at `hook` of `interface` in this network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::Ambiguous`], and those of
    /// [`open_attachment`](Self::open_attachment).
    pub fn find_at(&self, interface: &str, hook: Hook) -> Result<Attachment, Error> {
        self.only_one(interface, Some(hook))
    }

    fn only_one(&self, interface: &str, hook: Option<Hook>) -> Result<Attachment, Error> {
        let mut found: Vec<Attachment> = Vec::new();
        for name in self.on_interface(interface, hook)? {
            match self.open_attachment(&name) {
                Ok(attachment) => found.push(attachment),
                // Gone since the list was read, or never whole.
                Err(Error::Unknown { .. } | Error::State { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let wanted = interface.to_owned();
        match found.len() {
            0 => Err(Error::Unknown { wanted }),
            1 => Ok(found.remove(0)),
            _ => {
                let names = found.into_iter().map(|it| it.name).collect();
                Err(Error::Ambiguous { wanted, names })
            }
        }
    }

    /// The names of all that is meant to be on `interface` in this network namespace, at `hook` or
    /// anywhere. Waits for nobody.
    fn on_interface(&self, interface: &str, hook: Option<Hook>) -> Result<Vec<String>, Error> {
        let here = host::network_namespace().map_err(|source| Error::File {
            action: "ask for",
            path: PathBuf::from("/proc/thread-self/ns/net"),
            source,
        })?;
        let mut names = Vec::new();
        for name in self.names()?.0 {
            let Some(description) = meant(&self.directory(&name)?) else { continue };
            let there = description.interface == interface && description.is_in(&here);
            if there && hook.is_none_or(|hook| description.hook == hook) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Which program of the attachment called `name` is the newest, though it may not run yet; nothing if
    /// there is no such attachment. Does not wait for whoever changes it.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn newest(&self, name: &str) -> Result<Option<super::Incarnation>, Error> {
        let directory = self.directory(name)?;
        let newest = generation::numbers(&directory)?.last().copied();
        Ok(newest.and_then(|number| super::Incarnation::of(&directory, number)))
    }

    /// All attachments, by name. One that cannot be read does not hide the others.
    ///
    /// # Errors
    ///
    /// The directory of all cannot be read.
    pub fn list(&self) -> Result<Vec<Found>, Error> {
        let one = |name: String| match self.found(&name) {
            Ok(found) => found,
            Err(error) => Some(Found::Strange { name, why: in_words(&error) }),
        };
        Ok(self.names()?.0.into_iter().filter_map(one).collect())
    }

    /// What is called `name`; nothing if it is gone since the list was read.
    fn found(&self, name: &str) -> Result<Option<Found>, Error> {
        let name = name.to_owned();
        Ok(match self.open_attachment(&name) {
            Ok(attachment) => Some(Found::Attachment(attachment)),
            Err(Error::Busy { name, .. }) => Some(Found::Busy { name }),
            Err(Error::State { .. }) => {
                let directory = self.directory(&name)?;
                let description = look(&directory)?.description;
                let why = NOT_OURS.to_owned();
                let ours = description.is_some() || is_ours(&directory)?;
                Some(if ours {
                    Found::Rest { name, description }
                } else {
                    Found::Strange { name, why }
                })
            }
            Err(Error::Unknown { .. }) => None,
            Err(error) => return Err(error),
        })
    }

    /// Remove what is left of attachments of which nothing runs, and finish replacements. With
    /// `dry_run` only say what would be done. What is attached stays as it is, and so does what
    /// nothing proves to be ours.
    ///
    /// # Errors
    ///
    /// Something cannot be read or removed.
    pub fn clean(&self, dry_run: bool) -> Result<Vec<Cleaned>, Error> {
        let (names, foreign) = self.names()?;
        let mut cleaned = Vec::new();
        for name in names {
            cleaned.extend(self.clean_named(&name, dry_run)?);
        }
        let left = |path: PathBuf| Cleaned {
            name: path.display().to_string(),
            tidy: Tidy::Left,
            why: "it is not Hardwire's".to_owned(),
        };
        cleaned.extend(foreign.into_iter().map(left));
        Ok(cleaned)
    }

    /// The same for the attachment called `name` alone; nothing if there is nothing to do.
    ///
    /// # Errors
    ///
    /// As [`clean`](Self::clean).
    pub fn clean_named(&self, name: &str, dry_run: bool) -> Result<Option<Cleaned>, Error> {
        let (tidy, why) = match self.try_lock(name)? {
            Tried::Gone => return Ok(None),
            Tried::Busy => (Tidy::Left, "another process is changing it".to_owned()),
            Tried::Locked(_lock) => match self.clean_one(name, dry_run)? {
                Some(done) => done,
                None => return Ok(None),
            },
        };
        if tidy == Tidy::Settled && !dry_run {
            self.open_attachment(name)?;
        }
        Ok(Some(Cleaned { name: name.to_owned(), tidy, why }))
    }

    /// Clean up after one attachment, which is locked; nothing if there is nothing to do.
    fn clean_one(&self, name: &str, dry_run: bool) -> Result<Option<(Tidy, String)>, Error> {
        let directory = self.directory(name)?;
        let Looked { state, others, link, current, .. } = match look(&directory) {
            Ok(looked) => looked,
            Err(error) => return Ok(Some((Tidy::Left, in_words(&error)))),
        };
        let runs = link.is_none_or(|link| {
            current.is_some_and(|current| current.program_id == link.program_id)
        });
        match state {
            State::Attached { .. } if others.is_empty() && runs => Ok(None),
            State::Attached { .. } if !runs => {
                let why = "its link runs a program that is not pinned here";
                Ok(Some((Tidy::Left, why.to_owned())))
            }
            State::Attached { .. } => Ok(Some((
                Tidy::Settled,
                "its program was exchanged, but not all of the one before was removed".to_owned(),
            ))),
            State::Elsewhere => {
                let why = format!(
                    "it was attached by netlink in another network namespace: run this there; if that \
                     is gone, so is the program, and `rm -r {}` forgets it",
                    directory.display()
                );
                Ok(Some((Tidy::Left, why)))
            }
            State::NotAttached { .. } if !is_ours(&directory)? => {
                let why = format!("it is not attached, but {NOT_OURS}");
                Ok(Some((Tidy::Left, why)))
            }
            State::NotAttached { why } => {
                if !dry_run {
                    remove_all(self, &directory)?;
                }
                Ok(Some((Tidy::Removed, format!("nothing of it runs: {why}"))))
            }
        }
    }
}

const NOT_OURS: &str = "nothing says that all of it is Hardwire's";

/// An error with all its causes.
fn in_words(error: &Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
