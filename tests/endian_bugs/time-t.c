/* A time in hexadecimal digits. Wrong: as many digits as time_t has bytes here. */
#undef _TIME_BITS /* Debian's compilers of today ask for 64 bits everywhere; those that made what is installed did not */
#include "talk.h"

#ifdef MENDED
typedef int64_t moment;
#else
typedef time_t moment;
#endif

static int ask(int fd)
{
    moment then = 1700000000;
    char line[32], back[2];
    snprintf(line, sizeof line, "AT %0*llx\n", 2 * (int)sizeof then, (long long)then);
    transmit(fd, line, strlen(line));
    receive(fd, back, sizeof back);
    return memcmp(back, "OK", 2) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    char line[32] = "";
    size_t had = 0;
    while (had < sizeof line - 1 && receive(fd, line + had, 1) && line[had] != '\n')
        had++;
    int is_time = had == 3 + 2 * sizeof(moment) && strtoll(line + 3, NULL, 16) == 1700000000;
    transmit(fd, is_time ? "OK" : "NO", 2);
}
