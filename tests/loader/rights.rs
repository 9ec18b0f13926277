//! What a process with fewer capabilities is told. This program runs itself again with a smaller
//! bounding set.

use std::{
    os::fd::{AsFd, AsRawFd},
    process::Command,
};

use hardwire::{
    assembler::{Alu, Insn, ProgramKind, Reg::R0, Reg::R1, Reg::R2, Reg::R3, Size},
    loader::{LoadOptions, Map, Program, features},
};

use super::{
    confined::{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, bounded_to},
    image, may_load, returning, spec,
};

/// Prints what the process with fewer rights finds, a fact a line.
#[test]
#[ignore = "the other test runs it with fewer rights"]
fn child() {
    for feature in features::ALL {
        println!("fact {}: {}", feature.name, feature.support().name());
    }
    match features::target() {
        Ok(target) => println!(
            "fact target: may_goto {} perfmon {} xdp_frags {} slots {}",
            target.may_goto, target.perfmon, target.xdp_frags, target.slots_max
        ),
        Err(e) => println!("fact target: {e}; {}", e.hint().unwrap_or_default()),
    }
    match Map::create(&spec("m", hardwire::assembler::MapKind::Hash, 4, 4, 1)) {
        Ok(_) => println!("fact map: created"),
        Err(e) => println!("fact map: {e}; {}", e.hint().unwrap_or_default()),
    }
    let difference = image(ProgramKind::Xdp, |asm| {
        asm.emit(Size::W.load(R2, R1, 0));
        asm.emit(Size::W.load(R3, R1, 4));
        asm.emit(Alu::Sub.reg(R3, R2));
        asm.emit(Alu::Mov.imm(R0, 2));
        asm.emit(Insn::exit());
    });
    for (what, image) in [("xdp", returning(2)), ("difference", difference)] {
        match Program::load(&image, &LoadOptions::default()) {
            Ok(_) => println!("fact {what}: loaded"),
            Err(e) => println!("fact {what}: {e}; {}", e.hint().unwrap_or_default()),
        }
    }
}

/// The facts that a process with these capabilities only finds.
fn facts(capabilities: &'static [u32]) -> Vec<(String, String)> {
    let mut command = Command::new(std::env::current_exe().expect("known"));
    command.args(["rights::child", "--exact", "--ignored", "--nocapture"]);
    bounded_to(&mut command, capabilities);
    let run = command.output().expect("runs");
    let text = String::from_utf8(run.stdout).expect("text");
    assert!(run.status.success(), "{text}\n{}", String::from_utf8_lossy(&run.stderr));
    let facts = text.lines().filter_map(|l| l.split_once("fact ")?.1.split_once(": "));
    facts.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn a_process_with_fewer_rights_is_told_what_is_missing() {
    if !may_load() {
        return;
    }
    // (capabilities, [(fact, beginning, part)])
    type Expected = &'static [(&'static str, &'static str, &'static str)];
    let cases: &[(&'static [u32], Expected)] = &[
        (
            &[],
            &[
                ("may_goto", "unknown", ""),
                ("xdp_frags", "unknown", ""),
                ("ringbuf", "unknown", ""),
                (
                    "target",
                    "probing the kernel is not permitted: missing CAP_BPF",
                    "`setcap cap_bpf,cap_net_admin,cap_perfmon+ep $(which hardwire)`",
                ),
                ("map", "creating map \"m\" (hash, 1 entries", "`setcap cap_bpf+ep"),
                (
                    "xdp",
                    "loading xdp program \"test\" is not permitted: missing CAP_BPF and CAP_NET_ADMIN",
                    "`setcap cap_bpf,cap_net_admin+ep $(which hardwire)`",
                ),
            ],
        ),
        (
            &[CAP_BPF],
            &[
                ("isa_v3", "yes", ""),
                ("perfmon", "no", ""),
                ("xdp_frags", "unknown", ""),
                ("xdp_link", "unknown", ""),
                ("test_run_socket", "yes", ""),
                ("test_run_xdp", "unknown", ""),
                ("target", "may_goto", "perfmon false xdp_frags false slots 1000000"),
                ("map", "created", ""),
                ("xdp", "loading xdp program", "missing CAP_NET_ADMIN"),
            ],
        ),
        (
            &[CAP_BPF, CAP_NET_ADMIN],
            &[
                ("perfmon", "no", ""),
                ("test_run_xdp", "yes", ""),
                ("xdp_link", "yes", ""),
                ("target", "may_goto", "perfmon false"),
                ("xdp", "loaded", ""),
                ("difference", "the verifier rejected program", "needs CAP_PERFMON"),
            ],
        ),
        (
            &[CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON],
            &[("perfmon", "yes", ""), ("difference", "loaded", "")],
        ),
    ];
    for (capabilities, expected) in cases {
        if capabilities.is_empty() && features::unprivileged_bpf_disabled() == Some(0) {
            eprintln!("not looked at: everybody may load socket filters here");
            continue;
        }
        let facts = facts(capabilities);
        for (name, beginning, part) in *expected {
            let fact = facts.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
            let good = fact.is_some_and(|v| v.starts_with(beginning) && v.contains(part));
            assert!(good, "with {capabilities:?} {name} is {fact:?}");
        }
    }
}

/// Loads a program with a map in a process whose descriptor 0 is free, so that the kernel hands it
/// out.
#[test]
#[ignore = "the other test runs it in a process of its own"]
fn child_without_stdin() {
    nix::unistd::close(0).expect("open until now");
    let image = image(ProgramKind::Xdp, |asm| {
        let map = asm.map(spec("m", hardwire::assembler::MapKind::Array, 4, 8, 1));
        asm.load_map_value(R1, map, 0);
        asm.emit(Size::DW.store_imm(R1, 0, 7));
        asm.emit(Alu::Mov.imm(R0, 2));
        asm.emit(Insn::exit());
    });
    let program = Program::load(&image, &LoadOptions::default()).expect("loads");
    let run = hardwire::loader::test_run::run(&program, &[0; 60], 1, false).expect("runs");
    let value = program.maps()[0].lookup(&[0; 4]).expect("read").expect("there");
    println!("fact run: {} {}", run.retval, value.value()[0]);
    let numbers = [program.as_fd().as_raw_fd(), program.maps()[0].as_fd().as_raw_fd()];
    println!("fact above zero: {}", numbers.iter().all(|&n| n > 0));
}

#[test]
fn a_process_whose_descriptor_zero_is_free_never_gives_it_to_the_kernel() {
    if !may_load() {
        return;
    }
    let run = Command::new(std::env::current_exe().expect("known"))
        .args(["rights::child_without_stdin", "--exact", "--ignored", "--nocapture"])
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{text}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(text.contains("fact run: 2 7") && text.contains("fact above zero: true"), "{text}");
}
