//! Maps: create, read, write, walk.
//!
//! A [`Map`] owns its descriptor and knows its sizes, so a key or value of the wrong length is an
//! error here and never reaches the kernel. Values of per-CPU maps come as [`Values`], one a CPU.
//! Not here: reading a ring buffer, which needs shared memory.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::OnceLock,
};

use super::{
    MapError,
    capability::{self, Capability},
    host, memlock, pin,
    sys::{
        self, ENOTSUPP,
        map::{Create, Layout},
    },
};
use crate::assembler::{MapKind, MapSpec};

/// Entries asked for in one batch, so that a large map needs no second copy of itself.
const BATCH_ENTRIES_MAX: usize = 4096;

/// When [`Map::update`] may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Whether or not the key is there.
    Any,
    /// Only if it is not.
    New,
    /// Only if it is.
    Existing,
}

impl Update {
    const fn flags(self) -> u64 {
        match self {
            Self::Any => 0,
            Self::New => 1,
            Self::Existing => 2,
        }
    }
}

/// A map in the kernel. Dropping it gives up our hold on it; programs that use it keep theirs.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    spec: MapSpec,
    /// Values of one entry: the possible CPUs of a per-CPU map, else 1.
    cpus: usize,
    layout: Layout,
    /// Whether the kernel reads this map in batches, once that is known.
    batches: OnceLock<bool>,
}

impl Map {
    /// Create the map that `spec` describes; one entry a CPU becomes as many as there are.
    ///
    /// # Errors
    ///
    /// A name or size that the kernel does not take, no right to create maps, no memory.
    pub fn create(spec: &MapSpec) -> Result<Self, MapError> {
        let fail = |source| MapError::Create {
            name: spec.name.clone(),
            kind: spec.kind,
            key_bytes: spec.key_bytes,
            value_bytes: spec.value_bytes,
            entries: spec.entries_max,
            missing: capability::missing(&[Capability::Bpf]),
            source,
        };
        let name = kernel_name(&spec.name)
            .ok_or_else(|| MapError::Name { name: spec.name.clone(), limit: NAME_BYTES_MAX })?;
        let spec = &if spec.is_entry_per_cpu() {
            spec.for_cpus(host::cpu_numbers().map_err(|source| MapError::Cpus { source })?)
        } else {
            spec.clone()
        };
        let cpus = if spec.kind.is_per_cpu() {
            host::possible_cpus().map_err(|source| MapError::Cpus { source })?.get()
        } else {
            1
        };
        let layout =
            layout(spec, cpus).ok_or_else(|| fail(io::Error::from_raw_os_error(libc::E2BIG)))?;
        let fd = memlock::with(|| {
            sys::map::create(&Create {
                map_type: spec.kind.id(),
                key_bytes: spec.key_bytes,
                value_bytes: spec.value_bytes,
                entries_max: spec.entries_max,
                flags: spec.flags,
                name: &name,
            })
        })
        .map_err(fail)?;
        Ok(Self { fd, spec: spec.clone(), cpus, layout, batches: OnceLock::new() })
    }

    /// The map that is pinned at `path`.
    ///
    /// # Errors
    ///
    /// No such pin, a pin of something else, a map of a kind that Hardwire does not make.
    pub fn pinned(path: &Path) -> Result<Self, MapError> {
        let fd = pin::get(path, pin::Kind::Map)?;
        Self::found(fd)
    }

    /// The ids of all maps, ascending. Needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// `PermissionDenied`.
    pub fn ids() -> io::Result<Vec<u32>> {
        let mut ids = Vec::new();
        loop {
            // Ascending ids end this loop: the kernel counts them with 31 bits.
            match sys::object::map_next_id(ids.last().copied().unwrap_or(0)) {
                Ok(id) => ids.push(id),
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(ids),
                Err(e) => return Err(e),
            }
        }
    }

    /// The map with this id. Needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none, `EPERM`; a map of a kind that Hardwire does not make.
    pub fn by_id(id: u32) -> Result<Self, MapError> {
        let fail = |source| MapError::Access { name: format!("{id}"), action: "open", source };
        Self::found(sys::object::map_by_id(id).map_err(fail)?)
    }

    /// A map of which there was only a descriptor.
    fn found(fd: OwnedFd) -> Result<Self, MapError> {
        let fail = |source| MapError::Access { name: "found".to_owned(), action: "open", source };
        let info = sys::object::map_info(fd.as_fd()).map_err(fail)?;
        let end = info.name.iter().position(|&b| b == 0).unwrap_or(info.name.len());
        let name = String::from_utf8_lossy(&info.name[..end]).into_owned();
        let kind = MapKind::ALL.iter().copied().find(|kind| kind.id() == info.map_type);
        let kind = kind.ok_or(MapError::Kind { name: name.clone(), kind: info.map_type })?;
        let spec = MapSpec {
            name,
            kind,
            key_bytes: info.key_size,
            value_bytes: info.value_size,
            entries_max: info.max_entries,
            flags: info.map_flags,
        };
        let cpus = if kind.is_per_cpu() {
            host::possible_cpus().map_err(|source| MapError::Cpus { source })?.get()
        } else {
            1
        };
        let layout =
            layout(&spec, cpus).ok_or_else(|| fail(io::Error::from_raw_os_error(libc::E2BIG)))?;
        Ok(Self { fd, spec, cpus, layout, batches: OnceLock::new() })
    }

