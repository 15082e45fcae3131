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
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void *(*open_offline)(const char *, unsigned int, int *, char **, bool);
enum { CAPTURE, OUT, ERRORS, STATUS, DESCRIPTORS };
enum { AT_ONCE = 64 };

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

/* Those that decode, each with the descriptor where its wait(2) status goes. */
static struct { pid_t process; int status; } decoding[AT_ONCE];

/* Tells of each that has ended how it did. */
static void tell_ends(void)
{
    int status;
    pid_t ended;

    while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
        for (int each = 0; each < AT_ONCE; each++)
            if (decoding[each].process == ended) {
                ssize_t written = write(decoding[each].status, &status, sizeof status);
                (void)written; /* nobody reads it any more */
                close(decoding[each].status);
                decoding[each].process = 0;
            }
}

/* In the process that decodes: a standard input, output and error of its own. */
static void take(const int descriptors[DESCRIPTORS], pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it ended before it could be known */
    for (int standard = 0; standard < STATUS; standard++)
        dup2(descriptors[standard], standard);
}

/* Answers requests until the end of the socket, where it ends. Returns in each process that is to decode. */
static void answer(int control)
{
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, &before);
    struct pollfd wait_for[] = {{.fd = control, .events = POLLIN}, {.fd = signalfd(-1, &ends, SFD_CLOEXEC), .events = POLLIN}};
    pid_t parent = getpid();

    for (;;) {
        int descriptors[DESCRIPTORS];
        struct signalfd_siginfo told;

        if (poll(wait_for, 2, -1) < 0)
            continue; /* EINTR */
        if (wait_for[1].revents && read(wait_for[1].fd, &told, sizeof told) > 0)
            tell_ends();
        if (!wait_for[0].revents)
            continue;
        if (!next_request(control, descriptors))
            _exit(0);
        int place = 0;
        while (place < AT_ONCE && decoding[place].process)
            place++;
        pid_t child = place < AT_ONCE ? fork() : -1;
        if (child == 0) {
            sigprocmask(SIG_SETMASK, &before, NULL);
            take(descriptors, parent);
            close(control);
            close(wait_for[1].fd);
        }
        for (int number = 0; number < (child > 0 ? STATUS : DESCRIPTORS); number++)
            close(descriptors[number]); /* who asked sees the end of them where the fork has failed */
        if (child == 0)
            return;
        if (child > 0) {
            decoding[place].process = child;
            decoding[place].status = descriptors[STATUS];
        }
    }
}

void *wtap_open_offline(const char *name, unsigned int type, int *error, char **information, bool seeks)
{
    open_offline real = (open_offline)dlsym(RTLD_NEXT, "wtap_open_offline");
    const char *given = getenv("ZYGOTE_FD");

    if (given != NULL)
        answer(atoi(given));
    return real(name, type, error, information, seeks);
}

/* What tshark does last is to give back each piece of its memory, which takes longer than a small capture's decoding:
 * the pages are those of the process it was forked from, and each is copied for it. The kernel takes them all at once.
 */
void epan_cleanup(void)
{
}
