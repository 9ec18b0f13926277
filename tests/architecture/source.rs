//! Rust source as far as the rules need it: tokens with their lines, comments apart, test code
//! apart. Not a parser: what it cannot tell apart it keeps as code, so a rule is rather too strict.

/// A token of code: an identifier, a number, `::`, or one other character. Strings are one token,
/// `"`, without their content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// One file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The code outside `#[cfg(test)]` modules.
    pub(crate) code: Vec<Token>,
    /// The code inside them.
    pub(crate) tests: Vec<Token>,
    /// Comments: their lines and texts, a block comment by its last line.
    pub(crate) comments: Vec<(usize, String)>,
    /// Modules declared as `#[cfg(test)] mod name;`, which are test code in another file.
    pub(crate) test_modules: Vec<String>,
    /// How many lines.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let (tokens, comments) = scan(text);
        let mut source = Self { comments, lines: text.lines().count(), ..Self::default() };
        source.split(&tokens);
        source
    }

    /// Sort tokens into code and tests. A test module is `#[cfg(test)]`, maybe more attributes,
    /// `mod name {`, up to the brace that closes it.
    fn split(&mut self, tokens: &[Token]) {
        let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
        let mut at = 0;
        while at < tokens.len() {
            let cfg = ["#", "[", "cfg", "(", "test", ")", "]"];
            if !cfg.iter().enumerate().all(|(i, want)| text(at + i) == *want) {
                self.code.push(tokens[at].clone());
                at += 1;
                continue;
            }
            let mut item = at + cfg.len();
            while text(item) == "#" {
                item = after_group(tokens, item + 1);
            }
            while matches!(text(item), "pub" | "(" | "crate" | "super" | ")") {
                item += 1;
            }
            let end = match (text(item), text(item + 2)) {
                ("mod", ";") => {
                    self.test_modules.push(text(item + 1).to_owned());
                    item + 3
                }
                // A function, an import, an implementation: up to its body or semicolon.
                _ => {
                    let stop = |i: &usize| matches!(text(*i), "{" | ";" | "");
                    let body = (item..).find(stop).unwrap_or(tokens.len());
                    if text(body) == "{" { after_group(tokens, body) } else { body + 1 }
                }
            };
            let end = end.min(tokens.len());
            self.tests.extend_from_slice(&tokens[at..end]);
            at = end;
        }
    }
}

/// The index after the bracket that closes the one at `open`.
fn after_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// All paths of two or more segments, with the lines they begin in; the groups of imports
/// expanded: `use a::{b, c::d}` gives `a::b` and `a::c::d`.
pub(crate) fn paths(tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_name(&tokens[at].text) && tokens.get(at + 1).is_some_and(|t| t.text == "::") {
            at = tree(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Expand the path that begins at `at`; gives the index behind it.
fn tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
    let line = tokens.get(at).map_or(0, |t| t.line);
    let mut path = prefix.to_vec();
    loop {
        if text(at) == "{" && !path.is_empty() {
            at += 1;
            while !matches!(text(at), "}" | "") {
                let next = tree(tokens, at, &path, found);
                // Skip what separates the branches: commas, `as name`, `*`.
                at = next.max(at + 1);
                while !matches!(text(at), "}" | "") && !starts_branch(text(at)) {
                    at += if text(at) == "as" { 2 } else { 1 };
                }
            }
            return at + 1;
        }
        if !is_name(text(at)) {
            break;
        }
        path.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if path.len() > 1 {
        found.push((line, path));
    }
    at
}

fn starts_branch(text: &str) -> bool {
    text == "{" || is_name(text) && text != "as"
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Tokens and comments of `text`.
fn scan(text: &str) -> (Vec<Token>, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut comments) = (Vec::new(), Vec::new());
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let len = match rest {
            ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => 1 + string(&rest[1..]),
            ['b' | 'c', '"', ..] => 2 + string(&rest[2..]),
            ['r', '"' | '#', ..] => raw_string(rest, 1),
            ['b' | 'c', 'r', '"' | '#', ..] => raw_string(rest, 2),
            ['\'', ..] => character(rest),
            ['b', '\'', ..] => 1 + character(&rest[1..]),
            [':', ':', ..] => 2,
            [c, ..] if c.is_alphanumeric() || *c == '_' => {
                rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
            }
            _ => 1,
        };
        let piece: String = rest[..len].iter().collect();
        let begins = line;
        line += piece.matches('\n').count();
        at += len;
        if piece.starts_with("//") || piece.starts_with("/*") {
            comments.push((line, piece));
        } else if piece.trim_end_matches('#').ends_with(['"', '\'']) {
            tokens.push(Token { line: begins, text: "\"".to_owned() });
        } else if !piece.trim().is_empty() {
            tokens.push(Token { line: begins, text: piece });
        }
    }
    (tokens, comments)
}

/// Length of a block comment, nested ones included.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of the rest of a string, its closing quote included.
fn string(rest: &[char]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a raw string whose hashes begin at `from`; of the prefix if it is a raw identifier.
fn raw_string(rest: &[char], from: usize) -> usize {
    let hashes = rest[from..].iter().take_while(|&&c| c == '#').count();
    let open = from + hashes;
    if rest.get(open) != Some(&'"') {
        return open;
    }
    let closes = |at: &usize| {
        rest[*at] == '"' && rest[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes
    };
    (open + 1..rest.len()).find(closes).map_or(rest.len(), |at| at + 1 + hashes)
}

/// Length of a character literal, or 1 for the apostrophe of a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', _, tail @ ..] => {
            3 + tail.iter().position(|&c| c == '\'').map_or(0, |at| at + 1)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}
