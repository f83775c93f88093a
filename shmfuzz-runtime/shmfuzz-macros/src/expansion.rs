//! What a fuzz test becomes, be it a function with the attribute or a `fuzz_target!`.
//!
//! Outside: a `#[test]` of the same name that replays the seeds. Beside it, in a block that nobody
//! can name: the user's function unchanged, its record in a link section, and its registration.
//! All paths are absolute, and the block's own names are prefixed, so that whatever the user's
//! module defines or shadows means the same inside the function as outside.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ExprLit, FnArg, GenericArgument, Ident, ItemFn, Lit, Meta, PatType,
    PathArguments, ReturnType, Type, Visibility,
};

use crate::options::{Options, PathOption};

/// The whole expansion; `function` has passed the checks. `init` is evaluated before the first call,
/// and stands in for the setup that an attribute names.
pub(crate) fn expand(options: &Options, function: &ItemFn, init: Option<&Expr>) -> TokenStream {
    let private = match &options.runtime {
        Some(path) => quote!(#path::__private),
        None => quote!(::shmfuzz_runtime::__private),
    };
    let test = test(&private, function);
    let inner = inner_function(function);
    let record = record(&private, options, function);
    let body = body(&private, options, function);
    let setup = match (&options.setup, init) {
        (Some(path), _) => Some(setup(&private, path)),
        (None, Some(init)) => Some(init_setup(&private, init)),
        (None, None) => None,
    };
    let seeds = seeds(&private, options, function);
    let mutation = mutation(&private, options, function);
    let registration = registration(&private, setup.as_ref(), &mutation);
    quote! {
        #test

        #[cfg(test)]
        const _: () = {
            #inner

            // Its own block: a function called `seeds` must not meet the items of this one.
            const _: () = {
                #record
                #body
                #seeds
                #registration
            };
        };
    }
}

/// The ordinary test. Its name stays raw where it is (`r#match`): libtest prints it so.
/// Lints that were set for the function are its own business.
fn test(private: &TokenStream, function: &ItemFn) -> TokenStream {
    let attributes = function.attrs.iter().filter_map(outer_attribute);
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let text = name.to_string();
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() {
            #private::run(::core::module_path!(), #text)
        }
    }
}

fn outer_attribute(attribute: &Attribute) -> Option<TokenStream> {
    let path = attribute.path();
    if ["doc", "ignore", "cfg", "deprecated"].iter().any(|name| path.is_ident(name)) {
        return Some(attribute.to_token_stream());
    }
    // What is expected of the function need not occur in the test, which has only its name.
    match &attribute.meta {
        Meta::List(list) if path.is_ident("allow") || path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(quote!(#[allow(#lints)]))
        }
        _ => None,
    }
}

fn inner_function(function: &ItemFn) -> ItemFn {
    let mut inner = function.clone();
    inner.vis = Visibility::Inherited;
    inner.attrs.retain(|attribute| {
        let path = attribute.path();
        !["doc", "ignore", "deprecated"].iter().any(|name| path.is_ident(name))
    });
    inner
}

fn record(private: &TokenStream, options: &Options, function: &ItemFn) -> TokenStream {
    let name = function.sig.ident.to_string();
    let ignored = u32::from(function.attrs.iter().any(|a| a.path().is_ident("ignore")));
    let n_seeds = options.seeds.len() as u32;
    let (arguments, owned) = (argument_types(function), owned_types(function));
    let probe = quote!(<#private::Probe<'_, #arguments, #owned>>);
    let Options { timeout_ms, max_len, stack_size, rss_limit, dict, .. } = options;
    quote! {
        static __SHMFUZZ_FOUND: #private::Found = #private::Found::new();
        const __SHMFUZZ_KNOWN: ::core::option::Option<#private::Known> = {
            use #private::methods::*;
            #private::known_if(!#probe::IS_BUILT_IN, <#private::ProbeOwned<#owned>>::KNOWN)
        };
        const __SHMFUZZ_RECORD: #private::Record = {
            use #private::methods::*;
            #private::Record {
            module: ::core::module_path!(),
            name: #name,
            bin: #private::or_empty(::core::option_env!("CARGO_BIN_NAME")),
            tmpdir: #private::or_empty(::core::option_env!("CARGO_TARGET_TMPDIR")),
            file: ::core::file!(),
            dict: #dict,
            line: ::core::line!(),
            kind: #probe::KIND,
            n_seeds: #n_seeds,
            ignored: #ignored,
            structured: __SHMFUZZ_KNOWN.is_some() as ::core::primitive::u32,
            options: #private::Options {
                timeout_ms: #timeout_ms,
                max_len: #max_len,
                stack_size: #stack_size,
                rss_limit: #rss_limit,
            },
            types: #probe::TYPES,
            }
        };
        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,shmfuzz_tests"))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = "shmfuzz_tests"))]
        static __SHMFUZZ_BYTES: [::core::primitive::u8; __SHMFUZZ_RECORD.encoded_len()] =
            __SHMFUZZ_RECORD.encode();
    }
}

