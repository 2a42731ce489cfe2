//! Makes a change of the migrations a change of the program.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
