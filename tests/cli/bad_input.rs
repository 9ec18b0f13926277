//! Everything a user can get wrong without a kernel: what, where, and what to do.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use crate::captures::{four, pcap, udp};
use crate::{File, command, finish, run, run_with};

#[test]
fn a_bad_pattern_is_told_with_its_place_and_what_would_be_right() {
    let long = "a".repeat(1025);
    let cases: &[(&[&str], &[&str])] = &[
        (&["-e", ""], &["the literal is empty", "pattern 1 (-e)", "at least one byte"]),
        (&["-x", " "], &["the hex string is empty", "pattern 1 (-x)"]),
        (&["-e", &long], &["1025 bytes", "the limit is 1024"]),
        (
            &["-e", "ok", "-e", r"a\q"],
            &[r"unknown escape \q at byte 1", "pattern 2", "| a\\q\n   |  ^^"],
        ),
        (&["-e", r"a\x4"], &[r"bad escape \x4 at byte 1", "two hex digits"]),
        (&["-e", "a\\"], &["nothing behind it at byte 1", r"write \\"]),
        (&["-x", "DEA"], &["odd number of hex digits (3)", "byte 2", "two digits"]),
        (&["-x", "DE XX"], &["\"X\" is not a hex digit at byte 3"]),
        (&["-x", "DE [6-4] EF"], &["a gap whose least is above its most at byte 3", "swap"]),
        (&["-x", "(DE|)"], &["an empty alternative at byte 4"]),
        (&["-E", "a(?=b)"], &["look-ahead", "byte 1", "alternatives"]),
    ];
    for (patterns, parts) in cases {
        run(["compile"].iter().chain(*patterns)).complains(1, parts);
        run_with(&[&["match"], *patterns].concat(), "61\n").complains(1, parts);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let file = File::new("set", "fine\n\\q\n# \\q\nhex:DE A\nre:(a\n");
    let got = run(["compile", "-e", "", "-f", file.name(), "-x", "0"]);
    got.complains(1, &["set line 2", "set line 4", "set line 5", "(-e)", "(-x)"]);
    assert_eq!(got.err.matches("error: ").count(), 5, "{}", got.err);
}

#[test]
fn patterns_and_files_are_bytes() {
    let file = File::new("set", b"\xff\xfe\r\n");
    assert_eq!(run_with(&["match", "-f", file.name()], "00fffe\n").clean(), "1\n");
    let mut explain = command(["explain", "--target", "6.18"]);
    explain.arg("-e").arg(OsStr::from_bytes(b"\xff"));
    assert!(finish(explain).clean().contains("1 bytes: ff"));
    assert_eq!(run_with(&["match", "-e", "\u{e9}"], "c3a9\n").clean(), "1\n");
}

#[test]
fn a_window_that_nothing_fits_into_is_legal_and_warned_about() {
    for (options, part) in [(["--depth", "2"], "--depth 2"), (["--offset", "70000"], "70000")] {
        let line = ["match", "-e", "abc", options[0], options[1]];
        let got = run_with(&line, "616263\n");
        assert_eq!((got.code, got.out.as_str()), (0, "0\n"));
        assert!(got.err.starts_with("warning: ") && got.err.contains(part), "{}", got.err);
        assert!(got.err.contains("can never match"), "{}", got.err);
    }
}

#[test]
fn what_is_legal_but_hardly_meant_is_warned_about() {
    let set = File::new("set", "abc\nre:[a-c]x\nabc\nhex:61 62 63\nre:[abc]x\nABC\n");
    let cases: &[(&[&str], &[&str])] = &[
        (&["-e", "a", "-E", "x*"], &["pattern 2 (-E) matches the empty string"]),
        (&["-e", "ab", "-i", "-e", "AB", "-i"], &["pattern 2 (-e: AB) is the same as pattern 1"]),
        (&["-e", "ab", "-e", "ab", "--depth", "9"], &[]),
        (
            &["-f", set.name()],
            &[
                "set line 3: abc) is the same as pattern 1",
                "set line 4: 61 62 63) is the same as pattern 1",
                "set line 5: [abc]x) is the same as pattern 2",
            ],
        ),
    ];
    for (patterns, warnings) in cases {
        let got = run_with(&[&["match"], *patterns].concat(), "00\n");
        assert_eq!(got.code, 0, "{got:?}");
        let lines: Vec<&str> = got.err.lines().collect();
        assert_eq!(lines.len(), warnings.len(), "{}", got.err);
        for (line, warning) in lines.iter().zip(*warnings) {
            assert!(line.starts_with("warning: ") && line.contains(warning), "{line}");
        }
    }
    let nearly = "regex:GET\nHEX:47\nalert tcp any any (sid:1;)\nalert me\nhex:47\n";
    let set = File::new("set", nearly);
    let got = run_with(&["match", "-f", set.name()], "00\n");
    let told = ["line 1 is searched as it stands", "like a hex string", "like a rule"];
    assert_eq!(got.err.lines().count(), told.len(), "{}", got.err);
    assert!(got.err.lines().zip(told).all(|(line, part)| line.contains(part)), "{}", got.err);
    let again = ["abc"; 9].join("\n");
    let set = File::new("set", &again);
    let got = run_with(&["match", "-f", set.name()], "00\n");
    assert_eq!(got.err.lines().count(), 6, "{}", got.err);
    assert!(got.err.contains("3 more patterns are the same"), "{}", got.err);
}

#[test]
fn limits_of_automata_are_options_and_their_errors_tell_both_numbers() {
    let ask = |options: &[&str]| {
        let line = ["compile", "--emit", "hex", "--target", "6.18", "-E", "x[ab]{9}y+[cd]{9}z"];
        run([&line, options].concat())
    };
    assert_eq!(ask(&["--strategy", "dispatcher"]).code, 0);
    let forced = ["--strategy", "dispatcher"];
    ask(&[&forced[..], &["--states-max", "8"]].concat())
        .complains(1, &["pattern 1", "the limit is 8"]);
    ask(&[&forced[..], &["--steps-max", "8"]].concat())
        .complains(1, &["pattern 1", "more than the 8 steps"]);
}

#[test]
fn a_command_line_that_cannot_be_understood_is_exit_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["frobnicate"], "frobnicate"),
        (&[], "Usage"),
        (&["run", "-e", "a"], "--pcap"),
        (&["compile", "-e", "a", "--target", "six"], "not a kernel version"),
        (&["compile", "-e", "a", "--on-match", "explode"], "redirect:IFACE"),
        (&["compile", "-e", "a", "--on-match", "redirect"], "redirect:eth1"),
        (&["compile", "-e", "a", "--offset", "-1"], "-1"),
        (&["compile", "-e", "a", "--emit", "coff"], "coff"),
        (&["attach", "lo", "-e", "a", "--duration", "soon"], "seconds"),
        (&["attach", "lo", "-e", "a", "--force", "--replace", "1"], "--force"),
        (&["attach", "lo", "-e", "a", "--via", "link", "--replace", "1"], "--via netlink"),
        (&["attach", "lo", "-e", "a", "--via", "link", "--force"], "--via netlink"),
        (&["compile", "-e", "a", "--type", "socket", "--on-match", "drop"], "leave them away"),
        (&["run", "-f", "-", "--pcap", "-"], "into a file"),
        (&["match", "-f", "-"], "into a file"),
        (&["compile", "-e", "a", "--json", "--emit", "hex"], "leave one of them away"),
        (&["compile", "-e", "a", "--json", "--labels"], "--labels is about listings"),
        (&["compile", "-e", "a", "--emit", "c", "--bytes"], "--emit listing"),
        (&["asm", "--slots"], "--emit listing"),
        (&["asm", "--emit", "c", "--json"], "leave one of them away"),
        (&["asm", "--json", "-o", "/dev/null"], "--output is for what --emit writes"),
        (&["disasm", "-o", "/dev/null"], "--output is for what --emit writes"),
        (&["disasm", "--labels"], "add --emit"),
        (&["disasm", "--emit", "dot", "--json"], "leave one of them away"),
        (&["compile", "-f", "-", "-e", "a", "-f", "-"], "into a file"),
    ];
    for (args, part) in cases {
        let got = run(*args);
        assert_eq!(got.code, 2, "{args:?}: {got:?}");
        assert!(got.err.contains(part), "{args:?}: {}", got.err);
        assert_eq!(got.out, "", "{args:?}");
    }
}

