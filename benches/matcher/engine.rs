//! The matchers that are compared, by name.

use hardwire::compiler::{
    Entry,
    ir::{Report, Scope},
};

use crate::{frames, text::Text};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Engine {
    /// Raw scope, no counters, no fragments.
    Hardwire,
    /// The same, and all patterns that occur are reported.
    HardwireAll,
    /// The same as the first, with counters and fragments.
    HardwireAttached,
    /// The payload of TCP frames, with counters and fragments.
    HardwirePayload,
    /// A socket filter, raw scope, no counters.
    HardwireSocket,
    /// A socket filter, raw scope, with counters.
    HardwireSocketAttached,
    /// As the first, but for one literal that the class names, over the packets of the class.
    HardwireLiteral,
    /// libc's `memmem`.
    Memmem,
    /// The `memchr` crate's prepared searcher.
    Memchr,
    /// The `aho-corasick` crate: the automaton as a table, byte by byte.
    AhoCorasickDfa,
    /// The `aho-corasick` crate as it is by default, with SIMD in front.
    AhoCorasick,
    /// The `regex` crate.
    Regex,
    /// The obvious count.
    RustCount,
    /// The `memchr` crate's count, by SIMD.
    MemchrCount,
    /// The pattern in an array map, with `bpf_loop`.
    MapArray,
    /// The same with `may_goto`.
    MapArrayByHand,
    /// The kernel's own search function.
    Strnstr,
    /// An XDP program that does nothing.
    EmptyXdp,
    /// A socket filter that does nothing.
    EmptySocket,
    /// No call at all, in user space.
    Nothing,
}

/// Where an engine runs, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// A program of ours.
    Ours(Variant),
    /// A peer's XDP program.
    Kernel,
    /// A function of user space.
    User,
    /// What is subtracted from the others.
    Floor,
}

/// One way to compile the patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) scope: Scope,
    pub(crate) entry: Entry,
    pub(crate) report: Report,
    /// With counters and fragments?
    pub(crate) attached: bool,
    /// The literal of the class, and not its patterns?
    pub(crate) literal: bool,
}

impl Engine {
    /// All, in the order of the tables.
    pub(crate) const ALL: [Self; 20] = [
        Self::Hardwire,
        Self::HardwireAll,
        Self::HardwireAttached,
        Self::HardwirePayload,
        Self::HardwireSocket,
        Self::HardwireSocketAttached,
        Self::HardwireLiteral,
        Self::Memmem,
        Self::Memchr,
        Self::AhoCorasickDfa,
        Self::AhoCorasick,
        Self::Regex,
        Self::RustCount,
        Self::MemchrCount,
        Self::MapArray,
        Self::MapArrayByHand,
        Self::Strnstr,
        Self::EmptyXdp,
        Self::EmptySocket,
        Self::Nothing,
    ];

