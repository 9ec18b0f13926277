//! Every form of instruction, one program each: our text of it is the verifier's.
//!
//! Method: a program sets up registers and memory, runs the form, and then reads a register that
//! nobody wrote. The verifier rejects it there, and its log says how it got there, one line an
//! instruction, by the same function that `bpftool prog dump xlated` prints with.

use hardwire::{
    assembler::{Insn, disasm::Code, insn::Callee, parse::parse},
    loader::{LoadOptions, Program, btf, host},
};

use crate::{
    instructions::{forms, program, since},
    may_load, traced,
};

/// What the verifier says about the program with `form` in it.
fn log_of(form: Insn) -> (u32, String) {
    let (slot, image) = program(form, true);
    match Program::load(&image, &LoadOptions::default()) {
        Ok(_) => panic!("{form}: it must not load"),
        Err(error) => {
            let log = error.verifier_log().map(|log| log.whole.clone());
            (slot, log.unwrap_or_else(|| panic!("{form}: {error}")))
        }
    }
}

#[test]
fn the_text_of_every_form_is_the_verifiers() {
    if !may_load() {
        return;
    }
    let running = host::version().expect("a version");
    let (mut wrong, mut unknown, mut same) = (Vec::new(), Vec::new(), 0);
    for form in forms() {
        let ours = Code::Insn(form).to_string();
        assert_eq!(parse(&ours), Ok(vec![Code::Insn(form)]), "read back");
        let (slot, log) = log_of(form);
        match traced(&log).get(&slot) {
            Some(theirs) if *theirs == ours => same += 1,
            Some(theirs) => wrong.push(format!("ours {ours}, the kernel's {theirs}")),
            None if since(&form).is_some_and(|since| running < since) => unknown.push(ours),
            None => wrong.push(format!("{ours} was not visited: {log}")),
        }
    }
    eprintln!("{same} forms read as in the log; not in {running}: {}", unknown.join(", "));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(same > 200, "{same}");
}

/// The log calls a kernel function by its name, which our text of it leaves to the reader.
#[test]
fn a_kernel_function_is_read_as_the_log_prints_it() {
    if !may_load() {
        return;
    }
    let name = "bpf_rcu_read_lock";
    let Ok(Some(btf_id)) = btf::function_id(name) else {
        crate::skip("this kernel has no such function, or does not tell its types");
        return;
    };
    let btf_id = i32::try_from(btf_id).expect("few types");
    let call = Insn::Call(Callee::Kfunc { btf_id, module: 0 });
    let (slot, log) = log_of(call);
    let log = traced(&log);
    let theirs = log.get(&slot).expect("visited");
    assert_eq!(*theirs, format!("(85) call {name}#{btf_id}"));
    assert_eq!(parse(theirs), Ok(vec![Code::Insn(call)]));
}