#[test]
fn a_target_that_lacks_what_the_code_needs_is_refused_and_an_untried_one_warned_about() {
    for version in ["3.0", "4.19", "5.2"] {
        let parts = [version, "every search is a loop", "5.3", "newer kernel"];
        run(["compile", "-e", "a", "--target", version]).complains(1, &parts);
        run(["explain", "-e", "a", "--target", version]).complains(1, &parts);
    }
    for version in ["5.3", "5.4", "5.9"] {
        let got = run(["compile", "-e", "a", "--emit", "hex", "--target", version]);
        assert_eq!(got.code, 0, "{got:?}");
        let want = format!("warning: --target {version} is not tested, 5.10 is the oldest that is");
        assert!(got.err.starts_with(&want), "{}", got.err);
    }
    for version in ["5.10", "6.1", "6.18"] {
        run(["compile", "-e", "a", "--emit", "hex", "--target", version]).clean();
    }
}

#[test]
fn files_that_are_not_there_or_not_readable_are_named() {
    let missing = "/nonexistent/file";
    let cases: &[&[&str]] = &[
        &["compile", "-f", missing],
        &["run", "-e", "a", "--pcap", missing],
        &["asm", missing],
        &["disasm", missing],
    ];
    for args in cases {
        run(*args).complains(1, &["cannot open /nonexistent/file", "No such file"]);
    }
    run(["compile", "-f", "/"]).complains(1, &["cannot read /", "directory", "name a file in it"]);
    run(["run", "-e", "a", "--pcap", "/"])
        .complains(1, &["cannot read the capture: /", "directory", "name a file"]);
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    run(["compile", "-e", "a", "--target", "6.1", "-o", "/nonexistent/out"])
        .complains(1, &["cannot write /nonexistent/out", "No such file", "-o"]);
    run(["compile", "-e", "a", "--target", "6.1", "-o", "/dev/full"])
        .complains(1, &["cannot write /dev/full", "No space left"]);
    let lines: [&[&str]; 3] =
        [&["compile", "-e", "a", "--target", "6.1"], &["--help"], &["run", "--help"]];
    for args in lines {
        let mut full = command(args);
        full.stdout(OpenOptions::new().write(true).open("/dev/full").expect("a device"));
        let parts = ["cannot write to standard output", "No space left", "make room"];
        finish(full).complains(1, &parts);
    }
}

