//! What is installed beside the binary: completions and man pages.

use super::*;

/// The verbs, as the help lists them.
fn verbs() -> Vec<String> {
    let help = run(["--help"]).clean();
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let names = list.expect("a list of verbs").lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn completions_name_every_verb_and_the_shell_reads_them() {
    let verbs = verbs();
    assert!(verbs.len() > 15, "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(["completions", shell]).clean();
        for verb in &verbs {
            assert!(script.contains(verb.as_str()), "{shell} has no {verb}");
        }
        assert!(script.contains("on-match"), "{shell} has no options");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hardwire");
    std::fs::write(&path, run(["completions", "bash"]).clean()).expect("a file");
    let mut bash = command_of("bash", ["-euc", ". \"$1\"; complete -p hardwire", "-"]);
    bash.arg(&path);
    match bash.output() {
        Ok(output) => assert!(of(&output).clean().contains("hardwire"), "it is registered"),
        Err(error) => skip(&format!("no bash: {error}")),
    }
    run(["completions", "tcsh"]).complains(2, &["tcsh", "bash", "fish", "zsh"]);
}

#[test]
fn every_verb_has_a_man_page_with_its_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man/man1");
    let ran = run([OsStr::new("man"), pages.as_os_str()]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    for verb in verbs() {
        let page = pages.join(format!("hardwire-{verb}.1"));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{page:?}: {e}"));
        for part in
            [".TH", "NAME", "SYNOPSIS", "OPTIONS", concat!("hardwire ", env!("CARGO_PKG_VERSION"))]
        {
            assert!(text.contains(part), "{page:?} has no {part}");
        }
    }
    let attach = std::fs::read_to_string(pages.join("hardwire-attach.1")).expect("a page");
    assert!(attach.contains("on\\-match") && attach.contains(".SH EXAMPLES\n"), "{attach}");
    for (page, line) in [
        ("attach", "  hardwire attach eth0 -x 'DE AD BE EF' --mode generic --replace 42\n"),
        ("watch", "  hardwire watch eth0 -E '(?i)authorization: basic [a-z0-9+/=]+' -X\n"),
        ("match", "  printf '%s\\n' 6162 6263 | hardwire match -e c --engine all --exit-code\n"),
        ("asm", "  echo 'r0 = 2\n               exit' | hardwire asm\n"),
    ] {
        let mut man = command_of("man", ["-E", "UTF-8", "-l"]);
        man.arg(pages.join(format!("hardwire-{page}.1"))).env("MANWIDTH", "100");
        // Small systems have no man, or one that says only that there is none.
        let shown = man.output().map(|output| of(&output).out).unwrap_or_default();
        if !shown.contains("EXAMPLES") {
            eprintln!("no man that shows pages");
            break;
        }
        assert!(shown.contains(line), "{shown}");
    }
    assert!(pages.join("hardwire.1").exists());
    run(["man", "/dev/null/x"]).complains(1, &["/dev/null/x", "a folder that can be written"]);
}
