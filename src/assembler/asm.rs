//! The assembler: emit instructions, bind labels, say why, finish.

use std::collections::{HashMap, HashSet};

use super::{
    AsmError, Branch, Insn, Label, MapSpec, Origin, ProgramImage, ProgramKind, Reg, Target, check,
    image::{self, Function, slots_of},
    insn::Imm64,
    relax,
};

/// One thing that was emitted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Insn(Insn),
    Branch(Branch),
}

/// Anything that [`Assembler::emit`] takes: an [`Insn`] or a [`Branch`].
pub trait Emit {
    #[doc(hidden)]
    fn item(self) -> ItemBox;
}

/// An emitted item; opaque.
#[doc(hidden)]
pub struct ItemBox(Item);

impl Emit for Insn {
    fn item(self) -> ItemBox {
        ItemBox(Item::Insn(self))
    }
}

impl Emit for Branch {
    fn item(self) -> ItemBox {
        ItemBox(Item::Branch(self))
    }
}

/// Builds one program.
///
/// A bug of the caller (a label bound twice) panics; a property of the input (a jump that does not
/// reach) is an error of [`finish`](Self::finish).
#[derive(Debug)]
pub struct Assembler {
    name: String,
    kind: ProgramKind,
    frags: bool,
    items: Vec<Item>,
    origin_of: Vec<u32>,
    origins: Vec<Origin>,
    origin_numbers: HashMap<Origin, u32>,
    current: u32,
    bound: Vec<Option<usize>>,
    referred: HashSet<Label>,
    maps: Vec<MapSpec>,
    functions: Vec<(String, usize, Option<u8>)>,
}

impl Assembler {
    /// An empty program. `name` is cut to the 15 bytes that the kernel keeps, and what it does not
    /// accept becomes `_`.
    pub fn new(name: &str, kind: ProgramKind) -> Self {
        let name = name
            .bytes()
            .take(15)
            .map(|b| if b.is_ascii_alphanumeric() || b == b'.' { char::from(b) } else { '_' })
            .collect();
        Self {
            name,
            kind,
            frags: false,
            items: Vec::new(),
            origin_of: Vec::new(),
            origins: vec![Origin::new(super::Phase::Entry, "start")],
            origin_numbers: HashMap::new(),
            current: 0,
            bound: Vec::new(),
            referred: HashSet::new(),
            maps: Vec::new(),
            functions: vec![("main".to_owned(), 0, None)],
        }
    }

    /// Say that the program reads XDP fragments.
    pub fn set_frags(&mut self, frags: bool) {
        self.frags = frags;
    }

    /// A new label, not bound yet.
    ///
    /// # Panics
    ///
    /// After 2^32 labels.
    pub fn label(&mut self) -> Label {
        let label = Label(u32::try_from(self.bound.len()).expect("fewer than 2^32 labels"));
        self.bound.push(None);
        label
    }

    /// Bind `label` to the next instruction.
    ///
    /// # Panics
    ///
    /// If `label` is already bound: that is a bug in the code generator, and silently moving a
    /// label would miscompile.
    pub fn bind(&mut self, label: Label) {
        let place = &mut self.bound[index(label)];
        assert!(place.is_none(), "{label:?} bound twice");
        *place = Some(self.items.len());
    }

    /// A new label that is bound to the next instruction.
    pub fn here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// Everything emitted from now on exists because of `origin`.
    pub fn origin(&mut self, origin: Origin) {
        let next = u32::try_from(self.origins.len()).expect("fewer origins than instructions");
        let number = *self.origin_numbers.entry(origin.clone()).or_insert(next);
        if number == next {
            self.origins.push(origin);
        }
        self.current = number;
    }

    /// Append one instruction or jump.
    pub fn emit(&mut self, what: impl Emit) {
        let item = what.item().0;
        if let Item::Branch(branch) = item {
            self.referred.insert(branch.target);
        }
        self.items.push(item);
        self.origin_of.push(self.current);
    }

    /// Declare a map; the result is its index for [`load_map`](Self::load_map).
    pub fn map(&mut self, spec: MapSpec) -> i32 {
        self.maps.push(spec);
        i32::try_from(self.maps.len() - 1).expect("few maps")
    }

    /// `dst = &map`.
    pub fn load_map(&mut self, dst: Reg, map: i32) {
        self.emit(Insn::LoadImm64 { dst, value: Imm64::MapIndex(map) });
    }

    /// `dst = &value[0] + offset` of an array map with one entry.
    pub fn load_map_value(&mut self, dst: Reg, map: i32, offset: i32) {
        self.emit(Insn::LoadImm64 { dst, value: Imm64::MapIndexValue { index: map, offset } });
    }

    /// Start a new function at the next instruction, and bind `label` there.
    ///
    /// # Panics
    ///
    /// If `label` is already bound.
    pub fn function(&mut self, name: &str, label: Label) {
        self.functions.push((name.to_owned(), self.items.len(), None));
        self.bind(label);
    }

    /// The same for a function that the verifier judges on its own; see [`Function::global`]. It takes the
    /// context in `r1` and `numbers` 32-bit numbers behind it.
    ///
    /// # Panics
    ///
    /// If `label` is already bound, or there are more than four numbers.
    pub fn global_function(&mut self, name: &str, label: Label, numbers: u8) {
        assert!(numbers <= 4, "arguments are r1 to r5");
        self.functions.push((name.to_owned(), self.items.len(), Some(numbers)));
        self.bind(label);
    }

    /// Does any jump emitted so far go to `label`?
    pub fn refers_to(&self, label: Label) -> bool {
        self.referred.contains(&label)
    }

    /// How many instructions were emitted so far.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Was nothing emitted yet?
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Resolve all labels, widen what does not reach, check the structure.
    ///
    /// # Errors
    ///
    /// An unbound label, a jump that neither `gotol` nor islands can bring in range, more slots
    /// than the target has, or a structural mistake.
    pub fn finish(self, target: &Target) -> Result<ProgramImage, AsmError> {
        let laid = relax::lay_out(&self.items, &self.bound, target)?;
        let (slots, slot_count) = slots_of(&laid.insns);
        if slot_count > target.slots_max {
            return Err(AsmError::TooLarge {
                needed: usize::try_from(slot_count).expect("u32 fits"),
                limit: target.slots_max,
            });
        }
        let origin_of = laid.item_of.iter().map(|&item| self.origin_of[item]).collect();
        let functions = self
            .functions
            .into_iter()
            .map(|(name, item, global)| {
                let slot = laid.slot_of_item[item];
                Function { name, slot, global }
            })
            .collect();
        let image = ProgramImage {
            name: self.name,
            kind: self.kind,
            frags: self.frags,
            insns: laid.insns,
            slots,
            slot_count,
            origin_of,
            origins: self.origins,
            maps: self.maps,
            functions,
            contents: Vec::new(),
            licence: std::borrow::Cow::Borrowed(image::LICENCE),
            tails: Vec::new(),
        };
        check::check(&image)?;
        Ok(image)
    }
}

/// A label as an index.
pub(super) fn index(label: Label) -> usize {
    usize::try_from(label.0).expect("u32 fits")
}
