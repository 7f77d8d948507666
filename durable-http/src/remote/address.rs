//! Where the API of a hub is, and the addresses below it.

use std::fmt;

use durable_core::client::ClientError;
use percent_encoding::utf8_percent_encode;
use reqwest::Url;

use super::error::RemoteClientError;
use crate::links::ESCAPED;
use crate::router::WEBHOOK_PATH;

/// The parameter that holds a key.
const CODE: &str = "code";
const TASK_HUB: &str = "taskHub";

/// The base address, apart from the parameters that every request repeats.
#[derive(Clone)]
pub(super) struct Address {
    /// Without a slash at its end.
    base: String,
    query: Vec<(String, String)>,
    is_encrypted: bool,
    is_local: bool,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, RemoteClientError> {
        let url =
            Url::parse(text.trim()).map_err(|error| RemoteClientError::url("it is not a URL").with_source(error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RemoteClientError::url("it does not start with http:// or https://"));
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(RemoteClientError::url("it names no host"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RemoteClientError::url("it has a user name, which the API does not ask for"));
        }
        if url.fragment().is_some() {
            return Err(RemoteClientError::url("it has a fragment, which would never be sent"));
        }
        let path = match url.path().trim_end_matches('/') {
            "" => WEBHOOK_PATH,
            path => path,
        };
        Ok(Self {
            base: format!("{}{path}", url.origin().ascii_serialization()),
            query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            is_encrypted: url.scheme() == "https",
            is_local: is_local(host),
        })
    }

    /// The parameter of this name, unless it is blank.
    fn parameter(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|pair| pair.0.eq_ignore_ascii_case(name))?;
        Some(pair.1.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn task_hub(&self) -> Option<&str> {
        self.parameter(TASK_HUB)
    }

    pub(super) fn set_task_hub(&mut self, name: &str) {
        self.query.retain(|pair| !pair.0.eq_ignore_ascii_case(TASK_HUB));
        self.query.push((TASK_HUB.to_owned(), name.to_owned()));
    }

    /// Without the query, which may hold a key.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// True for an address of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.is_local
    }

    pub(super) fn webhook_url(&self) -> String {
        self.with_query(self.base.clone(), &[])
    }

    /// The address of what these segments name, with these parameters.
    pub(super) fn at(&self, path: &[&str], parameters: &[(&str, &str)]) -> Result<String, ClientError> {
        let mut url = self.base.clone();
        for segment in path {
            // A server splits at an encoded slash too, and addresses with dots for a segment are shortened on their way.
            if segment.contains('/') || matches!(*segment, "." | "..") {
                return Err(ClientError::invalid_argument(format!("'{segment}' cannot be part of a web address")));
            }
            url.push('/');
            url.extend(utf8_percent_encode(segment, ESCAPED));
        }
        Ok(self.with_query(url, parameters))
    }

    fn with_query(&self, url: String, parameters: &[(&str, &str)]) -> String {
        if self.query.is_empty() && parameters.is_empty() {
            return url;
        }
        let start = url.len() + 1;
        form_urlencoded::Serializer::for_suffix(url + "?", start)
            .extend_pairs(parameters)
            .extend_pairs(&self.query)
            .finish()
    }
}

/// Names and addresses of this machine. No proxy could reach them.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

impl fmt::Debug for Address {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        for (i, (name, value)) in self.query.iter().enumerate() {
            let separator = if i == 0 { '?' } else { '&' };
            let value = if name.eq_ignore_ascii_case(CODE) { "***" } else { value };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_keeps_its_query_and_hides_its_key() {
        let address =
            Address::parse("https://App.example/api/durabletask/?code=a%2Bb&TASKHUB=Orders&connection=S").unwrap();
        assert_eq!(address.webhook_url(), "https://app.example/api/durabletask?code=a%2Bb&TASKHUB=Orders&connection=S");
        assert_eq!(address.task_hub(), Some("Orders"));
        assert_eq!(format!("{address:?}"), "https://app.example/api/durabletask?code=***&TASKHUB=Orders&connection=S");
        let url = address.at(&["instances", "a b+ü?", "raiseEvent"], &[("reason", "a&b c")]).unwrap();
        let expected = "https://app.example/api/durabletask/instances/a%20b%2B%C3%BC%3F/raiseEvent?reason=a%26b+c\
                        &code=a%2Bb&TASKHUB=Orders&connection=S";
        assert_eq!(url, expected);
    }

    #[test]
    fn without_a_path_the_one_of_durable_functions_is_meant() {
        for text in ["http://127.0.0.1:7071", " http://127.0.0.1:7071/ "] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.webhook_url(), "http://127.0.0.1:7071/runtime/webhooks/durabletask");
            assert!(address.is_local() && !address.is_encrypted());
        }
        assert!(!Address::parse("https://app.example").unwrap().is_local());
        assert!(Address::parse("http://[::1]:80/x").unwrap().is_local());
    }

    #[test]
    fn a_hub_that_is_set_replaces_the_one_of_the_address() {
        let mut address = Address::parse("http://h/x?taskhub=A&code=k").unwrap();
        address.set_task_hub("Orders");
        assert_eq!(address.webhook_url(), "http://h/x?code=k&taskHub=Orders");
    }

    #[test]
    fn what_is_no_base_address_is_refused() {
        for text in
            ["", "app.example", "ftp://h/x", "http://", "http://u:p@h/x", "http://u@h", "http://h/#x", "http://h:x/"]
        {
            assert!(Address::parse(text).unwrap_err().is_url(), "{text}");
        }
    }

    #[test]
    fn segments_that_would_change_the_path_are_refused() {
        let address = Address::parse("http://h/x").unwrap();
        for segment in ["a/b", ".", ".."] {
            assert!(address.at(&["instances", segment], &[]).unwrap_err().is_invalid_argument(), "{segment}");
        }
        assert_eq!(address.at(&["..."], &[]).unwrap(), "http://h/x/...");
    }
}
