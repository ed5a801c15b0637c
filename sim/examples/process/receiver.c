/* A receiver for the simulator: a PTP slave and a jitter buffer that plays in phase with PTP.
 *
 * The protocol is described in docs/own-receiver.md; a scenario names this program by
 * process.command = ["./receiver"]. Build it by `cc -O2 -o receiver receiver.c`.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELLO = 1, TIMEOUT, PTP, MEDIA, TRANSMITTED, PULL, END };
enum { SYNC = 0, DELAY_REQ = 1, FOLLOW_UP = 8, DELAY_RESP = 9, ANNOUNCE = 11 };

#define VERSION 1
#define LONGEST (1 << 17)
#define CAPACITY (1 << 16) /* Frames of the buffer. */
#define MOST_CHANNELS 8
#define NEVER INT64_MAX
/* Gains of the clock servo: per Sync, and per second. */
#define PROPORTIONAL 0.1
#define INTEGRAL 0.01
#define SETTLED 64 /* Syncs until the clock counts as locked. */
/* Bandwidth of the playback loop, rad/s, and the time over which its error is averaged, s. */
#define BANDWIDTH 0.12
#define AVERAGED_S 1.0
#define LARGEST_ERROR_S 0.005 /* A larger error is jumped over. */

static struct {
    uint8_t domain, flags;
    uint32_t rate, offset;
    uint16_t channels, bits, packet_frames, payload_type;
    int64_t depth_ns;
} stream;

static const uint8_t own_port[10] = {0x02, 0x00, 0x00, 0xFF, 0xFE, 0x00, 0xC0, 0xDE, 0, 1};

static struct {
    uint8_t master[10], grandmaster[8];
    int has_master, has_time, syncs;
    int64_t at, ptp; /* Host time, and PTP time then. */
    double rate_ppb;
    double ahead_ns, delay_ns; /* Of the last Sync; of the path. */
    uint16_t sync_id, request_id;
    int64_t sync_at, sync_correction, request_at;
    int awaits_follow_up, awaits_response;
} ptp;

static struct {
    float frames[CAPACITY][MOST_CHANNELS];
    int64_t numbers[CAPACITY], end, number;
    int has_end, plays;
    double fraction, average_s, integral;
    uint32_t underruns, late, jumps;
} buffer;

static uint8_t in[LONGEST], out[LONGEST];

/* Fields of the simulator's messages are little-endian, those of the network big-endian. */
static uint64_t little(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
    return value;
}

static uint64_t big(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

static size_t put(size_t at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) out[at + i] = (uint8_t)(value >> 8 * i);
    return at + bytes;
}

static size_t put_double(size_t at, double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return put(at, bits, 8);
}

static void send_message(uint8_t kind, size_t length) {
    uint8_t head[5] = {0};
    for (int i = 0; i < 4; i++) head[i] = (uint8_t)((length + 1) >> 8 * i);
    head[4] = kind;
    if (fwrite(head, 1, 5, stdout) != 5 || fwrite(out, 1, length, stdout) != length) exit(1);
}

static int64_t ptp_at(int64_t at) {
    double passed = (double)(at - ptp.at);
    return ptp.ptp + (at - ptp.at) + (int64_t)(passed * ptp.rate_ppb * 1e-9);
}

static int is_locked(void) { return ptp.syncs >= SETTLED; }

/* A timestamp of PTP: 48 bits of seconds, 32 of nanoseconds. */
static int64_t timestamp(const uint8_t *at) {
    return (int64_t)big(at, 6) * 1000000000 + (int64_t)big(at + 6, 4);
}

static void tell_clock(void) {
    size_t at = put(0, ptp.has_time ? (is_locked() ? 2 : 1) : 0, 1);
    at = put(at, (ptp.has_time ? 1 : 0) | (ptp.has_master ? 2 : 0), 1);
    at = put(at, (uint64_t)ptp.at, 8);
    at = put(at, (uint64_t)ptp.ptp, 8);
    at = put_double(at, ptp.rate_ppb);
    memcpy(out + at, ptp.grandmaster, 8);
    send_message(0x84, at + 8);
}

static void request_delay(void) {
    memset(out, 0, 44);
    out[0] = DELAY_REQ;
    out[1] = 2;
    out[3] = 44;
    out[4] = stream.domain;
    memcpy(out + 20, own_port, 10);
    ptp.request_id++;
    out[30] = (uint8_t)(ptp.request_id >> 8);
    out[31] = (uint8_t)ptp.request_id;
    out[32] = 1;
    out[33] = 0x7F;
    ptp.awaits_response = 0;
    send_message(0x82, 44);
}

