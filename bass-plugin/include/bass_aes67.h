/*
 * bass_aes67: AES67 and Livewire streams for BASS 2.4. Linux and Windows, C and C++.
 *
 * Load it with BASS_PluginLoad; then BASS_StreamCreateURL opens
 *
 *     aes67://239.69.0.1:5004?channels=2&rate=48000&format=L24&ptime=1    a group (or an address of this host)
 *     aes67:///folder/stream.sdp                                          a description (Windows: aes67:///C:/folder/stream.sdp)
 *     aes67://sap/Studio%201                                              a stream that is announced by this name
 *
 * Of a description with several streams one is chosen by its number at the end, as in
 * aes67://sap/Studio%201?latency=20#2; without it such a description is refused, and the words to
 * the error tell how many streams there are. A # that belongs to a name is written %23.
 *
 * with these options after `?`, separated by `&`:
 *
 *     interface  network interface, by name or address         latency   ms from the sender's stamp to the channel, kept as it is (*)
 *     pt         payload type to accept                        jitter    ms that packets wait, raised when they come late (**)
 *     domain     PTP domain, 0 to 127
 *     source     the only sender to be heard (address)         wait      ms to wait for the first packet; error 40 if none comes
 *     pace       host (default): resampled to the pace at which the channel is pulled;
 *                ptp: the channel is pulled at the pace of PTP, and samples stay as they are
 *     channels, rate, format (L16, L24), ptime (ms): what a group carries; descriptions say it
 *     themselves
 *     iface, payload, ch and samplerate are other names of interface, pt, channels and rate
 *
 * (*) To the moment at which a frame is played, were there nothing behind the channel: a decoded
 * block from its pull on, a block of a playback channel until its pull, because BASS asks for what
 * it has played (in whole blocks of its device, 10 ms, of which up to one comes on top). It must be
 * more than a packet takes to fill. Without PTP what the network takes comes on top.
 * (**) From the moment at which they are sent: the latency is one packet time more. What it was
 * raised by comes down again, crossfaded, after a minute in which no packet was late; each raise
 * after that doubles the minute, up to an hour.
 *
 * The channel is live: it always gives what is asked for (silence when nothing comes), has no
 * length and no position to be set, and never ends. Give BASS_SAMPLE_FLOAT for all 24 bits; without
 * it samples are rounded to 16. Pull decode channels in real time. In playback BASS's own buffer
 * (BASS_CONFIG_BUFFER, 500 ms) comes on top of the latency, and its first 0.7 s are silence, with
 * which BASS fills that. One channel may be used by one thread at a time, as always with BASS; all
 * else here may be called from any thread.
 *
 * Functions return 0 (or NULL, or 0.0) if they fail; BASS_ErrorGetCode tells why by number and
 * BASS_AES67_GetErrorText in words. They are found by dlsym or GetProcAddress in the library
 * itself, or by linking to it.
 * Texts are UTF-8, without BASS_UNICODE; with it, the texts of options are UTF-16.
 */
#ifndef BASS_AES67_H
#define BASS_AES67_H

#include "bass.h" /* the SDK's own: BYTE, WORD, DWORD, QWORD, BOOL, HSTREAM, WINAPI, CALLBACK */

