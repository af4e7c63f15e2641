/** Which schemas a backup has; null: the whole database. */
export type Scope = readonly string[] | null;

/** Whether a backup of the first scope has at least what one of the second has. */
export function covers(first: Scope, second: Scope): boolean {
  if (first === null) return true;
  return second !== null && second.every((schema) => first.includes(schema));
}
