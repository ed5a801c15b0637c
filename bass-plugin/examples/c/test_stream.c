/*
 * Plays a stream for a minute, and shows its status every second.
 *
 *     gcc -I../../include -I<SDK> test_stream.c -L<SDK> -lbass -o test_stream        Linux
 *     x86_64-w64-mingw32-gcc -I../../include -I<SDK> test_stream.c <SDK>/bass.lib    Windows
 *
 *     test_stream aes67://239.69.0.1:5004 [interface] [domain] [seconds] [null]
 *
 * <SDK> is the folder of BASS's bass.h and library. The add-on lies beside the program. With `null`
 * it plays on BASS's device without sound.
 */
#include "bass_aes67.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#define PLUGIN "bass_aes67.dll"
#define sleep(seconds) Sleep(1000 * (seconds))
#else
#include <unistd.h>
#define PLUGIN "libbass_aes67.so"
#endif

static int fail(const char *what) {
    fprintf(stderr, "%s: BASS error %d\n", what, BASS_ErrorGetCode());
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: test_stream aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS] [null]\n");
        return 2;
    }
    if (!BASS_PluginLoad(PLUGIN, 0)) return fail(PLUGIN);
    if (argc > 2 && !BASS_SetConfigPtr(BASS_CONFIG_AES67_INTERFACE, argv[2])) return fail("interface");
    if (argc > 3 && !BASS_SetConfig(BASS_CONFIG_AES67_PTP_DOMAIN, (DWORD)atoi(argv[3]))) return fail("domain");
    int device = argc > 5 && !strcmp(argv[5], "null") ? 0 : -1;
    if (!BASS_Init(device, 48000, 0, NULL, NULL)) return fail("BASS_Init");
    HSTREAM stream = BASS_StreamCreateURL(argv[1], 0, BASS_SAMPLE_FLOAT, NULL, NULL);
    if (!stream) return fail(argv[1]);
    if (!BASS_ChannelPlay(stream, FALSE)) return fail("BASS_ChannelPlay");
    int seconds = argc > 4 ? atoi(argv[4]) : 60;
    for (int second = 1; second <= seconds; second++) {
        sleep(1);
        printf("%3d s  %s  buffer %u %%, %u packets, %u late, %u underruns\n", second,
               (const char *)BASS_GetConfigPtr(BASS_CONFIG_AES67_PTP_STATS), (unsigned)BASS_GetConfig(BASS_CONFIG_AES67_BUFFER_LEVEL),
               (unsigned)BASS_GetConfig(BASS_CONFIG_AES67_PACKETS_RECEIVED), (unsigned)BASS_GetConfig(BASS_CONFIG_AES67_PACKETS_LATE),
               (unsigned)BASS_GetConfig(BASS_CONFIG_AES67_JITTER_UNDERRUNS));
        fflush(stdout);
    }
    BASS_Free();
    BASS_PluginFree(0);
    return 0;
}
