// Every field of a kubeconfig, and what people write into them, with kubectl as the judge: the agent's reading and the real
// kubectl are given the same file and environment, and a server that remembers what reaches it must see the same from both,
// or nothing from either.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer as createPlainServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { linesOf } from "../../src/agent/kube.ts";
import { createAuthority, createClientCertificate, createServerCertificate } from "../testbed/certificates.ts";
import { describePart } from "../testbed/part.ts";

/** One request as a server saw it. */
interface Seen {
  /** As the Host header says. */
  host: string;
  secure: boolean;
  path: string;
  authorization: string;
  impersonate: string[];
  /** The name that TLS was asked for, and the one of the client's certificate. */
  sni: string;
  client: string;
  proxied: boolean;
}

const folder = mkdtempSync(join(tmpdir(), "lizardcd-kubectl-"));
const authority = createAuthority("good");
const stranger = createAuthority("stranger");
const serverPair = createServerCertificate(authority, ["127.0.0.1", "localhost", "kube.example"]);
const ada = createClientCertificate(authority, "ada", ["ops"]);
const bob = createClientCertificate(authority, "bob");
const base64 = (text: string) => Buffer.from(text).toString("base64");

let seen: Seen[] = [];
let proxied = 0;
const servers: Server[] = [];
const sockets = new Set<Socket>();

function remember(socket: Socket, sni: string, client: string): void {
  let head = "";
  socket.on("error", () => socket.destroy());
  socket.on("data", (data) => {
    head += data.toString("latin1");
    if (!head.includes("\r\n\r\n")) return;
    const [first = "", ...lines] = head.split("\r\n\r\n")[0]!.split("\r\n");
    head = "";
    const headers = lines.map(
      (line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const,
    );
    const target = first.split(" ")[1]!;
    seen.push({
      host: headers.find(([header]) => header === "host")?.[1] ?? "",
      secure: socket instanceof TLSSocket,
      path: target.replace(/^http:\/\/[^/]*/, ""),
      authorization: headers.find(([name]) => name === "authorization")?.[1] ?? "",
      impersonate: headers
        .filter(([name]) => name.startsWith("impersonate-"))
        .map(([name, value]) => `${unescaped(name)}=${value}`)
        .sort(),
      sni,
      client,
      proxied: /^http:\/\//.test(target) || proxied > 0,
    });
    const body = JSON.stringify({ gitVersion: "v1.36.3" });
    socket.end(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
  });
}

/** Both may escape more than they must in a header's name. */
const unescaped = (name: string) => decodeURIComponent(name).toLowerCase();

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as { port: number }).port;
}

const places: Record<string, string> = {};

