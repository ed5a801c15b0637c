/*
 * A host of BASS, for the tests: loads BASS and the add-on at run time and does what it is told.
 * Runs on Linux and on Windows.
 *
 *     host play    BASS PLUGIN URL SECONDS FILE|- decode|decode16|ptp|nosound|card
 *     host many    BASS PLUGIN SECONDS URL... (one for each stream, decoded)
 *     host config  BASS PLUGIN
 *     host life    BASS PLUGIN URL [SECOND_COPY_OF_PLUGIN]
 *     host exit    BASS PLUGIN URL
 *     host cycles  BASS PLUGIN URL COUNT
 *     host errors  BASS PLUGIN FOLDER
 *     host output  BASS PLUGIN FILE|URL GROUP INTERFACE CLOCK SECONDS
 *     host within  BASS PLUGIN GROUP INTERFACE
 *
 * Lines on the output are `what=value` pairs; exit code 1 and a line on the error output tell of
 * the first thing that is wrong.
 */
#include "load.h"

#ifndef _WIN32
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

static void fail(const char *what, int line) {
    fprintf(stderr, "host.c:%d: not so: %s (BASS error %d)\n", line, what, p_BASS_ErrorGetCode ? p_BASS_ErrorGetCode() : 0);
    if (p_BASS_AES67_GetErrorText) {
        char text[512];
        p_BASS_AES67_GetErrorText(text, sizeof text);
        fprintf(stderr, "  last words: %s\n", text);
    }
    exit(1);
}
#define CHECK(what) do { if (!(what)) fail(#what, __LINE__); } while (0)
#define CHECK_ERROR(code) do { int e_ = p_BASS_ErrorGetCode(); if (e_ != (code)) { fprintf(stderr, "error is %d\n", e_); fail("error is " #code, __LINE__); } } while (0)

/* ---- What the process holds ---- */

static int count_entries(const char *folder) {
#ifdef _WIN32
    (void)folder;
    return 0;
#else
    DIR *dir = opendir(folder);
    int count = 0;
    if (!dir) return -1;
    while (readdir(dir)) count++;
    closedir(dir);
    return count - 2;
#endif
}
static int threads(void) { return count_entries("/proc/self/task"); }
static int files(void) { return count_entries("/proc/self/fd"); }

static long resident_kib(void) {
    long pages = 0;
#ifndef _WIN32
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
        fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
#else
    return pages;
#endif
}

static int is_mapped(const char *name) {
#ifdef _WIN32
    return GetModuleHandleA(name) != NULL;
#else
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, name) != NULL;
    if (maps) fclose(maps);
    return found;
#endif
}

static const char *base_name(const char *path) {
    const char *name = path;
    for (; *path; path++)
        if (*path == '/' || *path == '\\') name = path + 1;
    return name;
}

/* A thread that was joined may be listed for a moment. */
static int threads_settle_at(int wanted) {
    for (int i = 0; i < 4000 && threads() > wanted; i++) sleep_ms(5);
    return threads();
}

/* How many there are when all have begun that were to begin: their number stays for a while. */
static int settled_threads(void) {
    int count = threads();
    for (int i = 0, same = 0; i < 1000 && same < 10; i++) {
        sleep_ms(10);
        same = threads() == count ? same + 1 : 0;
        count = threads();
    }
    return count;
}

/* ---- play ---- */

struct pull {
    HSTREAM stream;
    FILE *out;
    DWORD frames;
    DWORD frame_bytes;
    unsigned long long pulled;
    unsigned long long missed;
    double longest_s;
};

static char pull_buffer[1 << 20];

static void pull_once(struct pull *pull) {
    DWORD wanted = pull->frames * pull->frame_bytes;
    double before = now_s();
    DWORD got = p_BASS_ChannelGetData(pull->stream, pull_buffer, wanted);
    double took = now_s() - before;
    if (took > pull->longest_s) pull->longest_s = took;
    if (got != wanted) {
        fprintf(stderr, "asked for %u bytes, got %u\n", (unsigned)wanted, (unsigned)got);
        exit(1);
    }
    if (pull->out && fwrite(pull_buffer, 1, got, pull->out) != got) exit(1);
    pull->pulled += got / pull->frame_bytes;
}

static void CALLBACK on_timer(void *user, QWORD ptp_ns, DWORD missed) {
    struct pull *pull = (struct pull *)user;
    (void)ptp_ns;
    pull->missed += missed;
    for (DWORD i = 0; i <= missed && i < 20; i++) pull_once(pull);
}

