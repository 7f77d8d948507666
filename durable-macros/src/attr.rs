//! The arguments of `#[orchestrator(..)]`, `#[activity(..)]` and `#[http_starter(..)]`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Token, Type, parenthesized};

use crate::errors::Errors;
use crate::function::Kind;
use crate::name;

/// The options of one annotation.
#[derive(Default)]
pub(crate) struct Options {
    /// The registered name, when it is not that of the function.
    pub(crate) name: Option<String>,
    /// The version of an orchestrator's code.
    pub(crate) version: Option<String>,
    /// Further state that an activity reaches through its context.
    pub(crate) state: Vec<Type>,
    /// The requests that start an orchestrator, as they are written.
    pub(crate) http: Option<LitStr>,
    /// The route template of a starter.
    pub(crate) route: Option<LitStr>,
    /// The verbs of a starter, in capitals; empty when none are given.
    pub(crate) methods: Vec<String>,
    /// Where durable-core is found, or durable-http for a starter.
    pub(crate) krate: Option<Path>,
}

impl Options {
    /// Reads the arguments; each bad one is reported and passed over.
    pub(crate) fn parse(kind: Kind, args: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen = Vec::new();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = options.option(kind, input, &mut seen) {
                    errors.push(error);
                    skip_to_comma(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(args) {
            errors.push(error);
        }
        options
    }

    fn option(&mut self, kind: Kind, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> syn::Result<()> {
        if input.peek(LitStr) {
            let option = if matches!(kind, Kind::Starter) { "route" } else { "name" };
            return Err(input.error(format!("a text needs the name of its option: write `{option} = \"..\"`")));
        }
        let key = input.call(Ident::parse_any)?;
        if seen.contains(&key) {
            return Err(syn::Error::new(key.span(), format!("the option `{key}` is given twice")));
        }
        seen.push(key.clone());
        match (key.to_string().as_str(), kind) {
            ("name", Kind::Orchestrator | Kind::Activity) => self.name = Some(name_literal(&key, input)?),
            ("version", Kind::Orchestrator) => self.version = Some(version_literal(&key, input)?),
            ("version", Kind::Activity) => {
                let message =
                    "an activity has no `version`: only an orchestrator is replayed by the code it began with";
                return Err(syn::Error::new(key.span(), message));
            }
            ("http", Kind::Orchestrator) => self.http = Some(value(&key, input, "http = \"POST hello/{id?}\"")?),
            ("http", Kind::Activity) => {
                let message = "an activity has no `http`: a request starts an orchestrator, which calls the activity";
                return Err(syn::Error::new(key.span(), message));
            }
            ("route", Kind::Starter) => self.route = Some(value(&key, input, "route = \"start/{name}\"")?),
            ("methods", Kind::Starter) => self.methods = methods(&key, input)?,
            ("crate", _) => self.krate = Some(crate_path(&key, input)?),
            ("state", Kind::Activity) => self.state = state_types(&key, input)?,
            ("state", Kind::Orchestrator) => {
                let message = "an orchestrator has no `state`: only activities touch the world, so declare it there";
                return Err(syn::Error::new(key.span(), message));
            }
            _ => {
                let known = match kind {
                    Kind::Activity => "`name`, `state` and `crate`",
                    Kind::Orchestrator => "`name`, `version`, `http` and `crate`",
                    Kind::Starter => "`route`, `methods` and `crate`",
                };
                let message = format!("unknown option `{key}`: `{}` knows {known}", kind.attribute());
                return Err(syn::Error::new(key.span(), message));
            }
        }
        Ok(())
    }
}

fn name_literal(key: &Ident, input: ParseStream<'_>) -> syn::Result<String> {
    let literal: LitStr = value(key, input, "name = \"...\"")?;
    let text = literal.value();
    name::check(&text).map_err(|rule| syn::Error::new(literal.span(), rule))?;
    Ok(text)
}

fn version_literal(key: &Ident, input: ParseStream<'_>) -> syn::Result<String> {
    let literal: LitStr = value(key, input, "version = \"...\"")?;
    let text = literal.value();
    name::check_version(&text).map_err(|rule| syn::Error::new(literal.span(), rule))?;
    Ok(text)
}

/// The verbs of `methods("GET", "POST")`, all of whose mistakes are told at once.
fn methods(key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<String>> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), "write `methods(\"GET\", ..)`"));
    }
    let list;
    parenthesized!(list in input);
    let literals = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
    let mut errors = Errors::default();
    if literals.is_empty() {
        errors.at(key.span(), "no request has none of the methods: leave `methods` out for \"POST\"");
    }
    let mut methods = Vec::new();
    for literal in &literals {
        match method(&literal.value()) {
            Ok(method) if methods.contains(&method) => {
                errors.at(literal.span(), format!("the method {method} is there twice"));
            }
            Ok(method) => methods.push(method),
            Err(message) => errors.at(literal.span(), message),
        }
    }
    errors.into_result().map(|()| methods)
}

/// A verb in capitals, or what is wrong with it.
pub(crate) fn method(text: &str) -> Result<String, String> {
    const KNOWN: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = text.to_ascii_uppercase();
    if KNOWN.contains(&method.as_str()) {
        return Ok(method);
    }
    Err(format!("unknown method `{text}`: there are {}", KNOWN.join(", ")))
}

/// The path after `crate =`, bare or in quotes.
pub(crate) fn crate_path(key: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    let form = "crate = \"path::to::durable_core\"";
    if input.peek2(LitStr) {
        return value::<LitStr>(key, input, form)?.parse_with(Path::parse_mod_style);
    }
    equals(key, input, form)?;
    input.call(Path::parse_mod_style).map_err(|_| syn::Error::new(key.span(), format!("write `{form}`")))
}

fn state_types(key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Type>> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), "write `state(Type, ..)`"));
    }
    let types;
    parenthesized!(types in input);
    Ok(Punctuated::<Type, Token![,]>::parse_terminated(&types)?.into_iter().collect())
}

/// The value in `key = value`; what is missing is reported on the key, since the end of the input has no place.
pub(crate) fn value<T: syn::parse::Parse>(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<T> {
    equals(key, input, form)?;
    let span = if input.is_empty() { key.span() } else { input.span() };
    input.parse().map_err(|_| syn::Error::new(span, format!("write `{form}`")))
}

fn equals(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<()> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(key.span(), format!("write `{form}`")));
    }
    input.parse::<Token![=]>().map(drop)
}

/// Passes over the rest of an argument that could not be read.
pub(crate) fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
