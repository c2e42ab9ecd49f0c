#!/usr/bin/env bash
# Continuous integration: makes sure that the xtask program can be built, then lets it do the work.
# The last line printed is `N passed, N failed`; the exit status is non-zero if anything failed.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
  echo "cargo not found: install Rust (rustup) first" >&2
  exit 1
fi

# OpenSSL, libopus and OpenH264 are built from source by their crates: a C compiler, make and perl; cmake; nasm and a C++ compiler,
# which libFuzzer wants too. libvpx, libaom, dav1d and ALSA are the system's.
# Xvfb and PulseAudio stand in for a screen and a sound card. The wrappers of codecs run under valgrind. coturn judges TURN.
missing=()
for pair in cc:gcc c++:g++ cmake:cmake make:make nasm:nasm perl:perl pkg-config:pkg-config \
  Xvfb:xvfb pulseaudio:pulseaudio valgrind:valgrind turnserver:coturn; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
for pair in vpx:libvpx-dev aom:libaom-dev dav1d:libdav1d-dev alsa:libasound2-dev; do
  pkg-config --exists "${pair%%:*}" 2>/dev/null || missing+=("${pair##*:}")
done
# By which ALSA reaches PulseAudio.
compgen -G '/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so' >/dev/null || missing+=(libasound2-plugins)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    timeout 300 apt-get update -q
    DEBIAN_FRONTEND=noninteractive timeout 600 apt-get install -y -q --no-install-recommends "${missing[@]}" libc6-dev
  else
    echo "missing: ${missing[*]}; on Debian or Ubuntu run: sudo apt-get install -y ${missing[*]} libc6-dev" >&2
    exit 1
  fi
fi

export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
timeout 900 cargo build --quiet --package xtask
exec cargo xtask ci "$@"
