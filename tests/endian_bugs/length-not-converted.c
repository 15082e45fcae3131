/* A text behind its length. Wrong: the length goes as this machine has it. */
#include "talk.h"

#ifdef MENDED
#define TO_WIRE(number) htonl(number)
#define FROM_WIRE(number) ntohl(number)
#else
#define TO_WIRE(number) (number)
#define FROM_WIRE(number) (number)
#endif

static int ask(int fd)
{
    char text[] = "hello, world", back[sizeof text] = "";
    char message[4 + sizeof text];
    uint32_t length = TO_WIRE(sizeof text);
    memcpy(message, &length, 4);
    memcpy(message + 4, text, sizeof text);
    transmit(fd, message, sizeof message);
    receive(fd, back, sizeof back);
    return strcmp(text, back) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    uint32_t length;
    char text[LONGEST];
    if (!receive(fd, &length, 4) || FROM_WIRE(length) > LONGEST || !receive(fd, text, FROM_WIRE(length)))
        return;
    transmit(fd, text, FROM_WIRE(length));
}