static void show(HSTREAM stream) {
    BASS_AES67_STATS s;
    memset(&s, 0, sizeof s);
    s.size = sizeof s;
    CHECK(p_BASS_AES67_GetStats(stream, &s));
    printf("state=%u on_ptp=%u locked=%u received=%llu lost=%llu late=%llu refused=%llu overflowed=%llu concealed=%llu underruns=%llu "
           "jumps=%llu ratio_ppm=%.3f card_ppm=%.3f sender_ppm=%.3f buffer_ms=%.2f target_ms=%.2f latency_ms=%.2f\n",
           (unsigned)s.state, (unsigned)s.on_ptp, (unsigned)s.locked, (unsigned long long)s.packets_received,
           (unsigned long long)s.packets_lost, (unsigned long long)s.packets_late, (unsigned long long)s.packets_refused,
           (unsigned long long)s.packets_overflowed, (unsigned long long)s.concealed_frames, (unsigned long long)s.underruns,
           (unsigned long long)s.jumps, s.ratio_ppm, s.card_ppm, s.sender_ppm, s.buffer_ms, s.target_ms, s.latency_ms);
    printf("ptp=%s\n", (const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_STATS));
    fflush(stdout);
}

/* How often each sync was called: lock, unlock, source, loss. */
static volatile int syncs[4];
static const char *const sync_names[4] = {"lock", "unlock", "source", "loss"};

static void CALLBACK count_sync(HSYNC sync, DWORD channel, DWORD data, void *user) {
    (void)sync, (void)channel, (void)data;
    ++*(volatile int *)user;
}

static int play(const char *url, int seconds, const char *file, const char *mode) {
    int decoded = strcmp(mode, "nosound") && strcmp(mode, "card");
    int is_16 = !strcmp(mode, "decode16");
    DWORD flags = (decoded ? BASS_STREAM_DECODE : 0) | (is_16 ? 0 : BASS_SAMPLE_FLOAT);
    CHECK(p_BASS_Init(!strcmp(mode, "card") ? -1 : 0, 48000, 0, NULL, NULL));
    HSTREAM stream = p_BASS_StreamCreateURL(url, 0, flags, NULL, NULL);
    CHECK(stream);
    CHECK_ERROR(0);
    for (DWORD i = 0; i < 4; i++) CHECK(p_BASS_ChannelSetSync(stream, BASS_SYNC_AES67_LOCK + i, 0, count_sync, (void *)&syncs[i]));
    BASS_CHANNELINFO info;
    CHECK(p_BASS_ChannelGetInfo(stream, &info));
    printf("freq=%u chans=%u ctype=%#x origres=%u flags=%#x filename=%s\n", (unsigned)info.freq, (unsigned)info.chans,
           (unsigned)info.ctype, (unsigned)info.origres, (unsigned)info.flags, info.filename);
    struct pull pull;
    memset(&pull, 0, sizeof pull);
    pull.stream = stream;
    pull.frames = info.freq / 100;
    pull.frame_bytes = info.chans * (is_16 ? 2 : 4);
    pull.out = strcmp(file, "-") ? fopen(file, "wb") : NULL;
    CHECK(!strcmp(file, "-") || pull.out);
    BASS_AES67_HTIMER timer = 0;
    double start = now_s();
    if (!strcmp(mode, "ptp")) {
        /* The timer begins once the clock has. */
        timer = p_BASS_AES67_TimerStart(10000, on_timer, &pull);
        CHECK(timer);
    }
    if (!decoded) CHECK(p_BASS_ChannelPlay(stream, FALSE));
    for (int second = 1; second <= seconds; second++) {
        while (now_s() < start + second) {
            if (decoded && !timer && now_s() - start > (double)pull.pulled / info.freq) pull_once(&pull);
            else sleep_ms(1);
        }
        show(stream);
    }
    if (timer) CHECK(p_BASS_AES67_TimerStop(timer));
    if (pull.out) fclose(pull.out);
    for (int i = 0; i < 4; i++) printf("sync_%s=%d ", sync_names[i], syncs[i]);
    printf("pulled=%llu missed=%llu longest_pull_us=%.0f resident_kib=%ld\n", pull.pulled, pull.missed, pull.longest_s * 1e6, resident_kib());
    CHECK(p_BASS_StreamFree(stream));
    return 0;
}

