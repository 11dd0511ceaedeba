/* A bare epoll loop, as a policy server and as a load of one: what policy-client's bench is measured beside.
 *
 *   epoll serve
 *   epoll load PORT CONNECTIONS SECONDS REQUEST-FILE
 *
 * The server prints the port that it has got, the load its answers and how many they are a second. No errors are handled
 * but by ending, and no time is taken: each answer is one read, each request one write. */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024 };
static const char answer[] = "action=DUNNO\n\n";
static char buffer[65536];

static int tcp(struct sockaddr_in *address, const char *port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0) err(1, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_port = htons(atoi(port));
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd;
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) err(1, "epoll_ctl");
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int serve(void) {
    struct sockaddr_in address;
    struct epoll_event events[EVENTS];
    socklen_t size = sizeof address;
    int listener = tcp(&address, "0"), epoll = epoll_create1(0);
    if (bind(listener, (void *)&address, size) || listen(listener, 4096)) err(1, "listen");
    if (getsockname(listener, (void *)&address, &size)) err(1, "getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int place = 0; place < count; place++) {
            int fd = events[place].data.fd;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client >= 0) watch(epoll, client);
                continue;
            }
            ssize_t length = read(fd, buffer, sizeof buffer);
            if (length <= 0) close(fd);
            else if (buffer[length - 1] == '\n' && write(fd, answer, sizeof answer - 1) < 0) close(fd);
        }
    }
}

static int load(const char *port, int connections, double seconds, const char *file) {
    static char request[65536];
    struct sockaddr_in address;
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0), source = open(file, O_RDONLY);
    ssize_t size = read(source, request, sizeof request);
    if (size <= 0) err(1, "%s", file);
    for (int place = 0; place < connections; place++) {
        int fd = tcp(&address, port);
        if (connect(fd, (void *)&address, sizeof address)) err(1, "connect");
        watch(epoll, fd);
        if (write(fd, request, size) != size) err(1, "write");
    }
    double begin = now(), end = begin + seconds;
    long answers = 0;
    while (now() < end) {
        int count = epoll_wait(epoll, events, EVENTS, 1000);
        for (int place = 0; place < count; place++) {
            int fd = events[place].data.fd;
            ssize_t length = read(fd, buffer, sizeof buffer);
            if (length <= 0 || buffer[length - 1] != '\n') err(1, "read");
            answers++;
            if (write(fd, request, size) != size) err(1, "write");
        }
    }
    printf("%ld %.0f\n", answers, answers / (now() - begin));
    return 0;
}

int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "serve")) return serve();
    if (count == 6 && !strcmp(words[1], "load")) return load(words[2], atoi(words[3]), atof(words[4]), words[5]);
    fprintf(stderr, "usage: epoll serve | epoll load PORT CONNECTIONS SECONDS REQUEST-FILE\n");
    return 64;
}
