//! `attach --pin`: the program stays, with everything that is needed to find it again.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hardwire::attachment::{Description, Error, Found, Hook, PatternText, Root};
use hardwire::compiler::event::control::Control;
use hardwire::compiler::ir::Matcher;
use hardwire::compiler::{self, Compiled};
use hardwire::loader::host::NetworkNamespace;
use hardwire::loader::{Program, host};
use hardwire::netlink::{Link, Socket};
use serde_json::json;

use super::super::detach::of_netlink;
use super::attachment::Spot;
use super::refused::of_attach;
use super::{Occupied, Via, attach};
use crate::Ending;
use crate::failure::{Failure, Problem};
use crate::options::lifecycle::of_attachment;
use crate::options::{Named, PinOptions};
use crate::output::Output;

/// A loaded program and where it goes.
pub(super) struct Ready<'a> {
    pub(super) via: Via,
    pub(super) link: &'a Link,
    pub(super) matcher: &'a Matcher,
    pub(super) named: &'a [Named],
    pub(super) compiled: &'a Compiled,
    pub(super) compiler: &'a compiler::Options,
    pub(super) control: Control,
    pub(super) program: &'a Program,
    pub(super) program_id: u32,
    pub(super) spot: Spot,
    pub(super) hook: Hook,
    pub(super) occupied: &'a Occupied,
}

/// Patterns as a description has them.
pub(crate) fn texts(named: &[Named]) -> Vec<PatternText> {
    named.iter().map(|named| PatternText::of(&named.written)).collect()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Ready<'_> {
    /// Attach it, and leave it there.
    pub(super) fn attach(
        &self,
        stay: &PinOptions,
        socket: &mut Socket,
        output: &mut Output,
    ) -> Result<Ending, Failure> {
        let name = stay.name(&self.link.name, self.hook);
        let root = stay.root.open()?;
        if name != self.link.name && socket.link_by_name(&name).is_ok() {
            output.warn(format!(
                "{name} is an interface, too: verbs refuse the name while that has attachments"
            ));
        }
        let description = self.description(&root, socket)?;
        let of = |error: Error| of_attachment(&error);
        let place = root.place(&name).map_err(of)?;
        let deadline_ns = stay.confirm.map(super::super::confirm::deadline);
        let control = Control { deadline_ns: deadline_ns.unwrap_or(0), ..self.control };
        super::set_control(self.program, &control)?;
        place.fill(self.program, &description).map_err(of)?;
        if let Some(deadline_ns) = deadline_ns {
            super::super::confirm::watch_over(&name, &stay.root, deadline_ns)?;
        }
        let (link, spot) = (self.link, self.spot);
        let attachment =
            attach(self.via, socket, (link, self.program), spot, self.occupied, output)
                .map_err(|error| of_attach(&error, link, spot))?;
        let (spot, via) = (attachment.spot(), attachment.via());
        attachment.stay(place).map_err(of)?;
        let (id, slots) = (self.program_id, self.compiled.slot_count());
        if output.json() {
            output.json_line(&json!({
                "attached": {
                    "name": name,
                    "interface": link.name,
                    "ifindex": link.index,
                    "at": spot.words().0,
                    "mode": spot.words().1,
                    "via": via,
                    "program_id": id,
                    "slots": slots,
                    "dry_run": control.dry_run,
                    "confirm_seconds": stay.confirm,
                }
            }))?;
        } else {
            let iface = &link.name;
            writeln!(
                output,
                "{name}: program {id} ({slots} slots) stays attached to {iface} {spot} by {via}"
            )?;
            if let Some(seconds) = stay.confirm {
                output.note(format!(
                    "it detaches by itself in {seconds} s: `hardwire confirm {name}{}` lets it stay",
                    stay.root.words()
                ));
            }
        }
        Ok(Ending::Done)
    }

    /// Does the clsact qdisc go with the last of our filters? If there was none, or if one of ours made it.
    fn makes_qdisc(
        &self,
        root: &Root,
        here: &NetworkNamespace,
        socket: &mut Socket,
    ) -> Result<bool, Problem> {
        if self.hook.direction().is_none() || self.via != Via::Netlink {
            return Ok(false);
        }
        if socket.clsact_kind(self.link).map_err(|error| of_netlink(&error))?.is_none() {
            return Ok(true);
        }
        let found = root.list().map_err(|error| of_attachment(&error))?;
        Ok(found.iter().any(|found| {
            matches!(found, Found::Attachment(ours) if ours.description().makes_qdisc
                && ours.description().ifindex == self.link.index
                && ours.description().is_in(here))
        }))
    }

    fn description(&self, root: &Root, socket: &mut Socket) -> Result<Description, Problem> {
        let here = host::network_namespace().map_err(|error| {
            Problem::because("cannot tell which network namespace this is", &error)
                .hint("mount /proc")
        })?;
        let makes_qdisc = self.makes_qdisc(root, &here, socket)?;
        let mut description = Description {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interface: self.link.name.clone(),
            ifindex: self.link.index,
            netns: here.inode,
            netns_cookie: here.cookie,
            hook: self.hook,
            via: self.via.kept(),
            mode: self.spot.words().1.unwrap_or_default(),
            scope: String::new(),
            report: String::new(),
            on_match: String::new(),
            on_miss: String::new(),
            out_of_scope: String::new(),
            patterns: texts(self.named),
            slots: self.compiled.slot_count(),
            created: now(),
            events: None,
            source_limit: false,
            makes_qdisc,
            service: false,
            continues: None,
        };
        description.set_matcher(self.matcher);
        description.set_options(self.compiler);
        Ok(description)
    }
}
