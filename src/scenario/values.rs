//! Scalars that the language knows, each with its words, its JSON Schema and its reading.

mod condition;
mod units;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use glob::Pattern;
use jiff::tz::TimeZone;
use regex::Regex;
use serde_json::{Value as Json, json};

use super::choice::ImageChoice;
use super::image::image_fault;
use super::kind::{Fault, Kind, Leaf, Reader, Secrets, Slot, Takes, wrong_type};
use super::node::{Looks, Value, looks_like};
use super::shape::Shape;
use super::suggest::{either, nearest};
use crate::finding::{FindingClass, FindingCode};

pub(super) use condition::condition;
pub use units::duration_of;
pub(super) use units::{age, sample_rows, size};

/// Names become JUnit suites, metric labels and lines on a terminal.
const LIMIT_NAME: usize = 200;

fn leaf<T>(
    words: impl Into<String>,
    schema: Json,
    takes: Takes,
    parse: impl Fn(&str) -> Result<T, Fault> + 'static,
) -> Leaf<T> {
    Leaf { words: words.into(), schema, takes, secrets: Secrets::Refused, parse: Box::new(parse) }
}

fn not_blank(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        Err(Fault::new("is empty", "give it a value, or leave the key out"))
    } else {
        Ok(())
    }
}

/// Any text with something in it.
pub(super) fn text(words: &str) -> Leaf<String> {
    leaf(words, json!({"type": "string", "minLength": 1}), Takes::Text, |text| {
        not_blank(text)?;
        Ok(text.to_owned())
    })
}

/// A text that reports and terminals show in one line.
pub(super) fn name() -> Leaf<String> {
    let schema = json!({"type": "string", "minLength": 1, "maxLength": LIMIT_NAME});
    leaf("a text", schema, Takes::Text, |text| {
        not_blank(text)?;
        if text.chars().any(char::is_control) {
            return Err(Fault::new(
                "has control characters or line ends in it",
                "names are one line of plain text",
            ));
        }
        let length = text.chars().count();
        if length > LIMIT_NAME {
            let help = format!("at most {LIMIT_NAME}: it becomes a JUnit suite and a metric label");
            return Err(Fault::new(format!("is {length} characters long"), help));
        }
        Ok(text.to_owned())
    })
}

/// A part of a hundred, from none to all.
pub(super) fn percentage() -> Leaf<f64> {
    let schema = json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$"});
    leaf("a percentage such as 5%", schema, Takes::Any, |text| {
        let help = "a number from 0 to 100 with its sign: 5%, 0.5%";
        let wrong = || Fault::new("is no percentage", help);
        let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value = number.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
        if (0.0..=100.0).contains(&value) { Ok(value) } else { Err(wrong()) }
    })
}

/// A path; whether anything is there is seen when it is needed.
pub(super) fn path() -> Leaf<Utf8PathBuf> {
    leaf("a path", json!({"type": "string", "minLength": 1}), Takes::Text, |text| {
        not_blank(text)?;
        if text.contains('\0') {
            return Err(Fault::new("has a NUL in it", "no file system takes that"));
        }
        Ok(Utf8PathBuf::from(text))
    })
}

/// The name of an environment variable; what is in one could be the key itself, and is none.
pub(super) fn variable() -> Leaf<String> {
    let pattern = "^[A-Za-z_][A-Za-z0-9_]*$";
    let schema = json!({"type": "string", "pattern": pattern});
    let mut name = leaf("a name of a variable", schema, Takes::Text, |text| {
        let is_name = !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name {
            Ok(text.to_owned())
        } else {
            Err(Fault::new(
                "is no name of a variable",
                "its name, without a `$` and without its value: letters, digits and _",
            ))
        }
    });
    name.secrets = Secrets::Hidden;
    name
}

/// A path that may be a glob.
pub(super) fn glob_path() -> Leaf<Utf8PathBuf> {
    let plain = path();
    let schema = plain.schema.clone();
    leaf("a path or a glob of paths", schema, Takes::Text, move |text| {
        let path = (plain.parse)(text)?;
        is_glob(text)?;
        Ok(path)
    })
}

/// A glob of names.
pub(super) fn glob() -> Leaf<String> {
    leaf("a glob", json!({"type": "string", "minLength": 1}), Takes::Text, |text| {
        not_blank(text)?;
        is_glob(text)?;
        Ok(text.to_owned())
    })
}