/// The adapter. It is compiled with the fuzzed code, so nothing here may cost or branch more than
/// it must.
fn body(private: &TokenStream, options: &Options, function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    let (types, owned) = (argument_types(function), owned_types(function));
    let names = argument_names(function);
    let span = arguments_span(function);
    let output = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let verdict = quote_spanned!(output.span()=> <#output as #private::Outcome>::verdict);
    let drive = |body: TokenStream| match &options.block_on {
        // The future first, so that what is wrong with the function is said at its path.
        Some(PathOption { path, .. }) => {
            let drive = quote_spanned!(path.span()=> #private::block_on);
            quote_spanned!(path.span()=> #drive(#body, #path))
        }
        None => body,
    };
    let as_written = drive(quote!(#name(#(#names),*)));
    let given =
        names.iter().zip(typed_arguments(function)).map(|(name, argument)| {
            match borrowed(&argument.ty) {
                Some(ty) => quote!(<_ as ::core::borrow::Borrow<#ty>>::borrow(&#name)),
                None => name.to_token_stream(),
            }
        });
    let as_owned = drive(quote!(#name(#(#given),*)));
    let pattern = owned_pattern(&names);
    let checks = typed_arguments(function).map(|argument| {
        let ty = &argument.ty;
        quote_spanned!(ty.span()=> (&&&&#private::ProbeOne::<'_, #ty>::NEW).check();)
    });
    let call = quote_spanned!(span=> (&&&&#private::Probe::<'_, #types, #owned>::NEW).call);
    quote! {
        // Said of each argument where it stands, before anything is said of all of them.
        #[allow(dead_code, clippy::needless_borrow)]
        fn __shmfuzz_arguments() {
            use #private::methods::*;
            #(#checks)*
        }

        // Functions, whose names tell stacks that they are none of the user's.
        #[allow(clippy::unit_arg)]
        #[inline]
        fn __shmfuzz_as_written((#(#names,)*): #types) -> #private::Verdict {
            #verdict(#as_written)
        }

        #[allow(clippy::unit_arg)]
        #[inline]
        fn __shmfuzz_as_owned(#pattern: #owned) -> #private::Verdict {
            #verdict(#as_owned)
        }

        #[allow(clippy::let_unit_value, clippy::needless_borrow)]
        fn __shmfuzz_body(__shmfuzz_bytes: &[::core::primitive::u8]) -> #private::Verdict {
            use #private::methods::*;
            let mut __shmfuzz_owned = ::core::default::Default::default();
            #call(
                &__SHMFUZZ_FOUND,
                __shmfuzz_bytes,
                &mut __shmfuzz_owned,
                __shmfuzz_as_written,
                __shmfuzz_as_owned,
            )
        }
    }
}

/// How an input is changed and made by the user, or by what the types come with.
fn mutation(private: &TokenStream, options: &Options, function: &ItemFn) -> TokenStream {
    let (types, owned) = (argument_types(function), owned_types(function));
    let probe = quote!((&&&#private::Probe::<'_, #types, #owned>::NEW));
    let mutate = match &options.mutator {
        Some(PathOption { path, .. }) => {
            let change = quote_spanned!(path.span()=> #private::change(#path, __shmfuzz_value, __shmfuzz_number));
            quote! {
                ::core::option::Option::Some(|__shmfuzz_input, __shmfuzz_number| {
                    use #private::methods::*;
                    #probe.change(
                        &__SHMFUZZ_FOUND,
                        __shmfuzz_input,
                        |__shmfuzz_value: &mut #owned| #change,
                    )
                })
            }
        }
        None => quote! {{
            use #private::methods::*;
            const __SHMFUZZ_MUTATE: ::core::option::Option<#private::MutateFound> =
                #private::ProbeMutator::<#owned>::MUTATE;
            #private::mutate_if(
                __SHMFUZZ_KNOWN.is_some() && __SHMFUZZ_MUTATE.is_some(),
                |__shmfuzz_input, __shmfuzz_number| {
                    #private::mutate_found(
                        __SHMFUZZ_MUTATE,
                        &__SHMFUZZ_FOUND,
                        __shmfuzz_input,
                        __shmfuzz_number,
                    )
                },
            )
        }},
    };
    let generate = match &options.generator {
        Some(PathOption { path, .. }) => {
            let make =
                quote_spanned!(path.span()=> #private::generate::<#owned>(#path, __shmfuzz_number));
            quote! {
                ::core::option::Option::Some(|__shmfuzz_number| {
                    use #private::methods::*;
                    #probe.input_of(&__SHMFUZZ_FOUND, &#make)
                })
            }
        }
        None => quote!(::core::option::Option::None),
    };
    quote!(mutate: #mutate, generate: #generate,)
}

/// What runs the function once.
fn setup(private: &TokenStream, setup: &PathOption) -> TokenStream {
    let PathOption { path, text } = setup;
    let once = quote_spanned!(path.span()=> #private::once(#path));
    quote!(#private::Setup { name: #text, run: || #once })
}

/// What evaluates the expression once, in a function of its own.
fn init_setup(private: &TokenStream, init: &Expr) -> TokenStream {
    quote! {
        #private::Setup {
            name: "init",
            run: || {
                fn __shmfuzz_init() {
                    #init;
                }
                #private::once(__shmfuzz_init)
            },
        }
    }
}

/// Seeds of an only argument that is bytes or text are anything of bytes; others are arguments.
fn seeds(private: &TokenStream, options: &Options, function: &ItemFn) -> TokenStream {
    let (types, owned) = (argument_types(function), owned_types(function));
    let arguments: Vec<_> = typed_arguments(function).collect();
    let names = argument_names(function);
    let own = names.iter().zip(&arguments).map(|(name, argument)| match borrowed(&argument.ty) {
        Some(_) => quote!(::std::borrow::ToOwned::to_owned(#name)),
        None => name.to_token_stream(),
    });
    let own = match &own.collect::<Vec<_>>()[..] {
        [one] => one.clone(),
        several => quote!((#(#several,)*)),
    };
    let write = |span: Span, seed: TokenStream| {
        let probe = quote!(#private::Probe::<'_, #types, #owned>::NEW);
        quote_spanned! {span=> {
            let seed: #types = #seed;
            __shmfuzz_add(&(&&&&#probe).seed(
                &__SHMFUZZ_FOUND,
                seed,
                |(#(#names,)*): #types| #own,
            ));
        }}
    };
    let calls = options.seeds.iter().map(|seed| match &arguments[..] {
        [one] if is_raw(&one.ty) => {
            let bytes = quote_spanned!(seed.span()=> #private::seed_bytes(&#seed));
            quote!(__shmfuzz_add(#bytes);)
        }
        // Where the type has another name, a literal tells as well, and the type whether it may.
        [_] if is_text(seed) => quote_spanned!(seed.span()=> {
            const _: () = #private::takes_raw_seeds(
                __SHMFUZZ_KNOWN.is_none() && __SHMFUZZ_RECORD.types.is_none(),
            );
            __shmfuzz_add(#private::seed_bytes(&#seed));
        }),
        [_] => write(seed.span(), quote!((#seed,))),
        _ => write(seed.span(), seed.to_token_stream()),
    });
    quote! {
        #[allow(unused_imports, clippy::needless_borrow)]
        fn __shmfuzz_seeds(
            __shmfuzz_add: &mut dyn ::core::ops::FnMut(&[::core::primitive::u8]),
        ) {
            use #private::methods::*;
            let _ = &__shmfuzz_add;
            #(#calls)*
        }
    }
}

fn registration(
    private: &TokenStream,
    setup: Option<&TokenStream>,
    mutation: &TokenStream,
) -> TokenStream {
    let setup = match setup {
        Some(setup) => quote!(::core::option::Option::Some(#setup)),
        None => quote!(::core::option::Option::None),
    };
    quote! {
        #private::inventory::submit! {
            #private::FuzzTest {
                record: __SHMFUZZ_RECORD,
                record_bytes: &__SHMFUZZ_BYTES,
                package: #private::Package {
                    dir: ::core::env!("CARGO_MANIFEST_DIR"),
                    name: ::core::env!("CARGO_PKG_NAME"),
                },
                seeds: __shmfuzz_seeds,
                setup: #setup,
                structure: #private::structure(__SHMFUZZ_KNOWN, &__SHMFUZZ_FOUND),
                #mutation
                body: __shmfuzz_body,
            }
        }
    }
}

/// A name for each argument.
fn argument_names(function: &ItemFn) -> Vec<Ident> {
    (0..function.sig.inputs.len()).map(|nth| format_ident!("__shmfuzz_{nth}")).collect()
}

/// What holds the arguments: the type of the only one, or a tuple.
fn owned_types(function: &ItemFn) -> TokenStream {
    let types: Vec<_> = typed_arguments(function)
        .map(|argument| match borrowed(&argument.ty) {
            Some(ty) => quote_spanned!(argument.ty.span()=> <#ty as ::std::borrow::ToOwned>::Owned),
            None => argument.ty.to_token_stream(),
        })
        .collect();
    match &types[..] {
        [one] => one.clone(),
        several => quote_spanned!(arguments_span(function)=> (#(#several,)*)),
    }
}

fn owned_pattern(names: &[Ident]) -> TokenStream {
    match names {
        [one] => one.to_token_stream(),
        several => quote!((#(#several,)*)),
    }
}

/// What a reference refers to.
fn borrowed(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Group(group) => borrowed(&group.elem),
        Type::Paren(paren) => borrowed(&paren.elem),
        Type::Reference(reference) => Some(&reference.elem),
        _ => None,
    }
}

/// The tuple of the arguments' types.
fn argument_types(function: &ItemFn) -> TokenStream {
    let types = typed_arguments(function).map(|argument| &argument.ty);
    quote_spanned!(arguments_span(function)=> (#(#types,)*))
}

/// Where what is wrong with the arguments is said: at the first of them.
fn arguments_span(function: &ItemFn) -> Span {
    typed_arguments(function).next().map_or_else(Span::call_site, |first| first.ty.span())
}

fn typed_arguments(function: &ItemFn) -> impl Iterator<Item = &PatType> {
    function.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    })
}

fn is_text(seed: &Expr) -> bool {
    matches!(seed, Expr::Lit(ExprLit { lit: Lit::Str(_) | Lit::ByteStr(_), .. }))
}

/// Whether a type is written as one of those that are an input as it is.
fn is_raw(ty: &Type) -> bool {
    let is_u8 = |ty: &Type| matches!(ty, Type::Path(path) if path.path.is_ident("u8"));
    match ty {
        Type::Group(group) => is_raw(&group.elem),
        Type::Paren(paren) => is_raw(&paren.elem),
        Type::Reference(reference) => match &*reference.elem {
            Type::Slice(slice) => is_u8(&slice.elem),
            Type::Path(path) => path.path.is_ident("str"),
            _ => false,
        },
        Type::Path(path) => path.path.segments.last().is_some_and(|last| match &last.arguments {
            PathArguments::None => last.ident == "String",
            PathArguments::AngleBracketed(of) => {
                let is_bytes =
                    |of: &GenericArgument| matches!(of, GenericArgument::Type(ty) if is_u8(ty));
                last.ident == "Arbitrary"
                    || last.ident == "Vec" && of.args.len() == 1 && of.args.iter().all(is_bytes)
            }
            PathArguments::Parenthesized(_) => false,
        }),
        _ => false,
    }
}
