"""The words with which programs in many languages say that a clock of their own ended a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.calls.clock_texts import PATTERNS
from scenarios.calls.error_texts import errnos, outcomes
from scenarios.spec.outcome import Outcome

ROOT = Path(__file__).parents[2]
PRINTED = [
    ("Ruby", "/src/rb1.rb:4:in `gets': execution expired (Timeout::ExitException)\n\tfrom /src/rb1.rb:4:in `block'"),
    ("Ruby", "Timeout::Error: execution expired"),
    ("Ruby", "execution expired"),
    ("Ruby", "Net::OpenTimeout: Failed to open TCP connection to x:80 (execution expired)"),
    ("Ruby", "x.rb:3:in `open': Failed to open TCP connection to 198.18.1.138:80 (Net::OpenTimeout)"),
    ("Ruby", "Net::ReadTimeout with #<TCPSocket:(closed)>"),
    ("Ruby", "x.rb:2:in `read': Blocking operation timed out! (IO::TimeoutError)"),
    ("Lua", "receive: timeout"),
    ("Lua", "timeout\n"),
    ("Lua", "lua: x.lua:5: timeout\nstack traceback:\n\t[C]: in function 'error'"),
    ("Perl", "IO::Socket::INET: connect: timeout at /src/x.pl line 3."),
    ("Perl", "timeout at /src/x.pl line 3.\n"),
    ("Perl", "500 read timeout"),
    ("Perl", "500 Can't connect to 198.18.1.138:80 (timeout)"),
    ("Erlang", "recv failed: timeout"),
    ("Erlang", "{error,timeout}"),
    ("Erlang", '{error,{failed_connect,[{to_address,{"198.18.1.138",80}},{inet,[inet],timeout}]}}'),
    ("Erlang", "exception exit: {timeout,{gen_server,call,[<0.90.0>,ask,3000]}}"),
    ("Elixir", "** (MatchError) no match of right hand side value: {:error, :timeout}"),
    ("Elixir", "%Mint.TransportError{reason: :timeout}"),
    ("Elixir", "%HTTPoison.Error{id: nil, reason: :connect_timeout}"),
    ("Elixir", "** (exit) exited in: GenServer.call(#PID<0.1.0>, :ask, 3000)\n    ** (EXIT) time out"),
    ("Rust", "Error: deadline has elapsed"),
    ("Rust", "Error: Elapsed(())"),
    ("Rust", 'reqwest::Error { kind: Request, url: "http://198.18.1.138/", source: TimedOut }'),
    ("Java", "java.util.concurrent.TimeoutException\n\tat java.base/java.util.concurrent.FutureTask.get"),
    ("Java", "java.net.http.HttpTimeoutException: request timed out"),
    ("Java", "io.netty.channel.ConnectTimeoutException: connection timed out after 3000 ms: /198.18.1.138:80"),
    ("Java", "io.netty.handler.timeout.ReadTimeoutException: null"),
    ("Kotlin", "kotlinx.coroutines.TimeoutCancellationException: Timed out waiting for 3000 ms"),
    (".NET", "System.TimeoutException: The operation has timed out."),
    (".NET", "The operation has timed out."),
    (".NET", "The request was canceled due to the configured HttpClient.Timeout of 3 seconds elapsing."),
    ("Node.js", "AxiosError: timeout of 3000ms exceeded\n  code: 'ECONNABORTED',"),
    ("Node.js", "DOMException [TimeoutError]: The operation was aborted due to timeout"),
    ("Node.js", "RequestError: Timeout awaiting 'request' for 3000ms"),
    ("Node.js", "FetchError: network timeout at: http://198.18.1.138/"),
    ("Haskell", "HttpExceptionRequest Request {\n  port = 80\n}\n ResponseTimeout"),
    ("Haskell", "}\n ConnectionTimeout\n"),
    ("Haskell", "ask: <<timeout>>"),
    ("OCaml", "Fatal error: exception Lwt_unix.Timeout"),
    ("Dart", "SocketException: Connection timed out, host: 198.18.1.138, port: 80"),
    ("Dart", "Unhandled exception:\nTimeoutException after 0:00:03.000000: Future not completed"),
    ("Go", "net/http: TLS handshake timeout"),
    ("Go", "net/http: timeout awaiting response headers"),
    ("Python", "(Caused by ConnectTimeoutError(<HTTPConnection>, 'Connection to x timed out. (connect timeout=3)'))"),
    ("Python", "urllib3.exceptions.ReadTimeoutError: HTTPConnectionPool(host='x', port=80): Read timed out."),
    ("Python", "Connection timeout to host http://198.18.1.138:80/"),  # aiohttp's
    ("Python", "Timeout on reading data from socket"),
    ("Python", "The resolution lifetime expired after 4.0 seconds: no answer"),
    ("dig", ";; connection timed out; no servers could be reached"),
    ("BusyBox", "wget: download timed out"),
    ("Net-SNMP", "Timeout: No Response from 198.18.1.138:161."),
    ("swaks", "<** Timeout (4 secs) waiting for server response"),
]


@pytest.mark.parametrize(("language", "text"), PRINTED)
def test_the_clock_of_a_program_is_read_in_the_words_of_its_language(language: str, text: str) -> None:
    assert outcomes(f"\n{text}")[-1:] == [Outcome.TIMED_OUT], language
    if "ECONNABORTED" not in text:  # axios has this code, and none of a kernel's
        assert errnos(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "timeout: 3",
        "timeout=3",
        "--timeout SECONDS: how long to wait",
        "connecting with a timeout, please wait",
        "HttpExceptionRequest Request {\n  responseTimeout = ResponseTimeoutMicro 3000000\n}\n NoResponseDataReceived",
        "com.datastax.driver.core.exceptions.ReadTimeoutException: Cassandra timeout during read query",
        "System.Threading.Tasks.TaskCanceledException: A task was canceled.",  # by whom is not said
        "the password has expired",
        "your session: execution expired tokens are removed",
        "504 Gateway Timeout",
        "HTTP/1.1 408 Request Timeout",
        "try 1: timeout is 3 s",
        "connectTimeout=3000",
        "the job timed out on the server",
    ],
)
def test_words_that_may_mean_another_thing_are_not_read(text: str) -> None:
    assert outcomes(f"\n{text}") == []


def test_the_page_names_each_language_whose_words_are_read_and_each_is_tested() -> None:
    page = (ROOT / "docs" / "your-own-program.md").read_text(encoding="utf-8")
    line = next(each for each in page.split("\n\n") if "own clock is read" in each)
    assert [name for name in PATTERNS if name not in line] == []
    assert {*PATTERNS} - {language for language, _ in PRINTED} == set()
