import { beforeAll } from "bun:test";
import { discoverySuite } from "../../test/suites/discovery.ts";
import { type NacosPart, type RealNacos, sharedNacos } from "../../test/testbed/nacos.ts";
import { describePart } from "../../test/testbed/part.ts";
import { nacosAnnouncer, nacosSource } from "./nacos.ts";

for (const part of ["nacos2", "nacos3"] satisfies NacosPart[]) {
  describePart(part, part, () => {
    let nacos: RealNacos;
    beforeAll(async () => {
      nacos = await sharedNacos(part);
    });

    discoverySuite(part, async () => {
      const prefix = "suite.";
      const hosts = [nacos.endpoint];
      const register = (serviceName: string, ip: string, port: string) =>
        nacos.request("POST", "/nacos/v1/ns/instance", {
          serviceName,
          ip,
          port,
          ephemeral: "true",
          metadata: JSON.stringify({
            "preserved.heart.beat.interval": "500",
            "preserved.heart.beat.timeout": "1000",
            "preserved.ip.delete.timeout": "2000",
          }),
        });
      return {
        prefix,
        announcer: () => nacosAnnouncer({ hosts, prefix }),
        source: () => nacosSource({ hosts, prefix, timeoutMs: 900, graceMs: 1_500 }),
        async abandon({ keys, via }) {
          const [ip, port] = ("address" in via ? via.address : "").split(":") as [string, string];
          for (const key of keys) await register(key, ip, port);
        },
        async plant(path, value) {
          // Nacos itself takes no spaces.
          await register(path.slice(0, path.lastIndexOf("/")), value.replaceAll(" ", "/"), "1");
        },
        outage: {
          begin: async () => nacos.pause(),
          end: async () => nacos.resume(),
        },
        crash: nacos,
      };
    });
  });
}
