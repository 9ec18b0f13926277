//! Events as packets of a pcapng file, with the pattern and the place as comment.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use hardwire::capture::pcapng_writer as pcapng;
use hardwire::capture::{FRAME_BYTES_MAX, LinkType};
use hardwire::compiler::event::record::Direction;
use hardwire::compiler::event::{Counter, Counters};
use hardwire::compiler::ir::Verdict;
use pcapng::WriteError;

use super::Event;
use super::time::WallClock;
use crate::failure::{Failure, Problem};

/// What gives the verdicts, and in which numbers they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// XDP: `enum xdp_action`.
    Xdp,
    /// tc: `TC_ACT_…`.
    Tc,
    /// A socket filter has none.
    Socket,
}

/// Where a capture goes.
#[derive(Debug)]
enum Sink {
    File(File),
    Stdout,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout => io::stdout().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout => io::stdout().flush(),
        }
    }
}

/// A capture that is being written.
#[derive(Debug)]
pub(crate) struct Capture {
    writer: pcapng::Writer<Sink>,
    /// Its name in messages.
    name: String,
    hook: Hook,
    snap_len: u32,
    /// By the kernel's index of the interface.
    interfaces: Vec<(u32, pcapng::InterfaceId)>,
    started: Duration,
    /// Bytes of the file in front of what is written here.
    base: u64,
    /// A frame whose tag was put back.
    tagged: Vec<u8>,
}

/// Bytes of an Ethernet header before the type, or the first tag.
const ADDRESSES_BYTES: usize = 12;
/// Bytes of a VLAN tag.
const TAG_BYTES: u32 = 4;

/// Make `to` the frame whose outer tag, type and value, was taken out.
fn put_back(to: &mut Vec<u8>, bytes: &[u8], (protocol, tag): (u16, u16)) {
    let (addresses, rest) = bytes.split_at(ADDRESSES_BYTES);
    to.clear();
    for part in [addresses, &protocol.to_be_bytes(), &tag.to_be_bytes(), rest] {
        to.extend_from_slice(part);
    }
    // The longest frame that a capture takes: the tag costs its last bytes their place.
    to.truncate(usize::try_from(FRAME_BYTES_MAX).expect("u32 fits"));
}