beforeAll(async () => {
  const tls = createTlsServer(
    { cert: serverPair.cert, key: serverPair.key, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
    (socket: TLSSocket) => {
      const peer = socket.getPeerCertificate();
      // Bun answers false, not "", for a client that named no server.
      remember(socket, socket.servername || "", peer?.subject?.CN?.toString() ?? "");
    },
  );
  tls.on("tlsClientError", () => {});
  places.TLS = `127.0.0.1:${await listening(tls)}`;
  places.PLAIN = `127.0.0.1:${await listening(createPlainServer((socket) => remember(socket, "", "")))}`;
  // Speaks CONNECT and whole addresses, and counts them.
  const proxy = createPlainServer((client) => {
    client.on("error", () => client.destroy());
    client.once("data", (head) => {
      const [method, target = ""] = head.toString("latin1").split(" ");
      const { hostname, port } = new URL(method === "CONNECT" ? `http://${target}` : target);
      proxied++;
      // A name that no resolver knows leads here too.
      const upstream = connect(Number(port), hostname.endsWith(".example") ? "127.0.0.1" : hostname, () => {
        if (method === "CONNECT") client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        else upstream.write(head);
        client.pipe(upstream).pipe(client);
      });
      sockets.add(upstream);
      upstream.on("error", () => client.destroy());
    });
  });
  places.PROXY = `127.0.0.1:${await listening(proxy)}`;
  const file = (name: string, text: string, mode = 0o600) => {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  };
  file("ca.crt", authority.cert);
  file("stranger.crt", stranger.cert);
  file("junk.pem", "this is no PEM\n");
  file("ada.crt", ada.cert);
  file("ada.key", ada.key);
  file("bob.key", bob.key);
  file("token", "from-file\n");
  file("empty", "");
  const credential = (status: object, version = "v1") =>
    `cat <<'END'\n${JSON.stringify({ apiVersion: `client.authentication.k8s.io/${version}`, kind: "ExecCredential", status })}\nEND\n`;
  const script = (name: string, text: string) => file(name, `#!/bin/sh\n${text}`, 0o700);
  script("token.sh", credential({ token: "from-plugin" }));
  script("beta.sh", credential({ token: "from-beta" }, "v1beta1"));
  script("cert.sh", credential({ clientCertificateData: ada.cert, clientKeyData: ada.key }));
  script("half.sh", credential({ clientCertificateData: ada.cert }));
  script("nothing.sh", credential({}));
  script("fails.sh", "echo 'no session' >&2\nexit 3\n");
  script("words.sh", `[ "$1 $2" = "get token" ] && [ "$REGION" = eu ] || exit 4\n${credential({ token: "by-words" })}`);
  script("info.sh", `printf '%s' "$KUBERNETES_EXEC_INFO" > "$INFO_FILE"\n${credential({ token: "informed" })}`);
  Object.assign(places, {
    CA64: base64(authority.cert),
    STRANGER64: base64(stranger.cert),
    ADA64: base64(ada.cert),
    ADAKEY64: base64(ada.key),
    BOBKEY64: base64(bob.key),
    FOLDER: folder,
  });
});

afterAll(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

interface Case {
  /** Flow YAML of the fields, so that each scalar is written as people write it. */
  cluster?: string;
  user?: string;
  context?: string;
  /** The whole file, where the three do not do. */
  text?: string;
  bytes?: (text: string) => Uint8Array;
  env?: Record<string, string>;
  /** What the agent's refusal must say; for files that both refuse. */
  says?: string;
  /** Why the agent refuses what kubectl takes. */
  agentRefuses?: string;
}

const secure = "server: https://$TLS, certificate-authority-data: $CA64";
const token = "token: abc";

const exec = (more: string) => `exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, ${more}}`;

const cases: Record<string, Case> = {
  // The cluster's address.
  "https with a CA in the file": { cluster: secure },
  "a slash at the end": { cluster: "server: https://$TLS/, certificate-authority-data: $CA64" },
  "a path, as behind a gateway": {
    cluster: "server: https://$TLS/k8s/clusters/c-1, certificate-authority-data: $CA64",
  },
  "a path with a slash at its end": { cluster: "server: https://$TLS/k8s/, certificate-authority-data: $CA64" },
  "plain HTTP": { cluster: "server: http://$PLAIN" },
  "no scheme, with a CA: plain HTTP all the same": { cluster: "server: $TLS, certificate-authority-data: $CA64" },
  "no scheme and nothing of TLS": { cluster: "server: $PLAIN" },
  "no server": { cluster: "insecure-skip-tls-verify: true", says: "cluster c has no usable server" },
  "an empty server": { cluster: 'server: ""', says: "cluster c has no usable server" },
  "a server of another scheme": { cluster: "server: ftp://$PLAIN", says: "no usable server" },
  "a server that is a number": { cluster: "server: 6443", says: "clusters[0].cluster.server must be a text" },
  "a server that is a list": { cluster: "server: [https://$TLS]", says: "must be a text, not a list" },
  "a name as the host": { cluster: "server: https://localhost:$TLSPORT, certificate-authority-data: $CA64" },
  // The check of the server.
  "no check": { cluster: "server: https://$TLS, insecure-skip-tls-verify: true" },
  "no check, in YAML 1.1's words": { cluster: "server: https://$TLS, insecure-skip-tls-verify: yes" },
  "no check, switched on": { cluster: "server: https://$TLS, insecure-skip-tls-verify: On" },
  "no check, as a text": {
    cluster: 'server: https://$TLS, insecure-skip-tls-verify: "true"',
    says: "must be true or false",
  },
  "no check, as a number": {
    cluster: "server: https://$TLS, insecure-skip-tls-verify: 1",
    says: "must be true or false",
  },
  "a check switched off that is not": {
    cluster: "server: https://$TLS, certificate-authority-data: $CA64, insecure-skip-tls-verify: no",
  },
  "a CA and no check": { cluster: `${secure}, insecure-skip-tls-verify: true`, says: "keep one of them" },
  "a CA that did not sign": { cluster: "server: https://$TLS, certificate-authority-data: $STRANGER64" },
  "no CA": { cluster: "server: https://$TLS" },
  "a CA in a file beside it": { cluster: "server: https://$TLS, certificate-authority: ca.crt" },
  "a CA in a file by its whole path": { cluster: "server: https://$TLS, certificate-authority: $FOLDER/ca.crt" },
  "a CA in a file of another folder": { cluster: "server: https://$TLS, certificate-authority: ./../$BASE/ca.crt" },
  "a CA in a file that is not there": {
    cluster: "server: https://$TLS, certificate-authority: gone.crt",
    says: "gone.crt",
  },
  "a CA in a file that holds none": {
    cluster: "server: https://$TLS, certificate-authority: junk.pem",
    says: "holds no certificate",
  },
  "a CA twice": { cluster: `${secure}, certificate-authority: ca.crt`, says: "keep one of them" },
  "a CA that was redacted": {
    cluster: "server: https://$TLS, certificate-authority-data: DATA+OMITTED",
    says: "certificate-authority-data holds no certificate",
  },
  "a CA that was redacted by hand": {
    cluster: "server: https://$TLS, certificate-authority-data: REDACTED",
    says: "certificate-authority-data holds no certificate",
  },
  "a CA as PEM where base64 belongs": { text: "pem", says: "certificate-authority-data is PEM" },
  "a CA whose base64 is cut": {
    cluster: "server: https://$TLS, certificate-authority-data: LS0tLS1CRU",
    says: "is not base64",
  },
  "a CA whose base64 has spaces": {
    cluster: 'server: https://$TLS, certificate-authority-data: "LS0t LS1C"',
    says: "is not base64",
  },
  "an empty CA": { cluster: 'server: https://$TLS, certificate-authority-data: "", insecure-skip-tls-verify: true' },
  "a CA's base64 over several lines": { text: "folded" },
  "another name for TLS": { cluster: `${secure}, tls-server-name: kube.example` },
  "another name that the certificate does not have": { cluster: `${secure}, tls-server-name: other.example` },
  "compression switched off": { cluster: `${secure}, disable-compression: true` },
  "an extension of the cluster": { cluster: `${secure}, extensions: [{name: x, extension: {a: 1, b: [true]}}]` },
  "a field that nobody knows": { cluster: `${secure}, colour: [blue]` },
  // Who asks.
  "a token": { cluster: secure, user: token },
  "a token in quotes": { cluster: secure, user: "token: '7714e88'" },
  "a token that YAML reads as a float": {
    cluster: secure,
    user: "token: 7714e88",
    says: "users[0].user.token must be a text, not the number",
  },
  "a token of digits": { cluster: secure, user: "token: 12345678901234567890", says: "put it in quotes" },
  "a token of octal digits": { cluster: secure, user: "token: 0777", says: "put it in quotes" },
  "a token of hexadecimal digits": { cluster: secure, user: "token: 0xbeef", says: "put it in quotes" },
  "a token with underscores": { cluster: secure, user: "token: 1_000", says: "put it in quotes" },
  "a token that YAML reads as true": { cluster: secure, user: "token: yes", says: "put it in quotes" },
  "a token that YAML reads as false": { cluster: secure, user: "token: Off", says: "put it in quotes" },
  "a token of one letter": { cluster: secure, user: "token: y" },
  "a token that is infinite": { cluster: secure, user: "token: .inf", says: "put it in quotes" },
  "a token that looks like a date": { cluster: secure, user: "token: 2026-11-29" },
  "a token that looks like a time": { cluster: secure, user: "token: 12:30:45" },
  "a token of nothing": { cluster: secure, user: "token: ~", says: "has no credentials" },
  "an empty token": { cluster: secure, user: 'token: ""', says: "has no credentials" },
  "a token with a line break": { cluster: secure, user: 'token: "abc\\n"', says: "a line break" },
  "a token in a file": { cluster: secure, user: "tokenFile: token" },
  "a token and a token file": { cluster: secure, user: "token: abc, tokenFile: token" },
  "a token file that is not there": { cluster: secure, user: "tokenFile: gone", says: "gone" },
  "a user and a password": { cluster: secure, user: "username: ada, password: s3cret" },
  "a password with a colon": { cluster: secure, user: 'username: ada, password: "a:b c"' },
  "a user without a password": { cluster: secure, user: "username: ada" },
  "a password of digits": {
    cluster: secure,
    user: "username: ada, password: 1234",
    says: "users[0].user.password must be a text",
  },
  "a token and a password": {
    cluster: secure,
    user: "token: abc, username: ada, password: x",
    says: "keep one of them",
  },
  "a client certificate": { cluster: secure, user: "client-certificate-data: $ADA64, client-key-data: $ADAKEY64" },
  "a client certificate in files": { cluster: secure, user: "client-certificate: ada.crt, client-key: ada.key" },
  "a client certificate here and its key in a file": {
    cluster: secure,
    user: "client-certificate-data: $ADA64, client-key: ada.key",
  },
  "a client certificate twice": {
    cluster: secure,
    user: "client-certificate: ada.crt, client-certificate-data: $ADA64, client-key: ada.key",
    says: "keep one of them",
  },
  "a client key twice": {
    cluster: secure,
    user: "client-certificate: ada.crt, client-key: ada.key, client-key-data: $ADAKEY64",
    says: "keep one of them",
  },
  "a client certificate without its key": {
    cluster: secure,
    user: "client-certificate-data: $ADA64",
    says: "without its key",
  },
  "a client key without its certificate": { cluster: secure, user: "client-key-data: $ADAKEY64, token: abc" },
  "a client certificate with another's key": {
    cluster: secure,
    user: "client-certificate-data: $ADA64, client-key-data: $BOBKEY64",
    says: "do not belong together",
  },
  "a client certificate that was redacted": {
    cluster: secure,
    user: "client-certificate-data: DATA+OMITTED, client-key-data: DATA+OMITTED",
    says: "client-certificate-data holds no certificate",
  },
  "a client key that is a certificate": {
    cluster: secure,
    user: "client-certificate-data: $ADA64, client-key-data: $ADA64",
    says: "client-key-data holds no private key",
  },
  "a client certificate and a token": {
    cluster: secure,
    user: "client-certificate: ada.crt, client-key: ada.key, token: abc",
  },
  "an auth-provider": { cluster: secure, user: "auth-provider: {name: gcp}", says: "uses the auth-provider gcp" },
  "no credentials": { cluster: secure, user: "", says: "has no credentials" },
  "no credentials to plain HTTP, as with kubectl proxy": { cluster: "server: http://$PLAIN", user: "" },
  "a token over plain HTTP to another machine": {
    cluster: "server: http://kube.example:$PLAINPORT",
    env: { HTTP_PROXY: "http://$PROXY" },
  },
  "impersonation over plain HTTP to another machine": {
    cluster: "server: http://kube.example:$PLAINPORT",
    user: `${token}, as: jane, as-groups: [a, b]`,
    env: { HTTP_PROXY: "http://$PROXY" },
  },
  // On whose behalf.
  "impersonation of a user": { cluster: secure, user: `${token}, as: jane` },
  "impersonation with groups": { cluster: secure, user: `${token}, as: jane, as-groups: [dev, "system:ops"]` },
  "impersonation with an id": { cluster: secure, user: `${token}, as: jane, as-uid: "42"` },
  "impersonation with an id of digits": {
    cluster: secure,
    user: `${token}, as: jane, as-uid: 42`,
    says: "as-uid must be a text",
  },
  "impersonation with more": {
    cluster: secure,
    user: `${token}, as: jane, as-user-extra: {scopes: [a, b], "example.com/x": [c]}`,
  },
  "impersonation with odd names": { cluster: secure, user: `${token}, as: jane, as-user-extra: {"a b(c)%": [d]}` },
  "groups without a user": { cluster: secure, user: `${token}, as-groups: [dev]`, says: "without as" },
  "an id without a user": { cluster: secure, user: `${token}, as-uid: "42"`, says: "without as" },
  "groups that are no list": {
    cluster: secure,
    user: `${token}, as: jane, as-groups: dev`,
    says: "as-groups must be a list",
  },
  // Plugins.
  "a plugin": { cluster: secure, user: exec("command: ./token.sh") },
  "a plugin by its whole path": { cluster: secure, user: exec("command: $FOLDER/token.sh") },
  "a plugin with arguments and variables": {
    cluster: secure,
    user: exec("command: ./words.sh, args: [get, token], env: [{name: REGION, value: eu}]"),
  },
  "a plugin that gives a certificate": { cluster: secure, user: exec("command: ./cert.sh") },
  "a plugin that gives half of one": { cluster: secure, user: exec("command: ./half.sh"), says: "half.sh" },
  "a plugin that gives nothing": { cluster: secure, user: exec("command: ./nothing.sh"), says: "nothing.sh" },
  "a plugin that fails": { cluster: secure, user: exec("command: ./fails.sh"), says: "no session" },
  "a plugin that is not there": { cluster: secure, user: exec("command: ./gone.sh"), says: "gone.sh" },
  "a plugin without a command": { cluster: secure, user: exec("args: [x]"), says: "without a command" },
  "a plugin without an apiVersion": {
    cluster: secure,
    user: "exec: {command: ./token.sh, interactiveMode: Never}",
    says: "apiVersion",
  },
  "a plugin of v1beta1": {
    cluster: secure,
    user: "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./beta.sh}",
  },
  "a plugin of v1alpha1": {
    cluster: secure,
    user: "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: ./beta.sh}",
    says: "apiVersion",
  },
  "a plugin that answers in another version": {
    cluster: secure,
    user: exec("command: ./beta.sh"),
    says: "client.authentication.k8s.io/v1",
  },
  "a plugin that says nothing of people": {
    cluster: secure,
    user: "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./token.sh}",
    says: "interactiveMode",
  },
  "a plugin that asks where somebody is there": {
    cluster: secure,
    user: "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./token.sh, interactiveMode: IfAvailable}",
  },
  "a plugin that must ask": {
    cluster: secure,
    user: "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./token.sh, interactiveMode: Always}",
    says: "asks a person",
  },
  "a plugin beside a token": { cluster: secure, user: `${exec("command: ./fails.sh")}, token: abc` },
  "a plugin beside a password": { cluster: secure, user: `${exec("command: ./fails.sh")}, username: ada, password: x` },
  "a plugin beside a token file": { cluster: secure, user: `${exec("command: ./fails.sh")}, tokenFile: token` },
  "a plugin beside a certificate": {
    cluster: secure,
    user: `${exec("command: ./token.sh")}, client-certificate: ada.crt, client-key: ada.key`,
  },
  "a plugin whose variable has no name": {
    cluster: secure,
    user: exec("command: ./token.sh, env: [{value: eu}]"),
    says: "without a name",
  },
  "a plugin whose argument is a number": {
    cluster: secure,
    user: exec("command: ./words.sh, args: [get, 1]"),
    says: "args[1] must be a text",
  },
  "a plugin that is told of the cluster": {
    cluster:
      "server: https://$TLS, certificate-authority: ca.crt, tls-server-name: kube.example, extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: lizard, count: 1, n: 2}}, {name: other, extension: {}}]",
    user: exec("command: ./info.sh, provideClusterInfo: true"),
  },
  "a plugin that is told nothing of the cluster": { cluster: secure, user: exec("command: ./info.sh") },
  // The context, and the file as a whole.
  "a namespace": { cluster: secure, context: "namespace: shop" },
  "a namespace that cannot be": { cluster: secure, context: "namespace: Shop_1" },
  "a namespace of digits": { cluster: secure, context: "namespace: 12", says: "must be a text" },
  "no current-context": { text: "current-context: ''", says: "has no current-context" },
  "a current-context that is missing": { text: "current-context: gone", says: "current-context gone is not among" },
  "a cluster that is missing": { cluster: secure, context: "cluster: gone", says: "names the cluster gone" },
  "a user that is missing": { cluster: secure, context: "user: gone", says: "names the user gone" },
  "a context without a user": { cluster: secure, context: 'user: ""', says: "has no credentials" },
  "a context without a user, to plain HTTP": { cluster: "server: http://$PLAIN", context: 'user: ""' },
  "two clusters of one name": { text: "twice", says: "clusters holds the name" },
  "another kind of object": { text: "kind: Pod", says: "is a Pod" },
  "another version of it": { text: "apiVersion: v2", says: "v2" },
  "no kind and no apiVersion": { text: "bare" },
  "an empty file": { text: "empty", says: "it is empty" },
  "text that is no YAML": { text: "a: [", says: "is not valid YAML" },
  "a list": { text: "- a", says: "must be fields" },
  JSON: { text: "json" },
  "several documents": { text: "documents" },
  "a document that begins with dashes": { text: "dashes" },
  "anchors and aliases": { text: "anchors" },
  "a field twice": { cluster: "server: http://127.0.0.1:9, server: http://$PLAIN" },
  "tabs within lines": { cluster: "server:\thttp://$PLAIN" },
  "a mark of UTF-8 at the beginning": { cluster: secure, bytes: (text) => Buffer.from(`\ufeff${text}`) },
  "UTF-16, big end first": { cluster: secure, bytes: (text) => Buffer.from(`\ufeff${text}`, "utf16le").swap16() },
  "UTF-16, little end first": { cluster: secure, bytes: (text) => Buffer.from(`\ufeff${text}`, "utf16le") },
  "bytes that are no text": {
    cluster: secure,
    bytes: (text) => Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xfe, 0xff])]),
    says: "is not text",
  },
  "lines of Windows": { text: "windows" },
  "a wrong type in a user of another context": { text: "other user", says: "users[1].user.token must be a text" },
  // Proxies.
  "a proxy of its own": { cluster: `${secure}, proxy-url: "http://$PROXY"` },
  "a proxy of its own to plain HTTP": { cluster: 'server: http://$PLAIN, proxy-url: "http://$PROXY"' },
  "a proxy of its own that NO_PROXY excepts": {
    cluster: `${secure}, proxy-url: "http://$PROXY"`,
    env: { NO_PROXY: "127.0.0.0/8,127.0.0.1" },
  },
  "a proxy of its own and several groups": {
    cluster: `${secure}, proxy-url: "http://$PROXY"`,
    user: `${token}, as: jane, as-groups: [a, b]`,
  },
  "a proxy of its own to plain HTTP, and several groups": {
    cluster: 'server: http://$PLAIN, proxy-url: "http://$PROXY"',
    user: `${token}, as: jane, as-groups: [a, b]`,
  },
  "a proxy where nobody is": { cluster: `${secure}, proxy-url: "http://127.0.0.1:9"` },
  "a proxy of another kind": { cluster: `${secure}, proxy-url: "ftp://$PROXY"`, says: "proxy-url" },
  "a SOCKS proxy": { cluster: `${secure}, proxy-url: "socks5://127.0.0.1:9"`, says: "only http and https" },
  "the environment's proxy, to this machine": {
    cluster: "server: http://$PLAIN",
    env: { HTTP_PROXY: "http://127.0.0.1:9" },
  },
  "the environment's proxy, to this machine, with groups": {
    cluster: "server: http://$PLAIN",
    user: `${token}, as: jane, as-groups: [a, b]`,
    env: { HTTP_PROXY: "http://127.0.0.1:9" },
  },
  "the environment's proxy, elsewhere": {
    cluster: "server: https://kube.example:$TLSPORT, certificate-authority-data: $CA64",
    env: { HTTPS_PROXY: "http://$PROXY" },
  },
  "the environment's proxy in small letters": {
    cluster: "server: https://kube.example:$TLSPORT, certificate-authority-data: $CA64",
    env: { https_proxy: "$PROXY" },
  },
  "the environment's proxy, elsewhere, with groups": {
    cluster: "server: https://kube.example:$TLSPORT, certificate-authority-data: $CA64",
    user: `${token}, as: jane, as-groups: [a, b]`,
    env: { HTTPS_PROXY: "http://$PROXY" },
  },
  "the environment's proxy, excepted by name": {
    cluster: "server: https://kube.example:$TLSPORT, certificate-authority-data: $CA64",
    env: { HTTPS_PROXY: "http://$PROXY", NO_PROXY: ".example" },
  },
  "the environment's proxy, excepted by a network": {
    cluster: "server: https://192.0.2.7:9, insecure-skip-tls-verify: true",
    env: { HTTPS_PROXY: "http://$PROXY", NO_PROXY: "10.0.0.0/8, 192.0.2.0/24" },
  },
  "the environment's proxy in both": {
    cluster: "server: https://kube.example:$TLSPORT, certificate-authority-data: $CA64",
    env: { https_proxy: "http://127.0.0.1:9", HTTPS_PROXY: "http://$PROXY" },
  },
  "a proxy of all": {
    cluster: "server: https://192.0.2.7:9, insecure-skip-tls-verify: true",
    env: { ALL_PROXY: "http://$PROXY", NO_PROXY: "192.0.2.7" },
  },
  "the environment's proxy for the other scheme": {
    cluster: "server: http://$PLAIN",
    env: { HTTPS_PROXY: "http://127.0.0.1:9" },
  },
};

