// floor PORT answers STAMP packets on 127.0.0.1:PORT with the least that a
// correct reflector must do: datagrams in batches, T2 from the kernel, the TTL
// from a control message, and a reply of RFC 8762 section 4.3.1. It is
// stateless, keeps no log and guards nothing: what it reaches is what the
// kernel allows for.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, ROOM = 1500, BASE = 44 };

// Where the fields of a reply are.
enum { T3 = 4, ERROR = 12, T2 = 16, SENDER = 24, TTL = 40 };

static unsigned char packets[BATCH][ROOM];
static struct sockaddr_in peers[BATCH];
static struct iovec iovs[BATCH];
static struct mmsghdr msgs[BATCH];
static union {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int))];
} controls[BATCH];

static void put_time(unsigned char *at, const struct timespec *t) {
	uint32_t seconds = htonl((uint32_t)(t->tv_sec + 2208988800)); // since 1900
	uint32_t fraction = htonl((uint32_t)(((uint64_t)t->tv_nsec << 32) / 1000000000));
	memcpy(at, &seconds, 4);
	memcpy(at + 4, &fraction, 4);
}

// respond makes a request its reply, but for T3, and gives its length.
static size_t respond(unsigned char *p, size_t n, struct msghdr *h) {
	struct timespec received = {0};
	int ttl = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&received, CMSG_DATA(c), sizeof received);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
			memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
	}
	memcpy(p + SENDER, p, 14); // sequence number, T1 and error estimate
	memset(p + SENDER + 14, 0, BASE - SENDER - 14);
	p[TTL] = (unsigned char)ttl;
	put_time(p + T2, &received);
	p[ERROR] = 0x00; // not synchronized, NTP format,
	p[ERROR + 1] = 0x01; // and a multiplier that is not zero
	return n < BASE ? BASE : n;
}

static void ready(int i, size_t room) {
	iovs[i] = (struct iovec){packets[i], room};
	msgs[i].msg_hdr = (struct msghdr){
	    .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &iovs[i], .msg_iovlen = 1};
}

static void serve(int fd) {
	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			ready(i, ROOM);
			msgs[i].msg_hdr.msg_control = &controls[i];
			msgs[i].msg_hdr.msg_controllen = sizeof controls[i];
		}
		int n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
		if (n < 0) {
			perror("recvmmsg");
			exit(1);
		}
		for (int i = 0; i < n; i++)
			ready(i, respond(packets[i], msgs[i].msg_len, &msgs[i].msg_hdr));
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		for (int i = 0; i < n; i++)
			put_time(packets[i] + T3, &now);
		for (int sent = 0; sent < n;) {
			int m = sendmmsg(fd, msgs + sent, n - sent, 0);
			sent += m > 0 ? m : 1; // the one that fails is left out
		}
	}
}

int main(int argc, char **argv) {
	int on = 1, buffer = 1 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (argc != 2) {
		fprintf(stderr, "usage: floor PORT\n");
		return 64;
	}
	own.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) ||
	    setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on) || bind(fd, (struct sockaddr *)&own, sizeof own)) {
		perror("floor");
		return 1;
	}
	serve(fd);
}
