//! Rows whose columns need more than their bytes: field by field into the sum.

use super::bytea::Escaped;
use super::column::Form;
use super::fingerprint::RowSum;
use super::value;

/// Longer than the text of any number or time.
const SHORT_BYTES: usize = 64;

/// Cuts nothing itself: is told where a field's bytes are and where it ends.
#[derive(Debug)]
pub(super) struct Fields {
    forms: Box<[Form]>,
    /// The column of the field that comes now.
    column: usize,
    /// Whether the row has a hashed field before it.
    follows: bool,
    now: Now,
    /// A short value in parts.
    short: Vec<u8>,
}

/// What is done with the rest of the field.
#[derive(Debug)]
enum Now {
    /// Nothing of it was seen.
    Beginning,
    Copied,
    Escaped(Escaped),
    Gathered,
    Ignored,
}

impl Fields {
    pub(super) fn new(forms: Box<[Form]>) -> Self {
        Self { forms, column: 0, follows: false, now: Now::Beginning, short: Vec::new() }
    }

    /// A part of a field, not its last; never cut within an escape.
    pub(super) fn part(&mut self, bytes: &[u8], sum: &mut RowSum) {
        if bytes.is_empty() {
            return;
        }
        if matches!(self.now, Now::Beginning) {
            self.now = self.begin(bytes, sum);
        }
        match &mut self.now {
            Now::Copied => sum.part(bytes),
            Now::Escaped(escaped) => escaped.part(bytes, sum),
            Now::Gathered if self.short.len() + bytes.len() <= SHORT_BYTES => {
                self.short.extend_from_slice(bytes);
            }
            Now::Gathered => {
                // No value of its type: as it stands.
                sum.part(b"?");
                sum.part(&self.short);
                sum.part(bytes);
                self.now = Now::Copied;
            }
            Now::Beginning | Now::Ignored => {}
        }
    }

    /// The last part of a field.
    #[inline]
    pub(super) fn end(&mut self, bytes: &[u8], sum: &mut RowSum) {
        let form = self.forms.get(self.column).copied().unwrap_or_default();
        match (&self.now, form) {
            (Now::Beginning, Form::LeftOut) => {}
            (Now::Beginning, Form::Text) => {
                self.separate(sum);
                sum.part(bytes);
            }
            (Now::Beginning, Form::Float4 | Form::Float8 | Form::Timestamptz) => {
                self.separate(sum);
                canonical(form, bytes, sum);
            }
            _ => self.end_in_parts(form, bytes, sum),
        }
        self.column += 1;
    }

    fn end_in_parts(&mut self, form: Form, bytes: &[u8], sum: &mut RowSum) {
        if matches!(self.now, Now::Beginning) {
            self.now = self.begin(bytes, sum);
        }
        self.part(bytes, sum);
        if matches!(self.now, Now::Gathered) {
            canonical(form, &self.short, sum);
        }
        self.now = Now::Beginning;
    }

    fn begin(&mut self, bytes: &[u8], sum: &mut RowSum) -> Now {
        let form = self.forms.get(self.column).copied().unwrap_or_default();
        if form != Form::LeftOut {
            self.separate(sum);
        }
        match form {
            Form::LeftOut => Now::Ignored,
            Form::Text => Now::Copied,
            Form::Float4 | Form::Float8 | Form::Timestamptz => {
                self.short.clear();
                Now::Gathered
            }
            // Hexadecimal, NULL, or empty as both forms write it.
            Form::Bytea if bytes.starts_with(br"\\x") || bytes == br"\N" => Now::Copied,
            Form::Bytea => {
                sum.part(br"\\x");
                Now::Escaped(Escaped::default())
            }
        }
    }

    fn separate(&mut self, sum: &mut RowSum) {
        if std::mem::replace(&mut self.follows, true) {
            sum.part(b"\t");
        }
    }

    pub(super) fn end_row(&mut self) {
        self.column = 0;
        self.follows = false;
    }
}

/// Adds the canonical text of a value; what is no value of its type is added as it stands, behind
/// a `?`. Whether it is one is for the server to say.
#[inline]
fn canonical(form: Form, text: &[u8], sum: &mut RowSum) {
    let value = match form {
        // As where it comes in parts.
        _ if text.len() > SHORT_BYTES => None,
        Form::Float4 => value::float4(text),
        Form::Float8 => value::float8(text),
        _ => value::timestamptz(text),
    };
    match value {
        Some(value) => sum.part(value.as_bytes()),
        None if text == br"\N" => sum.part(text),
        None => {
            sum.part(b"?");
            sum.part(text);
        }
    }
}
