//! The route templates of HTTP starters: `start/{orchestrator}/{id?}?{timeout:duration=10}`.

use proc_macro2::Span;
use syn::LitStr;
use syn::ext::IdentExt;
use syn::parse::Parser;

use crate::errors::Errors;
use crate::route_value::Constraint;

/// A parsed template.
pub(crate) struct Template {
    pub(crate) parameters: Vec<Parameter>,
}

/// One `{..}` of a template.
#[derive(Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) constraint: Option<Constraint>,
    pub(crate) optional: bool,
    pub(crate) default: Option<String>,
}

impl Parameter {
    /// True when a request may leave it out.
    fn may_be_absent(&self) -> bool {
        self.optional || self.default.is_some()
    }

    /// True when `name` means this parameter: `show_history` is the argument for `{showHistory}`.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        folded(&self.name) == folded(name)
    }
}

fn folded(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

impl Template {
    /// Reads a template. Every mistake is reported, at the literal, and what has it is left out.
    pub(crate) fn parse(literal: &LitStr, text: &str, errors: &mut Errors) -> Self {
        let mut reader = Reader { span: literal.span(), errors, parameters: Vec::new() };
        let mut halves = outside_braces(text, '?').into_iter();
        let path = halves.next().unwrap_or_default();
        reader.path(path);
        if let Some(query) = halves.next() {
            reader.query(query);
        }
        if halves.next().is_some() {
            reader.mistake("there are two `?`: a route has one query part, whose parameters are joined with `&`");
        }
        Self { parameters: reader.parameters }
    }
}

struct Reader<'a> {
    span: Span,
    errors: &'a mut Errors,
    parameters: Vec<Parameter>,
}

impl Reader<'_> {
    fn mistake(&mut self, message: impl std::fmt::Display) {
        self.errors.at(self.span, message);
    }

    fn path(&mut self, path: &str) {
        if path.is_empty() {
            return;
        }
        let relative = path.strip_prefix('/');
        if relative.is_some() {
            self.mistake("a route begins without a `/`: it stands behind the prefix of all starters");
        }
        let mut open_end: Option<String> = None;
        for segment in outside_braces(relative.unwrap_or(path), '/') {
            if segment.is_empty() {
                self.mistake("a segment of the route is empty: remove the `/`, requests may end with one in any case");
            } else if segment.contains(['{', '}']) {
                let Some(parameter) = self.parameter(segment) else { continue };
                match &open_end {
                    Some(before) if !parameter.may_be_absent() => {
                        let name = &parameter.name;
                        self.mistake(format!(
                            "`{{{before}}}` may be left out, but `{{{name}}}` behind it may not: put `{{{name}}}` first"
                        ));
                    }
                    None if parameter.may_be_absent() => open_end = Some(parameter.name.clone()),
                    _ => {}
                }
                self.add(parameter);
            } else {
                self.literal(segment);
                if let Some(before) = &open_end {
                    let message =
                        format!("`{{{before}}}` may be left out, but `{segment}` behind it may not: put it last");
                    self.mistake(message);
                }
            }
        }
    }

    fn literal(&mut self, segment: &str) {
        if let Some(bad) = segment.chars().find(|c| c.is_control() || c.is_whitespace() || "%#&=\\".contains(*c)) {
            self.mistake(format!("the segment `{segment}` of the route cannot contain {bad:?}"));
        }
    }

    fn query(&mut self, query: &str) {
        for part in outside_braces(query, '&') {
            if part.contains(['{', '}']) {
                if let Some(parameter) = self.parameter(part) {
                    self.add(parameter);
                }
            } else {
                self.mistake(format!("`{part}` in the query part is no parameter: write `?{{name}}&{{other?}}`"));
            }
        }
    }

    fn add(&mut self, parameter: Parameter) {
        if let Some(other) = self.parameters.iter().find(|other| other.is_for(&parameter.name)) {
            let message = if other.name == parameter.name {
                format!("the parameter `{{{}}}` is there twice", other.name)
            } else {
                format!("the parameters `{{{}}}` and `{{{}}}` mean the same argument", other.name, parameter.name)
            };
            return self.mistake(message);
        }
        self.parameters.push(parameter);
    }

    /// Reads `{name:constraint=default}`.
    fn parameter(&mut self, part: &str) -> Option<Parameter> {
        let inner = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(inner) = inner.filter(|inner| !inner.contains(['{', '}'])) else {
            self.mistake(if part.matches('{').count() != part.matches('}').count() {
                format!("the braces in `{part}` do not match")
            } else {
                format!("`{part}` is more than one parameter: a segment is either a literal or one `{{name}}`")
            });
            return None;
        };
        let (head, default) = match inner.split_once('=') {
            Some((head, default)) => (head, Some(default.to_owned())),
            None => (inner, None),
        };
        let (head, optional) = match head.strip_suffix('?') {
            Some(head) => (head, true),
            None => (head, false),
        };
        let (name, constraint) = match head.split_once(':') {
            Some((name, constraint)) => (name, Some(constraint)),
            None => (head, None),
        };
        if let Some(name) = name.strip_prefix('*') {
            self.mistake(format!("`{{*{name}}}` would take several segments, which routes do not have"));
            return None;
        }
        if name.is_empty() {
            self.mistake(format!("the parameter `{part}` has no name: write that of an argument, as in `{{name}}`"));
            return None;
        }
        // A keyword is a name, too: `{type}` is for the argument `r#type`.
        if syn::Ident::parse_any.parse_str(name).is_err() || folded(name).is_empty() {
            self.mistake(format!(
                "`{name}` is no name for a parameter: it must be that of an argument of the function"
            ));
            return None;
        }
        if optional && default.is_some() {
            self.mistake(format!("`{{{name}}}` has both `?` and a default: keep one of them"));
            return None;
        }
        if default.as_deref().is_some_and(|default| default.trim().is_empty()) {
            self.mistake(format!(
                "the default of `{{{name}}}` is empty: write `{{{name}?}}` for one that may be absent"
            ));
            return None;
        }
        let constraint = constraint.and_then(|text| {
            let known = Constraint::named(text);
            if known.is_none() {
                let message = format!("unknown type `{text}` of `{{{name}}}`: there are {}", Constraint::LIST);
                self.mistake(message);
            }
            known
        });
        Some(Parameter { name: name.to_owned(), constraint, optional, default })
    }
}

