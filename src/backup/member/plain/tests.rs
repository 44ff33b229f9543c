//! What stands around a dump: a part of a real output of `pg_dumpall` 17, by itself.

use super::*;
use crate::finding::FindingClass;

/// The dump of database `kasse`, with large objects, from its first line to its last.
fn kasse() -> String {
    let all = include_bytes!("../../../../tests/fixtures/pgdump/17-all.sql");
    // This database is in LATIN1.
    let all: String = all.iter().copied().map(char::from).collect();
    let all = all.replace("client_encoding = 'LATIN1'", "client_encoding = 'UTF8'");
    let title = "-- Database \"kasse\" dump\n--\n\n";
    let from = all.find(title).unwrap() + title.len();
    let end = from + all[from..].find("--\n-- Database \"postgres\" dump").unwrap();
    all[from..end].to_owned()
}

fn place() -> MemberPlace<'static> {
    MemberPlace { name: "k.sql", database: "k".to_owned(), position: 0, bytes: 1, is_named: false }
}

fn of(text: &[u8]) -> DatabaseDump {
    from_plain(&place(), sql::inspect(&mut &*text))
}

/// Code and message of each finding.
fn found(text: &[u8]) -> Vec<(FindingCode, String)> {
    let grave = of(text).findings.into_iter().filter(|found| found.class != FindingClass::Notice);
    grave.map(|found| (found.code, found.message)).collect()
}

fn codes(text: &str) -> Vec<FindingCode> {
    found(text.as_bytes()).into_iter().map(|(code, _)| code).collect()
}

fn is_said(text: &str, words: &str) -> bool {
    of(text.as_bytes()).not_tested.iter().any(|said| said.contains(words))
}

#[test]
fn what_stands_behind_the_last_line_is_no_cut() {
    let whole = kasse();
    let behind = "behind the dump's last line";
    assert!(whole.starts_with("--\n-- PostgreSQL database dump\n"), "{}", &whole[..60]);
    assert_eq!(found(whole.as_bytes()), []);
    assert!(!is_said(&whole, behind));
    for sound in ["-- done by cron\n", "\n\n\n", "/* x */\n--\n"] {
        let text = format!("{whole}{sound}");
        assert_eq!(codes(&text), [], "{sound}");
        assert!(!is_said(&text, behind), "{sound}");
    }
    let analysed = format!("BEGIN;\n{whole}ANALYZE;\nCOMMIT;\n");
    assert_eq!(codes(&analysed), []);
    assert!(is_said(&analysed, "2 statements, the first in line"));
    let cut = found(format!("{whole}ANALYZE").as_bytes());
    let message = "the dump `k.sql` ends inside a statement".to_owned();
    assert_eq!(cut, [(FindingCode::DumpTruncated, message)]);
    let entry = "-- Name: x; Type: TABLE; Schema: public; Owner: alice\n";
    assert_eq!(codes(&format!("{whole}{entry}")), [FindingCode::DumpDamaged]);
    let last = "-- PostgreSQL database dump complete\n";
    assert_eq!(codes(&format!("{whole}{last}")), [FindingCode::DumpDamaged]);
}

#[test]
fn two_dumps_of_one_table_are_not_one() {
    let whole = kasse();
    let twice = format!("{whole}{whole}");
    let messages = found(twice.as_bytes());
    let message = "`k.sql` holds 2 dumps one behind the other".to_owned();
    assert_eq!(messages, [(FindingCode::FormatNotSupported, message)]);
    // As pg_dump --schema-only and --data-only in one file.
    let frame = |body: &str| {
        format!(
            "--\n-- PostgreSQL database dump\n--\n\n{body}\n--\n-- PostgreSQL database dump complete\n--\n\n"
        )
    };
    let schema = frame(
        "-- Name: t; Type: TABLE; Schema: public; Owner: a\nCREATE TABLE public.t (x text);\n",
    );
    let data = frame(
        "-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: a\nCOPY public.t (x) FROM stdin;\n\\.\n",
    );
    let both = format!("{schema}{data}");
    assert_eq!(codes(&both), []);
    assert!(is_said(&both, "2 dumps one behind the other"));
    assert_eq!(codes(&both[..both.len() - 40]), [FindingCode::DumpTruncated]);
}

#[test]
fn a_dump_without_its_beginning_is_cut() {
    let whole = kasse();
    let lost = "the dump `k.sql` has lost its beginning".to_owned();
    for from in ["\\restrict", "-- Dumped from", "SET client_encoding", "-- Data for Name"] {
        let at = whole.find(from).unwrap();
        assert!(
            found(&whole.as_bytes()[at..]).contains(&(FindingCode::DumpTruncated, lost.clone())),
            "{from}"
        );
    }
    let restrict = whole.find("\\restrict").unwrap();
    let line = restrict + whole[restrict..].find('\n').unwrap();
    let without = format!("{}{}", &whole[..restrict], &whole[line..]);
    assert_eq!(found(without.as_bytes()), [(FindingCode::DumpTruncated, lost)]);
    // Comments that somebody has taken out are no beginning that is lost.
    let lines = whole.split_inclusive('\n').filter(|line| !line.starts_with("--"));
    let bare: String = lines.collect();
    assert_eq!(codes(&bare), [FindingCode::EndUnmarked]);
}

