//! The running kernel: bpf(2), attachments, and what the verifier said.
