// What this build is. A compiled binary carries package.json's version; its build defines the commit.
import { version as released } from "../../package.json";

declare const LIZARDCD_COMMIT: string | undefined;

/** "0.1.0". */
export const version: string = released;

/** "3f1c2ab"; empty when run from source. */
export const commit: string = typeof LIZARDCD_COMMIT === "string" ? LIZARDCD_COMMIT : "";

/** "0.1.0 (3f1c2ab)", for --version. */
export const build: string = commit ? `${version} (${commit})` : version;