#[test]
fn text_before_a_dump_is_named() {
    let whole = kasse();
    for before in ["pg_dump: warning: there are circular foreign keys", "it's not SQL", "<b>"] {
        let text = format!("{before}\n{whole}");
        let found = of(text.as_bytes()).findings;
        let said = found.iter().find(|found| found.code == FindingCode::DumpDamaged).unwrap();
        assert!(said.message.starts_with("text that is no part of it"), "{}", said.message);
        assert!(said.cause.as_ref().is_some_and(|cause| cause.contains(before)), "{said:?}");
        let others = found.iter().filter(|found| found.code == FindingCode::MetaCommand);
        // A quote turns what is a string and what is not about, in all that follows.
        assert!(others.count() == 0 || before.contains('\''), "{before}");
    }
    let hostile = format!("x\n{}", whole.replacen("\\restrict ", "\\! echo ", 1));
    assert!(codes(&hostile).contains(&FindingCode::MetaCommand));
    assert_eq!(codes(&format!("-- a comment\nSELECT 1;\n{whole}")), []);
}

#[test]
fn what_is_no_sql_is_said_to_be_none() {
    for text in [
        "<html><body>404</body></html>\n",
        "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code>&lt;;</Error>",
        "\n  <!DOCTYPE html><p>it's; gone;</p>",
        "pg_dump: error: connection to server failed: FATAL:  password\n",
    ] {
        assert_eq!(codes(text), [FindingCode::UnknownFormat], "{text}");
    }
    assert_eq!(codes("SELECT 1 <\n 2;\n"), [FindingCode::EndUnmarked]);
}

#[test]
fn statements_must_be_text_too() {
    let whole = kasse().into_bytes();
    let at = memchr::memmem::find(&whole, b"CREATE TABLE").unwrap();
    let with = |bytes: &[u8]| [&whole[..at], bytes, &whole[at..]].concat();
    let message = "a statement in `k.sql` has bytes that are no text in the dump's encoding";
    assert_eq!(found(&with(b"\xff\xfe")), [(FindingCode::DumpDamaged, message.to_owned())]);
    assert_eq!(found(&with(b"-- \xff\xfe\n")), []);
    assert_eq!(found(&with("SELECT 'ü';\n".as_bytes())), []);
    let latin = String::from_utf8(whole.clone()).unwrap().replace("= 'UTF8'", "= 'LATIN1'");
    let at = latin.find("CREATE TABLE").unwrap();
    let text = [&latin.as_bytes()[..at], b"SELECT '\xfc';\n", &latin.as_bytes()[at..]].concat();
    assert_eq!(found(&text), []);
}

#[test]
fn large_objects_are_counted_where_one_entry_stands_for_many() {
    let dump = of(kasse().as_bytes());
    let lists = dump.entries.iter().filter(|entry| entry.kind == "BLOB METADATA");
    let listed: Vec<&str> = lists.flat_map(|entry| entry.definition.lines()).collect();
    let made = kasse().matches("lo_create('").count();
    assert!(made > 0 && listed.len() == made, "{listed:?}");
    assert!(listed.iter().all(|oid| oid.parse::<u32>().is_ok()), "{listed:?}");
}

#[test]
fn a_line_among_the_rows_is_no_row() {
    let text = "-- PostgreSQL database dump\nCOPY t (a) FROM stdin;\n\\.x\n\\.\n-- PostgreSQL database dump complete\n";
    let found = found(text.as_bytes());
    let message = r"among the rows of `t` in `k.sql` a line that begins with \. has more to it";
    assert_eq!(found, [(FindingCode::DumpDamaged, message.to_owned())]);
}

#[test]
fn rows_that_damage_lets_out_are_no_commands() {
    let text = |nul: &str, row: &str| {
        format!(
            "-- PostgreSQL database dump\nCOPY t {nul}\n1\trow1\\n\\\\\n2\t{row}\n\\.\nSELECT 1;\n\
             -- PostgreSQL database dump complete\n"
        )
    };
    let codes = |nul, row| codes(&text(nul, row));
    assert_eq!(codes("\0\0\0", "x\\n"), [FindingCode::DumpDamaged]);
    assert!(codes("\0\0\0", "\\! id").contains(&FindingCode::MetaCommand));
    // Where nothing else is wrong, they are what shows it.
    assert!(codes("", "x\\n").contains(&FindingCode::MetaCommand));
}
