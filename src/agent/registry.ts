// The registry in which the agent announces itself: one, as its settings say.
import { consulAnnouncer } from "../discovery/consul.ts";
import type { Announcer } from "../discovery/discovery.ts";
import { etcdAnnouncer } from "../discovery/etcd.ts";
import { nacosAnnouncer } from "../discovery/nacos.ts";
import { consulOptions, etcdOptions, nacosOptions } from "../discovery/settings.ts";
import type { PemFiles } from "../process/pem-files.ts";
import { SettingInvalid } from "../process/settings.ts";
import type { AgentSettings } from "./settings.ts";

const announcers = {
  etcdHost: (values: AgentSettings, files: PemFiles) =>
    etcdAnnouncer({ hosts: values.etcdHost, ...etcdOptions(values, files) }),
  consulHost: (values: AgentSettings, files: PemFiles) =>
    consulAnnouncer({
      host: values.consulHost ?? "",
      ...consulOptions(values, files),
      ttlSeconds: Math.round(values.consulTtl / 1000),
      meta: values.consulMeta,
      prefix: values.servicePrefix,
    }),
  nacosHost: (values: AgentSettings, files: PemFiles) =>
    nacosAnnouncer({
      hosts: values.nacosHost,
      ...nacosOptions(values, files),
      meta: values.nacosMeta,
      prefix: values.servicePrefix,
    }),
} satisfies Partial<Record<keyof AgentSettings, (values: AgentSettings, files: PemFiles) => Announcer>>;

type Registry = keyof typeof announcers;
const flags: Record<Registry, string> = {
  etcdHost: "--etcd-host",
  consulHost: "--consul-host",
  nacosHost: "--nacos-host",
};

/**
 * Undefined where no registry is given.
 * @throws SettingInvalid where two are: what one of them says could not be told from what the other forgot.
 */
export function registryOf(values: AgentSettings): Registry | undefined {
  const given = (Object.keys(announcers) as Registry[]).filter((registry) => (values[registry] ?? "").length > 0);
  if (given.length < 2) return given[0];
  const names = given.map((registry) => flags[registry]).join(" and ");
  throw new SettingInvalid(
    `${names} are ${given.length} registries: an agent announces itself in one, give one of them`,
  );
}

/** @param files reads the certificates. @throws Error where no registry is given, or a file cannot be used. */
export function registryAnnouncer(values: AgentSettings, files: PemFiles): Announcer {
  const registry = registryOf(values);
  if (!registry) throw new Error("no registry is given");
  return announcers[registry](values, files);
}
