#include "shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dav1d/dav1d.h>

struct peerage_dav1d {
    Dav1dContext *context;
    Dav1dPicture picture;
};

const char *peerage_dav1d_version(void) { return dav1d_version(); }

int peerage_dav1d_is_too_large(int result) { return result == DAV1D_ERR(ERANGE); }

struct peerage_dav1d *peerage_dav1d_new(uint32_t threads, uint32_t max_luma) {
    struct peerage_dav1d *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL) return NULL;
    Dav1dSettings settings;
    dav1d_default_settings(&settings);
    settings.n_threads = (int)threads;
    /* A picture comes out of the call that its data goes into. */
    settings.max_frame_delay = 1;
    settings.frame_size_limit = max_luma;
    /* Whichever layers come are shown: what arrives of a picture may end below the highest one that its sequence knows. */
    settings.all_layers = 1;
    settings.operating_point = 0;
    /* A peer's errors are not for our standard error. */
    settings.logger.callback = NULL;
    if (dav1d_open(&decoder->context, &settings) < 0) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

/* Takes all that is ready and keeps the last of it. */
static int take(struct peerage_dav1d *decoder) {
    for (;;) {
        Dav1dPicture next;
        memset(&next, 0, sizeof next);
        int result = dav1d_get_picture(decoder->context, &next);
        if (result < 0) return result == DAV1D_ERR(EAGAIN) ? 0 : result;
        dav1d_picture_unref(&decoder->picture);
        decoder->picture = next;
    }
}

int peerage_dav1d_decode(struct peerage_dav1d *decoder, const uint8_t *bytes, size_t length,
                         struct peerage_dav1d_picture *picture) {
    dav1d_picture_unref(&decoder->picture);
    Dav1dData data;
    memset(&data, 0, sizeof data);
    uint8_t *copy = dav1d_data_create(&data, length);
    if (copy == NULL) return DAV1D_ERR(ENOMEM);
    memcpy(copy, bytes, length);
    int failure = 0;
    while (data.sz > 0) {
        size_t before = data.sz;
        int result = dav1d_send_data(decoder->context, &data);
        if (result < 0 && result != DAV1D_ERR(EAGAIN)) {
            failure = result;
            break;
        }
        int taken = take(decoder);
        if (taken < 0) failure = taken;
        if (data.sz == before && result < 0 && taken < 0) break;
    }
    if (data.sz > 0) dav1d_data_unref(&data);
    int taken = take(decoder);
    if (failure == 0) failure = taken;
    if (failure < 0) {
        /* What was decoded before the damage must not come with the next picture; references stay for it. */
        dav1d_picture_unref(&decoder->picture);
        return failure;
    }
    const Dav1dPicture *shown = &decoder->picture;
    if (shown->data[0] == NULL) return 0;
    for (int plane = 0; plane < 3; plane++) picture->planes[plane] = shown->data[plane];
    picture->strides[0] = shown->stride[0];
    picture->strides[1] = shown->stride[1];
    picture->width = shown->p.w;
    picture->height = shown->p.h;
    picture->bits = shown->p.bpc;
    picture->layout = (int32_t)shown->p.layout;
    return 1;
}

void peerage_dav1d_free(struct peerage_dav1d *decoder) {
    if (decoder == NULL) return;
    dav1d_picture_unref(&decoder->picture);
    dav1d_close(&decoder->context);
    free(decoder);
}
