const units: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** `500m` is 0.5, `1Gi` is 1073741824; what cannot be read is 0. */
export function parseQuantity(text: string | number | undefined): number {
  const [, number = "0", unit = ""] = /^([\d.]+)([a-zA-Z]*)$/.exec(String(text ?? "0")) ?? [];
  return Number(number) * (units[unit] ?? 0);
}

/** Written as Kubernetes does: whole numbers bare, memory by the largest binary unit that divides it, else milli. */
export function formatQuantity(value: number, binary: boolean): string {
  if (binary) {
    for (const unit of ["Ti", "Gi", "Mi", "Ki"]) {
      if (value > 0 && value % units[unit]! === 0) return `${value / units[unit]!}${unit}`;
    }
  }
  return Number.isInteger(value) ? String(value) : `${Math.round(value * 1000)}m`;
}
