//! What can be seen in the types of a signature.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::visit::{self, Visit};
use syn::{GenericArgument, Lifetime, PathArguments, PathSegment, Type, TypeFnPtr, TypeImplTrait, TypeReference};

/// The last segment of a path type: `State<T>` of `durable_core::State<T>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// True for a path type that ends in `name`, however it is qualified.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// The type arguments of the last segment.
pub(crate) fn type_arguments(ty: &Type) -> Vec<&Type> {
    match last_segment(ty).map(|segment| &segment.arguments) {
        Some(PathArguments::AngleBracketed(list)) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The two types of a `Next<Output, Input>`, however it is qualified.
pub(crate) fn next(ty: &Type) -> Option<[&Type; 2]> {
    if is_named(ty, "Next") { type_arguments(ty).try_into().ok() } else { None }
}

/// True for a type whose name may stand for another one. Those of the language and of the prelude are what they say.
pub(crate) fn may_be_alias(ty: &Type) -> bool {
    const KNOWN: &[&str] = &[
        "String", "Vec", "Option", "Box", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize",
        "u8", "u16", "u32", "u64", "u128", "usize",
    ];
    last_segment(ty).is_some_and(|segment| KNOWN.iter().all(|known| segment.ident != known))
}

/// The type behind a reference, if it is one.
pub(crate) fn referent(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) => Some(&reference.elem),
        Type::Group(group) => referent(&group.elem),
        Type::Paren(paren) => referent(&paren.elem),
        _ => None,
    }
}

/// A place in a type that borrows, or whose type has no name.
pub(crate) struct Unowned {
    /// What to underline.
    pub(crate) tokens: TokenStream,
    pub(crate) problem: String,
}

/// The places in `ty` that borrow or are an `impl Trait`. With `allow_static`, a `'static` borrow is fine.
pub(crate) fn unowned(ty: &Type, allow_static: bool) -> Vec<Unowned> {
    let mut visitor = Finder { allow_static, found: Vec::new() };
    visitor.visit_type(ty);
    visitor.found
}

struct Finder {
    allow_static: bool,
    found: Vec<Unowned>,
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if self.allow_static && reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static") {
            return self.visit_type(&reference.elem);
        }
        let owned = owned_name(&reference.elem);
        let problem = format!("it crosses a store and cannot be borrowed: use `{owned}`");
        self.found.push(Unowned { tokens: quote!(#reference), problem });
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            let problem = format!("it crosses a store and cannot borrow for `{lifetime}`: use an owned type");
            self.found.push(Unowned { tokens: quote!(#lifetime), problem });
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let problem = "it crosses a store and needs one known type, not an `impl Trait`".to_owned();
        self.found.push(Unowned { tokens: quote!(#ty), problem });
    }

    fn visit_type_fn_ptr(&mut self, _ty: &'ast TypeFnPtr) {}

    fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
        if let PathArguments::AngleBracketed(_) = segment.arguments {
            visit::visit_path_segment(self, segment);
        }
    }
}

/// The spans of the first and the last token of `ty`. Tokens at these two make the compiler underline all of it.
pub(crate) fn ends(ty: &Type) -> (Span, Span) {
    let mut spans = quote!(#ty).into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// The owned type to use in place of a borrow of `ty`, as the user would write it.
fn owned_name(ty: &Type) -> String {
    match ty {
        Type::Slice(slice) => format!("Vec<{}>", shown(&slice.elem)),
        _ if is_named(ty, "str") => "String".to_owned(),
        _ if is_named(ty, "Path") => "PathBuf".to_owned(),
        _ if is_named(ty, "OsStr") => "OsString".to_owned(),
        _ => shown(ty),
    }
}

/// The tokens of the owned type in place of a borrow, for stubs; other types as they are.
pub(crate) fn owned(ty: &Type) -> Option<TokenStream> {
    let Some(inner) = referent(ty) else {
        return unowned(ty, false).is_empty().then(|| quote!(#ty));
    };
    if !unowned(inner, false).is_empty() {
        return None;
    }
    Some(match inner {
        Type::Slice(slice) => {
            let element = &slice.elem;
            quote!(::std::vec::Vec<#element>)
        }
        _ if is_named(inner, "str") => quote!(::std::string::String),
        _ if is_named(inner, "Path") => quote!(::std::path::PathBuf),
        _ => quote!(#inner),
    })
}

/// `tokens` as text, with the spacing that people use.
pub(crate) fn shown(tokens: &impl quote::ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    spaced
        .replace(" :: ", "::")
        .replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace("& ", "&")
}
