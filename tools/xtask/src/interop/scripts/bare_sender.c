/* Sends the streams of the case `send-lateness` from one prepared packet each: what a sender
 * costs at least. As `aes67 send` it sleeps until the packets are due, and hands all of them to
 * the kernel by one call for up to 256.
 *
 * bare_sender ADDRESS GROUP COUNT FRAMES SECONDS: the address of the interface, the group of the
 * first stream, and the frames of a packet at 48 kHz. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MOST_STREAMS 256
#define LONGEST 1452
#define HEADER 12
#define BYTES_PER_FRAME 6
#define RATE 48000L

static unsigned char packets[MOST_STREAMS][LONGEST];
static struct sockaddr_in groups[MOST_STREAMS];
static struct iovec parts[MOST_STREAMS];
static struct mmsghdr headers[MOST_STREAMS];

static void prepare(const char *first, int count, size_t length) {
    in_addr_t group = ntohl(inet_addr(first));
    for (int i = 0; i < count; i++) {
        groups[i].sin_family = AF_INET;
        groups[i].sin_port = htons(5004);
        groups[i].sin_addr.s_addr = htonl(group + (unsigned)i);
        packets[i][0] = 0x80;
        packets[i][1] = 96;
        packets[i][11] = (unsigned char)i;
        parts[i] = (struct iovec){packets[i], length};
        headers[i].msg_hdr.msg_name = &groups[i];
        headers[i].msg_hdr.msg_namelen = sizeof groups[i];
        headers[i].msg_hdr.msg_iov = &parts[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int count = atoi(argv[3]), frames = atoi(argv[4]);
    long rounds = (long)(atof(argv[5]) * (double)RATE / frames);
    size_t length = HEADER + (size_t)frames * BYTES_PER_FRAME;
    if (count < 1 || count > MOST_STREAMS || frames < 1 || length > LONGEST) return 2;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), ttl = 15;
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr = inet_addr(argv[1]);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &own.sin_addr, sizeof own.sin_addr) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl) != 0) {
        perror("bare_sender");
        return 1;
    }
    prepare(argv[2], count, length);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long round = 0; round < rounds; round++) {
        long long due_ns = (long long)round * frames * 1000000000LL / RATE + start.tv_nsec;
        struct timespec due = {start.tv_sec + due_ns / 1000000000LL, due_ns % 1000000000LL};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        unsigned short sequence = htons((unsigned short)round);
        unsigned timestamp = htonl((unsigned)(round * frames));
        for (int i = 0; i < count; i++) {
            memcpy(packets[i] + 2, &sequence, sizeof sequence);
            memcpy(packets[i] + 4, &timestamp, sizeof timestamp);
        }
        for (int sent = 0; sent < count;) {
            int now = sendmmsg(fd, headers + sent, (unsigned)(count - sent), 0);
            if (now < 1) {
                perror("bare_sender");
                return 1;
            }
            sent += now;
        }
    }
    return 0;
}
