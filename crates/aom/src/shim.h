/* What the Rust side of this crate sees of libaom. The structures here are ours on both sides (`ffi.rs` has the same), so that
 * those of libaom, whose size depends on its version, stay behind its own headers. */
#ifndef PEERAGE_AOM_SHIM_H
#define PEERAGE_AOM_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct peerage_aom;

struct peerage_aom_settings {
    uint32_t width;
    uint32_t height;
    uint32_t threads;
    uint32_t tile_columns_log2;
    uint32_t kilobits;
    uint32_t min_quantizer;
    uint32_t max_quantizer;
    uint32_t undershoot;
    uint32_t overshoot;
    uint32_t buffer;
    uint32_t buffer_initial;
    uint32_t buffer_optimal;
    uint32_t drop_frame_threshold;
    uint32_t max_intra_percent;
    int32_t speed;
    uint32_t screen;
    uint32_t spatial_layers;
    uint32_t temporal_layers;
    /* kbit/s, [spatial * temporal_layers + temporal], of the layer and the temporal ones below it */
    uint32_t rates[9];
};

struct peerage_aom_picture {
    const uint8_t *planes[3];
    int64_t time;
    uint32_t duration;
    uint32_t keyframe;
    uint32_t spatial_layer;
    uint32_t temporal_layer;
    /* As libaom has them in aom_svc_ref_frame_config; read only where there are layers. */
    int32_t reference[7];
    int32_t slot[7];
    int32_t refresh[8];
};

struct peerage_aom_packet {
    const uint8_t *data;
    size_t length;
    uint32_t keyframe;
};

const char *peerage_aom_version(void);
/* NULL for no memory or settings that libaom refuses: `error` then says which of its errors it is. */
struct peerage_aom *peerage_aom_new(const struct peerage_aom_settings *settings, int *error);
/* Zero, or an error of libaom. Size and layers must be as before. */
int peerage_aom_configure(struct peerage_aom *encoder, const struct peerage_aom_settings *settings);
/* Zero, or an error of libaom. The planes have no padding and are read during the call only. */
int peerage_aom_encode(struct peerage_aom *encoder, const struct peerage_aom_picture *picture);
/* Whether there was another packet of what was encoded last. It lives until the encoder is used again. */
int peerage_aom_next(struct peerage_aom *encoder, struct peerage_aom_packet *packet);
/* The quantiser of what was encoded last, 0 to 255, or -1. */
int peerage_aom_quantizer(struct peerage_aom *encoder);
const char *peerage_aom_reason(int error);
/* What libaom adds to the last error, or NULL. It lives until the encoder is used again. */
const char *peerage_aom_detail(struct peerage_aom *encoder);
void peerage_aom_free(struct peerage_aom *encoder);

#endif
