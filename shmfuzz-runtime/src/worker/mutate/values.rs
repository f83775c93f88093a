//! Mutators on values: an input is walked by its shape, one value in it is chosen and changed as
//! what it is, and counts before it are kept right.
//!
//! Invariant: where an input was the shortest one of its values, so it is afterwards, but for what
//! comparisons and tokens suggest: any bytes are some value.

mod json;

use super::edit::{self, Room};
use super::{Context, bytes, text};
use crate::area::Area;
use crate::record::InputKind;
use crate::shape::{Body, Named, Shape};
use crate::walk::{COUNT, Node, elements, put_simplest, variant_at, walk};
use crate::worker::random::Random;

/// One way to change a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutator {
    Change,
    Clear,
    CopyOver,
    Splice,
    Token,
    Insert,
    Remove,
    Duplicate,
    Swap,
    Choose,
}

/// All of them, an arm each.
pub(super) const MUTATORS: [Mutator; 16] = [
    Mutator::Change,
    Mutator::Change,
    Mutator::Change,
    Mutator::Change,
    Mutator::Clear,
    Mutator::CopyOver,
    Mutator::Splice,
    Mutator::Splice,
    Mutator::Token,
    Mutator::Token,
    Mutator::Insert,
    Mutator::Insert,
    Mutator::Remove,
    Mutator::Duplicate,
    Mutator::Swap,
    Mutator::Choose,
];

/// The most elements that are removed or doubled at once, and that an edit makes a list of.
const MOST_AT_ONCE: usize = 16;
const MOST_RESIZED: usize = 1 << 16;

/// One of the values that are wanted, each as likely as any other.
fn pick<'s>(
    shape: &'s Shape,
    input: &[u8],
    random: &mut Random,
    is_wanted: impl Fn(&Node<'s>) -> bool,
) -> Option<Node<'s>> {
    let mut n_wanted = 0;
    walk(shape, input, 0, &mut |node| n_wanted += usize::from(is_wanted(&node)));
    if n_wanted == 0 {
        return None;
    }
    let (mut left, mut picked) = (random.index(n_wanted), None);
    walk(shape, input, 0, &mut |node| {
        if picked.is_none() && is_wanted(&node) {
            match left.checked_sub(1) {
                Some(fewer) => left = fewer,
                None => picked = Some(node),
            }
        }
    });
    picked
}

/// Makes one mutation; false if it found nothing to do.
pub(super) fn apply(
    mutator: Mutator,
    shape: &Shape,
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    if area.is_empty() {
        let mut input = Vec::new();
        put_simplest(shape, &mut input);
        return !input.is_empty() && edit::replace(area, 0, 0, &input, Room(context.limit));
    }
    let input = area.as_slice();
    match mutator {
        Mutator::Change => pick(shape, input, random, Node::is_leaf)
            .is_some_and(|node| change(node, area, random, context)),
        Mutator::Clear => pick(shape, input, random, |_| true).is_some_and(|node| {
            let mut value = Vec::new();
            put_simplest(node.shape, &mut value);
            put(node, &value, area, context)
        }),
        Mutator::CopyOver => {
            let Some(from) = pick(shape, input, random, |_| true) else { return false };
            let is_other = |node: &Node<'_>| node.shape == from.shape && node.start != from.start;
            let Some(to) = pick(shape, input, random, is_other) else { return false };
            let value = input[from.start..from.end].to_vec();
            put(to, &value, area, context)
        }
        Mutator::Splice => {
            let Some(from) = pick(shape, context.donor, random, |_| true) else { return false };
            let is_alike = |node: &Node<'_>| node.shape == from.shape;
            let Some(to) = pick(shape, input, random, is_alike) else { return false };
            put(to, &context.donor[from.start..from.end], area, context)
        }
        Mutator::Token => {
            let Some(token) = context.dictionary.pick(InputKind::Bytes, random) else {
                return false;
            };
            let Some(node) = pick(shape, input, random, Node::is_leaf) else { return false };
            // Over several values, such as the bytes of an array, or over a part of one.
            if !node.is_run() && random.one_in(2) {
                let step = token.len().next_power_of_two().min(8);
                let at = node.start + step * random.index(node.len().div_ceil(step));
                let is_new = input.get(at..at + token.len()).is_some_and(|old| old != token);
                let room = Room(context.limit);
                return is_new && replace(area, shape, (at, token.len()), token, room);
            }
            put_token(node, token, area, random, context)
        }
        Mutator::Choose => pick(shape, input, random, Node::is_choice)
            .is_some_and(|node| choose(node, area, random, context)),
        Mutator::Insert | Mutator::Remove | Mutator::Duplicate | Mutator::Swap => {
            pick(shape, input, random, Node::is_list)
                .is_some_and(|node| rearrange(mutator, node, area, random, context))
        }
    }
}

