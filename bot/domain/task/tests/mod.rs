//! Tests of the machine.

mod approvals;
mod cancels;
mod edits;
mod feedback;
mod files;
mod ground;
mod inquiries;
mod issues;
mod places;
mod put_off;
mod rewriting;
mod steering;
mod stories;
mod times;
mod walk;
mod whose_words;
mod world;
