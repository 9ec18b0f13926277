//! The address space: regions at synthetic addresses, each access checked over its whole range.
//!
//! An address is a region number in the upper 16 bits and an offset in the lower 48, so pointers
//! are ordinary 64-bit numbers, arithmetic on them works, and a pointer that leaves its region
//! never reaches another one's bytes. A region holds one or more *blocks* (stack frames, map
//! values) at a power-of-two distance in the address space: an access must lie inside one block.
//!
//! Alignment is not checked: the kernel refuses misaligned stack accesses when it loads a program,
//! which is not known here. Bytes of the stack that were never written read as zero.

use super::trap::TrapReason;

/// Most nested calls, the program's own frame included (`MAX_CALL_FRAMES`).
pub const FRAMES_MAX: usize = 8;
/// Bytes of stack that each frame has (`MAX_BPF_STACK`).
pub const STACK_BYTES: u64 = 512;

const OFFSET_BITS: u32 = 48;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
/// Bytes at least between two blocks in the address space: no 16-bit offset from inside one block,
/// or from one past its end, reaches another.
const GAP_BYTES: u64 = 1 << 16;

/// Which region an address is in.
pub(super) mod region {
    /// Nothing: null and small numbers.
    pub(in crate::vm) const NULL: u64 = 0;
    /// Stack frames.
    pub(in crate::vm) const STACK: u64 = 1;
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
    /// Values of map 0; the others follow.
    pub(in crate::vm) const VALUES: u64 = 8;
}

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

/// Blocks of bytes of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Region {
    /// All blocks, `stride` bytes apart.
    pub(super) bytes: Vec<u8>,
    /// Distance of blocks in the address space, as a power of two.
    shift: u32,
    /// Bytes of a block that can be accessed.
    pub(super) block_bytes: u64,
    /// Distance of blocks in `bytes`.
    pub(super) stride: u64,
    /// How many blocks there are.
    pub(super) blocks: u64,
}

impl Region {
    /// `blocks` blocks of `block_bytes` zeros, each rounded up to 8 bytes as the kernel does.
    pub(super) fn blocks(block_bytes: u64, blocks: u64) -> Self {
        let stride = block_bytes.next_multiple_of(8);
        let shift = (stride + GAP_BYTES).next_power_of_two().trailing_zeros();
        let bytes = vec![0; narrow(stride * blocks)];
        Self { bytes, shift, block_bytes, stride, blocks }
    }

    /// One more block of zeros; its index.
    pub(super) fn grow(&mut self) -> u64 {
        self.blocks += 1;
        self.bytes.resize(narrow(self.stride * self.blocks), 0);
        self.blocks - 1
    }

    /// Offset in the address space of the block with this index.
    pub(super) fn offset_of(&self, block: u64) -> u64 {
        if self.shift == OFFSET_BITS { 0 } else { block << self.shift }
    }

    /// The bytes of a block.
    pub(super) fn block(&self, block: u64) -> Option<&[u8]> {
        let start = self.locate(self.offset_of(block), self.block_bytes)?;
        self.bytes.get(start..start + narrow(self.block_bytes))
    }

    /// The bytes of a block, to write.
    pub(super) fn block_mut(&mut self, block: u64) -> Option<&mut [u8]> {
        let start = self.locate(self.offset_of(block), self.block_bytes)?;
        self.bytes.get_mut(start..start + narrow(self.block_bytes))
    }

