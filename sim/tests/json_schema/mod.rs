//! As much of JSON Schema (draft 2020-12) as the schemas of this project use. A keyword that it
//! does not know is an error, so that no schema says more than is tested.

use serde_json::Value;

/// Keywords that demand nothing.
const NOTES: [&str; 6] = ["$schema", "$id", "title", "description", "$defs", "$comment"];

/// The first place at which a value is not what a schema says.
pub(crate) fn violation(schema: &Value, value: &Value) -> Option<String> {
    check(schema, schema, value, "").err()
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{at}: {what}"));
    for (keyword, said) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            known if NOTES.contains(&known) || known == "additionalProperties" => true,
            "$ref" => {
                let path = said.as_str().and_then(|path| path.strip_prefix('#')).expect("a place in the schema");
                check(root, root.pointer(path).expect("a definition"), value, at)?;
                true
            }
            "type" => match said {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(kind, value)),
                kind => is_a(kind, value),
            },
            "const" => said == value,
            "enum" => said.as_array().is_some_and(|all| all.contains(value)),
            "minimum" => value.as_f64() >= said.as_f64(),
            "maximum" => value.as_f64() <= said.as_f64(),
            "exclusiveMinimum" => value.as_f64() > said.as_f64(),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, said, item, &format!("{at}/{index}"))?;
                }
                true
            }
            "required" => {
                let missing =
                    said.as_array().into_iter().flatten().find(|key| value.get(key.as_str().unwrap()).is_none());
                if let Some(key) = missing {
                    return wrong(format!("{key} is missing"));
                }
                true
            }
            "properties" => {
                check_properties(root, schema, value, at)?;
                true
            }
            "anyOf" | "oneOf" => {
                let all = said.as_array().expect("a list");
                let results: Vec<_> = all.iter().map(|one| check(root, one, value, at)).collect();
                let hold = results.iter().filter(|result| result.is_ok()).count();
                if hold == 0 {
                    let reasons: Vec<String> = results.into_iter().filter_map(Result::err).collect();
                    return wrong(reasons.join(" | "));
                }
                hold == 1 || keyword == "anyOf"
            }
            unknown => panic!("{unknown} is not known here"),
        };
        if !holds {
            return wrong(format!("{value} is not of {keyword} {said}"));
        }
    }
    Ok(())
}

fn check_properties(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let known = &schema["properties"];
    for (key, item) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{key}");
        match (known.get(key), &schema["additionalProperties"]) {
            (Some(schema), _) => check(root, schema, item, &at)?,
            (None, Value::Bool(false)) => return Err(format!("{at}: unknown")),
            (None, Value::Object(_)) => check(root, &schema["additionalProperties"], item, &at)?,
            (None, _) => {}
        }
    }
    Ok(())
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        unknown => panic!("{unknown} is no type"),
    }
}
