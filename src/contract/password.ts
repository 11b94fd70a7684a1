/**
 * Characters that a new password has, at the least: what NIST SP 800-63B-4 asks for where a password is all that is asked
 * for.
 */
export const leastPasswordLength = 15;
