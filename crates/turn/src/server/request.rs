//! Requests: read, authenticated in the order of RFC 8489 §9.2.4, and handed on.

use peerage_stun::{
    Attribute, AttributeType, Class, ErrorCode, IntegrityAlgorithm, Message, Method,
    PasswordAlgorithm, SecurityFeatures, UnknownAttributes,
};
use std::time::Instant;

use super::Server;
use super::reply::{PASSWORD_ALGORITHMS, Reply};
use crate::credentials::Claim;
use crate::types::{Event, FiveTuple, Forward};

impl Server {
    pub(super) fn stun(&mut self, now: Instant, tuple: FiveTuple, bytes: &[u8]) -> Option<Forward> {
        let Ok(message) = Message::parse(bytes) else {
            self.counters.malformed += 1;
            return None;
        };
        if message.has_fingerprint() && message.verify_fingerprint().is_err() {
            self.counters.malformed += 1;
            return None;
        }
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => return self.send(now, tuple, &message),
            (Class::Request, Method::BINDING) => self.binding(now, tuple, &message),
            (Class::Request, method) if is_turn(method) => self.turn(now, tuple, &message),
            // Answers and other indications: nothing asks for them. No error goes back to a forged source.
            _ => {}
        }
        None
    }

    fn turn(&mut self, now: Instant, tuple: FiveTuple, message: &Message<'_>) {
        if message.method() == Method::CONNECTION_BIND
            && let Some(worker) = self.worker_of(message, tuple)
        {
            self.events.push_back(Event::HandOver { worker, tuple });
            return;
        }
        let mut reply = Reply::new(tuple, message);
        let Some(username) = self.authenticate(now, message, &mut reply) else { return };
        if self.refuse_unknown(
            &reply,
            message,
            &[AttributeType::ACCESS_TOKEN, AttributeType::CHANGE_REQUEST],
        ) {
            return;
        }
        let place = self.tuples.get(&tuple).copied();
        match (message.method(), place) {
            (Method::ALLOCATE, _) => return self.allocate(now, &reply, message, username, place),
            (Method::CONNECTION_BIND, _) => {
                return self.connection_bind(&reply, message, &username);
            }
            (_, None) => return self.refuse(&reply, ErrorCode::ALLOCATION_MISMATCH, &[]),
            _ => {}
        }
        let Some(place) = place else { return };
        if self.allocations[place as usize].username != username {
            // RFC 8656 §5.
            return self.refuse(&reply, ErrorCode::WRONG_CREDENTIALS, &[]);
        }
        match message.method() {
            Method::REFRESH => self.refresh(now, &reply, message, place),
            Method::CREATE_PERMISSION => self.create_permission(now, &reply, message, place),
            Method::CHANNEL_BIND => self.channel_bind(now, &reply, message, place),
            _ => self.connect(now, &reply, message, place),
        }
    }

    /// Answers 420 where the request has attributes that must be understood and are not (RFC 8489 §6.3.1).
    pub(super) fn refuse_unknown(
        &mut self,
        reply: &Reply,
        message: &Message<'_>,
        beside: &[AttributeType],
    ) -> bool {
        let mut list = [0u8; 32];
        let mut len = 0;
        for attribute in message.attributes() {
            let kind = attribute.kind;
            let unknown = kind.is_comprehension_required() && !kind.is_known();
            if (unknown || beside.contains(&kind)) && len < list.len() {
                list[len..len + 2].copy_from_slice(&kind.0.to_be_bytes());
                len += 2;
            }
        }
        if len == 0 {
            return false;
        }
        let unknown = UnknownAttributes::new(&list[..len]).map(Attribute::UnknownAttributes);
        self.refuse(reply, ErrorCode::UNKNOWN_ATTRIBUTE, unknown.as_slice());
        true
    }

    /// Who sent the request; `None` where it was answered with a refusal. `reply` gets the key it is to be signed with.
    fn authenticate(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        reply: &mut Reply,
    ) -> Option<Box<str>> {
        let second = self.shared.second(now);
        let sha256 = message.has_integrity(IntegrityAlgorithm::HmacSha256);
        if !sha256 && !message.has_integrity(IntegrityAlgorithm::HmacSha1) {
            self.challenge(reply, ErrorCode::UNAUTHENTICATED, second);
            return None;
        }
        let claim = match message.decode(AttributeType::USERNAME) {
            Some(Ok(Attribute::Username(name))) => Some(Claim::Name(name)),
            _ => match message.decode(AttributeType::USERHASH) {
                Some(Ok(Attribute::UserHash(hash))) => Some(Claim::Hash(hash)),
                _ => None,
            },
        };
        let nonce = match message.decode(AttributeType::NONCE) {
            Some(Ok(Attribute::Nonce(nonce))) => Some(nonce),
            _ => None,
        };
        let realm = message.get(AttributeType::REALM);
        let algorithm = nonce.map(|nonce| password_algorithm(message, nonce));
        let (Some(claim), Some(nonce), Some(_), Some(Some((algorithm, named)))) =
            (claim, nonce, realm, algorithm)
        else {
            if self.may_answer_stranger(reply.tuple, second) {
                self.refuse(reply, ErrorCode::BAD_REQUEST, &[]);
            }
            return None;
        };
        let shared = std::sync::Arc::clone(&self.shared);
        let current = self.tuples.get(&reply.tuple).and_then(|place| {
            self.allocations.get(*place as usize).map(|allocation| &*allocation.username)
        });
        let unix = shared.unix(now);
        let Some((username, secret)) =
            shared.credentials.verify(message, &claim, algorithm, unix, current)
        else {
            self.challenge(reply, ErrorCode::UNAUTHENTICATED, second);
            return None;
        };
        let lifetime = shared.config.nonce_lifetime.as_secs();
        if !shared.nonces.is_valid(nonce, second, lifetime, reply.tuple.client) {
            self.challenge(reply, ErrorCode::STALE_NONCE, second);
            return None;
        }
        // RFC 8489 §9.2.4: who names no algorithm is of RFC 5389 and is answered as that.
        let integrity =
            if named { IntegrityAlgorithm::HmacSha256 } else { IntegrityAlgorithm::HmacSha1 };
        reply.key = Some((integrity, secret));
        Some(username)
    }
}

fn is_turn(method: Method) -> bool {
    [
        Method::ALLOCATE,
        Method::REFRESH,
        Method::CREATE_PERMISSION,
        Method::CHANNEL_BIND,
        Method::CONNECT,
        Method::CONNECTION_BIND,
    ]
    .contains(&method)
}

/// The algorithm that the request names, and whether it names one; `None` where that is a bad request: our list and one
/// of it belong together, so that nobody between can strike the better one off (RFC 8489 §9.2.4).
fn password_algorithm(message: &Message<'_>, nonce: &str) -> Option<(PasswordAlgorithm, bool)> {
    let offered = SecurityFeatures::from_nonce(nonce).is_some_and(|f| f.password_algorithms);
    let list = message.get(AttributeType::PASSWORD_ALGORITHMS);
    let one = message.get(AttributeType::PASSWORD_ALGORITHM);
    if !offered || (list.is_none() && one.is_none()) {
        return Some((PasswordAlgorithm::Md5, false));
    }
    if list?.value != PASSWORD_ALGORITHMS {
        return None;
    }
    match message.decode(AttributeType::PASSWORD_ALGORITHM) {
        Some(Ok(Attribute::PasswordAlgorithm(
            algorithm @ (PasswordAlgorithm::Md5 | PasswordAlgorithm::Sha256),
        ))) => Some((algorithm, true)),
        _ => None,
    }
}
