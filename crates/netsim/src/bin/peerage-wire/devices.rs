//! The TUN devices: one in each namespace, opened by a thread that enters it, so that the rest of the program stays where
//! it is.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};

use crate::namespaces::{DIRECTORY, ip};

/// Opens a TUN device in a namespace.
pub(crate) fn open_in(namespace: &str, device: &str) -> Result<File> {
    let path = Path::new(DIRECTORY).join(namespace);
    let namespace_file =
        File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let device = device.to_owned();
    let thread = std::thread::spawn(move || -> Result<File> {
        setns(&namespace_file, CloneFlags::CLONE_NEWNET)
            .context("cannot enter the namespace (are you root?)")?;
        let tun = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")
            .context("cannot open /dev/net/tun")?;
        attach(&tun, &device).with_context(|| format!("cannot make the TUN device {device}"))?;
        Ok(tun)
    });
    match thread.join() {
        Ok(result) => result.with_context(|| format!("namespace {namespace}")),
        Err(_) => bail!("the thread that entered namespace {namespace} panicked"),
    }
}

/// Gives the device its addresses, brings it up, and sends all traffic to it that has no other way.
pub(crate) fn configure(
    namespace: &str,
    device: &str,
    mtu: u16,
    own: [&str; 2],
    peer: [&str; 2],
) -> Result<()> {
    let mtu = mtu.to_string();
    ip(&["-n", namespace, "link", "set", device, "mtu", &mtu, "multicast", "on", "up"])?;
    ip(&["-n", namespace, "addr", "add", own[0], "peer", peer[0], "dev", device])?;
    // Duplicate detection would keep the address from being bound for a second.
    let v6 = ip(&["-n", namespace, "addr", "add", own[1], "peer", peer[1], "dev", device, "nodad"]);
    if let Err(error) = v6 {
        eprintln!("no IPv6 in {namespace}: {error:#}");
    }
    for family in ["-4", "-6"] {
        if let Err(error) = ip(&[family, "-n", namespace, "route", "add", "default", "dev", device])
        {
            eprintln!("the default route of {namespace} stays as it was: {error:#}");
        }
    }
    Ok(())
}

/// Makes `tun` the device of this name, with bare IP packets (no packet information in front).
#[allow(unsafe_code)]
fn attach(tun: &File, device: &str) -> io::Result<()> {
    let name = device.as_bytes();
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a device name has 1 to 15 bytes"));
    }
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
        },
    };
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which `request` is: initialised, its name ended by a zero (checked
    // above), exclusively borrowed and alive during the call. `tun` is open, so the descriptor is valid.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
