/** Kubeconfig files of every kind of credentials that an agent has to understand. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RealCluster } from "./cluster.ts";

export const credentialKinds = [
  "token",
  "token-file",
  "client-certificate",
  "client-certificate-files",
  "exec",
  "insecure",
] as const;

export interface KubeconfigOptions {
  /**
   * - "token": in the file; "token-file": in a file beside it
   * - "client-certificate": in the file as base64; "client-certificate-files": files beside it
   * - "exec": a program that prints an ExecCredential
   * - "insecure": a token, and the server's certificate is not checked (no CA in the file)
   */
  kind: (typeof credentialKinds)[number];
  /** Another token than the administrator's: a service account's, for one. */
  token?: string;
  /** Who the client certificate is for; default admin in system:masters. */
  user?: { name: string; groups: string[] };
  /** The context's namespace. */
  namespace?: string;
  /** Impersonate this user. */
  as?: string;
  asGroups?: string[];
  proxyUrl?: string;
  /** Another server address than the cluster's own, behind a proxy that cuts, for one. */
  server?: string;
}

/** The file's text; JSON is YAML, so every reader of kubeconfigs takes it. Writes the files that it refers to. */
export function kubeconfigText(cluster: RealCluster, options: KubeconfigOptions): string {
  const { name } = cluster;
  return JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      "current-context": `${name}-context`,
      contexts: [
        { name: `${name}-context`, context: { cluster: name, user: "tester", namespace: options.namespace } },
        // A reader that takes the first or any context instead of the current one fails.
        { name: "elsewhere", context: { cluster: "elsewhere", user: "nobody" } },
      ],
      clusters: [
        { name: "elsewhere", cluster: { server: "https://127.0.0.1:1" } },
        {
          name,
          cluster: {
            server: options.server ?? cluster.url,
            "proxy-url": options.proxyUrl,
            ...(options.kind === "insecure"
              ? { "insecure-skip-tls-verify": true }
              : { "certificate-authority-data": Buffer.from(cluster.ca).toString("base64") }),
          },
        },
      ],
      users: [
        { name: "nobody", user: {} },
        {
          name: "tester",
          user: { ...credentials(cluster, options), as: options.as, "as-groups": options.asGroups },
        },
      ],
    },
    null,
    2,
  );
}

function credentials(cluster: RealCluster, { kind, token = cluster.token, user }: KubeconfigOptions) {
  if (kind === "token" || kind === "insecure") return { token };
  const file = (extension: string) => join(cluster.folder, `${kind}-${crypto.randomUUID()}.${extension}`);
  if (kind === "token-file") return { tokenFile: write(file("token"), token) };
  if (kind === "exec") {
    const answer = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: { token } };
    const script = write(file("sh"), `#!/bin/sh\ncat <<'EOF'\n${JSON.stringify(answer)}\nEOF\n`);
    chmodSync(script, 0o700);
    return { exec: { apiVersion: answer.apiVersion, command: script, args: [], interactiveMode: "Never" } };
  }
  const { cert, key } = cluster.clientCertificate(user?.name, user?.groups);
  if (kind === "client-certificate-files")
    return { "client-certificate": write(file("crt"), cert), "client-key": write(file("key"), key) };
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return { "client-certificate-data": base64(cert), "client-key-data": base64(key) };
}

function write(path: string, text: string): string {
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
