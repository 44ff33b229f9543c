//! `> 10`: an operator and a number.

use serde_json::json;

use super::{Fault, Leaf, Looks, Takes, leaf, looks_like};
use crate::scenario::condition::Condition;

/// When a check warns or fails.
pub(in crate::scenario) fn condition() -> Leaf<Condition> {
    let number = r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?";
    let pattern = format!("^ *(>=|<=|!=|>|<|=) *{number} *$");
    let schema = json!({"type": "string", "pattern": pattern});
    let is_number = |text: &str| {
        looks_like(text) == Looks::Number && text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    let leaf = leaf("a condition such as '> 10'", schema, Takes::Text, move |text| {
        Condition::parse(text, is_number).ok_or_else(|| {
            Fault::new(
                "is no condition",
                "in quotes, an operator (>, >=, <, <=, =, !=) and a number: '> 10'",
            )
        })
    });
    leaf.keeping_secrets()
}
