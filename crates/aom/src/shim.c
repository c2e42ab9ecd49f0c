#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>

struct peerage_aom {
    aom_codec_ctx_t context;
    aom_codec_iter_t iterator;
    int width;
    int height;
    int layered;
};

const char *peerage_aom_version(void) { return aom_codec_version_str(); }

const char *peerage_aom_reason(int error) {
    return aom_codec_err_to_string((aom_codec_err_t)error);
}

const char *peerage_aom_detail(struct peerage_aom *encoder) {
    return aom_codec_error_detail(&encoder->context);
}

static int is_layered(const struct peerage_aom_settings *settings) {
    return settings->spatial_layers > 1 || settings->temporal_layers > 1;
}

static aom_codec_err_t fill(aom_codec_enc_cfg_t *config,
                            const struct peerage_aom_settings *settings) {
    aom_codec_err_t error =
        aom_codec_enc_config_default(aom_codec_av1_cx(), config, AOM_USAGE_REALTIME);
    if (error != AOM_CODEC_OK) return error;
    config->g_w = settings->width;
    config->g_h = settings->height;
    config->g_threads = settings->threads;
    config->g_profile = 0;
    config->g_bit_depth = AOM_BITS_8;
    config->g_input_bit_depth = 8;
    config->g_timebase.num = 1;
    config->g_timebase.den = 90000;
    config->g_pass = AOM_RC_ONE_PASS;
    config->g_lag_in_frames = 0;
    config->g_error_resilient = 0;
    config->rc_end_usage = AOM_CBR;
    config->rc_target_bitrate = settings->kilobits;
    config->rc_min_quantizer = settings->min_quantizer;
    config->rc_max_quantizer = settings->max_quantizer;
    config->rc_undershoot_pct = settings->undershoot;
    config->rc_overshoot_pct = settings->overshoot;
    config->rc_buf_sz = settings->buffer;
    config->rc_buf_initial_sz = settings->buffer_initial;
    config->rc_buf_optimal_sz = settings->buffer_optimal;
    config->rc_dropframe_thresh = settings->drop_frame_threshold;
    config->rc_resize_mode = 0;
    config->rc_superres_mode = AOM_SUPERRES_NONE;
    /* Keyframes come when they are asked for. */
    config->kf_mode = AOM_KF_DISABLED;
    return AOM_CODEC_OK;
}

#define SET(id, value)                                                              \
    do {                                                                            \
        aom_codec_err_t set_error = aom_codec_control(context, (id), (value));      \
        if (set_error != AOM_CODEC_OK) return set_error;                            \
    } while (0)

/* What stays as it is. Most of the tools that are switched off take more time than a conversation has, and the fastest speeds do
 * without them anyway. */
