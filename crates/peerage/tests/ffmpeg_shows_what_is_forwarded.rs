//! The example `rtp_forward` with a player at its other end: ffprobe decodes what comes of the clip that a peer plays.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../../examples/rtp_forward.rs"]
mod rtp_forward;

/// Pictures that are waited for: a second and a half.
const PICTURES: usize = 22;
const PATIENCE: Duration = Duration::from_secs(60);

fn has_ffprobe() -> bool {
    let mut version = Command::new("ffprobe");
    version.arg("-version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// An even port that is free now, as is the one above it: ffprobe takes that for RTCP (RFC 3550 §11).
fn two_free_ports() -> u16 {
    let bind = |port: u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
    let pair = |_| {
        let socket = bind(0).ok()?;
        let port = socket.local_addr().ok()?.port();
        (port % 2 == 0 && bind(port + 1).is_ok()).then_some(port)
    };
    (0..1_000).find_map(pair).expect("two ports")
}

/// What ffprobe says of the first pictures: the codec, the size, and how many it decoded.
fn probe(description: &Path) -> Command {
    let mut probe = Command::new("ffprobe");
    let pictures = format!("%+#{PICTURES}");
    probe.args(["-v", "error", "-protocol_whitelist", "file,udp,rtp", "-count_frames"]);
    probe.args(["-read_intervals", &pictures, "-of", "csv=p=0"]);
    probe.args(["-show_entries", "stream=codec_name,width,height,nb_read_frames"]);
    probe.arg(description).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    probe
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_come_out_of_the_plain_stream() {
    if !has_ffprobe() {
        println!("skipped: there is no ffprobe");
        return;
    }
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, two_free_ports()));
    let name = format!("peerage_forward_{}.sdp", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, rtp_forward::description(target)).unwrap();
    let child = probe(&path).spawn().unwrap();
    let id = child.id();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let playing = tokio::spawn(rtp_forward::show(target, 30));
    let output = tokio::time::timeout(PATIENCE, output).await;
    playing.abort();
    let _ = std::fs::remove_file(&path);
    let Ok(output) = output else {
        let _ = Command::new("kill").arg(id.to_string()).status();
        panic!("ffprobe saw no {PICTURES} pictures within {PATIENCE:?}");
    };
    let output = output.unwrap().unwrap();
    let (told, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let fields: Vec<&str> = told.trim().split(',').collect();
    let [codec, width, height, pictures] = fields[..] else { panic!("{told:?} {errors:?}") };
    assert_eq!((codec, width, height), ("vp8", "160", "90"), "{errors}");
    let pictures: usize = pictures.parse().unwrap();
    assert!(pictures + 2 >= PICTURES, "{pictures} pictures: {errors}");
}
