//! The loudspeakers' side: all that is played reaches the processors of all microphones.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::{DeviceError, Output};
use crate::audio::processing::MicrophoneProcessor;
use crate::audio::{AudioBlock, mix_channels};
use crate::track::{AudioSource, AudioTrack, SinkError};

/// Blocks that may wait for the thread.
const QUEUE: usize = 50;
/// How long the thread rests before it looks whether it is wanted.
const REST: Duration = Duration::from_millis(100);
/// What a speaker holds back at least, as it bridges two clocks. The canceller finds the rest by itself.
const HELD: Duration = Duration::from_millis(40);
/// Blocks of another loudspeaker that wait for those of the first.
const WAITING: usize = 8;

/// Whoever plays, and the microphones that hear it. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Loudspeakers {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    next: u64,
    microphones: Vec<(u64, MicrophoneProcessor)>,
    /// What plays. The first gives the pace; blocks of the others wait for its.
    playing: Vec<Playing>,
    spare: Vec<AudioBlock>,
    mixed: AudioBlock,
}

#[derive(Debug)]
struct Playing {
    number: u64,
    waiting: VecDeque<AudioBlock>,
}

/// A microphone that is heard by: dropped, it is none any more.
#[derive(Debug)]
pub(super) struct Registered {
    number: u64,
    loudspeakers: Loudspeakers,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let number = self.number;
        self.loudspeakers.lock().microphones.retain(|(other, _)| *other != number);
    }
}

impl Loudspeakers {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another microphone.
    pub(super) fn register(&self, processor: MicrophoneProcessor) -> Registered {
        let mut shared = self.lock();
        let number = shared.number();
        shared.microphones.push((number, processor));
        Registered { number, loudspeakers: self.clone() }
    }

    fn begin(&self) -> u64 {
        let mut shared = self.lock();
        let number = shared.number();
        shared.playing.push(Playing { number, waiting: VecDeque::with_capacity(WAITING) });
        number
    }

    fn end(&self, number: u64) {
        self.lock().playing.retain(|playing| playing.number != number);
    }

    /// A block is about to be played.
    fn play(&self, number: u64, block: &AudioBlock) {
        if block.frames() > 0 {
            self.lock().play(number, block);
        }
    }
}

impl Shared {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn play(&mut self, number: u64, block: &AudioBlock) {
        let Self { microphones, playing, spare, mixed, .. } = self;
        let Some(place) = playing.iter().position(|playing| playing.number == number) else {
            return;
        };
        if place > 0 {
            let waiting = &mut playing[place].waiting;
            let oldest = if waiting.len() == WAITING { waiting.pop_front() } else { spare.pop() };
            let mut kept = oldest.unwrap_or_default();
            mix_channels(block, 1, &mut kept);
            waiting.push_back(kept);
            return;
        }
        mix_channels(block, 1, mixed);
        for other in &mut playing[1..] {
            let Some(theirs) = other.waiting.pop_front() else { continue };
            if (theirs.rate(), theirs.frames()) == (mixed.rate(), mixed.frames()) {
                let samples = mixed.samples_mut().iter_mut().zip(theirs.samples());
                samples.for_each(|(sample, other)| *sample += other);
            }
            if spare.len() < WAITING {
                spare.push(theirs);
            }
        }
        let now = Instant::now();
        for (_, processor) in microphones {
            // What is no block of 10 ms is not taken: there is nothing to be done about it.
            let _ = processor.render(mixed, now, now + HELD);
        }
    }
}

/// A track of the same sound, whose blocks microphones are told of before they are played; keep what comes with it as long as it is.
pub(in super::super) fn heard(
    track: &AudioTrack,
    loudspeakers: &Loudspeakers,
) -> Result<(AudioTrack, Heard), DeviceError> {
    let source = AudioSource::new(track.label().to_owned());
    let (played, track) = (source.track(), track.clone());
    let over = Arc::new(AtomicBool::new(false));
    let heard = Heard { over: over.clone() };
    let label = track.label().to_owned();
    let (at_failure, loudspeakers) = (loudspeakers, loudspeakers.clone());
    // Before the thread begins, so that nothing of the track is missed.
    let mut sink = track.sink(QUEUE);
    let number = loudspeakers.begin();
    let run = move || {
        // The track would end with its last handle.
        let _track = track;
        while !over.load(Ordering::Relaxed) && source.is_wanted() {
            match sink.recv_timeout(REST) {
                Ok(frame) => {
                    loudspeakers.play(number, &frame.block);
                    source.push(&frame);
                    sink.recycle(frame);
                }
                Err(SinkError::Empty) => {}
                Err(SinkError::Ended) => break,
            }
        }
        loudspeakers.end(number);
    };
    std::thread::Builder::new().name("peerage speaker heard".to_owned()).spawn(run).map_err(
        |error| {
            at_failure.end(number);
            DeviceError::unreadable(&label, error)
        },
    )?;
    Ok((played, heard))
}

/// See [`heard`].
#[derive(Debug)]
pub(in super::super) struct Heard {
    over: Arc<AtomicBool>,
}

impl Heard {
    /// An output that ends both.
    pub(in super::super) fn with(self, output: Box<dyn Output>) -> Box<dyn Output> {
        Box::new(HeardOutput { output, _heard: self })
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct HeardOutput {
    output: Box<dyn Output>,
    _heard: Heard,
}

impl Output for HeardOutput {
    fn is_running(&self) -> bool {
        self.output.is_running()
    }
}
