//! Interfaces that come and go: sockets are bound and closed, and every connection is told, so that its agent trickles new
//! candidates and leaves paths that are gone.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use super::stream_events::ACTIVE_PORT;
use super::{Driver, Port};
use crate::endpoint::IceTcp;
use crate::interfaces::{InterfacePolicy, local_addresses};
use crate::socket::Socket;

use peerage_peerconnection::TcpType;

impl Driver {
    pub(super) fn poll_watch(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while let Poll::Ready(()) = self.watch.poll(cx) {
            progress |= self.follow_interfaces(now);
        }
        progress
    }

    fn follow_interfaces(&mut self, now: Instant) -> bool {
        let config = &self.config;
        let filter = config.interface_filter.as_ref();
        let listed = match local_addresses(config.interfaces, config.max_addresses, filter) {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(%error, "interfaces cannot be listed");
                return false;
            }
        };
        // Loopback stands in where an endpoint begins without a network. It replaces none that is gone for a while.
        let stand_in = config.interfaces == InterfacePolicy::Default;
        let is_kept = |ip: &IpAddr| !(stand_in && ip.is_loopback());
        let there: Vec<IpAddr> = listed.into_iter().filter(is_kept).collect();
        let known: Vec<IpAddr> = self.port_of.keys().map(SocketAddr::ip).collect();
        let mut came: Vec<IpAddr> =
            there.iter().copied().filter(|ip| !known.contains(ip)).collect();
        came.dedup();
        let mut gone: Vec<IpAddr> =
            known.into_iter().filter(|ip| is_kept(ip) && !there.contains(ip)).collect();
        gone.sort_unstable();
        gone.dedup();
        // First what came, so that there is somewhere to go.
        for ip in &came {
            self.add_interface_address(now, *ip);
        }
        for ip in &gone {
            self.remove_interface_address(now, *ip);
        }
        !came.is_empty() || !gone.is_empty()
    }

    fn add_interface_address(&mut self, now: Instant, ip: IpAddr) {
        let wildcard = |port: &Port| port.socket.is_wildcard_of(ip);
        let index = match self.ports.iter().position(wildcard) {
            Some(index) => index,
            None => match Socket::bind(SocketAddr::new(ip, self.config.port), &[]) {
                Ok(socket) => {
                    self.ports.push(Port::new(socket));
                    self.ports.len() - 1
                }
                // A tentative IPv6 address: netlink tells again once it is not.
                Err(error) => {
                    tracing::debug!(%ip, %error, "interface address not bound");
                    return;
                }
            },
        };
        let address = self.ports[index].socket.speak_for(ip);
        self.port_of.insert(address, index);
        tracing::debug!(%address, "interface address came");
        let mut tcp = Vec::new();
        match self.config.ice_tcp {
            IceTcp::Off => {}
            IceTcp::Active => tcp.push((SocketAddr::new(ip, ACTIVE_PORT), TcpType::Active)),
            IceTcp::Listen { port } => {
                tcp.push((SocketAddr::new(ip, ACTIVE_PORT), TcpType::Active));
                match super::Listener::bind(SocketAddr::new(ip, port)) {
                    Ok(listener) if !self.port_of.contains_key(&listener.local()) => {
                        tcp.push((listener.local(), TcpType::Passive));
                        self.streams.listen(listener);
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%ip, %error, "not listened at"),
                }
            }
        }
        for connection in self.connections.values_mut() {
            connection.pc.add_local_address(now, address);
            for (address, tcp_type) in &tcp {
                connection.pc.add_local_tcp_address(now, *address, *tcp_type);
            }
        }
        self.mark_everybody();
    }

    fn remove_interface_address(&mut self, now: Instant, ip: IpAddr) {
        let mut addresses: Vec<SocketAddr> =
            self.port_of.keys().copied().filter(|address| address.ip() == ip).collect();
        tracing::debug!(?addresses, "interface address is gone");
        for port in &mut self.ports {
            port.socket.addresses.retain(|address| address.ip() != ip);
            if port.socket.addresses.is_empty() && !port.socket.is_wildcard_of(ip) {
                port.give_up(&mut self.freed);
            }
        }
        self.ports.retain(|port| !port.socket.addresses.is_empty() || port.socket.is_wildcard());
        self.port_of.clear();
        for (index, port) in self.ports.iter().enumerate() {
            self.port_of.extend(port.socket.addresses.iter().map(|address| (*address, index)));
        }
        addresses.push(SocketAddr::new(ip, ACTIVE_PORT));
        addresses.extend(self.streams.listening().filter(|address| address.ip() == ip));
        self.streams.stop_listening(ip);
        for connection in self.connections.values_mut() {
            for address in &addresses {
                connection.pc.remove_local_address(now, *address);
            }
        }
        self.mark_everybody();
    }

    fn mark_everybody(&mut self) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            self.mark(id);
        }
    }
}
