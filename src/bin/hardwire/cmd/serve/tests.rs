use super::*;
use crate::output::Color;
use hardwire::attachment::Hook;
use hardwire::compiler::ir::{Report, Scope, Verdict};
use hardwire::netlink::XdpMode;

fn messages() -> Output {
    Output::new(false, Color::Never)
}

/// What a configuration wants, or its first complaint.
fn wanted(text: &str) -> Result<Vec<Wanted>, String> {
    let text = Text::new("c.toml".to_owned(), text.to_owned());
    let config = text.parse().map_err(|problem| problem.headline())?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    wanted::all(&config, &text, &folder, &messages()).map_err(|failure| failure.headline())
}

/// Goal: whatever is wrong is said in one line, with the place and what would be right.
#[test]
fn what_is_wrong_is_told_with_its_line_and_column_and_what_is_allowed() {
    const GOOD: &str = "patterns = [\"x\"]\n";
    for (head, body, parts) in [
        ("", "", &["there is nothing to attach", "[[attach]]"][..]),
        ("colour = 1\n", GOOD, &["unknown field `colour`", "`bpffs`", "line 1 column 1"]),
        ("[output]\nevent = \"-\"\n", GOOD, &["`event`", "`events`, `capture`", "line 2 column 1"]),
        ("[output]\nprometheus = \"x:1\"\n", GOOD, &["\"x:1\"", "9464", "line 2 column 14"]),
        ("[output]\nprometheus = 70000\n", GOOD, &["70000", "line 2 column 14"]),
        ("[output\n", GOOD, &["line 1 column 8"]),
        ("", "interfaces = 1\n", &["`interfaces`", "`interface`", "line 3 column 1"]),
        ("", "hook = \"tc\"\n", &["\"tc\" is none of xdp, ingress, egress", "line 3 column 8"]),
        ("", "mode = \"fast\"\n", &["none of auto, native, generic, offload", "line 3"]),
        ("", "in = \"header\"\n", &["none of payload, packet, raw", "line 3 column 6"]),
        ("", "report = \"some\"\n", &["none of first, all"]),
        (
            "",
            "on-match = \"drip\"\n",
            &["pass, drop, abort, tx and redirect:IFACE", "line 3 column 12"],
        ),
        ("", "on-match = 1\n", &["invalid type: integer `1`, expected a string", "line 3"]),
        (
            "",
            "on-match = \"redirect:nosuch0\"\npatterns = [\"x\"]\n",
            &["no interface nosuch0", "c.toml line 3 column 12"],
        ),
        ("", "dry-run = \"yes\"\n", &["\"yes\"", "a boolean", "line 3 column 11"]),
        ("", "limit-pps = 0\n", &["0 is not within 1 to 4294967295", "line 3 column 13"]),
        ("", "events = 5\n", &["true, false, or a table", "line 3 column 10"]),
        ("", "events = { snap = 70000 }\n", &["70000 is not within 0 to 65535", "line 3"]),
        ("", "events = { size = 1 }\n", &["`size`", "`snap`, `sample`, `rate`", "line 3"]),
        ("", "events = true\npatterns = [\"x\"]\n", &["nowhere to write them", "[output]"]),
        ("", "", &["no patterns", "pattern-files"]),
        ("", "patterns = [\"re:a(\"]\n", &["not closed", "c.toml line 3 column 13"]),
        ("", "patterns = [\"a\",\n  \"hex:4\"]\n", &["c.toml line 4 column 3"]),
        ("", "patterns = [\"# x\"]\n", &["comment", "line 3 column 13", "literal ="]),
        ("", "patterns = [\"a\\nb\"]\n", &["more than one line", "line 3 column 13"]),
        ("", "patterns = [1]\n", &["expected a pattern", "line 3 column 13"]),
        ("", "patterns = [{ text = \"x\" }]\n", &["`text`", "`literal`", "line 3"]),
        ("", "patterns = [{ literal = \"x\", hex = \"00\" }]\n", &["exactly one", "line 3"]),
        ("", "patterns = [{ depth = 3 }]\n", &["exactly one", "line 3"]),
        ("", "patterns = [{ literal = \"x\", offset = -1 }]\n", &["-1", "u32", "line 3"]),
        ("", "pattern-files = [\"nosuch.txt\"]\n", &["nosuch.txt"]),
        (
            "",
            "hook = \"egress\"\nmode = \"native\"\npatterns = [\"x\"]\n",
            &["for hook xdp", "line 2"],
        ),
        ("", "interface = \"b\"\n", &["duplicate key", "line 3 column 1"]),
    ] {
        let attach = if head.is_empty() && body.is_empty() && parts[0].contains("nothing") {
            String::new()
        } else {
            format!("[[attach]]\ninterface = \"eth0\"\n{body}")
        };
        let text = format!("{head}{attach}");
        let told = wanted(&text).expect_err(&text);
        assert!(!told.contains('\n'), "{told}");
        for part in parts {
            assert!(told.contains(part), "{text}\ngives: {told}\nwithout: {part}");
        }
    }
}