impl Capture {
    /// Begin a capture in the file at `path`, which is emptied; `-` is standard output. At most
    /// `snap_len` bytes are kept of a frame (0: no limit); `started` is the time since 1970.
    ///
    /// # Errors
    ///
    /// The file cannot be made, or is a terminal.
    pub(crate) fn create(
        path: &Path,
        hook: Hook,
        snap_len: u32,
        started: Duration,
    ) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let sink = if path.as_os_str() == "-" {
            if io::stdout().is_terminal() {
                let problem = Problem::new("a capture is not for a terminal").at("-w -");
                return Err(Failure::Usage(problem.hint("redirect it to a file or a pipe")));
            }
            Sink::Stdout
        } else {
            let file = File::create(path).map_err(|error| {
                Problem::because(format!("cannot write {name}"), &error)
                    .hint("name a file in a folder that can be written to")
            })?;
            Sink::File(file)
        };
        let mut capture = Self::begin(sink, name, hook, 0);
        (capture.snap_len, capture.started) = (snap_len, started);
        // A reader at the other end of a pipe sees at once that this is a capture.
        capture.flush()?;
        Ok(capture)
    }

    /// Go on with the capture in the file at `path`, in a section of its own; if there is none, begin
    /// one. A last packet that is not whole is cut off: nothing behind it could be read.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or is something else than a capture of ours.
    pub(crate) fn append(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let because = |error: io::Error| {
            Problem::because(format!("cannot write {name}"), &error)
                .hint("name a file in a folder that can be written to")
        };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(because)?;
        let base = whole_bytes(&file).map_err(because)?.ok_or_else(|| {
            Problem::new(format!("{name} is no capture that hardwire can go on with"))
                .hint("name another file")
        })?;
        if file.metadata().map_err(because)?.is_file() {
            file.set_len(base).map_err(because)?;
            file.seek(SeekFrom::Start(base)).map_err(because)?;
        }
        let started =
            WallClock::now().map_err(|e| Problem::because("cannot read the clocks", &e))?;
        let mut capture = Self::begin(Sink::File(file), name, Hook::Xdp, base);
        capture.started = started.time(crate::delivery::monotonic_ns());
        capture.flush()?;
        Ok(capture)
    }

    fn begin(sink: Sink, name: String, hook: Hook, base: u64) -> Self {
        let writer = pcapng::Writer::new(sink, concat!("hardwire ", env!("CARGO_PKG_VERSION")));
        let (interfaces, tagged, started) = (Vec::new(), Vec::new(), Duration::ZERO);
        Self { writer, name, hook, snap_len: 0, interfaces, started, base, tagged }
    }

    /// The same as [`add`](Self::add), for a capture of several hooks.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub(crate) fn add_of(
        &mut self,
        event: &Event<'_>,
        hook: Hook,
        comment: &str,
    ) -> Result<(), Failure> {
        self.hook = hook;
        self.add(event, comment)
    }

    /// Say which interface packets will be of, so that a reader at the other end of a pipe can show that
    /// nothing has come yet.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub(crate) fn describe(
        &mut self,
        ifindex: u32,
        name: &str,
        link_type: LinkType,
    ) -> Result<(), Failure> {
        self.interface(ifindex, name, link_type)?;
        self.flush()
    }

    /// Write the captured bytes of `event`, with words about it. A VLAN tag that the kernel took out of
    /// them is put back.
    ///
    /// # Errors
    ///
    /// Those of the output. A file is then cut behind its last whole packet, and can be read.
    pub(crate) fn add(&mut self, event: &Event<'_>, comment: &str) -> Result<(), Failure> {
        let record = event.record;
        let interface = self.interface(record.ifindex, event.interface, event.link_type)?;
        let (data, original_len) = match (record.vlan, event.link_type) {
            (Some(tag), LinkType::ETHERNET) if record.captured.len() >= ADDRESSES_BYTES => {
                put_back(&mut self.tagged, record.captured, tag);
                (self.tagged.as_slice(), record.frame_bytes.saturating_add(TAG_BYTES))
            }
            _ => (record.captured, record.frame_bytes),
        };
        let packet = pcapng::Packet {
            interface,
            time: event.time,
            data,
            original_len,
            direction: Some(match record.direction {
                Direction::Ingress => pcapng::Direction::Inbound,
                Direction::Egress => pcapng::Direction::Outbound,
            }),
            // What is said is what was done.
            verdict: self.verdict(if record.spared { Verdict::Pass } else { record.verdict }),
            comment,
        };
        self.writer.packet(&packet).map_err(|error| self.failure(error))
    }

    /// What `counters` say of an interface until `time`, for the end of the capture.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub(crate) fn statistics(
        &mut self,
        (ifindex, name, link_type): (u32, &str, LinkType),
        time: Duration,
        counters: &Counters,
    ) -> Result<(), Failure> {
        let interface = self.interface(ifindex, name, link_type)?;
        let statistics = pcapng::Statistics {
            start: Some(self.started),
            end: Some(time),
            received: Some(counters.get(Counter::Frames)),
            dropped: Some(counters.get(Counter::EventsLost)),
            accepted: Some(counters.get(Counter::Matched)),
            delivered: Some(counters.get(Counter::Events)),
        };
        let result = self.writer.statistics(interface, time, &statistics);
        result.map_err(|error| self.failure(error))
    }

    /// Write what is there, so that a reader sees it.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| self.failure(error))
    }

    /// How far it has come.
    pub(crate) fn written(&self) -> pcapng::Written {
        self.writer.written()
    }

    fn interface(
        &mut self,
        ifindex: u32,
        name: &str,
        link_type: LinkType,
    ) -> Result<pcapng::InterfaceId, Failure> {
        if let Some((_, id)) = self.interfaces.iter().find(|(index, _)| *index == ifindex) {
            return Ok(*id);
        }
        let interface = pcapng::Interface {
            snap_len: self.snap_len,
            ..pcapng::Interface::new(name, link_type)
        };
        let id = self.writer.interface(&interface).map_err(|error| self.failure(error))?;
        self.interfaces.push((ifindex, id));
        Ok(id)
    }

    fn verdict(&self, verdict: Verdict) -> Option<pcapng::Verdict> {
        // TC_ACT_OK, TC_ACT_SHOT, TC_ACT_REDIRECT of include/uapi/linux/pkt_cls.h.
        const OK: u64 = 0;
        const SHOT: u64 = 2;
        const REDIRECT: u64 = 7;
        match self.hook {
            Hook::Xdp => {
                let action = u64::from(verdict.xdp_action().unsigned_abs());
                Some(pcapng::Verdict::Xdp(action))
            }
            Hook::Tc => Some(pcapng::Verdict::Tc(match verdict {
                Verdict::Pass => OK,
                Verdict::Drop | Verdict::Abort => SHOT,
                Verdict::Tx | Verdict::Redirect { .. } => REDIRECT,
            })),
            Hook::Socket => None,
        }
    }

    /// An error of the writer in words; of a file what is not whole is cut off.
    fn failure(&mut self, error: WriteError) -> Failure {
        let base = self.base;
        let WriteError::Output { at, source } = &error else {
            return Problem::of(&error).at(self.name.clone()).into();
        };
        let Sink::File(file) = self.writer.get_mut() else {
            if source.kind() == io::ErrorKind::BrokenPipe {
                return Failure::ClosedPipe;
            }
            return Problem::of(&error).at("standard output").into();
        };
        let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let cut = regular && file.set_len(base + at.whole_bytes).is_ok();
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        let hint = match (full.contains(&source.kind()), cut) {
            (true, true) => "make room; the file ends with its last whole packet",
            (true, false) => "make room; its last packet may not be whole",
            (false, true) => "the file ends with its last whole packet",
            (false, false) => "its last packet may not be whole",
        };
        Problem::of(&error).at(self.name.clone()).hint(hint).into()
    }
}

