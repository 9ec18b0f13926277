//! `--emit`: a program in one of its forms, on standard output or in a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hardwire::assembler::listing::{self, Listing, Style};
use hardwire::assembler::{ProgramImage, dot, elf, emit};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Problem};
use crate::output::Output;

/// The forms of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Instructions as text, with the reason above each run of them.
    Listing,
    /// Hex digits, one instruction a line.
    Hex,
    /// The bytes themselves.
    Raw,
    /// A C array of struct bpf_insn.
    C,
    /// Everything about the program: instructions, reasons, maps.
    Json,
    /// Basic blocks as a graph for graphviz: dot -Tsvg
    Dot,
    /// An object for libbpf: ip link, bpftool, xdp-loader
    Elf,
}

/// How a listing looks, and where the result goes.
#[derive(Args)]
pub(crate) struct DumpOptions {
    /// Listing: the bytes of each instruction
    #[arg(long)]
    bytes: bool,
    /// Listing: slot numbers even with --labels, and where each jump goes
    #[arg(long)]
    slots: bool,
    /// Listing: names for jump targets instead of distances; the form to edit
    #[arg(long)]
    labels: bool,
    /// Write to this file instead of standard output, which is `-`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl DumpOptions {
    /// The form that is wanted: `emit`, JSON with `--json`, else `default`.
    ///
    /// # Errors
    ///
    /// The options contradict each other.
    pub(crate) fn form(
        &self,
        emit: Option<Form>,
        default: Form,
        output: &Output,
    ) -> Result<Form, Failure> {
        let json = output.json();
        let form = emit.unwrap_or(if json { Form::Json } else { default });
        if json && form != Form::Json {
            let problem = Problem::new("--json and --emit want different forms");
            return Err(Failure::Usage(problem.hint("leave one of them away")));
        }
        match self.look().filter(|_| form != Form::Listing) {
            None => Ok(form),
            Some(option) => {
                let problem = Problem::new(format!("{option} is about listings"));
                Err(Failure::Usage(problem.hint("add --emit listing, or leave it away")))
            }
        }
    }

    /// Nothing of this is asked for, where nothing of it has a meaning.
    ///
    /// # Errors
    ///
    /// Something is.
    pub(crate) fn unused(&self) -> Result<(), Failure> {
        let file = self.output.as_ref().map(|_| "--output");
        let Some(option) = self.look().or(file) else { return Ok(()) };
        let problem = Problem::new(format!("{option} is for what --emit writes"));
        Err(Failure::Usage(problem.hint("add --emit, or leave it away")))
    }

    /// The first option about the look of listings.
    fn look(&self) -> Option<&'static str> {
        let looks = [(self.bytes, "--bytes"), (self.slots, "--slots"), (self.labels, "--labels")];
        looks.into_iter().find_map(|(is_set, option)| is_set.then_some(option))
    }

    /// Write `image` in this form; `more` is what JSON says beside the image.
    pub(crate) fn write(
        &self,
        image: &ProgramImage,
        form: Form,
        more: Map<String, Value>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let text = match form {
            Form::Raw | Form::Hex => {
                holds_one(image, form)?;
                if form == Form::Raw {
                    return self.write_bytes(&emit::raw(image), output);
                }
                emit::hex(image)
            }
            Form::Elf => {
                holds_one(image, form)?;
                let object = elf::write(image)
                    .map_err(|error| Problem::because("no object can say this", &error))?;
                return self.write_bytes(&object, output);
            }
            Form::Listing => each(image, |one| self.listing(one, output).to_string()),
            Form::C => each(image, emit::c),
            Form::Dot => each(image, dot::dot),
            Form::Json => serde_json::to_string(&AsJson { image, more })
                .map(|text| text + "\n")
                .map_err(|error| Problem::because("cannot write JSON", &error))?,
        };
        self.write_bytes(text.as_bytes(), output)
    }

    /// Write what is ready to be written.
    pub(crate) fn write_bytes(&self, bytes: &[u8], output: &mut Output) -> Result<(), Failure> {
        match self.output.as_deref().filter(|path| path.as_os_str() != "-") {
            Some(path) => write_file(path, bytes),
            None => Ok(output.write_all(bytes)?),
        }
    }

    fn listing<'a>(&self, image: &'a ProgramImage, output: &Output) -> Listing<'a> {
        let colors = self.output.is_none() && output.colors();
        let style = if colors { Style::Ansi } else { Style::Plain };
        Listing::new(image).bytes(self.bytes).slots(self.slots).labels(self.labels).style(style)
    }
}

