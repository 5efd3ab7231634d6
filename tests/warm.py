"""Processes of ``s2s`` forked from one that has loaded PyTorch: to load it takes seconds.

``python warm.py serve SOCKET`` loads all and waits; ``python warm.py run SOCKET ARGUMENTS`` is then
``s2s ARGUMENTS`` but for its start: a process of its own, in the caller's directory, with its
environment and its standard streams. Signals are passed on, and who is killed takes it along.
`Popen` starts one without a process in between. With ``-c`` it is a script, as of ``python -c``.

The processes that it starts by `multiprocessing` are forked, too, where they would be spawned.
Tests of the start itself, of imports, or of the environment that an interpreter reads at its start,
begin an interpreter.
"""

import atexit
import inspect
import io
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

MOST_BYTES = 1 << 17
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


def ask(
    path: str,
    arguments: list[str],
    cwd: str,
    streams: list[int],
    variables: Mapping[str, str] = MappingProxyType({}),
    **ways: bool,
) -> socket.socket:
    """Have ``s2s`` started; on the connection come its process number and its exit code.

    Args:
        path: where the server listens.
        arguments: of ``s2s``.
        cwd: its working directory.
        streams: its standard input, output and error.
        variables: of its environment, beside those of this process.
        ways: ``session``: it begins one; ``spawns``: what it starts is an interpreter each.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path)
    environment = {**os.environ, **variables}
    request = {"arguments": arguments, "cwd": cwd, "environment": environment, "ways": ways}
    socket.send_fds(connection, [json.dumps(request).encode()], streams)
    return connection


def number(connection: socket.socket) -> int:
    """The next number that the server sends."""
    return int(connection.recv(32))


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen` of ``s2s ARGUMENTS``, whose parent is the server.

    Of its options it knows those of streams, ``cwd``, ``env`` (beside the variables that there
    are) and ``start_new_session``.
    """

    def __init__(self, server: str, arguments: list[str], **options: Any) -> None:
        self.server = server
        super().__init__(arguments, **options)

    def _execute_child(self, *values: Any) -> None:
        names = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]
        given = names.bind(self, *values).arguments
        ends = ("p2cread", "c2pwrite", "errwrite")
        streams = [number if given[end] == -1 else given[end] for number, end in enumerate(ends)]
        self.connection = ask(
            self.server,
            given["args"],
            str(given["cwd"] or Path.cwd()),
            streams,
            given["env"] or {},
            session=given["start_new_session"],
        )
        self.pid = number(self.connection)
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[each] for each in pipes))  # type: ignore[attr-defined]

    def _try_wait(self, flags: int) -> tuple[int, int]:
        """As `os.waitpid`: the process number and its status; zeros while it is there."""
        if flags & os.WNOHANG and not select.select([self.connection], [], [], 0)[0]:
            return 0, 0
        code = number(self.connection)
        self.connection.close()
        return self.pid, -code if code < 0 else code << 8

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None:
            process, status = self._try_wait(os.WNOHANG)
            if process:
                self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode


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
    with redirect_stdout(io.StringIO()), suppress(SystemExit):  # what a first command imports
        s2s_cli.commands.app.root_command()(["decode", "--help"])
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
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # asked for anew
    if request["ways"].get("session"):
        os.setsid()
    if not request["ways"].get("spawns"):
        fork_instead()
    end_of(be, request["arguments"])


def end_of(program: Callable[[Any], None], arguments: list[str]) -> None:
    """Run it to its end, and leave without taking the interpreter down, module by module.

    That would take longer than most commands. Where it does not end by a number, or something
    cannot be written, Python ends it as ever.
    """
    code: Any = None
    try:
        program(arguments)
    except SystemExit as end:
        code = end.code
    if code is None or isinstance(code, int):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with suppress(OSError, ValueError, AttributeError):
            for each in (sys.stdout, sys.stderr):
                each.flush()
            os._exit(code or 0)
    sys.exit(code)


def be(arguments: list[str]) -> None:
    """Be ``s2s ARGUMENTS``, or ``python -c SCRIPT ARGUMENTS``."""
    if arguments[:1] == ["-c"]:
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})
        return
    from s2s_cli.__main__ import main

    sys.argv = ["s2s", *arguments]
    main()


def fork_instead() -> None:
    """Have `multiprocessing` fork where it would spawn.

    What goes to the process is pickled and what it has open is closed, as if it were spawned.
    """
    from multiprocessing import util

    start = util.spawnv_passfds

    def spawnv_passfds(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:
        if not str(args[-2]).startswith("from multiprocessing.spawn import"):
            return start(path, args, passfds)
        process = os.fork()
        if not process:
            be_spawned(args[-2:], passfds)
        return process

    util.spawnv_passfds = spawnv_passfds


def be_spawned(words: Sequence[str], kept: Sequence[int]) -> NoReturn:
    """Be ``python -c SCRIPT OPTION`` in a process that was forked, with these files open."""
    from s2s_cli import interrupts

    edges = [2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]
    for last, following in itertools.pairwise(edges):
        os.closerange(last + 1, following)
    for each in signal.valid_signals():
        if callable(signal.getsignal(each)):
            signal.signal(each, signal.SIG_DFL)
    interrupts.holding, interrupts.came = False, None
    try:
        end_of(be, ["-c", *words])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    action, where, *rest = sys.argv[1:]
    if action == "serve":
        serve(where)
    else:
        sys.exit(run(where, rest))
