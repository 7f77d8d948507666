//! The expansion of `#[derive(Failure)]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Data, DeriveInput, Ident, LitStr, Path, Token};

use crate::errors::Errors;
use crate::{attr, duration, name, paths};

/// Expands the derive, or shows what is wrong and leaves a stub behind.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let item: DeriveInput = match syn::parse2(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    if !item.generics.params.is_empty() {
        errors.on(&item.generics, "a failure is read back from the store under one name, and cannot be generic");
    }
    let marks = Marks::read(&item.attrs, Place::item(&item.data), &mut errors);
    let tagged = tagged(&item, &marks, &mut errors);
    refuse_duplicates(&tagged, &mut errors);
    let is_stub = !errors.is_empty();
    let has_form = item.generics.params.is_empty() && !matches!(item.data, Data::Union(_));
    let expansion = has_form.then(|| implement(&item, &marks, &tagged, is_stub));
    let errors = errors.into_compile_errors();
    quote!(#errors #expansion)
}

/// A variant, or the whole of a struct.
struct Tagged {
    /// A pattern for its values.
    pattern: TokenStream,
    tag: String,
    span: Span,
    non_retriable: bool,
    retry_after: Option<Duration>,
}

impl Tagged {
    fn new(pattern: TokenStream, ident: &Ident, marks: &Marks) -> Self {
        let (tag, span) = match &marks.tag {
            Some(literal) => (literal.value(), literal.span()),
            None => (ident.unraw().to_string(), ident.span()),
        };
        Self { pattern, tag, span, non_retriable: marks.non_retriable, retry_after: marks.retry_after }
    }
}

fn tagged(item: &DeriveInput, marks: &Marks, errors: &mut Errors) -> Vec<Tagged> {
    match &item.data {
        Data::Struct(_) => vec![Tagged::new(quote!(Self { .. }), &item.ident, marks)],
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                let marks = Marks::read(&variant.attrs, Place::Variant, errors);
                let ident = &variant.ident;
                Tagged::new(quote!(Self::#ident { .. }), ident, &marks)
            })
            .collect(),
        Data::Union(data) => {
            errors.at(data.union_token.span, "a failure is an enum or a struct");
            Vec::new()
        }
    }
}

fn refuse_duplicates(tagged: &[Tagged], errors: &mut Errors) {
    for (index, one) in tagged.iter().enumerate() {
        if tagged[..index].iter().any(|earlier| earlier.tag == one.tag) {
            errors.at(one.span, format!("the tag `{}` is already that of another variant", one.tag));
        }
    }
}

/// Where a `#[failure(..)]` stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Enum,
    Variant,
    Struct,
}

impl Place {
    fn item(data: &Data) -> Self {
        if matches!(data, Data::Enum(_)) { Self::Enum } else { Self::Struct }
    }

    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Enum => &["type", "crate"],
            Self::Variant => &["tag", "non_retriable", "retry_after"],
            Self::Struct => &["type", "tag", "non_retriable", "retry_after", "crate"],
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Enum => "an enum",
            Self::Variant => "a variant",
            Self::Struct => "a struct",
        }
    }
}

/// What `#[failure(..)]` says of an item or a variant.
#[derive(Default)]
struct Marks {
    type_name: Option<LitStr>,
    tag: Option<LitStr>,
    non_retriable: bool,
    retry_after: Option<Duration>,
    krate: Option<Path>,
}

