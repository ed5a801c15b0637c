/* soxr with a variable rate, up to an octave down. */
#include <soxr.h>
#include <stddef.h>

void *peers_soxr_new(unsigned channels, int quality) {
    (void)quality;
    soxr_quality_spec_t spec = soxr_quality_spec(SOXR_HQ, SOXR_VR);
    return soxr_create(2, 1, channels, NULL, NULL, &spec, NULL);
}

size_t peers_soxr_process(void *state, double step, const float *in, size_t in_frames, float *out, size_t out_frames) {
    size_t used = 0, made = 0;
    if (soxr_set_io_ratio(state, step, 0) != NULL
        || soxr_process(state, in, in_frames, &used, out, out_frames, &made) != NULL || used != in_frames) {
        return (size_t)-1;
    }
    return made;
}

void peers_soxr_delete(void *state) {
    soxr_delete(state);
}
