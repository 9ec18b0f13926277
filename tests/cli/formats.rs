//! What programs read from us, to the byte; and what people read, as far as it carries meaning.

use hardwire::{
    assembler::parse::{Assembled, assemble},
    loader::{LoadOptions, Program},
};
use serde_json::{Value, json};

use crate::captures::{four, pcap, udp};
use crate::{File, may_attach, run, run_with};

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn run_tells_one_line_a_frame_and_then_the_summary() {
    let capture = four();
    for engine in ["reference", "vm"] {
        let args = ["run", "--json", "--engine", engine, "--report", "all", "--on-match", "drop"];
        let patterns = ["-e", "/admin", "-e", "GET ", "-e", "nowhere", "--pcap", capture.name()];
        let got = run(args.iter().chain(&patterns)).clean();
        let want = concat!(
            r#"{"frame":1,"in_scope":true,"verdict":"drop","matches":[{"id":1,"end":10},{"id":2,"end":4}]}"#,
            "\n",
            r#"{"frame":2,"in_scope":true,"verdict":"drop","matches":[{"id":2,"end":4}]}"#,
            "\n",
            r#"{"frame":3,"in_scope":false,"verdict":"pass","matches":[]}"#,
            "\n",
            r#"{"frame":4,"in_scope":false,"verdict":"pass","matches":[]}"#,
            "\n",
            r#"{"summary":{"frames":4,"bytes":154,"out_of_scope":2,"unsearched":0,"matched":2,"missed":0,"verdicts":{"pass":2,"drop":2,"abort":0,"tx":0,"redirect":0},"hits":{"1":1,"2":2,"3":0}}}"#,
            "\n",
        );
        assert_eq!(got, want, "{engine}");
    }
}

#[test]
fn all_engines_agree_and_a_short_frame_is_answered_by_the_others() {
    if !may_attach() {
        return;
    }
    let capture = four();
    for entry in ["xdp", "socket"] {
        for report in ["first", "all"] {
            let args = ["run", "--json", "--engine", "all", "-e", "admin", "--report", report];
            let more = ["--type", entry, "--pcap", capture.name()];
            let lines = json_lines(&run(args.iter().chain(&more)).clean());
            let [frames @ .., _] = lines.as_slice() else { panic!("no summary") };
            assert!(frames.iter().all(|line| line["engines_agree"] == true), "{frames:?}");
            let short = (entry == "xdp").then_some("too short");
            assert_eq!(frames[3]["kernel"].as_str(), short);
            assert!(frames[..3].iter().all(|line| line.get("kernel").is_none()), "{frames:?}");
        }
    }
    let kernel = ["run", "--json", "--engine", "kernel", "-e", "admin", "--pcap", capture.name()];
    let lines = json_lines(&run(kernel).clean());
    assert_eq!(lines[0]["matches"], json!([{ "id": 1, "end": 10 }]));
    assert_eq!(lines[3]["kernel"], "too short");
    assert_eq!(lines[0].get("engines_agree"), None);
}

#[test]
fn an_input_that_is_too_long_for_the_kernel_is_answered_by_the_others() {
    if !may_attach() {
        return;
    }
    let long = vec![b'.'; 200_000];
    let capture = File::new("long.pcap", pcap(&[long, udp(b"admin")]));
    for entry in ["xdp", "socket"] {
        let args = ["run", "--json", "--engine", "all", "-e", "admin", "--type", entry];
        let lines = json_lines(&run(args.iter().chain(&["--pcap", capture.name()])).clean());
        assert_eq!(lines[0]["kernel"], "too long");
        assert_eq!(lines[1].get("kernel"), None);
        assert_eq!(lines[2]["summary"]["frames"], 2);
    }
    let haystack = "61".repeat(5000);
    let args = ["match", "--json", "-e", "b"];
    // As the payload of a frame the kernel can be given it, as a packet on a socket it cannot.
    let all = json_lines(&run_with(&[&args[..], &["--engine", "all"]].concat(), &haystack).clean());
    assert_eq!((&all[0]["engines_agree"], all[0].get("kernel")), (&json!(true), None));
    let got = run_with(&[&args[..], &["--engine", "kernel"]].concat(), &haystack);
    assert_eq!(json_lines(&got.out)[0]["kernel"], "too long");
    assert!(got.err.starts_with("warning: line 1: too long for the kernel"), "{got:?}");
}

#[test]
fn what_a_target_cannot_search_is_no_silent_miss() {
    let haystack = "61".repeat(20_000);
    let got = run_with(&["match", "--json", "-e", "b", "--target", "5.10"], haystack);
    assert_eq!(json_lines(&got.out)[0]["unsearched"], true);
    assert!(got.err.starts_with("warning: line 1: this target cannot search"), "{got:?}");
}

