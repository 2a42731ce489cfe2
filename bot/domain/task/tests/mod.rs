//! Tests of the machine.

mod edits;
mod ground;
mod issues;
mod places;
mod stories;
mod times;
mod walk;
mod whose_words;
mod world;
