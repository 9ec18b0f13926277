//! Programs from objects that clang made (tests/objects), in the kernel.

use hardwire::{
    assembler::{KernelVersion, ProgramKind, elf},
    loader::{LoadOptions, Object, Program, host, test_run},
    vm::{Context, Machine},
};

use super::may_load;

const MAPS: &[u8] = include_bytes!("../objects/maps.o");
const LEGACY: &[u8] = include_bytes!("../objects/legacy.o");
const CALLS: &[u8] = include_bytes!("../objects/calls.o");
const KERNEL: &[u8] = include_bytes!("../objects/kernel.o");

fn load(file: &[u8], name: &str) -> Program {
    let image = Object::read(file).expect("an object").image(Some(name), None).expect("links");
    let program = Program::load(&image, &LoadOptions::default()).expect("loads");
    assert!(program.without_types().is_none(), "{:?}", program.without_types());
    assert!(program.info().expect("known").lines > 0);
    program
}

/// A UDP datagram to this port: Ethernet, IPv4 without options, UDP.
fn frame(port: u16) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14] = 0x45;
    frame[23] = 17;
    frame[36..38].copy_from_slice(&port.to_be_bytes());
    frame
}

#[test]
fn constants_variables_and_maps_of_an_object_are_what_its_source_says() {
    if !may_load() {
        return;
    }
    let program = load(MAPS, "by_port");
    let verdict = |port| test_run::run(&program, &frame(port), 1, false).expect("runs").retval;
    assert_eq!((verdict(7000), verdict(7001), verdict(7000)), (1, 2, 1));
    let map = |name: &str| program.maps().iter().find(|m| m.spec().name == name).expect("there");
    let value = |name: &str| map(name).lookup(&[0; 4]).expect("read").expect("there");
    assert_eq!(value(".data").value(), 43_u32.to_ne_bytes(), "40 and three frames");
    assert_eq!(value(".rodata").value(), 7000_u32.to_ne_bytes());
    assert_eq!(map("seen").keys().expect("read").len(), 2);
    let counts = map("counters").read_array().expect("read");
    let sum: u64 = counts.entry(1).map(|v| u64::from_ne_bytes(v.try_into().expect("8"))).sum();
    assert_eq!(sum, 2);
    let error = map(".rodata").update(&[0; 4], &[0; 4], hardwire::loader::Update::Any);
    assert!(error.is_err(), "constants are frozen");
}

#[test]
fn every_program_of_the_objects_loads_and_runs() {
    if !may_load() {
        return;
    }
    for (file, name) in [(MAPS, "all"), (CALLS, "second"), (LEGACY, "protocol"), (KERNEL, "plain")]
    {
        let program = load(file, name);
        let run = test_run::run(&program, &frame(7000), 1, false).expect("runs");
        // `second` compares what depends on the CPU.
        assert!([1, 2, 0xffff].contains(&run.retval), "{name}: {}", run.retval);
    }
    // It calls bpf_loop.
    if host::version().expect("known") < KernelVersion::new(5, 17) {
        return;
    }
    let first = load(CALLS, "first");
    let retval = test_run::run(&first, &frame(1), 1, false).expect("runs").retval;
    assert!(matches!(retval, 1 | 2), "{retval}");
}

#[test]
fn the_kernel_and_the_vm_agree_on_programs_from_objects() {
    if !may_load() {
        return;
    }
    let image = Object::read(MAPS).expect("an object").image(Some("by_port"), None).expect("links");
    let program = Program::load(&image, &LoadOptions::default()).expect("loads");
    let mut machine = Machine::new(&image).expect("fits");
    for port in [0, 6999, 7000, 7001, 65_535] {
        let kernel = test_run::run(&program, &frame(port), 1, false).expect("runs").retval;
        let vm = machine.run(Context::xdp(&frame(port), 60, 1)).expect("runs");
        assert_eq!(vm, u64::from(kernel), "port {port}");
    }
}

#[test]
fn what_was_read_and_written_again_loads_as_well() {
    if !may_load() {
        return;
    }
    // Data sections have no way back; everything else has.
    for (file, name) in [(CALLS, "first"), (LEGACY, "protocol")] {
        let image = Object::read(file).expect("an object").image(Some(name), None).expect("links");
        let again = elf::write(&image).expect("an object");
        let again = Object::read(&again).expect("an object");
        let image = again.image(None, Some(ProgramKind::SocketFilter)).expect("links");
        if name == "protocol" {
            Program::load(&image, &LoadOptions::default()).expect("loads");
        }
        assert!(image.functions().len() > usize::from(name == "first"));
    }
}
