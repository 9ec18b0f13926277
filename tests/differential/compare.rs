//! One program in the kernel and in the vm: the same results, packets and map values.

use hardwire::{
    assembler::{
        Alu, Assembler, Branch, Insn, ProgramImage, ProgramKind, Reg::*, Size, Target, listing,
    },
    loader::{LoadOptions, Program, test_run},
    vm::{Context, Machine},
};

use super::{
    program::{self, ARRAY, HASH},
    random::Random,
    statement::{Isa, KEYS, PACKET_BYTES, Tree},
};

/// Packets that each program gets.
const PACKETS: usize = 3;
/// Fewer than any program here executes; one that does not end is a bug of the generator.
const INSTRUCTION_LIMIT: u64 = 1_000_000;

/// What became of a program.
enum Outcome {
    /// The same in both.
    Same,
    /// The kernel does not take it.
    Refused(String),
    /// Not the same: what is, in words.
    Different(String),
}

/// What one run leaves behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    r0: u32,
    packet: Vec<u8>,
}

/// A program that gives different results, as small as could be made.
pub(crate) struct Difference {
    tree: Tree,
    what: String,
    seed: u64,
    index: u64,
}

/// Program `index` of `seed` in both. Brings the reason if the kernel does not take it.
pub(crate) fn check(seed: u64, index: u64, isa: Isa) -> Result<Option<String>, Difference> {
    let mut random = Random::new(seed, index);
    let tree = Tree::random(&mut random, isa);
    let packets = packets(&mut random);
    match compare(&tree, &packets) {
        Outcome::Different(what) => Err(smallest(Difference { tree, what, seed, index }, &packets)),
        Outcome::Same => Ok(None),
        Outcome::Refused(why) => Ok(Some(why)),
    }
}

fn packets(random: &mut Random) -> Vec<Vec<u8>> {
    let words = usize::from(PACKET_BYTES.unsigned_abs()) / 8;
    (0..PACKETS).map(|_| (0..words).flat_map(|_| random.edge().to_le_bytes()).collect()).collect()
}

/// Leave statements out as long as the difference stays.
fn smallest(mut found: Difference, packets: &[Vec<u8>]) -> Difference {
    loop {
        let smaller =
            found.tree.smaller().into_iter().find_map(|tree| match compare(&tree, packets) {
                Outcome::Different(what) => Some((tree, what)),
                Outcome::Same | Outcome::Refused(_) => None,
            });
        match smaller {
            Some((tree, what)) => (found.tree, found.what) = (tree, what),
            None => return found,
        }
    }
}

fn compare(tree: &Tree, packets: &[Vec<u8>]) -> Outcome {
    let image = program::image(tree);
    let kernel = match load(&image) {
        Ok(kernel) => kernel,
        Err(why) => return Outcome::Refused(why),
    };
    let mut machine = Machine::new(&image).expect("a program for the vm");
    machine.set_instruction_limit(INSTRUCTION_LIMIT);
    for packet in packets {
        let ran = test_run::run(&kernel, packet, 1, true).expect("the kernel runs it");
        let want = Left { r0: ran.retval, packet: ran.data_out.expect("was asked for") };
        let got = match machine.run(Context::xdp(packet, packet.len(), 1)) {
            Ok(r0) => Left { r0: low(r0), packet: machine.packet() },
            Err(trap) => return Outcome::Different(format!("the vm traps: {trap}")),
        };
        if got != want {
            return Outcome::Different(describe(packet, &want, &got));
        }
    }
    match maps(&kernel, &machine) {
        Some(what) => Outcome::Different(what),
        None => Outcome::Same,
    }
}

fn load(image: &ProgramImage) -> Result<Program, String> {
    let options = LoadOptions { without_types: true, ..LoadOptions::default() };
    Program::load(image, &options).map_err(|error| {
        let reason = error.verifier_log().map(|log| log.reason.clone());
        reason.unwrap_or_else(|| error.to_string())
    })
}

/// What is different in the maps.
fn maps(kernel: &Program, machine: &Machine) -> Option<String> {
    let index = |map: i32| usize::try_from(map).expect("an index");
    let keys = (0..KEYS).map(|key| (HASH, key)).chain([(ARRAY, 0)]);
    for (map, key) in keys {
        let Some(theirs) = kernel.maps().get(index(map)) else { continue };
        let key = u32::try_from(key).expect("small").to_le_bytes();
        let want = theirs.lookup(&key).expect("the kernel answers");
        let want = want.map(|values| values.entry(0).next().expect("one value").to_vec());
        let got = machine.maps().value(index(map), &key).map(<[u8]>::to_vec);
        if want != got {
            let name = &theirs.spec().name;
            return Some(format!(
                "{name} {key:?}: {want:02x?} in the kernel, {got:02x?} in the vm"
            ));
        }
    }
    None
}

fn low(r0: u64) -> u32 {
    u32::try_from(r0 & 0xffff_ffff).expect("masked")
}

fn describe(packet: &[u8], want: &Left, got: &Left) -> String {
    let mut lines = vec![format!("packet before: {}", hex(packet))];
    if want.r0 != got.r0 {
        lines.push(format!("r0 at the end: {:#x} in the kernel, {:#x} in the vm", want.r0, got.r0));
    }
    let words = want.packet.chunks(8).zip(got.packet.chunks(8)).enumerate();
    for (at, (want, got)) in words.filter(|(_, (want, got))| want != got) {
        let name = match at {
            0..9 => format!("r{at}"),
            9..17 => format!("*(u64 *)(r10 -{})", 8 * (at - 8)),
            _ => format!("packet+{}", 8 * at),
        };
        lines.push(format!("{name}: {} in the kernel, {} in the vm", number(want), number(got)));
    }
    lines.join("\n")
}

fn number(bytes: &[u8]) -> String {
    format!("{:#x}", bytes.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tree, what, seed, index } = self;
        writeln!(f, "program {index} of seed {seed:#x}, as small as it can be made:")?;
        let image = program::image(tree);
        writeln!(f, "{}", listing::Listing::new(&image))?;
        write!(f, "{what}")
    }
}

/// What the running kernel takes of what came late.
pub(crate) fn isa() -> Isa {
    let takes = |insns: &dyn Fn(&mut Assembler)| {
        let mut asm = Assembler::new("probe", ProgramKind::Xdp);
        insns(&mut asm);
        asm.emit(Alu::Mov.imm(R0, 0));
        asm.emit(Insn::Exit);
        load(&asm.finish(&Target::newest()).expect("a small program")).is_ok()
    };
    Isa {
        v4: takes(&|asm| {
            asm.emit(Alu::Mov.imm(R0, 7));
            asm.emit(Alu::SDiv.imm(R0, -2));
        }),
        may_goto: takes(&|asm| {
            let end = asm.label();
            asm.emit(Branch::may_goto(end));
            asm.bind(end);
        }),
        ordered: takes(&|asm| {
            asm.emit(Size::DW.store_imm(R10, -8, 1));
            asm.emit(Insn::LoadAcquire { size: Size::DW, dst: R0, base: R10, off: -8 });
        }),
    }
}
