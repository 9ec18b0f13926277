//! One program in the place of another, without a frame that meets neither and without losing a
//! count.
//!
//! The new program counts frames in the map of the old one. Hits belong to patterns, which differ,
//! so the new program has a map of its own; what the old one counted is added to it when the last
//! run of the old program has ended. All of that can be interrupted anywhere and is finished by
//! whoever opens the attachment next.

use std::{io, os::fd::AsFd};

use super::{
    Attachment, Description, Error, LINK, Root, State,
    generation::{self, Generation},
    look::{Looked, look},
};
use crate::{
    loader::{Program, link::PinnedLink, wait_for_programs},
    netlink::{Link, OnOccupied, Socket, TcDirection, TcFilter},
};

impl Root {
    /// The attachment called `name`. Waits for whoever changes it, and finishes what somebody began
    /// and could not finish.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::Busy`]; [`Error::State`] if there is nothing whole of it.
    pub fn open_attachment(&self, name: &str) -> Result<Attachment, Error> {
        let unknown = || Error::Unknown { wanted: name.to_owned() };
        let lock = self.lock(name)?.ok_or_else(unknown)?;
        let directory = self.directory(name)?;
        let looked = look(&directory)?;
        let Looked { state, current, others, link, .. } = looked;
        let Some(current) = current else {
            let state = "has no whole program: whoever attached it was interrupted".to_owned();
            let hint = "`hardwire clean` removes what is left of it".to_owned();
            return Err(Error::State { name: name.to_owned(), state, hint });
        };
        let attachment = Attachment {
            root: self.clone(),
            name: name.to_owned(),
            directory,
            state,
            current,
            link,
            lock,
        };
        // Only beside a program of ours that runs are the others known to be over.
        if attachment.attached().is_ok() {
            attachment.settle(&others)?;
        }
        Ok(attachment)
    }
}

impl Attachment {
    /// Finish an exchange that is done: count on, and remove the other generations.
    fn settle(&self, others: &[u32]) -> Result<(), Error> {
        for number in others {
            let continues = self.current.description.continues == Some(*number);
            // Half removed already, it has been read before.
            if let (true, Ok(old)) = (continues, Generation::open(&self.directory, *number)) {
                self.root.step("wait for the old program");
                wait_for_programs();
                self.current.go_on(&self.root, &old)?;
            }
            generation::remove(&self.root, &self.directory, *number)?;
        }
        Ok(())
    }

    /// Put `program`, which was loaded with [`Seen::shared`](super::Seen::shared), in the place of the present
    /// one: every frame meets the one or the other.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not attached, or another program than ours is. What was attached
    /// stays, and what was pinned for the new program is removed.
    pub fn replace(
        mut self,
        program: &Program,
        description: &Description,
        reset: bool,
    ) -> Result<Self, Error> {
        self.attached()?;
        let old = self.current.number;
        let number = old.checked_add(1).ok_or_else(|| Error::Unreadable {
            what: format!("{} has had {old} programs, the limit", self.name),
            source: None,
        })?;
        let continues = (!reset).then_some(old);
        let description = Description { continues, ..description.clone() };
        let done = Generation::pin(&self.root, &self.directory, number, program, &description)
            .and_then(|()| Generation::open(&self.directory, number))
            .and_then(|new| {
                self.root.step("exchange");
                self.exchange(&new)?;
                Ok(new)
            });
        match done {
            Ok(new) => self.current = new,
            Err(error) => {
                // The first error is the one to know; `clean` removes what is left.
                let _ = generation::remove(&self.root, &self.directory, number);
                return Err(error);
            }
        }
        self.root.step("exchanged");
        self.settle(&[old])?;
        self.root.step("settled");
        let looked = look(&self.directory)?;
        (self.state, self.link) = (looked.state, looked.link);
        Ok(self)
    }

