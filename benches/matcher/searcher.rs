//! Those who search in user space.

use std::hint::black_box;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memmem::Finder;

use crate::{
    class::{COUNT, COUNTED, Class},
    engine::Engine,
    peers,
    subject::Failure,
};

/// A searcher, prepared.
pub(crate) enum Searcher<'a> {
    /// To see what looking at the clock costs.
    Nothing,
    /// libc.
    Memmem(&'a [u8]),
    /// The `memchr` crate.
    Memchr(Box<Finder<'a>>),
    /// The `aho-corasick` crate.
    AhoCorasick(Box<AhoCorasick>),
    /// The `regex` crate.
    Regex(Box<regex::bytes::Regex>),
    /// Counting, as anybody would write it.
    Count,
    /// Counting, by SIMD.
    CountSimd,
}

impl<'a> Searcher<'a> {
    /// That of `engine` for `class`; nothing if it has none.
    pub(crate) fn new(engine: Engine, class: &'a Class) -> Result<Option<Self>, Failure> {
        let automaton = || {
            let mut builder = AhoCorasick::builder();
            builder.ascii_case_insensitive(class.ignores_case());
            builder
        };
        #[allow(clippy::wildcard_enum_match_arm, reason = "the others are programs")]
        Ok(Some(match engine {
            Engine::Nothing => Self::Nothing,
            Engine::Memmem => Self::Memmem(&class.hits[0]),
            Engine::Memchr => Self::Memchr(Box::new(Finder::new(&class.hits[0]))),
            Engine::AhoCorasickDfa => {
                let mut builder = automaton();
                builder.kind(Some(AhoCorasickKind::DFA)).prefilter(false);
                Self::AhoCorasick(Box::new(builder.build(&class.hits)?))
            }
            // Only with a leftmost kind of match does the crate put SIMD in front.
            Engine::AhoCorasick => {
                let mut builder = automaton();
                builder.match_kind(MatchKind::LeftmostFirst);
                Self::AhoCorasick(Box::new(builder.build(&class.hits)?))
            }
            Engine::Regex => {
                let text = class.regex.as_deref().ok_or("a class without a regex")?;
                Self::Regex(Box::new(regex::bytes::Regex::new(text)?))
            }
            Engine::RustCount => Self::Count,
            Engine::MemchrCount => Self::CountSimd,
            _ => return Ok(None),
        }))
    }

    /// Does it find something?
    pub(crate) fn finds(&self, packet: &[u8]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Memmem(literal) => peers::memmem(packet, literal),
            Self::Memchr(finder) => finder.find(packet).is_some(),
            Self::AhoCorasick(automaton) => automaton.is_match(packet),
            Self::Regex(regex) => regex.is_match(packet),
            Self::Count => count(packet),
            Self::CountSimd => count_by_simd(packet),
        }
    }

    /// The same so often, with the choice of the searcher outside of the loop.
    pub(crate) fn repeat(&self, packet: &[u8], times: u32) {
        fn repeat<T>(times: u32, packet: &[u8], search: impl Fn(&[u8]) -> T) {
            for _ in 0..times {
                black_box(search(black_box(packet)));
            }
        }
        match self {
            // Not even a call.
            Self::Nothing => {
                for _ in 0..times {
                    black_box(black_box(packet));
                }
            }
            Self::Memmem(literal) => {
                repeat(times, packet, |p| peers::memmem(p, black_box(literal)))
            }
            Self::Memchr(finder) => repeat(times, packet, |p| finder.find(p)),
            Self::AhoCorasick(automaton) => repeat(times, packet, |p| automaton.is_match(p)),
            Self::Regex(regex) => repeat(times, packet, |p| regex.is_match(p)),
            Self::Count => repeat(times, packet, count),
            Self::CountSimd => repeat(times, packet, count_by_simd),
        }
    }
}

/// As anybody would write it; the compiler makes of it what it can.
fn count(packet: &[u8]) -> bool {
    packet.iter().filter(|&&byte| byte == COUNTED).count() >= COUNT
}

fn count_by_simd(packet: &[u8]) -> bool {
    memchr::memchr_iter(COUNTED, packet).count() >= COUNT
}
