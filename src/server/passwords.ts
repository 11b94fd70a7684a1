// Passwords as they are kept: argon2id over the normalised text.

/** Named, so that another version of the runtime does not change them unseen. */
const cost = { algorithm: "argon2id", memoryCost: 65_536, timeCost: 2 } as const;

/**
 * The hash of a password that nobody knows, made with the cost above: checked where no user has that name, so that the
 * time to answer does not tell which names exist.
 */
export const nobodysHash =
  "$argon2id$v=19$m=65536,t=2,p=1$2O4L79OkaroUuuG5GORH3k8hF1btA7/39o+gtU9F2K4$tV/ZsBLcN0MP0OooS/IvSTuvaQMZqcyv66rBqJzhcEU";

/** The same characters, however the keyboard composed them. */
export function normalised(password: string): string {
  return password.normalize("NFKC");
}

export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(normalised(password), cost);
}

export async function isPassword(password: string, hash: string): Promise<boolean> {
  const same = normalised(password);
  if (await Bun.password.verify(same, hash)) return true;
  // Hashes of older versions were made of what was typed.
  return same !== password && Bun.password.verify(password, hash);
}
