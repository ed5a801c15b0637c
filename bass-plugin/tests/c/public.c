/*
 * A program as they were written for the public headers of bass_aes67 and bass_ptp: its own
 * declarations are those headers', and it knows nothing else of these libraries. It loads all
 * libraries by name, calls each function once at least, and looks at what it gets.
 *
 *     public BASS PLUGIN PTP URL GROUP INTERFACE DOMAIN
 *     public PTP INTERFACE DOMAIN (unloads the library while its threads run, and ends)
 *
 * A master serves PTP in the domain, and a stream of 1 ms packets flows by the URL. Exit code 1 and
 * a line on the error output tell of the first thing that is wrong.
 */
#include "bass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
static void *load_library(const char *name) { return (void *)LoadLibraryA(name); }
static void *load_symbol(void *library, const char *name) { return (void *)(uintptr_t)GetProcAddress((HMODULE)library, name); }
static void unload_library(void *library) { FreeLibrary((HMODULE)library); }
static void sleep_ms(unsigned ms) { Sleep(ms); }
#else
#include <dlfcn.h>
#include <time.h>
static void *load_library(const char *name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL); }
static void *load_symbol(void *library, const char *name) { return dlsym(library, name); }
static void unload_library(void *library) { dlclose(library); }
static void sleep_ms(unsigned ms) {
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}
#endif

/* ---- The public header of bass_aes67 ---- */

#define BASS_CONFIG_AES67_PT 0x20000
#define BASS_CONFIG_AES67_INTERFACE 0x20001
#define BASS_CONFIG_AES67_JITTER 0x20002
#define BASS_CONFIG_AES67_PTP_DOMAIN 0x20003
#define BASS_CONFIG_AES67_PTP_STATS 0x20004
#define BASS_CONFIG_AES67_PTP_OFFSET 0x20005
#define BASS_CONFIG_AES67_PTP_STATE 0x20006
#define BASS_CONFIG_AES67_PTP_ENABLED 0x20007
#define BASS_CONFIG_AES67_BUFFER_LEVEL 0x20010
#define BASS_CONFIG_AES67_JITTER_UNDERRUNS 0x20011
#define BASS_CONFIG_AES67_PACKETS_RECEIVED 0x20012
#define BASS_CONFIG_AES67_PACKETS_LATE 0x20013
#define BASS_CONFIG_AES67_BUFFER_PACKETS 0x20014
#define BASS_CONFIG_AES67_TARGET_PACKETS 0x20015
#define BASS_CONFIG_AES67_PACKET_TIME 0x20016
#define BASS_CONFIG_AES67_PTP_LOCKED 0x20017
#define BASS_CONFIG_AES67_PTP_FREQ 0x20018
#define BASS_CONFIG_AES67_CLOCK_MODE 0x20019
#define BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT 0x2001A
#define BASS_CTYPE_STREAM_AES67 0x1f200

typedef struct {
    BYTE multicast_addr[4];
    WORD port;
    BYTE interface_addr[4];
    BYTE payload_type;
    WORD channels;
    DWORD sample_rate;
    DWORD packet_time_us;
} output_config;

typedef struct {
    QWORD packets_sent;
    QWORD samples_sent;
    QWORD send_errors;
    QWORD underruns;
} output_stats;

#define AES67_FUNCTIONS(F)                                                          \
    F(BOOL, BASS_AES67_ClockStart, (void))                                          \
    F(BOOL, BASS_AES67_ClockStop, (void))                                           \
    F(BOOL, BASS_AES67_ClockIsLocked, (void))                                       \
    F(const char *, BASS_AES67_GetClockStats, (void))                               \
    F(void *, BASS_AES67_OutputCreate, (DWORD channel, const output_config *config)) \
    F(BOOL, BASS_AES67_OutputStart, (void *handle))                                 \
    F(BOOL, BASS_AES67_OutputStop, (void *handle))                                  \
    F(BOOL, BASS_AES67_OutputIsRunning, (void *handle))                             \
    F(BOOL, BASS_AES67_OutputGetStats, (void *handle, output_stats *stats))         \
    F(DWORD, BASS_AES67_OutputGetPPM, (void *handle))                               \
    F(BOOL, BASS_AES67_OutputFree, (void *handle))

