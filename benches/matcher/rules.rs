//! What is looked for besides single literals: random sets, and a rule set as people write them.
//!
//! Everything is made from fixed seeds or stands here, so that two runs search for the same.

use std::collections::HashSet;

use hardwire::compiler::pattern::{Syntax, Written};

/// A small generator (splitmix64): the same numbers on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is small.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("usize fits");
        usize::try_from(self.next() % limit).expect("below a usize")
    }

    /// Any byte but NUL.
    pub(crate) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(255) + 1).expect("1 to 255")
    }

    /// Any printable byte of ASCII, the space included.
    pub(crate) fn printable(&mut self) -> u8 {
        u8::try_from(self.below(95) + 32).expect("32 to 126")
    }
}

/// `count` distinct literals of uniform printable bytes, their lengths uniform from `shortest` to
/// `longest`.
pub(crate) fn random(count: usize, shortest: usize, longest: usize) -> Vec<Vec<u8>> {
    let seed = count * 0x1_0000 + shortest * 0x100 + longest;
    let mut numbers = Numbers(u64::try_from(seed).expect("small"));
    let mut seen = HashSet::new();
    while seen.len() < count {
        let bytes = shortest + numbers.below(longest - shortest + 1);
        seen.insert((0..bytes).map(|_| numbers.printable()).collect::<Vec<u8>>());
    }
    // The order of a hash set is another in every process.
    let mut all: Vec<Vec<u8>> = seen.into_iter().collect();
    all.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    for at in (1..all.len()).rev() {
        all.swap(at, numbers.below(at + 1));
    }
    all
}

/// Literals as they stand in rules for web servers and shells: words that share prefixes and grams,
/// 4 to 30 bytes.
pub(crate) const LITERALS: [&str; 60] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/proc/self/environ",
    "../../..",
    "..%2f..%2f",
    "..\\..\\",
    "<script>",
    "</script>",
    "<iframe src=",
    "javascript:",
    "onerror=",
    "onload=",
    "document.cookie",
    "String.fromCharCode",
    "union select",
    "UNION SELECT",
    "' or '1'='1",
    "\" or \"\"=\"",
    "1=1--",
    "information_schema",
    "xp_cmdshell",
    "sp_executesql",
    "waitfor delay",
    "benchmark(",
    "load_file(",
    "into outfile",
    "drop table",
    "/cgi-bin/phf",
    "/cgi-bin/test-cgi",
    "/wp-login.php",
    "/wp-admin/admin-ajax.php",
    "/xmlrpc.php",
    "/phpmyadmin/",
    "/manager/html",
    "/.git/config",
    "/.env",
    "/server-status",
    "/actuator/env",
    "${jndi:ldap://",
    "${jndi:rmi://",
    "() { :;};",
    "cmd.exe",
    "powershell -enc",
    "/bin/sh -c",
    "/bin/bash -i",
    "wget http://",
    "curl -s http://",
    "chmod 777",
    "nc -e /bin",
    "base64_decode(",
    "eval(base64",
    "system($_GET",
    "passthru(",
    "php://input",
    "data:text/html;base64",
    "User-Agent: sqlmap",
    "User-Agent: Nikto",
    "masscan/1.0",
    "zgrab/0.x",
];

/// Of [`LITERALS`], those whose case people do not care about: every third.
fn of_either_case(nth: usize) -> bool {
    nth % 3 == 2
}

/// One rule of the mixed set.
pub(crate) struct Rule {
    /// As it is given to Hardwire.
    pub(crate) written: Written,
    /// The same for the `regex` crate.
    pub(crate) regex: String,
    /// Bytes that it matches.
    pub(crate) hit: Vec<u8>,
}

/// [`LITERALS`], a third of them in either case, with hex strings and regexes among them.
pub(crate) fn mixed() -> Vec<Rule> {
    let literals = LITERALS.iter().enumerate().map(|(nth, literal)| {
        let ignore_case = of_either_case(nth);
        let flags = if ignore_case { "i" } else { "" };
        Rule {
            // A backslash begins an escape.
            written: Written {
                ignore_case,
                ..Written::new(Syntax::Literal, literal.replace('\\', "\\\\"))
            },
            regex: format!("(?{flags}:{})", regex::escape(literal)),
            hit: literal.as_bytes().to_vec(),
        }
    });
    let hex = [
        (
            "90 90 90 90 ?? 31 c0",
            r"\x90{4}[\x00-\xff]\x31\xc0",
            &b"\x90\x90\x90\x90\xeb\x31\xc0"[..],
        ),
        ("4d 5a 90 [2] 03", r"MZ\x90[\x00-\xff]{2}\x03", b"MZ\x90ab\x03"),
        ("ff 53 4d 42 ( 72 | 75 )", r"\xffSMB[\x72\x75]", b"\xffSMB\x75"),
        ("7f 45 4c 46 0?", r"\x7fELF[\x00-\x0f]", b"\x7fELF\x01"),
    ]
    .map(|(hex, regex, hit)| Rule {
        written: Written::new(Syntax::Hex, hex),
        regex: regex.to_owned(),
        hit: hit.to_vec(),
    });
    let regexes = [
        (r"\$\{(lower|upper|env):[a-z]", &b"${lower:j"[..]),
        (r"select[ +/*]{1,8}from[ +/*]{1,8}[a-z_]{2,20}", b"select/**/from  users"),
        (r"/[a-z]{1,12}\.(asp|jsp)\?cmd=", b"/shell.jsp?cmd="),
        (r"(?i)authorization: basic [a-z0-9+/]{40}", &[b'q'; 0]),
    ]
    .map(|(regex, hit)| Rule {
        written: Written::new(Syntax::Regex, regex),
        regex: regex.to_owned(),
        hit: if hit.is_empty() {
            [&b"AUTHORIZATION: Basic "[..], &[b'q'; 40]].concat()
        } else {
            hit.to_vec()
        },
    });
    literals.chain(hex).chain(regexes).collect()
}