fn is_glob(text: &str) -> Result<(), Fault> {
    let wrong = |error: glob::PatternError| {
        Fault::new(
            format!("is no glob: {}", error.msg),
            "* is any text, ? any character, [ab] one of them, [[] a bracket",
        )
    };
    Pattern::new(text).map(drop).map_err(wrong)
}

/// A time zone.
pub(super) fn zone() -> Leaf<TimeZone> {
    leaf("a time zone", json!({"type": "string", "minLength": 1}), Takes::Any, |text| {
        super::objectives::zone(text).ok_or_else(|| {
            Fault::new(
                "is no time zone that this machine knows",
                "UTC, a name such as Europe/Berlin, or an offset in quotes such as '+02:00'",
            )
        })
    })
}

/// One of some words.
pub(super) fn one_of<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Leaf<T> {
    let names = || words.iter().map(|(name, _)| *name);
    let label = format!("one of {}", either(names()));
    let schema = json!({"enum": names().collect::<Vec<_>>()});
    leaf(label, schema, Takes::Text, move |text| {
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let names = || words.iter().map(|(name, _)| *name);
        let help = match nearest(text, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of: {}", names().collect::<Vec<_>>().join(", ")),
        };
        Err(Fault::new(format!("is not {}", either(names())), help))
    })
}

/// The code of a finding about the backup.
pub(super) fn finding() -> Leaf<FindingCode> {
    let of_backup =
        || FindingCode::ALL.iter().copied().filter(|code| code.class() == FindingClass::Backup);
    let codes: Vec<&str> = of_backup().map(FindingCode::as_str).collect();
    leaf("a code", json!({"enum": codes}), Takes::Text, move |text| {
        let known = FindingCode::ALL.iter().copied().find(|code| code.as_str() == text);
        let list = "docs/decisions.md lists the codes of class backup";
        match known {
            Some(code) if code.class() == FindingClass::Backup => Ok(code),
            Some(_) => Err(Fault::new("is a finding that says nothing about the backup", list)),
            None => {
                let near = nearest(text, of_backup().map(FindingCode::as_str));
                let help =
                    near.map_or_else(|| list.to_owned(), |near| format!("did you mean `{near}`?"));
                Err(Fault::new("is no finding", help))
            }
        }
    })
}

/// The language's version.
pub(super) fn language_version() -> Leaf<u32> {
    leaf("the number 1", json!({"const": 1}), Takes::Number, |text| match text {
        "1" => Ok(1),
        _ => Err(Fault::new(
            "is no version of the language that this pgdrill knows",
            "write `version: 1`",
        )),
    })
}

/// `None`: the backup's.
pub(super) fn major() -> Leaf<Option<u32>> {
    let schema = json!({"anyOf": [
        {"type": "integer", "minimum": 9, "maximum": 99},
        {"type": "string", "pattern": "^(auto|9|[1-9][0-9])$"},
    ]});
    leaf("`auto` or a major version", schema, Takes::Any, |text| {
        if text == "auto" {
            return Ok(None);
        }
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        match text.parse().ok().filter(|major| plain && (9..100).contains(major)) {
            Some(major) => Ok(Some(major)),
            None => Err(Fault::new(
                "is no major version",
                "`auto`, or a major version such as 17; the newest minor version is the image's",
            )),
        }
    })
}

/// A SHA-256; in lower case afterwards.
pub(super) fn sha256() -> Leaf<String> {
    let schema = json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"});
    leaf("a SHA-256 of 64 hexadecimal digits", schema, Takes::Any, |text| {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && text.len() == 64 {
            return Ok(text.to_ascii_lowercase());
        }
        let predicate = if is_hex {
            format!("has {} digits, and a SHA-256 has 64", text.len())
        } else {
            "is no SHA-256".to_owned()
        };
        Err(Fault::new(predicate, "64 hexadecimal digits, as `sha256sum FILE` prints them first"))
    })
}

/// Processor cores.
pub(super) fn cores() -> Leaf<f64> {
    let schema = json!({"type": "number", "minimum": 0.01, "maximum": 4096});
    leaf("a number of cores such as 1.5", schema, Takes::Number, |text| {
        let number = text.parse::<f64>().ok().filter(|number| (0.01..=4096.0).contains(number));
        number.ok_or_else(|| Fault::new("is no number of cores", "a number from 0.01: 2, or 1.5"))
    })
}

