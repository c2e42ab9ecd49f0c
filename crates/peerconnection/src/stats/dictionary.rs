//! How the dictionaries are written down: members that are always there and members that may be absent, in the order of
//! the specification, with the W3C's names where they are serialised.

/// Declares one dictionary. Each has `id` and `timestamp` (webrtc-pc §8.5), the `required` members, and the `optional` ones,
/// that are `None` until something is known and are left out where the dictionary is serialised.
macro_rules! dictionary {
    (
        $(#[$meta:meta])*
        $name:ident {
            $($(#[$required_doc:meta])* $required:ident: $required_type:ty,)*
            $(; $($(#[$optional_doc:meta])* $optional:ident: $optional_type:ty,)*)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
        #[non_exhaustive]
        pub struct $name {
            /// Names the object that is described, for as long as that lives.
            pub id: String,
            /// When the numbers were taken or, of what the peer reports, when the report came: milliseconds since 1970.
            pub timestamp: f64,
            $($(#[$required_doc])* pub $required: $required_type,)*
            $($(
                $(#[$optional_doc])*
                #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
                pub $optional: Option<$optional_type>,
            )*)?
        }

        impl $name {
            /// With nothing known but what must be.
            #[allow(clippy::too_many_arguments, reason = "one for each required member")]
            pub(crate) fn new(id: String, timestamp: f64, $($required: $required_type),*) -> Self {
                Self { id, timestamp, $($required,)* $($($optional: None,)*)? }
            }

            /// With every member there.
            #[cfg(all(test, feature = "serde"))]
            pub(super) fn filled(self) -> Self {
                Self { $($($optional: Some(Default::default()),)*)? ..self }
            }
        }
    };
}

pub(super) use dictionary;
