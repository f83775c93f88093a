//! Which functions can be fuzz tests. Every refusal says what to write instead, and points at the
//! part to change; whether a type is an input or an outcome is left to the traits of the runtime.

use crate::options::Options;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{
    Error, Expr, FnArg, GenericArgument, ItemFn, PathArguments, ReturnType, Safety, Signature,
    Type, TypePath, TypeReference,
};

const INPUTS: &str = "`&[u8]`, `&str`, numbers, `Vec`s, tuples and the like";
/// The most arguments that a fuzz test has.
const MOST: usize = 8;

/// Checks the signature and the other attributes.
///
/// # Errors
/// All that is wrong with it, combined.
pub(crate) fn check(function: &ItemFn) -> Result<(), Error> {
    let found = attribute_errors(function)
        .into_iter()
        .chain(qualifier_errors(&function.sig))
        .chain(argument_errors(&function.sig))
        .chain(output_error(&function.sig.output));
    all_of(found)
}

/// Nothing, if there are no errors.
///
/// # Errors
/// All of them, combined.
pub(crate) fn all_of(errors: impl IntoIterator<Item = Error>) -> Result<(), Error> {
    let all = errors.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    });
    all.map_or(Ok(()), Err)
}

/// Checks that each seed has as many parts as the function has arguments, as far as that can be seen.
///
/// # Errors
/// All seeds that have not, combined.
pub(crate) fn check_seeds(function: &ItemFn, options: &Options) -> Result<(), Error> {
    let inputs = &function.sig.inputs;
    if !(2..=MOST).contains(&inputs.len()) {
        return Ok(());
    }
    let types = inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(&argument.ty),
        FnArg::Receiver(_) => None,
    });
    let types = written(&quote!((#(#types),*)));
    let errors = options.seeds.iter().filter(|seed| match seed {
        Expr::Tuple(tuple) => tuple.elems.len() != inputs.len(),
        Expr::Lit(_) | Expr::Array(_) => true,
        _ => false,
    });
    let n = inputs.len();
    all_of(errors.map(|seed| {
        let text =
            format!("a seed of this fuzz test is its {n} arguments: write a tuple `{types}`");
        Error::new_spanned(seed, text)
    }))
}

/// Checks that an `async` function comes with what drives it, and no other does.
///
/// # Errors
/// If one of the two is missing.
pub(crate) fn check_async(function: &ItemFn, options: &Options) -> Result<(), Error> {
    match (&function.sig.asyncness, &options.block_on) {
        (Some(token), None) => Err(Error::new_spanned(
            token,
            "name the function that drives an `async` fuzz test, as in \
             `#[fuzz_test(block_on = pollster::block_on)]`: one of an executor, or your own \
             `fn block_on<F: Future>(future: F) -> F::Output`",
        )),
        (None, Some(block_on)) => Err(Error::new_spanned(
            &block_on.path,
            "`block_on` is for an `async fn`, and this one is not: remove it, or write `async fn`",
        )),
        _ => Ok(()),
    }
}

fn attribute_errors(function: &ItemFn) -> Vec<Error> {
    let mut errors = Vec::new();
    for attribute in &function.attrs {
        let path = attribute.path();
        if path.is_ident("should_panic") {
            errors.push(Error::new_spanned(
                attribute,
                "a fuzz test cannot be `#[should_panic]`: a panic is a failure; \
                 assert on what the code returns, or catch the panic with `std::panic::catch_unwind`",
            ));
        } else if is_named(path, "test") || path.is_ident("rustc_test_marker") {
            errors.push(Error::new_spanned(
                attribute,
                "`#[fuzz_test]` makes a test by itself: remove this attribute",
            ));
        } else if is_named(path, "fuzz_test") {
            errors.push(Error::new_spanned(attribute, "`#[fuzz_test]` can stand here only once"));
        }
    }
    errors
}

fn is_named(path: &syn::Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}

fn qualifier_errors(signature: &Signature) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Some(token) = &signature.constness {
        errors.push(Error::new_spanned(token, "a fuzz test cannot be `const`: remove it"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.push(Error::new_spanned(
            token,
            "a fuzz test cannot be an `unsafe fn`: write `unsafe` blocks in it",
        ));
    }
    if let Some(abi) = &signature.abi {
        errors.push(Error::new_spanned(abi, "a fuzz test cannot be `extern`: remove it"));
    }
    if !signature.generics.params.is_empty() {
        errors.push(Error::new_spanned(
            &signature.generics,
            format!("a fuzz test cannot be generic: name its input's type, {INPUTS}"),
        ));
    } else if let Some(clause) = &signature.generics.where_clause {
        errors.push(Error::new_spanned(clause, "a fuzz test takes no `where` clause: remove it"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(Error::new_spanned(variadic, "a fuzz test cannot be variadic: remove it"));
    }
    errors
}

fn argument_errors(signature: &Signature) -> Vec<Error> {
    let mut errors = Vec::new();
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => errors.push(Error::new_spanned(
                receiver,
                format!("a fuzz test is no method: it takes {INPUTS}"),
            )),
            FnArg::Typed(argument) => errors.extend(type_error(&argument.ty)),
        }
    }
    match signature.inputs.len() {
        0 => errors.push(Error::new(
            signature.paren_token.span.join(),
            format!("a fuzz test takes its input as an argument: {INPUTS}, as in `data: &[u8]`"),
        )),
        1..=MOST => {}
        _ => errors.push(Error::new(
            signature.inputs[MOST].span(),
            format!("a fuzz test takes at most {MOST} arguments: put some of them into a tuple"),
        )),
    }
    errors
}

fn output_error(output: &ReturnType) -> Option<Error> {
    let ReturnType::Type(_, ty) = output else { return None };
    matches!(**ty, Type::ImplTrait(_)).then(|| {
        Error::new_spanned(ty, "name the type of the result: nothing, `Result<(), E>` or `Reject`")
    })
}

/// What the compiler itself would refuse in words about the expansion.
fn type_error(ty: &Type) -> Option<Error> {
    match ty {
        Type::Group(group) => type_error(&group.elem),
        Type::Paren(paren) => type_error(&paren.elem),
        Type::ImplTrait(_) => {
            Some(Error::new_spanned(ty, format!("name the type of the input: {INPUTS}")))
        }
        Type::Infer(_) => {
            Some(Error::new_spanned(ty, format!("name the type of the input: {INPUTS}")))
        }
        Type::Reference(reference) => match &reference.lifetime {
            Some(lifetime) => Some(Error::new_spanned(
                lifetime,
                "the input lives only as long as the call: remove this lifetime",
            )),
            None => reference_error(reference),
        },
        _ => None,
    }
}

/// What a reference that can be no input would have to be. What has a name of the user's own is left
/// to the traits: it may stand for bytes or text.
fn reference_error(reference: &TypeReference) -> Option<Error> {
    const ONLY: &str = "a fuzz test takes references to bytes and text only, `&[u8]` and `&str`";
    let refuse = |why: &str, instead: &dyn ToTokens| {
        let instead = written(instead);
        Some(Error::new_spanned(reference, format!("{why}: write `{instead}`")))
    };
    let elem = &*reference.elem;
    let is_mut = reference.mutability.is_some();
    match elem {
        Type::Slice(slice) if !is_mut && is_no_byte(&slice.elem) => {
            let elem = &slice.elem;
            refuse(ONLY, &quote!(Vec<#elem>))
        }
        Type::Slice(_) if is_mut => {
            refuse("an input cannot be changed", &quote!(mut data: Vec<u8>))
        }
        Type::Path(path) if path.path.is_ident("str") && is_mut => {
            refuse("an input cannot be changed", &quote!(mut text: String))
        }
        Type::Path(path) if path.path.is_ident("String") && !is_mut => refuse(ONLY, &quote!(&str)),
        Type::Path(path) if !is_mut && is_vec_of_bytes(path) => refuse(ONLY, &quote!(&[u8])),
        Type::Path(path) if is_mut || is_of_std(path) => refuse(ONLY, elem),
        Type::Array(_) | Type::Tuple(_) | Type::Reference(_) => refuse(ONLY, elem),
        Type::TraitObject(_) => {
            Some(Error::new_spanned(reference, format!("name the type of the input: {INPUTS}")))
        }
        _ => None,
    }
}

/// As people write it.
fn written(tokens: &dyn ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    [(" <", "<"), ("< ", "<"), (" >", ">"), ("& ", "&"), (" ,", ","), (" :", ":"), (" ;", ";")]
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}

fn is_u8(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "u8")
}

fn is_no_byte(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => is_of_std(path) && !is_u8(ty),
        Type::Array(_) | Type::Tuple(_) | Type::Reference(_) => true,
        _ => false,
    }
}

fn is_vec_of_bytes(path: &TypePath) -> bool {
    let Some(last) = path.path.segments.last() else { return false };
    match &last.arguments {
        PathArguments::AngleBracketed(of) if last.ident == "Vec" && of.args.len() == 1 => {
            matches!(&of.args[0], GenericArgument::Type(ty) if is_u8(ty))
        }
        _ => false,
    }
}

/// Whether it is written as a type that a fuzz test takes by value.
fn is_of_std(path: &TypePath) -> bool {
    const TYPES: [&str; 24] = [
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "f32",
        "f64",
        "bool",
        "char",
        "String",
        "Vec",
        "Option",
        "Result",
        "BTreeMap",
        "Duration",
        "IpAddr",
        "Arbitrary",
    ];
    path.path.segments.last().is_some_and(|last| TYPES.iter().any(|name| last.ident == name))
}
