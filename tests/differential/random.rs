//! Random numbers that a seed repeats (splitmix64, Steele et al. 2014).

/// The state.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of program `index` under `seed`.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        let mut mixed = Self(seed);
        let start = mixed.next().wrapping_add(index.wrapping_mul(0xd134_2543_de82_ef95));
        Self(start)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("64 bits");
        usize::try_from(self.next() % limit).expect("below a usize")
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of `all`.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A 64-bit number where arithmetic has its edges, more often than elsewhere.
    pub(crate) fn edge(&mut self) -> u64 {
        let any = self.next();
        let bit = any >> 58;
        match self.below(8) {
            0 => any % 70,
            1 => (any % 70).wrapping_neg(),
            2 => 1 << bit,
            3 => (1 << bit) - 1,
            4 => (1_u64 << bit).wrapping_neg(),
            5 => self.pick(&[0xffff_ffff, 0x8000_0000, 0x8000_0000_ffff_ffff, 1 << 63, u64::MAX]),
            6 => any >> 32,
            _ => any,
        }
    }

    /// The same of 32 bits.
    pub(crate) fn edge32(&mut self) -> i32 {
        let [a, b, c, d, ..] = self.edge().to_le_bytes();
        i32::from_le_bytes([a, b, c, d])
    }
}
