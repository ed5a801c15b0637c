//! The schema as data, for `sim explain` and its JSON Schema: the same keys as on the page.

use super::keys::{said, unit};
use super::schema::{Key, Kind, Schema, Shape, Value as Named, Variant, With};
use serde_json::{Value, json};

/// All types that a scenario can have, as JSON.
///
/// # Errors
/// If a key has no meaning, or its type is not in the schema: names the type and the key.
pub(super) fn data(schema: &Schema, listed: &[String]) -> Result<String, String> {
    let mut types = Vec::new();
    for name in listed {
        let kind = schema.kind(name).ok_or_else(|| format!("{name} is not in the schema"))?;
        types.push(of_type(schema, name, kind)?);
    }
    let mut text = format!("{:#}", json!({ "types": types }));
    text.push('\n');
    Ok(text)
}

fn of_type(schema: &Schema, name: &str, kind: &Kind) -> Result<Value, String> {
    let mut value = json!({ "name": name, "meaning": kind.meaning });
    match &kind.shape {
        Shape::Table(keys) => value["keys"] = of_keys(schema, name, keys)?,
        Shape::Choice(variants) => {
            let names = variants.iter().map(|variant| of_variant(schema, name, variant));
            value["choices"] = names.collect::<Result<Vec<_>, _>>()?.into();
        }
        Shape::Value(range) => value["value"] = plain(range),
    }
    Ok(value)
}

fn of_variant(schema: &Schema, of: &str, variant: &Variant) -> Result<Value, String> {
    let Variant { name, meaning, with } = variant;
    let mut value = json!({ "name": name, "unit": unit(name), "meaning": said(of, name, meaning)? });
    match with {
        With::Nothing => {}
        With::Value(named) => value["value"] = of_value(schema, named)?,
        With::Keys(keys) => value["keys"] = of_keys(schema, of, keys)?,
    }
    Ok(value)
}

fn of_keys(schema: &Schema, of: &str, keys: &[Key]) -> Result<Value, String> {
    let key = |key: &Key| {
        let Key { name, meaning, value, default } = key;
        Ok(json!({
            "name": name,
            "unit": unit(name),
            "meaning": said(of, name, meaning)?,
            "default": default,
            "value": of_value(schema, value)?,
        }))
    };
    Ok(keys.iter().map(key).collect::<Result<Vec<_>, String>>()?.into())
}

fn of_value(schema: &Schema, value: &Named) -> Result<Value, String> {
    let shape = |name: &str| schema.kind(name).map(|kind| &kind.shape).ok_or_else(|| format!("{name} is not there"));
    Ok(match value {
        Named::Plain(words) => plain(words),
        Named::List(name) => shape(name).map(|_| json!({ "list": name }))?,
        Named::Kind(name) => match shape(name)? {
            Shape::Value(range) => plain(range),
            Shape::Table(_) | Shape::Choice(_) => json!({ "type": name }),
        },
    })
}

/// A number, a text or a truth value: in words, and as JSON Schema has it.
fn plain(words: &str) -> Value {
    json!({ "words": words, "schema": constraint(words) })
}

/// What JSON Schema says of a range that is in words.
fn constraint(words: &str) -> Value {
    if words == "list of texts in quotes" {
        return json!({ "type": "array", "items": { "type": "string" } });
    }
    let kind = match words {
        "true or false" => "boolean",
        _ if words.contains("whole number") => "integer",
        _ if words.starts_with("number") => "number",
        _ => "string",
    };
    let mut schema = json!({ "type": kind });
    if !matches!(kind, "integer" | "number") {
        return schema;
    }
    let number = |after: &str| {
        let word = words.split_once(after)?.1.split([' ', ';', ',']).next()?;
        word.parse::<i64>().map(Value::from).or_else(|_| word.parse::<f64>().map(Value::from)).ok()
    };
    let limits = [
        ("minimum", number("between ").or_else(|| number("from "))),
        ("exclusiveMinimum", number("more than ")),
        ("maximum", number(" and at most ").or_else(|| number(" and ")).or_else(|| number(" to "))),
    ];
    for (name, limit) in limits.into_iter().filter_map(|(name, limit)| Some((name, limit?))) {
        schema[name] = limit;
    }
    if words.ends_with("0 for none") { json!({ "anyOf": [schema, { "const": 0 }] }) } else { schema }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_words_are_limits() {
        for (words, right) in [
            ("whole number, from 0 to 255", json!({ "type": "integer", "minimum": 0, "maximum": 255 })),
            ("whole number, from 0", json!({ "type": "integer", "minimum": 0 })),
            ("number, between 0.001 and 9 s (a year)", json!({ "type": "number", "minimum": 0.001, "maximum": 9 })),
            ("number, more than 1 and at most 100", json!({ "type": "number", "exclusiveMinimum": 1, "maximum": 100 })),
            (
                "number, between 1 and 5 s; 0 for none",
                json!({ "anyOf": [{ "type": "number", "minimum": 1, "maximum": 5 }, { "const": 0 }] }),
            ),
            ("number, finite; leave out a limit that is not needed", json!({ "type": "number" })),
            ("text in quotes: from 1 to 5", json!({ "type": "string" })),
            ("true or false", json!({ "type": "boolean" })),
            ("list of texts in quotes", json!({ "type": "array", "items": { "type": "string" } })),
        ] {
            assert_eq!(constraint(words), right, "{words}");
        }
    }
}
