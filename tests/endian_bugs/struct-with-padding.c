/* A type of one byte and a number of four. Wrong: the struct goes as it lies in memory, with what the compiler put in. */
#include "talk.h"

struct order {
    unsigned char type;
    uint32_t amount; /* in network byte order */
};

static int ask(int fd)
{
    struct order order;
    char back[2];
    memset(&order, 0, sizeof order);
    order.type = 1;
    order.amount = htonl(6);
#ifdef MENDED
    unsigned char message[5] = {order.type};
    memcpy(message + 1, &order.amount, 4);
    transmit(fd, message, sizeof message);
#else
    transmit(fd, &order, sizeof order);
#endif
    receive(fd, back, sizeof back);
    return memcmp(back, "OK", 2) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    struct order order;
#ifdef MENDED
    if (!receive(fd, &order.type, 1) || !receive(fd, &order.amount, 4))
        return;
#else
    if (!receive(fd, &order, sizeof order))
        return;
#endif
    transmit(fd, order.type == 1 && ntohl(order.amount) == 6 ? "OK" : "NO", 2);
}
