//! The address space: regions at synthetic addresses, each access checked over its whole range.
//!
//! An address is a region number in the upper 16 bits and an offset in the lower 48, so pointers
//! are ordinary 64-bit numbers, arithmetic on them works, and a pointer that leaves its region
//! never reaches another one's bytes. Stack frames, packet and given memory are regions of one
//! block each: there the access check and the bounds check of a slice are the same comparison,
//! which is what makes loads and stores fast. A region of map values may hold many blocks, at a
//! power-of-two distance in the address space; an access must lie inside one of them.
//!
//! Alignment is not checked: the kernel refuses misaligned stack accesses when it loads a program,
//! which is not known here. Bytes of the stack that were never written read as zero.

use super::{machine::CLOBBERED, trap::TrapReason};

/// Most nested calls in one program, its own frame included (`MAX_CALL_FRAMES`).
pub const FRAMES_MAX: usize = 8;
/// Most frames there can be at once: a tail call in a function lets its callers wait, and the next
/// program has as many frames of its own.
pub(super) const FRAMES_TOTAL: usize = FRAMES_MAX + 33 * (FRAMES_MAX - 1);
/// Bytes of stack that each frame has (`MAX_BPF_STACK`).
pub const STACK_BYTES: u64 = 512;

const OFFSET_BITS: u32 = 48;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
/// Bytes at least between two blocks in the address space: no 16-bit offset from inside one block,
/// or from one past its end, reaches another.
const GAP_BYTES: u64 = 1 << 16;

/// Region numbers that an address has room for.
const REGIONS_MAX: u64 = 1 << (64 - OFFSET_BITS);

/// Which region an address is in.
pub(super) mod region {
    /// Nothing: null and small numbers.
    pub(in crate::vm) const NULL: u64 = 0;
    /// The linear part of the packet.
    pub(in crate::vm) const PACKET: u64 = 2;
    /// `xdp_md` or `__sk_buff`; never plain memory.
    pub(in crate::vm) const CONTEXT: u64 = 3;
    /// Memory that the caller gave.
    pub(in crate::vm) const MEMORY: u64 = 4;
    /// Map objects: one address each, no bytes.
    pub(in crate::vm) const MAPS: u64 = 5;
    /// Program-local functions: one address each, no bytes.
    pub(in crate::vm) const FUNCTIONS: u64 = 6;
    /// The program's stack frame; those of the functions that it calls follow.
    pub(in crate::vm) const STACK: u64 = 8;
    /// Values of map 0; the others follow, and then the ring buffer records being written.
    pub(in crate::vm) const VALUES: u64 = 256;
}

const _: () = assert!(region::STACK + FRAMES_TOTAL as u64 <= region::VALUES);
const _: () = assert!(super::machine::TAIL_CALLS_MAX == 33);

/// What an access wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Read,
    /// To write.
    Write,
}

impl Access {
    fn verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.verb())
    }
}

/// Bytes that are accessed alike: one block, or many of one size.
#[derive(Clone, Debug, Default)]
pub(super) struct Region {
    /// The accessible bytes of a region of one block; empty if there are many.
    flat: Vec<u8>,
    many: Option<Box<Blocks>>,
}

/// Blocks of one size, at a power-of-two distance in the address space.
#[derive(Clone, Debug, Default)]
struct Blocks {
    /// All blocks, `stride` bytes apart.
    bytes: Vec<u8>,
    /// Distance of blocks in the address space, as a power of two.
    shift: u32,
    /// Bytes of a block that can be accessed.
    block_bytes: u64,
    /// Distance of blocks in `bytes`.
    stride: u64,
    /// How many blocks there are.
    count: u64,
}

impl Region {
    /// One block of this many zeros.
    pub(super) fn flat(bytes: u64) -> Self {
        Self { flat: vec![0; narrow(bytes)], many: None }
    }

