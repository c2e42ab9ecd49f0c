//! Client transactions: when to send again and when to give up (RFC 8489 §6.2.1).

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::header::TransactionId;

/// How a request is retransmitted over an unreliable transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetransmitConfig {
    /// The first retransmission timeout; each further one is twice as long (500 ms).
    pub rto: Duration,
    /// The longest time between two requests: RFC 8489 sets no such limit, usages that must live with loss do.
    pub max_rto: Duration,
    /// Rc: how often the request is sent in all (7).
    pub max_requests: u32,
    /// Rm: how many of the first RTO to wait after the last request (16).
    pub last_wait: u32,
}

impl Default for RetransmitConfig {
    fn default() -> Self {
        Self {
            rto: Duration::from_millis(500),
            max_rto: Duration::MAX,
            max_requests: 7,
            last_wait: 16,
        }
    }
}

impl RetransmitConfig {
    /// How long a transaction lives when nobody answers: 39.5 s by default.
    pub fn lifetime(&self) -> Duration {
        let waits: Duration = (1..self.max_requests).map(|sent| self.wait(sent)).sum();
        waits + self.rto * self.last_wait
    }

    /// How long to wait after the request was sent for the `sent`th time.
    fn wait(&self, sent: u32) -> Duration {
        if sent >= self.max_requests {
            return self.rto * self.last_wait;
        }
        (self.rto * (1 << (sent - 1).min(16))).min(self.max_rto.max(self.rto))
    }
}

/// The clock of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    config: RetransmitConfig,
    first_sent: Instant,
    last_sent: Instant,
    sent: u32,
    next: Instant,
}

/// What a transaction wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing before this time.
    Wait(Instant),
    /// Send the request again.
    Retransmit,
    /// Give up.
    TimedOut,
}

impl Transaction {
    /// Starts the clock of a request that is sent at `now`.
    pub fn new(now: Instant, config: RetransmitConfig) -> Self {
        let mut transaction = Self { config, first_sent: now, last_sent: now, sent: 1, next: now };
        transaction.schedule(now);
        transaction
    }

    fn schedule(&mut self, now: Instant) {
        self.next = now + self.config.wait(self.sent);
    }

    /// Says what is due; after `Retransmit` the next wait has begun.
    pub fn step(&mut self, now: Instant) -> Step {
        if now < self.next {
            return Step::Wait(self.next);
        }
        if self.sent >= self.config.max_requests {
            return Step::TimedOut;
        }
        self.sent += 1;
        self.last_sent = now;
        self.schedule(now);
        Step::Retransmit
    }

    /// Sends no more, but waits for a response as long as it would have (RFC 8445 §7.3.1.4).
    pub fn cancel(&mut self) {
        let config = self.config;
        self.next = self.first_sent + config.lifetime();
        self.sent = config.max_requests;
    }

    /// When something is due.
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// When the request was last sent.
    pub fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// Round-trip time, when it is unambiguous because the request was sent once (Karn's rule).
    pub fn rtt(&self, now: Instant) -> Option<Duration> {
        (self.last_sent == self.first_sent).then(|| now.saturating_duration_since(self.first_sent))
    }
}

/// Requests in flight, each with what its owner must know about it. Bounded.
#[derive(Debug)]
pub struct TransactionTable<T> {
    entries: Vec<(TransactionId, Transaction, T)>,
    limit: usize,
    deadline: Option<Instant>,
}

/// What [`TransactionTable::poll`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Due<'t, T> {
    /// Send this request again.
    Retransmit(TransactionId, &'t mut T),
    /// This request was never answered.
    TimedOut(TransactionId, T),
}

impl<T> TransactionTable<T> {
    /// A table of at most `limit` transactions.
    pub fn new(limit: usize) -> Self {
        Self { entries: Vec::new(), limit, deadline: None }
    }

    /// Starts a transaction.
    pub fn insert(
        &mut self,
        id: TransactionId,
        transaction: Transaction,
        context: T,
    ) -> Result<(), Error> {
        if self.entries.len() >= self.limit {
            return Err(Error::TooManyTransactions { limit: self.limit });
        }
        let deadline = transaction.deadline();
        self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
        self.entries.push((id, transaction, context));
        Ok(())
    }

    /// The transaction with this id.
    pub fn get(&self, id: TransactionId) -> Option<(&Transaction, &T)> {
        self.entries
            .iter()
            .find(|(i, ..)| *i == id)
            .map(|(_, transaction, context)| (transaction, context))
    }

