import { expect, test } from "bun:test";
import { agentSettings } from "../agent/settings.ts";
import { serverSettings } from "../server/settings.ts";
import { type Env, helpText, printConfig, readSettings, SettingInvalid, type Table } from "./settings.ts";

const files: Record<string, string> = {
  "old-server.yaml": `
Name: server
Host: 0.0.0.0
Port: 5117
Timeout: 60000
Log: { Encoding: plain, Level: severe }
Prometheus: { Host: 0.0.0.0, Port: 15117, Path: /metrics }
Telemetry: { Name: x, Endpoint: http://jaeger, Sampler: 1.0, Batcher: jaeger }
Auth: { AccessSecret: shipped, AccessExpire: 86400 }
Etcd: { Address: "10.0.0.1:2379,10.0.0.2:2379" }
Consul: { Address: "" }
Sqlite: /data/lizardcd.db
ServicePrefix: "a."
Rpc: { Timeout: 2000, KeepaliveTime: 600, RetryInterval: 10 }
`,
  "old-agent.yaml": `
Name: lizardcd-agent.rpc
ListenOn: 0.0.0.0:5017
Timeout: 60000
Log: { Encoding: json, Level: info }
Prometheus: { Host: 0.0.0.0, Port: 15017, Path: /metrics }
Kubeconfig: /home/ada/.kube/config
Etcd: { Hosts: [10.0.0.1:2379], Key: lizardcd-agent.*.k1 }
`,
  "old-consul.yaml": `
Consul: { Host: "10.0.0.1:8500", Key: lizardcd-agent.*.k1, TTL: 20, Meta: { team: web } }
`,
  "old-nacos.yaml": `
Nacos:
  Host: "10.0.0.1:8848,10.0.0.2:8848"
  Key: lizardcd-agent.shop.k1
  NamespaceId: dev
  Group: DEFAULT_GROUP
  Username: ada
  Password: hush
`,
  "new.yaml": "log: { level: debug }\nlabels: { env: prod, region: eu }\nserver: http://a:5117\n",
  "typo.yaml": "kubeconfg: x\n",
  "broken.yaml": "a: [1,\n",
  "list.yaml": "- a\n",
  token: "s3cret-from-file\n",
};

function read<const T extends Table>(table: T, line: string, env: Env = {}) {
  const argv = line === "" ? [] : line.split(" ");
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
    return text;
  };
  return readSettings(table, { argv, env, readFile });
}

const problem = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(SettingInvalid);
    return (error as Error).message;
  }
  throw new Error("no SettingInvalid was thrown");
};

test("a flag wins over the environment, the environment over the file, the file over the default", () => {
  const env = { LIZARDCD_LOG_LEVEL: "warn", LIZARDCD_CLUSTER: "from-env" };
  const { values, sources } = read(agentSettings, "-f new.yaml --log.level=error", env);
  expect(values.logLevel).toBe("error");
  expect(sources.logLevel).toBe("flag --log.level");
  expect(values.cluster).toBe("from-env");
  expect(sources.cluster).toBe("environment LIZARDCD_CLUSTER");
  expect(values.labels).toEqual({ env: "prod", region: "eu" });
  expect(sources.labels).toBe("file new.yaml");
  expect(values.grpcAddr).toBe("127.0.0.1:5017");
  expect(sources.grpcAddr).toBe("default");
  expect(read(agentSettings, "-f new.yaml", env).values.logLevel).toBe("warn");
  expect(read(agentSettings, "-f new.yaml").values.logLevel).toBe("debug");
});

test("a flag may be written as --name value, --name=value, -name value and -name=value", () => {
  for (const line of [
    "--http-addr 10.0.0.1:1",
    "--http-addr=10.0.0.1:1",
    "-http-addr 10.0.0.1:1",
    "-http-addr=10.0.0.1:1",
  ]) {
    expect(read(serverSettings, line).values.httpAddr).toBe("10.0.0.1:1");
  }
});

test("a boolean needs no value and can be denied", () => {
  expect(read(serverSettings, "--insecure").values.insecure).toBe(true);
  expect(read(serverSettings, "").values.embedded).toBe(true);
  expect(read(serverSettings, "--no-embedded").values.embedded).toBe(false);
  expect(read(serverSettings, "--embedded=false").values.embedded).toBe(false);
  expect(read(serverSettings, "", { LIZARDCD_EMBEDDED: "false" }).values.embedded).toBe(false);
});