/// Puts a value in the place of another one; false if it is the same, or there is no room.
fn put(node: Node<'_>, value: &[u8], area: &mut Area<'_>, context: &Context<'_>) -> bool {
    let is_new = area.as_slice()[node.start..node.end] != *value;
    is_new && edit::replace(area, node.start, node.len(), value, Room(context.limit))
}

/// Changes a value that is not made of others.
fn change(node: Node<'_>, area: &mut Area<'_>, random: &mut Random, context: &Context<'_>) -> bool {
    let mut value = area.as_slice()[node.start..node.end].to_vec();
    match node.shape {
        Shape::Bool => value[0] = u8::from(value[0] & 1 == 0),
        Shape::Char => {
            let mut old = [0; 4];
            old.copy_from_slice(&value);
            let new = match random.one_in(2) {
                true => text::random_char(random),
                false => near(u32::from_le_bytes(old), random),
            };
            value = u32::from(new).to_le_bytes().to_vec();
        }
        Shape::Unsigned(_) | Shape::Signed(_) => change_number(&mut value, random),
        Shape::Float(width) => change_float(*width, &mut value, random),
        Shape::Bytes | Shape::Text => return change_run(node, area, random, context),
        Shape::Json => {
            let new = json::change(&value[COUNT..], random);
            return new.is_some_and(|new| put_run(node, &new, area, Room(context.limit)));
        }
        Shape::Duration => {
            let part = if random.one_in(2) { &mut value[..8] } else { &mut value[8..] };
            change_number(part, random);
            let nanos = u32::from_le_bytes([value[8], value[9], value[10], value[11]]);
            value[8..].copy_from_slice(&(nanos % 1_000_000_000).to_le_bytes());
        }
        Shape::Ipv4 => change_address(&mut value, random),
        Shape::Ipv6 => change_address(&mut value, random),
        Shape::Ip => change_address(&mut value[1..], random),
        _ => return false,
    }
    put(node, &value, area, context)
}

/// A character whose number is near.
fn near(number: u32, random: &mut Random) -> char {
    let step = random.below(17);
    let number = number.wrapping_add(step).wrapping_sub(8);
    char::from_u32(number).unwrap_or('a')
}

/// Numbers that programs treat specially, beside powers of two.
const INTERESTING: [i64; 12] =
    [0, 1, -1, 10, 100, 1000, 4096, 1_000_000, 10_000_000, 1_000_000_000, -2, 3];

