/*
 * What the tests and examples use of BASS 2.4, written from its documentation, so that they compile
 * without the SDK. Hosts use the SDK's own bass.h.
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
typedef uint8_t BYTE;
typedef uint16_t WORD;
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

/* Result, name and parameters of each function: hosts that load BASS at run time make pointers of
 * them. */
#define BASS_FUNCTIONS(F)                                                                    \
    F(BOOL, BASS_Init, (int device, DWORD freq, DWORD flags, void *window, const void *dsguid)) \
    F(BOOL, BASS_Free, (void))                                                               \
    F(int, BASS_ErrorGetCode, (void))                                                        \
    F(BOOL, BASS_SetConfig, (DWORD option, DWORD value))                                     \
    F(DWORD, BASS_GetConfig, (DWORD option))                                                 \
    F(BOOL, BASS_SetConfigPtr, (DWORD option, const void *value))                            \
    F(const void *, BASS_GetConfigPtr, (DWORD option))                                       \
    F(HPLUGIN, BASS_PluginLoad, (const char *file, DWORD flags))                             \
    F(BOOL, BASS_PluginFree, (HPLUGIN plugin))                                               \
    F(HSTREAM, BASS_StreamCreateURL, (const char *url, DWORD offset, DWORD flags, void *proc, void *user)) \
    F(HSTREAM, BASS_StreamCreateFile, (BOOL mem, const void *file, QWORD offset, QWORD length, DWORD flags)) \
    F(HSTREAM, BASS_StreamCreate, (DWORD freq, DWORD chans, DWORD flags, DWORD(CALLBACK *proc)(HSTREAM, void *, DWORD, void *), void *user)) \
    F(BOOL, BASS_StreamFree, (HSTREAM stream))                                               \
    F(QWORD, BASS_StreamGetFilePosition, (HSTREAM stream, DWORD mode))                       \
    F(DWORD, BASS_ChannelGetData, (DWORD channel, void *buffer, DWORD length))               \
    F(BOOL, BASS_ChannelGetInfo, (DWORD channel, BASS_CHANNELINFO *info))                    \
    F(QWORD, BASS_ChannelGetLength, (DWORD channel, DWORD mode))                             \
    F(BOOL, BASS_ChannelSetPosition, (DWORD channel, QWORD position, DWORD mode))            \
    F(BOOL, BASS_ChannelGetAttribute, (DWORD channel, DWORD attribute, float *value))        \
    F(BOOL, BASS_ChannelSetAttribute, (DWORD channel, DWORD attribute, float value))         \
    F(DWORD, BASS_ChannelIsActive, (DWORD channel))                                          \
    F(BOOL, BASS_ChannelPlay, (DWORD channel, BOOL restart))                                 \
    F(HSYNC, BASS_ChannelSetSync, (DWORD channel, DWORD type, QWORD parameter, SYNCPROC *proc, void *user)) \
    F(BOOL, BASS_ChannelRemoveSync, (DWORD channel, HSYNC sync))                             \
    F(DWORD, BASS_ChannelSetDSP, (DWORD channel, void(CALLBACK *proc)(DWORD, DWORD, void *, DWORD, void *), void *user, int priority))

#define BASS_DECLARE(result, name, parameters) result WINAPI name parameters;
BASS_FUNCTIONS(BASS_DECLARE)

#ifdef __cplusplus
}
#endif

#endif
