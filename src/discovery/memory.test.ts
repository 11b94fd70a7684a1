import { discoverySuite } from "../../test/suites/discovery.ts";
import { memoryRegistry } from "./memory.ts";

discoverySuite("memory", async () => {
  const prefix = "t.";
  const registry = memoryRegistry();
  return {
    prefix,
    announcer: registry.announcer,
    source: registry.source,
    async abandon({ keys, via, instance }) {
      for (const key of keys) registry.put(key, instance, "address" in via ? via.address : "");
      setTimeout(() => {
        for (const key of keys) registry.remove(key, instance);
      }, 200);
    },
    async plant(path, value) {
      const slash = path.lastIndexOf("/");
      registry.put(path.slice(0, slash), path.slice(slash + 1), value);
      return async () => registry.remove(path.slice(0, slash), path.slice(slash + 1));
    },
    outage: {
      begin: async () => registry.silence("switched off"),
      end: async () => registry.restore(),
    },
  };
});
