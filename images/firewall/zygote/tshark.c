/* Lets one started tshark decode many captures: most of what a small capture costs is its start.
 *
 * Preloaded into tshark (ld.so(8), LD_PRELOAD) it stands in place of the wtap_open_offline() with which tshark opens its capture:
 * by then everything is set up and nothing is read. From there on the process only forks. For each request a child
 * goes on as tshark with a standard input, output and error of its own. So a capture is decoded by a process that has
 * seen no other, as if tshark had just been started.
 *
 * ZYGOTE_FD is a SOCK_SEQPACKET socket. A request is one byte with four descriptors (SCM_RIGHTS, unix(7)): the capture,
 * what tshark prints, what it says of errors, and where its wait(2) status goes, as an int in the machine's order.
 * At the end of the socket the process ends; so does each child when its parent does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void *(*open_offline)(const char *, unsigned int, int *, char **, bool);
enum { CAPTURE, OUT, ERRORS, STATUS, DESCRIPTORS };

/* The descriptors of the next request; false at the end of the socket. */
static bool next_request(int from, int descriptors[DESCRIPTORS])
{
    char byte;
    char space[CMSG_SPACE(sizeof(int) * DESCRIPTORS)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t got;

    do
        got = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *rights = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (rights == NULL || rights->cmsg_len != CMSG_LEN(sizeof(int) * DESCRIPTORS))
        return false;
    memcpy(descriptors, CMSG_DATA(rights), sizeof(int) * DESCRIPTORS);
    return true;
}

/* In a process of its own: tells how the one that decodes has ended. Returns in the latter only. */
static void be_watched(int control, const int descriptors[DESCRIPTORS])
{
    pid_t parent = getpid();

    signal(SIGCHLD, SIG_DFL);
    pid_t child = fork();
    if (child != 0) {
        int status = -1;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (child > 0)
            waitpid(child, &status, 0);
        ssize_t written = write(descriptors[STATUS], &status, sizeof status);
        _exit(written == sizeof status ? 0 : 1);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it ended before it could be known */
    for (int standard = 0; standard < STATUS; standard++)
        dup2(descriptors[standard], standard);
    for (int number = 0; number < DESCRIPTORS; number++)
        close(descriptors[number]);
    close(control);
}

void *wtap_open_offline(const char *name, unsigned int type, int *error, char **information, bool seeks)
{
    open_offline real = (open_offline)dlsym(RTLD_NEXT, "wtap_open_offline");
    const char *given = getenv("ZYGOTE_FD");

    if (given != NULL) {
        int control = atoi(given);
        int descriptors[DESCRIPTORS];

        signal(SIGCHLD, SIG_IGN); /* so that nobody need be waited for */
        for (;;) {
            if (!next_request(control, descriptors))
                _exit(0);
            pid_t watcher = fork();
            if (watcher == 0) {
                be_watched(control, descriptors);
                break;
            }
            for (int number = 0; number < DESCRIPTORS; number++)
                close(descriptors[number]); /* who asked sees the end of them where the fork has failed */
        }
    }
    return real(name, type, error, information, seeks);
}
