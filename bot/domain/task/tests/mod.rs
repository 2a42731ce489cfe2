//! Tests of the machine.

mod ground;
mod stories;
mod walk;
mod whose_words;
mod world;
