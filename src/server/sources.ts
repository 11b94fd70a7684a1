// The registries in which the server looks for agents: all that its settings name.
import { readFileSync } from "node:fs";
import { consulSource } from "../discovery/consul.ts";
import type { Source } from "../discovery/discovery.ts";
import { etcdSource } from "../discovery/etcd.ts";
import { nacosSource } from "../discovery/nacos.ts";
import type { ServerSettings } from "./settings.ts";

/** @throws Error where a file cannot be read. */
export function sourcesOf({ servicePrefix: prefix, ...settings }: ServerSettings): Source[] {
  const sources: Source[] = [];
  if (settings.etcdAddr.length > 0) {
    sources.push(
      etcdSource({
        hosts: settings.etcdAddr,
        username: settings.etcdUsername,
        password: settings.etcdPassword,
        tls: { ca: file(settings.etcdCa), cert: file(settings.etcdCert), key: file(settings.etcdKey) },
        prefix,
      }),
    );
  }
  if (settings.consulAddr.length > 0) {
    sources.push(
      consulSource({
        hosts: settings.consulAddr,
        token: settings.consulToken,
        ca: file(settings.consulCa),
        datacenter: settings.consulDatacenter,
        prefix,
      }),
    );
  }
  if (settings.nacosAddr.length > 0) {
    sources.push(
      nacosSource({
        hosts: settings.nacosAddr,
        namespaceId: settings.nacosNamespaceId,
        group: settings.nacosGroup,
        username: settings.nacosUsername,
        password: settings.nacosPassword,
        prefix,
      }),
    );
  }
  return sources;
}

function file(path: string | undefined): Buffer | undefined {
  return path ? readFileSync(path) : undefined;
}
