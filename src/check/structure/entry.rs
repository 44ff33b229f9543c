//! One entry of the dump against the one that the restored database has.

use crate::backup::{TocEntry, canonical};

use super::key::shown;
use super::parts;
use super::{Differences, Written};

/// An entry and what became of it.
pub(super) struct Pair<'a> {
    pub(super) entry: &'a TocEntry,
    pub(super) other: &'a TocEntry,
    pub(super) written: Written,
}

/// What two definitions have in common.
enum Likeness {
    Same,
    /// As far as versions that print it otherwise can be compared.
    InPart,
    /// What of them is another, where that can be told without the text itself.
    Other(Vec<String>),
}

impl Pair<'_> {
    /// Whether nothing differs.
    pub(super) fn is_same(&self) -> bool {
        self.owner().is_none() && matches!(self.definition(), Likeness::Same)
    }

    pub(super) fn compare(&self, found: &mut Differences) {
        let name = shown(self.entry);
        let mut is_sound = true;
        if let Some((should, is)) = self.owner() {
            found.owners.push(format!("{name} ({is} instead of {should})"));
            is_sound = false;
        }
        match self.definition() {
            Likeness::Same => {}
            Likeness::InPart => found.in_part += 1,
            Likeness::Other(parts) => {
                let list = if self.is_privilege() {
                    &mut found.privileges
                } else {
                    &mut found.definitions
                };
                let parts = parts.join("; ");
                list.push(if parts.is_empty() {
                    name.clone()
                } else {
                    format!("{name} ({parts})")
                });
                is_sound = false;
            }
        }
        if is_sound {
            found.restored += 1;
        } else {
            found.failed.push(name);
        }
    }

    fn is_privilege(&self) -> bool {
        matches!(self.entry.kind.as_str(), "ACL" | "DEFAULT ACL")
    }

    /// The owner that should be, and the one that is. What hangs on an object names the object's.
    fn owner(&self) -> Option<(&str, &str)> {
        if matches!(self.entry.kind.as_str(), "ACL" | "DEFAULT ACL" | "COMMENT" | "SECURITY LABEL")
        {
            return None;
        }
        let (should, is) = (self.entry.owner.as_deref()?, self.other.owner.as_deref()?);
        (should != is).then_some((should, is))
    }

    fn definition(&self) -> Likeness {
        let (entry, other) = (self.entry, self.other);
        if self.written == Written::Otherwise {
            return self.in_part();
        }
        // Privileges of an object whose owner the dump does not name are those beside another owner's.
        if self.is_privilege() && entry.owner.is_none() {
            return Likeness::InPart;
        }
        let places = [&entry.tablespace, &other.tablespace];
        if let [Some(should), is] = places
            && is.as_ref() != Some(should)
        {
            return Likeness::Other(vec!["its tablespace".to_owned()]);
        }
        if entry.definition == other.definition {
            return Likeness::Same;
        }
        if entry.definition.is_empty() || other.definition.is_empty() {
            return Likeness::InPart;
        }
        if canonical(entry) == canonical(other) {
            return Likeness::Same;
        }
        Likeness::Other(parts::of(entry, other))
    }

    /// What different major versions write alike: comments and labels as a whole, of tables the columns, of
    /// constraints whether they are validated.
    fn in_part(&self) -> Likeness {
        let (entry, other) = (self.entry, self.other);
        if entry.definition == other.definition {
            return Likeness::Same;
        }
        if entry.definition.is_empty() || other.definition.is_empty() {
            return Likeness::InPart;
        }
        if canonical(entry) == canonical(other) {
            return Likeness::Same;
        }
        let parts = match entry.kind.as_str() {
            "COMMENT" | "SECURITY LABEL" => parts::of(entry, other),
            "TABLE" | "FOREIGN TABLE" => parts::of_columns(entry, other, false),
            _ => parts::of_validity(entry, other),
        };
        let is_text = matches!(entry.kind.as_str(), "COMMENT" | "SECURITY LABEL");
        let has_other_text = is_text && said(entry) != said(other);
        if has_other_text || !parts.is_empty() { Likeness::Other(parts) } else { Likeness::InPart }
    }
}

/// What a comment or a label says, without what it is said of.
fn said(entry: &TocEntry) -> Option<String> {
    let statement = canonical(entry).into_iter().next()?;
    statement.split_once(" is '").map(|(_, said)| said.to_owned())
}
