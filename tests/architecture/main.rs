//! The rules of ARCHITECTURE.md that can be read off the sources: who imports whom, where
//! `unsafe` may stand, and what no file does. Each rule is also tried on a planted violation.

mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use source::{Source, Token, paths};

/// A room, the rooms it may import, the outer paths it must not mention, and why.
struct Room {
    name: &'static str,
    imports: &'static [&'static str],
    banned: &'static [&'static str],
    why: &'static str,
}

/// What would make the result of a pure room depend on more than its arguments.
const IMPURE: &[&str] = &[
    "libc",
    "nix",
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
];

const ROOMS: &[Room] = &[
    Room {
        name: "assembler",
        imports: &[],
        banned: IMPURE,
        why: "the assembler is pure and knows no kernel",
    },
    Room {
        name: "vm",
        imports: &["assembler"],
        banned: IMPURE,
        why: "the vm runs an image on bytes, offline and always with the same result",
    },
    Room {
        name: "compiler",
        imports: &["assembler"],
        banned: IMPURE,
        why: "the same pattern compiles to the same bytes on every machine",
    },
    Room {
        name: "netlink",
        imports: &[],
        banned: &[],
        why: "netlink moves descriptors, it does not know what they are",
    },
    Room {
        name: "loader",
        imports: &["assembler", "netlink"],
        banned: &[],
        why: "the loader meets the compiler in ProgramImage",
    },
    Room {
        name: "engine",
        imports: &["assembler", "compiler", "loader", "vm"],
        banned: &[],
        why: "the engines join the compiler with what runs its programs",
    },
    Room {
        name: "attachment",
        imports: &["assembler", "compiler", "loader", "netlink"],
        banned: &[],
        why: "attachments join the compiler's layouts with what holds programs in the kernel",
    },
    Room { name: "capture", imports: &[], banned: &[], why: "captures are bytes" },
];

/// Where `unsafe` may stand in `src`: what enters the kernel. Tests may need it too, with a reason.
const UNSAFE_IN: &[&str] = &["src/loader/sys/", "src/loader/sys.rs", "src/netlink/socket.rs"];

/// Where casts between integers may stand: bit fields, and structures of the kernel.
const CASTS_IN: &[&str] = &[
    "src/assembler/encode.rs",
    "src/assembler/opcode.rs",
    "src/assembler/insn.rs",
    "src/loader/sys/",
    "src/loader/sys.rs",
];

/// Casts elsewhere that lose nothing, and have no other form: file, code, why.
const CASTS_ALSO: &[(&str, &str, &str)] = &[
    ("src/compiler/event/mod.rs", "self as usize", "the discriminant of a field-less enum"),
    ("src/compiler/byte_rank.rs", "] as usize", "a byte as an index, in a const fn"),
    ("src/compiler/byte_rank.rs", "at as u8", "a position below 255, in a const fn"),
    ("src/compiler/codegen/scope.rs", ") as i32", "16 bits to 32, in a const fn"),
    ("src/compiler/codegen/set.rs", "TABLE_BYTES as usize", "an array length"),
    ("src/vm/decode.rs", "self as usize", "the discriminant of a field-less enum"),
    ("src/netlink/error.rs", "errno as i32", "the discriminants of nix's Errno are the numbers"),
];

/// Types to which a cast can lose bits or the sign.
const NARROW: &[&str] = &["u8", "u16", "u32", "i8", "i16", "i32", "usize", "isize"];

/// Most lines of a file.
const LINES_MAX: usize = 700;

/// How many lines of one statement may stand between `SAFETY:` and its `unsafe`.
const STATEMENT_LINES_MAX: usize = 3;

