import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority } from "../../test/testbed/certificates.ts";
import { RotatingFile } from "./credentials.ts";
import { accessFromKubeconfig, accessInCluster } from "./kubeconfig.ts";

const folder = mkdtempSync(join(tmpdir(), "lizardcd-kubeconfig-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: unknown): string {
  const path = join(folder, crypto.randomUUID());
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const problemOf = (asked: Promise<unknown>) =>
  asked.then(
    () => "it was read",
    (cause: Error) => cause.message,
  );

const ca64 = Buffer.from(createAuthority("ca").cert).toString("base64");

const config = (user: object = {}, cluster: object = {}, more: object = {}) => ({
  "current-context": "here",
  contexts: [{ name: "here", context: { cluster: "c1", user: "u1", namespace: "shop" } }],
  clusters: [{ name: "c1", cluster: { server: "https://10.0.0.1:6443/", ...cluster } }],
  users: [{ name: "u1", user }],
  ...more,
});

test("YAML as people write it is read", async () => {
  const path = file(`
apiVersion: v1
kind: Config
current-context: here
contexts:
- context: { cluster: c1, user: u1 }
  name: here
clusters:
- name: c1
  cluster:
    server: https://10.0.0.1:6443
    insecure-skip-tls-verify: true
users:
- name: u1
  user: { token: "12345" }
`);
  const access = await accessFromKubeconfig(path);
  expect(access).toMatchObject({ server: "https://10.0.0.1:6443", context: "here", clusterName: "c1", insecure: true });
  expect(await access.credentials.current()).toMatchObject({ authorization: "Bearer 12345" });
});

describe("a broken kubeconfig is told apart, by name and with what to do", () => {
  test.each<[string, unknown, string]>([
    ["no YAML", "a: [", "is not valid YAML"],
    ["empty", "", "it is empty"],
    ["no current-context", config({}, {}, { "current-context": undefined }), "has no current-context: set one of here"],
    ["a context that is missing", config({}, {}, { "current-context": "gone" }), "current-context gone is not among"],
    ["a cluster that is missing", config({}, {}, { clusters: [] }), "names the cluster c1, which is missing"],
    ["a user that is missing", config({}, {}, { users: null }), "names the user u1, which is missing"],
    ["no server", config({}, { server: "" }), "cluster c1 has no usable server"],
    ["a certificate without a key", config({ "client-certificate-data": ca64 }), "client certificate without its key"],
    ["a CA that is none", config({}, { "certificate-authority-data": "eA==" }), "holds no certificate"],
    ["a number where a text belongs", config({ token: 12345 }), "users[0].user.token must be a text, not the number"],
    ["an exec plugin without a command", config({ exec: {} }), "exec plugin without a command"],
    ["an auth-provider", config({ "auth-provider": { name: "gcp" } }), "uses the auth-provider gcp"],
    ["a socks proxy", config({}, { "proxy-url": "socks5://u:p@x:1" }), "socks5://…@x:1: only http and https"],
  ])("%s", async (_, content, problem) => {
    const path = file(content);
    const said = await problemOf(accessFromKubeconfig(path));
    expect(said).toContain(`kubeconfig ${path}`);
    expect(said).toContain(problem);
  });

  test("a file that is not there", async () => {
    expect(await problemOf(accessFromKubeconfig("/nowhere/config"))).toBe(
      "kubeconfig /nowhere/config cannot be read: there is no such file",
    );
  });
});

test("files are found beside the kubeconfig, and a token file wins over a token", async () => {
  writeFileSync(join(folder, "my-token"), "from-file\n");
  const access = await accessFromKubeconfig(file(config({ token: "inline", tokenFile: "my-token" })));
  expect(await access.credentials.current()).toMatchObject({ authorization: "Bearer from-file" });
});

test("a user's name and password become a header, impersonation several", async () => {
  const user = { username: "ada", password: "x", as: "jane", "as-uid": "7", "as-user-extra": { "a/b": ["1"] } };
  const access = await accessFromKubeconfig(file(config(user)));
  expect(await access.credentials.current()).toMatchObject({ authorization: `Basic ${btoa("ada:x")}` });
  expect(access.headers).toEqual([
    ["Impersonate-User", "jane"],
    ["Impersonate-Uid", "7"],
    ["Impersonate-Extra-a%2Fb", "1"],
  ]);
});

describe("an exec plugin", () => {
  const run = async (script: string, more: object = {}) => {
    const path = join(folder, `${crypto.randomUUID()}.sh`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: path, interactiveMode: "Never", ...more };
    const access = await accessFromKubeconfig(file(config({ exec }, { "certificate-authority-data": ca64 })));
    return access.credentials.current();
  };
  const credential = (status: string) =>
    `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${status}}'`;

  test("is told of the cluster where it asks for it, and of its own variables", async () => {
    const script = `case "$KUBERNETES_EXEC_INFO" in *10.0.0.1*) true;; *) exit 1;; esac; [ "$REGION" = eu ] || exit 2
${credential('{"token":"t"}')}`;
    const env = [{ name: "REGION", value: "eu" }];
    expect(await run(script, { provideClusterInfo: true, env })).toMatchObject({ authorization: "Bearer t" });
  });

  test.each([
    ["fails", "echo no session >&2; exit 3", "exited with 3: no session"],
    ["prints no JSON", "echo s3cret", "did not print JSON"],
    ["prints something else", "echo '{}'", "did not print an ExecCredential of client.authentication.k8s.io/v1"],
    ["prints neither token nor certificate", credential("{}"), "neither a token nor a certificate"],
  ])("that %s says so, without what it printed", async (_, script, problem) => {
    const said = await problemOf(run(script));
    expect(said).toContain(problem);
    expect(said).not.toContain("s3cret");
  });

  test("is asked again after the API server has refused what it gave, and until then once", async () => {
    const path = join(folder, "counting.sh");
    const asked = join(folder, "asked");
    writeFileSync(path, `#!/bin/sh\necho x >> ${asked}\n${credential('{"token":"t"}')}\n`, { mode: 0o700 });
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: path, interactiveMode: "Never" };
    const { credentials } = await accessFromKubeconfig(file(config({ exec })));
    const times = () => readFileSync(asked, "utf8").trim().split("\n").length;
    await credentials.current();
    await credentials.current();
    expect(times()).toBe(1);
    credentials.refused();
    await credentials.current();
    expect(times()).toBe(2);
  });

  test("that is not there tells how to have it", async () => {
    const said = await problemOf(run("true", { command: "no-such-plugin", installHint: "install it" }));
    expect(said).toContain("no-such-plugin cannot be started");
    expect(said).toContain("install it");
  });
});

describe("in a cluster", () => {
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };

  test("the ServiceAccount's files and the service's address are used", async () => {
    for (const [name, text] of Object.entries({ token: "t1", "ca.crt": "CA", namespace: "shop\n" })) {
      writeFileSync(join(folder, name), text);
    }
    const access = await accessInCluster(env, folder);
    expect(access).toMatchObject({ server: "https://[fd00::1]:443", namespace: "shop" });
    expect(await access.credentials.current()).toMatchObject({ authorization: "Bearer t1" });
    writeFileSync(join(folder, "token"), "t2");
    access.credentials.refused();
    expect(await access.credentials.current()).toMatchObject({ authorization: "Bearer t2" });
  });

  test("without a ServiceAccount, or outside of a cluster, it says what is missing", async () => {
    expect(await problemOf(accessInCluster(env, join(folder, "none")))).toContain(
      "the pod has no ServiceAccount token",
    );
    expect(await problemOf(accessInCluster({}, folder))).toContain("give a file with --kubeconfig");
  });
});

test("a rotating file is read again when its time has come, and kept while it is being replaced", async () => {
  const path = file("one");
  const kept = new RotatingFile(path, 0);
  expect(await kept.text()).toBe("one");
  writeFileSync(path, "two!");
  expect(await kept.text()).toBe("two!");
  rmSync(path);
  expect(await kept.text()).toBe("two!");
});
