//! Links the test kernels as kernels, as any package that depends on gopark does.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for arg in std::env::var("DEP_GOPARK_LINK_ARGS").expect("it depends on gopark").split('\t') {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
