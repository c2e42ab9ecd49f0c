//! Finds dav1d and compiles the file that hides its structures, which grow from version to version.

fn main() {
    println!("cargo:rerun-if-changed=src/shim.c");
    println!("cargo:rerun-if-changed=src/shim.h");
    #[cfg(feature = "libdav1d")]
    link();
}

#[cfg(feature = "libdav1d")]
fn link() {
    let library = pkg_config::Config::new().atleast_version("1.0.0").probe("dav1d");
    let library = library.unwrap_or_else(|error| {
        panic!("dav1d 1.0 or newer is needed (Debian and Ubuntu: apt-get install libdav1d-dev): {error}")
    });
    cc::Build::new()
        .file("src/shim.c")
        .includes(&library.include_paths)
        .std("c11")
        .compile("peerage_dav1d_shim");
}
