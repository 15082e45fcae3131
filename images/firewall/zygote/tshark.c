/* Lets one started tshark decode many captures: most of what a small capture costs is its start.
 *
 * Preloaded into tshark (ld.so(8), LD_PRELOAD) it stands in place of the ws_getopt_long() with which tshark reads its command line:
 * when that is read in earnest, the protocols and the preferences are there, and nothing depends on what is asked. From there on
 * the process only forks. For each request a child goes on as tshark with a command line and a standard input, output and error of
 * its own. So a capture is decoded by a process that has seen no other, as if tshark had just been started.
 *
 * ZYGOTE_FD is a SOCK_SEQPACKET socket. A request is one byte with five descriptors (SCM_RIGHTS, unix(7)): the capture,
 * what tshark prints, what it says of errors, the words of its command line (each ends with a null byte, the first is its name),
 * and where its process id goes at once and its wait(2) status at its end, each as an int in the machine's order.
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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAPTURE, OUT, ERRORS, WORDS, STATUS, DESCRIPTORS };
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

static void tell(int whom, int what)
{
    ssize_t written = write(whom, &what, sizeof what);
    (void)written; /* nobody reads it any more */
}

/* Tells of each that has ended how it did. */
static void tell_ends(void)
{
    int status;
    pid_t ended;

    while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
        for (int each = 0; each < AT_ONCE; each++)
            if (decoding[each].process == ended) {
                tell(decoding[each].status, status);
                close(decoding[each].status);
                decoding[each].process = 0;
            }
}

/* The command line of this process, once it decodes. */
static char **words;
static int word_count;

/* The words of a file, each of which ends with a null byte; the last is followed by NULL, as main() has them. */
static bool read_words(int from)
{
    struct stat file;
    if (fstat(from, &file) != 0 || file.st_size == 0)
        return false;
    char *text = mmap(NULL, (size_t)file.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, from, 0);
    words = calloc((size_t)file.st_size + 1, sizeof *words);
    if (text == MAP_FAILED || words == NULL || text[file.st_size - 1] != 0)
        return false;
    for (char *word = text; word < text + file.st_size; word += strlen(word) + 1)
        words[word_count++] = word;
    return true;
}

/* In the process that decodes: a command line, a standard input, output and error of its own. */
static void take(const int descriptors[DESCRIPTORS], pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it ended before it could be known */
    for (int standard = CAPTURE; standard <= ERRORS; standard++)
        dup2(descriptors[standard], standard);
    if (!read_words(descriptors[WORDS]))
        _exit(1);
}

/* Answers requests until the end of the socket, where it ends. Returns in each process that is to decode. */
static void answer(int control)
{
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, &before);
    signal(SIGPIPE, SIG_IGN); /* whoever asked may not wait any more */
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
            signal(SIGPIPE, SIG_DFL);
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
            tell(descriptors[STATUS], child);
        }
    }
}

static const char *control; /* ZYGOTE_FD */
static bool is_set_up; /* all but what depends on the command line */

/* What tshark itself starts is not preloaded. */
__attribute__((constructor)) static void begin(void)
{
    control = getenv("ZYGOTE_FD") ? strdup(getenv("ZYGOTE_FD")) : NULL;
    unsetenv("ZYGOTE_FD");
    unsetenv("LD_PRELOAD");
}

void *epan_load_settings(void)
{
    void *(*real)(void) = (void *(*)(void))dlsym(RTLD_NEXT, "epan_load_settings");

    is_set_up = true;
    return real();
}

extern int ws_optind; /* of libwsutil: the next word, as optind of getopt(3) */

int ws_getopt_long(int count, char *const *given, const char *letters, const void *names, int *at)
{
    typedef int (*get)(int, char *const *, const char *, const void *, int *);
    get real = (get)dlsym(RTLD_NEXT, "ws_getopt_long");

    if (control == NULL || !is_set_up)
        return real(count, given, letters, names, at);
    if (words == NULL)
        answer(atoi(control));
    int option = real(word_count, words, letters, names, at);
    if (option == -1 && ws_optind == word_count)
        ws_optind = count; /* for main(), which looks for words behind the options in its own command line */
    return option;
}

/* What tshark does last is to give back each piece of its memory, which takes longer than a small capture's decoding:
 * the pages are those of the process it was forked from, and each is copied for it. The kernel takes them all at once.
 */
void epan_cleanup(void)
{
}