/* ---- The public header of bass_ptp ---- */

typedef void(WINAPI *timer_callback)(void *user);

#define PTP_FUNCTIONS(F)                                                            \
    F(int, BASS_PTP_Start, (const char *interface_name, BYTE domain))               \
    F(int, BASS_PTP_Stop, (void))                                                   \
    F(int, BASS_PTP_GetStatsString, (char *buffer, int size))                       \
    F(int, BASS_PTP_IsLocked, (void))                                               \
    F(double, BASS_PTP_GetFrequencyPPM, (void))                                     \
    F(int, BASS_PTP_TimerStart, (DWORD interval_ms, timer_callback callback, void *user)) \
    F(int, BASS_PTP_TimerStop, (void))                                              \
    F(int, BASS_PTP_TimerSetPLL, (int enabled))                                     \
    F(int, BASS_PTP_TimerSetInterval, (DWORD interval_ms))                          \
    F(DWORD, BASS_PTP_TimerGetInterval, (void))                                     \
    F(int, BASS_PTP_TimerIsRunning, (void))                                         \
    F(int, BASS_PTP_TimerIsPLLEnabled, (void))                                      \
    F(int, BASS_PTP_ForceStop, (void))                                              \
    F(int, BASS_PTP_IsRunning, (void))                                              \
    F(long long, BASS_PTP_GetOffset, (void))                                        \
    F(BYTE, BASS_PTP_GetState, (void))                                              \
    F(DWORD, BASS_PTP_GetVersion, (void))

/* ---- Loading ---- */

#define POINTER(result, name, arguments) static result(WINAPI *p_##name) arguments;
BASS_FUNCTIONS(POINTER)
AES67_FUNCTIONS(POINTER)
PTP_FUNCTIONS(POINTER)

#define FIND(result, name, arguments)                              \
    do {                                                           \
        void *found = load_symbol(library, #name);                 \
        if (!found) {                                              \
            fprintf(stderr, "%s is missing\n", #name);             \
            exit(3);                                               \
        }                                                          \
        memcpy((void *)&p_##name, (void *)&found, sizeof found);   \
    } while (0);

static void *load(const char *name) {
    void *library = load_library(name);
    if (!library) {
        fprintf(stderr, "cannot load %s\n", name);
        exit(3);
    }
    return library;
}

static void check(int is_so, const char *what, int line) {
    if (is_so) return;
    fprintf(stderr, "public.c:%d: not so: %s (BASS error %d)\n", line, what, p_BASS_ErrorGetCode());
    exit(1);
}
#define CHECK(what) check((what) != 0, #what, __LINE__)
/* Waits for up to 30 s until something is so. */
#define AWAIT(what)                                                \
    do {                                                           \
        for (int i_ = 0; i_ < 3000 && !(what); i_++) sleep_ms(10); \
        CHECK(what);                                               \
    } while (0)

/* ---- What such programs do ---- */

static void options(const char *interface_name, DWORD domain) {
    static const DWORD jitters[] = {10, 50, 20};
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_PT, 97) && p_BASS_GetConfig(BASS_CONFIG_AES67_PT) == 97);
    for (int i = 0; i < 3; i++) {
        CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_JITTER, jitters[i]));
        CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_JITTER) == jitters[i]);
    }
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_PT) == 97);
    /* As the first document numbers it. */
    CHECK(p_BASS_SetConfig(0x20002, 96) && p_BASS_GetConfig(0x20002) == 96 && p_BASS_GetConfig(BASS_CONFIG_AES67_PT) == 96);
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_JITTER, 20) && p_BASS_GetConfig(BASS_CONFIG_AES67_JITTER) == 20);
    CHECK(p_BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, interface_name));
    CHECK(!strcmp((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_INTERFACE), interface_name));
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_DOMAIN, domain) && p_BASS_GetConfig(BASS_CONFIG_AES67_PTP_DOMAIN) == domain);
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_PTP_ENABLED, 1) && p_BASS_GetConfig(BASS_CONFIG_AES67_PTP_ENABLED) == 1);
    for (DWORD mode = 3; mode-- > 0;)
        CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_CLOCK_MODE, mode) && p_BASS_GetConfig(BASS_CONFIG_AES67_CLOCK_MODE) == mode);
    CHECK(p_BASS_SetConfig(BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT, 10) && p_BASS_GetConfig(BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT) == 10);
}

