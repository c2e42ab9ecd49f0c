//! Notices that interfaces or their addresses came or went: by netlink on Linux, elsewhere by looking once in a while. What
//! is there now is for the driver to ask ([`crate::interfaces`]).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Without netlink. Listing interfaces takes tens of microseconds.
const LOOK: Duration = Duration::from_secs(1);
/// Changes come in bursts: an interface that comes up tells of its state, then of each address.
const SETTLE: Duration = Duration::from_millis(20);

/// See the module. It begins with the first poll.
#[derive(Debug)]
pub(super) struct Watch {
    source: Option<Source>,
    settled: Option<Pin<Box<Sleep>>>,
    enabled: bool,
}

#[derive(Debug)]
enum Source {
    #[cfg(target_os = "linux")]
    Netlink(netlink::Changes),
    Look(Pin<Box<Sleep>>),
}

impl Watch {
    pub(super) fn new(enabled: bool) -> Self {
        Self { source: None, settled: None, enabled }
    }

    /// Ready when it is time to list the interfaces.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.enabled {
            return Poll::Pending;
        }
        let look = || Source::Look(Box::pin(sleep_until(Instant::now() + LOOK)));
        let source = self.source.get_or_insert_with(|| {
            #[cfg(target_os = "linux")]
            match netlink::Changes::new() {
                Ok(changes) => return Source::Netlink(changes),
                Err(error) => tracing::debug!(%error, "no netlink: interfaces are looked at"),
            }
            look()
        });
        match source {
            #[cfg(target_os = "linux")]
            Source::Netlink(changes) => match changes.poll(cx) {
                Poll::Ready(Ok(())) if self.settled.is_none() => {
                    self.settled = Some(Box::pin(sleep_until(Instant::now() + SETTLE)));
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "netlink ended: interfaces are looked at");
                    *source = look();
                    cx.waker().wake_by_ref();
                }
                _ => {}
            },
            Source::Look(sleep) => {
                if sleep.as_mut().poll(cx).is_ready() {
                    *source = look();
                    cx.waker().wake_by_ref();
                    return Poll::Ready(());
                }
            }
        }
        std::task::ready!(self.settled.as_mut().map_or(Poll::Pending, |at| at.as_mut().poll(cx)));
        self.settled = None;
        Poll::Ready(())
    }
}

#[cfg(target_os = "linux")]
mod netlink {
    use std::io;
    use std::os::fd::AsRawFd;
    use std::task::{Context, Poll};

    use nix::sys::socket::{
        AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
    };
    use tokio::io::ReadBuf;
    use tokio::net::UdpSocket;

    /// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR of rtnetlink(7).
    const GROUPS: u32 = 0x1 | 0x10 | 0x100;
    const NO_BUFFERS: i32 = nix::errno::Errno::ENOBUFS as i32;

    /// The runtime's name for a socket of datagrams, whichever family it is of.
    #[derive(Debug)]
    pub(super) struct Changes(UdpSocket);

    impl Changes {
        pub(super) fn new() -> io::Result<Self> {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let route = SockProtocol::NetlinkRoute;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, route)?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
            Ok(Self(UdpSocket::from_std(socket.into())?))
        }

        /// Ready when there was any; all that wait are taken, and what they say is not looked at.
        pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let mut any = false;
            let mut buffer = [0; 4096];
            loop {
                // What does not fit is cut off.
                match self.0.poll_recv(cx, &mut ReadBuf::new(&mut buffer)) {
                    Poll::Ready(Ok(())) => any = true,
                    // There were more than the socket holds.
                    Poll::Ready(Err(error)) if error.raw_os_error() == Some(NO_BUFFERS) => {
                        any = true;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending if any => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                }
            }
        }
    }
}