static aom_codec_err_t set_tools(aom_codec_ctx_t *context,
                                 const struct peerage_aom_settings *settings) {
    SET(AV1E_SET_AQ_MODE, 3);
    SET(AV1E_SET_ROW_MT, settings->threads > 1 ? 1 : 0);
    SET(AV1E_SET_TILE_COLUMNS, (int)settings->tile_columns_log2);
    SET(AV1E_SET_TILE_ROWS, 0);
    SET(AV1E_SET_ENABLE_TPL_MODEL, 0);
    SET(AV1E_SET_DELTAQ_MODE, 0);
    SET(AV1E_SET_NOISE_SENSITIVITY, 0);
    SET(AV1E_SET_ENABLE_ORDER_HINT, 0);
    SET(AV1E_SET_ENABLE_CDEF, 1);
    SET(AV1E_SET_ENABLE_RESTORATION, 0);
    SET(AV1E_SET_ENABLE_OBMC, 0);
    SET(AV1E_SET_ENABLE_WARPED_MOTION, 0);
    SET(AV1E_SET_ENABLE_GLOBAL_MOTION, 0);
    SET(AV1E_SET_ENABLE_REF_FRAME_MVS, 0);
    SET(AV1E_SET_ENABLE_DUAL_FILTER, 0);
    SET(AV1E_SET_ENABLE_DIST_WTD_COMP, 0);
    SET(AV1E_SET_ENABLE_DIFF_WTD_COMP, 0);
    SET(AV1E_SET_ENABLE_INTERINTRA_COMP, 0);
    SET(AV1E_SET_ENABLE_SMOOTH_INTRA, 0);
    SET(AV1E_SET_ENABLE_FILTER_INTRA, 0);
    SET(AV1E_SET_ENABLE_CFL_INTRA, 0);
    SET(AV1E_SET_ENABLE_ANGLE_DELTA, 0);
    SET(AV1E_SET_INTRA_DEFAULT_TX_ONLY, 1);
    SET(AV1E_SET_DISABLE_TRELLIS_QUANT, 1);
    SET(AV1E_SET_ENABLE_TX64, 0);
    SET(AV1E_SET_ENABLE_SUPERRES, 0);
    SET(AV1E_SET_MAX_REFERENCE_FRAMES, 3);
    SET(AV1E_SET_REDUCED_REFERENCE_SET, 1);
    SET(AV1E_SET_ENABLE_INTRABC, 0);
    SET(AV1E_SET_ENABLE_PALETTE, settings->screen ? 1 : 0);
    SET(AV1E_SET_TUNE_CONTENT, settings->screen ? AOM_CONTENT_SCREEN : AOM_CONTENT_DEFAULT);
    /* The costs of symbols are taken anew for keyframes only. */
    SET(AV1E_SET_COEFF_COST_UPD_FREQ, 3);
    SET(AV1E_SET_MODE_COST_UPD_FREQ, 3);
    SET(AV1E_SET_MV_COST_UPD_FREQ, 3);
    return AOM_CODEC_OK;
}

/* What may change. */
static aom_codec_err_t set_rates(aom_codec_ctx_t *context,
                                 const struct peerage_aom_settings *settings) {
    SET(AOME_SET_CPUUSED, (int)settings->speed);
    SET(AOME_SET_MAX_INTRA_BITRATE_PCT, settings->max_intra_percent);
    if (!is_layered(settings)) return AOM_CODEC_OK;
    aom_svc_params_t layers;
    memset(&layers, 0, sizeof layers);
    unsigned spatial = settings->spatial_layers, temporal = settings->temporal_layers;
    if (spatial > 3 || temporal > 3) return AOM_CODEC_INVALID_PARAM;
    layers.number_spatial_layers = (int)spatial;
    layers.number_temporal_layers = (int)temporal;
    for (unsigned layer = 0; layer < spatial * temporal; layer++) {
        layers.min_quantizers[layer] = (int)settings->min_quantizer;
        layers.max_quantizers[layer] = (int)settings->max_quantizer;
        layers.layer_target_bitrate[layer] = (int)settings->rates[layer];
    }
    for (unsigned layer = 0; layer < spatial; layer++) {
        layers.scaling_factor_num[layer] = 1;
        layers.scaling_factor_den[layer] = 1 << (spatial - 1 - layer);
    }
    /* One picture in so many is of the layer or below. */
    for (unsigned layer = 0; layer < temporal; layer++)
        layers.framerate_factor[layer] = 1 << (temporal - 1 - layer);
    SET(AV1E_SET_SVC_PARAMS, &layers);
    return AOM_CODEC_OK;
}

struct peerage_aom *peerage_aom_new(const struct peerage_aom_settings *settings, int *error) {
    struct peerage_aom *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL) {
        *error = AOM_CODEC_MEM_ERROR;
        return NULL;
    }
    aom_codec_enc_cfg_t config;
    aom_codec_err_t result = fill(&config, settings);
    if (result == AOM_CODEC_OK)
        result = aom_codec_enc_init(&encoder->context, aom_codec_av1_cx(), &config, 0);
    if (result != AOM_CODEC_OK) {
        /* A context whose initialisation fails is not to be destroyed. */
        free(encoder);
        *error = result;
        return NULL;
    }
    encoder->width = (int)settings->width;
    encoder->height = (int)settings->height;
    encoder->layered = is_layered(settings);
    result = set_tools(&encoder->context, settings);
    if (result == AOM_CODEC_OK) result = set_rates(&encoder->context, settings);
    if (result != AOM_CODEC_OK) {
        peerage_aom_free(encoder);
        *error = result;
        return NULL;
    }
    return encoder;
}

