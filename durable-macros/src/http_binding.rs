//! The option `http = "POST hello/{id?}"` of `#[orchestrator]`.

use syn::LitStr;

use crate::attr;
use crate::errors::Errors;
use crate::route::Template;
use crate::route_value::Constraint;

/// What such a route may speak of, and the types that each may have.
const PARAMETERS: &[(&str, &[Constraint])] = &[
    ("id", &[Constraint::Text, Constraint::Guid]),
    ("timeout", &[Constraint::Duration]),
    ("interval", &[Constraint::Duration]),
];

/// Checks the option and gives it back with its verb.
pub(crate) fn check(literal: &LitStr, errors: &mut Errors) -> String {
    let text = literal.value();
    let (method, route) = match text.trim().split_once(' ') {
        Some((method, route)) => (method, route.trim_start()),
        None => ("POST", text.trim()),
    };
    let method = attr::method(method).unwrap_or_else(|message| {
        errors.at(literal.span(), message);
        String::new()
    });
    for parameter in Template::parse(literal, route, errors).parameters {
        let name = &parameter.name;
        let Some((_, types)) = PARAMETERS.iter().find(|(known, _)| known == name) else {
            let message = format!(
                "unknown parameter `{{{name}}}`: such a route knows `{{id}}`, `{{timeout}}` and `{{interval}}`; \
                 write a function with `#[http_starter]` for others"
            );
            errors.at(literal.span(), message);
            continue;
        };
        if let Some(constraint) = parameter.constraint
            && !types.contains(&constraint)
        {
            let (found, expected) = (constraint.shown(), types[0].shown());
            errors.at(literal.span(), format!("`{{{name}}}` is of the type `{expected}`, not `{found}`"));
        } else if let Some(default) = &parameter.default {
            check_default(literal, name, default, types[0], errors);
        }
    }
    format!("{method} {route}")
}

fn check_default(literal: &LitStr, name: &str, default: &str, kind: Constraint, errors: &mut Errors) {
    if name == "id" {
        errors.at(
            literal.span(),
            "every instance has an id of its own: write `{id?}` for one that is made when it is absent",
        );
    } else if !kind.allows(default) {
        errors.at(literal.span(), format!("the default `{default}` of `{{{name}}}` is not {}", kind.expected()));
    }
}