    /// `count` blocks of `block_bytes` zeros, to which more can be added.
    pub(super) fn blocks(block_bytes: u64, count: u64) -> Self {
        // As the kernel does for array values.
        let stride = block_bytes.next_multiple_of(8);
        let shift = (stride + GAP_BYTES).next_power_of_two().trailing_zeros();
        let bytes = vec![0; narrow(stride * count)];
        let many = Blocks { bytes, shift, block_bytes, stride, count };
        Self { flat: Vec::new(), many: Some(Box::new(many)) }
    }

    /// Replace the bytes of a region of one block.
    pub(super) fn fill(&mut self, bytes: &[u8]) {
        self.flat.clear();
        self.flat.extend_from_slice(bytes);
    }

    /// The bytes of a region of one block.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.flat
    }

    /// Make all bytes zero.
    pub(super) fn clear(&mut self) {
        self.flat.fill(0);
        if let Some(many) = &mut self.many {
            many.bytes.fill(0);
        }
    }

    /// Bytes of each block.
    pub(super) fn block_bytes(&self) -> u64 {
        self.many.as_ref().map_or_else(|| widen(self.flat.len()), |many| many.block_bytes)
    }

    /// One more block of zeros; its index.
    ///
    /// # Panics
    ///
    /// If the region was made for one block.
    pub(super) fn grow(&mut self) -> u64 {
        let many = self.many.as_mut().expect("a region of many blocks");
        many.count += 1;
        many.bytes.resize(narrow(many.stride * many.count), 0);
        many.count - 1
    }

    /// Offset in the address space of the block with this index.
    pub(super) fn offset_of(&self, block: u64) -> u64 {
        self.many.as_ref().map_or(0, |many| block << many.shift)
    }

    /// The bytes of a block.
    pub(super) fn block(&self, block: u64) -> Option<&[u8]> {
        self.find(self.offset_of(block), self.block_bytes())
    }

    /// The bytes of a block, to write.
    pub(super) fn block_mut(&mut self, block: u64) -> Option<&mut [u8]> {
        self.find_mut(self.offset_of(block), self.block_bytes())
    }

    /// The `length` bytes at `offset`, if they lie inside one block.
    #[cold]
    fn find(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let Some(many) = &self.many else {
            let start = usize::try_from(offset).ok()?;
            return self.flat.get(start..start.checked_add(usize::try_from(length).ok()?)?);
        };
        let start = many.locate(offset, length)?;
        many.bytes.get(start..start + narrow(length))
    }

    /// The same, to write.
    #[cold]
    fn find_mut(&mut self, offset: u64, length: u64) -> Option<&mut [u8]> {
        let Some(many) = &mut self.many else {
            let start = usize::try_from(offset).ok()?;
            return self.flat.get_mut(start..start.checked_add(usize::try_from(length).ok()?)?);
        };
        let start = many.locate(offset, length)?;
        many.bytes.get_mut(start..start + narrow(length))
    }
}

impl Blocks {
    /// Where in `bytes` the `length` bytes at `offset` are, if they lie inside one block.
    fn locate(&self, offset: u64, length: u64) -> Option<usize> {
        let block = offset >> self.shift;
        let within = offset & ((1 << self.shift) - 1);
        if block >= self.count || length > self.block_bytes || within > self.block_bytes - length {
            return None;
        }
        Some(narrow(block * self.stride + within))
    }
}

/// A length as a 64-bit number.
#[inline(always)]
pub(super) fn widen(length: usize) -> u64 {
    u64::try_from(length).expect("a length has 64 bits at most")
}

/// A number that was compared with a length.
#[inline(always)]
pub(super) fn narrow(checked: u64) -> usize {
    usize::try_from(checked).expect("compared with a length")
}

/// The address of `offset` in the region with this number.
pub(super) const fn address(region: u64, offset: u64) -> u64 {
    (region << OFFSET_BITS).wrapping_add(offset)
}

/// Region number and offset of an address.
pub(super) const fn split(address: u64) -> (u64, u64) {
    (address >> OFFSET_BITS, address & OFFSET_MASK)
}

/// Is this what a call leaves in `r1` to `r5`, or at an offset from it?
fn is_destroyed(value: u64) -> bool {
    value.wrapping_sub(CLOBBERED).wrapping_add(1 << 15) < 1 << 16
}

