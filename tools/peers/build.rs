//! Compiles a shim for each library whose headers are there; the others are left out.

use std::process::{Command, Stdio};

/// Name in `cfg`, source of the shim, and name for the linker.
const LIBRARIES: [(&str, &str, &str); 4] = [
    ("samplerate", "shim/samplerate.c", "samplerate"),
    ("soxr", "shim/soxr.c", "soxr"),
    ("speexdsp", "shim/speexdsp.c", "speexdsp"),
    ("zita", "shim/zita.cpp", "zita-resampler"),
];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(peers, values(\"samplerate\", \"soxr\", \"speexdsp\", \"zita\"))");
    for (name, source, library) in LIBRARIES {
        println!("cargo::rerun-if-changed={source}");
        let mut build = cc::Build::new();
        build.cpp(source.ends_with(".cpp")).file(source).opt_level(2).cargo_warnings(false);
        if has_headers(&build, source) && build.try_compile(&format!("peers_{name}")).is_ok() {
            println!("cargo::rustc-link-lib={library}");
            println!("cargo::rustc-cfg=peers=\"{name}\"");
        }
    }
}

/// Whether the preprocessor finds what the shim includes: asked first, because a failed compilation
/// would print its errors.
fn has_headers(build: &cc::Build, source: &str) -> bool {
    let Ok(compiler) = build.try_get_compiler() else { return false };
    let mut command: Command = compiler.to_command();
    command.args(["-E", source]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
