//! Tables of contents that are large, wrong, or not as they look.

use super::*;

/// As long as the definition of a table.
const TEXT: &str = match str::from_utf8(&[b'x'; 700]) {
    Ok(text) => text,
    Err(_) => "",
};

/// Three entries of which each depends on the next: 2 → 3 → 9 → 2.
#[test]
fn entries_that_depend_on_each_other_in_a_circle_are_found() {
    let archive = Archive::new(14)
        .with(|archive| archive.entries.push(schema_entry(9, "TABLE", "c", "CREATE TABLE c ()")))
        .entry(1, |entry| entry.dependency = "3")
        .entry(2, |entry| entry.dependency = "9");
    check(&archive.clone().entry(3, |entry| entry.dependency = "1"), &[]);
    // What a dump leaves out may be named all the same.
    check(&archive.clone().entry(3, |entry| entry.dependency = "12345"), &[]);
    let circle = archive.entry(3, |entry| entry.dependency = "2");
    let dump = read_bytes(&circle.bytes());
    assert_eq!(dump.damage.len(), 1, "{:?}", lines(&dump));
    let said = lines(&dump).concat();
    assert!(said.contains("depends on itself, by way of "), "{said}");
    assert!(said.contains("(3 entries in a circle)"), "{said}");
    for name in [A, B, "TABLE public.c"] {
        assert!(said.contains(name), "{said}");
    }
    // Rows are read all the same.
    assert_eq!(entry(&dump, "TABLE DATA", "a").data.as_ref().unwrap().rows, Some(2));
    check(
        &Archive::new(14).entry(1, |entry| entry.dependency = "2"),
        &[corrupt(A, "depends on itself")],
    );
}

/// The number of entries is only a number.
#[test]
fn announced_entries_take_no_memory() {
    let archive = Archive::new(14).with(|archive| archive.count = Some(i64::from(i32::MAX)));
    let dump = read_bytes(&archive.bytes());
    assert_eq!(dump.damage.len(), 1);
    assert!(dump.entries.len() < 10 && dump.entries.capacity() < 100);
}

#[test]
fn a_hundred_thousand_entries_are_read() {
    let mut archive = Archive::new(14);
    for id in 10..100_010 {
        archive.entries.push(schema_entry(id, "INDEX", "some_index_of_a_table", TEXT));
    }
    let dump = read_bytes(&archive.bytes());
    assert_eq!(lines(&dump), Vec::<String>::new());
    assert_eq!(dump.entries.len(), 100_003);
}

#[test]
fn what_is_too_large_says_what_to_do() {
    let dump = read_limited(&mut Archive::new(14).bytes().as_slice(), &Meter::default(), 1000);
    assert_eq!(dump.damage[0].kind, DamageKind::TooLarge);
    assert!(dump.damage[0].detail.contains("test it with pg_restore"), "{:?}", lines(&dump));
}
