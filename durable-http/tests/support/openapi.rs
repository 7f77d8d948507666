//! Holds responses against the OpenAPI document.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use durable_http::testing::TestResponse;
use http::Method;
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// The document as the service has it.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../openapi.json")).unwrap());

/// An operation of the document.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) responses: &'static serde_json::Map<String, Value>,
}

impl Operation {
    fn new(operation: &'static Value) -> Option<Self> {
        let id = operation["operationId"].as_str()?;
        Some(Self { id, responses: operation["responses"].as_object().unwrap() })
    }

    /// All of the document.
    pub(crate) fn all() -> Vec<Self> {
        let items = DOCUMENT["paths"].as_object().unwrap().values();
        items.flat_map(|item| item.as_object().unwrap().values()).filter_map(Self::new).collect()
    }

    /// The operation that the document has for a request, by the document's own rules for paths.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let (_, item) = DOCUMENT["paths"].as_object().unwrap().iter().find(|(template, item)| {
            let servers = item.get("servers").unwrap_or(&DOCUMENT["servers"]).as_array().unwrap();
            servers.iter().any(|server| is_under(&path, server["url"].as_str().unwrap(), template))
        })?;
        let method = if item["x-any-verb"] == true { "post".to_owned() } else { method.as_str().to_lowercase() };
        Self::new(item.get(method)?)
    }
}

/// Literal segments have any case, and slashes at both ends do not count.
fn is_under(path: &str, server: &str, template: &str) -> bool {
    let server = server.trim_end_matches('/');
    let Some((base, rest)) = path.split_at_checked(server.len()) else { return false };
    let template: Vec<&str> = template.trim_matches('/').split('/').collect();
    let segments: Vec<&str> = rest.trim_matches('/').split('/').collect();
    let fits = |(template, segment): (&&str, &&str)| {
        !segment.is_empty() && (template.starts_with('{') || template.eq_ignore_ascii_case(segment))
    };
    base.eq_ignore_ascii_case(server)
        && rest.starts_with('/')
        && template.len() == segments.len()
        && template.iter().zip(&segments).all(fits)
}

/// What is wrong with this response to this request, if anything. What the document does not have is an empty 404.
pub(crate) fn fault(method: &Method, path: &str, response: &TestResponse) -> Option<String> {
    let checked = match Operation::of(method, path) {
        Some(operation) => check(&operation, response),
        None if response.status == 404 => check_content(&json!({}), response),
        None => Err("the document has no such operation".to_owned()),
    };
    checked.err().map(|fault| format!("{method} {path}: {} {:?}: {fault}", response.status.as_u16(), response.body))
}

fn check(operation: &Operation, response: &TestResponse) -> Result<(), String> {
    let documented = operation.responses.get(response.status.as_str());
    let documented = documented.ok_or_else(|| format!("not a documented code of {}", operation.id))?;
    let documented = resolved(documented);
    check_headers(documented, response)?;
    check_content(documented, response)
}

/// What a `$ref` points to.
pub(crate) fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(target) => {
            DOCUMENT.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("{target} does not exist"))
        }
        None => value,
    }
}

/// All documented fields must be there, and no others.
fn check_headers(documented: &Value, response: &TestResponse) -> Result<(), String> {
    let none = serde_json::Map::new();
    let documented = documented["headers"].as_object().unwrap_or(&none);
    for (name, header) in documented {
        let header = resolved(header);
        let value = response.header(name).ok_or_else(|| format!("the header {name} is missing"))?;
        let is_number = header["schema"]["type"] == "integer";
        let value = if is_number { value.parse::<i64>().map_or(json!(value), Into::into) } else { json!(value) };
        validate(&header["schema"], &value).map_err(|fault| format!("the header {name}: {fault}"))?;
    }
    let known: BTreeSet<String> = documented.keys().map(|name| name.to_lowercase()).collect();
    let unknown = |name: &&http::HeaderName| *name != "content-type" && !known.contains(name.as_str());
    match response.headers.keys().find(unknown) {
        Some(name) => Err(format!("the header {name} is not documented")),
        None => Ok(()),
    }
}

fn check_content(documented: &Value, response: &TestResponse) -> Result<(), String> {
    let content_type = response.header("content-type").map(|value| value.split(';').next().unwrap().trim());
    let Some(content) = documented["content"].as_object() else {
        let is_empty = response.body.is_empty() && content_type.is_none();
        return if is_empty { Ok(()) } else { Err("a body is not documented".to_owned()) };
    };
    let media_type = content_type.and_then(|name| content.get(name));
    let media_type = media_type.ok_or_else(|| format!("not a documented content type: {content_type:?}"))?;
    let body = serde_json::from_str(&response.body).map_err(|error| format!("the body is not JSON: {error}"))?;
    validate(&media_type["schema"], &body)
}

/// Schemas are compiled once for each test program.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

pub(crate) fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    let compiled = VALIDATORS.lock().unwrap().entry(schema.to_string()).or_insert_with(|| compile(schema)).clone();
    let errors: Vec<String> = compiled.iter_errors(value).map(|error| error.to_string()).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
}

fn compile(schema: &Value) -> Arc<Validator> {
    let mut root = schema.clone();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["components"] = DOCUMENT["components"].clone();
    Arc::new(jsonschema::validator_for(&root).unwrap())
}
