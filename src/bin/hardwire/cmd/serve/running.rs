//! One attachment of the service: put in place, replaced, taken away.
//!
//! It is pinned like any other, so `hardwire stats` and `hardwire show` see it, a service that was
//! killed leaves its programs at work, and the next one takes them over. What tells a service that is
//! alive from one that was killed is a socket in the abstract name space, which goes with the process.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{fs, io};

use hardwire::attachment::{
    Attachment, Description, Error, Hook, Incarnation, Keep, Root, Seen, Via,
};
use hardwire::compiler::Compiled;
use hardwire::loader::host::{self, NetworkNamespace};
use hardwire::loader::link::TcxLink;
use hardwire::loader::{LoadOptions, Program};
use hardwire::netlink::{Link, Socket, TcDirection};

use super::wanted::{Prepared, Wanted};
use crate::cmd::attach::pinned::{now, texts};
use crate::cmd::attach::{attach_to_stay, interface, redirects_exist, set_control};
use crate::cmd::detach::of_netlink;
use crate::cmd::of_info;
use crate::failure::{Failure, Problem};
use crate::options::lifecycle::of_attachment;
use crate::output::Output;

/// What is attached, and what it was to be.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) wanted: Wanted,
    pub(super) link: Link,
    /// Its program; holding it keeps the programs that it goes on in.
    pub(super) program: Program,
    /// The interface is gone; it is attached again when it comes back.
    pub(super) lost: bool,
    #[expect(dead_code, reason = "held, not used")]
    claim: Claim,
}

/// The right to an attachment's name, which one living service has.
#[derive(Debug)]
struct Claim(#[expect(dead_code, reason = "held, not used")] UnixDatagram);

impl Claim {
    fn take(root: &Root, name: &str) -> Result<Self, Problem> {
        let because = |error: &io::Error| {
            Problem::because(format!("cannot claim the attachment {name}"), error)
        };
        let bpffs = root.path().parent().unwrap_or(root.path());
        let device = fs::metadata(bpffs).map_err(|error| because(&error))?.dev();
        let address = SocketAddr::from_abstract_name(format!("hardwire/serve/{device}/{name}"));
        let bound = address.and_then(|address| UnixDatagram::bind_addr(&address));
        bound.map(Self).map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                return Problem::new(format!("another hardwire serve has the attachment {name}"))
                    .hint("end it, or give this one another name");
            }
            because(&error)
        })
    }
}

/// How an attachment came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// There was none.
    New,
    /// It took the place of a program that was left by somebody who is gone.
    TakenOver,
}

/// One that is compiled and loaded: it takes one step of the kernel to put it in place.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) wanted: Wanted,
    slots: u64,
    link: Link,
    here: NetworkNamespace,
    program: Program,
    compiled: Compiled,
    /// The program in whose maps it counts on, if it takes the place of one.
    follows: Option<Incarnation>,
}

impl Loaded {
    /// Load it, with its interface and everything it redirects to looked up. Nothing that runs changes.
    ///
    /// # Errors
    ///
    /// It cannot be loaded, or its name is taken by something that is not the service's.
    pub(super) fn load(root: &Root, prepared: Prepared) -> Result<Self, Failure> {
        let Prepared { wanted, compiled } = prepared;
        let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
        redirects_exist(&wanted.matcher.verdicts, &mut socket)?;
        let link = interface(&mut socket, &wanted.interface)?;
        let here = host::network_namespace().map_err(|error| {
            Problem::because("cannot tell which network namespace this is", &error)
                .hint("mount /proc")
        })?;
        let (program, follows) = match standing(root, &wanted, &link, &here)? {
            Standing::Here(attachment) => {
                let follows = attachment.incarnation();
                (load(&wanted, &compiled, Some(&attachment.release()))?, follows)
            }
            Standing::Nothing | Standing::Rest | Standing::Elsewhere(_) => {
                (load(&wanted, &compiled, None)?, None)
            }
        };
        let slots = compiled.slot_count();
        Ok(Self { wanted, slots, link, here, program, compiled, follows })
    }

    pub(super) fn slots(&self) -> u64 {
        self.slots
    }
}

