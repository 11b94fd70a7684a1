// Both channels by one suite; then what TLS adds.
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { channelSuite } from "../../test/suites/channel.ts";
import {
  type Certificate,
  createAuthority,
  createClientCertificate,
  createServerCertificate,
} from "../../test/testbed/certificates.ts";
import type { ChannelOptions } from "./channel.ts";
import { grpcCode } from "./errors.ts";
import { grpcChannel } from "./grpc-channel.ts";
import { http2Channel, type Secure } from "./http2-channel.ts";

const folder = mkdtempSync(join(tmpdir(), "channel-"));
afterAll(() => rmSync(folder, { recursive: true }));
let sockets = 0;

const authority = createAuthority("ours");
const foreign = createAuthority("foreign");
const server = createServerCertificate(authority, ["peer.test"]);
const client = createClientCertificate(authority, "client");
const pair = ({ cert, key }: Certificate) => ({ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) });
const mutual = grpc.ServerCredentials.createSsl(Buffer.from(authority.cert), [pair(server)], true);

function secure(by: Certificate = client, ca = authority, check: Secure["check"] = () => undefined): Secure {
  const context = createSecureContext({ ca: ca.cert, cert: by.cert, key: by.key, minVersion: "TLSv1.3" });
  return { context, serverName: "peer.test", check };
}

const plain = { serverCredentials: grpc.ServerCredentials.createInsecure(), listen: () => "127.0.0.1:0", plain: true };
const overTls = {
  serverCredentials: mutual,
  open: (address: string, options: ChannelOptions) => http2Channel(address, { ...options, secure: secure() }),
  plain: false,
};
channelSuite("grpc-js", { ...plain, open: grpcChannel });
channelSuite("http2, plain", { ...plain, open: http2Channel });
channelSuite("http2 over TLS", { ...overTls, listen: () => "127.0.0.1:0" });
channelSuite("http2 over TLS over a unix socket", {
  ...overTls,
  listen: () => `unix:${join(folder, `${++sockets}.sock`)}`,
});

describe("over TLS, http2", () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  async function peer(): Promise<string> {
    const made = new grpc.Server();
    const path = "/t/Echo";
    const same = (message: Buffer) => message;
    const method = {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
    };
    const echo: grpc.handleUnaryCall<Buffer, Buffer> = (wire, answer) => answer(null, wire.request);
    made.addService({ Echo: { ...method, responseSerialize: same, responseDeserialize: same } }, { Echo: echo });
    const port = await new Promise<number>((resolve, reject) =>
      made.bindAsync("127.0.0.1:0", mutual, (error, at) => (error ? reject(error) : resolve(at))),
    );
    ends.push(() => made.forceShutdown());
    return `127.0.0.1:${port}`;
  }

  async function outcome(by: Secure): Promise<unknown> {
    const pings = { everyMs: 10_000, withinMs: 10_000, idle: true };
    const channel = http2Channel(await peer(), { mostAnswerBytes: 1_000, pings, secure: by });
    ends.push(() => channel.close());
    return channel.unary("/t/Echo", Buffer.from("hello"), { metadata: {}, deadline: Date.now() + 5_000 }).then(
      (answer) => Buffer.from(answer).toString(),
      (cause) => cause,
    );
  }

  test("shows the peer's certificate to whoever checks it, and goes no further where it is refused", async () => {
    let seen: string | undefined;
    const look: Secure["check"] = (certificate) => {
      seen = certificate.subjectaltname;
      return undefined;
    };
    expect(await outcome(secure(client, authority, look))).toBe("hello");
    expect(seen).toBe("DNS:peer.test");
    const refused = { code: grpcCode.unavailable, unsent: true, message: "it is for another" };
    expect(await outcome(secure(client, authority, () => new Error("it is for another")))).toMatchObject(refused);
  });

  test("refuses a peer by another authority, and is refused where its own certificate is by another", async () => {
    expect(await outcome(secure(client, foreign))).toMatchObject({ code: grpcCode.unavailable, unsent: true });
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    // Set by somebody for the sake of a registry: it must not open the way to agents.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    try {
      expect(await outcome(secure(client, foreign))).toMatchObject({ code: grpcCode.unavailable, unsent: true });
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
    const stranger = createClientCertificate(foreign, "client");
    expect(await outcome(secure(stranger))).toMatchObject({ code: grpcCode.unavailable, unsent: true });
  });
});