#[test]
fn a_reader_that_has_enough_is_success() {
    let capture = File::new("many.pcap", pcap(&vec![udp(b"GET /admin"); 20_000]));
    let lines: &[&[&str]] = &[
        &["compile", "-e", "GET /admin", "--target", "6.18"],
        &["run", "-e", "admin", "--json", "--engine", "reference", "--pcap", capture.name()],
    ];
    for args in lines {
        let mut command = command(*args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut out = child.stdout.take().expect("a pipe");
        out.read_exact(&mut [0; 10]).expect("the beginning");
        drop(out);
        let ended = child.wait_with_output().expect("ends");
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]), "{args:?}");
    }
}

#[test]
fn a_damaged_capture_is_reported_up_to_the_damage() {
    let whole = pcap(&[udp(b"GET /admin"), udp(b"GET /")]);
    let cut = File::new("cut.pcap", &whole[..whole.len() - 3]);
    for engine in ["reference", "vm"] {
        let got = run(["run", "-e", "GET", "--json", "--engine", engine, "--pcap", cut.name()]);
        let parts = ["cut off", "after frame 1", "cut.pcap", "frames before it", "being written"];
        got.complains(1, &parts);
        let lines: Vec<_> = got.out.lines().collect();
        assert_eq!(lines.len(), 2, "{}", got.out);
        assert!(lines[0].starts_with(r#"{"frame":1,"#) && lines[0].contains(r#""end":3"#));
        assert!(lines[1].starts_with(r#"{"summary":{"frames":1,"#));
    }
    let mut corrupt = whole;
    // The captured length of the second frame.
    let second = 24 + 16 + udp(b"GET /admin").len() + 8;
    corrupt[second..second + 4].fill(0xff);
    let corrupt = File::new("corrupt.pcap", corrupt);
    let got = run(["run", "-e", "GET", "--pcap", corrupt.name()]);
    got.complains(1, &["after frame 1", "corrupt.pcap", "frames before it", "record it again"]);
    assert!(got.out.starts_with("frame 1: "), "{}", got.out);
}

#[test]
fn what_is_not_an_ethernet_capture_is_refused_by_name() {
    let mut wifi = pcap(&[udp(b"x")]);
    wifi[20] = 105;
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("empty.pcap", b"", &["empty", "empty.pcap", "tcpdump -i IFACE -w FILE"]),
        ("text.pcap", b"hello, this is no capture", &["not a pcap", "text.pcap", "tcpdump"]),
        ("zipped.pcap", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", &["gzip", "decompress"]),
        ("wifi.pcap", &wifi, &["IEEE802_11", "105", "wifi.pcap", "tcpdump -i eth0"]),
    ];
    for (name, bytes, parts) in cases {
        let file = File::new(name, bytes);
        let got = run(["run", "-e", "a", "--pcap", file.name()]);
        got.complains(1, parts);
        assert_eq!(got.out, "");
    }
}

#[test]
fn bad_haystacks_programs_and_texts_are_told_with_their_place() {
    let cases: &[(&[&str], &[u8], &[&str])] = &[
        (&["match", "-e", "a"], b"61\n6G\n", &["\"G\"", "line 2"]),
        (&["match", "-e", "a"], b"616\n", &["odd number of hex digits (3)", "line 1"]),
        (&["match", "-e", "a"], &[b'6'; 300_000], &["262144 bytes", "line 1", "overlap"]),
        (&["match", "-e", "a"], &[b'6'; 140_000], &["70000 bytes", "65535", "overlap"]),
        (&["disasm", "--hex"], b"95 0", &["3 hexadecimal digits", "16"]),
        (&["disasm", "--hex"], b"zz", &["'z'", "column 1"]),
        (&["disasm"], b"1234567", &["7 bytes", "--hex"]),
        (&["asm"], b"r0 = 1\nr0 <> 2\n", &["line 2", "hardwire disasm"]),
        (&["asm"], b"\xff", &["not text", "byte 0", "right file"]),
        (&["asm", "--emit", "c"], b"exit\n.slot 0x1\n", &["line 2", "raw slot"]),
        (&["asm", "--emit", "dot"], b"r1 = map[3]\nexit\n", &["map 3 is not declared"]),
        (&["disasm", "--hex", "--emit", "c"], b"ff00000000000000", &["slot 0", "0xff"]),
        (&["asm"], b"call bpf_no_such\n", &["line 1, column 6", "bpf_no_such"]),
        (&["vm"], b"9500", &["4 hexadecimal digits", "16 hex digits"]),
        (&["vm"], b"ff00000000000000", &["slot 0", "disasm --hex"]),
        (&["vm", "--mem", "0"], b"9500000000000000", &["odd", "--mem"]),
        (&["vm", "--limit", "10"], b"0500ffff00000000", &["limit", "10", "--trace"]),
    ];
    for (args, stdin, parts) in cases {
        run_with(args, stdin).complains(1, parts);
    }
    let answered = run_with(&["match", "-e", "a"], "61\n6G\n");
    assert_eq!(answered.out, "1\n", "what came before the mistake is answered");
}

#[test]
fn verdicts_need_an_interface_that_exists_and_a_program_that_has_verdicts() {
    run(["compile", "-e", "a", "--on-match", "redirect:nope0"])
        .complains(1, &["no interface nope0", "redirect:nope0", "ip link"]);
    run(["compile", "-e", "a", "--on-match", "redirect:0"])
        .complains(1, &["indices count from 1", "redirect:0", "ip link"]);
    run(["compile", "-e", "a", "--type", "socket", "--on-match", "drop"])
        .complains(2, &["a socket filter has no verdicts", "--on-match"]);
    for option in ["--dry-run", "--limit-pps=5"] {
        let name = option.split('=').next().expect("a name");
        run(["compile", "-e", "x", "--type", "socket", option])
            .complains(2, &[name, "a socket filter gives no verdict", "--sample"]);
    }
    let capture = four();
    let redirect = ["run", "-e", "admin", "--on-match", "redirect:7", "--json", "--pcap"];
    let got = run(redirect.iter().chain(&[capture.name()])).clean();
    assert!(got.contains(r#""verdict":"redirect""#), "{got}");
}

#[test]
fn a_checked_configuration_is_told_where_it_names_what_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.toml");
    let check = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        run([OsStr::new("serve"), OsStr::new("--check"), path.as_os_str()])
    };
    let body = "[[attach]]\ninterface = \"nosuch0\"\npatterns = [\"x\"]\n";
    let ran = check(&format!("[output]\nevents = \"-\"\ncapture = \"none/x.pcapng\"\n{body}"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in
        ["/none: ", "c.toml line 3 column 11: make it", "\"nosuch0\"", "c.toml line 5 column 13\n"]
    {
        assert!(ran.err.contains(part), "no {part} in {}", ran.err);
    }
    let ran = check(&format!("[output]\nevents = \"beside.jsonl\"\n{body}"));
    assert!(!ran.err.contains("folder"), "{}", ran.err);
    let ran = check(&format!("{body}pattern-files = [\"a.txt\",\n  \"b.txt\"]\n"));
    ran.complains(
        1,
        &["cannot open", "a.txt: ", "c.toml line 4 column 18", "b.txt: ", "c.toml line 5 column 3"],
    );
}
