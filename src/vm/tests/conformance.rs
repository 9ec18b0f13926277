//! The vectors of the bpf_conformance project, where the shared corpora are present.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    assembler::encode,
    vm::{Context, Machine},
};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect()
}

/// What the program of `vector` gives, or why it gives nothing.
fn result(vector: &Value, hex: &str) -> Result<u64, String> {
    let program = bytes(hex);
    let (slots, rest) = program.as_chunks::<8>();
    assert!(rest.is_empty());
    let insns = encode::decode_all(slots).map_err(|e| e.to_string())?;
    let mut memory = bytes(vector["mem_hex"].as_str().unwrap_or(""));
    let mut machine = Machine::from_insns(&insns, &[]).map_err(|e| e.to_string())?;
    machine.run(Context::memory(&mut memory)).map_err(|e| e.to_string())
}

#[test]
fn every_conformance_vector_gives_its_result() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora/isa/bpf_conformance.jsonl");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let mut ran = 0;
    let mut wrong = Vec::new();
    for line in text.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let flag = |name: &str| vector[name].as_bool().unwrap_or(false);
        let name = vector["name"].as_str().unwrap();
        let hex = vector["raw_hex"].as_str().or(vector["assembled_hex"].as_str());
        let (Some(want), Some(hex)) = (vector["expected_r0"].as_str(), hex) else { continue };
        if flag("uses_helper_call") || flag("uses_callx") || name.starts_with("negative/") {
            continue;
        }
        let want = u64::from_str_radix(want.trim_start_matches("0x"), 16).unwrap();
        ran += 1;
        match result(&vector, hex) {
            Ok(got) if got == want => {}
            got => wrong.push(format!("{name}: {got:x?}, expected {want:#x}")),
        }
    }
    assert!(ran > 200, "only {ran} vectors");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
