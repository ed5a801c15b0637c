//! The schema of scenario files, read from its source: the types that `serde` fills, with the
//! description of each key from its doc comment, the range of its values and its default.
//!
//! The source is read because only there all of these are found. A schema derived by a macro would
//! lack the ranges of types that check their own values.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Attribute, Expr, Field, Fields, Item, Lit, Meta, Type};

/// The form of a value in a scenario.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A table of keys.
    Table(Vec<Key>),
    /// One of several names, some of which have a value.
    Choice(Vec<Variant>),
    /// A number or a text: the description of its range.
    Value(String),
}

/// A type of the schema.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    /// Its meaning.
    pub(super) meaning: String,
    /// Its form.
    pub(super) shape: Shape,
}

/// A key of a table.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: String,
    /// Its meaning.
    pub(super) meaning: String,
    /// Its value.
    pub(super) value: Value,
    /// Its value if the key is absent; `None` if the key is required.
    pub(super) default: Option<String>,
}

/// One name of a choice.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    /// The name.
    pub(super) name: String,
    /// Its meaning.
    pub(super) meaning: String,
    /// The value that must be given with the name.
    pub(super) with: With,
}

/// The value that is given with a name of a choice.
#[derive(Clone, Debug)]
pub(super) enum With {
    /// Nothing.
    Nothing,
    /// A value.
    Value(Value),
    /// A table of keys.
    Keys(Vec<Key>),
}

/// The type of a value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A type of the schema, by name.
    Kind(String),
    /// A list of values of a type of the schema.
    List(String),
    /// Anything else, in words.
    Plain(String),
}

/// All types of the schema, by their names.
#[derive(Debug, Default)]
pub(super) struct Schema {
    kinds: BTreeMap<String, Kind>,
    /// Types that are tables of keys.
    tables: BTreeSet<String>,
    /// Aliases, with the types that they stand for.
    aliases: BTreeMap<String, String>,
    /// The values returned by functions for defaults, by function.
    functions: BTreeMap<String, String>,
    /// The `Default` of each type: one value, or one for each field.
    defaults: BTreeMap<String, BTreeMap<String, String>>,
}

/// The entry of [`Schema::defaults`] of a type with one value.
const WHOLE: &str = "";

