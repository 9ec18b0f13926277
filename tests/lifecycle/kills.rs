//! `kill -9` before every single change that is made to the system: what is left is all of an
//! attachment or nothing that runs, and the next command mends it.

use std::collections::HashMap;

use hardwire::attachment::Tidy;
use hardwire::compiler::event::Counter;

use crate::child::{Act, How, NAME, PAST_NS, done, killed};
use crate::{Site, at_a_site, is_gone};

/// More steps than anything has.
const STEPS_MAX: u32 = 100;

/// Call `check` after the child was killed before its first step, its second, and so on, each time
/// from the start: `before` prepares. Gives the steps.
fn at_every_step(
    site: &mut Site,
    (act, how): (Act, How),
    before: impl Fn(&mut Site),
    check: impl Fn(&mut Site, &str),
) -> Vec<String> {
    let mut steps = Vec::new();
    for number in 1..STEPS_MAX {
        before(site);
        let (status, at) = killed(site, act, how, number);
        check(site, &at);
        clear(site, &at, how);
        if status.success() {
            return steps;
        }
        steps.push(at);
    }
    panic!("it never ends");
}

/// Remove whatever is there, by the ways that users have.
fn clear(site: &mut Site, at: &str, how: How) {
    let running = site.attached_at(how.hook);
    if running.is_some() {
        done(site, Act::Detach, how);
    }
    site.inside(|| site.root().clean(false)).expect("cleaned");
    assert_eq!(site.left(), Vec::<String>::new(), "killed before: {at}");
    assert_eq!(site.attached_at(how.hook), None, "killed before: {at}");
    assert!(running.is_none_or(is_gone), "a program is left, killed before: {at}");
}

/// What is attached is whole: the program on the interface is the one that is pinned, it can be read,
/// and its counts are these.
fn is_whole(site: &mut Site, (at, how): (&str, How), frames: u64, hits: &HashMap<&str, u64>) {
    let running = site.attached_at(how.hook);
    let read = site.inside(|| {
        let attachment = site.root().open_attachment(NAME).expect("it can be opened");
        attachment.attached().expect("attached");
        let counts = attachment.counts().expect("counts");
        let texts = attachment.description().patterns.iter().map(|it| it.text.clone());
        let hits: HashMap<_, _> = texts.zip(counts.hits.iter().copied()).collect();
        let id = attachment.program().info().expect("info").id;
        (id, counts.counters.get(Counter::Frames), hits, counts.vanished)
    });
    assert_eq!(running, Some(read.0), "the program that runs, killed before: {at}");
    assert_eq!(read.1, frames, "frames, killed before: {at}");
    let all: u64 = read.2.values().sum::<u64>() + read.3;
    assert_eq!(all, hits.values().sum::<u64>(), "hits, killed before: {at}: {read:?}");
    for (text, count) in read.2 {
        assert_eq!(hits.get(text.as_str()), Some(&count), "hits of {text}, killed before: {at}");
    }
    // Opening it has finished what was begun: nothing is left to clean.
    let cleaned = site.inside(|| site.root().clean(true)).expect("readable");
    assert_eq!(cleaned, [], "killed before: {at}");
}

#[test]
fn an_attach_that_is_killed_leaves_all_or_nothing() {
    at_a_site(|site| {
        for how in How::ALL {
            let check = |site: &mut Site, at: &str| {
                site.send(b"always", 3);
                if site.attached_at(how.hook).is_some() {
                    let hits = HashMap::from([("always", 3), ("before", 0)]);
                    return is_whole(site, (at, how), 3, &hits);
                }
                // Nothing runs: what is left is listed as such, and clean says what it would do.
                let listed = site.listed();
                assert!(listed.iter().all(|(_, attached)| !attached), "{at}: {listed:?}");
                let would = site.inside(|| site.root().clean(true)).expect("readable");
                assert_eq!(would.len(), listed.len(), "{at}");
                assert!(would.iter().all(|one| one.tidy == Tidy::Removed), "{at}: {would:?}");
            };
            let steps = at_every_step(site, (Act::Attach, how), |_| {}, check);
            println!(
                "» attach, {how}: killed before each of {} steps: {}",
                steps.len(),
                steps.join(", ")
            );
            assert!(steps.len() >= 8, "{steps:?}");
        }
    });
}

