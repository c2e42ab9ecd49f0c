//! Finds out what NAT a socket is behind, with a server that has two addresses (RFC 5780 §4): how it maps, how it filters,
//! whether it hairpins. Sans-IO: [`NatProbe`] is told the time and what arrives, and says what to send.
//!
//! Filtering is asked first: the tests of mapping send to the server's other address, which opens the filter for it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerage_crypto::Rng;

use crate::attribute::Attribute;
use crate::attribute_type::AttributeType;
use crate::builder::MessageBuilder;
use crate::header::{Class, Method, TransactionId};
use crate::message::Message;
use crate::transaction::{Due, RetransmitConfig, Transaction, TransactionTable};

/// On what a mapping, or a filter, depends besides the inner address and port (RFC 4787 §4.1, §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NatBehavior {
    /// On nothing else.
    EndpointIndependent,
    /// On the remote address.
    AddressDependent,
    /// On the remote address and port.
    AddressAndPortDependent,
}

/// What was found out so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NatReport {
    /// The address of the socket.
    pub local: SocketAddr,
    /// The server that was asked.
    pub server: SocketAddr,
    /// The address that it saw; `None` if it did not answer: UDP is blocked, or it is not there.
    pub mapped: Option<SocketAddr>,
    /// The server's other address (OTHER-ADDRESS); without one, behavior cannot be told.
    pub other_address: Option<SocketAddr>,
    /// How the NAT maps; `None` where it was not found out. Without a NAT, endpoint-independent.
    pub mapping: Option<NatBehavior>,
    /// How the NAT, or a firewall without translation, filters.
    pub filtering: Option<NatBehavior>,
    /// Whether a packet to the outer address comes back in (RFC 5780 §3.4).
    pub hairpin: Option<bool>,
}

impl NatReport {
    /// Whether the address is translated on the way; `None` while that is unknown.
    pub fn is_translated(&self) -> Option<bool> {
        self.mapped.map(|mapped| mapped != self.local)
    }
}

/// Which of the two sockets a datagram is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProbeSocket {
    /// The one that is asked about.
    Main,
    /// Another port of the same address, for the test of hairpinning.
    Second,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// The mapped address and the server's other address.
    Plain,
    /// A response from the other address and port.
    FilterAddress,
    /// A response from the other port.
    FilterPort,
    /// The mapped address seen at the other address.
    MapAddress,
    /// The mapped address seen at the other address and port.
    MapPort,
    /// A request to ourselves.
    Hairpin,
}

#[derive(Debug)]
struct Request {
    test: Test,
    socket: ProbeSocket,
    destination: SocketAddr,
}

/// Asks one server about one socket. Take datagrams from [`poll_transmit`](Self::poll_transmit) until `None`, then wait for
/// what arrives or for [`poll_timeout`](Self::poll_timeout), until [`is_finished`](Self::is_finished).
#[derive(Debug)]
pub struct NatProbe {
    rng: Rng,
    transactions: TransactionTable<Request>,
    outgoing: VecDeque<TransactionId>,
    report: NatReport,
    /// Answers of the two tests of filtering; `None` while they run.
    filters: [Option<bool>; 2],
    mapped_at_other: Option<SocketAddr>,
    finished: bool,
}

/// Requests in flight: one test of each kind at most.
const MAX_REQUESTS: usize = 6;

/// Most of the tests expect silence, so patience is short: 0.5 + 1 + 1 s, and 2 s after the last.
const RETRANSMIT: RetransmitConfig = RetransmitConfig {
    rto: Duration::from_millis(500),
    max_rto: Duration::from_secs(1),
    max_requests: 4,
    last_wait: 4,
};

impl NatProbe {
    /// Begins with a plain request. `local` is the main socket's own address, with which the mapped one is compared.
    pub fn new(now: Instant, local: SocketAddr, server: SocketAddr, rng: Rng) -> Self {
        let report = NatReport {
            local,
            server,
            mapped: None,
            other_address: None,
            mapping: None,
            filtering: None,
            hairpin: None,
        };
        let mut probe = Self {
            rng,
            transactions: TransactionTable::new(MAX_REQUESTS),
            outgoing: VecDeque::new(),
            report,
            filters: [None; 2],
            mapped_at_other: None,
            finished: false,
        };
        probe.ask(now, Test::Plain, ProbeSocket::Main, server);
        probe
    }

    /// What is known; all of it once [`is_finished`](Self::is_finished).
    pub fn report(&self) -> &NatReport {
        &self.report
    }

