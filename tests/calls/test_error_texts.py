"""What counts as an errno in the words of a program, and what is only a sentence with the same words in it."""

from __future__ import annotations

import pytest

from scenarios.calls.error_texts import errno_in, errnos, outcomes
from scenarios.spec.outcome import Outcome


@pytest.mark.parametrize(
    "text",
    [
        # dnspython's own clocks
        "dns.exception.Timeout: The DNS operation timed out.",
        "dns.resolver.LifetimeTimeout: The resolution lifetime expired after 4.803 seconds: "
        "Server Do53:198.18.1.138@53 answered The DNS operation timed out.; "
        "Server Do53:198.18.1.138@53 answered The DNS operation timed out.",
        "error sending request for url (http://198.18.1.138/): operation timed out",  # reqwest's
        'Error: Error { kind: TimedOut, message: "connection timed out" }',  # of Rust's connect_timeout()
        ";; connection timed out; no servers could be reached",  # dig's
        "x.rb:65:in `connect_internal': Connection timed out - user specified timeout (Errno::ETIMEDOUT)",  # Ruby's
        "Errno::ETIMEDOUT: Connection timed out - user specified timeout",
        "The connection timed out, giving up",
    ],
)
def test_a_timeout_in_a_sentence_is_one_and_no_errno(text: str) -> None:
    assert outcomes(text)[-1:] == [Outcome.TIMED_OUT]
    assert errnos(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "nc: Operation timed out",  # musl's
        'Os { code: 110, kind: TimedOut, message: "Operation timed out" }',
        "Connection failed (Operation timed out).",
        "error sending request: operation timed out (os error 110)",
        "connect: connection timed out",  # Go's
        "java.net.ConnectException: Connection timed out (Connection timed out)",
        "Unable to connect to tcp://198.18.1.138:4000 (Connection timed out) in /x.php on line 1",
        "connect: Connection timed out at /x.pl line 3.",
        "Os { code: 110 }",
    ],
)
def test_a_timeout_in_the_words_of_the_c_library_is_its_errno(text: str) -> None:
    assert errno_in(text) == "ETIMEDOUT"
    assert outcomes(text)[-1] is Outcome.TIMED_OUT


@pytest.mark.parametrize(
    "text",
    [
        "an SSH protocol error was found in the packet",
        "no such device or address book",
        "the file exists already",
        "there was no data available yet",
        "an invalid argument was given: --frobnicate",
        "redis: the host is down for maintenance",
        "cannot start: the port or address in use is 80",
        "the broker's host is unreachable: see the manual",
        "http: the protocol not available here is h3",
        "the connection aborted the transaction",
    ],
)
def test_the_words_of_an_errno_within_a_sentence_are_only_words(text: str) -> None:
    assert errnos(text) == []
    assert outcomes(text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("open: Too many open files", "EMFILE"),
        ("socket failed: Too many open files (24)", "EMFILE"),
        ("accept tcp [::]:80: accept4: too many open files; retrying in 5ms", "EMFILE"),
        ("java.net.BindException: Cannot assign requested address (Bind failed)", "EADDRNOTAVAIL"),
        ("bind() failed (98: Address in use)", "EADDRINUSE"),
        ('message: "Protocol error" }', "EPROTO"),
        ("OSError: [Errno 71] Protocol error", "EPROTO"),
        ("write: Message too long at /x.pl line 3.", "EMSGSIZE"),
        ("'Protocol error'", "EPROTO"),
        ("Protocol error", "EPROTO"),
        ("java.net.SocketException: Connection reset", "ECONNRESET"),
        ("connecting failed with connection refused by the server", "ECONNREFUSED"),
        ("Connection reset by 198.18.1.138 port 22", "ECONNRESET"),  # ssh's
    ],
)
def test_the_words_of_an_errno_that_stand_alone_are_that_errno(text: str, name: str) -> None:
    assert errno_in(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("connect failed: econnrefused", "ECONNREFUSED"),
        ("{error,econnrefused}", "ECONNREFUSED"),
        ("** (MatchError) no match of right hand side value: {:error, :ehostunreach}", "EHOSTUNREACH"),
        ("%Mint.TransportError{reason: :econnreset}", "ECONNRESET"),
        ('{failed_connect,[{to_address,{"x",80}},{inet,[inet],etimedout}]}', "ETIMEDOUT"),
        ("recv failed: etimedout.", "ETIMEDOUT"),
        ("{error,epipe}", "EPIPE"),
        ("{error,eaddrnotavail}", "EADDRNOTAVAIL"),
    ],
)
def test_the_atoms_of_erlang_are_errnos(text: str, name: str) -> None:
    assert errno_in(text) == name


@pytest.mark.parametrize(
    "text",
    ["eof", "eio.Client: no answer", "{error,closed}", "by default", "ps -o etime", "open /etc/enoent/x", "--emfile",
     "econnrefused.example.org", "my_econnrefused", "ebusy waiting", "the eloop ended", "efault-tolerant"],
)  # fmt: skip
def test_a_word_that_is_like_an_atom_of_erlang_is_no_errno(text: str) -> None:
    assert errnos(text) == []
