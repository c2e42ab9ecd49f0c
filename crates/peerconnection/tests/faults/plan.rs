//! What a seed stands for: the path, the NATs, what goes wrong when, and what the application sends.

use std::time::{Duration, Instant};

use peerage_netsim::{
    Change, Direction, Jitter, LinkConfig, Loss, NatConfig, PortAllocation, Queue, Rate, Rng,
    TwoHosts,
};

/// Faults end after this time, so that what can recover does.
pub(crate) const FAULTS_END: Duration = Duration::from_secs(40);

/// A data channel of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub ordered: bool,
    /// `maxRetransmits`; such a channel may lose messages.
    pub max_retransmits: Option<u16>,
    /// Sizes of the messages that its opener sends.
    pub messages: Vec<usize>,
}

/// The whole of a call.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub seed: u64,
    pub forward: LinkConfig,
    pub backward: LinkConfig,
    pub far: LinkConfig,
    pub nats: [Option<NatConfig>; 2],
    /// Whether each end gathers IPv6 as well; only without NATs.
    pub ipv6: bool,
    pub trickle: bool,
    pub stun: bool,
    /// Only DTLS 1.2, at each end.
    pub dtls_1_2: [bool; 2],
    pub interleaving: bool,
    pub zero_checksum: bool,
    pub channels: [Vec<Channel>; 2],
    pub faults: Vec<(Duration, Fault)>,
    /// Sound and pictures as well, both ways.
    pub media: bool,
}

