//! A machine without browsers and Python: the runner says of each peer what is missing and the line that installs it.

use std::process::Command;

#[test]
fn each_missing_peer_is_skipped_with_the_line_that_installs_it() {
    let folder = std::env::temp_dir().join(format!("peerage-no-peers-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_peerage-interop"))
        .args(["-p", "chromium,firefox,aiortc,libwebrtc", "-c", "connect", "-r", "offerer"])
        .args(["--trickle", "on", "-o"])
        .arg(&folder)
        .env("PATH", "/nonexistent")
        .env_remove("PEERAGE_GECKODRIVER")
        .env("PEERAGE_PYTHON", "/nonexistent/python3")
        .output()
        .expect("the runner starts");
    let _ = std::fs::remove_dir_all(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "chromedriver not found; install: sudo apt-get install -y chromium chromium-driver",
        "geckodriver not found; install: cargo install geckodriver --locked",
        "install: python3 -m pip install aiortc (and set PEERAGE_PYTHON)",
        "install: python3 -m pip install wrtc==0.1.0 (and set PEERAGE_PYTHON)",
        "0 passed, 0 failed, 4 skipped",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}
