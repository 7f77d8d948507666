//! The OpenAPI document of this API.

use http::{Response, StatusCode};

use crate::body::{Body, json_text};

/// The document as it is checked in.
const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /openapi.json`
pub(crate) fn document() -> Response<Body> {
    json_text(StatusCode::OK, DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::health::{self, Check};
    use crate::router::{self, Route};

    /// The operations of each route. A route without a line does not compile.
    macro_rules! operations {
        ($($route:pat => $operations:expr,)*) => {
            fn operations_of(route: Route<'_>) -> &'static [&'static str] {
                match route {
                    $($route => &$operations,)*
                }
            }

            fn all_operations() -> Vec<&'static str> {
                let mut all = Vec::new();
                $(all.extend_from_slice(&$operations);)*
                all
            }
        };
    }

    operations! {
        Route::Start { id: None, .. } => ["startInstance"],
        Route::Start { id: Some(_), .. } => ["startInstanceWithId"],
        Route::Status { .. } => ["getInstance"],
        Route::History { .. } => ["getInstanceHistory"],
        Route::List => ["listInstances"],
        Route::RaiseEvent { .. } => ["raiseEvent"],
        Route::Terminate { .. } => ["terminateInstance"],
        Route::Suspend { .. } => ["suspendInstance"],
        Route::Resume { .. } => ["resumeInstance"],
        Route::Rewind { .. } => ["rewindInstance"],
        Route::Restart { .. } => ["restartInstance"],
        Route::Purge { .. } => ["purgeInstance"],
        Route::PurgeMany => ["purgeInstances"],
        Route::MakePrimary => ["makePrimary"],
        Route::ListEntities => ["listEntities", "listEntitiesByName"],
        Route::ReadEntity => ["readEntity"],
        Route::SignalEntity { .. } => ["signalNamelessEntity", "signalEntityWithEmptyKey", "signalEntity"],
        Route::DeleteEntity { .. } => ["deleteNamelessEntity", "deleteEntityWithEmptyKey", "deleteEntity"],
        Route::OpenApi => ["getOpenApi"],
    }

    /// The operations of whatever answers a request.
    fn operations_at(method: &http::Method, path: &str) -> &'static [&'static str] {
        match health::find(method, path) {
            Some(Check::Health) => &["getHealth"],
            Some(Check::Readiness) => &["getReadiness"],
            None => router::find(method, path).map_or(&[], |found| operations_of(found.route)),
        }
    }

    /// Method, address and id of every operation, once under each of its servers.
    fn documented() -> Vec<(http::Method, String, String)> {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let servers = item.get("servers").unwrap_or(&document["servers"]).as_array().unwrap();
            for (method, operation) in item.as_object().unwrap().iter().filter(|(_, it)| it["operationId"].is_string())
            {
                let method: http::Method = method.to_uppercase().parse().unwrap();
                let id = operation["operationId"].as_str().unwrap();
                for server in servers {
                    let server = server["url"].as_str().unwrap().trim_end_matches('/');
                    found.push((method.clone(), format!("{server}{path}"), id.to_owned()));
                }
            }
        }
        found
    }

    #[test]
    fn every_operation_leads_to_its_route() {
        for (method, path, id) in documented() {
            let sample = path.replace(['{', '}'], "");
            let operations = operations_at(&method, &sample);
            assert!(operations.contains(&&*id), "{method} {path}: {operations:?}");
        }
    }

    #[test]
    fn every_route_has_an_operation_under_each_base_path() {
        let documented: Vec<_> = documented().into_iter().map(|(_, path, id)| (path, id)).collect();
        for base in ["/runtime/webhooks/durabletask/", "/durabletask/"] {
            let here = documented.iter().filter(|(path, _)| path.starts_with(base)).map(|(_, id)| &**id);
            let here: BTreeSet<&str> = here.collect();
            assert_eq!(here, all_operations().into_iter().collect(), "{base}");
        }
    }

    #[test]
    fn the_document_is_of_this_version() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document["openapi"], "3.1.0");
    }
}
