//! The annotated function, parsed and checked.

use proc_macro2::{Span, TokenStream};
use quote::format_ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, ItemFn, Pat, PatType, ReturnType, Safety, Type};

use crate::errors::Errors;
use crate::types;

/// Which annotation a function carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Orchestrator,
    Activity,
    Starter,
}

impl Kind {
    /// The annotation as it is written.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Orchestrator => "#[orchestrator]",
            Self::Activity => "#[activity]",
            Self::Starter => "#[http_starter]",
        }
    }

    /// The word for such a function, with its article.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Orchestrator => "an orchestrator",
            Self::Activity => "an activity",
            Self::Starter => "an HTTP starter",
        }
    }

    /// The context; a starter has none.
    fn context(self) -> &'static str {
        match self {
            Self::Orchestrator => "OrchestrationContext",
            Self::Activity => "ActivityContext",
            Self::Starter => "",
        }
    }

    /// The arity up to which the traits for such functions are implemented.
    fn max_arguments(self) -> usize {
        match self {
            Self::Orchestrator | Self::Activity => 8,
            Self::Starter => 12,
        }
    }

    /// Why such a function is not generic.
    fn why_not_generic(self) -> &'static str {
        match self {
            Self::Orchestrator | Self::Activity => "has one name in the store and",
            Self::Starter => "is called by requests and",
        }
    }
}

/// What an argument is for.
pub(crate) enum Role {
    Context,
    State(Box<Type>),
    Input,
}

/// One argument of the annotated function.
pub(crate) struct Argument {
    /// A name for the generated function: that of the argument, where its pattern is a plain name.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) role: Role,
}

/// The annotated function, taken apart.
pub(crate) struct Function {
    pub(crate) kind: Kind,
    pub(crate) item: ItemFn,
    pub(crate) arguments: Vec<Argument>,
    /// False when the signature has no owned, non-generic form from which a definition could be made.
    pub(crate) definable: bool,
}

/// Parses the annotated item; anything but a function with a body is an error on what it is.
pub(crate) fn parse(attribute: &str, item: TokenStream) -> syn::Result<ItemFn> {
    syn::parse2::<ItemFn>(item.clone()).map_err(|error| {
        let message = format!("`{attribute}` goes on a function");
        if syn::parse2::<syn::TraitItemFn>(item.clone()).is_ok() {
            return syn::Error::new(error.span(), format!("{message} with a body"));
        }
        match syn::parse2::<syn::Item>(item) {
            Ok(other) => syn::Error::new(keyword(&other), message),
            Err(_) => error,
        }
    })
}

/// The keyword that says what `item` is, behind its attributes and visibility.
fn keyword(item: &syn::Item) -> Span {
    match item {
        syn::Item::Struct(item) => item.struct_token.span,
        syn::Item::Enum(item) => item.enum_token.span,
        syn::Item::Impl(item) => item.impl_token.span,
        syn::Item::Trait(item) => item.trait_token.span,
        syn::Item::Mod(item) => item.mod_token.span,
        syn::Item::Const(item) => item.const_token.span,
        syn::Item::Static(item) => item.static_token.span,
        syn::Item::Type(item) => item.type_token.span,
        other => other.span(),
    }
}

impl Function {
    /// Checks the signature and says what each argument is for.
    pub(crate) fn check(kind: Kind, item: ItemFn, errors: &mut Errors) -> Self {
        let mut function = Self { kind, item, arguments: Vec::new(), definable: true };
        function.check_qualifiers(errors);
        function.check_generics(errors);
        function.read_arguments(errors);
        if kind == Kind::Starter {
            function.check_starter(errors);
        } else {
            function.check_roles(errors);
            function.check_return(errors);
        }
        function.check_arity(errors);
        function
    }

    /// The name, without the `r#` of a raw identifier.
    pub(crate) fn name(&self) -> String {
        self.item.sig.ident.unraw().to_string()
    }

    /// True for an `async fn`.
    pub(crate) fn is_async(&self) -> bool {
        self.item.sig.asyncness.is_some()
    }

    /// The type of the input, when there is one.
    pub(crate) fn input(&self) -> Option<&Type> {
        self.arguments.iter().find(|argument| matches!(argument.role, Role::Input)).map(|argument| &argument.ty)
    }

