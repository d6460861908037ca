//! Links this package's programs as kernels, and tells the build scripts of others how to.
//!
//! What makes a kernel of a program is said here only. A package elsewhere that depends on gopark finds the same link
//! arguments, separated by tabs, in `DEP_GOPARK_LINK_ARGS`, so its own build script is
//!
//! ```ignore
//! fn main() {
//!     for arg in std::env::var("DEP_GOPARK_LINK_ARGS").expect("it depends on gopark").split('\t') {
//!         println!("cargo::rustc-link-arg-bins={arg}");
//!     }
//! }
//! ```
//!
//! They are for kernels alone: host tests and the programs that boot kernels are linked as always.
//!
//! Checked here, since a kernel without them fails late and strangely: the compiler flags. A `RUSTFLAGS` in the
//! environment replaces those of every configuration file, and outside this repository there may be none.

use std::env;

/// Code generation options that a kernel needs, and what happens without them.
const NEEDED: [(&str, &str); 2] = [
    ("no-redzone", "interrupts would write over what functions keep below their stack pointer"),
    ("force-frame-pointers", "there would be no backtraces"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=link.ld");
    check_target();
    check_flags(&env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default());
    let args = link_args();
    for arg in &args {
        println!("cargo::rustc-link-arg-bins={arg}");
        println!("cargo::rustc-link-arg-examples={arg}");
    }
    println!("cargo::metadata=LINK_ARGS={}", args.join("\t"));
}

/// Nothing of the C library; fixed addresses; `link.ld` lays the image out. Build ids, an index for an unwinder that is
/// not there, and executable stacks would only add to it.
fn link_args() -> Vec<String> {
    let dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let plain = ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,--no-eh-frame-hdr"];
    let mut args = plain.map(String::from).to_vec();
    args.push("-Wl,--gc-sections,-z,max-page-size=4096,-z,noexecstack".into());
    // Not by -Wl, which would cut a path at its commas.
    args.extend(["-Xlinker".into(), format!("-T{dir}/link.ld")]);
    args
}

fn check_target() {
    let cfg = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if cfg("ARCH") != "x86_64" || cfg("OS") != "linux" {
        println!(
            "cargo::error=gopark is built for the target x86_64-unknown-linux-gnu, not for {}: set `build.target` in \
             .cargo/config.toml (docs/decisions/0001-target.md says why)",
            env::var("TARGET").unwrap_or_default()
        );
    }
}

fn check_flags(encoded: &str) {
    let flags: Vec<&str> = encoded.split('\x1f').collect();
    for (option, without) in NEEDED {
        if !is_on(&flags, option) {
            println!(
                "cargo::error=gopark needs the compiler flag -C{option}=yes, else {without}. Add it to `rustflags` in \
                 .cargo/config.toml, and to RUSTFLAGS if your environment sets that, since it replaces the others"
            );
        }
    }
}

/// Whether the last that is said about a code generation option switches it on. `-Cx=yes` may come in two words.
fn is_on(flags: &[&str], option: &str) -> bool {
    let mut on = false;
    for (i, flag) in flags.iter().enumerate() {
        let said = match *flag {
            "-C" | "--codegen" => flags.get(i + 1).copied().unwrap_or_default(),
            flag => flag.strip_prefix("-C").or_else(|| flag.strip_prefix("--codegen=")).unwrap_or_default(),
        };
        match said.split_once('=').unwrap_or((said, "yes")) {
            (name, value) if name == option => on = matches!(value, "y" | "yes" | "on" | "true" | "always"),
            _ => {}
        }
    }
    on
}