/// The parts of `text` between those `separator`s that are not within braces.
fn outside_braces(text: &str, separator: char) -> Vec<&str> {
    let mut inside = false;
    text.split(move |c| {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        c == separator && !inside
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<Parameter>, Vec<String>) {
        let mut errors = Errors::default();
        let literal = LitStr::new(text, Span::call_site());
        let template = Template::parse(&literal, text, &mut errors);
        (template.parameters, errors.messages())
    }

    #[test]
    fn every_form_of_a_parameter_is_read() {
        let (parameters, errors) = parse("a/{type}/{c:int}/{d?}/{e:duration=0.5}?{f=a/b?c}&{g:bool?}");
        assert_eq!(errors, [""; 0]);
        let shown: Vec<_> = parameters
            .iter()
            .map(|it| format!("{} {:?} {} {:?}", it.name, it.constraint, it.optional, it.default))
            .collect();
        assert_eq!(
            shown,
            [
                "type None false None",
                "c Some(Int) false None",
                "d None true None",
                "e Some(Duration) false Some(\"0.5\")",
                "f None false Some(\"a/b?c\")",
                "g Some(Bool) true None",
            ]
        );
    }

    #[test]
    fn a_route_may_be_empty_or_only_a_query() {
        assert_eq!(parse("").1, [""; 0]);
        assert_eq!(parse("?{a}").0.len(), 1);
    }

    #[test]
    fn every_mistake_is_told() {
        for (text, part) in [
            ("/a", "begins without"),
            ("a//b", "is empty"),
            ("a/", "is empty"),
            ("a b", "cannot contain ' '"),
            ("a%20b", "cannot contain '%'"),
            ("a/{b", "do not match"),
            ("a/b}", "do not match"),
            ("{a}}", "do not match"),
            ("a{b}", "more than one parameter"),
            ("{a}-{b}", "more than one parameter"),
            ("{*rest}", "several segments"),
            ("{}", "has no name"),
            ("{:int}", "has no name"),
            ("{a b}", "no name"),
            ("{_}", "no name"),
            ("{a?=1}", "both"),
            ("{a=}", "is empty"),
            ("{a:number}", "unknown type `number`"),
            ("{a?}/{b}", "put `{b}` first"),
            ("{a=1}/b", "`b` behind it may not"),
            ("{a}/{a}", "is there twice"),
            ("{showAll}?{show_all}", "mean the same argument"),
            ("a?b", "no parameter"),
            ("a?{b}?{c}", "two `?`"),
        ] {
            let (_, errors) = parse(text);
            assert!(errors.len() == 1 && errors[0].contains(part), "{text:?} gave {errors:?}");
        }
    }
}