    /// As in the machine format.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hardwire => "hardwire",
            Self::HardwireAll => "hardwire-report-all",
            Self::HardwireAttached => "hardwire-attached",
            Self::HardwirePayload => "hardwire-payload",
            Self::HardwireSocket => "hardwire-socket",
            Self::HardwireSocketAttached => "hardwire-socket-attached",
            Self::HardwireLiteral => "hardwire-literal-alone",
            Self::Memmem => "memmem-libc",
            Self::Memchr => "memchr",
            Self::AhoCorasickDfa => "aho-corasick-dfa",
            Self::AhoCorasick => "aho-corasick",
            Self::Regex => "regex",
            Self::RustCount => "rust-count",
            Self::MemchrCount => "memchr-count",
            Self::MapArray => "map-array",
            Self::MapArrayByHand => "map-array-may-goto",
            Self::Strnstr => "bpf_strnstr",
            Self::EmptyXdp => "empty-xdp",
            Self::EmptySocket => "empty-socket",
            Self::Nothing => "nothing",
        }
    }

    /// For people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Hardwire => "hardwire, raw scope",
            Self::HardwireAll => "hardwire, raw, --report all",
            Self::HardwireAttached => "hardwire, as attached (raw)",
            Self::HardwirePayload => "hardwire, as attached (payload)",
            Self::HardwireSocket => "hardwire, socket filter",
            Self::HardwireSocketAttached => "hardwire, socket filter as attached",
            Self::HardwireLiteral => "hardwire, the literal alone",
            Self::Memmem => "libc memmem, user space",
            Self::Memchr => "memchr Finder, user space",
            Self::AhoCorasickDfa => "aho-corasick, DFA, user space",
            Self::AhoCorasick => "aho-corasick, SIMD, user space",
            Self::Regex => "regex crate, user space",
            Self::RustCount => "Rust count, user space",
            Self::MemchrCount => "memchr count, SIMD, user space",
            Self::MapArray => "pattern in an array map, bpf_loop",
            Self::MapArrayByHand => "pattern in an array map, may_goto",
            Self::Strnstr => "bpf_strnstr",
            Self::EmptyXdp => "empty XDP program",
            Self::EmptySocket => "empty socket filter",
            Self::Nothing => "nothing",
        }
    }

    /// Where it runs.
    pub(crate) const fn home(self) -> Home {
        let plain = Variant {
            scope: Scope::Raw,
            entry: Entry::Xdp,
            report: Report::First,
            attached: false,
            literal: false,
        };
        let socket = Variant { entry: Entry::SocketFilter, ..plain };
        let attached = Variant { attached: true, ..plain };
        match self {
            Self::Hardwire => Home::Ours(plain),
            Self::HardwireAll => Home::Ours(Variant { report: Report::All, ..plain }),
            Self::HardwireAttached => Home::Ours(attached),
            Self::HardwirePayload => Home::Ours(Variant { scope: Scope::Payload, ..attached }),
            Self::HardwireSocket => Home::Ours(socket),
            Self::HardwireSocketAttached => Home::Ours(Variant { attached: true, ..socket }),
            Self::HardwireLiteral => Home::Ours(Variant { literal: true, ..plain }),
            Self::MapArray | Self::MapArrayByHand | Self::Strnstr => Home::Kernel,
            Self::Memmem
            | Self::Memchr
            | Self::AhoCorasickDfa
            | Self::AhoCorasick
            | Self::Regex
            | Self::RustCount
            | Self::MemchrCount => Home::User,
            Self::EmptyXdp | Self::EmptySocket | Self::Nothing => Home::Floor,
        }
    }

    /// Does it need a kernel that loads programs?
    pub(crate) fn needs_kernel(self) -> bool {
        !matches!(self.home(), Home::User) && self != Self::Nothing
    }

    /// What has to be subtracted from its times, if anything.
    pub(crate) const fn floor(self) -> Option<Self> {
        match self.home() {
            Home::Ours(Variant { entry: Entry::SocketFilter, .. }) => Some(Self::EmptySocket),
            Home::Ours(_) | Home::Kernel => Some(Self::EmptyXdp),
            Home::User => Some(Self::Nothing),
            Home::Floor => None,
        }
    }

    /// Does it search `text`? The adversarial text of a class is full of its literal, so one that
    /// looks for the literal alone would stop at once.
    pub(crate) fn searches(self, text: Text) -> bool {
        self != Self::HardwireLiteral || text != Text::Adversarial
    }

    /// What to give to the kernel, or to a function, so that `searched` is searched.
    pub(crate) fn dress(self, searched: &[u8]) -> Vec<u8> {
        match self.home() {
            Home::Ours(Variant { scope: Scope::Payload, .. }) => frames::tcp_frame(searched),
            // `BPF_PROG_TEST_RUN` takes the Ethernet header off before a socket filter runs.
            _ if self == Self::EmptySocket || self.floor() == Some(Self::EmptySocket) => {
                [&[0; 14], searched].concat()
            }
            Home::Ours(_) | Home::Kernel | Home::User | Home::Floor => searched.to_vec(),
        }
    }
}
