//! Programs that no verifier accepts, one of each kind.

use hardwire::assembler::{
    Alu, Assembler, Branch, Helper, Insn, Jmp, MapKind, Origin, Phase, ProgramImage, ProgramKind,
    Reg::{R0, R1, R2, R3, R4, R5, R6, R9, R10},
    Size,
    insn::Callee,
};

use super::{image, raw, spec};

/// A program that no verifier accepts.
pub(super) struct Bad {
    /// The file name, and what is wrong.
    pub(super) what: &'static str,
    pub(super) image: fn() -> ProgramImage,
    /// Where it stops.
    pub(super) slot: Option<u32>,
    /// Something that one of the kernel's messages for it holds.
    pub(super) reason: &'static [&'static str],
    /// Something that our explanation holds.
    pub(super) explanation: &'static str,
}

fn xdp(write: impl FnOnce(&mut Assembler)) -> ProgramImage {
    image(ProgramKind::Xdp, write)
}

/// `r2 = data; r3 = data_end`.
fn packet(asm: &mut Assembler) {
    asm.origin(Origin::new(Phase::Entry, "packet pointers"));
    asm.emit(Size::W.load(R2, R1, 0));
    asm.emit(Size::W.load(R3, R1, 4));
}

fn exit(asm: &mut Assembler) {
    asm.emit(Alu::Mov.imm(R0, 2));
    asm.emit(Insn::exit());
}

