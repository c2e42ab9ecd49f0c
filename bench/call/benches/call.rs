//! A call of 1280x720 at 30 pictures a second by VP8 and of Opus, in real time over loopback: both ends, with the engine's and the
//! runtime's threads, are in this process, which keeps to one processor. Drawing costs next to nothing: the pictures are made before.
//!
//! `PEERAGE_CALL_SECONDS` is how long it is measured.

#[path = "../../../crates/media-engine/tests/picture_support/mod.rs"]
mod picture_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench_measure::figure;
use peerage::engine::sources;
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::track::MediaStream;
use peerage::media_engine::video::I420;
use peerage::media_engine::video::pattern::{Region, read_number, write_number};
use peerage::{Configuration, Endpoint, EndpointConfig, Event, PeerConnection};

/// Counts what all threads ask for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: defers to the system's allocator; the counter touches no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZE: (u16, u16) = (1280, 720);
const RATE: f64 = 30.0;
const BITRATE: u64 = 1_500_000;
/// Pictures that are shown to and fro.
const PICTURES: u64 = 45;
/// Until rates and delays have settled.
const SETTLE: Duration = Duration::from_secs(8);
/// A number below this was shown that long ago at most.
const NUMBERS: usize = 1 << 16;

/// When each number was drawn.
type Drawn = Arc<Mutex<Vec<Option<Instant>>>>;

fn main() -> Result<()> {
    let seconds = std::env::var("PEERAGE_CALL_SECONDS").ok();
    let seconds = seconds.map_or(Ok(20), |text| text.parse()).context("PEERAGE_CALL_SECONDS")?;
    let processor = one_processor()?;
    // As `#[tokio::main]` would have it on a machine with one processor.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("runtime")
        .enable_all()
        .build()?;
    println!("1280x720 at 30 a second, both ways, on processor {processor}, {seconds} s:");
    runtime.block_on(call(Duration::from_secs(seconds)))
}

/// Keeps this thread, and those that it begins, to the first processor that it may use.
fn one_processor() -> Result<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|number| allowed.is_set(*number));
    let first = first.context("no processor may be used")?;
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one)?;
    Ok(first)
}

