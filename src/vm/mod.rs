//! A BPF machine that runs a program image on bytes, without a kernel.