/// Without `may_goto` a long frame is not searched to its end. That is said, and is no difference.
#[test]
fn what_an_engine_did_not_search_is_visible_and_no_disagreement() {
    let long = |from: usize, needles: &[(usize, &[u8])]| {
        let mut payload = vec![b'.'; from];
        for (at, needle) in needles {
            payload[*at..at + needle.len()].copy_from_slice(needle);
        }
        udp(&payload)
    };
    let raw = |mut frame: Vec<u8>| {
        frame.resize(65_535, b'.');
        frame
    };
    let frames = [
        raw(long(60_000, &[(59_000, b"GET /admin")])),
        raw(long(60_000, &[])),
        raw(long(60_000, &[(100, b"GET /admin"), (59_000, b"other")])),
        udp(b"GET /admin"),
        udp(b"nothing"),
    ];
    let capture = File::new("long.pcap", pcap(&frames));
    let engines: &[&str] = if may_attach() { &["vm", "all"] } else { &["vm"] };
    for engine in engines {
        for entry in ["xdp", "socket"] {
            let args = ["run", "--engine", engine, "--target", "6.6", "--type", entry];
            let more = ["-e", "GET /admin", "-e", "other", "--report", "all", "--in", "raw"];
            let all = [&args[..], &more, &["--pcap", capture.name()]].concat();
            let lines = json_lines(&run(all.iter().chain(&["--json"])).clean());
            let unsearched: Vec<_> =
                lines[..5].iter().map(|line| line["unsearched"] == true).collect();
            assert_eq!(unsearched, [true, true, true, false, false], "{engine} {entry}: {lines:?}");
            let want = (*engine == "all").then_some(true);
            assert!(lines[..5].iter().all(|line| line["engines_agree"].as_bool() == want));
            assert_eq!(lines[0]["matches"], json!([]));
            assert_eq!(lines[2]["matches"][0]["id"], 1, "what was found is told");
            let summary = &lines[5]["summary"];
            let counts = ["unsearched", "matched", "missed"].map(|key| summary[key].as_u64());
            assert_eq!(counts, [2, 2, 1].map(Some), "{engine} {entry}");

            let text = run(&all).clean();
            assert!(text.contains(": not searched to its end\n"), "{text}");
            assert!(text.contains(": not searched to its end; #1 GET /admin"), "{text}");
            assert!(text.contains("2 UNSEARCHED"), "{text}");
        }
    }
}

#[test]
fn match_tells_one_answer_a_line() {
    let haystacks = "474554202f\n\n47 45\n  \n4745542\n";
    let got = run_with(&["match", "-e", "GET /"], haystacks.trim_end_matches("4745542\n"));
    assert_eq!(got.clean(), "1\n0\n0\n0\n");

    let args = ["match", "--json", "--report", "all", "-x", "6162", "-e", "b", "-e", "b"];
    let want = concat!(
        r#"{"line":1,"match":true,"matches":[{"id":1,"end":2},{"id":2,"end":2},{"id":3,"end":2}]}"#,
        "\n",
        r#"{"line":2,"match":false,"matches":[]}"#,
        "\n",
    );
    assert_eq!(run_with(&args, "616263\n").out.lines().next(), want.lines().next());
    let got = run_with(&args, "616263\n\n");
    let same = "warning: pattern 3 (-e: b) is the same as pattern 2 (-e)\n";
    assert_eq!((got.code, got.out.as_str(), got.err.as_str()), (0, want, same));
}

#[test]
fn match_takes_haystacks_of_every_length_in_every_engine() {
    if !may_attach() {
        return;
    }
    let mut haystacks = String::new();
    let mut want = String::new();
    for bytes in [0, 1, 2, 3, 12, 13, 14, 15, 64, 128, 1500, 3600] {
        let plain = "2e".repeat(bytes);
        haystacks += &format!("{plain}\n{plain}6162\n6162{plain}\n61{plain}\n");
        want += "0\n1\n1\n0\n";
    }
    for engine in ["reference", "vm", "kernel", "all"] {
        let got = run_with(&["match", "-e", "ab", "--engine", engine], &haystacks);
        assert_eq!(got.clean(), want, "{engine}");
    }
}

#[test]
fn no_pattern_matches_nothing_and_is_warned_about() {
    let got = run_with(&["match"], "61\n\n");
    assert_eq!((got.code, got.out.as_str()), (0, "0\n0\n"));
    assert!(got.err.starts_with("warning: no patterns, so nothing ever matches"), "{}", got.err);
}

