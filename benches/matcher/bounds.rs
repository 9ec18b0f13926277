//! The bounds of what a program can be besides the linear scan of raw bytes, as ratios of figures of
//! one run. What is asked of that scan is in `speed`.

use crate::{
    engine::Engine,
    live,
    report::{Cache, Cost, Report},
    text::{SIZES, Text},
};

/// Which side of the limit is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    AtLeast,
    AtMost,
}

/// One bound and every figure that it is about.
struct Bound {
    what: &'static str,
    side: Side,
    limit: f64,
    unit: &'static str,
    figures: Vec<(String, f64)>,
}

impl Bound {
    fn holds(&self, figure: f64) -> bool {
        match self.side {
            Side::AtLeast => figure >= self.limit,
            Side::AtMost => figure <= self.limit,
        }
    }

    fn worst(&self) -> Option<&(String, f64)> {
        let order = |a: &&(String, f64), b: &&(String, f64)| a.1.total_cmp(&b.1);
        match self.side {
            Side::AtLeast => self.figures.iter().min_by(order),
            Side::AtMost => self.figures.iter().max_by(order),
        }
    }
}

const LONGEST: [usize; 1] = [1500];
/// The classes with one literal.
const LITERALS: [&str; 4] = ["literal-8", "literal-11", "literal-16", "literal-32"];

/// Circumstances that a bound is about.
#[derive(Clone, Copy)]
struct Where {
    classes: &'static [&'static str],
    texts: &'static [Text],
    sizes: &'static [usize],
    caches: &'static [Cache],
}

/// `f(engine, other)` for every class and circumstance for which both were measured.
fn compare(
    report: &Report,
    [engine, other]: [Engine; 2],
    place: Where,
    f: impl Fn(f64, f64) -> f64,
) -> Vec<(String, f64)> {
    let mut figures = Vec::new();
    for &class in place.classes {
        for &text in place.texts {
            for &bytes in place.sizes {
                for &cache in place.caches {
                    let ns = |engine| report.ns(class, engine, text, bytes, cache);
                    if let (Some(a), Some(b)) = (ns(engine), ns(other)) {
                        let place = format!("{class} {} {bytes} {}", text.name(), cache.name());
                        figures.push((place, f(a, b)));
                    }
                }
            }
        }
    }
    figures
}

fn of_costs(
    report: &Report,
    engine: Engine,
    f: impl Fn(&Cost) -> Option<f64>,
) -> Vec<(String, f64)> {
    let of_one =
        |cost: &&Cost| cost.engine == engine.name() && LITERALS.contains(&cost.class.as_str());
    let one = |cost: &Cost| Some((cost.class.clone(), f(cost)?));
    report.costs.iter().filter(of_one).filter_map(one).collect()
}

fn cold_over_warm(report: &Report, engine: Engine, place: Where) -> Vec<(String, f64)> {
    let mut figures = Vec::new();
    for &class in place.classes {
        for &text in place.texts {
            for &bytes in place.sizes {
                let ns = |cache| report.ns(class, engine, text, bytes, cache);
                if let (Some(cold), Some(warm)) = (ns(Cache::Cold), ns(Cache::Warm)) {
                    figures.push((format!("{class} {} {bytes}", text.name()), cold / warm));
                }
            }
        }
    }
    figures
}

fn long_over_short(report: &Report, engine: Engine) -> Vec<(String, f64)> {
    let [short, long] = live::SIZES;
    let one = |class: &str| {
        let ns = |bytes| report.ns(class, engine, Text::Prose, bytes, Cache::Warm);
        Some((class.to_owned(), ns(long)? / ns(short)?))
    };
    LITERALS.into_iter().filter_map(one).collect()
}

