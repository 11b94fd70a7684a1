// `lizardcd-server --check`: everything that a start would need, without starting.
import { Database } from "bun:sqlite";
import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { answeringRegistry, type Check, certificatePair, freeAddress, writableFolder } from "../process/check.ts";
import { free } from "../process/hold.ts";
import { reasonOf } from "../process/setting-file.ts";
import type { ServerConfig } from "./config.ts";
import { holder } from "./data.ts";
import { readHttpCa } from "./http-ca.ts";
import { sourcesOf } from "./sources.ts";

export function serverChecks(config: ServerConfig): Check[] {
  const { httpTlsCert, httpTlsKey, httpTlsCa, tlsCa, tlsCert, tlsKey, db } = config;
  return [
    { what: "settings", look: async () => undefined },
    dataFolder(config.data),
    ...(db ? [writableFolder("the store's folder", dirname(db), "db")] : []),
    store(config.store),
    freeAddress("http-addr", config.httpAddr),
    freeAddress("metrics-addr", config.metricsAddr),
    ...(httpTlsCert && httpTlsKey ? [certificatePair("the certificate", { cert: httpTlsCert, key: httpTlsKey })] : []),
    ...(httpTlsCa ? [carriedCa(httpTlsCa, httpTlsCert)] : []),
    ...(tlsCert && tlsKey
      ? [certificatePair("the certificate for agents", { cert: tlsCert, key: tlsKey, ca: tlsCa })]
      : []),
    ...sourcesOf(config).map((source) => answeringRegistry(source, `${source.name}-addr`)),
  ];
}

function dataFolder(path: string): Check {
  const { what, look } = writableFolder("the data folder", path, "data");
  return {
    what,
    async look(signal) {
      const remark = await look(signal);
      await free(path, holder);
      return remark;
    },
  };
}

function carriedCa(ca: string, cert: string | undefined): Check {
  return {
    what: `the CA ${ca}`,
    async look() {
      const told = readHttpCa({ ca, cert });
      if (!existsSync(ca))
        return `there is no such file${told ? ", the certificate is its own" : ": agents are told none"}`;
      return told ? "agents are told to trust it" : "agents need not be told of it";
    },
  };
}

/** One that is there already is read, and left as it is. */
function store(file: string): Check {
  return {
    what: `the store ${file}`,
    async look() {
      if (!existsSync(file)) return "will be made at the first start";
      let database: Database | undefined;
      try {
        accessSync(file, constants.R_OK | constants.W_OK);
        database = new Database(file, { readonly: true });
        database.query("PRAGMA schema_version").get();
        return undefined;
      } catch (cause) {
        const next = "it has to be a database of Lizardcd that this user may read and write; --db names another";
        throw new Error(`it cannot be opened: ${reasonOf(cause)}: ${next}`, { cause });
      } finally {
        database?.close();
      }
    },
  };
}
