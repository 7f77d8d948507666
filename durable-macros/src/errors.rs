//! The mistakes of one annotated item, collected so that one compilation shows them all.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Where the checks put what they find.
#[derive(Default)]
pub(crate) struct Errors {
    combined: Option<syn::Error>,
}

impl Errors {
    /// Adds an error at `span`.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds an error that underlines all of `tokens`.
    pub(crate) fn on(&mut self, tokens: &impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error that was made elsewhere.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.combined {
            Some(combined) => combined.combine(error),
            None => self.combined = Some(error),
        }
    }

    /// True when nothing was found so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.combined.is_none()
    }

    /// What was found, as one error.
    pub(crate) fn into_result(self) -> syn::Result<()> {
        self.combined.map_or(Ok(()), Err)
    }

    /// The text of each error.
    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.combined.into_iter().flatten().map(|error| error.to_string()).collect()
    }

    /// The `compile_error!` calls that show every error.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.combined.map(|error| error.to_compile_error()).unwrap_or_default()
    }
}
