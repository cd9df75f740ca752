// load PORT MILLISECONDS keeps a window of STAMP requests outstanding towards
// 127.0.0.1:PORT and checks each reply. At its end it prints replies, lost
// requests, wrong replies, and the time in nanoseconds.
//
// It does less for a packet than any reflector must, and never sleeps, so that
// the reflector is what is measured: it does not pay for waking the load.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// LOST is when a window without any reply counts as lost, in nanoseconds.
enum { FLOWS = 4, WINDOW = 64, SIZE = 44, LOST = 100000000 };

struct flow {
	int fd, outstanding;
	uint32_t sequence;
};

static unsigned char packets[WINDOW][SIZE + 1]; // one more: a longer reply is wrong
static struct iovec iovs[WINDOW];
static struct mmsghdr msgs[WINDOW];
static uint64_t replies, lost, wrong;

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void ready(size_t room) {
	for (int i = 0; i < WINDOW; i++) {
		iovs[i] = (struct iovec){packets[i], room};
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i], .msg_iovlen = 1};
	}
}

// refill sends until the flow's window is full. T1 is made of the sequence
// number, by which a reply is checked.
static void refill(struct flow *f) {
	int n = WINDOW - f->outstanding;
	for (int i = 0; i < n; i++) {
		uint32_t s = htonl(f->sequence + i), t1 = ~s;
		unsigned char *p = packets[i];
		memset(p, 0, SIZE);
		memcpy(p, &s, 4);
		memcpy(p + 4, &t1, 4);
		memcpy(p + 8, &s, 4);
		p[13] = 1; // error estimate
		p[15] = 1; // SSID
	}
	ready(SIZE);
	n = sendmmsg(f->fd, msgs, n, 0);
	if (n > 0) {
		f->outstanding += n;
		f->sequence += n;
	}
}

static int right(const unsigned char *p, size_t n) {
	uint32_t s, high, low, t2;
	memcpy(&s, p + 24, 4);
	memcpy(&high, p + 28, 4);
	memcpy(&low, p + 32, 4);
	memcpy(&t2, p + 16, 4);
	return n == SIZE && high == ~s && low == s && t2 != 0 && p[40] != 0;
}

// take receives what is there, and says how much that was.
static int take(struct flow *f) {
	ready(SIZE + 1);
	int n = recvmmsg(f->fd, msgs, WINDOW, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		if (right(packets[i], msgs[i].msg_len))
			replies++;
		else
			wrong++;
	}
	if (n > 0)
		f->outstanding = n < f->outstanding ? f->outstanding - n : 0;
	return n > 0 ? n : 0;
}

static void run(struct flow *flows, int64_t end) {
	for (int64_t at = now(), heard = at; at < end; at = now()) {
		int took = 0;
		for (int i = 0; i < FLOWS; i++) {
			int n = take(&flows[i]);
			took += n;
			if (n > 0 || flows[i].outstanding == 0)
				refill(&flows[i]);
		}
		if (took > 0) {
			heard = at;
		} else if (at - heard > LOST) {
			heard = at;
			for (int i = 0; i < FLOWS; i++) {
				lost += flows[i].outstanding;
				flows[i].outstanding = 0;
			}
		}
	}
}

int main(int argc, char **argv) {
	struct flow flows[FLOWS] = {0};
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (argc != 3) {
		fprintf(stderr, "usage: load PORT MILLISECONDS\n");
		return 64;
	}
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	for (int i = 0; i < FLOWS; i++) {
		flows[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (flows[i].fd < 0 || connect(flows[i].fd, (struct sockaddr *)&server, sizeof server)) {
			perror("load");
			return 1;
		}
	}
	int64_t start = now();
	run(flows, start + atoll(argv[2]) * 1000000);
	printf("%llu %llu %llu %lld\n", (unsigned long long)replies, (unsigned long long)lost, (unsigned long long)wrong,
	       (long long)(now() - start));
}