static int many(int seconds, int count, char **urls) {
    struct pull pulls[64];
    memset(pulls, 0, sizeof pulls);
    CHECK(count <= 64 && p_BASS_Init(0, 48000, 0, NULL, NULL));
    for (int i = 0; i < count; i++) {
        pulls[i].stream = p_BASS_StreamCreateURL(urls[i], 0, BASS_STREAM_DECODE | BASS_SAMPLE_FLOAT, NULL, NULL);
        CHECK(pulls[i].stream);
        BASS_CHANNELINFO info;
        CHECK(p_BASS_ChannelGetInfo(pulls[i].stream, &info));
        pulls[i].frames = info.freq / 100;
        pulls[i].frame_bytes = info.chans * 4;
    }
    double start = now_s();
#ifndef _WIN32
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
#endif
    for (int tick = 0; tick < seconds * 100; tick++) {
        while (now_s() < start + tick * 0.01) sleep_ms(1);
        for (int i = 0; i < count; i++) pull_once(&pulls[i]);
    }
#ifndef _WIN32
    getrusage(RUSAGE_SELF, &after);
    double cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
                 1e-6 * (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    printf("cpu_percent_of_a_core=%.1f\n", 100.0 * cpu / (now_s() - start));
#endif
    printf("streams=%d threads=%d resident_kib=%ld\n", count, threads(), resident_kib());
    for (int i = 0; i < count; i++) {
        BASS_AES67_STATS s;
        s.size = sizeof s;
        CHECK(p_BASS_AES67_GetStats(pulls[i].stream, &s));
        printf("stream=%d state=%u received=%llu lost=%llu underruns=%llu\n", i, (unsigned)s.state,
               (unsigned long long)s.packets_received, (unsigned long long)s.packets_lost, (unsigned long long)s.underruns);
    }
    CHECK(p_BASS_Free());
    return 0;
}

/* ---- config ---- */

static int is_text_option(DWORD option) {
    return option == BASS_CONFIG_AES67_INTERFACE || option == BASS_CONFIG_AES67_SAP_SOURCES ||
           (option >= BASS_CONFIG_AES67_PTP_UNICAST_MASTERS && option <= BASS_CONFIG_AES67_PTP_SA_FILE);
}
static int is_number_option(DWORD option) { return !is_text_option(option) && option != BASS_CONFIG_AES67_PTP_STATS; }
static int is_known(DWORD option) { return (option >= 0x20000 && option <= 0x20008) || (option >= 0x20010 && option <= 0x20020); }

static void numbers(void) {
    static const struct { DWORD option, good, bad; } set[] = {
        {BASS_CONFIG_AES67_PT, 98, 95}, {BASS_CONFIG_AES67_PT, 10, 12}, {BASS_CONFIG_AES67_PT, 127, 128},
        {BASS_CONFIG_AES67_PTP_DOMAIN, 127, 128}, {BASS_CONFIG_AES67_PTP_DOMAIN, 0, 0xFFFFFFFF},
        {BASS_CONFIG_AES67_PTP_ENABLED, 0, 2}, {BASS_CONFIG_AES67_PTP_ENABLED, 1, 0xFFFFFFFF},
        {BASS_CONFIG_AES67_JITTER, 5000, 5001}, {BASS_CONFIG_AES67_JITTER, 40, 0}, {BASS_CONFIG_AES67_JITTER_MS, 97, 5001}, {BASS_CONFIG_AES67_JITTER_MS, 40, 0},
        {BASS_CONFIG_AES67_CLOCK_MODE, 2, 4}, {BASS_CONFIG_AES67_CLOCK_MODE, 3, 4}, {BASS_CONFIG_AES67_CLOCK_MODE, 0, 0xFFFFFFFF},
        {BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT, 0, 86401}, {BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT, 5, 0xFFFFFFFF},
    };
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
        CHECK(p_BASS_SetConfig(set[i].option, set[i].good));
        CHECK(!p_BASS_SetConfig(set[i].option, set[i].bad));
        CHECK_ERROR(20);
        char words[256], refused[64];
        p_BASS_AES67_GetErrorText(words, sizeof words);
        snprintf(refused, sizeof refused, "option 0x%x refuses the number %u: ", (unsigned)set[i].option, (unsigned)set[i].bad);
        CHECK(!strncmp(words, refused, strlen(refused)));
        CHECK(p_BASS_GetConfig(set[i].option) == set[i].good);
    }
}

static void kinds(void) {
    static const DWORD values[] = {0, 1, 2, 95, 96, 127, 128, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (DWORD option = 0x20000; option < 0x20030; option++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            BOOL done = p_BASS_SetConfig(option, values[i]);
            if (!is_known(option) || !is_number_option(option)) {
                CHECK(!done);
                CHECK_ERROR(20);
            }
        }
        DWORD value = p_BASS_GetConfig(option);
        if (!is_known(option) || !is_number_option(option)) {
            CHECK(value == 0xFFFFFFFF);
            CHECK_ERROR(20);
        }
        const void *text = p_BASS_GetConfigPtr(option);
        if (!is_known(option) || is_number_option(option)) {
            CHECK(!text);
            CHECK_ERROR(20);
        } else {
            CHECK(text && strlen((const char *)text) < 1000);
        }
        if (!is_text_option(option)) {
            CHECK(!p_BASS_SetConfigPtr(option, "text"));
            CHECK(!p_BASS_SetConfigPtr(option, NULL));
            CHECK_ERROR(20);
        }
    }
}

