/* Loads BASS and the add-on at run time, and finds their functions. */
#ifndef LOAD_H
#define LOAD_H

#include "../../include/bass_aes67.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
static void *load_library(const char *path) { return (void *)LoadLibraryA(path); }
static void *load_symbol(void *library, const char *name) { return (void *)(uintptr_t)GetProcAddress((HMODULE)library, name); }
static void unload_library(void *library) { FreeLibrary((HMODULE)library); }
static void sleep_ms(unsigned ms) { Sleep(ms); }
static double now_s(void) {
    LARGE_INTEGER frequency, count;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    return (double)count.QuadPart / (double)frequency.QuadPart;
}
#else
#include <dlfcn.h>
#include <time.h>
static void *load_library(const char *path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
static void *load_symbol(void *library, const char *name) { return dlsym(library, name); }
static void unload_library(void *library) { dlclose(library); }
static void sleep_ms(unsigned ms) {
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}
static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

#define AES67_FUNCTIONS(F)                                                                   \
    F(BOOL, BASS_AES67_GetStats, (HSTREAM handle, BASS_AES67_STATS *stats))                  \
    F(BOOL, BASS_AES67_ClockStart, (void))                                                   \
    F(BOOL, BASS_AES67_ClockStartOn, (const char *interface_name, DWORD domain))             \
    F(BOOL, BASS_AES67_ClockStop, (void))                                                    \
    F(DWORD, BASS_AES67_ClockGetState, (void))                                               \
    F(BOOL, BASS_AES67_ClockIsLocked, (void))                                                \
    F(double, BASS_AES67_ClockGetPPM, (void))                                                \
    F(const char *, BASS_AES67_GetClockStats, (void))                                        \
    F(BOOL, BASS_AES67_ClockGetOffset, (BASS_AES67_INT64 * ns))                              \
    F(BOOL, BASS_AES67_ClockGetTime, (QWORD * ns))                                           \
    F(BOOL, BASS_AES67_ClockGetGrandmaster, (QWORD * identity))                              \
    F(BASS_AES67_HTIMER, BASS_AES67_TimerStart, (DWORD period_us, AES67TIMERPROC * proc, void *user)) \
    F(BOOL, BASS_AES67_TimerStop, (BASS_AES67_HTIMER timer))                                 \
    F(BASS_AES67_HOUTPUT, BASS_AES67_OutputCreate, (DWORD channel, const void *config)) \
    F(BOOL, BASS_AES67_OutputStart, (BASS_AES67_HOUTPUT output))                             \
    F(BOOL, BASS_AES67_OutputStop, (BASS_AES67_HOUTPUT output))                              \
    F(BOOL, BASS_AES67_OutputIsRunning, (BASS_AES67_HOUTPUT output))                         \
    F(DWORD, BASS_AES67_OutputGetPPM, (BASS_AES67_HOUTPUT output))                           \
    F(double, BASS_AES67_OutputGetFrequencyPPM, (BASS_AES67_HOUTPUT output))                 \
    F(BOOL, BASS_AES67_OutputGetStats, (BASS_AES67_HOUTPUT output, void *stats))   \
    F(BOOL, BASS_AES67_OutputFree, (BASS_AES67_HOUTPUT output))                              \
    F(BOOL, BASS_AES67_DiscoveryStart, (const char *interface_name))                         \
    F(BOOL, BASS_AES67_DiscoveryStop, (void))                                                \
    F(DWORD, BASS_AES67_DiscoveryCount, (void))                                              \
    F(BOOL, BASS_AES67_DiscoveryGet, (DWORD index, BASS_AES67_SOURCE *source))               \
    F(DWORD, BASS_AES67_GetErrorText, (char *text, DWORD length))                            \
    F(DWORD, BASS_AES67_GetVersion, (void))

#define POINTER(result, name, arguments) static result(WINAPI *p_##name) arguments;
BASS_FUNCTIONS(POINTER)
AES67_FUNCTIONS(POINTER)

/* A pointer to a function cannot be cast from one to data in ISO C, but POSIX and Windows allow it
 * to be copied. */
#define FIND(result, name, arguments)                               \
    do {                                                            \
        void *found = load_symbol(library, #name);                  \
        if (!found) {                                               \
            fprintf(stderr, "%s is missing\n", #name);              \
            exit(3);                                                \
        }                                                           \
        memcpy((void *)&p_##name, (void *)&found, sizeof found);    \
    } while (0);

static void *load_bass(const char *path) {
    void *library = load_library(path);
    if (!library) {
        fprintf(stderr, "cannot load %s\n", path);
        exit(3);
    }
    BASS_FUNCTIONS(FIND)
    return library;
}

/* The add-on's own functions; BASS_PluginLoad loads it as well. */
static void *load_aes67(const char *path) {
    void *library = load_library(path);
    if (!library) {
        fprintf(stderr, "cannot load %s\n", path);
        exit(3);
    }
    AES67_FUNCTIONS(FIND)
    return library;
}

#endif
