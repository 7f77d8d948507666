//! Where a call stands in a distributed trace.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The length of a `traceparent` of version 00; a later version may only be longer.
const TRACEPARENT_LEN: usize = 55;

/// What every participant has to pass on. More may be dropped.
const MAX_TRACESTATE_LEN: usize = 512;

const MAX_TRACESTATE_MEMBERS: usize = 32;

const MAX_KEY_LEN: usize = 256;

const MAX_VALUE_LEN: usize = 256;

const SAMPLED: u8 = 0b01;

/// The trace id was chosen at random. That stays true of everything in the trace.
const RANDOM_TRACE_ID: u8 = 0b10;

/// The place of a call in a distributed trace: the headers `traceparent` and `tracestate` of the W3C recommendation
/// "Trace Context".
///
/// ```
/// use durable_core::model::TraceContext;
///
/// let caller: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
/// assert_eq!(caller.trace_id(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
/// assert!(caller.is_sampled());
/// let child = caller.child(0x2a);
/// assert_eq!(child.to_string(), "00-0af7651916cd43dd8448eb211c80319c-000000000000002a-01");
/// # Ok::<(), durable_core::model::InvalidTraceContext>(())
/// ```
///
/// Its JSON form is an object with the names of the two headers. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Headers", into = "Headers")]
pub struct TraceContext {
    trace_id: u128,
    parent_id: u64,
    flags: u8,
    tracestate: Option<Arc<str>>,
}

impl TraceContext {
    /// Checks the two headers and takes them over.
    ///
    /// A `traceparent` of a later version is read as far as version 00 goes, and becomes one of version 00. A `tracestate`
    /// is kept as it is; one that breaks the rules, or is longer than 512 characters, is left out: the trace does without.
    ///
    /// # Errors
    ///
    /// [`InvalidTraceContext`] names the `traceparent` and the rule that it breaks.
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Result<Self, InvalidTraceContext> {
        let (trace_id, parent_id, flags) = parse(traceparent).map_err(|reason| InvalidTraceContext {
            traceparent: traceparent.chars().take(TRACEPARENT_LEN).collect(),
            reason,
        })?;
        let tracestate = tracestate.filter(|state| is_tracestate(state)).map(Arc::from);
        Ok(Self { trace_id, parent_id, flags, tracestate })
    }

    /// The header `traceparent`; the same text as that of `Display`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        self.to_string()
    }

    /// The header `tracestate`, unless there is none.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The trace; never 0.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The span that made the call; never 0.
    #[must_use]
    pub fn parent_id(&self) -> u64 {
        self.parent_id
    }

    /// True when the caller may have recorded its span.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The context for a call that the span `span_id` makes, in the same trace. 0 is no span: the parent stays.
    #[must_use]
    pub fn child(&self, span_id: u64) -> Self {
        let parent_id = if span_id == 0 { self.parent_id } else { span_id };
        // Flags without a meaning in version 00 are passed on, but not made.
        Self { parent_id, flags: self.flags & (SAMPLED | RANDOM_TRACE_ID), ..self.clone() }
    }
}

/// Trace id, parent id and flags of a `traceparent`, or the rule that it breaks.
fn parse(text: &str) -> Result<(u128, u64, u8), &'static str> {
    let (known, more) = text.split_at_checked(TRACEPARENT_LEN).ok_or("it is shorter than 55 characters")?;
    let groups: Vec<_> = known.split('-').collect();
    let hexadecimal = |group: &&str| group.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let (&[version, trace_id, parent_id, flags], true) = (&*groups, groups.iter().all(hexadecimal)) else {
        return Err("it is not four groups of lower-case hexadecimal digits");
    };
    if (version.len(), trace_id.len(), parent_id.len(), flags.len()) != (2, 32, 16, 2) {
        return Err("its groups do not have 2, 32, 16 and 2 digits");
    }
    match version {
        "ff" => return Err("there is no version ff"),
        "00" if !more.is_empty() => return Err("version 00 has nothing behind the flags"),
        _ if !(more.is_empty() || more.starts_with('-')) => return Err("the flags do not have 2 digits"),
        _ => {}
    }
    let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0).ok_or("its trace id is 0")?;
    let parent_id = u64::from_str_radix(parent_id, 16).ok().filter(|id| *id != 0).ok_or("its parent id is 0")?;
    let flags = u8::from_str_radix(flags, 16).unwrap_or_default();
    // Nobody knows what a later version's other flags will mean.
    Ok((trace_id, parent_id, if version == "00" { flags } else { flags & SAMPLED }))
}

fn is_tracestate(text: &str) -> bool {
    let members = || text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    text.len() <= MAX_TRACESTATE_LEN
        && (1..=MAX_TRACESTATE_MEMBERS).contains(&members().count())
        && members().all(|member| member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value)))
}

fn is_key(key: &str) -> bool {
    let in_key = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    (1..=MAX_KEY_LEN).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.bytes().all(in_key)
}

fn is_value(value: &str) -> bool {
    (1..=MAX_VALUE_LEN).contains(&value.len()) && value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceContext")
            .field("traceparent", &self.traceparent())
            .field("tracestate", &self.tracestate)
            .finish()
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Reads a `traceparent`.
    fn from_str(traceparent: &str) -> Result<Self, Self::Err> {
        Self::new(traceparent, None)
    }
}

/// The form of a trace context in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Headers {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl TryFrom<Headers> for TraceContext {
    type Error = InvalidTraceContext;

    fn try_from(headers: Headers) -> Result<Self, Self::Error> {
        Self::new(&headers.traceparent, headers.tracestate.as_deref())
    }
}

impl From<TraceContext> for Headers {
    fn from(context: TraceContext) -> Self {
        Self { traceparent: context.traceparent(), tracestate: context.tracestate().map(str::to_owned) }
    }
}

