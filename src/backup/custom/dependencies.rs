//! Whether the entries of a table of contents depend on each other in a circle.
//!
//! `pg_dump` sorts entries by their dependencies and breaks circles before it writes
//! (`repairDependencyLoop` in `pg_dump_sort.c`). Entries that are named and not there are legal:
//! they were left out of the dump.

use std::collections::HashMap;

use crate::backup::toc::TocEntry;

/// The entries of one circle, by their indexes, each depending on the one behind it.
pub(super) fn circle(entries: &[TocEntry], by_id: &HashMap<i64, usize>) -> Option<Vec<usize>> {
    let of =
        |index: usize| entries[index].dependencies.iter().filter_map(|id| by_id.get(id).copied());
    // What nothing depends on is in no circle; without it, others are not depended on any more.
    let mut users = vec![0_u32; entries.len()];
    for used in (0..entries.len()).flat_map(of) {
        users[used] += 1;
    }
    let mut free: Vec<usize> = (0..entries.len()).filter(|index| users[*index] == 0).collect();
    while let Some(index) = free.pop() {
        for used in of(index) {
            users[used] -= 1;
            if users[used] == 0 {
                free.push(used);
            }
        }
    }
    // Something used is left: its users, too, as long as one goes back.
    let start = users.iter().position(|users| *users > 0)?;
    let mut used_by = HashMap::new();
    for index in (0..entries.len()).filter(|index| users[*index] > 0) {
        for used in of(index).filter(|used| users[*used] > 0) {
            used_by.entry(used).or_insert(index);
        }
    }
    let mut seen = HashMap::new();
    let mut path = vec![start];
    loop {
        let last = *path.last()?;
        if let Some(from) = seen.insert(last, path.len() - 1) {
            let mut circle = path.split_off(from);
            circle.pop();
            circle.reverse();
            return Some(circle);
        }
        path.push(*used_by.get(&last)?);
    }
}