    /// The types of the `State<T>` arguments.
    pub(crate) fn state(&self) -> impl Iterator<Item = &Type> {
        self.arguments.iter().filter_map(|argument| match &argument.role {
            Role::State(ty) => Some(&**ty),
            _ => None,
        })
    }

    /// The attributes that pass `choose`.
    pub(crate) fn attributes(&self, choose: fn(&Attribute) -> bool) -> Vec<&Attribute> {
        self.item.attrs.iter().filter(|attribute| choose(attribute)).collect()
    }

    fn check_qualifiers(&self, errors: &mut Errors) {
        let noun = self.kind.noun();
        let signature = &self.item.sig;
        if self.kind != Kind::Activity && !self.is_async() {
            errors.at(signature.fn_token.span, format!("{noun} is an `async fn`"));
        }
        if let Some(token) = &signature.constness {
            errors.at(token.span, format!("{noun} cannot be a `const fn`"));
        }
        match &signature.safety {
            Safety::Unsafe(token) => errors.at(token.span, format!("{noun} cannot be an `unsafe fn`")),
            Safety::Safe(token) => errors.at(token.span, format!("{noun} cannot be a `safe fn`")),
            Safety::Default => {}
        }
        if let Some(abi) = &signature.abi {
            errors.on(abi, format!("{noun} cannot be an `extern fn`"));
        }
    }

    fn check_generics(&mut self, errors: &mut Errors) {
        let noun = self.kind.noun();
        let generics = &self.item.sig.generics;
        if !generics.params.is_empty() {
            let why = self.kind.why_not_generic();
            let message = format!("{noun} {why} cannot be generic: use concrete, owned types");
            errors.on(&generics.params, message);
            self.definable = false;
        }
        if let Some(clause) = &generics.where_clause {
            errors.at(clause.where_token.span, format!("{noun} cannot have a `where` clause"));
            self.definable = false;
        }
        if let Some(variadic) = &self.item.sig.variadic {
            errors.on(&variadic.dots, format!("{noun} cannot be variadic"));
        }
    }

    fn read_arguments(&mut self, errors: &mut Errors) {
        let mut arguments = Vec::new();
        for (position, argument) in self.item.sig.inputs.iter().enumerate() {
            match argument {
                FnArg::Typed(argument) => arguments.push(self.argument(position, argument)),
                FnArg::Receiver(receiver) => {
                    self.definable = false;
                    let noun = self.kind.noun();
                    let by_hand = match self.kind {
                        Kind::Activity => "register the method by hand with `activity_fn(\"name\", ..)`",
                        Kind::Orchestrator => "pass what it needs in the input",
                        Kind::Starter => "take what it needs as a `State<T>` argument",
                    };
                    let message = format!("wrong receiver: {noun} has no `self`; use a free function, or {by_hand}");
                    errors.on(receiver, message);
                }
            }
        }
        self.arguments = arguments;
    }

    fn argument(&self, position: usize, argument: &PatType) -> Argument {
        let ty = (*argument.ty).clone();
        let role = if types::is_named(&ty, self.kind.context()) {
            Role::Context
        } else if self.kind == Kind::Activity && types::is_named(&ty, "State") {
            match types::type_arguments(&ty)[..] {
                [state] => Role::State(Box::new(state.clone())),
                _ => Role::Input,
            }
        } else {
            Role::Input
        };
        let name = match &*argument.pat {
            Pat::Ident(pattern) if pattern.subpat.is_none() => {
                let mut name = pattern.ident.clone();
                // Marked as generated: the use of `_ctx` in the generated function is not the user's.
                name.set_span(Span::call_site().located_at(name.span()));
                name
            }
            _ => format_ident!("arg{position}"),
        };
        Argument { name, ty, role }
    }