/** Files that are not made of the three parts. */
const whole: Record<string, () => string> = {
  pem: () => {
    const pem = authority.cert.trim().replaceAll("\n", "\n      ");
    return fileOf({ cluster: "" }).replace(
      "cluster: {}",
      `cluster:\n    server: https://$TLS\n    certificate-authority-data: |\n      ${pem}\n`,
    );
  },
  folded: () => {
    const lines = base64(authority.cert)
      .match(/.{1,64}/g)!
      .join("\n      ");
    return fileOf({ cluster: "" }).replace(
      "cluster: {}",
      `cluster:\n    server: https://$TLS\n    certificate-authority-data: |\n      ${lines}\n`,
    );
  },
  twice: () =>
    fileOf({ cluster: secure }).replace("clusters:", "clusters:\n- name: c\n  cluster: {server: https://192.0.2.1}"),
  bare: () => fileOf({ cluster: secure }).replace(/^apiVersion.*\nkind.*\n/, ""),
  empty: () => "",
  json: () => JSON.stringify(Bun.YAML.parse(fileOf({ cluster: secure }))),
  documents: () => `${fileOf({ cluster: secure })}---\na: [\n---\n`,
  dashes: () => `---\n# a comment\n${fileOf({ cluster: secure })}`,
  anchors: () =>
    fileOf({ cluster: "" })
      .replace("cluster: {}", "cluster: &one {server: https://192.0.2.1, certificate-authority-data: $CA64}")
      .replace("contexts:", "- name: d\n  cluster: {<<: *one, server: https://$TLS}\ncontexts:")
      .replace("cluster: c,", "cluster: d,"),
  windows: () => fileOf({ cluster: secure }).replaceAll("\n", "\r\n"),
  "other user": () => `${fileOf({ cluster: secure })}- name: other\n  user: {token: 1234}\n`,
};