test("a file of the old server is read, with a warning for each key that means nothing here", () => {
  const { values, warnings } = read(serverSettings, "--config old-server.yaml");
  expect(values).toMatchObject({
    httpAddr: "0.0.0.0:5117",
    metricsAddr: "0.0.0.0:15117",
    logLevel: "error",
    accessSecret: "shipped",
    accessExpire: 86_400_000,
    rpcTimeout: 2000,
    etcdAddr: ["10.0.0.1:2379", "10.0.0.2:2379"],
    db: "/data/lizardcd.db",
    servicePrefix: "a.",
  });
  expect(warnings.map((warning) => warning.split(" ")[2])).toEqual([
    "Name",
    "Timeout",
    "Prometheus.Path",
    "Telemetry",
    "Rpc.KeepaliveTime",
    "Rpc.RetryInterval",
  ]);
});

test("a file of the old agent is read", () => {
  expect(read(agentSettings, "-f old-agent.yaml").values).toMatchObject({
    grpcAddr: "0.0.0.0:5017",
    metricsAddr: "0.0.0.0:15017",
    timeout: 60_000,
    logEncoding: "json",
    kubeconfig: "/home/ada/.kube/config",
    etcdHost: ["10.0.0.1:2379"],
    serviceKey: "lizardcd-agent.*.k1",
  });
});

test("an empty text is no value, but the empty default stays text", () => {
  expect(read(agentSettings, "--cluster=").values).toMatchObject({ cluster: undefined, servicePrefix: "" });
});

test("lists and labels may be repeated or written with commas", () => {
  const { values } = read(agentSettings, "--namespaces a,b --namespaces c --labels env=prod,region=eu --labels x=");
  expect(values.namespaces).toEqual(["a", "b", "c"]);
  expect(values.labels).toEqual({ env: "prod", region: "eu", x: "" });
});

test("durations take units, and a bare number means what it meant to the old program", () => {
  expect(read(serverSettings, "--access.expire 3600").values.accessExpire).toBe(3_600_000);
  expect(read(serverSettings, "--access.expire 7d").values.accessExpire).toBe(604_800_000);
  expect(read(serverSettings, "--rpc.timeout 2500").values.rpcTimeout).toBe(2500);
  expect(read(serverSettings, "--rpc.timeout 1.5s").values.rpcTimeout).toBe(1500);
});

test("a secret may lie in a file, named by flag or environment", () => {
  expect(read(agentSettings, "--join-token-file token").values.joinToken).toBe("s3cret-from-file");
  const env = { LIZARDCD_JOIN_TOKEN_FILE: "token" };
  expect(read(agentSettings, "", env).values.joinToken).toBe("s3cret-from-file");
  for (const key of ["join-token-file: token", "join-tokenFile: token"]) {
    files["secret.yaml"] = key;
    expect([key, read(agentSettings, "-f secret.yaml").values.joinToken]).toEqual([key, "s3cret-from-file"]);
  }
  files["secret.yaml"] = "Auth: { AccessSecretFile: token }";
  const { values, sources } = read(serverSettings, "-f secret.yaml");
  expect([values.accessSecret, sources.accessSecret]).toEqual(["s3cret-from-file", "file secret.yaml"]);
  expect(problem(() => read(agentSettings, "--join-token-file away"))).toBe(
    "--join-token-file: away cannot be read: there is no such file",
  );
});

test("what is wrong is named with the place it came from and what it must be", () => {
  expect(problem(() => read(serverSettings, "--htp-addr x"))).toBe(
    "unknown flag --htp-addr, did you mean --http-addr? See --help",
  );
  expect(problem(() => read(serverSettings, "--http-addr"))).toBe("--http-addr needs a value: see --help");
  expect(problem(() => read(serverSettings, "--http-addr 5117"))).toBe('--http-addr must be host:port, not "5117"');
  expect(problem(() => read(serverSettings, "--max-connections 0"))).toBe(
    '--max-connections must be at least 1, not "0"',
  );
  expect(problem(() => read(serverSettings, "", { LIZARDCD_LOG_LEVEL: "loud" }))).toBe(
    'the environment variable LIZARDCD_LOG_LEVEL must be debug, info, warn or error, not "loud"',
  );
  expect(problem(() => read(agentSettings, "-f typo.yaml"))).toBe(
    "the key kubeconfg of typo.yaml is not known, did you mean kubeconfig? See --help",
  );
  expect(problem(() => read(agentSettings, "-f away.yaml"))).toBe(
    "the configuration file away.yaml cannot be read: there is no such file",
  );
  expect(problem(() => read(agentSettings, "-f broken.yaml"))).toContain("broken.yaml is not valid YAML");
  expect(problem(() => read(agentSettings, "-f list.yaml"))).toContain("must hold keys and values");
  expect(problem(() => read(agentSettings, "--labels prod"))).toContain("labels such as env=prod");
});