/// A whole number that is not too small.
pub(super) fn whole(least: u64, why: &'static str) -> Leaf<u64> {
    let schema = json!({"type": "integer", "minimum": least});
    leaf("a whole number", schema, Takes::Number, move |text| {
        let Ok(number) = text.parse::<u64>() else {
            return Err(Fault::new(
                "is no whole number",
                format!("a whole number, at least {least}"),
            ));
        };
        if number < least {
            return Err(Fault::new(format!("is less than {least}"), why));
        }
        Ok(number)
    })
}

/// Something to compare with.
pub(super) fn operand() -> Leaf<String> {
    let schema = json!({"type": ["string", "number", "boolean"]});
    leaf("a number or a text", schema, Takes::Any, |text| Ok(text.to_owned())).keeping_secrets()
}

/// A number to compare with, as its text: no digit is lost.
pub(super) fn number() -> Leaf<String> {
    let schema = json!({"anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"},
    ]});
    let number = leaf("a number", schema, Takes::Any, |text| {
        let is_number =
            looks_like(text) == Looks::Number && text.parse::<f64>().is_ok_and(f64::is_finite);
        if is_number {
            Ok(text.to_owned())
        } else {
            Err(Fault::new(
                "is no number",
                "digits, with a point where there is a fraction: 1000, 0.5",
            ))
        }
    });
    number.keeping_secrets()
}

/// A regular expression.
pub(super) fn regex() -> Leaf<String> {
    let schema = json!({"type": "string"});
    let regex = leaf("a regular expression", schema, Takes::Text, |text| match Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let words = error.to_string();
            let last =
                words.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            Err(Fault::new(
                format!("is no regular expression: {last}"),
                "the syntax is that of https://docs.rs/regex; in '…' a backslash is a backslash",
            ))
        }
    });
    regex.keeping_secrets()
}

/// One image for all, or one for each major version.
pub(super) struct Image;

impl Image {
    fn reference() -> Leaf<String> {
        leaf("an image", json!({"type": "string", "pattern": r"^\S+$"}), Takes::Text, |text| {
            not_blank(text)?;
            match image_fault(text) {
                None => Ok(text.to_owned()),
                Some(fault) => Err(Fault::new(
                    format!("is no image: it {fault}"),
                    "[HOST[:PORT]/]NAME[:TAG][@DIGEST], such as postgres:{major}",
                )),
            }
        })
    }
}

impl Kind for Image {
    type Value = ImageChoice;

    fn shape(&self) -> Shape {
        let map = Shape::Map {
            keys: "^(9|[1-9][0-9])$",
            words: "one for each major version",
            of: Box::new(Self::reference().shape()),
        };
        Shape::Either(vec![Self::reference().shape(), map])
    }

    fn read(&self, slot: Slot<'_>, reader: &mut Reader<'_>) -> Option<ImageChoice> {
        let Value::Mapping(entries) = &slot.node.value else {
            if matches!(slot.node.value, Value::Scalar(_)) {
                let template = Self::reference().read(slot, reader)?;
                return Some(ImageChoice::Template(template.expose().clone()));
            }
            wrong_type(slot, "an image, or one for each major version", reader);
            return None;
        };
        if entries.is_empty() {
            reader.problems.add(
                slot.key,
                format!("`{}` names no image", slot.name),
                Some("{17: postgres:17}".to_owned()),
            );
        }
        let mut map = BTreeMap::new();
        for entry in entries {
            let major = (major().parse)(&entry.key).ok().flatten();
            if major.is_none() {
                let message = format!("`{}` is no major version", entry.key);
                let help = "{15: registry.example/pg:15, 17: registry.example/pg:17}".to_owned();
                reader.problems.add(entry.key_span, message, Some(help));
            }
            let inner = Slot { name: slot.name, key: entry.key_span, node: &entry.node };
            let image = Self::reference().read(inner, reader);
            if let (Some(major), Some(image)) = (major, image) {
                map.insert(major, image.expose().clone());
            }
        }
        Some(ImageChoice::Map(map))
    }
}