static void texts(void) {
    static const uint16_t wide[] = {'e', 't', 'h', 0xE9, 0};
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, "lo"));
    const char *first = (const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_INTERFACE);
    CHECK(first && !strcmp(first, "lo"));
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE | BASS_UNICODE, wide));
    CHECK(!strcmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_INTERFACE), "eth\xC3\xA9"));
    CHECK(!memcmp(p_BASS_GetConfigPtr(BASS_CONFIG_AES67_INTERFACE | BASS_UNICODE), wide, sizeof wide));
    CHECK(!strcmp(first, "lo")); /* what was given out stays */
    static char longest[100000];
    memset(longest, 'x', sizeof longest - 1);
    CHECK(!p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, longest));
    p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, NULL); /* is done, although BASS 2.4.16 answers FALSE to every NULL */
    CHECK(!strcmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_INTERFACE), ""));
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, "lo") && p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, ""));
    CHECK(!p_BASS_SetConfigPtr(BASS_CONFIG_AES67_PTP_UNICAST_MASTERS, "no address"));
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_PTP_UNICAST_MASTERS, "10.0.0.1,10.0.0.2"));
    CHECK(!strcmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_UNICAST_MASTERS), "10.0.0.1,10.0.0.2"));
    p_BASS_SetConfigPtr(BASS_CONFIG_AES67_PTP_UNICAST_MASTERS, NULL);
    CHECK(!p_BASS_SetConfigPtr(BASS_CONFIG_AES67_PTP_ACCEPT_MASTERS, "no identity"));
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_PTP_ACCEPT_MASTERS, "00-1B-21-FF-FE-0A-67-01"));
    CHECK(!strcmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_ACCEPT_MASTERS), "001b21fffe0a6701"));
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_PTP_ACCEPT_MASTERS, ""));
    CHECK(!p_BASS_SetConfigPtr(BASS_CONFIG_AES67_PTP_SA_FILE, "/nowhere/keys"));
    CHECK(!strcmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_UNICAST_MASTERS), ""));
    CHECK(!strcmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_INTERFACE), ""));
}

/* Draws from a linear congruential generator: the same ones each time. */
static void fuzz(void) {
    unsigned long long state = 1;
    for (int i = 0; i < 100000; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        DWORD option = 0x20000 + (DWORD)(state >> 33) % 0x30, value = (DWORD)(state >> 20);
        if (state >> 63) option |= BASS_UNICODE;
        switch ((state >> 60) & 3) {
        case 0: p_BASS_SetConfig(option, value); break;
        case 1: p_BASS_GetConfig(option); break;
        case 2: p_BASS_GetConfigPtr(option); break;
        default: p_BASS_SetConfigPtr(option, (state >> 50) & 1 ? NULL : (const void *)u"a text\0\0"); break;
        }
    }
}

static void nulls(void) {
    BASS_AES67_STATS stats;
    BASS_AES67_OUTPUT_STATS_EX output;
    BASS_AES67_SOURCE source;
    BASS_AES67_OUTPUT_CONFIG_EX config;
    memset(&stats, 0, sizeof stats);
    memset(&output, 0, sizeof output);
    memset(&source, 0, sizeof source);
    memset(&config, 0, sizeof config);
    static const DWORD handles[] = {0, 1, 0x66000001, 0x67000001, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        DWORD h = handles[i];
        BASS_AES67_HOUTPUT o = (BASS_AES67_HOUTPUT)(uintptr_t)h;
        CHECK(!p_BASS_AES67_GetStats(h, NULL));
        CHECK_ERROR(5);
        CHECK(!p_BASS_AES67_GetStats(h, &stats));
        CHECK(!p_BASS_AES67_OutputStart(o));
        CHECK_ERROR(5);
        CHECK(!p_BASS_AES67_OutputStop(o) && !p_BASS_AES67_OutputIsRunning(o) && !p_BASS_AES67_OutputFree(o));
        CHECK(p_BASS_AES67_OutputGetPPM(o) == 0 && p_BASS_AES67_OutputGetFrequencyPPM(o) == 0.0);
        CHECK_ERROR(5);
        CHECK(!p_BASS_AES67_OutputGetStats(o, NULL) && !p_BASS_AES67_OutputGetStats(o, &output));
        CHECK(!p_BASS_AES67_TimerStop(h));
        CHECK_ERROR(5);
        CHECK(!p_BASS_AES67_OutputCreate(h, NULL));
        CHECK_ERROR(20);
        CHECK(!p_BASS_AES67_OutputCreate(h, &config));
        CHECK_ERROR(20);
        config.size = sizeof config;
        config.interface_name = "127.0.0.1";
        config.group = "239.69.7.9";
        CHECK(!p_BASS_AES67_OutputCreate(h, &config));
        CHECK_ERROR(5);
        config.size = 0;
    }
    CHECK(!p_BASS_AES67_ClockStop());
    CHECK_ERROR(37);
    CHECK(!p_BASS_AES67_ClockGetOffset(NULL) && !p_BASS_AES67_ClockGetTime(NULL) && !p_BASS_AES67_ClockGetGrandmaster(NULL));
    CHECK_ERROR(20);
    CHECK(!p_BASS_AES67_ClockStartOn("no such interface", 0));
    CHECK_ERROR(20);
    CHECK(!p_BASS_AES67_ClockStartOn("127.0.0.1", 128));
    CHECK(!p_BASS_AES67_TimerStart(1000, NULL, NULL));
    CHECK_ERROR(20);
    CHECK(!p_BASS_AES67_DiscoveryGet(0, NULL) && !p_BASS_AES67_DiscoveryGet(0, &source));
    CHECK_ERROR(37);
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_JITTER, 40)); /* no error is left */
    CHECK(!p_BASS_AES67_DiscoveryStop());
    CHECK_ERROR(37);
    p_BASS_AES67_GetErrorText(NULL, 0);
    char one = 'x';
    p_BASS_AES67_GetErrorText(&one, 1);
    CHECK(one == 0);
    CHECK(p_BASS_AES67_GetClockStats());
}