/* The clock that is served may be the system's, up to 500 ppm off this computer's crystal. */
static int is_rate(double ppm) { return ppm > -501.0 && ppm < 501.0; }

/* "Slave to: PTP/0123456789abcdef:1, d -0.3us, Freq: +0.00ppm [LOCKED]", with Greek letters. */
static void check_stats(const char *stats) {
    char *end;
    CHECK(!strncmp(stats, "Slave to: PTP/", 14) && strspn(stats + 14, "0123456789abcdef") == 16);
    CHECK(!strncmp(stats + 30, ":1, \xCE\xB4 ", 7));
    strtod(stats + 37, &end);
    CHECK(!strncmp(end, "\xC2\xB5s, Freq: ", 11));
    CHECK(is_rate(strtod(end + 11, &end)));
    CHECK(!strcmp(end, "ppm [LOCKED]"));
}

static void clock_of_aes67(void) {
    CHECK(p_BASS_AES67_ClockStart());
    CHECK(p_BASS_AES67_ClockStart()); /* once for each stream */
    AWAIT(p_BASS_AES67_ClockIsLocked());
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_PTP_STATE) == 3 && p_BASS_GetConfig(BASS_CONFIG_AES67_PTP_LOCKED) == 1);
    check_stats(p_BASS_AES67_GetClockStats());
    check_stats((const char *)p_BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_STATS));
    CHECK(is_rate((int)p_BASS_GetConfig(BASS_CONFIG_AES67_PTP_FREQ) / 1000.0));
    int offset_ns = (int)p_BASS_GetConfig(BASS_CONFIG_AES67_PTP_OFFSET);
    CHECK(offset_ns > -10000000 && offset_ns < 10000000);
}

static DWORD received(void) { return p_BASS_GetConfig(BASS_CONFIG_AES67_PACKETS_RECEIVED); }

static void pull(HSTREAM stream, int ms) {
    static float block[2 * 480];
    for (int i = 0; i < ms / 10; i++) {
        CHECK(p_BASS_ChannelGetData(stream, block, sizeof block | BASS_DATA_FLOAT) == sizeof block);
        sleep_ms(10);
    }
}

static HSTREAM input(const char *url) {
    HSTREAM stream = p_BASS_StreamCreateURL(url, 0, BASS_STREAM_DECODE | BASS_SAMPLE_FLOAT, NULL, NULL);
    CHECK(stream);
    BASS_CHANNELINFO info;
    CHECK(p_BASS_ChannelGetInfo(stream, &info));
    CHECK(info.ctype == BASS_CTYPE_STREAM_AES67 && info.freq == 48000 && info.chans == 2);
    DWORD before = received();
    pull(stream, 1000);
    AWAIT(received() > before);
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_PACKET_TIME) == 1000);
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_TARGET_PACKETS) >= 20);
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_BUFFER_LEVEL) <= 200);
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_BUFFER_PACKETS) < 5000);
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_JITTER_UNDERRUNS) != 0xFFFFFFFF);
    CHECK(p_BASS_GetConfig(BASS_CONFIG_AES67_PACKETS_LATE) != 0xFFFFFFFF);
    return stream;
}

