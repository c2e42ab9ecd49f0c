#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod attribute;
mod attribute_type;
mod builder;
mod channel_data;
pub mod demux;
mod error;
mod error_code;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod header;
mod integrity;
mod message;
pub mod nat_behavior;
mod password_algorithm;
mod transaction;
pub mod turn;

pub use address::AddressFamily;
pub use attribute::{Attribute, RawAttribute, UnknownAttributes};
pub use attribute_type::AttributeType;
pub use builder::MessageBuilder;
pub use channel_data::ChannelData;
pub use error::Error;
pub use error_code::ErrorCode;
pub use header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId};
pub use integrity::{IntegrityAlgorithm, IntegrityKey, LongTermCredentials, opaque_string};
pub use message::{Attributes, Message};
pub use password_algorithm::{PasswordAlgorithm, PasswordAlgorithms, SecurityFeatures};
pub use transaction::{Due, RetransmitConfig, Step, Transaction, TransactionTable};
