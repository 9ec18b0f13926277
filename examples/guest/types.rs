//! Are programs loaded with types and lines, does the verifier's log name the pattern, and do they
//! load without where types are refused?
//!
//! For the last one a process without rights loads a socket filter where everybody may: types need
//! `CAP_BPF`, so they are refused.

use std::{error::Error, fs, os::unix::process::CommandExt, process::Command};

use hardwire::{
    assembler::{
        Alu, Assembler, Insn, Origin, Phase, ProgramImage, ProgramKind,
        Reg::{R0, R1},
        Size, Target,
    },
    loader::{LoadOptions, NoTypes, Program},
};
use serde_json::json;

use super::Row;

/// The argument of the process without rights.
const CHILD: &str = "load-without-rights";
/// What it prints if all is well.
const FELL_BACK: &str = "loaded without types";
/// A user without rights.
const NOBODY: u32 = 65534;
/// 0: everybody may load socket filters.
const UNPRIVILEGED: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

/// Is this the process without rights?
pub(crate) fn is_child() -> bool {
    std::env::args().nth(1).is_some_and(|arg| arg == CHILD)
}

/// What the process without rights does.
pub(crate) fn child() -> Result<(), Box<dyn Error>> {
    let program = Program::load(&image(true)?, &LoadOptions::default())?;
    match program.without_types() {
        Some(NoTypes::Types(_)) => println!("{FELL_BACK}"),
        other => println!("{other:?}"),
    }
    Ok(())
}

/// Returns 0; not `good`, it reads behind the context first.
fn image(good: bool) -> Result<ProgramImage, Box<dyn Error>> {
    let mut asm = Assembler::new("types", ProgramKind::SocketFilter);
    asm.origin(Origin::of_pattern(Phase::Confirm, 1, "match \"GET \" at +0"));
    if !good {
        asm.emit(Size::DW.load(R0, R1, 4096));
    }
    asm.emit(Alu::Mov.imm(R0, 0));
    asm.emit(Insn::Exit);
    Ok(asm.finish(&Target::newest())?)
}

/// A row for each question.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut tried = |what: &str, result: Result<Option<bool>, Box<dyn Error>>| {
        let (fine, why) = match result {
            Ok(None) => (None, Some("cannot be tried here".to_owned())),
            Ok(Some(fine)) => (Some(fine), None),
            Err(e) => (Some(false), Some(e.to_string())),
        };
        let row = json!({ "types": what, "fine": fine, "why": why });
        rows.push((row, fine != Some(false)));
    };
    tried("functions and lines are taken", taken().map(Some));
    tried("the verifier's log names the pattern", named().map(Some));
    tried("refused types: loaded without", fell_back());
    rows
}

fn taken() -> Result<bool, Box<dyn Error>> {
    let program = Program::load(&image(true)?, &LoadOptions::default())?;
    let info = program.info()?;
    let told = (info.btf_id != 0, info.functions, info.lines) == (true, 1, 1);
    Ok(program.without_types().is_none() && told)
}

fn named() -> Result<bool, Box<dyn Error>> {
    match Program::load(&image(false)?, &LoadOptions::default()) {
        Ok(_) => Err("a broken program loads".into()),
        Err(e) => {
            let log = e.verifier_log().ok_or("no log")?;
            Ok(log.whole.contains("; confirm: match \"GET \" at +0"))
        }
    }
}

/// Nothing where unprivileged programs are forbidden for good; that setting is changed only in a
/// machine of our own.
fn fell_back() -> Result<Option<bool>, Box<dyn Error>> {
    if std::process::id() == 1 {
        // 1 cannot be taken back; then it stays as it is.
        let _ = fs::write(UNPRIVILEGED, "0");
    }
    if fs::read_to_string(UNPRIVILEGED)?.trim() != "0" {
        return Ok(None);
    }
    let child = Command::new("/proc/self/exe").arg(CHILD).uid(NOBODY).gid(NOBODY).output()?;
    if std::process::id() == 1 {
        fs::write(UNPRIVILEGED, "2")?;
    }
    let said = String::from_utf8_lossy(&child.stdout);
    if said.trim() == FELL_BACK {
        return Ok(Some(true));
    }
    Err(format!("{}{}", said.trim(), String::from_utf8_lossy(&child.stderr).trim()).into())
}