pub(super) const BAD: &[Bad] = &[
    Bad {
        what: "no-bounds-check",
        image: || {
            xdp(|asm| {
                packet(asm);
                asm.origin(Origin::of_pattern(Phase::Confirm, 1, "match \"G\" at +0").at_byte(0));
                asm.emit(Size::B.load(R0, R2, 0));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(2),
        reason: &["invalid access to packet, off=0 size=1"],
        explanation: "r2 is a packet pointer with 0 bytes proven readable",
    },
    Bad {
        what: "bounds-check-too-short",
        image: || {
            xdp(|asm| {
                packet(asm);
                let out = asm.label();
                asm.emit(Alu::Mov.reg(R4, R2));
                asm.emit(Alu::Add.imm(R4, 12));
                asm.emit(Jmp::Gt.reg(R4, R3, out));
                asm.emit(Size::DW.load(R0, R2, 8));
                asm.bind(out);
                exit(asm);
            })
        },
        slot: Some(5),
        reason: &["invalid access to packet, off=8 size=8"],
        explanation: "r2 is a packet pointer with 12 bytes proven readable",
    },
    Bad {
        what: "offset-too-large",
        image: || {
            xdp(|asm| {
                packet(asm);
                let out = asm.label();
                asm.emit(Size::W.load(R9, R1, 12));
                asm.emit(Jmp::Gt.imm(R9, 0xffff, out));
                asm.emit(Alu::Add.reg(R2, R9));
                asm.emit(Alu::Mov.reg(R4, R2));
                asm.emit(Alu::Add.imm(R4, 8));
                asm.emit(Jmp::Gt.reg(R4, R3, out));
                asm.emit(Size::DW.load(R0, R2, 0));
                asm.bind(out);
                exit(asm);
            })
        },
        slot: Some(8),
        reason: &["invalid access to packet", "outside of the packet"],
        explanation: "65,535",
    },
    Bad {
        what: "unbounded-offset",
        image: || {
            xdp(|asm| {
                packet(asm);
                asm.emit(Size::W.load(R9, R1, 12));
                asm.emit(Size::DW.store(R10, -8, R9));
                asm.emit(Alu::Lsh.imm(R9, 34));
                asm.emit(Alu::Add.reg(R2, R9));
                exit(asm);
            })
        },
        slot: Some(5),
        reason: &["unbounded min value", "pkt pointer"],
        explanation: "lower or upper bound",
    },
    Bad {
        what: "number-as-pointer",
        image: || {
            xdp(|asm| {
                asm.emit(Alu::Mov.imm(R3, 64));
                asm.emit(Size::DW.load(R0, R3, 0));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(1),
        reason: &["R3 invalid mem access"],
        explanation: "r3 is a number, not a pointer",
    },
    Bad {
        what: "lookup-not-checked",
        image: || {
            xdp(|asm| {
                let map = asm.map(spec("m", MapKind::Hash, 4, 8, 1));
                asm.emit(Size::W.store_imm(R10, -4, 0));
                asm.emit(Alu::Mov.reg(R2, R10));
                asm.emit(Alu::Add.imm(R2, -4));
                asm.load_map(R1, map);
                asm.emit(Insn::call(Helper::MapLookupElem));
                asm.emit(Size::DW.load(R0, R0, 0));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(6),
        reason: &["R0 invalid mem access 'map_value_or_null'"],
        explanation: "r0 may be null",
    },
    Bad {
        what: "beyond-the-map-value",
        image: || {
            xdp(|asm| {
                let map = asm.map(spec("m", MapKind::Array, 4, 8, 1));
                asm.load_map_value(R1, map, 0);
                asm.emit(Size::W.load(R0, R1, 6));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(2),
        reason: &["invalid access to map value, value_size=8 off=6 size=4"],
        explanation: "bytes 6 to 9 of a map value of 8 bytes",
    },
    Bad {
        what: "no-return-value",
        image: || xdp(|asm| asm.emit(Insn::exit())),
        slot: Some(0),
        reason: &["R0 !read_ok"],
        explanation: "r0 has no value",
    },
    Bad {
        what: "register-never-set",
        image: || {
            xdp(|asm| {
                asm.emit(Alu::Mov.reg(R0, R5));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(0),
        reason: &["R5 !read_ok"],
        explanation: "r5 has no value",
    },
    Bad {
        what: "too-many-pending-branches",
        image: || {
            xdp(|asm| {
                asm.emit(Size::W.load(R0, R1, 12));
                let end = asm.label();
                for at in 0..9000 {
                    asm.emit(Jmp::Eq.imm(R0, at, end));
                }
                asm.bind(end);
                exit(asm);
            })
        },
        slot: Some(8193),
        reason: &["The sequence of 8193 jumps is too complex"],
        explanation: "more than 8192 branches",
    },
    Bad {
        what: "too-much-to-process",
        image: || {
            xdp(|asm| {
                asm.emit(Alu::Mov.imm(R0, 0));
                let head = asm.here();
                asm.emit(Alu::Add.imm(R0, 1));
                asm.emit(Jmp::Lt.imm(R0, 2_000_000, head));
                asm.emit(Insn::exit());
            })
        },
        slot: None,
        reason: &["BPF program is too large. Processed 1000001 insn"],
        explanation: "1,000,000 instructions",
    },
    Bad {
        what: "endless-loop",
        image: || {
            xdp(|asm| {
                asm.emit(Alu::Mov.imm(R0, 0));
                let head = asm.here();
                asm.emit(Alu::Mov.imm(R0, 0));
                asm.emit(Branch::goto(head));
            })
        },
        slot: Some(1),
        reason: &["infinite loop detected at insn 1", "back-edge from insn 2 to 1"],
        explanation: "same state",
    },
    Bad {
        what: "misaligned-stack",
        image: || {
            xdp(|asm| {
                asm.emit(Size::DW.store_imm(R10, -8, 0));
                asm.emit(Size::DW.store_imm(R10, -16, 0));
                asm.emit(Size::DW.load(R0, R10, -12));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(2),
        reason: &["misaligned stack access"],
        explanation: "multiple of its size",
    },
    Bad {
        what: "stack-too-deep",
        image: || {
            xdp(|asm| {
                asm.emit(Size::DW.store_imm(R10, -520, 0));
                exit(asm);
            })
        },
        slot: Some(0),
        reason: &["invalid write to stack", "invalid stack"],
        explanation: "512 bytes",
    },
    Bad {
        what: "unknown-helper",
        image: || {
            xdp(|asm| {
                asm.emit(Insn::Call(Callee::Helper(9999)));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(0),
        reason: &["invalid func unknown#9999"],
        explanation: "no helper 9999",
    },
    Bad {
        what: "helper-of-another-type",
        image: || {
            xdp(|asm| {
                asm.emit(Insn::call(Helper::SkbLoadBytes));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(0),
        reason: &["program of this type cannot use helper bpf_skb_load_bytes#26", "unknown func"],
        explanation: "bpf_skb_load_bytes",
    },
    Bad {
        what: "unreachable",
        image: || {
            xdp(|asm| {
                exit(asm);
                exit(asm);
            })
        },
        slot: Some(2),
        reason: &["unreachable insn 2"],
        explanation: "no path leads",
    },
    Bad {
        what: "jump-out-of-the-program",
        image: || {
            let insns = vec![Insn::goto(5), Insn::exit()];
            let origin = Origin::new(Phase::Text, "by hand");
            ProgramImage::from_insns("test", ProgramKind::Xdp, insns, Vec::new(), origin)
        },
        slot: Some(0),
        reason: &["jump out of range from insn 0 to 6"],
        explanation: "no such instruction",
    },
    Bad {
        what: "runs-off-the-end",
        image: || {
            let insns = vec![Alu::Mov.imm(R0, 0)];
            let origin = Origin::new(Phase::Text, "by hand");
            ProgramImage::from_insns("test", ProgramKind::Xdp, insns, Vec::new(), origin)
        },
        slot: Some(0),
        reason: &["last insn is not an exit or jmp"],
        explanation: "must end with exit or goto",
    },
    Bad {
        what: "packet-pointer-in-a-socket-filter",
        image: || {
            image(ProgramKind::SocketFilter, |asm| {
                asm.emit(Size::W.load(R2, R1, 76));
                exit(asm);
            })
        },
        slot: Some(0),
        reason: &["invalid bpf_context access off=76 size=4"],
        explanation: "byte 76 of its context",
    },
    Bad {
        what: "frame-pointer-written",
        image: || {
            xdp(|asm| {
                asm.emit(Alu::Mov.imm(R10, 0));
                exit(asm);
            })
        },
        slot: Some(0),
        reason: &["frame pointer is read only"],
        explanation: "r10",
    },
    Bad {
        what: "pointer-spoiled",
        image: || {
            xdp(|asm| {
                packet(asm);
                asm.emit(Alu::And.imm(R2, -8));
                exit(asm);
            })
        },
        slot: Some(2),
        reason: &["R2 bitwise operator &= on pointer prohibited"],
        explanation: "only be added to and subtracted from",
    },
    Bad {
        what: "register-lost-in-a-call",
        image: || {
            xdp(|asm| {
                asm.emit(Alu::Mov.reg(R6, R1));
                asm.emit(Insn::call(Helper::KtimeGetNs));
                asm.emit(Size::W.load(R2, R1, 0));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(2),
        reason: &["R1 !read_ok"],
        explanation: "helpers clobber r0 to r5",
    },
    Bad {
        what: "argument-of-the-wrong-type",
        image: || {
            xdp(|asm| {
                asm.emit(Alu::Mov.imm(R1, 0));
                asm.emit(Alu::Mov.reg(R2, R10));
                asm.emit(Insn::call(Helper::MapLookupElem));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(2),
        reason: &["R1 type=scalar expected=map_ptr", "R1 type=inv expected=map_ptr"],
        explanation: "argument 1",
    },
    Bad {
        what: "reference-not-released",
        image: || {
            xdp(|asm| {
                asm.emit(Size::DW.store_imm(R10, -8, 0));
                asm.emit(Size::DW.store_imm(R10, -16, 0));
                asm.emit(Alu::Mov.reg(R2, R10));
                asm.emit(Alu::Add.imm(R2, -16));
                asm.emit(Alu::Mov.imm(R3, 12));
                asm.emit(Alu::Mov.imm(R4, -1));
                asm.emit(Alu::Mov.imm(R5, 0));
                asm.emit(Insn::Call(Callee::Helper(84))); // bpf_sk_lookup_tcp
                exit(asm);
            })
        },
        slot: None,
        reason: &["Unreleased reference", "reference leak"],
        explanation: "is not given back on this path",
    },
    Bad {
        what: "fragment-too-short-buffer",
        image: || {
            image(ProgramKind::SocketFilter, |asm| {
                asm.emit(Alu::Mov.imm(R2, 0));
                asm.emit(Alu::Mov.reg(R3, R10));
                asm.emit(Alu::Add.imm(R3, -8));
                asm.emit(Alu::Mov.imm(R4, 16));
                asm.emit(Insn::call(Helper::SkbLoadBytes));
                asm.emit(Insn::exit());
            })
        },
        slot: Some(4),
        reason: &["stack"],
        explanation: "16 bytes do not fit",
    },
];

/// How a program is loaded that [`Program::load`](hardwire::loader::Program::load) would load in
/// another way: the log, if it is refused.
type LoadRaw = fn(&ProgramImage) -> Result<(), String>;

const CGROUP_SKB: u32 = 8;

/// Programs of types and licences that are not ours.
pub(super) const RAW: &[(Bad, LoadRaw)] = &[
    (
        Bad {
            what: "wrong-return-value",
            image: || {
                xdp(|asm| {
                    asm.emit(Alu::Mov.imm(R0, 5));
                    asm.emit(Insn::exit());
                })
            },
            slot: Some(1),
            reason: &["At program exit the register R0"],
            explanation: "certain numbers only",
        },
        |image| raw::load(CGROUP_SKB, c"GPL", &image.encode()),
    ),
    (
        Bad {
            what: "helper-of-another-licence",
            image: || {
                xdp(|asm| {
                    asm.emit(Insn::Call(Callee::Helper(25))); // bpf_perf_event_output
                    exit(asm);
                })
            },
            slot: Some(0),
            reason: &["cannot call GPL-restricted function"],
            explanation: "under the GPL only",
        },
        |image| raw::load(image.kind().id(), c"MIT", &image.encode()),
    ),
];
