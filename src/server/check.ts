// `lizardcd-server --check`: everything that a start would need, without starting.
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { answeringRegistry, type Check, certificatePair, freeAddress, writableFolder } from "../process/check.ts";
import type { ServerConfig } from "./config.ts";
import { sourcesOf } from "./sources.ts";

export function serverChecks(config: ServerConfig): Check[] {
  const { httpTlsCert, httpTlsKey, tlsCa, tlsCert, tlsKey, db } = config;
  return [
    { what: "settings", look: async () => undefined },
    writableFolder("the data folder", config.data),
    ...(db ? [writableFolder("the store's folder", dirname(db))] : []),
    store(config.store),
    freeAddress("http-addr", config.httpAddr),
    freeAddress("metrics-addr", config.metricsAddr),
    ...(httpTlsCert && httpTlsKey ? [certificatePair("the certificate", { cert: httpTlsCert, key: httpTlsKey })] : []),
    ...(tlsCert && tlsKey
      ? [certificatePair("the certificate for agents", { cert: tlsCert, key: tlsKey, ca: tlsCa })]
      : []),
    ...sourcesOf(config).map((source) => answeringRegistry(source)),
  ];
}

/** One that is there already is read, and left as it is. */
function store(file: string): Check {
  return {
    what: `the store ${file}`,
    async look() {
      if (!existsSync(file)) return "will be made at the first start";
      let database: Database | undefined;
      try {
        database = new Database(file, { readonly: true });
        database.query("PRAGMA schema_version").get();
        return undefined;
      } catch (cause) {
        throw new Error(`it cannot be opened: ${(cause as Error).message}`, { cause });
      } finally {
        database?.close();
      }
    },
  };
}