impl Schema {
    /// The schema in these source files, by name and text.
    ///
    /// # Errors
    /// If a file is not valid Rust; the error names it.
    pub(super) fn read<'a>(sources: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Result<Self, String> {
        let mut schema = Self::default();
        let mut files = Vec::new();
        for (name, text) in sources {
            files.push(syn::parse_file(text).map_err(|error| format!("{name}: {error}"))?);
        }
        let items = || files.iter().flat_map(|file| &file.items);
        // Defaults and ranges first: keys refer to them.
        items().for_each(|item| schema.take_value(item));
        items().for_each(|item| schema.take_type(item));
        Ok(schema)
    }

    /// A type by its name or by an alias.
    pub(super) fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(self.aliases.get(name).map_or(name, String::as_str))
    }

    /// Functions, implementations and macros: defaults, and types that check their own range.
    fn take_value(&mut self, item: &Item) {
        match item {
            Item::Fn(function) => {
                let block = &function.block;
                if let Some(value) = first_literal(quote::quote!(#block)) {
                    self.functions.insert(function.sig.ident.to_string(), value);
                }
            }
            Item::Type(alias) => {
                if let Some(of) = last_segment(&alias.ty) {
                    self.aliases.insert(alias.ident.to_string(), of);
                }
            }
            Item::Macro(made) if made.mac.path.is_ident("checked") || made.mac.path.is_ident("whole") => {
                let is_whole = made.mac.path.is_ident("whole");
                let (name, right, meaning) = declared(made.mac.tokens.clone());
                let right = if is_whole { format!("whole number, {right}") } else { format!("number, {right}") };
                let kind = Kind { meaning, shape: Shape::Value(right.replace(", or 0 for none", "; 0 for none")) };
                self.kinds.insert(name, kind);
            }
            Item::Impl(made) => self.take_impl(made),
            Item::Struct(made) if matches!(made.fields, Fields::Named(_)) => {
                self.tables.insert(made.ident.to_string());
            }
            Item::Enum(made) => {
                let is_default = |variant: &&syn::Variant| variant.attrs.iter().any(|it| it.path().is_ident("default"));
                if let Some(variant) = made.variants.iter().find(is_default) {
                    let name = format!("\"{}\"", name_of(variant, &Serde::of(&made.attrs)));
                    self.defaults.insert(made.ident.to_string(), BTreeMap::from([(WHOLE.to_owned(), name)]));
                }
            }
            _ => {}
        }
    }

    fn take_impl(&mut self, made: &syn::ItemImpl) {
        let Some(of) = last_segment(&made.self_ty) else { return };
        let Some((_, path, _)) = &made.trait_ else { return };
        let tokens = quote::quote!(#made);
        match path.segments.last().map(|segment| segment.ident.to_string()).as_deref() {
            Some("Default") => {
                self.defaults.insert(of, default_of(made));
            }
            Some("Deserialize") => {
                if let Some(right) = range_of(tokens) {
                    self.kinds.insert(of, Kind { meaning: String::new(), shape: Shape::Value(right) });
                }
            }
            _ => {}
        }
    }

    /// Structures and enumerations.
    fn take_type(&mut self, item: &Item) {
        match item {
            Item::Struct(made) if is_deserialised(&made.attrs) => {
                let name = made.ident.to_string();
                let meaning = meaning(&made.attrs);
                let serde = Serde::of(&made.attrs);
                let shape = match &made.fields {
                    Fields::Named(fields) => {
                        let own = |field| self.key(field, serde.default.is_some().then_some(name.as_str()));
                        Shape::Table(fields.named.iter().filter_map(own).collect())
                    }
                    // Types of texts that check their own values.
                    _ => Shape::Value(format!("text in quotes: {}", uncapitalised(&meaning))),
                };
                self.kinds.insert(name, Kind { meaning, shape });
            }
            Item::Enum(made) if is_deserialised(&made.attrs) => {
                let container = Serde::of(&made.attrs);
                let variants = made.variants.iter().map(|variant| {
                    let name = name_of(variant, &container);
                    let with = match &variant.fields {
                        Fields::Unit => With::Nothing,
                        Fields::Unnamed(fields) => fields
                            .unnamed
                            .first()
                            .map_or(With::Nothing, |field| With::Value(self.value(&field.ty, None))),
                        Fields::Named(fields) => {
                            With::Keys(fields.named.iter().filter_map(|field| self.key(field, None)).collect())
                        }
                    };
                    Variant { name, meaning: meaning(&variant.attrs), with }
                });
                let shape = Shape::Choice(variants.collect::<Vec<_>>());
                self.kinds.insert(made.ident.to_string(), Kind { meaning: meaning(&made.attrs), shape });
            }
            // The meaning of a type that checks its own range stands at its declaration.
            Item::Struct(made) => {
                if let Some(kind) = self.kinds.get_mut(&made.ident.to_string()) {
                    kind.meaning = meaning(&made.attrs);
                }
            }
            _ => {}
        }
    }

    /// A key of a table. `optional_table` is the name of the table if all of its keys are optional.
    fn key(&self, field: &Field, optional_table: Option<&str>) -> Option<Key> {
        let serde = Serde::of(&field.attrs);
        if serde.skip {
            return None;
        }
        let plain = field.ident.as_ref()?.to_string();
        let value = self.value(&field.ty, serde.range.as_deref());
        let is_optional = last_segment(&field.ty).is_some_and(|name| name == "Option");
        let default = match (&serde.default, optional_table) {
            (Some(Some(function)), _) => Some(self.functions.get(function).cloned().unwrap_or_default()),
            (_, Some(table)) if self.defaults.get(table).is_some_and(|fields| fields.contains_key(&plain)) => {
                self.defaults[table].get(&plain).map(|value| self.name_of_default(&value.clone()))
            }
            _ if is_optional => Some("none".to_owned()),
            (Some(None), _) | (None, Some(_)) => Some(self.default_of(&field.ty)),
            (None, None) => None,
        };
        let name = serde.rename.unwrap_or(plain);
        Some(Key { name, meaning: meaning(&field.attrs), value, default })
    }

    /// The `Default` of a field's type.
    fn default_of(&self, kind: &Type) -> String {
        let name = last_segment(kind).unwrap_or_default();
        if let Some(value) = self.defaults.get(&name).and_then(|fields| fields.get(WHOLE)) {
            return value.clone();
        }
        match name.as_str() {
            "Vec" | "Option" => "none".to_owned(),
            "bool" => "false".to_owned(),
            table if self.tables.contains(table) => "as its keys".to_owned(),
            _ => "0".to_owned(),
        }
    }

    /// A default in the spelling of scenarios, if it is the name of a variant in Rust.
    fn name_of_default(&self, value: &str) -> String {
        let Some((kind, variant)) = value.split_once("::") else { return value.to_owned() };
        let renamed = self.functions.get(&format!("{kind}::{variant}"));
        format!("\"{}\"", renamed.cloned().unwrap_or_else(|| snake(variant)))
    }

    fn value(&self, kind: &Type, range: Option<&str>) -> Value {
        if let Some(range) = range {
            return Value::Plain(format!("whole number, {range}"));
        }
        let name = last_segment(kind).unwrap_or_default();
        match name.as_str() {
            "Option" | "Spanned" => argument(kind).map_or(Value::Plain(name), |inner| self.value(&inner, None)),
            "Vec" => match argument(kind).and_then(|inner| last_segment(&inner)) {
                Some(inner) if inner == "String" => Value::Plain("list of texts in quotes".to_owned()),
                inner => inner.map_or(Value::Plain(name), Value::List),
            },
            "String" => Value::Plain("text in quotes".to_owned()),
            "PathBuf" => Value::Plain("the path of a file in quotes".to_owned()),
            "bool" => Value::Plain("true or false".to_owned()),
            "u8" => Value::Plain("whole number, from 0 to 255".to_owned()),
            "i8" => Value::Plain("whole number, from -128 to 127".to_owned()),
            "u16" => Value::Plain("whole number, from 0 to 65535".to_owned()),
            "u32" => Value::Plain("whole number, from 0 to 4294967295".to_owned()),
            "u64" | "usize" => Value::Plain("whole number, from 0".to_owned()),
            _ => Value::Kind(self.aliases.get(&name).cloned().unwrap_or(name)),
        }
    }
}

/// The arguments of `#[serde(...)]` that are relevant here.
#[derive(Debug, Default)]
struct Serde {
    rename: Option<String>,
    snake_case: bool,
    skip: bool,
    /// `default`, with the function if it names one.
    default: Option<Option<String>>,
    /// The range of a `deserialize_with` that checks one.
    range: Option<String>,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Self {
        let mut serde = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            // The values of irrelevant arguments must be skipped.
            let read = attribute.parse_nested_meta(|meta| {
                let text = if meta.input.peek(syn::Token![=]) {
                    Some(meta.value()?.parse::<syn::LitStr>()?.value())
                } else {
                    None
                };
                let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match name.as_str() {
                    "rename" => serde.rename = text,
                    "rename_all" => serde.snake_case = text.as_deref() == Some("snake_case"),
                    "skip" => serde.skip = true,
                    "default" => serde.default = Some(text),
                    "deserialize_with" => serde.range = text.as_deref().and_then(range_in_generics),
                    _ => {}
                }
                Ok(())
            });
            debug_assert!(read.is_ok(), "an attribute of serde that was not read: {read:?}");
        }
        serde
    }
}

