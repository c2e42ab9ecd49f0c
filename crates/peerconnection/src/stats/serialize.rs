//! Words and the report under the W3C's names.

use serde::{Serialize, Serializer};

use super::{
    DtlsRole, IceCandidatePairState, IceCandidateType, IceComponent, IceRole,
    QualityLimitationReason, StatsReport, StatsType,
};
use crate::media::MediaKind;
use crate::state::{DataChannelState, DtlsState, IceConnectionState};

macro_rules! by_name {
    ($($name:ty),+ $(,)?) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        })+
    };
}

by_name!(
    DataChannelState,
    DtlsRole,
    DtlsState,
    IceCandidatePairState,
    IceCandidateType,
    IceComponent,
    IceConnectionState,
    IceRole,
    QualityLimitationReason,
    StatsType,
);

impl Serialize for MediaKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A map from ids to dictionaries, each with its `type`.
impl Serialize for StatsReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|stats| (stats.id(), stats)))
    }
}