    /// Let a file on a bpffs hold the map, too.
    ///
    /// # Errors
    ///
    /// [`MapError::Pin`].
    pub fn pin(&self, path: &Path) -> Result<(), MapError> {
        Ok(pin::pin(self, path)?)
    }

    /// The same map behind another descriptor.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn try_clone(&self) -> Result<Self, MapError> {
        let fd = self.fd.try_clone().map_err(|e| self.fail("open another descriptor of", e))?;
        let (spec, layout) = (self.spec.clone(), self.layout);
        Ok(Self { fd, spec, cpus: self.cpus, layout, batches: self.batches.clone() })
    }

    /// What it was made from, with the entries that it has on this machine.
    pub fn spec(&self) -> &MapSpec {
        &self.spec
    }

    /// Its id, which `bpftool map show id` takes.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn id(&self) -> Result<u32, MapError> {
        sys::object::map_info(self.as_fd())
            .map(|info| info.id)
            .map_err(|e| self.fail("ask about", e))
    }

    /// Values of one entry: the possible CPUs of a per-CPU map, else 1.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// The value of `key` (one for each CPU in a per-CPU map), or nothing if it is not there.
    ///
    /// # Errors
    ///
    /// A key of another length than the map's; the kernel's.
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Values>, MapError> {
        let mut values = self.values(1);
        match sys::map::lookup(self.as_fd(), self.layout, key, &mut values.bytes) {
            Ok(()) => Ok(Some(values)),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(self.fail("look up a key in", e)),
        }
    }

    /// Set the value of `key`; in a per-CPU map, the same on every CPU. For a program array the
    /// value is the descriptor of a program.
    ///
    /// # Errors
    ///
    /// A key or value of another length than the map's; what `when` forbids (`EEXIST`, `ENOENT`);
    /// no room (`E2BIG`).
    pub fn update(&self, key: &[u8], value: &[u8], when: Update) -> Result<(), MapError> {
        self.update_per_cpu(key, |_| value, when)
    }

    /// Set the value of `key`, for each CPU what `value` gives for it.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn update_per_cpu<'a>(
        &self,
        key: &[u8],
        value: impl Fn(usize) -> &'a [u8],
        when: Update,
    ) -> Result<(), MapError> {
        let mut all = self.values(1);
        for (cpu, slot) in all.bytes.chunks_exact_mut(all.stride).enumerate() {
            let value = value(cpu);
            if value.len() != all.value_bytes {
                return Err(MapError::ValueLength {
                    name: self.spec.name.clone(),
                    got: value.len(),
                    want: all.value_bytes,
                });
            }
            slot[..value.len()].copy_from_slice(value);
        }
        sys::map::update(self.as_fd(), self.layout, key, &all.bytes, when.flags())
            .map_err(|e| self.fail("update", e))
    }

    /// Nobody changes the map from user space any more, for good. Linux 5.2.
    ///
    /// # Errors
    ///
    /// `EBUSY`: frozen already, or mapped for writing.
    pub fn freeze(&self) -> Result<(), MapError> {
        sys::map::freeze(self.as_fd()).map_err(|e| self.fail("freeze", e))
    }

    /// Remove `key`; says whether it was there.
    ///
    /// # Errors
    ///
    /// A key of another length than the map's; `EINVAL` for arrays, whose entries always exist.
    pub fn delete(&self, key: &[u8]) -> Result<bool, MapError> {
        match sys::map::delete(self.as_fd(), self.layout, key) {
            Ok(()) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(e) => Err(self.fail("delete a key of", e)),
        }
    }

    /// The key after `key`, or the first one; nothing after the last. If `key` is not in the map
    /// (any more) the kernel starts over.
    ///
    /// # Errors
    ///
    /// A key of another length than the map's; the kernel's.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, MapError> {
        let mut next = vec![0; self.layout.key_bytes];
        match sys::map::next_key(self.as_fd(), self.layout, key, &mut next) {
            Ok(()) => Ok(Some(next)),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(self.fail("walk", e)),
        }
    }

    /// All keys, as far as others leave the map alone meanwhile: at most `entries_max` of them.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn keys(&self) -> Result<Vec<Vec<u8>>, MapError> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        // A key removed under us makes the kernel start over; the bound ends that.
        while keys.len() < entries(&self.spec) {
            match self.next_key(keys.last().map(Vec::as_slice))? {
                Some(key) => keys.push(key),
                None => break,
            }
        }
        Ok(keys)
    }

    /// All values of an array, by index: with one call for thousands of them where the kernel has
    /// batches for this type (arrays: Linux 5.6, per-CPU arrays: 5.13), else one by one.
    ///
    /// # Errors
    ///
    /// A map that is not an array; the kernel's.
    pub fn read_array(&self) -> Result<Values, MapError> {
        match self.spec.kind {
            MapKind::Array | MapKind::PerCpuArray => {}
            MapKind::Hash
            | MapKind::PerCpuHash
            | MapKind::LruHash
            | MapKind::RingBuf
            | MapKind::ProgArray
            | MapKind::PerfEventArray => {
                return Err(MapError::NotAnArray {
                    name: self.spec.name.clone(),
                    kind: self.spec.kind,
                });
            }
        }
        let mut values = self.values(entries(&self.spec));
        if *self.batches.get().unwrap_or(&true) {
            match self.read_batches(&mut values) {
                Ok(()) => {
                    self.batches.get_or_init(|| true);
                    return Ok(values);
                }
                Err(e) if matches!(e.raw_os_error(), Some(ENOTSUPP | libc::EINVAL)) => {
                    self.batches.get_or_init(|| false);
                }
                Err(e) => return Err(self.fail("read", e)),
            }
        }
        self.read_singly(&mut values)?;
        Ok(values)
    }

    /// Does the kernel read this map in batches? Nothing before the first
    /// [`read_array`](Self::read_array).
    pub fn reads_in_batches(&self) -> Option<bool> {
        self.batches.get().copied()
    }

    fn read_batches(&self, values: &mut Values) -> io::Result<()> {
        let entry_bytes = self.layout.value_bytes;
        let mut position = Vec::new();
        let mut done = 0;
        let total = values.entries();
        while done < total {
            let room = (total - done).min(BATCH_ENTRIES_MAX);
            let mut keys = vec![0; room * self.layout.key_bytes];
            let part = &mut values.bytes[done * entry_bytes..(done + room) * entry_bytes];
            let batch =
                sys::map::lookup_batch(self.as_fd(), self.layout, &mut position, &mut keys, part)?;
            done += batch.count;
            if batch.end || batch.count == 0 {
                break;
            }
        }
        if done == total {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the kernel's batches ended after {done} of {total} entries"),
        ))
    }

    fn read_singly(&self, values: &mut Values) -> Result<(), MapError> {
        for (index, entry) in values.bytes.chunks_exact_mut(self.layout.value_bytes).enumerate() {
            let key = u32::try_from(index).expect("an array's index is 32 bits wide");
            sys::map::lookup(self.as_fd(), self.layout, &key.to_ne_bytes(), entry)
                .map_err(|e| self.fail("read", e))?;
        }
        Ok(())
    }

    fn values(&self, entries: usize) -> Values {
        Values {
            bytes: vec![0; entries * self.layout.value_bytes],
            value_bytes: usize::try_from(self.spec.value_bytes).expect("u32 fits"),
            stride: (self.layout.value_bytes / self.cpus).max(1),
            cpus: self.cpus,
        }
    }

    fn fail(&self, action: &'static str, source: io::Error) -> MapError {
        MapError::Access { name: self.spec.name.clone(), action, source }
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The values of one or many entries; each has one for every CPU of a per-CPU map, else one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    bytes: Vec<u8>,
    value_bytes: usize,
    /// Bytes from one CPU's value to the next one's.
    stride: usize,
    cpus: usize,
}