    /// Whether there is nothing left to ask.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    fn ask(&mut self, now: Instant, test: Test, socket: ProbeSocket, destination: SocketAddr) {
        let id = TransactionId::random(&mut self.rng);
        let request = Request { test, socket, destination };
        if self.transactions.insert(id, Transaction::new(now, RETRANSMIT), request).is_ok() {
            self.outgoing.push_back(id);
        }
    }

    /// A datagram that arrived at one of the sockets. What is not an answer, or ourselves, is ignored.
    pub fn handle_input(
        &mut self,
        now: Instant,
        socket: ProbeSocket,
        source: SocketAddr,
        datagram: &[u8],
    ) {
        let Ok(message) = Message::parse(datagram) else { return };
        let id = message.transaction_id();
        let Some((_, request)) = self.transactions.get(id) else { return };
        if request.test == Test::Hairpin {
            // Our own request, from outside: from the other socket, so by way of the NAT.
            if message.class() == Class::Request && socket == ProbeSocket::Main {
                self.transactions.remove(id);
                self.report.hairpin = Some(true);
                self.go_on(now);
            }
            return;
        }
        if socket != request.socket || message.class() == Class::Request {
            return;
        }
        // A server without a second address says so, or answers from the one it has (RFC 5780 §7.2).
        let other = self.report.other_address;
        let from = |ip: bool| other.is_some_and(|o| !ip || o.ip() == source.ip());
        let moved = match request.test {
            Test::FilterAddress => from(true) && source != self.report.server,
            Test::FilterPort => source != self.report.server,
            _ => source == request.destination,
        };
        let Some((_, request)) = self.transactions.remove(id) else { return };
        let success = message.class() == Class::SuccessResponse && moved;
        let mapped = message.mapped_address().filter(|_| success);
        match request.test {
            Test::Plain => self.on_plain(now, &message, mapped),
            Test::FilterAddress => self.filters[0] = success.then_some(true).or(Some(false)),
            Test::FilterPort => self.filters[1] = success.then_some(true).or(Some(false)),
            Test::MapAddress => self.on_mapped_at_other(now, mapped),
            Test::MapPort => self.on_mapped_at_port(mapped),
            Test::Hairpin => {}
        }
        self.go_on(now);
    }

    fn on_plain(&mut self, now: Instant, message: &Message<'_>, mapped: Option<SocketAddr>) {
        self.report.mapped = mapped;
        let other = match message.decode(AttributeType::OTHER_ADDRESS) {
            Some(Ok(Attribute::OtherAddress(other))) => other,
            _ => return,
        };
        let server = self.report.server;
        let usable = other.is_ipv4() == server.is_ipv4()
            && other.ip() != server.ip()
            && other.port() != server.port()
            && other.port() != 0
            && !other.ip().is_unspecified()
            && !other.ip().is_multicast()
            // A server must not make us probe somebody's own machine.
            && (!other.ip().is_loopback() || server.ip().is_loopback());
        if mapped.is_none() || !usable {
            return;
        }
        self.report.other_address = Some(other);
        self.ask(now, Test::FilterAddress, ProbeSocket::Main, server);
        self.ask(now, Test::FilterPort, ProbeSocket::Main, server);
    }

    fn on_mapped_at_other(&mut self, now: Instant, mapped: Option<SocketAddr>) {
        let Some(mapped) = mapped else { return };
        if Some(mapped) == self.report.mapped {
            self.report.mapping = Some(NatBehavior::EndpointIndependent);
            return;
        }
        self.mapped_at_other = Some(mapped);
        if let Some(other) = self.report.other_address {
            self.ask(now, Test::MapPort, ProbeSocket::Main, other);
        }
    }

    fn on_mapped_at_port(&mut self, mapped: Option<SocketAddr>) {
        let Some(mapped) = mapped else { return };
        self.report.mapping = Some(if Some(mapped) == self.mapped_at_other {
            NatBehavior::AddressDependent
        } else {
            NatBehavior::AddressAndPortDependent
        });
    }

    /// The next tests, once those before them are over.
    fn go_on(&mut self, now: Instant) {
        if self.finished || !self.transactions.is_empty() {
            return;
        }
        let (Some(mapped), Some(other)) = (self.report.mapped, self.report.other_address) else {
            self.finished = true;
            return;
        };
        if self.report.filtering.is_none()
            && let [Some(address), Some(port)] = self.filters
        {
            self.report.filtering = Some(match (address, port) {
                (true, _) => NatBehavior::EndpointIndependent,
                (false, true) => NatBehavior::AddressDependent,
                (false, false) => NatBehavior::AddressAndPortDependent,
            });
            let alternate = SocketAddr::new(other.ip(), self.report.server.port());
            self.ask(now, Test::MapAddress, ProbeSocket::Main, alternate);
            if mapped != self.report.local {
                self.ask(now, Test::Hairpin, ProbeSocket::Second, mapped);
            }
            return;
        }
        self.finished = true;
    }

    fn on_silence(&mut self, test: Test) {
        match test {
            Test::FilterAddress => self.filters[0] = Some(false),
            Test::FilterPort => self.filters[1] = Some(false),
            Test::Hairpin => self.report.hairpin = Some(false),
            Test::Plain | Test::MapAddress | Test::MapPort => {}
        }
    }

    /// Sends again what is due and gives up what stays unanswered.
    pub fn handle_timeout(&mut self, now: Instant) {
        loop {
            let silent = match self.transactions.poll(now) {
                None => break,
                Some(Due::Retransmit(id, _)) => {
                    self.outgoing.push_back(id);
                    continue;
                }
                Some(Due::TimedOut(_, request)) => request.test,
            };
            self.on_silence(silent);
        }
        self.go_on(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.deadline()
    }

    /// Appends the next datagram to `buf`, and says which socket it leaves by and where it goes.
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<(ProbeSocket, SocketAddr)> {
        loop {
            let id = self.outgoing.pop_front()?;
            // It may have been answered meanwhile.
            let Some((_, request)) = self.transactions.get(id) else { continue };
            let mut builder = MessageBuilder::new(buf, Class::Request, Method::BINDING, id);
            builder = match request.test {
                Test::FilterAddress => {
                    builder.attribute(&Attribute::ChangeRequest { ip: true, port: true })
                }
                Test::FilterPort => {
                    builder.attribute(&Attribute::ChangeRequest { ip: false, port: true })
                }
                _ => builder,
            };
            let (socket, destination) = (request.socket, request.destination);
            builder.fingerprint();
            return Some((socket, destination));
        }
    }
}
