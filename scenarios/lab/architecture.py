"""What a machine of a lab is: its byte order, word size and CPU, as it says itself, beside what its image promises."""

from __future__ import annotations

from collections.abc import Mapping

from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host

# Asked once for all drills of a run: 50 to 300 ms a host. Two big-endian machines of different word size tell a fault
# of byte order from one of size.
ASKS = "import os, sys; print(f'{sys.byteorder}-endian, {sys.maxsize.bit_length() + 1} bits, {os.uname().machine}')"
# For a machine that runs another program than ours: od(1), getconf(1) and uname(1) are native there too.
ASKS_NATIVE = (
    r"test $(printf '\1\0' | od -An -t u2) = 1 && order=little || order=big; "
    'echo "$order-endian, $(getconf LONG_BIT) bits, $(uname -m)"'
)

# What TCP on a host goes by (ip-sysctl of the kernel's documentation). compose.yaml pins what a network namespace can
# have of its own on every kernel; the others, the last lines, are the machine's, and newer kernels have more of them.
SETTINGS = tuple(
    "ipv4/tcp_no_metrics_save ipv4/tcp_syn_retries ipv4/tcp_synack_retries ipv4/tcp_retries1 ipv4/tcp_retries2 "
    "ipv4/tcp_orphan_retries ipv4/tcp_mtu_probing ipv4/tcp_sack ipv4/tcp_dsack ipv4/tcp_timestamps "
    "ipv4/tcp_fin_timeout ipv4/tcp_congestion_control ipv4/tcp_ecn ipv4/tcp_frto ipv4/tcp_recovery "
    "ipv4/tcp_early_retrans ipv4/tcp_reordering ipv4/tcp_slow_start_after_idle ipv4/tcp_autocorking ipv4/tcp_fastopen "
    "ipv4/tcp_window_scaling ipv4/tcp_moderate_rcvbuf ipv4/tcp_rmem ipv4/tcp_wmem ipv4/tcp_keepalive_time "
    "ipv4/tcp_keepalive_intvl ipv4/tcp_keepalive_probes ipv4/tcp_syncookies ipv4/tcp_abort_on_overflow "
    "ipv4/tcp_tw_reuse ipv4/ip_local_port_range core/somaxconn "
    "ipv4/tcp_syn_linear_timeouts ipv4/tcp_rto_min_us ipv4/tcp_rto_max_ms ipv4/tcp_limit_output_bytes "
    "ipv4/tcp_shrink_window ipv4/tcp_comp_sack_delay_ns ipv4/tcp_comp_sack_nr ipv4/tcp_invalid_ratelimit "
    "ipv4/tcp_thin_linear_timeouts ipv4/tcp_notsent_lowat".split()
)
# One program reads them all, for on an emulated host each start takes a while. It passes over what a kernel lacks.
READS_SETTINGS = """
echo "kernel:$(uname -r)"
cd /proc/sys
grep -s . "$@" || [ $? = 2 ]
"""


def settings(lab: Lab, host: Host) -> Mapping[str, str]:
    """The kernel of a host and what its TCP goes by, by the names of sysctl(8). Raises LabProblem."""
    names = [f"net/{name}" for name in SETTINGS]
    ran = lab.run(host.name, ["sh", "-euc", READS_SETTINGS, "sh", *names], timeout_s=10)
    if ran.status != 0:
        raise LabProblem(f"the TCP settings of {host.name} cannot be read: {ran.printed}")
    lines = (line.partition(":") for line in ran.stdout.splitlines())
    return {name.replace("/", "."): " ".join(value.split()) for name, _, value in lines}


def query_architecture(lab: Lab, host: Host) -> str:
    """What a host says that it is: `big-endian, 64 bits, s390x`; or how it failed to say. Raises LabProblem."""
    probe = ["sh", "-c", ASKS_NATIVE] if host.name in lab.topology.standing else ["python", "-c", ASKS]
    ran = lab.run(host.name, probe, timeout_s=10)
    return ran.stdout.strip() if ran.status == 0 and ran.stdout else f"status {ran.status}: {ran.printed}"
