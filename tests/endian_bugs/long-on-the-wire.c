/* A number, its highest byte first. Wrong: as many bytes as a long has here. */
#include "talk.h"

#ifdef MENDED
typedef int64_t number;
#else
typedef long number;
#endif

static int ask(int fd)
{
    unsigned char message[sizeof(number) + 2];
    char back[2];
    store(message, 6000, sizeof(number));
    memcpy(message + sizeof(number), "go", 2);
    transmit(fd, message, sizeof message);
    receive(fd, back, sizeof back);
    return memcmp(back, "OK", 2) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    unsigned char message[sizeof(number) + 2];
    number found = 0;
    if (!receive(fd, message, sizeof message))
        return;
    for (size_t each = 0; each < sizeof(number); each++)
        found = found << 8 | message[each];
    transmit(fd, found == 6000 ? "OK" : "NO", 2);
}
