//! Finds libaom and compiles the file that hides its structures, which grow from version to version.

fn main() {
    println!("cargo:rerun-if-changed=src/shim.c");
    println!("cargo:rerun-if-changed=src/shim.h");
    #[cfg(feature = "libaom")]
    link();
}

#[cfg(feature = "libaom")]
fn link() {
    // The first version whose real-time mode has layers with references of one's own, and speeds up to 10.
    let library = pkg_config::Config::new().atleast_version("3.3.0").probe("aom");
    let library = library.unwrap_or_else(|error| {
        panic!(
            "libaom 3.3 or newer is needed (Debian and Ubuntu: apt-get install libaom-dev): {error}"
        )
    });
    cc::Build::new()
        .file("src/shim.c")
        .includes(&library.include_paths)
        .std("c11")
        .compile("peerage_aom_shim");
}
