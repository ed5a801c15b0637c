/*
 * What the tests and examples use of BASS 2.4, written from its documentation, so that they compile without the SDK. Hosts use the SDK's own bass.h.
 */
#ifndef BASS_H
#define BASS_H

#include <stdint.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef unsigned __int64 QWORD;
#else
#define WINAPI
#define CALLBACK
typedef uint32_t DWORD;
typedef uint64_t QWORD;
typedef int BOOL;
#ifndef TRUE
#define TRUE 1
#define FALSE 0
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef DWORD HSTREAM;
typedef DWORD HSYNC;
typedef DWORD HPLUGIN;

#define BASS_SAMPLE_FLOAT 0x100
#define BASS_SAMPLE_LOOP 4
#define BASS_STREAM_DECODE 0x200000
#define BASS_STREAM_AUTOFREE 0x40000
#define BASS_UNICODE 0x80000000
#define BASS_DATA_FLOAT 0x40000000
#define BASS_CONFIG_NET_TIMEOUT 11
#define BASS_POS_BYTE 0
#define BASS_SYNC_FREE 8

typedef void(CALLBACK SYNCPROC)(HSYNC sync, DWORD channel, DWORD data, void *user);

typedef struct {
    DWORD freq;
    DWORD chans;
    DWORD flags;
    DWORD ctype;
    DWORD origres;
    HPLUGIN plugin;
    DWORD sample;
    const char *filename;
} BASS_CHANNELINFO;

#ifdef __cplusplus
}
#endif

#endif
