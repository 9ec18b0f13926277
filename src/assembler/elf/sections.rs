//! The container: sections, symbols and relocations of a 64-bit little-endian relocatable object.
//!
//! Sections stand in the file in the order in which they were added, each aligned to 8 bytes; the
//! symbols, their names and the table of sections come last.

use std::collections::HashMap;

/// `EM_BPF`.
const MACHINE: u16 = 247;

const HEADER_BYTES: u16 = 64;
const SECTION_BYTES: u16 = 64;
const SYMBOL_BYTES: u64 = 24;
const RELOCATION_BYTES: u64 = 16;

/// `SHT_*`.
const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const REL: u32 = 9;

/// `SHF_*`.
const WRITE: u64 = 1;
const ALLOC: u64 = 2;
const EXEC: u64 = 4;
const INFO_LINK: u64 = 0x40;

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    Data,
    Types,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SymbolKind {
    Object,
    Function,
}

/// A name for a part of a section.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) kind: SymbolKind,
    pub(super) section: u16,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) global: bool,
}

/// A place that the loader fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relocation {
    pub(super) offset: u64,
    pub(super) kind: u32,
    pub(super) symbol: u32,
}

struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    bytes: Vec<u8>,
    link: u32,
    info: u32,
    align: u64,
    entry_bytes: u64,
}

/// The object while it grows.
pub(super) struct Sections {
    sections: Vec<Section>,
    symbols: Vec<Symbol>,
    strings: Vec<u8>,
    /// Only looked up, never walked.
    known: HashMap<String, u32>,
    names: Vec<String>,
}

impl Sections {
    pub(super) fn new() -> Self {
        Self {
            sections: Vec::new(),
            symbols: Vec::new(),
            strings: vec![0],
            known: HashMap::new(),
            names: Vec::new(),
        }
    }

    /// Add a section; the result is its number.
    pub(super) fn add(&mut self, name: &str, kind: Kind, bytes: Vec<u8>) -> u16 {
        let (flags, align) = match kind {
            Kind::Code => (ALLOC | EXEC, 8),
            Kind::Data => (ALLOC | WRITE, 8),
            Kind::Types => (0, 4),
        };
        self.push(name, PROGBITS, Section::holding(bytes, flags, align))
    }

    /// Add a symbol; the result is its number. Local ones must come first.
    pub(super) fn symbol(&mut self, symbol: Symbol) -> u32 {
        self.symbols.push(symbol);
        // The first one is the undefined symbol.
        u32::try_from(self.symbols.len()).expect("few symbols")
    }

    /// Add the relocations of a section.
    pub(super) fn relocations(&mut self, of: u16, relocations: &[Relocation]) {
        let mut bytes = Vec::new();
        for relocation in relocations {
            let info = u64::from(relocation.symbol) << 32 | u64::from(relocation.kind);
            bytes.extend(relocation.offset.to_le_bytes());
            bytes.extend(info.to_le_bytes());
        }
        let name = format!(".rel{}", self.names[usize::from(of) - 1]);
        let section = Section {
            info: of.into(),
            entry_bytes: RELOCATION_BYTES,
            ..Section::holding(bytes, INFO_LINK, 8)
        };
        self.push(&name, REL, section);
    }

    /// The bytes of the object.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let (symbols, locals) = self.symbol_table();
        let names = u32::try_from(self.sections.len()).expect("few sections") + 2;
        let section = Section {
            link: names,
            info: locals,
            entry_bytes: SYMBOL_BYTES,
            ..Section::holding(symbols, 0, 8)
        };
        let symbols = u32::from(self.push(".symtab", SYMTAB, section));
        // Its own name must be among the names before they are taken.
        self.string(".strtab");
        let strings = self.strings.clone();
        let names = self.push(".strtab", STRTAB, Section::holding(strings, 0, 1));
        for section in &mut self.sections {
            if section.kind == REL {
                section.link = symbols;
            }
        }
        self.file(names)
    }

    fn push(&mut self, name: &str, kind: u32, section: Section) -> u16 {
        let name_at = self.string(name);
        self.names.push(name.to_owned());
        self.sections.push(Section { name: name_at, kind, ..section });
        // The first one is the undefined section.
        u16::try_from(self.sections.len()).expect("few sections")
    }

    fn string(&mut self, text: &str) -> u32 {
        if let Some(&at) = self.known.get(text) {
            return at;
        }
        let at = u32::try_from(self.strings.len()).expect("few names");
        self.strings.extend(text.bytes());
        self.strings.push(0);
        self.known.insert(text.to_owned(), at);
        at
    }

    /// The bytes of all symbols, and the number of the first one that is not local.
    fn symbol_table(&mut self) -> (Vec<u8>, u32) {
        let symbols = std::mem::take(&mut self.symbols);
        let locals = 1 + symbols.iter().take_while(|symbol| !symbol.global).count();
        let mut bytes = vec![0; usize::try_from(SYMBOL_BYTES).expect("small")];
        for symbol in &symbols {
            let kind = match symbol.kind {
                SymbolKind::Object => 1,
                SymbolKind::Function => 2,
            };
            bytes.extend(self.string(&symbol.name).to_le_bytes());
            bytes.extend([u8::from(symbol.global) << 4 | kind, 0]);
            bytes.extend(symbol.section.to_le_bytes());
            bytes.extend(symbol.offset.to_le_bytes());
            bytes.extend(symbol.bytes.to_le_bytes());
        }
        (bytes, u32::try_from(locals).expect("few symbols"))
    }

    /// Header, sections, table of sections.
    fn file(self, names: u16) -> Vec<u8> {
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).expect("usize fits");
        let mut body = Vec::new();
        let mut table = vec![0; usize::from(SECTION_BYTES)];
        for section in &self.sections {
            body.resize(body.len().next_multiple_of(8), 0);
            let offset = u64::from(HEADER_BYTES) + length(&body);
            table.extend(section.name.to_le_bytes());
            table.extend(section.kind.to_le_bytes());
            for word in [section.flags, 0, offset, length(&section.bytes)] {
                table.extend(word.to_le_bytes());
            }
            table.extend(section.link.to_le_bytes());
            table.extend(section.info.to_le_bytes());
            table.extend(section.align.to_le_bytes());
            table.extend(section.entry_bytes.to_le_bytes());
            body.extend(&section.bytes);
        }
        body.resize(body.len().next_multiple_of(8), 0);
        let count = u16::try_from(self.sections.len() + 1).expect("few sections");

        // Magic, 64 bits, little endian, version 1.
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // Relocatable; version 1; no entry point, no segments.
        for half in [1, MACHINE, 1, 0] {
            file.extend(half.to_le_bytes());
        }
        for word in [0, 0, u64::from(HEADER_BYTES) + length(&body)] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0_u32.to_le_bytes());
        for half in [HEADER_BYTES, 0, 0, SECTION_BYTES, count, names] {
            file.extend(half.to_le_bytes());
        }
        file.extend(body);
        file.extend(table);
        file
    }
}

impl Section {
    fn holding(bytes: Vec<u8>, flags: u64, align: u64) -> Self {
        Self { name: 0, kind: PROGBITS, flags, bytes, link: 0, info: 0, align, entry_bytes: 0 }
    }
}
