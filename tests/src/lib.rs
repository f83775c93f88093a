//! Only a place for the end-to-end suite in `e2e/`.
#![forbid(unsafe_code)]
