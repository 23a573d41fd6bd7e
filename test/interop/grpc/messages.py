"""One message between two nodes over gRPC, with Debian's python3-grpcio.

argv: folder of the code that protoc made. stdin: {"from", "to", "content"}, each node as
{"address", "token"}. Connects to both, sends from one to the Ethereum address of the other, and
reads on until the other has told of the message, and the sender that it was read. stdout: what each
told, as {"sent", "heard", "to", "states"}.
"""

import json
import sys

import grpc

sys.path.insert(0, sys.argv[1])

import p2p_pb2
import p2p_pb2_grpc

TIMEOUT_S = 45


class Node:
    def __init__(self, address, token):
        self.channel = grpc.insecure_channel(address)
        self.stub = p2p_pb2_grpc.P2PNodeStub(self.channel)
        self.metadata = [("authorization", "Bearer " + token)]
        request = p2p_pb2.ConnectRequest(name="messages.py")
        self.events = self.stub.Connect(request, metadata=self.metadata, timeout=TIMEOUT_S)
        self.ready = self.next("ready")

    def next(self, kind):
        """The next event of this kind; others are passed over."""
        for event in self.events:
            if event.WhichOneof("event") == kind:
                return getattr(event, kind)
        raise SystemExit("the stream ended without " + kind)

    def send(self, to, content):
        message = p2p_pb2.Message(to=to, content=content.encode(), conversation="greeting")
        return self.stub.SendMessage(message, metadata=self.metadata, timeout=TIMEOUT_S)

    def close(self):
        self.events.cancel()
        self.channel.close()


asked = json.load(sys.stdin)
sender, recipient = Node(**asked["from"]), Node(**asked["to"])
sent = sender.send(recipient.ready.ethAddress, asked["content"])
heard = recipient.next("message")
states = []
while not states or states[-1] != "read":
    delivery = sender.next("delivery")
    if delivery.messageId == sent.messageId:
        states.append(delivery.state)
json.dump(
    {
        "sent": {"id": sent.messageId, "from": sender.ready.ethAddress, "state": sent.state},
        "heard": {
            "id": heard.messageId,
            "from": getattr(heard, "from"),
            "to": heard.to,
            "content": heard.content.decode(),
            "conversation": heard.conversation,
        },
        "to": recipient.ready.ethAddress,
        "states": states,
    },
    sys.stdout,
)
sender.close()
recipient.close()
