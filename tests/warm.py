"""Processes of ``s2s`` forked from one that has loaded PyTorch: to load it takes seconds.

``python warm.py serve SOCKET`` loads all and waits; ``python warm.py run SOCKET ARGUMENTS`` is then
``s2s ARGUMENTS`` but for its start: a process of its own, in the caller's directory, with its
environment and its standard streams. Signals are passed on, and who is killed takes it along.
Tests of the start itself, or of the environment that an interpreter reads at its start, begin one.
"""

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

MOST_BYTES = 1 << 17
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


def ask(
    path: str,
    arguments: list[str],
    cwd: str,
    streams: list[int],
    variables: Mapping[str, str] = MappingProxyType({}),
) -> socket.socket:
    """Have ``s2s`` started; on the connection come its process number and its exit code.

    Args:
        path: where the server listens.
        arguments: of ``s2s``.
        cwd: its working directory.
        streams: its standard input, output and error.
        variables: of its environment, beside those of this process.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path)
    request = {"arguments": arguments, "cwd": cwd, "environment": {**os.environ, **variables}}
    socket.send_fds(connection, [json.dumps(request).encode()], streams)
    return connection


def number(connection: socket.socket) -> int:
    """The next number that the server sends."""
    return int(connection.recv(32))


def run(path: str, arguments: list[str]) -> int:
    """Be ``s2s ARGUMENTS``; its exit code."""
    connection = ask(path, arguments, str(Path.cwd()), [0, 1, 2])
    process = number(connection)
    for each in PASSED_ON:
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, lambda received, _: os.kill(process, received))
    code = number(connection)
    if code < 0:  # it was killed: so are we
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    return code


def load() -> None:
    """Import what any command may."""
    import gc
    import importlib
    import pkgutil

    import s2s_cli

    for each in pkgutil.walk_packages(s2s_cli.__path__, "s2s_cli."):
        importlib.import_module(each.name)
    for name in ("sacrebleu", "sacremoses", "rich.progress", "torch._dynamo"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


class Server:
    """Starts processes until its standard input ends."""

    def __init__(self, path: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(f"{path}.new")
        self.listener.listen(64)
        Path(f"{path}.new").rename(path)  # once it answers
        self.woken, self.waking = os.pipe()
        for each in (self.woken, self.waking):
            os.set_blocking(each, False)
        signal.set_wakeup_fd(self.waking)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.clients: dict[int, socket.socket] = {}

    def serve(self) -> dict[str, Any] | None:
        """In each new process, what it is asked to be; in the server None, at the end."""
        while True:
            waited: list[Any] = [0, self.listener, self.woken, *self.clients.values()]
            ready, _, _ = select.select(waited, [], [])
            if 0 in ready:
                for process in self.clients:
                    os.kill(process, signal.SIGKILL)
                return None
            if self.woken in ready:
                os.read(self.woken, 4096)
                self.tell_ends()
            for process, client in self.clients.items():
                if client in ready:  # clients say nothing: this one is gone
                    os.kill(process, signal.SIGKILL)
                    client.shutdown(socket.SHUT_RDWR)
            if self.listener in ready and (request := self.start()):
                return request

    def start(self) -> dict[str, Any] | None:
        """Fork; in the new process what it is to be."""
        client, _ = self.listener.accept()
        message, streams, _, _ = socket.recv_fds(client, MOST_BYTES, 3)
        process = os.fork()
        if process:
            self.clients[process] = client
            for each in streams:
                os.close(each)
            client.send(b"%d" % process)
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self.listener, client, *self.clients.values()):
            end.close()
        for fd in (self.woken, self.waking):
            os.close(fd)
        for wanted, each in enumerate(streams):
            os.dup2(each, wanted)
            os.close(each)
        request: dict[str, Any] = json.loads(message)
        return request

    def tell_ends(self) -> None:
        """Tell the clients of the processes that have ended."""
        while self.clients:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            with self.clients.pop(process) as client:
                try:
                    client.send(b"%d" % os.waitstatus_to_exitcode(status))
                except OSError:  # it is gone
                    continue


def serve(path: str) -> None:
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # as `s2s train` has it
    load()
    request = Server(path).serve()
    if request is None:
        return
    from s2s_cli.__main__ import main

    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["s2s", *request["arguments"]]
    main()


if __name__ == "__main__":
    action, where, *rest = sys.argv[1:]
    if action == "serve":
        serve(where)
    else:
        sys.exit(run(where, rest))