/// The address space of one machine.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    regions: Vec<Region>,
    /// The packet behind its linear part: within reach of helpers only.
    fragments: Vec<u8>,
    /// Regions that are there for the whole run; those behind it come and go.
    fixed: usize,
}

impl Memory {
    /// Stack, packet and the rest, empty; the values of `map_values` behind them.
    pub(super) fn new(map_values: Vec<Region>) -> Self {
        let mut regions = vec![Region::default(); narrow(region::VALUES)];
        regions.extend(map_values);
        let fixed = regions.len();
        Self { regions, fragments: Vec::new(), fixed }
    }

    /// Start a run: packet and given memory in place, the stack of the program zero.
    pub(super) fn enter(&mut self, packet: &[u8], linear: usize, memory: &[u8]) {
        let (linear, fragments) = packet.split_at(linear.min(packet.len()));
        self.region_mut(region::PACKET).fill(linear);
        self.fragments.clear();
        self.fragments.extend_from_slice(fragments);
        self.region_mut(region::MEMORY).fill(memory);
        self.regions.truncate(self.fixed);
        self.clear_frame(0);
    }

    /// The region with this number.
    ///
    /// # Panics
    ///
    /// If there is none: numbers come from [`region`] and from the maps.
    pub(super) fn region(&self, number: u64) -> &Region {
        &self.regions[narrow(number)]
    }

    /// The region with this number, to change it; see [`region`](Self::region).
    pub(super) fn region_mut(&mut self, number: u64) -> &mut Region {
        &mut self.regions[narrow(number)]
    }

    /// A region of one block until the end of the run; its number, or nothing if there are too
    /// many for addresses.
    pub(super) fn borrow(&mut self, bytes: u64) -> Option<u64> {
        let number = widen(self.regions.len());
        if number >= REGIONS_MAX {
            return None;
        }
        self.regions.push(Region::flat(bytes));
        Some(number)
    }

    /// Take back a borrowed region, which can no longer be accessed; its bytes.
    pub(super) fn give_back(&mut self, number: u64) -> Vec<u8> {
        std::mem::take(&mut self.region_mut(number).flat)
    }

    /// Bytes of the whole packet, the fragments included.
    pub(super) fn packet_bytes(&self) -> u64 {
        widen(self.region(region::PACKET).flat.len() + self.fragments.len())
    }

    /// Make the first `length` bytes of the packet linear. Are there so many?
    pub(super) fn pull(&mut self, length: u64) -> bool {
        let linear = widen(self.region(region::PACKET).flat.len());
        if length <= linear {
            return true;
        }
        let Some(bytes) = self.packet(0, length) else { return false };
        self.region_mut(region::PACKET).fill(&bytes);
        self.fragments.drain(..narrow(length - linear));
        true
    }

    /// Bytes of the packet, which may lie in its fragments; nothing if they are not all there.
    pub(super) fn packet(&self, start: u64, length: u64) -> Option<Vec<u8>> {
        let linear = &self.region(region::PACKET).flat;
        let end = usize::try_from(start.checked_add(length)?).ok()?;
        let start = usize::try_from(start).ok()?;
        if end > linear.len() + self.fragments.len() {
            return None;
        }
        let cut = |at: usize| at.min(linear.len());
        let mut bytes = linear[cut(start)..cut(end)].to_vec();
        let behind = |at: usize| at.saturating_sub(linear.len());
        bytes.extend_from_slice(&self.fragments[behind(start)..behind(end)]);
        Some(bytes)
    }

    /// The frame pointer of the frame at this depth: one past its last byte.
    pub(super) fn frame_pointer(&self, depth: usize) -> u64 {
        address(region::STACK + widen(depth), STACK_BYTES)
    }

    /// Make the stack frame at this depth, or make it zero.
    pub(super) fn clear_frame(&mut self, depth: usize) {
        let frame = self.region_mut(region::STACK + widen(depth));
        if frame.flat.is_empty() {
            *frame = Region::flat(STACK_BYTES);
        } else {
            frame.clear();
        }
    }

