//! `hardwire disasm FILE.o`: what is in an object, with symbols and lines of source; or one program
//! of it, ready to be loaded.

use std::io::Write;

use hardwire::assembler::disasm::disassemble;
use hardwire::assembler::listing::one_line;
use hardwire::assembler::{MapKind, ProgramKind};
use hardwire::loader::object::{CodeSection, Object, ObjectError, ObjectMap};
use serde_json::{Map, json};

use super::Options;
use crate::Ending;
use crate::dump::Form;
use crate::failure::{Failure, Problem};
use crate::output::{Output, Paint};

/// Columns of an instruction's text before what it refers to.
const TEXT_COLUMNS: usize = 40;

/// Does the input claim to be an object? No program begins with these bytes: they are a shift with
/// an offset, which is no instruction.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Show the object, or the program that is asked for.
pub(super) fn run(
    bytes: &[u8],
    place: &str,
    options: &Options,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let failed = |error| Problem::of_object(&error, place);
    let object = Object::read(bytes).map_err(failed)?;
    if options.program.is_none() && options.emit.is_none() {
        return show(&object, output);
    }
    // The type only matters to who loads it.
    let name = options.program.as_deref();
    let mut image = object.image(name, None);
    if let Err(ObjectError::ProgramType { .. }) = image {
        image = object.image(name, Some(ProgramKind::Xdp));
    }
    let form = options.dump.form(options.emit, Form::Listing, output)?;
    options.dump.write(&image.map_err(failed)?, form, Map::new(), output)?;
    Ok(Ending::Done)
}

fn show(object: &Object<'_>, output: &mut Output) -> Result<Ending, Failure> {
    if !output.json() {
        head(object, output)?;
    }
    for section in object.code() {
        show_section(&section, output)?;
    }
    Ok(Ending::Done)
}

/// What is in the object beside code.
fn head(object: &Object<'_>, output: &mut Output) -> Result<(), Failure> {
    let types = if object.has_types() { "with types (BTF)" } else { "without types (BTF)" };
    let (functions, lines, by_type) = object.explained();
    let licence = object.licence().map_or("none".to_owned(), |text| format!("{text:?}"));
    let mut text =
        vec![format!("licence {licence}, {types}: {functions} functions, {lines} lines")];
    if by_type > 0 {
        text.push(format!("{by_type} places depend on the layout of the kernel's types (CO-RE)"));
    }
    for program in object.programs() {
        let (name, section) = (one_line(program.name), one_line(program.section));
        text.push(format!("program {name} in {section}, {} slots", program.slots));
    }
    text.extend(object.maps().iter().map(map_text));
    for line in text {
        writeln!(output, "{}", output.paint(Paint::Dim, format!("; {line}")))?;
    }
    Ok(())
}

fn map_text(map: &ObjectMap<'_>) -> String {
    let kind = MapKind::ALL.iter().find(|kind| kind.id() == map.kind);
    let kind = kind.map_or_else(|| format!("type {}", map.kind), |kind| kind.name().to_owned());
    let ObjectMap { key_bytes, value_bytes, entries_max, flags, .. } = map;
    let flags = if *flags == 0 { String::new() } else { format!(", flags {flags:#x}") };
    let name = one_line(map.name);
    format!(
        "map {name}: {kind}, key {key_bytes}, value {value_bytes}, entries {entries_max}{flags}"
    )
}

fn show_section(section: &CodeSection<'_>, output: &mut Output) -> Result<(), Failure> {
    let mut functions = section.functions.iter().peekable();
    let mut lines = section.lines.iter().peekable();
    let mut references = section.references.iter().peekable();
    if !output.json() {
        let title = format!("section {}", one_line(section.name));
        writeln!(output, "\n{}", output.paint(Paint::Bold, title))?;
    }
    let mut slot = 0;
    for code in disassemble(&section.slots) {
        let mut function = None;
        while let Some((_, name)) = functions.next_if(|(from, _)| *from <= slot) {
            function = Some(one_line(name));
        }
        let mut line = None;
        while let Some((_, text)) = lines.next_if(|(from, _)| *from <= slot) {
            line = Some(text.to_string());
        }
        let next = slot + usize::try_from(code.slots()).expect("1 or 2");
        let mut refers_to = None;
        while let Some((_, name)) = references.next_if(|(at, _)| *at < next) {
            refers_to = Some(one_line(name));
        }
        if output.json() {
            output.json_line(&json!({
                "section": section.name,
                "slot": slot,
                "text": code.to_string(),
                "function": function,
                "line": line,
                "refers_to": refers_to,
            }))?;
        } else {
            if let Some(name) = function {
                writeln!(output, "{}", output.paint(Paint::Yellow, format!("{name}:")))?;
            }
            if let Some(line) = line {
                writeln!(output, "{}", output.paint(Paint::Green, format!("; {line}")))?;
            }
            let number = output.paint(Paint::Dim, format!("{slot:>4}:"));
            match refers_to {
                Some(name) => {
                    let name = output.paint(Paint::Dim, format!("; {name}"));
                    writeln!(output, "{number} {:TEXT_COLUMNS$} {name}", code.to_string())?;
                }
                None => writeln!(output, "{number} {code}")?,
            }
        }
        slot = next;
    }
    Ok(())
}
