//! Routes at run time: which requests they take, and which of two goes first.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A route template, taken apart. `#[http_starter]` and `#[orchestrator]` have checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    segments: Vec<Segment>,
    /// The parameters of the query part.
    query: Vec<Parameter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(Parameter),
}

/// One `{..}`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    name: String,
    optional: bool,
    default: Option<String>,
}

impl Route {
    /// Reads a template, or says what is wrong with it.
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        let mut halves = outside_braces(template, '?').into_iter();
        let path = halves.next().unwrap_or_default();
        let mut segments = Vec::new();
        for segment in outside_braces(path, '/').into_iter().filter(|_| !path.is_empty()) {
            segments.push(match parameter(segment)? {
                Some(parameter) => Segment::Parameter(parameter),
                None if segment.is_empty() => return Err(format!("the route '{template}' has an empty segment")),
                None => Segment::Literal(segment.to_owned()),
            });
        }
        let query = outside_braces(halves.next().unwrap_or_default(), '&');
        let query = query.into_iter().map(parameter).filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Self { segments, query })
    }

    /// True when the template names this parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameters().any(|parameter| parameter.name == name)
    }

    /// The default of a parameter.
    pub(crate) fn default_of(&self, name: &str) -> Option<&str> {
        self.parameters().find(|parameter| parameter.name == name)?.default.as_deref()
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let in_path = self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(parameter) => Some(parameter),
            Segment::Literal(_) => None,
        });
        in_path.chain(&self.query)
    }

    /// The values that a path gives to the parameters; `None` when the route does not take the path.
    pub(crate) fn values(&self, path: &[Cow<'_, str>]) -> Option<Vec<(String, String)>> {
        if !self.takes_length(path.len()) || path.iter().any(|segment| segment.is_empty()) {
            return None;
        }
        let mut values = Vec::new();
        for (segment, text) in self.segments.iter().zip(path) {
            match segment {
                Segment::Literal(literal) if literal.eq_ignore_ascii_case(text) => {}
                Segment::Literal(_) => return None,
                Segment::Parameter(parameter) => values.push((parameter.name.clone(), text.clone().into_owned())),
            }
        }
        Some(values)
    }

    fn takes_length(&self, length: usize) -> bool {
        let may_be_absent = |segment: &Segment| match segment {
            Segment::Literal(_) => false,
            Segment::Parameter(parameter) => parameter.optional || parameter.default.is_some(),
        };
        let required = self.segments.iter().rposition(|segment| !may_be_absent(segment)).map_or(0, |last| last + 1);
        (required..=self.segments.len()).contains(&length)
    }

    /// Where the literals are: of two routes that take a path, the one that is greater here goes first.
    pub(crate) fn precedence(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Literal(_))).collect()
    }

    /// True when there is a path that both take, and neither has a literal where the other has a parameter.
    pub(crate) fn is_ambiguous_with(&self, other: &Self) -> bool {
        let longest = self.segments.len().min(other.segments.len());
        let alike = |pair: (&Segment, &Segment)| match pair {
            (Segment::Literal(a), Segment::Literal(b)) => a.eq_ignore_ascii_case(b),
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
            _ => false,
        };
        (0..=longest).any(|length| {
            let both = self.takes_length(length) && other.takes_length(length);
            both && self.segments.iter().zip(&other.segments).take(length).all(alike)
        })
    }
}

/// The decoded segments of a request's path. A trailing slash means nothing; an escaped slash is part of its segment.
pub(crate) fn segments(path: &str) -> Vec<Cow<'_, str>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    let decoded = |segment| percent_decode_str(segment).decode_utf8().unwrap_or(Cow::Borrowed(segment));
    path.split('/').map(decoded).collect()
}

/// Reads `{name:type=default}`; `None` for a literal.
fn parameter(part: &str) -> Result<Option<Parameter>, String> {
    let Some(inner) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return if part.contains(['{', '}']) {
            Err(format!("'{part}' is neither a literal nor `{{name}}`"))
        } else {
            Ok(None)
        };
    };
    let (head, default) = match inner.split_once('=') {
        Some((head, default)) => (head, Some(default.to_owned())),
        None => (inner, None),
    };
    let (head, optional) = head.strip_suffix('?').map_or((head, false), |head| (head, true));
    let name = head.split(':').next().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(format!("the parameter '{part}' has no name"));
    }
    Ok(Some(Parameter { name, optional, default }))
}

/// The parts of `text` between those `separator`s that are not within braces.
fn outside_braces(text: &str, separator: char) -> Vec<&str> {
    let mut inside = false;
    let is_separator = move |c| {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        c == separator && !inside
    };
    text.split(is_separator).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, path: &str) -> Option<String> {
        let route = Route::parse(template).unwrap();
        let values = route.values(&segments(path))?;
        Some(values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_path_gives_the_values() {
        for (template, path, expected) in [
            ("", "/", Some("")),
            ("hello", "/Hello/", Some("")),
            ("hello", "/other", None),
            ("hello", "/hello/x", None),
            ("a/{b}", "/a/x%20y", Some("b=x y")),
            ("a/{b}", "/a/x%2Fy", Some("b=x/y")),
            ("a/{b}", "/a/%FF", Some("b=%FF")),
            ("a/{b}", "/a", None),
            ("a/{b}", "/a//", None),
            ("a/{b:int}/{c?}/{d=1}?{e}", "/a/x", Some("b=x")),
            ("a/{b:int}/{c?}/{d=1}?{e}", "/a/x/y", Some("b=x c=y")),
            ("a/{b}/{c?}", "/a//y", None),
        ] {
            assert_eq!(values(template, path).as_deref(), expected, "{template} {path}");
        }
    }

    #[test]
    fn two_routes_are_ambiguous_when_no_literal_decides() {
        for (a, b, ambiguous) in [
            ("a/{b}", "A/{c}", true),
            ("a/{b}", "a/b", false),
            ("a/{b}/c", "a/b/{c}", false),
            ("a/{b?}", "a", true),
            ("a/{b}", "a", false),
            ("a/{b?}/{c?}", "a/{b}/c", false),
            ("{a}", "b/{c?}", false),
            ("", "{a?}", true),
            ("a?{b}", "a?{c}", true),
        ] {
            let [a, b] = [a, b].map(|template| Route::parse(template).unwrap());
            assert_eq!(a.is_ambiguous_with(&b), ambiguous, "{a:?} {b:?}");
            assert_eq!(b.is_ambiguous_with(&a), ambiguous, "{b:?} {a:?}");
        }
    }
}