fn load(wanted: &Wanted, compiled: &Compiled, follows: Option<&Seen>) -> Result<Program, Failure> {
    // Its controls are set before it runs.
    let keep = Keep { counts: true, controls: false };
    let shared = match follows {
        Some(seen) => seen.shared(&compiled.image, keep).map_err(|error| of_attachment(&error))?,
        None => Vec::new(),
    };
    let program = Program::load_sharing(&compiled.image, &LoadOptions::default(), &shared)
        .map_err(|error| Problem::of_load(&error).at(wanted.place.clone()))?;
    set_control(&program, &wanted.control)?;
    Ok(program)
}

impl Running {
    /// Put it in place: in that of what was left by a service that is gone, if there is such a thing.
    ///
    /// # Errors
    ///
    /// It cannot be attached; what was there stays.
    pub(super) fn start(
        root: &Root,
        loaded: Loaded,
        output: &Output,
    ) -> Result<(Self, How), Failure> {
        let claim = Claim::take(root, &loaded.wanted.name)?;
        let (placed, how) = put(root, loaded, output)?;
        let Placed { wanted, link, program } = placed;
        Ok((Self { wanted, link, program, lost: false, claim }, how))
    }

    /// Put another program in its place; every frame meets the one or the other, and the counts go on.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start): what was there stays.
    pub(super) fn replace(
        &mut self,
        root: &Root,
        loaded: Loaded,
        output: &Output,
    ) -> Result<(), Failure> {
        let (Placed { wanted, link, program }, _) = put(root, loaded, output)?;
        (self.wanted, self.link, self.program, self.lost) = (wanted, link, program, false);
        Ok(())
    }

    /// Is it still where it was put?
    pub(super) fn is_attached(&self, root: &Root) -> bool {
        let attachment = root.open_attachment(&self.wanted.name);
        attachment.is_ok_and(|attachment| attachment.attached().is_ok())
    }

    /// Detach it; one whose interface is gone is only removed.
    ///
    /// # Errors
    ///
    /// Somebody else's program is in its place, or it still runs.
    pub(super) fn stop(self, root: &Root) -> Result<(), Failure> {
        let of = |error: Error| Failure::from(of_attachment(&error));
        let name = &self.wanted.name;
        match root.open_attachment(name) {
            Ok(attachment) if is_gone(&attachment) => {}
            Ok(attachment) => attachment.detach().map_err(of)?,
            // Somebody has removed it already.
            Err(Error::Unknown { .. } | Error::State { .. }) => {}
            Err(error) => return Err(of(error)),
        }
        // What is pinned may say less than the interface knows.
        if self.runs()? {
            let (hook, interface) = (self.wanted.hook.name(), &self.link.name);
            let what = format!("{name} still runs at {hook} of {interface}");
            let hint = format!("`hardwire detach {interface} --at {hook}` detaches it");
            return Err(Problem::new(what).hint(hint).into());
        }
        root.clean_named(name, false).map(|_| ()).map_err(of)
    }

    /// Does the interface run its program?
    fn runs(&self) -> Result<bool, Failure> {
        let id = id(&self.program)?;
        let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
        let Ok(link) = socket.link_by_index(self.link.index) else { return Ok(false) };
        let Some(direction) = direction(self.wanted.hook) else {
            return Ok(link.xdp.modes().any(|(_, other)| other == id));
        };
        let filters = socket.tc_filters(&link, direction).map_err(|error| of_netlink(&error))?;
        Ok(filters.iter().any(|filter| filter.program_id == Some(id)))
    }
}

fn is_gone(attachment: &Attachment) -> bool {
    matches!(attachment.state(), hardwire::attachment::State::NotAttached { .. })
}

/// What is in place.
struct Placed {
    wanted: Wanted,
    link: Link,
    program: Program,
}

