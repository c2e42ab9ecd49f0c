//! Screens that are captured and windows that show tracks, by X11 with pictures in shared memory.

#[cfg(feature = "screen")]
mod screen;
mod server;
#[cfg(feature = "window")]
mod window;

#[cfg(feature = "screen")]
pub(super) use screen::Screens;
#[cfg(feature = "window")]
pub(super) use window::Windows;
