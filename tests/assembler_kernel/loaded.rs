//! Programs of the kernel as text: what `disasm --id` shows.

use hardwire::{
    assembler::parse::{Assembled, assemble, parse},
    loader::{LoadOptions, Program},
};

use crate::may_load;

const TEXT: &str = "
.program shown socket_filter
.map numbers array key 4 value 16 entries 1
.function main
    r6 = r1
    r1 = map[numbers][0]+8
    r2 = *(u64 *)(r1 +0)
    r1 = 0x1122334455667788
    call bpf_ktime_get_ns
    r1 = r6
    call twice
    w0 = w0
    exit
.function twice
    r0 = 2
    exit
";

fn loaded() -> Program {
    let image = assemble(TEXT).and_then(Assembled::image).expect("a program");
    Program::load(&image, &LoadOptions::default()).expect("it loads")
}

#[test]
fn a_loaded_program_is_shown_with_the_kernels_names() {
    if !may_load() {
        return;
    }
    let program = loaded();
    let lines = program.xlated_lines().expect("the kernel shows it");
    let map = program.info().expect("its own program").map_ids[0];
    let text: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(text[..2], ["(bf) r6 = r1", &format!("(18) r1 = map[id:{map}][0]+8")]);
    assert_eq!(lines[2].slot, 3, "a wide instruction has two slots");
    assert!(text.contains(&"(18) r1 = 0x1122334455667788"), "{text:?}");
    let names_hidden = text.iter().any(|line| line.starts_with("(85) call unknown#"));
    let ktime = text.iter().any(|line| line.starts_with("(85) call bpf_ktime_get"));
    assert!(ktime || names_hidden, "{text:?}");
    let local = text.iter().find(|line| line.starts_with("(85) call pc+")).expect("the call");
    assert!(local.starts_with("(85) call pc+2"), "{local}");
    for line in &text {
        assert!(parse(line).is_ok_and(|codes| codes.len() == 1), "{line} is read back");
    }
}

#[test]
fn machine_code_is_shown_function_by_function() {
    if !may_load() {
        return;
    }
    let program = loaded();
    let jited = program.jited().expect("its own program");
    if jited.told_bytes == 0 {
        eprintln!("skipped: this kernel interprets programs");
        return;
    }
    assert_eq!(jited.functions.len(), 2);
    let bytes: usize = jited.functions.iter().map(|function| function.bytes.len()).sum();
    assert!(bytes > 0 && bytes <= usize::try_from(jited.told_bytes).expect("u32 fits"));
    if let Some(name) = &jited.functions[0].name {
        assert!(name.starts_with("bpf_prog_"), "{name}");
        assert!(jited.functions[0].address.is_some());
    }
}
