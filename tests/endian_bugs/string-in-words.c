/* A name in words of four bytes. Wrong: each word is converted, as if it were a number. */
#include "talk.h"

#ifdef MENDED
#define TO_WIRE(word) (word)
#else
#define TO_WIRE(word) htonl(word)
#endif
enum { WORDS = 2 };

static int ask(int fd)
{
    uint32_t words[WORDS];
    char back[2];
    memcpy(words, "transfer", sizeof words);
    for (int each = 0; each < WORDS; each++)
        words[each] = TO_WIRE(words[each]);
    transmit(fd, words, sizeof words);
    receive(fd, back, sizeof back);
    return memcmp(back, "OK", 2) == 0 ? ANSWERED : WRONG;
}

static void answer(int fd)
{
    uint32_t words[WORDS];
    if (!receive(fd, words, sizeof words))
        return;
    for (int each = 0; each < WORDS; each++)
        words[each] = TO_WIRE(words[each]); /* ntohl() is the same */
    transmit(fd, memcmp(words, "transfer", sizeof words) == 0 ? "OK" : "NO", 2);
}
