/* The number of a session, turned over by hand and then by htonl(). Wrong: the first is for one kind of machine only. */
#include "talk.h"

static uint32_t to_host(uint32_t network)
{
#ifdef MENDED
    return ntohl(network);
#else
    return network << 24 | (network & 0xff00) << 8 | (network >> 8 & 0xff00) | network >> 24;
#endif
}

static int ask(int fd)
{
    uint32_t from_a_library = htonl(7); /* in network byte order, as inet_addr() gives an address */
    uint32_t number = htonl(to_host(from_a_library));
    char back[4];
    transmit(fd, &number, sizeof number);
    receive(fd, back, sizeof back);
    return memcmp(back, "OK 7", sizeof back) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    uint32_t number;
    if (receive(fd, &number, sizeof number))
        transmit(fd, ntohl(number) == 7 ? "OK 7" : "LOST", 4);
}
