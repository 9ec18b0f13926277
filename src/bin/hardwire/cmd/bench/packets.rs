//! What is searched: bytes that are made here, or the frames of a capture.

use std::path::Path;

use clap::ValueEnum;
use hardwire::compiler::Entry;
use hardwire::compiler::ir::{Matcher, Scope};
use hardwire::engine::{Engine, Reference};
use hardwire::loader::test_run::PACKET_BYTES_MIN;

use super::super::run::open;
use crate::engine;
use crate::failure::{Failure, Problem};
use crate::frame;
use crate::output::Output;

/// Different packets of one size: more than a processor learns by heart.
const MADE: usize = 256;
/// Packets of a capture that are searched again and again.
const SAMPLES_MAX: usize = 16;
/// Most frames of a capture, and most of their bytes.
const FRAMES_MAX: usize = 65_536;
const BYTES_MAX: usize = 64 << 20;
/// Bytes in front of a packet that the kernel takes off before a socket filter sees it.
const STRIPPED_BYTES: usize = 14;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Over {
    /// Text as it stands in HTTP requests.
    Text,
    /// Random printable bytes.
    Ascii,
    /// Random bytes.
    Random,
}

/// Packets that are measured together.
pub(super) struct Packets {
    /// As they are given to the kernel.
    given: Vec<Vec<u8>>,
    /// Searched bytes that were asked for; `None` for a capture.
    asked: Option<usize>,
    /// Bytes in front of each that nobody asked for.
    dress: usize,
}

impl Packets {
    /// Distinct packets with so many bytes in the scope of `matcher`.
    pub(super) fn made(over: Over, bytes: usize, matcher: &Matcher) -> Self {
        let mut numbers = Numbers(0x9e37_79b9);
        let dressed = |nth| {
            let searched = over.bytes(bytes, nth, &mut numbers);
            match matcher.scope {
                Scope::Payload => frame::udp(&searched),
                Scope::Packet | Scope::Raw => searched,
            }
        };
        let given: Vec<_> = (0..MADE).map(dressed).collect();
        let dress = given[0].len() - bytes;
        Self { given, asked: Some(bytes), dress }
    }

    /// The frames of a capture that the kernel can be given.
    pub(super) fn of_capture(path: &Path, output: &Output) -> Result<Self, Failure> {
        let place = path.display().to_string();
        let mut reader = open(path)?;
        let (mut given, mut total, mut left_out) = (Vec::new(), 0, 0_u64);
        while let Some(frame) =
            reader.next_frame().map_err(|error| Problem::of_capture(&error, place.clone()))?
        {
            if given.len() == FRAMES_MAX || total + frame.data.len() > BYTES_MAX {
                let frames = given.len();
                output.warn(format!("{place}: only the first {frames} frames are measured"));
                break;
            }
            if frame.data.len() < PACKET_BYTES_MIN {
                left_out += 1;
                continue;
            }
            total += frame.data.len();
            given.push(frame.data.to_vec());
        }
        if left_out > 0 {
            output.warn(format!(
                "{place}: {left_out} frames are shorter than the {PACKET_BYTES_MIN} bytes that \
                 BPF_PROG_TEST_RUN takes, and are left out"
            ));
        }
        if given.is_empty() {
            let problem = Problem::new("the capture has no frames to measure").at(place);
            return Err(problem.into());
        }
        Ok(Self { given, asked: None, dress: 0 })
    }

    /// Ask the obvious matcher in how many packets a pattern occurs, and dress them for the kernel.
    pub(super) fn prepare(&mut self, matcher: &Matcher, entry: Entry) -> Result<usize, Failure> {
        let mut reference = Reference::new(matcher, entry);
        let mut matched = 0;
        for packet in &mut self.given {
            let answer = reference.answer(packet).map_err(|error| engine::problem(&error))?;
            matched += usize::from(!answer.matches.is_empty());
            if entry == Entry::SocketFilter {
                packet.splice(..0, [0; STRIPPED_BYTES]);
            }
        }
        self.dress += if entry == Entry::SocketFilter { STRIPPED_BYTES } else { 0 };
        Ok(matched)
    }

    /// As they are given to the kernel.
    pub(super) fn given(&self) -> &[Vec<u8>] {
        &self.given
    }

    /// Those that are searched again and again: one, or some of a capture from all over it.
    pub(super) fn samples(&self) -> impl Iterator<Item = &Vec<u8>> {
        let wanted = self.frames().map_or(1, |frames| frames.min(SAMPLES_MAX));
        self.given.iter().step_by(self.given.len() / wanted).take(wanted)
    }

    /// Bytes of a packet, the mean of all.
    pub(super) fn bytes(&self) -> f64 {
        self.mean(self.given.iter())
    }

    /// Bytes of a packet, the mean of the samples.
    pub(super) fn sample_bytes(&self) -> f64 {
        self.mean(self.samples())
    }

    fn mean<'a>(&self, packets: impl Iterator<Item = &'a Vec<u8>>) -> f64 {
        let number = |n: usize| f64::from(u32::try_from(n).expect("at most BYTES_MAX"));
        let (sum, count) =
            packets.fold((0, 0), |(sum, n), it| (sum + it.len() - self.dress, n + 1));
        number(sum) / number(count)
    }

    /// The searched bytes that were asked for.
    pub(super) fn asked(&self) -> Option<usize> {
        self.asked
    }

    /// The number of frames, if they are those of a capture.
    pub(super) fn frames(&self) -> Option<usize> {
        self.asked.is_none().then_some(self.given.len())
    }
}

impl Over {
    /// The nth packet.
    fn bytes(self, count: usize, nth: usize, numbers: &mut Numbers) -> Vec<u8> {
        const TEXT: &[u8] = b"POST /cgi-bin/search?q=status&lang=en HTTP/1.1\r\nHost: \
            www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: \
            text/html,application/xhtml+xml\r\nCookie: session=8f14e45fceea167a5a36dedd4bea2543\r\n";
        match self {
            // The first is the text itself, the others begin inside of it, line by line shuffled.
            Self::Text if nth == 0 => TEXT.iter().copied().cycle().take(count).collect(),
            Self::Text => {
                let lines: Vec<&[u8]> = TEXT.split_inclusive(|&byte| byte == b'\n').collect();
                let mut text = Vec::new();
                let skipped = numbers.below(40);
                while text.len() < skipped + count {
                    text.extend(lines[numbers.below(lines.len())]);
                }
                text[skipped..skipped + count].to_vec()
            }
            Self::Ascii => (0..count).map(|_| b' ' + numbers.byte() % 95).collect(),
            Self::Random => (0..count).map(|_| numbers.byte()).collect(),
        }
    }
}

/// xorshift32: the same bytes every time, so that runs can be compared.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> [u8; 4] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.to_le_bytes()
    }

    fn byte(&mut self) -> u8 {
        self.next()[1]
    }

    /// A number below `limit`, which is at most 256.
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) * limit / 256
    }
}
