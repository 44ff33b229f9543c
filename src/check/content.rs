//! Of which tables values are compared, where not all of them are.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Data of a database up to this size are compared as a whole.
const LEAST_BYTES: u64 = 16 * 1024 * 1024;
/// What is compared of more data: one part in so many.
const SHARE: u64 = 20;

/// A choice among tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// For each table, in the order they were given in.
    pub chosen: Vec<bool>,
    /// The chance of each table that was not certain to be chosen; 1 where all were.
    pub chance: f64,
}

/// Chooses among tables, each with its name and its bytes: the smallest ones up to half of the bytes
/// that may be read, and each of the others by chance, so that the other half is read on average.
/// The same seed and names give the same choice in any order.
pub fn choose(seed: u64, tables: &[(String, u64)]) -> Choice {
    let total = tables.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let budget = LEAST_BYTES.max(total / SHARE);
    if total <= budget {
        return Choice { chosen: vec![true; tables.len()], chance: 1.0 };
    }
    let mut order: Vec<usize> = (0..tables.len()).collect();
    order.sort_by_key(|&at| (tables[at].1, &tables[at].0));
    let mut chosen = vec![false; tables.len()];
    let (mut taken, mut small) = (0_u64, 0);
    for &at in &order {
        taken = taken.saturating_add(tables[at].1);
        if taken > budget / 2 {
            taken -= tables[at].1;
            break;
        }
        chosen[at] = true;
        small += 1;
    }
    let chance = share(budget - taken, total - taken);
    for &at in &order[small..] {
        chosen[at] = share(xxh3_64_with_seed(tables[at].0.as_bytes(), seed), u64::MAX) < chance;
    }
    Choice { chosen, chance }
}

#[expect(clippy::cast_precision_loss, reason = "a chance needs no more digits")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn tables(bytes: &[u64]) -> Vec<(String, u64)> {
        bytes.iter().enumerate().map(|(at, bytes)| (format!("public.t{at}"), *bytes)).collect()
    }

    #[test]
    fn small_databases_are_compared_as_a_whole() {
        assert_eq!(choose(1, &[]).chosen, Vec::<bool>::new());
        let choice = choose(1, &tables(&[15 * MIB, MIB]));
        assert_eq!(choice, Choice { chosen: vec![true, true], chance: 1.0 });
        let choice = choose(1, &tables(&[15 * MIB, MIB + 1]));
        assert!(choice.chosen[1] && choice.chance < 1.0, "{choice:?}");
    }

    #[test]
    fn the_order_of_tables_changes_nothing() {
        let mut tables = tables(&[MIB; 200]);
        let names = |tables: &[(String, u64)]| {
            let chosen = choose(7, tables).chosen;
            let mut names: Vec<String> =
                tables.iter().zip(chosen).filter(|(_, is)| *is).map(|(t, _)| t.0.clone()).collect();
            names.sort();
            names
        };
        let first = names(&tables);
        tables.reverse();
        assert_eq!(names(&tables), first);
        assert!((8..60).contains(&first.len()), "{first:?}");
    }

    /// Over many seeds as many bytes are read as may be, and each large table as often as is said.
    #[test]
    fn the_chance_is_what_is_said() {
        let tables = tables(&[1000, 2000, 100 * MIB, 300 * MIB, 400 * MIB, 500 * MIB]);
        let total: u64 = tables.iter().map(|(_, bytes)| bytes).sum();
        let seeds = 20_000;
        let mut times = [0_u32; 6];
        let mut chance = 0.0;
        for seed in 0..seeds {
            let choice = choose(seed, &tables);
            chance = choice.chance;
            choice.chosen.iter().zip(&mut times).for_each(|(is, times)| *times += u32::from(*is));
        }
        let seeds = f64::from(u32::try_from(seeds).unwrap());
        assert_eq!(times[..2], [20_000, 20_000]);
        for times in &times[2..] {
            let measured = f64::from(*times) / seeds;
            assert!((measured - chance).abs() < 0.006, "{measured} of {chance}");
        }
        assert!((chance - 0.05).abs() < 0.001, "{chance} of {total}");
    }
}
