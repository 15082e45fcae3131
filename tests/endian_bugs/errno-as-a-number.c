/* A server that cannot reach its own backend says why. Wrong: by the number that errno has here. */
#include "talk.h"

enum { BACKEND_REFUSED = 1, BACKEND_OTHER = 2 }; /* the protocol's own words */

static int ask(int fd)
{
    unsigned char back[4];
    uint32_t why;
    transmit(fd, "GO", 2);
    receive(fd, back, sizeof back);
    why = (uint32_t)back[0] << 24 | back[1] << 16 | back[2] << 8 | back[3];
#ifdef MENDED
    return why == BACKEND_REFUSED ? ANSWERED : WRONG;
#else
    return why == ECONNREFUSED ? ANSWERED : WRONG;
#endif
}

static void answer(int fd)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    unsigned char asked[2], back[4];
    int backend = socket(AF_INET, SOCK_STREAM, 0);
    if (!receive(fd, asked, sizeof asked))
        return;
    errno = 0;
    connect(backend, (struct sockaddr *)&nobody, sizeof nobody);
#ifdef MENDED
    store(back, errno == ECONNREFUSED ? BACKEND_REFUSED : BACKEND_OTHER, sizeof back);
#else
    store(back, (uint64_t)errno, sizeof back);
#endif
    close(backend);
    transmit(fd, back, sizeof back);
}
