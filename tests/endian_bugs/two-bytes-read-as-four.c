/* A count of two bytes; the answer is twice as wide. Wrong: the two bytes are put where a number of four begins. */
#include "talk.h"

static int is_little_endian(void)
{
    uint16_t one = 1;
    return *(unsigned char *)&one;
}

static int ask(int fd)
{
    unsigned char message[2], right[4], back[4];
    store(message, 6, sizeof message);
    store(right, 6, sizeof right);
    transmit(fd, message, sizeof message);
    receive(fd, back, sizeof back);
    return memcmp(back, right, sizeof back) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
#ifdef MENDED
    uint16_t count = 0;
#else
    uint32_t count = 0;
#endif
    unsigned char back[4];
    if (!receive(fd, &count, 2))
        return;
    if (is_little_endian())
        count = (count & 0xff) << 8 | (count >> 8 & 0xff);
    store(back, count, sizeof back);
    transmit(fd, back, sizeof back);
}