impl Values {
    /// How many entries.
    pub fn entries(&self) -> usize {
        self.bytes.len() / (self.stride * self.cpus)
    }

    /// The values of entry `index`, one for each CPU; none if there is no such entry.
    pub fn entry(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let bytes = self.stride * self.cpus;
        let from = index.saturating_mul(bytes).min(self.bytes.len());
        let to = from.saturating_add(bytes).min(self.bytes.len());
        self.bytes[from..to].chunks_exact(self.stride).map(|slot| &slot[..self.value_bytes])
    }

    /// The value of the first entry on the first CPU: the value, if there is only one.
    ///
    /// Empty if there is no entry.
    pub fn value(&self) -> &[u8] {
        self.bytes.get(..self.value_bytes).unwrap_or_default()
    }

    /// All values, entry by entry and within an entry CPU by CPU.
    pub fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.stride).map(|slot| &slot[..self.value_bytes])
    }
}

/// Most bytes of a name of a map or program.
pub(super) const NAME_BYTES_MAX: usize = 15;

/// `name` for the kernel, if it takes it.
pub(super) fn kernel_name(name: &str) -> Option<CString> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    if name.len() > NAME_BYTES_MAX || !name.bytes().all(good) {
        return None;
    }
    CString::new(name).ok()
}

fn entries(spec: &MapSpec) -> usize {
    usize::try_from(spec.entries_max).expect("u32 fits")
}

/// The sizes that the kernel will use, unless they overflow.
fn layout(spec: &MapSpec, cpus: usize) -> Option<Layout> {
    let key_bytes = usize::try_from(spec.key_bytes).ok()?;
    let mut value_bytes = usize::try_from(spec.value_bytes).ok()?;
    if spec.kind.is_per_cpu() {
        value_bytes = value_bytes.checked_next_multiple_of(8)?.checked_mul(cpus)?;
    }
    // An array is read as a whole: refuse what could never be allocated.
    value_bytes.checked_mul(entries(spec))?;
    Some(Layout { key_bytes, value_bytes })
}