impl Marks {
    fn read(attributes: &[Attribute], place: Place, errors: &mut Errors) -> Self {
        let mut marks = Self::default();
        let mut seen = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("failure")) {
            let read = attribute.parse_args_with(|input: ParseStream<'_>| {
                while !input.is_empty() {
                    if let Err(error) = marks.mark(place, input, &mut seen) {
                        errors.push(error);
                        attr::skip_to_comma(input)?;
                    }
                    if !input.is_empty() {
                        input.parse::<Token![,]>()?;
                    }
                }
                Ok(())
            });
            if let Err(error) = read {
                errors.push(error);
            }
        }
        marks
    }

    fn mark(&mut self, place: Place, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> syn::Result<()> {
        let key = input.call(Ident::parse_any)?;
        let refuse = |message: String| Err(syn::Error::new(key.span(), message));
        let text = key.to_string();
        if !place.known().contains(&text.as_str()) {
            let known = place.known().join("`, `");
            return refuse(format!("unknown option `{text}`: `failure` on {} knows `{known}`", place.noun()));
        }
        if seen.contains(&key) {
            return refuse(format!("the option `{text}` is given twice"));
        }
        seen.push(key.clone());
        match text.as_str() {
            "type" => self.type_name = Some(type_name(&key, input)?),
            "tag" => self.tag = Some(checked_name(&key, input, "tag = \"...\"")?),
            "non_retriable" => self.non_retriable = true,
            "retry_after" => {
                let literal: LitStr = attr::value(&key, input, "retry_after = \"30s\"")?;
                let parsed = duration::parse(&literal.value());
                self.retry_after = Some(parsed.map_err(|message| syn::Error::new(literal.span(), message))?);
            }
            _ => self.krate = Some(attr::crate_path(&key, input)?),
        }
        if !input.is_empty() && !input.peek(Token![,]) {
            return refuse(format!("`{text}` takes no value here"));
        }
        Ok(())
    }
}

fn checked_name(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<LitStr> {
    let literal: LitStr = attr::value(key, input, form)?;
    name::check(&literal.value()).map_err(|rule| syn::Error::new(literal.span(), rule))?;
    Ok(literal)
}

/// The name of the type. Stored failures join it with the tag by `::`, so it contains none.
fn type_name(key: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    let literal = checked_name(key, input, "type = \"...\"")?;
    if literal.value().contains("::") {
        return Err(syn::Error::new(literal.span(), "the name of a failure cannot contain `::`"));
    }
    Ok(literal)
}

fn implement(item: &DeriveInput, marks: &Marks, tagged: &[Tagged], is_stub: bool) -> TokenStream {
    let private = paths::private(marks.krate.as_ref());
    let ident = &item.ident;
    let type_name = marks.type_name.as_ref().map_or_else(|| ident.unraw().to_string(), LitStr::value);
    let methods = if is_stub {
        quote!(
            fn tag(&self) -> &'static str {
                ::core::unreachable!()
            }
        )
    } else {
        methods(tagged)
    };
    // At the span of the name, so that a missing `Error`, `Serialize` or `Deserialize` is reported there.
    let body = quote!(const TYPE: &'static str = #type_name; #methods);
    let failure = quote_spanned!(ident.span()=> impl #private::Failure for #ident { #body });
    quote! {
        #[automatically_derived]
        #failure
        #[automatically_derived]
        impl #private::IntoFailure for #ident {
            fn into_failure(self) -> #private::FailureDetails {
                // Through a generic function, so that a missing supertrait is not reported once more here.
                fn details<F: #private::Failure>(failure: &F) -> #private::FailureDetails {
                    failure.to_details()
                }
                details(&self)
            }
        }
    }
}

fn methods(tagged: &[Tagged]) -> TokenStream {
    let arms = |value: &dyn Fn(&Tagged) -> TokenStream| {
        let arms = tagged.iter().map(|one| {
            let (pattern, value) = (&one.pattern, value(one));
            quote!(#pattern => #value,)
        });
        quote!(match *self { #(#arms)* })
    };
    let tag = arms(&|one| {
        let tag = &one.tag;
        quote!(#tag)
    });
    let non_retriable = arms(&|one| {
        let mark = one.non_retriable;
        quote!(#mark)
    });
    let retry_after = arms(&|one| match one.retry_after {
        Some(after) => {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            quote!(::core::option::Option::Some(::core::time::Duration::from_millis(#millis)))
        }
        None => quote!(::core::option::Option::None),
    });
    let allow = quote! {
        #[allow(clippy::match_same_arms, clippy::match_like_matches_macro, clippy::match_single_binding, reason = "generated")]
    };
    quote! {
        #allow
        fn tag(&self) -> &'static str { #tag }
        #allow
        fn is_non_retriable(&self) -> bool { #non_retriable }
        #allow
        fn retry_after(&self) -> ::core::option::Option<::core::time::Duration> { #retry_after }
    }
}
