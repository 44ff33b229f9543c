//! Columns and the forms of their values.

/// A column of a `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) form: Form,
}

/// How a column's values are brought to one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// The same value always has the same text.
    Text,
    /// `real`: more or fewer digits, by `extra_float_digits` before PostgreSQL 12.
    Float4,
    /// `double precision`, as [`Form::Float4`].
    Float8,
    /// `timestamp with time zone`: written in the session's time zone.
    Timestamptz,
    /// `bytea`: written by the setting `bytea_output`.
    Bytea,
    /// No canonical text is known: the fingerprint says nothing about it.
    #[default]
    LeftOut,
}

/// The built-in types whose text is the same in every session, by the name that `format_type`
/// gives them (`src/backend/utils/adt/format_type.c`). Not among them: `money` (`lc_monetary`),
/// `xml` (the client's encoding), `regclass` and its like (`search_path`), and the geometric types
/// (`extra_float_digits`).
const TEXT_TYPES: &[&str] = &[
    "\"char\"",
    "aclitem",
    "bigint",
    "bit",
    "bit varying",
    "boolean",
    "character",
    "character varying",
    "cid",
    "cidr",
    "date",
    "datemultirange",
    "daterange",
    "inet",
    "int2vector",
    "int4multirange",
    "int4range",
    "int8multirange",
    "int8range",
    "integer",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "macaddr",
    "macaddr8",
    "name",
    "numeric",
    "nummultirange",
    "numrange",
    "oid",
    "oidvector",
    "pg_lsn",
    "pg_snapshot",
    "smallint",
    "text",
    "tid",
    "time with time zone",
    "time without time zone",
    "timestamp without time zone",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tsvector",
    "txid_snapshot",
    "uuid",
    "xid",
    "xid8",
];

impl Form {
    /// The form of a built-in type as `format_type` writes it: `character varying(20)`,
    /// `timestamp(3) with time zone`, `integer[]`. `None` for a type that is not built in.
    pub(crate) fn of_type(name: &str) -> Option<Self> {
        let name = without_modifier(name);
        if let Some(element) = name.strip_suffix("[]") {
            return Self::of_type(element).map(Self::in_array);
        }
        Some(match &*name {
            "real" => Self::Float4,
            "double precision" => Self::Float8,
            "timestamp with time zone" => Self::Timestamptz,
            "bytea" => Self::Bytea,
            name if TEXT_TYPES.contains(&name) || name.starts_with("interval ") => Self::Text,
            _ => return None,
        })
    }

    /// The form of an array of it: elements that need work are not looked for in an array's text.
    pub(crate) fn in_array(self) -> Self {
        if self == Self::Text { Self::Text } else { Self::LeftOut }
    }
}

/// The name without `(20)`, wherever it stands.
fn without_modifier(name: &str) -> String {
    match (name.find('('), name.find(')')) {
        (Some(from), Some(to)) if from < to => [&name[..from], &name[to + 1..]].concat(),
        _ => name.to_owned(),
    }
}
