/** HTTP and WebSocket on the loopback interface: the page, and a stream of inspection events to every client. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { INSPECTOR_PAGE } from "./page.ts";

const LOOPBACK = "127.0.0.1";
/** A client that has so many bytes still to take gets no more until it has caught up. */
const MOST_BACKLOG_BYTES = 4 << 20;

/** The inspector's port cannot be used. */
export class InspectorPortError extends Error {
  override readonly name = "InspectorPortError";
}

export class InspectorServer {
  /** Called when a client has come: it knows nothing yet. */
  onClient: () => void = () => {};
  /** Events not sent to a client that was too slow. */
  dropped = 0;
  readonly port: number;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;

  private constructor(http: Server) {
    this.#http = http;
    this.port = (http.address() as AddressInfo).port;
    const own = new Set([`http://${LOOPBACK}:${this.port}`, `http://localhost:${this.port}`]);
    this.#sockets = new WebSocketServer({
      server: http,
      // Pages of other sites may open a WebSocket to this machine too; they are told apart by their origin.
      verifyClient: ({ origin, req }: { origin?: string; req: IncomingMessage }) =>
        (origin === undefined || own.has(origin)) && isLocalHost(req),
    });
    this.#sockets.on("connection", (socket) => {
      socket.on("error", () => socket.terminate());
      this.onClient();
    });
  }

  /**
   * Listens on the loopback interface only; port 0 takes any free one.
   * @throws InspectorPortError
   */
  static listen(port: number): Promise<InspectorServer> {
    const http = createServer((request, response) => {
      const found = isLocalHost(request) && request.url === "/";
      response.writeHead(found ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
      response.end(found ? INSPECTOR_PAGE : "not found");
    });
    return new Promise((resolve, reject) => {
      http.once("error", (error: NodeJS.ErrnoException) => {
        const why = error.code === "EADDRINUSE" ? "another program has it" : error.message;
        reject(new InspectorPortError(`the inspector cannot listen on port ${port}: ${why}; choose another`));
      });
      http.listen(port, LOOPBACK, () => {
        // Looking on does not keep the process alive.
        http.unref();
        resolve(new InspectorServer(http));
      });
    });
  }

  get url(): string {
    return `http://${LOOPBACK}:${this.port}/`;
  }

  get clients(): number {
    return this.#sockets.clients.size;
  }

  send(event: string): void {
    for (const client of this.#sockets.clients) {
      if (client.readyState !== WebSocket.OPEN) continue;
      if (client.bufferedAmount > MOST_BACKLOG_BYTES) this.dropped++;
      else client.send(event);
    }
  }

  stop(): void {
    for (const client of this.#sockets.clients) client.close();
    this.#sockets.close();
    this.#http.close();
  }
}

/** False for a name of another host that was made to resolve to this one. */
function isLocalHost(request: IncomingMessage): boolean {
  const name = (request.headers.host ?? "").replace(/:\d+$/, "");
  return name === LOOPBACK || name === "localhost";
}
