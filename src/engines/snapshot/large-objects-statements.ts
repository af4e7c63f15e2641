import { quoteIdentifier, quoteLiteral } from "../../postgres/quoting.ts";

/** What is said about one large object: a row of `pg_catalog.pg_largeobject_metadata` in a snapshot. */
export interface LargeObjectFacts {
  readonly oid: string;
  readonly owner: string;
  readonly grants: readonly Grant[] | null;
  readonly comment: string | null;
  readonly labels: readonly { readonly provider: string; readonly label: string }[] | null;
}

interface Grant {
  readonly grantor: string;
  readonly grantee: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
}

/** What the role may not do, and who wants to know what was therefore left out. */
export interface DescribingLimits {
  readonly otherRoles: ReadonlySet<string>;
  readonly leave: (reason: string) => void;
}

/** How to act for a role: the statements before, and after. */
export type ActAs = (role: string) => readonly [begin: string, end: string];

/**
 * The statements that give a large object its comment, labels, owner and privileges.
 * @param own it belongs to its owner already
 */
export function describingStatements(
  { oid, owner, grants, comment, labels }: LargeObjectFacts,
  own: boolean,
  limits: DescribingLimits,
  actAs: ActAs,
): string[] {
  const object = `large object ${oid}`;
  const statements: string[] = [];
  if (comment !== null) statements.push(`comment on ${object} is ${quoteLiteral(comment)}`);
  for (const { provider, label } of labels ?? []) {
    statements.push(`security label for ${quoteIdentifier(provider)} on ${object} is ${quoteLiteral(label)}`);
  }
  const given = !limits.otherRoles.has(owner);
  if (!given) limits.leave(`ownership of role ${owner}`);
  else if (!own) statements.push(`alter ${object} owner to ${quoteIdentifier(owner)}`);
  if (grants === null) return statements;
  statements.push(`revoke all on ${object} from ${given ? quoteIdentifier(owner) : "current_user"}`);
  for (const grant of grants) statements.push(...grantStatements(object, owner, grant, limits, actAs));
  return statements;
}

function grantStatements(
  object: string,
  owner: string,
  { grantor, grantee, privilege, grantable }: Grant,
  limits: DescribingLimits,
  actAs: ActAs,
): string[] {
  const to = grantee === null ? "public" : quoteIdentifier(grantee);
  const grant = `grant ${privilege} on ${object} to ${to}${grantable ? " with grant option" : ""}`;
  if (!limits.otherRoles.has(grantor)) {
    const [begin, end] = actAs(grantor);
    return [begin, grant, end];
  }
  if (grantor !== owner)
    limits.leave(`grants in the name of role ${grantor}: made in the restoring role's name`);
  return [grant];
}