function textOf(given: Case): string {
  const { text } = given;
  if (text === undefined) return fileOf(given);
  if (whole[text]) return whole[text]();
  const [field = ""] = text.split(":");
  if (["current-context", "kind", "apiVersion"].includes(field)) {
    return fileOf({ cluster: secure }).replace(new RegExp(`^${field}:.*$`, "m"), text);
  }
  return text;
}

function fileOf({ cluster = "", user = token, context = "" }: Case): string {
  const names = [/cluster:/.test(context) ? "" : "cluster: c", /user:/.test(context) ? "" : "user: u", context];
  return [
    "apiVersion: v1",
    "kind: Config",
    "current-context: here",
    "clusters:",
    "- name: c",
    `  cluster: {${cluster}}`,
    "contexts:",
    "- name: here",
    `  context: {${names.filter(Boolean).join(", ")}}`,
    "users:",
    "- name: u",
    `  user: {${user}}`,
    "",
  ].join("\n");
}

function filled(text: string): string {
  const port = (place: string) => places[place]!.split(":")[1]!;
  return text
    .replaceAll("$TLSPORT", port("TLS"))
    .replaceAll("$PLAINPORT", port("PLAIN"))
    .replaceAll("$BASE", folder.split("/").at(-1)!)
    .replace(
      /\$(TLS|PLAIN|PROXY|CA64|STRANGER64|ADA64|ADAKEY64|BOBKEY64|FOLDER)\b/g,
      (_, name: string) => places[name]!,
    );
}