static int config(void) {
    numbers(); /* before BASS_Init */
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    numbers();
    kinds();
    texts();
    fuzz();
    nulls();
    CHECK(p_BASS_Free());
    numbers();
    printf("config=ok\n");
    return 0;
}

/* ---- life ---- */

static HSTREAM create(const char *url) {
    HSTREAM stream = p_BASS_StreamCreateURL(url, 0, BASS_STREAM_DECODE | BASS_SAMPLE_FLOAT, NULL, NULL);
    CHECK(stream);
    static float buffer[960];
    CHECK(p_BASS_ChannelGetData(stream, buffer, sizeof buffer) == sizeof buffer);
    return stream;
}

static void CALLBACK on_sync(HSYNC sync, DWORD channel, DWORD data, void *user) {
    (void)sync, (void)channel, (void)data;
    ++*(volatile int *)user;
}

static int life(const char *plugin_path, const char *url, const char *second_copy) {
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    int base_threads = settled_threads(), base_files = files();

    HSTREAM stream = create(url);
    CHECK(threads() >= base_threads);
    CHECK(p_BASS_ChannelGetLength(stream, BASS_POS_BYTE) == (QWORD)-1);
    CHECK_ERROR(37);
    CHECK(!p_BASS_ChannelSetPosition(stream, 0, BASS_POS_BYTE));
    CHECK_ERROR(37);
    float bitrate = 0;
    CHECK(p_BASS_ChannelGetAttribute(stream, 12, &bitrate) && bitrate > 100);
    CHECK(!p_BASS_ChannelGetAttribute(stream, 0x12345, &bitrate));
    CHECK_ERROR(19);
    volatile int calls = 0;
    HSYNC loss = p_BASS_ChannelSetSync(stream, BASS_SYNC_AES67_LOSS, 0, on_sync, (void *)&calls);
    HSYNC lock = p_BASS_ChannelSetSync(stream, BASS_SYNC_AES67_LOCK, 0, on_sync, (void *)&calls);
    CHECK(loss && lock);
    CHECK_ERROR(0);
    CHECK(p_BASS_ChannelRemoveSync(stream, loss));
    CHECK(p_BASS_StreamFree(stream));
    CHECK(!p_BASS_StreamFree(stream));
    CHECK_ERROR(5);
    CHECK(threads_settle_at(base_threads) <= base_threads && files() == base_files);

    /* BASS_Free frees streams and keeps the add-on. */
    stream = create(url);
    p_BASS_ChannelSetSync(stream, BASS_SYNC_AES67_LOSS, 0, on_sync, (void *)&calls);
    CHECK(p_BASS_Free());
    CHECK(p_BASS_ChannelIsActive(stream) == 0);
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    stream = create(url);
    CHECK(p_BASS_StreamFree(stream));

    if (second_copy) {
        /* Another part of the program has a copy of its own. */
        HPLUGIN second = p_BASS_PluginLoad(second_copy, 0);
        CHECK(second);
        stream = create(url);
        HSTREAM other = create(url);
        CHECK(p_BASS_PluginFree(second));
        CHECK(p_BASS_StreamFree(stream) | p_BASS_StreamFree(other));
        sleep_ms(50);
        CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_JITTER, 40));
    }
    (void)plugin_path;
    printf("life=ok threads=%d/%d files=%d/%d\n", threads(), base_threads, files(), base_files);
    return 0;
}