#[test]
fn a_replacement_that_is_killed_loses_no_count_and_leaves_one_program() {
    at_a_site(|site| {
        for how in How::ALL {
            let before = |site: &mut Site| {
                done(site, Act::Attach, how);
                site.send(b"before always", 2);
                site.send(b"always", 3);
            };
            let check = |site: &mut Site, at: &str| {
                // Before anybody has mended anything, traffic goes on.
                site.send(b"always", 5);
                let hits = HashMap::from([("before", 2), ("always", 10), ("after", 0)]);
                is_whole(site, (at, how), 10, &hits);
            };
            let steps = at_every_step(site, (Act::Replace, how), before, check);
            println!(
                "» replace, {how}: killed before each of {} steps: {}",
                steps.len(),
                steps.join(", ")
            );
            assert!(steps.len() >= 15, "{steps:?}");
            assert!(steps.iter().any(|step| step == "pin base"), "{steps:?}");
        }
    });
}

#[test]
fn a_replacement_on_probation_that_is_killed_never_runs_without_its_deadline() {
    at_a_site(|site| {
        for how in How::ALL {
            let before = |site: &mut Site| done(site, Act::Attach, how);
            let check = |site: &mut Site, at: &str| {
                // It drops what matches, but its time was over before it came.
                site.send(b"always", 5);
                let (generation, deadline, dropped) = site.inside(|| {
                    let attachment = site.root().open_attachment(NAME).expect("there");
                    let control = attachment.control().expect("readable").expect("controls");
                    let dropped = attachment.counts().expect("counts").counters;
                    (attachment.generation(), control.deadline_ns, dropped.get(Counter::Drop))
                });
                let want = if generation == 2 { PAST_NS } else { 0 };
                assert_eq!((deadline, dropped), (want, 0), "killed before: {at}");
                let hits = HashMap::from([("before", 0), ("always", 5), ("after", 0)]);
                is_whole(site, (at, how), 5, &hits);
            };
            let steps = at_every_step(site, (Act::Probation, how), before, check);
            let place = |step: &str| steps.iter().position(|one| one == step).expect("a step");
            assert!(place("set the controls of the new program") < place("exchange"));
        }
    });
}

#[test]
fn a_detach_or_a_clean_that_is_killed_can_be_done_again() {
    at_a_site(|site| {
        for how in How::ALL {
            let before = |site: &mut Site| done(site, Act::Attach, how);
            let check = |site: &mut Site, at: &str| {
                if site.attached_at(how.hook).is_some() {
                    is_whole(site, (at, how), 0, &HashMap::from([("before", 0), ("always", 0)]));
                }
            };
            let steps = at_every_step(site, (Act::Detach, how), before, check);
            println!(
                "» detach, {how}: killed before each of {} steps: {}",
                steps.len(),
                steps.join(", ")
            );
            assert!(steps.len() >= 8, "{steps:?}");
        }
        // An orphan: everything but the attachment itself.
        let how = How::ALL[0];
        let mut numbers = 1..STEPS_MAX;
        let last = numbers.find(|number| {
            let (_, at) = killed(site, Act::Attach, how, *number);
            clear(site, &at, how);
            at == "pin link"
        });
        let orphan = |site: &mut Site| {
            killed(site, Act::Attach, how, last.expect("such a step"));
        };
        let steps = at_every_step(site, (Act::Clean, how), orphan, |_, _| {});
        assert!(steps.len() >= 5, "{steps:?}");
    });
}