/// Put it in place.
fn put(root: &Root, loaded: Loaded, output: &Output) -> Result<(Placed, How), Failure> {
    let description = describe(&loaded);
    let Loaded { wanted, link, here, compiled, program, follows, .. } = loaded;
    let of = |error: Error| Failure::from(of_attachment(&error));
    let name = &wanted.name;
    match standing(root, &wanted, &link, &here)? {
        Standing::Nothing => {}
        Standing::Rest => {
            output.note(format!("what was left of {name}, which runs no more, is removed"));
            root.clean_named(name, false).map_err(of)?;
        }
        Standing::Elsewhere(attachment) => {
            output
                .note(format!("{name} was left at {}, and is detached there", place(&attachment)));
            attachment.detach().map_err(of)?;
        }
        Standing::Here(attachment) => {
            // Somebody may have exchanged it since this was loaded: then it counts in other maps.
            let (attachment, program) = if follows == attachment.incarnation() {
                (attachment, program)
            } else {
                let seen = attachment.release();
                let program = load(&wanted, &compiled, Some(&seen))?;
                (seen.lock().map_err(of)?, program)
            };
            let Description { via, makes_qdisc, mode, .. } = attachment.description().clone();
            let description = Description { via, makes_qdisc, mode, ..description };
            attachment.replace(&program, &description, false).map_err(of)?;
            return Ok((Placed { wanted, link, program }, How::TakenOver));
        }
    }
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    let place = root.place(name).map_err(of)?;
    place.fill(&program, &description).map_err(of)?;
    match direction(wanted.hook) {
        None => attach_to_stay(&mut socket, (&link, &program), wanted.mode, place, output)?,
        Some(direction) => {
            let attached = TcxLink::attach(&link, &program, direction)
                .map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
            place.keep_link(&attached).map_err(of)?;
        }
    }
    Ok((Placed { wanted, link, program }, How::New))
}

const fn direction(hook: Hook) -> Option<TcDirection> {
    match hook {
        Hook::Xdp => None,
        Hook::Ingress => Some(TcDirection::Ingress),
        Hook::Egress => Some(TcDirection::Egress),
    }
}

/// What there is under a name.
enum Standing {
    Nothing,
    /// Something that runs no more.
    Rest,
    /// It runs where it is wanted.
    Here(Attachment),
    /// It runs somewhere else in this network namespace: a service that is gone has left it.
    Elsewhere(Attachment),
}

/// What is attached under this name.
///
/// # Errors
///
/// Something that no service made, or that runs in another network namespace.
fn standing(
    root: &Root,
    wanted: &Wanted,
    link: &Link,
    here: &NetworkNamespace,
) -> Result<Standing, Failure> {
    let name = &wanted.name;
    let attachment = match root.open_attachment(name) {
        Err(Error::Unknown { .. }) => return Ok(Standing::Nothing),
        Err(Error::State { .. }) => return Ok(Standing::Rest),
        Ok(attachment) if attachment.attached().is_err() && is_gone(&attachment) => {
            return Ok(Standing::Rest);
        }
        Ok(attachment) => attachment,
        Err(error) => return Err(of_attachment(&error).into()),
    };
    let (description, place) = (attachment.description(), place(&attachment));
    if !description.is_in(here) {
        let what = format!("{name} is attached at {place} in another network namespace");
        let problem = Problem::new(what).at(wanted.place.clone());
        return Err(problem.hint("detach it there, or give this one another name").into());
    }
    if !description.service {
        let what = format!("{name} is attached at {place} already, and no service has made it");
        let hint = format!("`hardwire detach {name}` first, or give this one another name");
        return Err(Problem::new(what).at(wanted.place.clone()).hint(hint).into());
    }
    attachment.attached().map_err(|error| of_attachment(&error).at(wanted.place.clone()))?;
    let is_here = (description.ifindex, description.hook) == (link.index, wanted.hook);
    Ok(if is_here { Standing::Here(attachment) } else { Standing::Elsewhere(attachment) })
}

fn place(attachment: &Attachment) -> String {
    let description = attachment.description();
    format!("{} of {}", description.hook.name(), description.interface)
}

fn describe(loaded: &Loaded) -> Description {
    let Loaded { wanted, link, here, .. } = loaded;
    let mut description = Description {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        interface: link.name.clone(),
        ifindex: link.index,
        netns: here.inode,
        netns_cookie: here.cookie,
        hook: wanted.hook,
        via: Via::Link,
        mode: wanted.mode.to_string(),
        scope: String::new(),
        report: String::new(),
        on_match: String::new(),
        on_miss: String::new(),
        out_of_scope: String::new(),
        patterns: texts(&wanted.named),
        slots: loaded.slots,
        created: now(),
        events: None,
        source_limit: false,
        makes_qdisc: false,
        service: true,
        continues: None,
    };
    description.set_matcher(&wanted.matcher);
    description.set_options(&wanted.options);
    description
}

/// The id of a program, for messages; 0 if the kernel does not tell.
pub(super) fn id(program: &Program) -> Result<u32, Problem> {
    Ok(program.info().map_err(|error| of_info(&error))?.id)
}