/// Changes an integer, little-endian, of up to 16 bytes.
fn change_number(value: &mut [u8], random: &mut Random) {
    let n_bits = 8 * value.len() as u32;
    let mut wide = [0; 16];
    wide[..value.len()].copy_from_slice(value);
    let old = u128::from_le_bytes(wide);
    let step = u128::from(random.below(35) + 1);
    let new = match random.below(10) {
        0 | 1 => old ^ (1 << random.below(n_bits)),
        2 | 3 => old.wrapping_add(step),
        4 | 5 => old.wrapping_sub(step),
        // As programs treat specially: powers of two, and those beside them.
        6 => {
            let power = 1_u128 << random.below(n_bits);
            power.wrapping_add(u128::from(random.below(3))).wrapping_sub(1)
        }
        7 => INTERESTING[random.index(INTERESTING.len())] as u128,
        8 => (u128::from(random.bits()) << 64) | u128::from(random.bits()),
        _ => !old,
    };
    value.copy_from_slice(&new.to_le_bytes()[..value.len()]);
}

/// Numbers that programs with floats treat specially.
const FLOATS: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    10.0,
    100.0,
    1e-7,
    1e16,
    f64::EPSILON,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

fn change_float(width: usize, value: &mut [u8], random: &mut Random) {
    let mut bits = [0; 8];
    bits[..width].copy_from_slice(value);
    let bits = u64::from_le_bytes(bits);
    let old = match width {
        4 => f32::from_bits(bits as u32).into(),
        _ => f64::from_bits(bits),
    };
    let new = match random.below(8) {
        0 => FLOATS[random.index(FLOATS.len())],
        1 => -old,
        2 => old * 2.0,
        3 => old / 2.0,
        4 => old.trunc() + f64::from(random.below(33)) - 16.0,
        // An integer, small or not.
        5 => {
            let n_bits = random.below(31);
            f64::from(random.below(1 << n_bits))
        }
        // Other digits of about the same number, or another exponent.
        6 => return change_number(value, random),
        _ => old + f64::from(random.below(21)) / 10.0 - 1.0,
    };
    match width {
        4 => value.copy_from_slice(&(new as f32).to_le_bytes()),
        _ => value.copy_from_slice(&new.to_le_bytes()),
    }
}

fn change_address(value: &mut [u8], random: &mut Random) {
    match random.below(4) {
        0 => value.fill(0),
        1 => value.fill(0xff),
        2 => {
            // The machine itself.
            let net = if value.len() == 4 { 127 } else { 0 };
            value.fill(0);
            if let [first, .., last] = value {
                (*first, *last) = (net, 1);
            }
        }
        _ => {
            let at = random.index(value.len());
            value[at] = random.byte();
        }
    }
}

/// Changes bytes or text as fuzz tests of bytes and text are changed, in a copy.
fn change_run(
    node: Node<'_>,
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    let room = Room(context.limit).left(area).min(1 << 16);
    let mut copy = area.as_slice()[node.start + COUNT..node.end].to_vec();
    let (len, limit) = (copy.len(), copy.len() + room);
    copy.resize(limit, 0);
    let kind = if *node.shape == Shape::Text { InputKind::Text } else { InputKind::Bytes };
    let mut run = Area::over(&mut copy, len);
    let context = Context { kind, limit, donor: &[], edits: &[], shape: None, ..*context };
    let has_changed = match kind {
        InputKind::Bytes if run.is_empty() => {
            bytes::apply(bytes::inserting(random), &mut run, random, &context)
        }
        InputKind::Bytes => {
            let mutator = bytes::MUTATORS[random.index(bytes::MUTATORS.len())];
            bytes::apply(mutator, &mut run, random, &context)
        }
        InputKind::Text => {
            let mutator = text::MUTATORS[random.index(text::MUTATORS.len())];
            text::apply(mutator, &mut run, random, &context)
        }
    };
    let new = run.as_slice().to_vec();
    has_changed && put_run(node, &new, area, Room(context.limit.saturating_add(area.len())))
}

/// Puts bytes or text, with its count, in the place of another.
fn put_run(node: Node<'_>, new: &[u8], area: &mut Area<'_>, room: Room) -> bool {
    let start = node.start + COUNT;
    let is_put = edit::replace(area, start, node.end - start, new, room);
    if is_put {
        set_count(area, node.start, new.len());
    }
    is_put
}