/* A PI servo on the offset of each Sync, minus the smoothed path delay. */
static void steer(int64_t at, int64_t sent) {
    if (!ptp.has_time) {
        ptp.has_time = 1;
        ptp.at = at;
        ptp.ptp = sent;
        return;
    }
    int64_t now = ptp_at(at);
    ptp.ahead_ns = (double)(now - sent);
    double error_ns = ptp.delay_ns - ptp.ahead_ns;
    ptp.rate_ppb += INTEGRAL * error_ns * (double)(at - ptp.at) * 1e-9;
    ptp.at = at;
    ptp.ptp = now + (int64_t)(PROPORTIONAL * error_ns);
    ptp.syncs++;
    tell_clock();
    if (ptp.syncs % 4 == 0) request_delay();
}

static void handle_ptp(int64_t now, const uint8_t *message, size_t length) {
    if (length < 34 || (message[1] & 15) != 2 || message[4] != stream.domain) return;
    int kind = message[0] & 15;
    int64_t correction = (int64_t)big(message + 8, 8) / 65536;
    if (kind == ANNOUNCE && length >= 64 && !ptp.has_master) {
        memcpy(ptp.master, message + 20, 10);
        memcpy(ptp.grandmaster, message + 53, 8);
        ptp.has_master = 1;
    }
    if (!ptp.has_master || memcmp(ptp.master, message + 20, 10) != 0 || length < 44) return;
    uint16_t id = (uint16_t)big(message + 30, 2);
    if (kind == SYNC) {
        ptp.awaits_follow_up = message[6] & 2;
        ptp.sync_id = id;
        ptp.sync_at = now;
        ptp.sync_correction = correction;
        if (!ptp.awaits_follow_up) steer(now, timestamp(message + 34) + correction);
    } else if (kind == FOLLOW_UP && ptp.awaits_follow_up && id == ptp.sync_id) {
        ptp.awaits_follow_up = 0;
        steer(ptp.sync_at, timestamp(message + 34) + correction + ptp.sync_correction);
    } else if (kind == DELAY_RESP && length >= 54 && ptp.awaits_response && id == ptp.request_id &&
               memcmp(message + 44, own_port, 10) == 0) {
        ptp.awaits_response = 0;
        double back_ns = (double)(timestamp(message + 34) - correction - ptp_at(ptp.request_at));
        double delay_ns = (ptp.ahead_ns + back_ns) / 2;
        ptp.delay_ns += (ptp.delay_ns > 0 ? 0.1 : 1.0) * (delay_ns - ptp.delay_ns);
    }
}

/* Stores a packet (RFC 3550, 5.1) at the place of its timestamp. */
static void handle_media(const uint8_t *packet, size_t length) {
    if (length < 12 || packet[0] >> 6 != 2 || (packet[1] & 127) != stream.payload_type) return;
    size_t start = 12 + 4 * (packet[0] & 15);
    if (packet[0] & 16) {
        if (length < start + 4) return;
        start += 4 + 4 * big(packet + start + 2, 2);
    }
    if (start > length) return;
    uint32_t stamp = (uint32_t)big(packet + 4, 4);
    int64_t first = buffer.has_end ? buffer.end + (int32_t)(stamp - (uint32_t)buffer.end) : stamp;
    int size = stream.bits / 8;
    int64_t count = (int64_t)((length - start) / (size_t)(size * stream.channels));
    if (buffer.plays && first < buffer.number) buffer.late++;
    const uint8_t *at = packet + start;
    for (int64_t i = first; i < first + count; i++) {
        for (int c = 0; c < stream.channels; c++, at += size) {
            uint32_t bits = (uint32_t)big(at, size) << (32 - stream.bits);
            buffer.frames[i & (CAPACITY - 1)][c] = (float)((int32_t)bits / 2147483648.0);
        }
        buffer.numbers[i & (CAPACITY - 1)] = i;
    }
    if (!buffer.has_end || first + count > buffer.end) buffer.end = first + count;
    buffer.has_end = 1;
}

static float sample(int64_t number, int channel) {
    int64_t place = number & (CAPACITY - 1);
    return buffer.numbers[place] == number ? buffer.frames[place][channel] : 0.0f;
}

/* The position that PTP demands at a time, relative to a frame. */
static double wanted_after(int64_t now, int64_t frame) {
    int64_t late_ns = stream.depth_ns + (int64_t)stream.packet_frames * 1000000000 / stream.rate;
    int64_t time = ptp_at(now) - late_ns, seconds = time / 1000000000;
    int64_t whole = seconds * stream.rate + stream.offset;
    double part = (double)(time % 1000000000) * 1e-9 * stream.rate;
    return (double)(int32_t)((uint32_t)whole - (uint32_t)frame) + part;
}

