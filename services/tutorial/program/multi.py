"""Two connections at once, two messages on each; what each recv() gave is printed as it came.

    python multi.py HOST PORT

The two messages mostly come back in one recv(): they are one stream, and nothing in it says where the first ends.
"""

import selectors
import socket
import sys
import types

MESSAGES = [b"Message 1 from client.", b"Message 2 from client."]

selector = selectors.DefaultSelector()
for number in (1, 2):
    connecting = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connecting.setblocking(False)
    connecting.connect_ex((sys.argv[1], int(sys.argv[2])))
    state = types.SimpleNamespace(number=number, left=sum(map(len, MESSAGES)), unsent=b"".join(MESSAGES))
    selector.register(connecting, selectors.EVENT_READ | selectors.EVENT_WRITE, state)
while selector.get_map():
    for key, events in selector.select():
        connected, state = key.fileobj, key.data
        assert isinstance(connected, socket.socket)  # noqa: S101 (what was registered)
        if events & selectors.EVENT_READ:
            data = connected.recv(1024)
            print(f"received {data!r} from connection {state.number}")
            state.left -= len(data)
            if not data or not state.left:
                print(f"closing connection {state.number}")
                selector.unregister(connected)
                connected.close()
                continue
        if events & selectors.EVENT_WRITE and state.unsent:
            state.unsent = state.unsent[connected.send(state.unsent) :]
            if not state.unsent:
                selector.modify(connected, selectors.EVENT_READ, state)
