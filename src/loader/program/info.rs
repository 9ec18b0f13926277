//! Programs that are there already: pins, and what the kernel says about a program.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use super::Program;
use crate::loader::{Map, PinError, pin, sys};

impl Program {
    /// The program that is pinned at `path`, with these maps: those that are pinned beside it.
    ///
    /// # Errors
    ///
    /// No such pin, a pin of something else; the kernel's.
    pub fn pinned(path: &Path, maps: Vec<Map>) -> Result<Self, PinError> {
        let fd = pin::get(path, pin::Kind::Program)?;
        let fail = |source| PinError { action: "ask about", path: path.to_owned(), source };
        let info = ProgramInfo::of(fd.as_fd()).map_err(fail)?;
        Ok(Self {
            fd,
            name: info.name,
            prog_type: info.prog_type,
            frags: false,
            maps,
            tails: Vec::new(),
            stats: None,
            without_types: None,
        })
    }

    /// Let a file on a bpffs hold the program, too. Its maps need pins of their own to be found
    /// again, and its tails hold only as long as their array does.
    ///
    /// # Errors
    ///
    /// [`PinError`].
    pub fn pin(&self, path: &Path) -> Result<(), PinError> {
        pin::pin(self, path)
    }
}

/// What the kernel says about a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Its id.
    pub id: u32,
    /// The kernel's number of its type.
    pub prog_type: u32,
    /// Its name.
    pub name: String,
    /// A hash of its instructions without map descriptors.
    pub tag: [u8; 8],
    /// Bytes of machine code; 0 if it is interpreted or hidden.
    pub jited_prog_len: u32,
    /// Bytes of bytecode as the verifier left it; 0 if hidden.
    pub xlated_prog_len: u32,
    /// Instructions that the verifier processed. Linux 5.16.
    pub verified_insns: Option<u32>,
    /// When it was loaded, in nanoseconds since boot.
    pub load_time_ns: u64,
    /// Who loaded it.
    pub created_by_uid: u32,
    /// The ids of its maps.
    pub map_ids: Vec<u32>,
    /// Nanoseconds that it ran; 0 unless `kernel.bpf_stats_enabled` is set.
    pub run_time_ns: u64,
    /// How often it ran; 0 unless `kernel.bpf_stats_enabled` is set.
    pub run_count: u64,
    /// The id of its types; 0 if it has none.
    pub btf_id: u32,
    /// Functions with a type.
    pub functions: u32,
    /// Lines that explain its instructions.
    pub lines: u32,
}

impl ProgramInfo {
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let info = sys::object::prog_info(fd)?;
        let map_ids = sys::object::prog_map_ids(fd)?;
        let end = info.name.iter().position(|&b| b == 0).unwrap_or(info.name.len());
        Ok(Self {
            id: info.id,
            prog_type: info.prog_type,
            name: String::from_utf8_lossy(&info.name[..end]).into_owned(),
            tag: info.tag,
            jited_prog_len: info.jited_prog_len,
            xlated_prog_len: info.xlated_prog_len,
            // Every program has at least one instruction, so 0 is an older kernel's silence.
            verified_insns: (info.verified_insns != 0).then_some(info.verified_insns),
            load_time_ns: info.load_time,
            created_by_uid: info.created_by_uid,
            map_ids,
            run_time_ns: info.run_time_ns,
            run_count: info.run_cnt,
            btf_id: info.btf_id,
            functions: info.nr_func_info,
            lines: info.nr_line_info,
        })
    }

    /// The tag as the kernel prints it: 16 hexadecimal digits.
    pub fn tag_hex(&self) -> String {
        self.tag.iter().map(|b| format!("{b:02x}")).collect()
    }
}
