//! Results as people and programs read them.
//!
//! | module | what it is |
//! |---|---|
//! | [`results`] | the document: what was predicted, what was measured, the verdict |
//! | [`terminal`] | the same as tables for a terminal |
//!
//! Nothing here runs anything: a report can be made from a stored result as well.

pub mod results;
pub mod terminal;
mod words;

pub use results::Results;