int peerage_aom_configure(struct peerage_aom *encoder,
                          const struct peerage_aom_settings *settings) {
    aom_codec_enc_cfg_t config;
    aom_codec_err_t result = fill(&config, settings);
    if (result == AOM_CODEC_OK) result = aom_codec_enc_config_set(&encoder->context, &config);
    if (result == AOM_CODEC_OK) result = set_rates(&encoder->context, settings);
    return result;
}

static aom_codec_err_t set_layer(aom_codec_ctx_t *context,
                                 const struct peerage_aom_picture *picture) {
    aom_svc_layer_id_t layer;
    memset(&layer, 0, sizeof layer);
    layer.spatial_layer_id = (int)picture->spatial_layer;
    layer.temporal_layer_id = (int)picture->temporal_layer;
    SET(AV1E_SET_SVC_LAYER_ID, &layer);
    aom_svc_ref_frame_config_t references;
    memset(&references, 0, sizeof references);
    for (int at = 0; at < 7; at++) {
        references.reference[at] = picture->reference[at];
        references.ref_idx[at] = picture->slot[at];
    }
    for (int at = 0; at < 8; at++) references.refresh[at] = picture->refresh[at];
    SET(AV1E_SET_SVC_REF_FRAME_CONFIG, &references);
    return AOM_CODEC_OK;
}

int peerage_aom_encode(struct peerage_aom *encoder, const struct peerage_aom_picture *picture) {
    encoder->iterator = NULL;
    aom_image_t image;
    /* The pointer is only stored, and replaced below: libaom rounds widths up to even ones, which our rows are not. */
    if (aom_img_wrap(&image, AOM_IMG_FMT_I420, (unsigned)encoder->width,
                     (unsigned)encoder->height, 1, (unsigned char *)picture->planes[0]) == NULL)
        return AOM_CODEC_INVALID_PARAM;
    int half = (encoder->width + 1) / 2;
    for (int plane = 0; plane < 3; plane++) {
        image.planes[plane] = (unsigned char *)picture->planes[plane];
        image.stride[plane] = plane == 0 ? encoder->width : half;
    }
    if (encoder->layered) {
        aom_codec_err_t result = set_layer(&encoder->context, picture);
        if (result != AOM_CODEC_OK) return result;
    }
    return aom_codec_encode(&encoder->context, &image, picture->time, picture->duration,
                            picture->keyframe ? AOM_EFLAG_FORCE_KF : 0);
}

int peerage_aom_next(struct peerage_aom *encoder, struct peerage_aom_packet *packet) {
    const aom_codec_cx_pkt_t *next;
    while ((next = aom_codec_get_cx_data(&encoder->context, &encoder->iterator)) != NULL) {
        if (next->kind != AOM_CODEC_CX_FRAME_PKT || next->data.frame.sz == 0) continue;
        packet->data = next->data.frame.buf;
        packet->length = next->data.frame.sz;
        packet->keyframe = (next->data.frame.flags & AOM_FRAME_IS_KEY) != 0;
        return 1;
    }
    return 0;
}

int peerage_aom_quantizer(struct peerage_aom *encoder) {
    int value = -1;
    if (aom_codec_control(&encoder->context, AOME_GET_LAST_QUANTIZER, &value) != AOM_CODEC_OK)
        return -1;
    return value;
}

void peerage_aom_free(struct peerage_aom *encoder) {
    if (encoder == NULL) return;
    aom_codec_destroy(&encoder->context);
    free(encoder);
}