    fn check_roles(&mut self, errors: &mut Errors) {
        let context = self.kind.context();
        let borrowed_context = |ty: &Type| types::referent(ty).is_some_and(|inner| types::is_named(inner, context));
        let mut found_context = false;
        let mut inputs = 0;
        for (position, argument) in self.arguments.iter_mut().enumerate() {
            if borrowed_context(&argument.ty) {
                errors.on(&argument.ty, format!("the context is taken by value: write `{context}`"));
                argument.role = Role::Context;
                if let Some(owned) = types::referent(&argument.ty).cloned() {
                    argument.ty = owned;
                }
            }
            match &argument.role {
                Role::Context if found_context => {
                    errors.on(&argument.ty, "there is already a context: remove this one");
                }
                Role::Context => {
                    found_context = true;
                    if self.kind == Kind::Orchestrator && position > 0 {
                        errors.on(&argument.ty, "the context must be the first argument");
                    }
                }
                Role::State(ty) => check_state(ty, errors, &mut self.definable),
                Role::Input => {
                    inputs += 1;
                    let wrong_context = self.kind.wrong_context(&argument.ty);
                    if let Some(message) = wrong_context {
                        errors.on(&argument.ty, message);
                        found_context = true;
                        inputs -= 1;
                        argument.role = Role::Context;
                    } else if inputs > 1 {
                        errors.on(&argument.ty, self.kind.second_input());
                    } else {
                        check_owned(&argument.ty, errors, &mut self.definable);
                    }
                }
            }
        }
        self.check_context(found_context, errors);
    }

    fn check_context(&self, found: bool, errors: &mut Errors) {
        let has_receiver = self.item.sig.receiver().is_some();
        if self.kind == Kind::Orchestrator && !found && !has_receiver {
            let message = "the first argument of an orchestrator is its context: add `ctx: OrchestrationContext`";
            match self.arguments.first() {
                Some(first) => errors.on(&first.ty, message),
                None => errors.at(self.item.sig.paren_token.span.join(), message),
            }
        }
    }

    fn check_arity(&self, errors: &mut Errors) {
        let most = self.kind.max_arguments();
        if let Some(excess) = self.arguments.get(most) {
            errors.on(&excess.ty, format!("{} takes at most {most} arguments", self.kind.noun()));
        }
    }

    /// A starter's arguments come out of a request, and what it returns outlives it.
    fn check_starter(&mut self, errors: &mut Errors) {
        let returned = match &self.item.sig.output {
            ReturnType::Type(_, ty) => Some(&**ty),
            ReturnType::Default => None,
        };
        for ty in self.arguments.iter().map(|argument| &argument.ty).chain(returned) {
            for place in types::unowned(ty, true) {
                self.definable = false;
                errors.on(&place.tokens, "a request ends before this does: use an owned type that has a name");
            }
        }
    }

    fn check_return(&mut self, errors: &mut Errors) {
        let ReturnType::Type(_, ty) = &self.item.sig.output else { return };
        let found = if types::is_named(ty, "Result") {
            let parts = types::type_arguments(ty);
            parts.iter().enumerate().flat_map(|(index, part)| types::unowned(part, index == 1)).collect()
        } else {
            types::unowned(ty, false)
        };
        for place in found {
            self.definable = false;
            errors.on(&place.tokens, format!("this is returned: {}", place.problem));
        }
    }
}

impl Kind {
    /// What to say of the context of the other kind of function.
    fn wrong_context(self, ty: &Type) -> Option<&'static str> {
        let other = match self {
            Self::Orchestrator => "ActivityContext",
            Self::Activity => "OrchestrationContext",
            Self::Starter => return None,
        };
        let ty = types::referent(ty).unwrap_or(ty);
        types::is_named(ty, other).then_some(match self {
            Self::Orchestrator => "this is the context of an activity: an orchestrator takes an `OrchestrationContext`",
            Self::Activity | Self::Starter => {
                "this is the context of an orchestrator: an activity takes an `ActivityContext`"
            }
        })
    }

    fn second_input(self) -> &'static str {
        match self {
            Self::Orchestrator => "an orchestrator has at most one input: take a struct or a tuple",
            Self::Activity | Self::Starter => {
                "an activity has at most one input, not counting `State<T>` arguments: take a struct or a tuple"
            }
        }
    }
}

fn check_owned(ty: &Type, errors: &mut Errors, definable: &mut bool) {
    for place in types::unowned(ty, false) {
        errors.on(&place.tokens, format!("this is the input: {}", place.problem));
        *definable &= types::owned(ty).is_some();
    }
}

fn check_state(ty: &Type, errors: &mut Errors, definable: &mut bool) {
    for place in types::unowned(ty, true) {
        *definable = false;
        errors.on(&place.tokens, "state is shared by all calls and cannot be borrowed: use an owned type or an `Arc`");
    }
}