test("what this version lacks is an error, not silence", () => {
  const table = {
    planned: { flag: "planned", file: ["Planned"], type: "list", help: "", later: "it is planned" },
  } as const;
  expect(problem(() => read(table, "--planned a"))).toBe("--planned cannot be used: it is planned");
  expect(read(table, "--planned=").warnings).toEqual([]);
});

test("Consul and Nacos are read from the old files and flags", () => {
  expect(read(agentSettings, "-f old-consul.yaml").values).toMatchObject({
    serviceKey: "lizardcd-agent.*.k1",
    consulHost: "10.0.0.1:8500",
    consulTtl: 20_000,
    consulMeta: { team: "web" },
  });
  expect(read(agentSettings, "-f old-nacos.yaml --nacos-group g").values).toMatchObject({
    serviceKey: "lizardcd-agent.shop.k1",
    nacosHost: ["10.0.0.1:8848", "10.0.0.2:8848"],
    nacosNamespaceId: "dev",
    nacosGroup: "g",
    nacosUsername: "ada",
    nacosPassword: "hush",
  });
  const server = "--consul-addr a:8500 --nacos-addr b:8848,c:8848 --nacos-username ada --nacos-password hush";
  expect(read(serverSettings, server).values).toMatchObject({
    consulAddr: ["a:8500"],
    nacosAddr: ["b:8848", "c:8848"],
    nacosUsername: "ada",
    nacosPassword: "hush",
  });
});

test("help names every usable flag, and what is printed holds no secret", () => {
  const help = helpText({ name: "lizardcd-server", summary: "Serves.", table: serverSettings });
  expect(help).toContain("--http-addr HOST:PORT");
  expect(help).toContain("default 127.0.0.1:5117");
  expect(help).not.toContain("keepalivetime");
  const settings = read(serverSettings, "--access.secret hush --etcd-addr a:1 --print-config");
  expect(settings.asked).toBe("print-config");
  const printed = printConfig({ table: serverSettings }, settings);
  expect(printed).not.toContain("hush");
  expect(printed).toContain('access.secret: "***"  # flag --access.secret\n');
  expect(printed).toContain('etcd-addr: ["a:1"]  # flag --etcd-addr\n');
  const urls = read(
    serverSettings,
    "--etcd-addr http://u:hush@a:2379,u:hu:s@h@b:1,c:1 --public-url https://u:hush@cd.example.com",
  );
  expect(printConfig({ table: serverSettings }, urls)).toContain(
    'etcd-addr: ["http://u:***@a:2379","u:***@b:1","c:1"]  # flag --etcd-addr\n',
  );
  expect(printConfig({ table: serverSettings }, urls)).toContain('public-url: "https://u:***@cd.example.com"');
  expect(Bun.YAML.parse(printed)).toMatchObject({ "http-addr": "127.0.0.1:5117", "access.expire": "24h" });
  const written = read(serverSettings, "--idle-timeout 1500ms --lease-time 90s");
  expect(printConfig({ table: serverSettings }, written)).toMatch(/lease-time: 90s.*idle-timeout: 1500ms/s);
});

test("every key of both tables has its own flag, and its default is a value it would accept", () => {
  for (const table of [agentSettings, serverSettings] as Table[]) {
    const flags = Object.values(table).map(({ flag }) => flag);
    expect(new Set(flags).size).toBe(flags.length);
    const { values } = read(table, "");
    for (const [name, { default: standard }] of Object.entries(table)) {
      if (standard !== undefined && standard !== "") expect((values as Record<string, unknown>)[name]).toBeDefined();
    }
  }
});