/// `from 1 to 64` of `whole::<1, 64, _, _>`.
fn range_in_generics(path: &str) -> Option<String> {
    let (_, arguments) = path.split_once("whole::<")?;
    let mut numbers = arguments.split(", ").map(|number| number.replace('_', ""));
    Some(format!("from {} to {}", numbers.next()?, numbers.next()?))
}

fn is_deserialised(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string().split([',', ' ']).any(|word| word == "Deserialize"))
    })
}

/// A doc comment as one line, without the brackets of its links.
fn meaning(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`").trim().to_owned()
}

/// The last name of a type's path.
fn last_segment(kind: &Type) -> Option<String> {
    match kind {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// The first generic argument of a type.
fn argument(kind: &Type) -> Option<Type> {
    let Type::Path(path) = kind else { return None };
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(kind) => Some(kind.clone()),
        _ => None,
    })
}

/// A literal in the spelling of scenarios.
fn literal(text: &str) -> String {
    text.strip_suffix(".0").unwrap_or(text).replace('_', "")
}

/// The first literal of some code, at any depth of brackets.
fn first_literal(tokens: TokenStream) -> Option<String> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Literal(found) => Some(literal(&found.to_string())),
        TokenTree::Ident(word) if word == "true" || word == "false" => Some(word.to_string()),
        TokenTree::Group(group) => first_literal(group.stream()),
        _ => None,
    })
}

/// The values of an implementation of `Default`.
fn default_of(made: &syn::ItemImpl) -> BTreeMap<String, String> {
    let body = made.items.iter().find_map(|item| match item {
        syn::ImplItem::Fn(function) => function.block.stmts.last(),
        _ => None,
    });
    match body {
        Some(syn::Stmt::Expr(Expr::Struct(made), _)) => {
            let field = |field: &syn::FieldValue| {
                let syn::Member::Named(name) = &field.member else { return None };
                let value = &field.expr;
                let value = match value {
                    Expr::Path(path) => {
                        path.path.segments.iter().map(|part| part.ident.to_string()).collect::<Vec<_>>().join("::")
                    }
                    _ => first_literal(quote::quote!(#value))?,
                };
                Some((name.to_string(), value))
            };
            made.fields.iter().filter_map(field).collect()
        }
        Some(body) => first_literal(quote::quote!(#body)).map(|value| (WHOLE.to_owned(), value)).into_iter().collect(),
        None => BTreeMap::new(),
    }
}

/// The range of a type with its own deserialisation: the text of its constant `RIGHT`.
fn range_of(tokens: TokenStream) -> Option<String> {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "RIGHT" => {
                let text = tokens.find_map(|token| match token {
                    TokenTree::Literal(text) => Some(text.to_string()),
                    _ => None,
                })?;
                return Some(text.trim_matches('"').to_owned());
            }
            TokenTree::Group(group) => {
                if let Some(found) = range_of(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// Name, range and meaning of a number that a macro declares: the range is the last text but one.
fn declared(tokens: TokenStream) -> (String, String, String) {
    let mut name = String::new();
    let mut texts = Vec::new();
    let mut meaning = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) if name.is_empty() => name = word.to_string(),
            TokenTree::Literal(text) => texts.push(text.to_string()),
            TokenTree::Group(group) if name.is_empty() => {
                let text = group.stream().into_iter().filter_map(|token| match token {
                    TokenTree::Literal(text) => Some(text.to_string().trim_matches('"').trim().to_owned()),
                    _ => None,
                });
                meaning.extend(text);
            }
            _ => {}
        }
    }
    let right = texts.iter().rev().nth(1).map(|text| text.trim_matches('"').to_owned()).unwrap_or_default();
    (name, right, meaning.join(" "))
}

/// A sentence without its capital letter and full stop, to be appended to another one.
fn uncapitalised(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The name of a variant in scenarios.
fn name_of(variant: &syn::Variant, container: &Serde) -> String {
    let plain = variant.ident.to_string();
    let renamed = Serde::of(&variant.attrs).rename;
    renamed.unwrap_or_else(|| if container.snake_case { snake(&plain) } else { plain })
}

/// The name of a type or variant in snake case.
fn snake(name: &str) -> String {
    let mut key = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            key.push('_');
        }
        key.push(letter.to_ascii_lowercase());
    }
    key
}
