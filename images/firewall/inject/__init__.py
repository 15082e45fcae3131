"""What the injector knows without the kernel: packets, which of them a fault names, and what becomes of those.

Nothing in here does I/O or looks at a clock: packets and times (nanoseconds of a monotonic clock) are passed in. The
program beside this folder, `injector`, is the part that speaks to the kernel. Python 3.11's standard library only.

    declared  the words of a fault: Pick, Drop, Delay, …, and their JSON
    packet    IPv4, IPv6, TCP, UDP, ICMP and a DNS question, parsed within bounds; checksums
    header_words  more of them: what is done to headers
    headers   a packet's headers, changed where they stand
    icmp_errors, forging_words, path_words  and more: errors, packets that nobody sent, and paths
    forging   packets that nobody sent, made from one that was seen
    pathing   a path as a link with a queue, loss and a distance
    content   what a packet holds, alone or behind those before it
    picking   which packets a fault names
    holding_back  actions that hold packets, and what all actions share
    acting    what happens to a packet that was picked
    wire      the faults in force, one behind the other, as boxes on a wire
    translation  the question whom a packet is for behind a NAT, and the kernel's answer
    rules     the iptables rules that let the kernel queue those packets and no others
"""