    /// Read `N` bytes at `address`; nothing if they are not all inside one block.
    #[inline(always)]
    pub(super) fn load<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let (number, offset) = split(address);
        let region = self.regions.get(narrow(number))?;
        match region.flat.get(narrow(offset)..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => Some(*bytes),
            None => region.find(offset, widen(N))?.first_chunk().copied(),
        }
    }

    /// Write `N` bytes at `address`; nothing is written if they are not all inside one block.
    #[inline(always)]
    pub(super) fn store<const N: usize>(&mut self, address: u64, value: [u8; N]) -> Option<()> {
        let (number, offset) = split(address);
        let region = self.regions.get_mut(narrow(number))?;
        match region.flat.get_mut(narrow(offset)..).and_then(<[u8]>::first_chunk_mut) {
            Some(bytes) => *bytes = value,
            None => region.find_mut(offset, widen(N))?.copy_from_slice(&value),
        }
        Some(())
    }

    /// The `length` bytes at `address`, if they are all inside one block.
    pub(super) fn bytes(&self, address: u64, length: u64) -> Option<&[u8]> {
        let (number, offset) = split(address);
        self.regions.get(narrow(number))?.find(offset, length)
    }

    /// The `length` bytes at `address`, to write, if they are all inside one block.
    pub(super) fn bytes_mut(&mut self, address: u64, length: u64) -> Option<&mut [u8]> {
        let (number, offset) = split(address);
        self.regions.get_mut(narrow(number))?.find_mut(offset, length)
    }

    /// Why an access was refused.
    #[cold]
    pub(super) fn refusal(&self, access: Access, address: u64, bytes: u64) -> TrapReason {
        let place = self.describe(address);
        let available = self.nearest(address).map(|(number, _)| self.region(number).block_bytes());
        TrapReason::Memory { access, address, bytes, place, available: available.unwrap_or(0) }
    }

    /// The region that an address most likely belongs to, with the offset from its start: an
    /// address just below a region is taken as one before its start.
    pub(super) fn nearest(&self, address: u64) -> Option<(u64, i64)> {
        let (number, offset) = split(address);
        let offset = i64::try_from(offset).expect("48 bits");
        let (number, offset) = if offset >> (OFFSET_BITS - 1) == 0 {
            (number, offset)
        } else {
            (number + 1, offset - (1 << OFFSET_BITS))
        };
        let known = number != region::NULL && number < widen(self.regions.len());
        known.then_some((number, offset))
    }

    /// Where a value points to, in words, if it is the address of something.
    pub(super) fn place(&self, value: u64) -> Option<String> {
        let (number, _) = split(value);
        let known = number != region::NULL && number < widen(self.regions.len());
        (known || is_destroyed(value)).then(|| self.describe(value))
    }

    /// An address in words: `stack[0]-8`, `packet+62`, `map 1[3]+8`, or the number itself.
    pub(super) fn describe(&self, address: u64) -> String {
        if is_destroyed(address) {
            return "a register that a call has destroyed".to_owned();
        }
        let Some((number, offset)) = self.nearest(address) else {
            return format!("{address:#x}");
        };
        // Like the region, the block whose start is nearest.
        let (block, within) = match &self.region(number).many {
            Some(many) => {
                let block = (offset + (1 << (many.shift - 1))) >> many.shift;
                (block, offset - (block << many.shift))
            }
            None => (0, offset),
        };
        match number {
            region::PACKET => format!("packet{within:+}"),
            region::CONTEXT => format!("context{within:+}"),
            region::MEMORY => format!("memory{within:+}"),
            region::MAPS => format!("map {within}"),
            region::FUNCTIONS => format!("function at slot {within}"),
            region::STACK..region::VALUES => {
                let frame = number - region::STACK;
                match within - STACK_BYTES.cast_signed() {
                    0 => format!("stack[{frame}]"),
                    from_r10 => format!("stack[{frame}]{from_r10:+}"),
                }
            }
            region::VALUES.. if number >= widen(self.fixed) => format!("record{within:+}"),
            region::VALUES.. => {
                let map = number - region::VALUES;
                format!("map {map}[{block}]{within:+}")
            }
            _ => format!("{address:#x}"),
        }
    }
}