fn set_count(area: &mut Area<'_>, at: usize, n: usize) {
    area.write(at, &(n as u32).to_le_bytes());
}

/// Puts a constant of the code or a token where it may be a value.
fn put_token(
    node: Node<'_>,
    token: &[u8],
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    match node.shape {
        Shape::Text if std::str::from_utf8(token).is_err() => false,
        Shape::Bytes | Shape::Text => {
            let old = &area.as_slice()[node.start + COUNT..node.end];
            let at = match node.shape {
                Shape::Text => edit::boundary_before(old, random.index(old.len() + 1)),
                _ => random.index(old.len() + 1),
            };
            let new = match random.below(3) {
                0 => token.to_vec(),
                _ => [&old[..at], token, &old[at..]].concat(),
            };
            put_run(node, &new, area, Room(context.limit))
        }
        Shape::Unsigned(width) | Shape::Signed(width) | Shape::Float(width)
            if token.len() <= 16 =>
        {
            let mut value = [0; 16];
            value[..token.len()].copy_from_slice(token);
            put(node, &value[..*width], area, context)
        }
        _ => whole_token(node.shape, token, random)
            .is_some_and(|value| put(node, &value, area, context)),
    }
}

/// The value that a token stands for, where that is more than its bytes: of an address the version,
/// too, and of a time the seconds, if it is a number of some unit.
fn whole_token(shape: &Shape, token: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let number = || {
        let mut wide = [0; 8];
        wide.get_mut(..token.len())?.copy_from_slice(token);
        Some(u64::from_le_bytes(wide))
    };
    match (shape, token.len()) {
        (Shape::Ipv4, 4) | (Shape::Ipv6, 16) => Some(token.to_vec()),
        (Shape::Ip, 4) => Some([&[0], token].concat()),
        (Shape::Ip, 16) => Some([&[1], token].concat()),
        (Shape::Char, 1..=4) => {
            let number = u32::try_from(number()?).ok()?;
            char::from_u32(number).map(|char| u32::from(char).to_le_bytes().to_vec())
        }
        (Shape::Duration, 1..=8) => {
            let n_of_second = [1, 1_000, 1_000_000, 1_000_000_000][random.index(4)];
            Some(time(number()?, n_of_second))
        }
        _ => None,
    }
}

/// A time as a number of units, of which a second has so many.
fn time(n: u64, n_of_second: u64) -> Vec<u8> {
    let nanos = (n % n_of_second * (1_000_000_000 / n_of_second)) as u32;
    [&(n / n_of_second).to_le_bytes()[..], &nanos.to_le_bytes()].concat()
}

/// Takes the other choice, with a value of its own.
fn choose(node: Node<'_>, area: &mut Area<'_>, random: &mut Random, context: &Context<'_>) -> bool {
    if let Shape::Named(named) = node.shape {
        return choose_variant(node, named, area, random, context);
    }
    let is_set = area.get(node.start) & 1 == 1;
    let mut value = vec![u8::from(!is_set)];
    match node.shape {
        Shape::Option(of) if !is_set => random_value(of, random, &mut value, 0),
        Shape::Result(ok, err) => {
            random_value(if is_set { ok } else { err }, random, &mut value, 0);
        }
        Shape::Ip => {
            let n = if is_set { 4 } else { 16 };
            value.extend((0..n).map(|_| random.byte()));
        }
        _ => {}
    }
    put(node, &value, area, context)
}

/// Makes it another variant, of a random value.
fn choose_variant(
    node: Node<'_>,
    named: &Named,
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    let Body::Enum(variants) = named.body() else { return false };
    let (old, _) = variant_at(named, area.as_slice(), node.start, node.depth);
    let step = 1 + random.index(variants.len().saturating_sub(1).max(1));
    let new = (old + step) % variants.len().max(1);
    let mut value = Vec::new();
    put_variant(named, new, random, &mut value, 0);
    put(node, &value, area, context)
}