static void output(HSTREAM stream, const char *group, const char *interface_name) {
    output_config config;
    output_stats stats[2];
    memset(&config, 0, sizeof config);
    CHECK(sscanf(group, "%hhu.%hhu.%hhu.%hhu", config.multicast_addr, config.multicast_addr + 1, config.multicast_addr + 2, config.multicast_addr + 3) == 4);
    CHECK(sscanf(interface_name, "%hhu.%hhu.%hhu.%hhu", config.interface_addr, config.interface_addr + 1, config.interface_addr + 2, config.interface_addr + 3) == 4);
    config.port = 5004;
    config.payload_type = 96;
    config.channels = 2;
    config.sample_rate = 48000;
    config.packet_time_us = 1000;
    void *handle = p_BASS_AES67_OutputCreate(stream, &config);
    CHECK(handle);
    CHECK(!p_BASS_AES67_OutputIsRunning(handle));
    CHECK(p_BASS_AES67_OutputStart(handle));
    CHECK(p_BASS_AES67_OutputIsRunning(handle));
    memset(stats, 0x55, sizeof stats);
    AWAIT(p_BASS_AES67_OutputGetStats(handle, stats) && stats[0].packets_sent > 100);
    CHECK(stats[0].samples_sent == 48 * stats[0].packets_sent && stats[0].send_errors == 0 && stats[0].underruns <= stats[0].packets_sent);
    CHECK(stats[1].packets_sent == 0x5555555555555555ULL); /* what lies behind is the program's own */
    CHECK(is_rate((int)p_BASS_AES67_OutputGetPPM(handle) / 1000.0));
    CHECK(p_BASS_AES67_OutputStop(handle));
    CHECK(!p_BASS_AES67_OutputIsRunning(handle));
    CHECK(p_BASS_AES67_OutputFree(handle));
    CHECK(!p_BASS_AES67_OutputFree(handle) && !p_BASS_AES67_OutputStart(NULL));
    config.channels = 8; /* the channel has two */
    CHECK(!p_BASS_AES67_OutputCreate(stream, &config));
}

static volatile int calls;
static void WINAPI on_timer(void *user) {
    if (user == (void *)&calls) calls++;
}

static volatile int stopped_within;
static void WINAPI on_last(void *user) {
    (void)user;
    stopped_within = p_BASS_PTP_TimerStop() == 0 && !p_BASS_PTP_TimerIsRunning() ? 1 : -1;
}

static void ptp(const char *interface_name, BYTE domain) {
    char text[256];
    CHECK(p_BASS_PTP_GetVersion() != 0);
    CHECK(!p_BASS_PTP_IsRunning() && !p_BASS_PTP_IsLocked() && p_BASS_PTP_GetState() == 0 && p_BASS_PTP_GetFrequencyPPM() == 0.0);
    CHECK(p_BASS_PTP_Stop() == 0 && p_BASS_PTP_TimerStop() == 0);
    CHECK(p_BASS_PTP_Start("no such interface", domain) != 0 && !p_BASS_PTP_IsRunning());
    CHECK(p_BASS_PTP_GetStatsString(text, sizeof text) == 0 && strstr(text, "no such interface"));
    CHECK(p_BASS_PTP_Start(interface_name, 128) != 0);
    /* The timer needs no clock. */
    CHECK(p_BASS_PTP_TimerStart(0, on_timer, NULL) != 0 && p_BASS_PTP_TimerStart(10, NULL, NULL) != 0);
    CHECK(!p_BASS_PTP_TimerIsRunning() && p_BASS_PTP_TimerStart(10, on_timer, (void *)&calls) == 0);
    CHECK(p_BASS_PTP_TimerIsRunning() && p_BASS_PTP_TimerGetInterval() == 10);
    AWAIT(calls > 10);
    CHECK(p_BASS_PTP_Start(interface_name, domain) == 0 && p_BASS_PTP_Start(interface_name, domain) == 0);
    CHECK(p_BASS_PTP_IsRunning() && p_BASS_PTP_GetState() >= 1);
    AWAIT(p_BASS_PTP_IsLocked());
    CHECK(p_BASS_PTP_GetState() == 3);
    CHECK(p_BASS_PTP_GetStatsString(text, sizeof text) == 0);
    check_stats(text);
    CHECK(p_BASS_PTP_GetStatsString(text, 6) == 0 && !strcmp(text, "Slave"));
    CHECK(p_BASS_PTP_GetStatsString(NULL, 6) != 0 && p_BASS_PTP_GetStatsString(text, 0) != 0);
    CHECK(is_rate(p_BASS_PTP_GetFrequencyPPM()));
    CHECK(p_BASS_PTP_GetOffset() > -10000000 && p_BASS_PTP_GetOffset() < 10000000);
    /* At the rate of the clock, and of this computer's again. */
    CHECK(p_BASS_PTP_TimerSetPLL(0) == 0 && !p_BASS_PTP_TimerIsPLLEnabled());
    CHECK(p_BASS_PTP_TimerSetPLL(1) == 0 && p_BASS_PTP_TimerIsPLLEnabled());
    CHECK(p_BASS_PTP_TimerSetInterval(0) != 0 && p_BASS_PTP_TimerSetInterval(1) == 0 && p_BASS_PTP_TimerGetInterval() == 1);
    int before = calls;
    AWAIT(calls > before + 200);
    CHECK(p_BASS_PTP_TimerStop() == 0 && !p_BASS_PTP_TimerIsRunning());
    before = calls;
    sleep_ms(50);
    CHECK(calls == before);
    CHECK(p_BASS_PTP_TimerStart(1, on_last, NULL) == 0);
    AWAIT(stopped_within == 1);
    CHECK(p_BASS_PTP_TimerStart(5, on_timer, (void *)&calls) == 0);
    CHECK(p_BASS_PTP_Stop() == 0 && !p_BASS_PTP_IsRunning() && p_BASS_PTP_TimerIsRunning());
    AWAIT(calls > before + 10);
    CHECK(p_BASS_PTP_Start(interface_name, domain) == 0);
    CHECK(p_BASS_PTP_ForceStop() == 0 && !p_BASS_PTP_IsRunning() && !p_BASS_PTP_TimerIsRunning());
    CHECK(p_BASS_PTP_ForceStop() == 0);
}