async fn call(lasts: Duration) -> Result<()> {
    let room = Arc::new(pictures());
    let codecs = Arc::new(BuiltIn);
    let mut ends = Vec::new();
    for _ in 0..2 {
        let endpoint = Endpoint::bind(EndpointConfig::loopback()).await?;
        let pc = endpoint.connect(Configuration::default()).await?;
        let drawn: Drawn = Arc::new(Mutex::new(vec![None; NUMBERS]));
        let stream =
            MediaStream::new([camera(&room, &drawn)?.into(), sources::tone(440.0)?.into()]);
        let mut senders = Vec::new();
        for track in stream.tracks() {
            let sender = pc.send_track(&track, &[&stream], codecs.clone()).await?;
            let mut parameters = sender.transceiver().get_parameters().await?;
            parameters.encodings[0].max_bitrate = Some(BITRATE);
            sender.transceiver().set_parameters(parameters).await?;
            senders.push(sender);
        }
        ends.push((pc, stream, senders, drawn, endpoint));
    }
    negotiate(&ends[0].0, &ends[1].0).await?;
    let (mut receivers, mut shown) = (Vec::new(), Vec::new());
    for (at, other) in [(0, 1), (1, 0)] {
        for _ in 0..2 {
            let receiver = next(&ends[at].0).await?.receive_track(codecs.clone())?;
            if let Some(track) = receiver.track().as_video() {
                shown.push((track.sink(4), ends[other].3.clone()));
            }
            receivers.push(receiver);
        }
    }

    let mut watchers = Vec::new();
    for (mut sink, drawn) in shown {
        watchers.push(tokio::spawn(async move {
            let (begin, mut seen) = (Instant::now(), Vec::new());
            while begin.elapsed() < SETTLE + lasts {
                let Some(frame) = sink.recv().await else { break };
                let region = Region::lower_left(SIZE.0, SIZE.1);
                let drawn = read_number(&frame.picture, region)
                    .and_then(|number| drawn.lock().ok()?[usize::from(number)]);
                if begin.elapsed() >= SETTLE {
                    seen.push((Instant::now(), drawn));
                }
                sink.recycle(frame);
            }
            seen
        }));
    }
    tokio::time::sleep(SETTLE).await;
    let (before, allocated, begin) =
        (threads()?, ALLOCATIONS.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(lasts).await;
    let (after, elapsed) = (threads()?, begin.elapsed().as_secs_f64());
    let allocated = (ALLOCATIONS.load(Ordering::Relaxed) - allocated) as f64 / elapsed;

    let mut sum = 0.0;
    for (name, ticks) in &after {
        let spent = 1e3 * (ticks - before.get(name).unwrap_or(&0.0)) / elapsed;
        println!("{name:<18} {spent:>8.1} ms in a second");
        sum += spent;
    }
    println!("{:<18} {sum:>8.1} ms in a second; {allocated:.0} allocations in a second", "all");
    figure("call/both ends on one processor/peerage", sum);
    for watcher in watchers {
        told(&watcher.await?, elapsed)?;
    }
    for (end, report) in [("one", &ends[0].0), ("other", &ends[1].0)] {
        for stream in report.get_stats().await?.inbound_rtp() {
            let concealed = stream.concealed_samples.unwrap_or(0);
            let freezes = stream.freeze_count.unwrap_or(0);
            println!("{end}, {}: {freezes} freezes, {concealed} samples made up", stream.kind);
        }
    }
    drop(receivers);
    for (pc, ..) in &ends {
        pc.close().await;
    }
    Ok(())
}

/// How many pictures one end showed, and how late.
fn told(seen: &[(Instant, Option<Instant>)], seconds: f64) -> Result<()> {
    let mut late: Vec<_> = seen
        .iter()
        .filter_map(|(shown, drawn)| Some(shown.duration_since((*drawn)?).as_secs_f64() * 1e3))
        .collect();
    late.sort_by(f64::total_cmp);
    if late.is_empty() {
        bail!("no picture was shown that could be read");
    }
    let gap = seen.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or_default();
    println!(
        "shown: {:.1} pictures a second, {:.0} ms after they were drawn (95 %: {:.0}), the longest gap {} ms",
        seen.len() as f64 / seconds,
        late[late.len() / 2],
        late[late.len() * 95 / 100],
        gap.as_millis()
    );
    Ok(())
}

fn pictures() -> Vec<I420> {
    let room = picture_support::scene::Room::new(SIZE.0, SIZE.1);
    (0..PICTURES as u32).map(|number| room.picture(number)).collect()
}

fn camera(
    room: &Arc<Vec<I420>>,
    drawn: &Drawn,
) -> Result<peerage::media_engine::track::VideoTrack> {
    let (room, drawn) = (room.clone(), drawn.clone());
    Ok(sources::pictures("room", RATE, move |number| {
        let at = number % (2 * PICTURES - 2);
        let mut picture = room[at.min(2 * PICTURES - 2 - at) as usize].clone();
        write_number(&mut picture, Region::lower_left(SIZE.0, SIZE.1), number as u16);
        drawn.lock().ok()?[number as usize % NUMBERS] = Some(Instant::now());
        Some(picture)
    })?)
}

async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) -> Result<()> {
    offerer.set_local_description(None).await?;
    offerer.gathering_complete().await?;
    answerer.set_remote_description(offerer.local_description().context("no offer")?).await?;
    answerer.set_local_description(None).await?;
    answerer.gathering_complete().await?;
    offerer.set_remote_description(answerer.local_description().context("no answer")?).await?;
    tokio::try_join!(offerer.connected(), answerer.connected())?;
    Ok(())
}

async fn next(pc: &PeerConnection) -> Result<peerage::RtpTransceiver> {
    let next = async {
        loop {
            match pc.next_event().await.context("the connection closed")? {
                Event::Track { transceiver, .. } => return Ok(transceiver),
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), next).await.context("no track within 10 s")?
}

/// Seconds of CPU that this process's threads have taken, those of a name together.
fn threads() -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").context("no list of threads here")? {
        let task = task?.path();
        // Nanoseconds on a processor are the first number of `schedstat`.
        let Ok(spent) = std::fs::read_to_string(task.join("schedstat")) else { continue };
        let Ok(name) = std::fs::read_to_string(task.join("comm")) else { continue };
        let nanos: f64 = spent.split(' ').next().unwrap_or_default().parse()?;
        *all.entry(name.trim().to_owned()).or_default() += nanos / 1e9;
    }
    Ok(all)
}