#ifdef __cplusplus
extern "C" {
#endif

#ifndef BASS_AES67DEF
#define BASS_AES67DEF(function) WINAPI function
#endif

typedef long long BASS_AES67_INT64;

/* ---- Options: BASS_SetConfig, BASS_GetConfig, and the Ptr forms for texts ----
 *
 * They are the process's, may be set before or after BASS_Init, and hold for streams opened
 * afterwards. What is out of range is refused with BASS_ERROR_ILLPARAM. BASS_AES67_GetErrorText
 * says then what would be right.
 */
#define BASS_CONFIG_AES67_PT 0x20000               /* get/set: payload type 96..127, 10 or 11 to accept; any until it is set */
#define BASS_CONFIG_AES67_INTERFACE 0x20001        /* text, get/set: name or address; "" is the only interface there is */
/* get/set: ms that packets wait, 1..5000, as jitter in the URL; 40. The first document
 * of this interface had the payload type here: 96..127 are payload types as in
 * BASS_CONFIG_AES67_PT, and it is read back in the meaning in which it was set last. */
#define BASS_CONFIG_AES67_JITTER 0x20002
#define BASS_CONFIG_AES67_PTP_DOMAIN 0x20003       /* get/set: 0..127 */
#define BASS_CONFIG_AES67_PTP_STATS 0x20004        /* text, get: "Slave to: PTP/<grandmaster>:<port>, <offset>, Freq: <ppm> [LOCKED]"; what keeps it from being locked comes last */
#define BASS_CONFIG_AES67_PTP_OFFSET 0x20005       /* get: low 32 bits of the offset in ns, signed; all of it: BASS_AES67_ClockGetOffset */
#define BASS_CONFIG_AES67_PTP_STATE 0x20006        /* get: BASS_AES67_PTP_* */
#define BASS_CONFIG_AES67_PTP_ENABLED 0x20007      /* get/set: 0 plays by the arrival of packets alone */
#define BASS_CONFIG_AES67_JITTER_MS 0x20008        /* get/set: the same, and 96..127 are ms as well */
/* The levels are of the stream that was opened last, and tell what waits in its jitter buffer when
 * BASS takes its next block: 100 % is the target. What BASS has taken for playback is not in it.
 * The counts are those of all streams since the library was loaded: they never run backwards.
 * BASS_AES67_GetStats knows each stream's own. */
#define BASS_CONFIG_AES67_BUFFER_LEVEL 0x20010     /* get: % of the target, 0..200 */
#define BASS_CONFIG_AES67_JITTER_UNDERRUNS 0x20011 /* get: blocks in which audio was missing */
#define BASS_CONFIG_AES67_PACKETS_RECEIVED 0x20012 /* get */
#define BASS_CONFIG_AES67_PACKETS_LATE 0x20013     /* get: packets that came after their playout had begun */
#define BASS_CONFIG_AES67_BUFFER_PACKETS 0x20014   /* get: the level in packets, of BASS_CONFIG_AES67_TARGET_PACKETS */
#define BASS_CONFIG_AES67_TARGET_PACKETS 0x20015   /* get */
#define BASS_CONFIG_AES67_PACKET_TIME 0x20016      /* get: us */
#define BASS_CONFIG_AES67_PTP_LOCKED 0x20017       /* get: 0 or 1 */
#define BASS_CONFIG_AES67_PTP_FREQ 0x20018         /* get: ppm x 1000, signed */
#define BASS_CONFIG_AES67_CLOCK_MODE 0x20019       /* get/set: BASS_AES67_CLOCK_* */
#define BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT 0x2001A /* get/set: s without PTP until another clock is taken; 0 never; 5 */
#define BASS_CONFIG_AES67_PTP_UNICAST_MASTERS 0x2001B /* text, get/set: addresses of masters that serve who asks, "10.0.0.1,10.0.0.2"; "" hears the domain */
/* Who is believed. The lists have commas between up to 16 entries; "" is everybody. They hold for
 * clocks that are started afterwards: a clock that runs is shared as it is. */
#define BASS_CONFIG_AES67_PTP_ACCEPT_MASTERS 0x2001C /* text, get/set: identities of masters, "001b21fffe0a6701"; behind a boundary clock its own */
#define BASS_CONFIG_AES67_PTP_ACCEPT_SOURCES 0x2001D /* text, get/set: addresses that PTP messages come from */
#define BASS_CONFIG_AES67_PTP_SA_FILE 0x2001E        /* text, get/set: file of keys as linuxptp's sa_file, which is read now; "file#1" its association with spp 1, "file#1/2" its key 2 */
#define BASS_CONFIG_AES67_PTP_PROFILE 0x2001F        /* get/set: BASS_AES67_PROFILE_*; the domain stays that of BASS_CONFIG_AES67_PTP_DOMAIN */
#define BASS_CONFIG_AES67_SAP_SOURCES 0x20020        /* text, get/set: addresses that announcements come from */

/* BASS_CONFIG_AES67_PTP_STATE */
#define BASS_AES67_PTP_DISABLED 0
#define BASS_AES67_PTP_LISTENING 1
#define BASS_AES67_PTP_UNCALIBRATED 2
#define BASS_AES67_PTP_SLAVE 3
#define BASS_AES67_PTP_MASTER 4 /* only while an output serves PTP */

/* BASS_CONFIG_AES67_PTP_PROFILE: intervals of what is sent; those of others are taken from the wire
 */
#define BASS_AES67_PROFILE_AES67 0
#define BASS_AES67_PROFILE_ST2059_2 1
#define BASS_AES67_PROFILE_DEFAULT 2 /* of IEEE 1588 */

/* BASS_CONFIG_AES67_CLOCK_MODE */
#define BASS_AES67_CLOCK_PTP 0
#define BASS_AES67_CLOCK_LIVEWIRE 1 /* the Livewire clock: 239.192.255.2:7000 */
#define BASS_AES67_CLOCK_SYSTEM 2   /* the system's clock, if somebody disciplines it */
#define BASS_AES67_CLOCK_ARRIVALS 3 /* packet arrivals */

/* ---- Streams ---- */

/* BASS_CHANNELINFO.ctype. BASS_ChannelGetAttribute knows BASS_ATTRIB_BITRATE;
 * BASS_StreamGetFilePosition knows BASS_FILEPOS_BUFFER and _CONNECTED. */
#define BASS_CTYPE_STREAM_AES67 0x1f200

/* BASS_ChannelSetSync. SYNCPROCs are called in a thread of the add-on's, within some 20 ms.
 * BASS_StreamFree waits for one that runs, unless it is called in it: a SYNCPROC must not wait for
 * the thread that frees the stream. */
#define BASS_SYNC_AES67_LOCK 0x1f201   /* the clock has locked, or is locked already when the sync is set */
#define BASS_SYNC_AES67_UNLOCK 0x1f202 /* it has unlocked */
#define BASS_SYNC_AES67_SOURCE 0x1f203 /* another source, or the same one started anew; data: how often so far */
#define BASS_SYNC_AES67_LOSS 0x1f204   /* data: packets lost, or 0xFFFFFFFF if none came for 1 s */

/* BASS_AES67_STATS.state */
#define BASS_AES67_STATE_WAITING 0  /* no packet yet */
#define BASS_AES67_STATE_STARTING 1 /* packets come, and the channel is not pulled yet or the buffer fills */
#define BASS_AES67_STATE_PLAYING 2
#define BASS_AES67_STATE_SILENT 3   /* no packet for 1 s */

typedef struct {
    DWORD size; /* sizeof(BASS_AES67_STATS), set by the host */
    DWORD state;
    DWORD rate_hz;
    DWORD channels;
    DWORD packet_frames;
    DWORD generation; /* counts the sources */
    DWORD on_ptp;     /* 1: the position comes from PTP, 0: from arrivals */
    DWORD locked;     /* the clock that the stream follows */
    QWORD packets_received;
    QWORD packets_lost;
    QWORD packets_late;
    QWORD packets_dropped; /* late ones of which nothing could be played */
    QWORD packets_duplicate;
    QWORD packets_reordered;
    QWORD packets_refused;    /* not of this stream */
    QWORD packets_overflowed; /* the channel was not pulled, or the system dropped them */
    QWORD concealed_frames;
    QWORD underruns;
    QWORD jumps;
    double ratio_ppm;  /* playback ratio */
    double card_ppm;   /* rate at which the channel is pulled, against this computer's clock */
    double sender_ppm; /* rate of the sender, against this computer's clock */
    double buffer_ms; /* as BASS_CONFIG_AES67_BUFFER_LEVEL */
    double target_ms;
    double latency_ms; /* as latency in the URL; without PTP what the network takes is left out */
    double jitter_ms;
} BASS_AES67_STATS;

BOOL BASS_AES67DEF(BASS_AES67_GetStats)(HSTREAM handle, BASS_AES67_STATS *stats);

/* ---- The clock, with or without a stream ---- */

#define BASS_AES67_DOMAIN_DEFAULT 0xFFFFFFFF /* as BASS_CONFIG_AES67_PTP_DOMAIN */

/* Follows PTP until BASS_AES67_ClockStop, whether streams are open or not; with
 * BASS_AES67_CLOCK_SYSTEM the system's clock, and none of PTP's ports is opened. ClockStart takes
 * interface and domain from the options, and succeeds as well if the clock is started already;
 * ClockStartOn is refused then. NULL: the interface of the option. */
BOOL BASS_AES67DEF(BASS_AES67_ClockStart)(void);
BOOL BASS_AES67DEF(BASS_AES67_ClockStartOn)(const char *interface_name, DWORD domain);
BOOL BASS_AES67DEF(BASS_AES67_ClockStop)(void);
/* These tell of the clock that was asked for last, by a stream, an output or one of these two. */
DWORD BASS_AES67DEF(BASS_AES67_ClockGetState)(void); /* BASS_AES67_PTP_* */
BOOL BASS_AES67DEF(BASS_AES67_ClockIsLocked)(void);
double BASS_AES67DEF(BASS_AES67_ClockGetPPM)(void);                /* against this computer's clock */
const char *BASS_AES67DEF(BASS_AES67_GetClockStats)(void);         /* as BASS_CONFIG_AES67_PTP_STATS; valid until 64 more calls */
BOOL BASS_AES67DEF(BASS_AES67_ClockGetOffset)(BASS_AES67_INT64 *ns);  /* by how much the last second's prediction was off */
BOOL BASS_AES67DEF(BASS_AES67_ClockGetTime)(QWORD *ns);            /* PTP time */
BOOL BASS_AES67DEF(BASS_AES67_ClockGetGrandmaster)(QWORD *identity); /* 0xdca600fffeff2eea */

/* Calls at the multiples of a period of PTP time, 100 us to 10 s, in a thread of its own with high
 * priority; `missed` calls were left out because they were due too long ago. The clock must be
 * started, or a stream open on PTP; the timer keeps it running. It may be stopped in the call
 * itself. */
typedef DWORD BASS_AES67_HTIMER;
typedef void(CALLBACK AES67TIMERPROC)(void *user, QWORD ptp_ns, DWORD missed);
BASS_AES67_HTIMER BASS_AES67DEF(BASS_AES67_TimerStart)(DWORD period_us, AES67TIMERPROC *proc, void *user);
BOOL BASS_AES67DEF(BASS_AES67_TimerStop)(BASS_AES67_HTIMER timer);

/* ---- Output: a decode channel as an AES67 stream ---- */

typedef void *BASS_AES67_HOUTPUT;

/* A stream of 24 bits by the clock of the options, which is announced. It waits for PTP as long as
 * BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT says, and goes by this computer's clock then, as it does
 * at once where PTP's ports are refused. */
typedef struct {
    BYTE multicast_addr[4]; /* {239, 69, 0, 1} */
    WORD port;              /* 0: 5004 */
    BYTE interface_addr[4]; /* {0, 0, 0, 0}: that of the option */
    BYTE payload_type;      /* 0: 96 */
    WORD channels;          /* as the channel has them; 0: the same */
    DWORD sample_rate;      /* as the channel has it; 0: the same */
    DWORD packet_time_us;   /* 125, 250, 333, 1000, 4000, 5000; 0: 1000 */
} BASS_AES67_OUTPUT_CONFIG;

typedef struct {
    QWORD packets_sent;
    QWORD samples_sent; /* of one of the channels */
    QWORD send_errors;
    QWORD underruns; /* packets that are silence, whole or in part, because the channel gave nothing */
} BASS_AES67_OUTPUT_STATS;

/* BASS_AES67_OUTPUT_CONFIG_EX.clock */
#define BASS_AES67_OUTPUT_PTP 0    /* the PTP master of the network; nothing is sent before there is one */
#define BASS_AES67_OUTPUT_SERVE 1  /* the same, and this computer is it if there is none better */
#define BASS_AES67_OUTPUT_SYSTEM 2 /* the system's clock */
/* BASS_AES67_OUTPUT_CONFIG_EX.flags */
#define BASS_AES67_OUTPUT_NOSAP 1 /* is not announced */

/* The same with more to choose; it is told from the other by its size, which is no group. */
typedef struct {
    DWORD size;           /* sizeof(BASS_AES67_OUTPUT_CONFIG_EX) */
    DWORD port;           /* 0: 5004 */
    DWORD bits;           /* 16 or 24; 0: 24 */
    DWORD packet_time_us; /* 125, 250, 333, 1000, 4000, 5000; 0: 1000 */
    DWORD payload_type;   /* 0: 96 */
    DWORD ttl;            /* 0: 32 */
    DWORD domain;         /* 0..127 or BASS_AES67_DOMAIN_DEFAULT */
    DWORD clock;          /* BASS_AES67_OUTPUT_PTP, ... */
    DWORD flags;
    DWORD delay_us;            /* packets leave so much later: for channels that are late themselves, up to 1000000 */
    const char *name;          /* NULL: the group */
    const char *group;         /* "239.69.0.1" */
    const char *second_group;  /* the same packets once more (ST 2022-7), or NULL */
    const char *interface_name;   /* NULL: that of the option */
    const char *second_interface; /* for the second group; NULL: the same one */
} BASS_AES67_OUTPUT_CONFIG_EX;

/* BASS_AES67_OUTPUT_STATS_EX.state */
#define BASS_AES67_OUTPUT_STOPPED 0
#define BASS_AES67_OUTPUT_WAITING 1 /* for the clock */
#define BASS_AES67_OUTPUT_SENDING 2
#define BASS_AES67_OUTPUT_ENDED 3 /* the channel has ended or was freed: silence is sent */

typedef struct {
    DWORD size; /* sizeof(BASS_AES67_OUTPUT_STATS_EX), set by the host */
    DWORD state;
    QWORD packets;
    QWORD send_errors;
    QWORD skipped_packets; /* left out because this computer was too late for them */
    QWORD jumps;           /* PTP time was stepped */
    QWORD starved_frames;  /* silence, because the channel gave nothing */
    double late_us;        /* the latest packet */
    double late_99_us;     /* 99 % of them were no later */
    double ppm;            /* of the clock against this computer's */
} BASS_AES67_OUTPUT_STATS_EX;

/* The channel must be a decode channel of 44100, 48000 or 96000 Hz. While the output runs, nobody
 * else may pull it; free the output before the channel. `config` is a BASS_AES67_OUTPUT_CONFIG or a
 * BASS_AES67_OUTPUT_CONFIG_EX. */
BASS_AES67_HOUTPUT BASS_AES67DEF(BASS_AES67_OutputCreate)(DWORD channel, const void *config);
BOOL BASS_AES67DEF(BASS_AES67_OutputStart)(BASS_AES67_HOUTPUT output);
BOOL BASS_AES67DEF(BASS_AES67_OutputStop)(BASS_AES67_HOUTPUT output);
BOOL BASS_AES67DEF(BASS_AES67_OutputIsRunning)(BASS_AES67_HOUTPUT output);
/* The rate of its clock against this computer's: in ppm x 1000, signed, and in ppm. */
DWORD BASS_AES67DEF(BASS_AES67_OutputGetPPM)(BASS_AES67_HOUTPUT output);
double BASS_AES67DEF(BASS_AES67_OutputGetFrequencyPPM)(BASS_AES67_HOUTPUT output);
/* `stats` is a BASS_AES67_OUTPUT_STATS or a BASS_AES67_OUTPUT_STATS_EX, as the output's
 * configuration was. They tell of the last run after it was stopped. */
BOOL BASS_AES67DEF(BASS_AES67_OutputGetStats)(BASS_AES67_HOUTPUT output, void *stats);
BOOL BASS_AES67DEF(BASS_AES67_OutputFree)(BASS_AES67_HOUTPUT output);

/* ---- Discovery: what is announced by SAP ---- */

typedef struct {
    DWORD size; /* sizeof(BASS_AES67_SOURCE), set by the host */
    DWORD port;
    DWORD rate_hz;
    DWORD channels;
    DWORD bits;
    DWORD payload_type;
    DWORD packet_frames; /* 0 if it is not told */
    DWORD legs;
    char name[128]; /* aes67://sap/<name> opens it */
    char group[64];
    char origin[64]; /* the sender */
} BASS_AES67_SOURCE;

BOOL BASS_AES67DEF(BASS_AES67_DiscoveryStart)(const char *interface_name); /* NULL: the interface of the option */
BOOL BASS_AES67DEF(BASS_AES67_DiscoveryStop)(void);
DWORD BASS_AES67DEF(BASS_AES67_DiscoveryCount)(void);
BOOL BASS_AES67DEF(BASS_AES67_DiscoveryGet)(DWORD index, BASS_AES67_SOURCE *source);

/* ---- All else ---- */

/* The words to the last error of any thread, into `text`; returns its length. */
DWORD BASS_AES67DEF(BASS_AES67_GetErrorText)(char *text, DWORD length);
/* 0xMMmmpp00 */
DWORD BASS_AES67DEF(BASS_AES67_GetVersion)(void);

/* The layouts that the library was compiled with. */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define BASS_AES67_ASSERT(what, name) static_assert(what, #name)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define BASS_AES67_ASSERT(what, name) _Static_assert(what, #name)
#else
#define BASS_AES67_ASSERT(what, name) typedef char bass_aes67_##name[(what) ? 1 : -1]
#endif
BASS_AES67_ASSERT(sizeof(BASS_AES67_STATS) == 176, stats_is_176_bytes);
BASS_AES67_ASSERT(sizeof(BASS_AES67_OUTPUT_CONFIG) == 24, output_config_is_24_bytes);
BASS_AES67_ASSERT(sizeof(BASS_AES67_OUTPUT_STATS) == 32, output_stats_is_32_bytes);
BASS_AES67_ASSERT(sizeof(BASS_AES67_OUTPUT_CONFIG_EX) == 40 + 5 * sizeof(void *), output_config_ex_has_10_numbers_and_5_texts);
BASS_AES67_ASSERT(sizeof(BASS_AES67_OUTPUT_STATS_EX) == 72, output_stats_ex_is_72_bytes);
BASS_AES67_ASSERT(sizeof(BASS_AES67_SOURCE) == 288, source_is_288_bytes);

#ifdef __cplusplus
}
#endif

#endif
