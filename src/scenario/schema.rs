//! The language as a JSON Schema, for editors and other programs.

use serde_json::{Map, Value, json};

use super::language;
use super::shape::{Alternatives, KeyShape, Shape};

/// The JSON Schema (draft 2020-12) of scenarios, as committed under `scenarios/schema/`.
///
/// What it cannot say is left to `pgdrill validate`: unique names, globs, regular expressions,
/// what references stand for, and contradictions between keys.
pub fn schema() -> String {
    let mut schema = of(language::shape());
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".into(), json!("pgdrill scenario, version 1"));
        let reference = json!({
            "type": "string",
            "pattern": r"\$\{",
            "description": "${NAME}, ${NAME:-default} or ${file:path}, filled in when the scenario is read",
        });
        schema.insert("$defs".into(), json!({"reference": reference}));
    }
    format!("{schema:#}\n")
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Leaf { schema, .. } => schema.clone(),
        Shape::List(item) => json!({"type": "array", "items": of(item)}),
        Shape::Map { keys, of: value, .. } => json!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": false,
            "patternProperties": {*keys: of(value)},
        }),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(of).collect::<Vec<_>>()}),
        Shape::Tagged(keys) => {
            let one = |key: &KeyShape| {
                json!({
                    "type": "object",
                    "additionalProperties": false,
                    "required": [key.name],
                    "properties": {key.name: property(key)},
                })
            };
            json!({"oneOf": keys.iter().map(one).collect::<Vec<_>>()})
        }
        Shape::Section { keys, exactly_one } => section(keys, exactly_one),
    }
}

fn section(keys: &[KeyShape], exactly_one: &[Alternatives]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> =
        keys.iter().filter(|key| key.is_required()).map(|key| key.name).collect();
    // A section without a value has no keys.
    let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let mut section =
        json!({"type": kind, "additionalProperties": false, "properties": properties});
    if let Value::Object(section) = &mut section {
        if !required.is_empty() {
            section.insert("required".into(), json!(required));
        }
        match exactly_one {
            [] => {}
            [only] => {
                section.insert("oneOf".into(), one_of(only));
            }
            several => {
                let all: Vec<Value> =
                    several.iter().map(|groups| json!({"oneOf": one_of(groups)})).collect();
                section.insert("allOf".into(), json!(all));
            }
        }
    }
    section
}

fn one_of(groups: &Alternatives) -> Value {
    let required = |name: &&str| json!({"required": [name]});
    let group = |names: &Vec<&str>| match names.as_slice() {
        [only] => required(only),
        several => json!({"anyOf": several.iter().map(required).collect::<Vec<_>>()}),
    };
    groups.iter().map(group).collect()
}

fn property(key: &KeyShape) -> Value {
    let mut property = of(&key.shape);
    if let Value::Object(property) = &mut property {
        property.insert("description".into(), json!(key.meaning));
    }
    property
}
