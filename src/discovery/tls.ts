// TLS towards a registry that is spoken to by gRPC: whom to trust, and what went wrong in words.
import { isIP, type Socket } from "node:net";
import { checkServerIdentity, connect, createSecureContext, type PeerCertificate, type SecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { Pem } from "../process/pem-files.ts";

/** Asked for each connection. Without an authority, those that Bun ships with are trusted. */
export type Trust = () => Pem;

/** @param hostname as in a URL: a name, "10.0.0.1" or "[::1]" */
export function secureCredentials(hostname: string, { ca, cert, key }: Pem): ChannelCredentials {
  const address = hostname.replace(/^\[|\]$/g, "");
  if (isIP(address) === 0) return credentials.createSsl(ca, key, cert);
  return new AddressCredentials(address, createSecureContext({ ca, cert, key }));
}

/**
 * As grpc-js's own, for a server that is known by its address: TLS has no server name for that, and grpc-js sends one
 * all the same, which ends the connection. The certificate must have the address among its alternative names.
 */
class AddressCredentials extends ChannelCredentials {
  constructor(
    private readonly address: string,
    private readonly secureContext: SecureContext,
  ) {
    super();
  }

  _isSecure(): boolean {
    return true;
  }

  _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(_target: unknown, _options: unknown, calls = CallCredentials.createEmpty()) {
    return {
      connect: (socket: Socket) => this.handshake(socket),
      waitForReady: async () => {},
      getCallCredentials: () => calls,
      destroy: () => {},
    };
  }

  private handshake(socket: Socket): Promise<{ socket: Socket; secure: boolean }> {
    const { secureContext, address } = this;
    return new Promise((resolve, reject) => {
      const secured = connect({
        socket,
        secureContext,
        ALPNProtocols: ["h2"],
        checkServerIdentity: (_name: string, peer: PeerCertificate) => checkServerIdentity(address, peer),
      });
      secured.once("secureConnect", () => {
        if (secured.authorized) resolve({ socket: secured, secure: true });
        else reject(secured.authorizationError);
      });
      secured.on("error", reject);
    });
  }
}

/**
 * What to do about a failure of TLS.
 * @param registry "consul", whose setting is --consul-ca; etcd alone has --etcd-cert and --etcd-key beside it
 * @returns undefined where it is none
 */
export function trustProblemOf(message: string, registry: "etcd" | "consul" | "nacos"): string | undefined {
  if (/unable to (verify|get)\b.*certificate|self.signed certificate/i.test(message)) {
    return `its certificate is not signed by an authority that is trusted here: give the right one with --${registry}-ca`;
  }
  const names = /does not match certificate's altnames: (.*)/i.exec(message)?.[1];
  if (names !== undefined) return `its certificate is for another name or address: ${names}`;
  if (/certificate has expired|CERT_HAS_EXPIRED/i.test(message)) return "its certificate has expired";
  if (/alert.certificate.required/i.test(message)) {
    const own = registry === "etcd" ? "give one with --etcd-cert and --etcd-key" : "none can be given";
    return `it wants a client's certificate: ${own}`;
  }
  if (/alert.(bad.certificate|unknown.ca|certificate.(unknown|expired|revoked))/i.test(message)) {
    return "it refuses the client's certificate";
  }
  if (/wrong.version.number|packet length too long/i.test(message)) return "it does not speak TLS: is it http://?";
  return undefined;
}