/* Loads and unloads with live streams; `bass` is loaded, the add-on only by BASS_PluginLoad. */
static int reload(const char *plugin_path, const char *url) {
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    int base_threads = settled_threads(), base_files = files();
    for (int i = 0; i < 10; i++) {
        CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_JITTER) == 0xFFFFFFFF);
        CHECK_ERROR(20);
        HPLUGIN plugin = p_BASS_PluginLoad(plugin_path, 0);
        CHECK(plugin);
        CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_JITTER) == 40);
        CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_JITTER, 55));
        HSTREAM first = create(url), second = create(url);
        CHECK(p_BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_STATS));
        CHECK(p_BASS_PluginFree(plugin));
        CHECK(!p_BASS_StreamFree(first) && !p_BASS_StreamFree(second));
        CHECK_ERROR(5);
        CHECK(threads_settle_at(base_threads) <= base_threads && files() == base_files);
        CHECK(!is_mapped(base_name(plugin_path)));
    }
    printf("reload=ok threads=%d/%d files=%d/%d\n", threads(), base_threads, files(), base_files);
    return 0;
}

static int cycles(const char *url, int count) {
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    for (int i = 0; i < 20; i++) CHECK(p_BASS_StreamFree(create(url)));
    int base_threads = threads(), base_files = files();
    long base_kib = resident_kib();
    double start = now_s();
    for (int i = 0; i < count; i++) CHECK(p_BASS_StreamFree(create(url)));
    printf("cycles=%d seconds=%.1f threads=%d/%d files=%d/%d resident_kib=%ld/%ld\n", count, now_s() - start,
           threads_settle_at(base_threads), base_threads, files(), base_files, resident_kib(), base_kib);
    CHECK(threads() <= base_threads && files() == base_files);
    CHECK(resident_kib() < base_kib + 4096);
    return 0;
}

static int errors(const char *folder) {
    char url[2048], path[1024];
    CHECK(!p_BASS_StreamCreateURL("aes67://239.69.7.1", 0, 0, NULL, NULL));
    CHECK_ERROR(8); /* before BASS_Init */
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    CHECK(p_BASS_SetConfig(BASS_CONFIG_NET_TIMEOUT, 300));
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, "127.0.0.1"));
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_ENABLED, 0));
    int base_threads = threads(), base_files = files();
    snprintf(path, sizeof path, "%s/empty.sdp", folder);
    FILE *file = fopen(path, "wb");
    CHECK(file);
    fputs("v=0\r\n", file);
    fclose(file);
    static const struct { const char *url; int code; } cases[] = {
        {"aes67://192.0.2.1:5004", 20},              /* neither a group nor ours */
        {"aes67://studio", 20},
        {"aes67://239.69.7.1:0", 20},
        {"aes67://239.69.7.1?channels=99", 20},
        {"aes67://239.69.7.1?what=1", 20},
        {"aes67://239.69.7.1?interface=nowhere9", 20},
        {"aes67:///no/such/file.sdp", 2},
        {"aes67://sap/Nobody", 40},
        {"aes67://239.69.7.1:5999?wait=200", 40},    /* a dead address */
        {"foo://239.69.7.1", 48},                    /* nobody's: BASS's own error */
        {"aes67://", 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (p_BASS_StreamCreateURL(cases[i].url, 0, BASS_STREAM_DECODE, NULL, NULL) || p_BASS_ErrorGetCode() != cases[i].code) {
            fprintf(stderr, "%s: error %d\n", cases[i].url, p_BASS_ErrorGetCode());
            fail(cases[i].url, __LINE__);
        }
    }
    snprintf(url, sizeof url, "aes67://%s%s", folder[0] == '/' ? "" : "/", path);
    CHECK(!p_BASS_StreamCreateURL(url, 0, BASS_STREAM_DECODE, NULL, NULL));
    CHECK_ERROR(41);
    CHECK(!p_BASS_StreamCreateURL("aes67://239.69.7.1", 0, BASS_STREAM_DECODE | BASS_STREAM_AUTOFREE, NULL, NULL));
    CHECK_ERROR(37);
    static const uint16_t wide[] = {'a', 'e', 's', '6', '7', ':', '/', '/', '2', '3', '9', '.', '6', '9', '.', '7', '.', '1', '\r', '\n', 'X', ':', 'y', 0};
    HSTREAM stream = p_BASS_StreamCreateURL((const char *)wide, 0, BASS_STREAM_DECODE | BASS_UNICODE, NULL, NULL);
    CHECK(stream);
    BASS_CHANNELINFO info;
    CHECK(p_BASS_ChannelGetInfo(stream, &info) && info.ctype == BASS_CTYPE_STREAM_AES67 && !(info.flags & BASS_SAMPLE_FLOAT));
    CHECK(!strcmp(info.filename, "aes67://239.69.7.1"));
    CHECK(p_BASS_StreamFree(stream));
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_ENABLED, 1));
    /* The system's clock is for programs that get none of PTP's ports. */
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_CLOCK_MODE, BASS_AES67_CLOCK_SYSTEM));
    CHECK(stream = p_BASS_StreamCreateURL("aes67://239.69.7.1", 0, BASS_STREAM_DECODE, NULL, NULL));
    CHECK(!strncmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_STATS), "System clock:", 13));
    CHECK(p_BASS_StreamFree(stream));
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_CLOCK_MODE, BASS_AES67_CLOCK_PTP));
    CHECK(threads_settle_at(base_threads) <= base_threads && files() == base_files);
    printf("errors=ok threads=%d/%d files=%d/%d\n", threads(), base_threads, files(), base_files);
    return 0;
}

