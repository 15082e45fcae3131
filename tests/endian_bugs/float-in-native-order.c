/* A temperature. Wrong: the double goes as this machine has it. */
#include "talk.h"

static void to_wire(unsigned char *at, double number)
{
#ifdef MENDED
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    store(at, bits, sizeof bits);
#else
    memcpy(at, &number, sizeof number);
#endif
}

static int ask(int fd)
{
    unsigned char message[9] = {'T'};
    char back[2];
    to_wire(message + 1, 36.6);
    transmit(fd, message, sizeof message);
    receive(fd, back, sizeof back);
    return memcmp(back, "OK", 2) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    unsigned char message[9], right[8];
    to_wire(right, 36.6);
    if (receive(fd, message, sizeof message))
        transmit(fd, memcmp(message + 1, right, sizeof right) == 0 ? "OK" : "NO", 2);
}