/// A text that cannot be a `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{traceparent}' is not a valid traceparent: {reason}")]
pub struct InvalidTraceContext {
    traceparent: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn with_state(state: &str) -> TraceContext {
        TraceContext::new(PARENT, Some(state)).unwrap()
    }

    #[test]
    fn a_traceparent_is_read_and_printed() {
        let context: TraceContext = PARENT.parse().unwrap();
        assert_eq!(context.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.parent_id(), 0x00f0_67aa_0ba9_02b7);
        assert!(context.is_sampled());
        assert_eq!(context.tracestate(), None);
        assert_eq!(context.traceparent(), PARENT);
        assert_eq!(format!("{context:?}"), format!("TraceContext {{ traceparent: \"{PARENT}\", tracestate: None }}"));
    }

    #[test]
    fn flags_are_passed_on_but_not_made() {
        let context: TraceContext = PARENT.replace("-01", "-fe").parse().unwrap();
        assert!(!context.is_sampled());
        assert!(context.to_string().ends_with("-fe"));
        assert!(context.child(1).to_string().ends_with("-02"));
    }

    #[test]
    fn what_is_not_a_traceparent_is_refused() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (text, reason) in [
            (String::new(), "it is shorter than 55 characters"),
            (PARENT[..54].to_owned(), "it is shorter than 55 characters"),
            (PARENT.to_uppercase(), "it is not four groups of lower-case hexadecimal digits"),
            (PARENT.replace('-', "_"), "it is not four groups of lower-case hexadecimal digits"),
            (PARENT.replacen("-01", "--1", 1), "it is not four groups of lower-case hexadecimal digits"),
            (PARENT.replacen("4b", "+4", 1), "it is not four groups of lower-case hexadecimal digits"),
            (PARENT.replacen("00-4", "0-04", 1), "its groups do not have 2, 32, 16 and 2 digits"),
            (PARENT.replacen("00", "ff", 1), "there is no version ff"),
            (format!("{PARENT}-x"), "version 00 has nothing behind the flags"),
            (format!("{PARENT}0"), "version 00 has nothing behind the flags"),
            (PARENT.replacen("00", "01", 1) + "0", "the flags do not have 2 digits"),
            (PARENT.replace(id, &"0".repeat(32)), "its trace id is 0"),
            (PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)), "its parent id is 0"),
        ] {
            let error = text.parse::<TraceContext>().unwrap_err();
            assert_eq!(error.reason, reason, "{text}");
        }
        // A character that crosses the border must not be cut.
        assert!(format!("{}ä", &PARENT[..54]).parse::<TraceContext>().is_err());
        let error = "nothing".parse::<TraceContext>().unwrap_err();
        assert_eq!(error.to_string(), "'nothing' is not a valid traceparent: it is shorter than 55 characters");
        assert!("x".repeat(10_000).parse::<TraceContext>().unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for more in ["", "-", "-what-is-to-come"] {
            let later = PARENT.replacen("00", "cc", 1).replace("-01", "-ff") + more;
            assert_eq!(later.parse::<TraceContext>().unwrap().to_string(), PARENT, "{later}");
        }
    }

    #[test]
    fn a_tracestate_is_kept_as_it_is_or_not_at_all() {
        let long = |length: usize| format!("a={},b={}", "x".repeat(255), "y".repeat(length - 260));
        let many = |count: usize| vec!["a=1"; count].join(",");
        for good in [
            "rojo=00f067aa0ba902b7",
            "a=1, b=2 ,\t,c=3",
            "tenant@system=x y:z!~",
            "0a_-*/=;",
            &long(512),
            &many(32),
            &format!("{}=1", "k".repeat(256)),
        ] {
            assert_eq!(with_state(good).tracestate(), Some(good));
        }
        for bad in [
            "",
            " , ",
            "a",
            "a=",
            "=1",
            "A=1",
            "@a=1",
            "a b=1",
            "a =1",
            "a=1=2",
            "a=ä",
            "a=1\n",
            "a=1,b",
            &long(513),
            &many(33),
            &format!("{}=1", "k".repeat(257)),
            &format!("k={}", "v".repeat(257)),
        ] {
            assert_eq!(with_state(bad).tracestate(), None, "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_child_is_in_the_same_trace_under_another_parent() {
        let context = with_state("rojo=1");
        let child = context.child(0x2a);
        assert_eq!((child.trace_id(), child.parent_id()), (context.trace_id(), 0x2a));
        assert_eq!(child.tracestate(), Some("rojo=1"));
        assert!(child.is_sampled());
        assert_eq!(context.child(0), context);
    }

    #[test]
    fn its_json_has_the_names_of_the_headers() {
        let context = with_state("rojo=1");
        let json = serde_json::json!({ "traceparent": PARENT, "tracestate": "rojo=1" });
        assert_eq!(serde_json::to_value(&context).unwrap(), json);
        assert_eq!(serde_json::from_value::<TraceContext>(json).unwrap(), context);

        let alone = serde_json::json!({ "traceparent": PARENT });
        assert_eq!(serde_json::to_value(PARENT.parse::<TraceContext>().unwrap()).unwrap(), alone);
        assert_eq!(serde_json::from_value::<TraceContext>(alone).unwrap().tracestate(), None);

        let empty = serde_json::json!({ "traceparent": PARENT, "tracestate": "" });
        assert_eq!(serde_json::from_value::<TraceContext>(empty).unwrap().tracestate(), None);
        let error = serde_json::from_value::<TraceContext>(serde_json::json!({ "traceparent": "x" })).unwrap_err();
        assert_eq!(error.to_string(), "'x' is not a valid traceparent: it is shorter than 55 characters");
    }
}
