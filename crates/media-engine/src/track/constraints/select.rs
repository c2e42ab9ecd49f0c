//! Which settings are best: the SelectSettings algorithm of W3C Media Capture and Streams §11.

use super::sets::{MediaTrackConstraintSet, MediaTrackConstraints, MediaTrackSettings};
use crate::track::TrackKind;

/// No settings keep to the constraints (W3C Media Capture and Streams §8): `OverconstrainedError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("OverconstrainedError: {message}")]
#[non_exhaustive]
pub struct OverconstrainedError {
    /// The constraint that nothing keeps to, under W3C's name; empty where each can be kept to, but not all at once.
    pub constraint: &'static str,
    /// What was wanted, and what there is, for people.
    pub message: String,
}

/// Values of a property that are tried, besides those of the modes: constraints that name more than these are satisfied as far
/// as these go.
const MAX_VALUES: usize = 16;

/// The best settings that come of one of these modes, and which one.
///
/// A mode stands for itself and for all that its pictures can be made into: smaller, of another shape, and fewer.
/// `defaults` decide between what is equally good.
pub(crate) fn select(
    kind: TrackKind,
    modes: &[MediaTrackSettings],
    constraints: &MediaTrackConstraints,
    defaults: &MediaTrackConstraintSet,
) -> Result<(usize, MediaTrackSettings), OverconstrainedError> {
    let sum = |set: &MediaTrackConstraintSet, settings: &MediaTrackSettings, advanced| {
        set.distances(settings, kind, advanced).map(|(_, distance)| distance).sum::<f64>()
    };
    let mut candidates = Vec::new();
    let mut examined = 0_usize;
    // Of each required constraint, how many settings do not keep to it.
    let mut broken: Vec<(&'static str, usize)> = Vec::new();
    for (index, mode) in modes.iter().enumerate() {
        for settings in derived(mode, constraints) {
            examined += 1;
            let mut total = 0.0;
            for (name, distance) in constraints.basic.distances(&settings, kind, false) {
                total += distance;
                if distance.is_infinite() {
                    match broken.iter_mut().find(|(other, _)| *other == name) {
                        Some((_, count)) => *count += 1,
                        None => broken.push((name, 1)),
                    }
                }
            }
            if total.is_finite() {
                candidates.push((index, settings, total));
            }
        }
    }
    if candidates.is_empty() {
        let constraint = broken.iter().find(|(_, count)| *count == examined);
        let constraint = constraint.map_or("", |(name, _)| *name);
        return Err(OverconstrainedError { constraint, message: message(constraint, modes) });
    }
    for set in &constraints.advanced {
        let keeps = |settings: &MediaTrackSettings| sum(set, settings, true).is_finite();
        if candidates.iter().any(|(_, settings, _)| keeps(settings)) {
            candidates.retain(|(_, settings, _)| keeps(settings));
        }
    }
    // Of what is equally near: untouched pictures, what is usual, the mode with the least to throw away.
    let rank = |(index, settings, distance): &(usize, MediaTrackSettings, f64)| {
        let scaled = settings.resize_mode.as_deref() == Some("crop-and-scale");
        let mode = &modes[*index];
        let size = |of: &MediaTrackSettings| {
            f64::from(of.width.unwrap_or(0)) * f64::from(of.height.unwrap_or(0))
        };
        let waste = size(mode) * mode.frame_rate.unwrap_or(0.0);
        [*distance, f64::from(u8::from(scaled)), sum(defaults, settings, false), waste]
    };
    let best = candidates.into_iter().min_by(|one, other| {
        let pairs = rank(one).into_iter().zip(rank(other));
        pairs
            .map(|(one, other)| one.total_cmp(&other))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let (index, settings, _) = best.unwrap_or_else(|| unreachable!("some were left"));
    Ok((index, settings))
}

fn message(constraint: &str, modes: &[MediaTrackSettings]) -> String {
    match constraint {
        _ if modes.is_empty() => "there is nothing to choose from".to_owned(),
        "" => "each constraint can be kept to by itself, but not all of them at once".to_owned(),
        name => {
            let of = |mode: &MediaTrackSettings| -> Option<String> {
                let size = |of: Option<u32>| of.map(|of| of.to_string());
                match name {
                    "width" => size(mode.width),
                    "height" => size(mode.height),
                    "frameRate" => mode.frame_rate.map(|rate| rate.to_string()),
                    "sampleRate" => size(mode.sample_rate),
                    "channelCount" => size(mode.channel_count),
                    "deviceId" => mode.device_id.clone(),
                    "groupId" => mode.group_id.clone(),
                    "facingMode" => mode.facing_mode.clone(),
                    "displaySurface" => mode.display_surface.clone(),
                    _ => None,
                }
            };
            let mut have: Vec<String> = modes.iter().filter_map(of).collect();
            have.sort();
            have.dedup();
            have.truncate(MAX_VALUES);
            match have.is_empty() {
                true => format!("nothing here keeps to the constraint on {name}"),
                false => format!(
                    "nothing here keeps to the constraint on {name}; there is {}",
                    have.join(", ")
                ),
            }
        }
    }
}

/// The mode itself, and what its pictures can be made into that constraints may want.
fn derived(
    mode: &MediaTrackSettings,
    constraints: &MediaTrackConstraints,
) -> Vec<MediaTrackSettings> {
    let (Some(width), Some(height)) = (mode.width, mode.height) else { return vec![mode.clone()] };
    let sets = || std::iter::once(&constraints.basic).chain(&constraints.advanced);
    let (full_width, full_height) = (f64::from(width), f64::from(height));
    let ratio = full_width / full_height;
    let pick = |full: f64, values: &mut dyn Iterator<Item = f64>| {
        let mut picked = vec![full];
        for value in values {
            if value > 0.0 && value < full && !picked.contains(&value) && picked.len() < MAX_VALUES
            {
                picked.push(value);
            }
        }
        picked
    };
    let wide: Vec<f64> = sets().filter_map(|set| set.width).flat_map(|of| of.values()).collect();
    let high: Vec<f64> = sets().filter_map(|set| set.height).flat_map(|of| of.values()).collect();
    let shapes: Vec<f64> = sets()
        .filter_map(|set| set.aspect_ratio)
        .flat_map(|of| of.values())
        .filter(|shape| *shape > 0.0 && shape.is_finite())
        .chain([ratio])
        .take(MAX_VALUES)
        .collect();
    // What goes with a width that is wanted, in each shape that is, and the other way round.
    let widths = high.iter().chain([&full_height]).flat_map(|height| {
        let height = *height;
        shapes.iter().map(move |shape| (height * shape).round())
    });
    let widths = pick(full_width, &mut wide.iter().copied().chain(widths));
    let heights = wide.iter().chain([&full_width]).flat_map(|width| {
        let width = *width;
        shapes.iter().map(move |shape| (width / shape).round())
    });
    let heights = pick(full_height, &mut high.iter().copied().chain(heights));
    let rates = match mode.frame_rate {
        Some(rate) => pick(
            rate,
            &mut sets().filter_map(|set| set.frame_rate).flat_map(|of| of.upper_values()),
        )
        .into_iter()
        .map(Some)
        .collect(),
        None => vec![None],
    };
    let mut all = Vec::with_capacity(widths.len() * heights.len() * rates.len());
    for width in &widths {
        for height in &heights {
            for rate in &rates {
                let mut settings = mode.clone();
                if (*width, *height) != (full_width, full_height) {
                    settings.width = Some(*width as u32);
                    settings.height = Some(*height as u32);
                    settings.resize_mode = Some("crop-and-scale".to_owned());
                }
                settings.frame_rate = *rate;
                all.push(settings);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::constrain::{ConstrainDouble, ConstrainString, ConstrainULong};
    use super::*;

    fn camera() -> Vec<MediaTrackSettings> {
        [
            (320, 240, 30.0),
            (640, 480, 30.0),
            (1280, 720, 30.0),
            (1280, 720, 60.0),
            (1920, 1080, 5.0),
        ]
        .map(|(width, height, rate)| MediaTrackSettings::video(width, height, rate))
        .to_vec()
    }

    fn usual() -> MediaTrackConstraintSet {
        MediaTrackConstraintSet {
            width: Some(640.into()),
            height: Some(480.into()),
            frame_rate: Some(30.0.into()),
            ..MediaTrackConstraintSet::default()
        }
    }

    fn chosen(constraints: MediaTrackConstraintSet) -> (u32, u32, f64, String) {
        let (_, settings) =
            select(TrackKind::Video, &camera(), &constraints.into(), &usual()).unwrap();
        let mode = settings.resize_mode.unwrap();
        (settings.width.unwrap(), settings.height.unwrap(), settings.frame_rate.unwrap(), mode)
    }

    fn refused(constraints: MediaTrackConstraintSet) -> OverconstrainedError {
        select(TrackKind::Video, &camera(), &constraints.into(), &usual()).unwrap_err()
    }

    fn set() -> MediaTrackConstraintSet {
        MediaTrackConstraintSet::default()
    }

    #[test]
    fn without_constraints_the_usual_is_taken() {
        assert_eq!(chosen(set()), (640, 480, 30.0, "none".to_owned()));
    }

    #[test]
    fn what_is_ideal_is_come_near_to() {
        let (width, height) = (Some(1280.into()), Some(720.into()));
        assert_eq!(
            chosen(MediaTrackConstraintSet { width, height, ..set() }),
            (1280, 720, 30.0, "none".to_owned())
        );
        let frame_rate = Some(ConstrainDouble::at_least(31.0));
        assert_eq!(chosen(MediaTrackConstraintSet { frame_rate, ..set() }).2, 60.0);
    }

    #[test]
    fn pictures_are_made_smaller_where_no_mode_fits() {
        let (width, height) = (Some(ConstrainULong::exact(500)), Some(ConstrainULong::exact(500)));
        let both = MediaTrackConstraintSet { width, height, ..set() };
        assert_eq!(chosen(both.clone()), (500, 500, 30.0, "crop-and-scale".to_owned()));
        let resize_mode = Some(ConstrainString::exact("none"));
        assert_eq!(refused(MediaTrackConstraintSet { resize_mode, ..both }).constraint, "");
        let frame_rate = Some(ConstrainDouble::at_most(10.0));
        assert_eq!(chosen(MediaTrackConstraintSet { frame_rate, ..set() }).2, 10.0);
        let aspect_ratio = Some(ConstrainDouble::exact(1.0));
        let (width, height, ..) = chosen(MediaTrackConstraintSet { aspect_ratio, ..set() });
        assert_eq!(width, height);
    }

    #[test]
    fn the_constraint_that_nothing_keeps_to_is_named() {
        let width = Some(ConstrainULong::at_least(4000));
        let error = refused(MediaTrackConstraintSet { width, ..set() });
        assert_eq!(error.constraint, "width");
        assert!(error.to_string().contains("there is 1280, 1920, 320, 640"), "{error}");
        let device_id = Some(ConstrainString::exact("nowhere"));
        assert_eq!(refused(MediaTrackConstraintSet { device_id, ..set() }).constraint, "deviceId");
        // Each by itself, but not together.
        let frame_rate = Some(ConstrainDouble::at_least(30.0));
        let width = Some(ConstrainULong::at_least(1920));
        assert_eq!(refused(MediaTrackConstraintSet { width, frame_rate, ..set() }).constraint, "");
    }

    #[test]
    fn constraints_of_the_other_kind_are_ignored() {
        let sample_rate = Some(ConstrainULong::exact(8_000));
        assert_eq!(chosen(MediaTrackConstraintSet { sample_rate, ..set() }), chosen(set()));
    }

    #[test]
    fn advanced_sets_are_kept_to_where_they_can_be() {
        let wide = |width: u32| MediaTrackConstraintSet { width: Some(width.into()), ..set() };
        let constraints = |advanced: Vec<_>| MediaTrackConstraints { basic: set(), advanced };
        let width = |advanced| {
            let (_, settings) =
                select(TrackKind::Video, &camera(), &constraints(advanced), &usual()).unwrap();
            settings.width.unwrap()
        };
        assert_eq!(width(vec![wide(4000), wide(1920)]), 1920);
        assert_eq!(width(vec![wide(1280), wide(1920)]), 1280);
        assert_eq!(width(vec![wide(4000)]), 640);
    }
}