/** What one reader did with a file: the first request that came, or nothing and why. */
interface Outcome {
  seen?: Seen;
  said: string;
  /** What an exec plugin was told. */
  info?: unknown;
}

const clean = { PATH: process.env.PATH ?? "", HOME: folder };

async function outcomeOf(read: (infoFile: string) => Promise<string>): Promise<Outcome> {
  seen = [];
  proxied = 0;
  const infoFile = join(folder, "info.json");
  rmSync(infoFile, { force: true });
  const said = await read(infoFile);
  const info = (await Bun.file(infoFile).exists()) ? JSON.parse(readFileSync(infoFile, "utf8")) : undefined;
  return { seen: seen[0], said, info };
}

async function run(command: string[], env: Record<string, string>): Promise<string> {
  const child = Bun.spawn(command, {
    env: { ...clean, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 30_000,
  });
  const [out, problem] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  return `${out}${problem}`;
}

/** The agent's reading in one process for all files that need no environment of their own. */
function agentReader(program: string) {
  const env = { ...clean, INFO_FILE: join(folder, "info.json") };
  const child = Bun.spawn([process.execPath, program], { env, stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const lines = linesOf(child.stdout);
  return {
    async read(path: string): Promise<string> {
      child.stdin.write(`${path}\n`);
      child.stdin.flush();
      const { value } = await lines.next();
      return JSON.parse(value!) as string;
    },
    stop: () => child.kill("SIGKILL"),
  };
}

describePart("kubernetes", "a kubeconfig means to the agent what it means to kubectl", ({ kubectl }) => {
  const program = join(import.meta.dirname, "kubeconfig-agent.ts");
  let reader: ReturnType<typeof agentReader>;
  beforeAll(() => {
    reader = agentReader(program);
  });
  afterAll(() => reader.stop());
  let number = 0;

  for (const [name, given] of Object.entries(cases)) {
    test(name, async () => {
      const path = join(folder, `config-${number++}`);
      const text = filled(textOf(given));
      writeFileSync(path, given.bytes?.(text) ?? text);
      const env = Object.fromEntries(Object.entries(given.env ?? {}).map(([key, value]) => [key, filled(value)]));
      const [theirs, ours] = [
        await outcomeOf((INFO_FILE) =>
          run([kubectl, "--kubeconfig", path, "get", "--raw", "/version"], { ...env, INFO_FILE }),
        ),
        await outcomeOf(async (INFO_FILE) => {
          if (!given.env) return reader.read(path);
          return run([process.execPath, program, path], { ...env, INFO_FILE });
        }),
      ];
      // The one difference: to this machine itself, where simulated clusters listen, plain HTTP carries credentials too.
      if (/127\.0\.0\.1/.test(ours.seen?.host ?? "") && !ours.seen!.secure) ours.seen!.authorization = "";
      expect({ seen: ours.seen, said: ours.seen ? "" : ours.said }).toEqual({
        seen: theirs.seen,
        said: theirs.seen ? "" : expect.stringContaining(given.says ?? ""),
      });
      expect(ours.info).toEqual(theirs.info);
      if (given.says) expect(theirs.seen).toBeUndefined();
    });
  }

  test("at least eighty files were asked about, and kubectl took some and refused some", () => {
    expect(Object.keys(cases).length).toBeGreaterThanOrEqual(80);
  });
});
