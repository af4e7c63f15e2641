/**
 * What a value is as JSON, with every text in it redacted. Whatever has nothing to redact is the same object, for answers may list tens of
 * thousands of things.
 */
export function redactIn(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (typeof value !== "object" || value === null) return value;
  // Such as a URL, whose text may hold a password.
  if ("toJSON" in value && typeof value.toJSON === "function")
    return redactIn((value as { toJSON(): unknown }).toJSON(), redact);
  if (Array.isArray(value)) {
    const redacted = value.map((item: unknown) => redactIn(item, redact));
    return redacted.every((item, at) => item === value[at]) ? value : redacted;
  }
  const changed = new Map<string, unknown>();
  for (const [name, of] of Object.entries(value)) {
    const redacted = redactIn(of, redact);
    if (redacted !== of || of === undefined) changed.set(name, redacted);
  }
  if (changed.size === 0) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, of]) => {
      const redacted = changed.has(name) ? changed.get(name) : of;
      return redacted === undefined ? [] : [[name, redacted]];
    }),
  );
}