    /// What is known about the transaction with this id.
    pub fn get_mut(&mut self, id: TransactionId) -> Option<&mut T> {
        let found = self.entries.iter_mut().find(|(i, ..)| *i == id);
        found.map(|(_, _, context)| context)
    }

    /// Ends the transaction with this id.
    pub fn remove(&mut self, id: TransactionId) -> Option<(Transaction, T)> {
        let at = self.entries.iter().position(|(i, ..)| *i == id)?;
        let (_, transaction, context) = self.entries.swap_remove(at);
        self.refresh();
        Some((transaction, context))
    }

    /// Stops the retransmission of those that `cancel` picks; responses still count.
    pub fn cancel(&mut self, mut pick: impl FnMut(&T) -> bool) {
        for (_, transaction, context) in &mut self.entries {
            if pick(context) {
                transaction.cancel();
            }
        }
        self.refresh();
    }

    /// Drops those that `keep` does not pick.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.retain(|(_, _, context)| keep(context));
        self.refresh();
    }

    /// The next thing that is due; call until `None`.
    pub fn poll(&mut self, now: Instant) -> Option<Due<'_, T>> {
        if self.deadline.is_none_or(|d| now < d) {
            return None;
        }
        let at =
            self.entries.iter().position(|(_, transaction, _)| transaction.deadline() <= now)?;
        match self.entries[at].1.step(now) {
            Step::TimedOut => {
                let (id, _, context) = self.entries.swap_remove(at);
                self.refresh();
                Some(Due::TimedOut(id, context))
            }
            Step::Retransmit | Step::Wait(_) => {
                self.refresh();
                let (id, _, context) = &mut self.entries[at];
                Some(Due::Retransmit(*id, context))
            }
        }
    }

    fn refresh(&mut self) {
        self.deadline = self.entries.iter().map(|(_, transaction, _)| transaction.deadline()).min();
    }

    /// When [`poll`](Self::poll) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How many are in flight.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is in flight.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is in flight.
    pub fn iter(&self) -> impl Iterator<Item = (TransactionId, &T)> {
        self.entries.iter().map(|(id, _, context)| (*id, context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_out_at_the_times_of_the_rfc() {
        // RFC 8489 §6.2.1: at 0, 500, 1500, 3500, 7500, 15500 and 31500 ms; failed at 39500 ms.
        let start = Instant::now();
        let mut transaction = Transaction::new(start, RetransmitConfig::default());
        let mut sent = vec![0];
        let failed = loop {
            let now = transaction.deadline();
            match transaction.step(now) {
                Step::Retransmit => sent.push((now - start).as_millis()),
                Step::TimedOut => break (now - start).as_millis(),
                Step::Wait(_) => panic!("the deadline has come"),
            }
        };
        assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15500, 31500]);
        assert_eq!(failed, 39500);
        assert_eq!(RetransmitConfig::default().lifetime(), Duration::from_millis(39500));
    }

    #[test]
    fn the_time_between_requests_can_be_limited() {
        let config =
            RetransmitConfig { max_rto: Duration::from_secs(2), ..RetransmitConfig::default() };
        let start = Instant::now();
        let mut transaction = Transaction::new(start, config);
        let mut sent = vec![0];
        while transaction.step(transaction.deadline()) == Step::Retransmit {
            sent.push((transaction.last_sent() - start).as_millis());
        }
        assert_eq!(sent, [0, 500, 1500, 3500, 5500, 7500, 9500]);
        assert_eq!(transaction.deadline() - start, config.lifetime());
    }

    #[test]
    fn a_cancelled_request_is_not_sent_again_but_may_be_answered() {
        let start = Instant::now();
        let mut table = TransactionTable::new(2);
        let id = TransactionId([1; 12]);
        table.insert(id, Transaction::new(start, RetransmitConfig::default()), 'a').unwrap();
        table.cancel(|_| true);
        assert_eq!(table.poll(start + Duration::from_secs(39)), None);
        assert!(table.get(id).is_some());
        assert_eq!(table.poll(start + Duration::from_millis(39_500)), Some(Due::TimedOut(id, 'a')));
        assert_eq!(table.deadline(), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let start = Instant::now();
        let mut table = TransactionTable::new(1);
        table
            .insert(
                TransactionId([1; 12]),
                Transaction::new(start, RetransmitConfig::default()),
                (),
            )
            .unwrap();
        let full = table.insert(
            TransactionId([2; 12]),
            Transaction::new(start, RetransmitConfig::default()),
            (),
        );
        assert_eq!(full, Err(Error::TooManyTransactions { limit: 1 }));
    }
}
