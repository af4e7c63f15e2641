import { Anchor } from "@mantine/core";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { PageTitle } from "../parts/page-title.tsx";
import { Empty } from "../parts/states.tsx";

export function NotFound(): ReactElement {
  return (
    <>
      <PageTitle title="Not found" />
      <Empty title="There is no such page">
        The address may be mistyped.{" "}
        <Anchor component={Link} to="/">
          To the overview
        </Anchor>
      </Empty>
    </>
  );
}