#[test]
fn names_and_interfaces_are_taken_once() {
    let one = |more: &str| format!("[[attach]]\ninterface = \"eth0\"\npatterns = [\"x\"]\n{more}");
    for (second, expected) in [
        ("", Some("the name eth0-xdp is taken by what stands at c.toml line 2 column 13")),
        ("name = \"b\"\n", Some("the XDP program of interface eth0 is taken")),
        ("hook = \"ingress\"\n", None),
        ("name = \"b\"\nhook = \"egress\"\n", None),
    ] {
        let result = wanted(&(one("") + &one(second)));
        match expected {
            Some(part) => assert!(result.clone().expect_err(second).contains(part), "{result:?}"),
            None => assert_eq!(result.expect(second).len(), 2),
        }
    }
    let long = one("").replace("eth0", "an-interface-name");
    assert!(wanted(&long).expect_err("long").contains("names have 1 to 15 bytes"));
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let text = r#"
        bpffs = "/run/bpf"
        [output]
        events = "-"
        [[attach]]
        name = "one"
        interface = "lo"
        mode = "generic"
        in = "packet"
        report = "all"
        on-match = "redirect:lo"
        on-miss = "abort"
        out-of-scope = "tx"
        dry-run = true
        limit-pps = 7
        events = { snap = 0, sample = 10, rate = 5 }
        patterns = ["a", { regex = "b+", ignore-case = true, offset = 3, depth = 9 }, "hex:00 01"]
        [[attach]]
        interface = "lo"
        hook = "egress"
        events = false
        patterns = [{ frequency = "a>=2" }]
    "#;
    let all = wanted(text).unwrap_or_else(|told| panic!("{told}"));
    let [one, two] = &all[..] else { panic!("{all:?}") };
    assert_eq!((one.name.as_str(), one.mode, one.hook), ("one", XdpMode::Generic, Hook::Xdp));
    assert_eq!((one.matcher.scope, one.matcher.report), (Scope::Packet, Report::All));
    assert!(matches!(one.matcher.verdicts.on_match, Verdict::Redirect { ifindex: 1.. }));
    assert_eq!(one.matcher.verdicts.on_miss, Verdict::Abort);
    assert_eq!((one.snap(), one.control.sample, one.control.rate), (Some(0), 10, 5));
    assert!(one.control.dry_run && one.control.limit_pps == 7 && one.options.source_limit);
    let window = one.matcher.patterns[1].window;
    assert_eq!((window.offset, window.depth), (3, Some(9)));
    let ids: Vec<u32> = one.matcher.patterns.iter().map(|pattern| pattern.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!((two.name.as_str(), two.snap()), ("lo-egress", None));

    assert!(one.same(&one.clone()) && !one.same(two));
    let dry = Wanted { control: Default::default(), ..one.clone() };
    assert!(!one.same(&dry) && one.is_at_the_place_of(&dry));
}

#[test]
fn the_example_that_is_installed_is_right_and_compiles() {
    let text = include_str!("../../../../../dist/hardwire.toml");
    let all = wanted(text).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!((all.len(), all[0].matcher.patterns.len()), (1, 4));
    // With every line that is commented out, too.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") => format!("{}\n", rest.split(" #").next().unwrap()),
            _ => format!("{line}\n"),
        })
        .filter(|line| !line.contains("pattern-files") && !line.starts_with("events = false"))
        .collect();
    assert!(uncommented.contains("\nname = \"eth0-xdp\""));
    wanted(&uncommented).unwrap_or_else(|told| panic!("{told}\n{uncommented}"));
    for wanted in all {
        wanted.prepare(&Target::newest(), &messages()).expect("it compiles");
    }
}
