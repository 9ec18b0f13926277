//! Which operations may take an operand from the value that was last set, instead of waiting for it
//! to arrive in the register, and which bring the condition behind them along (see
//! [`execute`](super::execute)).
//!
//! It is a matter of speed only: the variants compute the same. Those exist that are common and on
//! which others wait; conditions and stored values nobody waits for. A condition that is brought
//! along stays where it is too, for jumps to it.

use super::decode::{Code, Op};
use crate::assembler::Insn;

/// Put the variants into `ops`, the operations of `insns`. `entered` says where control may come
/// from elsewhere than the operation before.
pub(super) fn forward(ops: &mut [Op], insns: &[Insn], entered: &[bool]) {
    let mut last = None;
    for (at, (insn, entered)) in insns.iter().zip(entered).enumerate() {
        if *entered {
            last = None;
        }
        let decided = match insns.get(at + 1) {
            Some(Insn::Jump { .. }) => Some(ops[at + 1].dst),
            _ => None,
        };
        let op = &mut ops[at];
        if decided == Some(op.dst)
            && let Some(code) = with_condition(op.code)
        {
            op.code = code;
            last = Some(op.dst);
            continue;
        }
        if last == Some(op.dst) {
            op.code = with_last_dst(op.code).unwrap_or(op.code);
        }
        if last == Some(op.src) {
            op.code = with_last_src(op.code).unwrap_or(op.code);
        }
        last = match *insn {
            Insn::Alu { .. }
            | Insn::MovSx { .. }
            | Insn::AddrSpaceCast { .. }
            | Insn::Neg { .. }
            | Insn::Swap { .. }
            | Insn::LoadImm64 { .. }
            | Insn::Load { .. } => Some(op.dst),
            Insn::Store { .. }
            | Insn::StoreArgument { .. }
            | Insn::Jump { .. }
            | Insn::MayGoto { .. } => last,
            // Other registers are set, or control comes back from elsewhere.
            Insn::Atomic { .. }
            | Insn::LoadArgument { .. }
            | Insn::LoadAcquire { .. }
            | Insn::StoreRelease { .. }
            | Insn::LegacyLoad { .. }
            | Insn::Goto { .. }
            | Insn::GotoLong { .. }
            | Insn::GotoX { .. }
            | Insn::Call(_)
            | Insn::Exit => None,
        };
    }
}

/// `code` with the condition that comes next.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no such variant")]
fn with_condition(code: Code) -> Option<Code> {
    Some(match code {
        Code::Add64 => Code::Add64Then,
        Code::Sub64 => Code::Sub64Then,
        Code::And64 => Code::And64Then,
        Code::Load8 => Code::Load8Then,
        Code::Load16 => Code::Load16Then,
        Code::Load32 => Code::Load32Then,
        Code::Load64 => Code::Load64Then,
        _ => return None,
    })
}

/// `code` with the destination operand from the value last set.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no such variant")]
fn with_last_dst(code: Code) -> Option<Code> {
    Some(match code {
        Code::Add64 => Code::Add64D,
        Code::Sub64 => Code::Sub64D,
        Code::Mul64 => Code::Mul64D,
        Code::Or64 => Code::Or64D,
        Code::And64 => Code::And64D,
        Code::Lsh64 => Code::Lsh64D,
        Code::Rsh64 => Code::Rsh64D,
        Code::Xor64 => Code::Xor64D,
        Code::Add32 => Code::Add32D,
        Code::Mul32 => Code::Mul32D,
        Code::Or32 => Code::Or32D,
        Code::And32 => Code::And32D,
        Code::Lsh32 => Code::Lsh32D,
        Code::Rsh32 => Code::Rsh32D,
        Code::Xor32 => Code::Xor32D,
        _ => return None,
    })
}

/// `code` with the source operand, or the base address, from the value last set.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no such variant")]
fn with_last_src(code: Code) -> Option<Code> {
    Some(match code {
        Code::Add64 => Code::Add64S,
        Code::Sub64 => Code::Sub64S,
        Code::Mul64 => Code::Mul64S,
        Code::Or64 => Code::Or64S,
        Code::And64 => Code::And64S,
        Code::Lsh64 => Code::Lsh64S,
        Code::Rsh64 => Code::Rsh64S,
        Code::Xor64 => Code::Xor64S,
        Code::Add32 => Code::Add32S,
        Code::Mul32 => Code::Mul32S,
        Code::Or32 => Code::Or32S,
        Code::And32 => Code::And32S,
        Code::Lsh32 => Code::Lsh32S,
        Code::Rsh32 => Code::Rsh32S,
        Code::Xor32 => Code::Xor32S,
        Code::Mov64 => Code::Mov64S,
        Code::Mov32 => Code::Mov32S,
        Code::Load8 => Code::Load8S,
        Code::Load16 => Code::Load16S,
        Code::Load32 => Code::Load32S,
        Code::Load64 => Code::Load64S,
        _ => return None,
    })
}
