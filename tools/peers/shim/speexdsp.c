/* speexdsp: a rational ratio, in steps of 1 ppm. */
#include <speex/speex_resampler.h>
#include <stddef.h>

#define PARTS 1000000

void *peers_speexdsp_new(unsigned channels, int quality) {
    return speex_resampler_init_frac(channels, PARTS, PARTS, 48000, 48000, quality, NULL);
}

size_t peers_speexdsp_process(void *state, double step, const float *in, size_t in_frames, float *out, size_t out_frames) {
    spx_uint32_t used = (spx_uint32_t)in_frames, made = (spx_uint32_t)out_frames;
    if (speex_resampler_set_rate_frac(state, (spx_uint32_t)(step * PARTS + 0.5), PARTS, 48000, 48000) != 0
        || speex_resampler_process_interleaved_float(state, in, &used, out, &made) != 0 || used != in_frames) {
        return (size_t)-1;
    }
    return made;
}

void peers_speexdsp_delete(void *state) {
    speex_resampler_destroy(state);
}
