// What was last known of each agent, and which clusters are enrolled: what a restart must not forget.
import type { SQL } from "bun";

export interface StoredAgent {
  key: string;
  cluster: string;
  namespace: string;
  /** When it last answered, milliseconds UTC. */
  seenAt: number;
  /** When its workloads were last known as a whole; undefined for never. */
  readAt?: number;
  /** Its last answer: a SummaryResponse. */
  summary: Uint8Array;
}

export interface StoredEnrollment {
  cluster: string;
  /** ["*"] or names. */
  namespaces: string[];
  /** When its first certificate that holds was made, milliseconds UTC. */
  since: number;
}

export interface FleetStore {
  agents(): Promise<StoredAgent[]>;
  /** All or none. */
  keep(agents: readonly StoredAgent[]): Promise<void>;
  forget(keys: readonly string[]): Promise<void>;
  /** Clusters with a certificate that is neither revoked nor ended, and that were not removed since it was made. */
  enrolled(now: number): Promise<StoredEnrollment[]>;
  /** Its agents are forgotten, and it counts as enrolled no longer until it enrolls again. */
  remove(cluster: string, at: number): Promise<void>;
}

interface Row {
  key: string;
  cluster: string;
  namespace: string;
  seen_at: number;
  read_at: number | null;
  summary: string;
}

export function fleetStore(sql: SQL): FleetStore {
  return {
    async agents() {
      const rows = await sql<Row[]>`SELECT * FROM agents`;
      return rows.map(({ key, cluster, namespace, seen_at, read_at, summary }) => ({
        key,
        cluster,
        namespace,
        seenAt: Number(seen_at),
        readAt: read_at === null ? undefined : Number(read_at),
        summary: Buffer.from(summary, "base64"),
      }));
    },
    // One statement is one write to the disk, and no other statement comes between.
    async keep(agents) {
      const rows = agents.map(({ summary, ...agent }) => ({
        ...agent,
        summary: Buffer.from(summary).toString("base64"),
      }));
      await sql`INSERT INTO agents (key, cluster, namespace, seen_at, read_at, summary)
        SELECT value ->> 'key', value ->> 'cluster', value ->> 'namespace', value ->> 'seenAt', value ->> 'readAt',
          value ->> 'summary' FROM json_each(${JSON.stringify(rows)}) WHERE true
        ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at, read_at = excluded.read_at,
          summary = excluded.summary`;
    },
    async forget(keys) {
      await sql`DELETE FROM agents WHERE key IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`;
    },
    async enrolled(now) {
      const rows = await sql<{ cluster: string; namespaces: string; since: number }[]>`
        SELECT cluster, namespaces, min(issued_at) AS since FROM certificates
        WHERE revoked_at IS NULL AND not_after > ${now}
          AND issued_at > coalesce((SELECT at FROM removed_clusters WHERE name = cluster), 0)
        GROUP BY cluster`;
      return rows.map(({ cluster, namespaces, since }) => ({
        cluster,
        namespaces: JSON.parse(namespaces) as string[],
        since: Number(since),
      }));
    },
    async remove(cluster, at) {
      await sql`DELETE FROM agents WHERE cluster = ${cluster}`;
      await sql`INSERT INTO removed_clusters (name, at) VALUES (${cluster}, ${at})
        ON CONFLICT (name) DO UPDATE SET at = excluded.at`;
    },
  };
}
