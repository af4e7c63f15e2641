import { z } from "zod";
import { ROLES } from "../../access/roles.ts";
import { AuditEntryJson } from "../../json/audit.ts";
import { count, time } from "../../json/common.ts";

// Who may ask, and as what: the shapes.

const name = z.string().min(1).max(64).describe("Name of a user");
const password = z.string().min(1).max(1024);
const role = z.enum(ROLES);

export const SessionJson = z
  .strictObject({
    user: z
      .strictObject({
        name: z.string().describe("Name of the user"),
        role: role.describe("What they may do"),
        how: z
          .enum(["password", "oidc", "token"])
          .describe("By what they are known; only with a password can they be asked for it again"),
      })
      .nullable()
      .describe("Who asks; null where nobody knows"),
    setUp: z.boolean().describe("Whether there is any user; where not, the daemon prints a link to make one"),
    oidc: z.string().nullable().describe("Name of the other service that one can sign in with; null: none"),
  })
  .meta({ title: "session" });

const SignIn = z.strictObject({ name, password });

const SetUp = z.strictObject({
  token: z.string().min(1).max(128).describe("From the link that the daemon prints"),
  name,
  password,
});

const UserJson = z
  .strictObject({
    name: z.string().describe("Name of the user"),
    role: role.describe("What they may do"),
    hasPassword: z.boolean().describe("Whether they can sign in with a password"),
    createdAt: time.describe("Since when"),
  })
  .meta({ title: "user" });

export const UsersJson = z
  .strictObject({ users: z.array(UserJson).describe("By name") })
  .meta({ title: "users" });

const confirm = z
  .strictObject({
    name: z.string().max(128).describe("Name of what is changed, typed"),
    password: z.string().max(1024).optional().describe("The password of whoever asks, again"),
  })
  .describe("Needed where what is done is dangerous");

const NewUser = z.strictObject({ name, role, password: password.nullable(), confirm });
const ChangedUser = z.strictObject({ role: role.optional(), password: password.optional(), confirm });
const RemovedUser = z.strictObject({ confirm });
const OneUser = z.strictObject({ name });

const OwnPassword = z.strictObject({ password, newPassword: password });

const TokenJson = z
  .strictObject({
    id: z.string().describe("Identity of the token"),
    label: z.string().describe("What it is for"),
    user: z.string().describe("In whose name it acts"),
    role: role.describe("What it may do; never more than its user"),
    dangerous: z.boolean().describe("Whether it may do what asks people for their password again"),
    createdAt: time.describe("Since when"),
    expiresAt: time.describe("Until when"),
    usedAt: z.iso.date().nullable().describe("The day it was used last; null: never"),
  })
  .meta({ title: "token" });

export const TokensJson = z
  .strictObject({ tokens: z.array(TokenJson).describe("Newest first; an admin sees everybody's") })
  .meta({ title: "tokens" });

const NewToken = z.strictObject({
  label: z
    .string()
    .trim()
    .min(1)
    .max(80)
    .regex(/^[^\p{Cc}]+$/u)
    .describe("What it is for"),
  role,
  dangerous: z
    .boolean()
    .default(false)
    .describe("Whether it may do what asks people for their password again"),
  days: z.int().min(1).max(366).default(90).describe("How long it is good"),
});

export const MadeTokenJson = z
  .strictObject({ token: TokenJson, secret: z.string().describe("Shown this once, and kept nowhere") })
  .meta({ title: "new token" });

const OneToken = z.strictObject({ id: z.string().regex(/^[0-9a-f]{12}$/) });

const WhichAudit = z.strictObject({
  before: z.coerce.number().int().min(1).optional().describe("Only entries with a lower number"),
  last: z.coerce.number().int().min(1).max(500).default(100).describe("No more than so many"),
  who: z.string().max(128).optional().describe("Only what somebody did in whose name this occurs"),
  what: z.string().max(128).optional().describe("Only what was done in whose name this occurs"),
});

const AuditJson = z
  .strictObject({
    entries: z.array(AuditEntryJson).describe("Newest first"),
    more: z.boolean().describe("Whether there are older ones"),
  })
  .meta({ title: "audit log" });

const AuditCheckJson = z
  .strictObject({
    entries: count.describe("How many are as they were written; fewer than there are where one is not"),
    broken: z.string().nullable().describe("What is wrong with it; null where nothing is"),
  })
  .meta({ title: "check of the audit log" });

/** The addresses of it. `public`: whoever asks need not be known. */
export const ACCESS_ROUTES = {
  session: {
    method: "GET",
    path: "/api/session",
    role: "public",
    summary: "Who asks, and how one can sign in",
    answer: SessionJson,
  },
  signIn: {
    method: "POST",
    path: "/api/session",
    role: "public",
    summary: "Signs in; the session is in a cookie that scripts cannot read",
    body: SignIn,
    answer: SessionJson,
  },
  signOut: {
    method: "DELETE",
    path: "/api/session",
    role: "public",
    summary: "Signs out",
    answer: SessionJson,
  },
  setUp: {
    method: "POST",
    path: "/api/set-up",
    role: "public",
    summary: "Makes the first user, an admin, with what the daemon prints when there is none",
    body: SetUp,
    answer: SessionJson,
  },
  users: { method: "GET", path: "/api/users", role: "admin", summary: "Who may sign in", answer: UsersJson },
  addUser: {
    method: "POST",
    path: "/api/users",
    role: "admin",
    summary: "Adds a user",
    body: NewUser,
    answer: UserJson,
  },
  changeUser: {
    method: "PATCH",
    path: "/api/users/:name",
    role: "admin",
    summary: "Changes a user's role or password",
    params: OneUser,
    body: ChangedUser,
    answer: UserJson,
  },
  removeUser: {
    method: "DELETE",
    path: "/api/users/:name",
    role: "admin",
    summary: "Removes a user, with their sessions and tokens",
    params: OneUser,
    body: RemovedUser,
    answer: UsersJson,
  },
  password: {
    method: "POST",
    path: "/api/password",
    role: "viewer",
    summary: "Changes one's own password, and ends one's other sessions",
    body: OwnPassword,
    answer: SessionJson,
  },
  tokens: { method: "GET", path: "/api/tokens", role: "viewer", summary: "API tokens", answer: TokensJson },
  addToken: {
    method: "POST",
    path: "/api/tokens",
    role: "viewer",
    summary: "Makes an API token, sent as `Authorization: Bearer …`",
    body: NewToken,
    answer: MadeTokenJson,
  },
  revokeToken: {
    method: "DELETE",
    path: "/api/tokens/:id",
    role: "viewer",
    summary: "Revokes a token: one's own; an admin anybody's",
    params: OneToken,
    answer: TokensJson,
  },
  audit: {
    method: "GET",
    path: "/api/audit",
    role: "admin",
    summary: "Who did what, when, and from where",
    query: WhichAudit,
    answer: AuditJson,
  },
  auditCheck: {
    method: "GET",
    path: "/api/audit/check",
    role: "admin",
    summary: "Whether the whole log on this machine is as it was written, entry by entry",
    answer: AuditCheckJson,
  },
} as const;
