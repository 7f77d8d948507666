//! The expansion of `#[http_starter]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{FnArg, LitStr, Pat, ReturnType, Type};

use crate::attr::Options;
use crate::definition::{Definition, local, numbered};
use crate::errors::Errors;
use crate::function::{self, Function, Kind};
use crate::route::{Parameter, Template};
use crate::route_value::{Constraint, misfit};
use crate::types;

/// Expands the annotation, or shows what is wrong and leaves a stub behind.
pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::parse(Kind::Starter, args, &mut errors);
    let parsed = match function::parse(Kind::Starter.attribute(), item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    let function = Function::check(Kind::Starter, parsed, &mut errors);
    let binding = Binding::check(&options, &function, &mut errors);
    let expansion = if function.definable {
        define(&Definition::new(&function, &options, !errors.is_empty()), &options, &binding)
    } else {
        let original = &function.item;
        quote!(#original)
    };
    let errors = errors.into_compile_errors();
    quote!(#errors #expansion)
}

/// The route, and which of its parameters each argument is.
struct Binding {
    route: String,
    arguments: Vec<Option<Parameter>>,
}

impl Binding {
    fn check(options: &Options, function: &Function, errors: &mut Errors) -> Self {
        let names = argument_names(function);
        let Some(literal) = &options.route else {
            return Self { route: function.name(), arguments: vec![None; names.len()] };
        };
        let route = literal.value();
        let template = Template::parse(literal, &route, errors);
        let mut arguments = vec![None; names.len()];
        for parameter in template.parameters {
            let place = names.iter().position(|name| name.as_deref().is_some_and(|name| parameter.is_for(name)));
            let argument = place.and_then(|place| Some((place, function.arguments.get(place)?)));
            match argument {
                Some((place, argument)) => {
                    check_type(&parameter, &argument.ty, literal, errors);
                    arguments[place] = Some(parameter);
                }
                None => {
                    let name = &parameter.name;
                    let message = format!("the function has no argument for `{{{name}}}`: add `{}: ..`", snake(name));
                    errors.at(literal.span(), message);
                }
            }
        }
        Self { route, arguments }
    }
}

/// The names of the arguments that have one; what is taken apart, such as `Json(input)`, has none.
fn argument_names(function: &Function) -> Vec<Option<String>> {
    let typed = function.item.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(&*argument.pat),
        FnArg::Receiver(_) => None,
    });
    typed
        .map(|pattern| match pattern {
            Pat::Ident(pattern) => Some(pattern.ident.unraw().to_string()),
            _ => None,
        })
        .collect()
}

/// `showHistory` as an argument is called.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn check_type(parameter: &Parameter, ty: &Type, literal: &LitStr, errors: &mut Errors) {
    let name = &parameter.name;
    let is_option = types::is_named(ty, "Option");
    let inner = types::type_arguments(ty).first().copied().filter(|_| is_option).unwrap_or(ty);
    let shown = types::shown(inner);
    if parameter.optional && !is_option {
        errors.on(ty, format!("`{{{name}?}}` may be absent: take an `Option<{shown}>`, or give it a default"));
    } else if !parameter.optional && is_option {
        let message = format!("`{{{name}}}` is never absent: take `{shown}`, or write `{{{name}?}}` in the route");
        errors.on(ty, message);
    }
    let of_type = Constraint::of(inner);
    if let (Some(constraint), Some(of_type)) = (parameter.constraint, of_type)
        && constraint != of_type
    {
        let (written, remedy) = (constraint.shown(), of_type.shown());
        let message = format!("`{{{name}:{written}}}` in the route is no `{shown}`: write `{{{name}:{remedy}}}` there");
        return errors.on(ty, message);
    }
    let Some(default) = &parameter.default else { return };
    if let Some(expected) = misfit(default, inner) {
        errors.at(literal.span(), format!("the default `{default}` of `{{{name}}}` is no {expected}"));
    } else if let Some(constraint) = parameter.constraint.filter(|constraint| !constraint.allows(default)) {
        let expected = constraint.expected();
        errors.at(literal.span(), format!("the default `{default}` of `{{{name}}}` is not {expected}"));
    }
}

fn define(definition: &Definition<'_>, options: &Options, binding: &Binding) -> TokenStream {
    let items = definition.items();
    let Definition { private, is_stub, .. } = definition;
    let (context, ident) = (local("context"), definition.ident());
    if *is_stub {
        // A set of starters accepts it, so that only its own mistakes are seen.
        let implementation = implementation(
            definition,
            "",
            &[],
            &quote!(::std::vec::Vec::new()),
            &quote!({
                let _ = #context;
                ::core::unreachable!()
            }),
        );
        return quote!(#items #implementation);
    }
    let post = [String::from("POST")];
    let methods = if options.methods.is_empty() { &post[..] } else { &options.methods };
    let mut extractions = Vec::new();
    let mut arguments = Vec::new();
    let mut extractors = Vec::new();
    for (index, argument) in definition.function.arguments.iter().enumerate() {
        let (value, ty) = (numbered("value", index), &argument.ty);
        let extraction = match binding.arguments.get(index).and_then(Option::as_ref) {
            Some(Parameter { name, optional: true, .. }) => {
                let inner = types::type_arguments(ty).first().map_or(quote!(#ty), |inner| quote!(#inner));
                quote!(#context.optional::<#inner>(#name))
            }
            Some(Parameter { name, .. }) => quote!(#context.required::<#ty>(#name)),
            None => {
                extractors.push(ty);
                quote!((#private::extractor::<#ty>().extract)(&#context))
            }
        };
        extractions.push(quote! {
            let #value = match #extraction {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(error) => return #private::refuse(error),
            };
        });
        arguments.push(value);
    }
    let returned = match &definition.function.item.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    let span = Span::call_site().located_at(ident.span());
    let respond = quote_spanned!(span=> #private::respond::<#returned>(call.await));
    let state = quote!([#((#private::extractor::<#extractors>().state)()),*].into_iter().flatten().collect());
    let body = quote! {{
        let _ = &#context;
        #(#extractions)*
        let call = #ident(#(#arguments),*);
        ::std::boxed::Box::pin(async move { #respond })
    }};
    let state = if extractors.is_empty() { quote!(::std::vec::Vec::new()) } else { state };
    let implementation = implementation(definition, &binding.route, methods, &state, &body);
    quote!(#items #implementation)
}

fn implementation(
    definition: &Definition<'_>,
    route: &str,
    methods: &[String],
    state: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let Definition { private, name, .. } = definition;
    let (ident, cfg, context) = (definition.ident(), definition.cfg(), local("context"));
    quote! {
        #(#cfg)*
        #[allow(deprecated, reason = "a deprecated starter is still called")]
        impl #private::HttpStarter for #ident {
            const NAME: &'static str = #name;
            const ROUTE: &'static str = #route;
            const METHODS: &'static [&'static str] = &[#(#methods),*];
            fn required_state() -> ::std::vec::Vec<#private::StateKey> {
                #state
            }
            fn call(#context: #private::RequestContext) -> #private::BoxFuture<'static, #private::Answer> #body
        }
    }
}
