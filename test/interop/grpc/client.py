"""Calls methods of a node over gRPC with Debian's python3-grpcio.

argv: address, folder of the code that protoc made. stdin: a JSON list of
{"service", "method", "request", "take"}; `take` is how many messages of a stream to read, null
for a call that answers once. stdout: a JSON list of {"answers"} or {"status", "code"}.
"""

import json
import os
import sys

import grpc
from google.protobuf import json_format

address, folder = sys.argv[1:]
sys.path.insert(0, folder)

import node_pb2
import node_pb2_grpc
import p2p_pb2
import p2p_pb2_grpc

TOKEN = [("authorization", "Bearer " + os.environ["P2P_TOKEN"])]
MODULES = {
    "p2p.P2PNode": (p2p_pb2, p2p_pb2_grpc.P2PNodeStub),
    "p2p_foundation.Node": (node_pb2, node_pb2_grpc.NodeStub),
}


def shown(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def call(channel, asked):
    module, stub = MODULES[asked["service"]]
    name = asked["service"].rsplit(".", 1)[1]
    method = module.DESCRIPTOR.services_by_name[name].methods_by_name[asked["method"]]
    request = getattr(module, method.input_type.name)()
    json_format.ParseDict(asked["request"], request)
    rpc = getattr(stub(channel), asked["method"])
    try:
        if asked["take"] is None:
            return {"answers": [shown(rpc(request, metadata=TOKEN, timeout=20))]}
        stream = rpc(request, metadata=TOKEN, timeout=20)
        answers = [shown(next(stream)) for _ in range(asked["take"])]
        stream.cancel()
        return {"answers": answers}
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or [])
        return {"status": error.code().name, "code": trailers.get("p2p-error-code")}


with grpc.insecure_channel(address) as channel:
    json.dump([call(channel, asked) for asked in json.load(sys.stdin)], sys.stdout)
