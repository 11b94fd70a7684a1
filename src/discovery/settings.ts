// The settings of registries that the agent and the server share; which registry is meant, each says by one of its own.
import { pemFiles } from "../process/pem-files.ts";
import type { Table, Values } from "../process/settings.ts";

export const etcdSettings = {
  etcdUsername: { flag: "etcd-username", file: ["Etcd.User"], type: "text", help: "user of etcd" },
  etcdPassword: { flag: "etcd-password", file: ["Etcd.Pass"], type: "secret", help: "password of etcd" },
  etcdCa: { flag: "etcd-ca", file: ["Etcd.CACertFile"], type: "text", help: "file with the CA that signed etcd" },
  etcdCert: { flag: "etcd-cert", file: ["Etcd.CertFile"], type: "text", help: "file with the certificate for etcd" },
  etcdKey: { flag: "etcd-key", file: ["Etcd.CertKeyFile"], type: "text", help: "file with its private key" },
} as const satisfies Table;

export const consulSettings = {
  consulToken: { flag: "consul-token", file: ["Consul.Token"], type: "secret", help: "ACL token of Consul" },
  consulCa: {
    flag: "consul-ca",
    file: ["Consul.CACertFile"],
    type: "text",
    help: "file with the CA that signed Consul, where it is reached by https",
  },
} as const satisfies Table;

export const nacosSettings = {
  nacosNamespaceId: {
    flag: "nacos-namespace-id",
    file: ["Nacos.NamespaceId"],
    type: "text",
    help: "namespace id of Nacos; else public",
  },
  nacosGroup: { flag: "nacos-group", file: ["Nacos.Group"], type: "text", help: "group of Nacos; else DEFAULT_GROUP" },
  nacosUsername: { flag: "nacos-username", file: ["Nacos.Username"], type: "text", help: "user of Nacos" },
  nacosPassword: { flag: "nacos-password", file: ["Nacos.Password"], type: "secret", help: "password of Nacos" },
  nacosCa: {
    flag: "nacos-ca",
    file: ["Nacos.CACertFile"],
    type: "text",
    help: "file with the CA that signed Nacos, where both of its ports are reached by TLS, https://…",
  },
} as const satisfies Table;

/**
 * What these settings say of one registry, as its announcer and its source take it.
 * @param files reads what they name
 * @throws SettingInvalid where a file cannot be used
 */
export const etcdOptions = (values: Values<typeof etcdSettings>, files = pemFiles()) => ({
  username: values.etcdUsername,
  password: values.etcdPassword,
  tls: files.follow({ ca: values.etcdCa, cert: values.etcdCert, key: values.etcdKey }),
});

export const consulOptions = (values: Values<typeof consulSettings>, files = pemFiles()) => ({
  token: values.consulToken,
  tls: files.follow({ ca: values.consulCa }),
});

export const nacosOptions = (values: Values<typeof nacosSettings>, files = pemFiles()) => ({
  namespaceId: values.nacosNamespaceId,
  group: values.nacosGroup,
  username: values.nacosUsername,
  password: values.nacosPassword,
  tls: files.follow({ ca: values.nacosCa }),
});
