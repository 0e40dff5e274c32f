import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { ServeInfo } from "../server/serve_options.ts";
import type { Serving } from "../server/serving.ts";
import type { Connections } from "./node_connections.ts";
import { breakOff, type Incoming, isHttp1, isOver, type Outgoing } from "./node_outgoing.ts";
import { toRequest } from "./node_request.ts";
import { Responder } from "./node_response.ts";

/** What a server of `node:http` or `node:http2` calls for each request. */
export type NodeListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** What `toNodeListener` passes beside the request. */
export interface NodeInfo<FromHost = IncomingMessage | Http2ServerRequest> extends ServeInfo {
  /** The request as Node or its framework has it, with what middleware has added, such as `user`. */
  readonly incoming: FromHost;
}

/** Answers requests, those of one connection of HTTP/1.1 one after another. */
export function nodeListener(serving: Serving, connections: Connections): NodeListener {
  const responder = new Responder(connections);
  return (incoming, outgoing) => {
    if (!connections.begin(incoming, outgoing)) return;
    if (!isHttp1(outgoing) || outgoing.socket !== null) return void answer(incoming, outgoing);
    // Sent without waiting for the response before it, which may be a stream that stays open
    outgoing.once("socket", () => void answer(incoming, outgoing));
  };

  /** Never rejects. */
  async function answer(incoming: Incoming, outgoing: Outgoing): Promise<void> {
    try {
      const response = await responseTo(incoming, outgoing);
      await responder.send(response, incoming, outgoing);
    } catch (error) {
      const instead = serving.failed(error);
      if (isOver(outgoing)) return;
      if (outgoing.headersSent) return breakOff(outgoing);
      await responder.send(instead, incoming, outgoing).catch((error) => {
        serving.failed(error);
        breakOff(outgoing);
      });
    }
  }

  async function responseTo(incoming: Incoming, outgoing: Outgoing): Promise<Response> {
    let request: Request;
    try {
      request = toRequest(incoming, outgoing);
    } catch {
      return new Response("Bad Request", { status: 400 }); // a target with a password, say
    }
    const info: NodeInfo = { remoteAddress: incoming.socket.remoteAddress ?? "", incoming };
    const response = await serving.respond(request, info);
    if (incoming.method !== "CONNECT" || !response.ok) return response;
    await response.body?.cancel(); // it would promise a tunnel
    return new Response(null, { status: 405 });
  }
}
