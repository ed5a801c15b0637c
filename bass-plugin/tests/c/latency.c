/*
 * When the pulses of a stream come out of channels of several latencies, for Linux:
 *
 *     latency BASS PLUGIN URL SECONDS MS...
 *
 * For each latency there is a decode channel and a playback channel of `URL?latency=MS`. For each
 * pulse a line `KIND MS heard NS`: the system's time at which its frame is played, were there
 * nothing behind. A decoded block is played from its pull on, as a sound card's callback does it.
 * What is played of a playback channel is looked for in the final mix of the device without sound,
 * which is made each 10 ms: a block of it is played from then on. (The pulls of the channel itself
 * do not tell it as exactly: BASS asks each 100 ms for what has been mixed, in whole blocks of the
 * device, so that the same pull has one block more or less.) Channels are told apart there by their
 * place: the first one is left, the second one right. Each second a line `KIND MS latency_ms=` by
 * BASS_AES67_GetStats, and at first a line `buffer_ms=` with what BASS holds behind a playback
 * channel. HOST_INTERFACE and HOST_DOMAIN in the environment are the options.
 */
#include "load.h"

#define RATE_HZ 48000
#define CHANNELS 2
#define BLOCK_FRAMES 480
#define MOST_LATENCIES 2
/* In BASS's words STREAMPROC_DEVICE: the device's final mix. */
#define DEVICE_PROC ((DWORD(CALLBACK *)(HSTREAM, void *, DWORD, void *))(intptr_t)-2)
#define BASS_CONFIG_BUFFER 0
#define BASS_ATTRIB_PAN 3
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

static void listen(struct channel *channel, const float *samples, long frames, long long first_ns) {
    long loudest = 0;
    for (long i = 1; i < frames; i++)
        if (samples[i * CHANNELS] > samples[loudest * CHANNELS]) loudest = i;
    int is_loud = frames > 0 && samples[loudest * CHANNELS] > LOUD;
    if (is_loud && channel->since_pulse + loudest >= SPREAD)
        printf("%s %s heard %lld\n", channel->kind, channel->ms, first_ns + loudest * 1000000000LL / RATE_HZ);
    channel->since_pulse = is_loud ? frames - loudest : channel->since_pulse + frames;
}

/* Channels of one kind, from left to right. */
static void CALLBACK on_mix(DWORD dsp, DWORD handle, void *buffer, DWORD length, void *user) {
    struct channel *played = user;
    long long at_ns = now_ns();
    (void)dsp, (void)handle;
    for (int side = 0; side < CHANNELS && played[side].kind; side++)
        listen(&played[side], (const float *)buffer + side, (long)(length / (CHANNELS * sizeof(float))), at_ns);
}

static void fail(const char *what) {
    char text[512] = "";
    p_BASS_AES67_GetErrorText(text, sizeof text);
    fprintf(stderr, "%s: BASS error %d; %s\n", what, p_BASS_ErrorGetCode(), text);
    exit(1);
}

static void open_channel(struct channel *channel, const char *url, const char *kind, const char *ms, float pan) {
    char text[1024];
    int decoded = !strcmp(kind, "decode");
    snprintf(text, sizeof text, "%s?latency=%s", url, ms);
    channel->kind = kind;
    channel->ms = ms;
    channel->since_pulse = SPREAD;
    channel->stream = p_BASS_StreamCreateURL(text, 0, BASS_SAMPLE_FLOAT | (decoded ? BASS_STREAM_DECODE : 0), NULL, NULL);
    if (!channel->stream) fail(text);
    if (decoded) return;
    if (!p_BASS_ChannelSetAttribute(channel->stream, BASS_ATTRIB_PAN, pan)) fail("BASS_ATTRIB_PAN");
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
    static struct channel decoded[MOST_LATENCIES], played[CHANNELS];
    static float block[BLOCK_FRAMES * CHANNELS];
    int latencies = argc - 5;
    if (latencies < 1 || latencies > MOST_LATENCIES) {
        fprintf(stderr, "usage: latency BASS PLUGIN URL SECONDS MS [MS]\n");
        return 2;
    }
    void *bass = load_bass(argv[1]), *own = load_aes67(argv[2]);
    HPLUGIN plugin = p_BASS_PluginLoad(argv[2], 0);
    if (!plugin) fail("BASS_PluginLoad");
    if (!p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, getenv("HOST_INTERFACE"))) fail("HOST_INTERFACE");
    if (!p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_DOMAIN, (DWORD)atoi(getenv("HOST_DOMAIN")))) fail("HOST_DOMAIN");
    if (!p_BASS_Init(0, RATE_HZ, 0, NULL, NULL)) fail("BASS_Init");
    HSTREAM mix = p_BASS_StreamCreate(RATE_HZ, CHANNELS, BASS_SAMPLE_FLOAT, DEVICE_PROC, NULL);
    if (!mix) fail("STREAMPROC_DEVICE");
    if (!p_BASS_ChannelSetDSP(mix, on_mix, played, 0)) fail("BASS_ChannelSetDSP");
    printf("buffer_ms=%u\n", (unsigned)p_BASS_GetConfig(BASS_CONFIG_BUFFER));
    for (int i = 0; i < latencies; i++) {
        open_channel(&decoded[i], argv[3], "decode", argv[5 + i], 0);
        open_channel(&played[i], argv[3], "playback", argv[5 + i], i == 0 ? -1.0f : 1.0f);
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
            if (p_BASS_ChannelGetData(decoded[i].stream, block, sizeof block) != sizeof block) fail("BASS_ChannelGetData");
            listen(&decoded[i], block, BLOCK_FRAMES, at_ns);
        }
        if (pull % 100 == 0)
            for (int i = 0; i < latencies; i++) show(&decoded[i]), show(&played[i]);
    }
    p_BASS_Free();
    if (!p_BASS_PluginFree(plugin)) fail("BASS_PluginFree");
    unload_library(own);
    unload_library(bass);
    return 0;
}
