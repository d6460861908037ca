//! Links this package's programs as kernels, and tells others how to.
//!
//! A program elsewhere needs a build script of one line; see `gopark-build` in `build/` of this folder's sibling crates, or the
//! README. What is checked here: the flags without which a kernel is broken in ways that show late.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rerun-if-changed=link.ld");
    for kind in ["bins", "examples"] {
        for arg in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"] {
            println!("cargo:rustc-link-arg-{kind}={arg}");
        }
        println!("cargo:rustc-link-arg-{kind}=-Wl,-T{dir}/link.ld,-z,max-page-size=4096,-z,noexecstack,--gc-sections");
    }
}
