//! Finds what breaks determinism and can be seen in the source of an orchestrator.
//!
//! One walk over the body does both halves of the work: it strips the opt-outs, and it reports each finding outside
//! them. What happens inside called functions and methods is left to the checks at run time.

mod macros;
mod rules;

use proc_macro2::Span;
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, Attribute, ExprPath, ItemFn, LitStr, Macro, Stmt};

use crate::errors::Errors;

const OPT_OUT: &str = "nondeterministic";

/// Reports the findings in `item`, and strips the opt-outs from it.
pub(crate) fn check(item: &mut ItemFn, errors: &mut Errors) {
    let mut walk = Walk { findings: Vec::new(), opt_outs: Vec::new(), errors: Vec::new() };
    walk.covered(|walk| visit_mut::visit_item_fn_mut(walk, item));
    for error in walk.errors.into_iter().chain(walk.findings) {
        errors.push(error);
    }
}

struct Walk {
    /// What breaks determinism; an opt-out takes away those of its statement.
    findings: Vec<syn::Error>,
    /// The opt-outs of the current statement.
    opt_outs: Vec<Span>,
    /// Mistakes in the opt-outs themselves.
    errors: Vec<syn::Error>,
}

impl Walk {
    /// Walks over something that an opt-out can cover.
    fn covered(&mut self, walk: impl FnOnce(&mut Self)) {
        let before = self.findings.len();
        let outer = std::mem::take(&mut self.opt_outs);
        walk(self);
        let opt_outs = std::mem::replace(&mut self.opt_outs, outer);
        if opt_outs.is_empty() {
            return;
        }
        if self.findings.len() == before {
            for span in opt_outs {
                self.errors.push(syn::Error::new(span, "nothing here is non-deterministic: remove it"));
            }
        }
        self.findings.truncate(before);
    }

    fn opt_out(&mut self, attribute: &Attribute) {
        let message = "say why this is safe: `#[nondeterministic(reason = \"...\")]`";
        let mut reason = None;
        let parsed = match &attribute.meta {
            syn::Meta::List(_) => attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("reason") {
                    return Err(meta.error("unknown option: `nondeterministic` knows `reason`"));
                }
                reason = Some(meta.value()?.parse::<LitStr>()?);
                Ok(())
            }),
            other => Err(syn::Error::new_spanned(other, message)),
        };
        match (parsed, reason) {
            (Err(error), _) => self.errors.push(error),
            (Ok(()), Some(reason)) if !reason.value().trim().is_empty() => {}
            (Ok(()), Some(reason)) => self.errors.push(syn::Error::new(reason.span(), message)),
            (Ok(()), None) => self.errors.push(syn::Error::new_spanned(attribute.path(), message)),
        }
        self.opt_outs.push(attribute.path().segments[0].ident.span());
    }

    fn find(&mut self, tokens: &impl ToTokens, message: String) {
        self.findings.push(syn::Error::new_spanned(tokens, message));
    }
}

impl VisitMut for Walk {
    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        self.covered(|walk| visit_mut::visit_stmt_mut(walk, statement));
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.covered(|walk| visit_mut::visit_arm_mut(walk, arm));
    }

    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| {
            let is_opt_out = attribute.path().is_ident(OPT_OUT);
            if is_opt_out {
                self.opt_out(attribute);
            }
            !is_opt_out
        });
    }

    fn visit_expr_path_mut(&mut self, expression: &mut ExprPath) {
        if expression.qself.is_none() {
            let segments: Vec<String> =
                expression.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            if let Some(message) = rules::of_path(&segments) {
                self.find(&expression.path, message);
            }
        }
        visit_mut::visit_expr_path_mut(self, expression);
    }

    fn visit_macro_mut(&mut self, call: &mut Macro) {
        let segments: Vec<String> = call.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(message) = rules::of_macro(&segments, &call.tokens) {
            let bang = call.bang_token;
            let path = &call.path;
            self.find(&quote::quote!(#path #bang), message);
        }
        if segments.last().is_none_or(|name| name != "stringify") {
            for finding in macros::scan(call.tokens.clone()) {
                self.find(&finding.tokens, finding.message);
            }
        }
    }
}

#[cfg(test)]
mod tests;
