//! What a server's error says about the backup (`docs/decisions.md` §2).

use crate::finding::FindingCode;

/// What the backup itself says about the object that an error names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveSays {
    /// The role is the one initdb made.
    BootstrapRole,
    /// The dump holds an entry that should have made it.
    InTheDump,
    /// It is a cluster archive: its globals should have made it.
    Cluster,
    /// It is a single dump: nothing in it could have made it.
    Single,
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Expected, and says nothing.
    Benign,
    /// This.
    Finding(FindingCode),
}

/// Decides by SQLSTATE × kind of object × what the backup says. The first rule that fits.
#[expect(clippy::match_same_arms, reason = "one arm is one row of the documentation's table")]
pub fn meaning(sqlstate: &str, object_kind: &str, archive: ArchiveSays) -> Meaning {
    use ArchiveSays as Says;
    use FindingCode as Code;
    let class = sqlstate.get(..2).unwrap_or_default();
    let is_text_search =
        matches!(object_kind, "collation" | "text search configuration" | "text search dictionary");
    Meaning::Finding(match (sqlstate, object_kind) {
        ("42710" | "2BP01", "role") if archive == Says::BootstrapRole => return Meaning::Benign,
        ("42704", "role") if archive == Says::Single => Code::PlaceholderMissing,
        ("42704", "role") => Code::RoleMissing,
        ("42704" | "22023", "tablespace") if archive == Says::Single => Code::PlaceholderMissing,
        ("42704" | "22023", "tablespace") => Code::TablespaceMissing,
        ("42704", "configuration parameter") => Code::SettingUnknown,
        ("42704", _) if is_text_search && archive != Says::InTheDump => Code::LocaleMissing,
        ("42809" | "22023", "locale") => Code::LocaleMissing,
        ("22023", _) => Code::RestoreFailed,
        ("0A000", "extension") | ("58P01", _) => Code::ExtensionMissing,
        ("08001" | "HV00N", _) => Code::NetworkNeeded,
        ("08006", "publisher") => Code::NetworkNeeded,
        ("53100", _) => Code::DiskFull,
        ("54000", _) => Code::OutOfMemory,
        ("57014", _) => Code::TimedOut,
        _ => match class {
            "53" => Code::OutOfMemory,
            "57" | "08" | "28" | "58" | "XX" => Code::ServerEnded,
            "22" => Code::DataRejected,
            "23" => Code::ConstraintViolated,
            _ => Code::RestoreFailed,
        },
    })
}

/// The kind and name of the object that a server's message is about, in the server's own words
/// with `lc_messages = C`: `role "app" does not exist` → (`role`, `app`).
pub fn object_of(message: &str) -> (String, Option<String>) {
    // `invalid value for parameter "default_tablespace": "fast"`, before a table is made in it.
    if message.starts_with("invalid value for parameter \"default_tablespace\"") {
        return ("tablespace".to_owned(), message.split('"').nth(3).map(str::to_owned));
    }
    // `cannot drop role postgres because it is required by the database system`, without quotes.
    if let Some(rest) = message.strip_prefix("cannot drop role ")
        && let Some(name) = rest.strip_suffix(" because it is required by the database system")
    {
        return ("role".to_owned(), Some(name.to_owned()));
    }
    let quoted = message.split('"').nth(1).map(str::to_owned);
    let before = message.split('"').next().unwrap_or_default().trim();
    let kind = if message.starts_with("invalid LC_")
        || message.starts_with("invalid locale")
        || message.contains("locale name")
        || message.starts_with("could not create locale")
        || message.contains("conflicts with locale")
        || message.contains("ICU locale")
    {
        "locale"
    } else if before.starts_with("unrecognized configuration parameter")
        || before.starts_with("invalid configuration parameter name")
    {
        "configuration parameter"
    } else if before.starts_with("could not connect to the publisher") {
        "publisher"
    } else if before.starts_with("could not open extension control file") {
        "extension"
    } else {
        before
    };
    (kind.to_owned(), quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_in_the_servers_words() {
        let object = |message: &str| object_of(message);
        assert_eq!(object("role \"app\" does not exist"), ("role".into(), Some("app".into())));
        assert_eq!(object("extension \"postgis\" is not available").0, "extension");
        assert_eq!(
            object("text search configuration \"x\" does not exist").0,
            "text search configuration"
        );
        assert_eq!(
            object("unrecognized configuration parameter \"a.b\"").0,
            "configuration parameter"
        );
        assert_eq!(
            object("cannot drop role a b because it is required by the database system"),
            ("role".into(), Some("a b".into()))
        );
        assert_eq!(object("invalid LC_COLLATE locale name: \"xx_XX\"").0, "locale");
    }

    #[test]
    fn the_same_code_means_different_things() {
        let means = |kind, says| meaning("42704", kind, says);
        assert_eq!(means("role", ArchiveSays::Cluster), Meaning::Finding(FindingCode::RoleMissing));
        assert_eq!(
            means("role", ArchiveSays::Single),
            Meaning::Finding(FindingCode::PlaceholderMissing)
        );
        assert_eq!(
            means("collation", ArchiveSays::Cluster),
            Meaning::Finding(FindingCode::LocaleMissing)
        );
        assert_eq!(
            means("collation", ArchiveSays::InTheDump),
            Meaning::Finding(FindingCode::RestoreFailed)
        );
        assert_eq!(
            means("type", ArchiveSays::Cluster),
            Meaning::Finding(FindingCode::RestoreFailed)
        );
    }
}