fn forms(report: &Report) -> Vec<Bound> {
    use Engine as E;
    use Side::{AtLeast, AtMost};
    let all = Where { classes: &LITERALS, texts: &Text::ALL, sizes: &SIZES, caches: &Cache::ALL };
    let long = Where { sizes: &LONGEST, ..all };
    let plain = Where { texts: &Text::ORDINARY, ..long };
    let warm = Where { caches: &[Cache::Warm], ..all };
    let cold = Where { caches: &[Cache::Cold], ..all };
    let nocase =
        Where { classes: &["literal-8-nocase", "literal-11-nocase", "literal-16-nocase"], ..plain };
    let times = |a: E, b: E, place| compare(report, [a, b], place, |a, b| a / b);
    let faster = |other: E, place| compare(report, [E::Hardwire, other], place, |a, b| b / a);
    let more =
        |place| compare(report, [E::HardwirePayload, E::HardwireAttached], place, |a, b| a - b);
    let bound = |what, side, limit, unit, figures| Bound { what, side, limit, unit, figures };
    vec![
        bound("as fast as memmem", AtLeast, 1.0, "x", faster(E::Memmem, all)),
        bound("faster than the map matcher, 1500", AtLeast, 100.0, "x", faster(E::MapArray, plain)),
        bound("faster than bpf_strnstr, 1500", AtLeast, 15.0, "x", faster(E::Strnstr, plain)),
        bound(
            "cold over warm, 1500",
            AtMost,
            1.15,
            "x",
            cold_over_warm(report, E::Hardwire, plain),
        ),
        bound(
            "case-insensitive, 1500",
            AtMost,
            1.15,
            "x",
            times(E::Hardwire, E::HardwireLiteral, nocase),
        ),
        bound("as attached, 1500", AtMost, 1.3, "x", times(E::HardwireAttached, E::Hardwire, long)),
        bound("payload walk, warm", AtMost, 10.0, "ns", more(warm)),
        bound("payload walk, cold", AtMost, 16.0, "ns", more(cold)),
        bound(
            "socket filter over XDP, 1500",
            AtMost,
            1.6,
            "x",
            times(E::HardwireSocket, E::Hardwire, plain),
        ),
        bound(
            "socket filter over XDP, both as attached, 1500",
            AtMost,
            1.6,
            "x",
            times(E::HardwireSocketAttached, E::HardwireAttached, plain),
        ),
        bound(
            "60,000 bytes over 1,000, XDP",
            AtMost,
            60.0,
            "x",
            long_over_short(report, E::HardwireAttached),
        ),
        bound(
            "60,000 bytes over 1,000, UDP socket",
            AtMost,
            60.0,
            "x",
            long_over_short(report, E::HardwireSocket),
        ),
    ]
}

fn verifier(report: &Report) -> Vec<Bound> {
    let processed = |cost: &Cost| cost.processed.map(f64::from);
    let load_ms = |cost: &Cost| Some(cost.load_ms);
    [
        (Engine::Hardwire, ["processed, raw", "load, raw"], [5_000.0, 10.0]),
        (
            Engine::HardwireAttached,
            ["processed, as attached", "load, as attached"],
            [12_000.0, 25.0],
        ),
        (Engine::HardwirePayload, ["processed, payload", "load, payload"], [40_000.0, 50.0]),
    ]
    .into_iter()
    .flat_map(|(engine, what, limits)| {
        let side = Side::AtMost;
        [
            Bound {
                what: what[0],
                side,
                limit: limits[0],
                unit: "",
                figures: of_costs(report, engine, processed),
            },
            Bound {
                what: what[1],
                side,
                limit: limits[1],
                unit: "ms",
                figures: of_costs(report, engine, load_ms),
            },
        ]
    })
    .collect()
}

/// Append every bound, its worst figure and whether it holds; below it what breaks it.
pub(crate) fn print(report: &Report, out: &mut String) {
    if !report.classes().iter().any(|class| LITERALS.contains(class)) {
        return;
    }
    *out += &format!("\n{:<48}{:>12}{:>12}  {:<7} at\n", "bound", "", "worst", "");
    for bound in forms(report).into_iter().chain(verifier(report)) {
        let side = if bound.side == Side::AtLeast { ">=" } else { "<=" };
        let limit = format!("{side} {}{}", bound.limit, bound.unit);
        // Classes that were not asked for have no figures.
        let Some((place, worst)) = bound.worst() else { continue };
        let verdict = if bound.holds(*worst) { "ok" } else { "MISSED" };
        let worst = format!("{worst:.2}{}", bound.unit);
        *out += &format!("{:<48}{limit:>12}{worst:>12}  {verdict:<7} {place}\n", bound.what);
        for (other, figure) in &bound.figures {
            if !bound.holds(*figure) && other != place {
                let figure = format!("{figure:.2}{}", bound.unit);
                *out += &format!("{:>72}  {:<7} {other}\n", figure, "MISSED");
            }
        }
    }
}