/* Plays a block into samples: cubic interpolation (Catmull-Rom) between frames. */
static void play(uint32_t frames, double step, size_t at) {
    for (uint32_t i = 0; i < frames; i++) {
        double f = buffer.fraction;
        for (int c = 0; c < stream.channels; c++) {
            double p = sample(buffer.number - 1, c), q = sample(buffer.number, c);
            double r = sample(buffer.number + 1, c), s = sample(buffer.number + 2, c);
            double slope = 0.5 * (r - p), bend = p - 2.5 * q + 2 * r - 0.5 * s;
            double twist = 0.5 * (s - p) + 1.5 * (q - r);
            float value = (float)(q + f * (slope + f * (bend + f * twist)));
            uint32_t bits;
            memcpy(&bits, &value, 4);
            at = put(at, bits, 4);
        }
        buffer.fraction += step;
        while (buffer.fraction >= 1) {
            buffer.fraction -= 1;
            buffer.number++;
        }
    }
}

static void handle_pull(int64_t now, uint32_t frames) {
    const size_t head = 41, length = head + (size_t)frames * stream.channels * 4;
    if (length > LONGEST) exit(1);
    memset(out, 0, length);
    double fill = 0, seconds = (double)frames / stream.rate;
    if (is_locked() && buffer.has_end) {
        int64_t origin = buffer.plays ? buffer.number : buffer.end;
        double wanted = wanted_after(now, origin) - (buffer.plays ? buffer.fraction : 0);
        double error_s = wanted / stream.rate;
        if (!buffer.plays || error_s > LARGEST_ERROR_S || error_s < -LARGEST_ERROR_S) {
            buffer.jumps += buffer.plays ? 1 : 0;
            int64_t whole = (int64_t)wanted - (wanted < 0 ? 1 : 0);
            buffer.number = origin + whole;
            buffer.fraction = 0;
            buffer.average_s = error_s = 0;
        }
        buffer.average_s += (error_s - buffer.average_s) * seconds / AVERAGED_S;
        buffer.integral += BANDWIDTH * BANDWIDTH * buffer.average_s * seconds;
        double step = 1 + 2 * BANDWIDTH * buffer.average_s + buffer.integral;
        fill = (double)(buffer.end - buffer.number) - buffer.fraction;
        buffer.plays = fill >= frames * step + 2;
        if (buffer.plays) {
            play(frames, step, head);
        } else {
            buffer.underruns++;
        }
    }
    size_t at = put(0, (uint64_t)buffer.plays, 1);
    at = put(at, (uint64_t)buffer.number, 8);
    at = put_double(at, buffer.fraction);
    at = put(at, buffer.underruns, 4);
    at = put(at, buffer.late, 4);
    at = put(at, 0, 4);
    at = put(at, buffer.jumps, 4);
    put(at, (uint64_t)(int64_t)(fill * 1e9 / stream.rate), 8);
    send_message(0x85, length);
}

static void handle_hello(const uint8_t *body) {
    stream.domain = body[6];
    stream.flags = body[7];
    stream.rate = (uint32_t)little(body + 8, 4);
    stream.channels = (uint16_t)little(body + 16, 2);
    stream.bits = (uint16_t)little(body + 18, 2);
    stream.packet_frames = (uint16_t)little(body + 20, 2);
    stream.payload_type = (uint16_t)little(body + 24, 2);
    stream.offset = (uint32_t)little(body + 28, 4);
    stream.depth_ns = (int64_t)little(body + 32, 8);
    int fits = stream.channels >= 1 && stream.channels <= MOST_CHANNELS && little(body + 12, 4) == stream.rate;
    if (little(body + 4, 2) != VERSION || (stream.flags & 3) != 3 || !fits) {
        fputs("receiver.c needs protocol 1 and a stream on PTP at the rate of the card\n", stderr);
        exit(1);
    }
    put(0, VERSION, 2);
    send_message(0x81, 2);
}

int main(void) {
    for (int i = 0; i < CAPACITY; i++) buffer.numbers[i] = -1;
    uint8_t head[4];
    while (fread(head, 1, 4, stdin) == 4) {
        size_t length = little(head, 4);
        if (length < 13 || length > LONGEST || fread(in, 1, length, stdin) != length) return 1;
        const uint8_t *body = in + 13;
        uint32_t number = (uint32_t)little(in + 1, 4);
        int64_t now = (int64_t)little(in + 5, 8);
        length -= 13;
        switch (in[0]) {
        case HELLO: handle_hello(body); break;
        case PTP: handle_ptp(now, body + 4, length - 4); break;
        case MEDIA: if (body[0] == 0) handle_media(body + 5, length - 5); break;
        case TRANSMITTED:
            ptp.awaits_response = little(body, 2) == ptp.request_id;
            ptp.request_at = now;
            break;
        case PULL: handle_pull(now, (uint32_t)little(body, 4)); break;
        default: break;
        }
        put(put(0, number, 4), (uint64_t)NEVER, 8);
        send_message(0x86, 12);
        if (fflush(stdout) != 0) return 1;
        if (in[0] == END) return 0;
    }
    return 0;
}
