import type { SQL } from "bun";

export interface StoredInvitation {
  id: string;
  /** SHA-256 of the token's secret part, hexadecimal. */
  hash: string;
  cluster: string;
  /** ["*"] or names. */
  namespaces: string[];
  /** Milliseconds UTC. */
  expiresAt: number;
  usedAt?: number;
}

export interface StoredCertificate {
  serial: string;
  cluster: string;
  namespaces: string[];
  issuedAt: number;
  notAfter: number;
  revokedAt?: number;
}

export interface TrustStore {
  invite(invitation: StoredInvitation): Promise<void>;
  invitation(id: string): Promise<StoredInvitation | undefined>;
  /** @returns false where it has been used before: of two at once, one wins. */
  use(id: string, at: number): Promise<boolean>;
  /** @returns false where its serial is known already; nothing is changed then. */
  addCertificate(certificate: StoredCertificate): Promise<boolean>;
  /** Serials that are revoked and had not ended by themselves then. */
  revoked(since: number): Promise<string[]>;
  /** @returns the serials that are revoked now and were not before, of those that had not ended `since`, or now. */
  revoke(cluster: string, serial: string, at: number, since?: number): Promise<string[]>;
}

interface InvitationRow {
  id: string;
  hash: string;
  cluster: string;
  namespaces: string;
  expires_at: number;
  used_at: number | null;
}

export function trustStore(sql: SQL): TrustStore {
  return {
    async invite({ id, hash, cluster, namespaces, expiresAt }) {
      await sql`INSERT INTO invitations (id, hash, cluster, namespaces, expires_at)
        VALUES (${id}, ${hash}, ${cluster}, ${JSON.stringify(namespaces)}, ${expiresAt})`;
    },
    async invitation(id) {
      const row = (await sql<InvitationRow[]>`SELECT * FROM invitations WHERE id = ${id}`)[0];
      if (!row) return undefined;
      return {
        id,
        hash: row.hash,
        cluster: row.cluster,
        namespaces: JSON.parse(row.namespaces) as string[],
        expiresAt: Number(row.expires_at),
        usedAt: row.used_at === null ? undefined : Number(row.used_at),
      };
    },
    async use(id, at) {
      const used = await sql`UPDATE invitations SET used_at = ${at} WHERE id = ${id} AND used_at IS NULL RETURNING id`;
      return used.length === 1;
    },
    async addCertificate({ serial, cluster, namespaces, issuedAt, notAfter, revokedAt }) {
      const added = await sql`INSERT INTO certificates (serial, cluster, namespaces, issued_at, not_after, revoked_at)
        VALUES (${serial}, ${cluster}, ${JSON.stringify(namespaces)}, ${issuedAt}, ${notAfter}, ${revokedAt ?? null})
        ON CONFLICT (serial) DO NOTHING RETURNING serial`;
      return added.length === 1;
    },
    async revoked(since) {
      const rows = await sql<{ serial: string }[]>`SELECT serial FROM certificates
        WHERE revoked_at IS NOT NULL AND not_after > ${since}`;
      return rows.map(({ serial }) => serial);
    },
    async revoke(cluster, serial, at, since = at) {
      const rows = await sql<{ serial: string }[]>`UPDATE certificates SET revoked_at = ${at}
        WHERE cluster = ${cluster} AND revoked_at IS NULL AND not_after > ${since}
          AND (${serial} = '' OR serial = ${serial}) RETURNING serial`;
      return rows.map(({ serial }) => serial);
    },
  };
}
