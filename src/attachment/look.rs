//! What there is in the directory of an attachment, and what the kernel says about it.
//!
//! The kernel is the truth: the program that runs is the one whose id the link has, or the
//! interface. What else lies in the directory is a replacement that was not finished or not cleaned
//! up after, or what is left of an attachment that is gone.

use std::path::{Path, PathBuf};

use super::{
    Description, Error, Hook, Root, Via,
    generation::{self, Generation},
};
use crate::{
    loader::{
        host,
        link::{LinkInfo, PinnedLink},
    },
    netlink::{NetlinkError, Socket, XdpMode},
};

/// The pin of the link.
pub(super) const LINK: &str = "link";

/// Whether a program of an attachment runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Attached {
        /// The mode, if the interface could be asked.
        mode: Option<XdpMode>,
    },
    /// None does: there is nothing to lose.
    NotAttached {
        /// How that is known.
        why: String,
    },
    /// It was attached by netlink in another network namespace, and only there one can ask.
    Elsewhere,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) state: State,
    /// The generation that runs; else the newest one that is whole.
    pub(super) current: Option<Generation>,
    /// The numbers of all others, ascending.
    pub(super) others: Vec<u32>,
    pub(super) link: Option<LinkInfo>,
    /// What it was meant to be, if no generation is whole.
    pub(super) description: Option<Description>,
}

/// Look into `directory`, which is locked.
pub(super) fn look(directory: &Path) -> Result<Looked, Error> {
    let numbers = generation::numbers(directory)?;
    let mut whole: Vec<Generation> =
        numbers.iter().filter_map(|number| Generation::open(directory, *number).ok()).collect();
    let pin = directory.join(LINK);
    let link = if pin.exists() {
        let fail = |source| Error::File { action: "ask about", path: pin.clone(), source };
        Some(PinnedLink::open(&pin)?.info().map_err(fail)?)
    } else {
        None
    };
    let (state, runs) = match (&link, whole.last()) {
        (Some(link), _) => by_link(link, &whole),
        (None, Some(newest)) if newest.description.via == Via::Netlink => by_netlink(&whole)?,
        (None, _) => (not("it was never attached, or its link is gone"), None),
    };
    let at = runs.or(whole.len().checked_sub(1));
    let current = at.map(|at| whole.swap_remove(at));
    let is_current = |number: &u32| current.as_ref().is_some_and(|it| it.number == *number);
    let others: Vec<u32> = numbers.into_iter().filter(|number| !is_current(number)).collect();
    let described = |number: &u32| generation::described(directory, *number);
    let description = if current.is_none() { others.iter().find_map(described) } else { None };
    Ok(Looked { state, current, others, link, description })
}

/// What is meant to be in `directory`, which needs no lock: interface and hook are those of all
/// generations.
pub(super) fn meant(directory: &Path) -> Option<Description> {
    let numbers = generation::numbers(directory).ok()?;
    numbers.into_iter().find_map(|number| generation::described(directory, number))
}

fn not(why: &str) -> State {
    State::NotAttached { why: why.to_owned() }
}

/// Which of `whole` a link runs.
fn by_link(link: &LinkInfo, whole: &[Generation]) -> (State, Option<usize>) {
    let runs = whole.iter().position(|it| it.program_id == link.program_id);
    let Some(index) = link.interface else {
        return (not("its interface is gone, or somebody detached its link"), runs);
    };
    let mode = whole.first().and_then(|it| {
        let here = host::network_namespace().ok()?;
        if !it.description.is_in(&here) || it.description.hook != Hook::Xdp {
            return None;
        }
        let found = Socket::open().ok()?.link_by_index(index).ok()?.xdp;
        found.modes().find(|(_, id)| *id == link.program_id).map(|(mode, _)| mode)
    });
    (State::Attached { mode }, runs)
}

/// Which of `whole` the interface runs.
fn by_netlink(whole: &[Generation]) -> Result<(State, Option<usize>), Error> {
    let Some(newest) = whole.last() else { return Ok((not("nothing is there"), None)) };
    let here = host::network_namespace().map_err(|source| Error::File {
        action: "ask for",
        path: PathBuf::from("/proc/thread-self/ns/net"),
        source,
    })?;
    if !newest.description.is_in(&here) {
        return Ok((State::Elsewhere, None));
    }
    let mut socket = Socket::open()?;
    let link = match socket.link_by_index(newest.description.ifindex) {
        Ok(link) => link,
        Err(NetlinkError::UnknownIndex { .. } | NetlinkError::UnknownName { .. }) => {
            return Ok((not("its interface is gone"), None));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(direction) = newest.description.hook.direction() {
        let filters = socket.tc_filters(&link, direction)?;
        let runs = filters.iter().filter_map(|filter| filter.program_id);
        let at = runs.filter_map(|id| whole.iter().position(|it| it.program_id == id)).next();
        let why =
            || format!("none of {} {direction} filters of {} runs it", filters.len(), link.name);
        return Ok(match at {
            Some(_) => (State::Attached { mode: None }, at),
            None => (State::NotAttached { why: why() }, None),
        });
    }
    for (mode, id) in link.xdp.modes() {
        if let Some(at) = whole.iter().position(|it| it.program_id == id) {
            return Ok((State::Attached { mode: Some(mode) }, Some(at)));
        }
    }
    let why = format!("attached to {} is {}", link.name, link.xdp);
    Ok((State::NotAttached { why }, None))
}

/// Does everything in `directory` belong to an attachment of ours? Decides whether it may be removed
/// when nothing of it runs.
pub(super) fn is_ours(directory: &Path) -> Result<bool, Error> {
    let known = |path: &PathBuf| match generation::number(path) {
        Some(number) => generation::is_ours(directory, number),
        // Beside nothing of ours a link is somebody's.
        None => path.file_name().is_some_and(|name| name == LINK),
    };
    let entries = super::root::entries(directory)?;
    let numbers = generation::numbers(directory)?;
    let linked = entries.iter().any(|path| path.file_name().is_some_and(|name| name == LINK));
    Ok(entries.iter().all(known) && (!linked || !numbers.is_empty()))
}

/// Remove all of `directory`, of which nothing runs: the link first, so that what is left is seen to
/// be a rest.
pub(super) fn remove_all(root: &Root, directory: &Path) -> Result<(), Error> {
    let link = directory.join(LINK);
    root.step("remove link");
    generation::gone(std::fs::remove_file(&link), &link)?;
    for number in generation::numbers(directory)? {
        generation::remove(root, directory, number)?;
    }
    root.step("remove the directory");
    generation::gone(std::fs::remove_dir(directory), directory)
}