/// Changes which elements a list has, or their order.
fn rearrange(
    mutator: Mutator,
    node: Node<'_>,
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    let input = area.as_slice();
    let starts = elements(node, input);
    let n = starts.len() - 1;
    if n == 0 && mutator != Mutator::Insert {
        return false;
    }
    let first = random.index(n.max(1));
    let some = if n == 0 { 0 } else { random.length((n - first).min(MOST_AT_ONCE)) };
    let run = |from: usize, n: usize| starts[from]..starts[from + n];
    let room = Room(context.limit);
    let (n_after, is_done) = match mutator {
        Mutator::Insert => {
            let mut element = Vec::new();
            match n > 0 && random.one_in(3) {
                true => element.extend_from_slice(&input[run(first, 1)]),
                false => random_element(node.shape, random, &mut element, 0),
            }
            let at = starts[random.index(n + 1)];
            (n + 1, edit::replace(area, at, 0, &element, room))
        }
        Mutator::Remove => {
            let run = run(first, some);
            edit::remove(area, run.start, run.len());
            (n - some, true)
        }
        Mutator::Duplicate => {
            let (run, to) = (run(first, some), starts[random.index(n + 1)]);
            (n + some, edit::duplicate(area, run.start, run.len(), to, room))
        }
        _ => {
            let second = random.index(n);
            let (a, b) = (run(first.min(second), 1), run(first.max(second), 1));
            let parts = [&input[b.clone()], &input[a.end..b.start.max(a.end)], &input[a.clone()]];
            let swapped = parts.concat();
            let is_other = first != second && input[a.start..b.end] != *swapped;
            if is_other {
                area.write(a.start, &swapped);
            }
            (n, is_other)
        }
    };
    if is_done {
        set_count(area, node.start, n_after);
    }
    is_done
}

fn random_element(list: &Shape, random: &mut Random, to: &mut Vec<u8>, nested: usize) {
    match list {
        Shape::List(of) => random_value(of, random, to, nested),
        Shape::Map(key, value) => {
            random_value(key, random, to, nested);
            random_value(value, random, to, nested);
        }
        _ => {}
    }
}

/// How deep random values nest structs and enums in each other.
const MOST_RANDOM: usize = 3;

fn put_variant(
    named: &Named,
    variant: usize,
    random: &mut Random,
    to: &mut Vec<u8>,
    nested: usize,
) {
    named.put_tag(variant, to);
    let fields = &named.fields_of(variant).of;
    fields.iter().for_each(|of| random_value(of, random, to, nested + 1));
}

/// Puts some small value behind what is there.
fn random_value(shape: &Shape, random: &mut Random, to: &mut Vec<u8>, nested: usize) {
    match shape {
        Shape::List(_) | Shape::Map(..) => {
            let n = if nested > MOST_RANDOM { 0 } else { random.below(3) };
            to.extend(n.to_le_bytes());
            (0..n).for_each(|_| random_element(shape, random, to, nested));
        }
        Shape::Array(n, of) => (0..*n).for_each(|_| random_value(of, random, to, nested)),
        Shape::Tuple(of) => of.iter().for_each(|of| random_value(of, random, to, nested)),
        Shape::Option(of) => {
            let is_some = nested <= MOST_RANDOM && random.one_in(2);
            to.push(is_some.into());
            if is_some {
                random_value(of, random, to, nested);
            }
        }
        Shape::Result(ok, err) => {
            let is_err = random.one_in(2);
            to.push(is_err.into());
            random_value(if is_err { err } else { ok }, random, to, nested);
        }
        Shape::Named(named) => {
            let variant = match named.body() {
                Body::Enum(variants) if nested <= MOST_RANDOM && !variants.is_empty() => {
                    random.index(variants.len())
                }
                _ => named.simplest(),
            };
            put_variant(named, variant, random, to, nested);
        }
        leaf => random_leaf(leaf, random, to),
    }
}

