/*
 * When the pulses of a stream come out of channels of several latencies, for Linux:
 *
 *     latency BASS PLUGIN URL SECONDS MS...
 *
 * For each latency there is a decode channel and a playback channel of `URL?latency=MS`. For each
 * pulse a line `KIND MS heard NS`: the system's time at which its frame is played, were there
 * nothing behind the channel. A decoded block is played from its pull on, as a sound card's
 * callback does it; of a playback channel, on the device without sound, BASS takes what it has
 * played since it asked last, so that a block is played until its pull. Each second a line
 * `KIND MS latency_ms=` by BASS_AES67_GetStats. HOST_INTERFACE and HOST_DOMAIN in the environment
 * are the options.
 */
#include "load.h"

#define RATE_HZ 48000
#define CHANNELS 2
#define BLOCK_FRAMES 480
#define MOST_LATENCIES 8
/* Pulses are above this, between silence; frames that are nearer than SPREAD are of one. */
#define LOUD 0.25f
#define SPREAD 480

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000000000LL + t.tv_nsec;
}

struct channel {
    const char *kind, *ms;
    HSTREAM stream;
    long since_pulse; /* frames */
};

static void listen(struct channel *channel, const float *block, long frames, long long first_ns) {
    long loudest = 0;
    for (long i = 1; i < frames; i++)
        if (block[i * CHANNELS] > block[loudest * CHANNELS]) loudest = i;
    int is_loud = frames > 0 && block[loudest * CHANNELS] > LOUD;
    if (is_loud && channel->since_pulse + loudest >= SPREAD)
        printf("%s %s heard %lld\n", channel->kind, channel->ms, first_ns + loudest * 1000000000LL / RATE_HZ);
    channel->since_pulse = is_loud ? frames - loudest : channel->since_pulse + frames;
}

static void CALLBACK on_block(DWORD dsp, DWORD handle, void *buffer, DWORD length, void *user) {
    long frames = (long)(length / (CHANNELS * sizeof(float)));
    (void)dsp, (void)handle;
    listen((struct channel *)user, (const float *)buffer, frames, now_ns() - frames * 1000000000LL / RATE_HZ);
}

static void fail(const char *what) {
    char text[512] = "";
    p_BASS_AES67_GetErrorText(text, sizeof text);
    fprintf(stderr, "%s: BASS error %d; %s\n", what, p_BASS_ErrorGetCode(), text);
    exit(1);
}

static void open_channel(struct channel *channel, const char *url, const char *kind, const char *ms) {
    char text[1024];
    int decoded = !strcmp(kind, "decode");
    snprintf(text, sizeof text, "%s?latency=%s", url, ms);
    channel->kind = kind;
    channel->ms = ms;
    channel->since_pulse = SPREAD;
    channel->stream = p_BASS_StreamCreateURL(text, 0, BASS_SAMPLE_FLOAT | (decoded ? BASS_STREAM_DECODE : 0), NULL, NULL);
    if (!channel->stream) fail(text);
    if (decoded) return;
    if (!p_BASS_ChannelSetDSP(channel->stream, on_block, channel, 0)) fail("BASS_ChannelSetDSP");
    if (!p_BASS_ChannelPlay(channel->stream, FALSE)) fail("BASS_ChannelPlay");
}

static void show(const struct channel *channel) {
    BASS_AES67_STATS stats;
    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    if (!p_BASS_AES67_GetStats(channel->stream, &stats)) fail("BASS_AES67_GetStats");
    printf("%s %s latency_ms=%.3f on_ptp=%u\n", channel->kind, channel->ms, stats.latency_ms, (unsigned)stats.on_ptp);
}

int main(int argc, char **argv) {
    static struct channel channels[2 * MOST_LATENCIES];
    static float block[BLOCK_FRAMES * CHANNELS];
    int latencies = argc - 5;
    if (latencies < 1 || latencies > MOST_LATENCIES) {
        fprintf(stderr, "usage: latency BASS PLUGIN URL SECONDS MS...\n");
        return 2;
    }
    void *bass = load_bass(argv[1]), *own = load_aes67(argv[2]);
    HPLUGIN plugin = p_BASS_PluginLoad(argv[2], 0);
    if (!plugin) fail("BASS_PluginLoad");
    if (!p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, getenv("HOST_INTERFACE"))) fail("HOST_INTERFACE");
    if (!p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_DOMAIN, (DWORD)atoi(getenv("HOST_DOMAIN")))) fail("HOST_DOMAIN");
    if (!p_BASS_Init(0, RATE_HZ, 0, NULL, NULL)) fail("BASS_Init");
    for (int i = 0; i < latencies; i++) {
        open_channel(&channels[2 * i], argv[3], "decode", argv[5 + i]);
        open_channel(&channels[2 * i + 1], argv[3], "playback", argv[5 + i]);
    }
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (int pull = 1; pull <= atoi(argv[4]) * RATE_HZ / BLOCK_FRAMES; pull++) {
        due.tv_nsec += BLOCK_FRAMES * 1000000000LL / RATE_HZ;
        due.tv_sec += due.tv_nsec / 1000000000;
        due.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        for (int i = 0; i < latencies; i++) {
            long long at_ns = now_ns();
            if (p_BASS_ChannelGetData(channels[2 * i].stream, block, sizeof block) != sizeof block) fail("BASS_ChannelGetData");
            listen(&channels[2 * i], block, BLOCK_FRAMES, at_ns);
        }
        if (pull % 100 == 0)
            for (int i = 0; i < 2 * latencies; i++) show(&channels[i]);
    }
    p_BASS_Free();
    if (!p_BASS_PluginFree(plugin)) fail("BASS_PluginFree");
    unload_library(own);
    unload_library(bass);
    return 0;
}
