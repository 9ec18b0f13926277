//! The BPF assembler: from instructions with labels to an immutable program image.