#[test]
fn the_sources_keep_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 10, "the sources are in {}", root.display());
    let read: Vec<(String, Source)> = files
        .iter()
        .map(|file| {
            let name = file.strip_prefix(root).expect("found below").display().to_string();
            (name, Source::new(&fs::read_to_string(file).expect("a file that was just listed")))
        })
        .collect();
    let test_files = test_files(&read);
    let mut broken = Vec::new();
    for (name, source) in &read {
        let only_for_tests = test_files
            .iter()
            .any(|place| name == place || place.ends_with('/') && name.starts_with(place));
        check(name, source, only_for_tests, &mut broken);
    }
    assert!(broken.is_empty(), "{} violations:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_room_of_the_library_has_a_rule() {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"))
        .expect("the library");
    let rooms = lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
    for room in rooms {
        assert!(ROOMS.iter().any(|r| r.name == room), "no rule says what {room} may import");
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

/// The files and folders (with a `/` behind) of modules that are only compiled for tests.
fn test_files(read: &[(String, Source)]) -> Vec<String> {
    let mut files = Vec::new();
    for (name, source) in read {
        let folder = match name.strip_suffix(".rs") {
            Some(stem) => stem.strip_suffix("/mod").unwrap_or(stem),
            None => continue,
        };
        for module in &source.test_modules {
            files.push(format!("{folder}/{module}.rs"));
            files.push(format!("{folder}/{module}/"));
        }
    }
    files
}

/// Append to `broken` what `source` does against the rules.
fn check(name: &str, source: &Source, only_for_tests: bool, broken: &mut Vec<String>) {
    let in_tests = only_for_tests || !name.starts_with("src/");
    if source.lines > LINES_MAX {
        broken.push(format!("{name}: {} lines; at most {LINES_MAX}", source.lines));
    }
    check_unsafe(name, source, broken);
    if in_tests {
        return;
    }
    check_imports(name, &source.code, broken);
    let code = &source.code;
    for (at, token) in code.iter().enumerate() {
        let (line, next) = (token.line, code.get(at + 1).map_or("", |t| t.text.as_str()));
        let before = at.checked_sub(1).map_or("", |at| code[at].text.as_str());
        if token.text == "unwrap" && before == "." {
            broken.push(format!(
                "{name}:{line}: unwrap(); say with expect() why it cannot fail, or return an error"
            ));
        }
        let cast = format!("{before} as {next}");
        let may_cast = CASTS_IN.iter().any(|place| name.starts_with(place))
            || CASTS_ALSO.iter().any(|(file, code, _)| *file == name && *code == cast);
        if token.text == "as" && NARROW.contains(&next) && !may_cast {
            broken.push(format!("{name}:{line}: `as {next}`; use From or TryFrom"));
        }
    }
}

fn check_imports(name: &str, code: &[Token], broken: &mut Vec<String>) {
    let inner = name.strip_prefix("src/").unwrap_or(name);
    let Some(room) = ROOMS.iter().find(|room| {
        inner.strip_prefix(room.name).is_some_and(|rest| rest.starts_with(['/', '.']))
    }) else {
        return;
    };
    for (line, path) in paths(code) {
        let inside =
            path.iter().position(|part| part != "super" && part != "crate" && part != "self");
        let from_root = matches!(path[0].as_str(), "crate" | "super" | "hardwire");
        if let Some(other) = inside.and_then(|at| path.get(at)).filter(|_| from_root)
            && other != room.name
            && ROOMS.iter().any(|r| r.name == other)
            && !room.imports.contains(&other.as_str())
        {
            let why = room.why;
            broken.push(format!("{name}:{line}: {} imports {other}: {why}", room.name));
        }
        let text = path.join("::");
        for banned in room.banned {
            if text
                .strip_prefix(banned)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            {
                broken.push(format!("{name}:{line}: mentions {banned}: {}", room.why));
            }
        }
    }
}

fn check_unsafe(name: &str, source: &Source, broken: &mut Vec<String>) {
    let shipped = name.starts_with("src/");
    let allowed = !shipped || UNSAFE_IN.iter().any(|place| name.starts_with(place));
    for tokens in [&source.code, &source.tests] {
        for (at, token) in tokens.iter().enumerate().filter(|(_, t)| t.text == "unsafe") {
            let line = token.line;
            if !allowed {
                broken.push(format!("{name}:{line}: unsafe; it stays in {}", UNSAFE_IN.join(", ")));
                continue;
            }
            // `unsafe(no_mangle)` and function types promise nothing here.
            let next = tokens.get(at + 1).map_or("", |t| t.text.as_str());
            if matches!(next, "{" | "impl") && !has_reason(source, line) {
                broken.push(format!("{name}:{line}: unsafe without a SAFETY: comment just above"));
            }
        }
    }
}

/// Does a comment with `SAFETY:` end just above the statement that has `unsafe` in `line`?
fn has_reason(source: &Source, line: usize) -> bool {
    let comment_at = |at: usize| source.comments.iter().find(|(l, _)| *l == at);
    let nearest = (0..=STATEMENT_LINES_MAX)
        .filter_map(|up| line.checked_sub(up))
        .find(|&at| comment_at(at).is_some());
    let Some(mut at) = nearest else { return false };
    while let Some((_, text)) = comment_at(at) {
        if text.contains("SAFETY:") {
            return true;
        }
        at -= 1;
    }
    false
}

mod planted {
    use super::*;

    fn violations(name: &str, text: &str) -> Vec<String> {
        let mut broken = Vec::new();
        check(name, &Source::new(text), false, &mut broken);
        broken
    }

    /// What each violation must say; nothing for what is allowed.
    #[rustfmt::skip] // One case per line.
    #[test]
    fn violations_are_found_and_nothing_else() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("src/vm/a.rs", "use crate::assembler::Insn;", &[]),
            ("src/vm/a.rs", "use crate::compiler::Plan;", &["vm imports compiler"]),
            ("src/vm/a.rs", "use crate::{assembler::{Insn, Reg}, loader::{self, Map}};", &["vm imports loader", "vm imports loader"]),
            ("src/vm/mod.rs", "use super::loader::Map;", &["vm imports loader"]),
            ("src/vm/a/b.rs", "use super::super::super::{netlink::Socket as S, assembler::*};", &["vm imports netlink"]),
            ("src/vm/a.rs", "fn f() { crate::loader::load() }", &["vm imports loader"]),
            ("src/vm/a.rs", "// crate::loader::load()\nconst A: &str = \"crate::loader::x\";", &[]),
            ("src/vm/a.rs", "use self::loader::Map;", &[]),
            ("src/loader/a.rs", "use crate::{assembler::Insn, netlink::Socket, compiler::ir};", &["loader imports compiler"]),
            ("src/capture/a.rs", "use crate::assembler::Insn;", &["capture imports assembler"]),
            ("src/bin/hardwire/a.rs", "use hardwire::{loader::load, compiler::ir};", &[]),
            ("src/compiler/a.rs", "use std::{collections::HashMap, fs::File};", &["mentions std::fs"]),
            ("src/compiler/a.rs", "let t = std::time::Instant::now();", &["mentions std::time"]),
            ("src/compiler/a.rs", "use std::fmt; use libcx::a; let x = libc::getpid();", &["mentions libc"]),
            ("src/loader/a.rs", "use std::fs;", &[]),
            ("src/vm/a.rs", "#[cfg(test)]\nmod tests { use crate::compiler::ir; fn f() { x.unwrap() as u8 } }", &[]),
            ("src/vm/a.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nfn g() { x.unwrap() }", &["a.rs:3: unwrap"]),
            ("src/vm/a.rs", "#[cfg(test)]\nfn f() { x.unwrap() }\nfn g() { x.unwrap_or(1) }", &[]),
            ("src/vm/a.rs", "let c = '\"'; let l: &'a str; x.unwrap(); let d = '\\''; // \"", &["unwrap"]),
            ("src/vm/a.rs", "let c = r#\"a \" x.unwrap()\"#; let b = br\"x.unwrap()\";", &[]),
            ("src/vm/a.rs", "let x = y as u32;", &["`as u32`"]),
            ("src/vm/a.rs", "let x = y as\n    usize;", &["`as usize`"]),
            ("src/vm/a.rs", "let x = y as u64 + z as f64; use a::b as u;", &[]),
            ("src/assembler/encode.rs", "let x = y as u32;", &[]),
            ("src/loader/sys/bpf.rs", "let x = y as u32;", &[]),
            ("tests/a.rs", "let x = y.unwrap() as u32;", &[]),
            ("src/compiler/event/mod.rs", "let x = self as usize + y as usize;", &["`as usize`"]),
            ("tests/a.rs", "// SAFETY: yes\nunsafe { f() }", &[]),
            ("tests/a.rs", "unsafe { f() }", &["without a SAFETY"]),
            ("src/vm/a.rs", "/* SAFETY: no */ unsafe { f() }", &["it stays in"]),
            ("src/vm/a.rs", "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }", &["it stays in"]),
            ("src/loader/sys/bpf.rs", "// SAFETY: yes\nunsafe { f() }", &[]),
            ("src/loader/sys/bpf.rs", "// SAFETY: yes,\n// and more.\nlet x =\n    unsafe { f() };", &[]),
            ("src/loader/sys/bpf.rs", "// because\nunsafe { f() }", &["without a SAFETY"]),
            ("src/loader/sys/bpf.rs", "// SAFETY: far\n\n\n\n\nunsafe { f() }", &["without a SAFETY"]),
            ("src/loader/sys/bpf.rs", "unsafe impl Send for X {}", &["without a SAFETY"]),
            ("src/loader/sys/bpf.rs", "// SAFETY: yes\nunsafe { f() }\n// other\nunsafe { g() }", &["bpf.rs:4"]),
        ];
        for (name, text, want) in cases {
            let found = violations(name, text);
            assert_eq!(found.len(), want.len(), "{name}: {text}\n{found:?}");
            for (found, want) in found.iter().zip(*want) {
                assert!(found.contains(want), "{name}: {text}\n{found}\ndoes not say {want}");
            }
        }
    }

    #[test]
    fn a_file_of_one_line_too_many_is_found() {
        assert!(violations("src/vm/a.rs", &"\n".repeat(LINES_MAX)).is_empty());
        let found = violations("src/vm/a.rs", &"\n".repeat(LINES_MAX + 1));
        assert_eq!(found, ["src/vm/a.rs: 701 lines; at most 700"]);
    }

    #[test]
    fn a_test_module_in_another_file_is_test_code() {
        let read = vec![
            ("src/vm/mod.rs".to_owned(), Source::new("#[cfg(test)]\nmod tests;\nmod other;")),
            ("src/vm/a.rs".to_owned(), Source::new("#[cfg(test)]\npub(crate) mod deep;")),
        ];
        let files = test_files(&read);
        assert!(files.contains(&"src/vm/tests.rs".to_owned()), "{files:?}");
        assert!(files.contains(&"src/vm/a/deep.rs".to_owned()), "{files:?}");
        assert!(files.contains(&"src/vm/tests/".to_owned()), "{files:?}");
        assert!(!files.contains(&"src/vm/other.rs".to_owned()), "{files:?}");
    }
}