/// The same of what is not made of others.
fn random_leaf(shape: &Shape, random: &mut Random, to: &mut Vec<u8>) {
    match shape {
        Shape::Bool => to.push(random.below(2) as u8),
        Shape::Char => to.extend(u32::from(text::random_char(random)).to_le_bytes()),
        Shape::Unsigned(width) | Shape::Signed(width) => {
            let start = to.len();
            to.resize(start + width, 0);
            match random.one_in(2) {
                true => to[start] = random.below(17) as u8,
                false => change_number(&mut to[start..], random),
            }
        }
        Shape::Float(width) => {
            let start = to.len();
            to.resize(start + width, 0);
            change_float(*width, &mut to[start..], random);
        }
        Shape::Bytes | Shape::Text => {
            let n = random.below(9);
            to.extend(n.to_le_bytes());
            to.extend((0..n).map(|_| match shape {
                Shape::Text => b' ' + random.below(95) as u8,
                _ => random.byte(),
            }));
        }
        Shape::Duration => {
            to.extend(u64::from(random.below(100)).to_le_bytes());
            to.extend(random.below(1_000_000_000).to_le_bytes());
        }
        Shape::Ip => {
            to.push(0);
            to.extend((0..4).map(|_| random.byte()));
        }
        Shape::Ipv4 => to.extend((0..4).map(|_| random.byte())),
        Shape::Ipv6 => to.extend((0..16).map(|_| random.byte())),
        simple => put_simplest(simple, to),
    }
}

/// Makes an edit that a comparison suggests, where it does not tear a value: numbers are
/// overwritten, bytes and text replaced together with their count, and a count that is overwritten
/// makes its list as long. -> whether it changed anything.
pub(in crate::worker) fn replace(
    area: &mut Area<'_>,
    shape: &Shape,
    (at, removed): (usize, usize),
    new: &[u8],
    room: Room,
) -> bool {
    let end = at + removed;
    let (mut leaves, mut run, mut counted) = (0, None, None);
    walk(shape, area.as_slice(), 0, &mut |node| {
        let has_count = node.is_list() || matches!(node.shape, Shape::Bytes | Shape::Text);
        if has_count && node.start == at {
            counted = Some(node);
        }
        if node.is_run() {
            if at >= node.start + COUNT && end <= node.end {
                run = Some(node);
            }
        } else if node.is_leaf() && *node.shape != Shape::Bool {
            // Which version of an address it is stands before it.
            let start = node.start + usize::from(*node.shape == Shape::Ip);
            leaves += end.min(node.end).saturating_sub(at.max(start));
        }
    });
    match (run, counted) {
        (Some(node), _) => {
            let is_done = edit::replace(area, at, removed, new, room);
            if is_done {
                let n = node.len() - COUNT + new.len() - removed;
                set_count(area, node.start, n);
            }
            is_done
        }
        (None, Some(node)) if removed >= COUNT && new.len() >= COUNT => {
            let n = u32::from_le_bytes([new[0], new[1], new[2], new[3]]) as usize;
            resize(area, node, n, room)
        }
        _ if leaves == removed && new.len() == removed => {
            area.write(at, new);
            true
        }
        _ => false,
    }
}

/// Makes some list, bytes or text as long as a comparison suggests.
pub(in crate::worker) fn resize_some(
    area: &mut Area<'_>,
    shape: &Shape,
    random: &mut Random,
    n: usize,
    room: Room,
) -> bool {
    let has_count =
        |node: &Node<'_>| node.is_list() || matches!(node.shape, Shape::Bytes | Shape::Text);
    pick(shape, area.as_slice(), random, has_count).is_some_and(|node| resize(area, node, n, room))
}