static int output(const char *source, const char *group, const char *interface_name, DWORD clock, int seconds) {
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    int base_threads = threads(), base_files = files();
    int is_url = !strncmp(source, "aes67://", 8);
    HSTREAM stream = is_url ? p_BASS_StreamCreateURL(source, 0, BASS_STREAM_DECODE | BASS_SAMPLE_FLOAT, NULL, NULL)
                            : p_BASS_StreamCreateFile(FALSE, source, 0, 0, BASS_STREAM_DECODE | BASS_SAMPLE_FLOAT | BASS_SAMPLE_LOOP);
    CHECK(stream);
    BASS_AES67_OUTPUT_CONFIG_EX config;
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.group = group;
    config.name = "Output of BASS";
    config.interface_name = interface_name;
    config.domain = BASS_AES67_DOMAIN_DEFAULT;
    config.clock = clock;
    BASS_AES67_HOUTPUT out = p_BASS_AES67_OutputCreate(stream, &config);
    CHECK(out);
    CHECK(!p_BASS_AES67_OutputIsRunning(out));
    CHECK(p_BASS_AES67_OutputStart(out));
    CHECK(!p_BASS_AES67_OutputStart(out));
    CHECK_ERROR(14);
    for (int second = 0; second < seconds; second++) {
        BASS_AES67_OUTPUT_STATS_EX s;
        sleep_ms(1000);
        s.size = sizeof s;
        CHECK(p_BASS_AES67_OutputGetStats(out, &s));
        printf("state=%u packets=%llu errors=%llu skipped=%llu starved=%llu late_us=%.0f late_99_us=%.0f ppm=%.3f\n", (unsigned)s.state,
               (unsigned long long)s.packets, (unsigned long long)s.send_errors, (unsigned long long)s.skipped_packets,
               (unsigned long long)s.starved_frames, s.late_us, s.late_99_us, s.ppm);
        if (is_url) show(stream);
        fflush(stdout);
    }
    CHECK(p_BASS_AES67_OutputIsRunning(out));
    CHECK(p_BASS_AES67_OutputStop(out));
    CHECK(!p_BASS_AES67_OutputIsRunning(out) && !p_BASS_AES67_OutputStop(out));
    CHECK_ERROR(37);
    CHECK(p_BASS_AES67_OutputStart(out));
    CHECK(p_BASS_AES67_OutputFree(out));
    CHECK(!p_BASS_AES67_OutputFree(out));
    CHECK_ERROR(5);
    CHECK(p_BASS_StreamFree(stream));
    CHECK(threads_settle_at(base_threads) <= base_threads && files() == base_files);
    printf("output=ok threads=%d/%d files=%d/%d\n", threads(), base_threads, files(), base_files);
    return 0;
}

/* ---- within: an output is stopped and freed by the channel that it sends ---- */

enum { FLOW, STOP, FREE, END };
static volatile int wish;
static volatile int done_within;
static volatile BASS_AES67_HOUTPUT sending;

static DWORD CALLBACK on_data(HSTREAM stream, void *buffer, DWORD length, void *user) {
    (void)stream, (void)user;
    memset(buffer, 0, length);
    int wished = wish;
    wish = FLOW;
    if (wished == STOP) done_within = p_BASS_AES67_OutputStop(sending) ? STOP : -1;
    if (wished == FREE) done_within = p_BASS_AES67_OutputFree(sending) ? FREE : -1;
    return wished == END ? 0x80000000 /* BASS_STREAMPROC_END */ : length;
}

static void do_within(int wished) {
    wish = wished;
    for (int i = 0; i < 3000 && done_within != wished; i++) sleep_ms(20);
    CHECK(done_within == wished);
}

