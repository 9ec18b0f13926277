//! Which forms of instruction load.
//!
//! A form that needs an object that the loader does not make (a jump table, an arena, a function of
//! many arguments) counts as known if the verifier's trace shows it and the log does not complain
//! of its opcode.

use hardwire::{
    assembler::{
        Alu, Insn, KernelVersion, ProgramImage,
        disasm::Code,
        insn::{AtomicOp, Callee, Swap},
        parse::{Assembled, assemble_with},
    },
    loader::{LoadOptions, Program, btf},
};
use serde_json::json;

use super::Row;

#[path = "../../tests/support/instructions.rs"]
mod list;

/// A form that does not stand alone, and a program with it.
struct Special {
    name: &'static str,
    /// The first release that has it, if that is later than the oldest that is tried.
    since: Option<KernelVersion>,
    text: &'static str,
}

/// `r1` = a pointer to a socket buffer, as for every socket filter.
const SPECIALS: &[Special] = &[
    // A kernel that ignores the offset runs into a register that nobody wrote.
    Special {
        name: "gotol",
        since: Some(KernelVersion::new(6, 6)),
        text: "r2 = *(u32 *)(r1 +0)\n if r2 == 0x0 goto pc+1\n gotol pc+1\n r2 = 1\n r0 = 0\n exit",
    },
    Special {
        name: "may_goto",
        since: Some(KernelVersion::new(6, 9)),
        text: "r2 = *(u32 *)(r1 +0)\n may_goto pc+2\n r2 += 1\n goto pc-3\n r0 = 0\n exit",
    },
    Special {
        name: "a map",
        since: None,
        text: ".map m array key 4 value 16 entries 1\n r1 = map[m]\n r0 = 0\n exit",
    },
    Special {
        name: "a value of a map",
        since: Some(KernelVersion::new(5, 2)),
        text: ".map m array key 4 value 16 entries 1
               r1 = map[m][0]+8\n r0 = *(u64 *)(r1 +0)\n exit",
    },
    Special {
        name: "the address of a function",
        since: Some(KernelVersion::new(5, 13)),
        text: "r6 = subprog[f]\n r0 = 0\n exit\n.function f\n r0 = 0\n exit",
    },
    Special {
        name: "tail call",
        since: None,
        text: ".map m prog_array key 4 value 4 entries 1
               r2 = map[m]\n r3 = 0\n call bpf_tail_call\n r0 = 0\n exit",
    },
    Special {
        name: "calls of kernel functions",
        since: Some(KernelVersion::new(6, 2)),
        text: "call bpf_cast_to_kern_ctx\n r0 = 0\n exit",
    },
];

/// What is said of forms that are alike.
#[derive(Default)]
struct Family {
    name: &'static str,
    since: Option<KernelVersion>,
    forms: usize,
    loads: usize,
    known: usize,
    refused: Vec<String>,
}

impl Family {
    fn row(&self, running: KernelVersion) -> Row {
        let wanted = self.since.is_none_or(|since| running >= since);
        let fine = self.refused.is_empty() || !wanted;
        let row = json!({
            "instruction": self.name,
            "since": self.since.map(|since| since.to_string()),
            "forms": self.forms,
            "loads": self.loads,
            "known": self.known,
            "refused": self.refused,
            "fine": fine,
        });
        (row, fine)
    }
}

/// A row for each family of forms.
pub(crate) fn rows(running: KernelVersion) -> Vec<Row> {
    let mut families: Vec<Family> = Vec::new();
    for form in list::forms() {
        // These jump nowhere in the list; they are tried where they jump.
        if matches!(form, Insn::GotoLong { .. } | Insn::MayGoto { .. }) {
            continue;
        }
        let name = family(&form);
        let at = families.iter().position(|it| it.name == name).unwrap_or_else(|| {
            families.push(Family { name, since: list::since(&form), ..Family::default() });
            families.len() - 1
        });
        let family = &mut families[at];
        family.forms += 1;
        match Program::load(&list::program(form, false).1, &LoadOptions::default()) {
            Ok(_) => family.loads += 1,
            Err(_) if needs_more(&form) && is_known(form) => family.known += 1,
            Err(e) => family.refused.push(format!("{form}: {e}")),
        }
    }
    families.extend(SPECIALS.iter().map(special));
    families.iter().map(|family| family.row(running)).collect()
}

fn special(special: &Special) -> Family {
    let mut family =
        Family { name: special.name, since: special.since, forms: 1, ..Family::default() };
    match image(special.text).map(|image| Program::load(&image, &LoadOptions::default())) {
        Ok(Ok(_)) => family.loads = 1,
        Ok(Err(e)) => family.refused.push(e.to_string()),
        Err(e) => family.refused.push(e),
    }
    family
}

fn image(text: &str) -> Result<ProgramImage, String> {
    let functions = |name: &str| i32::try_from(btf::function_id(name).ok()??).ok();
    let text = format!(".program form socket_filter\n{text}");
    assemble_with(&text, &functions).and_then(Assembled::image).map_err(|e| e.to_string())
}

/// Is there more to this form than one program without maps and types can have?
fn needs_more(form: &Insn) -> bool {
    matches!(
        form,
        Insn::GotoX { .. }
            | Insn::AddrSpaceCast { .. }
            | Insn::LoadArgument { .. }
            | Insn::StoreArgument { .. }
    )
}

fn is_known(form: Insn) -> bool {
    let (slot, image) = list::program(form, true);
    let Err(e) = Program::load(&image, &LoadOptions::default()) else { return false };
    let Some(log) = e.verifier_log() else { return false };
    // Said of `gotox` before anything is traced.
    if log.whole.contains("no jump tables found") {
        return true;
    }
    let line = format!("{slot}: {}", Code::Insn(form));
    let refused = ["unknown opcode", "reserved field", "uses reserved", "is invalid"];
    log.whole.lines().any(|l| l.starts_with(&line))
        && !refused.iter().any(|r| log.whole.contains(r))
}

fn family(form: &Insn) -> &'static str {
    match form {
        Insn::Alu { op: Alu::SDiv | Alu::SMod, .. } => "signed division and remainder",
        Insn::Alu { .. } | Insn::Neg { .. } => "arithmetic",
        Insn::MovSx { .. } => "sign extension",
        Insn::Swap { kind: Swap::Bswap, .. } => "unconditional byte swaps",
        Insn::Swap { .. } => "byte order",
        Insn::LoadImm64 { .. } => "64-bit constants",
        Insn::AddrSpaceCast { .. } => "addr_space_cast",
        Insn::Load { signed: true, .. } => "sign-extending loads",
        Insn::Load { .. } | Insn::Store { .. } => "loads and stores",
        Insn::LegacyLoad { .. } => "legacy packet loads",
        Insn::Atomic { op: AtomicOp::Add { fetch: false }, .. } => "atomic addition",
        Insn::Atomic { .. } => "all other atomic operations",
        Insn::LoadAcquire { .. } | Insn::StoreRelease { .. } => "load_acquire, store_release",
        Insn::LoadArgument { .. } | Insn::StoreArgument { .. } => "arguments beyond the fifth",
        Insn::Jump { .. } => "conditional jumps, 64 and 32 bits",
        Insn::Goto { .. } | Insn::Exit => "goto, exit",
        Insn::GotoLong { .. } => "gotol",
        Insn::MayGoto { .. } => "may_goto",
        Insn::GotoX { .. } => "gotox",
        Insn::Call(Callee::Helper(_)) => "calls of helper functions",
        Insn::Call(_) => "calls of own functions",
    }
}
