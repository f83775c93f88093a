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
    Attribute, Expr, ExprLit, FnArg, GenericArgument, ItemFn, Lit, Meta, PatType, PathArguments,
    ReturnType, Type, Visibility,
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
    let registration = registration(&private, setup.as_ref());
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
    let arguments = argument_types(function);
    let span = arguments_span(function);
    let kind = quote_spanned!(span=> <#arguments as #private::Arguments<'_>>::KIND);
    let types = quote_spanned!(span=> <#arguments as #private::Arguments<'_>>::TYPES);
    let Options { timeout_ms, max_len, stack_size, rss_limit, dict, .. } = options;
    quote! {
        const __SHMFUZZ_RECORD: #private::Record = #private::Record {
            module: ::core::module_path!(),
            name: #name,
            bin: #private::or_empty(::core::option_env!("CARGO_BIN_NAME")),
            tmpdir: #private::or_empty(::core::option_env!("CARGO_TARGET_TMPDIR")),
            file: ::core::file!(),
            dict: #dict,
            line: ::core::line!(),
            kind: #kind,
            n_seeds: #n_seeds,
            ignored: #ignored,
            options: #private::Options {
                timeout_ms: #timeout_ms,
                max_len: #max_len,
                stack_size: #stack_size,
                rss_limit: #rss_limit,
            },
            types: #types,
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
    let types = argument_types(function);
    let names: Vec<_> =
        (0..function.sig.inputs.len()).map(|nth| format_ident!("__shmfuzz_{nth}")).collect();
    let span = arguments_span(function);
    let read = quote_spanned!(span=> <#types as #private::Arguments<'_>>::read);
    let call = quote_spanned!(span=> #read(__shmfuzz_bytes, &mut __shmfuzz_owned));
    let owned = quote_spanned!(span=> ::core::default::Default::default());
    let output = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let verdict = quote_spanned!(output.span()=> <#output as #private::Outcome>::verdict);
    let mut body = quote!(#name(#(#names),*));
    if let Some(PathOption { path, .. }) = &options.block_on {
        // The future first, so that what is wrong with the function is said at its path.
        let drive = quote_spanned!(path.span()=> #private::block_on);
        body = quote_spanned!(path.span()=> #drive(#body, #path));
    }
    let checks = typed_arguments(function).map(|argument| {
        let ty = &argument.ty;
        quote_spanned!(ty.span()=> #private::is_argument::<#ty>();)
    });
    quote! {
        // Said of each argument where it stands, before anything is said of all of them.
        #[allow(dead_code)]
        fn __shmfuzz_arguments() {
            #(#checks)*
        }

        fn __shmfuzz_body(__shmfuzz_bytes: &[::core::primitive::u8]) -> #private::Verdict {
            let mut __shmfuzz_owned = #owned;
            match #call {
                ::core::option::Option::Some((#(#names,)*)) => #verdict(#body),
                ::core::option::Option::None => #private::Verdict::Rejected,
            }
        }
    }
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
    let types = argument_types(function);
    let arguments: Vec<_> = typed_arguments(function).collect();
    let calls = options.seeds.iter().map(|seed| match &arguments[..] {
        [one] if is_raw(&one.ty) => {
            let bytes = quote_spanned!(seed.span()=> #private::seed_bytes(&#seed));
            quote!(__shmfuzz_add(#bytes);)
        }
        // Where the type has another name, a literal tells as well, and the type whether it may.
        [_] if is_text(seed) => quote_spanned!(seed.span()=> {
            const _: () =
                #private::takes_raw_seeds(<#types as #private::Arguments<'_>>::TYPES);
            __shmfuzz_add(#private::seed_bytes(&#seed));
        }),
        [_] => quote_spanned!(seed.span()=> {
            let seed: #types = (#seed,);
            __shmfuzz_add(&#private::Seed::write(seed));
        }),
        _ => quote_spanned!(seed.span()=> {
            let seed: #types = #seed;
            __shmfuzz_add(&#private::Seed::write(seed));
        }),
    });
    quote! {
        fn __shmfuzz_seeds(
            __shmfuzz_add: &mut dyn ::core::ops::FnMut(&[::core::primitive::u8]),
        ) {
            let _ = &__shmfuzz_add;
            #(#calls)*
        }
    }
}

fn registration(private: &TokenStream, setup: Option<&TokenStream>) -> TokenStream {
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
                body: __shmfuzz_body,
            }
        }
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
