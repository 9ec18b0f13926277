//! All attachments at once: finding one, listing them, removing what is left of others.

use std::{error::Error as _, iter, path::PathBuf};

use super::{
    Attachment, Description, Error, Root, State, generation,
    look::{Looked, is_ours, look, remove_all},
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
    /// [`Error::Unknown`], [`Error::Ambiguous`], [`Error::Busy`] if somebody is changing one on that
    /// interface, and those of [`open_attachment`](Self::open_attachment).
    pub fn find(&self, wanted: &str) -> Result<Attachment, Error> {
        match self.open_attachment(wanted) {
            Err(Error::Unknown { .. } | Error::Name { .. }) => {}
            result => return result,
        }
        let here = host::network_namespace().map_err(|source| Error::File {
            action: "ask for",
            path: PathBuf::from("/proc/thread-self/ns/net"),
            source,
        })?;
        let mut on_interface: Vec<Attachment> = Vec::new();
        let is_meant = |it: &Description| it.interface == wanted && it.is_in(&here);
        for name in self.names()?.0 {
            // Whoever changes an attachment elsewhere is not waited for.
            if !self.described(&name).iter().any(is_meant) {
                continue;
            }
            match self.open_attachment(&name) {
                Ok(attachment) if is_meant(attachment.description()) => {
                    on_interface.push(attachment);
                }
                Err(error @ Error::Busy { .. }) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        match on_interface.len() {
            0 => Err(Error::Unknown { wanted: wanted.to_owned() }),
            1 => Ok(on_interface.remove(0)),
            _ => {
                let names = on_interface.into_iter().map(|it| it.name).collect();
                Err(Error::Ambiguous { wanted: wanted.to_owned(), names })
            }
        }
    }

    /// The descriptions that there are in the attachment called `name`, which is not locked.
    fn described(&self, name: &str) -> Vec<Description> {
        let Ok(directory) = self.directory(name) else { return Vec::new() };
        let numbers = generation::numbers(&directory).unwrap_or_default();
        numbers.iter().filter_map(|number| generation::described(&directory, *number)).collect()
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
