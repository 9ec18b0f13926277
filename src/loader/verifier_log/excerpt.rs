//! The log in what other tools print around it.

use std::borrow::Cow;

/// The log in `text`: what libbpf, and so bpftool, ip and most loaders, print between two marks, and
/// without the indentation that some put in front of every line. If there are several logs, the
/// last: a loader that tries again prints the same one longer.
pub(super) fn of(text: &str) -> Cow<'_, str> {
    const BEGIN: &str = "-- BEGIN PROG LOAD LOG --";
    const END: &str = "-- END PROG LOAD LOG --";
    let mut text = text.strip_suffix('\0').unwrap_or(text);
    if let Some(begin) = text.rfind(BEGIN) {
        text = text[begin + BEGIN.len()..].trim_start_matches([' ', '\r']);
        text = text.strip_prefix('\n').unwrap_or(text);
        if let Some(end) = text.find(END) {
            // The mark stands behind the name of the loader.
            let line = text[..end].rfind('\n').map_or(0, |at| at + 1);
            text = &text[..line];
        }
    }
    let is_trace =
        |line: &&str| line.trim_start().split_once(": (").is_some_and(|(n, _)| is_slot(n));
    let indent = text
        .lines()
        .find(is_trace)
        .map_or("", |line| &line[..line.len() - line.trim_start().len()]);
    if indent.is_empty() && !text.contains('\r') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        plain.push_str(line.strip_prefix(indent).unwrap_or(line));
        plain.push('\n');
    }
    plain.into()
}

fn is_slot(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_found_in_what_tools_print() {
        let log = "0: (b7) r0 = 0\n1: (95) exit\nbad\n";
        let libbpf = format!(
            "libbpf: prog 'x': BPF program load failed: Permission denied\n\
             libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n{log}\
             libbpf: prog 'x': -- END PROG LOAD LOG --\nlibbpf: failed to load object\n"
        );
        assert_eq!(of(&libbpf), log);
        assert_eq!(of(log), log);
        assert_eq!(of(&format!("{log}\0")), log);
        let indented: String = log.lines().map(|line| format!("\t{line}\n")).collect();
        assert_eq!(
            of(&format!("load program: permission denied:\n{indented}")),
            format!("load program: permission denied:\n{log}")
        );
        assert_eq!(of(&log.replace('\n', "\r\n")), log);
        assert_eq!(of(""), "");
        assert_eq!(of("-- BEGIN PROG LOAD LOG --"), "");
    }
}
