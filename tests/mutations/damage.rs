//! The ways in which bytes go wrong on disks, in transfers and in writers.

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mutation {
    /// One bit is another.
    Flip,
    /// Everything from some byte on is lost.
    Cut,
    /// Two blocks have changed places.
    Swap,
    /// A block is full of zeros.
    Zero,
    /// A block comes twice.
    Duplicate,
}

pub(crate) const MUTATIONS: [Mutation; 5] =
    [Mutation::Flip, Mutation::Cut, Mutation::Swap, Mutation::Zero, Mutation::Duplicate];

/// Marsaglia's xorshift64: the same places in every run; times, keys and salts in dumps are others.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(format: &str, mutation: Mutation, case: usize) -> Self {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64 ^ (case as u64) << 8 ^ mutation as u64;
        for byte in format.bytes() {
            seed = seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
        }
        let mut random = Self(seed | 1);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// The damaged bytes; `None` where the damage changes nothing.
pub(crate) fn damage(bytes: &[u8], mutation: Mutation, random: &mut Random) -> Option<Vec<u8>> {
    if bytes.is_empty() {
        return None;
    }
    let mut out = bytes.to_vec();
    let block = [16, 64, 512][random.below(3)].min(bytes.len() / 4).max(1);
    let at = random.below((bytes.len() - block).max(1));
    match mutation {
        Mutation::Flip => out[at] ^= 1 << random.below(8),
        Mutation::Cut => out.truncate(at),
        Mutation::Swap => {
            let other = random.below((bytes.len() - block).max(1));
            let (low, high) = (at.min(other), at.max(other));
            let len = block.min(high - low);
            for step in 0..len {
                out.swap(low + step, high + step);
            }
        }
        Mutation::Zero => out[at..at + block].fill(0),
        Mutation::Duplicate => drop(out.splice(at..at, bytes[at..at + block].to_vec())),
    }
    (out != bytes).then_some(out)
}
