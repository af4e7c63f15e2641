/** The role of the application, which cannot log in by itself. Roles belong to the server, so it may be there already. */
export const APP_ROLE_SQL =
  "DO $$ BEGIN CREATE ROLE app NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
