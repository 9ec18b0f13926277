//! Objects on the command line: what clang made (tests/objects), and what we write.

use serde_json::Value;

use crate::{File, may_attach, run};

fn object(name: &str) -> String {
    format!("{}/tests/objects/{name}.o", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn disasm_shows_symbols_lines_and_what_is_filled_in() {
    let text = run(["disasm", &object("maps")]).clean();
    for part in [
        "; licence \"Dual MIT/GPL\", with types (BTF): 3 functions",
        "; program by_port in xdp, 45 slots",
        "; map seen: hash, key 8, value 8, entries 128, flags 0x1",
        "section xdp\nby_port:\n; maps.c:45: u8 *data",
        "   2: (18) r3 = 0x0                            ; frames\n",
        "(85) call pc-1                           ; count\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let lines = run(["disasm", "--json", &object("maps")]).clean();
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().any(|line| line["refers_to"] == "count" && line["section"] == "xdp"));
    assert_eq!(lines[0]["function"], "count");
    // What takes the running kernel can be looked at all the same.
    let text = run(["disasm", &object("kernel")]).clean();
    assert!(text.contains("1 places depend") && text.contains("; bpf_get_unknown"), "{text}");
}

#[test]
fn a_program_of_an_object_takes_every_form() {
    let maps = object("maps");
    let of = |more: &[&str]| run(["disasm", &maps, "--program", "all"].iter().chain(more)).clean();
    let text = of(&["--labels"]);
    assert!(text.contains(".program all xdp frags") && text.contains(".function count"), "{text}");
    assert!(text.contains("r1 = map[counters]"), "{text}");
    let slots = of(&["--emit", "hex"]).split_whitespace().map(str::len).sum::<usize>() / 16;
    assert_eq!(slots, 22);
    let value: Value = serde_json::from_str(&of(&["--json"])).expect("JSON");
    assert_eq!((&value["name"], &value["maps"][1]["name"]), (&"all".into(), &"counters".into()));
}

#[test]
fn what_we_compile_comes_back_from_its_object() {
    let file = File::new("own.o", "");
    let pattern = ["compile", "-e", "GET /admin", "--report", "all", "--target", "6.18"];
    run(pattern.iter().chain(&["--emit", "elf", "-o", file.name()])).clean();
    let compiled = run(pattern.iter().chain(&["--emit", "hex"])).clean();
    let read = run(["disasm", file.name(), "--program", "hardwire", "--emit", "hex"]).clean();
    assert_eq!(read, compiled);
    let listing = run(["disasm", file.name()]).clean();
    assert!(listing.contains("\n; confirm: "), "{listing}");
    assert!(listing.contains("; note\n") && listing.contains("; counters\n"), "{listing}");
}

#[test]
fn what_is_wrong_with_an_object_is_one_line() {
    let kernel = object("kernel");
    run(["disasm", &object("big_endian")]).complains(1, &["big endian"]);
    run(["disasm", "/proc/self/exe"]).complains(1, &["is for machine"]);
    run(["disasm", &kernel, "--program", "by_layout"]).complains(1, &["CO-RE", "tc+0x18"]);
    run(["verify", "--object", &kernel]).complains(1, &["none was chosen", "--program"]);
    run(["verify", "--object", &kernel, "--program", "other_type"]).complains(1, &["kprobe"]);
    run(["verify", "--program", "x"]).complains(2, &["--object"]);
    let bytes = std::fs::read(object("maps")).expect("there");
    let cut = File::new("cut.o", &bytes[..bytes.len() / 2]);
    run(["verify", "--object", cut.name()]).complains(1, &["section headers"]);
}

#[test]
fn verify_loads_a_program_of_an_object() {
    if !may_attach() {
        return;
    }
    let maps = object("maps");
    let text = run(["verify", "--object", &maps, "--program", "by_port"]).clean();
    assert!(text.starts_with("accepted"), "{text}");
    run(["verify", "--object", &object("legacy")]).clean();
    let as_socket = ["verify", "--object", &object("kernel"), "--program", "other_type"];
    run(as_socket.iter().chain(&["--type", "socket"])).clean();
}
