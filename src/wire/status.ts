/** The header grpc-message: gRPC writes what is not ASCII as percent and two digits. */
export function said(message: string | string[] | undefined): string {
  const text = String(message ?? "");
  try {
    return decodeURIComponent(text);
  } catch {
    // Not by the rule: as it came.
    return text;
  }
}
