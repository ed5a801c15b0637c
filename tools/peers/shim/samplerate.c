/* libsamplerate: src_process with a constant ratio. */
#include <samplerate.h>
#include <stddef.h>

void *peers_samplerate_new(unsigned channels, int quality) {
    int error = 0;
    return src_new(quality, (int)channels, &error);
}

size_t peers_samplerate_process(void *state, double step, const float *in, size_t in_frames, float *out, size_t out_frames) {
    SRC_DATA data = {0};
    data.data_in = in;
    data.input_frames = (long)in_frames;
    data.data_out = out;
    data.output_frames = (long)out_frames;
    data.src_ratio = 1.0 / step;
    if (src_process(state, &data) != 0 || (size_t)data.input_frames_used != in_frames) {
        return (size_t)-1;
    }
    return (size_t)data.output_frames_gen;
}

void peers_samplerate_delete(void *state) {
    src_delete(state);
}
