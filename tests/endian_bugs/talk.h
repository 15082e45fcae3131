/* What every program of this folder shares, so that its own file holds its one bug: a socket, and the two roles.
 *
 *     program client HOST PORT        program server ADDRESS PORT
 *
 * A client's exit statuses are those of docs/your-own-program.md. A server serves one client after another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWERED = 0, REFUSED = 10, TIMED_OUT = 12, BROKEN_OFF = 14, WRONG = 15, USAGE = 64, FAILED = 71 };
enum { WAIT_MS = 3000, LONGEST = 1000 };

static int ask(int fd);     /* the client's part: its exit status */
static void answer(int fd); /* the server's part, for one client */

/* Receive exactly so many bytes. A client that cannot ends; a server is given 0. */
static int is_client;
static int receive(int fd, void *to, size_t wanted)
{
    struct pollfd one = {fd, POLLIN, 0};
    size_t had = 0;
    while (had < wanted) {
        int ready = poll(&one, 1, WAIT_MS);
        ssize_t got = ready == 1 ? recv(fd, (char *)to + had, wanted - had, 0) : 0;
        if (got > 0)
            had += (size_t)got;
        else if (is_client)
            exit(ready == 0 ? TIMED_OUT : BROKEN_OFF);
        else
            return 0;
    }
    return 1;
}

static void transmit(int fd, const void *bytes, size_t length)
{
    if (send(fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length && is_client)
        exit(BROKEN_OFF);
}

/* A number in network byte order, whatever this machine is: how it is done right. */
static inline void store(unsigned char *at, uint64_t number, int bytes)
{
    for (int each = 0; each < bytes; each++)
        at[each] = (unsigned char)(number >> 8 * (bytes - 1 - each));
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (argc != 4 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
        return USAGE;
    address.sin_port = htons((uint16_t)atoi(argv[3]));
    if (strcmp(argv[1], "client") == 0) {
        is_client = 1;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            perror("connect");
            return errno == ECONNREFUSED ? REFUSED : FAILED;
        }
        int status = ask(fd);
        puts(status == ANSWERED ? "answered" : "wrong answer");
        return status;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0)
        return perror("listen"), FAILED;
    puts("listening");
    fflush(stdout);
    for (int one; (one = accept(fd, NULL, NULL)) >= 0; close(one))
        answer(one);
    return FAILED;
}
