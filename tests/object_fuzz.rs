//! What the fuzz targets for objects do, on objects that clang made and that were damaged.

#[path = "../fuzz/objects.rs"]
mod objects;

use proptest::prelude::*;

const SEEDS: [&[u8]; 4] = [
    include_bytes!("objects/maps.o"),
    include_bytes!("objects/legacy.o"),
    include_bytes!("objects/calls.o"),
    include_bytes!("objects/kernel.o"),
];

#[test]
fn whole_objects_hold_what_the_targets_assert() {
    SEEDS.into_iter().for_each(objects::elf);
}

proptest! {
    #[test]
    fn damaged_objects_are_answered(
        seed in prop::sample::select(SEEDS.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>(), 0..3_u8), 1..8),
    ) {
        let mut file = seed.to_vec();
        for (at, value, width) in changes {
            let at = at.index(file.len());
            let width = (1 << width).min(file.len() - at);
            file[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        objects::elf(&file);
    }

    #[test]
    fn any_types_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        objects::btf(&bytes);
        // With a header that is believed.
        let mut types = vec![bytes.first().copied().unwrap_or(0), 0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
        types.extend(bytes);
        objects::btf(&types);
    }
}
