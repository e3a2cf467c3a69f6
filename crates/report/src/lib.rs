//! Results as people and programs read them.
//!
//! | module | what it is |
//! |---|---|
//! | [`results`] | the document: what was predicted, what was measured, the verdict |
//! | [`terminal`] | the same as tables for a terminal |
//! | [`html`] | the same as one page with pictures, for a browser or paper |
//! | [`pictures`] | its pictures as files of their own |
//! | [`junit`] | the verdicts as tests, for build servers |
//! | [`scaling`] | what several numbers of replicas serve, and the laws that this follows |
//! | [`csv`] | the hops of all scenarios as lines, for a spreadsheet |
//!
//! Nothing here runs anything: a report can be made from a stored result as well.

pub mod csv;
mod facts;
mod figure;
mod gain;
mod heartbeats;
pub mod html;
pub mod junit;
pub mod pictures;
mod remedies;
pub mod results;
pub mod scaling;
mod svg;
mod tables;
pub mod terminal;
mod words;

pub use facts::{load as load_per_request, long_run};
pub use gain::{fates_of, gain_caveat, own_caveat, why_no_gain};
pub use results::Results;
pub use words::size as size_in_words;