/// Something that happens during the call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Pause(Direction, Duration),
    Outage(Duration),
    Rebind(usize),
    Delay(Direction, Duration),
    Loss(Direction, f64),
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let kinds = [
            NatConfig::full_cone(),
            NatConfig::address_restricted(),
            NatConfig::port_restricted(),
            NatConfig::symmetric(),
        ];
        let mut nat = || {
            let kind = &kinds[rng.below(4) as usize];
            let ports =
                [PortAllocation::Preserve, PortAllocation::Sequential, PortAllocation::Random];
            let nat = kind.clone().ports(ports[rng.below(3) as usize]);
            rng.chance(0.4).then_some(nat)
        };
        let nats = [nat(), nat()];
        let forward = path(rng);
        let backward = if rng.chance(0.5) { forward.clone() } else { path(rng) };
        let far = if rng.chance(0.3) { path(rng) } else { LinkConfig::new() };
        Self {
            seed,
            forward,
            backward,
            far,
            ipv6: rng.chance(0.3),
            trickle: rng.chance(0.8),
            stun: nats.iter().any(Option::is_some) || rng.chance(0.2),
            nats,
            dtls_1_2: [rng.chance(0.2), rng.chance(0.2)],
            interleaving: rng.chance(0.5),
            zero_checksum: rng.chance(0.5),
            channels: [channels(rng, 1), channels(rng, 0)],
            faults: faults(rng),
            media: false,
        }
    }

    /// The same with sound and pictures. What the path is like for good leaves room for them: a picture at 30 % loss is
    /// a matter of luck.
    pub(crate) fn with_media(seed: u64) -> Self {
        let mut plan = Self::new(seed);
        plan.media = true;
        for link in [&mut plan.forward, &mut plan.backward, &mut plan.far] {
            match &mut link.loss {
                Loss::None => {}
                Loss::Random(loss) => *loss = loss.min(0.1),
                bursty => *bursty = Loss::Random(0.05),
            }
        }
        plan
    }

    /// The network, with its timeline.
    pub(crate) fn hosts(&self, start: Instant) -> TwoHosts {
        let mut builder = TwoHosts::builder(self.seed, start)
            .asymmetric_path(self.forward.clone(), self.backward.clone())
            .far_path(self.far.clone());
        if let Some(nat) = &self.nats[0] {
            builder = builder.nat_a(nat.clone());
        }
        if let Some(nat) = &self.nats[1] {
            builder = builder.nat_b(nat.clone());
        }
        let mut hosts = builder.build();
        for (at, fault) in &self.faults {
            schedule(&mut hosts, start + *at, fault);
        }
        for (direction, config) in
            [(Direction::Forward, &self.forward), (Direction::Backward, &self.backward)]
        {
            // What was made worse on the way is as it was.
            let change = Change::configure(hosts.path, direction, config.clone());
            hosts.network.schedule(start + FAULTS_END, change);
        }
        hosts
    }

    /// When nothing gets through, in at least one direction: from and to, in their order, those that overlap as one. A NAT
    /// that forgets its mappings is an interruption as well.
    pub(crate) fn interruptions(&self) -> Vec<(Duration, Duration)> {
        let interruption = |(at, fault): &(Duration, Fault)| match fault {
            Fault::Pause(_, time) | Fault::Outage(time) => Some((*at, *at + *time)),
            Fault::Rebind(end) => self.nats[*end].is_some().then_some((*at, *at)),
            Fault::Delay(..) | Fault::Loss(..) => None,
        };
        let mut all: Vec<_> = self.faults.iter().filter_map(interruption).collect();
        all.sort_unstable();
        let mut merged: Vec<(Duration, Duration)> = Vec::new();
        for (from, to) in all {
            match merged.last_mut().filter(|last| from <= last.1) {
                Some(last) => last.1 = last.1.max(to),
                None => merged.push((from, to)),
            }
        }
        merged
    }

    /// Whether nothing but interruptions is in the way of media: pictures are there as soon as the path is.
    pub(crate) fn is_mild(&self) -> bool {
        let links = [&self.forward, &self.backward, &self.far];
        let calm = |link: &&LinkConfig| {
            link.jitter.amount.is_zero()
                && link.reorder.probability == 0.0
                && link.rate.is_none_or(|rate| rate >= Rate::kbit(2_000))
        };
        let worse = |fault: &Fault| matches!(fault, Fault::Delay(..) | Fault::Loss(..));
        links.iter().all(calm)
            && !self.is_damaged()
            && self.path_loss() <= 0.02
            && !self.faults.iter().any(|(_, fault)| worse(fault))
    }

    /// Nothing that could keep two ends apart for good: they have to connect.
    pub(crate) fn must_connect(&self) -> bool {
        !self.is_apart() && !self.is_damaged() && self.faults.is_empty() && self.path_loss() <= 0.2
    }

    /// Whether the NATs let no pair of candidates work.
    pub(crate) fn is_apart(&self) -> bool {
        let symmetric = |nat: &Option<NatConfig>| {
            nat.as_ref().is_some_and(|nat| nat.mapping != NatConfig::full_cone().mapping)
        };
        let restricted = |nat: &Option<NatConfig>| {
            nat.as_ref().is_some_and(|nat| nat.filtering == NatConfig::port_restricted().filtering)
        };
        let [a, b] = &self.nats;
        symmetric(a) && restricted(b) || symmetric(b) && restricted(a)
    }

    /// Whether bits flip. The first messages of a handshake are not protected: one flipped bit in a key share, and the
    /// ends have different keys for good.
    pub(crate) fn is_damaged(&self) -> bool {
        let links = [&self.forward, &self.backward, &self.far];
        links.iter().any(|link| link.corrupt.probability > 0.0)
    }

    /// Share of packets lost between the ends, in the worse direction.
    fn path_loss(&self) -> f64 {
        let lost = |link: &LinkConfig| match link.loss {
            Loss::None => 0.0,
            Loss::Random(loss) => loss,
            Loss::GilbertElliott { to_bad, to_good, .. } => to_bad / (to_bad + to_good),
        };
        let worse = lost(&self.forward).max(lost(&self.backward));
        1.0 - (1.0 - worse) * (1.0 - lost(&self.far))
    }
}

fn millis(rng: &mut Rng, most: u64) -> Duration {
    Duration::from_millis(rng.below(most + 1))
}

