//! How a value of each type becomes simpler: what is tried for it in each pass.

use super::listed::{self, simplest};
use super::lists::{Chunks, Manner, Rearrangement};
use super::numbers::{self, Scale};
use crate::minimize::Scope;
use crate::minimize::passes::Passes;
use crate::record::InputKind;
use crate::shape::Shape;
use crate::walk::COUNT;

/// What is tried for all values before the next is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The simplest value.
    Clear,
    /// Fewer elements.
    Cut,
    /// What the type allows.
    Refine,
    /// Several elements at once.
    Rearrange,
    /// What takes many tries, of text and bytes.
    Last,
}

/// A search for a simpler value, which goes on from what was said of the last one.
#[derive(Clone, Debug)]
pub(super) enum Search {
    /// Whatever comes first of these.
    Listed(std::vec::IntoIter<Vec<u8>>),
    Chunks(Chunks),
    Rearrangement(Rearrangement),
    Number(numbers::Search),
    Run(Box<Passes>),
}

/// What is searched for in a pass, one after the other.
pub(super) fn begin(pass: Pass, shape: &Shape, value: &[u8]) -> Vec<Search> {
    match pass {
        Pass::Clear => vec![Search::Listed(vec![simplest(shape)].into_iter())],
        Pass::Cut => match shape {
            Shape::List(_) | Shape::Map(..) => {
                vec![Search::Chunks(Chunks::new(shape, value, Manner::Remove))]
            }
            _ => Vec::new(),
        },
        Pass::Refine => refine(shape, value),
        Pass::Rearrange => match shape {
            Shape::List(_) | Shape::Map(..) => vec![
                Search::Rearrangement(Rearrangement::sums()),
                Search::Rearrangement(Rearrangement::runs()),
            ],
            _ => Vec::new(),
        },
        Pass::Last => match kind(shape) {
            Some(kind) => {
                vec![Search::Run(Box::new(Passes::last(&value[COUNT..], kind, N_RANDOM)))]
            }
            None => Vec::new(),
        },
    }
}

/// Random edits of one text.
const N_RANDOM: usize = 500;

/// The same where nothing but length counts.
pub(super) fn begin_to_shorten(shape: &Shape, value: &[u8]) -> Vec<Search> {
    match kind(shape) {
        Some(kind) => {
            let passes = Passes::new(&value[COUNT..], kind, Scope::Shorten);
            vec![Search::Run(Box::new(passes))]
        }
        None => begin(Pass::Cut, shape, value),
    }
}

fn kind(shape: &Shape) -> Option<InputKind> {
    match shape {
        Shape::Bytes => Some(InputKind::Bytes),
        Shape::Text | Shape::Json => Some(InputKind::Text),
        _ => None,
    }
}

fn refine(shape: &Shape, value: &[u8]) -> Vec<Search> {
    let others = || Search::Listed(listed::others(shape, value).into_iter());
    let number = |scale| Search::Number(numbers::Search::new(scale));
    match shape {
        Shape::Unsigned(_) | Shape::Signed(_) | Shape::Duration => vec![number(Scale::Plain)],
        Shape::Ipv4 | Shape::Ipv6 => vec![number(Scale::Plain)],
        Shape::Char | Shape::Ip => vec![others(), number(Scale::Plain)],
        Shape::Float(_) => {
            let scales = [Scale::Plain, Scale::Exponent, Scale::Mantissa];
            std::iter::once(others()).chain(scales.map(number)).collect()
        }
        Shape::Bytes | Shape::Text | Shape::Json => match kind(shape) {
            Some(kind) => vec![Search::Run(Box::new(Passes::rounds(&value[COUNT..], kind)))],
            None => Vec::new(),
        },
        Shape::Result(..) | Shape::Named(_) => vec![others()],
        Shape::List(_) | Shape::Array(..) => {
            vec![Search::Chunks(Chunks::new(shape, value, Manner::Clear))]
        }
        // Nothing but the simplest one, or that of what they are made of.
        Shape::Bool | Shape::Option(_) | Shape::Tuple(_) | Shape::Map(..) => Vec::new(),
    }
}

impl Search {
    /// The next value to try in the place of `value`; `None` if nothing is left.
    pub(super) fn next(&mut self, shape: &Shape, value: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Listed(values) => values.next(),
            Self::Chunks(chunks) => chunks.next(shape, value),
            Self::Rearrangement(edits) => edits.next(shape, value),
            Self::Number(search) => search.next(shape, value),
            Self::Run(passes) => {
                let run = passes.candidate()?;
                Some([&(run.len() as u32).to_le_bytes(), run].concat())
            }
        }
    }

    /// What came of it.
    pub(super) fn answer(&mut self, shape: &Shape, old: &[u8], fails: bool) {
        match self {
            Self::Listed(values) if fails => *values = Vec::new().into_iter(),
            Self::Listed(_) => {}
            Self::Chunks(chunks) => chunks.answer(),
            Self::Rearrangement(edits) => edits.answer(fails),
            Self::Number(search) => search.answer(shape, old, fails),
            Self::Run(passes) if fails => passes.accept(),
            Self::Run(passes) => passes.reject(),
        }
    }
}
