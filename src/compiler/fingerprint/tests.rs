use super::*;

fn random(
    seed: u64,
    count: usize,
    len: std::ops::Range<usize>,
    bytes: std::ops::Range<u8>,
) -> Vec<Vec<u8>> {
    let mut state = seed;
    let mut next = move |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    (0..count)
        .map(|_| {
            let len = len.start + next(len.len());
            (0..len)
                .map(|_| bytes.start + u8::try_from(next(bytes.len())).expect("a byte"))
                .collect()
        })
        .collect()
}

fn words(literals: &[Vec<u8>]) -> Vec<Word<'_>> {
    literals.iter().map(|bytes| Word { bytes, ignore_case: false }).collect()
}

/// Whatever the literals are: each is alone or in exactly one table, and there once for each
/// remainder, in the slot that its gram hashes to.
fn check(words: &[Word<'_>], plan: &Plan) {
    let mut found = plan.alone.clone();
    for table in &plan.tables {
        found.extend(table.words());
        let mut remainders = std::collections::BTreeSet::new();
        for slot in &table.slots {
            assert!(!table.signed || slot.byte < 0x80);
            for member in &slot.members {
                let bytes = words[member.word].bytes;
                let bytes = if table.folds { folded(bytes) } else { bytes.to_vec() };
                let gram = &bytes[member.at..member.at + table.look.span()];
                assert_eq!(gram[table.look.check], slot.byte);
                assert_eq!(
                    slot_of(table.look.gram(gram), table.multiplier, table.bits),
                    slot.number
                );
                assert!(remainders.insert((member.word, member.at % table.stride)), "twice");
            }
        }
        assert_eq!(remainders.len(), table.words().len() * table.stride);
    }
    found.sort_unstable();
    assert_eq!(found, (0..words.len()).collect::<Vec<_>>());
}

#[test]
fn every_literal_is_alone_or_in_one_table_with_one_gram_for_each_remainder() {
    for (count, len, bytes) in [
        (1, 1..2, 0..255),
        (10, 8..17, 32..126),
        (40, 1..9, 97..100),
        (30, 3..9, 128..255),
        (30, 1..30, 0..255),
        (300, 4..8, 32..126),
    ] {
        let literals = random(7, count, len, bytes);
        let words = words(&literals);
        let plan = plan(&words, 440, |_| 97.0);
        check(&words, &plan);
    }
}
