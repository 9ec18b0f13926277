//! Probes against the running kernel.

use hardwire::loader::{
    features::{self, Support},
    host,
};

use super::may_load;

#[test]
fn no_probe_contradicts_the_version_of_the_kernel() {
    if !may_load() {
        return;
    }
    let running = host::version().expect("proc is mounted");
    for feature in features::ALL {
        let outcome = feature.support();
        eprintln!("{:16} {:8} since {}", feature.name, outcome.name(), feature.since);
        assert!(
            !features::contradicts(feature, &outcome, running),
            "{} is {outcome:?} on {running}, but mainline has it since {}",
            feature.name,
            feature.since
        );
        if let Support::Unknown(e) = outcome {
            panic!("{} should be conclusive with all rights: {e}", feature.name);
        }
    }
}

#[test]
fn the_target_of_this_kernel_has_what_the_probes_found() {
    if !may_load() {
        return;
    }
    let target = features::target().expect("probed");
    assert_eq!(target.version, host::version().expect("known"));
    assert_eq!(target.may_goto, features::MAY_GOTO.support().is_yes());
    assert!(target.perfmon);
    assert_eq!(target.slots_max, 1_000_000);
}
