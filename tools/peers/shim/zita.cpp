// zita-resampler: VResampler; the quality is half the length of its filter.
#include <cstddef>
#include <zita-resampler/vresampler.h>

extern "C" void *peers_zita_new(unsigned channels, int quality) {
    VResampler *resampler = new VResampler;
    if (resampler->setup(1.0, channels, (unsigned)quality) != 0) {
        delete resampler;
        return nullptr;
    }
    return resampler;
}

extern "C" size_t peers_zita_process(void *state, double step, const float *in, size_t in_frames, float *out, size_t out_frames) {
    VResampler *resampler = static_cast<VResampler *>(state);
    resampler->set_rratio(1.0 / step);
    resampler->inp_count = (unsigned)in_frames;
    resampler->inp_data = const_cast<float *>(in);
    resampler->out_count = (unsigned)out_frames;
    resampler->out_data = out;
    if (resampler->process() != 0 || resampler->inp_count != 0) {
        return (size_t)-1;
    }
    return out_frames - resampler->out_count;
}

extern "C" void peers_zita_delete(void *state) {
    delete static_cast<VResampler *>(state);
}
