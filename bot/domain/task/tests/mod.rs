//! Tests of the machine.

mod ground;
mod places;
mod stories;
mod times;
mod walk;
mod whose_words;
mod world;
