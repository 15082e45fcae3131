/* The first byte of a message: its type in the upper half, flags in the lower. Wrong: by bit-fields, whose order is the
 * compiler's own. */
#include "talk.h"

union first {
    unsigned char byte;
    struct {
        unsigned char retain : 1, qos : 2, dup : 1, type : 4;
    } bits;
};

static int ask(int fd)
{
    unsigned char message[4] = {0, 2, 'h', 'i'}, back[2];
#ifdef MENDED
    message[0] = 1 << 4;
#else
    union first first = {.byte = 0};
    first.bits.type = 1;
    message[0] = first.byte;
#endif
    transmit(fd, message, sizeof message);
    receive(fd, back, sizeof back);
    return back[0] >> 4 == 2 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    unsigned char message[4];
    if (receive(fd, message, sizeof message) && message[0] >> 4 == 1) /* else it closes, as a broker does */
        transmit(fd, "\x20\x00", 2);
}
