/* What this machine is, in the words in which the lab asks every host: `big-endian, 32 bits, mips`. */
#include <stdio.h>
#include <sys/utsname.h>

int main(void)
{
    struct utsname machine;
    short one = 1;
    if (uname(&machine) != 0)
        return 1;
    printf("%s-endian, %d bits, %s\n", *(char *)&one ? "little" : "big", (int)(8 * sizeof(long)), machine.machine);
    return 0;
}
