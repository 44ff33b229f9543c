//! Fingerprints.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::backup::rows::Catalogue;
use crate::backup::sql::declaration;

const TEXT: Form = Form::Text;

/// The definition of `docs/fingerprint.md`, as slow and plain as can be.
fn by_definition(rows: &[&str]) -> String {
    let hash = |row: &&str| xxhash_rust::xxh3::xxh3_128(row.as_bytes());
    format!("{:032x}", rows.iter().map(hash).fold(0_u128, u128::wrapping_add))
}

#[test]
fn it_is_what_its_definition_says() {
    let rows = b"1\ta\n\\N\tb\\tc\n";
    let expected = by_definition(&["1\ta", "\\N\tb\\tc"]);
    assert_eq!(fingerprint(&[TEXT, TEXT], rows).to_string(), expected);
    assert_eq!(fingerprint(&[TEXT, TEXT], b"").to_string(), "0".repeat(32));
    assert_eq!(fingerprint(&[], b"\n\n").to_string(), by_definition(&["", ""]));
    let rows = b"2000-01-01 00:00:01+00\t0.5\t1\tx\t-1\tab\n\\N\t\\N\t\\N\tx\t\\N\t\\N\n";
    let forms =
        [Form::Timestamptz, Form::Float8, Form::Float4, Form::LeftOut, Form::Float8, Form::Bytea];
    let expected = by_definition(&[
        "00000000000f4240\t3fe0000000000000\t3f800000\tbff0000000000000\t\\\\x6162",
        "\\N\t\\N\t\\N\t\\N\t\\N",
    ]);
    let found = fingerprint(&forms, rows);
    assert_eq!((found.to_string(), found.left_out()), (expected.clone(), &["c3".to_owned()][..]));
    let json = serde_json::to_value(&found).map(|value| value.to_string());
    let expected =
        format!(r#"{{"algorithm":"pgdrill-fp1","columns_left_out":["c3"],"sum":"{expected}"}}"#);
    assert_eq!(json.ok(), Some(expected));
}

/// No number is as long as this: what it is does not depend on where a buffer ends.
#[test]
fn a_number_that_is_too_long_is_none_however_it_comes() {
    let row = format!("{}\n\n", "2".repeat(72));
    for form in [Form::Float4, Form::Float8, Form::Timestamptz] {
        let expected = by_definition(&[&format!("?{}", "2".repeat(72)), "?"]);
        assert_eq!(fingerprint(&[form], row.as_bytes()).to_string(), expected);
        let column = Column { name: "c1".to_owned(), form };
        let mut reader = RowReader::new(Some(vec![column]), TextEncoding::named("UTF8"));
        row.as_bytes().chunks(50).for_each(|piece| reader.feed(piece));
        assert_eq!(reader.finish().fingerprint.unwrap().to_string(), expected);
    }
}

#[test]
fn the_order_of_rows_makes_no_difference_and_all_else_does() {
    let base = fingerprint(&[TEXT, TEXT], b"1\ta\n2\tb\n3\tc\n");
    assert_eq!(fingerprint(&[TEXT, TEXT], b"3\tc\n1\ta\n2\tb\n"), base);
    for other in [
        &b"1\ta\n2\tb\n3\td\n"[..],
        b"1\ta\n2\tb\n",
        b"1\ta\n2\tb\n3\tc\n3\tc\n",
        b"1\tb\n2\ta\n3\tc\n",
        b"a\t1\nb\t2\nc\t3\n",
        b"1\ta\n2\tb\n3\t\\N\n",
    ] {
        assert_ne!(fingerprint(&[TEXT, TEXT], other), base, "{other:?}");
    }
    // Twice the same, and none: what an XOR would not see.
    assert_ne!(fingerprint(&[TEXT], b"x\nx\n"), fingerprint(&[TEXT], b""));
    assert_ne!(fingerprint(&[TEXT], b"x\nx\n"), fingerprint(&[TEXT], b"y\ny\n"));
    assert_ne!(fingerprint(&[TEXT], b"\n"), fingerprint(&[TEXT], b"\\N\n"));
    let float = |rows: &[u8]| fingerprint(&[Form::Float8, Form::Timestamptz], rows);
    assert_ne!(float(b"1\t\\N\n"), float(b"\\N\t1\n"));
}

#[test]
fn one_value_has_one_form() {
    for (form, same) in [
        (
            Form::Timestamptz,
            &[
                "2024-07-01 12:00:00+00",
                "2024-07-01 14:00:00+02",
                "2024-07-01 17:30:00+05:30",
                "2024-06-30 23:00:00-13",
            ][..],
        ),
        (Form::Timestamptz, &["1883-11-18 17:00:00.5+00", "1883-11-18 12:03:58.5-04:56:02"]),
        (Form::Timestamptz, &["0044-03-15 00:00:00+00 BC", "0044-03-14 23:07:02-00:52:58 BC"]),
        (Form::Timestamptz, &["0001-12-31 23:30:00+00 BC", "0001-01-01 01:30:00+02"]),
        (Form::Timestamptz, &["2000-02-29 23:59:59.999999+00", "2000-03-01 00:59:59.999999+01"]),
        (
            Form::Timestamptz,
            &["294276-12-31 23:59:59.999999+00", "294277-01-01 00:59:59.999999+01"],
        ),
        (Form::Float8, &["0.1", "0.10000000000000001", "1e-1"]),
        (Form::Float8, &["1e+20", "100000000000000000000"]),
        (Form::Float4, &["0.1", "0.100000001", "0.1000000015"]),
        (Form::Bytea, &[r"\\x00ff5c61", r"\\000\\377\\\\a"]),
        (Form::Bytea, &[r"\\x", ""]),
    ] {
        for text in same {
            let line = |text: &str| format!("{text}\n");
            let of = |text: &str| fingerprint(&[form], line(text).as_bytes());
            assert_eq!(of(text), of(same[0]), "{text}");
        }
    }
    for (form, others) in [
        (Form::Float8, &["0", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1", "\\N", "x"][..]),
        (Form::Float4, &["0", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "1", "\\N", "x"]),
        (
            Form::Timestamptz,
            &[
                "infinity",
                "-infinity",
                "\\N",
                "2000-01-01 00:00:00+00",
                "2000-01-01 00:00:00",
                "2000-01-01 00:00:00.000001+00",
                "2000-01-01 00:00:00+00 BC",
                "00-01-01 00:00:00+00",
                "20000000000000000000-01-01 00:00:00+00",
            ],
        ),
        (Form::Bytea, &[r"\\x", r"\\x00", r"\\x0000", "\\N", r"\\x5c4e"]),
    ] {
        for (at, one) in others.iter().enumerate() {
            for other in &others[at + 1..] {
                let of = |text: &str| fingerprint(&[form], format!("{text}\n").as_bytes());
                assert_ne!(of(one), of(other), "{one} {other}");
            }
        }
    }
}

#[test]
fn what_cannot_be_hashed_has_no_fingerprint() {
    let of = |columns: Option<Vec<Column>>, encoding: &str| {
        let mut reader = RowReader::new(columns, TextEncoding::named(encoding));
        reader.feed(b"1\n");
        reader.finish().fingerprint
    };
    assert!(of(Some(columns(&[TEXT])), "UTF8").is_some());
    assert_eq!(of(Some(columns(&[Form::LeftOut])), "UTF8"), None);
    assert_eq!(of(Some(columns(&[TEXT])), "SJIS"), None);
    assert_eq!(of(None, "UTF8"), None);
    let mut reader =
        RowReader::new(Some(columns(&[TEXT])), TextEncoding::UNCHECKED).without_fingerprint();
    reader.feed(b"1\n");
    assert_eq!(reader.finish().fingerprint, None);
}

#[test]
fn forms_are_those_of_the_types() {
    for (name, form) in [
        ("integer", Some(TEXT)),
        ("character varying(20)", Some(TEXT)),
        ("numeric(10,2)[]", Some(TEXT)),
        ("interval day to second(3)", Some(TEXT)),
        ("\"char\"", Some(TEXT)),
        ("timestamp(3) with time zone", Some(Form::Timestamptz)),
        ("timestamp without time zone", Some(TEXT)),
        ("timestamp with time zone[]", Some(Form::LeftOut)),
        ("double precision", Some(Form::Float8)),
        ("real[]", Some(Form::LeftOut)),
        ("bytea", Some(Form::Bytea)),
        ("money", None),
        ("tstzrange", None),
        ("regclass", None),
        ("xml", None),
        ("mood", None),
    ] {
        assert_eq!(Form::of_type(name), form, "{name}");
    }
}

macro_rules! written {
    ($($major:literal)*) => {
        [$((
            include_str!(concat!("../../../../tests/fixtures/rows/", $major, ".sql")),
            [
                &include_bytes!(concat!("../../../../tests/fixtures/rows/", $major, "-utc.copy"))[..],
                include_bytes!(concat!("../../../../tests/fixtures/rows/", $major, "-kolkata.copy")),
                include_bytes!(concat!("../../../../tests/fixtures/rows/", $major, "-york.copy")),
            ],
        )),*]
    };
}

/// The same table from PostgreSQL 13, 15 and 17, in three time zones, with and without
/// `extra_float_digits`, and in both forms of `bytea`, in three orders (`tests/fixtures/rows/make.sh`).
#[test]
fn real_rows_are_equal_whatever_the_session() {
    let mut all = Vec::new();
    for (create_table, written) in written!("13" "15" "17") {
        let mut types = Catalogue::default();
        let name = |name: &str| (Some("public".to_owned()), name.to_owned());
        for sql in [
            "CREATE TYPE public.mood AS ENUM ('sad', 'so so')",
            "CREATE DOMAIN public.percent AS double precision",
            create_table,
        ] {
            types.learn(declaration(sql.as_bytes(), "UTF8").unwrap());
        }
        let columns = types.table(&name("everything")).unwrap().to_vec();
        assert_eq!(columns.len(), 46);
        let forms: Vec<Form> = columns.iter().map(|column| column.form).collect();
        assert_ne!((written[0], written[1]), (written[1], written[2]));
        for rows in written {
            let mut reader = RowReader::new(Some(columns.clone()), TextEncoding::named("UTF8"));
            reader.feed(rows);
            let summary = reader.finish();
            assert_eq!((summary.rows, summary.faults), (Some(7), Vec::new()));
            let found = summary.fingerprint.unwrap();
            let left_out = ["price", "markup", "place", "period", "instants", "floats", "class"];
            assert_eq!(found.left_out(), left_out);
            assert_eq!(found.to_string(), fingerprint(&forms, rows).to_string());
            all.push(found.to_string());
        }
        // Each value that is looked at counts: one changed, in the first row and in each column.
        let rows = std::str::from_utf8(written[0]).unwrap();
        let (first, rest) = rows.split_once('\n').unwrap();
        for at in 0..columns.len() {
            let mut fields: Vec<&str> = first.split('\t').collect();
            fields[at] = "\\N";
            let changed = format!("{}\n{rest}", fields.join("\t"));
            let is_same = fingerprint(&forms, changed.as_bytes()).to_string() == all[0];
            assert_eq!(is_same, forms[at] == Form::LeftOut, "{}", columns[at].name);
        }
    }
    assert_eq!(all, vec![all[0].clone(); 9]);
    // The contract holds from version to version of this program, too.
    assert_eq!(all[0], "bc8d6aa843f5589c63e1369b9a21ab75");
}
