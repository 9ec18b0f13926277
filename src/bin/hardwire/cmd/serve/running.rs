//! One attachment of the service: put in place, replaced, taken away.
//!
//! It is pinned like any other, so `hardwire stats` and `hardwire show` see it, a service that was
//! killed leaves its programs at work, and the next one takes them over. What tells a service that is
//! alive from one that was killed is a socket in the abstract name space, which goes with the process.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{fs, io};

use hardwire::attachment::{Attachment, Description, Error, Hook, Keep, Root, Via};
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

impl Running {
    /// Put it in place: in that of what was left by a service that is gone, if there is such a thing.
    ///
    /// # Errors
    ///
    /// It cannot be loaded or attached; what was there stays.
    pub(super) fn start(
        root: &Root,
        prepared: Prepared,
        output: &Output,
    ) -> Result<(Self, How), Failure> {
        let claim = Claim::take(root, &prepared.wanted.name)?;
        let (link, program, how) = put(root, &prepared, output)?;
        let Prepared { wanted, .. } = prepared;
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
        prepared: Prepared,
        output: &Output,
    ) -> Result<(), Failure> {
        let (link, program, _) = put(root, &prepared, output)?;
        self.wanted = prepared.wanted;
        (self.link, self.program, self.lost) = (link, program, false);
        Ok(())
    }

    /// Detach it; one whose interface is gone is only removed.
    ///
    /// # Errors
    ///
    /// Somebody else's program is in its place.
    pub(super) fn stop(self, root: &Root) -> Result<(), Failure> {
        let of = |error: Error| Failure::from(of_attachment(&error));
        match root.open_attachment(&self.wanted.name) {
            Ok(attachment) if is_gone(&attachment) => {}
            Ok(attachment) => return attachment.detach().map_err(of),
            // Somebody has removed it already.
            Err(Error::Unknown { .. }) => return Ok(()),
            Err(Error::State { .. }) => {}
            Err(error) => return Err(of(error)),
        }
        root.clean(false).map(|_| ()).map_err(of)
    }
}

fn is_gone(attachment: &Attachment) -> bool {
    matches!(attachment.state(), hardwire::attachment::State::NotAttached { .. })
}

/// Load it and put it in place.
fn put(root: &Root, prepared: &Prepared, output: &Output) -> Result<(Link, Program, How), Failure> {
    let Prepared { wanted, compiled } = prepared;
    let mut socket = Socket::open().map_err(|error| of_netlink(&error))?;
    redirects_exist(&wanted.matcher.verdicts, &mut socket)?;
    let link = interface(&mut socket, &wanted.interface)?;
    let here = host::network_namespace().map_err(|error| {
        Problem::because("cannot tell which network namespace this is", &error).hint("mount /proc")
    })?;
    let description = describe(prepared, &link, &here);
    let place = match standing(root, wanted, &link, &here, output)? {
        Some(attachment) => {
            let program = exchange(attachment, prepared, &description)?;
            return Ok((link, program, How::TakenOver));
        }
        None => root.place(&wanted.name).map_err(|error| of_attachment(&error))?,
    };
    let program = Program::load(&compiled.image, &LoadOptions::default())
        .map_err(|error| Problem::of_load(&error).at(wanted.place.clone()))?;
    set_control(&program, &wanted.control)?;
    place.fill(&program, &description).map_err(|error| of_attachment(&error))?;
    match direction(wanted.hook) {
        None => {
            attach_to_stay(&mut socket, (&link, &program), wanted.mode, place, output)?;
        }
        Some(direction) => {
            let attached = TcxLink::attach(&link, &program, direction)
                .map_err(|error| Problem::of(&error).hint_if(error.hint()))?;
            place.keep_link(&attached).map_err(|error| of_attachment(&error))?;
        }
    }
    Ok((link, program, How::New))
}

const fn direction(hook: Hook) -> Option<TcDirection> {
    match hook {
        Hook::Xdp => None,
        Hook::Ingress => Some(TcDirection::Ingress),
        Hook::Egress => Some(TcDirection::Egress),
    }
}

/// What is attached under this name at this place. What is left of one that runs no more, or that
/// runs somewhere else in this network namespace, is removed: nobody alive has it.
fn standing(
    root: &Root,
    wanted: &Wanted,
    link: &Link,
    here: &NetworkNamespace,
    output: &Output,
) -> Result<Option<Attachment>, Failure> {
    let of = |error: Error| Failure::from(of_attachment(&error));
    let name = &wanted.name;
    match root.open_attachment(name) {
        Err(Error::Unknown { .. }) => return Ok(None),
        Ok(attachment) if attachment.attached().is_ok() => {
            let description = attachment.description();
            let place = format!("{} of {}", description.hook.name(), description.interface);
            if !description.is_in(here) {
                let what = format!("{name} is attached at {place} in another network namespace");
                let problem = Problem::new(what).at(wanted.place.clone());
                return Err(problem.hint("detach it there, or give this one another name").into());
            }
            if (description.ifindex, description.hook) == (link.index, wanted.hook) {
                return Ok(Some(attachment));
            }
            output.note(format!("{name} was left at {place}, and is detached there"));
            attachment.detach().map_err(of)?;
            return Ok(None);
        }
        Ok(_) | Err(Error::State { .. }) => {}
        Err(error) => return Err(of(error)),
    }
    output.note(format!("what was left of {name}, which runs no more, is removed"));
    root.clean(false).map_err(of)?;
    Ok(None)
}

/// Put it in the place of what is attached.
fn exchange(
    attachment: Attachment,
    prepared: &Prepared,
    description: &Description,
) -> Result<Program, Failure> {
    let Prepared { wanted, compiled } = prepared;
    let of = |error: Error| Failure::from(of_attachment(&error));
    // Its controls are set before it runs.
    let keep = Keep { counts: true, controls: false };
    let seen = attachment.release();
    let shared = seen.shared(&compiled.image, keep).map_err(of)?;
    let program = Program::load_sharing(&compiled.image, &LoadOptions::default(), &shared)
        .map_err(|error| Problem::of_load(&error).at(wanted.place.clone()))?;
    let attachment = seen.lock().map_err(of)?;
    attachment.prepare(&program, &wanted.control).map_err(of)?;
    attachment.replace(&program, description, false).map_err(of)?;
    Ok(program)
}

fn describe(prepared: &Prepared, link: &Link, here: &NetworkNamespace) -> Description {
    let Prepared { wanted, compiled } = prepared;
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
        slots: compiled.slot_count(),
        created: now(),
        events: None,
        source_limit: false,
        makes_qdisc: false,
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
