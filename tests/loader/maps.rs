//! Maps: create, read, write, walk.

use hardwire::{
    assembler::MapKind,
    loader::{Map, MapError, Update},
};

use super::{may_load, spec};

#[test]
fn every_kind_of_map_can_be_created_and_has_an_id() {
    if !may_load() {
        return;
    }
    for spec in [
        spec("a", MapKind::Array, 4, 8, 3),
        spec("b", MapKind::PerCpuArray, 4, 12, 3),
        spec("c", MapKind::Hash, 5, 7, 3),
        spec("d", MapKind::PerCpuHash, 5, 7, 3),
        spec("e", MapKind::LruHash, 4, 8, 16),
        spec("f", MapKind::RingBuf, 0, 0, 4096),
        spec("g.h_i", MapKind::ProgArray, 4, 4, 2),
    ] {
        let map = Map::create(&spec).unwrap_or_else(|e| panic!("{spec:?}: {e:?}"));
        assert!(map.id().expect("has one") > 0);
    }
}

#[test]
fn a_hash_map_keeps_what_was_put_in_and_forgets_what_was_deleted() {
    if !may_load() {
        return;
    }
    let map = Map::create(&spec("h", MapKind::Hash, 2, 3, 4)).expect("created");
    assert_eq!(map.lookup(b"k1").expect("asked"), None);
    map.update(b"k1", b"one", Update::New).expect("new");
    map.update(b"k2", b"two", Update::Any).expect("any");
    map.update(b"k2", b"TWO", Update::Existing).expect("existing");
    assert_eq!(map.lookup(b"k2").expect("asked").expect("there").value(), b"TWO");
    let mut keys = map.keys().expect("walked");
    keys.sort();
    assert_eq!(keys, [b"k1", b"k2"]);
    assert!(map.update(b"k1", b"uno", Update::New).is_err(), "k1 exists");
    assert!(map.update(b"k3", b"tre", Update::Existing).is_err(), "k3 does not exist");
    assert!(map.delete(b"k1").expect("asked"));
    assert!(!map.delete(b"k1").expect("asked"));
    assert_eq!(map.keys().expect("walked"), [b"k2"]);
}

#[test]
fn each_cpu_keeps_its_own_value_of_a_key() {
    if !may_load() {
        return;
    }
    let map = Map::create(&spec("h", MapKind::PerCpuHash, 2, 3, 4)).expect("created");
    let values: Vec<String> = (0..map.cpus()).map(|cpu| format!("{cpu:03}")).collect();
    map.update_per_cpu(b"k1", |cpu| values[cpu].as_bytes(), Update::Any).expect("set");
    let got = map.lookup(b"k1").expect("asked").expect("there");
    let got: Vec<&[u8]> = got.entry(0).collect();
    assert_eq!(got, values.iter().map(String::as_bytes).collect::<Vec<_>>());
}

#[test]
fn a_key_or_value_of_the_wrong_length_never_reaches_the_kernel() {
    if !may_load() {
        return;
    }
    let map = Map::create(&spec("h", MapKind::Hash, 2, 3, 4)).expect("created");
    assert!(map.lookup(b"k").is_err());
    assert!(map.lookup(b"key").is_err());
    assert!(map.delete(b"").is_err());
    assert!(map.next_key(Some(b"key")).is_err());
    let e = map.update(b"k1", b"four", Update::Any).expect_err("too long");
    assert_eq!(e.to_string(), "map \"h\" has values of 3 bytes, not 4");
    assert_eq!(map.keys().expect("walked"), Vec::<Vec<u8>>::new());
}

#[test]
fn an_array_is_read_whole_with_a_value_for_each_cpu() {
    if !may_load() {
        return;
    }
    // 12 bytes: the kernel pads each CPU's value to 16. 5000 entries: more than one batch.
    for kind in [MapKind::Array, MapKind::PerCpuArray] {
        let map = Map::create(&spec("a", kind, 4, 12, 5000)).expect("created");
        let values: Vec<Vec<u8>> =
            (0..map.cpus()).map(|cpu| format!("value of {cpu:3}").into_bytes()).collect();
        for at in [0_u32, 17, 4095, 4096, 4999] {
            map.update_per_cpu(&at.to_ne_bytes(), |cpu| &values[cpu], Update::Any).expect("set");
        }
        let all = map.read_array().expect("read");
        assert_eq!(all.entries(), 5000);
        for at in 0..5000 {
            let got: Vec<&[u8]> = all.entry(at).collect();
            assert_eq!(got.len(), map.cpus());
            if [0, 17, 4095, 4096, 4999].contains(&at) {
                assert_eq!(got, values, "{kind:?} {at}");
            } else {
                assert!(got.iter().all(|v| *v == [0; 12]), "{kind:?} {at}");
            }
        }
        assert_eq!(all.entry(5000).count(), 0);
        assert!(map.reads_in_batches().is_some(), "{kind:?}");
        assert!(map.delete(&0_u32.to_ne_bytes()).is_err(), "an array's entries always exist");
    }
}

#[test]
fn what_the_kernel_does_not_take_as_a_map_is_named() {
    for (spec, want) in [
        (spec("no/slash", MapKind::Array, 4, 8, 1), "map name \"no/slash\": at most 15 letters"),
        (spec("sixteen_letters_", MapKind::Array, 4, 8, 1), "at most 15 letters"),
        (spec("a", MapKind::Array, 3, 8, 1), "creating map \"a\" (array, 1 entries, keys of 3"),
        (spec("a", MapKind::PerCpuHash, 4, u32::MAX, u32::MAX), "4294967295 entries"),
        (spec("a", MapKind::RingBuf, 0, 0, 5000), "creating map \"a\" (ringbuf, 5000 entries"),
    ] {
        let e = Map::create(&spec).expect_err("refused");
        assert!(e.to_string().contains(want), "{e}");
        assert!(!e.to_string().contains('\n'));
    }
    if may_load() {
        let hash = Map::create(&spec("h", MapKind::Hash, 4, 4, 1)).expect("created");
        assert!(matches!(hash.read_array(), Err(MapError::NotAnArray { .. })));
    }
}