fn resize(area: &mut Area<'_>, node: Node<'_>, n: usize, room: Room) -> bool {
    let input = area.as_slice();
    let start = node.start + COUNT;
    if n > MOST_RESIZED {
        return false;
    }
    let (old, new) = match node.shape {
        Shape::Bytes | Shape::Text => {
            let mut run = input[start..node.end].to_vec();
            let old = run.len();
            // Text that is torn is read as what it is without the torn character's start.
            run.resize(n, b'a');
            (old, run)
        }
        _ => {
            let starts = elements(node, input);
            let old = starts.len() - 1;
            let mut list = input[start..starts[old.min(n)]].to_vec();
            let mut element = Vec::new();
            match old {
                0 => random_element(node.shape, &mut Random::from_state(0, 1), &mut element, 0),
                _ => element.extend_from_slice(&input[starts[old - 1]..starts[old]]),
            }
            (old..n).for_each(|_| list.extend_from_slice(&element));
            (old, list)
        }
    };
    let is_done = old != n && edit::replace(area, start, node.end - start, &new, room);
    if is_done {
        set_count(area, node.start, n);
    }
    is_done
}

#[cfg(test)]
mod tests {
    use super::super::{Own, favour};
    use super::*;
    use crate::value::{Reader, Value};
    use crate::worker::dictionary::Dictionary;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::net::IpAddr;
    use std::time::Duration;

    type All = (
        (u8, i16, u32, i64, u128, bool, char),
        (f32, f64, String, Vec<u8>, Duration, IpAddr),
        (Vec<(u16, String)>, Vec<Vec<u8>>, [u32; 3], Option<Vec<i8>>),
        Result<String, Option<u64>>,
    );

    fn input_of<T: Value>(value: &T) -> Vec<u8> {
        let mut input = Vec::new();
        value.put(&mut input);
        input
    }

    fn value_of<T: Value>(input: &[u8]) -> T {
        T::take(&mut Reader::new(input))
    }

