//! Loading a program with a callback for `bpf_loop`: it needs BTF for its functions, which programs
//! of Hardwire do without. A peer uses it.
#![allow(unsafe_code, reason = "two commands of bpf(2) that the library does not need")]

use std::{
    error::Error,
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use hardwire::{
    assembler::{Insn, ProgramImage, encode, insn::Imm64},
    loader::{Map, Program},
};

/// Commands of `bpf(2)`.
const PROG_LOAD: libc::c_int = 5;
const OBJECT_INFO: libc::c_int = 15;
const BTF_LOAD: libc::c_int = 18;

/// Load `image`, whose only map is `map`.
pub(crate) fn load(image: &ProgramImage, map: &Map) -> Result<Program, Box<dyn Error>> {
    let mut insns = image.insns().to_vec();
    for insn in &mut insns {
        if let Insn::LoadImm64 { value: value @ Imm64::MapIndex(_), .. } = insn {
            *value = Imm64::MapFd(map.as_fd().as_raw_fd());
        }
    }
    let slots = encode::encode_all(&insns).concat();
    let types = types(image);
    let mut attr = Attr::default();
    attr.address(0, &types).word(16, length(&types)?);
    let btf = attr.call(BTF_LOAD)?;

    // One record of `struct bpf_func_info` a function: its first slot, and its type.
    let records: Vec<u8> = (FIRST_FUNCTION..)
        .zip(image.functions())
        .flat_map(|(id, function)| [function.slot.to_ne_bytes(), id.to_ne_bytes()].concat())
        .collect();
    let mut attr = Attr::default();
    attr.word(0, image.kind().id()).word(4, image.slot_count()).address(8, &slots);
    attr.address(16, b"GPL\0").word(72, u32::try_from(btf.as_raw_fd())?);
    attr.word(76, 8).address(80, &records).word(88, u32::try_from(image.functions().len())?);
    let program = attr.call(PROG_LOAD)?;

    // The library knows programs that it did not load by their ids.
    let mut info = [0_u8; 8];
    let mut attr = Attr::default();
    attr.word(0, u32::try_from(program.as_raw_fd())?).word(4, length(&info)?);
    attr.out(8, &mut info).call_only(OBJECT_INFO)?;
    Ok(Program::by_id(u32::from_ne_bytes([info[4], info[5], info[6], info[7]]))?)
}

fn length(bytes: &[u8]) -> Result<u32, std::num::TryFromIntError> {
    u32::try_from(bytes.len())
}

/// Type id of the first function: behind the number and the prototype.
const FIRST_FUNCTION: u32 = 3;

/// BTF for the functions of `image`, each `int f(int, int)`. `include/uapi/linux/btf.h`.
fn types(image: &ProgramImage) -> Vec<u8> {
    const INT: u32 = 1 << 24;
    const FUNCTION: u32 = 12 << 24;
    const PROTOTYPE: u32 = 13 << 24;
    let mut names = b"\0int\0i\0".to_vec();
    let (int_name, i_name) = (1, 5);
    let mut words: Vec<u32> = vec![int_name, INT, 4, 1 << 24 | 32];
    words.extend([0, PROTOTYPE | 2, 1, i_name, 1, i_name, 1]);
    for function in image.functions() {
        words.extend([u32::try_from(names.len()).expect("short"), FUNCTION, 2]);
        names.extend(function.name.bytes().chain([0]));
    }
    let type_bytes = u32::try_from(words.len() * 4).expect("short");
    let name_bytes = u32::try_from(names.len()).expect("short");
    // Magic, version 1, no flags; then offsets and lengths behind the header of 24 bytes.
    let header = [0x0001_eb9f, 24, 0, type_bytes, type_bytes, name_bytes];
    header.into_iter().chain(words).flat_map(u32::to_ne_bytes).chain(names).collect()
}

/// Attributes of a command. The addresses in it are of what was borrowed for as long as it lives.
struct Attr<'a> {
    bytes: [u8; 144],
    borrowed: std::marker::PhantomData<&'a mut [u8]>,
}

impl Default for Attr<'_> {
    fn default() -> Self {
        Self { bytes: [0; 144], borrowed: std::marker::PhantomData }
    }
}

impl<'a> Attr<'a> {
    fn word(&mut self, at: usize, value: u32) -> &mut Self {
        self.bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn address(&mut self, at: usize, what: &'a [u8]) -> &mut Self {
        let address = what.as_ptr() as u64;
        self.bytes[at..at + 8].copy_from_slice(&address.to_ne_bytes());
        self
    }

    fn out(&mut self, at: usize, what: &'a mut [u8]) -> &mut Self {
        let address = what.as_mut_ptr() as u64;
        self.bytes[at..at + 8].copy_from_slice(&address.to_ne_bytes());
        self
    }

    fn call_only(&mut self, command: libc::c_int) -> io::Result<libc::c_int> {
        // SAFETY: the kernel reads as many bytes of the attribute as there are, and what it is
        // pointed at is borrowed for as long as the attribute; the lengths beside are those of
        // what is borrowed.
        let ret = unsafe {
            libc::syscall(libc::SYS_bpf, command, self.bytes.as_mut_ptr(), self.bytes.len())
        };
        if ret < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(libc::c_int::try_from(ret).expect("a descriptor or zero"))
    }

    fn call(&mut self, command: libc::c_int) -> io::Result<OwnedFd> {
        let fd = self.call_only(command)?;
        // SAFETY: a new descriptor of the kernel's that nobody else knows.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}