static int is_mapped(const char *name) {
#ifdef _WIN32
    (void)name; /* there it stays by design */
    return 0;
#else
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, name) != NULL;
    if (maps) fclose(maps);
    return found;
#endif
}

/* The program forgets to stop. */
static int leave(const char *name, const char *interface_name, BYTE domain) {
    void *library = load(name);
    PTP_FUNCTIONS(FIND)
    if (p_BASS_PTP_Start(interface_name, domain) || p_BASS_PTP_TimerStart(1, on_timer, (void *)&calls)) return 1;
    unload_library(library);
    int before = calls;
    for (int i = 0; i < 3000 && calls < before + 20; i++) sleep_ms(10);
    if (calls < before + 20) return 1;
    printf("public=ok\n");
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4) return leave(argv[1], argv[2], (BYTE)atoi(argv[3]));
    if (argc != 8) {
        fprintf(stderr, "usage: public BASS PLUGIN PTP URL GROUP INTERFACE DOMAIN\n");
        return 2;
    }
    int domain = atoi(argv[7]);
    void *library = load(argv[1]);
    BASS_FUNCTIONS(FIND)
    CHECK(p_BASS_PluginLoad(argv[2], 0));
    library = load(argv[2]);
    AES67_FUNCTIONS(FIND)
    library = load(argv[3]);
    PTP_FUNCTIONS(FIND)
    CHECK(p_BASS_Init(0, 48000, 0, NULL, NULL));
    options(argv[6], (DWORD)domain);
    clock_of_aes67();
    ptp(argv[6], (BYTE)domain); /* both clocks run in this process */
    HSTREAM first = input(argv[4]);
    output(first, argv[5], argv[6]);
    DWORD seen = received();
    CHECK(p_BASS_StreamFree(first));
    CHECK(received() >= seen); /* never runs backwards */
    HSTREAM second = input(argv[4]);
    CHECK(received() > seen);
    CHECK(p_BASS_StreamFree(second));
    CHECK(p_BASS_AES67_ClockStop());
    CHECK(p_BASS_Free());
    CHECK(p_BASS_PluginFree(0));
    /* With the timer still running. */
    CHECK(p_BASS_PTP_TimerStart(1, on_timer, (void *)&calls) == 0 && p_BASS_PTP_ForceStop() == 0);
    unload_library(library);
    CHECK(!is_mapped(argv[3]));
    printf("public=ok\n");
    return 0;
}
