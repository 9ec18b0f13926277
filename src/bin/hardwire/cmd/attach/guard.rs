//! What is asked, or said, before a program is attached that may shut somebody out.

use std::fs;
use std::net::IpAddr;

use hardwire::compiler::ir::{Matcher, Verdict, Verdicts};
use hardwire::netlink::{Link, Socket};

use crate::failure::{Failure, Problem};
use crate::options::{ControlOptions, NO_PATTERNS, PinOptions};
use crate::output::Output;

/// Ancestors of this process that are asked for their environment, and interfaces below one another.
const DEPTH_MAX: usize = 16;

/// A program that can neither match nor decide is hardly meant; one that only decides may be.
pub(super) fn find_something(matcher: &Matcher, output: &Output) -> Result<(), Failure> {
    if !matcher.patterns.is_empty() {
        return Ok(());
    }
    if matcher.verdicts == Verdicts::default() {
        return Err(Failure::Usage(Problem::new(NO_PATTERNS)));
    }
    output.warn(NO_PATTERNS);
    Ok(())
}

/// Say so if what is to be attached drops what keeps this session alive, or everything.
pub(super) fn warn(
    socket: &mut Socket,
    link: &Link,
    matcher: &Matcher,
    controls: &ControlOptions,
    stay: &PinOptions,
    output: &Output,
) {
    let verdicts = &matcher.verdicts;
    let stops = |verdict: Verdict| verdict != Verdict::Pass;
    if controls.dry_run || stay.confirm.is_some() {
        return;
    }
    let advice = "add --dry-run to only count, or --pin --confirm 60 to have it detach by itself \
                  unless you confirm";
    if matcher.patterns.is_empty() && stops(verdicts.on_miss) {
        let verdict = verdicts.on_miss.name();
        output.warn(format!(
            "without patterns nothing matches, so --on-miss {verdict} is for every frame in scope: \
             {advice}"
        ));
    }
    if !stops(verdicts.on_miss) && !stops(verdicts.out_of_scope) {
        return;
    }
    let Some((client, server)) = session() else { return };
    if carries(socket, link, server) {
        let which = if stops(verdicts.on_miss) { "--on-miss" } else { "--out-of-scope" };
        output.warn(format!(
            "your SSH session from {client} comes in through {}, and {which} is for its packets, \
             too: {advice}",
            link.name
        ));
    }
}

/// The addresses of both ends of the SSH session that this process belongs to, if it does. `sudo` hides
/// the variable, so those who started us are asked as well.
fn session() -> Option<(IpAddr, IpAddr)> {
    if let Some(own) = std::env::var_os("SSH_CONNECTION") {
        return addresses(own.to_str()?);
    }
    let mut pid = nix::unistd::getppid().as_raw();
    for _ in 0..DEPTH_MAX {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let variables = environment.split(|byte| *byte == 0);
        let found = variables.filter_map(|one| one.strip_prefix(b"SSH_CONNECTION=")).next();
        if let Some(text) = found.and_then(|text| std::str::from_utf8(text).ok()) {
            return addresses(text);
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        pid = parent.trim().parse().ok().filter(|pid| *pid > 0)?;
    }
    None
}

/// `client port server port`.
fn addresses(text: &str) -> Option<(IpAddr, IpAddr)> {
    let mut words = text.split(' ');
    let client = words.next()?.parse().ok()?;
    let server = words.nth(1)?;
    // A link-local address has its interface behind it.
    Some((client, server.split('%').next()?.parse().ok()?))
}

/// Does `link` have this address, or does an interface that stands on it?
fn carries(socket: &mut Socket, link: &Link, address: IpAddr) -> bool {
    let Ok(all) = socket.links() else { return false };
    let mut has = |link: &Link| {
        socket.addresses(link).is_ok_and(|found| found.iter().any(|one| one.ip == address))
    };
    let Some(mut owner) = all.iter().find(|link| has(link)) else { return false };
    for _ in 0..DEPTH_MAX {
        if owner.index == link.index {
            return true;
        }
        let below = owner.peer_index.filter(|_| owner.kind.as_deref() != Some("veth"));
        match below.and_then(|index| all.iter().find(|link| link.index == index)) {
            Some(link) => owner = link,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_of_ssh_is_read_and_what_is_none_is_ignored() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let good = addresses("198.51.100.7 50022 192.0.2.1 22");
        assert_eq!(good, Some((ip("198.51.100.7"), ip("192.0.2.1"))));
        let local = addresses("fe80::1 50022 fe80::2%eth0 22");
        assert!(local.is_none_or(|(_, server)| server == ip("fe80::2")));
        for bad in ["", "a b c d", "198.51.100.7 1", "198.51.100.7 1 x 22"] {
            assert_eq!(addresses(bad), None, "{bad}");
        }
    }
}
