//! Tests of the machine.

mod ground;
mod stories;
mod times;
mod walk;
mod whose_words;
mod world;
