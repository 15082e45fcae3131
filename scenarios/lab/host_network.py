"""Scripts that change the network of a host: no host has the right to, so a container of ours in its network does.

A container costs 0.2 s. So one stays in the network of each host that is changed, with a shell in it, while the lab is
held alone.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from scenarios.lab import endpoint, engine
from scenarios.lab.errors import CommandFailed
from scenarios.lab.guest import remove_guest
from scenarios.lab.shell import Shell, ShellEnded, Shells

IMAGE: Final = "faultwire/firewall"  # it has ip and ss, and is there where a lab is up
HELPER_LABEL: Final = "faultwire.helper"  # on each container that is in the network of a host for us; its value: which
NETWORK: Final = "/proc/self/ns/net"  # namespaces(7)
IN_ANOTHER: Final = 117  # the exit status of a shell whose network is not the host's any more: the host began anew
# In a shell of its own, so that `exit`, `set` and what it exports are the script's alone.
WHERE_IT_IS: Final = f'[ "$(readlink {NETWORK})" = "$1" ] || exit {IN_ANOTHER}; shift; exec env "$@"'


class _Helper(Shell):
    """A shell in a container of its own, which is gone when this is closed."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        super().__init__(process)
        self._name = name

    def close(self) -> None:
        super().close()
        remove_guest(self._name)


class HostNetworks:
    """The networks of the hosts of the lab of this number.

    `container` gives the name of a host's container, and `network_of` what the host reads at `NETWORK`.
    """

    def __init__(self, lab: int, container: Callable[[str], str], network_of: Callable[[str], str]) -> None:
        self._lab, self._container, self._network_of = lab, container, network_of
        self._helpers = Shells(self._helper)

    def stay_open(self) -> contextlib.AbstractContextManager[None]:
        """For the time of the `with` block a container stays where one was needed."""
        return self._helpers.open()

    def run(
        self,
        host: str,
        script: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        within_s: float,
    ) -> None:
        """Run a script of sh in a host's network, where it may administer it. Raises CommandFailed.

        With `options` of `docker run` it has a container of its own.
        """
        argv = [*(f"{name}={value}" for name, value in (environment or {}).items()), "sh", "-euc", script, "sh"]
        argv += arguments
        with contextlib.suppress(ShellEnded), self._shell(host, options) as shell:
            if shell:
                self._run_in(shell, host, argv, within_s)
                return
        words = self._words(host, *options)
        engine.docker_command(*words, "--entrypoint", "env", IMAGE, *argv, timeout_s=within_s)

    def _shell(self, host: str, options: Sequence[str]) -> contextlib.AbstractContextManager[Shell | None]:
        return contextlib.nullcontext() if options else self._helpers.borrow(host)

    def _run_in(self, shell: Shell, host: str, argv: Sequence[str], within_s: float) -> None:
        here = ["sh", "-c", WHERE_IT_IS, "sh", self._network_of(host), *argv]
        what = f"`sh` in the network of {self._container(host)}"
        try:
            status, out, err = shell.run(here, within_s, engine.EXEC_LIMIT, lambda: None)
        except TimeoutError as error:
            raise CommandFailed(f"{what} did not end within {within_s:g} s") from error
        if status == IN_ANOTHER:
            raise ShellEnded
        if status != 0:
            raise CommandFailed(f"{what} ended with status {status}:\n{(out.text() + err.text()).strip()}")

    def _words(self, host: str, *options: str) -> Sequence[str]:
        return (
            *("run", "--rm", "--network", f"container:{self._container(host)}", "--pull", "never"),
            *("--label", f"{engine.LAB_LABEL}={self._lab}", "--label", f"{HELPER_LABEL}={host}"),
            *("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--security-opt", "no-new-privileges", "--read-only"),
            *("--security-opt", "systempaths=unconfined"),  # else /proc/sys is read-only
            *options,
        )

    def _helper(self, host: str) -> Shell:
        name = f"{self._container(host)}-helper-{secrets.token_hex(4)}"
        words = self._words(host, "--interactive", "--name", name, "--log-driver", "none")
        process = subprocess.Popen(
            ["docker", *words, "--entrypoint", "sh", IMAGE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes to us alone; its standard input is closed when this process is gone
            env=endpoint.environment(),
        )
        return _Helper(process, name)