static void wait_for_state(DWORD state) {
    BASS_AES67_OUTPUT_STATS_EX s;
    s.size = sizeof s;
    for (int i = 0; i < 3000; i++) {
        CHECK(p_BASS_AES67_OutputGetStats(sending, &s));
        if (s.state == state) return;
        sleep_ms(20);
    }
    fprintf(stderr, "state %u, not %u\n", (unsigned)s.state, (unsigned)state);
    exit(1);
}

static int within(const char *group, const char *interface_name) {
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    int base_threads = settled_threads(), base_files = files();
    HSTREAM stream = p_BASS_StreamCreate(48000, 2, BASS_STREAM_DECODE | BASS_SAMPLE_FLOAT, on_data, NULL);
    CHECK(stream);
    BASS_AES67_OUTPUT_CONFIG_EX config;
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.group = group;
    config.interface_name = interface_name;
    config.domain = BASS_AES67_DOMAIN_DEFAULT;
    config.clock = BASS_AES67_OUTPUT_SYSTEM;
    sending = p_BASS_AES67_OutputCreate(stream, &config);
    CHECK(sending && p_BASS_AES67_OutputStart(sending));
    wait_for_state(BASS_AES67_OUTPUT_SENDING);
    wish = END;
    wait_for_state(BASS_AES67_OUTPUT_ENDED);
    CHECK(!p_BASS_AES67_OutputIsRunning(sending));
    CHECK(p_BASS_ChannelSetPosition(stream, 0, BASS_POS_BYTE));
    wait_for_state(BASS_AES67_OUTPUT_SENDING);
    CHECK(p_BASS_AES67_OutputIsRunning(sending));
    do_within(STOP);
    wait_for_state(BASS_AES67_OUTPUT_STOPPED);
    CHECK(p_BASS_AES67_OutputStart(sending));
    wait_for_state(BASS_AES67_OUTPUT_SENDING);
    do_within(FREE);
    CHECK(!p_BASS_AES67_OutputFree(sending));
    CHECK_ERROR(5);
    CHECK(p_BASS_StreamFree(stream));
    CHECK(threads_settle_at(base_threads) <= base_threads && files() == base_files);
    printf("within=ok\n");
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: host COMMAND BASS PLUGIN ...\n");
        return 2;
    }
    const char *command = argv[1], *plugin_path = argv[3];
    void *bass = load_bass(argv[2]);
    if (!strcmp(command, "reload") && argc == 5) return reload(plugin_path, argv[4]);
    HPLUGIN plugin = p_BASS_PluginLoad(plugin_path, 0);
    CHECK(plugin);
    CHECK(!p_BASS_PluginLoad(plugin_path, 0));
    CHECK_ERROR(14);
    void *own = load_aes67(plugin_path);
    /* Set before BASS_Init; an interface of the environment's makes the tests independent of the
     * machine. */
    if (getenv("HOST_INTERFACE")) CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, getenv("HOST_INTERFACE")));
    if (getenv("HOST_DOMAIN")) CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_DOMAIN, (DWORD)atoi(getenv("HOST_DOMAIN"))));
    if (getenv("HOST_NO_PTP")) CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_ENABLED, 0));
    int code = 2;
    if (!strcmp(command, "play") && argc == 8) code = play(argv[4], atoi(argv[5]), argv[6], argv[7]);
    if (!strcmp(command, "many") && argc > 5) code = many(atoi(argv[4]), argc - 5, argv + 5);
    if (!strcmp(command, "config")) code = config();
    if (!strcmp(command, "life") && argc >= 5) code = life(plugin_path, argv[4], argc > 5 ? argv[5] : NULL);
    if (!strcmp(command, "cycles") && argc == 6) code = cycles(argv[4], atoi(argv[5]));
    if (!strcmp(command, "errors") && argc == 5) code = errors(argv[4]);
    if (!strcmp(command, "output") && argc == 9) code = output(argv[4], argv[5], argv[6], (DWORD)atoi(argv[7]), atoi(argv[8]));
    if (!strcmp(command, "within") && argc == 6) code = within(argv[4], argv[5]);
    if (!strcmp(command, "exit") && argc == 5) {
        CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
        HSTREAM stream = p_BASS_StreamCreateURL(argv[4], 0, 0, NULL, NULL);
        CHECK(stream && p_BASS_ChannelPlay(stream, FALSE));
        sleep_ms(500);
        printf("exit=now\n");
        return 0; /* nothing is freed */
    }
    if (code == 0) {
        p_BASS_Free();
        CHECK(p_BASS_PluginFree(plugin));
        unload_library(own);
        unload_library(bass);
    }
    return code;
}
