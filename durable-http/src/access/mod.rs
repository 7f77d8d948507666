//! Who may do what.

mod keys;
mod signed;

use std::time::{Duration, SystemTime};

use durable_core::model::TaskHubName;
use http::request::Parts;

use crate::error_json::Refusal;
use crate::origin;
use crate::query::Query;
use crate::router::{Found, Surface};
use crate::wire::FUNCTIONS_KEY;

pub use self::keys::Keys;
pub(crate) use self::signed::sign;

/// The rules of one service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// `None` when nobody is asked for a key. Keys without a single one let nobody in.
    pub(crate) keys: Option<Keys>,
    /// How long links are good for, when they are signed instead of carrying the key itself.
    pub(crate) signed_links: Option<Duration>,
    pub(crate) read_only: bool,
    pub(crate) local_rpc_is_open: bool,
    /// Pages of other web sites may change something where nobody is asked for a key.
    pub(crate) other_sites_may: bool,
}

impl Access {
    /// Refuses what the caller may not do.
    pub(crate) fn check(
        &self,
        head: &Parts,
        query: &Query,
        found: Found<'_>,
        hub: &TaskHubName,
    ) -> Result<(), Refusal> {
        if !self.knows_caller(head, query, Some((found, hub))) {
            return Err(Refusal::Unauthorized);
        }
        if !found.route.changes_something() {
            return Ok(());
        }
        self.check_site(head)?;
        if self.read_only { Err(Refusal::ReadOnly) } else { Ok(()) }
    }

    /// Refuses a page of another web site. Where there are keys it would not know one; where there are none, it would do
    /// its will through the browser of somebody who may reach this server.
    fn check_site(&self, head: &Parts) -> Result<(), Refusal> {
        let is_refused = self.keys.is_none() && !self.other_sites_may && origin::is_of_another_site(head);
        if is_refused { Err(Refusal::OtherSite) } else { Ok(()) }
    }

    /// Refuses what the caller of a starter may not do. What a starter does is not known, but that it starts something is
    /// what it is for. The answer is whether the caller has a key, where one is asked for.
    pub(crate) fn check_starter(&self, head: &Parts, is_anonymous: bool) -> Result<bool, Refusal> {
        let has_key = self.knows_caller(head, &Query::parse(head.uri.query()), None);
        if !has_key && !is_anonymous {
            return Err(Refusal::Unauthorized);
        }
        self.check_site(head)?;
        if self.read_only { Err(Refusal::ReadOnly) } else { Ok(has_key) }
    }

    fn knows_caller(&self, head: &Parts, query: &Query, management: Option<(Found<'_>, &TaskHubName)>) -> bool {
        let Some(keys) = &self.keys else { return true };
        let header = head.headers.get(FUNCTIONS_KEY).map(|value| value.as_bytes().trim_ascii());
        let code = query.filled("code");
        if header.is_some_and(|header| keys.has(header)) || code.as_ref().is_some_and(|code| keys.has(code.as_bytes()))
        {
            return true;
        }
        let Some((found, hub)) = management else { return false };
        let is_signed = || code.is_some_and(|code| signed::is_valid(keys, &code, found.route, hub, SystemTime::now()));
        let is_local = || self.local_rpc_is_open && found.surface == Surface::Rpc && origin::is_from_this_machine(head);
        is_signed() || is_local()
    }
}
