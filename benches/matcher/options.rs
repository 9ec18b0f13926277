//! What was asked for.

use crate::class;

/// The options of the benchmark.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Measurements as lines on standard output?
    pub(crate) json: bool,
    /// Fewer and shorter tries?
    pub(crate) quick: bool,
    /// Keep the figures in a file?
    pub(crate) record: bool,
    /// Nothing but to bring what is recorded into the README?
    pub(crate) table: bool,
    /// Measure? Cargo says so, unless it runs benchmarks as tests.
    pub(crate) bench: bool,
    /// Nothing but to compile so many literals: what a process of our own is asked for.
    pub(crate) compile: Option<usize>,
    load: bool,
    classes: Vec<String>,
}

impl Options {
    /// From the words behind the name of the program.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--record" => options.record = true,
                "--table" => options.table = true,
                "--load" => options.load = true,
                "--bench" => options.bench = true,
                "--class" => {
                    let name = words.next().ok_or("--class needs a name")?;
                    let names: Vec<&str> = class::all().iter().map(|class| class.name).collect();
                    if !names.contains(&name.as_str()) {
                        return Err(format!("no class {name:?}; there are {}", names.join(" ")));
                    }
                    options.classes.push(name);
                }
                "--compile" => {
                    let number = words.next().and_then(|word| word.parse().ok());
                    options.compile = Some(number.ok_or("--compile needs a number of literals")?);
                }
                other => {
                    return Err(format!(
                        "{other:?}; the options are --json --quick --class NAME --load --record \
                         --table"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// Is this class to be measured?
    pub(crate) fn wants(&self, class: &str) -> bool {
        if self.classes.is_empty() { !self.load } else { self.classes.iter().any(|c| c == class) }
    }

    /// Is compiling and loading sets to be measured?
    pub(crate) fn wants_loads(&self) -> bool {
        self.load || self.classes.is_empty()
    }
}
