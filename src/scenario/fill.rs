//! `${NAME}`, `${NAME:-default}` and `${file:path}` in the values of a scenario.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;

use camino::Utf8Path;

/// The value of an environment variable, if it is set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What a file may hold that is filled in.
const LIMIT_FILE: u64 = 64 * 1024;

/// Where references are looked up.
pub(super) struct Filler<'a> {
    /// Relative paths of files begin here.
    pub(super) folder: &'a Utf8Path,
    pub(super) environment: Environment<'a>,
}

/// A text with everything filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilledText {
    pub(super) text: String,
    /// The first reference to a file, as written: the text is a secret then.
    pub(super) from_file: Option<String>,
    /// Whether anything was filled in.
    pub(super) changed: bool,
}

/// A reference that cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfilled {
    /// The reference as written, and how many equal ones stand before it.
    pub(super) written: String,
    pub(super) nth: usize,
    pub(super) message: String,
    pub(super) help: String,
}

impl Filler<'_> {
    /// Fills in every reference. `$${` stands for `${`; any other `$` for itself.
    ///
    /// # Errors
    ///
    /// With every reference that could not be filled in.
    pub(super) fn fill(&self, text: &str) -> Result<FilledText, Vec<Unfilled>> {
        let mut filled = FilledText { text: String::new(), from_file: None, changed: false };
        let mut missing: Vec<Unfilled> = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            filled.changed = true;
            let (before, reference) = rest.split_at(start);
            if let Some(before) = before.strip_suffix('$') {
                filled.text.push_str(before);
                filled.text.push_str("${");
                rest = &reference[2..];
                continue;
            }
            filled.text.push_str(before);
            let length = reference.find('}').map_or(reference.len(), |end| end + 1);
            let (written, after) = reference.split_at(length);
            match self.value(written) {
                Ok(value) => filled.text.push_str(&value),
                Err((message, help)) => {
                    let done = &text[..text.len() - rest.len() + start];
                    let nth = done.matches(written).count();
                    missing.push(Unfilled { written: written.to_owned(), nth, message, help });
                }
            }
            if written.starts_with("${file:") && filled.from_file.is_none() {
                filled.from_file = Some(written.to_owned());
            }
            rest = after;
        }
        filled.text.push_str(rest);
        if missing.is_empty() { Ok(filled) } else { Err(missing) }
    }

    fn value(&self, written: &str) -> Result<String, (String, String)> {
        let literal = || "for `${` itself write `$${`".to_owned();
        let Some(inside) = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        else {
            return Err(("`${` without its `}`".to_owned(), literal()));
        };
        if let Some(path) = inside.strip_prefix("file:") {
            return self.file(path);
        }
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            let message = format!("`{written}` names no environment variable");
            let help = format!("${{NAME}}, ${{NAME:-default}} or ${{file:path}}; {}", literal());
            return Err((message, help));
        }
        let value = (self.environment)(name);
        match (value, default) {
            (Some(value), default) if !value.is_empty() || default.is_none() => {
                value.into_string().map_err(|_| {
                    (
                        format!("the environment variable `{name}` is not UTF-8"),
                        format!("set it anew: export {name}=…"),
                    )
                })
            }
            (_, Some(default)) => Ok(default.to_owned()),
            (_, None) => Err((
                format!("the environment variable `{name}` is not set"),
                format!("set it, or give a default: ${{{name}:-default}}"),
            )),
        }
    }

    fn file(&self, path: &str) -> Result<String, (String, String)> {
        let file = self.folder.join(path);
        let wrong = |cause: String| {
            let help =
                "one regular file of UTF-8 text, at most 64 KiB, relative to the scenario's folder";
            (format!("cannot take `{file}`: {cause}"), help.to_owned())
        };
        if path.is_empty() {
            return Err(wrong("no path".to_owned()));
        }
        // A pipe or a device would be waited for.
        let found = file.metadata().map_err(|error| wrong(error.to_string()))?;
        if !found.is_file() {
            return Err(wrong("it is no regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(&file)
            .and_then(|opened| opened.take(LIMIT_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| wrong(error.to_string()))?;
        if bytes.len() as u64 > LIMIT_FILE {
            return Err(wrong("it is larger than 64 KiB".to_owned()));
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fill(text: &str) -> Result<FilledText, Vec<Unfilled>> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "hunter2\n\n").unwrap();
        fs::write(folder.path().join("large"), vec![b'x'; 64 * 1024 + 1]).unwrap();
        let environment = |name: &str| match name {
            "NAME" => Some("value".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        };
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        Filler { folder, environment: &environment }.fill(text)
    }

    #[test]
    fn references_are_filled_in_and_other_dollars_stay() {
        let text = |text: &str| fill(text).unwrap().text;
        assert_eq!(text("a ${NAME} b ${UNSET:-c d} ${EMPTY:-e}${EMPTY}"), "a value b c d e");
        assert_eq!(text("$$select$$ ^\\d+$ $1 $NAME $"), "$$select$$ ^\\d+$ $1 $NAME $");
        assert_eq!(text("$${NAME} $$${NAME}"), "${NAME} $${NAME}");
        assert_eq!(text("x${file:secret}y"), "xhunter2\ny");
        assert_eq!(fill("${file:secret}").unwrap().from_file.as_deref(), Some("${file:secret}"));
        assert!(!fill("plain $ text").unwrap().changed);
    }

    #[test]
    fn every_reference_that_leads_nowhere_is_told() {
        let missing =
            fill("${A} ${NAME} ${A} ${2} ${file:none} ${file:.} ${file:large} ${B").unwrap_err();
        let written: Vec<(&str, usize)> =
            missing.iter().map(|one| (one.written.as_str(), one.nth)).collect();
        assert_eq!(
            written,
            [
                ("${A}", 0),
                ("${A}", 1),
                ("${2}", 0),
                ("${file:none}", 0),
                ("${file:.}", 0),
                ("${file:large}", 0),
                ("${B", 0)
            ]
        );
    }
}
