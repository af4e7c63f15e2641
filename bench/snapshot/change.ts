import type { Session } from "../../src/postgres/session.ts";
import type { Filled, TableName } from "./fill.ts";

const CHANGES: Readonly<Record<TableName, string>> = {
  imports: "state = 'changed', payload = payload || '{\"checked\": true}'",
  products: "price = price + 1, updated_at = updated_at + interval '1 day'",
  movements: "quantity = quantity + 1",
};

/**
 * Updates in each table this share of its rows at the end (the highest ids), and as many in one place.
 * @param place where that is: 0 the beginning, 1 the end
 */
export async function changeRows(
  session: Session,
  filled: Filled,
  share: number,
  place: number,
): Promise<void> {
  for (const [table, set] of Object.entries(CHANGES) as [TableName, string][]) {
    const rows = filled[table];
    const count = Math.ceil(rows * share);
    const from = Math.floor((rows - 2 * count) * place);
    const update = async (after: number): Promise<void> => {
      await session.query(`update public.${table} set ${set} where id > $1 and id <= $2`, [
        after,
        after + count,
      ]);
    };
    await update(rows - count);
    await update(from);
  }
}
