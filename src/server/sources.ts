// The registries in which the server looks for agents: all that its settings name.
import { consulSource } from "../discovery/consul.ts";
import type { Source } from "../discovery/discovery.ts";
import { etcdSource } from "../discovery/etcd.ts";
import { nacosSource } from "../discovery/nacos.ts";
import { consulOptions, etcdOptions, nacosOptions } from "../discovery/settings.ts";
import { pemFiles } from "../process/pem-files.ts";
import type { ServerSettings } from "./settings.ts";

/** @param files reads the certificates. @throws SettingInvalid where one cannot be used. */
export function sourcesOf(
  { servicePrefix: prefix, etcdAddr, consulAddr, nacosAddr, ...settings }: ServerSettings,
  files = pemFiles(),
): Source[] {
  const { consulDatacenter: datacenter } = settings;
  return [
    ...(etcdAddr.length > 0 ? [etcdSource({ hosts: etcdAddr, prefix, ...etcdOptions(settings, files) })] : []),
    ...(consulAddr.length > 0
      ? [consulSource({ hosts: consulAddr, prefix, datacenter, ...consulOptions(settings, files) })]
      : []),
    ...(nacosAddr.length > 0 ? [nacosSource({ hosts: nacosAddr, prefix, ...nacosOptions(settings, files) })] : []),
  ];
}