/// How many bytes of a capture of ours are whole blocks; nothing if it is something else.
fn whole_bytes(file: &File) -> io::Result<Option<u64>> {
    let mut reader = BufReader::new(file);
    let length = file.metadata()?.len();
    let mut head = [0; 12];
    if length == 0 {
        return Ok(Some(0));
    }
    // Section header and byte order, with the length of the block between.
    let ours = reader.read_exact(&mut head).is_ok()
        && head.starts_with(&0x0a0d_0d0a_u32.to_le_bytes())
        && head.ends_with(&0x1a2b_3c4d_u32.to_le_bytes());
    if !ours {
        return Ok(None);
    }
    reader.seek(SeekFrom::Start(0))?;
    let mut at = 0;
    let mut head = [0; 8];
    while at + 8 <= length {
        reader.read_exact(&mut head)?;
        let [_, _, _, _, a, b, c, d] = head;
        let bytes = u32::from_le_bytes([a, b, c, d]);
        let end = at + u64::from(bytes);
        if bytes < 12 || !bytes.is_multiple_of(4) || end > length {
            break;
        }
        reader.seek_relative(i64::from(bytes) - 8)?;
        at = end;
    }
    Ok(Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::tests::{sample, shown};
    use hardwire::capture::Reader;
    use hardwire::compiler::event::record::Record;

    #[test]
    fn events_become_packets_that_a_reader_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.pcapng");
        let started = Duration::from_secs(1_700_000_000);
        let mut capture = Capture::create(&path, Hook::Xdp, 64, started).expect("a file");
        let bytes = sample(10);
        let record = Record::from_bytes(&bytes).expect("a record");
        for number in 0..3 {
            let event = Event { time: started + Duration::from_nanos(number), ..shown(&record) };
            capture.add(&event, "#1 GET at byte 0").expect("room");
        }
        let counters = Counters::default();
        let end = started + Duration::from_secs(1);
        capture.statistics((3, "eth0", LinkType::ETHERNET), end, &counters).expect("room");
        capture.flush().expect("room");
        assert_eq!((capture.written().packets, capture.interfaces.len()), (3, 1));

        let file = std::fs::read(&path).expect("it is there");
        assert_eq!(file.windows(16).filter(|part| *part == b"#1 GET at byte 0").count(), 3);
        let mut reader = Reader::new(file.as_slice()).expect("a capture");
        for number in 0..3 {
            let frame = reader.next_frame().expect("whole").expect("three");
            assert_eq!(frame.timestamp, Some(started + Duration::from_nanos(number)));
            assert_eq!((frame.data, frame.original_len), (record.captured, record.frame_bytes));
        }
    }

    #[test]
    fn a_capture_is_gone_on_with_behind_its_last_whole_packet() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.pcapng");
        let bytes = sample(10);
        let record = Record::from_bytes(&bytes).expect("a record");
        for round in 1..=3_u64 {
            let mut capture = Capture::append(&path).expect("a capture of ours");
            capture.add_of(&shown(&record), Hook::Xdp, "again").expect("room");
            capture.flush().expect("room");
            let whole = std::fs::read(&path).expect("it is there");
            let mut reader = Reader::new(whole.as_slice()).expect("a capture");
            let mut frames = 0;
            while reader.next_frame().expect("whole").is_some() {
                frames += 1;
            }
            assert_eq!(frames, round);
            // As a service leaves it that is killed while it writes.
            let cut = [whole.as_slice(), &whole[whole.len() - 90..whole.len() - 20]].concat();
            std::fs::write(&path, cut).expect("room");
        }
        std::fs::write(&path, "something else").expect("room");
        let Failure::Problems(problems) = Capture::append(&path).expect_err("no capture") else {
            panic!("a usage")
        };
        assert!(problems[0].headline().contains("is no capture"));
        assert_eq!(std::fs::read(&path).expect("there"), b"something else");
    }

    #[test]
    fn a_device_without_room_is_an_error_that_names_bytes() {
        let full = Path::new("/dev/full");
        let error = Capture::create(full, Hook::Tc, 0, Duration::ZERO).expect_err("full");
        let Failure::Problems(problems) = error else { panic!("{error:?}") };
        let text = problems[0].headline();
        assert!(text.contains("0 bytes were written") && text.contains("/dev/full"), "{text}");
    }
}