/// One direction of a link with up to 30 % loss, reordering, duplication, corruption, a rate and a queue.
fn path(rng: &mut Rng) -> LinkConfig {
    let mut path = LinkConfig::new().delay(millis(rng, 150));
    if rng.chance(0.6) {
        let jitters = [Jitter::uniform, Jitter::normal, Jitter::long_tail];
        path.jitter = jitters[rng.below(3) as usize](millis(rng, 20));
        path.jitter.reordering = rng.chance(0.3);
    }
    if rng.chance(0.6) {
        let loss = rng.unit() * if rng.chance(0.4) { 0.3 } else { 0.1 };
        path.loss = if rng.chance(0.5) { Loss::Random(loss) } else { Loss::bursty(loss, 3.0) };
    }
    if rng.chance(0.4) {
        path = path.reorder(rng.unit() * 0.2, millis(rng, 30));
    }
    if rng.chance(0.4) {
        path = path.duplicate(rng.unit() * 0.2);
    }
    if rng.chance(0.3) {
        path = path.corrupt(rng.unit() * 0.05);
    }
    if rng.chance(0.5) {
        path = path.rate(Rate::kbit(300 + rng.below(20_000)));
        path.queue = match rng.below(3) {
            0 => Queue::codel(rng.chance(0.5)),
            1 => Queue::packets(10 + rng.below(200) as usize),
            _ => Queue::bytes(20_000 + rng.below(200_000) as usize),
        };
    }
    path
}

/// Up to four channels, but `least`: an offer without one has nothing to negotiate.
fn channels(rng: &mut Rng, least: u64) -> Vec<Channel> {
    (0..least + rng.below(4 - least))
        .map(|_| Channel {
            ordered: rng.chance(0.7),
            max_retransmits: rng.chance(0.2).then(|| rng.below(4) as u16),
            messages: (0..rng.below(30))
                .map(|_| match rng.below(10) {
                    0 => rng.below(30_000) as usize,
                    1..4 => rng.below(3_000) as usize,
                    _ => rng.below(100) as usize,
                })
                .collect(),
        })
        .collect()
}

fn faults(rng: &mut Rng) -> Vec<(Duration, Fault)> {
    let count = if rng.chance(0.4) { 0 } else { 1 + rng.below(4) };
    let direction = |rng: &mut Rng| {
        [Direction::Forward, Direction::Backward, Direction::Both][rng.below(3) as usize]
    };
    (0..count)
        .map(|_| {
            // Early ones hit the handshakes.
            let at = if rng.chance(0.5) { millis(rng, 3_000) } else { millis(rng, 30_000) };
            let fault = match rng.below(5) {
                0 => Fault::Pause(direction(rng), millis(rng, 8_000)),
                1 => Fault::Outage(millis(rng, 8_000)),
                2 => Fault::Rebind(rng.below(2) as usize),
                3 => Fault::Delay(direction(rng), millis(rng, 400)),
                _ => Fault::Loss(direction(rng), rng.unit() * 0.3),
            };
            (at, fault)
        })
        .collect()
}

fn schedule(hosts: &mut TwoHosts, at: Instant, fault: &Fault) {
    let path = hosts.path;
    let network = &mut hosts.network;
    match *fault {
        Fault::Pause(direction, time) => {
            network.schedule(at, Change::Pause(path, direction));
            network.schedule(at + time, Change::Resume(path, direction));
        }
        Fault::Outage(time) => {
            network.schedule(at, Change::LinkDown(path));
            network.schedule(at + time, Change::LinkUp(path));
        }
        Fault::Rebind(end) => {
            if let Some(nat) = [&hosts.a, &hosts.b][end].nat {
                network.schedule(at, Change::RebindNat(nat.id, None));
            }
        }
        Fault::Delay(direction, delay) => {
            network.schedule(at, Change::update(path, direction, move |link| link.delay = delay));
        }
        Fault::Loss(direction, loss) => {
            let loss = Loss::Random(loss);
            network.schedule(at, Change::update(path, direction, move |link| link.loss = loss));
        }
    }
}
