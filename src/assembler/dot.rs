//! The control flow of a program as a graph for graphviz: `dot -Tsvg`.
//!
//! A node is a basic block with its instructions and the reasons for them; functions are frames
//! around their blocks. An edge is solid where control goes (green if a condition holds), dashed
//! for a call or an address that is taken. What leaves the program goes to a node of its own, so a
//! program that is not one can be drawn too.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::{
    ProgramImage,
    flow::{self, Way, starts_at},
    listing::{Line, lines},
};

/// The graph, in graphviz's language.
pub fn dot(image: &ProgramImage) -> String {
    let mut text = String::new();
    write_dot(image, &mut text).expect("a string takes everything");
    text
}

/// The first instructions of all blocks, by index.
fn leaders(image: &ProgramImage, lines: &[Line<'_>]) -> Vec<usize> {
    let mut leaders = BTreeSet::from([0]);
    for (index, (insn, line)) in image.insns().iter().zip(lines).enumerate() {
        match flow::way(insn) {
            Way::Next => continue,
            Way::Call(_) => {}
            Way::Branch(_) | Way::Jump(_) | Way::End => {
                leaders.insert(index + 1);
            }
        }
        leaders.extend(line.goes_to.and_then(|to| starts_at(image, to)));
    }
    leaders.extend(image.functions().iter().filter_map(|f| starts_at(image, f.slot)));
    leaders.into_iter().filter(|&index| index < lines.len()).collect()
}

fn write_dot(image: &ProgramImage, out: &mut String) -> fmt::Result {
    let lines = lines(image);
    let leaders = leaders(image, &lines);
    writeln!(out, "digraph \"{}\" {{", escaped(image.name()))?;
    writeln!(out, "\tnode [shape=box, fontname=\"monospace\", fontsize=10];")?;
    writeln!(out, "\tedge [fontname=\"monospace\", fontsize=10];")?;
    let mut functions = image.functions().iter().peekable();
    let framed = image.functions().len() > 1;
    let mut open = false;
    for (at, &first) in leaders.iter().enumerate() {
        let end = leaders.get(at + 1).copied().unwrap_or(lines.len());
        let slot = lines[first].slot;
        let mut function = None;
        while let Some(next) = functions.next_if(|f| f.slot <= slot) {
            function = Some(next);
        }
        if let Some(function) = function.filter(|_| framed) {
            if open {
                writeln!(out, "\t}}")?;
            }
            open = true;
            writeln!(out, "\tsubgraph cluster_{slot} {{")?;
            writeln!(out, "\t\tlabel=\"{}\";", escaped(&function.name))?;
        }
        block(&lines[first..end], out)?;
    }
    if open {
        writeln!(out, "\t}}")?;
    }
    edges(image, &lines, &leaders, out)?;
    writeln!(out, "}}")
}

fn block(lines: &[Line<'_>], out: &mut String) -> fmt::Result {
    let Some(first) = lines.first() else { return Ok(()) };
    write!(out, "\tb{} [label=\"", first.slot)?;
    for (index, line) in lines.iter().enumerate() {
        if index == 0 || line.begins_run {
            write!(out, "; {}\\l", escaped(&line.origin.comment()))?;
        }
        write!(out, "{:>4}: {}\\l", line.slot, escaped(&line.text))?;
    }
    writeln!(out, "\"];")
}

fn edges(
    image: &ProgramImage,
    lines: &[Line<'_>],
    leaders: &[usize],
    out: &mut String,
) -> fmt::Result {
    let mut outside = false;
    let mut next_leader = leaders.iter().copied().skip(1).peekable();
    let mut from = 0;
    for (index, (insn, line)) in image.insns().iter().zip(lines).enumerate() {
        let to = line.goes_to.and_then(|to| starts_at(image, to).map(|_| format!("b{to}")));
        let to = to.unwrap_or_else(|| "outside".to_owned());
        let way = flow::way(insn);
        let look = match way {
            Way::Next | Way::End => None,
            Way::Call(_) => Some(" [style=dashed, constraint=false]"),
            Way::Branch(_) => Some(" [color=darkgreen, label=\"yes\"]"),
            Way::Jump(_) => Some(""),
        };
        if let Some(look) = look {
            outside |= to == "outside";
            writeln!(out, "\tb{from} -> {to}{look};")?;
        }
        let ends = index + 1 == lines.len() || next_leader.next_if_eq(&(index + 1)).is_some();
        if !ends {
            continue;
        }
        if matches!(way, Way::Next | Way::Call(_) | Way::Branch(_)) {
            let next = lines.get(index + 1).map(|next| format!("b{}", next.slot));
            let next = next.unwrap_or_else(|| "outside".to_owned());
            outside |= next == "outside";
            writeln!(out, "\tb{from} -> {next};")?;
        }
        from = lines.get(index + 1).map_or(0, |next| next.slot);
    }
    if outside {
        writeln!(out, "\toutside [label=\"outside of the program\", shape=octagon];")?;
    }
    Ok(())
}

/// `text` for the inside of a quoted label, which it cannot end; graphviz reads backslashes and
/// HTML entities in it.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => safe.push_str("\\\""),
            '\\' => safe.push_str("\\\\"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => {
                // Twice: once for us, once for graphviz.
                for c in c.escape_default() {
                    safe.push_str(if c == '\\' { "\\\\" } else { "" });
                    safe.extend(Some(c).filter(|&c| c != '\\'));
                }
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembler::parse::assemble;

    fn graph(text: &str) -> String {
        dot(&assemble(text).expect("text").image().expect("instructions"))
    }

    #[test]
    fn blocks_end_where_control_does() {
        let text = "
            .program two xdp
            .function main
            ; entry: \"quoted\" \\ & <b>
            r1 = 0x5
            if r1 == 5 goto done
            ; verdict: miss
            call twice
            done: exit
            .function twice
            r0 = 2
            exit";
        let want = r#"digraph "two" {
	node [shape=box, fontname="monospace", fontsize=10];
	edge [fontname="monospace", fontsize=10];
	subgraph cluster_0 {
		label="main";
	b0 [label="; entry: \"quoted\" \\ &amp; <b>\l   0: (18) r1 = 0x5\l   2: (15) if r1 == 0x5 goto pc+1\l"];
	b3 [label="; verdict: miss\l   3: (85) call pc+1\l"];
	b4 [label="; verdict: miss\l   4: (95) exit\l"];
	}
	subgraph cluster_5 {
		label="twice";
	b5 [label="; verdict: miss\l   5: (b7) r0 = 2\l   6: (95) exit\l"];
	}
	b0 -> b4 [color=darkgreen, label="yes"];
	b0 -> b3;
	b3 -> b5 [style=dashed, constraint=false];
	b3 -> b4;
}
"#;
        assert_eq!(graph(text), want);
    }

    #[test]
    fn what_leaves_the_program_is_drawn_too() {
        let text = graph("goto pc+7\nif r1 == 1 goto pc-3\nr1 = 2");
        assert!(text.contains("\tb0 -> outside;\n"), "{text}");
        assert!(text.contains("\tb1 -> outside [color"), "{text}");
        assert!(text.contains("\tb2 -> outside;\n\toutside [label="), "{text}");
        assert!(graph("").starts_with("digraph"), "no instructions");
        assert_eq!(graph("; text: a\u{7}b\nexit").matches("a\\\\u{7}b").count(), 1);
    }
}
