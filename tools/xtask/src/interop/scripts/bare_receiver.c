/* Receives the streams of the case `many-streams` and does nothing with them: what a receiver costs
 * at least. As `aes67 play` it has a socket for each group, asks for the kernel's stamps, and reads
 * several datagrams with one call every 2.5 ms.
 *
 * bare_receiver ADDRESS COUNT SECONDS: the address of the interface; prints one line. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/net_tstamp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define MOST_STREAMS 256
#define BATCH 8
#define LONGEST 2048
#define INTERVAL_NS 2500000L

static char bytes[BATCH][LONGEST];
static char control[BATCH][256];

static int open_stream(const char *interface, int number) {
    int on = 1, size = 4 << 20;
    int stamps = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons(5004)};
    struct ip_mreq join;
    group.sin_addr.s_addr = htonl(0xEF450200u + (unsigned)number);
    join.imr_multiaddr = group.sin_addr;
    join.imr_interface.s_addr = inet_addr(interface);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (fd < 0 || bind(fd, (struct sockaddr *)&group, sizeof group) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) != 0) {
        perror("bare_receiver");
        exit(1);
    }
    return fd;
}

static long receive(int fd) {
    struct mmsghdr headers[BATCH];
    struct iovec parts[BATCH];
    long taken = 0;
    int count;
    do {
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){bytes[i], LONGEST};
            memset(&headers[i], 0, sizeof headers[i]);
            headers[i].msg_hdr.msg_iov = &parts[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_control = control[i];
            headers[i].msg_hdr.msg_controllen = sizeof control[i];
        }
        count = recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, NULL);
        taken += count > 0 ? count : 0;
    } while (count == BATCH);
    return taken;
}

static double processor_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

int main(int argc, char **argv) {
    int sockets[MOST_STREAMS];
    if (argc != 4) return 2;
    int count = atoi(argv[2]), seconds = atoi(argv[3]);
    if (count < 1 || count > MOST_STREAMS) return 2;
    for (int i = 0; i < count; i++) sockets[i] = open_stream(argv[1], i + 1);
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    long packets = 0, rounds = seconds * (1000000000L / INTERVAL_NS);
    double before_s = processor_s();
    for (long round = 0; round < rounds; round++) {
        due.tv_nsec += INTERVAL_NS;
        if (due.tv_nsec >= 1000000000L) {
            due.tv_nsec -= 1000000000L;
            due.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        for (int i = 0; i < count; i++) packets += receive(sockets[i]);
    }
    printf("%.2f s of a processor, %ld packets\n", processor_s() - before_s, packets);
    return 0;
}