    fn context<'a>(
        shape: &'a Shape,
        donor: &'a [u8],
        dictionary: &'a Dictionary,
        choices: &'a [u8; favour::N_CHOICES],
    ) -> Context<'a> {
        let (kind, limit) = (InputKind::Bytes, 400);
        Context {
            kind,
            shape: Some(shape),
            own: Own::default(),
            limit,
            donor,
            dictionary,
            edits: &[],
            choices,
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_the_shortest_input_of_its_values(bytes: Vec<u8>, other: Vec<u8>, seed: u64) {
            let mut random = Random::from_state(seed, 1);
            let shape = Shape::of(All::TREE);
            let start = input_of(&value_of::<All>(&bytes[..bytes.len().min(300)]));
            let donor = input_of(&value_of::<All>(&other));
            let mut dictionary = Dictionary::default();
            for token in [&b"\x07\0\0\0"[..], b"token", b"\xff"] {
                dictionary.add(token);
            }
            let choices = favour::even(MUTATORS.len());
            let context = context(&shape, &donor, &dictionary, &choices);
            let mut buffer = vec![0; 1000];
            let mut area = Area::over(&mut buffer, 0);
            area.assign(&start);
            for _ in 0..100 {
                let before = area.as_slice().to_vec();
                let mutator = MUTATORS[random.index(MUTATORS.len())];
                let changed = apply(mutator, &shape, &mut area, &mut random, &context);
                let after = area.as_slice();
                let is_text = |text: &str| !text.contains('\u{fffd}');
                let value = value_of::<All>(after);
                if mutator == Mutator::Token {
                    let canonical = input_of(&value);
                    area.assign(&canonical);
                    continue;
                }
                // Of text, not all that bytes can be is looked at again.
                if is_text(&value.1.2) {
                    prop_assert_eq!(input_of(&value), after, "{:?} of {:?}", mutator, before);
                }
                prop_assert!(after.len() <= context.limit.max(before.len()), "{:?}", mutator);
                prop_assert!(changed || before == after, "{:?}: {:?}", mutator, before);
            }
        }
    }

    #[test]
    fn every_kind_of_value_is_changed() {
        let shape = Shape::of(All::TREE);
        let value = some_value();
        let start = input_of(&value);
        let dictionary = Dictionary::default();
        let choices = favour::even(MUTATORS.len());
        let context = context(&shape, &start, &dictionary, &choices);
        let mut random = Random::from_state(1, 1);
        let mut changed = BTreeSet::new();
        for _ in 0..5000 {
            let mut buffer = vec![0; 1000];
            let mut area = Area::over(&mut buffer, 0);
            area.assign(&start);
            apply(MUTATORS[random.index(MUTATORS.len())], &shape, &mut area, &mut random, &context);
            let after = value_of::<All>(area.as_slice());
            let differ = [
                after.0.0 != value.0.0,
                after.0.1 != value.0.1,
                after.0.4 != value.0.4,
                after.0.5 != value.0.5,
                after.0.6 != value.0.6,
                after.1.0.to_bits() != value.1.0.to_bits(),
                after.1.1.to_bits() != value.1.1.to_bits(),
                after.1.2 != value.1.2,
                after.1.3 != value.1.3,
                after.1.4 != value.1.4,
                after.1.5 != value.1.5,
                after.2.0.len() > value.2.0.len(),
                after.2.0.len() < value.2.0.len(),
                after.2.1 != value.2.1,
                after.2.2 != value.2.2,
                after.2.3 != value.2.3,
                after.3 != value.3,
            ];
            changed.extend((0..).zip(differ).filter(|(_, is)| *is).map(|(i, _): (usize, _)| i));
        }
        assert_eq!(changed.len(), 17, "{changed:?}");
    }

    fn some_value() -> All {
        (
            (1, 2, 3, 4, 5, true, 'a'),
            (1.5, 2.5, "text".to_owned(), vec![1, 2], Duration::new(1, 2), [127, 0, 0, 1].into()),
            (vec![(1, "a".to_owned()), (2, String::new())], vec![vec![1]], [1, 2, 3], None),
            Ok("ok".to_owned()),
        )
    }

    #[test]
    fn suggested_edits_keep_counts_right() {
        type Three = (u32, String, Vec<u16>);
        let shape = Shape::of(Three::TREE);
        let value: Three = (7, "abc".to_owned(), vec![1, 2]);
        let input = input_of(&value);
        let check = |at: usize, removed: usize, new: &[u8], expected: Option<Three>| {
            let mut buffer = vec![0; 200];
            let mut area = Area::over(&mut buffer, 0);
            area.assign(&input);
            let done = replace(&mut area, &shape, (at, removed), new, Room(200));
            let made = done.then(|| value_of::<Three>(area.as_slice()));
            assert_eq!(made.as_ref(), expected.as_ref(), "{at} {removed} {new:?}");
            assert!(made.is_none_or(|made| input_of(&made) == area.as_slice()));
        };
        let text = |text: &str| (7, text.to_owned(), vec![1, 2]);
        check(0, 4, &[1, 2, 3, 4], Some((0x0403_0201, "abc".to_owned(), vec![1, 2])));
        check(9, 1, b"XYZ", Some(text("aXYZc")));
        check(8, 3, b"", Some(text("")));
        // The count of the text, and of the list.
        check(4, 4, &5_u32.to_le_bytes(), Some(text("abcaa")));
        check(11, 4, &4_u32.to_le_bytes(), Some((7, "abc".to_owned(), vec![1, 2, 2, 2])));
        check(11, 4, &1_u32.to_le_bytes(), Some((7, "abc".to_owned(), vec![1])));
        // Two elements at once; a number and a count; more than a number.
        check(15, 4, &[9, 0, 8, 0], Some((7, "abc".to_owned(), vec![9, 8])));
        check(2, 4, &[1; 4], None);
        check(0, 4, &[1; 5], None);
    }
}
