//! A run of bytes that another process can see, with a safe face.
//!
//! Invariant: `ptr` is valid for reads and writes of `capacity` bytes for the lifetime `'t`, and
//! whoever made the area has the right to write there (a turn, or an exclusive borrow). Bytes are
//! reached through raw pointers only: no `&mut [u8]` over shared memory ever exists. Every offset
//! is checked.

use std::marker::PhantomData;
use std::ptr;

/// Bytes in place: the input area during a turn, or any exclusively borrowed buffer.
#[derive(Debug)]
pub struct Area<'t> {
    ptr: *mut u8,
    len: usize,
    capacity: usize,
    borrow: PhantomData<&'t mut [u8]>,
}

impl<'t> Area<'t> {
    /// The area over a buffer, of which `len` bytes are valid.
    ///
    /// # Panics
    /// If `len` is more than the buffer's length.
    pub fn over(buffer: &'t mut [u8], len: usize) -> Self {
        assert!(len <= buffer.len(), "{len} bytes of {}", buffer.len());
        Self { ptr: buffer.as_mut_ptr(), len, capacity: buffer.len(), borrow: PhantomData }
    }

    /// The area at `ptr`.
    ///
    /// # Safety
    /// `ptr` must be valid for reads and writes of `capacity` bytes during `'t`, nobody else may
    /// access them during `'t`, and `len <= capacity`.
    pub(crate) unsafe fn from_raw(ptr: *mut u8, len: usize, capacity: usize) -> Self {
        debug_assert!(len <= capacity, "{len} bytes of {capacity}");
        Self { ptr, len, capacity, borrow: PhantomData }
    }

    /// Valid bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte is valid.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that may become valid without growing the mapping.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes the first `len` bytes valid, whatever they hold.
    ///
    /// # Panics
    /// If `len` is more than the capacity.
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity, "length {len} over the capacity {}", self.capacity);
        self.len = len;
    }

    fn check(&self, at: usize, n: usize) {
        let end = at.checked_add(n);
        assert!(end.is_some_and(|end| end <= self.len), "{n} bytes at {at} of {}", self.len);
    }

    /// The byte at `at`.
    ///
    /// # Panics
    /// If `at` is not below the length; so do all methods that take an offset.
    pub fn get(&self, at: usize) -> u8 {
        self.check(at, 1);
        // SAFETY: `at < len <= capacity`, and the area may be read.
        let byte = unsafe { self.ptr.add(at) };
        // SAFETY: as above; a byte is always initialised in a mapping or slice.
        unsafe { byte.read() }
    }

    /// Overwrites the byte at `at`.
    pub fn set(&mut self, at: usize, byte: u8) {
        self.check(at, 1);
        // SAFETY: `at < len <= capacity`.
        let place = unsafe { self.ptr.add(at) };
        // SAFETY: the area may be written during `'t`.
        unsafe { place.write(byte) }
    }

    /// The `N` bytes at `at`.
    pub fn read<const N: usize>(&self, at: usize) -> [u8; N] {
        self.check(at, N);
        // SAFETY: `at + N <= len <= capacity`.
        let place = unsafe { self.ptr.add(at) };
        // SAFETY: an array of bytes has alignment 1, and the bytes are initialised.
        unsafe { place.cast::<[u8; N]>().read() }
    }

    /// Overwrites the bytes from `at` on.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.check(at, bytes.len());
        // SAFETY: `at <= len <= capacity`.
        let place = unsafe { self.ptr.add(at) };
        // SAFETY: the destination was checked; `bytes` cannot overlap it, since no reference to
        // the area's bytes exists while `self` is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) }
    }

    /// Overwrites `n` bytes from `at` on with one.
    pub fn fill(&mut self, at: usize, n: usize, byte: u8) {
        self.check(at, n);
        // SAFETY: `at <= len <= capacity`.
        let place = unsafe { self.ptr.add(at) };
        // SAFETY: the destination was checked, and may be written during `'t`.
        unsafe { place.write_bytes(byte, n) }
    }

    /// Moves `n` bytes from `from` to `to`; they may overlap.
    pub fn copy_within(&mut self, from: usize, to: usize, n: usize) {
        self.check(from, n);
        self.check(to, n);
        // SAFETY: `from + n <= len <= capacity`.
        let source = unsafe { self.ptr.add(from) };
        // SAFETY: `to + n <= len <= capacity`.
        let place = unsafe { self.ptr.add(to) };
        // SAFETY: both runs were checked, and `copy` allows overlap.
        unsafe { ptr::copy(source, place, n) }
    }

    /// Replaces everything by `bytes`.
    ///
    /// # Panics
    /// If they are more than the capacity.
    pub fn assign(&mut self, bytes: &[u8]) {
        self.set_len(bytes.len());
        self.write(0, bytes);
    }

    /// The valid bytes. The borrow ends before the next change.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `len <= capacity` bytes are initialised, and nobody writes during `'t` but
        // through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_move_as_in_a_slice() {
        let mut buffer = *b"abcdefgh";
        let mut area = Area::over(&mut buffer, 6);
        area.copy_within(0, 2, 4);
        assert_eq!(area.as_slice(), b"ababcd");
        area.set_len(8);
        area.write(6, b"yz");
        assert_eq!(area.read::<2>(6), *b"yz");
        area.set(0, b'!');
        assert_eq!(area.as_slice(), b"!babcdyz");
        area.fill(2, 3, b'-');
        assert_eq!(area.as_slice(), b"!b---dyz");
        area.assign(b"new");
        assert_eq!((area.as_slice(), area.get(2)), (&b"new"[..], b'w'));
    }

    proptest! {
        #[test]
        fn no_offset_reaches_outside(at in prop_oneof![0usize..20, any::<usize>()], n in 0usize..20, len in 0usize..8) {
            let mut buffer = [7u8; 8];
            let inside = at.checked_add(n).is_some_and(|end| end <= len);
            let reached = std::panic::catch_unwind(move || {
                let mut area = Area::over(&mut buffer, len);
                area.write(at, &vec![1; n]);
            });
            prop_assert_eq!(reached.is_ok(), inside);
        }
    }
}
