/*
 * bass_ptp: a PTP clock, and a timer at its rate. Linux and Windows, C and C++.
 *
 * It needs no BASS: link to it, or load libbass_ptp.so or bass_ptp.dll and find its functions by
 * name. One clock and one timer in a process; all functions may be called from any thread, and in
 * the timer's callback.
 *
 * Where a function returns an int that tells of success, 0 is success and -1 is failure;
 * BASS_PTP_GetErrorText tells why in words. Texts are UTF-8.
 *
 * Beside bass_aes67 in the same program this is a clock of its own: a second port in the same
 * network. On Linux PTP's ports (319 and 320) take root or cap_net_bind_service.
 */
#ifndef BASS_PTP_H
#define BASS_PTP_H

#ifdef _WIN32
#include <windows.h>
#define BASS_PTP_CALL WINAPI
#else
#define BASS_PTP_CALL
#ifndef BASS_H /* BASS's own header has these */
#include <stdint.h>
typedef uint8_t BYTE;
typedef uint32_t DWORD;
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifndef BASS_PTPDEF
#define BASS_PTPDEF(function) BASS_PTP_CALL function
#endif

typedef long long BASS_PTP_INT64;

/* BASS_PTP_GetState */
#define BASS_PTP_STATE_DISABLED 0 /* not started */
#define BASS_PTP_STATE_LISTENING 1
#define BASS_PTP_STATE_UNCALIBRATED 2
#define BASS_PTP_STATE_SLAVE 3

/* ---- The clock ---- */

/* Follows PTP in a domain, 0 to 127, on an interface by name or address; NULL or "" is the only one
 * there is. Success as well if that runs already; a clock on another interface or in another domain
 * is ended for it. */
int BASS_PTPDEF(BASS_PTP_Start)(const char *interface_name, BYTE domain);
/* Ends it, and waits for its thread; the timer goes on at the rate of this computer's clock.
 * Success as well if nothing runs. */
int BASS_PTPDEF(BASS_PTP_Stop)(void);
/* Ends the clock and the timer. No thread of the library runs after it, unless it is called in the
 * timer's callback, so that the library can be unloaded (on Windows it stays in memory until the
 * program ends once something was started). */
int BASS_PTPDEF(BASS_PTP_ForceStop)(void);
int BASS_PTPDEF(BASS_PTP_IsRunning)(void); /* 1 or 0 */

/* "Slave to: PTP/dca600fffeff2eea:2, <delta> -270.9us, Freq: +100.00ppm [LOCKED]": the grandmaster,
 * the number of the port that is followed, by how much the last second's prediction was off, the
 * rate against this computer's clock, and the state; what keeps it from being locked comes last.
 * Before a master is followed it begins with another word than "Slave". Cut to `size` bytes with
 * the zero at its end; 256 are enough for most. */
int BASS_PTPDEF(BASS_PTP_GetStatsString)(char *buffer, int size);
int BASS_PTPDEF(BASS_PTP_IsLocked)(void);           /* 1 or 0 */
double BASS_PTPDEF(BASS_PTP_GetFrequencyPPM)(void); /* against this computer's clock */
BASS_PTP_INT64 BASS_PTPDEF(BASS_PTP_GetOffset)(void); /* ns by which the last second's prediction was off */
BYTE BASS_PTPDEF(BASS_PTP_GetState)(void);          /* BASS_PTP_STATE_* */

/* ---- The timer ---- */

/* Calls `callback` once in `interval_ms`, 1 to 3600000, in a thread of its own with high priority,
 * at the rate of the clock while the PLL is on and the clock is locked or holds what it has learnt,
 * else at the rate of this computer's clock. Calls never step: a clock that comes or goes changes
 * the rate only. Calls that are late by up to a second are made up for; later ones, as after a
 * suspend, are left out. A timer that runs already is ended for it. It need not wait for a clock.
 */
int BASS_PTPDEF(BASS_PTP_TimerStart)(DWORD interval_ms, void(BASS_PTP_CALL *callback)(void *user), void *user);
/* Ends it. The last call has returned by then, unless this is called in it. Success as well if no
 * timer runs. */
int BASS_PTPDEF(BASS_PTP_TimerStop)(void);
/* 0: the rate of this computer's clock; else that of the PTP clock, as it is at first. */
int BASS_PTPDEF(BASS_PTP_TimerSetPLL)(int enabled);
/* From the last call on. */
int BASS_PTPDEF(BASS_PTP_TimerSetInterval)(DWORD interval_ms);
DWORD BASS_PTPDEF(BASS_PTP_TimerGetInterval)(void);  /* ms, as it was set last; 0 before it was */
int BASS_PTPDEF(BASS_PTP_TimerIsRunning)(void);      /* 1 or 0 */
int BASS_PTPDEF(BASS_PTP_TimerIsPLLEnabled)(void);   /* 1 or 0 */

/* ---- All else ---- */

/* The words to the last failure of any thread, as BASS_PTP_GetStatsString. */
int BASS_PTPDEF(BASS_PTP_GetErrorText)(char *buffer, int size);
/* 0xMMmmpp00 */
DWORD BASS_PTPDEF(BASS_PTP_GetVersion)(void);

#ifdef __cplusplus
}
#endif

#endif