/// The text of a program and of its tails, one after the other.
fn each(image: &ProgramImage, text: impl Fn(&ProgramImage) -> String) -> String {
    image.programs().map(text).collect::<Vec<_>>().join("\n")
}

/// Is `image` one program, as this form wants it?
fn holds_one(image: &ProgramImage, form: Form) -> Result<(), Failure> {
    let programs = image.programs().count();
    if programs == 1 {
        return Ok(());
    }
    let name = form.to_possible_value().map_or_else(String::new, |value| value.get_name().into());
    let problem = Problem::new(format!(
        "--emit {name} holds one program, and this search is {programs}, joined by tail calls"
    ));
    Err(problem.hint("use --emit listing, json, c or dot, or search for fewer patterns").into())
}

/// An image as JSON, written as it is made: of thousands of patterns it is many megabytes.
struct AsJson<'a> {
    image: &'a ProgramImage,
    /// What is said beside the image.
    more: Map<String, Value>,
}

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { image, more } = self;
        let mut all = serializer.serialize_map(None)?;
        all.serialize_entry("name", image.name())?;
        all.serialize_entry("type", image.kind().name())?;
        all.serialize_entry("frags", &image.frags())?;
        all.serialize_entry("licence", image.licence())?;
        all.serialize_entry("slots", &image.slot_count())?;
        for (name, value) in more {
            all.serialize_entry(name, value)?;
        }
        all.serialize_entry("maps", &maps_as_json(image))?;
        let functions = image.functions().iter().map(|f| json!({ "name": f.name, "slot": f.slot }));
        all.serialize_entry("functions", &functions.collect::<Value>())?;
        all.serialize_entry("instructions", &Instructions(image))?;
        if !image.tails().is_empty() {
            let tails = image.tails().iter().map(|image| AsJson { image, more: Map::new() });
            all.serialize_entry("tails", &tails.collect::<Vec<_>>())?;
        }
        all.end()
    }
}

/// The maps, in the order of the image.
pub(crate) fn maps_as_json(image: &ProgramImage) -> Value {
    let maps = image.maps().iter().enumerate().map(|(index, map)| {
        let mut contents = None;
        for at_first in image.contents().iter().filter(|contents| contents.map == index) {
            emit::push_hex(contents.get_or_insert_default(), &at_first.bytes);
        }
        json!({
            "contents": contents,
            "name": map.name,
            "kind": map.kind.name(),
            "key_bytes": map.key_bytes,
            "value_bytes": map.value_bytes,
            "entries_max": map.entries_max,
            "flags": map.flags,
        })
    });
    maps.collect()
}

/// The instructions of an image, with what each is for.
struct Instructions<'a>(&'a ProgramImage);

impl Serialize for Instructions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(listing::lines(self.0).into_iter().map(|line| {
            let mut bytes = String::new();
            emit::push_hex(&mut bytes, &line.bytes);
            let origin = line.origin;
            json!({
                "slot": line.slot,
                "bytes": bytes,
                "text": line.text,
                "goes_to": line.goes_to,
                "origin": {
                    "phase": origin.phase.name(),
                    "pattern": origin.pattern,
                    "byte": origin.byte,
                    "text": origin.text,
                },
            })
        }))
    }
}

/// Write a result to a file that the user named.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = File::create(path).and_then(|mut file| file.write_all(bytes));
    Ok(written.map_err(|error| {
        Problem::because(format!("cannot write {}", path.display()), &error)
            .hint("name another file with -o, or leave -o away for standard output")
    })?)
}