#[test]
fn an_interface_without_patterns_is_a_usage_error_that_is_said_once() {
    for verb in ["attach", "watch"] {
        let got = run([verb, "lo"]);
        got.complains(2, &["no patterns, so nothing ever matches", "--frequency"]);
        assert_eq!(got.err.matches("no patterns").count(), 1, "{}", got.err);
    }
}

#[test]
fn ids_follow_the_command_line_across_files_and_options() {
    let file = File::new("patterns", "# not this\n\nb\nhex: 63\n");
    let line = ["match", "--json", "--report", "all", "-x", "61", "-f", file.name(), "-e", "d"];
    let got = json_lines(&run_with(&line, "64636261\n").clean());
    let ids: Vec<_> = got[0]["matches"].as_array().expect("matches").iter().collect();
    let want = [(1, 4), (2, 3), (3, 2), (4, 1)].map(|(id, end)| json!({ "id": id, "end": end }));
    assert_eq!(ids, want.iter().collect::<Vec<_>>());
}

#[test]
fn case_offset_and_depth_hold_for_all_before_the_first_pattern_and_else_for_one() {
    let ask = |options: &[&str]| {
        let args: Vec<_> = ["match", "--json", "--report", "all"].iter().chain(options).collect();
        let args: Vec<&str> = args.into_iter().copied().collect();
        // Some of them are the same pattern twice, which is warned about.
        let got = json_lines(&run_with(&args, "4142414261\n").out);
        let ids = got[0]["matches"].as_array().expect("matches").iter();
        ids.map(|m| (m["id"].as_u64().unwrap(), m["end"].as_u64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(ask(&["-e", "ab", "-e", "AB"]), [(2, 2)]);
    assert_eq!(ask(&["-i", "-e", "ab", "-e", "AB"]), [(1, 2), (2, 2)]);
    assert_eq!(ask(&["-e", "ab", "-e", "AB", "-i", "--offset", "1"]), [(2, 4)]);
    assert_eq!(ask(&["--offset", "1", "-e", "AB", "--depth", "2", "-e", "A"]), [(2, 3)]);
}

#[test]
fn the_exit_code_can_be_that_of_grep() {
    let capture = four();
    for (pattern, code) in [("admin", 0), ("nowhere", 1)] {
        let got = run(["run", "--exit-code", "-e", pattern, "--pcap", capture.name()]);
        assert_eq!((got.code, got.err.as_str()), (code, ""));
        let got = run_with(&["match", "--exit-code", "-e", pattern], "61646d696e\n");
        assert_eq!((got.code, got.err.as_str()), (code, ""));
        assert_eq!(run(["run", "-e", pattern, "--pcap", capture.name()]).code, 0);
    }
}

#[test]
fn every_form_of_a_program_is_the_same_program() {
    let emit = |form: &str| {
        run(["compile", "-e", "GET /", "--in", "raw", "--target", "6.18", "--emit", form]).clean()
    };
    let hex = emit("hex");
    assert_eq!(run_with(&["asm", "--hex"], emit("listing")).clean(), hex);
    assert_eq!(run_with(&["asm"], run_with(&["disasm", "--hex"], &hex).clean()).clean(), hex);

    let value: Value = serde_json::from_str(&emit("json")).expect("JSON");
    let instructions = value["instructions"].as_array().expect("instructions");
    let bytes = instructions.iter().map(|it| it["bytes"].as_str().expect("bytes").to_owned());
    assert_eq!(bytes.map(|bytes| bytes + "\n").collect::<String>(), hex);
    assert!(instructions.iter().all(|it| it["origin"]["phase"].is_string()));
    assert_eq!(
        value["slots"].as_u64(),
        Some(hex.split_whitespace().map(str::len).sum::<usize>() as u64 / 16)
    );
    assert!(value["plan"]["why"].is_string() && value["maps"][0]["name"] == "counters");
    assert!(emit("c").contains("struct bpf_insn"));
    assert!(emit("dot").starts_with("digraph "));

    let file = File::new("out", "");
    let raw = ["compile", "-e", "GET /", "--in", "raw", "--target", "6.18", "--emit", "raw"];
    assert_eq!(run(raw.iter().chain(&["-o", file.name()])).clean(), "");
    let raw: String =
        std::fs::read(&file.path).expect("bytes").iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(raw, hex.replace('\n', ""));
}

#[test]
fn a_loaded_program_is_shown_by_its_id() {
    if !may_attach() {
        return;
    }
    let image = assemble(".program shown socket_filter\nr0 = 0x1122334455667788\nexit");
    let image = image.and_then(Assembled::image).expect("a program");
    let program = Program::load(&image, &LoadOptions::default()).expect("it loads");
    let id = program.info().expect("its own program").id.to_string();
    let want = "   0: (18) r0 = 0x1122334455667788\n   2: (95) exit\n";
    assert_eq!(run(["disasm", "--id", &id]).clean(), want);
    let hex = "1800000088776655\n0000000044332211\n9500000000000000\n";
    assert_eq!(run(["disasm", "--id", &id, "--emit", "hex"]).clean(), hex);
    let lines = json_lines(&run(["--json", "disasm", "--id", &id]).clean());
    assert_eq!(lines[1], json!({ "slot": 2, "text": "(95) exit" }));

    let jited = run(["disasm", "--id", &id, "--jited"]);
    if jited.code == 1 {
        jited.complains(1, &["machine code", "program"]);
    } else {
        let text = jited.clean();
        assert!(text.starts_with("; ") && text.contains(" bytes\n     0: "), "{text}");
        let emitted = run(["disasm", "--id", &id, "--jited", "--emit", "hex"]).clean();
        assert!(emitted.trim_end().bytes().all(|b| b.is_ascii_hexdigit()), "{emitted}");
        run(["disasm", "--id", &id, "--jited", "--emit", "dot"]).complains(1, &["no such form"]);
    }
    run(["disasm", "--id", "4294967295"]).complains(1, &["program 4294967295", "bpftool prog"]);
}

#[test]
fn a_listing_is_saved_edited_and_assembled_to_every_form() {
    let compile = |more: &[&str]| {
        let args = ["compile", "-e", "GET /", "-e", "POST", "--report", "all", "--target", "6.18"];
        run(args.iter().chain(more)).clean()
    };
    let listing = compile(&[]);
    let forms: &[&[&str]] =
        &[&[], &["--labels"], &["--slots"], &["--bytes"], &["--labels", "--slots", "--bytes"]];
    for form in forms {
        let again = run_with(&["asm", "--emit", "listing"], compile(form)).clean();
        assert_eq!(again, listing, "{form:?}");
    }
    for form in ["hex", "c", "dot"] {
        let again = run_with(&["asm", "--emit", form], compile(&["--labels"])).clean();
        assert_eq!(again, compile(&["--emit", form]), "{form}");
    }
    let json = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    let mut ours = json(compile(&["--emit", "json"]));
    let theirs = json(run_with(&["asm", "--emit", "json"], &listing).clean());
    // A text does not say for which kernel, nor why, nor what it is expected to cost.
    for only_ours in ["plan", "target", "cost"] {
        assert!(ours.as_object_mut().expect("an object").remove(only_ours).is_some());
    }
    assert_eq!(ours, theirs);

    // One more instruction: every jump still goes where it went.
    let edited = compile(&["--labels"]).replacen("r6 = r1\n", "r6 = r1\n    r7 = 0\n", 1);
    let slots = |text: &str| json(text.to_owned())["slots"].as_u64();
    let edited = run_with(&["asm", "--emit", "json"], edited).clean();
    assert_eq!(slots(&edited), ours["slots"].as_u64().map(|slots| slots + 1));
    assert!(!edited.contains("outside"));
}

#[test]
fn compiling_twice_gives_the_same_bytes() {
    let compile = || run(["compile", "-e", "a", "-x", "62", "--target", "5.10", "--emit", "hex"]);
    assert_eq!(compile().clean(), compile().clean());
    let object = |name: &str| {
        let file = File::new(name, "");
        let args = ["compile", "-e", "a", "-x", "62", "--report", "all", "--target", "6.18"];
        run(args.iter().chain(&["--emit", "elf", "-o", file.name()])).clean();
        std::fs::read(&file.path).expect("bytes")
    };
    let (one, other) = (object("one.o"), object("other.o"));
    assert!(one.starts_with(b"\x7fELF\x02\x01\x01") && one == other);
}

#[test]
fn explain_tells_every_stage() {
    let text = run(["explain", "-e", "GET /admin", "-i", "--offset", "4", "--target", "6.18"]);
    let text = text.clean();
    let parts = ["47 45 54 20 2f 61", "either case", "from byte 4", "payload", "slots", "counters"];
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let only = run(["explain", "-e", "x", "--target", "6.18", "--stage", "plan", "--json"]).clean();
    let only: Value = serde_json::from_str(&only).expect("JSON");
    assert_eq!(only.as_object().map(serde_json::Map::len), Some(1));
    assert!(only["plan"]["strategy"].is_string());
}

#[test]
fn a_program_runs_on_memory_and_a_trap_names_its_instruction() {
    let program = run_with(&["asm"], "r0 = *(u8 *)(r1 +1)\nr0 += r2\nexit\n").clean();
    assert_eq!(run_with(&["vm", "--mem", "00 2a"], &program).clean(), "0x2c\n");
    let json = run_with(&["vm", "--mem", "002a", "--json"], &program).clean();
    assert_eq!(json, "{\"executed\":3,\"r0\":\"0x2c\"}\n");
    let traced = run_with(&["vm", "--mem", "002a", "--trace"], &program);
    assert_eq!((traced.out.as_str(), traced.err.lines().count()), ("0x2c\n", 3));
    let trapped = run_with(&["vm", "--mem", "00"], &program);
    let registers = ["r1=0x4000000000000 (memory+0)  r2=0x1", "r10="];
    trapped.complains(1, &["slot 0", "1 bytes", "0: r0 = *(u8 *)(r1 +1)"]);
    trapped.complains(1, &registers);
}

#[test]
fn verify_and_bench_and_features_speak_of_this_kernel() {
    if !may_attach() {
        return;
    }
    let verify: Value =
        serde_json::from_str(&run(["verify", "-e", "GET /", "--json"]).clean()).expect("JSON");
    assert_eq!(verify["accepted"], true);
    assert!(verify["slots"].as_u64() > Some(0) && verify["load_ms"].as_f64() > Some(0.0));

    let quick = ["--tries", "2", "--runs", "100", "--bytes", "64,1500"];
    let bench = run(["bench", "-e", "GET /", "--json"].iter().chain(&quick)).clean();
    let bench = json_lines(&bench);
    assert!(bench[0]["program"]["slots"].as_u64() > Some(0));
    assert!(bench[0]["program"]["processed_estimated"].as_u64() > Some(0));
    assert_eq!([&bench[1]["bytes"], &bench[2]["bytes"]], [64, 1500]);
    assert!(bench[1..].iter().all(|line| line["ns"].is_u64() && line["match"] == false));
    assert!(bench[1..].iter().all(|line| line["cold_ns"].is_f64()));
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/traffic.pcap");
    let over =
        ["bench", "-e", "GET /", "--json", "--tries", "2", "--runs", "100", "--pcap", capture];
    let bench = json_lines(&run(over).clean());
    assert_eq!(bench[1]["frames"].as_u64().map(|frames| frames > 0), Some(true));
    assert_eq!(bench[1]["match"], bench[1]["matched"].as_u64() > Some(0));

    let features: Value = serde_json::from_str(&run(["features", "--json"]).clean()).expect("JSON");
    let listed = features["features"].as_array().expect("features");
    let words = ["yes", "no", "unknown"];
    assert!(listed.iter().all(|it| words.contains(&it["support"].as_str().expect("a word"))));
    assert!(run(["features"]).clean().contains("may_goto"));
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let explain = |color: &str| run(["explain", "-e", "x", "--target", "6.18", "--color", color]);
    assert!(!explain("auto").clean().contains('\x1b'));
    assert!(!explain("never").clean().contains('\x1b'));
    let listing = |color: &str| run(["compile", "-e", "x", "--target", "6.18", "--color", color]);
    assert!(!listing("auto").clean().contains('\x1b'));
    let asked = run(["compile", "-e", "", "--color", "always"]);
    assert!(asked.err.starts_with("\x1b["), "{asked:?}");
    // Help is told before --color is understood, but goes by it.
    for args in [&["--color", "always", "--help"], &["run", "--help", "--color=always"][..]] {
        assert!(run(args).clean().contains("\x1b["), "{args:?}");
    }
    assert!(!run(["--color", "never", "--help"]).clean().contains('\x1b'));
}

#[test]
fn every_verb_has_help_with_examples() {
    let help = run(["--help"]).clean();
    let verbs = [
        "compile", "explain", "match", "run", "verify", "attach", "detach", "features", "asm",
        "disasm", "vm", "bench", "demo",
    ];
    for verb in verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in the help");
        let own = run([verb, "--help"]).clean();
        assert!(own.contains("Usage: hardwire") && own.contains("--json"), "{verb}: {own}");
        assert!(own.contains("Example"), "{verb} has no example");
    }
}

#[test]
fn a_capture_can_come_from_standard_input() {
    let bytes = pcap(&[udp(b"GET /admin")]);
    let got = run_with(&["run", "-e", "admin", "--pcap", "-"], bytes).clean();
    assert!(got.starts_with("frame 1: pass: #1 admin ends at 10\n1 frames, "), "{got}");
}