    /// Where in `bytes` the `length` bytes at `offset` are, if they lie inside one block.
    #[inline(always)]
    fn locate(&self, offset: u64, length: u64) -> Option<usize> {
        let block = offset >> self.shift;
        let within = offset & ((1 << self.shift) - 1);
        if block >= self.blocks || length > self.block_bytes || within > self.block_bytes - length {
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

/// The address space of one machine.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) regions: Vec<Region>,
}

impl Memory {
    /// Stack, packet and the rest, empty; the values of `map_values` behind them.
    pub(super) fn new(map_values: Vec<Region>) -> Self {
        let mut regions = vec![Region::default(); narrow(region::VALUES)];
        let frames = widen(FRAMES_MAX);
        regions[narrow(region::STACK)] = Region::blocks(STACK_BYTES, frames);
        regions.extend(map_values);
        Self { regions }
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

    /// Replace the bytes of a single-block region, of which `readable` can be accessed.
    pub(super) fn fill(&mut self, number: u64, bytes: &[u8], readable: usize) {
        let to = self.region_mut(number);
        to.bytes.clear();
        to.bytes.extend_from_slice(bytes);
        to.shift = OFFSET_BITS;
        to.block_bytes = widen(readable.min(bytes.len()));
        to.stride = to.block_bytes;
        to.blocks = 1;
    }

    /// The frame pointer of the frame at this depth: one past its last byte.
    pub(super) fn frame_pointer(&self, depth: usize) -> u64 {
        let start = self.region(region::STACK).offset_of(widen(depth));
        address(region::STACK, start + STACK_BYTES)
    }

    /// Zero the stack frame at this depth.
    pub(super) fn clear_frame(&mut self, depth: usize) {
        if let Some(frame) = self.region_mut(region::STACK).block_mut(widen(depth)) {
            frame.fill(0);
        }
    }

    /// Read `N` bytes at `address`; nothing if they are not all inside one block.
    #[inline(always)]
    pub(super) fn load<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let (number, offset) = split(address);
        let region = self.regions.get(narrow(number))?;
        let start = region.locate(offset, widen(N))?;
        region.bytes.get(start..)?.first_chunk().copied()
    }

    /// Write `N` bytes at `address`; nothing is written if they are not all inside one block.
    #[inline(always)]
    pub(super) fn store<const N: usize>(&mut self, address: u64, value: [u8; N]) -> Option<()> {
        let (number, offset) = split(address);
        let region = self.regions.get_mut(narrow(number))?;
        let start = region.locate(offset, widen(N))?;
        *region.bytes.get_mut(start..)?.first_chunk_mut()? = value;
        Some(())
    }

    /// The `length` bytes at `address`, if they are all inside one block.
    pub(super) fn bytes(&self, address: u64, length: u64) -> Option<&[u8]> {
        let (number, offset) = split(address);
        let region = self.regions.get(narrow(number))?;
        let start = region.locate(offset, length)?;
        region.bytes.get(start..start + narrow(length))
    }

    /// The `length` bytes at `address`, to write, if they are all inside one block.
    pub(super) fn bytes_mut(&mut self, address: u64, length: u64) -> Option<&mut [u8]> {
        let (number, offset) = split(address);
        let region = self.regions.get_mut(narrow(number))?;
        let start = region.locate(offset, length)?;
        region.bytes.get_mut(start..start + narrow(length))
    }

    /// Why an access was refused.
    #[cold]
    pub(super) fn refusal(&self, access: Access, address: u64, bytes: u64) -> TrapReason {
        let place = self.describe(address);
        let readable = self.nearest(address).map(|(number, _)| self.region(number).block_bytes);
        TrapReason::Memory { access, address, bytes, place, available: readable.unwrap_or(0) }
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

    /// An address in words: `stack[0]-8`, `packet+62`, `map 1[3]+8`, or the number itself.
    pub(super) fn describe(&self, address: u64) -> String {
        let Some((number, offset)) = self.nearest(address) else {
            return format!("{address:#x}");
        };
        let shift = self.region(number).shift;
        // Like the region, the block whose start is nearest.
        let (block, within) = if (1..OFFSET_BITS).contains(&shift) {
            let block = (offset + (1 << (shift - 1))) >> shift;
            (block, offset - (block << shift))
        } else {
            (0, offset)
        };
        match number {
            region::STACK => {
                let from_r10 = within - STACK_BYTES.cast_signed();
                if from_r10 == 0 {
                    format!("stack[{block}]")
                } else {
                    format!("stack[{block}]{from_r10:+}")
                }
            }
            region::PACKET => format!("packet{within:+}"),
            region::CONTEXT => format!("context{within:+}"),
            region::MEMORY => format!("memory{within:+}"),
            region::MAPS => format!("map {within}"),
            region::FUNCTIONS => format!("function at slot {within}"),
            region::VALUES.. => {
                let map = number - region::VALUES;
                format!("map {map}[{block}]{within:+}")
            }
            _ => format!("{address:#x}"),
        }
    }
}
