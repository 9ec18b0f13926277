//! An attachment as it was a moment ago, without the right to change it.
//!
//! Compiling and verifying a large set takes many seconds, in which others must be able to ask about
//! the attachment and to detach it. So what takes its place is made beside what was seen, and the
//! attachment is locked again only for the exchange, if it is still the same.

use super::{Attachment, Description, Error, Root, generation::Generation};
use crate::{
    assembler::ProgramImage,
    compiler::event::{self, control::CONTROL_MAP},
    loader::Map,
};

/// What was seen of an attachment: its description and its maps, which stay open.
#[derive(Debug)]
pub struct Seen {
    root: Root,
    name: String,
    generation: Generation,
}

/// What a program takes over from the one before, besides what belongs to patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Counters of frames.
    pub counts: bool,
    /// What is switched on: both programs read the same map, so that what is switched is switched for
    /// both. Without it the new program has controls of its own, all off, until
    /// [`Attachment::prepare`] fills them.
    pub controls: bool,
}

/// Maps besides counters and controls that a program hands over to its successor. The ring of its
/// events is not one of them: an event names a pattern by its place, so a reader must know whose
/// events it reads.
const GO_ON: [&str; 1] = ["sources"];

impl Attachment {
    /// Let others change it, and go on with what was seen.
    pub fn release(self) -> Seen {
        let Self { root, name, current, .. } = self;
        Seen { root, name, generation: current }
    }
}

impl Seen {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was, in words.
    pub fn description(&self) -> &Description {
        &self.generation.description
    }

    /// The maps with which a program that takes its place goes on: what `keep` says, as far as they
    /// have the same form in `image`.
    ///
    /// # Errors
    ///
    /// [`Error::Unreadable`] if the counters have another form.
    pub fn shared(&self, image: &ProgramImage, keep: Keep) -> Result<Vec<&Map>, Error> {
        let mut shared = Vec::new();
        for (index, spec) in image.maps().iter().enumerate() {
            let counts = index == event::COUNTERS_MAP;
            let goes_on = match spec.name.as_str() {
                _ if counts => keep.counts,
                CONTROL_MAP => keep.controls,
                name => GO_ON.contains(&name),
            };
            let Some(map) = self.generation.map(&spec.name).filter(|_| goes_on) else { continue };
            let there = map.spec();
            let same = there.kind == spec.kind
                && there.key_bytes == spec.key_bytes
                && there.value_bytes == spec.value_bytes
                && (there.entries_max == spec.entries_max || spec.entries_max == 0);
            match (same, counts) {
                (true, _) => shared.push(map),
                (false, true) => {
                    let what = format!("the counters of {} have another form", self.name);
                    return Err(Error::Unreadable { what, source: None });
                }
                (false, false) => {}
            }
        }
        Ok(shared)
    }

    /// The attachment, which nobody else changes from here on, if it is what was seen.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it was exchanged or detached meanwhile, and those of
    /// [`Root::open_attachment`].
    pub fn lock(&self) -> Result<Attachment, Error> {
        let changed = || Error::State {
            name: self.name.clone(),
            state: "was changed meanwhile, so nothing was done".to_owned(),
            hint: "`hardwire list` shows what is there now".to_owned(),
        };
        let now = match self.root.open_attachment(&self.name) {
            Err(Error::Unknown { .. }) => return Err(changed()),
            result => result?,
        };
        // One that was detached and attached anew has the same number, but not the same program.
        let of = |generation: &Generation| (generation.number, generation.program_id);
        if of(&now.current) == of(&self.generation) { Ok(now) } else { Err(changed()) }
    }
}
