/* What the Rust side of this crate sees of dav1d. The structures here are ours on both sides (`ffi.rs` has the same), so that those
 * of dav1d, whose size depends on its version, stay behind its own headers. */
#ifndef PEERAGE_DAV1D_SHIM_H
#define PEERAGE_DAV1D_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct peerage_dav1d;

struct peerage_dav1d_picture {
    const uint8_t *planes[3];
    /* Luma, chroma. */
    ptrdiff_t strides[2];
    int32_t width;
    int32_t height;
    int32_t bits;
    /* Enum Dav1dPixelLayout: 1 is 4:2:0. */
    int32_t layout;
};

const char *peerage_dav1d_version(void);
/* NULL for no memory. */
struct peerage_dav1d *peerage_dav1d_new(uint32_t threads, uint32_t max_luma);
/* 1 and a picture, which lives until the decoder is used again; 0 where nothing is shown; or a negative errno. */
int peerage_dav1d_decode(struct peerage_dav1d *decoder, const uint8_t *data, size_t length,
                         struct peerage_dav1d_picture *picture);
/* Whether a negative result says that the picture is larger than allowed. */
int peerage_dav1d_is_too_large(int result);
void peerage_dav1d_free(struct peerage_dav1d *decoder);

#endif