    fn exchange(&self, new: &Generation) -> Result<(), Error> {
        let (new, old) = (&new.program, &self.current.program);
        let action = "exchange the program of";
        let fail = |source: io::Error| Error::Kernel { action, name: self.name.clone(), source };
        if self.link.is_some() {
            let link = PinnedLink::open(&self.directory.join(LINK))?;
            return link.replace(new, old).map_err(fail);
        }
        let mut socket = Socket::open()?;
        let link = socket.link_by_index(self.current.description.ifindex)?;
        if self.current.description.hook.direction().is_some() {
            let filter = self.filter(&mut socket, &link)?.ok_or_else(|| self.gone())?;
            return Ok(socket.replace_tc(&link, &filter, new.as_fd()).map(drop)?);
        }
        let State::Attached { mode: Some(mode) } = self.state else { return Err(self.gone()) };
        Ok(socket.attach_xdp(&link, new.as_fd(), mode, OnOccupied::Replace(old.as_fd()))?)
    }

    /// Detach it, make sure of that, and remove its directory.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it is not attached, or another program than ours is;
    /// [`Error::StillAttached`].
    pub fn detach(self) -> Result<(), Error> {
        self.attached()?;
        let name = || self.name.clone();
        self.root.step("detach");
        if self.link.is_some() {
            let fail = |source| Error::Kernel { action: "detach", name: name(), source };
            let link = PinnedLink::open(&self.directory.join(LINK))?;
            link.detach().map_err(fail)?;
            if link.info().map_err(fail)?.interface.is_some() {
                return Err(Error::StillAttached { name: name() });
            }
        } else {
            let mut socket = Socket::open()?;
            let link = socket.link_by_index(self.current.description.ifindex)?;
            if self.current.description.hook.direction().is_some() {
                let filter = self.filter(&mut socket, &link)?.ok_or_else(|| self.gone())?;
                socket.detach_tc(&link, &filter)?;
                if self.filter(&mut socket, &link)?.is_some() {
                    return Err(Error::StillAttached { name: name() });
                }
                self.remove_qdisc(&mut socket, &link)?;
            } else {
                let State::Attached { mode: Some(mode) } = self.state else {
                    return Err(self.gone());
                };
                socket.detach_xdp(&link, mode, Some(self.current.program.as_fd()))?;
            }
        }
        self.root.step("detached");
        super::look::remove_all(&self.root, &self.directory)?;
        self.root.step("removed");
        Ok(())
    }

    /// It was attached a moment ago.
    fn gone(&self) -> Error {
        Error::State {
            name: self.name.clone(),
            state: "is not attached any more: somebody detached it just now".to_owned(),
            hint: "`hardwire list` shows what there is".to_owned(),
        }
    }

    /// The filter that runs our program, if it is a classifier that netlink attached.
    fn filter(&self, socket: &mut Socket, link: &Link) -> Result<Option<TcFilter>, Error> {
        let Some(direction) = self.current.description.hook.direction() else { return Ok(None) };
        let filters = socket.tc_filters(link, direction)?;
        Ok(filters.into_iter().find(|it| it.program_id == Some(self.current.program_id)))
    }

    /// Remove the clsact qdisc if we made it and nothing hangs there any more.
    fn remove_qdisc(&self, socket: &mut Socket, link: &Link) -> Result<(), Error> {
        if !self.current.description.makes_qdisc {
            return Ok(());
        }
        for direction in [TcDirection::Ingress, TcDirection::Egress] {
            if !socket.tc_filters(link, direction)?.is_empty() {
                return Ok(());
            }
        }
        Ok(socket.delete_clsact(link)?)
    }

    /// Is it attached, by what this process sees?
    ///
    /// # Errors
    ///
    /// [`Error::State`], which says what is the matter.
    pub fn attached(&self) -> Result<(), Error> {
        let (state, hint) = match &self.state {
            State::Attached { .. } => {
                let runs = self.link.is_none_or(|link| link.program_id == self.current.program_id);
                if runs {
                    return Ok(());
                }
                let state = "runs a program that somebody else put into its link".to_owned();
                (state, "`bpftool link` shows it; nothing was changed".to_owned())
            }
            State::NotAttached { why } => (
                format!("is not attached: {why}"),
                "`hardwire clean` removes what is left of it".to_owned(),
            ),
            State::Elsewhere => (
                format!(
                    "was attached by netlink in another network namespace (its inode is {})",
                    self.current.description.netns
                ),
                "`lsns -t net` finds it; run this there".to_owned(),
            ),
        };
        Err(Error::State { name: self.name.clone(), state, hint })
    }
}
