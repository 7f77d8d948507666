//! The paths through which generated code reaches durable-core, durable-http and durable-testing.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

/// The hidden module of durable-core that holds what generated code names.
///
/// `override_with` is the value of the option `crate`, for programs that know durable-core under another name.
pub(crate) fn private(override_with: Option<&Path>) -> TokenStream {
    match override_with {
        Some(path) => quote!(#path::__private),
        None => quote!(::durable_core::__private),
    }
}

/// The hidden module of durable-http, as [`private`].
pub(crate) fn http_private(override_with: Option<&Path>) -> TokenStream {
    match override_with {
        Some(path) => quote!(#path::__private),
        None => quote!(::durable_http::__private),
    }
}

/// The module of durable-testing that replays recorded histories.
pub(crate) fn recorded(override_with: Option<&Path>) -> TokenStream {
    match override_with {
        Some(path) => quote!(#path::recorded),
        None => quote!(::durable_testing::recorded),
    }
}
